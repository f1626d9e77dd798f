import { SessionData } from "../data/session-data.ts";
import { PsessionError } from "../errors.ts";
import {
  type CookieDefinition,
  type CookieInstruction,
  clearCookie,
  digested,
  type Presented,
  type PresentedRemember,
  type PresentedSession,
  readRememberCookie,
  readSessionCookie,
  type SessionCookie,
} from "../http/cookies.ts";
import { decideRemember, decideSession, withoutOverwriting } from "../remember/decide.ts";
import type { Remembered, SessionRow } from "../stores/store.ts";
import { warn } from "../warnings.ts";
import { mismatchOf } from "./binding.ts";
import type { RequestFacts } from "./facts.ts";
import { handleOf, tombstoneUntil } from "./rows.ts";
import { type Core, type Outcome, type RequestState, type Standing, sessionOf } from "./state.ts";

interface Opened {
  readonly standing: Standing;
  readonly outcome: Outcome;
  readonly clear?: readonly CookieInstruction[];
  /** The session is used from somewhere else than its row says. */
  readonly hasMoved?: boolean;
  readonly presented?: PresentedSession;
  readonly successor?: SessionCookie | undefined;
}

/**
 * Reads the rows and decides the case. Nothing is changed here but for a theft, which is acted on at once. Every request
 * comes by here: it awaits the store, and nothing else.
 */
export async function openRequest(core: Core, facts: RequestFacts): Promise<RequestState> {
  const { cookies, clock, keys, remember, store } = core.settings;
  const openedAt = clock.now();
  if (cookies.session.secure && !facts.secure) return openInsecure(core, facts, openedAt);
  try {
    const sessionCookie = readSessionCookie(facts.cookie, cookies.session.name, keys);
    const rememberCookie = readRememberCookie(facts.cookie, cookies.remember.name, keys);
    const duplicates: CookieInstruction[] = [];
    if (sessionCookie.kind === "duplicate") duplicates.push(clearDuplicate(core, cookies.session));
    if (rememberCookie.kind === "duplicate") duplicates.push(clearDuplicate(core, cookies.remember));

    const asked = askedFor(sessionCookie, facts);
    const bySession =
      asked === undefined
        ? withoutCookie(sessionCookie)
        : decideOpened(core, facts, await store.findSession(asked.id), asked, sessionCookie);
    // An anonymous session does not hide a remember cookie: it may have been made by a response that a sign-in
    // overtook, and the visitor would stay signed out.
    const hasUser = sessionOf(bySession.standing)?.userId !== undefined;
    if (rememberCookie.kind !== "valid" || !remember.enabled || hasUser || bySession.outcome === "skew") {
      const opened = choose(bySession, undefined, sessionCookie, rememberCookie);
      return newState(core, facts, openedAt, rememberCookie, opened, duplicates);
    }
    const byRemember = await openRemembered(core, facts, rememberCookie.cookie);
    const opened = choose(bySession, byRemember, sessionCookie, rememberCookie);
    const stale = [...duplicates, ...(byRemember.clear ?? [])];
    return newState(core, facts, openedAt, rememberCookie, opened, stale);
  } catch (error) {
    return openUnavailable(core, facts, openedAt, error);
  }
}

/** Where the policy for a store that is down is to go on without it. */
function openUnavailable(core: Core, facts: RequestFacts, openedAt: number, error: unknown): RequestState {
  const { clock, whenUnavailable } = core.settings;
  const isOutage = error instanceof PsessionError && error.code === "store_unavailable";
  if (!isOutage || whenUnavailable === "refuse") throw error;
  core.events.emit("storeUnavailable", { at: clock.now(), error });
  const standing = { kind: "detached", why: "unavailable", error } as const;
  // A sign-in may still succeed, and then ends the login that this cookie belongs to.
  return newState(core, facts, openedAt, { kind: "absent" }, { standing, outcome: "unavailable" }, []);
}

function clearDuplicate({ settings, events }: Core, definition: CookieDefinition): CookieInstruction {
  events.emit("duplicateCookies", { at: settings.clock.now(), name: definition.name });
  return clearCookie(definition);
}

/** The session to be read: the cookie's, or the one that takes another library's over. */
function askedFor(
  cookie: Presented<PresentedSession>,
  { successor }: RequestFacts,
): PresentedSession | undefined {
  if (cookie.kind === "valid") return cookie.cookie;
  return successor === undefined ? undefined : digested(successor);
}

const withoutCookie = ({ kind }: Presented<PresentedSession>): Opened => ({
  standing: { kind: "none" },
  outcome: kind === "absent" || kind === "valid" ? "none" : kind,
});

function decideOpened(
  core: Core,
  facts: RequestFacts,
  row: SessionRow | undefined,
  presented: PresentedSession,
  cookie: Presented<PresentedSession>,
): Opened {
  const { settings, events } = core;
  const now = settings.clock.now();
  if (cookie.kind !== "valid") {
    if (row === undefined) return { standing: { kind: "none" }, outcome: "none", successor: facts.successor };
    // The old cookie is good for one takeover, and for those who came at the same time.
    if (now - row.createdAt > settings.times.grace) return { standing: { kind: "none" }, outcome: "none" };
  }
  const standing = decideSession(row, presented.digest, now, settings.times);
  switch (standing) {
    case "live":
    case "late":
      // Both stand on a row: without one they are not decided.
      return row === undefined
        ? { standing: { kind: "none" }, outcome: "unknown" }
        : bound(
            core,
            facts,
            { standing: { kind: standing, session: row }, outcome: "live", presented },
            row,
            now,
          );
    case "replaced":
      return { standing: { kind: "detached", why: "replaced" }, outcome: "replaced" };
    case "future":
      events.emit("clockSkew", { at: now, handle: presented.id });
      return { standing: { kind: "detached", why: "skew" }, outcome: "skew" };
    case "dead":
      if (row === undefined) return { standing: { kind: "none" }, outcome: "unknown" };
      if (now <= Math.min(row.idleDeadline, row.absoluteDeadline)) {
        return { standing: { kind: "none" }, outcome: "replaced" };
      }
      events.emit("expired", { at: now, handle: handleOf(row), userId: row.userId });
      return { standing: { kind: "none" }, outcome: "expired" };
  }
}

/** Where the options bind sessions to where they came from. */
function bound(core: Core, facts: RequestFacts, opened: Opened, row: SessionRow, now: number): Opened {
  const mismatch = mismatchOf(row, facts, core.settings.session);
  if (mismatch === undefined) return opened;
  const { address, userAgent } = facts;
  core.events.emit("moved", {
    at: now,
    sessionId: row.id,
    userId: row.userId,
    what: mismatch,
    request: { address, userAgent },
    before: { address: row.address, userAgent: row.userAgent },
  });
  if (core.settings.session.onMismatch === "refuse") return { standing: { kind: "none" }, outcome: "moved" };
  return { ...opened, hasMoved: true };
}

async function openRemembered(core: Core, facts: RequestFacts, cookie: PresentedRemember): Promise<Opened> {
  const { settings, events } = core;
  const { store, times, clock, cookies } = settings;
  const found = await store.findRemembered(cookie.id);
  const now = clock.now();
  const decision = withoutOverwriting(
    decideRemember(found?.login, { generation: cookie.generation, token: cookie.digest }, now, times),
    found?.session,
    now,
    times,
  );

  const none = (outcome: Outcome, clears = false): Opened => ({
    standing: { kind: "none" },
    outcome,
    clear: clears && facts.navigation ? [clearCookie(cookies.remember)] : [],
  });
  if (decision.kind === "ended" || found === undefined) {
    const { why, clear } = decision.kind === "ended" ? decision : ({ why: "unknown", clear: true } as const);
    if (why === "expired" && found !== undefined) {
      events.emit("expired", { at: now, handle: found.login.id, userId: found.login.userId });
    }
    return none(why, clear);
  }
  const { login, session } = found;
  switch (decision.kind) {
    case "theft":
      await endStolen(core, facts, found, cookie, now);
      return none("theft");
    case "ahead":
      events.emit("generationAhead", {
        at: now,
        handle: login.id,
        userId: login.userId,
        generation: login.generation,
        presentedGeneration: cookie.generation,
      });
      return none("ahead", true);
    case "future":
      events.emit("clockSkew", { at: now, handle: login.id });
      return { standing: { kind: "detached", why: "skew" }, outcome: "skew" };
    default: {
      const effect = facts.canSetCookies ? decision.kind : "accept";
      return {
        standing: { kind: "remembered", effect, login, session, presented: cookie },
        outcome: outcomeOf(effect),
      };
    }
  }
}

/** The remember cookie counts where it brings a user back; otherwise the session cookie's standing stays. */
function choose(
  bySession: Opened,
  byRemember: Opened | undefined,
  sessionCookie: Presented<PresentedSession>,
  rememberCookie: Presented<PresentedRemember>,
): Opened {
  if (byRemember === undefined) {
    const isOdd = rememberCookie.kind === "malformed" || rememberCookie.kind === "duplicate";
    return isOdd && bySession.outcome === "none" ? { ...bySession, outcome: rememberCookie.kind } : bySession;
  }
  if (byRemember.standing.kind === "remembered") return byRemember;
  // With a dead session cookie, what became of the remembered login is the better answer.
  if (bySession.standing.kind === "none" || sessionCookie.kind !== "valid") return byRemember;
  return { ...bySession, outcome: byRemember.outcome };
}

async function endStolen(
  core: Core,
  facts: RequestFacts,
  { login, session }: Remembered,
  cookie: PresentedRemember,
  now: number,
): Promise<void> {
  const { settings, events } = core;
  const whom = settings.remember.onTheft === "user" ? { userId: login.userId } : { handle: login.id };
  const ended = await settings.store.end({
    ...whom,
    reason: "theft",
    at: now,
    pruneAfter: tombstoneUntil(now, settings),
  });
  // Of several requests that notice at once, the one that ended it tells.
  if (!ended.some((device) => device.rememberedId === login.id)) return;
  events.emit("theft", {
    at: now,
    handle: login.id,
    userId: login.userId,
    generation: login.generation,
    presentedGeneration: cookie.generation,
    request: { address: facts.address, userAgent: facts.userAgent },
    lastUsed: { at: login.lastUsedAt, address: session?.address, userAgent: session?.userAgent },
    endedLogins: ended.length,
  });
}

let warnedOfTransport = false;

/** Secure cookies over plain http: usually a proxy that nobody trusted. Silence here has cost people days. */
function openInsecure(core: Core, facts: RequestFacts, openedAt: number): RequestState {
  core.events.emit("insecureTransport", { at: openedAt });
  if (!warnedOfTransport) {
    warnedOfTransport = true;
    warn(
      "PSESSION_INSECURE_TRANSPORT",
      "A request came over plain http, so it has no session: psession's cookies are Secure. Behind a proxy " +
        "that speaks https, trust it (Express: app.set('trust proxy', 1); elsewhere trustProxy: true).",
    );
  }
  const opened: Opened = { standing: { kind: "detached", why: "insecure" }, outcome: "insecure" };
  return newState(core, facts, openedAt, { kind: "absent" }, opened, []);
}

function newState(
  core: Core,
  facts: RequestFacts,
  openedAt: number,
  rememberCookie: Presented<PresentedRemember>,
  opened: Opened,
  clear: readonly CookieInstruction[],
): RequestState {
  const { codec, session } = core.settings;
  const { standing } = opened;
  return {
    core,
    facts,
    rememberCookie,
    outcome: opened.outcome,
    openedAt,
    standing,
    life: undefined,
    presented: opened.presented,
    successor: opened.successor,
    data: new SessionData(codec, session.maxBytes, sessionOf(standing)?.data),
    intent: { kind: "keep" },
    drawnId: undefined,
    destroyed: false,
    canSetCookies: facts.canSetCookies,
    stale: clear,
    hasDiscarded: false,
    turn: undefined,
    rerun: undefined,
    hasMoved: opened.hasMoved ?? false,
    lock: undefined,
    flash: undefined,
    onLateUse: undefined,
    cookies: new Map(),
  };
}

function outcomeOf(effect: "rotate" | "recover" | "converge" | "accept"): Outcome {
  return ({ rotate: "restored", recover: "recovered", converge: "converged", accept: "accepted" } as const)[
    effect
  ];
}
