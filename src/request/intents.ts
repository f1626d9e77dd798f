import { type Duration, isDuration, parseDuration } from "../checks/duration.ts";
import { assertOptions, assertText } from "../checks/given.ts";
import { assertUserId } from "../checks/user-id.ts";
import { PsessionError } from "../errors.ts";
import type { Settings } from "../options/settings.ts";
import type { Pending } from "../protocol/pending.ts";
import {
  isMethod,
  LONGEST_METHOD,
  type ProvedMethod,
  readProofs,
  withProof,
  writeProofs,
} from "../protocol/proofs.ts";
import { newSiblingId } from "../protocol/secrets.ts";
import type { RememberedRow, UserId } from "../stores/store.ts";
import { refuseImpersonation } from "./acting.ts";
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
  /**
   * How it was proved: "password", "otp", "passkey", "link", "oauth", or a word of the application's own, of at most 32
   * letters, digits and _ . : - characters. `session.proofs` then lists it. Default: none.
   */
  method?: string | undefined;
}

/** How a sign-in is done: `session.login`. */
export interface LoginOptions<Data> extends ProofOptions {
  /**
   * When the user proved a credential, in epoch milliseconds, where that was before `provedAt` and elsewhere, such as
   * `auth_time` of a provider whose session signs the user in. `isFresh`, `proofs` and `claims` count from then; 0 where
   * it is not known, and the sign-in is not fresh. Later than `provedAt`, it counts for nothing. Default: `provedAt`.
   */
  authenticatedAt?: number | undefined;
  /**
   * Make a remembered login: this browser stays signed in after it was closed. `for`: at most so long, where that is
   * shorter than the option `remember.absolute`.
   */
  remember?: boolean | { readonly for: Duration } | undefined;
  /** The session ends so long after its last use: at most the option `session.idle`, which is the default. */
  idle?: Duration | undefined;
  /** The session ends so long after this sign-in: at most the option `session.absolute`, which is the default. */
  absolute?: Duration | undefined;
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
  /** Only a proof by this method counts. Default: any credential. */
  method?: string | undefined;
}

export async function login<Data>(
  state: RequestState,
  userId: UserId,
  options: LoginOptions<Data>,
  /** What has begun, where this is its second step: a sign-in of its own relies on nothing before it. */
  begun?: Pending,
): Promise<LoginResult> {
  const { store: sessions, devices } = state.core.settings;
  assertUserId(userId, sessions.userIds);
  refuseImpersonation(state, "sign in");
  assertLogin(options, state.core.settings, begun !== undefined);
  const provedAt = proofTime(state, "login", options.provedAt);
  const before = checkpointOf(state);
  try {
    await prepareLogin(state, userId, options, provedAt, begun);
  } catch (error) {
    // A function that was given the data may have changed them before it threw.
    goBack(state, before);
    throw error;
  }
  const { intent } = state;
  const hasLimit = intent.kind === "login" && intent.max !== undefined;
  if (hasLimit && devices.overflow === "refuse") return inTurn(state, () => storeLogin(state, before));
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
  begun: Pending | undefined,
): Promise<void> {
  const { settings } = state.core;
  const max = await mostDevices(state, userId);
  // Begun in this very request, it is no step that another request could take as well.
  const completes = begun !== undefined && state.intent.kind !== "begin";
  const { carriesAll } = await prepareData(state, userId, options);
  const remember = settings.remember.enabled && (options.remember ?? begun?.remember ?? false);
  const before = writeProofs(begun?.proofs ?? []);
  // What the first factor proved it proved then: a password that was changed since completes nothing.
  const firstAt = Math.min(provedAt, begun?.provedAt ?? provedAt);
  const { authenticatedAt = provedAt } = options;
  ask(state, {
    ...signIn(userId, firstAt),
    authenticatedAt: Math.min(firstAt, authenticatedAt),
    proofs: withProof(before, options.method, Math.min(provedAt, authenticatedAt)),
    remember: remember === false ? undefined : { id: newSiblingId(idOf(state)), life: lifeOf(remember) },
    lives: { idleFor: parseDuration(options.idle), absoluteFor: parseDuration(options.absolute) },
    max,
    completes,
    carriesAll,
    tag: options.tag,
  });
}

/** The data that the session will have: what is kept of what was gathered before, without the tokens of before. */
export async function prepareData<Data>(
  state: RequestState,
  userId: UserId,
  options: Pick<LoginOptions<Data>, "carry" | "previous">,
): Promise<{ readonly carriesAll: boolean }> {
  // By the row, not by the handler's calls since: after logout() the data of another user is still there.
  const before = identityOfStanding(state.standing).userId;
  const isOtherUser = before !== undefined && before !== userId;
  const hasLeft = state.intent.kind === "logout";
  const carry = options.carry ?? (isOtherUser && !hasLeft ? "none" : "all");
  await carryOver(state, userId, carry, options.previous);
  forgetTokens(state);
  return { carriesAll: carry === "all" && !isOtherUser && !hasLeft };
}

/** The option `devices.max`, which may depend on the user. */
async function mostDevices({ core }: RequestState, userId: UserId): Promise<number | undefined> {
  const { max } = core.settings.devices;
  if (typeof max !== "function") return max;
  const most = await max(userId);
  if (most === false || (Number.isInteger(most) && most >= 1)) return most === false ? undefined : most;
  throw new PsessionError(
    "invalid_options",
    "devices.max returned something else than a whole number of at least 1, or false.",
  );
}

/** How long a remembered login lives, in milliseconds; undefined for as long as the options say. */
export const lifeOf = (remember: true | number | { readonly for: Duration }): number | undefined =>
  typeof remember === "object" ? parseDuration(remember.for) : remember === true ? undefined : remember;

const signIn = (userId: UserId, provedAt: number): LoginIntent => ({
  kind: "login",
  userId,
  level: "login",
  authenticatedAt: undefined,
  proofs: undefined,
  remember: undefined,
  lives: undefined,
  max: undefined,
  completes: false,
  carriesAll: true,
  tag: undefined,
  provedAt,
});

/** No credential was proved now, so a sign-in that another library had kept is never fresh. */
export function takeOver(state: RequestState, userId: UserId): void {
  assertUserId(userId, state.core.settings.store.userIds);
  const { max } = state.core.settings.devices;
  ask(state, {
    ...signIn(userId, state.arrivedAt),
    max: typeof max === "number" ? max : undefined,
    isTakenOver: true,
  });
}

export async function reauthenticate(
  state: RequestState,
  options: ProofOptions,
  who = "reauthenticate",
): Promise<void> {
  signedIn(state);
  refuseImpersonation(state, "prove a credential");
  assertOptions(who, options, ["provedAt", "method"]);
  const { method } = options;
  if (method !== undefined) assertMethod(`${who}: method`, method);
  const provedAt = proofTime(state, who, options.provedAt);
  const own = await ownLogin(state);
  const { intent } = state;
  // A second factor in the request that signs in belongs to that sign-in.
  if (intent.kind === "login") {
    const authenticatedAt = Math.max(provedAt, intent.authenticatedAt ?? provedAt);
    return ask(state, { ...intent, authenticatedAt, proofs: withProof(intent.proofs, method, provedAt) });
  }
  const proofs = withProof(raiseOf(intent)?.proofs, method, provedAt);
  const raise = { provedAt, proofs, notAfter: own?.absoluteDeadline };
  ask(state, intent.kind === "renew" ? { ...intent, raise } : { kind: "reauthenticate", ...raise });
}

/** New secrets for the same sign-in. `endsLogin`: a login whose token was not presented ends, as after a changed password. */
export async function renew(state: RequestState, endsLogin: boolean): Promise<void> {
  signedIn(state);
  refuseImpersonation(state, "renew a session");
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
  const { within, method } = (options as Freshness | null | undefined) ?? {};
  const limit = parseDuration(within);
  if (limit === undefined) {
    throw new PsessionError(
      "invalid_options",
      'isFresh: within must be a duration, such as 600000 or "10m".',
    );
  }
  if (method !== undefined) assertMethod("isFresh: method", method);
  const { authenticatedAt } = identityOf(state);
  const at =
    method === undefined ? authenticatedAt : proofsOf(state).find((proof) => proof.method === method)?.at;
  const now = state.core.settings.clock.now();
  return (
    state.host === undefined && identityOf(state).level === "login" && at !== undefined && now - at <= limit
  );
}

/** What was proved for this sign-in, the latest first. A remember cookie proves nothing. */
export function proofsOf(state: RequestState): readonly ProvedMethod[] {
  const { level, proofs } = identityOf(state);
  return level === "login" && state.host === undefined ? readProofs(proofs) : [];
}

export function assertMethod(what: string, method: unknown): asserts method is string {
  if (isMethod(method)) return;
  throw new PsessionError(
    "invalid_options",
    `${what} must be a word of 1 to ${LONGEST_METHOD} letters, digits and _ . : - characters, such as "password", "otp" or "oauth:google".`,
  );
}

/** The remembered login that the session belongs to, by a read unless the request has read it. */
export async function ownLogin({ standing, core }: RequestState): Promise<RememberedRow | undefined> {
  if (standing.kind === "remembered") return standing.login;
  const id = sessionOf(standing)?.rememberedId;
  if (id === undefined) return undefined;
  const found = await core.settings.store.findRemembered(id);
  return loginInForce(found?.login, core.settings);
}

export function proofTime({ facts, arrivedAt, core }: RequestState, method: string, given: unknown): number {
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

function assertLogin<Data>(options: LoginOptions<Data>, settings: Settings, completes: boolean): void {
  const known = ["remember", "carry", "previous", "tag", "provedAt", "method", "idle", "absolute"];
  // The second step has a proof of its own, of now.
  assertOptions("login", options, completes ? known : [...known, "authenticatedAt"]);
  assertBegin("login", options, settings);
  const { tag, idle, absolute, authenticatedAt } = options;
  if (authenticatedAt !== undefined && !(Number.isSafeInteger(authenticatedAt) && authenticatedAt >= 0))
    throw new PsessionError(
      "invalid_options",
      "login: authenticatedAt must be the time at which the user proved a credential, in whole epoch milliseconds, such as auth_time * 1000; or 0 where that is not known.",
    );
  if (tag !== undefined) assertText("login: tag", tag, LONGEST_TAG);
  assertShorter("login: idle", idle, settings.session.idle, "session.idle");
  assertShorter("login: absolute", absolute, settings.session.absolute, "session.absolute");
}

/** The options that a first factor may come with as well. */
export function assertBegin<Data>(
  who: string,
  { remember = false, carry = "all", previous, method }: LoginOptions<Data>,
  settings: Settings,
): void {
  const isLife = typeof remember === "object" && remember !== null && Object.keys(remember).join() === "for";
  // Forms post text: taken for true, "off" would remember; taken for false, a tick would be ignored silently.
  if (typeof remember !== "boolean" && !isLife)
    throw new PsessionError(
      "invalid_options",
      `${who}: remember must be true or false, such as { remember: body.remember === "on" } for a ticked box of a form; or { for: "7d" }.`,
    );
  if (isLife)
    assertShorter(`${who}: remember.for`, remember.for, settings.remember.absolute, "remember.absolute");
  if (typeof carry !== "function") assertKeep(`${who}: carry`, carry);
  if (method !== undefined) assertMethod(`${who}: method`, method);
  if (previous !== undefined && previous !== null && !isPrevious(previous))
    throw new PsessionError(
      "invalid_options",
      `${who}: previous must be a session that was read, with data and id as text, or null.`,
    );
}

/** A longer one would be cut silently. */
function assertShorter(what: string, given: unknown, most: number, option: string): void {
  if (given === undefined || isDuration(given, 1, most)) return;
  throw new PsessionError(
    "invalid_options",
    `${what} must be a positive duration, such as "15m", and not longer than the option ${option}.`,
  );
}

const isPrevious = ({ id = "", data }: { readonly id?: unknown; readonly data?: unknown }): boolean =>
  typeof id === "string" && typeof data === "string";
