import { type Duration, isDuration, parseDuration } from "../checks/duration.ts";
import { assertOptions, isText, textOf } from "../checks/given.ts";
import { assertUserId } from "../checks/user-id.ts";
import { PsessionError } from "../errors.ts";
import { clearCookie, sessionCookieValue } from "../http/cookies.ts";
import { type Actor, actingIn, writeActor } from "../protocol/actor.ts";
import { isPast } from "../protocol/rows.ts";
import { newId, newSecret } from "../protocol/secrets.ts";
import type { SessionRow, UserId } from "../stores/store.ts";
import { actorOf, assertUnbound, isHost, noteActing, refuseImpersonation } from "./acting.ts";
import { leaveFlash } from "./asides.ts";
import { inTurn, sendCookie } from "./commit.ts";
import { originOf } from "./facts.ts";
import { sessionInForce } from "./limits.ts";
import { outdatedProof } from "./marks.ts";
import { assertDeliverable, proofOf } from "./plan/parts.ts";
import { endingOf, newSessionRow } from "./rows.ts";
import { store } from "./save.ts";
import { actAs, actAsOneself, idOf } from "./standing.ts";
import { ANONYMOUS, identityOf, type RequestState, settingsOf } from "./state.ts";
import { signedIn } from "./use.ts";

/** Why, and for how long, an administrator acts as a user: `session.impersonate`. */
export interface ImpersonationOptions {
  /** For the user's audit trail, such as the number of a ticket: text of 1 to 255 characters. */
  reason: string;
  /** At most eight hours. Default: "30m". */
  for?: Duration | undefined;
}

const DEFAULT = "30m";
const LONGEST = 8 * 3_600_000;
const LONGEST_REASON = 255;

/** Acts as another user from here on, in a session of its own. Stored at once. */
export async function impersonate(
  state: RequestState,
  userId: UserId,
  options: ImpersonationOptions,
): Promise<void> {
  const actorId = signedIn(state);
  const { settings, events } = state.core;
  assertUserId(userId, settings.store.userIds);
  assertOptions("impersonate", options, ["reason", "for"]);
  const { reason, for: given = DEFAULT } = options;
  if (!isText(reason, LONGEST_REASON))
    throw new PsessionError("invalid_options", `impersonate: reason must be ${textOf(LONGEST_REASON)}.`);
  if (!isDuration(given, 1, LONGEST))
    throw new PsessionError(
      "invalid_options",
      "impersonate: for must be a positive duration of at most 8 hours.",
    );
  refuseImpersonation(state, "impersonate another user");
  assertUnbound(state, "impersonate");
  if (userId === actorId)
    throw new PsessionError("invalid_options", "impersonate: that is the user who is signed in already.");
  if (identityOf(state).level !== "login")
    throw new PsessionError(
      "not_signed_in",
      "impersonate: the administrator has to prove a credential first.",
      {
        status: 403,
      },
    );
  await inTurn(state, async () => {
    // Another call of this request may have been first.
    refuseImpersonation(state, "impersonate another user");
    leaveFlash(state);
    await store(state);
    const host = hostOf(state);
    assertDeliverable(state, "impersonate");
    const now = settings.clock.now();
    const until = now + (parseDuration(given) ?? 0);
    const secret = newSecret();
    const fresh = newSessionRow(
      {
        id: newId(settings.realm),
        secret,
        data: settings.codec.encode({}),
        now,
        identity: {
          ...ANONYMOUS,
          userId,
          level: "login",
          authenticatedAt: host.authenticatedAt,
          confirmFrom: undefined,
        },
        // Used as often as the administrator's own, it keeps that one alive.
        lives: { idleFor: host.idleFor, absoluteFor: undefined },
        facts: state.facts,
        notAfter: Math.min(until, host.absoluteDeadline),
      },
      settingsOf(state),
    );
    const actor: Actor = { userId: actorId, reason, since: now, until: fresh.absoluteDeadline };
    const row = {
      ...fresh,
      ...writeActor({ ...actor, sessionId: host.id, fence: host.fence }),
    };
    // Nothing that ended either of the two since the request began: who was erased is named by no row.
    const [ofUser, ofActor] = [userId, actorId].map((one) => proofOf(state, one, state.openedAt));
    const proof = ofUser && { ...ofUser, marks: [...new Set([...ofUser.marks, ...(ofActor?.marks ?? [])])] };
    const result = await settings.store.apply({ kind: "signIn", proof, insert: row });
    if (!result.done) throw outdatedProof();
    // What ended the administrator's session meanwhile sees this row, or is seen here.
    if (!(await isHostThere(state, row))) {
      await settings.store.apply({ kind: "end", end: [endingOf(row, "impersonation_ended", now, settings)] });
      throw hostEnded();
    }
    noteActing(state.request, true);
    actAs(state, { acting: row, host, presented: undefined });
    sendCookie(state, {
      definition: settings.cookies.acting,
      value: sessionCookieValue({ id: row.id, secret }, settings.keys, "acting"),
      maxAgeSeconds: undefined,
    });
    events.emit("impersonationBegan", {
      at: now,
      sessionId: row.id,
      handle: row.id,
      userId,
      actorId,
      reason,
      until: fresh.absoluteDeadline,
      request: originOf(state.facts),
    });
  });
}

/** An administrator's session that no other call of this request is about to change. */
function hostOf(state: RequestState): SessionRow {
  const { standing, intent } = state;
  if (standing.kind === "live" && intent.kind === "keep") return standing.session;
  throw hostEnded();
}

const hostEnded = (): PsessionError =>
  new PsessionError(
    "session_ended",
    "impersonate: call it in a request of its own, of a session that is in force.",
    { status: 409 },
  );

async function isHostThere({ core: { settings } }: RequestState, row: SessionRow): Promise<boolean> {
  const acting = actingIn(row);
  if (acting === undefined) return false;
  const host = sessionInForce(await settings.store.findSession(acting.sessionId), settings);
  return host !== undefined && isHost(host, acting) && !isPast(host, settings.clock.now());
}

/** Goes back to the administrator's own session, and ends the other one. False where nobody is impersonated. */
export async function stopImpersonating(state: RequestState): Promise<boolean> {
  assertUnbound(state, "stopImpersonating");
  // Who has signed out has nothing to go back to.
  if (state.host === undefined || state.intent.kind === "logout") return false;
  await inTurn(state, async () => {
    leaveFlash(state);
    await store(state);
    await endImpersonation(state);
    actAsOneself(state);
  });
  return true;
}

/** Ends the session that the administrator has as another user, and its cookie. */
export async function endImpersonation(state: RequestState): Promise<void> {
  const { settings, events } = state.core;
  const actor = actorOf(state);
  const at = settings.clock.now();
  const id = idOf(state);
  const { userId } = identityOf(state);
  const { host } = state;
  if (actor === undefined || userId === undefined || host === undefined) return;
  // A form that was sent twice has begun two, and the browser has the cookie of one.
  const { sessions } = await settings.store.rowsOf(actor.userId);
  const others = sessions.filter((row) => row.id !== id && actingIn(row)?.sessionId === host.id);
  const end = [{ id, userId }, ...others].map((row) => endingOf(row, "impersonation_ended", at, settings));
  const result = await settings.store.apply({ kind: "end", end });
  noteActing(state.request, false);
  if (state.canSetCookies) sendCookie(state, clearCookie(settings.cookies.acting));
  if (!result.done) return;
  const request = originOf(state.facts);
  // Not of what had ended before: either user may have been erased since.
  for (const { sessionId = "", userId: whose } of result.ended) {
    const row = others.find((other) => other.id === sessionId);
    const { userId: actorId, reason } = (row && actingIn(row)) ?? actor;
    if (whose === undefined) continue;
    const facts = { at, sessionId, handle: sessionId, userId: whose, actorId, reason, request };
    events.emit("impersonationEnded", facts);
  }
}
