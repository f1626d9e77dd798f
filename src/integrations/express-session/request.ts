import type { TLSSocket } from "node:tls";
import { isSecureScheme } from "../../http/scheme.ts";
import type { ExpressRequest } from "../../integration/express/proxy.ts";
import { forwarded } from "../../integration/forwarded.ts";

/** The properties used of a request: Express's, Connect's or Node's own. */
export interface SessionRequest extends ExpressRequest {
  session?: unknown;
  sessionID?: unknown;
  sessionStore?: unknown;
  readonly secure?: boolean | undefined;
  /** cookie-parser sets it. */
  readonly secret?: unknown;
  readonly signedCookies?: Record<string, unknown> | undefined;
  readonly cookies?: Record<string, unknown> | undefined;
}

/** By the socket, or `X-Forwarded-Proto`: trusted as far as Express does, unless `trust` says otherwise. */
export function isSecure(request: SessionRequest, trust: boolean | undefined): boolean {
  if ((request.socket as Partial<TLSSocket> | undefined)?.encrypted === true) return true;
  if (trust === false) return false;
  if (trust !== true) return request.secure === true || isSecureScheme(request.protocol ?? "");
  return isSecureScheme(forwarded((name) => request.headers[name], "proto", true) ?? "");
}

/** The path that the browser asked for, wherever the middleware is mounted. */
export function pathOf(request: SessionRequest): string {
  const url = request.originalUrl ?? request.url ?? "";
  if (!url.startsWith("/")) return URL.parse(url)?.pathname ?? "/";
  return url.split("?", 1)[0] || "/";
}
