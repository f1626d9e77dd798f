import { TrackedData } from "../data/tracked-data.ts";
import { PsessionError } from "../errors.ts";
import {
  type CookieDefinition,
  type CookieInstruction,
  clearCookie,
  cookieValues,
  digested,
  type Presented,
  type PresentedRemember,
  type PresentedSession,
  readActingCookie,
  readRememberCookie,
  readSessionCookie,
  type SessionCookie,
} from "../http/cookies.ts";
import type { Settings } from "../options/settings.ts";
import {
  decideRemember,
  decideSession,
  type Moment,
  mayBeStray,
  type RememberDecision,
  withoutOverwriting,
} from "../protocol/decide.ts";
import { type EndedBecause, loginEnded, sessionEnded } from "../protocol/ended.ts";
import type { Outcome } from "../protocol/outcome.ts";
import { pendingOf } from "../protocol/pending.ts";
import { isPast, isSession } from "../protocol/rows.ts";
import { revoke } from "../stores/changes.ts";
import type { Misfit, Remembered, RememberedRow, SessionRow } from "../stores/store.ts";
import { warnOnce } from "../telemetry/warnings.ts";
import { openImpersonation } from "./acting.ts";
import { isPublic } from "./addresses.ts";
import { arrivalOf } from "./arrival.ts";
import { mismatchOf } from "./binding.ts";
import { boundByLogin, boundBySession, isUnproved } from "./bound.ts";
import { endTrust } from "./end-trust.ts";
import { originOf, type RequestFacts, tokenOf } from "./facts.ts";
import { loginInForce, sessionInForce } from "./limits.ts";
import { handleOf, handleOfLogin, tombstoneUntil } from "./rows.ts";
import {
  type BoundStanding,
  type Core,
  type Leaving,
  type RequestState,
  type Standing,
  sessionOf,
} from "./state.ts";

interface Opened {
  readonly standing: Standing;
  readonly outcome: Outcome;
  readonly clear?: readonly CookieInstruction[];
  /** The session is used from somewhere else than its row says. */
  readonly hasMoved?: boolean;
  readonly presented?: PresentedSession;
  readonly successor?: SessionCookie | undefined;
  /** The administrator's, where one acts as the session's user. */
  readonly host?: SessionRow;
  /** The key that the session is bound to. */
  readonly bound?: BoundStanding | undefined;
  /** And the one of the remember cookie's login, where that was read. */
  readonly keyOfLogin?: BoundStanding | "none";
  /** The row that the session cookie names with a replaced secret. */
  readonly outdated?: SessionRow;
  /** What a session that is made anew begins with. */
  readonly data?: string | undefined;
  /** Why the browser is not signed in any more, as far as its cookies may learn that. */
  readonly ended?: EndedBecause | undefined;
}

/**
 * Reads the rows and decides the case. Changes nothing, except that a theft is acted on at once. Every request
 * runs this: it awaits the store, and nothing else.
 */
export async function openRequest(core: Core, facts: RequestFacts): Promise<RequestState> {
  const { cookies, clock, keys, remember, store, times } = core.settings;
  const openedAt = clock.now();
  if (cookies.session.secure && !facts.secure) return openInsecure(core, facts, openedAt);
  try {
    const sessionCookie = readSessionCookie(facts.cookie, cookies.session.name, keys);
    const rememberCookie = readRememberCookie(facts.cookie, cookies.remember.name, keys);
    core.unknownKeys.note(sessionCookie, openedAt);
    core.unknownKeys.note(rememberCookie, openedAt);
    const garbage = [
      ...garbageIn(core, cookies.session, sessionCookie),
      ...garbageIn(core, cookies.remember, rememberCookie),
    ];

    const moment = { now: openedAt, arrivedAt: arrivalOf(facts, openedAt, times) };
    const asked = askedFor(sessionCookie, facts);
    const bySession =
      asked === undefined
        ? withoutCookie(sessionCookie, isWithheld(core, facts, rememberCookie))
        : decideOpened(core, facts, await store.findSession(asked.id), asked, sessionCookie, moment);
    // An anonymous session does not hide a remember cookie: it may have been made by a response that a sign-in
    // overtook, and the visitor would stay signed out.
    const found = sessionOf(bySession.standing);
    // Nor does a sign-in that waits for its second step end by the cookie of an earlier one.
    const hasUser = found?.userId !== undefined || (found && pendingOf(found, openedAt)) !== undefined;
    const isDecided = hasUser || bySession.outcome === "skew" || bySession.outcome === "unproved";
    if (rememberCookie.kind !== "valid" || !remember.enabled || isDecided) {
      const own = choose(bySession, undefined, sessionCookie, rememberCookie);
      const acting = readActingCookie(facts.cookie, cookies.acting.name, keys);
      const acts = acting.kind === "valid" && found?.userId !== undefined;
      const opened = acts ? await impersonated(core, facts, own, found, acting.cookie, moment) : own;
      return newState(core, facts, openedAt, rememberCookie, opened, [...garbage, ...(opened.clear ?? [])]);
    }
    const byRemember = await openRemembered(core, facts, rememberCookie.cookie, bySession.outdated, moment);
    const chosen = withDataOfHalf(choose(bySession, byRemember, sessionCookie, rememberCookie), found);
    const opened = withoutActing(core, facts, chosen, bySession.outcome);
    const left = opened === chosen ? [] : (opened.clear ?? []);
    const clear = [...garbage, ...(byRemember.clear ?? []), ...left];
    return newState(core, facts, openedAt, rememberCookie, opened, clear);
  } catch (error) {
    return openUnavailable(core, facts, openedAt, error);
  }
}

/** A remembered user who began to sign in again and gave up: what the session holds was theirs all along. */
function withDataOfHalf(opened: Opened, half: SessionRow | undefined): Opened {
  const { standing } = opened;
  if (standing.kind !== "remembered" || standing.session !== undefined) return opened;
  return half?.pendingUserId === standing.login.userId ? { ...opened, data: half.data } : opened;
}

/** For the policy of going on without a store that is down. */
function openUnavailable(core: Core, facts: RequestFacts, openedAt: number, error: unknown): RequestState {
  const { clock, whenUnavailable } = core.settings;
  const isOutage = error instanceof PsessionError && error.code === "store_unavailable";
  if (!isOutage || whenUnavailable === "refuse") throw error;
  core.events.emit("storeUnavailable", { at: clock.now(), error });
  const standing = { kind: "detached", why: "unavailable", error } as const;
  // A sign-in may still succeed, and then ends the login that this cookie belongs to.
  return newState(core, facts, openedAt, { kind: "absent" }, { standing, outcome: "unavailable" }, []);
}

/**
 * Emits that several cookies have one name, and returns what to clear. Only where none has the form of psession's:
 * clearing hits the cookie with psession's attributes, which may be the honest one.
 */
function garbageIn(
  { settings, events }: Core,
  definition: CookieDefinition,
  cookie: Presented<unknown>,
): CookieInstruction[] {
  if (cookie.kind !== "duplicate") return [];
  events.emit("duplicateCookies", { at: settings.clock.now(), name: definition.name });
  return cookie.looksRight ? [] : [clearCookie(definition)];
}

/** The session to be read: the cookie's, or the one that takes over another library's. */
function askedFor(
  cookie: Presented<PresentedSession>,
  { successor }: RequestFacts,
): PresentedSession | undefined {
  if (cookie.kind === "valid") return cookie.cookie;
  return successor === undefined ? undefined : digested(successor);
}

function withoutCookie({ kind }: Presented<PresentedSession>, isWithheld: boolean): Opened {
  const outcome = kind === "absent" || kind === "valid" ? "none" : kind;
  return { standing: isWithheld ? { kind: "detached", why: "cross_site" } : { kind: "none" }, outcome };
}

/**
 * Another site made the browser send this, so SameSite cookies were withheld: the browser may still have a session,
 * which a new one would overwrite.
 */
function isWithheld(
  { settings: { cookies } }: Core,
  { crossSite, safe, navigation, cookie }: RequestFacts,
  remember: Presented<PresentedRemember>,
): boolean {
  const { sameSite } = cookies.session;
  if (!crossSite || sameSite === "none" || remember.kind !== "absent") return false;
  const hasSession = cookieValues(cookie, cookies.session.name).length > 0;
  return !hasSession && (!safe || (sameSite === "strict" && navigation));
}

/**
 * The session in which somebody acted as another user is over, and a remember cookie brings the administrator back: a form
 * that was meant for the other one's account must not be carried out on the administrator's own.
 */
function withoutActing(core: Core, facts: RequestFacts, opened: Opened, outcome: Outcome): Opened {
  const { cookies, keys } = core.settings;
  if (opened.standing.kind !== "remembered") return opened;
  if (readActingCookie(facts.cookie, cookies.acting.name, keys).kind !== "valid") return opened;
  const clear = facts.navigation ? [clearCookie(cookies.acting)] : [];
  return facts.safe ? { ...opened, clear } : { standing: { kind: "detached", why: "ended" }, outcome, clear };
}

/** An administrator's session, or the one in which the administrator acts as another user. */
async function impersonated(
  core: Core,
  facts: RequestFacts,
  own: Opened,
  session: SessionRow,
  cookie: PresentedSession,
  moment: Moment,
): Promise<Opened> {
  const { cookies } = core.settings;
  const found = await openImpersonation(core, facts, session, cookie, moment);
  if (found === "replaced" || found === "skew")
    return { standing: { kind: "detached", why: found }, outcome: found };
  if (found === "over") {
    const clear = facts.navigation ? [clearCookie(cookies.acting)] : [];
    if (facts.safe) return { ...own, clear };
    // A form that was meant for the customer's account must not be carried out on the administrator's own.
    const leaving = own.presented && { row: session, secret: own.presented.digest };
    return { standing: { kind: "detached", why: "ended", leaving }, outcome: own.outcome, clear };
  }
  const { kind, acting, host, presented } = found;
  return { standing: { kind, session: acting }, outcome: own.outcome, presented, host, bound: own.bound };
}

function decideOpened(
  core: Core,
  facts: RequestFacts,
  read: SessionRow | undefined,
  presented: PresentedSession,
  cookie: Presented<PresentedSession>,
  moment: Moment,
): Opened {
  const { settings, events } = core;
  const { arrivedAt } = moment;
  const now = settings.clock.now();
  const row = sessionInForce(read, settings);
  if (cookie.kind !== "valid") {
    if (row === undefined) return { standing: { kind: "none" }, outcome: "none", successor: facts.successor };
    // The old cookie allows one takeover, shared by requests that came at the same time.
    if (now - row.createdAt > settings.times.grace) return { standing: { kind: "none" }, outcome: "none" };
  }
  if (row === undefined || !isSession(row)) return { standing: { kind: "none" }, outcome: "unknown" };
  const kind = decideSession(row, presented.digest, { now, arrivedAt }, settings.times);
  switch (kind) {
    case "live":
    case "previous": {
      const bound = boundBySession(core, facts, row, moment);
      if (isUnproved(bound)) return unproved(core, facts, bound);
      return inPlace(
        core,
        facts,
        { standing: { kind, session: row }, outcome: "live", presented, bound },
        row,
        now,
      );
    }
    case "replaced":
      return outdated(row, "replaced");
    case "retired": {
      // A copied cookie ends nothing without its proof.
      const isCopied = isUnproved(boundBySession(core, facts, row, moment));
      return outdated(row, "replaced", isCopied ? undefined : { row, secret: presented.digest });
    }
    case "future":
      events.emit("clockSkew", { at: now, handle: presented.id });
      return { standing: { kind: "detached", why: "skew" }, outcome: "skew" };
    case "dead":
      // The browser may have a newer cookie, and have held this request back: a new session would overwrite it.
      if (!isPast(row, now)) return outdated(row, "outdated");
      events.emit("expired", { at: now, handle: handleOf(row), userId: row.userId });
      return {
        standing: { kind: "none" },
        outcome: "expired",
        ended: sessionEnded(row, presented.digest, now),
      };
  }
}

/** `leaving`: the secret may still sign out. */
function outdated(row: SessionRow, why: "replaced" | "outdated", leaving?: Leaving): Opened {
  return { standing: { kind: "detached", why, leaving }, outcome: "replaced", outdated: row };
}

/** Refused, and nothing has ended: its browser may refresh the proof, or sign in anew. */
function unproved(core: Core, facts: RequestFacts, bound: BoundStanding): Opened {
  const { cookies } = core.settings;
  // A browser proves nothing anew while it has that cookie, by its own clock or a policy of before.
  const isKept = cookieValues(facts.cookie, cookies.bound.name).length > 0;
  const clear = isKept ? [clearCookie(cookies.bound)] : [];
  const ended = { code: "key", at: undefined } as const;
  return { standing: { kind: "detached", why: "unproved" }, outcome: "unproved", bound, ended, clear };
}

/** Where the options bind sessions to where they came from. */
function inPlace(core: Core, facts: RequestFacts, opened: Opened, row: SessionRow, now: number): Opened {
  const mismatch = mismatchOf(row, facts, core.settings.session);
  if (mismatch === undefined) return opened;
  core.events.emit("moved", {
    at: now,
    sessionId: row.id,
    userId: row.userId ?? row.pendingUserId,
    what: mismatch,
    request: originOf(facts),
    before: originOf(row),
  });
  // The row lives, and so does its cookie: a new session would overwrite it.
  if (core.settings.session.onMismatch === "refuse")
    return { standing: { kind: "detached", why: "moved" }, outcome: "moved" };
  return { ...opened, hasMoved: true };
}

async function openRemembered(
  core: Core,
  facts: RequestFacts,
  cookie: PresentedRemember,
  outdatedRow: SessionRow | undefined,
  moment: Moment,
): Promise<Opened> {
  const { arrivedAt } = moment;
  const { settings, events } = core;
  const { store, times, clock, cookies } = settings;
  const found = await store.findRemembered(cookie.id);
  const now = clock.now();
  const presented = { generation: cookie.generation, token: cookie.digest };
  const login = loginInForce(found?.login, settings);
  const session = sessionInForce(found?.session, settings);
  const decided = decideRemember(login, presented, { now, arrivedAt }, times);
  const decision = isHeldBack(session, outdatedRow, now, core)
    ? withoutExchange(decided)
    : withoutOverwriting(decided, session, arrivedAt, times);

  const none = (outcome: Outcome, clears = false): Opened => ({
    standing: { kind: "none" },
    outcome,
    // What is past its time by a wrong clock is not.
    clear: clears && facts.navigation && core.clocks.isRightAt(now) ? [clearCookie(cookies.remember)] : [],
  });
  if (decision.kind === "ended" || found === undefined || login === undefined) {
    const { why, clear } = decision.kind === "ended" ? decision : ({ why: "unknown", clear: true } as const);
    if (why === "expired" && login !== undefined) {
      events.emit("expired", { at: now, handle: handleOfLogin(login), userId: login.userId });
    }
    return { ...none(why, clear), ended: login && loginEnded(login, cookie.digest, now) };
  }
  switch (decision.kind) {
    case "theft":
      if (mayBeStray(login, presented, now, times) && (await countedAsStray(core, facts, found, cookie, now)))
        return { standing: { kind: "detached", why: "stray" }, outcome: "stray" };
      await endStolen(core, facts, found, cookie, now);
      return none("theft");
    case "ahead":
    case "forked":
      // Where the primary refuses the end, the read here was stale: nothing has ended, and the cookie is the newer one.
      return (await endMisfit(core, decision.kind, found, cookie, now))
        ? none(decision.kind, true)
        : { standing: { kind: "detached", why: "ended" }, outcome: decision.kind };
    case "future":
      events.emit("clockSkew", { at: now, handle: handleOfLogin(login) });
      return { standing: { kind: "detached", why: "skew" }, outcome: "skew" };
    default: {
      const bound = await boundByLogin(core, facts, login, session, moment);
      if (isUnproved(bound)) return unproved(core, facts, bound);
      const exchanges = decision.kind === "rotate" || decision.kind === "recover";
      if (exchanges && facts.ahead === "prefetch") throw fetchedAhead();
      const isSpared = !facts.canSetCookies || (exchanges && facts.ahead === "head");
      const effect = isSpared ? "accept" : decision.kind;
      if (effect !== decision.kind && decision.kind !== "converge") {
        events.emit("rotationDeferred", {
          at: now,
          sessionId: session?.id,
          userId: login.userId,
          handle: handleOfLogin(login),
          what: "restore",
        });
      }
      return {
        standing: { kind: "remembered", effect, login, session, presented: cookie },
        outcome: outcomeOf(effect),
        bound,
      };
    }
  }
}

/**
 * Served without an exchange, a thief could read every page by a copied token and never be noticed; served as anonymous,
 * a remembered user would see that page. An error makes the browser drop what it fetched, and ask when it is wanted.
 */
const fetchedAhead = (): PsessionError =>
  new PsessionError(
    "fetched_ahead",
    "A browser prefetched this page, and restoring its remembered user takes a token exchange: it must request the " +
      "page again when the user opens it.",
    { status: 503 },
  );

/**
 * The request presents the secret that a confirmed password replaced a while ago, beside the current token: the browser
 * had held it back. An exchange would take the session that the password had raised, and give it to this answer.
 */
function isHeldBack(
  session: SessionRow | undefined,
  outdatedRow: SessionRow | undefined,
  now: number,
  { settings: { times } }: Core,
): boolean {
  return (
    session !== undefined &&
    session.id === outdatedRow?.id &&
    session.level === "login" &&
    // A renewal proves nothing: a thief who took the session by one loses it as soon as the browser comes.
    session.beganAt === session.secretAt &&
    now - session.secretAt <= times.queue &&
    !isPast(session, now)
  );
}

const withoutExchange = (decision: RememberDecision): RememberDecision =>
  decision.kind === "rotate" || decision.kind === "recover" ? { kind: "accept" } : decision;

/** How often a login's old token may count as one that the browser held back. */
const MOST_STRAYS = 3;

/**
 * Only from where the login is used, as far as that says anything: an address that many share, or that a proxy may have
 * put there, does not distinguish the browser from a thief.
 */
async function countedAsStray(
  { settings, events }: Core,
  { address, userAgent, forwarded }: RequestFacts,
  { login, session }: Remembered,
  cookie: PresentedRemember,
  now: number,
): Promise<boolean> {
  const isFromThere =
    session !== undefined &&
    address !== undefined &&
    userAgent !== undefined &&
    !forwarded &&
    isPublic(address) &&
    session.address === address &&
    session.userAgent === userAgent;
  if (!isFromThere) return false;
  const { id, generation, userId } = login;
  if (!(await countStray(settings, login))) return false;
  events.emit("stray", {
    at: now,
    handle: id,
    userId,
    generation,
    presentedGeneration: cookie.generation,
    request: { address, userAgent },
  });
  return true;
}

/** The browser may come back and rotate during the count: a token that was a stray when read still is one. */
async function countStray(
  { store }: Pick<Settings, "store">,
  { id, generation }: RememberedRow,
): Promise<boolean> {
  const { done } = await store.apply({ kind: "stray", stray: { id, generation, max: MOST_STRAYS } });
  if (done) return true;
  const login = (await store.findRemembered(id))?.login;
  if (login === undefined || login.revokedAt !== undefined) return true;
  return login.generation !== generation && countStray({ store }, login);
}

/** Only that login, whatever `remember.onTheft` says: this is no theft. False where it did not have to end. */
async function endMisfit(
  { settings, events }: Core,
  kind: Misfit["kind"] | "ahead",
  { login }: Remembered,
  { generation, digest: token }: PresentedRemember,
  now: number,
): Promise<boolean> {
  const isBehind = kind === "ahead";
  const result = await settings.store.apply({
    kind: "end",
    end: [
      {
        login: {
          id: login.id,
          misfit: isBehind ? { kind: "behind", generation } : { kind: "forked", generation, token },
        },
        reason: isBehind ? "stale" : "forked",
        at: now,
        pruneAfter: tombstoneUntil(now, settings),
      },
    ],
  });
  const hasEnded = result.done && result.ended.length > 0;
  events.emit(isBehind ? "generationAhead" : "forked", {
    at: now,
    handle: handleOfLogin(login),
    userId: login.userId,
    generation: login.generation,
    presentedGeneration: generation,
    hasEnded,
  });
  return hasEnded;
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
  const keyOfLogin = byRemember.bound ?? "none";
  if (byRemember.standing.kind === "remembered") return { ...byRemember, keyOfLogin };
  // With a dead session cookie, the outcome of the remember cookie says more.
  const ended = byRemember.ended ?? bySession.ended;
  if (bySession.standing.kind === "none" || sessionCookie.kind !== "valid")
    return { ...byRemember, ended, keyOfLogin };
  return { ...bySession, outcome: byRemember.outcome, ended, keyOfLogin };
}

async function endStolen(
  core: Core,
  facts: RequestFacts,
  { login, session }: Remembered,
  cookie: PresentedRemember,
  now: number,
): Promise<void> {
  const { settings, events } = core;
  // The thief may have copied that cookie as well. First: where it fails, the next request with the token does it.
  await endTrust(core, login.userId, "theft");
  const whom = settings.remember.onTheft === "user" ? { userId: login.userId } : { handle: login.id };
  const ended = await revoke(settings.store, {
    ...whom,
    reason: "theft",
    at: now,
    pruneAfter: tombstoneUntil(now, settings),
  });
  // And that of a request that was under way until its session ended just now.
  await endTrust(core, login.userId, "theft");
  // Of several requests that notice at once, the one that ended it emits the event.
  if (!ended.some((device) => device.rememberedId === login.id)) return;
  events.emit("theft", {
    at: now,
    handle: handleOfLogin(login),
    userId: login.userId,
    by: "token",
    generation: login.generation,
    presentedGeneration: cookie.generation,
    request: originOf(facts),
    lastUsed: { at: login.lastUsedAt, address: session?.address, userAgent: session?.userAgent },
    endedLogins: ended.length,
  });
}

/** Secure cookies over plain http: usually a proxy missing from the trusted ones. Silence here has cost people days. */
function openInsecure(core: Core, facts: RequestFacts, openedAt: number): RequestState {
  core.events.emit("insecureTransport", { at: openedAt });
  warnOnce(
    "PSESSION_INSECURE_TRANSPORT",
    "A request came over plain http, so it has no session: psession's cookies are Secure. Behind a proxy " +
      "that speaks https, trust it (Express: app.set('trust proxy', 1); elsewhere trustProxy: true).",
  );
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
  const { codec, session, times } = core.settings;
  const { standing } = opened;
  return {
    core,
    facts,
    request: tokenOf(facts),
    rememberCookie,
    outcome: opened.outcome,
    ended: opened.ended,
    openedAt,
    arrivedAt: arrivalOf(facts, openedAt, times),
    isWithheld: isWithheld(core, facts, rememberCookie),
    standing,
    life: undefined,
    presented: opened.presented,
    successor: opened.successor,
    data: new TrackedData(codec, session.maxBytes, sessionOf(standing)?.data ?? opened.data),
    intent: { kind: "keep" },
    checkpoint: undefined,
    drawnId: undefined,
    destroyed: false,
    canSetCookies: facts.canSetCookies,
    stale: clear,
    hasDiscarded: false,
    isLookedAt: false,
    isGuarded: false,
    isPersonal: false,
    host: opened.host,
    use: facts.passive === true ? "none" : "counts",
    trust: undefined,
    turn: undefined,
    rerun: undefined,
    bound: opened.bound,
    hasProved: false,
    isAboutKey: facts.isNoted === true,
    keyOfLogin: opened.keyOfLogin,
    hasMoved: opened.hasMoved ?? false,
    lock: undefined,
    csrf: undefined,
    states: new Set(),
    flash: undefined,
    onUseAfterHead: undefined,
    cookies: new Map(),
  };
}

function outcomeOf(effect: "rotate" | "recover" | "converge" | "accept"): Outcome {
  return ({ rotate: "restored", recover: "recovered", converge: "converged", accept: "accepted" } as const)[
    effect
  ];
}
