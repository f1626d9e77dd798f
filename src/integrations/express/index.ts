import type { IncomingMessage, ServerResponse } from "node:http";
import { assertPsession } from "../../checks/given.ts";
import type { SessionData } from "../../data/typing.ts";
import { PsessionError } from "../../errors.ts";
import { checkOrigins, isSameOrigin, type OriginOptions } from "../../http/origin.ts";
import { isSecureScheme } from "../../http/scheme.ts";
import type { DevicesOptions } from "../../integration/devices.ts";
import { originOf, type ProxiedRequest, trustsProxy } from "../../integration/express/proxy.ts";
import {
  type AskedFor,
  CROSS_SITE,
  exclusiveTurn,
  type FreshOptions,
  freshGuard,
  type Guard,
  type GuardOptions,
  levelGuard,
  loginGuard,
} from "../../integration/guards.ts";
import { noSession } from "../../integration/no-session.ts";
import { answersDevices } from "../../integration/node/devices.ts";
import { openHeld } from "../../integration/node/open.ts";
import { answerRefusal } from "../../integration/node/refusal.ts";
import { runInNodeRequest } from "../../integration/node/run.ts";
import { replaced } from "../../integration/replaced.ts";
import type { Psession } from "../../psession.ts";
import { Session } from "../../session.ts";
import type { Level } from "../../stores/store.ts";
import type { LockOptions } from "../../upkeep/locks.ts";

export type { ExpressRequestSession } from "../../integration/express/request-session.ts";
export type { AskedFor, DevicesOptions, FreshOptions, GuardOptions, LockOptions };

declare global {
  namespace Express {
    interface PsessionSessions {
      express: Session<SessionData>;
    }
  }
}

/** What we use of Express's request: both Express 4 and 5 have it, and its types are not needed. */
interface ExpressRequest extends ProxiedRequest {
  readonly ip?: string | undefined;
  readonly originalUrl?: string | undefined;
}

type Next = (error?: unknown) => void;
/** Middleware of Express 4 and 5, and of whatever takes the same. */
export type ExpressMiddleware = (request: ExpressRequest, response: ServerResponse, next: Next) => void;

/**
 * Gives every request its `req.session`. What the proxy says is believed as far as Express is told to
 * (`app.set("trust proxy", …)`). A store that fails is an error for Express, with status 503.
 */
export function sessions<Data extends object = SessionData>(psession: Psession<Data>): ExpressMiddleware {
  assertPsession("sessions", psession);
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
      runInNodeRequest(request, next);
    }, next);
  };
}

const SEATED = Symbol("psession.session");

interface Seated {
  [SEATED]?: Session<object> | null;
}

/**
 * Where applications have always put null to end a session, or data in its place. The same for all requests: with
 * functions of its own, each would be one of V8's slow objects to whoever reads it afterwards.
 */
const SEAT: PropertyDescriptor & ThisType<Seated> = {
  configurable: true,
  enumerable: true,
  get() {
    return this[SEATED];
  },
  set(value: unknown) {
    if (value !== null && value !== undefined) throw replaced("req");
    // It takes effect at once, and is stored with the response as everything is.
    this[SEATED]?.destroy().catch(() => {});
    this[SEATED] = null;
  },
};

function seat<Data extends object>(target: object, session: Session<Data>): void {
  (target as Seated)[SEATED] = session as unknown as Session<object>;
  Object.defineProperty(target, "session", SEAT);
}

/** Guards behind this one would take the word of the other, whose visitors may be anybody's. */
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

/** Lets signed-in users through, remembered ones included. Others: the redirect, or 401. */
export function requireLogin(options: GuardOptions = {}): ExpressMiddleware {
  return standing(loginGuard(options));
}

/** Lets visitors of at least that level through. Others: the redirect, or 403 (401 where nobody is signed in). */
export function requireLevel(level: Level, options: GuardOptions = {}): ExpressMiddleware {
  return standing(levelGuard(level, options));
}

/**
 * Lets users through who proved a credential that recently; remembered visitors never did. Others: the
 * redirect, or 403 (401 where nobody is signed in).
 */
export function requireFresh(options: FreshOptions): ExpressMiddleware {
  return standing(freshGuard(options));
}

/**
 * Lets one request of a session through at a time: the others wait until its response begins, and see what it saved.
 * Who waits too long is an error `lock_timeout` (503); who was signed out meanwhile, `session_ended` (401).
 */
export function exclusive(options: LockOptions = {}): ExpressMiddleware {
  const turn = exclusiveTurn(options);
  return (request, _response, next) => {
    turn(sessionOf(request)).then(() => next(), next);
  };
}

/** Refuses changes that another site sends in a visitor's name, with 403. Put it before all routes. */
export function originCheck(options: OriginOptions = {}): ExpressMiddleware {
  checkOrigins("originCheck", options);
  return (request, response, next) => {
    const header = (name: string) => request.headers[name];
    if (isSameOrigin({ method: request.method, header, origin: originOf(request) }, options)) return next();
    answerRefusal(response, CROSS_SITE);
  };
}

/**
 * The user's devices as JSON endpoints: `app.use("/account/devices", devices())`, behind `sessions`. With an origin
 * check of their own, and for signed-in users only; docs/devices.md has them all.
 */
export function devices(options: DevicesOptions = {}): ExpressMiddleware {
  const answerFor = answersDevices(options);
  return (request, response, next) => {
    const [session, origin, url] = [sessionOf(request), originOf(request), request.url ?? "/"];
    answerFor(request, response, { session, origin, url }).catch(next);
  };
}

function standing(guard: Guard): ExpressMiddleware {
  return (request, response, next) => {
    const header = (name: string) => request.headers[name];
    const path = request.originalUrl ?? request.url ?? "/";
    const { method } = request;
    const refusal = guard({ session: sessionOf(request), header, method, path, origin: originOf(request) });
    if (refusal === undefined) next();
    else answerRefusal(response, refusal);
  };
}
