import { type Duration, isDuration, parseDuration } from "../checks/duration.ts";
import { assertOptions } from "../checks/given.ts";
import { assertUserId } from "../checks/user-id.ts";
import { PsessionError } from "../errors.ts";
import { writePending } from "../protocol/pending.ts";
import { withProof } from "../protocol/proofs.ts";
import type { UserId } from "../stores/store.ts";
import { refuseImpersonation } from "./acting.ts";
import {
  assertBegin,
  type LoginOptions,
  type LoginResult,
  lifeOf,
  login,
  prepareData,
  proofTime,
} from "./intents.ts";
import { afterOwnMarks, marksOf, PROOF_LIFE } from "./marks.ts";
import { ask, checkpointOf, goBack, nothingPending, setCheckpoint } from "./standing.ts";
import { type RequestState, waitingOf } from "./state.ts";

/** How a sign-in begins: `session.begin`. */
export interface BeginOptions<Data>
  extends Pick<LoginOptions<Data>, "provedAt" | "method" | "remember" | "carry" | "previous"> {
  /** How long the visitor may take for the second factor: at most an hour. Default: "5m". */
  for?: Duration | undefined;
}

/** How a sign-in is completed: `session.complete`. */
export type CompleteOptions<Data> = Omit<LoginOptions<Data>, "authenticatedAt">;

const DEFAULT = "5m";

/** Notes who proved a first factor. Nobody is signed in by that: what was before on this session no longer is. */
export async function begin<Data>(
  state: RequestState,
  userId: UserId,
  options: BeginOptions<Data>,
): Promise<void> {
  const { settings } = state.core;
  assertUserId(userId, settings.store.userIds);
  refuseImpersonation(state, "sign in");
  assertOptions("begin", options, ["for", "provedAt", "method", "remember", "carry", "previous"]);
  assertBegin("begin", options, settings);
  const { for: given = DEFAULT, remember = false, method } = options;
  if (!isDuration(given, 1, PROOF_LIFE))
    throw new PsessionError("invalid_options", 'begin: for must be a positive duration of at most "1h".');
  // A reset by link changes the password first: what this request has marked itself does not refuse its own proof.
  const provedAt = afterOwnMarks(state.request, marksOf(userId), proofTime(state, "begin", options.provedAt));
  const before = checkpointOf(state);
  try {
    const { carriesAll } = await prepareData(state, userId, options);
    const until = settings.clock.now() + (parseDuration(given) ?? 0);
    const fields = { until, provedAt, remember: remember && (lifeOf(remember) ?? true) };
    const pending = writePending(userId, fields, withProof(undefined, method, provedAt));
    ask(state, { kind: "begin", pending, carriesAll });
  } catch (error) {
    goBack(state, before);
    throw error;
  }
  setCheckpoint(state, before);
}

/** Signs in who has begun. Throws where nobody has, or took too long. */
export async function complete<Data>(
  state: RequestState,
  options: CompleteOptions<Data>,
): Promise<LoginResult> {
  const pending = waitingOf(state);
  if (pending === undefined) throw nothingPending();
  return login(state, pending.userId, options, pending);
}
