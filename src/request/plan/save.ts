import { UNSEEN_DEVICE } from "../../data/asides.ts";
import { mayConfirm } from "../../protocol/decide.ts";
import { isPast } from "../../protocol/rows.ts";
import { newSecret } from "../../protocol/secrets.ts";
import type { CreateChange, RememberedUse, SaveChange, SessionRow } from "../../stores/store.ts";
import { keptAddress } from "../addresses.ts";
import { originOf } from "../facts.ts";
import { handleOf, newSessionRow, rememberedUse, sessionPruneAfter } from "../rows.ts";
import { newIdOf } from "../standing.ts";
import { ANONYMOUS, type RequestState, raiseOf, type Standing, settingsOf } from "../state.ts";

import {
  confirmEvents,
  confirmed,
  deferred,
  event,
  fenced,
  insecure,
  nothing,
  type Plan,
  proofOf,
  raisedSession,
  reauthenticated,
  recognised,
  sameSessionCookie,
  sessionCookie,
  unavailable,
  undeliverable,
  updated,
} from "./parts.ts";

/** Untouched anonymous sessions are never stored: bots leave no rows. */
export function planCreate(
  state: RequestState,
  now: number,
  data = state.data.changed(),
): Plan & { readonly change: CreateChange | undefined } {
  if (data === undefined) return { ...nothing(state.standing), change: undefined };
  if (!state.canSetCookies) throw undeliverable("store a new session");
  const secret = state.successor?.secret ?? newSecret();
  const identity = { ...ANONYMOUS, confirmFrom: undefined };
  const row = newSessionRow(
    { id: newIdOf(state), secret, data, now, identity, facts: state.facts },
    settingsOf(state),
  );
  return {
    change: { kind: "create", insert: row },
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
  const why = standing.why === "skew" ? "ended" : standing.why === "outdated" ? "replaced" : standing.why;
  return {
    ...nothing(standing),
    events: [["saveDiscarded", { at: now, sessionId: newIdOf(state), userId: undefined, why }]],
  };
}

/** Whether the browser of a sign-in was known, which the request that signed in could not show. */
function deviceSeen(
  state: RequestState,
  row: SessionRow,
  now: number,
): Pick<Plan, "cookies" | "events"> | undefined {
  const { userId } = row;
  const isOpen =
    userId !== undefined &&
    state.core.settings.devices.detectNew &&
    state.canSetCookies &&
    row.data.includes(UNSEEN_DEVICE);
  // The application's data may have that text as well.
  if (!isOpen || state.data.storedAside(UNSEEN_DEVICE) === undefined) return undefined;
  delete state.data.asides[UNSEEN_DEVICE];
  const { isNew, cookies } = recognised(state, userId);
  const ofDevice = {
    at: now,
    sessionId: row.id,
    userId,
    handle: handleOf(row),
    remembered: row.rememberedId !== undefined,
    request: originOf(state.facts),
  };
  return { cookies, events: isNew ? [event("newDevice", ofDevice)] : [] };
}

export function planSave(
  state: RequestState,
  standing: Standing & { kind: "live" | "previous" },
  now: number,
  isFinal: boolean,
): Plan {
  const settings = settingsOf(state);
  const row = standing.session;
  const seen = isFinal ? deviceSeen(state, row, now) : undefined;
  const data = state.data.changed();
  const isLive = standing.kind === "live";
  const raise = isFinal ? raiseOf(state.intent) : undefined;
  const regenerates =
    isLive &&
    isFinal &&
    state.canSetCookies &&
    raise === undefined &&
    (state.intent.kind === "regenerate" || isRotationDue(state, row, now));
  const use = useOf(state, row, now);
  const isTouchDue =
    state.facts.ahead === undefined &&
    state.use !== "none" &&
    (now - row.lastSeenAt >= settings.session.touchEvery ||
      use?.confirm !== undefined ||
      state.use === "extends");
  // Emitted once: from here on the row says where the session is used now.
  const address = keptAddress(state.facts.address, settings);
  const moves = state.hasMoved && (row.address !== address || row.userAgent !== state.facts.userAgent);
  const resent = isLive && isFinal && !raise && !regenerates ? sameSessionCookie(state, row) : undefined;
  const isUnchanged = data === undefined && !raise && !regenerates && !moves && resent === undefined;
  // The head was sent, or is a WebSocket's: the cookie would not reach the browser.
  const isDeferred = isLive && isFinal && !regenerates && state.intent.kind === "regenerate";
  const deferrals = isDeferred ? [deferred(state, row, "regenerate", now)] : [];
  if (isUnchanged && !isTouchDue) return { ...nothing(standing), events: deferrals };

  const fresh =
    state.use === "none"
      ? undefined
      : {
          lastSeenAt: now,
          // Its time ran out while the handler was busy: what is saved must not bring it back (ASVS 7.3.1).
          idleDeadline: isPast(row, now) ? row.idleDeadline : now + settings.session.idle,
          pruneAfter: sessionPruneAfter(now, row.rememberedId !== undefined, settings),
        };
  if (isUnchanged && fresh !== undefined) {
    return {
      touch: { sessionId: row.id, ...fresh, remembered: use },
      cookies: [],
      events: [...confirmEvents(row, use, now), ...deferrals],
      standing: { kind: standing.kind, session: { ...row, ...fresh, ...confirmed(use) } },
    };
  }

  const endsOld = state.intent.kind === "regenerate" && state.intent.isFinal === true;
  const secret = raise || regenerates ? newSecret() : undefined;
  const update: SaveChange["update"] = {
    id: row.id,
    version: row.version,
    owner: row.userId,
    set: {
      ...fresh,
      ...(data === undefined ? {} : { data }),
      ...(secret === undefined ? {} : fenced(row, secret, now)),
      ...(regenerates ? regenerated(row, endsOld) : {}),
      ...(raise ? raisedSession(state, raise, now) : {}),
      ...(moves ? { address, userAgent: state.facts.userAgent } : {}),
    },
  };
  return {
    change: {
      kind: "save",
      update,
      use,
      ...(raise === undefined || row.userId === undefined
        ? {}
        : { proof: proofOf(state, row.userId, raise.provedAt) }),
    },
    cookies: [
      ...(secret === undefined ? [resent ?? []].flat() : [sessionCookie(state, row.id, secret)]),
      ...(seen?.cookies ?? []),
    ],
    events: [
      ...(seen?.events ?? []),
      ...confirmEvents(row, use, now),
      ...(secret === undefined ? [] : [event("rotated", { at: now, sessionId: row.id, userId: row.userId })]),
      ...(raise ? [reauthenticated(state, row, now)] : []),
      ...deferrals,
    ],
    standing: {
      kind: secret === undefined ? standing.kind : "live",
      session: { ...updated(row, update), ...confirmed(use) },
    },
  };
}

/** The old secret is still served for a while, unless the session was begun anew. */
const regenerated = ({ secret, fence }: SessionRow, endsOld: boolean) =>
  endsOld ? { retiredSecret: undefined } : { previousSecret: secret, retiredSecret: undefined, fence };

function useOf(state: RequestState, row: SessionRow, now: number): RememberedUse | undefined {
  if (row.rememberedId === undefined || state.use === "none") return undefined;
  const { rememberCookie, core, arrivedAt } = state;
  const confirms =
    rememberCookie.kind === "valid" &&
    rememberCookie.cookie.id === row.rememberedId &&
    mayConfirm(row, arrivedAt);
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
  const { script, ahead } = state.facts;
  return (
    state.host === undefined &&
    rotateEvery !== undefined &&
    !script &&
    ahead === undefined &&
    state.use !== "none" &&
    now - row.secretAt >= rotateEvery
  );
}
