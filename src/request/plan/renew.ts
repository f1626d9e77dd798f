import { clearCookie } from "../../http/cookies.ts";
import type { Settings } from "../../options/settings.ts";
import { isPast } from "../../protocol/rows.ts";
import { newSecret, newSiblingId, type Secret, sameDigest } from "../../protocol/secrets.ts";
import type { RememberedRow, SessionRow, SessionUpdate } from "../../stores/store.ts";
import { boundAnew } from "../bound.ts";
import {
  handleOf,
  handleOfLogin,
  newRememberedRow,
  newSessionRow,
  sessionDeadlines,
  sessionPruneAfter,
  tombstoneUntil,
} from "../rows.ts";
import { newIdOf } from "../standing.ts";
import {
  identityOf,
  type RememberedStanding,
  type RenewIntent,
  type RequestState,
  type Standing,
  settingsOf,
} from "../state.ts";
import {
  assertDeliverable,
  deferred,
  event,
  fenced,
  heldBy,
  type Plan,
  proofOf,
  raisedSession,
  reauthenticated,
  recognised,
  rememberCookie,
  sessionCookie,
  updated,
} from "./parts.ts";

type Renewable = Extract<Standing, { kind: "live" | "previous" }> | RememberedStanding;

/**
 * New secrets for the session and, where the request presented the current token, for its login. Deadlines stay where
 * they are: a renewal proves nothing.
 */
export function planRenewal(state: RequestState, intent: RenewIntent, now: number): Plan {
  const { standing } = state;
  if (standing.kind === "none" || standing.kind === "detached") return { cookies: [], events: [], standing };
  const current = currentLogin(state, intent);
  const isTolerated =
    standing.kind === "previous" || (standing.kind === "remembered" && current === undefined);
  // A request that is only accepted may hold a superseded copy: a secret of its own would keep a thief in.
  if (isTolerated && !intent.endsLogin && intent.raise === undefined) {
    const row = standing.session;
    return { cookies: [], events: [deferred(state, row, "renew", now)], standing };
  }
  assertDeliverable(state, "renew the session");
  return exchange(state, standing, intent, current, now);
}

/** The login whose current token came along, by the row as it was last read. */
function currentLogin(
  { standing, rememberCookie: cookie }: RequestState,
  { login }: RenewIntent,
): RememberedRow | undefined {
  const row = standing.kind === "remembered" ? standing.login : login;
  const holds =
    cookie.kind === "valid" && cookie.cookie.id === row?.id && sameDigest(cookie.cookie.digest, row.token);
  return holds ? row : undefined;
}

function exchange(
  state: RequestState,
  standing: Renewable,
  { raise, endsLogin, ...intent }: RenewIntent,
  current: RememberedRow | undefined,
  now: number,
): Plan {
  const settings = settingsOf(state);
  const { session: row } = standing;
  const before = standing.kind === "remembered" ? standing.login : intent.login;
  const beforeId = before?.id ?? row?.rememberedId;
  const secret = newSecret();
  const token = newSecret();
  const id = row?.id ?? newIdOf(state);
  const login = current && renewed(state, current, newSiblingId(id), token, now);
  const ends = beforeId !== undefined && (login !== undefined || endsLogin);
  const rememberedId = login?.id ?? (ends ? undefined : beforeId);
  const isRestored = standing.kind === "remembered";
  const { session, ...write } = writeSession(state, {
    ...{ id, row, rememberedId, before, secret, now, raise, isRestored },
  });
  const end = {
    login: beforeId === undefined ? undefined : { id: beforeId },
    reason: "replaced",
    at: now,
    pruneAfter: recordUntil(before, now, settings),
  };
  const userId = identityOf(state).userId ?? session.userId;
  return {
    change: {
      kind: "renew",
      // Conditional on the generation of the presented token: it takes effect only while that login is alive.
      ...(before === undefined || (login === undefined && row !== undefined) ? {} : { hold: heldBy(before) }),
      ...(raise === undefined || userId === undefined
        ? {}
        : { proof: proofOf(state, userId, raise.provedAt) }),
      ...(login === undefined ? {} : { remember: login }),
      ...write,
      ...(ends ? { end: [end] } : {}),
    },
    cookies: [
      sessionCookie(state, id, secret),
      ...(login === undefined ? [] : [rememberCookie(state, login, token, now)]),
      ...(ends && login === undefined ? [clearCookie(settings.cookies.remember)] : []),
      ...(userId === undefined ? [] : recognised(state, userId).cookies),
    ],
    events: [
      event("rotated", { at: now, sessionId: id, userId }),
      ...(raise === undefined ? [] : [reauthenticated(state, session, now)]),
    ],
    standing: { kind: "live", session },
  };
}

/**
 * How long the record of a renewed login is kept. The first one says whose device has its id as a handle
 * (`psession.revoke`), as long as that device may live: its successors end no later.
 */
function recordUntil(before: RememberedRow | undefined, now: number, settings: Settings): number {
  const until = tombstoneUntil(now, settings);
  const isFirst = before !== undefined && handleOfLogin(before) === before.id;
  return isFirst ? Math.max(until, before.absoluteDeadline) : until;
}

/** The same login for lists and limits, under another id: tokens derived from the old one get nothing. */
function renewed(
  state: RequestState,
  before: RememberedRow,
  id: string,
  token: Secret,
  now: number,
): RememberedRow {
  const { userId, createdAt, absoluteDeadline, lastUsedAt, idleDeadline, pruneAfter } = before;
  const device = { ...before, handle: handleOfLogin(before) };
  const fresh = newRememberedRow({ id, userId, token, now, device }, settingsOf(state));
  const unused = state.use === "none" ? { lastUsedAt, idleDeadline, pruneAfter } : {};
  return { ...fresh, createdAt, absoluteDeadline, ...unused };
}

interface Renewed {
  readonly id: string;
  readonly row: SessionRow | undefined;
  readonly rememberedId: string | undefined;
  readonly before: RememberedRow | undefined;
  readonly secret: Secret;
  readonly now: number;
  readonly raise: RenewIntent["raise"];
  /** The token brought the session back, and its deadlines begin anew as at any restore. */
  readonly isRestored: boolean;
}

function writeSession(
  state: RequestState,
  { id, row, rememberedId, before, secret, now, raise, isRestored }: Renewed,
): { session: SessionRow; update?: SessionUpdate; insert?: SessionRow } {
  const settings = settingsOf(state);
  const { userId, level, authenticatedAt, proofs } = identityOf(state);
  const confirmFrom = rememberedId === undefined ? undefined : now + settings.times.settle;
  const raised = raise === undefined ? {} : raisedSession(state, raise, now);
  if (row === undefined) {
    const fresh = newSessionRow(
      {
        id,
        secret,
        data: state.data.encoded(),
        now,
        identity: { userId, level, authenticatedAt, proofs, rememberedId, confirmFrom },
        bound: boundAnew(state),
        device: before && { ...before, handle: handleOfLogin(before) },
        facts: state.facts,
        notAfter: before?.absoluteDeadline,
      },
      settings,
    );
    const insert = { ...fresh, ...raised };
    return { session: insert, insert };
  }
  const data = state.data.changed();
  const isOther = rememberedId !== row.rememberedId;
  const update: SessionUpdate = {
    id,
    version: row.version,
    owner: row.userId,
    set: {
      ...fenced(row, secret, now),
      level,
      authenticatedAt,
      proofs,
      ...(state.use === "none"
        ? {}
        : {
            lastSeenAt: now,
            idleDeadline: isPast(row, now) ? row.idleDeadline : now + settings.session.idle,
            pruneAfter: sessionPruneAfter(now, rememberedId !== undefined, settings),
          }),
      ...(isOther ? { rememberedId, confirmFrom, handle: handleOf(row) } : {}),
      ...(isRestored ? sessionDeadlines(now, settings, before?.absoluteDeadline) : {}),
      ...(data === undefined ? {} : { data }),
      ...raised,
    },
  };
  return { session: updated(row, update), update };
}
