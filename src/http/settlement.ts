/**
 * What the headers say to caches of an answer whose handler looked at the session. "varies": it depends on the cookie;
 * "private": besides, it is one visitor's; "guarded": it stands behind a guard.
 */
export type Caching = "varies" | "private" | "guarded";

/** What the header `Secure-Session-Registration` says. */
export interface KeyRegistration {
  readonly path: string;
  readonly challenge: string;
}

/** What an integration puts on the response. */
export interface Settlement {
  /** Set-Cookie lines, to be added to those that the application set. */
  readonly setCookie: readonly string[];
  /** The response must not be kept by caches: it sets cookies (ASVS 14.3.2). */
  readonly noStore: boolean;
  /** What else the headers say to caches; see `answerHeaders`. */
  readonly caching?: Caching | undefined;
  /** Asks the browser for a key; see the option `deviceBound`. */
  readonly registration?: KeyRegistration | undefined;
}

/** Of an answer that needs neither a cookie nor headers for caches. */
export const NO_SETTLEMENT: Settlement = { setCookie: [], noStore: false };
