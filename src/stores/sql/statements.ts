import { assertUserId } from "../../checks/user-id.ts";
import { type AuditEntry, type AuditQuery, earliestAuditId } from "../audit.ts";
import type {
  ListedEntry,
  ListedSession,
  LockRequest,
  Misfit,
  Remembered,
  RememberedRow,
  Rotation,
  SessionRow,
  SessionUpdate,
  UserEntry,
  UserId,
} from "../store.ts";
import { valueIn } from "./answers.ts";
import { assembleEntry, assembleListed, assembleLogin, assembleSession } from "./assemble.ts";
import { isMark } from "./marks.ts";
import { orElse, Reading, type Selection } from "./reading.ts";
import { type Column, columnOf, type Schema, type Table } from "./schema.ts";
import type { RawRow, SqlValue, Statement } from "./statement.ts";
import { qualified, roundedUp, type Syntax } from "./syntax.ts";

type Columns<Field extends string> = Readonly<Record<Field, string>>;
type FieldsOf<T> = T extends Table<infer Field> ? Field : never;

const LONGEST_TEXT = 512;

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
  /** For those who list sessions and end them: one row that is damaged must not keep its user's others alive. */
  readonly readDamaged: (raw: RawRow) => SessionRow | undefined;
  readonly #readDamagedLogin: (raw: RawRow) => RememberedRow | undefined;
  readonly #anybodys: Pick<Selection<RememberedRow>, "readAnybodys">;
  readonly readLogin: (raw: RawRow) => RememberedRow | undefined;
  readonly readAudit: (raw: RawRow) => AuditEntry | undefined;

  readonly #texts = new Map<string, string>();
  /** Of what is on the way of many requests: long texts take long to make and to compare. */
  readonly #findSessions = new Map<string, string>();
  readonly #inserts = new Map<Table, string>();
  readonly #kept = new Map<string, string>();
  readonly #joined: string;
  /** The same without the sessions' data. */
  readonly #listed: string;
  readonly #readListedSession: (raw: RawRow) => ListedSession | undefined;
  readonly #session: Selection<SessionRow>;
  readonly #entryList: string;
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
    this.#session = this.#reading.selection<SessionRow>(schema.sessions, assembleSession, "s");
    const listed = this.#reading.selection<ListedSession>(withoutData(schema.sessions), assembleListed, "s");
    const login = this.#reading.selection<RememberedRow>(schema.logins, assembleLogin, "l");
    const entry = this.#reading.selection<AuditEntry>(schema.audit, assembleEntry, "a");
    this.#joined = `SELECT ${login.list}, ${this.#session.list}`;
    this.#listed = `SELECT ${login.list}, ${listed.list}`;
    this.#readListedSession = listed.readDamaged;
    this.#entryList = entry.list;
    this.sessionOf = this.#reading.rows<SessionRow>(schema.sessions, assembleSession, (_, index) => index);
    this.readSession = this.#session.read;
    this.readDamaged = this.#session.readDamaged;
    this.#readDamagedLogin = login.readDamaged;
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
      sql = this.numbered(`SELECT ${this.#session.list} FROM ${this.S} s WHERE ${condition}`);
      this.#findSessions.set(condition, sql);
    }
    return { sql, values, returns: true };
  }

  findRemembered(id: string): Statement {
    const { S, L, s, l } = this;
    return this.make(
      `${this.#joined} FROM ${L} l LEFT JOIN ${S} s ON s.${s.rememberedId} = l.${l.id} WHERE l.${l.id} = ?`,
      [id],
      true,
    );
  }

  /** A user's sessions with their unrevoked logins. */
  sessionsOf(userId: UserId, suffix = ""): Statement {
    return this.make(`${this.#sessionsOf}${suffix}`, this.#userValues(userId), true);
  }

  /** A user's unrevoked logins that have no session. */
  lonelyLoginsOf(userId: UserId, suffix = ""): Statement {
    return this.make(`${this.#lonelyLoginsOf}${suffix}`, this.#userValues(userId), true);
  }

  devicesOf(userId: UserId): Statement {
    const user = this.#userValues(userId);
    return this.make(`${this.#sessionsOf} UNION ALL ${this.#lonelyLoginsOf}`, [...user, ...user], true);
  }

  get #sessionsOf(): string {
    const { S, L, s, l } = this;
    return `${this.#listed} FROM ${S} s LEFT JOIN ${L} l ON l.${l.id} = s.${s.rememberedId} AND l.${l.revokedAt} IS NULL WHERE ${this.#isUser(`s.${s.userId}`)}`;
  }

  get #lonelyLoginsOf(): string {
    const { S, L, s, l } = this;
    return `${this.#listed} FROM ${L} l LEFT JOIN ${S} s ON s.${s.rememberedId} = l.${l.id} WHERE ${this.#isUser(`l.${l.userId}`)} AND l.${l.revokedAt} IS NULL AND s.${s.id} IS NULL`;
  }

  /** Where a page of so many rows or more ends: the ids behind its last, of either table; null where nothing is left. */
  browseEnds(from: string, limit: number): Statement {
    const { S, L, s, l } = this;
    const end = (table: string, id: string) =>
      `(SELECT b.${id} FROM ${table} b WHERE b.${id} > ? ORDER BY b.${id} LIMIT 1 OFFSET ${roundedUp(limit)})`;
    return this.make(`SELECT ${end(S, s.id)} AS a, ${end(L, l.id)} AS b`, [from, from], true);
  }

  /** Sessions with their unrevoked logins, and those without a session, by ranges of their keys. */
  devicesBetween(from: string, to: string | undefined): Statement {
    const { S, L, s, l } = this;
    const within = (id: string) => `${id} > ?${to === undefined ? "" : ` AND ${id} < ?`}`;
    const range = to === undefined ? [from] : [from, to];
    return this.make(
      `${this.#joined} FROM ${S} s LEFT JOIN ${L} l ON l.${l.id} = s.${s.rememberedId} AND l.${l.revokedAt} IS NULL WHERE ${within(`s.${s.id}`)} UNION ALL ${this.#joined} FROM ${L} l LEFT JOIN ${S} s ON s.${s.rememberedId} = l.${l.id} WHERE ${within(`l.${l.id}`)} AND l.${l.revokedAt} IS NULL AND s.${s.id} IS NULL`,
      [...range, ...range],
      true,
    );
  }

  countRows(table: Table): Statement {
    return this.make(`SELECT COUNT(*) AS n FROM ${qualified(this.dialect, table)}`, [], true);
  }

  insertSession(row: SessionRow): Statement {
    return this.insert(this.schema.sessions, row);
  }

  insertLogin(row: RememberedRow): Statement {
    return this.insert(this.schema.logins, row);
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

  rotate(id: string, generation: number, set: Rotation): Statement {
    const { L, l } = this;
    const { sql, values } = this.assignments(this.schema.logins, set);
    return this.make(
      `UPDATE ${L} SET ${sql}${l.confirmedAt} = NULL, ${l.generation} = ${l.generation} + 1 WHERE ${l.id} = ? AND ${l.generation} = ? AND ${l.revokedAt} IS NULL`,
      [...values, id, generation],
    );
  }

  sessionExists(id: string): Statement {
    return this.make(
      `SELECT 1 AS found FROM ${this.S} WHERE ${this.s.id} = ?${this.dialect.newest}`,
      [id],
      true,
    );
  }

  hold(id: string, generation: number): Statement {
    const { L, l } = this;
    return this.make(
      `SELECT 1 AS found FROM ${L} WHERE ${l.id} = ? AND ${l.generation} = ? AND ${l.revokedAt} IS NULL${this.dialect.forUpdate}`,
      [id, generation],
      true,
    );
  }

  /** Of an unrevoked login that had fewer strays. */
  stray(id: string, generation: number, max: number): Statement {
    const { L, l } = this;
    return this.make(
      `UPDATE ${L} SET ${l.strays} = ${l.strays} + 1 WHERE ${l.id} = ? AND ${l.generation} = ? AND ${l.strays} < ? AND ${l.revokedAt} IS NULL`,
      [id, generation, max],
    );
  }

  /** Whether a secret is a session's, or was retired from it. */
  holdsSecret(id: string, secret: Uint8Array): Statement {
    const { S, s } = this;
    return this.make(
      `SELECT 1 AS found FROM ${S} WHERE ${s.id} = ? AND ? IN (${s.secret}, ${s.previousSecret}, ${s.retiredSecret})${this.dialect.forUpdate}`,
      [id, secret],
      true,
    );
  }

  /** Whether a token is or was just valid, or the login is this user's. */
  holdsToken(id: string, token: Uint8Array, owner: UserId | undefined): Statement {
    const { L, l } = this;
    const isOwners = owner === undefined ? "" : ` OR ${this.#isUser(l.userId)}`;
    return this.make(
      `SELECT 1 AS found FROM ${L} WHERE ${l.id} = ? AND ${l.revokedAt} IS NULL AND (? IN (${l.token}, ${l.previous}, ${l.superseded})${isOwners})${this.dialect.forUpdate}`,
      owner === undefined ? [id, token] : [id, token, ...this.#userValues(owner)],
      true,
    );
  }

  /** `misfit`: only while the login is in that state, whatever was read before. */
  revoke(id: string, at: number, reason: string, pruneAfter: number, misfit?: Misfit): Statement {
    const { L, l } = this;
    const state = this.#inState(misfit);
    return this.make(
      `UPDATE ${L} SET ${l.revokedAt} = ?, ${l.revokedReason} = ?, ${l.pruneAfter} = ?, ${l.generation} = ${l.generation} + 1 WHERE ${l.id} = ? AND ${l.revokedAt} IS NULL${state.sql}`,
      [at, reason.slice(0, LONGEST_TEXT), pruneAfter, id, ...state.values],
    );
  }

  #inState(misfit: Misfit | undefined): { readonly sql: string; readonly values: readonly SqlValue[] } {
    const { l } = this;
    if (misfit === undefined) return { sql: "", values: [] };
    return misfit.kind === "behind"
      ? { sql: ` AND ${l.generation} < ?`, values: [misfit.generation] }
      : {
          sql: ` AND ${l.generation} = ? AND ${l.token} <> ?`,
          values: [misfit.generation, misfit.token],
        };
  }

  /** Sessions as they are now, to be deleted by who has read them. */
  sessionById(id: string): Statement {
    return this.#sessionWhere("id", id);
  }

  sessionOfLogin(loginId: string): Statement {
    return this.#sessionWhere("rememberedId", loginId);
  }

  #sessionWhere(field: "id" | "rememberedId", value: string): Statement {
    const { S, s } = this;
    return this.make(
      `SELECT ${this.#session.list} FROM ${S} s WHERE s.${s[field]} = ?${this.dialect.forUpdate}`,
      [value],
      true,
    );
  }

  deleteSession(id: string): Statement {
    return this.make(`DELETE FROM ${this.S} WHERE ${this.s.id} = ?`, [id]);
  }

  /** Keys of a chunk: unrevoked logins with their sessions, or sessions. The limit is always the same one. */
  loginsAfter(after: string, limit: number): Statement {
    const { S, L, s, l } = this;
    return this.make(
      `SELECT l.${l.id} AS ${this.dialect.quote("login")}, s.${s.id} AS ${this.dialect.quote("session")} FROM ${L} l LEFT JOIN ${S} s ON s.${s.rememberedId} = l.${l.id} WHERE l.${l.id} > ? AND l.${l.revokedAt} IS NULL ORDER BY l.${l.id} LIMIT ${Math.trunc(limit)}`,
      [after],
      true,
    );
  }

  sessionsAfter(after: string, limit: number): Statement {
    const { S, s } = this;
    return this.make(
      `SELECT s.${s.id} AS ${this.dialect.quote("session")} FROM ${S} s WHERE s.${s.id} > ? ORDER BY s.${s.id} LIMIT ${Math.trunc(limit)}`,
      [after],
      true,
    );
  }

  /** Locked in the order of their keys, as deadlocks want it. */
  unrevokedLogins(ids: readonly string[]): Statement {
    const { L, l, dialect } = this;
    const { sql, values } = dialect.isOneOf(`l.${l.id}`, ids);
    return this.make(
      `SELECT ${this.#asKeys("l", l.id, l.userId, l.lastUsedAt)} FROM ${L} l WHERE ${sql} AND l.${l.revokedAt} IS NULL ORDER BY l.${l.id}${dialect.forUpdate}`,
      values,
      true,
    );
  }

  sessionsOfLogins(loginIds: readonly string[]): Statement {
    return this.#sessionKeys("rememberedId", loginIds);
  }

  sessionsByIds(ids: readonly string[]): Statement {
    return this.#sessionKeys("id", ids);
  }

  #sessionKeys(field: "id" | "rememberedId", given: readonly string[]): Statement {
    const { S, s, dialect } = this;
    const { sql, values } = dialect.isOneOf(`s.${s[field]}`, given);
    return this.make(
      `SELECT s.${s.id} AS ${dialect.quote("session")}, ${this.#asKeys("s", s.rememberedId, s.userId, s.lastSeenAt)} FROM ${S} s WHERE ${sql} ORDER BY s.${s.id}${dialect.forUpdate}`,
      values,
      true,
    );
  }

  #asKeys(alias: string, login: string, user: string, used: string): string {
    const { quote } = this.dialect;
    return `${alias}.${login} AS ${quote("login")}, ${alias}.${user} AS ${quote("user")}, ${this.selectMoment(`${alias}.${used}`)} AS ${quote("used")}`;
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

  nameLogin(id: string, name: string | undefined): Statement {
    const { L, l } = this;
    return this.make(`UPDATE ${L} SET ${l.name} = ? WHERE ${l.id} = ? AND ${l.revokedAt} IS NULL`, [
      name ?? null,
      id,
    ]);
  }

  /** Unless somebody else has signed in on the row meanwhile. */
  nameSession(id: string, userId: UserId, name: string | undefined): Statement {
    const { S, s } = this;
    return this.make(`UPDATE ${S} SET ${s.name} = ? WHERE ${s.id} = ? AND ${this.#isUser(s.userId)}`, [
      name ?? null,
      id,
      ...this.#userValues(userId),
    ]);
  }

  revokeAll(ids: readonly string[], at: number, reason: string, pruneAfter: number): Statement {
    const { L, l } = this;
    const { sql, values } = this.dialect.isOneOf(l.id, ids);
    return this.make(
      `UPDATE ${L} SET ${l.revokedAt} = ?, ${l.revokedReason} = ?, ${l.pruneAfter} = ?, ${l.generation} = ${l.generation} + 1 WHERE ${sql} AND ${l.revokedAt} IS NULL`,
      [at, reason.slice(0, LONGEST_TEXT), pruneAfter, ...values],
    );
  }

  deleteSessions(ids: readonly string[]): Statement {
    const { sql, values } = this.dialect.isOneOf(this.s.id, ids);
    return this.make(`DELETE FROM ${this.S} WHERE ${sql}`, values);
  }

  touch(id: string, lastSeenAt: number, idleDeadline: number | undefined, pruneAfter: number): Statement {
    const { S, s } = this;
    const { sql, values } = this.assignments(this.schema.sessions, {
      lastSeenAt,
      ...(idleDeadline === undefined ? {} : { idleDeadline }),
    });
    const later = `CASE WHEN ${s.pruneAfter} < ? THEN ? ELSE ${s.pruneAfter} END`;
    return this.make(`UPDATE ${S} SET ${sql}${s.pruneAfter} = ${later} WHERE ${s.id} = ?`, [
      ...values,
      pruneAfter,
      pruneAfter,
      id,
    ]);
  }

  use(id: string, lastUsedAt: number, idleDeadline: number, pruneAfter: number): Statement {
    const { L, l } = this;
    const { sql, values } = this.assignments(this.schema.logins, { lastUsedAt, idleDeadline });
    return this.make(
      `UPDATE ${L} SET ${sql}${l.pruneAfter} = ? WHERE ${l.id} = ? AND ${l.revokedAt} IS NULL`,
      [...values, pruneAfter, id],
    );
  }

  confirm(id: string, generation: number, token: Uint8Array, at: number): Statement {
    const { L, l } = this;
    return this.make(
      `UPDATE ${L} SET ${l.confirmedAt} = ? WHERE ${l.id} = ? AND ${l.generation} = ? AND ${l.token} = ? AND ${l.confirmedAt} IS NULL AND ${l.revokedAt} IS NULL`,
      [at, id, generation, token],
    );
  }

  confirmed(loginId: string): Statement {
    const { S, s } = this;
    return this.make(`UPDATE ${S} SET ${s.confirmFrom} = NULL WHERE ${s.rememberedId} = ?`, [loginId]);
  }

  /** Ids of garbage, the oldest first; up to twice as many. Not every driver of MySQL binds a limit. */
  garbage(table: Prunable, before: number | string, limit: number): Statement {
    const { name, id, pruneAfter, also } = this.#prunable(table);
    return this.make(
      `SELECT g.${id} AS id FROM ${name} g WHERE g.${pruneAfter} < ?${also} ORDER BY g.${pruneAfter} LIMIT ${roundedUp(limit)}`,
      [before],
      true,
    );
  }

  /** Deletes rows that were garbage, unless they have been used since. */
  deleteGarbage(table: Prunable, before: number | string, ids: readonly string[]): Statement {
    const { name, id, pruneAfter } = this.#prunable(table);
    const { sql, values } = this.dialect.isOneOf(id, ids);
    return this.make(`DELETE FROM ${name} WHERE ${sql} AND ${pruneAfter} < ?`, [...values, before]);
  }

  prune(table: Prunable, before: number | string, limit: number): Statement | undefined {
    const { name, id, pruneAfter, also } = this.#prunable(table);
    const sql = this.dialect.prune(name, id, pruneAfter, also);
    return sql === undefined ? undefined : this.make(sql, [before, limit]);
  }

  #prunable(table: Prunable): { name: string; id: string; pruneAfter: string; also: string } {
    const { S, L, M, K, A, s, l, m, k, a } = this;
    switch (table) {
      case "sessions":
        return { name: S, id: s.id, pruneAfter: s.pruneAfter, also: "" };
      case "logins":
        return { name: L, id: l.id, pruneAfter: l.pruneAfter, also: "" };
      case "locks":
        return { name: K, id: k.name, pruneAfter: k.pruneAfter, also: "" };
      case "marks":
        return { name: M, id: m.name, pruneAfter: m.value, also: ` AND ${isMark(this)}` };
      case "audit":
        return { name: A, id: a.id, pruneAfter: a.id, also: "" };
    }
  }

  insertAudit(entries: readonly AuditEntry[]): Statement {
    const { audit } = this.schema;
    const row = `(${audit.columns.map(() => "?").join(", ")})`;
    const sql = `${this.insertInto(audit)} VALUES ${entries.map(() => row).join(", ")}`;
    return this.make(
      sql,
      entries.flatMap((entry) => this.valuesOf(audit, entry)),
    );
  }

  /** The newest first; up to twice as many as asked for. */
  auditEntries({ userId, since, before, limit }: AuditQuery): Statement {
    const { A, a } = this;
    const conditions: (readonly [string, ...SqlValue[]])[] = [];
    if (userId !== undefined) conditions.push([this.#isUser(`a.${a.userId}`), ...this.#userValues(userId)]);
    if (since !== undefined) conditions.push([`a.${a.id} >= ?`, earliestAuditId(since)]);
    if (before !== undefined) conditions.push([`a.${a.id} < ?`, before]);
    const where = conditions.length === 0 ? "" : ` WHERE ${conditions.map(([sql]) => sql).join(" AND ")}`;
    return this.make(
      `SELECT ${this.#entryList} FROM ${A} a${where} ORDER BY a.${a.id} DESC LIMIT ${roundedUp(limit)}`,
      conditions.flatMap(([, ...values]) => values),
      true,
    );
  }

  countAudit(from: string): Statement {
    const { A, a } = this;
    const { quote } = this.dialect;
    return this.make(
      `SELECT a.${a.event} AS ${quote("event")}, COUNT(*) AS n FROM ${A} a WHERE a.${a.id} >= ? GROUP BY a.${a.event}`,
      [from],
      true,
    );
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

  lock(name: string): Statement {
    const { K, k } = this;
    const q = (alias: string) => this.dialect.quote(alias);
    return this.make(
      `SELECT ${k.owner} AS ${q("owner")}, ${k.fence} AS ${q("fence")}, ${k.until} AS ${q("until")} FROM ${K} WHERE ${k.name} = ?`,
      [this.#lockKey(name)],
      true,
    );
  }

  #lockKey(name: string): string {
    return this.dialect.lockKey?.(name) ?? name;
  }

  insertLock({ name, owner, until }: LockRequest, fence: number, pruneAfter: number): Statement {
    return this.insert(this.schema.locks, { name: this.#lockKey(name), owner, fence, until, pruneAfter });
  }

  takeLock(
    { name, owner, until }: LockRequest,
    held: { owner: string; fence: number },
    fence: number,
    pruneAfter: number,
  ): Statement {
    const { K, k } = this;
    return this.make(
      `UPDATE ${K} SET ${k.owner} = ?, ${k.fence} = ?, ${k.until} = ?, ${k.pruneAfter} = ? WHERE ${k.name} = ? AND ${k.fence} = ? AND ${k.owner} = ?`,
      [owner, fence, until, pruneAfter, this.#lockKey(name), held.fence, held.owner],
    );
  }

  releaseLock(name: string, owner: string): Statement {
    const { K, k } = this;
    return this.make(`UPDATE ${K} SET ${k.owner} = '' WHERE ${k.name} = ? AND ${k.owner} = ?`, [
      this.#lockKey(name),
      owner,
    ]);
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

  /** Nobody where it cannot be read: for those who do not ask whose a row is. */
  userIn(raw: RawRow, column: string): UserId | undefined {
    const value = valueIn(raw, column);
    return value === null ? undefined : orElse(this.#reading.user, undefined)(value, column);
  }

  /** To be given `#userValues`. */
  #isUser(column: string): string {
    return (this.#comparesExactly ? undefined : this.dialect.exactly?.(column)) ?? `${column} = ?`;
  }

  #userValues(userId: UserId): SqlValue[] {
    const user = this.user(userId);
    return this.#comparesExactly || this.dialect.exactly === undefined ? [user] : [user, user];
  }

  /** Numbers, and text that has no spaces. */
  get #comparesExactly(): boolean {
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
    return this.#entry(this.#readDamagedLogin(raw), this.#readListedSession(raw));
  }

  #columns<Field extends string>(table: Table<Field>): Columns<Field> {
    const entries = table.columns.map(({ field, column }) => [field, this.dialect.quote(column)] as const);
    return Object.fromEntries(entries) as Columns<Field>;
  }
}

const isListed = (column: Column<keyof SessionRow>): column is Column<keyof ListedSession> =>
  column.field !== "data";

const withoutData = ({ columns }: Schema["sessions"]) => ({ columns: columns.filter(isListed) });
