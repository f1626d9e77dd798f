import type { IncomingMessage } from "node:http";
import { isSecureScheme, originAt } from "../../http/scheme.ts";

/** What Express knows of a request, and what it was told of proxies. Requests of Connect have none of it. */
export interface ProxiedRequest extends IncomingMessage {
  readonly app?: { get?(name: string): unknown } | undefined;
  readonly protocol?: string | undefined;
  readonly hostname?: string | undefined;
}

/** Scheme, host and port as the visitor sees them; a proxy's word counts as far as Express trusts it. */
export const originOf = (request: ProxiedRequest): string =>
  originAt(isSecureScheme(request.protocol ?? "http"), visibleHost(request));

export function visibleHost({ hostname, headers }: ProxiedRequest): string {
  const { host = "" } = headers;
  const isForwarded = hostname !== undefined && host.replace(/:\d+$/, "") !== hostname;
  const forwarded = headers["x-forwarded-host"];
  return isForwarded && typeof forwarded === "string" ? (forwarded.split(",")[0]?.trim() ?? "") : host;
}

/** Whether Express believes whoever holds the connection. */
export function trustsProxy({ app, socket }: ProxiedRequest): boolean {
  const trusts = app?.get?.("trust proxy fn");
  return (
    typeof trusts === "function" && trusts((socket as typeof socket | undefined)?.remoteAddress, 0) === true
  );
}
