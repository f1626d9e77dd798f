import { randomBytes, timingSafeEqual } from "node:crypto";

const SECRET_BYTES = 32;
const SHAPE = /^[A-Za-z0-9_-]{86}$/;

export const newCsrfSecret = (): string => randomBytes(SECRET_BYTES).toString("base64url");

/** The secret under a mask that is new each time, so that compressed pages do not give it away (BREACH). */
export function maskedToken(secret: string): string {
  const mask = randomBytes(SECRET_BYTES);
  return Buffer.concat([mask, xor(mask, Buffer.from(secret, "base64url"))]).toString("base64url");
}

/** Constant time for whatever has the shape of a token (ASVS 11.2.4). */
export function isTokenOf(secret: string, token: unknown): boolean {
  if (typeof token !== "string" || !SHAPE.test(token)) return false;
  const bytes = Buffer.from(token, "base64url");
  const expected = Buffer.from(secret, "base64url");
  const given = xor(bytes.subarray(0, SECRET_BYTES), bytes.subarray(SECRET_BYTES));
  return expected.length === given.length && timingSafeEqual(expected, given);
}

function xor(mask: Uint8Array, bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.map((byte, index) => byte ^ (mask[index] ?? 0)));
}
