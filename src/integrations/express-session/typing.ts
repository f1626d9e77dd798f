export type { ExpressRequestSession } from "../../integration/express/request-session.ts";
// As a star, or merging declarations would not reach it.
export type * from "./session-data.ts";

import type { Store } from "./express-store.ts";
import type { ForeignRequestSession, SessionStoreOr } from "./foreign.ts";
import type { Session } from "./session.ts";
import type { SessionData } from "./session-data.ts";
import type { SignIn } from "./sign-in.ts";

/**
 * The type of `req.session`. psession's own methods (`login`, `devices` and so on) exist with a psession store only.
 */
export type RequestSession = Session & Omit<SignIn, keyof SessionData> & Partial<SessionData>;

declare global {
  namespace Express {
    interface PsessionSessions {
      expressSession: RequestSession;
      /** Instead of all of them, if declared. */
      foreign: ForeignRequestSession;
    }
    interface Request {
      sessionID: string;
      sessionStore: SessionStoreOr<Store>;
    }
  }
}
