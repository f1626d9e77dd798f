/**
 * What caches are told of an answer for which somebody looked at the session. "varies": it depends on the cookie;
 * "private": besides, it is one visitor's; "guarded": it stands behind a guard.
 */
export type Caching = "varies" | "private" | "guarded";

/** What an integration puts on the response. */
export interface Settlement {
  /** Set-Cookie lines, to be added to those that the application set. */
  readonly setCookie: readonly string[];
  /** The response must not be kept by caches: it sets cookies (ASVS 14.3.2). */
  readonly noStore: boolean;
  /** What caches must be told besides; see `cacheHeaders`. */
  readonly caching?: Caching | undefined;
}

/** Of an answer that needs no cookie, and that no cache has to be told of. */
export const NO_SETTLEMENT: Settlement = { setCookie: [], noStore: false };
