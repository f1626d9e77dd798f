import type { ServerResponse } from "node:http";
import type { OpenSession } from "./open-session.ts";
import type { SessionRequest } from "./request.ts";

/** Where sessions are kept: the store that an application has, or one of psession's. */
export interface Backend {
  /** What requests have at `req.sessionStore`. */
  readonly sessionStore: object;
  readonly caching: "protect" | "off";
  /** Throws what a request must be told before it is looked at. */
  assertReady(request: SessionRequest): void;
  /** Puts a session into the request. Without a response nothing is saved but what the handler saves. */
  open(request: SessionRequest, response: ServerResponse | undefined): OpenSession | Promise<OpenSession>;
}
