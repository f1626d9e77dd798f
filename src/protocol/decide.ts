import type { RememberedRow, SessionRow } from "./rows.ts";
import { endOf, isPast } from "./rows.ts";
import { type Digest, sameDigest } from "./secrets.ts";
import type { ProtocolTimes } from "./times.ts";

/**
 * The decisions of the protocol: pure functions over what a row says, what was presented, and the clock.
 * docs/protocol.md explains the rules; the numbers below are the rule numbers there.
 */

/** What a session cookie with a valid MAC is worth. */
export type SessionStanding =
  /** Rule a: serve. */
  | "live"
  /** Rule b: replaced by a rotation a moment ago: serve, read and write, set no cookies. */
  | "previous"
  /** Rule c: replaced a moment ago: a newer cookie may be on its way, so nothing is served, saved or set. */
  | "replaced"
  /** Rule c as well, replaced by a renewal or a confirmed password of the same user: it may sign out. */
  | "retired"
  /** Replaced long ago, past a deadline, or no such row: as if no cookie had come. */
  | "dead"
  /** Written by a clock that is ahead of this one: refuse, change nothing. */
  | "future";

/** Now, and when the request's head arrived: never later. An early arrival is no reason to give cookies. */
export interface Moment {
  readonly now: number;
  readonly arrivedAt: number;
}

export function decideSession(
  row: SessionRow | undefined,
  presented: Digest,
  { now, arrivedAt }: Moment,
  times: ProtocolTimes,
): SessionStanding {
  if (row === undefined) return "dead";
  const isCurrent = sameDigest(presented, row.secret);
  const isPrevious = sameDigest(presented, row.previousSecret);
  if (row.secretAt > now + times.skew || row.lastSeenAt > now + times.skew) return "future";
  const isInGrace = arrivedAt - row.secretAt <= times.grace;
  const isOver = isPast(row, now);
  if (!isCurrent && !(isPrevious && isInGrace)) {
    if (!isInGrace) return "dead";
    return !isOver && sameDigest(presented, row.retiredSecret) ? "retired" : "replaced";
  }
  if (isOver) return "dead";
  return isCurrent ? "live" : "previous";
}

/** What a remember cookie with a valid MAC is worth. */
export type RememberDecision =
  /** Rule 1: the current token, confirmed to be with the browser: give it a successor. */
  | { readonly kind: "rotate" }
  /** Rules 2, 3b, 4: honest, but too early for an exchange, or overtaken by one: serve the login's session, set no cookies. */
  | { readonly kind: "accept" }
  /** Rule 3a: a parallel request of the one that rotated: give it the same successor, write nothing. */
  | { readonly kind: "converge" }
  /** Rule 3c: the response was lost, or two hold the cookie: supersede the unconfirmed successor. */
  | { readonly kind: "recover" }
  /** Rule 5: a superseded token: end the login. */
  | { readonly kind: "theft" }
  /** Rule e: anonymous. `clear` where the cookie can go without hurting a newer one on its way. */
  | { readonly kind: "ended"; readonly why: "unknown" | "expired" | "revoked"; readonly clear: boolean }
  /** Rule f: the store forgot rotations (a restored backup): end the login, without an alarm. */
  | { readonly kind: "ahead" }
  /** Rule g: this generation has another token (a split store): end the login, without an alarm. */
  | { readonly kind: "forked" }
  /** Written by a clock that is ahead of this one: refuse, change nothing. */
  | { readonly kind: "future" };

export interface PresentedToken {
  readonly generation: number;
  readonly token: Digest;
}

const ROTATE = { kind: "rotate" } as const;
const ACCEPT = { kind: "accept" } as const;
const CONVERGE = { kind: "converge" } as const;
const RECOVER = { kind: "recover" } as const;
const THEFT = { kind: "theft" } as const;
const AHEAD = { kind: "ahead" } as const;
const FORKED = { kind: "forked" } as const;
const FUTURE = { kind: "future" } as const;
const UNKNOWN = { kind: "ended", why: "unknown", clear: true } as const;

export function decideRemember(
  row: RememberedRow | undefined,
  presented: PresentedToken,
  moment: Moment,
  times: ProtocolTimes,
): RememberDecision {
  const { now, arrivedAt } = moment;
  if (row === undefined) return UNKNOWN;
  const ended = decideEnded(row, now, times);
  if (ended !== undefined) return ended;
  if (isFuture(row, now, times)) return FUTURE;
  if (presented.generation > row.generation) return AHEAD;

  // By when the head arrived: a body that took minutes does not make its cookies older.
  const age = arrivedAt - row.rotatedAt;
  const { confirmedAt } = row;
  if (sameDigest(presented.token, row.token)) {
    return confirmedAt !== undefined || age > times.settle ? ROTATE : ACCEPT;
  }
  // One generation has one token, unless two sides of a split store have each made one.
  if (presented.generation === row.generation) return FORKED;
  if (sameDigest(presented.token, row.previous)) {
    if (confirmedAt === undefined) {
      // Cookies only go to a request that is also in time by now.
      if (now - row.rotatedAt <= times.converge) return CONVERGE;
      return age <= times.mid ? ACCEPT : RECOVER;
    }
    if (arrivedAt <= confirmedAt && age <= times.mid) return ACCEPT;
  }
  if (isSupersededInFlight(row, presented.token, arrivedAt, times)) return ACCEPT;
  return THEFT;
}

/**
 * The second decision, of a commit whose rotation was overtaken after the open. The request was honest when
 * it was opened, so nothing here alarms, and no browser is ever given an older cookie than the row's.
 */
export function decideOvertaken(
  row: RememberedRow | undefined,
  presented: PresentedToken,
  now: number,
  times: ProtocolTimes,
): Extract<RememberDecision, { kind: "converge" | "accept" | "ended" }> {
  if (row === undefined) return UNKNOWN;
  const ended = decideEnded(row, now, times);
  if (ended !== undefined) return ended;
  const canConverge =
    row.confirmedAt === undefined &&
    sameDigest(presented.token, row.previous) &&
    now - row.rotatedAt <= times.converge;
  return canConverge ? CONVERGE : ACCEPT;
}

/**
 * Rule a, second half: a live session also presents the login's token. It is confirmed only once no request
 * that still carries the predecessor can be honest, and the browser's disk has the cookie too. What counts is
 * when the request came: a browser may have crashed, and lost the cookie, while its handler ran.
 */
export function mayConfirm(session: SessionRow, openedAt: number): boolean {
  return session.confirmFrom !== undefined && openedAt > session.confirmFrom;
}

/**
 * A stray: the predecessor of a confirmed token, which a browser may have written into a request that it then held back
 * (Chromium queues requests with their cookies while its six connections to a host are busy).
 */
export function mayBeStray(
  row: RememberedRow,
  presented: PresentedToken,
  now: number,
  times: ProtocolTimes,
): boolean {
  return (
    row.confirmedAt !== undefined &&
    now - row.confirmedAt <= times.queue &&
    presented.generation < row.generation &&
    sameDigest(presented.token, row.previous)
  );
}

/**
 * A session whose secret was exchanged a moment ago, by a confirmed password or a regeneration, keeps it: the
 * answer that brings it may still be on its way, and a request without it may have been sent before. Such
 * a request is only accepted.
 */
export function withoutOverwriting<D extends { readonly kind: string }>(
  decision: D,
  session: SessionRow | undefined,
  now: number,
  times: ProtocolTimes,
): D | typeof ACCEPT {
  const exchanges = decision.kind === "rotate" || decision.kind === "recover";
  return exchanges && session !== undefined && now - session.secretAt <= times.grace ? ACCEPT : decision;
}

function decideEnded(
  row: RememberedRow,
  now: number,
  times: ProtocolTimes,
): Extract<RememberDecision, { kind: "ended" }> | undefined {
  let quiet = times.delivery + times.transit;
  if (row.revokedAt !== undefined) {
    // The browser was given another cookie, which an answer to a request that it held back would clear.
    if (row.revokedReason === "replaced") quiet = Math.max(quiet, times.queue);
    return { kind: "ended", why: "revoked", clear: now - row.revokedAt > quiet };
  }
  const deadline = endOf(row);
  if (now > deadline) return { kind: "ended", why: "expired", clear: now - deadline > quiet };
  return undefined;
}

function isFuture(row: RememberedRow, now: number, times: ProtocolTimes): boolean {
  const newest = Math.max(row.rotatedAt, row.confirmedAt ?? 0, row.supersededAt ?? 0, row.lastUsedAt);
  return newest > now + times.skew;
}

function isSupersededInFlight(
  row: RememberedRow,
  token: Digest,
  arrivedAt: number,
  times: ProtocolTimes,
): boolean {
  return (
    row.supersededAt !== undefined &&
    arrivedAt - row.supersededAt <= times.flight &&
    sameDigest(token, row.superseded)
  );
}
