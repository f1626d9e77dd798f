/**
 * In place of @types/express-session: with it in the program, `req.session` is declared by it and by everything here at
 * once, which no application does. scripts/loaders/ has programs with it.
 */
declare const untyped: unknown;
export = untyped;
