import { digest, newSalt, newSecret, type Secret, sameDigest } from "../../protocol/secrets.ts";
import type { RememberedUse, Rotation, SaveChange, SessionRow } from "../../stores/store.ts";
import { leftActing } from "../acting.ts";
import { keptAddress } from "../addresses.ts";
import { boundAnew } from "../bound.ts";
import { originOf } from "../facts.ts";
import { handleOfLogin, newSessionRow, rememberedUse, sessionDeadlines, sessionPruneAfter } from "../rows.ts";
import { newIdOf } from "../standing.ts";
import { identityOf, type RememberedStanding, type RequestState, raiseOf, settingsOf } from "../state.ts";

import {
  deferred,
  event,
  fenced,
  heldBy,
  type Plan,
  type PlannedEvent,
  proofOf,
  raisedSession,
  reauthenticated,
  recognised,
  rememberCookie,
  sessionCookie,
  updated,
} from "./parts.ts";

export function planRemembered(
  state: RequestState,
  standing: RememberedStanding,
  now: number,
  isFinal: boolean,
): Plan {
  const { effect } = standing;
  const rotates = effect === "rotate" || effect === "recover";
  const mayExchange = state.canSetCookies && (state.use !== "none" || raiseOf(state.intent) !== undefined);
  if (isFinal && rotates && mayExchange) return planRotation(state, standing, now);
  return planAccepted(state, standing, now, isFinal);
}

/** Rules 1 and 3c: the login gets a successor, its session row the secret that belongs to it. */
function planRotation(state: RequestState, standing: RememberedStanding, now: number): Plan {
  const settings = settingsOf(state);
  const { login, presented, effect } = standing;
  const generation = login.generation + 1;
  const salt = newSalt();
  const derivation = { id: login.id, generation, salt };
  const raise = raiseOf(state.intent);
  const token = derived(state, "remember", presented.token, derivation);
  // A raised session gets a random secret: the holder of a predecessor must not be able to derive it.
  const secret = raise ? newSecret() : derived(state, "session", presented.token, derivation);
  const rotation: Rotation = {
    ...rememberedUse(now, settings),
    token: digest(token),
    previous: presented.digest,
    superseded: effect === "recover" ? login.token : login.superseded,
    supersededAt: effect === "recover" ? now : login.supersededAt,
    salt,
    keyId: settings.keys.currentKeyId,
    rotatedAt: now,
  };
  const identity = identityOf(state);
  const data = state.data.changed();
  const set = {
    secret: digest(secret),
    secretAt: now,
    previousSecret: undefined,
    retiredSecret: undefined,
    ...(raise === undefined || standing.session === undefined ? {} : fenced(standing.session, secret, now)),
    level: identity.level,
    authenticatedAt: identity.authenticatedAt,
    proofs: identity.proofs,
    confirmFrom: now + settings.times.settle,
    ...sessionDeadlines(now, settings, login.absoluteDeadline),
    userAgent: state.facts.userAgent,
    address: keptAddress(state.facts.address, settings),
    pruneAfter: sessionPruneAfter(now, true, settings),
    ...(data === undefined ? {} : { data }),
  };
  const { session, ...write } = writeSession(state, standing, set, secret, now);
  return {
    change: {
      kind: "restore",
      rotate: { id: login.id, generation: login.generation, set: rotation },
      ...(raise === undefined ? {} : { proof: proofOf(state, login.userId, raise.provedAt) }),
      ...write,
    },
    cookies: [
      sessionCookie(state, session.id, secret),
      rememberCookie(state, { ...login, generation }, token, now),
      ...leftActing(state),
      ...recognised(state, login.userId).cookies,
    ],
    events: [
      event(effect === "recover" ? "recovered" : "restored", {
        at: now,
        handle: handleOfLogin(login),
        userId: login.userId,
        sessionId: session.id,
        generation,
        request: originOf(state.facts),
      }),
      ...(raise ? [reauthenticated(state, session, now)] : []),
    ],
    standing: { kind: "live", session },
  };
}

/** Rules 2, 3a, 3b and 4: the login's session serves as it is; 3a repeats the successor to the browser. */
function planAccepted(
  state: RequestState,
  standing: RememberedStanding,
  now: number,
  isFinal: boolean,
): Plan {
  const settings = settingsOf(state);
  const { login, session } = standing;
  const raise = isFinal ? raiseOf(state.intent) : undefined;
  const data = state.data.changed();
  const successor = isFinal && state.canSetCookies ? convergence(state, standing, now) : undefined;
  const cookies = successor === undefined ? [] : [rememberCookie(state, login, successor.token, now)];
  const facts = { at: now, handle: handleOfLogin(login), userId: login.userId };
  const events: PlannedEvent[] = [];
  if (isFinal) events.push(successor === undefined ? event("accepted", facts) : event("converged", facts));
  // A request that is only accepted may hold a superseded token: a secret of its own would keep a thief in.
  if (isFinal && state.intent.kind === "regenerate") events.push(deferred(state, session, "regenerate", now));
  const use: RememberedUse = { id: login.id, ...rememberedUse(now, settings), confirm: undefined };
  const isUse = state.use !== "none" || raise !== undefined;

  if (data === undefined && raise === undefined) {
    if (successor?.secret !== undefined && session !== undefined) {
      cookies.push(sessionCookie(state, session.id, successor.secret));
    }
    const seen = { lastSeenAt: now, pruneAfter: sessionPruneAfter(now, true, settings) };
    const isTouchDue =
      session !== undefined &&
      state.facts.ahead === undefined &&
      state.use !== "none" &&
      (now - session.lastSeenAt >= settings.session.touchEvery || state.use === "extends");
    if (!isTouchDue) return { cookies, events, standing };
    return {
      touch: { sessionId: session.id, ...seen, idleDeadline: undefined, remembered: use },
      cookies,
      events,
      standing: { ...standing, session: { ...session, ...seen } },
    };
  }

  // Without a raise the secret is left alone: other requests of this browser may just have been given it.
  const secret = raise !== undefined || session === undefined ? newSecret() : undefined;
  const set = {
    ...(isUse ? { lastSeenAt: now, pruneAfter: sessionPruneAfter(now, true, settings) } : {}),
    ...(data === undefined ? {} : { data }),
    ...(raise !== undefined && secret !== undefined && session !== undefined
      ? fenced(session, secret, now)
      : {}),
    ...(raise === undefined ? {} : raisedSession(state, raise, now)),
  };
  const { session: saved, ...write } = writeSession(state, standing, set, secret ?? newSecret(), now);
  if (raise !== undefined && secret !== undefined) {
    cookies.push(sessionCookie(state, saved.id, secret));
    events.push(reauthenticated(state, saved, now));
  } else if (successor?.secret !== undefined && session !== undefined) {
    cookies.push(sessionCookie(state, saved.id, successor.secret));
  }
  return {
    // An insert has no row to be conditional on: it holds on to the login, or a revoked one would get a session.
    change: {
      kind: "accept",
      ...(write.insert === undefined ? {} : { hold: heldBy(login) }),
      ...(raise === undefined ? {} : { proof: proofOf(state, login.userId, raise.provedAt) }),
      ...write,
      ...(isUse ? { use } : {}),
    },
    cookies,
    events,
    standing: raise ? { kind: "live", session: saved } : { ...standing, session: saved },
  };
}

/** Updates the login's session row, or makes one where it was lost. */
function writeSession(
  state: RequestState,
  standing: RememberedStanding,
  set: SaveChange["update"]["set"],
  secret: Secret,
  now: number,
): { session: SessionRow; update?: SaveChange["update"]; insert?: SessionRow } {
  const { login, session } = standing;
  if (session !== undefined) {
    const update = { id: session.id, version: session.version, owner: login.userId, set };
    return { session: updated(session, update), update };
  }
  const confirmFrom = login.rotatedAt + state.core.settings.times.settle;
  const row = newSessionRow(
    {
      id: newIdOf(state),
      secret,
      data: state.data.encoded(),
      now,
      identity: { ...identityOf(state), rememberedId: login.id, confirmFrom },
      bound: boundAnew(state),
      device: login,
      facts: state.facts,
      notAfter: login.absoluteDeadline,
    },
    settingsOf(state),
  );
  const insert = { ...row, ...set };
  return { session: insert, insert };
}

/**
 * The successor that another request made from the same token, checked against the row before it is sent. A
 * handler may have taken long: past the window the successor may be superseded by now, and no browser must be
 * given an older cookie.
 */
function convergence(
  state: RequestState,
  standing: RememberedStanding,
  now: number,
): { token: Secret; secret: Secret | undefined } | undefined {
  const { login, session, presented, effect } = standing;
  const { keys, times } = state.core.settings;
  if (effect !== "converge" || now - login.rotatedAt > times.converge) return undefined;
  const token = keys.derive("remember", presented.token, login, login.keyId);
  if (token === undefined || !sameDigest(digest(token), login.token)) return undefined;
  const secret = keys.derive("session", presented.token, login, login.keyId);
  const isCurrent =
    secret !== undefined && session !== undefined && sameDigest(digest(secret), session.secret);
  return { token, secret: isCurrent ? secret : undefined };
}

function derived(
  state: RequestState,
  purpose: "session" | "remember",
  token: Secret,
  from: { id: string; generation: number; salt: Uint8Array },
): Secret {
  const secret = state.core.settings.keys.derive(purpose, token, from);
  if (secret === undefined) throw new Error("the current key is always in the ring");
  return secret;
}
