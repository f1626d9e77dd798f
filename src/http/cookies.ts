import { stringifySetCookie } from "cookie";
import { PsessionError } from "../errors.ts";
import {
  type CookiePurpose,
  type Digest,
  digest,
  ID_LENGTH,
  type KeyRing,
  MAC_LENGTH,
  SECRET_LENGTH,
  type Secret,
} from "../secrets.ts";

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
  readonly secret: Secret;
}

export interface PresentedSession extends SessionCookie {
  /** Of the secret. */
  readonly digest: Digest;
}

export interface RememberCookie {
  readonly id: string;
  readonly generation: number;
  readonly token: Secret;
}

export interface PresentedRemember extends RememberCookie {
  /** Of the token. */
  readonly digest: Digest;
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
/** One spelling for each secret: of the last character, two bits are spare, and have to be none. */
const SECRET = `[A-Za-z0-9_-]{${SECRET_LENGTH - 1}}[AEIMQUYcgkosw048]`;
const MAC = `[A-Za-z0-9_-]{${MAC_LENGTH}}`;
const GENERATION = "0|[1-9][0-9]{0,14}";
/** What everybody may see, the secret, and the MAC over both. */
const SHAPES: Readonly<Record<CookiePurpose, RegExp>> = {
  session: new RegExp(`^(${ID})\\.(${SECRET})\\.(${MAC})$`),
  remember: new RegExp(`^(${ID}\\.(?:${GENERATION}))\\.(${SECRET})\\.(${MAC})$`),
};
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
): Presented<PresentedSession> {
  return readCookie(header, name, "session", keys, (id, secret, digest) => ({ id, secret, digest }));
}

export function readRememberCookie(
  header: string | undefined,
  name: string,
  keys: KeyRing,
): Presented<PresentedRemember> {
  return readCookie(header, name, "remember", keys, (head, token, digest) => {
    const generation = Number(head.slice(ID_LENGTH + 1));
    return { id: head.slice(0, ID_LENGTH), generation, token, digest };
  });
}

/** A cookie that is known without having come, as if it had. */
export const digested = (cookie: SessionCookie): PresentedSession => ({
  ...cookie,
  digest: digest(cookie.secret),
});

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
  purpose: CookiePurpose,
  keys: KeyRing,
  build: (head: string, secret: Secret, digest: Digest) => T,
): Presented<T> {
  const values = cookieValues(header, name);
  if (values.length > 1) return { kind: "duplicate" };
  const value = values[0];
  if (value === undefined) return { kind: "absent" };
  if (value.length > LONGEST_VALUE) return { kind: "malformed" };
  const match = SHAPES[purpose].exec(value);
  if (match === null) return { kind: "malformed" };
  const [, head = "", encoded = "", mac = ""] = match;
  const secret = Buffer.from(encoded, "base64url");
  const text = value.slice(0, -1 - mac.length);
  const digest = keys.digestIfSigned(purpose, { head, secret, text, mac });
  return digest === undefined
    ? { kind: "malformed" }
    : { kind: "valid", cookie: build(head, secret, digest) };
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
