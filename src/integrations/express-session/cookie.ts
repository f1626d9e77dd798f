import { type SetCookie, stringifySetCookie } from "cookie";
import type { CookieAge } from "./foreign.ts";

/** The longest life: much later there are no dates, and stores cannot keep the row. */
const LONGEST_LIFE = 100 * 366 * 86_400_000;
/** Cookies have no notation for later dates (RFC 6265 section 5.1.1). */
const LAST_DATE = Date.UTC(9999, 11, 31);

type SameSite = boolean | "lax" | "strict" | "none";
type Priority = "low" | "medium" | "high";

/** The option `cookie`. Of `maxAge` and `expires`, the last counts. */
export interface CookieOptions {
  /** Milliseconds; without it the browser keeps the cookie until it closes. */
  maxAge?: number | null | undefined;
  expires?: Date | null | false | undefined;
  originalMaxAge?: number | null | undefined;
  httpOnly?: boolean | undefined;
  path?: string | undefined;
  domain?: string | undefined;
  /** "auto" follows the connection of each request. */
  secure?: boolean | "auto" | undefined;
  /** "auto" is "none" on a secure connection, and "lax" otherwise. */
  sameSite?: SameSite | "auto" | undefined;
  partitioned?: boolean | undefined;
  priority?: Priority | undefined;
}

/** What `cookie.data` gives: all that a session's cookie is set with. Ages are in milliseconds. */
export interface CookieData {
  originalMaxAge: number | null;
  partitioned: boolean | undefined;
  priority: Priority | undefined;
  expires: Date | null | undefined;
  secure: boolean | undefined;
  httpOnly: boolean | undefined;
  domain: string | undefined;
  path: string | undefined;
  sameSite: SameSite | undefined;
}

/** The cookie of one session, at `req.session.cookie`. Changes hold for this session alone. */
export class Cookie {
  declare _expires: Date | null | undefined;
  declare originalMaxAge: number | null;
  declare path: string | undefined;
  declare httpOnly: boolean | undefined;
  declare domain: string | undefined;
  declare secure: boolean | undefined;
  declare sameSite: SameSite | undefined;
  declare partitioned: boolean | undefined;
  declare priority: Priority | undefined;

  constructor(options?: CookieOptions) {
    this.path = "/";
    this._expires = null;
    this.originalMaxAge = null;
    this.httpOnly = true;
    if (options) {
      if (typeof options !== "object") throw new TypeError("argument options must be a object");
      const given = options as Record<string, unknown>;
      for (const name of Object.keys(given))
        if (name !== "data") (this as unknown as Record<string, unknown>)[name] = given[name];
    }
    this.originalMaxAge ??= this.maxAge;
  }

  get expires(): Date | null | undefined {
    return this._expires;
  }

  set expires(date: Date | null | undefined | false) {
    this._expires = date as Date | null | undefined;
    this.originalMaxAge = this.maxAge;
  }

  /** Milliseconds that are left; null until the browser closes. */
  get maxAge(): CookieAge {
    const { expires } = this;
    return (expires instanceof Date ? expires.valueOf() - Date.now() : expires) as CookieAge;
  }

  set maxAge(ms: number | Date | null | undefined) {
    if (ms && typeof ms !== "number" && !(ms instanceof Date)) {
      throw new TypeError("maxAge must be a number or Date");
    }
    if (typeof ms !== "number" || Number.isNaN(ms)) {
      this.expires = typeof ms === "number" ? null : ms;
      return;
    }
    // As given: read back from the date, it would shrink by the milliseconds that have passed.
    this.originalMaxAge = Math.max(-LONGEST_LIFE, Math.min(ms, LONGEST_LIFE));
    this._expires = new Date(Date.now() + this.originalMaxAge);
  }

  get data(): CookieData {
    const { originalMaxAge, partitioned, priority, secure, httpOnly, domain, path, sameSite } = this;
    const expires = this._expires;
    return { originalMaxAge, partitioned, priority, expires, secure, httpOnly, domain, path, sameSite };
  }

  /** The Set-Cookie line. */
  serialize(name: string, value: string): string {
    return setCookieLine(name, value, this);
  }

  toJSON(): CookieData {
    return this.data;
  }
}

/** With `maxAge`, the line also says Max-Age, which holds whatever the browser's clock says (RFC 6265 section 5.3). */
export function setCookieLine(name: string, value: string, cookie: Cookie, maxAge?: number | null): string {
  const { originalMaxAge: _originalMaxAge, ...attributes } = cookie.data;
  const line: Record<string, unknown> = { name, value };
  for (const [attribute, given] of Object.entries(attributes)) {
    if (given !== undefined && given !== null && given !== false) line[attribute] = given;
  }
  const { expires } = attributes;
  if (expires instanceof Date && expires.valueOf() > LAST_DATE) line["expires"] = new Date(LAST_DATE);
  if (typeof maxAge === "number") line["maxAge"] = Math.max(0, Math.ceil(maxAge / 1000));
  return stringifySetCookie(line as unknown as SetCookie, { encode: encodeURIComponent });
}
