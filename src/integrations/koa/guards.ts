import type { OriginOptions } from "../../http/origin.ts";
import { answerTo, exclusiveTurn, guardsBy, originGuard, type Refusal } from "../../integration/guards.ts";
import { asked } from "../../integration/node/facts.ts";
import type { LockOptions } from "../../upkeep/locks.ts";
import { type KoaContext, type KoaMiddleware, openedIn, originOf, send } from "./context.ts";

const guards = guardsBy<KoaMiddleware>((guard) =>
  checking(async (ctx) =>
    guard({ session: await openedIn(ctx), path: ctx.originalUrl, ...asked(ctx.req, originOf(ctx)) }),
  ),
);

/** Lets signed-in users through, remembered ones included. Others: the redirect, or 401. */
export const requireLogin = guards.requireLogin;

/** Lets visitors of at least that level through. Others: the redirect, or 403 (401 where nobody is signed in). */
export const requireLevel = guards.requireLevel;

/**
 * Lets users through who proved a credential that recently; remembered visitors never did. Others: the
 * redirect, or 403 (401 where nobody is signed in).
 */
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
 * Lets one request of a session through at a time: the others wait until its response begins, and see what it saved.
 * Waiting too long is an error `lock_timeout` (503); a sign-out meanwhile, `session_ended` (401).
 */
export function exclusive(options: LockOptions = {}): KoaMiddleware {
  const turn = exclusiveTurn(options);
  return checking(async (ctx) => turn(await openedIn(ctx)));
}

/** Refuses changes that another site sends in a visitor's name, with 403. Put it before all routes. */
export function originCheck(options: OriginOptions = {}): KoaMiddleware {
  const guard = originGuard(options);
  return checking(async (ctx) => guard(asked(ctx.req, originOf(ctx))));
}

function checking(check: (ctx: KoaContext) => Promise<Refusal | undefined>): KoaMiddleware {
  return async (ctx, next) => {
    const refusal = await check(ctx);
    if (refusal === undefined) return next();
    send(ctx, answerTo(refusal));
  };
}
