import { createHmac, createSecretKey, type KeyObject } from "node:crypto";
import { parseCookie } from "cookie";
import { bytesOfKey, sameText } from "../../bytes.ts";
import type { SessionRequest } from "./request.ts";

export type Secret = string | Uint8Array;

/** What the cookie holds: `s:`, the id, a dot and its HMAC. The first secret signs. */
export function signed(id: string, secrets: readonly Secret[]): string {
  const [key = keyOf("")] = keysOf(secrets);
  return `s:${id}.${macOf(id, key)}`;
}

/** The id in a cookie that one of the secrets signed; undefined without one. */
export function presentedId(
  request: SessionRequest,
  name: string,
  secrets: readonly Secret[],
): string | undefined {
  const header = request.headers?.cookie;
  const raw = header === undefined || !header.includes(name) ? undefined : parseCookie(header)[name];
  // What cookie-parser has read already, as where the header was taken away.
  const parsed = (request.signedCookies?.[name] || undefined) as string | undefined;
  return unsigned(raw, secrets) ?? parsed ?? unsigned(request.cookies?.[name], secrets);
}

function unsigned(value: unknown, secrets: readonly Secret[]): string | undefined {
  if (typeof value !== "string" || !value.startsWith("s:")) return undefined;
  const dot = value.lastIndexOf(".");
  const id = value.slice(2, dot);
  const isSigned = dot > 1 && keysOf(secrets).some((key) => sameText(macOf(id, key), value.slice(dot + 1)));
  return isSigned ? id : undefined;
}

/** As the package cookie-signature does it, which puts secrets and cookies into Node's slab. */
const macOf = (id: string, key: KeyObject): string =>
  createHmac("sha256", key).update(id).digest("base64").replace(/=+$/, "");

/** Made once for the secrets of a middleware: Node makes a key anew for each HMAC. */
const known = new WeakMap<readonly Secret[], readonly KeyObject[]>();

function keysOf(secrets: readonly Secret[]): readonly KeyObject[] {
  const made = known.get(secrets) ?? secrets.map(keyOf);
  known.set(secrets, made);
  return made;
}

const keyOf = (secret: Secret): KeyObject => createSecretKey(bytesOfKey(secret));
