import { mayConfirm } from "../../remember/decide.ts";
import { digest, newSecret } from "../../secrets.ts";
import type { RememberedUse, SessionRow, SessionUpdate } from "../../stores/store.ts";
import { isPast, newSessionRow, rememberedUse, sessionPruneAfter } from "../rows.ts";
import { newIdOf, type RequestState, type Standing, settingsOf } from "../state.ts";

import {
  confirmEvents,
  confirmed,
  insecure,
  nothing,
  originOf,
  type Plan,
  raisedSession,
  reauthenticated,
  sameSessionCookie,
  sessionCookie,
  told,
  unavailable,
  undeliverable,
  updated,
} from "./parts.ts";

/** Untouched anonymous sessions are never stored: bots leave no rows. */
export function planCreate(state: RequestState, now: number, data = state.data.changed()): Plan {
  if (data === undefined) return nothing(state.standing);
  if (!state.canSetCookies) throw undeliverable("store a new session");
  const secret = state.successor?.secret ?? newSecret();
  const identity = {
    userId: undefined,
    level: "anonymous",
    authenticatedAt: undefined,
    rememberedId: undefined,
    confirmFrom: undefined,
  } as const;
  const row = newSessionRow(
    { id: newIdOf(state), secret, data, now, identity, facts: state.facts },
    settingsOf(state),
  );
  return {
    change: { insert: row },
    cookies: [sessionCookie(state, row.id, secret)],
    events: [["created", { at: now, sessionId: row.id, userId: undefined }]],
    standing: { kind: "live", session: row },
  };
}

export function planDetached(
  state: RequestState,
  standing: Standing & { kind: "detached" },
  now: number,
): Plan {
  if (state.data.changed() === undefined) return nothing(standing);
  if (standing.why === "insecure") throw insecure();
  if (standing.why === "unavailable") throw unavailable(standing.error);
  const why = standing.why === "skew" ? "ended" : standing.why;
  return {
    ...nothing(standing),
    events: [["saveDiscarded", { at: now, sessionId: newIdOf(state), userId: undefined, why }]],
  };
}

export function planSave(
  state: RequestState,
  standing: Standing & { kind: "live" | "late" },
  now: number,
  isFinal: boolean,
): Plan {
  const settings = settingsOf(state);
  const row = standing.session;
  const data = state.data.changed();
  const isLive = standing.kind === "live";
  const raises = isFinal && state.intent.kind === "reauthenticate";
  const regenerates =
    isLive &&
    isFinal &&
    state.canSetCookies &&
    !raises &&
    (state.intent.kind === "regenerate" || isRotationDue(state, row, now));
  const use = useOf(state, row, now);
  const isTouchDue = now - row.lastSeenAt >= settings.session.touchEvery || use?.confirm !== undefined;
  // Told once: from here on the row says where the session is used now.
  const moves =
    state.hasMoved && (row.address !== state.facts.address || row.userAgent !== state.facts.userAgent);
  const resent = isLive && isFinal && !raises && !regenerates ? sameSessionCookie(state, row) : undefined;
  const isUnchanged = data === undefined && !raises && !regenerates && !moves && resent === undefined;
  if (isUnchanged && !isTouchDue) return nothing(standing);

  const fresh = {
    lastSeenAt: now,
    // Its time ran out while the handler was busy: what is saved must not bring it back (ASVS 7.3.1).
    idleDeadline: isPast(row, now) ? row.idleDeadline : now + settings.session.idle,
    pruneAfter: sessionPruneAfter(now, row.rememberedId !== undefined, settings),
  };
  if (isUnchanged) {
    return {
      touch: { sessionId: row.id, ...fresh, remembered: use },
      cookies: [],
      events: confirmEvents(row, use, now),
      standing: { kind: standing.kind, session: { ...row, ...fresh, ...confirmed(use) } },
    };
  }

  const endsOld = state.intent.kind === "regenerate" && state.intent.isFinal === true;
  const secret = raises || regenerates ? newSecret() : undefined;
  const update: SessionUpdate = {
    id: row.id,
    version: row.version,
    owner: row.userId,
    set: {
      ...fresh,
      ...(data === undefined ? {} : { data }),
      ...(secret === undefined ? {} : { secret: digest(secret), secretAt: now }),
      ...(regenerates ? { previousSecret: endsOld ? undefined : row.secret } : {}),
      ...(raises ? raisedSession(state, now) : {}),
      ...(moves ? originOf(state) : {}),
    },
  };
  return {
    change: { update, use },
    cookies: secret === undefined ? [resent ?? []].flat() : [sessionCookie(state, row.id, secret)],
    events: [
      ...confirmEvents(row, use, now),
      ...(secret === undefined ? [] : [told("rotated", { at: now, sessionId: row.id, userId: row.userId })]),
      ...(raises ? [reauthenticated(state, row, now)] : []),
    ],
    standing: {
      kind: secret === undefined ? standing.kind : "live",
      session: { ...updated(row, update), ...confirmed(use) },
    },
  };
}

function useOf(state: RequestState, row: SessionRow, now: number): RememberedUse | undefined {
  if (row.rememberedId === undefined) return undefined;
  const { rememberCookie, core, openedAt } = state;
  const confirms =
    rememberCookie.kind === "valid" &&
    rememberCookie.cookie.id === row.rememberedId &&
    mayConfirm(row, openedAt);
  return {
    id: row.rememberedId,
    ...rememberedUse(now, core.settings),
    confirm: confirms
      ? { generation: rememberCookie.cookie.generation, token: rememberCookie.cookie.digest, at: now }
      : undefined,
  };
}

function isRotationDue(state: RequestState, row: SessionRow, now: number): boolean {
  const { rotateEvery } = state.core.settings.session;
  return rotateEvery !== undefined && !state.facts.script && now - row.secretAt >= rotateEvery;
}
