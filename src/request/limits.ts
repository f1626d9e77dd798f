import type { Settings } from "../options/settings.ts";
import { isSession } from "../protocol/rows.ts";
import type { ListedEntry, ListedSession, RememberedRow } from "../stores/store.ts";

/*
 * A row's limit is the one written with it or that of today's options, whichever is less: a shortened policy also
 * holds for users who are signed in already (ASVS 7.3.1, 7.3.2).
 */

/** The row with the deadlines that are in force. Most rows are given back as they are. */
export function sessionInForce<Row extends ListedSession | undefined>(row: Row, settings: Settings): Row {
  // Records about a browser have a life of their own.
  if (row === undefined || !isSession(row)) return row;
  const { idle, absolute, livesVary } = settings.session;
  const idleDeadline = livesVary ? row.idleDeadline : Math.min(row.idleDeadline, row.lastSeenAt + idle);
  const absoluteDeadline = Math.min(row.absoluteDeadline, row.beganAt + absolute);
  const isAsWritten = idleDeadline === row.idleDeadline && absoluteDeadline === row.absoluteDeadline;
  return isAsWritten ? row : { ...row, idleDeadline, absoluteDeadline };
}

export function loginInForce<Row extends RememberedRow | undefined>(row: Row, { remember }: Settings): Row {
  if (row === undefined) return row;
  const { enabled, idle, absolute } = remember;
  const idleDeadline = enabled ? Math.min(row.idleDeadline, row.lastUsedAt + idle) : 0;
  const absoluteDeadline = Math.min(row.absoluteDeadline, row.createdAt + absolute);
  const isAsWritten = idleDeadline === row.idleDeadline && absoluteDeadline === row.absoluteDeadline;
  return isAsWritten ? row : { ...row, idleDeadline, absoluteDeadline };
}

/** A device whose login can no longer be used is only its session. */
export function entryInForce({ session, login }: ListedEntry, settings: Settings): ListedEntry {
  if (session !== undefined)
    return { session: sessionInForce(session, settings), login: loginInForce(login, settings) };
  return { session, login: loginInForce(login, settings) };
}
