import type { IncomingMessage } from "node:http";
import { isSecureScheme, originAt } from "../../http/scheme.ts";
import { forwarded } from "../forwarded.ts";

/**
 * The properties used of Express's request: both Express 4 and 5 have them, and its types are not needed. Requests of
 * Connect have none of them.
 */
export interface ExpressRequest extends IncomingMessage {
  readonly app?: { get?(name: string): unknown } | undefined;
  readonly protocol?: string | undefined;
  readonly hostname?: string | undefined;
  readonly ip?: string | undefined;
  readonly originalUrl?: string | undefined;
}

/** Scheme, host and port as the visitor sees them; forwarded headers count as far as Express trusts their proxy. */
export const originOf = (request: ExpressRequest): string =>
  originAt(isSecureScheme(request.protocol ?? "http"), visibleHost(request));

export function visibleHost({ hostname, headers }: ExpressRequest): string {
  const { host = "" } = headers;
  const isForwarded = hostname !== undefined && host.replace(/:\d+$/, "") !== hostname;
  return forwarded((name) => headers[name], "host", isForwarded) ?? host;
}

/** Whether Express trusts the peer of the connection as a proxy. */
export function trustsProxy({ app, socket }: ExpressRequest): boolean {
  const trusts = app?.get?.("trust proxy fn");
  return (
    typeof trusts === "function" && trusts((socket as typeof socket | undefined)?.remoteAddress, 0) === true
  );
}
