import type { Either, ForeignData, ForeignSessionClass } from "./foreign.ts";
import type { Session } from "./session.ts";
import type { SessionData } from "./session-data.ts";
import type { SignIn } from "./sign-in.ts";

/*
 * Added to the types of express-session, if those are installed: foreign.ts says why.
 */

/** `session.Session`, for stores that ask for all of express-session. */
export type SessionClass = typeof Session & Either<ForeignSessionClass, unknown>;
type Promising = Pick<Session, "saveAsync" | "reloadAsync" | "destroyAsync" | "regenerateAsync">;
type OfPsession = Promising & Omit<SignIn, keyof SessionData | keyof ForeignData>;
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
