export type { ExpressRequestSession } from "../express/request-session.ts";

import type { Cookie } from "./cookie.ts";
import type { SessionStoreOr, TheirRequestSession } from "./foreign.ts";
import type { RequiredSessionData } from "./required.ts";
import type { Session } from "./session.ts";
import type { SignIn } from "./sign-in.ts";
import type { Store } from "./store.ts";

/**
 * The application's session data, typed by declaration merging:
 * `declare module "psession/express-session" { interface SessionData { views: number } }`.
 */
export interface SessionData extends RequiredSessionData {
  cookie: Cookie;
}

/**
 * What handlers have at `req.session`. What psession adds (`login`, `devices` and so on) is there with a psession
 * store only.
 */
export type RequestSession = Session & Omit<SignIn, keyof SessionData> & Partial<SessionData>;

declare global {
  namespace Express {
    interface PsessionSessions {
      expressSession: RequestSession;
      /** Instead of all of them, where it is declared. */
      foreign: TheirRequestSession;
    }
    interface Request {
      sessionID: string;
      sessionStore: SessionStoreOr<Store>;
    }
  }
}
