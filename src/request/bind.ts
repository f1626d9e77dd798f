import type { PsessionEvents } from "../events.ts";
import { clearCookie } from "../http/cookies.ts";
import {
  type BoundKey,
  type BoundRecord,
  boundCookieValue,
  boundIdOf,
  isOffer,
  newChallenge,
  readBound,
  readRecord,
  writeBound,
  writeRecord,
} from "../protocol/bound.ts";
import { isPast } from "../protocol/rows.ts";
import { newSecret, newSiblingId } from "../protocol/secrets.ts";
import { revoke } from "../stores/changes.ts";
import type { SessionRow } from "../stores/store.ts";
import { isUnproved, ofKey } from "./bound.ts";
import { sendCookie } from "./commit.ts";
import { endTrust } from "./end-trust.ts";
import { originOf } from "./facts.ts";
import { MOST_ATTEMPTS } from "./latest.ts";
import { bePassive } from "./lifetime.ts";
import { sessionInForce } from "./limits.ts";
import { updated } from "./plan/parts.ts";
import { readKeyOfLogin } from "./remember-key.ts";
import { endingOf, handleOf, newSessionRow, tombstoneUntil } from "./rows.ts";
import {
  ANONYMOUS,
  type BoundStanding,
  type Core,
  type RequestState,
  sessionOf,
  type Writing,
} from "./state.ts";

/* Keys of device-bound sessions: their registration, and the proofs that refresh the short cookie. */

type State = Writing<"use" | "isAboutKey" | "keyOfLogin">;

/** How proofs are read: `http/key-proofs.ts`, which is loaded with the first of them. */
export interface ReadsProofs {
  readRegistration(
    proof: string,
  ): Promise<{ readonly key: BoundKey; readonly challenge: string } | undefined>;
  readProof(proof: string, key: BoundKey): Promise<{ readonly challenge: string } | "forged" | undefined>;
  isSameKey(one: BoundKey, other: BoundKey): boolean;
}

/**
 * What the browser is told. `bound`: its short cookie comes with the answer; `challenge` is what it signs next, where it may
 * know that ahead. `challenged`: it is to sign that first. `over`: there is no such session any more. `later`: that cannot
 * be said now.
 */
export type BindResult =
  | { readonly kind: "bound"; readonly id: string; readonly challenge: string | undefined }
  | { readonly kind: "challenged"; readonly id: string; readonly challenge: string }
  | { readonly kind: "refused" | "later" }
  | { readonly kind: "over"; readonly id: string | undefined };

const REFUSED = { kind: "refused" } as const;
const LATER = { kind: "later" } as const;

/**
 * Binds the session that has just been signed in to the browser's key: once, and only for the challenge that the answer to
 * the sign-in carried.
 */
export async function register(
  state: State,
  proof: string | undefined,
  reads: ReadsProofs,
): Promise<BindResult> {
  bePassive(state);
  state.isAboutKey = true;
  const { settings, events } = state.core;
  const session = sessionOf(state.standing);
  const isHere = state.standing.kind === "live" || state.standing.kind === "previous";
  const refuse = (): BindResult => {
    refused(state, "registration", state.bound, session);
    return REFUSED;
  };
  if (session?.userId === undefined || !isHere || state.host !== undefined || session.level !== "login")
    return refuse();
  const read = proof === undefined ? undefined : await reads.readRegistration(proof);
  if (read === undefined) return refuse();
  const { id: sessionId, fence, userId } = session;
  const moment = { now: settings.clock.now(), skew: settings.times.skew };
  if (!isOffer(read.challenge, { sessionId, fence }, moment, settings.keys)) return refuse();
  const record = await recorded(state, session, read.key, reads);
  if (record === undefined || !(await marked(state, session, record))) return refuse();
  if (!(await settled(state, record))) return refuse();
  prove(state, record, settings.clock.now());
  if (session.bound === undefined)
    events.emit("bound", {
      at: moment.now,
      sessionId,
      userId,
      handle: handleOf(session),
      bindingId: record.id,
      algorithm: read.key.alg,
      request: originOf(state.facts),
    });
  // Chromium takes a challenge with this answer for an error.
  return { kind: "bound", id: record.id, challenge: undefined };
}

/**
 * The record of this key: a new one, or the one that this registration made before its answer was lost. It takes the place
 * of one that no session counts with: a registration that broke off would keep this login unbound for ever.
 */
async function recorded(
  state: RequestState,
  session: SessionRow,
  key: BoundKey,
  reads: ReadsProofs,
): Promise<SessionRow | undefined> {
  const { store } = state.core.settings;
  const known = readBound(session.bound)?.id;
  const fresh = newRecord(state, session, key);
  if (known === undefined && (await store.apply({ kind: "create", insert: fresh })).done) return fresh;
  const found = await store.findSession(known ?? fresh.id);
  if (found?.level !== "binding") return undefined;
  const record = readRecord(found.data);
  if (reads.isSameKey(record, key)) return found;
  if (known !== undefined || record.isMarked === true) return undefined;
  const { id, version } = found;
  const update = { id, version, owner: undefined, set: { data: fresh.data } };
  return (await store.apply({ kind: "save", update })).done ? updated(found, update) : undefined;
}

/** From here on no other key takes its place. False where one has meanwhile: a session is bound to the one that is kept. */
async function settled(state: RequestState, row: SessionRow): Promise<boolean> {
  const record = readRecord(row.data);
  if (record.isMarked === true) return true;
  const { store } = state.core.settings;
  const set = { data: writeRecord({ ...record, isMarked: true }) };
  const update = { id: row.id, version: row.version, owner: undefined, set };
  if ((await store.apply({ kind: "save", update })).done) return true;
  const kept = await store.findSession(row.id);
  // The same registration, sent twice.
  return kept !== undefined && isSameRecord(readRecord(kept.data), record);
}

const isSameRecord = ({ jwk }: BoundRecord, other: BoundRecord): boolean =>
  JSON.stringify(jwk) === JSON.stringify(other.jwk);

function newRecord(state: RequestState, session: SessionRow, { alg, jwk }: BoundKey): SessionRow {
  const { settings } = state.core;
  const now = settings.clock.now();
  const isRemembered = session.rememberedId !== undefined;
  const record: BoundRecord = {
    sessionId: session.id,
    alg,
    jwk,
    challenge: newChallenge(),
    challengedAt: now,
    refreshes: 0,
  };
  const row = newSessionRow(
    {
      // One record for a remembered login, found also where the session's row is lost; of two registrations at once the
      // first counts.
      id: isRemembered ? boundIdOf(handleOf(session)) : newSiblingId(session.id),
      // Nobody gets it: the record opens no session.
      secret: newSecret(),
      data: writeRecord(record),
      now,
      identity: { ...ANONYMOUS, level: "binding", confirmFrom: undefined },
      facts: { ...state.facts, userAgent: undefined, address: undefined },
    },
    settings,
  );
  return { ...row, ...keptUntil(state, isRemembered, now) };
}

/** As long as what is bound may live; each proof begins that anew. */
function keptUntil({ core: { settings } }: RequestState, isRemembered: boolean, now: number) {
  const { session, remember } = settings;
  const life = isRemembered ? Math.max(session.absolute, remember.absolute) : session.absolute;
  const until = now + life + settings.times.arrival;
  return { lastSeenAt: now, idleDeadline: until, absoluteDeadline: until, pruneAfter: until };
}

/** Notes in the session's row that it is bound. False where it was bound to another key meanwhile, or is gone. */
async function marked(state: RequestState, session: SessionRow, record: SessionRow): Promise<boolean> {
  const { store, clock } = state.core.settings;
  const bound = writeBound({ id: record.id, at: record.createdAt, isConfirmed: false });
  let row: SessionRow | undefined = session;
  for (let attempt = 0; attempt < MOST_ATTEMPTS && row !== undefined; attempt++) {
    if (readBound(row.bound)?.id === record.id) return true;
    // Signed in anew, or its secret was replaced: the challenge was for who it was before.
    if (row.bound !== undefined || row.fence !== session.fence || row.userId !== session.userId) break;
    const { id, version, userId: owner } = row;
    const result = await store.apply({ kind: "save", update: { id, version, owner, set: { bound } } });
    if (result.done) return true;
    row = await store.findSession(id);
  }
  // Of a remembered login it is everybody's who registers for that.
  if (session.rememberedId === undefined || row === undefined)
    await store.apply({
      kind: "end",
      end: [endingOf(record, "replaced", clock.now(), state.core.settings)],
    });
  return false;
}

/** Gives the browser a short cookie for a proof of the key, or a challenge to sign. `id`: what it calls its session. */
export async function refresh(
  state: State,
  id: string | undefined,
  proof: string | undefined,
  reads: ReadsProofs,
): Promise<BindResult> {
  bePassive(state);
  state.isAboutKey = true;
  const { settings } = state.core;
  const bound = await keyAskedFor(state, id);
  if (bound === undefined) return state.standing.kind === "detached" ? LATER : over(state, id);
  // Of an earlier sign-in in this browser, whose cookies are gone; the short cookie is the present one's.
  if (id !== undefined && id !== bound.id) return overUnlessInForce(state, id);
  const row = await settings.store.findSession(bound.id);
  if (row?.level !== "binding") return over(state, bound.id);
  const device = { state, bound };
  if (proof === undefined) return challenged(device, row);
  const read = await reads.readProof(proof, readRecord(row.data));
  if (read === "forged") {
    // Without its id it may be a proof of the browser's earlier key.
    if (id === undefined) refused(state, "signature", bound);
    else await endForged(device, row);
    return over(state, bound.id);
  }
  return read === undefined ? challenged(device, row) : answered(device, row, read.challenge);
}

/** A session with its key, or a login that the request does not stand on. */
interface BoundDevice {
  readonly state: RequestState;
  readonly bound: BoundStanding;
}

/**
 * The key that the browser is to prove: the session's, or that of the remember cookie's login, beside which the browser may
 * have an anonymous session, one on which a sign-in waits, or an older one.
 */
async function keyAskedFor(state: State, id: string | undefined): Promise<BoundStanding | undefined> {
  const { bound, standing } = state;
  const isHeld = standing.kind === "detached" && !isUnproved(bound);
  const own = isHeld ? undefined : bound;
  if (own !== undefined && (id === undefined || id === own.id)) return own;
  if (state.keyOfLogin === undefined) await readKeyOfLogin(state);
  const other = state.keyOfLogin === "none" ? undefined : state.keyOfLogin;
  return other !== undefined && (id === undefined || id === other.id) ? other : own;
}

/**
 * To the browser its session is over, and so is the short cookie. Not where that session is there, and only the cookies of
 * this request are not: a renewal beside it has replaced them, whose answer is on its way.
 */
async function over(state: RequestState, id: string | undefined): Promise<BindResult> {
  const result = await overUnlessInForce(state, id);
  if (result.kind === "over") askForKeyProof(state);
  return result;
}

const overUnlessInForce = async (state: RequestState, id: string | undefined): Promise<BindResult> =>
  id !== undefined && (await isInForce(state, id)) ? LATER : { kind: "over", id };

/** Whether a session counts with the key of this record. */
async function isInForce({ core: { settings } }: RequestState, id: string): Promise<boolean> {
  const record = await settings.store.findSession(id);
  if (record?.level !== "binding") return false;
  const row = sessionInForce(await settings.store.findSession(readRecord(record.data).sessionId), settings);
  return row !== undefined && readBound(row.bound)?.id === id && !isPast(row, settings.clock.now());
}

/** How long a challenge may be signed: longer than the short cookie lives, so that browsers can sign it ahead. */
const challengeLife = ({ core }: RequestState): number => 2 * lifetimeOf(core);

const lifetimeOf = ({ settings }: Core): number => settings.deviceBound?.lifetime ?? 0;

async function challenged(device: BoundDevice, row: SessionRow): Promise<BindResult> {
  const { state } = device;
  let current: SessionRow | undefined = row;
  for (let attempt = 0; attempt < MOST_ATTEMPTS && current !== undefined; attempt++) {
    const record = readRecord(current.data);
    // Others of this browser may be signing it.
    if (!isStale(state, record)) return { kind: "challenged", id: row.id, challenge: record.challenge };
    const next = await exchanged(device, current, 0);
    if (next !== undefined) return { kind: "challenged", id: row.id, challenge: next };
    current = await state.core.settings.store.findSession(row.id);
  }
  return LATER;
}

const isStale = (state: RequestState, { challengedAt }: BoundRecord): boolean =>
  state.core.settings.clock.now() - challengedAt > challengeLife(state);

/** A valid signature over an older challenge is a race, or a lost answer: the browser signs the newer one. */
async function answered(device: BoundDevice, row: SessionRow, signed: string): Promise<BindResult> {
  const { state, bound } = device;
  const { store, clock } = state.core.settings;
  let current: SessionRow | undefined = row;
  for (let attempt = 0; attempt < MOST_ATTEMPTS && current?.level === "binding"; attempt++) {
    const record = readRecord(current.data);
    const isCurrent = signed === record.challenge;
    // The same proof again, or that of a tab that came at once: it counts from when it did, or a copy of it would count anew.
    const provedAt = isCurrent ? clock.now() : record.challengedAt;
    const isOver = !isCurrent && clock.now() - provedAt >= lifetimeOf(state.core);
    if (isStale(state, record) || isOver || !(isCurrent || signed === record.previous)) {
      refused(state, "stale", bound);
      return challenged(device, current);
    }
    const next = isCurrent ? await exchanged(device, current, 1) : record.challenge;
    if (next !== undefined) {
      prove(state, current, provedAt);
      state.core.events.emit("boundRefreshed", ofKey(state, bound));
      return { kind: "bound", id: row.id, challenge: next };
    }
    current = await store.findSession(row.id);
  }
  return current === undefined ? over(state, row.id) : LATER;
}

/** The next challenge in place of the record's. Undefined where another request was first. */
async function exchanged(
  { state, bound }: BoundDevice,
  row: SessionRow,
  refreshes: 0 | 1,
): Promise<string | undefined> {
  const { store, clock } = state.core.settings;
  const record = readRecord(row.data);
  const now = clock.now();
  const challenge = newChallenge();
  const data = writeRecord({
    ...record,
    // A restore may have given it another row.
    sessionId: sessionBoundTo(state, row.id) ?? record.sessionId,
    challenge,
    challengedAt: now,
    previous: record.challenge,
    refreshes: record.refreshes + refreshes,
  });
  const isRemembered = row.id === boundIdOf(bound.handle);
  const set = { data, ...(refreshes === 0 ? {} : keptUntil(state, isRemembered, now)) };
  const { id, version } = row;
  const result = await store.apply({ kind: "save", update: { id, version, owner: undefined, set } });
  return result.done ? challenge : undefined;
}

function sessionBoundTo({ standing, host }: RequestState, id: string): string | undefined {
  const row = host ?? sessionOf(standing);
  return readBound(row?.bound)?.id === id ? row?.id : undefined;
}

/** The browser gets the short cookie with this answer. */
function prove(state: RequestState, { id }: Pick<SessionRow, "id">, at: number): void {
  const { clock, cookies, keys, times } = state.core.settings;
  const end = at + lifetimeOf(state.core);
  sendCookie(state, {
    definition: cookies.bound,
    // The browser counts from when it gets the answer.
    value: boundCookieValue({ id, at, until: end + times.delivery }, keys),
    maxAgeSeconds: Math.max(1, Math.ceil((end - clock.now()) / 1000)),
  });
}

/**
 * A signature of another key, by who holds the long cookie as well: a thief who tries. As for a stolen token, the device
 * ends, and with `remember.onTheft` everything the user has.
 */
async function endForged({ state, bound }: BoundDevice, record: SessionRow): Promise<void> {
  const { core, facts } = state;
  refused(state, "signature", bound);
  if (bound.userId === undefined) return;
  const { userId, rowId, handle } = bound;
  const { settings, events } = core;
  const at = settings.clock.now();
  await endTrust(core, userId, "theft");
  const whom = settings.remember.onTheft === "user" ? { userId } : { handle: rowId, userId };
  const pruneAfter = tombstoneUntil(at, settings);
  const ended = await revoke(settings.store, { ...whom, reason: "theft", at, pruneAfter });
  await endTrust(core, userId, "theft");
  // Of several that notice at once, the one that ended it emits the event.
  if (!ended.some(({ sessionId, rememberedId }) => sessionId === rowId || rememberedId === rowId)) return;
  events.emit("theft", {
    at,
    handle,
    userId,
    by: "proof",
    generation: 0,
    presentedGeneration: 0,
    request: originOf(facts),
    lastUsed: { at: record.lastSeenAt, address: undefined, userAgent: undefined },
    endedLogins: ended.length,
  });
}

function refused(
  state: RequestState,
  why: PsessionEvents["boundRefused"]["why"],
  bound: BoundStanding | undefined,
  session?: SessionRow,
): void {
  state.core.events.emit("boundRefused", { ...ofKey(state, bound, session), why });
}

/** The browser refreshes before it sends what needs the cookie that it lost. */
export function askForKeyProof(state: RequestState): void {
  sendCookie(state, clearCookie(state.core.settings.cookies.bound));
}
