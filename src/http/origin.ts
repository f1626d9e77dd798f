import * as v from "valibot";
import { checkedOptions } from "../checks/faults.ts";
import { warn } from "../telemetry/warnings.ts";

/** Which origins may send changes, besides the application's own. */
export interface OriginOptions {
  /** Further origins that may send changes, such as "https://admin.example.com". */
  readonly allowed?: readonly string[] | undefined;
}

const SAFE_METHODS = new Set(["GET", "HEAD", "OPTIONS", "TRACE"]);

/** As browsers write it in Origin: scheme, host and a port that is not the usual one, in small letters. */
function normalOrigin(given: string): string | undefined {
  const url = URL.parse(given);
  if (url === null || /[*\s]/.test(given) || !/^[a-z][a-z0-9+.-]*:\/\//i.test(given)) return undefined;
  const { protocol, host, pathname, search, hash, username, password, origin } = url;
  const isBare = `${search}${hash}${username}${password}` === "" && (pathname === "" || pathname === "/");
  if (!isBare || host === "") return undefined;
  // Those of applications, such as "capacitor://localhost", have none by the standard for URLs.
  return origin === "null" ? `${protocol}//${host.toLowerCase()}` : origin;
}

/** @internal */
export const allowedOrigins = v.optional(
  v.array(
    v.pipe(
      v.string("must be an origin"),
      v.check(
        (given) => normalOrigin(given) !== undefined,
        'must be an origin, such as "https://admin.example.com": scheme and host, without a path or an asterisk',
      ),
    ),
    "must be a list of origins",
  ),
);
const originOptions = v.looseObject({ allowed: allowedOrigins });

/** Lists that were checked, as they are compared. */
const known = new WeakMap<readonly string[], ReadonlySet<string>>();

/**
 * Throws `invalid_options` for what can match no origin.
 *
 * @internal
 */
export function checkOrigins(callee: string, options: OriginOptions): void {
  checkedOptions(callee, originOptions, options);
}

function allows({ allowed }: OriginOptions, origin: string): boolean {
  if (allowed === undefined) return false;
  let normal = known.get(allowed);
  if (normal === undefined) {
    checkOrigins("isSameOrigin", { allowed });
    normal = new Set(allowed.map((one) => normalOrigin(one) as string));
    known.set(allowed, normal);
  }
  return normal.has(origin);
}

/**
 * Whether a request may change something: a forged form or script on another site cannot send it
 * (ASVS 3.5.1 to 3.5.3). Sec-Fetch-Site decides where the browser sends it, then Origin. Requests with
 * neither come from no browser of today, so no attacker's page has made a victim's browser send them.
 */
export function isSameOrigin(
  request: {
    readonly method: string | undefined;
    readonly header: (name: string) => string | readonly string[] | undefined;
    /** Scheme and host as the visitor sees them, such as "https://example.com". */
    readonly origin: string;
  },
  options: OriginOptions = {},
): boolean {
  if (request.method !== undefined && SAFE_METHODS.has(request.method)) return true;
  const origin = request.header("origin");
  if (typeof origin === "string" && allows(options, origin)) return true;
  const site = request.header("sec-fetch-site");
  // "none" is the user's own doing: an address typed, a bookmark.
  if (site !== undefined) return site === "same-origin" || site === "none";
  if (origin === undefined || origin === request.origin) return true;
  if (schemeless(String(origin)) === schemeless(request.origin)) hintAtProxy();
  return false;
}

const schemeless = (origin: string): string => origin.replace(/^https?:/, "");

let hasHinted = false;

/** The page had the same host and another scheme: most likely a proxy speaks https and is not trusted. */
function hintAtProxy(): void {
  if (hasHinted) return;
  hasHinted = true;
  warn(
    "PSESSION_ORIGIN_SCHEME",
    "A change was refused as another site's, and only http and https differ. Behind a proxy that speaks https, trust " +
      "it (Express: app.set('trust proxy', 1); elsewhere trustProxy: true).",
  );
}
