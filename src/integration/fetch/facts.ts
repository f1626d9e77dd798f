import { isSecureScheme, originAt } from "../../http/scheme.ts";
import type { Settings } from "../../options/settings.ts";
import { cameAt } from "../../request/arrival.ts";
import { factsOf, isPassive, type RequestFacts } from "../../request/facts.ts";
import { forwarded } from "../forwarded.ts";
import { type GuardFacts, knownOrigin } from "../guards.ts";

type Header = (name: string) => string | undefined;

/** The headers of a request, by their names: what `factsOf` asks for. */
export const headerOf =
  (request: Request): Header =>
  (name) =>
    request.headers.get(name) ?? undefined;

/**
 * The facts of a Request. `address` is that of the connection, `arrivedAt` is in epoch milliseconds, and `token` is
 * the object that `runInRequest` knows the request by.
 */
export function fetchFacts(
  settings: Pick<Settings, "proxy" | "session">,
  request: Request,
  trustProxy: boolean,
  {
    address,
    arrivedAt,
    token = request,
  }: {
    readonly address: () => string | undefined;
    readonly arrivedAt: number;
    readonly token?: object;
  },
): RequestFacts {
  const header = headerOf(request);
  return factsOf(header, {
    method: request.method,
    secure: isSecure(request, trustProxy),
    address: forwarded(header, "for", trustProxy) ?? address(),
    arrivedAt: cameAt(settings, header, arrivedAt),
    passive: isPassive(settings, header, request.method, () => pathOf(request)),
    request: token,
    origin: () => visibleOrigin(request, trustProxy),
    trustsProxy: trustProxy,
  });
}

/** Scheme, host and port as the visitor's browser sees them. */
export function visibleOrigin(request: Request, trustProxy: boolean): string {
  const host = forwarded(headerOf(request), "host", trustProxy) ?? new URL(request.url).host;
  return originAt(isSecure(request, trustProxy), host);
}

/** The facts that guards need of a request. */
export const asked = (request: Request, trustProxy = false, facts?: GuardFacts) => ({
  method: request.method,
  header: headerOf(request),
  origin: knownOrigin(facts) ?? visibleOrigin(request, trustProxy),
});

/** Path and query of a request. */
export function pathOf(request: Request): string {
  const { pathname, search } = new URL(request.url);
  return pathname + search;
}

function isSecure(request: Request, trustProxy: boolean): boolean {
  const proto = forwarded(headerOf(request), "proto", trustProxy);
  return proto === undefined ? request.url.startsWith("https:") : isSecureScheme(proto);
}
