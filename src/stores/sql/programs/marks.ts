import type { Mark, Proof } from "../../store.ts";
import { lockShards, newerMarks } from "../marking.ts";
import { markName, SHARDS, shardsOf, shardsToRaise, untilText } from "../marks.ts";
import type { Sql } from "../sql.ts";
import type { Program } from "../statement.ts";
import { ConditionFailed } from "./conflict.ts";

/** The stores whose shards this process has made. */
const made = new WeakSet<Sql>();

/**
 * Reads the marks themselves, in a transaction: until it ends none of them can be set. A transaction that set one before
 * has committed by the time that its shard is locked, so that a later read sees the mark.
 */
export function* prove(statements: Sql, proof: Proof): Program<void> {
  const { shards } = statements.dialect.marking;
  if (shards !== undefined) {
    const names = shardsOf(proof);
    // All of them the first time: on a new database each shard would otherwise slow down one sign-in.
    yield shards.make(statements, made.has(statements) ? names : SHARDS);
    made.add(statements);
    yield lockShards(statements, names, shards.share);
  }
  const { sql, values } = newerMarks(statements, proof.marks, proof.provedAt);
  const { rows } = yield statements.make(sql, values, true);
  if (rows.length > 0) throw new ConditionFailed("outdated");
}

/**
 * Runs before any read of what is to end: the shard is locked first, so that an earlier proof has committed, and its
 * rows are found.
 */
export function* setMark(statements: Sql, mark: Mark): Program<void> {
  const { name, at, until } = mark;
  const { raise, shards } = statements.dialect.marking;
  if (shards !== undefined) yield raise(statements, shardsToRaise(mark), "", at);
  yield raise(statements, [markName(name)], untilText(until), at);
}
