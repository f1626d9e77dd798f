import { clearCookie } from "../../http/cookies.ts";
import { newSecret } from "../../secrets.ts";
import type { Cap, Ending, SessionRow } from "../../stores/store.ts";
import { handleOf, newRememberedRow, newSessionRow, tombstoneUntil } from "../rows.ts";
import { type LoginIntent, newIdOf, type RequestState, sessionOf, settingsOf } from "../state.ts";

import {
  heldBy,
  nothing,
  originOf,
  type Plan,
  recognised,
  rememberCookie,
  sessionCookie,
  type Told,
  told,
  unavailable,
  updated,
} from "./parts.ts";
import { planCreate, planDetached } from "./save.ts";

export function planLogin(state: RequestState, intent: LoginIntent, now: number): Plan {
  const settings = settingsOf(state);
  const base = sessionOf(state.standing);
  // Who proves a credential gets a secret that nobody can derive.
  const secret = (intent.isTakenOver ? state.successor?.secret : undefined) ?? newSecret();
  const token = newSecret();
  const device = deviceOf(state, intent);
  const login =
    intent.remember === undefined
      ? undefined
      : newRememberedRow({ ...intent.remember, userId: intent.userId, token, now, device }, settings);
  const identity = {
    userId: intent.userId,
    level: intent.level,
    authenticatedAt: intent.authenticatedAt,
    rememberedId: login?.id,
    confirmFrom: login === undefined ? undefined : now + settings.times.settle,
  };
  const data = state.data.encoded();
  const fresh = newSessionRow(
    {
      id: base?.id ?? newIdOf(state),
      secret,
      data,
      now,
      identity,
      device,
      facts: state.facts,
      notAfter: intent.remember?.until,
    },
    settings,
  );
  // The row of the session at hand is kept, so that late requests with the old secret are recognised as such.
  const { id, version, createdAt, name, ...set } = fresh;
  const isSameUser = base?.userId === intent.userId;
  const update =
    base === undefined
      ? undefined
      : { id, version: base.version, owner: intent.userId, set: isSameUser ? set : { ...set, name } };
  const session = update === undefined || base === undefined ? fresh : updated(base, update);
  const { isNew, cookies: recognising } = recognised(state, intent.userId);
  const ofDevice = {
    at: now,
    sessionId: session.id,
    userId: intent.userId,
    handle: login?.id ?? session.id,
    remembered: login !== undefined,
    request: originOf(state),
  };
  const clearsRemember =
    login === undefined && (hasRememberCookie(state) || base?.rememberedId !== undefined);
  return {
    change: {
      // A renewal is no proof of anything: it takes effect only while what it renews is alive.
      ...(intent.isRenewal && state.standing.kind === "remembered"
        ? { hold: heldBy(state.standing.login) }
        : {}),
      remember: login,
      ...(update === undefined ? { insert: fresh } : { update }),
      end: endings(state, "replaced", now, undefined),
      caps: capsOf(state, intent, now),
    },
    cookies: [
      sessionCookie(state, session.id, secret),
      ...(login === undefined ? [] : [rememberCookie(state, login, token, now)]),
      ...(clearsRemember ? [clearCookie(settings.cookies.remember)] : []),
      ...recognising,
    ],
    events: [
      ...(base === undefined
        ? [told("created", { at: now, sessionId: session.id, userId: intent.userId })]
        : []),
      intent.isRenewal
        ? told("rotated", { at: now, sessionId: session.id, userId: intent.userId })
        : told("login", ofDevice),
      ...(isNew && !intent.isRenewal ? [told("newDevice", ofDevice)] : []),
    ],
    standing: { kind: "live", session },
  };
}

/** The name stays where the same user signs in again; it is not written to the row, which may be named meanwhile. */
function deviceOf({ standing }: RequestState, intent: LoginIntent): Pick<SessionRow, "name" | "tag"> {
  const before = sessionOf(standing) ?? (standing.kind === "remembered" ? standing.login : undefined);
  const own = before?.userId === intent.userId ? before : undefined;
  return { name: own?.name, tag: intent.isRenewal ? own?.tag : intent.tag };
}

function capsOf(state: RequestState, intent: LoginIntent, now: number): Cap[] {
  const { settings } = state.core;
  const { userId, tag, isRenewal } = intent;
  const { most, overflow } = settings.devices;
  if (isRenewal) return [];
  const at = { userId, at: now, pruneAfter: tombstoneUntil(now, settings) };
  return [
    ...(tag === undefined ? [] : [{ ...at, tag, most: 1, overflow: "endOldest" as const, reason: "tag" }]),
    ...(most === undefined ? [] : [{ ...at, most, overflow, reason: "cap" }]),
  ];
}

export function planLogout(state: RequestState, now: number): Plan {
  // Who presents a replaced secret gets nothing, not even an end of what replaced it.
  if (state.standing.kind === "detached") {
    // Nobody may believe to have left while the session lives on.
    if (state.standing.why === "unavailable") throw unavailable(state.standing.error);
    return planDetached(state, state.standing, now);
  }
  const { session, remember } = state.core.settings.cookies;
  const base = sessionOf(state.standing);
  const end = endings(state, "logout", now, base);
  const events: Told[] = [];
  if (base !== undefined) {
    const { id: sessionId, userId } = base;
    const handle = handleOf(base);
    events.push(["logout", { at: now, sessionId, userId, handle, request: originOf(state) }]);
  }
  // Something put into the session after leaving, such as a farewell, is held by a new, anonymous session.
  const hasFarewell = !state.destroyed && state.canSetCookies && state.data.changed() !== undefined;
  const created = hasFarewell ? planCreate(state, now) : nothing({ kind: "none" });
  return {
    change: end.length === 0 ? created.change : { ...created.change, end },
    cookies: [clearCookie(session), clearCookie(remember), ...created.cookies],
    events: [...events, ...created.events],
    standing: created.standing,
  };
}

/**
 * The login of the session at hand and the one of the remember cookie. The latter only by a token that is or
 * was just valid: with an old one anybody could end somebody else's login.
 */
function endings(
  state: RequestState,
  reason: string,
  now: number,
  session: SessionRow | undefined,
): Ending[] {
  const { standing, rememberCookie } = state;
  const at = { reason, at: now, pruneAfter: tombstoneUntil(now, state.core.settings) };
  const own = standing.kind === "remembered" ? standing.login.id : sessionOf(standing)?.rememberedId;
  const list: Ending[] = [];
  if (session !== undefined || own !== undefined) {
    list.push({ sessionId: session?.id, userId: session?.userId, rememberedId: own, ...at });
  }
  if (rememberCookie.kind === "valid" && rememberCookie.cookie.id !== own) {
    const { id, digest: token } = rememberCookie.cookie;
    list.push({ rememberedId: id, token, ...at });
  }
  return list;
}

const hasRememberCookie = (state: RequestState): boolean => state.rememberCookie.kind !== "absent";
