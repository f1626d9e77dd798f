import type { OriginOptions } from "../../http/origin.ts";
import type { ProxyOptions } from "../../integration/forwarded.ts";
import {
  type ExclusiveSession,
  exclusiveTurn,
  type GuardedRequest,
  type GuardFacts,
  knownOrigin,
  originGuard,
  proxiedGuardsBy,
  type Refusal,
} from "../../integration/guards.ts";
import { asked, visibleOrigin } from "../../integration/node/facts.ts";
import type { NodeRequest, NodeResponse } from "../../integration/node/messages.ts";
import { answerRefusal } from "../../integration/node/send.ts";
import type { LockOptions } from "../../upkeep/locks.ts";

/**
 * True if the request may go on; false if the guard has answered it. The path is `request.originalUrl` if a mount keeps
 * it there, as Connect's does; `facts` give whatever the request lacks.
 */
export type NodeGuard = (
  request: NodeRequest,
  response: NodeResponse,
  session: GuardedRequest["session"],
  facts?: GuardFacts,
) => boolean;

const guards = proxiedGuardsBy<NodeGuard>((guard, trustProxy) => (request, response, session, facts) => {
  const { url, originalUrl } = request as NodeRequest & { readonly originalUrl?: string };
  const path = facts?.path ?? originalUrl ?? url ?? "/";
  return mayGoOn(response, guard({ session, path, ...asked(request, originOf(request, trustProxy, facts)) }));
});

/** Lets signed-in users through, remembered ones included. Others are answered: the redirect, or 401. */
export const requireLogin = guards.requireLogin;

/** Lets visitors of at least that level through. Others: the redirect, or 403 (401 where nobody is signed in). */
export const requireLevel = guards.requireLevel;

/** Lets users through who proved a credential that recently. Others: the redirect, or 403 (or 401). */
export const requireFresh = guards.requireFresh;

/**
 * Lets users through who have proved all of these methods since they signed in, or reach that assurance level; `within`:
 * that recently. Others: the redirect, or 403 (401 where nobody is signed in).
 */
export const requireProofs = guards.requireProofs;

/**
 * Lets users through whose browser has proved that recently that it holds the key of their session (option `deviceBound`). One
 * that holds it proves it on the way, by a redirect to the same address (307). Others: the redirect, or 403 (or 401).
 */
export const requireKeyProof = guards.requireKeyProof;

/** Lets visitors through whose sign-in has begun (`session.begin`), for the page of the second factor. Others: the redirect, or 401. */
export const requirePending = guards.requirePending;

/** Lets nobody through who acts as another user (`session.impersonate`). Others: the redirect, or 403. */
export const forbidImpersonation = guards.forbidImpersonation;

/**
 * One request of a session at a time: waits until the responses of earlier requests have begun, then is true. Throws
 * `lock_timeout` (503) after waiting too long, `session_ended` (401) if the visitor was signed out meanwhile.
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
  options: OriginOptions & ProxyOptions = {},
): (request: NodeRequest, response: NodeResponse, facts?: Pick<GuardFacts, "origin">) => boolean {
  const guard = originGuard(options);
  return (request, response, facts) =>
    mayGoOn(response, guard(asked(request, originOf(request, options.trustProxy, facts))));
}

const originOf = (request: NodeRequest, trustProxy = false, facts?: GuardFacts): string =>
  knownOrigin(facts) ?? visibleOrigin(request, trustProxy);

function mayGoOn(response: NodeResponse, refusal: Refusal | undefined): boolean {
  if (refusal !== undefined) answerRefusal(response, refusal);
  return refusal === undefined;
}
