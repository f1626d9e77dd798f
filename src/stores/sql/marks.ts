import { hash } from "node:crypto";
import type { Mark, Proof } from "../store.ts";

/*
 * Marks are rows of the meta table. A sign-in asks for them in its own first write, and of those that were never set there
 * is no row to lock: an old snapshot would go on showing none. So each mark belongs to one of a few rows, its shard, which
 * stays once it was made and is never older than any of its marks. Setting a mark locks its shard exclusively; a proof
 * locks shards together with others, and reads in them the newest time there is.
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

/** Of all marks of erased users: appends to the audit trail are few statements, as each has many entries. */
export const ERASURES = "mark-shard/erased";

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

/** What is pruned of the meta table, besides its time. */
export const isMark = ({ m }: { readonly m: { readonly name: string } }): string =>
  `${m.name} LIKE '${MARK}%'`;
