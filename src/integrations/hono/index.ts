import type { Context, Env, MiddlewareHandler } from "hono";
import { assertPsession } from "../../checks/given.ts";
import type { SessionData } from "../../data/typing.ts";
import { answerHeaders } from "../../http/answer-headers.ts";
import type { OriginOptions } from "../../http/origin.ts";
import {
  devices as devicesByRequest,
  type FetchDevicesOptions,
} from "../../integration/fetch/device-endpoints.ts";
import {
  devicesPage as devicesPageByRequest,
  type FetchDevicesPageOptions,
} from "../../integration/fetch/devices-page.ts";
import { asked, fetchFacts, pathOf } from "../../integration/fetch/facts.ts";
import { answersKeys } from "../../integration/fetch/keys.ts";
import { incomingIn, LazyExchange } from "../../integration/fetch/lazy-exchange.ts";
import { checkOptions } from "../../integration/fetch/options.ts";
import { canCarryCookies, discard, setInPlace } from "../../integration/fetch/response.ts";
import { watchUpgrade } from "../../integration/fetch/upgrade.ts";
import type { ProxyOptions } from "../../integration/forwarded.ts";
import {
  type AskedFor,
  exclusiveTurn,
  type FreshOptions,
  type GuardOptions,
  headersOf,
  originGuard,
  type ProofsOptions,
  proxiedGuardsBy,
  type Refusal,
  type RequiredProofs,
} from "../../integration/guards.ts";
import { noSession } from "../../integration/no-session.ts";
import type { Psession } from "../../psession.ts";
import { runInRequest } from "../../request/context.ts";
import type { Session } from "../../session.ts";
import type { LockOptions } from "../../upkeep/locks.ts";
import { LazySession } from "./lazy-session.ts";

export type {
  DevicesPage,
  DevicesPageOptions,
  DevicesPageVisit,
} from "../../integration/devices-page/endpoint.ts";
export type {
  AskedFor,
  FreshOptions,
  GuardOptions,
  LockOptions,
  ProofsOptions,
  ProxyOptions,
  RequiredProofs,
};

/** What the middleware adds to `c.var`: `new Hono<{ Variables: SessionVariables }>()`. */
export interface SessionVariables<Data extends object = SessionData> {
  /** The visitor's session: `await c.var.session`. The store is asked when it is first awaited. */
  session: PromiseLike<Session<Data>>;
}

/** How requests are read. */
export interface HonoOptions extends ProxyOptions {
  /**
   * The address of the connection, for the device list and events, by the `getConnInfo` of your runtime:
   * `(c) => getConnInfo(c).remote.address`. A trusted proxy's `X-Forwarded-For` comes first. Default: unknown.
   */
  address?: (c: Context) => string | undefined;
}

/**
 * Gives every handler behind it `await c.var.session`. A store that fails is an error for `app.onError`, with a
 * code and status 503, which Hono's own handler answers with as well.
 */
export function sessions<Data extends object = SessionData>(
  psession: Psession<Data>,
  options: HonoOptions = {},
): MiddlewareHandler<{ Variables: SessionVariables<Data> }> {
  assertPsession("sessions", psession);
  checkOptions("sessions", options, ["trustProxy", "address"]);
  const { trustProxy = false, address } = options;
  const answers = answersKeys(psession, trustProxy);

  return async (c, next) => {
    const outer: unknown = c.get("session");
    const isNested = outer instanceof LazySession;
    // With another psession the visitor may be another user: later guards must not judge by that session.
    if (isNested && outer.psession === psession) return next();
    // Middleware may replace the request.
    const token = c.req.raw;
    const isTakenOver = watchUpgrade(token, c.env);
    const exchange = new LazyExchange(
      psession,
      (arrivedAt) =>
        fetchFacts(psession.core.settings, c.req.raw, trustProxy, {
          arrivedAt,
          token,
          address: () => address?.(c),
        }),
      incomingIn(c.env),
    );
    c.set("session", new LazySession(psession, exchange.getSession));
    const answering = answers(token, exchange.getSession);
    const answer = answering && (await answering);
    if (answer === undefined) await runInRequest(token, next);
    else c.res = answer;
    if (isNested) c.set("session", outer);
    try {
      // Only if needed: a look at the response costs @hono/node-server's fast path for plain ones.
      const settlement = await exchange.settle(() => canCarryCookies(c.res) && !isTakenOver());
      for (const line of settlement.setCookie) c.header("Set-Cookie", line, { append: true });
      const headers = answerHeaders(settlement, (name) => c.res.headers.get(name));
      if (!setInPlace(c.res, headers)) for (const [name, value] of headers) c.header(name, value);
    } catch (error) {
      forgetAnswer(c);
      throw error;
    }
  };
}

const guards = proxiedGuardsBy<MiddlewareHandler>((guard, trustProxy) =>
  checking(async (c) => {
    const { raw } = c.req;
    return guard({ session: await lazyIn(c), path: pathOf(raw), ...asked(raw, trustProxy) });
  }),
);

/** Lets signed-in users through, remembered ones included. Others: the redirect, or 401. */
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
 * Lets one request of a session through at a time: the others wait until its response leaves, and see what it saved.
 * Waiting too long is an error `lock_timeout` (503); a sign-out meanwhile, `session_ended` (401).
 */
export function exclusive(options: LockOptions = {}): MiddlewareHandler {
  const turn = exclusiveTurn(options);
  return checking(async (c) => turn(await lazyIn(c)));
}

/** Refuses changes that another site sends in a visitor's name, with 403. Put it before all routes. */
export function originCheck(options: OriginOptions & ProxyOptions = {}): MiddlewareHandler {
  checkOptions("originCheck", options, ["allowed", "trustProxy"]);
  const guard = originGuard(options);
  return checking(async ({ req }) => guard(asked(req.raw, options.trustProxy)));
}

/** The user's devices as JSON endpoints (docs/devices.md), behind `sessions`: `app.use(devices({ path }))`. */
export function devices(options: FetchDevicesOptions): MiddlewareHandler {
  const answerFor = devicesByRequest(options);
  return async (c, next) => {
    const response = await answerFor(c.req.raw, () => lazyIn(c));
    if (response !== undefined) return response;
    await next();
  };
}

/** The user's devices as a page (docs/account/devices-page.md), behind `sessions`: `app.use(devicesPage({ path }))`. */
export function devicesPage(options: FetchDevicesPageOptions): MiddlewareHandler {
  const answerFor = devicesPageByRequest(options);
  return async (c, next) => {
    const { raw } = c.req;
    // Hono keeps what a parser before this has read.
    const parsed = raw.bodyUsed ? () => c.req.parseBody() : undefined;
    const response = await answerFor(raw, () => lazyIn(c), parsed);
    if (response !== undefined) return response;
    await next();
  };
}

function checking(check: (c: Context) => Promise<Refusal | undefined>): MiddlewareHandler {
  return async (c, next) => {
    const refusal = await check(c);
    if (refusal === undefined) return next();
    const headers = headersOf(refusal);
    return "location" in refusal
      ? c.body(null, refusal.status, headers)
      : c.json(refusal.body, refusal.status, headers);
  };
}

function lazyIn(c: Context): LazySession<SessionData> {
  const lazy: unknown = c.get("session");
  if (lazy instanceof LazySession) return lazy;
  throw noSession("put app.use(sessions(psession))");
}

/** Middleware before the handler may have set these; without them scripts of other origins cannot read the error. */
const KEPT = /^(access-control-|content-security-policy|vary$|x-request-id$)/;

/** Otherwise Hono copies headers of the failed answer to the error's: location, lengths, cookies. */
function forgetAnswer<E extends Env>(c: Context<E>): void {
  const kept = [...c.res.headers].filter(([name]) => KEPT.test(name));
  discard(c.res);
  c.res = undefined;
  c.res = new Response(null, { headers: kept });
}
