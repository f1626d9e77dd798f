import { PsessionError } from "../errors.ts";
import type { RequestOrigin } from "../events.ts";
import { type CookieInstruction, clearCookie, cookieValues, type PresentedSession } from "../http/cookies.ts";
import { type Acting, type Actor, actingIn } from "../protocol/actor.ts";
import { decideSession, type Moment } from "../protocol/decide.ts";
import type { SessionRow } from "../stores/store.ts";
import { currentRequest } from "./context.ts";
import { originOf, type RequestFacts, tokenOf } from "./facts.ts";
import { sessionInForce } from "./limits.ts";
import { type Core, type RequestState, sessionOf } from "./state.ts";

/** The session that an administrator has as another user, and the administrator's own. */
export interface Impersonation {
  readonly kind: "live" | "previous";
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
 * "over": the cookie is of no more use. "replaced", "skew": it goes on, but not in this request, which is not the
 * administrator's own either.
 */
export async function openImpersonation(
  { settings }: Core,
  facts: RequestFacts,
  host: SessionRow,
  presented: PresentedSession,
  { arrivedAt }: Pick<Moment, "arrivedAt">,
): Promise<Impersonation | "over" | "replaced" | "skew"> {
  const { store, clock, times } = settings;
  const acting = sessionInForce(await store.findSession(presented.id), settings);
  const actor = acting && actingIn(acting);
  if (acting === undefined || actor === undefined || !isHost(host, actor)) return "over";
  const kind = decideSession(acting, presented.digest, { now: clock.now(), arrivedAt }, times);
  switch (kind) {
    case "live":
    case "previous":
      requests.add(tokenOf(facts));
      return { kind, acting, host, presented };
    case "replaced":
    case "retired":
      return "replaced";
    case "future":
      return "skew";
    case "dead":
      return "over";
  }
}

/** Whether an administrator's session is still the one that an impersonation began in. */
export const isHost = (row: SessionRow, { sessionId, fence, userId }: Acting): boolean =>
  row.id === sessionId && row.fence === fence && row.userId === userId && row.level === "login";

/** Who acts as the session's user; undefined where the user does. */
export function actorOf({ standing, host }: RequestState): Actor | undefined {
  const session = sessionOf(standing);
  const acting = host && session && actingIn(session);
  if (acting === undefined) return undefined;
  const { userId, reason, since, until } = acting;
  return { userId, reason, since, until };
}

/** Where the user sent a request from; undefined for one of somebody who acts as the user. */
export const userOrigin = ({ facts, host }: RequestState): RequestOrigin | undefined =>
  host === undefined ? originOf(facts) : undefined;

/** For an answer that goes on as somebody else: what is left of an impersonation would take that browser's forms. */
export const leftActing = ({ core, facts, host }: RequestState): readonly CookieInstruction[] => {
  const { acting } = core.settings.cookies;
  const isLeft = host === undefined && cookieValues(facts.cookie, acting.name).length > 0;
  return isLeft ? [clearCookie(acting)] : [];
};

/** Requests whose handlers hold the data of one session, whatever the request goes on as. */
const bound = new WeakSet<RequestState>();

/** From here on the request stays with its session: nobody begins or stops to impersonate in it. */
export const bindToSession = (state: RequestState): void => void bound.add(state);

/** Data that a handler holds of one session must not reach the other. */
export function assertUnbound(state: RequestState, who: string): void {
  if (bound.has(state))
    throw new PsessionError(
      "invalid_options",
      `${who}: not where req.session is of psession/express-session, as that holds the data of one session. Do it on a route with psession/express.`,
    );
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
