import { randomBytes, timingSafeEqual } from "node:crypto";
import { bytesOf } from "../protocol/bytes.ts";

const SECRET_BYTES = 32;
const SHAPE = /^[A-Za-z0-9_-]{86}$/;

export const newCsrfSecret = (): string => randomBytes(SECRET_BYTES).toString("base64url");

/** The secret under a mask that is new each time, so that compressed pages do not give it away (BREACH). */
export function maskedToken(secret: string): string {
  const mask = randomBytes(SECRET_BYTES);
  const token = Buffer.alloc(2 * SECRET_BYTES);
  token.set(mask);
  token.set(xor(mask, bytesOf(secret, "base64url")), SECRET_BYTES);
  return token.toString("base64url");
}

/** Constant time for whatever has the shape of a token (ASVS 11.2.4). */
export function isTokenOf(secret: string, token: unknown): boolean {
  if (typeof token !== "string" || !SHAPE.test(token)) return false;
  const bytes = bytesOf(token, "base64url");
  const expected = bytesOf(secret, "base64url");
  const given = xor(bytes.subarray(0, SECRET_BYTES), bytes.subarray(SECRET_BYTES));
  return expected.length === given.length && timingSafeEqual(expected, given);
}

const xor = (mask: Uint8Array, bytes: Uint8Array): Uint8Array =>
  bytes.map((byte, index) => byte ^ (mask[index] ?? 0));
