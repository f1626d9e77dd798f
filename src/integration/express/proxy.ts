import type { IncomingMessage } from "node:http";
import { isSecureScheme, originAt } from "../../http/scheme.ts";
import { forwarded } from "../forwarded.ts";

/** What Express knows of a request, and its settings for proxies. Requests of Connect have none of it. */
export interface ProxiedRequest extends IncomingMessage {
  readonly app?: { get?(name: string): unknown } | undefined;
  readonly protocol?: string | undefined;
  readonly hostname?: string | undefined;
}

/** Scheme, host and port as the visitor sees them; forwarded headers count as far as Express trusts their proxy. */
export const originOf = (request: ProxiedRequest): string =>
  originAt(isSecureScheme(request.protocol ?? "http"), visibleHost(request));

export function visibleHost({ hostname, headers }: ProxiedRequest): string {
  const { host = "" } = headers;
  const isForwarded = hostname !== undefined && host.replace(/:\d+$/, "") !== hostname;
  return forwarded((name) => headers[name], "host", isForwarded) ?? host;
}

/** Whether Express trusts the peer of the connection as a proxy. */
export function trustsProxy({ app, socket }: ProxiedRequest): boolean {
  const trusts = app?.get?.("trust proxy fn");
  return (
    typeof trusts === "function" && trusts((socket as typeof socket | undefined)?.remoteAddress, 0) === true
  );
}
