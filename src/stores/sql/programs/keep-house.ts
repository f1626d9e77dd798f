import { isHeld, type Lock } from "../../locks.ts";
import type { LockRequest } from "../../store.ts";
import { integerIn, textIn } from "../answers.ts";
import { untilText } from "../marks.ts";
import type { Sql } from "../sql.ts";
import { isFault, type Program, type Statement } from "../statement.ts";
import type { Prunable } from "../statements.ts";

const HOUR = 3_600_000;
/** Each statement stands by itself: the update is conditional, and of two inserts one fails. */
export function* lockProgram(statements: Sql, request: LockRequest): Program<number | undefined> {
  const { name, now, until } = request;
  // Coarse, as everything that an index follows.
  const pruneAfter = Math.ceil(until / HOUR + 1) * HOUR;
  const { rows } = yield statements.lock(name);
  const [row] = rows;
  if (row === undefined) {
    return (yield* inserted(statements.insertLock(request, now, pruneAfter))) ? now : undefined;
  }
  const held = lockIn(row);
  if (isHeld(held, request)) return undefined;
  const fence = Math.max(held.fence + 1, now);
  const { count } = yield statements.takeLock(request, held, fence, pruneAfter);
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

/** Deletes garbage of one kind and says how many rows went. */
export function* pruneProgram(
  statements: Sql,
  table: Exclude<Prunable, "audit">,
  now: number,
  limit: number,
): Program<number> {
  const before = table === "marks" ? untilText(now) : now;
  const atOnce = statements.prune(table, before, limit);
  if (atOnce !== undefined) return (yield atOnce).count;
  const { rows } = yield statements.garbage(table, before, limit);
  const ids = rows.slice(0, limit).map((row) => textIn(row, "id"));
  if (ids.length === 0) return 0;
  return (yield statements.deleteGarbage(table, before, ids)).count;
}
