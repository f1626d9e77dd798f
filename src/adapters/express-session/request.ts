import type { ServerResponse } from "node:http";
import type { TLSSocket } from "node:tls";
import { isSecureScheme } from "../../http/scheme.ts";
import { warn } from "../../warnings.ts";
import type { ProxiedRequest } from "../express/proxy.ts";

/** What we use of a request: Express's, Connect's or Node's own. */
export interface SessionRequest extends ProxiedRequest {
  session?: unknown;
  sessionID?: unknown;
  sessionStore?: unknown;
  readonly originalUrl?: string | undefined;
  readonly secure?: boolean | undefined;
  readonly ip?: string | undefined;
  /** What cookie-parser leaves. */
  readonly secret?: unknown;
  readonly signedCookies?: Record<string, unknown> | undefined;
  readonly cookies?: Record<string, unknown> | undefined;
}

/** By the socket, and by what a proxy says as far as that is believed: Express's word unless `trust` says otherwise. */
export function isSecure(request: SessionRequest, trust: boolean | undefined): boolean {
  if ((request.socket as Partial<TLSSocket> | undefined)?.encrypted === true) return true;
  if (trust === false) return false;
  if (trust !== true) return request.secure === true || isSecureScheme(request.protocol ?? "");
  const forwarded = request.headers["x-forwarded-proto"] ?? "";
  return isSecureScheme(String(forwarded).split(",")[0]?.trim() ?? "");
}

/** The path that the browser asked for, wherever the middleware is mounted. */
export function pathOf(request: SessionRequest): string {
  const url = request.originalUrl ?? request.url ?? "";
  if (!url.startsWith("/")) return URL.parse(url)?.pathname ?? "/";
  return url.split("?", 1)[0] || "/";
}

/** What a response needs to be held: virtual requests, as Sails has them, and upgrades bring no whole one. */
const NEEDED = ["setHeader", "getHeader", "writeHead", "write", "end"];

/** Without one, as an application says by `{}`, nothing is saved but what the handler saves. */
export function isResponse(response: unknown): response is ServerResponse {
  const has = (name: string) => typeof (response as Record<string, unknown> | null)?.[name] === "function";
  if (NEEDED.every(has)) return true;
  if (NEEDED.some(has)) warnOfResponse(NEEDED.filter((name) => !has(name)));
  return false;
}

let hasWarned = false;

function warnOfResponse(missing: readonly string[]): void {
  if (hasWarned) return;
  hasWarned = true;
  warn(
    "PSESSION_NOT_HELD",
    `A response cannot wait for its session, as it has no ${missing.join(", ")}: nothing is saved there, and no cookie ` +
      "is set, but by req.session.save().",
  );
}
