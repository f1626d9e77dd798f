import { createHash } from "node:crypto";

export const hex = (value: Uint8Array | undefined): string =>
  value === undefined ? "" : Buffer.from(value).toString("hex");

const known = new Map<string, string>();

/** Of the secret or token in a cookie. */
export function digestIn(cookie: string): string {
  const found = known.get(cookie);
  if (found !== undefined) return found;
  const secret = Buffer.from(cookie.split(".").at(-2) ?? "", "base64url");
  const digest = createHash("sha256").update(secret).digest("hex");
  known.set(cookie, digest);
  return digest;
}
