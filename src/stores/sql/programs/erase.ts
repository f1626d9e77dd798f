import type { AddressPage, AddressResult } from "../../audit.ts";
import { endedRows } from "../../erasure.ts";
import type { Ended, EraseChange, UserId, UserRows } from "../../store.ts";
import { textIn } from "../answers.ts";
import type { Sql } from "../sql.ts";
import type { Program, RawRow, SqlValue, Statement } from "../statement.ts";
import { setMark } from "./marks.ts";

/** Rows of one statement that deletes or reads by key. */
const CHUNK = 100;

type Transact = <T>(make: () => Program<T>) => Promise<T>;

/**
 * In passes, each of two transactions: from the mark on, a row of the user is only made by a change that holds another one
 * of them, such as a restore or a renewal. A pass waits for it, but does not see what it has made; the next one does. Where
 * a pass finds nothing, there was nothing left to hold.
 */
export async function erase(
  statements: Sql,
  { userId, realm = "", mark }: EraseChange,
  transact: Transact,
): Promise<readonly Ended[]> {
  // Before anything is done: a wrong id that became null would name anonymous sessions.
  statements.user(userId);
  await transact(() => setMark(statements, mark));
  const isOwn = ({ id }: { readonly id: string }) => id.endsWith(realm);
  const ended: Ended[] = [];
  for (let isDone = false; !isDone; ) {
    const logins = await transact(function* () {
      const found = (yield* loginsOf(statements, userId)).filter(isOwn);
      for (const ids of chunks(found)) yield deleteLogins(statements, ids);
      return found;
    });
    const sessions = await transact(function* () {
      const found = (yield* sessionsOf(statements, userId)).filter(isOwn);
      for (const ids of chunks(found)) yield deleteSessions(statements, ids, userId);
      return found;
    });
    ended.push(...endedRows({ sessions, logins }, userId));
    isDone = sessions.length + logins.length === 0;
  }
  return ended;
}

export function* rowsOf(statements: Sql, userId: UserId): Program<UserRows> {
  const rows: { sessions: UserRows["sessions"][number][]; logins: UserRows["logins"][number][] } = {
    sessions: [],
    logins: [],
  };
  for (const ids of chunks(yield* sessionsOf(statements, userId))) {
    const found = yield statements.findSessions(ids);
    rows.sessions.push(...found.rows.flatMap((raw) => statements.readDamaged(raw) ?? []));
  }
  for (const ids of chunks(yield* loginsOf(statements, userId))) {
    const found = yield loginsById(statements, ids);
    rows.logins.push(...found.rows.flatMap((raw) => statements.readDamagedLogin(raw) ?? []));
  }
  return rows;
}

/** Sessions in the order of their keys, of which each chunk is looked at whole. */
export function* forgetAddresses(
  statements: Sql,
  { before, realm, after = "", limit }: AddressPage,
): Program<AddressResult> {
  const { rows } = yield usedSessions(statements, after, limit);
  const page = rows.slice(0, limit);
  const old = page.filter(
    (raw) =>
      raw["address"] !== null && statements.momentIn(raw, "used") < before && idIn(raw).endsWith(realm),
  );
  for (const ids of chunks(old.map((raw) => ({ id: idIn(raw) })))) yield forgetById(statements, ids, before);
  return { count: old.length, next: page.length < limit ? undefined : idIn(page.at(-1) ?? {}) };
}

const idIn = (raw: RawRow): string => textIn(raw, "id");

/** In the order of their keys, as deadlocks want it. */
function* chunks(rows: readonly { readonly id: string }[]): Generator<string[]> {
  const ids = rows.map(({ id }) => id).sort();
  for (let at = 0; at < ids.length; at += CHUNK) yield ids.slice(at, at + CHUNK);
}

/** Tombstones too. Collations may treat more texts as equal than psession does. */
function* loginsOf(statements: Sql, userId: UserId): Program<{ id: string }[]> {
  const { rows } = yield selectLogins(statements, userId);
  return rows.flatMap((raw) => (statements.userIn(raw, "user") === userId ? { id: idIn(raw) } : []));
}

/** Each once, by whatever it names the user. */
function* sessionsOf(statements: Sql, userId: UserId): Program<{ id: string; level: "trust" | "login" }[]> {
  const { rows } = yield selectSessions(statements, userId);
  const found = new Map<string, { id: string; level: "trust" | "login" }>();
  for (const raw of rows) {
    if (statements.userIn(raw, "user") !== userId) continue;
    const id = idIn(raw);
    found.set(id, { id, level: raw["level"] === "trust" ? "trust" : "login" });
  }
  return [...found.values()];
}

function selectLogins(statements: Sql, userId: UserId): Statement {
  const { L, l, dialect } = statements;
  return statements.make(
    `SELECT l.${l.id} AS ${dialect.quote("id")}, l.${l.userId} AS ${dialect.quote("user")} FROM ${L} l WHERE ${statements.isUser(`l.${l.userId}`)}`,
    statements.userValues(userId),
    true,
  );
}

/** One query for each column: each has an index. */
function selectSessions(statements: Sql, userId: UserId): Statement {
  const { S, s, dialect } = statements;
  const queries = naming(statements).map(
    (column) =>
      `SELECT s.${s.id} AS ${dialect.quote("id")}, s.${column} AS ${dialect.quote("user")}, s.${s.level} AS ${dialect.quote("level")} FROM ${S} s WHERE ${statements.isUser(`s.${column}`)}`,
  );
  const user = statements.userValues(userId);
  return statements.make(queries.join(" UNION ALL "), [...user, ...user, ...user], true);
}

const naming = ({ s }: Sql): string[] => [s.userId, s.pendingUserId, s.actorUserId];

function loginsById(statements: Sql, ids: readonly string[]): Statement {
  const { L, l, dialect } = statements;
  const { sql, values } = dialect.isOneOf(`l.${l.id}`, ids);
  return statements.make(`SELECT ${statements.loginColumns} FROM ${L} l WHERE ${sql}`, values, true);
}

function deleteLogins(statements: Sql, ids: readonly string[]): Statement {
  const { sql, values } = statements.dialect.isOneOf(statements.l.id, ids);
  return statements.make(`DELETE FROM ${statements.L} WHERE ${sql}`, values);
}

/** Unless another user has signed in on the row meanwhile. */
function deleteSessions(statements: Sql, ids: readonly string[], userId: UserId): Statement {
  const { S, s, dialect } = statements;
  const { sql, values } = dialect.isOneOf(s.id, ids);
  const names = naming(statements).map((column) => `(${statements.isUser(column)})`);
  const user = statements.userValues(userId);
  const all: SqlValue[] = [...values, ...user, ...user, ...user];
  return statements.make(`DELETE FROM ${S} WHERE ${sql} AND (${names.join(" OR ")})`, all);
}

function usedSessions(statements: Sql, after: string, limit: number): Statement {
  const { S, s, dialect } = statements;
  return statements.make(
    `SELECT s.${s.id} AS ${dialect.quote("id")}, s.${s.address} AS ${dialect.quote("address")}, ${statements.selectMoment(`s.${s.lastSeenAt}`)} AS ${dialect.quote("used")} FROM ${S} s WHERE s.${s.id} > ? ORDER BY s.${s.id} LIMIT ${Math.trunc(limit)}`,
    [after],
    true,
  );
}

/** Unless the session was used again. */
function forgetById(statements: Sql, ids: readonly string[], before: number): Statement {
  const { S, s, schema, dialect } = statements;
  const { sql, values } = dialect.isOneOf(s.id, ids);
  const moment = statements.valuesSet(schema.sessions, { lastSeenAt: before });
  return statements.make(`UPDATE ${S} SET ${s.address} = NULL WHERE ${sql} AND ${s.lastSeenAt} < ?`, [
    ...values,
    ...moment,
  ]);
}
