import { isSameOrigin, type OriginOptions } from "../../http/origin.ts";
import { headerOf, pathOf, visibleOrigin } from "../../integration/fetch/facts.ts";
import { checkOptions, type ProxyOptions } from "../../integration/fetch/options.ts";
import { refused } from "../../integration/fetch/response.ts";
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
import type { Level } from "../../stores/store.ts";
import type { LockOptions } from "../../upkeep/locks.ts";

/**
 * What to answer instead of the page, or undefined where the request may go on. `facts` say what the request does not,
 * such as its whole path where a mount has cut it.
 */
export type FetchGuard = (
  request: Request,
  session: GuardedRequest["session"],
  facts?: GuardFacts,
) => Response | undefined;

/** Lets signed-in users through, remembered ones included. Others get the redirect, or 401. */
export const requireLogin = ({ trustProxy, ...options }: GuardOptions & ProxyOptions = {}): FetchGuard =>
  standing(loginGuard(options), trustProxy);

/** Lets visitors of at least that level through. Others: the redirect, or 403 (401 where nobody is signed in). */
export const requireLevel = (
  level: Level,
  { trustProxy, ...options }: GuardOptions & ProxyOptions = {},
): FetchGuard => standing(levelGuard(level, options), trustProxy);

/** Lets users through who proved a credential that recently. Others: the redirect, or 403 (or 401). */
export const requireFresh = ({ trustProxy, ...options }: FreshOptions & ProxyOptions): FetchGuard =>
  standing(freshGuard(options), trustProxy);

/**
 * One request of a session at a time: waits until the responses of those before have left, then gives undefined, as
 * guards do that let a request go on. Throws `lock_timeout` (503) for who waits too long, `session_ended` (401) for
 * who was signed out meanwhile.
 */
export function exclusive(
  options: LockOptions = {},
): (request: Request, session: ExclusiveSession) => Promise<undefined> {
  const turn = exclusiveTurn(options);
  return async (_request, session) => {
    await turn(session);
    return undefined;
  };
}

/** Refuses changes that another site sends in a visitor's name, with 403. Ask it before everything else. */
export function originCheck(
  options: OriginOptions & ProxyOptions = {},
): (request: Request, facts?: Pick<GuardFacts, "origin">) => Response | undefined {
  checkOptions("originCheck", options, ["allowed", "trustProxy"]);
  const { trustProxy = false } = options;
  return (request, facts) => {
    const { method } = request;
    const asked = { method, header: headerOf(request), origin: originOf(request, trustProxy, facts) };
    return isSameOrigin(asked, options) ? undefined : refused(CROSS_SITE);
  };
}

function standing(guard: Guard, trustProxy = false): FetchGuard {
  return (request, session, facts) => {
    const { method } = request;
    const origin = originOf(request, trustProxy, facts);
    const path = facts?.path ?? pathOf(request);
    const refusal = guard({ session, header: headerOf(request), method, path, origin });
    return refusal === undefined ? undefined : refused(refusal);
  };
}

function originOf(request: Request, trustProxy: boolean, facts: GuardFacts | undefined): string {
  const known = facts?.origin ?? visibleOrigin(request, trustProxy);
  return typeof known === "function" ? known() : known;
}
