import { timingSafeEqual } from "node:crypto";

/**
 * Memory of its own for what is secret. Node cuts small Buffers (`Buffer.from`, `Buffer.concat`) out of one slab, and
 * any code that holds one of them, such as a library that is given one, can read the whole slab by its `.buffer`.
 */
export function bytesOf(text: string, encoding: BufferEncoding = "utf8"): Buffer {
  const bytes = Buffer.alloc(Buffer.byteLength(text, encoding));
  bytes.write(text, encoding);
  return bytes;
}

/** A copy in memory of its own. */
export function copyOf(bytes: Uint8Array): Buffer {
  const copy = Buffer.alloc(bytes.length);
  copy.set(bytes);
  return copy;
}

/** Keys and the like, as applications give them. */
export const bytesOfKey = (key: string | Uint8Array): Uint8Array =>
  typeof key === "string" ? bytesOf(key) : key;

const SECRET = Buffer.alloc(32);

/** A secret of 32 bytes in base64url. Every request runs this: writing into a new buffer takes twice as long. */
export function secretOf(text: string): Buffer {
  SECRET.write(text, "base64url");
  const secret = copyOf(SECRET);
  SECRET.fill(0);
  return secret;
}

const LONGEST = 64;
const EXPECTED = Buffer.alloc(LONGEST);
const PRESENTED = Buffer.alloc(LONGEST);

/** Whether two texts of at most 64 characters of ASCII are the same, in constant time (ASVS 11.2.4). */
export function sameText(expected: string, presented: string): boolean {
  if (expected.length !== presented.length || expected.length > LONGEST) return false;
  EXPECTED.fill(0).write(expected, "latin1");
  PRESENTED.fill(0).write(presented, "latin1");
  // Letters beyond Latin-1 were cut to one byte above, so two different texts could match.
  return timingSafeEqual(EXPECTED, PRESENTED) && expected === presented;
}
