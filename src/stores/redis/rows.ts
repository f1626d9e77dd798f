import type { EndSelector, Level, RememberedRow, Rotation, SessionRow, UserId } from "../store.ts";
import { unavailable } from "./failures.ts";

/**
 * A row is a JSON object, its head, with two letters for each field and none for what is undefined; in a session
 * a newline and the data follow, which scripts never look into. Every value is text, numbers too: Lua's JSON
 * prints numbers with 14 digits, and a user id or a generation may have 16.
 */
export type Head = Readonly<Record<string, string>>;
/** Fields to write; null removes one. */
export type HeadChange = Readonly<Record<string, string | null>>;

interface Field<Value> {
  readonly name: string;
  encode(value: NonNullable<Value>): string;
}

type Fields<Row, Hidden extends keyof Row = never> = {
  readonly [K in Exclude<keyof Row, Hidden>]-?: Field<Row[K]>;
};

const text = <T extends string | undefined>(name: string): Field<T> => ({
  name,
  // JSON of Lua refuses lone surrogates, which a client may have put into its own description.
  encode: (value) => value.toWellFormed(),
});

const number = (name: string): Field<number> => ({ name, encode: String });

const bytes = (name: string): Field<Uint8Array> => ({
  name,
  encode: (value) => Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64url"),
});

/** 7 and "7" are two users, so the kind goes with the value. */
export const encodeUser = (userId: UserId): string =>
  typeof userId === "number" ? `n${userId}` : `s${userId}`;
export const decodeUser = (value: string): UserId =>
  value.startsWith("n") ? Number(value.slice(1)) : value.slice(1);

const user: Field<UserId> = { name: "us", encode: encodeUser };

/**
 * Scripts know these names: `lua/rows.ts`. The id is in the key, the data after the head. What reads them is written out
 * below: a loop over twenty names takes several times as long, and every signed-in request reads a row.
 */
const SESSION: Fields<SessionRow, "id" | "data"> = {
  secret: bytes("se"),
  secretAt: number("sa"),
  previousSecret: bytes("ps"),
  retiredSecret: bytes("rs"),
  fence: number("fe"),
  rememberedId: text("re"),
  userId: user,
  level: text("le"),
  authenticatedAt: number("au"),
  confirmFrom: number("cf"),
  version: number("ve"),
  createdAt: number("cr"),
  beganAt: number("ba"),
  lastSeenAt: number("ls"),
  idleDeadline: number("id"),
  absoluteDeadline: number("ab"),
  userAgent: text("ua"),
  address: text("ad"),
  name: text("na"),
  tag: text("ta"),
  pruneAfter: number("pr"),
};

/**
 * Besides, scripts keep the id of a login's session as `si`, until when a session is indexed as `ix`, and in both
 * which call wrote last as `by`.
 */
const LOGIN: Fields<RememberedRow, "id"> = {
  userId: user,
  token: bytes("to"),
  previous: bytes("pv"),
  superseded: bytes("su"),
  supersededAt: number("sw"),
  salt: bytes("sl"),
  keyId: text("ke"),
  generation: number("ge"),
  rotatedAt: number("ro"),
  confirmedAt: number("ca"),
  strays: number("st"),
  createdAt: number("cr"),
  lastUsedAt: number("lu"),
  idleDeadline: number("id"),
  absoluteDeadline: number("ab"),
  revokedAt: number("rv"),
  revokedReason: text("rr"),
  name: text("na"),
  tag: text("ta"),
  pruneAfter: number("pr"),
};

const SESSION_FIELDS = Object.entries<Field<unknown>>(SESSION as AnyFields);
const LOGIN_FIELDS = Object.entries<Field<unknown>>(LOGIN as AnyFields);

export function decodeSession(id: string, raw: string): SessionRow {
  const end = raw.indexOf("\n");
  const head = parsed(raw.slice(0, end));
  return {
    id,
    secret: bytesOf(head["se"]),
    secretAt: Number(head["sa"]),
    previousSecret: ifThere(head["ps"], bytesOf),
    retiredSecret: ifThere(head["rs"], bytesOf),
    fence: Number(head["fe"]),
    rememberedId: head["re"],
    userId: ifThere(head["us"], decodeUser),
    level: head["le"] as Level,
    authenticatedAt: ifThere(head["au"], Number),
    confirmFrom: ifThere(head["cf"], Number),
    data: raw.slice(end + 1),
    version: Number(head["ve"]),
    createdAt: Number(head["cr"]),
    beganAt: Number(head["ba"]),
    lastSeenAt: Number(head["ls"]),
    idleDeadline: Number(head["id"]),
    absoluteDeadline: Number(head["ab"]),
    userAgent: head["ua"],
    address: head["ad"],
    name: head["na"],
    tag: head["ta"],
    pruneAfter: Number(head["pr"]),
  };
}

export function decodeLogin(id: string, raw: string): RememberedRow {
  const head = parsed(raw);
  return {
    id,
    userId: decodeUser(head["us"] ?? ""),
    token: bytesOf(head["to"]),
    previous: ifThere(head["pv"], bytesOf),
    superseded: ifThere(head["su"], bytesOf),
    supersededAt: ifThere(head["sw"], Number),
    salt: bytesOf(head["sl"]),
    keyId: head["ke"] ?? "",
    generation: Number(head["ge"]),
    rotatedAt: Number(head["ro"]),
    confirmedAt: ifThere(head["ca"], Number),
    strays: Number(head["st"]),
    createdAt: Number(head["cr"]),
    lastUsedAt: Number(head["lu"]),
    idleDeadline: Number(head["id"]),
    absoluteDeadline: Number(head["ab"]),
    revokedAt: ifThere(head["rv"], Number),
    revokedReason: head["rr"],
    name: head["na"],
    tag: head["ta"],
    pruneAfter: Number(head["pr"]),
  };
}

/** Of a whole row: what is undefined is left out. */
export const newSessionHead = (row: SessionRow): Head => encodeRow(SESSION_FIELDS, row);
export const newLoginHead = (row: RememberedRow): Head => encodeRow(LOGIN_FIELDS, row);

/** Of the fields that are set: undefined means that the value goes. */
export const sessionHead = (fields: Partial<SessionRow>): HeadChange => encode(SESSION, fields);
export const loginHead = (fields: Partial<RememberedRow> | Rotation): HeadChange => encode(LOGIN, fields);

/** What ending a login writes, besides raising its generation. */
export const tombstone = ({ reason, at, pruneAfter }: Pick<EndSelector, "reason" | "at" | "pruneAfter">) =>
  loginHead({ revokedAt: at, revokedReason: reason, pruneAfter });

/** The parser's own error would quote the row. */
function parsed(raw: string): Head {
  try {
    return JSON.parse(raw) as Head;
  } catch {
    throw unavailable(new Error("a row is none of psession's, or damaged"));
  }
}

type AnyFields = Readonly<Record<string, Field<unknown>>>;

const bytesOf = (text: string | undefined): Uint8Array => Buffer.from(text ?? "", "base64url");

const ifThere = <T>(text: string | undefined, read: (text: string) => T): T | undefined =>
  text === undefined ? undefined : read(text);

function encodeRow(fields: readonly (readonly [string, Field<unknown>])[], row: object): Head {
  const head: Record<string, string> = {};
  for (const [key, field] of fields) {
    const value = (row as Record<string, unknown>)[key];
    if (value !== undefined && value !== null) head[field.name] = field.encode(value);
  }
  return head;
}

function encode(fields: object, row: object): HeadChange {
  const head: Record<string, string | null> = {};
  for (const key in row) {
    const field = (fields as AnyFields)[key];
    if (field === undefined) continue;
    const value = (row as Record<string, unknown>)[key];
    head[field.name] = value === undefined || value === null ? null : field.encode(value);
  }
  return head;
}
