import * as v from "valibot";
import { invalidOptions, readOptions } from "../../checks/faults.ts";
import { hasMethods } from "../../checks/shape.ts";
import { PsessionError } from "../../errors.ts";
import { systemClock } from "../../protocol/clock.ts";
import { isLoadingForCommand } from "../command.ts";
import { driverError } from "../messages/driver-error.ts";
import { Misread } from "../sql/answers.ts";
import { sqliteDialect } from "../sql/dialects/sqlite.ts";
import { executeSync } from "../sql/driver.ts";
import { isOutage, storeError } from "../sql/errors.ts";
import { isMigrated, lockedMigration } from "../sql/migrations.ts";
import { type NamingOptions, namingEntries, namingFaults, resolveNaming, schemaOf } from "../sql/naming.ts";
import { ProgramStore, type Runs } from "../sql/program-store.ts";
import { touchProgram } from "../sql/programs/apply.ts";
import { ConditionFailed } from "../sql/programs/conflict.ts";
import { Sql } from "../sql/sql.ts";
import { isFault, type Program, SqlFault } from "../sql/statement.ts";
import { throwFirst, touchInParts } from "../sql/touch-queue.ts";
import type { MigrateOptions, SessionRow, Store, Touch, UserIdKind } from "../store.ts";
import { type SqliteDatabase, SqliteSession } from "./database.ts";
import { createPrivately } from "./file.ts";

export type { SqliteDatabase, SqliteStatement } from "./database.ts";

export interface SqliteStoreOptions extends NamingOptions {
  /** The database file, opened with `node:sqlite`. Several processes may share it. */
  path?: string | undefined;
  /** Instead of `path`: an open database of `node:sqlite`, better-sqlite3 or libsql. psession does not close it. */
  database?: SqliteDatabase | undefined;
  /** Create or update the tables when the store is made. Default: true. */
  migrate?: boolean | undefined;
  /** How long, in milliseconds, to go on trying while another process holds the write lock. Default: 5000. */
  lockTimeout?: number | undefined;
  /** What the application's user ids are. Default: "any", which keeps numbers and text apart. */
  userIds?: UserIdKind | undefined;
}

/** First waits are short, as writers hold the lock for well under a millisecond. */
const LOCK_WAITS = [1, 2, 5, 10, 20, 50];
const lockWait = (attempt: number): number =>
  (LOCK_WAITS[Math.min(attempt, LOCK_WAITS.length - 1)] ?? 50) * (0.5 + Math.random());
/** Nobody notifies of it: waiting for that is how a thread pauses. */
const NOBODY = new Int32Array(new SharedArrayBuffer(4));

const optionsSchema = v.strictObject({
  path: v.optional(v.pipe(v.string("must be text"), v.minLength(1, "must not be empty"))),
  database: v.optional(
    v.custom<SqliteDatabase>(
      (value) => hasMethods(value, ["exec", "prepare", "close"]),
      "must be an open database of node:sqlite, better-sqlite3 or libsql",
    ),
  ),
  migrate: v.optional(v.boolean("must be true or false"), true),
  lockTimeout: v.optional(
    v.pipe(v.number("must be a number"), v.integer("must be whole"), v.minValue(0, "must not be negative")),
    5000,
  ),
  userIds: v.optional(
    v.picklist(["any", "text", "integer", "uuid"], 'must be "any", "text", "integer" or "uuid"'),
    "any",
  ),
  ...namingEntries,
});

/** Sessions in a SQLite file: nothing to install, and several processes may share it. */
export function sqliteStore(options: SqliteStoreOptions): Store {
  const { parsed, faults } = readOptions(optionsSchema, options);
  if (parsed.success && (parsed.output.path === undefined) === (parsed.output.database === undefined)) {
    faults.push("give either path or database");
  }
  if (parsed.typed) faults.push(...namingFaults(parsed.output));
  if (!parsed.success || faults.length > 0) throw invalidOptions("sqliteStore", faults);
  const { path, database, migrate, lockTimeout, userIds } = parsed.output;
  const statements = new Sql(schemaOf(resolveNaming(parsed.output, userIds)), sqliteDialect);
  const opened = database ?? open(path ?? "");
  const session = new SqliteSession(opened, schemasOf(statements), sqliteDialect.probe(statements));
  const store = new SqliteStore(statements, session, lockTimeout, database === undefined);
  try {
    store.prepare(migrate);
  } catch (error) {
    const isToBeTold = error instanceof PsessionError && error.code === "store_not_migrated";
    if (isToBeTold && isLoadingForCommand()) store.refusal = error;
    else {
      if (database === undefined) opened.close();
      throw error;
    }
  }
  return store;
}

class SqliteStore extends ProgramStore {
  readonly name = "sqlite";
  readonly #db: SqliteSession;
  readonly #lockTimeout: number;
  readonly #isOwner: boolean;
  /** Why the tables cannot be used: the store then only inspects and repairs them. */
  refusal: PsessionError | undefined;

  constructor(statements: Sql, db: SqliteSession, lockTimeout: number, isOwner: boolean) {
    super(statements);
    this.#db = db;
    this.#lockTimeout = lockTimeout;
    this.#isOwner = isOwner;
  }

  protected readonly runs: Runs = {
    read: (make) => this.#retrying(() => this.#execute(make())),
    run: (make) =>
      this.#retrying(() => {
        this.#assertNoTransaction();
        return this.#execute(make());
      }),
    transact: (make) =>
      this.#retrying(() => {
        this.#assertNoTransaction();
        return this.#transact(make());
      }),
  };

  protected async whenReady(): Promise<Runs> {
    if (this.refusal !== undefined) throw this.refusal;
    return this.runs;
  }

  /** Brings file and tables into shape. Synchronous, and the only place that waits for a lock while blocking. */
  prepare(migrates: boolean): void {
    translated(() => {
      if (this.#isOwner) {
        this.#db.exec(`PRAGMA busy_timeout = ${this.#lockTimeout}`);
        // Readers and the writer do not wait for each other; a crash loses nothing that was committed.
        this.#blocking(() => this.#db.exec("PRAGMA journal_mode = WAL"));
        this.#db.exec("PRAGMA synchronous = FULL");
      }
      try {
        if (migrates && !this.#execute(isMigrated(this.statements)))
          this.#transact(lockedMigration(this.statements, systemClock.now()));
      } finally {
        // From here on waiting is done between tries, as a blocked thread serves no request.
        if (this.#isOwner) this.#db.exec("PRAGMA busy_timeout = 0");
      }
    });
  }

  async migrate(options: MigrateOptions = {}): Promise<readonly string[]> {
    const ran = await this.#retrying(() => {
      if (this.#execute(isMigrated(this.statements, options))) return [];
      return this.#transact(lockedMigration(this.statements, systemClock.now(), options));
    });
    this.refusal = undefined;
    return ran;
  }

  /** Every request runs this. */
  findSession(id: string): Promise<SessionRow | undefined> {
    if (this.refusal !== undefined) return Promise.reject(this.refusal);
    return this.#retrying(() => {
      const values = this.#db.first(this.statements.findSessions([id]));
      return values === undefined ? undefined : this.statements.sessionOf(values);
    });
  }

  async touch(touches: readonly Touch[]): Promise<void> {
    const { transact } = await this.whenReady();
    const flush = (some: readonly Touch[]) => transact(() => touchProgram(this.statements, some));
    const failures = new Map<string, unknown>();
    await touchInParts(touches, flush, isOutage, failures);
    throwFirst(touches, failures);
  }

  async close(): Promise<void> {
    if (this.#isOwner) this.#db.close();
  }

  #execute<T>(program: Program<T>): T {
    return executeSync(program, (statement) => {
      try {
        return this.#db.run(statement);
      } catch (error) {
        throw asFault(error);
      }
    });
  }

  #transact<T>(program: Program<T>): T {
    return this.#db.transaction(() => this.#execute(program));
  }

  /** Refuses to write inside the application's transaction: its rollback would take psession's writes along. */
  #assertNoTransaction(): void {
    if (!this.#db.isInTransaction) return;
    throw new PsessionError(
      "store_unavailable",
      "The SQLite database is inside a transaction of the application, which sessions cannot share: end it first, or give psession a connection of its own.",
    );
  }

  /** Tries again while another connection holds the write lock, without blocking this process. */
  /** For what SQLite refuses at once, whatever its busy_timeout: a change of the journal while somebody writes. */
  #blocking(work: () => void): void {
    const started = performance.now();
    for (let attempt = 0; ; attempt++) {
      try {
        return work();
      } catch (error) {
        if (!this.#mayTryAgain(error, started)) throw error;
        Atomics.wait(NOBODY, 0, 0, lockWait(attempt));
      }
    }
  }

  #mayTryAgain(error: unknown, started: number): boolean {
    return isFault(asFault(error), "contention") && performance.now() - started < this.#lockTimeout;
  }

  #retrying<T>(work: () => T): Promise<T> {
    try {
      return Promise.resolve(work());
    } catch (error) {
      return this.#tryAgain(work, error);
    }
  }

  async #tryAgain<T>(work: () => T, first: unknown): Promise<T> {
    const started = performance.now();
    let error = first;
    for (let attempt = 0; ; attempt++) {
      if (!this.#mayTryAgain(error, started)) throw translate(error);
      await new Promise((resolve) => setTimeout(resolve, lockWait(attempt)));
      try {
        return work();
      } catch (again) {
        error = again;
      }
    }
  }
}

/** Of the tables that there are, quoted. */
function schemasOf({ schema, dialect }: Sql): string[] {
  const { sessions, logins, meta, locks, audit, keepsAudit } = schema;
  const tables = [sessions, logins, meta, locks, ...(keepsAudit ? [audit] : [])];
  return [...new Set(tables.map((table) => dialect.quote(table.schema ?? "main")))];
}

function open(path: string): SqliteDatabase {
  // An import would fail without a useful message, and where only `database` is used, for nothing.
  const sqlite = process.getBuiltinModule("node:sqlite") as typeof import("node:sqlite") | undefined;
  if (sqlite === undefined) {
    throw invalidOptions("sqliteStore", [
      `path needs node:sqlite, which this run time (Node ${process.versions.node}) has not: give an open database`,
    ]);
  }
  createPrivately(path);
  return translated(
    () => new sqlite.DatabaseSync(path),
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

/** Where SQLite has other reasons than a server. */
const ADVICE = {
  readonly:
    "It takes no writes: it was opened read-only (readOnly, readonly), PRAGMA query_only is ON, or its file or folder may not be written.",
  contention:
    "Another connection held the lock for longer than lockTimeout, by a long transaction or PRAGMA locking_mode = EXCLUSIVE.",
  unreachable:
    "psession needs a database that is open, and stays so until psession is closed (node:sqlite: no open: false).",
};

function translate(error: unknown, message?: string): unknown {
  const fault = asFault(error);
  if (!(fault instanceof SqlFault)) return fault;
  if (message !== undefined)
    return new PsessionError("store_unavailable", message, {
      cause: driverError(fault.cause, { isBare: true }),
    });
  return storeError("sqlite", fault, sqliteDialect, ADVICE);
}

/** What the database threw, as a fault; other errors stay as they are. */
function asFault(error: unknown): unknown {
  if (error instanceof SqlFault || error instanceof PsessionError || error instanceof ConditionFailed)
    return error;
  if (error instanceof Misread) return new SqlFault("other", error);
  return new SqlFault(sqliteDialect.classify(error), error);
}
