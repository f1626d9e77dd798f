import { recordMark } from "../../devices.ts";
import type { Ended, EndSelector, UserId } from "../../store.ts";
import { textOrNothingIn } from "../answers.ts";
import type { Sql } from "../sql.ts";
import type { Program, Statement } from "../statement.ts";
import { LONGEST_TEXT } from "../statements.ts";
import { asKeys, ofHandle, unrevokedLogins } from "./end.ts";
import { setMark } from "./marks.ts";

/** Devices of one transaction: few enough that no request waits long for a row, and that they are looked up by key. */
const CHUNK = 100;

interface Chunk {
  readonly ended: readonly Ended[];
  /** Where the next one begins. */
  readonly next: string | undefined;
}

type Transact = <T>(make: () => Program<T>) => Promise<T>;

/**
 * All logins with their sessions, then the sessions that are left, in chunks by key. A transaction that has a login's row
 * holds up its chunk, and a session that it made is read after that; a later one finds the login revoked.
 */
export async function endEveryone(
  statements: Sql,
  selector: EndSelector,
  transact: Transact,
): Promise<readonly Ended[]> {
  const { mark } = selector;
  if (mark !== undefined) await transact(() => setMark(statements, mark));
  const kept = await transact(() => keptBy(statements, selector.except));
  const all: Ended[] = [];
  for (const endChunk of [endLogins, endSessions]) {
    let after: string | undefined = "";
    while (after !== undefined) {
      const from: string = after;
      const chunk: Chunk = await transact(() => endChunk(statements, selector, kept, from));
      all.push(...chunk.ended);
      after = chunk.next;
    }
  }
  return all;
}

/** Ids of the device that stays. */
function* keptBy(statements: Sql, except: string | undefined): Program<ReadonlySet<string>> {
  if (except === undefined) return new Set();
  const entries = yield* ofHandle(statements, except);
  const ids = entries.flatMap(({ session, login }) => [session?.id, login?.id]);
  return new Set([except, ...ids.filter((id) => id !== undefined)]);
}

interface Row {
  readonly session: string | undefined;
  readonly login: string | undefined;
  readonly user: UserId | undefined;
  /** When it was last used, where that was read. */
  readonly used: number;
  readonly level: string;
}

/** What a statement selects of them. */
type Selected = readonly (keyof Row)[];

const KEYS: Selected = ["session", "login"];
const LOGIN: Selected = ["login", "user", "used"];
const SESSION: Selected = ["session", "login", "user", "used", "level"];

function* rowsOf(statements: Sql, statement: Statement, selected: Selected): Program<Row[]> {
  const { rows } = yield statement;
  const has = (column: keyof Row) => selected.includes(column);
  return rows.map((raw) => ({
    session: has("session") ? textOrNothingIn(raw, "session") : undefined,
    login: has("login") ? textOrNothingIn(raw, "login") : undefined,
    user: has("user") ? statements.userIn(raw, "user") : undefined,
    used: has("used") ? statements.momentIn(raw, "used") : 0,
    level: (has("level") ? textOrNothingIn(raw, "level") : undefined) ?? "",
  }));
}

const isIn = (id: string | undefined, realm: string | undefined): boolean =>
  realm === undefined || id?.endsWith(realm) === true;

/** Whether a device was last used before the selector's time; checked once its rows are locked. */
const isOldEnough = ({ lastUsedBefore }: EndSelector, ...rows: readonly (Row | undefined)[]): boolean =>
  lastUsedBefore === undefined ||
  rows.every((row) => row === undefined || (row.used < lastUsedBefore && row.level !== "binding"));

const ids = (rows: readonly Row[], of: "session" | "login"): string[] => rows.flatMap((row) => row[of] ?? []);

function* endLogins(
  statements: Sql,
  selector: EndSelector,
  kept: ReadonlySet<string>,
  after: string,
): Program<Chunk> {
  const { reason, realm } = selector;
  const read = yield* rowsOf(statements, loginsAfter(statements, after, CHUNK), KEYS);
  const isKept = ({ session = "", login = "" }: Row) => kept.has(session) || kept.has(login);
  const wanted = ids(
    read.filter((row) => !isKept(row) && isIn(row.login, realm)),
    "login",
  );
  const next = read.length < CHUNK ? undefined : read.at(-1)?.login;
  if (wanted.length === 0) return { ended: [], next };
  // Locked first, so that of two transactions that end the same login one reports it.
  const unrevoked = yield* rowsOf(statements, unrevokedLogins(statements, wanted), LOGIN);
  const locked = yield* rowsOf(statements, sessionsOfLogins(statements, wanted), SESSION);
  const loginOf = new Map(unrevoked.map((row) => [row.login, row]));
  const sessions = locked.filter((row) => isOldEnough(selector, row, loginOf.get(row.login)));
  const sessionOf = new Map(locked.map((row) => [row.login, row]));
  const logins = unrevoked.filter((row) => isOldEnough(selector, row, sessionOf.get(row.login)));
  yield* revoke(statements, selector, logins);
  yield* remove(statements, sessions);
  const byLogin = new Map(sessions.map((row) => [row.login, row]));
  const ended = logins.map(({ login, user }) => {
    const session = byLogin.get(login);
    byLogin.delete(login);
    return { sessionId: session?.session, rememberedId: login, userId: session?.user ?? user, reason };
  });
  // Sessions of logins that another transaction has revoked meanwhile.
  const others = [...byLogin.values()].map(({ session, user }) => ({
    sessionId: session,
    rememberedId: undefined,
    userId: user,
    reason,
  }));
  return { ended: [...ended, ...others], next };
}

function* endSessions(
  statements: Sql,
  selector: EndSelector,
  kept: ReadonlySet<string>,
  after: string,
): Program<Chunk> {
  const { reason, realm } = selector;
  const read = yield* rowsOf(statements, sessionsAfter(statements, after, CHUNK), ["session"]);
  const next = read.length < CHUNK ? undefined : read.at(-1)?.session;
  const wanted = ids(read, "session").filter((id) => !kept.has(id) && isIn(id, realm));
  if (wanted.length === 0) return { ended: [], next };
  // They may have got a login since logins were read: one ends the other.
  const locked = (yield* rowsOf(statements, sessionsByIds(statements, wanted), SESSION)).filter(
    ({ login = "" }) => !kept.has(login),
  );
  const withLogin = ids(locked, "login");
  const unrevoked =
    withLogin.length === 0 ? [] : yield* rowsOf(statements, unrevokedLogins(statements, withLogin), LOGIN);
  const loginOf = new Map(unrevoked.map((row) => [row.login, row]));
  const sessions = locked.filter((row) => isOldEnough(selector, row, loginOf.get(row.login)));
  const sessionOf = new Map(sessions.map((row) => [row.login, row]));
  const logins = unrevoked.filter(({ login }) => sessionOf.has(login));
  yield* revoke(statements, selector, logins);
  yield* remove(statements, sessions);
  const isRevoked = new Set(ids(logins, "login"));
  const ended = sessions.map((row) => ({
    sessionId: row.session,
    rememberedId: row.login !== undefined && isRevoked.has(row.login) ? row.login : undefined,
    userId: row.user,
    reason,
    ...recordMark(row),
  }));
  return { ended, next };
}

function* revoke(
  statements: Sql,
  { at, reason, pruneAfter }: EndSelector,
  logins: readonly Row[],
): Program<void> {
  if (logins.length > 0) yield revokeAll(statements, ids(logins, "login"), at, reason, pruneAfter);
}

function* remove(statements: Sql, sessions: readonly Row[]): Program<void> {
  if (sessions.length > 0) yield deleteSessions(statements, ids(sessions, "session"));
}

/** Keys of a chunk: unrevoked logins with their sessions, or sessions. The limit is always the same one. */
function loginsAfter(statements: Sql, after: string, limit: number): Statement {
  const { S, L, s, l } = statements;
  return statements.make(
    `SELECT l.${l.id} AS ${statements.dialect.quote("login")}, s.${s.id} AS ${statements.dialect.quote("session")} FROM ${L} l LEFT JOIN ${S} s ON s.${s.rememberedId} = l.${l.id} WHERE l.${l.id} > ? AND l.${l.revokedAt} IS NULL ORDER BY l.${l.id} LIMIT ${Math.trunc(limit)}`,
    [after],
    true,
  );
}

function sessionsAfter(statements: Sql, after: string, limit: number): Statement {
  const { S, s } = statements;
  return statements.make(
    `SELECT s.${s.id} AS ${statements.dialect.quote("session")} FROM ${S} s WHERE s.${s.id} > ? ORDER BY s.${s.id} LIMIT ${Math.trunc(limit)}`,
    [after],
    true,
  );
}

function sessionsOfLogins(statements: Sql, loginIds: readonly string[]): Statement {
  return sessionKeys(statements, "rememberedId", loginIds);
}

function sessionsByIds(statements: Sql, ids: readonly string[]): Statement {
  return sessionKeys(statements, "id", ids);
}

function sessionKeys(statements: Sql, field: "id" | "rememberedId", given: readonly string[]): Statement {
  const { S, s, dialect } = statements;
  const { sql, values } = dialect.isOneOf(`s.${s[field]}`, given);
  return statements.make(
    `SELECT s.${s.id} AS ${dialect.quote("session")}, ${asKeys(statements, "s", s.rememberedId, s.userId, s.lastSeenAt)}, s.${s.level} AS ${dialect.quote("level")} FROM ${S} s WHERE ${sql} ORDER BY s.${s.id}${dialect.forUpdate}`,
    values,
    true,
  );
}

function revokeAll(
  statements: Sql,
  ids: readonly string[],
  at: number,
  reason: string,
  pruneAfter: number,
): Statement {
  const { L, l } = statements;
  const { sql, values } = statements.dialect.isOneOf(l.id, ids);
  return statements.make(
    `UPDATE ${L} SET ${l.revokedAt} = ?, ${l.revokedReason} = ?, ${l.pruneAfter} = ?, ${l.generation} = ${l.generation} + 1 WHERE ${sql} AND ${l.revokedAt} IS NULL`,
    [at, reason.slice(0, LONGEST_TEXT), pruneAfter, ...values],
  );
}

function deleteSessions(statements: Sql, ids: readonly string[]): Statement {
  const { sql, values } = statements.dialect.isOneOf(statements.s.id, ids);
  return statements.make(`DELETE FROM ${statements.S} WHERE ${sql}`, values);
}
