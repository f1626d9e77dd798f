import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from "fastify";
import type { SessionData } from "../../data/typing.ts";
import { PsessionError } from "../../errors.ts";
import { keyEndpoints } from "../../integration/key-endpoints.ts";
import { replaced } from "../../integration/replaced.ts";
import type { Psession } from "../../psession.ts";
import { runInRequest } from "../../request/context.ts";
import { FastifyExchange, type Integration } from "./exchange.ts";
import { checkOptions, type SessionsOptions } from "./options.ts";
import { originOf } from "./origin.ts";
import { readSession } from "./read.ts";
import { absent, type Callback, FastifySession } from "./session.ts";

export type {
  DevicesPage,
  DevicesPageOptions,
  DevicesPageVisit,
} from "../../integration/devices-page/endpoint.ts";
export type {
  AskedFor,
  FreshOptions,
  GuardOptions,
  ProofsOptions,
  RequiredProofs,
} from "../../integration/guards.ts";
export type { IdentityOf } from "../../integration/identity.ts";
export type { LockOptions } from "../../upkeep/locks.ts";
export { devices } from "./device-endpoints.ts";
export { devicesPage } from "./devices-page.ts";
export {
  exclusive,
  type FastifyGuard,
  forbidImpersonation,
  originCheck,
  requireFresh,
  requireKeyProof,
  requireLevel,
  requireLogin,
  requirePending,
  requireProofs,
} from "./guards.ts";
export type { FastifySession, SessionsOptions };

declare module "fastify" {
  interface FastifyRequest {
    /**
     * The visitor's session, once it is open: behind `openSession`, guards, `config: { session: true }`. Assigning null
     * destroys it.
     */
    readonly session: FastifySession<SessionData>;
    /** Reads the session at the first call; later calls get the same one. */
    openSession<Data extends object = SessionData>(): Promise<FastifySession<Data>>;
  }
  interface FastifyInstance {
    /** The psession that the plugin was registered with. */
    readonly psession: Psession<SessionData>;
    /**
     * The session that belongs to a Cookie header, or to the value of a session cookie: for upgrades that Fastify
     * does not route. It becomes `request.session`; what changes in it is saved, and no cookie is set.
     */
    decryptSession(cookie: string, request: object): Promise<FastifySession<SessionData>>;
    decryptSession(cookie: string, request: object, callback: Callback): void;
  }
  interface FastifyContextConfig {
    /** Open the session before the handlers and hooks of this route, or leave it closed. */
    session?: boolean | undefined;
  }
}

type Hook = (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void) => unknown;
type OnSend = (
  request: FastifyRequest,
  reply: FastifyReply,
  payload: unknown,
  done: (error: null, payload: unknown) => void,
) => unknown;

/**
 * Gives the requests of a context and its children their session: `await app.register(sessions, { psession })`.
 * Forwarded headers are trusted as far as Fastify's `trustProxy` goes.
 */
export function sessions<Data extends object>(
  instance: FastifyInstance,
  options: SessionsOptions<Data>,
): Promise<void>;
export function sessions(instance: FastifyInstance, options: SessionsOptions): Promise<void>;
export async function sessions<Data extends object>(
  instance: FastifyInstance,
  options: SessionsOptions<Data>,
): Promise<void> {
  const { psession, opensAlways, identityOf } = checkOptions(options);
  const integration: Integration<Data> = {
    psession,
    make: (state) => new FastifySession<Data>(state, identityOf),
  };
  const answers = keyEndpoints(psession);
  // One key per registration, so that nested ones have sessions of their own.
  const kExchange = Symbol("psession.exchange");
  const settlesLast = Symbol("psession.settlesLast");
  const exchangeOf = (request: FastifyRequest) =>
    (request as unknown as Record<symbol, FastifyExchange<Data> | null>)[kExchange] ?? undefined;

  const isLast = ({ routeOptions }: FastifyRequest) => settlesLast in ((routeOptions.config as object) ?? {});

  const onRequest: Hook = (request, reply, next) => {
    const exchange = new FastifyExchange<Data>(integration, request, reply);
    (request as unknown as Record<symbol, FastifyExchange<Data>>)[kExchange] = exchange;
    const goOn = () => {
      const isOpened = opensAlways && request.routeOptions.config?.session !== false;
      if (isOpened) exchange.open().then(() => runInRequest(exchange.moment, next), next);
      else runInRequest(exchange.moment, next);
    };
    const answering = answers({
      method: request.method,
      path: () => request.originalUrl,
      header: (name) => request.headers[name],
      origin: () => originOf(request),
      session: () => exchange.open(),
    });
    if (answering === undefined) return goOn();
    answering.then((answer) => {
      if (answer === undefined) goOn();
      else
        reply
          .code(answer.status)
          .headers(answer.headers)
          .send(answer.body ?? "");
    }, next);
  };
  /** After the body is read, code runs in the stream's context, which belongs to no request. */
  const goOnWithBody: Hook = (request, _reply, next) => {
    const exchange = exchangeOf(request);
    if (exchange === undefined) next();
    else runInRequest(exchange.moment, next);
  };
  const openFirst: Hook = (request) => request.openSession();
  const settle: OnSend = (request, _reply, payload, next) => {
    const settled = exchangeOf(request)?.settle(payload);
    if (settled instanceof Promise) return settled;
    next(null, settled ?? payload);
  };
  /** For routes without `settle` as their last hook: pages for 404, and routes older than the plugin. */
  const settleOthers: OnSend = (request, reply, payload, next) => {
    if (exchangeOf(request)?.isBegun !== true || isLast(request)) return next(null, payload);
    return settle(request, reply, payload, next);
  };
  const onResponse: Hook = (request, _reply, next) => exchangeOf(request)?.settleAfterHead() ?? next();

  instance.decorate("psession", psession as unknown as Psession<SessionData>);
  instance.decorateRequest(kExchange, null);
  instance.decorateRequest("session", {
    getter(this: FastifyRequest) {
      const exchange = exchangeOf(this);
      if (exchange?.isEnded === true) return null as unknown as FastifySession<SessionData>;
      return (exchange?.session ?? refuse()) as unknown as FastifySession<SessionData>;
    },
    // Without a setter, sloppy-mode code would get no error.
    setter(this: FastifyRequest, value: unknown) {
      if (value !== null) throw replaced("request");
      const exchange = exchangeOf(this);
      if (exchange?.session === undefined) refuse();
      else exchange.end();
    },
  });
  // Undefined, it would be a TypeError without a reason.
  instance.decorateRequest("sessionStore", {
    getter: () =>
      absent(
        "request.sessionStore is not there: psession's store holds hashes, and rows that only its protocol may write. Use " +
          "session.devices() and session.revoke(handle), or fastify.psession.revoke(handle) and revokeUser(userId).",
      ),
  });
  instance.decorateRequest("openSession", function openSession(this: FastifyRequest) {
    const opening = exchangeOf(this)?.open() ?? Promise.reject(notOpen());
    return opening as unknown as Promise<FastifySession<SessionData>>;
  });
  instance.decorate(
    "decryptSession",
    readSession(integration) as unknown as FastifyInstance["decryptSession"],
  );
  instance.addHook("onRequest", onRequest as () => void);
  instance.addHook("preValidation", goOnWithBody as () => void);
  instance.addHook("onSend", settleOthers as () => void);
  instance.addHook("onResponse", onResponse as () => void);
  // Hooks of a route run after those of its context, so changes by other plugins' onSend are saved as well.
  instance.addHook("onRoute", (route: RouteOptions) => {
    route.onSend = [route.onSend ?? [], settle as () => void].flat();
    if (route.config?.session === true)
      route.onRequest = [openFirst as () => void, route.onRequest ?? []].flat();
    route.config = { ...route.config, [settlesLast]: true } as object;
  });
}

export default sessions;

// As fastify-plugin does it: the plugin works in the context that registers it, rather than in a new one.
Object.assign(sessions, {
  [Symbol.for("skip-override")]: true,
  [Symbol.for("fastify.display-name")]: "psession",
  [Symbol.for("plugin-meta")]: { name: "psession", fastify: "5.x" },
});

function refuse(): never {
  throw notOpen();
}

function notOpen(): PsessionError {
  return new PsessionError(
    "session_not_open",
    "request.session was used before the session was open. Call `await request.openSession()` first, give the " +
      'route `config: { session: true }`, or register the plugin with `open: "always"`, as plugins need it that ' +
      "use request.session in their own hooks.",
  );
}
