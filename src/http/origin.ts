export interface OriginOptions {
  /** Further origins that may send changes, such as "https://admin.example.com". */
  readonly allowed?: readonly string[];
}

const SAFE_METHODS = new Set(["GET", "HEAD", "OPTIONS", "TRACE"]);

/**
 * Whether a request may change something: a forged form or script on another site cannot send it
 * (ASVS 3.5.1 to 3.5.3). Sec-Fetch-Site decides where the browser sends it, then Origin. Requests with
 * neither come from no browser of today, and a cookie that is theirs came from no victim.
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
  if (typeof origin === "string" && options.allowed?.includes(origin)) return true;
  const site = request.header("sec-fetch-site");
  // "none" is the user's own doing: an address typed, a bookmark.
  if (site !== undefined) return site === "same-origin" || site === "none";
  return origin === undefined || origin === request.origin;
}
