import { isMeant } from "../../devices.ts";
import { endsSession } from "../../endings.ts";
import type {
  Ended,
  Ending,
  EndSelector,
  ListedEntry,
  Misfit,
  RememberedRow,
  SessionRow,
} from "../../store.ts";
import type { Program } from "../statement.ts";
import type { Statements } from "../statements.ts";
import { setMark } from "./marks.ts";

/** What is to end, by what was read without a lock. */
export interface Targets {
  readonly logins: readonly Pick<RememberedRow, "id" | "userId">[];
  readonly sessions: readonly string[];
  /** A login that is in another state does not end, nor does its session. */
  readonly misfit?: Misfit | undefined;
  /** Asked again once the session's row is locked: somebody may have signed in on it meanwhile. */
  isEnding(session: SessionRow): boolean;
}

const NOTHING: Targets = { logins: [], sessions: [], isEnding: () => false };

/**
 * Ends logins and sessions. Logins are revoked first: who waits for that lock has its session row written by
 * then, so that reading the login's session afterwards misses none that a rotation in flight has made.
 */
export function* endAll(
  statements: Statements,
  targets: Targets,
  { reason, at, pruneAfter }: Pick<Ending, "reason" | "at" | "pruneAfter">,
): Program<Ended[]> {
  const ended: Ended[] = [];
  const revoked = new Set<string>();
  const deleted = new Set<string>();
  const revoke = function* (loginId: string): Program<boolean> {
    revoked.add(loginId);
    return (yield statements.revoke(loginId, at, reason, pruneAfter, targets.misfit)).count > 0;
  };
  const remove = function* (session: SessionRow): Program<boolean> {
    if (deleted.has(session.id) || !targets.isEnding(session)) return false;
    deleted.add(session.id);
    return (yield statements.deleteSession(session.id)).count > 0;
  };

  const logins = new Map(targets.logins.map(({ id, userId }) => [id, userId]));
  for (const loginId of [...logins.keys()].sort()) {
    const isRevoked = yield* revoke(loginId);
    if (!isRevoked && targets.misfit !== undefined) continue;
    const { rows } = yield statements.sessionOfLogin(loginId);
    let session: SessionRow | undefined;
    for (const raw of rows) {
      const row = statements.readSession(raw);
      if (row !== undefined && (yield* remove(row))) session = row;
    }
    if (isRevoked || session !== undefined) {
      ended.push({
        sessionId: session?.id,
        rememberedId: isRevoked ? loginId : undefined,
        userId: session?.userId ?? logins.get(loginId),
        reason,
      });
    }
  }
  for (const sessionId of [...targets.sessions].sort()) {
    if (deleted.has(sessionId)) continue;
    const { rows } = yield statements.sessionById(sessionId);
    const session = rows[0] === undefined ? undefined : statements.readSession(rows[0]);
    if (session === undefined || !(yield* remove(session))) continue;
    // The session was given a login after we looked: one ends the other.
    const { rememberedId, userId } = session;
    const isRevoked =
      rememberedId !== undefined && !revoked.has(rememberedId) && (yield* revoke(rememberedId));
    ended.push({ sessionId, rememberedId: isRevoked ? rememberedId : undefined, userId, reason });
  }
  return ended;
}

/** Everything that a selector means, but for what it excepts. */
export function* endProgram(statements: Statements, selector: EndSelector): Program<readonly Ended[]> {
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

/** What an ending inside a change means. `spared` is the row that the change itself has written. */
export function* endingOf(
  statements: Statements,
  ending: Ending,
  spared: string | undefined,
): Program<Targets> {
  const { sessionId, userId, rememberedId, token, owner, secret, misfit } = ending;
  if (token !== undefined) {
    const { rows } = yield statements.holdsToken(rememberedId ?? "", token, owner);
    if (rows.length === 0) return NOTHING;
  }
  const bySession = sessionId === undefined ? [] : yield* ofHandle(statements, sessionId);
  let own = bySession.filter(isOf(userId));
  if (secret !== undefined) own = yield* withSecret(statements, own, secret);
  const byLogin = rememberedId === undefined ? [] : yield* ofHandle(statements, rememberedId);
  const entries = [...own, ...byLogin];
  return {
    logins: entries.flatMap(({ login }) => login ?? []),
    // A misfit's session goes with its login, or stays with it.
    sessions: (misfit === undefined ? entries : own).flatMap(({ session }) => session?.id ?? []),
    misfit,
    isEnding: (session) =>
      session.id !== spared && (session.id !== sessionId || endsSession(ending, session)),
  };
}

/** Locked before the login is revoked, the login first as everywhere: an exchange may be on its way. */
function* withSecret(
  statements: Statements,
  entries: readonly ListedEntry[],
  secret: Uint8Array,
): Program<ListedEntry[]> {
  const kept: ListedEntry[] = [];
  for (const entry of entries) {
    const { session, login } = entry;
    if (session === undefined) continue;
    if (login !== undefined) yield statements.unrevokedLogins([login.id]);
    if ((yield statements.holdsSecret(session.id, secret)).rows.length > 0) kept.push(entry);
  }
  return kept;
}

export function* ofUser(
  statements: Statements,
  userId: NonNullable<Ended["userId"]>,
): Program<ListedEntry[]> {
  const { rows } = yield statements.devicesOf(userId);
  return rows.flatMap((raw) => statements.readListed(raw) ?? []).filter(isOf(userId));
}

export function* ofHandle(statements: Statements, handle: string): Program<ListedEntry[]> {
  const found = yield statements.findSessions([handle]);
  const session = found.rows[0] === undefined ? undefined : statements.readFound(found.rows[0]);
  const loginId = session === undefined ? handle : session.rememberedId;
  if (loginId !== undefined) {
    const { rows } = yield statements.findRemembered(loginId);
    const entry = rows[0] === undefined ? undefined : statements.readEntry(rows[0]);
    if (entry !== undefined) return [entry];
  }
  return session === undefined ? [] : [{ session, login: undefined }];
}

/** Collations may take more for equal than we do. */
export const isOf =
  (userId: unknown) =>
  ({ session, login }: ListedEntry): boolean =>
    (session?.userId ?? login?.userId) === userId;
