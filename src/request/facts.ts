import type { SessionCookie } from "../http/cookies.ts";

/** What the core knows of a request: all that an adapter has to find out. */
export interface RequestFacts {
  /** The Cookie header; several are joined with "; ". */
  readonly cookie: string | undefined;
  /** The browser spoke https, to us or to a proxy that is trusted. */
  readonly secure: boolean;
  /** A top-level navigation: clearing dead cookies is safe only there. */
  readonly navigation: boolean;
  /** XHR or fetch: no periodic rotation there, as scripts fire many requests at once. */
  readonly script: boolean;
  /** The response can carry cookies. False for WebSocket upgrades and the like. */
  readonly canSetCookies: boolean;
  /**
   * When the head of the request arrived, by psession's clock: what a slow body or slow middleware keeps from being
   * opened was sent then. Undefined where nobody knows.
   */
  readonly arrivedAt?: number | undefined;
  /** Another site made the browser send this, by Sec-Fetch-Site or else Origin: SameSite cookies may be withheld. */
  readonly crossSite: boolean;
  /** GET, HEAD, OPTIONS or TRACE (RFC 9110 section 9.2.1). */
  readonly safe: boolean;
  readonly userAgent: string | undefined;
  readonly address: string | undefined;
  /** A forwarding header came along that nobody is told to trust: the address may be a proxy's. */
  readonly forwarded: boolean;
  /**
   * What the session cookie will be, where a session of another library is taken over: derived from that one's
   * cookie, so that parallel requests arrive at one session. Counts only without a session cookie of ours, and
   * for a session that was made a moment ago.
   */
  readonly successor?: SessionCookie | undefined;
}

export interface Transport {
  readonly method: string | undefined;
  readonly secure: boolean;
  readonly address: string | undefined;
  readonly canSetCookies?: boolean;
  /** When the head of the request arrived, by psession's clock. */
  readonly arrivedAt?: number | undefined;
  /** Scheme and host as the visitor's browser sees them, such as "https://example.com". */
  readonly origin?: string | undefined;
  /** Forwarding headers are believed, and `address` is what they say. */
  readonly trustsProxy?: boolean;
}

const SAFE_METHODS: ReadonlySet<string | undefined> = new Set(["GET", "HEAD", "OPTIONS", "TRACE"]);
const FORWARDING = ["forwarded", "x-forwarded-for", "x-real-ip", "via"] as const;

const LONGEST_TEXT = 512;

/** Reads the facts off headers (lower-case names), as Node, Fetch and HTTP/2 all have them. */
export function factsOf(
  header: (name: string) => string | readonly string[] | undefined,
  transport: Transport,
): RequestFacts {
  const one = (name: string): string | undefined => {
    const value = header(name);
    return typeof value === "object" ? value.join("; ") : value;
  };
  const mode = one("sec-fetch-mode");
  const isPageRequest = transport.method === "GET" && (one("accept")?.includes("text/html") ?? false);
  return {
    cookie: one("cookie"),
    secure: transport.secure,
    // Browsers send Sec-Fetch-* to https and localhost only; elsewhere Accept has to do.
    navigation:
      mode === undefined ? isPageRequest : mode === "navigate" && one("sec-fetch-dest") === "document",
    script: one("sec-fetch-dest") === "empty" || one("x-requested-with")?.toLowerCase() === "xmlhttprequest",
    canSetCookies: transport.canSetCookies ?? true,
    arrivedAt: transport.arrivedAt,
    crossSite: isCrossSite(one("sec-fetch-site"), one("origin"), transport.origin),
    safe: SAFE_METHODS.has(transport.method),
    forwarded: transport.trustsProxy !== true && FORWARDING.some((name) => header(name) !== undefined),
    userAgent: one("user-agent")?.slice(0, LONGEST_TEXT),
    address: transport.address,
  };
}

/** What says neither comes from no browser of today, or from the user's own doing. */
function isCrossSite(site: string | undefined, origin: string | undefined, own: string | undefined): boolean {
  if (site !== undefined) return site === "cross-site";
  return origin !== undefined && own !== undefined && origin !== own;
}
