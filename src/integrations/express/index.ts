import type { IncomingMessage, ServerResponse } from "node:http";
import { assertPsession } from "../../checks/given.ts";
import type { SessionData } from "../../data/typing.ts";
import { PsessionError } from "../../errors.ts";
import type { OriginOptions } from "../../http/origin.ts";
import { isSecureScheme } from "../../http/scheme.ts";
import { type DevicesOptions, isMount } from "../../integration/device-endpoints.ts";
import type {
  DevicesPage,
  DevicesPageOptions,
  DevicesPageVisit,
} from "../../integration/devices-page/endpoint.ts";
import { type ExpressRequest, originOf, trustsProxy } from "../../integration/express/proxy.ts";
import {
  type AskedFor,
  exclusiveTurn,
  type FreshOptions,
  type GuardOptions,
  guardsBy,
  originGuard,
  type ProofsOptions,
  type Refusal,
  type RequiredProofs,
} from "../../integration/guards.ts";
import { noSession } from "../../integration/no-session.ts";
import { runInNodeRequest } from "../../integration/node/arrivals.ts";
import { answersDevices } from "../../integration/node/device-endpoints.ts";
import { answersDevicesPage } from "../../integration/node/devices-page.ts";
import { asked } from "../../integration/node/facts.ts";
import { answersKeys } from "../../integration/node/keys.ts";
import { openHeld } from "../../integration/node/open.ts";
import { answerRefusal } from "../../integration/node/send.ts";
import { replaced } from "../../integration/replaced.ts";
import type { Psession } from "../../psession.ts";
import { Session } from "../../session.ts";
import type { LockOptions } from "../../upkeep/locks.ts";

export type { ExpressRequestSession } from "../../integration/express/request-session.ts";
export type {
  AskedFor,
  DevicesOptions,
  DevicesPage,
  DevicesPageOptions,
  DevicesPageVisit,
  FreshOptions,
  GuardOptions,
  LockOptions,
  ProofsOptions,
  RequiredProofs,
};

declare global {
  namespace Express {
    interface PsessionSessions {
      express: Session<SessionData>;
    }
  }
}

type Next = (error?: unknown) => void;
/** Middleware of Express 4 and 5, and of whatever takes the same. */
export type ExpressMiddleware = (request: ExpressRequest, response: ServerResponse, next: Next) => void;

/**
 * Gives every request its `req.session`. Forwarded headers are trusted as far as the setting "trust proxy" goes. A store
 * that fails is an error for Express, with status 503.
 */
export function sessions<Data extends object = SessionData>(psession: Psession<Data>): ExpressMiddleware {
  assertPsession("sessions", psession);
  const answers = answersKeys(psession);
  return (request, response, next) => {
    const target = request as ExpressRequest & { session?: Session<Data> };
    if (target.session !== undefined) return next(keptByAnother(target.session, psession));
    const facts = {
      ...(request.protocol === undefined ? {} : { secure: isSecureScheme(request.protocol) }),
      address: request.ip,
      origin: () => originOf(request),
      trustsProxy: () => trustsProxy(request),
    };
    openHeld(psession, request, response, { facts, onError: next }).then((session) => {
      seat(target, session);
      const goOn = () => runInNodeRequest(request, next);
      const { origin } = facts;
      const answered = answers(request, response, { session: async () => session, origin });
      if (answered === undefined) return goOn();
      answered.then((isAnswered) => isAnswered || goOn(), next);
    }, next);
  };
}

const SEATED = Symbol("psession.session");

interface Seated {
  [SEATED]?: Session<object> | null;
}

/**
 * Applications assign null to end a session, or data to replace it. All requests share these functions: with its own,
 * each request would be one of V8's slow objects.
 */
const SEAT: PropertyDescriptor & ThisType<Seated> = {
  configurable: true,
  enumerable: true,
  get() {
    return this[SEATED];
  },
  set(value: unknown) {
    if (value !== null && value !== undefined) throw replaced("req");
    // It takes effect at once, and is stored with the response.
    this[SEATED]?.destroy().catch(() => {});
    this[SEATED] = null;
  },
};

function seat<Data extends object>(target: object, session: Session<Data>): void {
  (target as Seated)[SEATED] = session as unknown as Session<object>;
  Object.defineProperty(target, "session", SEAT);
}

/** Later guards would judge by the other psession's session, in which the visitor may be another user. */
function keptByAnother<Data extends object>(
  session: object,
  psession: Psession<Data>,
): PsessionError | undefined {
  if (!(session instanceof Session) || psession.keeps(session)) return undefined;
  return new PsessionError(
    "invalid_options",
    "This request has the session of another psession already. Put the routes of the two beside each other, so " +
      "that each request passes one of them.",
  );
}

/**
 * The session of a request, typed by parameter where declaration merging is not wanted:
 * `sessionOf<ShopData>(request).data.cart`.
 */
export function sessionOf<Data extends object = SessionData>(request: IncomingMessage): Session<Data> {
  const { session } = request as IncomingMessage & { session?: Session<Data> | null };
  if (session !== undefined && session !== null) return session;
  throw noSession("put app.use(sessions(psession))");
}

const guards = guardsBy<ExpressMiddleware>((guard) =>
  checking((request) => {
    const path = request.originalUrl ?? request.url ?? "/";
    return guard({ session: sessionOf(request), path, ...asked(request, originOf(request)) });
  }),
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
export function exclusive(options: LockOptions = {}): ExpressMiddleware {
  const turn = exclusiveTurn(options);
  return (request, _response, next) => {
    turn(sessionOf(request)).then(() => next(), next);
  };
}

/** Refuses changes that another site sends in a visitor's name, with 403. Put it before all routes. */
export function originCheck(options: OriginOptions = {}): ExpressMiddleware {
  const guard = originGuard(options);
  return checking((request) => guard(asked(request, originOf(request))));
}

/**
 * The user's devices as JSON endpoints: `app.use("/account/devices", devices())`, behind `sessions`. They check the
 * origin themselves, and are for signed-in users only; docs/devices.md lists them.
 */
export function devices(options: DevicesOptions = {}): ExpressMiddleware {
  const answerFor = answersDevices(options);
  return (request, response, next) => {
    const [session, origin, url] = [sessionOf(request), originOf(request), request.url ?? "/"];
    answerFor(request, response, { session, origin, url }).catch(next);
  };
}

/**
 * The user's devices as a page: `app.use("/account/devices", devicesPage({ redirectTo: "/login" }))`, behind `sessions`. Other
 * paths below go on.
 */
export function devicesPage(options: DevicesPageOptions = {}): ExpressMiddleware {
  const answerFor = answersDevicesPage(options);
  return (request, response, next) => {
    if (!isMount(request.url)) return next();
    answerFor(request, response, { session: sessionOf(request), origin: originOf(request) }).catch(next);
  };
}

function checking(check: (request: ExpressRequest) => Refusal | undefined): ExpressMiddleware {
  return (request, response, next) => {
    const refusal = check(request);
    if (refusal === undefined) next();
    else answerRefusal(response, refusal);
  };
}
