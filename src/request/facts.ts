import type { RequestOrigin } from "../events.ts";
import type { SessionCookie } from "../http/cookies.ts";
import type { PassiveRule } from "../options/public.ts";
import { normalAddress } from "./addresses.ts";

/**
 * What the core knows of a request: all that an integration has to find out. No functions: one that reads headers keeps the
 * request and its response in memory for as long as the facts.
 */
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
   * opened was sent then. Undefined where that is not known.
   */
  readonly arrivedAt?: number | undefined;
  /** Another site made the browser send this, by Sec-Fetch-Site or else Origin: SameSite cookies may be withheld. */
  readonly crossSite: boolean;
  /** GET, HEAD, OPTIONS or TRACE (RFC 9110 section 9.2.1). */
  readonly safe: boolean;
  /**
   * The answer is not shown yet, or at all: "prefetch", what a browser fetches ahead (`Sec-Purpose`); "head", the
   * method. Such a request is no use, takes nothing, and exchanges nothing by itself. Any client can claim it.
   */
  readonly ahead?: "prefetch" | "head" | undefined;
  /** By the option `session.isPassive`: no use of the session, as of a page that polls. */
  readonly passive?: boolean | undefined;
  /** The session of this request was opened before, as by Next's proxy: what came without its proof was reported then. */
  readonly isNoted?: boolean | undefined;
  readonly userAgent: string | undefined;
  readonly address: string | undefined;
  /** An object of this request alone, in which its handler runs (`runInRequest`). Default: these facts. */
  readonly request?: object | undefined;
  /** A forwarding header came along that no setting trusts: the address may be a proxy's. */
  readonly forwarded: boolean;
  /**
   * What the session cookie will be, where a session of another library is taken over: derived from that one's
   * cookie, so that parallel requests arrive at one session. Counts only without psession's own session cookie, and
   * for a session that was made a moment ago.
   */
  readonly successor?: SessionCookie | undefined;
}

/** Where a request came from, or a row says that its session is. */
export const originOf = ({
  address,
  userAgent,
}: Pick<RequestFacts, "address" | "userAgent">): RequestOrigin => ({
  address,
  userAgent,
});

/** The object that identifies the request throughout its handler. */
export const tokenOf = (facts: RequestFacts): object => facts.request ?? facts;

/** What an integration has to find out about a request, besides its headers; see `factsOf`. */
export interface Transport
  extends Pick<RequestFacts, "secure" | "address" | "arrivedAt" | "request" | "passive" | "isNoted"> {
  readonly method: string | undefined;
  readonly canSetCookies?: boolean | undefined;
  /** Scheme and host as the visitor's browser sees them, such as "https://example.com". Asked only where it counts. */
  readonly origin?: string | (() => string) | undefined;
  /** Forwarding headers are trusted, and `address` is taken from them. */
  readonly trustsProxy?: boolean | (() => boolean) | undefined;
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
    // Browsers send Sec-Fetch-* to https and localhost only; elsewhere Accept is the best sign.
    navigation:
      mode === undefined ? isPageRequest : mode === "navigate" && one("sec-fetch-dest") === "document",
    script: one("sec-fetch-dest") === "empty" || one("x-requested-with")?.toLowerCase() === "xmlhttprequest",
    canSetCookies: transport.canSetCookies ?? true,
    arrivedAt: transport.arrivedAt,
    request: transport.request,
    crossSite: isCrossSite(one("sec-fetch-site"), one("origin"), transport.origin),
    safe: SAFE_METHODS.has(transport.method),
    ahead: aheadOf(transport.method, one),
    passive: transport.passive,
    isNoted: transport.isNoted,
    forwarded: isForwarded(header, transport.trustsProxy),
    userAgent: one("user-agent")?.slice(0, LONGEST_TEXT),
    address: normalAddress(transport.address),
  };
}

/** Chromium and Firefox send Sec-Purpose, also with "prerender" behind it; older browsers sent Purpose. */
function aheadOf(
  method: string | undefined,
  header: (name: string) => string | undefined,
): RequestFacts["ahead"] {
  if (method === "HEAD") return "head";
  const purpose = header("sec-purpose") ?? header("purpose");
  if (purpose === undefined || !SAFE_METHODS.has(method)) return undefined;
  return /^\s*prefetch\b/i.test(purpose) ? "prefetch" : undefined;
}

/** A request with neither header comes from no current browser, or from the user directly. */
function isCrossSite(
  site: string | undefined,
  origin: string | undefined,
  own: Transport["origin"],
): boolean {
  if (site !== undefined) return site === "cross-site";
  if (origin === undefined || own === undefined) return false;
  return origin !== (typeof own === "function" ? own() : own);
}

/** Whether the option `session.isPassive` says that a request is no use of its session. `path`: with its query. */
export function isPassive(
  { session }: { readonly session: { readonly isPassive?: PassiveRule | undefined } },
  header: (name: string) => string | readonly string[] | undefined,
  method: string | undefined,
  path: () => string,
): boolean {
  const { isPassive: rule } = session;
  if (rule === undefined) return false;
  const one = (name: string): string | undefined => {
    const value = header(name.toLowerCase());
    return typeof value === "object" ? value.join(", ") : value;
  };
  return rule({ method: method ?? "GET", path: path(), header: one }) === true;
}

/** Asked last, as some frameworks have to work out whether they trust the proxy. */
function isForwarded(header: (name: string) => unknown, trustsProxy: Transport["trustsProxy"]): boolean {
  if (trustsProxy === true) return false;
  for (const name of FORWARDING)
    if (header(name) !== undefined) return typeof trustsProxy !== "function" || !trustsProxy();
  return false;
}
