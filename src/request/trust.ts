import { type Duration, isDuration, parseDuration } from "../checks/duration.ts";
import { assertOptions } from "../checks/given.ts";
import { assertUserId } from "../checks/user-id.ts";
import { PsessionError } from "../errors.ts";
import { clearCookie, MAX_AGE_LIMIT_SECONDS, trustCookieValue } from "../http/cookies.ts";
import { newId, newSecret } from "../protocol/secrets.ts";
import type { SessionRow, UserId } from "../stores/store.ts";
import { refuseImpersonation } from "./acting.ts";
import { isAlive } from "./alive.ts";
import { sendCookie } from "./commit.ts";
import { originOf } from "./facts.ts";
import { outdatedProof, PROOF_LIFE } from "./marks.ts";
import { assertDeliverable, proofOf } from "./plan/parts.ts";
import { endingOf, newSessionRow } from "./rows.ts";
import { save } from "./save.ts";
import { handleOf, nothingPending } from "./standing.ts";
import { ANONYMOUS, identityOf, sessionOf, type Writing, waitingOf } from "./state.ts";
import { recordOf } from "./trust-record.ts";
import { signedIn } from "./use.ts";

type State = Writing<"trust">;

/** How long a browser is trusted: `session.trust`. */
export interface TrustOptions {
  /** Default: "30d"; at most 400 days, as browsers keep no cookie longer. */
  for?: Duration | undefined;
}

const DEFAULT = "30d";
const LONGEST = MAX_AGE_LIMIT_SECONDS * 1000;

/** Records that this user trusts this browser, after a proof of a credential within the last hour. */
export async function trust(state: State, options: TrustOptions): Promise<void> {
  const userId = signedIn(state);
  refuseImpersonation(state, "trust a browser");
  assertOptions("trust", options, ["for"]);
  const { for: given = DEFAULT } = options;
  if (!isDuration(given, 1, LONGEST))
    throw new PsessionError("invalid_options", "trust: for must be a positive duration of at most 400 days.");
  const { level, authenticatedAt } = identityOf(state);
  if (level !== "login" || authenticatedAt === undefined)
    throw new PsessionError("not_signed_in", "trust: the user has to prove a credential first.", {
      status: 403,
    });
  assertDeliverable(state, "trust this browser");
  // Trust outlives the sign-in that it comes with: where that is refused, nobody is trusted.
  if (state.intent.kind === "login") await save(state);
  const now = state.core.settings.clock.now();
  if (now - authenticatedAt > PROOF_LIFE) throw outdatedProof();
  const until = now + (parseDuration(given) ?? 0);
  // A session whose secret is newer than a mark has outlived what the mark ended, as one that a changed password keeps.
  const provedAt = Math.max(authenticatedAt, sessionOf(state.standing)?.secretAt ?? 0);
  const result = await store(state, userId, { provedAt, until });
  if (result === "outdated") throw outdatedProof();
  if (result === "ended") throw hasEnded();
}

const hasEnded = (): PsessionError =>
  new PsessionError("not_signed_in", "trust: the session has ended meanwhile, or its secret was replaced.", {
    status: 401,
  });

/** Whether the browser that sent the request is trusted by the user: by default who has begun to sign in, or is. */
export async function isTrusted(state: State, userId?: UserId): Promise<boolean> {
  if (userId !== undefined) assertUserId(userId, state.core.settings.store.userIds);
  const whose = userId ?? waitingOf(state)?.userId ?? identityOf(state).userId;
  if (whose === undefined) throw nothingPending();
  return (await recordOf(state, whose)) !== undefined;
}

/**
 * Ends the user's devices by `end`, and afterwards gives this browser the trust that it had, under a new secret: a copy of
 * its cookies may be why the others end.
 */
export async function keepingTrust<T>(
  state: State,
  userId: UserId,
  end: (kept: string | undefined) => Promise<T>,
): Promise<T> {
  // As of now: a factor that another request changes from here on ends this trust as well.
  const provedAt = state.core.settings.clock.now();
  const isOwn = state.canSetCookies && state.host === undefined;
  const kept = isOwn ? await recordOf(state, userId) : undefined;
  const ended = await end(kept?.id);
  if (kept === undefined) return ended;
  state.trust = undefined;
  const { absoluteDeadline: until, createdAt } = kept;
  try {
    await store(state, userId, { provedAt, until, createdAt });
  } catch (error) {
    // The others have ended, and what else follows that must: this browser is asked for the second factor again.
    const isOutage = error instanceof PsessionError && error.code === "store_unavailable";
    if (!isOutage) throw error;
    state.core.events.emit("storeUnavailable", { at: state.core.settings.clock.now(), error });
  }
  return ended;
}

/** "outdated", "ended": then nothing is stored, or stays. */
async function store(
  state: State,
  userId: UserId,
  { provedAt, until, createdAt }: { provedAt: number; until: number; createdAt?: number },
): Promise<"trusted" | "outdated" | "ended"> {
  const { settings, events } = state.core;
  const { cookies, keys, store, clock, realm } = settings;
  const now = clock.now();
  const secret = newSecret();
  const before = await recordOf(state, userId);
  const fresh = newSessionRow(
    {
      id: newId(realm),
      secret,
      data: settings.codec.encode({}),
      now,
      identity: { ...ANONYMOUS, userId, level: "trust", authenticatedAt: provedAt, confirmFrom: undefined },
      device: { handle: handleOf(state), name: undefined, tag: undefined },
      facts: state.facts,
    },
    settings,
  );
  const row: SessionRow = {
    ...fresh,
    createdAt: createdAt ?? now,
    idleDeadline: until,
    absoluteDeadline: until,
    pruneAfter: until,
  };
  const end = before && [endingOf(before, "replaced", now, settings)];
  const proof = proofOf(state, userId, provedAt);
  const result = await store.apply({ kind: "signIn", proof, insert: row, ...(end && { end }) });
  if (!result.done) return "outdated";
  // Whoever ends a device first ends its session, and then the records that there are: one of the two sees the other.
  if (!(await isAlive(state))) {
    await store.apply({ kind: "end", end: [endingOf(row, "revoked", now, settings)] });
    return "ended";
  }
  state.trust = row;
  sendCookie(state, {
    definition: cookies.trust,
    value: trustCookieValue({ id: row.id, secret }, keys),
    maxAgeSeconds: Math.ceil((until - now) / 1000),
  });
  events.emit("trusted", {
    at: now,
    sessionId: row.id,
    userId,
    handle: row.handle ?? row.id,
    until,
    request: originOf(state.facts),
  });
  return "trusted";
}

/** Ends the trust of this browser. False where this user had none here. */
export async function distrust(state: State): Promise<boolean> {
  const userId = signedIn(state);
  refuseImpersonation(state, "stop trusting a browser");
  const { settings } = state.core;
  const record = await recordOf(state, userId);
  if (record === undefined) return false;
  const at = settings.clock.now();
  const result = await settings.store.apply({
    kind: "end",
    end: [endingOf(record, "revoked", at, settings)],
  });
  state.trust = undefined;
  if (state.canSetCookies) sendCookie(state, clearCookie(settings.cookies.trust));
  // It was read before it ended elsewhere, and its user may have been erased since.
  if (!result.done || result.ended.length === 0) return false;
  state.core.events.emit("revoked", {
    at,
    userId,
    handle: record.id,
    reason: "revoked",
    request: originOf(state.facts),
  });
  return true;
}
