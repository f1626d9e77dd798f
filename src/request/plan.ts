import { PsessionError } from "../errors.ts";
import type { EventName, PsessionEvents } from "../events.ts";
import {
  type CookieInstruction,
  clearCookie,
  rememberCookieValue,
  sessionCookieValue,
} from "../http/cookies.ts";
import { mayConfirm } from "../remember/decide.ts";
import { digest, newSalt, newSecret, type Secret, sameDigest } from "../secrets.ts";
import type {
  Change,
  Ending,
  RememberedRow,
  RememberedUse,
  Rotation,
  SessionRow,
  SessionUpdate,
  Touch,
} from "../stores/store.ts";
import {
  newRememberedRow,
  newSessionRow,
  rememberedUse,
  sessionDeadlines,
  sessionPruneAfter,
  tombstoneUntil,
} from "./rows.ts";
import {
  identityOf,
  type LoginIntent,
  type RememberedStanding,
  type RequestState,
  type Standing,
  sessionOf,
} from "./state.ts";

export type Told = { [K in EventName]: readonly [K, PsessionEvents[K]] }[EventName];

/** The effects of one commit: what the store is asked to do, and what follows if it does. */
export interface Plan {
  readonly change?: Change | undefined;
  readonly touch?: Touch;
  readonly cookies: readonly CookieInstruction[];
  readonly events: readonly Told[];
  /** How the request stands once the change is done. */
  readonly standing: Standing;
  /** What the handler asked for waits for the response. */
  readonly isIntentPending?: boolean;
}

/**
 * Decides the effects of a commit. Asks nothing and changes nothing; only secrets and ids are drawn here.
 * Unless it is the final one, no secret is exchanged but by a sign-in.
 */
export function planCommit(state: RequestState, now: number, isFinal: boolean): Plan {
  const { intent } = state;
  if (intent.kind === "login" && (isFinal || !intent.isRenewal)) {
    assertDeliverable(state, "sign in");
    return planLogin(state, intent, now);
  }
  if (intent.kind === "logout") return planLogout(state, now);
  if (intent.kind === "reauthenticate") assertDeliverable(state, "raise the level");
  const plan = planKeep(state, now, isFinal);
  return isFinal || intent.kind === "keep" ? plan : { ...plan, isIntentPending: true };
}

function planKeep(state: RequestState, now: number, isFinal: boolean): Plan {
  const { standing } = state;
  switch (standing.kind) {
    case "none":
      return planCreate(state, now);
    case "detached":
      return planDetached(state, standing, now);
    case "live":
    case "late":
      return planSave(state, standing, now, isFinal);
    case "remembered":
      return planRemembered(state, standing, now, isFinal);
  }
}

/** Untouched anonymous sessions are never stored: bots leave no rows. */
function planCreate(state: RequestState, now: number): Plan {
  const data = state.data.changed();
  if (data === undefined) return nothing(state.standing);
  if (!state.canSetCookies) throw undeliverable("store a new session");
  const secret = newSecret();
  const identity = {
    userId: undefined,
    level: "anonymous",
    authenticatedAt: undefined,
    rememberedId: undefined,
    confirmFrom: undefined,
  } as const;
  const row = newSessionRow(
    { id: state.newId, secret, data, now, identity, facts: state.facts },
    state.core.settings,
  );
  return {
    change: { insert: row },
    cookies: [sessionCookie(state, row.id, secret)],
    events: [["created", { at: now, sessionId: row.id, userId: undefined }]],
    standing: { kind: "live", session: row },
  };
}

function planDetached(state: RequestState, standing: Standing & { kind: "detached" }, now: number): Plan {
  if (state.data.changed() === undefined) return nothing(standing);
  if (standing.why === "insecure") throw insecure();
  const why = standing.why === "skew" ? "ended" : standing.why;
  return {
    ...nothing(standing),
    events: [["saveDiscarded", { at: now, sessionId: state.newId, userId: undefined, why }]],
  };
}

function planSave(
  state: RequestState,
  standing: Standing & { kind: "live" | "late" },
  now: number,
  isFinal: boolean,
): Plan {
  const { settings } = state.core;
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
  const fresh = {
    lastSeenAt: now,
    idleDeadline: now + settings.session.idle,
    pruneAfter: sessionPruneAfter(now, row.rememberedId !== undefined, settings),
  };

  if (data === undefined && !raises && !regenerates) {
    if (!isTouchDue) return nothing(standing);
    return {
      touch: { sessionId: row.id, ...fresh, remembered: use },
      cookies: [],
      events: confirmEvents(row, use, now),
      standing: { kind: standing.kind, session: { ...row, ...fresh, ...confirmed(use) } },
    };
  }

  const secret = raises || regenerates ? newSecret() : undefined;
  const update: SessionUpdate = {
    id: row.id,
    version: row.version,
    set: {
      ...fresh,
      ...(data === undefined ? {} : { data }),
      ...(secret === undefined ? {} : { secret: digest(secret), secretAt: now }),
      ...(regenerates ? { previousSecret: row.secret } : {}),
      ...(raises ? raisedSession(state, now) : {}),
    },
  };
  return {
    change: { update, use },
    cookies: secret === undefined ? [] : [sessionCookie(state, row.id, secret)],
    events: [
      ...confirmEvents(row, use, now),
      ...(secret === undefined ? [] : [told("rotated", { at: now, sessionId: row.id, userId: row.userId })]),
      ...(raises
        ? [told("reauthenticated", { at: now, sessionId: row.id, userId: row.userId, level: "login" })]
        : []),
    ],
    standing: {
      kind: secret === undefined ? standing.kind : "live",
      session: { ...updated(row, update), ...confirmed(use) },
    },
  };
}

function planRemembered(
  state: RequestState,
  standing: RememberedStanding,
  now: number,
  isFinal: boolean,
): Plan {
  const { effect } = standing;
  const rotates = effect === "rotate" || effect === "recover";
  if (isFinal && rotates && state.canSetCookies) return planRotation(state, standing, now);
  return planAccepted(state, standing, now, isFinal);
}

/** Rules 1 and 3c: the login gets a successor, its session row the secret that belongs to it. */
function planRotation(state: RequestState, standing: RememberedStanding, now: number): Plan {
  const { settings } = state.core;
  const { login, presented, effect } = standing;
  const generation = login.generation + 1;
  const salt = newSalt();
  const derivation = { id: login.id, generation, salt };
  const raises = state.intent.kind === "reauthenticate";
  const token = derived(state, "remember", presented.cookie.token, derivation);
  // A raised session gets a secret that nobody can derive who merely holds the predecessor.
  const secret = raises ? newSecret() : derived(state, "session", presented.cookie.token, derivation);
  const rotation: Rotation = {
    ...rememberedUse(now, settings),
    token: digest(token),
    previous: presented.token,
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
    level: identity.level,
    authenticatedAt: identity.authenticatedAt,
    confirmFrom: now + settings.times.settle,
    ...sessionDeadlines(now, settings, login.absoluteDeadline),
    userAgent: state.facts.userAgent,
    address: state.facts.address,
    pruneAfter: sessionPruneAfter(now, true, settings),
    ...(data === undefined ? {} : { data }),
  };
  const { session, ...write } = writeSession(state, standing, set, secret, now);
  return {
    change: { rotate: { id: login.id, generation: login.generation, set: rotation }, ...write },
    cookies: [
      sessionCookie(state, session.id, secret),
      rememberCookie(state, { ...login, generation }, token, now),
    ],
    events: [
      told(effect === "recover" ? "recovered" : "restored", {
        at: now,
        handle: login.id,
        userId: login.userId,
        sessionId: session.id,
        generation,
        request: originOf(state),
      }),
      ...(raises
        ? [told("reauthenticated", { at: now, sessionId: session.id, userId: login.userId, level: "login" })]
        : []),
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
  const { settings } = state.core;
  const { login, session } = standing;
  const raises = isFinal && state.intent.kind === "reauthenticate";
  const data = state.data.changed();
  const successor = isFinal && state.canSetCookies ? convergence(state, standing, now) : undefined;
  const cookies = successor === undefined ? [] : [rememberCookie(state, login, successor.token, now)];
  const facts = { at: now, handle: login.id, userId: login.userId };
  const events: Told[] = [];
  if (isFinal) events.push(successor === undefined ? told("accepted", facts) : told("converged", facts));
  const use: RememberedUse = { id: login.id, ...rememberedUse(now, settings), confirm: undefined };

  if (data === undefined && !raises) {
    if (successor?.secret !== undefined && session !== undefined) {
      cookies.push(sessionCookie(state, session.id, successor.secret));
    }
    const seen = { lastSeenAt: now, pruneAfter: sessionPruneAfter(now, true, settings) };
    const isTouchDue = session !== undefined && now - session.lastSeenAt >= settings.session.touchEvery;
    if (!isTouchDue) return { cookies, events, standing };
    return {
      touch: { sessionId: session.id, ...seen, idleDeadline: undefined, remembered: use },
      cookies,
      events,
      standing: { ...standing, session: { ...session, ...seen } },
    };
  }

  // Without a raise the secret is left alone: other requests of this browser may just have been given it.
  const secret = raises || session === undefined ? newSecret() : undefined;
  const set = {
    lastSeenAt: now,
    pruneAfter: sessionPruneAfter(now, true, settings),
    ...(data === undefined ? {} : { data }),
    ...(raises && secret !== undefined
      ? { secret: digest(secret), secretAt: now, ...raisedSession(state, now) }
      : {}),
  };
  const { session: saved, ...write } = writeSession(state, standing, set, secret ?? newSecret(), now);
  if (raises && secret !== undefined) {
    cookies.push(sessionCookie(state, saved.id, secret));
    events.push(
      told("reauthenticated", { at: now, sessionId: saved.id, userId: login.userId, level: "login" }),
    );
  } else if (successor?.secret !== undefined && session !== undefined) {
    cookies.push(sessionCookie(state, saved.id, successor.secret));
  }
  return {
    // An insert has no row to be conditional on: it holds on to the login, or a revoked one would get a session.
    change: {
      ...(write.insert === undefined ? {} : { hold: heldBy(login) }),
      ...write,
      use,
    },
    cookies,
    events,
    standing: raises ? { kind: "live", session: saved } : { ...standing, session: saved },
  };
}

function planLogin(state: RequestState, intent: LoginIntent, now: number): Plan {
  const { settings } = state.core;
  const base = sessionOf(state.standing);
  const secret = newSecret();
  const token = newSecret();
  const login =
    intent.remember === undefined
      ? undefined
      : newRememberedRow({ ...intent.remember, userId: intent.userId, token, now }, settings);
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
      id: base?.id ?? state.newId,
      secret,
      data,
      now,
      identity,
      facts: state.facts,
      notAfter: intent.remember?.until,
    },
    settings,
  );
  // The row of the session at hand is kept, so that late requests with the old secret are recognised as such.
  const { id, version, createdAt, ...set } = fresh;
  const update = base === undefined ? undefined : { id, version: base.version, set };
  const session = update === undefined || base === undefined ? fresh : updated(base, update);
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
    },
    cookies: [
      sessionCookie(state, session.id, secret),
      ...(login === undefined ? [] : [rememberCookie(state, login, token, now)]),
      ...(clearsRemember ? [clearCookie(settings.cookies.remember)] : []),
    ],
    events: [
      ...(base === undefined
        ? [told("created", { at: now, sessionId: session.id, userId: intent.userId })]
        : []),
      intent.isRenewal
        ? told("rotated", { at: now, sessionId: session.id, userId: intent.userId })
        : told("login", {
            at: now,
            sessionId: session.id,
            userId: intent.userId,
            handle: login?.id ?? session.id,
            remembered: login !== undefined,
            request: originOf(state),
          }),
    ],
    standing: { kind: "live", session },
  };
}

function planLogout(state: RequestState, now: number): Plan {
  // Who presents a replaced secret gets nothing, not even an end of what replaced it.
  if (state.standing.kind === "detached") return planDetached(state, state.standing, now);
  const { session, remember } = state.core.settings.cookies;
  const base = sessionOf(state.standing);
  const end = endings(state, "logout", now, base);
  const events: Told[] = [];
  if (base !== undefined) events.push(["logout", { at: now, sessionId: base.id, userId: base.userId }]);
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
    const { id, token } = rememberCookie.cookie;
    list.push({ rememberedId: id, token: digest(token), ...at });
  }
  return list;
}

/** Updates the login's session row, or makes one where it was lost. */
function writeSession(
  state: RequestState,
  standing: RememberedStanding,
  set: SessionUpdate["set"],
  secret: Secret,
  now: number,
): { session: SessionRow; update?: SessionUpdate; insert?: SessionRow } {
  const { login, session } = standing;
  if (session !== undefined) {
    const update = { id: session.id, version: session.version, set };
    return { session: updated(session, update), update };
  }
  const { userId, level, authenticatedAt } = identityOf(state);
  const row = newSessionRow(
    {
      id: state.newId,
      secret,
      data: state.data.encoded(),
      now,
      identity: {
        userId,
        level,
        authenticatedAt,
        rememberedId: login.id,
        confirmFrom: login.rotatedAt + state.core.settings.times.settle,
      },
      facts: state.facts,
      notAfter: login.absoluteDeadline,
    },
    state.core.settings,
  );
  const insert = { ...row, ...set };
  return { session: insert, insert };
}

/**
 * The successor that another request made from the same token, checked against the row before it is sent. A
 * handler may have taken long: past the window the successor may be superseded by now, and nobody is to be
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
  const token = keys.derive("remember", presented.cookie.token, login, login.keyId);
  if (token === undefined || !sameDigest(digest(token), login.token)) return undefined;
  const secret = keys.derive("session", presented.cookie.token, login, login.keyId);
  const isCurrent =
    secret !== undefined && session !== undefined && sameDigest(digest(secret), session.secret);
  return { token, secret: isCurrent ? secret : undefined };
}

const heldBy = ({ id, generation }: RememberedRow) => ({ id, generation });

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
      ? { generation: rememberCookie.cookie.generation, token: digest(rememberCookie.cookie.token), at: now }
      : undefined,
  };
}

const raisedSession = (state: RequestState, now: number) => ({
  previousSecret: undefined,
  level: "login" as const,
  authenticatedAt: identityOf(state).authenticatedAt,
  ...sessionDeadlines(now, state.core.settings),
});

function isRotationDue(state: RequestState, row: SessionRow, now: number): boolean {
  const { rotateEvery } = state.core.settings.session;
  return rotateEvery !== undefined && !state.facts.script && now - row.secretAt >= rotateEvery;
}

function updated(row: SessionRow, update: SessionUpdate): SessionRow {
  return { ...row, ...update.set, version: row.version + 1 };
}

const confirmed = (use: RememberedUse | undefined) =>
  use?.confirm === undefined ? {} : { confirmFrom: undefined };

function confirmEvents(row: SessionRow, use: RememberedUse | undefined, now: number): Told[] {
  if (use?.confirm === undefined || row.userId === undefined) return [];
  return [["confirmed", { at: now, handle: use.id, userId: row.userId }]];
}

function sessionCookie(state: RequestState, id: string, secret: Secret): CookieInstruction {
  const { cookies, keys } = state.core.settings;
  return {
    definition: cookies.session,
    value: sessionCookieValue({ id, secret }, keys),
    maxAgeSeconds: undefined,
  };
}

function rememberCookie(
  state: RequestState,
  login: RememberedRow,
  token: Secret,
  now: number,
): CookieInstruction {
  const { cookies, keys } = state.core.settings;
  const { id, generation, absoluteDeadline } = login;
  return {
    definition: cookies.remember,
    value: rememberCookieValue({ id, generation, token }, keys),
    maxAgeSeconds: Math.max(1, Math.floor((absoluteDeadline - now) / 1000)),
  };
}

const hasRememberCookie = (state: RequestState): boolean => state.rememberCookie.kind !== "absent";

const originOf = ({ facts }: RequestState) => ({ address: facts.address, userAgent: facts.userAgent });

const nothing = (standing: Standing): Plan => ({ cookies: [], events: [], standing });

const told = <K extends EventName>(type: K, facts: PsessionEvents[K]): Told =>
  [type, facts] as unknown as Told;

function assertDeliverable(state: RequestState, what: string): void {
  if (state.standing.kind === "detached" && state.standing.why === "insecure") throw insecure();
  if (!state.canSetCookies) throw undeliverable(what);
}

function undeliverable(what: string): PsessionError {
  return new PsessionError(
    "headers_already_sent",
    `Could not ${what}: this response can carry no cookies, as its head was already sent. Do it before writing.`,
  );
}

function insecure(): PsessionError {
  return new PsessionError(
    "insecure_transport",
    "This request came over plain http, so its Secure cookies would be lost. Behind a proxy that speaks https, " +
      "trust it (Express: app.set('trust proxy', 1)); on localhost use dangerouslyAllowInsecureHttp.",
  );
}
