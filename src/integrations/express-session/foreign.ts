/*
 * Types of stores bring those of express-session along (@types/express-session), which declare `req.session` as ours do.
 * TypeScript takes two declarations if they say the same: so where those are, ours say what they say, and what psession
 * adds is added to them. Where they are not, what we ask of them is `any`, and an error that is not to be told.
 */

// biome-ignore lint/suspicious/noTsIgnore: an error only where those types are not installed.
/** @ts-ignore */
type TheirSession = import("express-session").Session;
// biome-ignore lint/suspicious/noTsIgnore: as above.
/** @ts-ignore */
export type TheirSessionClass = typeof import("express-session").Session;
// biome-ignore lint/suspicious/noTsIgnore: as above.
/** @ts-ignore */
export type TheirData = import("express-session").SessionData;
// biome-ignore lint/suspicious/noTsIgnore: an error only where those types are not installed.
/** @ts-ignore */
type TheirSessionStore = Express.SessionStore;

/** As members: on their own, TypeScript compares nothing with what it could not find. */
type AreThere = { a: 0 } extends { a: 1 & TheirSession } ? false : true;
export type Either<Theirs, Ours> = AreThere extends true ? Theirs : Ours;

/** What handlers have at `req.session` by those types; unknown where they are not. */
export type TheirRequestSession = Either<TheirSession & Partial<TheirData>, unknown>;
export type SessionStoreOr<Ours> = Either<TheirSessionStore, Ours>;
/** What a store makes of data. */
export type SessionOr<Ours> = Either<TheirSession & TheirData, Ours>;
export type CookieAge = number | Either<undefined, null>;
