import type {} from "koa";
import * as v from "valibot";
import { checkedOptions } from "../../checks/faults.ts";
import { assertPsession } from "../../checks/given.ts";
import { hasKeys } from "../../data/keys.ts";
import type { SessionData } from "../../data/typing.ts";
import { PsessionError } from "../../errors.ts";
import { isSecureScheme } from "../../http/scheme.ts";
import { keyEndpoints } from "../../integration/key-endpoints.ts";
import { momentOf } from "../../integration/node/arrivals.ts";
import { headerOf } from "../../integration/node/facts.ts";
import { openHeld } from "../../integration/node/open.ts";
import type { Psession } from "../../psession.ts";
import { runInRequest } from "../../request/context.ts";
import type { Session } from "../../session.ts";
import { type KoaContext, type KoaMiddleware, originOf, type SessionContext } from "./context.ts";

export type { OriginOptions } from "../../http/origin.ts";
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
export type { LockOptions } from "../../upkeep/locks.ts";
export { devices } from "./device-endpoints.ts";
export { devicesPage } from "./devices-page.ts";
export {
  exclusive,
  forbidImpersonation,
  originCheck,
  requireFresh,
  requireKeyProof,
  requireLevel,
  requireLogin,
  requirePending,
  requireProofs,
} from "./guards.ts";
export { type PassportOptions, passportSessions } from "./passport.ts";
export type { KoaContext, KoaMiddleware, SessionContext };

declare module "koa" {
  interface DefaultContext extends SessionContext {}
}

/** When sessions are read. */
export interface KoaOptions {
  /**
   * "lazy" reads a session when `ctx.openSession()` asks for it. "always" reads it before the handler, for
   * middleware that uses `ctx.session` directly. Default: "lazy".
   */
  open?: "lazy" | "always" | undefined;
}

const koaOptions = v.strictObject({
  open: v.optional(v.picklist(["lazy", "always"], 'must be "lazy" or "always"')),
});

/**
 * Gives every context its session. Forwarded headers are trusted if `app.proxy` is set. A store that fails is an
 * error for Koa, with status 503.
 */
export function sessions<Data extends object = SessionData>(
  psession: Psession<Data>,
  options: KoaOptions = {},
): KoaMiddleware {
  assertPsession("sessions", psession);
  const opensAlways = checkedOptions("sessions", koaOptions, options).open === "always";
  const answers = keyEndpoints(psession);
  return async (ctx, next) => {
    const context = withAccessors(ctx);
    const outer = context[EXCHANGE];
    // With another psession the visitor may be another user: later guards must not judge by that session.
    if (outer === undefined ? context.openSession !== undefined : outer.psession === psession) return next();
    // If Node does not publish arrivals, the request came now rather than when its session is opened.
    const moment = momentOf(ctx.req);
    const exchange = new KoaExchange(psession, ctx);
    context[EXCHANGE] = exchange as unknown as KoaExchange<object>;
    try {
      const answering = answers({
        method: ctx.req.method,
        path: () => ctx.originalUrl,
        header: headerOf(ctx.req),
        origin: () => originOf(ctx),
        session: () => exchange.open(),
      });
      const answer = answering && (await answering);
      if (answer !== undefined) {
        ctx.status = answer.status;
        for (const [name, value] of Object.entries(answer.headers)) ctx.set(name, value);
        ctx.body = answer.body ?? "";
        return;
      }
      if (opensAlways) await exchange.open();
      return await runInRequest(moment, next);
    } finally {
      if (outer !== undefined) context[EXCHANGE] = outer;
    }
  };
}

class KoaExchange<Data extends object> {
  readonly psession: Psession<Data>;
  readonly #ctx: KoaContext;
  #opening: Promise<Session<Data>> | undefined;
  #session: Session<Data> | undefined;
  #isEnded = false;

  constructor(psession: Psession<Data>, ctx: KoaContext) {
    this.psession = psession;
    this.#ctx = ctx;
  }

  open(): Promise<Session<Data>> {
    this.#opening ??= this.#open();
    return this.#opening;
  }

  get session(): Session<Data> | null {
    if (this.#isEnded) return null;
    if (this.#session !== undefined) return this.#session;
    throw notOpen();
  }

  assign(value: unknown): void {
    if (this.#session === undefined) throw notOpen();
    if (value === null) {
      // It takes effect at once, and is stored with the response. A second time it would reject, unhandled.
      this.#session.destroy().catch(() => {});
      this.#isEnded = true;
      return;
    }
    if (!hasKeys(value)) {
      throw new PsessionError(
        "invalid_data",
        "ctx.session takes null, which destroys the session, or an object with what ctx.session.data is to hold.",
      );
    }
    // In koa-session, which keeps the user in the data, this signs out.
    if (this.#session.isSignedIn && Object.keys(value).length === 0) {
      throw new PsessionError(
        "invalid_data",
        "ctx.session = {} would leave the user signed in, as psession keeps the user outside the data: ctx.session = null signs out, " +
          "and ctx.session.remove(key) takes something out of ctx.session.data.",
      );
    }
    this.#session.replaceData(value);
    this.#isEnded = false;
  }

  async #open(): Promise<Session<Data>> {
    const { req, res, protocol, ip, ips, app, originalUrl: path } = this.#ctx;
    // Koa takes the first of the list, even if it is empty.
    const address = ips?.find((one) => one.trim() !== "") ?? ip;
    this.#session = await openHeld(this.psession, req, res, {
      facts: {
        secure: isSecureScheme(protocol),
        address,
        origin: () => originOf(this.#ctx),
        trustsProxy: app?.proxy === true,
      },
      path,
      onError: (error) => this.#ctx.onerror(error as Error),
    });
    return this.#session;
  }
}

const notOpen = (): PsessionError =>
  new PsessionError(
    "session_not_open",
    'This request has not opened its session: await ctx.openSession() first, or use sessions(psession, { open: "always" }).',
  );

const EXCHANGE = Symbol("psession.exchange");

interface SessionedContext {
  [EXCHANGE]?: KoaExchange<object>;
  readonly openSession?: unknown;
}

/** A context without an exchange looks as it does without this middleware. */
const ACCESSORS: PropertyDescriptorMap & ThisType<SessionedContext> = {
  openSession: {
    configurable: true,
    get() {
      const exchange = this[EXCHANGE];
      return exchange && (() => exchange.open());
    },
  },
  session: {
    configurable: true,
    get() {
      return this[EXCHANGE]?.session;
    },
    set(value: unknown) {
      const exchange = this[EXCHANGE];
      if (exchange !== undefined) exchange.assign(value);
      else
        Object.defineProperty(this, "session", {
          configurable: true,
          enumerable: true,
          writable: true,
          value,
        });
    },
  },
};

/**
 * The context with `session` and `openSession`. They are defined once, on the prototype of the application's contexts:
 * on each context they would cost every request more than all the rest does. A context that already has a `session`
 * gets them as its own properties; an existing `openSession` stays.
 */
function withAccessors(ctx: KoaContext): SessionedContext {
  if ("openSession" in ctx) return ctx as SessionedContext;
  const shared = ctx.app?.context;
  const isShared = shared !== undefined && Object.getPrototypeOf(ctx) === shared && !("session" in ctx);
  Object.defineProperties(isShared ? shared : ctx, ACCESSORS);
  return ctx as SessionedContext;
}
