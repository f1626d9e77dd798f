import { createHash } from "node:crypto";
import { parseCookie } from "cookie";
import type { CookieNames } from "./site.ts";

/** The values of psession's cookies, by name. */
export type Jar = ReadonlyMap<string, string>;

/** psession's cookies out of a Cookie header. */
export function readJar(header: string | undefined, names: CookieNames): Map<string, string> {
  const cookies = parseCookie(header ?? "");
  const jar = new Map<string, string>();
  for (const name of [names.session, names.remember, names.bound]) {
    const value = cookies[name];
    if (value !== undefined) jar.set(name, value);
  }
  return jar;
}

/** What may be shown of a cookie. Its value is a secret. */
export interface CookieLook {
  /** A few characters of its hash: copies of one cookie have the same. */
  readonly tag: string;
  /** How many tokens the remembered login had before this one; session cookies have no number. */
  readonly number: number | undefined;
  /** Until when the short cookie of a bound session counts. */
  readonly until: number | undefined;
}

const TAG_LENGTH = 4;

export function lookOf(value: string): CookieLook {
  // A remember cookie is id.number.token.mac, a session cookie id.secret.mac, the short one id.at.until.nonce.mac.
  const parts = value.split(".");
  return {
    tag: createHash("sha256").update(value).digest("hex").slice(0, TAG_LENGTH),
    number: parts.length === 4 ? Number(parts[1]) : undefined,
    until: parts.length === 5 ? Number.parseInt(parts[2] ?? "", 36) : undefined,
  };
}

/** How a thief's copy compares with the owner's present cookie. */
export function compare(copy: string, own: string | undefined): string {
  if (own === undefined) return "yours is gone";
  if (copy === own) return "same as yours";
  const [copied, mine] = [copy, own].map(lookOf).map(({ number, until }) => number ?? until);
  const isOneLogin = copy.split(".")[0] === own.split(".")[0];
  if (!isOneLogin || copied === undefined || mine === undefined || copied === mine) return "unlike yours";
  return copied < mine ? "older than yours" : "newer than yours";
}
