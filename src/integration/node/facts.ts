import type { IncomingMessage } from "node:http";
import type { TLSSocket } from "node:tls";
import { isSecureScheme, originAt } from "../../http/scheme.ts";
import { firstOf } from "../../request/addresses.ts";
import { factsOf, type RequestFacts, type Transport } from "../../request/facts.ts";
import { momentOf } from "./arrivals.ts";
import type { NodeRequest } from "./request.ts";

/** How a request of `node:http` or `node:http2` is read. */
export interface NodeOptions {
  /**
   * Believe `X-Forwarded-Proto`, `X-Forwarded-For` and `X-Forwarded-Host`: only behind a proxy that sets them
   * itself, as anybody can send them. Default: false.
   */
  trustProxy?: boolean | undefined;
}

/** What a framework knows better than the bare request does. */
export type KnownFacts = Partial<Pick<RequestFacts, "secure" | "address" | "canSetCookies" | "arrivedAt">> &
  Pick<Transport, "origin" | "trustsProxy">;

/** The facts of a request of Node. `known` comes before what the request itself says. */
export function nodeFacts(request: NodeRequest, trustProxy: boolean, known: KnownFacts = {}): RequestFacts {
  const { headers, method } = request;
  // A request that came by no connection has none.
  const socket = request.socket as IncomingMessage["socket"] | undefined;
  return factsOf((name) => headers[name], {
    method,
    secure: known.secure ?? isSecure(request, trustProxy),
    // Frameworks that know of no address say so, and are believed.
    address:
      "address" in known
        ? known.address
        : (forwarded(request, "x-forwarded-for", trustProxy) ?? socket?.remoteAddress),
    canSetCookies: known.canSetCookies ?? true,
    request: momentOf(request),
    arrivedAt: known.arrivedAt,
    origin: known.origin ?? (() => visibleOrigin(request, trustProxy)),
    trustsProxy: known.trustsProxy ?? trustProxy,
  });
}

/** Scheme, host and port as the visitor's browser named them. */
export const visibleOrigin = (request: NodeRequest, trustProxy: boolean): string =>
  originAt(isSecure(request, trustProxy), visibleHost(request, trustProxy));

function isSecure(request: NodeRequest, trustProxy: boolean): boolean {
  const proto = forwarded(request, "x-forwarded-proto", trustProxy);
  return proto === undefined
    ? (request.socket as Partial<TLSSocket> | undefined)?.encrypted === true
    : isSecureScheme(proto);
}

/** HTTP/2 calls it :authority. */
function visibleHost(request: NodeRequest, trustProxy: boolean): string {
  const { headers } = request;
  const authority = headers[":authority"];
  return (
    forwarded(request, "x-forwarded-host", trustProxy) ??
    headers.host ??
    (typeof authority === "string" ? authority : "")
  );
}

function forwarded(request: NodeRequest, name: string, trustProxy: boolean): string | undefined {
  const value = trustProxy ? request.headers[name] : undefined;
  return firstOf(typeof value === "string" ? value : value?.[0]);
}
