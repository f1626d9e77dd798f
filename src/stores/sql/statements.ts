import { assertUserId } from "../../checks/user-id.ts";
import type { AuditEntry } from "../audit.ts";
import type {
  ListedEntry,
  ListedSession,
  Remembered,
  RememberedRow,
  SessionRow,
  SessionUpdate,
  UserEntry,
  UserId,
} from "../store.ts";
import { valueIn } from "./answers.ts";
import { orElse, Reading, type Selection } from "./reading.ts";
import { type Column, columnOf, type Schema, type Table } from "./schema.ts";
import type { RawRow, SqlValue, Statement } from "./statement.ts";
import { qualified, type Syntax } from "./syntax.ts";

type Columns<Field extends string> = Readonly<Record<Field, string>>;
type FieldsOf<T> = T extends Table<infer Field> ? Field : never;

export const LONGEST_TEXT = 512;

/** Tables that are pruned, each by one column. */
export type Prunable = "sessions" | "logins" | "locks" | "audit" | "marks";

/** Every statement of a store, made once from its tables and its dialect. */
export class Statements {
  readonly schema: Schema;
  readonly dialect: Syntax;
  /** Table names, quoted and qualified. */
  readonly S: string;
  readonly L: string;
  readonly M: string;
  readonly K: string;
  readonly A: string;
  /** Column names by field, quoted. */
  readonly s: Columns<FieldsOf<Schema["sessions"]>>;
  readonly l: Columns<FieldsOf<Schema["logins"]>>;
  readonly m: Columns<FieldsOf<Schema["meta"]>>;
  readonly k: Columns<FieldsOf<Schema["locks"]>>;
  readonly a: Columns<FieldsOf<Schema["audit"]>>;
  readonly readSession: (raw: RawRow) => SessionRow | undefined;
  /** From a list of what `findSessions` selects, where the dialect packs nothing. */
  readonly sessionOf: (values: readonly unknown[]) => SessionRow;
  /** For listing and ending sessions: one damaged row must not keep its user's others alive. */
  readonly readDamaged: (raw: RawRow) => SessionRow | undefined;
  readonly readDamagedLogin: (raw: RawRow) => RememberedRow | undefined;
  readonly #anybodys: Pick<Selection<RememberedRow>, "readAnybodys">;
  readonly readLogin: (raw: RawRow) => RememberedRow | undefined;
  readonly readAudit: (raw: RawRow) => AuditEntry | undefined;

  readonly #texts = new Map<string, string>();
  /** Of what is on the way of many requests: long texts take long to make and to compare. */
  readonly #findSessions = new Map<string, string>();
  readonly #inserts = new Map<Table, string>();
  readonly #kept = new Map<string, string>();
  readonly joined: string;
  /** The same without the sessions' data. */
  readonly listed: string;
  readonly #readListedSession: (raw: RawRow) => ListedSession | undefined;
  readonly #session: Selection<SessionRow>;
  /** What is selected of a session, from a table called `s`. */
  readonly sessionColumns: string;
  /** The same of a login, from a table called `l`. */
  readonly loginColumns: string;
  readonly entryList: string;
  readonly #reading: Reading;

  constructor(schema: Schema, dialect: Syntax) {
    this.schema = schema;
    this.dialect = dialect;
    this.S = qualified(dialect, schema.sessions);
    this.L = qualified(dialect, schema.logins);
    this.M = qualified(dialect, schema.meta);
    this.K = qualified(dialect, schema.locks);
    this.A = qualified(dialect, schema.audit);
    this.s = this.#columns(schema.sessions);
    this.l = this.#columns(schema.logins);
    this.m = this.#columns(schema.meta);
    this.k = this.#columns(schema.locks);
    this.a = this.#columns(schema.audit);
    this.#reading = new Reading(schema, dialect);
    this.#session = this.#reading.selection<SessionRow>(schema.sessions, "s");
    const listed = this.#reading.selection<ListedSession>(withoutData(schema.sessions), "s");
    const login = this.#reading.selection<RememberedRow>(schema.logins, "l");
    const entry = this.#reading.selection<AuditEntry>(schema.audit, "a");
    this.joined = `SELECT ${login.list}, ${this.#session.list}`;
    this.listed = `SELECT ${login.list}, ${listed.list}`;
    this.#readListedSession = listed.readDamaged;
    this.entryList = entry.list;
    this.sessionOf = this.#reading.rows<SessionRow>(schema.sessions, (_, index) => index);
    this.sessionColumns = this.#session.list;
    this.readSession = this.#session.read;
    this.readDamaged = this.#session.readDamaged;
    this.loginColumns = login.list;
    this.readDamagedLogin = login.readDamaged;
    this.#anybodys = login;
    this.readLogin = login.read;
    this.readAudit = entry.read;
  }

  /** A statement from a text with `?` for its values. Texts are numbered once, where a dialect numbers them. */
  make(sql: string, values: readonly SqlValue[], returns = false): Statement {
    return { sql: this.numbered(sql), values, returns };
  }

  /** The same, of a text that is long and follows from `key`: it is put together once. */
  kept(key: string, text: () => string, values: readonly SqlValue[]): Statement {
    let sql = this.#kept.get(key);
    if (sql === undefined) {
      sql = this.numbered(text());
      this.#kept.set(key, sql);
    }
    return { sql, values, returns: false };
  }

  numbered(sql: string): string {
    let text = this.#texts.get(sql);
    if (text === undefined) {
      let index = 0;
      // Names hold no question mark: the options refuse it.
      text = sql.replace(/\?/g, () => this.dialect.placeholder(++index));
      this.#texts.set(sql, text);
    }
    return text;
  }

  findSessions(ids: readonly string[]): Statement {
    const { sql: condition, values } = this.dialect.isOneOf(`s.${this.s.id}`, ids);
    let sql = this.#findSessions.get(condition);
    if (sql === undefined) {
      sql = this.numbered(`SELECT ${this.sessionColumns} FROM ${this.S} s WHERE ${condition}`);
      this.#findSessions.set(condition, sql);
    }
    return { sql, values, returns: true };
  }

  findRemembered(id: string): Statement {
    const { S, L, s, l } = this;
    return this.make(
      `${this.joined} FROM ${L} l LEFT JOIN ${S} s ON s.${s.rememberedId} = l.${l.id} WHERE l.${l.id} = ?`,
      [id],
      true,
    );
  }

  insert<Row extends object>(table: Table<keyof Row & string>, row: Row): Statement {
    let sql = this.#inserts.get(table);
    if (sql === undefined) {
      sql = this.numbered(this.insertText(table));
      this.#inserts.set(table, sql);
    }
    return { sql, values: this.valuesOf(table, row), returns: false };
  }

  insertText(table: Table): string {
    return `${this.insertInto(table)} VALUES (${table.columns.map(() => "?").join(", ")})`;
  }

  /** The beginning of an insert, to be followed by values or by a query. */
  insertInto(table: Table): string {
    const names = table.columns.map(({ column }) => this.dialect.quote(column));
    return `INSERT INTO ${qualified(this.dialect, table)} (${names.join(", ")})`;
  }

  updateSession({ id, version, set }: SessionUpdate): Statement {
    const { S, s } = this;
    const values = this.valuesSet(this.schema.sessions, set);
    values.push(id, version);
    // By the names of its fields, which are shorter than the text.
    const fields = Object.keys(set).join();
    const text = () => {
      const { sql } = this.assignments(this.schema.sessions, set);
      return `UPDATE ${S} SET ${sql}${s.version} = ${s.version} + 1 WHERE ${s.id} = ? AND ${s.version} = ?`;
    };
    return this.kept(fields, text, values);
  }

  selectMoment(column: string): string {
    return this.schema.timestamps === "datetime" ? this.dialect.selectMoment(column) : column;
  }

  /** 0 where it cannot be read, as in lists. */
  momentIn(raw: RawRow, column: string): number {
    return orElse(this.#reading.moment, 0)(valueIn(raw, column), column);
  }

  /** Of what `selectMoment` selects. */
  readMoment(value: unknown): number {
    return this.schema.timestamps === "datetime" ? this.dialect.parseMoment(value) : Number(value);
  }

  meta(name: string): Statement {
    const { M, m } = this;
    return this.make(
      `SELECT ${m.value} AS ${this.dialect.quote("value")} FROM ${M} WHERE ${m.name} = ?`,
      [name],
      true,
    );
  }

  insertMeta(name: string, value: string, at: number): Statement {
    return this.insert(this.schema.meta, { name, value, at });
  }

  deleteMeta(name: string): Statement {
    return this.make(`DELETE FROM ${this.M} WHERE ${this.m.name} = ?`, [name]);
  }

  /** `column = ?, ` for every field of `set`, to be followed by more, and the values. `of`: "l." and the like. */
  assignments<Field extends string>(
    table: Table<Field>,
    set: { readonly [K in Field]?: unknown },
    of = "",
  ): { sql: string; values: SqlValue[] } {
    let sql = "";
    for (const field in set) sql += `${of}${this.dialect.quote(columnOf(table, field).column)} = ?, `;
    return { sql, values: this.valuesSet(table, set) };
  }

  valuesSet<Field extends string>(table: Table<Field>, set: { readonly [K in Field]?: unknown }): SqlValue[] {
    const values: SqlValue[] = [];
    for (const field in set) values.push(this.value(columnOf(table, field), set[field]));
    return values;
  }

  valuesOf<Row extends object>(table: Table<keyof Row & string>, row: Row): SqlValue[] {
    return table.columns.map((column) => this.value(column, row[column.field]));
  }

  value({ kind }: Column, value: unknown): SqlValue {
    if (value === undefined || value === null) return null;
    if (kind === "user") return this.user(value as UserId);
    if (kind === "moment" && this.schema.timestamps === "datetime")
      return this.dialect.moment(value as number);
    if (kind === "text") return (value as string).slice(0, LONGEST_TEXT);
    return value as SqlValue;
  }

  user(userId: UserId): string | number {
    assertUserId(userId, this.schema.userIds);
    return userId;
  }

  /** Undefined where it cannot be read: for callers that do not need the row's user. */
  userIn(raw: RawRow, column: string): UserId | undefined {
    const value = valueIn(raw, column);
    return value === null ? undefined : orElse(this.#reading.user, undefined)(value, column);
  }

  /** To be given `userValues`. */
  isUser(column: string): string {
    return (this.comparesExactly ? undefined : this.dialect.exactly?.(column)) ?? `${column} = ?`;
  }

  userValues(userId: UserId): SqlValue[] {
    const user = this.user(userId);
    return this.comparesExactly || this.dialect.exactly === undefined ? [user] : [user, user];
  }

  /** Numbers, and text that has no spaces. */
  get comparesExactly(): boolean {
    return this.schema.userIds === "integer" || this.schema.userIds === "uuid";
  }

  readRemembered(raw: RawRow | undefined): Remembered | undefined {
    const login = raw === undefined ? undefined : this.readLogin(raw);
    return raw === undefined || login === undefined ? undefined : { login, session: this.readSession(raw) };
  }

  /** A revoked login is no device, and a session that is left of one stands by itself. */
  readEntry(raw: RawRow): UserEntry | undefined {
    return this.#entry(this.#anybodys.readAnybodys(raw), this.#session.readAnybodys(raw));
  }

  #entry<Session extends ListedSession>(joined: RememberedRow | undefined, session: Session | undefined) {
    const login = joined?.revokedAt === undefined ? joined : undefined;
    if (session !== undefined) return { session, login };
    return login === undefined ? undefined : { session, login };
  }

  readListed(raw: RawRow): ListedEntry | undefined {
    return this.#entry(this.readDamagedLogin(raw), this.#readListedSession(raw));
  }

  #columns<Field extends string>(table: Table<Field>): Columns<Field> {
    const entries = table.columns.map(({ field, column }) => [field, this.dialect.quote(column)] as const);
    return Object.fromEntries(entries) as Columns<Field>;
  }
}

const isListed = (column: Column<keyof SessionRow>): column is Column<keyof ListedSession> =>
  column.field !== "data";

const withoutData = ({ columns }: Schema["sessions"]) => ({ columns: columns.filter(isListed) });
