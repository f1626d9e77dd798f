import { isMeant, isSpared, recordMark, type Spared } from "../../devices.ts";
import { endsSession, handleIn } from "../../endings.ts";
import type {
  Ended,
  Ending,
  EndSelector,
  ListedEntry,
  LoginEnding,
  Misfit,
  RememberedRow,
  SessionEnding,
  SessionRow,
  UserId,
} from "../../store.ts";
import type { Sql } from "../sql.ts";
import type { Program, SqlValue, Statement } from "../statement.ts";
import { LONGEST_TEXT } from "../statements.ts";
import { setMark } from "./marks.ts";

/** What has to end, according to a read without a lock. */
export interface Targets {
  readonly logins: readonly Pick<RememberedRow, "id" | "userId" | "handle">[];
  readonly sessions: readonly string[];
  /** This login ends only while it is in that state, and with it its session. */
  readonly misfit?: Pick<LoginEnding, "id" | "misfit"> | undefined;
  /** Checked again once the session's row is locked: a user may have signed in on it meanwhile. */
  isEnding(session: SessionRow): boolean;
}

/**
 * Ends logins and sessions. Logins are revoked first: that waits for a rotation in flight, whose session row is written
 * by then, so that reading the login's session afterwards misses none.
 */
export function* endAll(
  statements: Sql,
  targets: Targets,
  { reason, at, pruneAfter }: Pick<Ending, "reason" | "at" | "pruneAfter">,
): Program<Ended[]> {
  const ended: Ended[] = [];
  const revoked = new Set<string>();
  const deleted = new Set<string>();
  const misfitOf = (loginId: string) => (loginId === targets.misfit?.id ? targets.misfit.misfit : undefined);
  const revoke = function* (loginId: string): Program<boolean> {
    revoked.add(loginId);
    return (yield revokeLogin(statements, loginId, at, reason, pruneAfter, misfitOf(loginId))).count > 0;
  };
  const remove = function* (session: SessionRow): Program<boolean> {
    if (deleted.has(session.id) || !targets.isEnding(session)) return false;
    deleted.add(session.id);
    return (yield deleteSession(statements, session.id)).count > 0;
  };

  const logins = new Map(targets.logins.map((login) => [login.id, login]));
  for (const loginId of [...logins.keys()].sort()) {
    const isRevoked = yield* revoke(loginId);
    if (!isRevoked && misfitOf(loginId) !== undefined) continue;
    const { rows } = yield sessionOfLogin(statements, loginId);
    let session: SessionRow | undefined;
    for (const raw of rows) {
      const row = statements.readDamaged(raw);
      if (row !== undefined && (yield* remove(row))) session = row;
    }
    if (isRevoked || session !== undefined) {
      ended.push({
        sessionId: session?.id,
        rememberedId: isRevoked ? loginId : undefined,
        userId: session?.userId ?? logins.get(loginId)?.userId,
        reason,
        ...handleIn(session, logins.get(loginId)),
      });
    }
  }
  for (const sessionId of [...targets.sessions].sort()) {
    if (deleted.has(sessionId)) continue;
    const { rows } = yield sessionById(statements, sessionId);
    const session = rows[0] === undefined ? undefined : statements.readDamaged(rows[0]);
    if (session === undefined || !(yield* remove(session))) continue;
    // The session got a login after that read: one ends the other.
    const { rememberedId, userId } = session;
    const isRevoked =
      rememberedId !== undefined && !revoked.has(rememberedId) && (yield* revoke(rememberedId));
    const loginId = isRevoked ? rememberedId : undefined;
    const ofRow = { ...handleIn(session), ...recordMark(session) };
    ended.push({ sessionId, rememberedId: loginId, userId, reason, ...ofRow });
  }
  return ended;
}

/** Everything that a selector means, but for what it excepts. */
export function* endProgram(statements: Sql, selector: EndSelector): Program<readonly Ended[]> {
  const { handle, userId, except, realm, mark } = selector;
  if (mark !== undefined) yield* setMark(statements, mark);
  const entries =
    userId === undefined ? yield* ofHandle(statements, handle ?? "") : yield* ofUser(statements, userId);
  const matches = entries.filter((entry) => isMeant(entry, selector));
  const targets: Targets = {
    logins: matches.flatMap(({ login }) => login ?? []),
    sessions: matches.flatMap(({ session }) => session?.id ?? []),
    isEnding: (session) =>
      (except === undefined || (session.id !== except && session.rememberedId !== except)) &&
      (realm === undefined || session.id.endsWith(realm)) &&
      (userId === undefined || session.userId === userId),
  };
  return yield* endAll(statements, targets, selector);
}

/**
 * What an ending inside a change means. The change has written, and thereby locked, what it has `spared`: no other
 * transaction gives such a session another login before this one ends.
 */
export function* endingOf(statements: Sql, ending: Ending, spared: Spared): Program<Targets> {
  const { session, login } = ending;
  const own = session === undefined ? [] : yield* ofSession(statements, session);
  const named = login === undefined ? [] : yield* ofLogin(statements, login);
  // What ends by its session does so whatever the state of its login.
  const isNamedOnly = !own.some((entry) => entry.login !== undefined && entry.login.id === login?.id);
  const misfit = login?.misfit !== undefined && isNamedOnly ? login : undefined;
  const meant = (entries: readonly ListedEntry[]) => entries.filter((entry) => !isSpared(entry, spared));
  return {
    logins: meant([...own, ...named]).flatMap((entry) => entry.login ?? []),
    // A misfit's session goes with its login, or stays with it.
    sessions: meant(misfit === undefined ? [...own, ...named] : own).flatMap(
      (entry) => entry.session?.id ?? [],
    ),
    misfit,
    isEnding: (row) =>
      row.id !== spared.sessionId &&
      (row.id !== session?.id || endsSession(session, row) || named.some((entry) => isOfLogin(entry, row))),
  };
}

const isOfLogin = ({ login }: ListedEntry, { rememberedId }: SessionRow): boolean =>
  login !== undefined && login.id === rememberedId;

function* ofSession(statements: Sql, { id, userId, secret }: SessionEnding): Program<ListedEntry[]> {
  const entries = (yield* ofHandle(statements, id)).filter(
    ({ session }) => session?.id === id && (session.userId ?? null) === userId,
  );
  return secret === undefined ? entries : yield* withSecret(statements, entries, secret);
}

function* ofLogin(statements: Sql, { id, token, orOfUser }: LoginEnding): Program<ListedEntry[]> {
  if (token !== undefined) {
    const { rows } = yield holdsToken(statements, id, token, orOfUser);
    if (rows.length === 0) return [];
  }
  return (yield* ofHandle(statements, id)).filter(({ login }) => login?.id === id);
}

/** Locked before the login is revoked, the login first as everywhere: an exchange may be on its way. */
function* withSecret(
  statements: Sql,
  entries: readonly ListedEntry[],
  secret: Uint8Array,
): Program<ListedEntry[]> {
  const kept: ListedEntry[] = [];
  for (const entry of entries) {
    const { session, login } = entry;
    if (session === undefined) continue;
    if (login !== undefined) yield unrevokedLogins(statements, [login.id]);
    if ((yield holdsSecret(statements, session.id, secret)).rows.length > 0) kept.push(entry);
  }
  return kept;
}

export function* ofUser(statements: Sql, userId: NonNullable<Ended["userId"]>): Program<ListedEntry[]> {
  const { rows } = yield selectDevicesOf(statements, userId);
  return rows.flatMap((raw) => statements.readListed(raw) ?? []).filter(isOf(userId));
}

export function* ofHandle(statements: Sql, handle: string): Program<ListedEntry[]> {
  const found = yield statements.findSessions([handle]);
  const session = found.rows[0] === undefined ? undefined : statements.readDamaged(found.rows[0]);
  const loginId = session === undefined ? handle : session.rememberedId;
  if (loginId !== undefined) {
    const { rows } = yield statements.findRemembered(loginId);
    const entry = rows[0] === undefined ? undefined : statements.readEntry(rows[0]);
    if (entry !== undefined) return [entry];
  }
  return session === undefined ? [] : [{ session, login: undefined }];
}

/** Collations may treat more texts as equal than psession does. */
export const isOf =
  (userId: unknown) =>
  ({ session, login }: ListedEntry): boolean =>
    (session?.userId ?? login?.userId) === userId;

/** A user's sessions with their unrevoked logins. */
export function selectSessionsOf(statements: Sql, userId: UserId, suffix = ""): Statement {
  return statements.make(`${sessionsText(statements)}${suffix}`, statements.userValues(userId), true);
}

/** A user's unrevoked logins that have no session. */
export function selectLonelyLoginsOf(statements: Sql, userId: UserId, suffix = ""): Statement {
  return statements.make(`${lonelyLoginsText(statements)}${suffix}`, statements.userValues(userId), true);
}

function selectDevicesOf(statements: Sql, userId: UserId): Statement {
  const user = statements.userValues(userId);
  return statements.make(
    `${sessionsText(statements)} UNION ALL ${lonelyLoginsText(statements)}`,
    [...user, ...user],
    true,
  );
}

function sessionsText(statements: Sql): string {
  const { S, L, s, l } = statements;
  return `${statements.listed} FROM ${S} s LEFT JOIN ${L} l ON l.${l.id} = s.${s.rememberedId} AND l.${l.revokedAt} IS NULL WHERE ${statements.isUser(`s.${s.userId}`)}`;
}

function lonelyLoginsText(statements: Sql): string {
  const { S, L, s, l } = statements;
  return `${statements.listed} FROM ${L} l LEFT JOIN ${S} s ON s.${s.rememberedId} = l.${l.id} WHERE ${statements.isUser(`l.${l.userId}`)} AND l.${l.revokedAt} IS NULL AND s.${s.id} IS NULL`;
}

/** Whether a secret is a session's, or was retired from it. */
function holdsSecret(statements: Sql, id: string, secret: Uint8Array): Statement {
  const { S, s } = statements;
  return statements.make(
    `SELECT 1 AS found FROM ${S} WHERE ${s.id} = ? AND ? IN (${s.secret}, ${s.previousSecret}, ${s.retiredSecret})${statements.dialect.forUpdate}`,
    [id, secret],
    true,
  );
}

/** Whether a token is or was just valid, or the login is this user's. */
function holdsToken(statements: Sql, id: string, token: Uint8Array, owner: UserId | undefined): Statement {
  const { L, l } = statements;
  const isOwners = owner === undefined ? "" : ` OR ${statements.isUser(l.userId)}`;
  return statements.make(
    `SELECT 1 AS found FROM ${L} WHERE ${l.id} = ? AND ${l.revokedAt} IS NULL AND (? IN (${l.token}, ${l.previous}, ${l.superseded})${isOwners})${statements.dialect.forUpdate}`,
    owner === undefined ? [id, token] : [id, token, ...statements.userValues(owner)],
    true,
  );
}

/** `misfit`: only while the login is in that state, whatever was read before. */
function revokeLogin(
  statements: Sql,
  id: string,
  at: number,
  reason: string,
  pruneAfter: number,
  misfit?: Misfit,
): Statement {
  const { L, l } = statements;
  const state = inState(statements, misfit);
  return statements.make(
    `UPDATE ${L} SET ${l.revokedAt} = ?, ${l.revokedReason} = ?, ${l.pruneAfter} = ?, ${l.generation} = ${l.generation} + 1 WHERE ${l.id} = ? AND ${l.revokedAt} IS NULL${state.sql}`,
    [at, reason.slice(0, LONGEST_TEXT), pruneAfter, id, ...state.values],
  );
}

function inState(
  statements: Sql,
  misfit: Misfit | undefined,
): { readonly sql: string; readonly values: readonly SqlValue[] } {
  const { l } = statements;
  if (misfit === undefined) return { sql: "", values: [] };
  return misfit.kind === "behind"
    ? { sql: ` AND ${l.generation} < ?`, values: [misfit.generation] }
    : {
        sql: ` AND ${l.generation} = ? AND ${l.token} <> ?`,
        values: [misfit.generation, misfit.token],
      };
}

/** A session as it is now, locked: its reader deletes it. */
function sessionById(statements: Sql, id: string): Statement {
  return sessionWhere(statements, "id", id);
}

function sessionOfLogin(statements: Sql, loginId: string): Statement {
  return sessionWhere(statements, "rememberedId", loginId);
}

function sessionWhere(statements: Sql, field: "id" | "rememberedId", value: string): Statement {
  const { S, s } = statements;
  return statements.make(
    `SELECT ${statements.sessionColumns} FROM ${S} s WHERE s.${s[field]} = ?${statements.dialect.forUpdate}`,
    [value],
    true,
  );
}

function deleteSession(statements: Sql, id: string): Statement {
  return statements.make(`DELETE FROM ${statements.S} WHERE ${statements.s.id} = ?`, [id]);
}

/** Locked in the order of their keys, as deadlocks want it. */
export function unrevokedLogins(statements: Sql, ids: readonly string[]): Statement {
  const { L, l, dialect } = statements;
  const { sql, values } = dialect.isOneOf(`l.${l.id}`, ids);
  return statements.make(
    `SELECT ${asKeys(statements, "l", l.id, l.userId, l.lastUsedAt)} FROM ${L} l WHERE ${sql} AND l.${l.revokedAt} IS NULL ORDER BY l.${l.id}${dialect.forUpdate}`,
    values,
    true,
  );
}

export function asKeys(statements: Sql, alias: string, login: string, user: string, used: string): string {
  const { quote } = statements.dialect;
  return `${alias}.${login} AS ${quote("login")}, ${alias}.${user} AS ${quote("user")}, ${statements.selectMoment(`${alias}.${used}`)} AS ${quote("used")}`;
}
