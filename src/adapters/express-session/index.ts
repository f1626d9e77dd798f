import { PsessionError } from "../../errors.ts";
import type { Psession } from "../../psession.ts";
import type { Session as CoreSession } from "../../session.ts";
import { Cookie, type CookieOptions as Cookies } from "./cookie.ts";
import { createMiddleware, type SessionMiddleware } from "./middleware.ts";
import type { SessionOptions as Options } from "./options.ts";
import { Session } from "./session.ts";
import { MemoryStore, Store } from "./store.ts";
import type { SessionData as Data } from "./typing.ts";
import { visitOf } from "./visit.ts";

export type { CookieData, CookieOptions } from "./cookie.ts";
export type { UserOf } from "./identity.ts";
export type { SessionMiddleware } from "./middleware.ts";
export type { SessionOptions } from "./options.ts";
export type { SignIn } from "./sign-in.ts";
export type { CallbackStore } from "./store.ts";
// As a star, or merging declarations into "psession/express-session" would not reach it.
export type * from "./typing.ts";
export { Cookie, MemoryStore, Session, Store };

/**
 * Session middleware with express-session's interface: the same options, `req.session`, stores and events. With a
 * psession store (`sqliteStore(...)`, or a whole psession) `req.session` has psession's sign-in besides.
 */
function session(options?: session.SessionOptions): SessionMiddleware {
  return createMiddleware(options ?? {});
}

// Stores of old take this function and find their base class at it: `require("connect-x")(session)`.
session.Cookie = Cookie;
session.MemoryStore = MemoryStore;
session.Session = Session;
session.Store = Store;
session.psessionOf = psessionOf;

declare namespace session {
  export type SessionOptions = Options;
  export type SessionData = Data;
  export type CookieOptions = Cookies;
}

export default session;
// What `require("psession/express-session")` gives, as Node does it for ES modules.
export { session as "module.exports" };

/**
 * psession's own session of a request, whatever names the data have taken; and the service that keeps it. Only with
 * a psession store.
 */
export function psessionOf(request: object): { session: CoreSession; psession: Psession } {
  const { core, psession } = visitOf(request) ?? {};
  if (core === undefined || psession === undefined) {
    throw new PsessionError(
      "invalid_options",
      "psessionOf needs psession/express-session before it, with a psession store.",
    );
  }
  return { session: core as unknown as CoreSession, psession: psession as unknown as Psession };
}
