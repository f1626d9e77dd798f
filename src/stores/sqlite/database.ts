import { invalidOptions } from "../../checks/faults.ts";
import { isThenable } from "../../checks/given.ts";
import { PsessionError, reasonOf } from "../../errors.ts";
import type { Probe } from "../sql/dialect.ts";
import { assertSurvived } from "../sql/programs/probe.ts";
import type { Answer, RawRow, SqlValue, Statement } from "../sql/statement.ts";

/** The shape that psession uses of a SQLite driver: `node:sqlite`, better-sqlite3 and libsql all have it. */
export interface SqliteDatabase {
  exec(sql: string): unknown;
  prepare(sql: string): SqliteStatement;
  close(): unknown;
  /** False once it is closed, in better-sqlite3 and libsql; a method of `node:sqlite`. */
  readonly open?: unknown;
  /** A transaction is open: so in `node:sqlite` of Node 22.16 and later … */
  readonly isTransaction?: boolean | undefined;
  /** … and so in better-sqlite3 and libsql. */
  readonly inTransaction?: boolean | undefined;
}

export type SqliteValue = Exclude<SqlValue, readonly unknown[]>;

/** A prepared statement, as far as we use it. */
export interface SqliteStatement {
  all(...values: SqliteValue[]): unknown[];
  get(...values: SqliteValue[]): unknown;
  /** Rows come as lists: so in `node:sqlite` of Node 22.16 and later … */
  setReturnArrays?(isWanted: boolean): void;
  /** … and so in better-sqlite3 and libsql. */
  raw?(isWanted: boolean): unknown;
  /** Integers come as bigints: so in `node:sqlite` … */
  setReadBigInts?(isWanted: boolean): void;
  /** … and so in better-sqlite3 and libsql. */
  safeIntegers?(isWanted: boolean): unknown;
  /** Only the first column comes: better-sqlite3 and libsql. */
  pluck?(isWanted: boolean): unknown;
  /** Columns come by their tables: better-sqlite3. */
  expand?(isWanted: boolean): unknown;
  run(...values: SqliteValue[]): { changes: number | bigint };
}

const NO_ROWS: readonly RawRow[] = [];

/**
 * Prepares every statement once, and runs transactions that nothing can interrupt. What the application set for its own
 * statements is set back for psession's, and every answer is checked before it is used: a row that lacks columns would
 * sign a user out, or look like a theft.
 */
export class SqliteSession {
  readonly #database: SqliteDatabase;
  /** Databases within the connection that hold psession's tables, quoted. */
  readonly #schemas: readonly string[];
  readonly #probe: Probe;
  #isChecked = false;
  readonly #statements = new Map<string, SqliteStatement>();
  /** Statements of one row at most, which give it as a list: objects of twenty fields take as long as the search. */
  readonly #lists = new Map<string, SqliteStatement>();

  constructor(database: SqliteDatabase, schemas: readonly string[], probe: Probe) {
    this.#database = database;
    this.#schemas = schemas;
    this.#probe = probe;
  }

  get isInTransaction(): boolean {
    // libsql ends the whole process if this is read from a database that was closed.
    if (this.#database.open === false) throw new Error("The database connection is not open");
    return this.#database.isTransaction ?? this.#database.inTransaction ?? this.#refusesToBegin();
  }

  run({ sql, values, returns }: Statement): Answer {
    const prepared = this.#prepared(sql, returns);
    if (returns) {
      const all = () => prepared.all(...(values as SqliteValue[]));
      return { rows: rowsOf(withLargeIntegers(prepared, all)), count: 0 };
    }
    return { rows: NO_ROWS, count: countOf(prepared.run(...(values as SqliteValue[]))) };
  }

  /** The values of the first row, in the order in which they were selected; undefined where there is no row. */
  first({ sql, values }: Statement): readonly unknown[] | undefined {
    const prepared = this.#prepareList(sql);
    const row = withLargeIntegers(prepared, () => prepared.get(...(values as SqliteValue[])));
    // Bun says null.
    if (row === undefined || row === null) return undefined;
    return Array.isArray(row) ? row : Object.values(rowsOf([row])[0] as RawRow);
  }

  exec(sql: string): void {
    const answer = this.#database.exec(sql);
    if (!isThenable(answer)) return;
    // No caller waits for it.
    answer.then(undefined, () => {});
    throw misread("promises, as those of libsql/promise do");
  }

  /**
   * `BEGIN IMMEDIATE` takes the write lock at once: a transaction that began by reading could not get it
   * later without failing. The work is synchronous, as an await would let other requests into it.
   */
  transaction<T>(work: () => T): T {
    this.exec("BEGIN IMMEDIATE");
    try {
      const result = work();
      this.exec("COMMIT");
      return result;
    } catch (error) {
      this.#rollback();
      throw error;
    }
  }

  close(): void {
    this.#statements.clear();
    this.#lists.clear();
    this.#database.close();
  }

  /** For drivers that do not say: SQLite refuses a transaction within a transaction. */
  #refusesToBegin(): boolean {
    try {
      this.exec("BEGIN");
    } catch (error) {
      return /within a transaction/.test(reasonOf(error));
    }
    this.#rollback();
    return false;
  }

  #rollback(): void {
    try {
      this.exec("ROLLBACK");
    } catch {
      // SQLite has rolled back by itself already, as it does when the disk is full.
    }
  }

  #prepareList(sql: string): SqliteStatement {
    let statement = this.#lists.get(sql);
    if (statement === undefined) {
      statement = this.#prepare(sql, true);
      if (statement.setReturnArrays !== undefined) statement.setReturnArrays(true);
      else statement.raw?.(true);
      this.#lists.set(sql, statement);
    }
    return statement;
  }

  #prepared(sql: string, returns: boolean): SqliteStatement {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#prepare(sql, returns);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #prepare(sql: string, returns: boolean): SqliteStatement {
    if (!this.#isChecked) this.#check();
    return this.#plain(sql, returns);
  }

  /** A statement that answers with objects and numbers, whatever the application chose for its own. */
  #plain(sql: string, returns: boolean): SqliteStatement {
    const statement = this.#database.prepare(sql);
    if (typeof statement?.all !== "function") throw misread("no prepared statements of its own");
    statement.setReadBigInts?.(false);
    statement.safeIntegers?.(false);
    // The others refuse this for statements without rows.
    if (!returns) return statement;
    statement.setReturnArrays?.(false);
    statement.raw?.(false);
    statement.pluck?.(false);
    statement.expand?.(false);
    return statement;
  }

  /** Refuses settings that no statement can undo for itself and that lose writes without an error. */
  #check(): void {
    const modes = this.#schemas.map((schema) => this.#pragma(`${schema}.journal_mode`));
    if (modes.includes("off")) {
      throw unusable("PRAGMA journal_mode is OFF, with which SQLite undoes no change that fails halfway");
    }
    const counts = this.#pragma("count_changes");
    // libsql executes no write that is to return a row.
    if (counts === 1 || counts === "1")
      throw unusable("PRAGMA count_changes is ON, with which drivers lose writes");
    this.#isChecked = this.#survive() && ![...modes, counts].includes(NOT_SAID);
  }

  /** Whether values are known to come back as they were sent; throws where they do not. */
  #survive(): boolean {
    const { sql, values } = this.#probe;
    let answer: unknown;
    try {
      answer = this.#plain(sql, true).all(...(values as SqliteValue[]));
    } catch (error) {
      if (error instanceof PsessionError) throw error;
      return false;
    }
    assertSurvived(this.#probe, rowsOf(answer)[0]);
    return true;
  }

  #pragma(name: string): unknown {
    let answer: unknown;
    try {
      answer = this.#plain(`PRAGMA ${name}`, true).all();
    } catch (error) {
      if (error instanceof PsessionError) throw error;
      // Locked, closed, or not permitted. The next statement fails with the reason, and the check is repeated later.
      return NOT_SAID;
    }
    const [row] = rowsOf(answer);
    return row === undefined ? undefined : Object.values(row)[0];
  }
}

const NOT_SAID = Symbol("not said");

/**
 * `node:sqlite` refuses a whole answer for one integer that a number does not hold, which another program wrote, and with
 * it all good rows. Then integers come as bigints, and the check of each column names the wrong one.
 */
function withLargeIntegers<T>(statement: SqliteStatement, read: () => T): T {
  try {
    return read();
  } catch (error) {
    const isTooLarge = (error as { code?: unknown } | undefined)?.code === "ERR_OUT_OF_RANGE";
    if (!isTooLarge || statement.setReadBigInts === undefined) throw error;
  }
  statement.setReadBigInts(true);
  try {
    return read();
  } finally {
    statement.setReadBigInts(false);
  }
}

function rowsOf(answer: unknown): readonly RawRow[] {
  if (!Array.isArray(answer)) throw misread("something else than lists of rows");
  const [row] = answer;
  const isRow = row === undefined || (typeof row === "object" && row !== null && !Array.isArray(row));
  if (!isRow) throw misread("rows that have no names for their columns");
  return answer as RawRow[];
}

function countOf(answer: { readonly changes: number | bigint } | undefined): number {
  const count = Number(answer?.changes);
  if (Number.isSafeInteger(count)) return count;
  throw misread("no number of changed rows");
}

const misread = (what: string): PsessionError =>
  new PsessionError(
    "store_misread",
    `The SQLite database answers with ${what}: psession cannot identify users by that. Give it an open database of node:sqlite, better-sqlite3 or libsql, not of a package around them (option database).`,
  );

const unusable = (why: string): PsessionError =>
  invalidOptions("sqliteStore", [`database cannot hold sessions: ${why}`]);
