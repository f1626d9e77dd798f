import type { PgTypes } from "./clients.ts";

const TEXT_OF: Readonly<Record<number, (bytes: Buffer) => string>> = {
  // int8, int2, int4
  20: (bytes) => String(bytes.readBigInt64BE()),
  21: (bytes) => String(bytes.readInt16BE()),
  23: (bytes) => String(bytes.readInt32BE()),
  // uuid
  2950: (bytes) => bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-"),
};

const utf8 = (bytes: Buffer): string => bytes.toString();
const asItCame = (text: string): string => text;

/**
 * Everything as the text that PostgreSQL has for it: what an application has set for its own queries (parsers for all, for
 * a pool, `binary`) is not for ours. Bytes are selected as text anyway.
 */
export const pgTypes: PgTypes = {
  getTypeParser: (oid, format) => (format === "binary" ? (TEXT_OF[oid] ?? utf8) : asItCame),
};
