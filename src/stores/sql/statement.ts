/** Values that every SQL driver takes; lists only where a dialect has a type for them. */
export type SqlValue = string | number | Uint8Array | null | readonly (string | number | null)[];

/** Drivers of MySQL write Buffers as bytes, and other arrays of bytes as something else. */
export const toBuffer = (value: SqlValue): SqlValue =>
  value instanceof Uint8Array && !Buffer.isBuffer(value) ? Buffer.from(value) : value;

export interface Statement {
  readonly sql: string;
  readonly values: readonly SqlValue[];
  /** It answers with rows, not with a count. */
  readonly returns: boolean;
}

export type RawRow = Record<string, unknown>;

export interface Answer {
  readonly rows: readonly RawRow[];
  /** How many rows a statement changed that returns none. */
  readonly count: number;
}

/**
 * Work on the database as a sequence of statements, independent of what executes them: synchronously in SQLite, one
 * after another over a network elsewhere. A statement that fails throws where it was yielded.
 */
export type Program<T> = Generator<Statement, T, Answer>;

/** What went wrong with a statement, as far as callers react to it differently. */
export type FaultKind =
  /** A row of this key is there already. */
  | "unique"
  /** Another transaction held a lock: nothing was changed, and a retry may succeed. */
  | "contention"
  /** Tables or columns are missing. */
  | "schema"
  /** What is to be created is there already. */
  | "exists"
  /** The database's user may not do this. */
  | "denied"
  /** The server takes no writes. */
  | "readonly"
  /** Text that the database has no characters for. */
  | "text"
  /** A prepared statement is not there, or is there already: a pooler has changed the connection in between. */
  | "pooled"
  /** A pooler takes no transactions. */
  | "untransacted"
  /** The connection broke; whether the statement took effect is unknown. */
  | "connection"
  /** There was no connection; nothing was sent. */
  | "unreachable"
  | "other";

export class SqlFault extends Error {
  readonly kind: FaultKind;
  /** The transaction may have been committed all the same: its COMMIT was sent, or there was none to send. */
  readonly mayBeDone: boolean;
  /** It came before any statement that has values. */
  readonly isBare: boolean;

  constructor(kind: FaultKind, cause: unknown, { mayBeDone = false, isBare = false } = {}) {
    super("a statement failed", { cause });
    this.kind = kind;
    this.mayBeDone = mayBeDone;
    this.isBare = isBare;
  }
}

export const isFault = (error: unknown, kind: FaultKind): error is SqlFault =>
  error instanceof SqlFault && error.kind === kind;
