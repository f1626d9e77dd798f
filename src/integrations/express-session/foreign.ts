import type { Session } from "./session.ts";
import type { SignIn } from "./sign-in.ts";
import type { SessionData } from "./typing.ts";

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
type TheirSessionClass = typeof import("express-session").Session;
// biome-ignore lint/suspicious/noTsIgnore: as above.
/** @ts-ignore */
type TheirData = import("express-session").SessionData;
// biome-ignore lint/suspicious/noTsIgnore: an error only where those types are not installed.
/** @ts-ignore */
type TheirSessionStore = Express.SessionStore;

/** As members: on their own, TypeScript compares nothing with what it could not find. */
type AreThere = { a: 0 } extends { a: 1 & TheirSession } ? false : true;
type Either<Theirs, Ours> = AreThere extends true ? Theirs : Ours;

/** What handlers have at `req.session` by those types; unknown where they are not. */
export type TheirRequestSession = Either<TheirSession & Partial<TheirData>, unknown>;
export type SessionStoreOr<Ours> = Either<TheirSessionStore, Ours>;
/** What a store makes of data. */
export type SessionOr<Ours> = Either<TheirSession & TheirData, Ours>;
/** `session.Session`, for stores that ask for all of express-session. */
export type SessionClass = typeof Session & Either<TheirSessionClass, unknown>;
export type CookieAge = number | Either<undefined, null>;

type Promising = Pick<Session, "saveAsync" | "reloadAsync" | "destroyAsync" | "regenerateAsync">;
type OfPsession = Promising & Omit<SignIn, keyof SessionData | keyof TheirData>;
type OfApplication = Omit<SessionData, "cookie">;

// biome-ignore lint/suspicious/noTsIgnore: an error only where those types are not installed.
/** @ts-ignore */
declare module "express-session" {
  interface Session extends OfPsession {
    reload(): this;
    destroy(): this;
    regenerate(): this;
  }
  interface SessionData extends OfApplication {}
}
