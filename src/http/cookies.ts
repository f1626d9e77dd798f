import { stringifySetCookie } from "cookie";
import { PsessionError } from "../errors.ts";
import { type CookiePurpose, ID_LENGTH, type KeyRing, MAC_LENGTH, SECRET_LENGTH } from "../secrets.ts";

/** One cookie of ours: used for reading, setting and clearing alike, so that the three cannot drift apart. */
export interface CookieDefinition {
  readonly name: string;
  readonly path: string;
  readonly domain: string | undefined;
  readonly secure: boolean;
  readonly sameSite: "lax" | "strict" | "none";
  readonly partitioned: boolean;
}

/** A cookie to be sent; `maxAgeSeconds` 0 clears it, undefined keeps it until the browser closes. */
export interface CookieInstruction {
  readonly definition: CookieDefinition;
  readonly value: string;
  readonly maxAgeSeconds: number | undefined;
  /** The same moment for browsers with a right clock and for what reads nothing else; epoch milliseconds. */
  readonly expiresAt?: number | undefined;
}

export interface SessionCookie {
  readonly id: string;
  readonly secret: Buffer;
}

export interface RememberCookie {
  readonly id: string;
  readonly generation: number;
  readonly token: Buffer;
}

/** What a request presents under one cookie name. Only `valid` ever reaches the store. */
export type Presented<T> =
  | { readonly kind: "absent" }
  | { readonly kind: "malformed" }
  | { readonly kind: "duplicate" }
  | { readonly kind: "valid"; readonly cookie: T };

/** 400 days: browsers shorten anything longer (RFC 6265bis section 5.5). */
export const MAX_AGE_LIMIT_SECONDS = 34_560_000;

const SPACE = 32;
const TAB = 9;
const ID = `[A-Za-z0-9_-]{${ID_LENGTH}}`;
const SECRET = `[A-Za-z0-9_-]{${SECRET_LENGTH}}`;
const MAC = `[A-Za-z0-9_-]{${MAC_LENGTH}}`;
const SESSION_SHAPE = new RegExp(`^(${ID})\\.(${SECRET})\\.(${MAC})$`);
const REMEMBER_SHAPE = new RegExp(`^(${ID})\\.(0|[1-9][0-9]{0,14})\\.(${SECRET})\\.(${MAC})$`);
const LONGEST_VALUE = 160;

/**
 * Every value that a Cookie header carries under `name`, exactly as sent. Linear, trims space and tab only,
 * never unquotes or decodes: a lenient parser is how a subdomain smuggles in a second cookie (RFC 6265bis 5.6).
 */
export function cookieValues(header: string | undefined, name: string): string[] {
  const values: string[] = [];
  if (header === undefined || !header.includes(name)) return values;
  let start = 0;
  while (start <= header.length) {
    let end = header.indexOf(";", start);
    if (end === -1) end = header.length;
    const equals = header.indexOf("=", start);
    if (equals !== -1 && equals < end && trimmed(header, start, equals) === name) {
      values.push(trimmed(header, equals + 1, end));
    }
    start = end + 1;
  }
  return values;
}

export function readSessionCookie(
  header: string | undefined,
  name: string,
  keys: KeyRing,
): Presented<SessionCookie> {
  return readCookie(header, name, SESSION_SHAPE, "session", keys, ([, id = "", secret = ""]) => ({
    id,
    secret: Buffer.from(secret, "base64url"),
  }));
}

export function readRememberCookie(
  header: string | undefined,
  name: string,
  keys: KeyRing,
): Presented<RememberCookie> {
  return readCookie(
    header,
    name,
    REMEMBER_SHAPE,
    "remember",
    keys,
    ([, id = "", generation, token = ""]) => ({
      id,
      generation: Number(generation),
      token: Buffer.from(token, "base64url"),
    }),
  );
}

export function sessionCookieValue(cookie: SessionCookie, keys: KeyRing): string {
  return signed("session", `${cookie.id}.${cookie.secret.toString("base64url")}`, keys);
}

export function rememberCookieValue(cookie: RememberCookie, keys: KeyRing): string {
  return signed("remember", `${cookie.id}.${cookie.generation}.${cookie.token.toString("base64url")}`, keys);
}

/** The Set-Cookie line. Throws rather than let a browser drop or cut an oversized cookie. */
export function serializeCookie({ definition, value, maxAgeSeconds, expiresAt }: CookieInstruction): string {
  const line = stringifySetCookie({
    name: definition.name,
    value,
    path: definition.path,
    httpOnly: true,
    secure: definition.secure,
    sameSite: definition.sameSite,
    ...(definition.partitioned ? { partitioned: true } : {}),
    ...(definition.domain === undefined ? {} : { domain: definition.domain }),
    ...(maxAgeSeconds === undefined ? {} : { maxAge: Math.min(maxAgeSeconds, MAX_AGE_LIMIT_SECONDS) }),
    ...(expiresAt === undefined ? {} : { expires: new Date(expiresAt) }),
    ...(maxAgeSeconds === 0 ? { expires: new Date(0) } : {}),
  });
  const pair = definition.name.length + 1 + value.length;
  if (pair > 4096 || line.length - pair > 1024) {
    throw new PsessionError(
      "cookie_too_large",
      `The cookie ${definition.name} is larger than browsers accept.`,
    );
  }
  return line;
}

export const clearCookie = (definition: CookieDefinition): CookieInstruction => ({
  definition,
  value: "",
  maxAgeSeconds: 0,
});

function readCookie<T>(
  header: string | undefined,
  name: string,
  shape: RegExp,
  purpose: CookiePurpose,
  keys: KeyRing,
  build: (match: RegExpExecArray) => T,
): Presented<T> {
  const values = cookieValues(header, name);
  if (values.length > 1) return { kind: "duplicate" };
  const value = values[0];
  if (value === undefined) return { kind: "absent" };
  if (value.length > LONGEST_VALUE) return { kind: "malformed" };
  const match = shape.exec(value);
  if (match === null) return { kind: "malformed" };
  const dot = value.lastIndexOf(".");
  if (!keys.verify(purpose, value.slice(0, dot), value.slice(dot + 1))) return { kind: "malformed" };
  return { kind: "valid", cookie: build(match) };
}

function signed(purpose: CookiePurpose, text: string, keys: KeyRing): string {
  return `${text}.${keys.sign(purpose, text)}`;
}

function trimmed(text: string, start: number, end: number): string {
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

const isBlank = (code: number): boolean => code === SPACE || code === TAB;
