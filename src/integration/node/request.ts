import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest } from "node:http2";

/** Requests of Node's servers. */
export type NodeRequest = IncomingMessage | Http2ServerRequest;
