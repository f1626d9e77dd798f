import type { Change, StoreFault, Touch } from "../store.ts";
import type { Marking } from "./marks.ts";
import type { Migration } from "./migrations.ts";
import type { Column, ColumnKind, Schema, Table } from "./schema.ts";
import type { FaultKind, SqlValue, Statement } from "./statement.ts";
import type { Statements } from "./statements.ts";

/** What databases say differently. */
export interface Dialect {
  readonly name: "sqlite" | "postgres" | "mysql";
  quote(name: string): string;
  /** The placeholder of the value at `index`, which counts from 1. */
  placeholder(index: number): string;

  /** Ends a SELECT whose rows decide what is written: nobody changes them until the transaction ends. */
  readonly forUpdate: string;
  /** Ends a SELECT that must see what was committed since the transaction began. */
  readonly newest: string;

  /** The type of a column, with its collation. */
  type(column: Column, schema: Schema): string;
  /** Reads a `datetime` column as something that `parseMoment` takes, whatever the driver makes of dates. */
  selectMoment(column: string): string;
  /**
   * Columns as one text with commas between, digests in hex, null as nothing. Undefined where drivers read columns by
   * themselves as fast.
   */
  packed?(parts: readonly { readonly expression: string; readonly kind: ColumnKind }[]): string;
  /** Epoch milliseconds for a `datetime` column. */
  moment(time: number): SqlValue;
  parseMoment(value: unknown): number;

  /** A condition that a column is one of `ids`; few different texts for many different lengths. */
  isOneOf(column: string, ids: readonly string[]): { readonly sql: string; readonly values: SqlValue[] };
  /**
   * A condition that a column of text is the given one to the last space, its value given twice; undefined where `=` says
   * so by itself.
   */
  exactly?(column: string): string;
  /** The name that a lock has in its table, where a key takes names for one that are two. */
  lockKey?(name: string): string;
  /**
   * Deletes garbage rows in one statement; undefined where that would block others. Its values are a time, and how many
   * rows at most. `also` follows the condition of what is garbage.
   */
  prune(table: string, key: string, pruneAfter: string, also: string): string | undefined;
  /** Makes transactions that count one user's devices wait for each other. */
  lockUser(statements: Statements, user: string, until: number): Statement | undefined;
  /**
   * A change as one statement; undefined where it takes several. It answers with a row that says which conditions held,
   * or, where it returns none, by having changed something or nothing.
   */
  applyAtOnce?(statements: Statements, change: Change): Statement | undefined;
  /** Touches of different sessions, none of which confirms, as few statements. */
  touchAll?(statements: Statements, touches: readonly Touch[]): Statement[];

  /** A sentence about settings of drivers that change what rows look like, for whoever has set one. */
  readonly rowSettings: string;
  readonly marking: Marking;
  /** The statement by which the first use finds out what becomes of values. */
  probe(statements: Statements): Probe;
  /** Answers with `now` in epoch milliseconds; undefined where the database has no clock but the process's. */
  readonly clock?: string;

  migrations(schema: Schema): readonly Migration[];
  /**
   * Makes processes that migrate the same tables wait for each other, and nobody else on the same server; undefined
   * where a transaction does so by itself.
   */
  migrationLock(statements: Statements): MigrationLock | undefined;
  classify(error: unknown): FaultKind;
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

/** How a database tells about itself and its tables. */
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

/** A table's name, quoted, with its schema. */
export function qualified(dialect: Pick<Dialect, "quote">, table: Table): string {
  const own = dialect.quote(table.name);
  return table.schema === undefined ? own : `${dialect.quote(table.schema)}.${own}`;
}

/** An error's code, number and text, wherever a driver puts them. */
export function facets(error: unknown): { code: string; errno: number | undefined; message: string } {
  if (typeof error !== "object" || error === null)
    return { code: "", errno: undefined, message: String(error) };
  const { code, errno, errcode, message, cause } = error as Record<string, unknown>;
  const number = typeof errno === "number" ? errno : errcode;
  // Query builders and HTTP drivers wrap what the database said.
  if (code === undefined && number === undefined && cause !== undefined) return facets(cause);
  return {
    code: typeof code === "string" ? code : "",
    errno: typeof number === "number" ? number : undefined,
    message: typeof message === "string" ? message : "",
  };
}

const CONNECTION_CODES =
  /^(ECONN|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENOTFOUND|EAI_|ER_SOCKET|PROTOCOL_CONNECTION_LOST|PROTOCOL_SEQUENCE|CONNECTION_(CLOSED|ENDED|DESTROYED)|CONNECT_TIMEOUT)/;

export const isConnectionFault = ({ code, message }: { code: string; message: string }): boolean =>
  CONNECTION_CODES.test(code) ||
  /connection (was )?(terminated|closed|ended|lost|destroyed)|socket (has|was) /i.test(message) ||
  REFUSED.test(message);

/** What drivers say who know that a connection is broken: pg, mysql2, mariadb. */
const REFUSED = /not queryable|closed state|Cannot execute new commands/;

/**
 * The server ended the connection because nothing came over it (`idle_session_timeout`, `idle_in_transaction_session_timeout`,
 * `wait_timeout`). A process that stood still sends its next statement all the same, and nobody reads it.
 */
export const wasIdle = (error: unknown): boolean => {
  const { code, errno } = facets(error);
  return code === "57P05" || code === "25P03" || errno === 4031;
};

/** Nothing was done for sure: the driver knew that the connection was broken and sent nothing, or the server had ended it. */
export const wasNotDone = (error: unknown): boolean => REFUSED.test(facets(error).message) || wasIdle(error);

/** A column that is one of `ids`, each with a place of its own. */
export function inPlaces(column: string, ids: readonly string[]): ReturnType<Dialect["isOneOf"]> {
  const values = toPowerOfTwo(ids);
  const sql = values.length === 1 ? `${column} = ?` : `${column} IN (${values.map(() => "?").join(", ")})`;
  return { sql, values };
}

/** Few different texts, as each is prepared once: the last one is repeated. */
export function toPowerOfTwo<T>(items: readonly T[]): T[] {
  const padded = [...items];
  const last = padded.at(-1);
  while (last !== undefined && (padded.length & (padded.length - 1)) !== 0) padded.push(last);
  return padded;
}

/** A page of so many rows at the least, in few different texts: what is read beyond is cut. */
export const roundedUp = (limit: number): number => 2 ** Math.ceil(Math.log2(Math.max(1, limit)));

/** Dates as text in UTC, to the millisecond: where a database has no time zones. */
export const utcText: Pick<Dialect, "moment" | "parseMoment"> = {
  moment: (time) => new Date(time).toISOString().replace("T", " ").slice(0, -1),
  parseMoment: (value) => Date.parse(`${String(value).replace(" ", "T")}Z`),
};
