import { PsessionError } from "../errors.ts";
import { digested, type SessionCookie } from "../http/cookies.ts";
import { decideOvertaken, withoutOverwriting } from "../remember/decide.ts";
import type { ProtocolTimes } from "../remember/times.ts";
import { newSiblingId, sameDigest } from "../secrets.ts";
import type { Ended, SessionRow } from "../stores/store.ts";
import { planCommit } from "./plan/index.ts";
import type { Plan } from "./plan/parts.ts";
import { isPast } from "./rows.ts";
import {
  beginsAnew,
  identityOf,
  newIdOf,
  type RememberedStanding,
  type RequestState,
  type Standing,
} from "./state.ts";

/** Two hundred writers of one session all get their turn; more is a fault that should be seen. */
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
function overdueStanding({ standing, core }: RequestState): SessionStanding | undefined {
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

async function perform(state: RequestState, first: Plan, isFinal: boolean): Promise<"done" | "full"> {
  const { store, clock } = state.core.settings;
  let plan = first;
  for (let attempt = 1; attempt <= MOST_ATTEMPTS; attempt++) {
    if (plan.change === undefined) {
      if (plan.touch !== undefined) await touch(state, plan);
      return finish(state, plan);
    }
    const result = await store.apply(plan.change);
    if (result.done) return finish(state, plan, result.ended);
    // Nothing was changed, and trying again makes no room.
    if (result.lost === "full") return "full";
    await reconcile(state, result.lost, attempt);
    plan = planCommit(state, clock.now(), isFinal);
  }
  throw new PsessionError(
    "store_conflict",
    `A session was changed by others ${MOST_ATTEMPTS} times while it was being saved; the change was given up.`,
  );
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
  const session = change?.insert ?? ("session" in standing ? standing.session : undefined);
  state.standing = standing;
  if (!plan.isIntentPending) state.intent = { kind: "keep" };
  if (change?.insert !== undefined) state.drawnId = state.successor = undefined;
  if (session !== undefined) state.data.committed(session.data);
  else if (standing.kind === "none") state.drawnId = undefined;
  else if (standing.kind === "detached") {
    state.hasDiscarded ||= state.data.changed() !== undefined;
    state.data.reset();
  }
  for (const instruction of plan.cookies) state.cookies.set(instruction.definition.name, instruction);
  for (const [type, facts] of plan.events) state.core.events.emit(type, facts);
  tellOfCapped(state, ended);
  return "done";
}

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
  const { store, clock, times } = state.core.settings;
  const { generation, digest: token } = standing.presented;
  const found = await store.findRemembered(standing.login.id);
  const now = clock.now();
  const decision = decideOvertaken(found?.login, { generation, token }, now, times);
  if (found === undefined || decision.kind === "ended") return lose(state, standing.session, "ended");
  const isOvertaken = found.login.generation !== standing.login.generation;
  rebase(state, found.session, attempt);
  state.standing = {
    ...standing,
    effect: isOvertaken ? decision.kind : keptEffect(standing.effect, found.session, state.openedAt, times),
    login: found.login,
    session: found.session,
  };
}

/**
 * The swap is still to be had, but perhaps not the session: its secret may have been exchanged meanwhile. By
 * when the request came, as it knows nothing of what followed, however long its handler took.
 */
function keptEffect(
  kind: RememberedStanding["effect"],
  session: SessionRow | undefined,
  openedAt: number,
  times: ProtocolTimes,
): RememberedStanding["effect"] {
  return withoutOverwriting({ kind }, session, openedAt, times).kind;
}

async function reconcileSession(
  state: RequestState,
  standing: SessionStanding,
  attempt: number | undefined,
): Promise<void> {
  const { session: before } = standing;
  const row = await state.core.settings.store.findSession(before.id);
  if (row === undefined) return lose(state, before, "ended");
  // Data of a remembered login outlives its session, which the next visit restores: a late save still reaches it.
  const isOver = row.rememberedId === undefined && isPast(row, state.core.settings.clock.now());
  if (isOver) return lose(state, before, "ended");
  // The row is somebody else's now, or another sign-in's: nothing of ours may be mixed into it.
  if (row.userId !== before.userId || row.rememberedId !== before.rememberedId)
    return lose(state, before, "taken_over");
  const { intent } = state;
  const isReplaced = Buffer.compare(row.secret, before.secret) !== 0;
  if (isReplaced && (beginsAnew(intent) || wasBegunAnew(row))) return lose(state, before, "replaced");
  if (beginsAnew(intent)) state.data.committed(row.data);
  else if (intent.kind !== "login" || intent.carriesAll) rebase(state, row, attempt);
  // A parallel request of this browser exchanged the secret already: doing it again would kill what it was given.
  const isRaised =
    row.level === "login" &&
    row.previousSecret === undefined &&
    (row.authenticatedAt ?? 0) >= (before.authenticatedAt ?? 0);
  if (isReplaced && (intent.kind === "regenerate" || (intent.kind === "reauthenticate" && isRaised))) {
    state.intent = { kind: "keep" };
  }
  state.standing = { kind: isReplaced ? "late" : standing.kind, session: row };
}

/** Nobody signed in, and yet the old secret, which others may know, is worth nothing. */
const wasBegunAnew = ({ userId, previousSecret }: SessionRow): boolean =>
  userId === undefined && previousSecret === undefined;

/** Reads the row again and forgets what the handler changed and did not save. */
export async function reloadRequest(state: RequestState): Promise<void> {
  const { standing } = state;
  const before = "session" in standing ? standing.session : undefined;
  const row = before === undefined ? undefined : await state.core.settings.store.findSession(before.id);
  if (
    before === undefined ||
    row === undefined ||
    row.userId !== before.userId ||
    row.rememberedId !== before.rememberedId
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
  // A renewal proves nothing: were it given a row of its own, it would undo the revocation that took the row.
  if (intent.kind === "login" && !intent.isRenewal) {
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
