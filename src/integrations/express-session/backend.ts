import type { ServerResponse } from "node:http";
import type { OpenSession } from "./open-session.ts";
import type { SessionRequest } from "./request.ts";

/** Keeps sessions: in the application's own store, or in one of psession's. */
export interface Backend {
  /** The value of `req.sessionStore`. */
  readonly sessionStore: object;
  readonly caching: "protect" | "off";
  /** Throws if no request can have a session. */
  assertReady(request: SessionRequest): void;
  /** Puts a session into the request. Without a response, only the handler's own calls of `save` store it. */
  open(request: SessionRequest, response: ServerResponse | undefined): OpenSession | Promise<OpenSession>;
  /** Answers what device-bound sessions need before the handlers: true where it did. */
  readonly answers?:
    | ((request: SessionRequest, response: ServerResponse, open: OpenSession) => Promise<boolean> | undefined)
    | undefined;
}
