import type { Proof, SessionUpdate } from "../store.ts";
import { ERASURES, markName } from "./marks.ts";
import type { Table } from "./schema.ts";
import type { SqlValue, Statement } from "./statement.ts";
import type { Statements } from "./statements.ts";

/** How a database sets marks, and checks them in the statement that rests on them. */
export interface Marking {
  /** Makes rows of the meta table, or raises those that are there; in this order. */
  raise(statements: Statements, names: readonly string[], value: string, at: number): Statement;
  /** Undefined where there is one writer at a time. */
  readonly shards?: Shards;
  /** Writes that count nothing unless the proof holds for sure. */
  readonly guarded: {
    insert<Row extends object>(
      statements: Statements,
      table: Table<keyof Row & string>,
      row: Row,
      proof: Proof,
    ): Statement;
    update(statements: Statements, update: SessionUpdate, proof: Proof): Statement;
    /** Rows of which none counts unless no user was erased since `at`. Undefined where a transaction does as well. */
    insertAll?<Row extends object>(
      statements: Statements,
      table: Table<keyof Row & string>,
      rows: readonly Row[],
      at: number,
    ): Statement;
  };
}

export interface Shards {
  /** Makes those that are missing; waits for a transaction that is making them. */
  make(statements: Statements, names: readonly string[]): Statement;
  /** Ends a SELECT whose rows no other transaction raises until this one ends; several can read so without waiting. */
  readonly share: string;
}

/** Shards that are older than a proof. The proof holds if it is all of them. */
export function olderShards(
  { dialect, M, m }: Statements,
  names: readonly string[],
  provedAt: number,
  share = "",
): { readonly sql: string; readonly values: readonly SqlValue[] } {
  const { sql, values } = dialect.isOneOf(m.name, names);
  return {
    sql: `SELECT 1 FROM ${M} WHERE ${sql} AND ${m.at} < ?${share}`,
    values: [...values, provedAt],
  };
}

/** Rows of the meta table under these names that are as new as `at`. */
export function newerMarks(
  statements: Statements,
  marks: readonly string[],
  at: number,
): { readonly sql: string; readonly values: readonly SqlValue[] } {
  const { M, m } = statements;
  const { sql, values } = statements.dialect.isOneOf(m.name, marks.map(markName));
  return { sql: `SELECT 1 FROM ${M} WHERE ${sql} AND ${m.at} >= ?`, values: [...values, at] };
}

/** What a proof would be of which this one shard is all that outdates it. */
export function olderThanErasures(statements: Statements, at: number, share: string) {
  return olderShards(statements, [ERASURES], at, share);
}

export function lockShards(statements: Statements, names: readonly string[], share: string): Statement {
  const { M, m } = statements;
  const { sql, values } = statements.dialect.isOneOf(m.name, names);
  return statements.make(`SELECT 1 FROM ${M} WHERE ${sql} ORDER BY ${m.name}${share}`, values, true);
}

/** Where a conflict of keys is answered with ON CONFLICT; `most` is the greater of two. */
export const raiseOnConflict =
  (most: "GREATEST" | "MAX"): Marking["raise"] =>
  (statements, names, value, at) => {
    const { M, m } = statements;
    return statements.make(
      `INSERT INTO ${M} AS m (${m.name}, ${m.value}, ${m.at}) VALUES ${names.map(() => "(?, ?, ?)").join(", ")} ON CONFLICT (${m.name}) DO UPDATE SET ${m.value} = ${most}(m.${m.value}, ?), ${m.at} = ${most}(m.${m.at}, ?)`,
      [...names.flatMap((name) => [name, value, at]), value, at],
    );
  };
