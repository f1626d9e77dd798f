import { PsessionError } from "../errors.ts";
import { type PresentedSession, readActingCookie } from "../http/cookies.ts";
import { type Acting, type Actor, actingIn } from "../protocol/actor.ts";
import { isPast } from "../protocol/rows.ts";
import { sameDigest } from "../protocol/secrets.ts";
import type { SessionRow } from "../stores/store.ts";
import { currentRequest } from "./context.ts";
import type { RequestFacts } from "./facts.ts";
import type { Core, RequestState } from "./state.ts";

/** The session that an administrator has as another user, and the administrator's own. */
export interface Impersonation {
  readonly acting: SessionRow;
  readonly host: SessionRow;
  readonly presented: PresentedSession;
}

/** Requests in which an administrator acts as somebody else. */
const requests = new WeakSet<object>();

/** Whether the request is one of them from here on. */
export function noteActing(request: object, isActing: boolean): void {
  if (isActing) requests.add(request);
  else requests.delete(request);
}

/**
 * By one read, where the browser sends a cookie of an impersonation: both sessions have to be as they were when it began.
 * Undefined where it is over; "over" says that the cookie is of no more use.
 */
export async function openImpersonation(
  { settings }: Core,
  facts: RequestFacts,
  host: SessionRow,
  request: object,
): Promise<Impersonation | "over" | undefined> {
  const { cookies, keys, store, clock } = settings;
  const cookie = readActingCookie(facts.cookie, cookies.acting.name, keys);
  if (cookie.kind !== "valid") return undefined;
  const acting = await store.findSession(cookie.cookie.id);
  const actor = acting && actingIn(acting);
  const isRight =
    acting !== undefined &&
    actor !== undefined &&
    sameDigest(cookie.cookie.digest, acting.secret) &&
    !isPast(acting, clock.now()) &&
    isHost(host, actor);
  if (!isRight) return "over";
  requests.add(request);
  return { acting, host, presented: cookie.cookie };
}

/** Whether an administrator's session is still the one that an impersonation began in. */
export const isHost = (row: SessionRow, { sessionId, fence, userId }: Acting): boolean =>
  row.id === sessionId && row.fence === fence && row.userId === userId && row.level === "login";

/** Who acts as the session's user; undefined where the user does. */
export function actorOf({ standing, host }: RequestState): Actor | undefined {
  if (host === undefined || standing.kind !== "live") return undefined;
  const acting = actingIn(standing.session);
  if (acting === undefined) return undefined;
  const { userId, reason, since, until } = acting;
  return { userId, reason, since, until };
}

/** For what only the user may do: another's credentials prove nothing about them. */
export function refuseImpersonation({ host }: RequestState, what: string): void {
  if (host !== undefined) throw impersonating(what);
}

/** The same for calls that name no session, made in a request of one. */
export function refuseWhileImpersonating(what: string): void {
  const request = currentRequest();
  if (request !== undefined && requests.has(request)) throw impersonating(what);
}

const impersonating = (what: string): PsessionError =>
  new PsessionError(
    "impersonating",
    `Nobody can ${what} while acting as another user: call stopImpersonating() first.`,
    {
      status: 403,
    },
  );
