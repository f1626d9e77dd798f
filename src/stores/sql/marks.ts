import { hash } from "node:crypto";
import type { Mark, Proof, SessionUpdate } from "../store.ts";
import type { Table } from "./schema.ts";
import type { SqlValue, Statement } from "./statement.ts";
import type { Statements } from "./statements.ts";

/*
 * Marks are rows of the meta table. A sign-in asks for them in its own first write, and of those that were never set there
 * is no row to lock: an old snapshot would go on showing none. So each mark belongs to one of a few rows, its shard, which
 * stays once it was made and is never older than any of its marks. Whoever sets a mark locks its shard for itself; who
 * proves something locks shards together with others, and reads in them the newest there is.
 *
 * The mark of everyone belongs to all shards: if it had one of its own, every sign-in would lock that, and locking a row
 * together with many others is slow.
 *
 * Where all shards are older than the proof, so are the marks. Otherwise a transaction looks at the marks themselves.
 */

const MARK = "mark/";

export const markName = (name: string): string => `${MARK}${name}`;

const shard = (hex: string): string => `mark-shard/${hex}`;

/** In order, as deadlocks want it. */
export const SHARDS: readonly string[] = Array.from({ length: 256 }, (_, at) =>
  shard(at.toString(16).padStart(2, "0")),
);

const shardOf = (name: string): string => shard(hash("sha256", name, "hex").slice(0, 2));

/** What a proof locks; in one order everywhere, as deadlocks want it. */
export function shardsOf({ marks, ofEveryone }: Pick<Proof, "marks" | "ofEveryone">): string[] {
  const narrow = marks.filter((name) => name !== ofEveryone);
  return [...new Set((narrow.length === 0 ? marks : narrow).map(shardOf))].sort();
}

/** What setting a mark locks, and raises. */
export const shardsToRaise = ({ name, ofEveryone }: Mark): readonly string[] =>
  ofEveryone === true ? SHARDS : [shardOf(name)];

/** A time that compares as text. */
export const untilText = (until: number): string => String(Math.max(0, Math.ceil(until))).padStart(16, "0");

/** How a database sets marks, and asks for them in the statement that rests on them. */
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
  };
}

export interface Shards {
  /** Makes those that are missing; waits for whoever is making them. */
  make(statements: Statements, names: readonly string[]): Statement;
  /** Ends a SELECT whose rows nobody raises until the transaction ends; of several who read so none waits. */
  readonly share: string;
}

/** Shards that are older than a proof. The proof holds if it is all of them. */
export function olderShards(
  { dialect, M, m }: Statements,
  names: readonly string[],
  provedAt: number,
): { readonly sql: string; readonly values: readonly SqlValue[] } {
  const { sql, values } = dialect.isOneOf(m.name, names);
  return {
    sql: `SELECT 1 FROM ${M} WHERE ${sql} AND ${m.at} < ?${dialect.marking.shards?.share ?? ""}`,
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

export function lockShards(statements: Statements, names: readonly string[], share: string): Statement {
  const { M, m } = statements;
  const { sql, values } = statements.dialect.isOneOf(m.name, names);
  return statements.make(`SELECT 1 FROM ${M} WHERE ${sql} ORDER BY ${m.name}${share}`, values, true);
}

/** What is pruned of the meta table, besides its time. */
export const isMark = ({ m }: Statements): string => `${m.name} LIKE '${MARK}%'`;

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
