import { createHash } from "node:crypto";
import { parseCookie } from "cookie";

/** Names of psession's cookies on plain http. Over https they carry the prefix __Host-. */
export const SESSION_COOKIE = "psession";
export const REMEMBER_COOKIE = "psession-remember";

/** The values of psession's cookies, by name. */
export type Jar = ReadonlyMap<string, string>;

/** psession's cookies out of a Cookie header. */
export function readJar(header: string | undefined): Map<string, string> {
  const cookies = parseCookie(header ?? "");
  const jar = new Map<string, string>();
  for (const name of [SESSION_COOKIE, REMEMBER_COOKIE]) {
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
}

const TAG_LENGTH = 4;

export function lookOf(value: string): CookieLook {
  // A remember cookie is id.number.token.mac, a session cookie id.secret.mac.
  const parts = value.split(".");
  return {
    tag: createHash("sha256").update(value).digest("hex").slice(0, TAG_LENGTH),
    number: parts.length === 4 ? Number(parts[1]) : undefined,
  };
}

/** How a thief's copy compares with the owner's present cookie. */
export function compare(copy: string, own: string | undefined): string {
  if (own === undefined) return "yours is gone";
  if (copy === own) return "same as yours";
  const [copied, mine] = [lookOf(copy).number, lookOf(own).number];
  const isOneLogin = copy.split(".")[0] === own.split(".")[0];
  if (!isOneLogin || copied === undefined || mine === undefined || copied === mine) return "unlike yours";
  return copied < mine ? "older than yours" : "newer than yours";
}
