import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";

/** Requests of Node's servers. */
export type NodeRequest = IncomingMessage | Http2ServerRequest;

/** HTTP/2's has the same methods, through Node's compatibility API. */
export type NodeResponse = ServerResponse | Http2ServerResponse;
