import { parseCookie } from "cookie";
import { sign, unsign } from "cookie-signature";
import type { SessionRequest } from "./request.ts";

export type Secret = string | Uint8Array;

/** What the cookie holds: `s:`, the id, a dot and its HMAC. The first secret signs. */
export const signed = (id: string, secrets: readonly Secret[]): string =>
  `s:${sign(id, (secrets[0] ?? "") as string)}`;

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
  for (const secret of secrets) {
    const id = unsign(value.slice(2), secret as string);
    if (id !== false) return id;
  }
  return undefined;
}
