import { PsessionError } from "../../errors.ts";
import type { Psession } from "../../psession.ts";
import type { Session as CoreSession } from "../../session.ts";
import type { CallbackStore } from "./callback-store.ts";
import { Cookie, type CookieData, type CookieOptions } from "./cookie.ts";
import { MemoryStore, Store } from "./express-store.ts";
import type { UserOf } from "./identity.ts";
import type { SessionClass } from "./merged.ts";
import { createMiddleware, type SessionMiddleware } from "./middleware.ts";
import { openSessionOf } from "./open-session.ts";
import type { SessionOptions } from "./options.ts";
import { type Session as OwnSession, Session } from "./session.ts";
import type { SignIn } from "./sign-in.ts";
import type { RequestSession, SessionData } from "./typing.ts";

// As a star, or merging declarations into "psession/express-session" would not reach it.
export type * from "./typing.ts";
export type { CallbackStore, CookieData, CookieOptions, SessionMiddleware, SessionOptions, SignIn, UserOf };
export { Cookie, MemoryStore, Session, Store, session };

/**
 * Session middleware with express-session's interface: the same options, `req.session`, stores and events. With a
 * psession store (`sqliteStore(...)`, or a whole psession) `req.session` also has psession's sign-in.
 */
function session(options?: SessionOptions): SessionMiddleware {
  return createMiddleware(options ?? {});
}

declare namespace session {
  export type {
    CallbackStore,
    CookieData,
    CookieOptions,
    RequestSession,
    SessionData,
    SessionMiddleware,
    SessionOptions,
    SignIn,
    UserOf,
  };
  export { Cookie, MemoryStore, psessionOf, Store, session, session as default };
  /** The class of `req.session`, for stores that make sessions of what they have kept. */
  export const Session: SessionClass;
  /** `req.session`, without what psession adds. */
  export type Session = OwnSession;
}

// Old stores take this function and find their base class on it: `require("connect-x")(session)`. `require` gives it
// too, so it carries all exports, and itself for compilers that look for `default`.
Object.assign(session, { Cookie, MemoryStore, Session, Store, psessionOf, session, default: session });

export default session;

/**
 * psession's own session of a request, which no key of the data can hide, and its psession. Only with a psession store.
 */
export function psessionOf(request: object): { session: CoreSession; psession: Psession } {
  const { core, psession } = openSessionOf(request) ?? {};
  if (core === undefined || psession === undefined) {
    throw new PsessionError(
      "invalid_options",
      "psessionOf needs psession/express-session before it, with a psession store.",
    );
  }
  return { session: core as unknown as CoreSession, psession: psession as unknown as Psession };
}
