export type { ExpressRequestSession } from "../../integration/express/request-session.ts";
// As a star, or merging declarations would not reach it.
export type * from "./session-data.ts";

import type { Store } from "./express-store.ts";
import type { SessionStoreOr, TheirRequestSession } from "./foreign.ts";
import type { Session } from "./session.ts";
import type { SessionData } from "./session-data.ts";
import type { SignIn } from "./sign-in.ts";

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
