import type { StoreFault, Touch, Write } from "../store.ts";
import type { Marking } from "./marking.ts";
import type { Migration } from "./migration.ts";
import type { Column, Schema, Table } from "./schema.ts";
import type { SqlValue, Statement } from "./statement.ts";
import type { Statements } from "./statements.ts";
import type { Syntax } from "./syntax.ts";

/** What databases do differently. */
export interface Dialect extends Syntax {
  /** Makes transactions that count one user's devices wait for each other. */
  lockUser(statements: Statements, user: string, until: number): Statement | undefined;
  /**
   * A change as one statement; undefined where it takes several. It answers with a row that says which conditions held,
   * or, where it returns none, by having changed something or nothing.
   */
  applyAtOnce?(statements: Statements, change: Write): Statement | undefined;
  /** Touches of different sessions, none of which confirms, as few statements. */
  touchAll?(statements: Statements, touches: readonly Touch[]): Statement[];

  /** Sends a message to all connections that listen; left out where the database has no such thing. */
  notify?(channel: string, text: string): Statement;

  readonly marking: Marking;
  /** The statement by which the first use finds out what becomes of values. */
  probe(statements: Statements): Probe;
  migrations(schema: Schema): readonly Migration[];
  /**
   * Makes processes that migrate the same tables wait for each other, and no others on the same server; undefined
   * where a transaction does so by itself.
   */
  migrationLock(statements: Statements): MigrationLock | undefined;
  readonly inspection: Inspection;
}

/** Answers with one row: of what was sent as the server has it, of what comes back, and with what is wrong as text. */
export interface Probe {
  readonly sql: string;
  readonly values: readonly SqlValue[];
  /** By column: text as the server sees a value, and what it must be, in lower case. */
  readonly sent: Readonly<Record<string, { readonly what: string; readonly as: string }>>;
  /** By column: a value on its way back. */
  readonly back: Readonly<Record<string, { readonly what: string; is(value: unknown): boolean }>>;
  /** The column `unfit` has settings of the connection that sessions cannot live with. */
  readonly unfit: boolean;
}

/** Statements that ask a database about itself and its tables. */
export interface Inspection {
  /** Answers with `now` in epoch milliseconds and `version`. */
  readonly server: string;
  /** Answers with `name`, `type` and `collation` of each column, with none where there is no such table. */
  columns(statements: Statements, table: Table): Statement;
  /** Answers with the first column of each index as `name`, `is_unique` as 1 or 0, and the number of its columns as `width`. */
  indexes(statements: Statements, table: Table): Statement;
  /** Answers with the table's comment as `comment`, where migrations mark what they make. */
  comment?(statements: Statements, table: Table): Statement;
  /** Answers with `hidden`: the tables of which the present user sees no rows, for databases that do such. */
  hidden?(statements: Statements): Statement;
  /** Answers with `bytes`, indexes included, and an `estimate` of the rows, where they are known. */
  size(statements: Statements, table: Table): Statement;
  /** Answers with `name` (of a schema) and `file`, for databases that are files of this machine. */
  readonly files?: string;
  /** A name as the database compares names. */
  fold(name: string): string;
  /** A collation by which text is equal only to itself, and in the order of its bytes. */
  isBinary(collation: string): boolean;
  typeFaults?(column: Column, where: string, type: string, collation: string | undefined): StoreFault[];
}

export interface MigrationLock {
  /** Answers with 1 as `locked`. */
  readonly acquire: Statement;
  /** Undefined where the end of the transaction gives the lock back. */
  readonly release: Statement | undefined;
}
