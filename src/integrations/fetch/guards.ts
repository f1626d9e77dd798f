import type { OriginOptions } from "../../http/origin.ts";
import { asked, pathOf } from "../../integration/fetch/facts.ts";
import { checkOptions } from "../../integration/fetch/options.ts";
import { refused } from "../../integration/fetch/response.ts";
import type { ProxyOptions } from "../../integration/forwarded.ts";
import {
  type ExclusiveSession,
  exclusiveTurn,
  type GuardedRequest,
  type GuardFacts,
  originGuard,
  proxiedGuardsBy,
  type Refusal,
} from "../../integration/guards.ts";
import type { LockOptions } from "../../upkeep/locks.ts";

/**
 * The answer instead of the page, or undefined if the request may go on. `facts` give what the request lacks, such as
 * its whole path behind a mount.
 */
export type FetchGuard = (
  request: Request,
  session: GuardedRequest["session"],
  facts?: GuardFacts,
) => Response | undefined;

const guards = proxiedGuardsBy<FetchGuard>((guard, trustProxy) => (request, session, facts) => {
  const path = facts?.path ?? pathOf(request);
  return answered(guard({ session, path, ...asked(request, trustProxy, facts) }));
});

/** Lets signed-in users through, remembered ones included. Others get the redirect, or 401. */
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
 * One request of a session at a time: waits until the responses of earlier requests have left, then gives undefined, as
 * guards do that let a request go on. Throws `lock_timeout` (503) after waiting too long, `session_ended` (401) if the
 * visitor was signed out meanwhile.
 */
export function exclusive(
  options: LockOptions = {},
): (request: Request, session: ExclusiveSession) => Promise<undefined> {
  const turn = exclusiveTurn(options);
  return (_request, session) => turn(session);
}

/** Refuses changes that another site sends in a visitor's name, with 403. Ask it before everything else. */
export function originCheck(
  options: OriginOptions & ProxyOptions = {},
): (request: Request, facts?: Pick<GuardFacts, "origin">) => Response | undefined {
  checkOptions("originCheck", options, ["allowed", "trustProxy"]);
  const guard = originGuard(options);
  return (request, facts) => answered(guard(asked(request, options.trustProxy, facts)));
}

const answered = (refusal: Refusal | undefined): Response | undefined => refusal && refused(refusal);
