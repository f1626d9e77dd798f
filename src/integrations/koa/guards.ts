import { checkOrigins, isSameOrigin, type OriginOptions } from "../../http/origin.ts";
import {
  CROSS_SITE,
  exclusiveTurn,
  type FreshOptions,
  freshGuard,
  type Guard,
  type GuardOptions,
  headersOf,
  levelGuard,
  loginGuard,
  type Refusal,
} from "../../integration/guards.ts";
import { noSession } from "../../integration/no-session.ts";
import type { Session } from "../../session.ts";
import type { Level } from "../../stores/store.ts";
import type { LockOptions } from "../../upkeep/locks.ts";
import { type KoaContext, type KoaMiddleware, originOf, type SessionContext } from "./context.ts";

/** Lets signed-in users through, remembered ones included. Others: the redirect, or 401. */
export function requireLogin(options: GuardOptions = {}): KoaMiddleware {
  return standing(loginGuard(options));
}

/** Lets visitors of at least that level through. Others: the redirect, or 403 (401 where nobody is signed in). */
export function requireLevel(level: Level, options: GuardOptions = {}): KoaMiddleware {
  return standing(levelGuard(level, options));
}

/**
 * Lets users through who proved a credential that recently; remembered visitors never did. Others: the
 * redirect, or 403 (401 where nobody is signed in).
 */
export function requireFresh(options: FreshOptions): KoaMiddleware {
  return standing(freshGuard(options));
}

/**
 * Lets one request of a session through at a time: the others wait until its response begins, and see what it saved.
 * Who waits too long is an error `lock_timeout` (503); who was signed out meanwhile, `session_ended` (401).
 */
export function exclusive(options: LockOptions = {}): KoaMiddleware {
  const turn = exclusiveTurn(options);
  return async (ctx, next) => {
    await turn(await openedIn(ctx));
    return next();
  };
}

/** Refuses changes that another site sends in a visitor's name, with 403. Put it before all routes. */
export function originCheck(options: OriginOptions = {}): KoaMiddleware {
  checkOrigins("originCheck", options);
  return async (ctx, next) => {
    if (isSameOrigin(askedFor(ctx), options)) return next();
    answer(ctx, CROSS_SITE);
  };
}

function standing(guard: Guard): KoaMiddleware {
  return async (ctx, next) => {
    const session = await openedIn(ctx);
    const refusal = guard({ session, path: ctx.originalUrl, ...askedFor(ctx) });
    if (refusal === undefined) return next();
    answer(ctx, refusal);
  };
}

function openedIn(ctx: KoaContext): Promise<Session> {
  const { openSession } = ctx as KoaContext & Partial<SessionContext>;
  if (openSession === undefined) throw noSession("put app.use(sessions(psession))");
  return openSession();
}

function askedFor(ctx: KoaContext) {
  return { method: ctx.method, header: (name: string) => ctx.req.headers[name], origin: originOf(ctx) };
}

function answer(ctx: KoaContext, refusal: Refusal): void {
  ctx.status = refusal.status;
  for (const [name, value] of Object.entries(headersOf(refusal))) ctx.set(name, value);
  ctx.body = "location" in refusal ? "" : refusal.body;
}
