import type { FieldKind } from "../columns.ts";
import type { Column, Schema, Table } from "./schema.ts";
import type { FaultKind, SqlValue } from "./statement.ts";

/** How a database writes what all databases can say. */
export interface Syntax {
  readonly name: "sqlite" | "postgres" | "mysql";
  quote(name: string): string;
  /** The placeholder of the value at `index`, which counts from 1. */
  placeholder(index: number): string;

  /** Ends a SELECT whose rows decide what is written: no other transaction changes them until this one ends. */
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
  packed?(parts: readonly { readonly expression: string; readonly kind: FieldKind }[]): string;
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
  /** A sentence about settings of drivers that change what rows look like, for messages. */
  readonly rowSettings: string;
  /** Answers with `now` in epoch milliseconds; undefined where the database has no clock but the process's. */
  readonly clock?: string;
  classify(error: unknown): FaultKind;
}

/** A table's name, quoted, with its schema. */
export function qualified(syntax: Pick<Syntax, "quote">, table: Table): string {
  const own = syntax.quote(table.name);
  return table.schema === undefined ? own : `${syntax.quote(table.schema)}.${own}`;
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

/** The messages of drivers that know that a connection is broken: pg, mysql2, mariadb. */
const REFUSED = /not queryable|closed state|Cannot execute new commands/;

/**
 * The server ended the connection because nothing came over it (`idle_session_timeout`, `idle_in_transaction_session_timeout`,
 * `wait_timeout`). A process that stood still sends its next statement all the same, and no server reads it.
 */
export const wasIdle = (error: unknown): boolean => {
  const { code, errno } = facets(error);
  return code === "57P05" || code === "25P03" || errno === 4031;
};

/** Nothing was done for sure: the driver knew that the connection was broken and sent nothing, or the server had ended it. */
export const wasNotDone = (error: unknown): boolean => REFUSED.test(facets(error).message) || wasIdle(error);

/** A column that is one of `ids`, each with a place of its own. */
export function inPlaces(column: string, ids: readonly string[]): ReturnType<Syntax["isOneOf"]> {
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
export const utcText: Pick<Syntax, "moment" | "parseMoment"> = {
  moment: (time) => new Date(time).toISOString().replace("T", " ").slice(0, -1),
  parseMoment: (value) => Date.parse(`${String(value).replace(" ", "T")}Z`),
};
