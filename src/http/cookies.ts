import { hash } from "node:crypto";
import { stringifySetCookie } from "cookie";
import { PsessionError } from "../errors.ts";
import { secretOf } from "../protocol/bytes.ts";
import {
  type CookiePurpose,
  type Digest,
  digest,
  ID_LENGTH,
  type KeyRing,
  MAC_LENGTH,
  SECRET_LENGTH,
  type Secret,
} from "../protocol/secrets.ts";

/** One cookie of psession: used for reading, setting and clearing alike, so that the three cannot drift apart. */
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
  /** The same moment, for clients that ignore Max-Age; epoch milliseconds. */
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
  /** `looksRight`: one has psession's shape, and no key fits. `duplicate`: several came, and not exactly one fits. */
  | { readonly kind: "malformed" | "duplicate"; readonly looksRight: boolean }
  | { readonly kind: "valid"; readonly cookie: T };

/** 400 days: browsers shorten anything longer (RFC 6265bis section 5.5). */
export const MAX_AGE_LIMIT_SECONDS = 34_560_000;

const SPACE = 32;
const TAB = 9;
const ID = `[A-Za-z0-9_-]{${ID_LENGTH}}`;
/** One spelling for each secret: two bits of the last character are spare, and must be zero. */
const SECRET = `[A-Za-z0-9_-]{${SECRET_LENGTH - 1}}[AEIMQUYcgkosw048]`;
const MAC = `[A-Za-z0-9_-]{${MAC_LENGTH}}`;
const GENERATION = "0|[1-9][0-9]{0,14}";
/** The public part, the secret, and the MAC over both. */
const SHAPES: Readonly<Record<CookiePurpose, RegExp>> = {
  session: new RegExp(`^(${ID})\\.(${SECRET})\\.(${MAC})$`),
  remember: new RegExp(`^(${ID}\\.(?:${GENERATION}))\\.(${SECRET})\\.(${MAC})$`),
  acting: new RegExp(`^(${ID})\\.(${SECRET})\\.(${MAC})$`),
  trust: new RegExp(`^(${ID})\\.(${SECRET})\\.(${MAC})$`),
};
const LONGEST_VALUE = 160;
/**
 * A few changes of Domain or Path leave a browser with several cookies of one name. Hundreds are an attack on the CPU,
 * as each costs a MAC per key.
 */
const MOST_OF_ONE_NAME = 8;

/**
 * What makes a cookie another one for browsers, as text for a MAC key: a browser sends names and values only, so a
 * cookie that was set with other attributes, as before a change of options, or by another realm, would be accepted.
 */
export const scopeOf = ({ name, domain, path, partitioned }: CookieDefinition, realm = ""): string =>
  hash(
    "sha256",
    JSON.stringify([realm, name, domain?.toLowerCase() ?? null, path, partitioned]),
    "base64url",
  );

/** The values under `name`; undefined where there are too many to look at. */
export function candidatesIn(header: string | undefined, name: string): readonly string[] | undefined {
  const values = cookieValues(header, name);
  return values.length > MOST_OF_ONE_NAME ? undefined : values;
}

/**
 * The one that fits, of all that came under a name. Undefined where several do: one of them may be an attacker's own
 * cookie, tossed in by a subdomain. A live row decides nothing, as the attacker's session is live.
 */
export function onlyOne<T>(values: readonly string[], read: (value: string) => T | undefined): T | undefined {
  let found: T | undefined;
  for (const value of values) {
    const one = read(value);
    if (one === undefined) continue;
    if (found !== undefined) return undefined;
    found = one;
  }
  return found;
}

/**
 * Every value that a Cookie header carries under `name`, exactly as sent. Linear, trims space and tab only,
 * never unquotes or decodes: a lenient parser is how a subdomain smuggles in a second cookie (RFC 6265bis 5.6).
 */
export function cookieValues(header: string | undefined, name: string): string[] {
  const values: string[] = [];
  if (header === undefined || !header.includes(name)) return values;
  let start = 0;
  let equals = header.indexOf("=");
  while (start <= header.length) {
    let end = header.indexOf(";", start);
    if (end === -1) end = header.length;
    // Once there is no "=" left, it is not sought again: 64 KiB of semicolons would be read as many times.
    if (equals !== -1 && equals < start) equals = header.indexOf("=", start);
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

/** A cookie of its own: by that of a session nobody skips a second factor, and the other way round. */
export function readTrustCookie(
  header: string | undefined,
  name: string,
  keys: KeyRing,
): Presented<PresentedSession> {
  return readCookie(header, name, "trust", keys, (id, secret, digest) => ({ id, secret, digest }));
}

/** The cookie of an administrator who acts as another user, beside that of the administrator's own session. */
export function readActingCookie(
  header: string | undefined,
  name: string,
  keys: KeyRing,
): Presented<PresentedSession> {
  return readCookie(header, name, "acting", keys, (id, secret, digest) => ({ id, secret, digest }));
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

/** A cookie that was just issued, in the form of one that a request presents. */
export const digested = (cookie: SessionCookie): PresentedSession => ({
  ...cookie,
  digest: digest(cookie.secret),
});

export function sessionCookieValue(
  cookie: SessionCookie,
  keys: KeyRing,
  purpose: "session" | "acting" = "session",
): string {
  return signed(purpose, `${cookie.id}.${cookie.secret.toString("base64url")}`, keys);
}

export function trustCookieValue(cookie: SessionCookie, keys: KeyRing): string {
  return signed("trust", `${cookie.id}.${cookie.secret.toString("base64url")}`, keys);
}

export function rememberCookieValue(cookie: RememberCookie, keys: KeyRing): string {
  return signed("remember", `${cookie.id}.${cookie.generation}.${cookie.token.toString("base64url")}`, keys);
}

/** Lines that clear a cookie, cached as they are always the same. */
const clearing = new WeakMap<CookieDefinition, string>();

/** The Set-Cookie line. Throws rather than let a browser drop or cut an oversized cookie. */
export function serializeCookie(instruction: CookieInstruction): string {
  const { definition, value, maxAgeSeconds } = instruction;
  if (value !== "" || maxAgeSeconds !== 0) return lineOf(instruction);
  let line = clearing.get(definition);
  if (line === undefined) {
    line = lineOf(instruction);
    clearing.set(definition, line);
  }
  return line;
}

function lineOf({ definition, value, maxAgeSeconds, expiresAt }: CookieInstruction): string {
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
  const values = candidatesIn(header, name);
  if (values === undefined) return { kind: "duplicate", looksRight: true };
  if (values.length === 0) return { kind: "absent" };
  let looksRight = false;
  const cookie = onlyOne(values, (value) => {
    const parts = value.length > LONGEST_VALUE ? null : SHAPES[purpose].exec(value);
    if (parts === null) return undefined;
    looksRight = true;
    const [text, head = "", encoded = "", mac = ""] = parts;
    const secret = secretOf(encoded);
    const signed = { head, secret, text: text.slice(0, -1 - mac.length), mac };
    const digest = keys.digestIfSigned(purpose, signed);
    return digest === undefined ? undefined : build(head, secret, digest);
  });
  if (cookie !== undefined) return { kind: "valid", cookie };
  return { kind: values.length === 1 ? "malformed" : "duplicate", looksRight };
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
