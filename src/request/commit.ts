import { PsessionError } from "../errors.ts";
import type { CookieInstruction } from "../http/cookies.ts";
import { isPast } from "../protocol/rows.ts";
import type { ChangeParts, Ended, SessionRow, Touch, UserId } from "../stores/store.ts";
import { confirmKey, unconfirmedIn } from "./confirm-key.ts";
import { originOf } from "./facts.ts";
import { Lines } from "./lines.ts";
import { outdatedProof } from "./marks.ts";
import { planCommit } from "./plan/index.ts";
import type { Plan } from "./plan/parts.ts";
import { endsUnreadLogin, readKeyOfLogin } from "./remember-key.ts";
import { sessionPruneAfter } from "./rows.ts";
import { beginCommit, conclude, isOnSession, reconcile, refresh } from "./standing.ts";
import { type Core, type RequestState, type Standing, sessionOf, settingsOf, type Writing } from "./state.ts";
import { followSignIn } from "./trust-record.ts";

/** Turns only work within a process; against other processes a commit has this many tries, then fails visibly. */
const MOST_ATTEMPTS = 256;

/**
 * Performs what the request decided and changed, in one transaction. Returns undefined at once where nothing
 * needs the store, so that an untouched session costs a response nothing.
 *
 * `isFinal`: the response is about to leave. Before that no secret is exchanged: its cookie would wait for the response,
 * and the windows of the protocol run from the exchange.
 */
export function commitRequest(state: RequestState, isFinal: boolean): Promise<"done" | "full"> | undefined {
  const before = beforeCommit(state);
  if (before === undefined) return commitNow(state, isFinal);
  return before.then(async () => (await commitNow(state, isFinal)) ?? "done");
}

/** What keys ask for besides; nothing for nearly all requests. */
function beforeCommit(state: RequestState): Promise<void> | undefined {
  const row = unconfirmedIn(state);
  if (row !== undefined) return confirmKey(state, row);
  return endsUnreadLogin(state) ? readKeyOfLogin(state) : undefined;
}

function commitNow(state: RequestState, isFinal: boolean): Promise<"done" | "full"> | undefined {
  beginCommit(state);
  const plan = planNow(state, isFinal);
  if (plan.change === undefined && plan.touch === undefined) {
    finish(state, plan);
    return undefined;
  }
  return isOverdue(state) ? performOverdue(state, isFinal) : perform(state, plan, isFinal);
}

const planNow = (state: RequestState, isFinal: boolean): Plan =>
  planCommit(state, state.core.settings.clock.now(), isFinal);

/** By the row as read, the time of the session or login ran out since the request came: a slow handler, or a socket. */
function isOverdue({ standing, core, intent }: RequestState): boolean {
  const row = isOnSession(standing)
    ? standing.session
    : standing.kind === "remembered"
      ? standing.login
      : undefined;
  return intent.kind !== "logout" && row !== undefined && isPast(row, core.settings.clock.now());
}

/** Other requests may have used the session meanwhile. If none did, saving must not bring it back (ASVS 7.3.1). */
async function performOverdue(state: RequestState, isFinal: boolean): Promise<"done" | "full"> {
  await refresh(state, 1);
  return perform(state, planNow(state, isFinal), isFinal);
}

/** Runs `work` when whatever the request has under way at the store is done, successful or not. */
export function inTurn<T>(state: Writing<"turn">, work: () => T | Promise<T>): Promise<T> {
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
 * A commit that meets a conflict takes turns within this process, and so do those after it: if all tried again at once,
 * the number of statements would grow with the square of their number.
 */
async function perform(state: RequestState, first: Plan, isFinal: boolean): Promise<"done" | "full"> {
  const lines = linesOf(state.core);
  const { id, version } = rowOf(state.standing);
  const isBehind = id !== undefined && isConditional(first) && lines.areAhead(id, version);
  let result: Attempt = isBehind ? { conflict: "stale" } : await attempt(state, first);
  for (let count = 1; typeof result !== "string" && count < MOST_ATTEMPTS; count++) {
    const { conflict } = result;
    const again = async () => {
      await reconcile(state, conflict, count);
      return attempt(state, planNow(state, isFinal));
    };
    result = id === undefined ? await again() : await lines.take(id, again);
    if (id !== undefined) lines.sawVersion(id, rowOf(state.standing).version);
  }
  if (typeof result === "string") return result;
  throw new PsessionError(
    "store_conflict",
    `A session was changed by others ${MOST_ATTEMPTS} times while it was being saved; the change was discarded.`,
    // Nothing was done, as where a lock was not acquired.
    { status: 503, retryAfter: 1 },
  );
}

type Attempt = "done" | "full" | { readonly conflict: string };

async function attempt(state: RequestState, plan: Plan): Promise<Attempt> {
  if (plan.change === undefined) {
    if (plan.touch !== undefined) await touch(state.core, [plan.touch, ...ofHost(state)]);
    return finish(state, plan);
  }
  const result = await state.core.settings.store.apply(plan.change);
  if (result.done) return followed(state, plan, result.ended);
  if (result.conflict === "outdated") throw outdatedProof();
  // Nothing was changed, and trying again makes no room.
  return result.conflict === "full" ? "full" : { conflict: result.conflict };
}

/** Commits that can conflict take turns; a sign-out never waits. */
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

/** A cookie beside the session's own, to be sent with the answer. */
export function sendCookie(state: RequestState, instruction: CookieInstruction): void {
  state.cookies.set(instruction.definition.name, instruction);
}

/** The session of an administrator who acts as another user is in use as well. */
function ofHost(state: RequestState): Touch[] {
  const { host, core, use, intent } = state;
  if (host === undefined) return [];
  const { settings } = core;
  const now = settings.clock.now();
  const isDue =
    use !== "none" &&
    intent.kind !== "logout" &&
    // Its time ran out while the handler was busy: a use must not bring it back (ASVS 7.3.1).
    !isPast(host, now) &&
    now - host.lastSeenAt >= settingsOf(state).session.touchEvery;
  if (!isDue) return [];
  const pruneAfter = sessionPruneAfter(now, host.rememberedId !== undefined, settings);
  const idleDeadline = now + Math.min(settings.session.idle, host.idleFor ?? settings.session.idle);
  return [{ sessionId: host.id, lastSeenAt: now, idleDeadline, pruneAfter, remembered: undefined }];
}

/** Marks the session as used; where that write fails, the visitor gets no error page. */
async function touch({ settings, events }: Core, touches: readonly Touch[]): Promise<void> {
  try {
    await settings.store.touch(touches);
  } catch (error) {
    events.emit("storeUnavailable", { at: settings.clock.now(), error });
  }
}

/** What a change that is done leads to in other rows. */
async function followed(state: RequestState, plan: Plan, ended: readonly Ended[]): Promise<"done"> {
  const { intent } = state;
  const touches = ofHost(state);
  finish(state, plan, ended);
  if (touches.length > 0) await touch(state.core, touches);
  if (intent.kind === "login" && plan.standing.kind === "live")
    await followSignIn(state, plan.standing.session);
  return "done";
}

function finish(state: RequestState, plan: Plan, ended: readonly Ended[] = []): "done" {
  const { events, settings } = state.core;
  const before = sessionOf(state.standing);
  conclude(state, plan);
  noteReplaced(state, before, plan);
  for (const instruction of plan.cookies) sendCookie(state, instruction);
  for (const [type, facts] of plan.events) {
    // A sign-out ends nothing where a sign-in has replaced its secret, or its rows are gone: then it names no user.
    if (type !== "logout" || ended.length > 0) events.emit(type, facts);
    else events.emit("logoutUnmatched", { at: settings.clock.now(), request: originOf(state.facts) });
  }
  noteSignIn(state, plan);
  emitCapped(state, ended);
  return "done";
}

/** What stands on the old secret has ended. Not worth a message at a restore: the browser was closed. */
function noteReplaced({ core, standing }: RequestState, before: SessionRow | undefined, plan: Plan): void {
  const after = sessionOf(standing);
  if (before === undefined || after?.id !== before.id || after.fence === before.fence) return;
  const isUsers = before.userId !== undefined || before.pendingUserId !== undefined;
  core.endings.replaced(before.id, isUsers && plan.change?.kind !== "restore");
}

/** Where a limit of devices was given, every sign-in looks. */
function noteSignIn({ core }: RequestState, plan: Plan): void {
  if (core.settings.devices.safety === undefined) return;
  const isChecked = partsOf(plan).caps?.some(({ reason }) => reason === "cap") === true;
  for (const [type, facts] of plan.events)
    if (type === "login" && "userId" in facts) core.signIns.note(facts.userId as UserId, isChecked);
}

/** Emits `revoked` for devices that a sign-in evicted; replacing this browser's own login is expected. */
function emitCapped({ core, facts }: RequestState, ended: readonly Ended[]): void {
  const at = core.settings.clock.now();
  const request = originOf(facts);
  for (const { sessionId, rememberedId, userId, reason, handle } of ended) {
    if (reason !== "cap" && reason !== "tag") continue;
    const named = handle ?? rememberedId ?? sessionId ?? "";
    core.events.emit("revoked", { at, userId, handle: named, reason, request });
  }
}
