import { argon2, randomBytes, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";

const derive = promisify(argon2);

/** OWASP's minimum for Argon2id: 19 MiB, two passes, one lane. */
const COST: Cost = { memory: 19_456, passes: 2, parallelism: 1 };
const SALT_BYTES = 16;
const TAG_BYTES = 32;
const PHC = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/;

interface Cost {
  readonly memory: number;
  readonly passes: number;
  readonly parallelism: number;
}

/** A tag that no password produces: checking against it takes as long as checking a real one. */
const NOBODY = phc(COST, randomBytes(SALT_BYTES), randomBytes(TAG_BYTES));

/** Salted hash in PHC string format. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  return phc(COST, salt, await argon2id(password, salt, COST, TAG_BYTES));
}

/** Without a hash (unknown user) the answer is false, but not sooner. */
export async function verifyPassword(password: string, hash: string = NOBODY): Promise<boolean> {
  const match = PHC.exec(hash);
  if (match === null) throw new Error("A stored password hash has an unknown format.");
  const [, memory, passes, parallelism, salt = "", tag = ""] = match;
  const cost = { memory: Number(memory), passes: Number(passes), parallelism: Number(parallelism) };
  const expected = Buffer.from(tag, "base64");
  const actual = await argon2id(password, Buffer.from(salt, "base64"), cost, expected.length);
  return timingSafeEqual(actual, expected);
}

function argon2id(password: string, salt: Buffer, cost: Cost, tagLength: number): Promise<Buffer> {
  return derive("argon2id", { message: password, nonce: salt, tagLength, ...cost });
}

function phc({ memory, passes, parallelism }: Cost, salt: Buffer, tag: Buffer): string {
  return `$argon2id$v=19$m=${memory},t=${passes},p=${parallelism}$${unpadded(salt)}$${unpadded(tag)}`;
}

function unpadded(bytes: Buffer): string {
  return bytes.toString("base64").replaceAll("=", "");
}
