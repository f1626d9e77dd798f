/**
 * The type of `req.session`. Each middleware of psession says what it puts there; where a program imports several,
 * it is all of them at once.
 */
declare global {
  namespace Express {
    /** By middleware. */
    interface PsessionSessions {}
    interface Request {
      /** The visitor's session, there in every handler behind the middleware. */
      session: Known<PsessionSessions> extends never
        ? All<PsessionSessions[Exclude<keyof PsessionSessions, "foreign">]>
        : Known<PsessionSessions>;
    }
  }
}

/** As another package's types declare it, where there are such. */
type Known<Sessions> = Sessions extends { foreign: infer Foreign }
  ? unknown extends Foreign
    ? never
    : Foreign
  : never;

type All<Union> = (Union extends unknown ? (each: Union) => void : never) extends (all: infer Each) => void
  ? Each
  : never;

/** Exported by every middleware, or their declarations would not bring these along. */
export type ExpressRequestSession = Express.Request["session"];
