import { PsessionError } from "../errors.ts";
import { digested, type SessionCookie } from "../http/cookies.ts";
import { decideOvertaken, withoutOverwriting } from "../protocol/decide.ts";
import { newSiblingId, sameDigest } from "../protocol/secrets.ts";
import type { ProtocolTimes } from "../protocol/times.ts";
import type { ChangeParts, Ended, RememberedRow, SessionRow, UserId } from "../stores/store.ts";
import { loginInForce, sessionInForce } from "./limits.ts";
import { Lines } from "./lines.ts";
import { outdatedProof } from "./marks.ts";
import { planCommit } from "./plan/index.ts";
import type { Plan } from "./plan/parts.ts";
import { isPast } from "./rows.ts";
import {
  beginsAnew,
  type Core,
  identityOf,
  newIdOf,
  type RememberedStanding,
  type RenewIntent,
  type RequestState,
  type Standing,
  sessionOf,
} from "./state.ts";

/** Turns are taken within a process; between processes each one has this many tries, and more is a fault to be seen. */
const MOST_ATTEMPTS = 256;

type SessionStanding = Standing & { kind: "live" | "late" };

export interface CommitOptions {
  /**
   * The response is about to leave. Before that no secret is exchanged: its cookie would wait for the response,
   * and the windows of the protocol run from the exchange.
   */
  readonly isFinal: boolean;
}

/**
 * Performs what the request decided and changed, in one transaction. Returns undefined at once where nothing
 * needs the store, so that an untouched session costs a response nothing.
 */
export function commitRequest(
  state: RequestState,
  { isFinal }: CommitOptions,
): Promise<"done" | "full"> | undefined {
  const plan = planCommit(state, state.core.settings.clock.now(), isFinal);
  if (plan.change === undefined && plan.touch === undefined) {
    finish(state, plan);
    return undefined;
  }
  const overdue = overdueStanding(state);
  return overdue === undefined ? perform(state, plan, isFinal) : performLate(state, overdue, isFinal);
}

/** Of a session whose time ran out since the request came, by what it knows: a slow handler, or a socket. */
function overdueStanding({ standing, core, intent }: RequestState): SessionStanding | undefined {
  if (intent.kind === "logout") return undefined;
  if (standing.kind !== "live" && standing.kind !== "late") return undefined;
  return isPast(standing.session, core.settings.clock.now()) ? standing : undefined;
}

/** Others may have used the session meanwhile. If nobody did, saving must not bring it back (ASVS 7.3.1). */
async function performLate(
  state: RequestState,
  standing: SessionStanding,
  isFinal: boolean,
): Promise<"done" | "full"> {
  await reconcileSession(state, standing, 1);
  return perform(state, planCommit(state, state.core.settings.clock.now(), isFinal), isFinal);
}

/** Runs `work` when whatever the request has under way at the store is done, successful or not. */
export function inTurn<T>(state: RequestState, work: () => T | Promise<T>): Promise<T> {
  const before = state.turn;
  const mine = before === undefined ? Promise.resolve(work()) : before.then(work, work);
  const settled = mine
    .catch(() => {})
    .finally(() => {
      if (state.turn === settled) state.turn = undefined;
    });
  state.turn = settled;
  return mine;
}

/**
 * Whoever meets a conflict takes turns within this process, and so does whoever comes after: commits that all try again
 * at once would take a number of statements that grows with the square of their number.
 */
async function perform(state: RequestState, first: Plan, isFinal: boolean): Promise<"done" | "full"> {
  const lines = linesOf(state.core);
  const { id, version } = rowOf(state.standing);
  const isBehind = id !== undefined && isConditional(first) && lines.areAhead(id, version);
  let result: Attempt = isBehind ? { lost: "stale" } : await attempt(state, first);
  for (let count = 1; typeof result !== "string" && count < MOST_ATTEMPTS; count++) {
    const { lost } = result;
    const again = async () => {
      await reconcile(state, lost, count);
      return attempt(state, planCommit(state, state.core.settings.clock.now(), isFinal));
    };
    result = id === undefined ? await again() : await lines.take(id, again);
    if (id !== undefined) lines.sawVersion(id, rowOf(state.standing).version);
  }
  if (typeof result === "string") return result;
  throw new PsessionError(
    "store_conflict",
    `A session was changed by others ${MOST_ATTEMPTS} times while it was being saved; the change was given up.`,
    // Nothing was done, as where a lock was not to be had.
    { status: 503, retryAfter: 1 },
  );
}

type Attempt = "done" | "full" | { readonly lost: string };

async function attempt(state: RequestState, plan: Plan): Promise<Attempt> {
  if (plan.change === undefined) {
    if (plan.touch !== undefined) await touch(state, plan);
    return finish(state, plan);
  }
  const result = await state.core.settings.store.apply(plan.change);
  if (result.done) return finish(state, plan, result.ended);
  if (result.lost === "outdated") throw outdatedProof();
  // Nothing was changed, and trying again makes no room.
  return result.lost === "full" ? "full" : { lost: result.lost };
}

/** What takes turns is what may be lost to another one; a sign-out waits for nobody. */
function isConditional(plan: Plan): boolean {
  const { update, rotate } = partsOf(plan);
  return update !== undefined || rotate !== undefined;
}

const partsOf = ({ change }: Plan): ChangeParts => change ?? {};

function rowOf(standing: Standing): { readonly id: string | undefined; readonly version: number } {
  const session = sessionOf(standing);
  const login = standing.kind === "remembered" ? standing.login : undefined;
  return { id: session?.id ?? login?.id, version: session?.version ?? -1 };
}

const ofCores = new WeakMap<Core, Lines>();

function linesOf(core: Core): Lines {
  const lines = ofCores.get(core) ?? new Lines();
  ofCores.set(core, lines);
  return lines;
}

/** That a session was used is worth a write, but not an error page where the write fails. */
async function touch(state: RequestState, plan: Plan): Promise<void> {
  if (plan.touch === undefined) return;
  try {
    await state.core.settings.store.touch([plan.touch]);
  } catch (error) {
    state.core.events.emit("storeUnavailable", { at: state.core.settings.clock.now(), error });
  }
}

function finish(state: RequestState, plan: Plan, ended: readonly Ended[] = []): "done" {
  const { change, standing } = plan;
  const { insert } = partsOf(plan);
  const session = insert ?? ("session" in standing ? standing.session : undefined);
  state.standing = standing;
  state.checkpoint = undefined;
  state.isPersonal ||= change !== undefined;
  if (!plan.isIntentPending) state.intent = { kind: "keep" };
  if (insert !== undefined) state.drawnId = state.successor = undefined;
  if (session !== undefined) state.data.committed(session.data);
  else if (standing.kind === "none") state.drawnId = undefined;
  else if (standing.kind === "detached") {
    const hasChanges = state.data.changed() !== undefined;
    state.hasDiscarded ||= hasChanges;
    state.isPersonal ||= hasChanges;
    state.data.reset();
  }
  for (const instruction of plan.cookies) state.cookies.set(instruction.definition.name, instruction);
  const endedNothing = leavesSession(plan) && ended.length === 0;
  for (const [type, facts] of plan.events) {
    if (type === "logout" && endedNothing) state.core.events.emit("logoutUnmatched", unmatchedBy(state));
    else state.core.events.emit(type, facts);
  }
  noteSignIn(state, plan);
  tellOfCapped(state, ended);
  return "done";
}

/** Where a limit of devices was given, every sign-in looks. */
function noteSignIn({ core }: RequestState, plan: Plan): void {
  if (core.settings.devices.safety === undefined) return;
  const isChecked = partsOf(plan).caps?.some(({ reason }) => reason === "cap") === true;
  for (const [type, facts] of plan.events)
    if (type === "login" && "userId" in facts) core.signIns.note(facts.userId as UserId, isChecked);
}

/** A logout by a secret, which ends nothing where that was replaced by a sign-in, or too long ago. */
const leavesSession = (plan: Plan): boolean =>
  partsOf(plan).end?.some(({ session }) => session?.secret !== undefined) === true;

const unmatchedBy = ({ core, facts: { address, userAgent } }: RequestState) => ({
  at: core.settings.clock.now(),
  request: { address, userAgent },
});

/** What a sign-in ended by the way, on other devices. That this browser's own login was replaced is no news. */
function tellOfCapped({ core }: RequestState, ended: readonly Ended[]): void {
  const at = core.settings.clock.now();
  for (const { sessionId, rememberedId, userId, reason } of ended) {
    if (reason !== "cap" && reason !== "tag") continue;
    core.events.emit("revoked", { at, userId, handle: rememberedId ?? sessionId ?? "", reason });
  }
}

/** Reads the rows again and takes over what others changed meanwhile, as after waiting for a turn. */
export async function refresh(state: RequestState): Promise<void> {
  const { standing } = state;
  if (standing.kind === "remembered") await reconcileRemembered(state, standing, undefined);
  else if (standing.kind === "live" || standing.kind === "late")
    await reconcileSession(state, standing, undefined);
}

/** A condition no longer held: reads again, in a new transaction, and decides where the request stands now. */
async function reconcile(state: RequestState, lost: string, attempt: number): Promise<void> {
  const { standing } = state;
  if (standing.kind === "remembered") return reconcileRemembered(state, standing, attempt);
  if (standing.kind === "live" || standing.kind === "late") return reconcileSession(state, standing, attempt);
  if (lost !== "exists")
    throw new PsessionError("store_conflict", `The store reported ${lost} for a new session.`);
  if (state.successor !== undefined && (await joinSuccessor(state, state.successor, attempt))) return;
  // Random bits do not collide: somebody else's row has this id only if the store is wrong. Draw again.
  state.drawnId = newSiblingId(newIdOf(state));
  const { intent } = state;
  if (intent.kind === "login" && intent.remember !== undefined) {
    state.intent = { ...intent, remember: { ...intent.remember, id: newSiblingId(intent.remember.id) } };
  }
}

/** A parallel request took the same session over before us: ours joins it. False where that is not how it is. */
async function joinSuccessor(
  state: RequestState,
  successor: SessionCookie,
  attempt: number,
): Promise<boolean> {
  state.successor = state.drawnId = undefined;
  const row = await state.core.settings.store.findSession(successor.id);
  const presented = digested(successor);
  if (row === undefined || !sameDigest(presented.digest, row.secret)) return false;
  rebase(state, row, attempt);
  if (state.intent.kind === "login" && state.intent.isTakenOver === true) state.intent = { kind: "keep" };
  state.standing = { kind: "live", session: row };
  state.presented = presented;
  return true;
}

async function reconcileRemembered(
  state: RequestState,
  standing: RememberedStanding,
  attempt: number | undefined,
): Promise<void> {
  const { settings } = state.core;
  const { store, clock, times } = settings;
  const { generation, digest: token } = standing.presented;
  const found = await store.findRemembered(standing.login.id);
  const login = loginInForce(found?.login, settings);
  const session = sessionInForce(found?.session, settings);
  const now = clock.now();
  const decision = decideOvertaken(login, { generation, token }, now, times);
  if (login === undefined || decision.kind === "ended") return lose(state, standing.session, "ended");
  const isOvertaken = login.generation !== standing.login.generation;
  rebase(state, session, attempt);
  state.standing = {
    ...standing,
    effect: isOvertaken ? decision.kind : keptEffect(standing.effect, session, state.arrivedAt, times),
    login,
    session,
  };
}

/** Its secret was replaced by a proof of a credential, or by a renewal: what stood on the old one gets nothing. */
const isFenced = (before: SessionRow | undefined, row: SessionRow | undefined): boolean =>
  before !== undefined && row !== undefined && before.fence !== row.fence;

/**
 * The swap is still to be had, but perhaps not the session: its secret may have been exchanged meanwhile. By
 * when the request came, as it knows nothing of what followed, however long its handler took.
 */
function keptEffect(
  kind: RememberedStanding["effect"],
  session: SessionRow | undefined,
  arrivedAt: number,
  times: ProtocolTimes,
): RememberedStanding["effect"] {
  return withoutOverwriting({ kind }, session, arrivedAt, times).kind;
}

async function reconcileSession(
  state: RequestState,
  standing: SessionStanding,
  attempt: number | undefined,
): Promise<void> {
  const { session: before } = standing;
  const { settings } = state.core;
  const row = sessionInForce(await settings.store.findSession(before.id), settings);
  if (row === undefined) return lose(state, before, "ended");
  // Data of a remembered login outlives its session, which the next visit restores: a late save still reaches it.
  const isOver = row.rememberedId === undefined && isPast(row, settings.clock.now());
  if (isOver) return lose(state, before, "ended");
  const { intent } = state;
  const isReplaced = Buffer.compare(row.secret, before.secret) !== 0;
  // The row is somebody else's now: nothing of ours may be mixed into it.
  if (row.userId !== before.userId) return lose(state, before, "taken_over");
  if (isFenced(before, row) && intent.kind !== "login") return lose(state, before, "replaced");
  if (row.rememberedId !== before.rememberedId) return lose(state, before, "taken_over");
  if (isReplaced && beginsAnew(intent)) return lose(state, before, "replaced");
  if (beginsAnew(intent)) state.data.committed(row.data);
  else if (intent.kind !== "login" || intent.carriesAll) rebase(state, row, attempt);
  // A parallel request of this browser exchanged the secret already: doing it again would kill what it was given.
  if (isReplaced && intent.kind === "regenerate") state.intent = { kind: "keep" };
  if (intent.kind === "renew" && intent.login !== undefined)
    await refreshRenewal(state, intent, intent.login);
  state.standing = { kind: isReplaced ? "late" : standing.kind, session: row };
}

/** Its login may have been rotated or ended meanwhile, and then gets no successor. */
async function refreshRenewal(
  state: RequestState,
  intent: RenewIntent,
  { id }: RememberedRow,
): Promise<void> {
  const found = await state.core.settings.store.findRemembered(id);
  const login = found?.login.revokedAt === undefined ? found?.login : undefined;
  state.intent = { ...intent, login };
}

/** Reads the row again and forgets what the handler changed and did not save. */
export async function reloadRequest(state: RequestState): Promise<void> {
  const { standing } = state;
  // Nothing was stored yet, and so nobody can have ended it.
  if (standing.kind === "none") return state.data.reset();
  const before = "session" in standing ? standing.session : undefined;
  const row = before === undefined ? undefined : await state.core.settings.store.findSession(before.id);
  if (
    before === undefined ||
    row === undefined ||
    row.userId !== before.userId ||
    row.rememberedId !== before.rememberedId ||
    (standing.kind !== "remembered" && isFenced(before, row))
  ) {
    throw new PsessionError("session_ended", "There is no such session any more: it cannot be read again.", {
      status: 409,
    });
  }
  state.data.load(row.data);
  if (standing.kind === "remembered") state.standing = { ...standing, session: row };
  else if (standing.kind === "live" || standing.kind === "late") {
    const isReplaced = Buffer.compare(row.secret, before.secret) !== 0;
    state.standing = { kind: isReplaced ? "late" : standing.kind, session: row };
  }
}

/** The row went away under the request. A sign-in gets a row of its own; anything else is given up. */
function lose(
  state: RequestState,
  row: SessionRow | undefined,
  why: "ended" | "taken_over" | "replaced",
): void {
  const { core, intent } = state;
  state.isPersonal = true;
  // Nor a renewal, which proves nothing: a row of its own would undo the revocation that took this one.
  if (intent.kind === "login") {
    state.standing = { kind: "none" };
    state.drawnId = intent.remember === undefined ? undefined : newSiblingId(intent.remember.id);
    return;
  }
  if (intent.kind === "logout") {
    state.standing = { kind: "none" };
    return;
  }
  // What was begun anew never stood on that row.
  if (beginsAnew(intent)) {
    state.standing = { kind: "none" };
    state.intent = { kind: "keep" };
    state.data.committed(undefined);
    return;
  }
  const { userId } = identityOf(state);
  const hasChanges = state.data.changed() !== undefined;
  state.standing = { kind: "detached", why };
  state.intent = { kind: "keep" };
  state.data.reset();
  state.hasDiscarded ||= hasChanges || intent.kind !== "keep";
  if (!hasChanges) return;
  core.events.emit("saveDiscarded", {
    at: core.settings.clock.now(),
    sessionId: row?.id ?? newIdOf(state),
    userId,
    why,
  });
}

function rebase(state: RequestState, row: SessionRow | undefined, attempt: number | undefined): void {
  if (row === undefined) return;
  const { events, settings } = state.core;
  const facts = { at: settings.clock.now(), sessionId: row.id, userId: row.userId };
  const keys = state.rerun === undefined ? state.data.rebase(row.data) : state.rerun(row.data);
  if (attempt !== undefined) events.emit("mergeRetried", { ...facts, attempt });
  if (keys.length > 0) events.emit("mergeConflict", { ...facts, keys });
}
