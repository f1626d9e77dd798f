import { type Duration, parseDuration } from "../checks/duration.ts";
import { PsessionError } from "../errors.ts";
import { candidatesIn } from "../http/cookies.ts";
import type { KeyRegistration } from "../http/settlement.ts";
import type { Settings } from "../options/settings.ts";
import {
  boundIdOf,
  isConfirmedRecord,
  isOffer,
  newOffer,
  readBound,
  readBoundCookie,
  readRecord,
} from "../protocol/bound.ts";
import type { Moment } from "../protocol/decide.ts";
import type { RememberedRow, SessionRow } from "../stores/store.ts";
import { originOf, type RequestFacts } from "./facts.ts";
import { handleOf, handleOfLogin } from "./rows.ts";
import {
  type BoundStanding,
  type Core,
  identityOf,
  isSignIn,
  type RequestState,
  sessionOf,
} from "./state.ts";

/** Whether the long cookie alone came, which opens nothing any more. */
export const isUnproved = (bound: BoundStanding | undefined): bound is BoundStanding =>
  bound !== undefined && bound.provedAt === undefined && !bound.isEarly;

/** Whose cookie came alone: the session's, or the remember cookie's beside a session that the request stands on. */
export function unprovedIn({ bound, keyOfLogin }: RequestState): BoundStanding | undefined {
  if (isUnproved(bound)) return bound;
  return keyOfLogin !== "none" && isUnproved(keyOfLogin) ? keyOfLogin : undefined;
}

/** By the session's own row; asks the store nothing. */
export function boundBySession(
  { settings }: Core,
  facts: RequestFacts,
  row: SessionRow,
  moment: Moment,
): BoundStanding | undefined {
  if (settings.deviceBound === undefined || row.bound === undefined) return undefined;
  const bound = readBound(row.bound);
  const { id: rowId, userId, rememberedId: loginId } = row;
  const device = { userId, rowId, loginId, handle: handleOf(row) };
  return bound && standing(settings, facts, { ...bound, ...device }, moment);
}

/** By the row of a login's session, or by the record of the login's key where that row was lost. */
export async function boundByLogin(
  core: Core,
  facts: RequestFacts,
  login: RememberedRow,
  session: SessionRow | undefined,
  moment: Moment,
): Promise<BoundStanding | undefined> {
  const { settings } = core;
  if (settings.deviceBound === undefined) return undefined;
  if (session !== undefined) return boundBySession(core, facts, session, moment);
  const handle = handleOfLogin(login);
  const record = await settings.store.findSession(boundIdOf(handle));
  if (record?.level !== "binding") return undefined;
  const { id, createdAt: at } = record;
  const isConfirmed = isConfirmedRecord(readRecord(record.data));
  const device = { userId: login.userId, rowId: login.id, loginId: login.id, handle };
  return standing(settings, facts, { id, at, isConfirmed, ...device }, moment);
}

function standing(
  settings: Settings,
  facts: RequestFacts,
  bound: Omit<BoundStanding, "isEarly" | "provedAt">,
  { arrivedAt }: Moment,
): BoundStanding {
  const { times } = settings;
  const isEarly = !bound.isConfirmed || arrivedAt <= bound.at + times.grace;
  return { ...bound, isEarly, provedAt: provedAt(settings, facts.cookie, bound.id, arrivedAt) };
}

/**
 * When the browser last proved the key of this record, by the short cookie. It counts until its own end, also where a newer
 * one was made meanwhile, and for what was sent before that end.
 */
function provedAt(
  { cookies, keys, deviceBound, times }: Settings,
  header: string | undefined,
  id: string,
  arrivedAt: number,
): number | undefined {
  let latest: number | undefined;
  // Any of several: one of another session, or tossed in by a subdomain, proves nothing and takes nothing away.
  for (const value of candidatesIn(header, cookies.bound.name) ?? []) {
    const proof = readBoundCookie(value, keys);
    if (proof === undefined || proof.id !== id || deviceBound === undefined) continue;
    // By today's options, where these are shorter.
    const until = Math.min(proof.until, proof.at + deviceBound.lifetime + times.delivery);
    const isInTime = arrivedAt <= until + times.skew && proof.at <= arrivedAt + times.skew + times.arrival;
    if (isInTime) latest = Math.max(latest ?? 0, proof.at);
  }
  return latest;
}

/** For a session's row that is made anew: by a proof, its browser has the short cookie. */
export const boundAnew = ({ bound }: RequestState): BoundStanding | undefined =>
  bound && { ...bound, isConfirmed: bound.isConfirmed || bound.provedAt !== undefined };

/** What events about a key say. `session`: where no key is registered. */
export const ofKey = (
  { core, facts }: RequestState,
  bound: BoundStanding | undefined,
  session?: Pick<SessionRow, "id" | "userId" | "rememberedId" | "handle">,
) => ({
  at: core.settings.clock.now(),
  bindingId: bound?.id,
  handle: bound?.handle ?? (session && handleOf(session)),
  userId: bound?.userId ?? session?.userId,
  request: originOf(facts),
});

/** Of the session at hand: none where a sign-in of this request takes its place. */
export function keyProvedAt({ standing, intent, bound }: RequestState): number | undefined {
  const isLeft = isSignIn(intent) || intent.kind === "logout" || standing.kind === "detached";
  const session = sessionOf(standing);
  const isBound = session === undefined ? standing.kind === "remembered" : session.bound !== undefined;
  return !isLeft && isBound ? bound?.provedAt : undefined;
}

export function isKeyProved(state: RequestState, options: { readonly within: Duration }): boolean {
  const limit = parseDuration((options as { within?: unknown } | null | undefined)?.within as Duration);
  if (limit === undefined)
    throw new PsessionError(
      "invalid_options",
      'isKeyProved: within must be a duration, such as 60000 or "1m".',
    );
  const at = keyProvedAt(state);
  return at !== undefined && state.core.settings.clock.now() - at <= limit;
}

/**
 * The header that asks the browser for a key: with the answer to a sign-in or to a confirmed credential, and with no other.
 * Whoever holds a copied cookie must never be asked (CWE-384).
 */
export function registrationOf(state: RequestState): KeyRegistration | undefined {
  const { clock, keys } = state.core.settings;
  const session = state.hasProved ? unboundIn(state) : undefined;
  if (session === undefined) return undefined;
  return askingBy(state, newOffer({ sessionId: session.id, fence: session.fence }, clock.now(), keys));
}

/** The same with a later answer, for the browser that shows the challenge which the answer to its sign-in has carried. */
export function registrationBy(state: RequestState, challenge: string): KeyRegistration | undefined {
  const { clock, keys, times } = state.core.settings;
  const session = unboundIn(state);
  if (session === undefined) return undefined;
  const { id: sessionId, fence } = session;
  const isOurs = isOffer(challenge, { sessionId, fence }, { now: clock.now(), skew: times.skew }, keys);
  return isOurs ? askingBy(state, challenge) : undefined;
}

/** The session of somebody who has signed in, and whose browser may be asked for a key. */
function unboundIn(state: RequestState): SessionRow | undefined {
  const { core, standing, facts, host } = state;
  if (core.settings.deviceBound === undefined || host !== undefined || !facts.secure) return undefined;
  const session = sessionOf(standing);
  const isUnbound = session !== undefined && session.bound === undefined;
  return isUnbound && identityOf(state).level === "login" ? session : undefined;
}

const askingBy = ({ core: { settings } }: RequestState, challenge: string): KeyRegistration => ({
  path: `${settings.deviceBound?.path}/register`,
  challenge,
});
