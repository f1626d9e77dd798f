/**
 * Checks what drivers answer before it identifies a user. A pool may be set to change what rows look like: unchecked, a
 * renamed column would look like a visitor without a session, and a digest that came as text like a theft.
 */
import { PsessionError } from "../../errors.ts";
import type { RawRow } from "./statement.ts";

const DIGEST_BYTES = 32;

/** The answer is not what the statement selects; the store that reads it knows which settings do that. */
export class Misread extends Error {}

/** Null and undefined are not given to these. */
export type Check<T = unknown> = (value: unknown, column: string) => T;

export const asText: Check<string> = (value, column) => {
  if (typeof value === "string") return value;
  throw misread(column, "text", value);
};

/** BIGINT arrives as text from some drivers, as bigint from others. */
export const asInteger: Check<number> = (value, column) => {
  if (typeof value === "number" ? Number.isSafeInteger(value) : isWholeText(value)) {
    const number = Number(value);
    if (Number.isSafeInteger(number)) return number;
  }
  throw misread(column, "a whole number", value);
};

const isWholeText = (value: unknown): boolean =>
  typeof value === "bigint" || (typeof value === "string" && /^-?\d{1,16}$/.test(value));

export const asDigest: Check<Uint8Array> = (value, column) => {
  const bytes = asBytes(value, column);
  if (bytes.byteLength === DIGEST_BYTES) return bytes;
  throw misread(column, `${DIGEST_BYTES} bytes`, value);
};

/** libsql gives an ArrayBuffer for the rows of `all`. */
export const asBytes: Check<Uint8Array> = (value, column) => {
  if (value instanceof Uint8Array) return value;
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  throw misread(column, "bytes", value);
};

/** Bytes that were selected as hexadecimal digits. */
export const bytesOfHex: Check<Uint8Array> = (value, column) => Buffer.from(asText(value, column), "hex");

export const digestOfHex: Check<Uint8Array> = (value, column) => asDigest(bytesOfHex(value, column), column);

/** A user's id. Empty text is none: it was null, an anonymous session, before a setting changed it. */
export const asUserText: Check<string> = (value, column) => {
  if (value !== "") return asText(value, column);
  throw misread(column, "a user's id", value);
};

/** A user's id where both kinds are kept. */
export const asUserTextOrInteger: Check<string | number> = (value, column) =>
  typeof value === "string" ? asUserText(value, column) : asInteger(value, column);

/** From a row of a statement that was written by hand. */
export const integerIn = (row: RawRow | undefined, column: string): number =>
  asInteger(valueIn(row, column), column);

export const textIn = (row: RawRow | undefined, column: string): string =>
  asText(valueIn(row, column), column);

/** The same where null is an answer. */
export const textOrNothingIn = (row: RawRow, column: string): string | undefined => {
  const value = valueIn(row, column);
  return value === null ? undefined : asText(value, column);
};

/** Null stands for nothing, undefined for a column that did not come. */
export function valueIn(row: RawRow | undefined, column: string): unknown {
  const value = row?.[column];
  if (value !== undefined) return value;
  throw misread(column, "what it was selected as", value);
}

export function misread(column: string, wanted: string, value: unknown): Misread {
  return new Misread(`The column ${column} came as ${kindOf(value)}, not as ${wanted}`);
}

/** For people; never the value, which may be a secret. */
function kindOf(value: unknown): string {
  if (value === undefined) return "nothing at all";
  if (value === null) return "null";
  if (typeof value === "string") return `text of length ${value.length}`;
  if (value instanceof Uint8Array || value instanceof ArrayBuffer)
    return `bytes of length ${value.byteLength}`;
  if (typeof value === "number" || typeof value === "bigint")
    return "a number that is not whole, or too large";
  return Array.isArray(value) ? "a list" : `a value of the type ${typeof value}`;
}

/** `settings`: of drivers and pools, those that change what rows look like. */
export function misreadError(name: string, settings: string, cause: Misread): PsessionError {
  return new PsessionError(
    "store_misread",
    `The ${name} store cannot use its driver as that is set up. ${cause.message}. ${settings}`,
    { cause },
  );
}
