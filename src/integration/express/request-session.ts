/** The type of `req.session`: each middleware of psession adds its own, and a program that imports several has all. */
declare global {
  namespace Express {
    /** By middleware: each declares what it puts there. */
    interface PsessionSessions {}
    interface Request {
      /** The visitor's session, there in every handler behind the middleware. */
      session: Known<PsessionSessions> extends never
        ? All<PsessionSessions[Exclude<keyof PsessionSessions, "foreign">]>
        : Known<PsessionSessions>;
    }
  }
}

/** The declaration of another package's types, if installed. */
type Known<Sessions> = Sessions extends { foreign: infer Foreign }
  ? unknown extends Foreign
    ? never
    : Foreign
  : never;

type All<Union> = (Union extends unknown ? (each: Union) => void : never) extends (all: infer Each) => void
  ? Each
  : never;

/** Every middleware exports this, or its declarations would not include the above. */
export type ExpressRequestSession = Express.Request["session"];
