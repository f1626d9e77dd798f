import { reasonOf } from "../../errors.ts";
import type { Answer, RawRow, SqlValue, Statement } from "../sql/statement.ts";

/** The shape we use of a SQLite driver: `node:sqlite`, better-sqlite3 and libsql all have it. */
export interface SqliteDatabase {
  exec(sql: string): unknown;
  prepare(sql: string): SqliteStatement;
  close(): unknown;
  /** A transaction is open: so in `node:sqlite` of Node 22.16 and later … */
  readonly isTransaction?: boolean;
  /** … and so in better-sqlite3 and libsql. */
  readonly inTransaction?: boolean;
}

export type SqliteValue = Exclude<SqlValue, readonly unknown[]>;

export interface SqliteStatement {
  all(...values: SqliteValue[]): unknown[];
  get(...values: SqliteValue[]): unknown;
  /** Rows come as lists: so in `node:sqlite` of Node 22.16 and later … */
  setReturnArrays?(isWanted: boolean): void;
  /** … and so in better-sqlite3 and libsql. */
  raw?(isWanted: boolean): unknown;
  run(...values: SqliteValue[]): { changes: number | bigint };
}

const NO_ROWS: readonly RawRow[] = [];

/** Prepares every statement once, and runs transactions that nothing can get between. */
export class SqliteSession {
  readonly #database: SqliteDatabase;
  readonly #statements = new Map<string, SqliteStatement>();
  /** Statements of one row at most, which give it as a list: objects of twenty fields take as long as the search. */
  readonly #lists = new Map<string, SqliteStatement>();

  constructor(database: SqliteDatabase) {
    this.#database = database;
  }

  get isInTransaction(): boolean {
    return this.#database.isTransaction ?? this.#database.inTransaction ?? this.#refusesToBegin();
  }

  run({ sql, values, returns }: Statement): Answer {
    const prepared = this.#prepared(sql);
    if (returns) return { rows: prepared.all(...(values as SqliteValue[])) as RawRow[], count: 0 };
    return { rows: NO_ROWS, count: Number(prepared.run(...(values as SqliteValue[])).changes) };
  }

  /** The values of the first row, in the order in which they were selected; undefined where there is no row. */
  first({ sql, values }: Statement): readonly unknown[] | undefined {
    const row = this.#prepareList(sql).get(...(values as SqliteValue[]));
    if (row === undefined) return undefined;
    return Array.isArray(row) ? row : Object.values(row as RawRow);
  }

  exec(sql: string): void {
    this.#database.exec(sql);
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
      statement = this.#database.prepare(sql);
      if (statement.setReturnArrays !== undefined) statement.setReturnArrays(true);
      else statement.raw?.(true);
      this.#lists.set(sql, statement);
    }
    return statement;
  }

  #prepared(sql: string): SqliteStatement {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}
