import type { IncomingMessage } from "node:http";
import type { TLSSocket } from "node:tls";
import { isSecureScheme, originAt } from "../../http/scheme.ts";
import { factsOf, type RequestFacts, type Transport } from "../../request/facts.ts";
import { forwarded, type ProxyOptions } from "../forwarded.ts";
import { momentOf } from "./arrivals.ts";
import type { NodeRequest } from "./messages.ts";

/** How a request of `node:http` or `node:http2` is read. */
export type NodeOptions = ProxyOptions;

/** Facts that a framework knows better than the bare request. */
export type KnownFacts = Partial<
  Pick<RequestFacts, "secure" | "address" | "canSetCookies" | "arrivedAt" | "passive">
> &
  Pick<Transport, "origin" | "trustsProxy">;

/** The facts of a request of Node. `known` comes before what the request itself says. */
export function nodeFacts(request: NodeRequest, trustProxy: boolean, known: KnownFacts = {}): RequestFacts {
  const { method } = request;
  const header = headerOf(request);
  // A virtual request has none.
  const socket = request.socket as IncomingMessage["socket"] | undefined;
  return factsOf(header, {
    method,
    secure: known.secure ?? isSecure(request, header, trustProxy),
    // A framework that knows of no address gives undefined here, which counts.
    address:
      "address" in known ? known.address : (forwarded(header, "for", trustProxy) ?? socket?.remoteAddress),
    canSetCookies: known.canSetCookies ?? true,
    request: momentOf(request),
    arrivedAt: known.arrivedAt,
    passive: known.passive,
    origin: known.origin ?? (() => visibleOrigin(request, trustProxy)),
    trustsProxy: known.trustsProxy ?? trustProxy,
  });
}

/** Scheme, host and port as the visitor's browser named them. */
export function visibleOrigin(request: NodeRequest, trustProxy: boolean): string {
  const { headers } = request;
  const header = headerOf(request);
  // HTTP/2 calls it :authority.
  const { host = headers[":authority"] } = headers;
  const visible = forwarded(header, "host", trustProxy) ?? (typeof host === "string" ? host : "");
  return originAt(isSecure(request, header, trustProxy), visible);
}

type Header = (name: string) => string | string[] | undefined;

export const headerOf =
  ({ headers }: Pick<NodeRequest, "headers">): Header =>
  (name) =>
    headers[name];

/** The facts that guards need of a request. */
export const asked = (request: Pick<NodeRequest, "method" | "headers">, origin: string) => ({
  method: request.method,
  header: headerOf(request),
  origin,
});

function isSecure({ socket }: NodeRequest, header: Header, trustProxy: boolean): boolean {
  const proto = forwarded(header, "proto", trustProxy);
  return proto === undefined
    ? (socket as Partial<TLSSocket> | undefined)?.encrypted === true
    : isSecureScheme(proto);
}

/** Path and query as the server got them: a mount may have shortened `url`. */
export const pathOf = (request: NodeRequest): string =>
  (request as { readonly originalUrl?: string }).originalUrl ?? request.url ?? "/";
