import { DatabaseSync } from "node:sqlite";
import * as v from "valibot";
import { PsessionError, reasonOf } from "../../errors.ts";
import { describeFault, invalidOptions } from "../../faults.ts";
import { checksum } from "../sql/migrations.ts";
import {
  assignments,
  insertInto,
  type RawRow,
  rowReader,
  type SqlValue,
  selectList,
  valuesOf,
} from "../sql/statements.ts";
import { loginsTable, META_TABLE, sessionsTable } from "../sql/tables.ts";
import type {
  Change,
  ChangeResult,
  Ended,
  Ending,
  EndSelector,
  PruneResult,
  Remembered,
  RememberedRow,
  RememberedUse,
  SessionRow,
  Store,
  Touch,
  UserEntry,
  UserId,
} from "../store.ts";
import { type SqliteDatabase, SqliteSession } from "./database.ts";
import { CREATE_META, sqliteMigrations } from "./migrations.ts";

export type { SqliteDatabase, SqliteStatement } from "./database.ts";

export interface SqliteStoreOptions {
  /** The database file, opened with `node:sqlite`. Several processes may share it. */
  path?: string;
  /** Instead of `path`: an open database of `node:sqlite`, better-sqlite3 or libsql. It is not closed by us. */
  database?: SqliteDatabase;
  /** Create or update the tables when the store is made. Default: true. */
  migrate?: boolean;
  /** How long, in milliseconds, to go on trying while another process holds the write lock. Default: 5000. */
  lockTimeout?: number;
}

const S = sessionsTable.name;
const L = loginsTable.name;
const FIND_SESSION = `SELECT * FROM ${S} WHERE id = ?`;
const JOINED = `SELECT ${selectList(loginsTable, "l")}, ${selectList(sessionsTable, "s")}`;
const FIND_REMEMBERED = `${JOINED} FROM ${L} l LEFT JOIN ${S} s ON s.remembered_id = l.id WHERE l.id = ?`;
const OF_USER = `${JOINED} FROM ${S} s LEFT JOIN ${L} l ON l.id = s.remembered_id AND l.revoked_at IS NULL WHERE s.user_id = ?
  UNION ALL ${JOINED} FROM ${L} l LEFT JOIN ${S} s ON s.remembered_id = l.id WHERE l.user_id = ? AND l.revoked_at IS NULL AND s.id IS NULL`;
const INSERT_SESSION = insertInto(sessionsTable);
const INSERT_LOGIN = insertInto(loginsTable);
const TOUCH = `UPDATE ${S} SET last_seen_at = ?, idle_deadline = COALESCE(?, idle_deadline), prune_after = ? WHERE id = ?`;
const USE = `UPDATE ${L} SET last_used_at = ?, idle_deadline = ?, prune_after = ? WHERE id = ? AND revoked_at IS NULL`;
const CONFIRM = `UPDATE ${L} SET confirmed_at = ? WHERE id = ? AND generation = ? AND token = ? AND confirmed_at IS NULL AND revoked_at IS NULL`;
const CONFIRMED = `UPDATE ${S} SET confirm_from = NULL WHERE remembered_id = ?`;
const REVOKE = `UPDATE ${L} SET revoked_at = ?, revoked_reason = ?, prune_after = ?, generation = generation + 1 WHERE id = ? AND revoked_at IS NULL`;
const HELD = `SELECT 1 AS held FROM ${L} WHERE id = ? AND revoked_at IS NULL AND ? IN (token, previous, superseded)`;
const HOLD = `SELECT 1 AS held FROM ${L} WHERE id = ? AND generation = ? AND revoked_at IS NULL`;
const DELETE_SESSION = `DELETE FROM ${S} WHERE id = ?`;
// A new claim and one that replaces another both count as one changed row; one that comes too early as none.
const CLAIM = `INSERT INTO ${META_TABLE} (name, value, at) VALUES ('prune', '', ?)
  ON CONFLICT (name) DO UPDATE SET at = excluded.at WHERE at <= excluded.at - ? OR at > excluded.at + ?`;

const readSession = rowReader<SessionRow>(sessionsTable);
const readJoinedSession = rowReader<SessionRow>(sessionsTable, "s");
const readJoinedLogin = rowReader<RememberedRow>(loginsTable, "l");

/** First waits are short, as writers hold the lock for well under a millisecond. */
const LOCK_WAITS = [1, 2, 5, 10, 20, 50];

type Lost = Extract<ChangeResult, { done: false }>["lost"];

/** Thrown inside a transaction to undo it. */
class LostCondition extends Error {
  readonly lost: Lost;
  constructor(lost: Lost) {
    super(lost);
    this.lost = lost;
  }
}

const optionsSchema = v.strictObject({
  path: v.optional(v.pipe(v.string("must be text"), v.minLength(1, "must not be empty"))),
  database: v.optional(
    v.custom<SqliteDatabase>(isDatabase, "must be an open database of node:sqlite, better-sqlite3 or libsql"),
  ),
  migrate: v.optional(v.boolean("must be true or false"), true),
  lockTimeout: v.optional(
    v.pipe(v.number("must be a number"), v.integer("must be whole"), v.minValue(0, "must not be negative")),
    5000,
  ),
});

/** Sessions in a SQLite file: nothing to install, and several processes may share it. */
export function sqliteStore(options: SqliteStoreOptions): Store {
  const parsed = v.safeParse(optionsSchema, options);
  const faults = parsed.success ? [] : parsed.issues.map(describeFault);
  if (parsed.success && (parsed.output.path === undefined) === (parsed.output.database === undefined)) {
    faults.push("give either path or database");
  }
  if (!parsed.success || faults.length > 0) throw invalidOptions("sqliteStore", faults);
  const { path, database, migrate, lockTimeout } = parsed.output;
  const opened = database ?? open(path ?? "");
  const store = new SqliteStore(new SqliteSession(opened), lockTimeout, database === undefined);
  try {
    store.prepare(migrate);
  } catch (error) {
    if (database === undefined) opened.close();
    throw error;
  }
  return store;
}

class SqliteStore implements Store {
  readonly name = "sqlite";
  readonly #db: SqliteSession;
  readonly #lockTimeout: number;
  readonly #isOwner: boolean;

  constructor(db: SqliteSession, lockTimeout: number, isOwner: boolean) {
    this.#db = db;
    this.#lockTimeout = lockTimeout;
    this.#isOwner = isOwner;
  }

  /** Brings file and tables into shape. Synchronous, and the only place that waits for a lock while blocking. */
  prepare(migrates: boolean): void {
    translated(() => {
      if (this.#isOwner) {
        this.#db.exec(`PRAGMA busy_timeout = ${this.#lockTimeout}`);
        // Readers and the writer do not wait for each other; a crash loses nothing that was committed.
        this.#db.exec("PRAGMA journal_mode = WAL");
        this.#db.exec("PRAGMA synchronous = FULL");
      }
      if (migrates) this.#migrate();
      // From here on waiting is done between tries, as a blocked thread serves nobody.
      if (this.#isOwner) this.#db.exec("PRAGMA busy_timeout = 0");
    });
  }

  async findSession(id: string): Promise<SessionRow | undefined> {
    return this.#retrying(() => {
      const raw = this.#db.get(FIND_SESSION, id);
      return raw === undefined ? undefined : readSession(raw);
    });
  }

  async findRemembered(id: string): Promise<Remembered | undefined> {
    return this.#retrying(() => {
      const raw = this.#db.get(FIND_REMEMBERED, id);
      const login = raw === undefined ? undefined : readJoinedLogin(raw);
      return raw === undefined || login === undefined
        ? undefined
        : { login, session: readJoinedSession(raw) };
    });
  }

  async apply(change: Change): Promise<ChangeResult> {
    try {
      return await this.#retrying(() => this.#apply(change));
    } catch (error) {
      if (error instanceof LostCondition) return { done: false, lost: error.lost };
      throw error;
    }
  }

  async touch(touches: readonly Touch[]): Promise<void> {
    await this.#retrying(() =>
      this.#db.transaction(() => {
        for (const { sessionId, lastSeenAt, idleDeadline, pruneAfter, remembered } of touches) {
          this.#db.run(TOUCH, lastSeenAt, idleDeadline ?? null, pruneAfter, sessionId);
          if (remembered !== undefined) this.#use(remembered);
        }
      }),
    );
  }

  async end(selector: EndSelector): Promise<readonly Ended[]> {
    const { handle, userId, except } = selector;
    if (handle === undefined && userId === undefined) return [];
    return this.#retrying(() =>
      this.#db.transaction(() => {
        const entries = userId === undefined ? this.#ofHandle(handle ?? "") : this.#ofUser(userId);
        const matches = entries.filter(
          ({ session, login }) =>
            (handle === undefined || session?.id === handle || login?.id === handle) &&
            (except === undefined || session?.id !== except),
        );
        return matches.map((entry) => this.#end(entry, selector, undefined));
      }),
    );
  }

  async list(userId: UserId): Promise<readonly UserEntry[]> {
    return this.#retrying(() => this.#ofUser(userId));
  }

  async prune(now: number, limit: number): Promise<PruneResult> {
    const from = (table: string) =>
      this.#db.run(
        `DELETE FROM ${table} WHERE rowid IN (SELECT rowid FROM ${table} WHERE prune_after < ? ORDER BY prune_after LIMIT ?)`,
        now,
        limit,
      );
    return this.#retrying(() => this.#db.transaction(() => ({ sessions: from(S), logins: from(L) })));
  }

  async claimPrune(now: number, interval: number): Promise<boolean> {
    return this.#retrying(() => this.#db.run(CLAIM, now, interval, interval) === 1);
  }

  async close(): Promise<void> {
    if (this.#isOwner) this.#db.close();
  }

  #apply(change: Change): ChangeResult {
    const { rotate, hold, remember, insert, update, use, end } = change;
    const isSingle =
      rotate === undefined &&
      hold === undefined &&
      remember === undefined &&
      use === undefined &&
      end === undefined;
    this.#assertNoTransaction();
    if (isSingle) {
      // One statement is a transaction by itself.
      this.#writeSession(insert, update);
      return { done: true, ended: [] };
    }
    return this.#db.transaction(() => {
      if (rotate !== undefined) {
        const { sql, values } = assignments(loginsTable, rotate.set);
        const changed = this.#db.run(
          `UPDATE ${L} SET ${sql}, confirmed_at = NULL, generation = generation + 1 WHERE id = ? AND generation = ? AND revoked_at IS NULL`,
          ...values,
          rotate.id,
          rotate.generation,
        );
        if (changed === 0) throw new LostCondition("rotation");
      }
      if (hold !== undefined && this.#db.get(HOLD, hold.id, hold.generation) === undefined) {
        throw new LostCondition("rotation");
      }
      if (remember !== undefined) this.#insert(INSERT_LOGIN, valuesOf(loginsTable, remember));
      this.#writeSession(insert, update);
      if (use !== undefined) this.#use(use);
      const spared = insert?.id ?? update?.id;
      const ended = (end ?? []).flatMap((ending) =>
        this.#ofEnding(ending).map((entry) => this.#end(entry, ending, spared)),
      );
      return { done: true, ended };
    });
  }

  #writeSession(insert: SessionRow | undefined, update: Change["update"]): void {
    if (insert !== undefined) this.#insert(INSERT_SESSION, valuesOf(sessionsTable, insert));
    if (update === undefined) return;
    const { sql, values } = assignments(sessionsTable, update.set);
    const { id, version } = update;
    const write = `UPDATE ${S} SET ${sql}, version = version + 1 WHERE id = ? AND version = ?`;
    const changed = this.#unique(() => this.#db.run(write, ...values, id, version));
    if (changed > 0) return;
    throw new LostCondition(this.#db.get(FIND_SESSION, id) === undefined ? "missing" : "stale");
  }

  #insert(sql: string, values: readonly SqlValue[]): void {
    this.#unique(() => this.#db.run(sql, ...values));
  }

  #unique<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (isUniqueViolation(error)) throw new LostCondition("exists");
      throw error;
    }
  }

  #use({ id, lastUsedAt, idleDeadline, pruneAfter, confirm }: RememberedUse): void {
    this.#db.run(USE, lastUsedAt, idleDeadline, pruneAfter, id);
    if (confirm === undefined) return;
    if (this.#db.run(CONFIRM, confirm.at, id, confirm.generation, confirm.token) === 1)
      this.#db.run(CONFIRMED, id);
  }

  #ofUser(userId: UserId): UserEntry[] {
    return this.#db.all(OF_USER, userId, userId).flatMap(toEntry);
  }

  #ofHandle(handle: string): UserEntry[] {
    const raw = this.#db.get(FIND_SESSION, handle);
    const session = raw === undefined ? undefined : readSession(raw);
    const loginId = session === undefined ? handle : session.rememberedId;
    const joined = loginId === undefined ? undefined : this.#db.get(FIND_REMEMBERED, loginId);
    if (joined !== undefined) return toEntry(joined);
    return session === undefined ? [] : [{ session, login: undefined }];
  }

  #ofEnding({ sessionId, userId, rememberedId, token }: Ending): UserEntry[] {
    if (token !== undefined && this.#db.get(HELD, rememberedId ?? "", token) === undefined) return [];
    const bySession = sessionId === undefined ? [] : this.#ofHandle(sessionId);
    const own = bySession.filter(({ session, login }) => (session?.userId ?? login?.userId) === userId);
    const isOwn = own.some(({ login }) => login?.id === rememberedId);
    return rememberedId === undefined || isOwn ? own : [...own, ...this.#ofHandle(rememberedId)];
  }

  #end(
    { session, login }: UserEntry,
    { reason, at, pruneAfter }: Pick<Ending, "reason" | "at" | "pruneAfter">,
    spared: string | undefined,
  ): Ended {
    if (session !== undefined && session.id !== spared) this.#db.run(DELETE_SESSION, session.id);
    if (login !== undefined) this.#db.run(REVOKE, at, reason, pruneAfter, login.id);
    return { sessionId: session?.id, rememberedId: login?.id, userId: session?.userId ?? login?.userId };
  }

  #migrate(): void {
    this.#db.transaction(() => {
      this.#db.exec(CREATE_META);
      for (const migration of sqliteMigrations) {
        const name = `migration/${migration.name}`;
        const sum = checksum(migration);
        const done = this.#db.get(`SELECT value FROM ${META_TABLE} WHERE name = ?`, name);
        if (done === undefined) {
          for (const statement of migration.statements) this.#db.exec(statement);
          this.#db.run(`INSERT INTO ${META_TABLE} (name, value, at) VALUES (?, ?, ?)`, name, sum, Date.now());
        } else if (done["value"] !== sum) {
          throw new PsessionError(
            "store_not_migrated",
            `The migration ${migration.name} that ran on this database is not the one of this version of psession.`,
          );
        }
      }
    });
  }

  /** Refuses to write inside somebody else's transaction: its rollback would take our writes along. */
  #assertNoTransaction(): void {
    if (!this.#db.isInTransaction) return;
    throw new PsessionError(
      "store_unavailable",
      "The SQLite database is inside a transaction of the application, which sessions cannot share: end it first, or give psession a connection of its own.",
    );
  }

  /** Tries again while another connection holds the write lock, without blocking this process. */
  async #retrying<T>(work: () => T): Promise<T> {
    const started = performance.now();
    for (let attempt = 0; ; attempt++) {
      try {
        return work();
      } catch (error) {
        if (!isBusy(error) || performance.now() - started >= this.#lockTimeout) throw translate(error);
      }
      const wait = LOCK_WAITS[Math.min(attempt, LOCK_WAITS.length - 1)] ?? 50;
      await new Promise((resolve) => setTimeout(resolve, wait * (0.5 + Math.random())));
    }
  }
}

/** A revoked login is no device, and a session that is left of one stands by itself. */
function toEntry(raw: RawRow): UserEntry[] {
  const joined = readJoinedLogin(raw);
  const login = joined?.revokedAt === undefined ? joined : undefined;
  const session = readJoinedSession(raw);
  if (session !== undefined) return [{ session, login }];
  return login === undefined ? [] : [{ session: undefined, login }];
}

function open(path: string): SqliteDatabase {
  return translated(
    () => new DatabaseSync(path),
    `The SQLite file ${path} could not be opened; its folder must exist and be writable.`,
  );
}

function translated<T>(work: () => T, message?: string): T {
  try {
    return work();
  } catch (error) {
    throw translate(error, message);
  }
}

function translate(error: unknown, message?: string): unknown {
  if (error instanceof PsessionError || error instanceof LostCondition) return error;
  const reason = reasonOf(error);
  if (/no such (table|column)/.test(reason)) {
    return new PsessionError(
      "store_not_migrated",
      "The SQLite database lacks psession's tables: make the store with migrate: true.",
      {
        cause: error,
      },
    );
  }
  return new PsessionError("store_unavailable", message ?? `SQLite failed: ${reason}.`, { cause: error });
}

/** Drivers say it in different fields: node:sqlite has `errcode`, the others a `code` such as SQLITE_BUSY. */
function isBusy(error: unknown): boolean {
  const { errcode, code, message } = facets(error);
  const primary = errcode === undefined ? undefined : errcode & 0xff;
  return (
    primary === 5 ||
    primary === 6 ||
    /^SQLITE_(BUSY|LOCKED)/.test(code) ||
    /database (table )?is locked/.test(message)
  );
}

function isUniqueViolation(error: unknown): boolean {
  const { errcode, code, message } = facets(error);
  return (
    errcode === 1555 ||
    errcode === 2067 ||
    /^SQLITE_CONSTRAINT_(PRIMARYKEY|UNIQUE)/.test(code) ||
    message.includes("UNIQUE constraint failed")
  );
}

function facets(error: unknown): { errcode: number | undefined; code: string; message: string } {
  if (!(error instanceof Error)) return { errcode: undefined, code: "", message: "" };
  const { errcode, code, message } = error as Error & { errcode?: unknown; code?: unknown };
  return {
    errcode: typeof errcode === "number" ? errcode : undefined,
    code: typeof code === "string" ? code : "",
    message,
  };
}

function isDatabase(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  return ["exec", "prepare", "close"].every(
    (name) => typeof (value as Record<string, unknown>)[name] === "function",
  );
}
