import { checkOrigins, isSameOrigin, type OriginOptions } from "../../http/origin.ts";
import {
  CROSS_SITE,
  type ExclusiveSession,
  exclusiveTurn,
  type FreshOptions,
  freshGuard,
  type Guard,
  type GuardedRequest,
  type GuardFacts,
  type GuardOptions,
  levelGuard,
  loginGuard,
} from "../../integration/guards.ts";
import { type NodeOptions, visibleOrigin } from "../../integration/node/facts.ts";
import type { NodeRequest, NodeResponse } from "../../integration/node/messages.ts";
import { answerRefusal } from "../../integration/node/refusal.ts";
import type { Level } from "../../stores/store.ts";
import type { LockOptions } from "../../upkeep/locks.ts";

/**
 * True where the request may go on; false where it was answered. Behind a mount that keeps the whole path at
 * `request.originalUrl`, as Connect's does, that is the path; elsewhere `facts` say what the request does not.
 */
export type NodeGuard = (
  request: NodeRequest,
  response: NodeResponse,
  session: GuardedRequest["session"],
  facts?: GuardFacts,
) => boolean;

/** Lets signed-in users through, remembered ones included. Others are answered: the redirect, or 401. */
export const requireLogin = ({ trustProxy, ...options }: GuardOptions & NodeOptions = {}): NodeGuard =>
  standing(loginGuard(options), trustProxy);

/** Lets visitors of at least that level through. Others: the redirect, or 403 (401 where nobody is signed in). */
export const requireLevel = (
  level: Level,
  { trustProxy, ...options }: GuardOptions & NodeOptions = {},
): NodeGuard => standing(levelGuard(level, options), trustProxy);

/** Lets users through who proved a credential that recently. Others: the redirect, or 403 (or 401). */
export const requireFresh = ({ trustProxy, ...options }: FreshOptions & NodeOptions): NodeGuard =>
  standing(freshGuard(options), trustProxy);

/**
 * One request of a session at a time: waits until the responses of those before have begun, then is true. Throws
 * `lock_timeout` (503) for who waits too long, `session_ended` (401) for who was signed out meanwhile.
 */
export function exclusive(
  options: LockOptions = {},
): (request: NodeRequest, response: NodeResponse, session: ExclusiveSession) => Promise<true> {
  const turn = exclusiveTurn(options);
  return async (_request, _response, session) => {
    await turn(session);
    return true;
  };
}

/** Refuses changes that another site sends in a visitor's name, with 403: false where it did. Ask it first. */
export function originCheck(
  options: OriginOptions & NodeOptions = {},
): (request: NodeRequest, response: NodeResponse, facts?: Pick<GuardFacts, "origin">) => boolean {
  checkOrigins("originCheck", options);
  return (request, response, facts) => {
    const { method } = request;
    const header = (name: string) => request.headers[name];
    const origin = originOf(request, options.trustProxy ?? false, facts);
    if (isSameOrigin({ method, header, origin }, options)) return true;
    answerRefusal(response, CROSS_SITE);
    return false;
  };
}

function standing(guard: Guard, trustProxy = false): NodeGuard {
  return (request, response, session, facts) => {
    const { method, url, originalUrl } = request as NodeRequest & { readonly originalUrl?: string };
    const header = (name: string) => request.headers[name];
    const path = facts?.path ?? originalUrl ?? url ?? "/";
    const origin = originOf(request, trustProxy, facts);
    const refusal = guard({ session, header, method, path, origin });
    if (refusal === undefined) return true;
    answerRefusal(response, refusal);
    return false;
  };
}

function originOf(request: NodeRequest, trustProxy: boolean, facts: GuardFacts | undefined): string {
  const known = facts?.origin ?? visibleOrigin(request, trustProxy);
  return typeof known === "function" ? known() : known;
}
