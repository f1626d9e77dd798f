/*
 * Types of stores import @types/express-session, which declares `req.session` as psession does. TypeScript accepts two
 * declarations that say the same: if those types are installed, psession's repeat them and add their own members.
 * If they are not, the imports below are `any`, and the error of a missing module is suppressed.
 */

// biome-ignore lint/suspicious/noTsIgnore: an error only where those types are not installed.
/** @ts-ignore */
type ForeignSession = import("express-session").Session;
// biome-ignore lint/suspicious/noTsIgnore: as above.
/** @ts-ignore */
export type ForeignSessionClass = typeof import("express-session").Session;
// biome-ignore lint/suspicious/noTsIgnore: as above.
/** @ts-ignore */
export type ForeignData = import("express-session").SessionData;
// biome-ignore lint/suspicious/noTsIgnore: an error only where those types are not installed.
/** @ts-ignore */
type ForeignSessionStore = Express.SessionStore;

/** Compared as members: TypeScript does not compare a type that it could not find by itself. */
type AreInstalled = { a: 0 } extends { a: 1 & ForeignSession } ? false : true;
export type Either<Installed, Otherwise> = AreInstalled extends true ? Installed : Otherwise;

/** The type of `req.session` by those types; unknown if they are not installed. */
export type ForeignRequestSession = Either<ForeignSession & Partial<ForeignData>, unknown>;
export type SessionStoreOr<Otherwise> = Either<ForeignSessionStore, Otherwise>;
/** The session that a store makes of data. */
export type SessionOr<Otherwise> = Either<ForeignSession & ForeignData, Otherwise>;
export type CookieAge = number | Either<undefined, null>;
