import { type Duration, parseDuration } from "../checks/duration.ts";
import { assertOptions, assertText } from "../checks/given.ts";
import { assertUserId } from "../checks/user-id.ts";
import { PsessionError } from "../errors.ts";
import { newSiblingId } from "../protocol/secrets.ts";
import type { RememberedRow, UserId } from "../stores/store.ts";
import { forgetTokens } from "./asides.ts";
import { assertKeep, type Carry, carryOver, type Keep, keepOf, type PreviousSession } from "./carry.ts";
import { inTurn } from "./commit.ts";
import { loginInForce } from "./limits.ts";
import { store } from "./save.ts";
import { ask, checkpointOf, forgetSuccessor, goBack, idOf, setCheckpoint } from "./standing.ts";
import {
  type Checkpoint,
  identityOf,
  identityOfStanding,
  type LoginIntent,
  type RequestState,
  raiseOf,
  sessionOf,
} from "./state.ts";
import { signedIn } from "./use.ts";

/* What a handler asks for beyond changing data: checked and noted here, and done by the commit. */

/** How a credential was proved again: `session.reauthenticate`. */
export interface ProofOptions {
  /**
   * When the credential was checked, in epoch milliseconds. A proof counts for nothing where the user's password was
   * changed or the user revoked since, and an hour later. Default: when the request arrived; required where that is not
   * known, as with cookie jars.
   */
  provedAt?: number | undefined;
}

/** How a sign-in is done: `session.login`. */
export interface LoginOptions<Data> extends ProofOptions {
  /** Make a remembered login: this browser stays signed in after it was closed. */
  remember?: boolean | undefined;
  /**
   * What is kept of the data gathered before. The function also gets the data of the user's latest other
   * session. Default: "all", but "none" where another user was signed in.
   */
  carry?: Carry<Data> | undefined;
  /**
   * That other session, for `carry`, where it has been read already: what `findSession` of `psession/kysely` gives.
   * Null where there is none. Left out, it is read from the store.
   */
  previous?: PreviousSession | null | undefined;
  /**
   * What this device is, such as "tv": a user has one of each tag, and a sign-in ends the other one. Text of 1 to 50
   * characters. Default: none.
   */
  tag?: string | undefined;
}

/** `too_many_devices`: the options `devices.max` and `overflow: "refuse"` allow no more; nothing was changed. */
export type LoginResult = "signed_in" | "too_many_devices";

/** What `session.isFresh` checks. */
export interface Freshness {
  /** How long ago a credential may have been proved. */
  within: Duration;
}

export async function login<Data>(
  state: RequestState,
  userId: UserId,
  options: LoginOptions<Data>,
): Promise<LoginResult> {
  const { store: sessions, devices } = state.core.settings;
  assertUserId(userId, sessions.userIds);
  assertLogin(options);
  const provedAt = proofTime(state, "login", options.provedAt);
  const before = checkpointOf(state);
  try {
    await prepareLogin(state, userId, options, provedAt);
  } catch (error) {
    // A function that was given the data may have changed them before it threw.
    goBack(state, before);
    throw error;
  }
  const mayBeRefused = devices.max !== undefined && devices.overflow === "refuse";
  if (mayBeRefused) return inTurn(state, () => storeLogin(state, before));
  setCheckpoint(state, before);
  return "signed_in";
}

async function storeLogin(state: RequestState, before: Checkpoint): Promise<LoginResult> {
  try {
    if ((await store(state)) !== "full") return "signed_in";
  } catch (error) {
    goBack(state, before);
    throw error;
  }
  goBack(state, before);
  return "too_many_devices";
}

async function prepareLogin<Data>(
  state: RequestState,
  userId: UserId,
  options: LoginOptions<Data>,
  provedAt: number,
): Promise<void> {
  // By the row, not by the handler's calls since: after logout() the data of another user is still there.
  const before = identityOfStanding(state.standing).userId;
  const isOtherUser = before !== undefined && before !== userId;
  const carry = options.carry ?? (isOtherUser && state.intent.kind !== "logout" ? "none" : "all");
  const carriesAll = carry === "all" && !isOtherUser && state.intent.kind !== "logout";
  await carryOver(state, userId, carry, options.previous);
  forgetTokens(state);
  const remembers = options.remember && state.core.settings.remember.enabled;
  ask(state, {
    ...signIn(userId, provedAt),
    authenticatedAt: provedAt,
    remember: remembers ? { id: newSiblingId(idOf(state)) } : undefined,
    carriesAll,
    tag: options.tag,
  });
}

const signIn = (userId: UserId, provedAt: number): LoginIntent => ({
  kind: "login",
  userId,
  level: "login",
  authenticatedAt: undefined,
  remember: undefined,
  carriesAll: true,
  tag: undefined,
  provedAt,
});

/** No credential was proved now, so a sign-in that another library had kept is never fresh. */
export function takeOver(state: RequestState, userId: UserId): void {
  assertUserId(userId, state.core.settings.store.userIds);
  ask(state, { ...signIn(userId, state.arrivedAt), isTakenOver: true });
}

export async function reauthenticate(state: RequestState, options: ProofOptions): Promise<void> {
  signedIn(state);
  assertOptions("reauthenticate", options, ["provedAt"]);
  const provedAt = proofTime(state, "reauthenticate", options.provedAt);
  const own = await ownLogin(state);
  const { intent } = state;
  const raise = { provedAt, notAfter: own?.absoluteDeadline };
  if (intent.kind === "renew") ask(state, { ...intent, raise });
  else if (intent.kind !== "login") ask(state, { kind: "reauthenticate", ...raise });
}

/** New secrets for the same sign-in. `endsLogin`: a login whose token was not presented ends, as after a changed password. */
export async function renew(state: RequestState, endsLogin: boolean): Promise<void> {
  signedIn(state);
  if (state.intent.kind === "login") return;
  const raise = raiseOf(state.intent);
  ask(state, { kind: "renew", login: await ownLogin(state), endsLogin, raise });
}

export function regenerate<Data>(state: RequestState, options: { keep?: Keep<Data> }): void {
  assertOptions("regenerate", options, ["keep"]);
  const { keep = "all" } = options;
  assertKeep("regenerate: keep", keep);
  if (keep !== "all") setCheckpoint(state);
  keepOf(state, keep);
  if (state.intent.kind === "keep") ask(state, { kind: "regenerate" });
}

/** The old secret gets nothing: an attacker may have planted it. */
export function replaceSecret(state: RequestState): void {
  const { kind } = state.intent;
  // Any holder of the other library's cookie can derive this secret from it.
  if (sessionOf(state.standing) === undefined) forgetSuccessor(state);
  else if (kind === "keep" || kind === "regenerate") ask(state, { kind: "regenerate", isFinal: true });
}

export function isFresh(state: RequestState, options: Freshness): boolean {
  const limit = parseDuration((options as Freshness | null | undefined)?.within);
  if (limit === undefined) {
    throw new PsessionError(
      "invalid_options",
      'isFresh: within must be a duration, such as 600000 or "10m".',
    );
  }
  const { level, authenticatedAt } = identityOf(state);
  const now = state.core.settings.clock.now();
  return level === "login" && authenticatedAt !== undefined && now - authenticatedAt <= limit;
}

/** The remembered login that the session belongs to, by a read unless the request has read it. */
async function ownLogin({ standing, core }: RequestState): Promise<RememberedRow | undefined> {
  if (standing.kind === "remembered") return standing.login;
  const id = sessionOf(standing)?.rememberedId;
  if (id === undefined) return undefined;
  const found = await core.settings.store.findRemembered(id);
  return loginInForce(found?.login, core.settings);
}

function proofTime({ facts, arrivedAt, core }: RequestState, method: string, given: unknown): number {
  const { clock, times } = core.settings;
  const isKnown = given !== undefined || facts.arrivedAt !== undefined;
  const provedAt = given === undefined ? arrivedAt : given;
  const isTime =
    typeof provedAt === "number" && Number.isFinite(provedAt) && provedAt <= clock.now() + times.skew;
  if (isKnown && isTime) return Math.trunc(provedAt);
  throw new PsessionError(
    "invalid_options",
    isKnown
      ? `${method}: provedAt must be the time at which the credential was checked, in epoch milliseconds, and not in the future.`
      : `${method}: provedAt is needed here, as it is not known when this request arrived: the time at which you began to check the credential, such as Date.now() before you look at the password.`,
  );
}

const LONGEST_TAG = 50;

function assertLogin<Data>(options: LoginOptions<Data>): void {
  assertOptions("login", options, ["remember", "carry", "previous", "tag", "provedAt"]);
  const { remember = false, carry = "all", previous, tag } = options;
  // Forms post text: taken for true, "off" would remember; taken for false, a tick would be ignored silently.
  if (typeof remember !== "boolean")
    throw new PsessionError(
      "invalid_options",
      'login: remember must be true or false, such as { remember: body.remember === "on" } for a ticked box of a form.',
    );
  if (typeof carry !== "function") assertKeep("login: carry", carry);
  if (tag !== undefined) assertText("login: tag", tag, LONGEST_TAG);
  if (previous !== undefined && previous !== null && !isPrevious(previous))
    throw new PsessionError(
      "invalid_options",
      "login: previous must be a session that was read, with data and id as text, or null.",
    );
}

const isPrevious = ({ id = "", data }: { readonly id?: unknown; readonly data?: unknown }): boolean =>
  typeof id === "string" && typeof data === "string";
