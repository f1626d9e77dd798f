import { createHash } from "node:crypto";
import { excessOf, sparedBy } from "../../devices.ts";
import type {
  Cap,
  ChangeParts,
  Ended,
  ListedEntry,
  Proof,
  RememberedUse,
  Rotation,
  SessionUpdate,
  Touch,
  UserId,
  Write,
} from "../../store.ts";
import { integerIn } from "../answers.ts";
import { isSingleWrite } from "../changes.ts";
import type { Table } from "../schema.ts";
import type { Sql } from "../sql.ts";
import { type Answer, isFault, type Program, type Statement } from "../statement.ts";
import { ConditionFailed, UnsureProof } from "./conflict.ts";
import { endAll, endingOf, isOf, selectLonelyLoginsOf, selectSessionsOf, type Targets } from "./end.ts";
import { prove } from "./marks.ts";

/**
 * A change, part by part: inside a transaction, unless it is a single write. Marks come before logins, and logins before
 * sessions everywhere, as deadlocks want it. `provesFirst`: after an `UnsureProof`.
 */
export function* applyProgram(
  statements: Sql,
  change: Write,
  { provesFirst = false } = {},
): Program<readonly Ended[]> {
  const { end = [], caps = [] }: ChangeParts = change;
  const [firstCap] = caps;
  if (firstCap !== undefined) yield* lockUser(statements, firstCap);
  yield* provenProgram(statements, change, provesFirst);
  const spared = sparedBy(change);
  const ended: Ended[] = [];
  for (const ending of end) {
    const targets = yield* endingOf(statements, ending, spared);
    ended.push(...(yield* endAll(statements, targets, ending)));
  }
  const devices = firstCap === undefined ? [] : yield* newestDevices(statements, firstCap.userId);
  for (const { cap, excess } of excessOf(devices, caps, spared)) {
    if (excess.length > 0 && cap.overflow === "refuse") throw new ConditionFailed("full");
    const targets: Targets = {
      logins: excess.flatMap(({ login }) => login ?? []),
      sessions: excess.flatMap(({ session }) => session?.id ?? []),
      isEnding: ({ id, userId, tag }) =>
        id !== spared.sessionId && userId === cap.userId && (cap.tag === undefined || tag === cap.tag),
    };
    ended.push(...(yield* endAll(statements, targets, cap)));
  }
  return ended;
}

/** The rows that a change writes, if its proof holds: the first write checks that where it can, else a read before it. */
function* provenProgram(statements: Sql, change: Write, provesFirst: boolean): Program<void> {
  const { proof, rotate, hold, stray, remember, insert, update }: ChangeParts = change;
  if (proof === undefined) return yield* writeProgram(statements, change);
  if (!provesFirst) {
    const rows = rowsOf(change);
    const atOnce = isSingleWrite(rows) ? undefined : statements.dialect.applyAtOnce?.(statements, rows);
    // A combined write does not say which condition failed, so it is used only outside of transactions.
    if (atOnce?.returns === true) return void (yield* applyAtOnceProgram(statements, rows, atOnce));
    const isAskedFor = [rotate, hold, stray].every((part) => part === undefined);
    if (isAskedFor && (remember ?? insert ?? update) !== undefined)
      return yield* writeProgram(statements, change, proof);
  }
  yield* prove(statements, proof);
  yield* writeProgram(statements, change);
}

/** A change without what it ends. */
function rowsOf(change: Write): Write {
  if (change.kind === "signIn") return { ...change, end: undefined, caps: undefined };
  return change.kind === "renew" ? { ...change, end: undefined } : change;
}

/** `proof`: checked by the first write, where nothing comes before that. */
function* writeProgram(statements: Sql, change: ChangeParts, proof?: Proof): Program<void> {
  const { rotate, hold, stray, remember, insert, update, use } = change;
  if (rotate !== undefined) {
    const { count } = yield rotateLogin(statements, rotate.id, rotate.generation, rotate.set);
    if (count === 0) throw new ConditionFailed("rotation");
  }
  if (hold !== undefined) {
    const { rows } = yield holdLogin(statements, hold.id, hold.generation);
    if (rows.length === 0) throw new ConditionFailed("rotation");
  }
  if (stray !== undefined) {
    const { count } = yield countStray(statements, stray.id, stray.generation, stray.max);
    if (count === 0) throw new ConditionFailed("strayed");
  }
  const { logins, sessions } = statements.schema;
  if (remember !== undefined) yield* insertProgram(statements, logins, remember, proof);
  const unasked = remember === undefined ? proof : undefined;
  if (insert !== undefined) yield* insertProgram(statements, sessions, insert, unasked);
  if (update !== undefined)
    yield* updateProgram(statements, update, insert === undefined ? unasked : undefined);
  if (use !== undefined) yield* useProgram(statements, use);
}

/** A write that changed nothing had no sure proof, or another conflict: a try that proves first finds out which. */
function* sure(statement: Statement): Program<void> {
  const { count } = yield* unique(statement);
  if (count === 0) throw new UnsureProof();
}

function* insertProgram<Row extends object>(
  statements: Sql,
  table: Table<keyof Row & string>,
  row: Row,
  proof?: Proof,
): Program<void> {
  const guarded = proof && statements.dialect.marking.guarded.insert(statements, table, row, proof);
  yield* guarded === undefined ? unique(statements.insert(table, row)) : sure(guarded);
}

function* updateProgram(statements: Sql, update: SessionUpdate, proof?: Proof): Program<void> {
  const guarded = proof && statements.dialect.marking.guarded.update(statements, update, proof);
  if (guarded !== undefined) return yield* sure(guarded);
  const { count } = yield* unique(statements.updateSession(update));
  if (count === 0) yield* notUpdated(statements, update);
}

function* notUpdated(statements: Sql, { id }: SessionUpdate): Program<never> {
  const { rows } = yield sessionExists(statements, id);
  throw new ConditionFailed(rows.length === 0 ? "missing" : "stale");
}

/** A change that was made one statement. */
export function* applyAtOnceProgram(
  statements: Sql,
  change: ChangeParts,
  atOnce: Statement,
): Program<readonly Ended[]> {
  const {
    rows: [answer],
    count,
  } = yield* unique(atOnce);
  if (!atOnce.returns) {
    if (count === 0 && change.proof !== undefined) throw new UnsureProof();
    if (count === 0) yield* changedNothing(statements, change);
    return [];
  }
  // It always has a row: without one, what came is the answer to something else.
  if (answer === undefined)
    throw Object.assign(new Error("The answer was lost."), { code: "CONNECTION_CLOSED" });
  if (integerIn(answer, "done") === 1) return [];
  if (change.proof !== undefined && integerIn(answer, "proved") === 0) throw new UnsureProof();
  if (integerIn(answer, "held") === 0) throw new ConditionFailed("rotation");
  throw new ConditionFailed(integerIn(answer, "seen") === 0 ? "missing" : "stale");
}

/**
 * Some condition did not hold, and none of them can hold again: generations and versions grow, and what is revoked
 * stays so. A use of a login that has ended counts for nothing, but does not fail the save.
 */
function* changedNothing(statements: Sql, { rotate, update }: ChangeParts): Program<void> {
  if (rotate !== undefined) {
    const { rows } = yield holdLogin(statements, rotate.id, rotate.generation);
    if (rows.length === 0) throw new ConditionFailed("rotation");
  }
  if (update === undefined) return;
  if (rotate === undefined) yield* updateProgram(statements, update);
  else yield* notUpdated(statements, update);
}

export function* unique(statement: Statement): Program<Answer> {
  try {
    return yield statement;
  } catch (error) {
    if (isFault(error, "unique")) throw new ConditionFailed("exists");
    throw error;
  }
}

export function* useProgram(statements: Sql, use: RememberedUse): Program<void> {
  const { id, lastUsedAt, idleDeadline, pruneAfter, confirm } = use;
  yield useLogin(statements, id, lastUsedAt, idleDeadline, pruneAfter);
  if (confirm === undefined) return;
  const { count } = yield confirmToken(statements, id, confirm.generation, confirm.token, confirm.at);
  if (count === 1) yield clearConfirmFrom(statements, id);
}

export function* touchProgram(statements: Sql, touches: readonly Touch[]): Program<void> {
  for (const { sessionId, lastSeenAt, idleDeadline, pruneAfter, remembered } of touches) {
    if (remembered !== undefined) yield* useProgram(statements, remembered);
    yield touchSession(statements, sessionId, lastSeenAt, idleDeadline, pruneAfter);
  }
}

/** Parallel sign-ins of one user would each count without the others. */
function* lockUser(statements: Sql, { userId, at }: Cap): Program<void> {
  const user = createHash("sha256")
    .update(`${typeof userId}:${userId}`)
    .digest("base64url");
  const statement = statements.dialect.lockUser(statements, `cap/${user}`, at);
  if (statement !== undefined) yield statement;
}

/** The user's devices, this change's own included, as they are once an earlier count has committed. */
function* newestDevices(statements: Sql, userId: UserId): Program<ListedEntry[]> {
  const { newest } = statements.dialect;
  const sessions = yield selectSessionsOf(statements, userId, newest);
  const logins = yield selectLonelyLoginsOf(statements, userId, newest);
  const entries = [...sessions.rows, ...logins.rows].flatMap((raw) => statements.readListed(raw) ?? []);
  return entries.filter(isOf(userId));
}

function rotateLogin(statements: Sql, id: string, generation: number, set: Rotation): Statement {
  const { L, l } = statements;
  const { sql, values } = statements.assignments(statements.schema.logins, set);
  return statements.make(
    `UPDATE ${L} SET ${sql}${l.confirmedAt} = NULL, ${l.generation} = ${l.generation} + 1 WHERE ${l.id} = ? AND ${l.generation} = ? AND ${l.revokedAt} IS NULL`,
    [...values, id, generation],
  );
}

function sessionExists(statements: Sql, id: string): Statement {
  return statements.make(
    `SELECT 1 AS found FROM ${statements.S} WHERE ${statements.s.id} = ?${statements.dialect.newest}`,
    [id],
    true,
  );
}

function holdLogin(statements: Sql, id: string, generation: number): Statement {
  const { L, l } = statements;
  return statements.make(
    `SELECT 1 AS found FROM ${L} WHERE ${l.id} = ? AND ${l.generation} = ? AND ${l.revokedAt} IS NULL${statements.dialect.forUpdate}`,
    [id, generation],
    true,
  );
}

/** Of an unrevoked login that had fewer strays. */
function countStray(statements: Sql, id: string, generation: number, max: number): Statement {
  const { L, l } = statements;
  return statements.make(
    `UPDATE ${L} SET ${l.strays} = ${l.strays} + 1 WHERE ${l.id} = ? AND ${l.generation} = ? AND ${l.strays} < ? AND ${l.revokedAt} IS NULL`,
    [id, generation, max],
  );
}

function useLogin(
  statements: Sql,
  id: string,
  lastUsedAt: number,
  idleDeadline: number,
  pruneAfter: number,
): Statement {
  const { L, l } = statements;
  const { sql, values } = statements.assignments(statements.schema.logins, { lastUsedAt, idleDeadline });
  return statements.make(
    `UPDATE ${L} SET ${sql}${l.pruneAfter} = ? WHERE ${l.id} = ? AND ${l.revokedAt} IS NULL`,
    [...values, pruneAfter, id],
  );
}

function confirmToken(
  statements: Sql,
  id: string,
  generation: number,
  token: Uint8Array,
  at: number,
): Statement {
  const { L, l } = statements;
  return statements.make(
    `UPDATE ${L} SET ${l.confirmedAt} = ? WHERE ${l.id} = ? AND ${l.generation} = ? AND ${l.token} = ? AND ${l.confirmedAt} IS NULL AND ${l.revokedAt} IS NULL`,
    [at, id, generation, token],
  );
}

function clearConfirmFrom(statements: Sql, loginId: string): Statement {
  const { S, s } = statements;
  return statements.make(`UPDATE ${S} SET ${s.confirmFrom} = NULL WHERE ${s.rememberedId} = ?`, [loginId]);
}

export function touchSession(
  statements: Sql,
  id: string,
  lastSeenAt: number,
  idleDeadline: number | undefined,
  pruneAfter: number,
): Statement {
  const { S, s } = statements;
  const { sql, values } = statements.assignments(statements.schema.sessions, {
    lastSeenAt,
    ...(idleDeadline === undefined ? {} : { idleDeadline }),
  });
  const later = `CASE WHEN ${s.pruneAfter} < ? THEN ? ELSE ${s.pruneAfter} END`;
  return statements.make(`UPDATE ${S} SET ${sql}${s.pruneAfter} = ${later} WHERE ${s.id} = ?`, [
    ...values,
    pruneAfter,
    pruneAfter,
    id,
  ]);
}
