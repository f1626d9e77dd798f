import all = require("./types/integrations/express-session/index.cjs");

export = session;

/** What `require` gives: the function, with everything at it, as express-session does. */
declare function session(options?: all.SessionOptions): all.SessionMiddleware;

declare namespace session {
  export { session, session as default };
  export import Cookie = all.Cookie;
  export import MemoryStore = all.MemoryStore;
  export import Session = all.session.Session;
  export import Store = all.Store;
  export import psessionOf = all.psessionOf;
  export type CallbackStore = all.CallbackStore;
  export type CookieData = all.CookieData;
  export type CookieOptions = all.CookieOptions;
  export type RequestSession = all.RequestSession;
  export type SessionMiddleware = all.SessionMiddleware;
  export type SessionOptions = all.SessionOptions;
  export type SignIn = all.SignIn;
  export type UserOf = all.UserOf;
  /** The application's session data, typed by declaration merging. */
  export interface SessionData {
    cookie: all.Cookie;
  }
}
