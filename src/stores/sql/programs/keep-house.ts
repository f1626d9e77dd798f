import { isHeld, type Lock } from "../../locks.ts";
import type { LockRequest } from "../../store.ts";
import { integerIn, textIn } from "../answers.ts";
import { isMark, untilText } from "../marks.ts";
import type { Sql } from "../sql.ts";
import { isFault, type Program, type Statement } from "../statement.ts";
import type { Prunable } from "../statements.ts";
import { roundedUp } from "../syntax.ts";

const HOUR = 3_600_000;
/** Each statement stands by itself: the update is conditional, and of two inserts one fails. */
export function* lockProgram(statements: Sql, request: LockRequest): Program<number | undefined> {
  const { name, now, until } = request;
  // Coarse, as everything that an index follows.
  const pruneAfter = Math.ceil(until / HOUR + 1) * HOUR;
  const { rows } = yield selectLock(statements, name);
  const [row] = rows;
  if (row === undefined) {
    return (yield* inserted(insertLock(statements, request, now, pruneAfter))) ? now : undefined;
  }
  const held = lockIn(row);
  if (isHeld(held, request)) return undefined;
  const fence = Math.max(held.fence + 1, now);
  const { count } = yield takeLock(statements, request, held, fence, pruneAfter);
  return count > 0 ? fence : undefined;
}

export const lockIn = (row: Readonly<Record<string, unknown>>): Lock => ({
  owner: textIn(row, "owner"),
  fence: integerIn(row, "fence"),
  until: integerIn(row, "until"),
});

function* inserted(statement: Statement): Program<boolean> {
  try {
    yield statement;
    return true;
  } catch (error) {
    if (isFault(error, "unique")) return false;
    throw error;
  }
}

/** Deletes garbage of one kind and returns the number of rows. */
export function* pruneProgram(
  statements: Sql,
  table: Exclude<Prunable, "audit">,
  now: number,
  limit: number,
): Program<number> {
  const before = table === "marks" ? untilText(now) : now;
  const atOnce = pruneAtOnce(statements, table, before, limit);
  if (atOnce !== undefined) return (yield atOnce).count;
  const { rows } = yield garbage(statements, table, before, limit);
  const ids = rows.slice(0, limit).map((row) => textIn(row, "id"));
  if (ids.length === 0) return 0;
  return (yield deleteGarbage(statements, table, before, ids)).count;
}

/** Ids of garbage, the oldest first; up to twice as many. Not every driver of MySQL binds a limit. */
export function garbage(statements: Sql, table: Prunable, before: number | string, limit: number): Statement {
  const { name, id, pruneAfter, also } = prunable(statements, table);
  return statements.make(
    `SELECT g.${id} AS id FROM ${name} g WHERE g.${pruneAfter} < ?${also} ORDER BY g.${pruneAfter} LIMIT ${roundedUp(limit)}`,
    [before],
    true,
  );
}

/** Deletes rows that were garbage, unless they have been used since. */
export function deleteGarbage(
  statements: Sql,
  table: Prunable,
  before: number | string,
  ids: readonly string[],
): Statement {
  const { name, id, pruneAfter } = prunable(statements, table);
  const { sql, values } = statements.dialect.isOneOf(id, ids);
  return statements.make(`DELETE FROM ${name} WHERE ${sql} AND ${pruneAfter} < ?`, [...values, before]);
}

export function pruneAtOnce(
  statements: Sql,
  table: Prunable,
  before: number | string,
  limit: number,
): Statement | undefined {
  const { name, id, pruneAfter, also } = prunable(statements, table);
  const sql = statements.dialect.prune(name, id, pruneAfter, also);
  return sql === undefined ? undefined : statements.make(sql, [before, limit]);
}

function prunable(
  statements: Sql,
  table: Prunable,
): { name: string; id: string; pruneAfter: string; also: string } {
  const { S, L, M, K, A, s, l, m, k, a } = statements;
  switch (table) {
    case "sessions":
      return { name: S, id: s.id, pruneAfter: s.pruneAfter, also: "" };
    case "logins":
      return { name: L, id: l.id, pruneAfter: l.pruneAfter, also: "" };
    case "locks":
      return { name: K, id: k.name, pruneAfter: k.pruneAfter, also: "" };
    case "marks":
      return { name: M, id: m.name, pruneAfter: m.value, also: ` AND ${isMark(statements)}` };
    case "audit":
      return { name: A, id: a.id, pruneAfter: a.id, also: "" };
  }
}

export function selectLock(statements: Sql, name: string): Statement {
  const { K, k } = statements;
  const q = (alias: string) => statements.dialect.quote(alias);
  return statements.make(
    `SELECT ${k.owner} AS ${q("owner")}, ${k.fence} AS ${q("fence")}, ${k.until} AS ${q("until")} FROM ${K} WHERE ${k.name} = ?`,
    [lockKey(statements, name)],
    true,
  );
}

export function lockKey(statements: Sql, name: string): string {
  return statements.dialect.lockKey?.(name) ?? name;
}

function insertLock(
  statements: Sql,
  { name, owner, until }: LockRequest,
  fence: number,
  pruneAfter: number,
): Statement {
  return statements.insert(statements.schema.locks, {
    name: lockKey(statements, name),
    owner,
    fence,
    until,
    pruneAfter,
  });
}

function takeLock(
  statements: Sql,
  { name, owner, until }: LockRequest,
  held: { owner: string; fence: number },
  fence: number,
  pruneAfter: number,
): Statement {
  const { K, k } = statements;
  return statements.make(
    `UPDATE ${K} SET ${k.owner} = ?, ${k.fence} = ?, ${k.until} = ?, ${k.pruneAfter} = ? WHERE ${k.name} = ? AND ${k.fence} = ? AND ${k.owner} = ?`,
    [owner, fence, until, pruneAfter, lockKey(statements, name), held.fence, held.owner],
  );
}

export function releaseLock(statements: Sql, name: string, owner: string): Statement {
  const { K, k } = statements;
  return statements.make(`UPDATE ${K} SET ${k.owner} = '' WHERE ${k.name} = ? AND ${k.owner} = ?`, [
    lockKey(statements, name),
    owner,
  ]);
}
