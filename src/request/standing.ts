import { PsessionError } from "../errors.ts";
import { digested, type SessionCookie } from "../http/cookies.ts";
import { decideOvertaken, withoutOverwriting } from "../protocol/decide.ts";
import { isPast } from "../protocol/rows.ts";
import { newId, newSiblingId, sameDigest } from "../protocol/secrets.ts";
import type { ProtocolTimes } from "../protocol/times.ts";
import type { ChangeParts, RememberedRow, SessionRow } from "../stores/store.ts";
import { noteActing } from "./acting.ts";
import { loginInForce, sessionInForce } from "./limits.ts";
import type { Plan } from "./plan/parts.ts";
import { handleOfLogin, handleOf as handleOfRow } from "./rows.ts";
import {
  beginsAnew,
  type Checkpoint,
  type Intent,
  identityOf,
  isSignIn,
  type RememberedStanding,
  type RenewIntent,
  type RequestState,
  raiseOf,
  type Standing,
  sessionOf,
  type Writing,
} from "./state.ts";

/*
 * Where a request stands, and what its handler asked for: nothing else writes these fields. They belong together: each
 * step from one standing to the next decides about all of them.
 */
type State = Writing<
  | "standing"
  | "presented"
  | "host"
  | "successor"
  | "drawnId"
  | "intent"
  | "checkpoint"
  | "hasDiscarded"
  | "isPersonal"
  | "hasProved"
>;

type SessionStanding = Standing & { kind: "live" | "previous" };

/** What was written to the row besides the request's own changes. */
export function sawRow(state: State, session: SessionRow): void {
  const { standing } = state;
  if (sessionOf(standing)?.id === session.id) state.standing = { ...standing, session } as Standing;
}

export const isOnSession = (standing: Standing): standing is SessionStanding =>
  standing.kind === "live" || standing.kind === "previous";

/** Drawn on demand: most requests find a session, and random bytes cost more than all the rest. */
export function newIdOf(state: State): string {
  const { standing } = state;
  // A login whose session row was lost gets one that belongs to it.
  state.drawnId ??= state.successor?.id;
  state.drawnId ??=
    standing.kind === "remembered" ? newSiblingId(standing.login.id) : newId(state.core.settings.realm);
  return state.drawnId;
}

export const idOf = (state: RequestState): string => sessionOf(state.standing)?.id ?? newIdOf(state);

/** What device lists show: the remembered login's id, or the session's. */
export function handleOf(state: RequestState): string {
  const { standing } = state;
  if (isSignIn(state.intent) || state.intent.kind === "logout")
    return identityOf(state).rememberedId ?? idOf(state);
  if (standing.kind === "remembered") return handleOfLogin(standing.login);
  const row = sessionOf(standing);
  return row === undefined ? idOf(state) : handleOfRow(row);
}

/** What stays when the user's other devices end: this session, or its login where that has lost its row. */
export function anchorOf(state: RequestState): string {
  const { standing } = state;
  const isAlone = standing.kind === "remembered" && standing.session === undefined;
  return isAlone ? standing.login.id : idOf(state);
}

/** The presented secret was replaced long ago, and its session lives. */
export const isOutdated = ({ standing }: RequestState): boolean =>
  standing.kind === "detached" && standing.why === "outdated";

/** For logs and answers: nothing secret. */
export function described(state: RequestState): object {
  const { userId, level, authenticatedAt } = identityOf(state);
  const isNew = sessionOf(state.standing) === undefined;
  return { id: idOf(state), handle: handleOf(state), userId, level, authenticatedAt, isNew };
}

/** Sets what the commit does besides saving changed data, replacing an earlier intent. */
export function ask(state: State, intent: Intent): void {
  state.intent = intent;
}

/** The request is served as the user whom an administrator acts as; nothing of the administrator's data is there. */
export function actAs(
  state: State,
  { acting, host, presented }: { acting: SessionRow; host: SessionRow; presented: RequestState["presented"] },
): void {
  state.host = host;
  state.standing = { kind: "live", session: acting };
  state.presented = presented;
  state.checkpoint = undefined;
  state.data.load(acting.data);
}

/** The administrator's own session again. */
export function actAsOneself(state: State): void {
  const { host } = state;
  if (host === undefined) return;
  state.host = undefined;
  state.standing = { kind: "live", session: host };
  state.presented = undefined;
  state.checkpoint = undefined;
  state.data.load(host.data);
}

/** What is set from here on goes to a new, anonymous session. */
export function leave(state: State): void {
  ask(state, { kind: "logout" });
  state.checkpoint = state.successor = undefined;
  state.data.reset();
}

/** A new session where the browser's own cannot be used. Not without the store, over plain http, or by a wrong clock. */
export function startAnew(state: State): void {
  if (state.standing.kind !== "detached") return;
  const { why } = state.standing;
  if (why === "unavailable" || why === "insecure" || why === "skew") return;
  state.standing = { kind: "none" };
}

/** What is stored from here on does not take another library's session over. */
export function forgetSuccessor(state: State): void {
  state.successor = state.drawnId = undefined;
}

export function checkpointOf(state: RequestState): Checkpoint {
  const { standing, intent, drawnId, successor, presented, data } = state;
  return { standing, intent, drawnId, successor, presented, data: data.snapshot() };
}

/** What the handler asked for since `before` is taken back together where it cannot be stored. */
export function setCheckpoint(state: State, before?: Checkpoint): void {
  state.checkpoint ??= before ?? checkpointOf(state);
}

export function goBack(state: State, { data, ...before }: Checkpoint): void {
  // Changes discarded meanwhile stay discarded: nothing of an ended session may come back.
  if (state.standing.kind === "detached" && before.standing.kind !== "detached") return;
  Object.assign(state, before);
  state.data.restore(data);
}

/**
 * A sign-in was not stored. Its data is the user's, and would be stored under the old secret, which an attacker who
 * planted the session knows (CWE-384): all that followed is forgotten.
 */
export function takeBack(state: State): void {
  const { checkpoint } = state;
  state.checkpoint = undefined;
  if (checkpoint !== undefined) goBack(state, checkpoint);
}

/** From here on `hasDiscarded` is about the commit that begins. */
export function beginCommit(state: State): void {
  state.hasDiscarded = false;
}

/** A sign-in that another library had kept proves nothing now. */
const provesCredential = (intent: Intent): boolean =>
  (intent.kind === "login" && intent.isTakenOver !== true) || raiseOf(intent) !== undefined;

/** The change of a plan is done. */
export function conclude(state: State, { change, standing, isIntentPending }: Plan): void {
  const { insert }: ChangeParts = change ?? {};
  const session = insert ?? ("session" in standing ? standing.session : undefined);
  state.standing = standing;
  state.checkpoint = undefined;
  state.isPersonal ||= change !== undefined;
  if (!isIntentPending && change !== undefined) state.hasProved ||= provesCredential(state.intent);
  // Who acted as another user has signed out as both.
  if (state.host !== undefined && state.intent.kind === "logout") {
    noteActing(state.request, false);
    state.host = undefined;
  }
  if (!isIntentPending) ask(state, { kind: "keep" });
  if (insert !== undefined) forgetSuccessor(state);
  if (session !== undefined) state.data.committed(session.data);
  else if (standing.kind === "none") state.drawnId = undefined;
  else if (standing.kind === "detached") {
    const hasChanges = state.data.changed() !== undefined;
    state.hasDiscarded ||= hasChanges;
    state.isPersonal ||= hasChanges;
    state.data.reset();
  }
}

/** Reads the rows again and takes over changes of other requests, as after waiting for a turn. */
export async function refresh(state: State, attempt?: number): Promise<void> {
  const { standing } = state;
  if (standing.kind === "remembered") await reconcileRemembered(state, standing, attempt);
  else if (isOnSession(standing)) await reconcileSession(state, standing, attempt);
}

/** A condition no longer held: reads again, in a new transaction, and decides where the request stands now. */
export async function reconcile(state: State, conflict: string, attempt: number): Promise<void> {
  const { standing } = state;
  if (standing.kind === "remembered" || isOnSession(standing)) return refresh(state, attempt);
  if (conflict !== "exists")
    throw new PsessionError("store_conflict", `The store reported ${conflict} for a new session.`);
  if (state.successor !== undefined && (await joinSuccessor(state, state.successor, attempt))) return;
  // Random bits do not collide: another user's row has this id only if the store is wrong. Draw again.
  state.drawnId = newSiblingId(newIdOf(state));
  const { intent } = state;
  if (intent.kind === "login" && intent.remember !== undefined) {
    state.intent = { ...intent, remember: { ...intent.remember, id: newSiblingId(intent.remember.id) } };
  }
}

/** A parallel request took the same session over first: this one joins it. False where that is not the case. */
async function joinSuccessor(state: State, successor: SessionCookie, attempt: number): Promise<boolean> {
  forgetSuccessor(state);
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
  state: State,
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

/** Its secret was replaced by a proof of a credential, or by a renewal: a request with the old one gets nothing. */
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
  state: State,
  standing: SessionStanding,
  attempt: number | undefined,
): Promise<void> {
  const { session: before } = standing;
  const { settings } = state.core;
  const row = sessionInForce(await settings.store.findSession(before.id), settings);
  if (row === undefined) return lose(state, before, "ended");
  // Data of a remembered login outlives its session, which the next visit restores: a save after its deadline still reaches it.
  const isOver = row.rememberedId === undefined && isPast(row, settings.clock.now());
  if (isOver) return lose(state, before, "ended");
  const { intent } = state;
  const isReplaced = isExchanged(before, row);
  // The row belongs to another user now: this request's changes must not be mixed into it.
  if (row.userId !== before.userId) return lose(state, before, "taken_over");
  // What was stored for whoever has begun there is for the holder of the newer secret.
  if (isFenced(before, row) && (!mayFollow(intent) || row.pendingUserId !== undefined))
    return lose(state, before, "replaced");
  if (row.rememberedId !== before.rememberedId) return lose(state, before, "taken_over");
  if (isReplaced && beginsAnew(intent)) return lose(state, before, "replaced");
  if (beginsAnew(intent)) state.data.committed(row.data);
  else if (!isSignIn(intent) || intent.carriesAll) rebase(state, row, attempt);
  // A parallel request of this browser exchanged the secret already: again would end the one it was given.
  if (isReplaced && intent.kind === "regenerate") state.intent = { kind: "keep" };
  if (intent.kind === "renew" && intent.login !== undefined)
    await refreshRenewal(state, intent, intent.login);
  standOn(state, standing, row);
}

/** A sign-in has its own proof. The second step of one follows its first step only: it can be taken once. */
const mayFollow = (intent: Intent): boolean =>
  isSignIn(intent) && !(intent.kind === "login" && intent.completes);

const isExchanged = (before: SessionRow, row: SessionRow): boolean =>
  Buffer.compare(row.secret, before.secret) !== 0;

function standOn(state: State, { kind, session }: SessionStanding, row: SessionRow): void {
  state.standing = { kind: isExchanged(session, row) ? "previous" : kind, session: row };
}

/** Its login may have been rotated or ended meanwhile, and then gets no successor. */
async function refreshRenewal(state: State, intent: RenewIntent, { id }: RememberedRow): Promise<void> {
  const found = await state.core.settings.store.findRemembered(id);
  const login = found?.login.revokedAt === undefined ? found?.login : undefined;
  state.intent = { ...intent, login };
}

/** Reads the row again and forgets what the handler changed and did not save. */
export async function reloadRequest(state: State): Promise<void> {
  const { standing } = state;
  // Nothing was stored yet, so no other request can have ended it.
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
    throw new PsessionError("session_ended", "This session has ended: it cannot be read again.", {
      status: 409,
    });
  }
  state.data.load(row.data);
  if (standing.kind === "remembered") state.standing = { ...standing, session: row };
  else if (isOnSession(standing)) standOn(state, standing, row);
}

/** The row was deleted during the request. A sign-in gets a row of its own; anything else is discarded. */
function lose(state: State, row: SessionRow | undefined, why: "ended" | "taken_over" | "replaced"): void {
  const { core, intent } = state;
  state.isPersonal = true;
  // Nor a renewal, which proves nothing: a row of its own would undo the revocation that took this one.
  if (intent.kind === "login" && intent.completes) throw nothingPending();
  if (isSignIn(intent)) {
    const login = intent.kind === "login" ? intent.remember : undefined;
    state.standing = { kind: "none" };
    state.drawnId = login === undefined ? undefined : newSiblingId(login.id);
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

/** The second step of a sign-in whose first step is not there: it was completed, begun anew, ended, or took too long. */
export const nothingPending = (): PsessionError =>
  new PsessionError(
    "nothing_pending",
    "No sign-in waits for another factor here. Begin with the first one again.",
    {
      status: 401,
    },
  );

function rebase(state: State, row: SessionRow | undefined, attempt: number | undefined): void {
  if (row === undefined) return;
  const { events, settings } = state.core;
  const facts = { at: settings.clock.now(), sessionId: row.id, userId: row.userId };
  const keys = state.rerun === undefined ? state.data.rebase(row.data) : state.rerun(row.data);
  if (attempt !== undefined) events.emit("mergeRetried", { ...facts, attempt });
  if (keys.length > 0) events.emit("mergeConflict", { ...facts, keys });
}
