import { type CipherKey, createHmac, createSecretKey, KeyObject } from "node:crypto";
import { parseCookie } from "cookie";
import { bytesOfKey, sameText } from "../../protocol/bytes.ts";
import type { SessionRequest } from "./request.ts";

/** As Node takes the keys of an HMAC: text, bytes, or a key of `crypto.createSecretKey`. */
export type Secret = CipherKey;

export function isSecret(value: unknown): value is Secret {
  if (typeof value === "string") return value !== "";
  return ArrayBuffer.isView(value) || (value instanceof KeyObject && value.type === "secret");
}

/** As psession takes its keys. */
export function materialOf(secret: Secret): string | Uint8Array {
  if (typeof secret === "string" || secret instanceof Uint8Array) return secret;
  if (secret instanceof KeyObject) return secret.export();
  return new Uint8Array(secret.buffer, secret.byteOffset, secret.byteLength);
}

/** The cookie's value: `s:`, the id, a dot and its HMAC. The first secret signs. */
export function signed(id: string, secrets: readonly Secret[], presented?: Presented): string {
  const [key = keyOf("")] = keysOf(secrets);
  if (presented?.value !== undefined && presented.id === id && presented.key === key) return presented.value;
  return `s:${id}.${macOf(id, key)}`;
}

/** The id in a request's cookie that one of the secrets signed. */
export interface Presented {
  readonly id: string;
  /** The cookie's value and the key that signed it, which would sign the same value again. */
  readonly value?: string;
  readonly key?: KeyObject;
}

/** Undefined without a cookie that one of the secrets signed. */
export function presentedIn(
  request: SessionRequest,
  name: string,
  secrets: readonly Secret[],
): Presented | undefined {
  const header = request.headers?.cookie;
  const raw =
    header === undefined || !header.includes(name)
      ? undefined
      : parseCookie(header, { decode: asSent })[name];
  // cookie-parser may have read it, and the header may be gone.
  const parsed = (request.signedCookies?.[name] || undefined) as string | undefined;
  return (
    unsigned(raw === undefined ? raw : unquoted(raw), secrets) ??
    (parsed === undefined ? unsigned(request.cookies?.[name], secrets) : { id: parsed })
  );
}

function unsigned(value: unknown, secrets: readonly Secret[]): Presented | undefined {
  if (typeof value !== "string" || !value.startsWith("s:")) return undefined;
  const dot = value.lastIndexOf(".");
  const id = value.slice(2, dot);
  const mac = value.slice(dot + 1);
  const key = dot > 1 ? keysOf(secrets).find((one) => sameText(macOf(id, one), mac)) : undefined;
  return key === undefined ? undefined : { id, value, key };
}

/** As the package cookie-signature does it, but without leaving secrets and cookies in Node's buffer pool. */
const macOf = (id: string, key: KeyObject): string =>
  createHmac("sha256", key).update(id).digest("base64").replace(/=+$/, "");

/** Not decoded by the parser: `unquoted` decodes after it has removed the quotes, in which parsers differ. */
const asSent = (value: string): string => value;

/** Without the quotes around a value (RFC 6265 section 4.1.1), and decoded if possible. */
function unquoted(raw: string): string {
  const isQuoted = raw.length > 1 && raw.startsWith('"') && raw.endsWith('"');
  const value = isQuoted ? raw.slice(1, -1) : raw;
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}

interface Known {
  readonly secrets: readonly Secret[];
  readonly keys: readonly KeyObject[];
}

/** Keys by list of secrets, until the list changes: Node would make a key anew for each HMAC. */
const known = new WeakMap<readonly Secret[], Known>();

function keysOf(secrets: readonly Secret[]): readonly KeyObject[] {
  const made = known.get(secrets);
  if (made !== undefined && isSameList(made.secrets, secrets)) return made.keys;
  const keys = secrets.map(keyOf);
  known.set(secrets, { secrets: [...secrets], keys });
  return keys;
}

/** Whether a list of secrets still holds what it held. */
export const isSameList = (before: readonly Secret[], now: readonly Secret[]): boolean =>
  before.length === now.length && before.every((secret, index) => secret === now[index]);

const keyOf = (secret: Secret): KeyObject =>
  secret instanceof KeyObject ? secret : createSecretKey(bytesOfKey(materialOf(secret)));
