import type { EndSelector, Level, RememberedRow, Rotation, SessionRow, UserId } from "../store.ts";
import { damaged } from "./replies.ts";

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

const DIGEST_LENGTH = 32;
const SALT_LENGTH = 16;

/** 7 and "7" are two users, so the kind goes with the value. */
export const encodeUser = (userId: UserId): string =>
  typeof userId === "number" ? `n${userId}` : `s${userId}`;
export function decodeUser(value: unknown): UserId {
  const text = typeof value === "string" ? value : "";
  const id = text.slice(1);
  if (text.startsWith("s")) return id;
  if (text.startsWith("n") && Number.isSafeInteger(numberIn(id))) return Number(id);
  throw damaged("A user's id");
}

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
  const head = parsed(end < 0 ? "" : raw.slice(0, end), "session", id);
  const row = sessionOf(id, head, ifThere(head["us"], decodeUser), raw.slice(end + 1));
  if (!isSession(row)) throw damaged(`The session ${id}`);
  return row;
}

const sessionOf = (id: string, head: Head, userId: UserId | undefined, data: string): SessionRow => ({
  id,
  secret: bytesOf(head["se"]),
  secretAt: numberIn(head["sa"]),
  previousSecret: ifThere(head["ps"], bytesOf),
  retiredSecret: ifThere(head["rs"], bytesOf),
  fence: numberIn(head["fe"]),
  rememberedId: head["re"],
  userId,
  level: head["le"] as Level,
  authenticatedAt: ifThere(head["au"], numberIn),
  confirmFrom: ifThere(head["cf"], numberIn),
  data,
  version: numberIn(head["ve"]),
  createdAt: numberIn(head["cr"]),
  beganAt: numberIn(head["ba"]),
  lastSeenAt: numberIn(head["ls"]),
  idleDeadline: numberIn(head["id"]),
  absoluteDeadline: numberIn(head["ab"]),
  userAgent: head["ua"],
  address: head["ad"],
  name: head["na"],
  tag: head["ta"],
  pruneAfter: numberIn(head["pr"]),
});

export function decodeLogin(id: string, raw: string): RememberedRow {
  const head = parsed(raw, "login", id);
  const row = loginOf(id, head, decodeUser(head["us"] ?? ""));
  if (!isLogin(row)) throw damaged(`The remembered login ${id}`);
  return row;
}

const loginOf = (id: string, head: Head, userId: UserId): RememberedRow => ({
  id,
  userId,
  token: bytesOf(head["to"]),
  previous: ifThere(head["pv"], bytesOf),
  superseded: ifThere(head["su"], bytesOf),
  supersededAt: ifThere(head["sw"], numberIn),
  salt: bytesOf(head["sl"]),
  keyId: head["ke"] ?? "",
  generation: numberIn(head["ge"]),
  rotatedAt: numberIn(head["ro"]),
  confirmedAt: ifThere(head["ca"], numberIn),
  strays: numberIn(head["st"]),
  createdAt: numberIn(head["cr"]),
  lastUsedAt: numberIn(head["lu"]),
  idleDeadline: numberIn(head["id"]),
  absoluteDeadline: numberIn(head["ab"]),
  revokedAt: ifThere(head["rv"], numberIn),
  revokedReason: head["rr"],
  name: head["na"],
  tag: head["ta"],
  pruneAfter: numberIn(head["pr"]),
});

/**
 * For listing and ending sessions: of a damaged row what can be read, as one row must not keep its user's others alive.
 * What cannot be read is 0, and a deadline the last moment there is, or no list would show the device. `ofList`: the user
 * whose list it is in.
 */
export function readSession(id: string, raw: string, ofList: UserId | undefined): SessionRow {
  try {
    return decodeSession(id, raw);
  } catch {
    const end = raw.indexOf("\n");
    const head = legible(end < 0 ? "" : raw.slice(0, end));
    const userId = legibleUser(head) ?? (head["le"] === "anonymous" ? undefined : ofList);
    const row = mended(sessionOf(id, head, userId, raw.slice(end + 1)));
    return { ...row, level: LEVELS.has(row.level) ? row.level : "anonymous" };
  }
}

export function readLogin(id: string, raw: string, ofList: UserId | undefined): RememberedRow {
  try {
    return decodeLogin(id, raw);
  } catch {
    const head = legible(raw);
    return mended(loginOf(id, head, legibleUser(head) ?? ofList ?? ""));
  }
}

/** Whether a row that was read like that has its deadlines. */
export const hasDeadlines = ({
  idleDeadline,
  absoluteDeadline,
}: Pick<SessionRow, "idleDeadline" | "absoluteDeadline">): boolean =>
  Math.max(idleDeadline, absoluteDeadline) < LAST;

/** The last moment of a `Date`. */
const LAST = 8.64e15;

function mended<Row extends SessionRow | RememberedRow>(row: Row): Row {
  const values = Object.entries(row).map(([name, value]) => [
    name,
    Number.isNaN(value) ? (name.endsWith("Deadline") ? LAST : 0) : value,
  ]);
  return Object.fromEntries(values) as Row;
}

/** Its fields that are text, as all of psession's are. */
function legible(text: string): Head {
  const head = objectIn(text) ?? {};
  return Object.fromEntries(Object.entries(head).filter(([, value]) => typeof value === "string"));
}

function legibleUser({ us }: Head): UserId | undefined {
  try {
    return ifThere(us, decodeUser);
  } catch {
    return undefined;
  }
}

/** How long its user's index has to lead to a row: until it is gone, also after uses until its last moment. */
export const horizonOf = (
  { absoluteDeadline, pruneAfter }: Pick<SessionRow, "absoluteDeadline" | "pruneAfter">,
  lastUsedAt: number,
): number => Math.max(pruneAfter, absoluteDeadline + Math.max(0, pruneAfter - lastUsedAt));

/*
 * A field that is missing or of another kind would look like a secret that does not fit, or a time that is over, and sign
 * its user out. One sum checks all numbers: it is finite only if each of them is.
 */

const LEVELS: ReadonlySet<unknown> = new Set<Level>(["anonymous", "remembered", "login"]);

function isSession(row: SessionRow): boolean {
  const { authenticatedAt = 0, confirmFrom = 0, fence, version } = row;
  const times = row.secretAt + row.createdAt + row.beganAt + row.lastSeenAt + authenticatedAt + confirmFrom;
  const deadlines = row.idleDeadline + row.absoluteDeadline + row.pruneAfter;
  return (
    Number.isFinite(times + deadlines) &&
    Number.isSafeInteger(version) &&
    Number.isSafeInteger(fence) &&
    LEVELS.has(row.level) &&
    isDigest(row.secret) &&
    (row.previousSecret === undefined || isDigest(row.previousSecret)) &&
    (row.retiredSecret === undefined || isDigest(row.retiredSecret)) &&
    isTextOrNone(row.rememberedId) &&
    isTextOrNone(row.userAgent) &&
    isTextOrNone(row.address) &&
    isTextOrNone(row.name) &&
    isTextOrNone(row.tag)
  );
}

function isLogin(row: RememberedRow): boolean {
  const { supersededAt = 0, confirmedAt = 0, revokedAt = 0, generation, strays } = row;
  const times = row.rotatedAt + row.createdAt + row.lastUsedAt + supersededAt + confirmedAt + revokedAt;
  const deadlines = row.idleDeadline + row.absoluteDeadline + row.pruneAfter;
  return (
    Number.isFinite(times + deadlines) &&
    Number.isSafeInteger(generation) &&
    Number.isSafeInteger(strays) &&
    isDigest(row.token) &&
    (row.previous === undefined || isDigest(row.previous)) &&
    (row.superseded === undefined || isDigest(row.superseded)) &&
    row.salt.length === SALT_LENGTH &&
    row.keyId !== "" &&
    isTextOrNone(row.keyId) &&
    isTextOrNone(row.revokedReason) &&
    isTextOrNone(row.name) &&
    isTextOrNone(row.tag)
  );
}

const isDigest = ({ length }: Uint8Array): boolean => length === DIGEST_LENGTH;
const isTextOrNone = (value: unknown): boolean => value === undefined || typeof value === "string";

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
function parsed(raw: string, kind: "session" | "login", id: string): Head {
  const head = objectIn(raw);
  if (head === undefined) throw damaged(`The ${kind === "login" ? "remembered login" : kind} ${id}`);
  return head;
}

function objectIn(text: string): Head | undefined {
  try {
    const found: unknown = JSON.parse(text);
    return typeof found === "object" && found !== null ? (found as Head) : undefined;
  } catch {
    return undefined;
  }
}

type AnyFields = Readonly<Record<string, Field<unknown>>>;

const bytesOf = (text: unknown): Uint8Array => Buffer.from(typeof text === "string" ? text : "", "base64url");

/** NaN for other text: `Number` takes empty text and null for 0. */
const numberIn = (text: unknown): number =>
  typeof text === "string" && text !== "" ? Number(text) : Number.NaN;

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
