import { factsOf, type RequestFacts } from "../../request/facts.ts";

type Header = (name: string) => string | undefined;

export const headerOf =
  (request: Request): Header =>
  (name) =>
    request.headers.get(name) ?? undefined;

export function fetchFacts(
  request: Request,
  trustProxy: boolean,
  address: () => string | undefined,
): RequestFacts {
  const header = headerOf(request);
  return factsOf(header, {
    method: request.method,
    secure: isSecure(request, trustProxy),
    address: forwarded(header, "x-forwarded-for", trustProxy) ?? address(),
    // What answers an upgrade is the server's own response, and nothing can be put on it.
    canSetCookies: header("upgrade")?.toLowerCase() !== "websocket",
  });
}

/** Scheme, host and port as the visitor's browser sees them. */
export function visibleOrigin(request: Request, trustProxy: boolean): string {
  const host = forwarded(headerOf(request), "x-forwarded-host", trustProxy) ?? new URL(request.url).host;
  return `${isSecure(request, trustProxy) ? "https" : "http"}://${host}`;
}

export function pathOf(request: Request): string {
  const { pathname, search } = new URL(request.url);
  return pathname + search;
}

function isSecure(request: Request, trustProxy: boolean): boolean {
  const proto = forwarded(headerOf(request), "x-forwarded-proto", trustProxy);
  return proto === undefined ? request.url.startsWith("https:") : proto === "https";
}

function forwarded(header: Header, name: string, trustProxy: boolean): string | undefined {
  return trustProxy ? header(name)?.split(",")[0]?.trim() : undefined;
}
