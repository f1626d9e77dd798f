import all = require("./types/adapters/express-session/index.cjs");

export = session;

/** What `require("psession/express-session")` gives: the function, with everything at it, as express-session does. */
declare function session(options?: all.SessionOptions): all.SessionMiddleware;

declare namespace session {
  export import CallbackStore = all.CallbackStore;
  export import Cookie = all.Cookie;
  export import CookieData = all.CookieData;
  export import CookieOptions = all.CookieOptions;
  export import MemoryStore = all.MemoryStore;
  export import RequestSession = all.RequestSession;
  export import Session = all.session.Session;
  export import SessionMiddleware = all.SessionMiddleware;
  export import SessionOptions = all.SessionOptions;
  export import SignIn = all.SignIn;
  export import Store = all.Store;
  export import UserOf = all.UserOf;
  export import psessionOf = all.psessionOf;
  export { session, session as default };

  /** The application's session data, typed by declaration merging. */
  interface SessionData {
    cookie: all.Cookie;
  }
}

declare module "./types/adapters/express-session/typing.cjs" {
  interface SessionData extends session.SessionData {}
}
