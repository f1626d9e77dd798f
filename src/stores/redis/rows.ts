import {
  emptyRow,
  type FieldKind,
  LAST_MOMENT,
  LOGIN_FIELDS,
  SESSION_FIELDS,
  unreadable,
} from "../columns.ts";
import type { EndSelector, RememberedRow, Rotation, RowLevel, SessionRow, UserId } from "../store.ts";
import { damaged } from "./replies.ts";

/**
 * A row is a JSON object, its head, with two letters for each field and none for what is undefined; in a session
 * a newline and the data follow, which scripts never look into. The id is in the key. Every value is text, numbers too:
 * Lua's JSON prints numbers with 14 digits, and a user id or a generation may have 16.
 */
export type Head = Readonly<Record<string, string>>;
/** Fields to write; null removes one. */
export type HeadChange = Readonly<Record<string, string | null>>;

interface Kind {
  encode(value: unknown): string;
  /** Undefined where the text is not what `encode` makes. */
  decode(text: string): unknown;
  /** What lists show of a text that cannot be decoded. */
  substitute(name: string, text: string): unknown;
}

const DIGEST_LENGTH = 32;
const SALT_LENGTH = 16;

const bytesOf = (text: string): Uint8Array => Buffer.from(text, "base64url");
const bytes = (length: number): Kind => ({
  encode: (value) => {
    const { buffer, byteOffset, byteLength } = value as Uint8Array;
    return Buffer.from(buffer, byteOffset, byteLength).toString("base64url");
  },
  decode: (text) => {
    const found = bytesOf(text);
    return found.length === length ? found : undefined;
  },
  substitute: (_, text) => bytesOf(text),
});

const number = (isRight: (value: number) => boolean): Kind => ({
  encode: String,
  decode: (text) => {
    // `Number` takes empty text for 0.
    const found = text === "" ? Number.NaN : Number(text);
    return isRight(found) ? found : undefined;
  },
  substitute: unreadable,
});
const time = number(Number.isFinite);

const text: Kind = {
  // JSON of Lua refuses lone surrogates, which a client may have put into its own description.
  encode: (value) => (value as string).toWellFormed(),
  decode: (text) => text,
  substitute: (_, text) => text,
};

/** 7 and "7" are two users, so the kind goes with the value. */
export const encodeUser = (userId: UserId): string =>
  typeof userId === "number" ? `n${userId}` : `s${userId}`;
export function decodeUser(value: unknown): UserId {
  const userId = typeof value === "string" ? userIn(value) : undefined;
  if (userId === undefined) throw damaged("A user's id");
  return userId;
}

function userIn(text: string): UserId | undefined {
  const id = text.slice(1);
  if (text.startsWith("s")) return id;
  return text.startsWith("n") && id !== "" && Number.isSafeInteger(Number(id)) ? Number(id) : undefined;
}

const KINDS: Readonly<Record<Exclude<FieldKind, "data">, Kind>> = {
  id: text,
  text,
  digest: bytes(DIGEST_LENGTH),
  salt: bytes(SALT_LENGTH),
  time,
  moment: time,
  count: number(Number.isSafeInteger),
  user: { encode: (value) => encodeUser(value as UserId), decode: userIn, substitute: (_, text) => text },
};

interface Field {
  readonly name: string;
  readonly short: string;
  readonly kind: Kind;
  readonly isNullable: boolean;
}

type Row = Record<string, unknown>;
type Specs = Readonly<Record<string, readonly [string, FieldKind, string, string?]>>;

/** How rows of one table are written and read. */
class Format {
  readonly #empty: Row;
  readonly #fields: readonly Field[];
  readonly #byName: ReadonlyMap<string, Field>;

  constructor(specs: Specs) {
    this.#empty = emptyRow(Object.keys(specs));
    this.#fields = Object.entries(specs).flatMap(([name, [, kind, nullable, short]]) =>
      short === undefined || kind === "data"
        ? []
        : [{ name, short, kind: KINDS[kind], isNullable: nullable === "null" }],
    );
    this.#byName = new Map(this.#fields.map((field) => [field.name, field]));
  }

  /** Of a whole row: what is undefined is left out. */
  whole(row: object): Head {
    const head: Record<string, string> = {};
    for (const { name, short, kind } of this.#fields) {
      const value = (row as Row)[name];
      if (value !== undefined && value !== null) head[short] = kind.encode(value);
    }
    return head;
  }

  /** Of the fields that are set: undefined means that the value goes. */
  change(row: object): HeadChange {
    const head: Record<string, string | null> = {};
    for (const name in row) {
      const field = this.#byName.get(name);
      if (field === undefined) continue;
      const value = (row as Row)[name];
      head[field.short] = value === undefined || value === null ? null : field.kind.encode(value);
    }
    return head;
  }

  /**
   * Undefined for a damaged row: a field that is missing or of another kind would look like a secret that does not fit, or
   * a time that is over, and sign its user out.
   */
  read(head: Head): Row | undefined {
    const row = { ...this.#empty };
    for (const { name, short, kind, isNullable } of this.#fields) {
      const text: unknown = head[short];
      if (text === undefined && isNullable) continue;
      if (typeof text !== "string" || (text === "" && !isNullable)) return undefined;
      const value = kind.decode(text);
      if (value === undefined) return undefined;
      row[name] = value;
    }
    return row;
  }

  /** What can be read of a damaged row, but for its user. */
  readLoosely(head: Head): Row {
    const row = { ...this.#empty };
    for (const { name, short, kind, isNullable } of this.#fields) {
      const text: unknown = head[short];
      if (typeof text === "string") row[name] = kind.decode(text) ?? kind.substitute(name, text);
      else if (!isNullable) row[name] = kind.substitute(name, "");
    }
    return row;
  }
}

const SESSION = new Format(SESSION_FIELDS);
const LOGIN = new Format(LOGIN_FIELDS);

const LEVELS: ReadonlySet<unknown> = new Set<RowLevel>([
  "anonymous",
  "remembered",
  "login",
  "trust",
  "binding",
]);

export function decodeSession(id: string, raw: string): SessionRow {
  const end = raw.indexOf("\n");
  const head = objectIn(end < 0 ? "" : raw.slice(0, end));
  const row = head && SESSION.read(head);
  if (row === undefined || !LEVELS.has(row["level"])) throw damaged(`The session ${id}`);
  row["id"] = id;
  row["data"] = raw.slice(end + 1);
  return row as unknown as SessionRow;
}

export function decodeLogin(id: string, raw: string): RememberedRow {
  const head = objectIn(raw);
  const row = head && LOGIN.read(head);
  if (row === undefined) throw damaged(`The remembered login ${id}`);
  row["id"] = id;
  return row as unknown as RememberedRow;
}

/**
 * For listing and ending sessions: of a damaged row what can be read, as one row must not keep its user's others alive.
 * `ofList`: the user whose list it is in.
 */
export function readSession(id: string, raw: string, ofList: UserId | undefined): SessionRow {
  try {
    return decodeSession(id, raw);
  } catch {
    const end = raw.indexOf("\n");
    const head = objectIn(end < 0 ? "" : raw.slice(0, end)) ?? {};
    const row = SESSION.readLoosely(head) as unknown as SessionRow;
    const userId = legibleUser(head) ?? (row.level === "anonymous" ? undefined : ofList);
    const level = LEVELS.has(row.level) ? row.level : "anonymous";
    return { ...row, id, userId, level, data: raw.slice(end + 1) };
  }
}

export function readLogin(id: string, raw: string, ofList: UserId | undefined): RememberedRow {
  try {
    return decodeLogin(id, raw);
  } catch {
    const head = objectIn(raw) ?? {};
    const row = LOGIN.readLoosely(head) as unknown as RememberedRow;
    return { ...row, id, userId: legibleUser(head) ?? ofList ?? "" };
  }
}

/** Whether a row that was read like that has its deadlines. */
export const hasDeadlines = ({
  idleDeadline,
  absoluteDeadline,
}: Pick<SessionRow, "idleDeadline" | "absoluteDeadline">): boolean =>
  Math.max(idleDeadline, absoluteDeadline) < LAST_MOMENT;

const legibleUser = ({ us }: Head): UserId | undefined => (typeof us === "string" ? userIn(us) : undefined);

/** How long its user's index has to lead to a row: until it is gone, also after uses until its last moment. */
export const horizonOf = (
  { absoluteDeadline, pruneAfter }: Pick<SessionRow, "absoluteDeadline" | "pruneAfter">,
  lastUsedAt: number,
): number => Math.max(pruneAfter, absoluteDeadline + Math.max(0, pruneAfter - lastUsedAt));

export const newSessionHead = (row: SessionRow): Head => SESSION.whole(row);
export const newLoginHead = (row: RememberedRow): Head => LOGIN.whole(row);
export const sessionHead = (fields: Partial<SessionRow>): HeadChange => SESSION.change(fields);
export const loginHead = (fields: Partial<RememberedRow> | Rotation): HeadChange => LOGIN.change(fields);

/** What ending a login writes, besides raising its generation. */
export const tombstone = ({ reason, at, pruneAfter }: Pick<EndSelector, "reason" | "at" | "pruneAfter">) =>
  loginHead({ revokedAt: at, revokedReason: reason, pruneAfter });

/** Undefined for other texts. The parser's own error would quote the row. */
function objectIn(text: string): Head | undefined {
  try {
    const found: unknown = JSON.parse(text);
    return typeof found === "object" && found !== null ? (found as Head) : undefined;
  } catch {
    return undefined;
  }
}
