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
  readonly userAgent: string | undefined;
  readonly address: string | undefined;
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
}

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
    userAgent: one("user-agent")?.slice(0, LONGEST_TEXT),
    address: transport.address,
  };
}
