import type {} from "koa";
import * as v from "valibot";
import { checkedOptions } from "../../checks/faults.ts";
import { assertPsession } from "../../checks/given.ts";
import { hasKeys } from "../../data/keys.ts";
import type { SessionData } from "../../data/typing.ts";
import { PsessionError } from "../../errors.ts";
import { isSecureScheme } from "../../http/scheme.ts";
import { momentOf } from "../../integration/node/arrivals.ts";
import { openHeld } from "../../integration/node/open.ts";
import type { Psession } from "../../psession.ts";
import { runInRequest } from "../../request/context.ts";
import type { Session } from "../../session.ts";
import { type KoaContext, type KoaMiddleware, originOf, type SessionContext } from "./context.ts";

export type { OriginOptions } from "../../http/origin.ts";
export type { AskedFor, FreshOptions, GuardOptions } from "../../integration/guards.ts";
export type { LockOptions } from "../../upkeep/locks.ts";
export { devices } from "./devices.ts";
export { exclusive, originCheck, requireFresh, requireLevel, requireLogin } from "./guards.ts";
export { type PassportOptions, passportSessions } from "./passport.ts";
export type { KoaContext, KoaMiddleware, SessionContext };

declare module "koa" {
  interface DefaultContext extends SessionContext {}
}

/** When sessions are read. */
export interface KoaOptions {
  /**
   * "lazy" reads a session when `ctx.openSession()` asks for it. "always" reads it before the handler, for
   * middleware that takes `ctx.session` as it finds it. Default: "lazy".
   */
  open?: "lazy" | "always" | undefined;
}

const koaOptions = v.strictObject({
  open: v.optional(v.picklist(["lazy", "always"], 'must be "lazy" or "always"')),
});

/**
 * Gives every context its session. What the proxy says is believed as far as Koa is told to (`app.proxy`). A
 * store that fails is an error for Koa, with status 503.
 */
export function sessions<Data extends object = SessionData>(
  psession: Psession<Data>,
  options: KoaOptions = {},
): KoaMiddleware {
  assertPsession("sessions", psession);
  const opensAlways = checkedOptions("sessions", koaOptions, options).open === "always";
  return async (ctx, next) => {
    const context = visited(ctx);
    const outer = context[VISIT];
    // Of another psession it is another visitor's standing: guards behind this one must not take its word.
    if (outer === undefined ? context.openSession !== undefined : outer.psession === psession) return next();
    // Where Node does not tell, it came now rather than when its session is asked for.
    const moment = momentOf(ctx.req);
    const visit = new Visit(psession, ctx);
    context[VISIT] = visit as unknown as Visit<object>;
    try {
      if (opensAlways) await visit.open();
      return await runInRequest(moment, next);
    } finally {
      if (outer !== undefined) context[VISIT] = outer;
    }
  };
}

class Visit<Data extends object> {
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
      // It takes effect at once, and is stored with the response as everything is.
      // What was destroyed before stays so: refused, it would be a rejection that nobody handles.
      this.#session.destroy().catch(() => {});
      this.#isEnded = true;
      return;
    }
    if (!hasKeys(value)) throw noData();
    // With koa-session, whose users are in the data, it signs out.
    if (this.#session.isSignedIn && Object.keys(value).length === 0) throw notSignedOut();
    this.#session.replaceData(value);
    this.#isEnded = false;
  }

  async #open(): Promise<Session<Data>> {
    const { req, res, protocol, ip, ips, app } = this.#ctx;
    // Koa takes the first of the list, also where nothing is there.
    const address = ips?.find((one) => one.trim() !== "") ?? ip;
    this.#session = await openHeld(this.psession, req, res, {
      facts: {
        secure: isSecureScheme(protocol),
        address,
        origin: () => originOf(this.#ctx),
        trustsProxy: app?.proxy === true,
      },
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

const noData = (): PsessionError =>
  new PsessionError(
    "invalid_data",
    "ctx.session takes null, which destroys the session, or an object with what ctx.session.data is to hold.",
  );

const notSignedOut = (): PsessionError =>
  new PsessionError(
    "invalid_data",
    "ctx.session = {} would leave the user signed in, whom psession keeps beside the data: ctx.session = null signs out, " +
      "and ctx.session.remove(key) takes something out of ctx.session.data.",
  );

const VISIT = Symbol("psession.visit");

interface VisitedContext {
  [VISIT]?: Visit<object>;
  readonly openSession?: unknown;
}

/** A context without a visit is as if we had never been there. */
const FACE: PropertyDescriptorMap & ThisType<VisitedContext> = {
  openSession: {
    configurable: true,
    get() {
      const visit = this[VISIT];
      return visit && (() => visit.open());
    },
  },
  session: {
    configurable: true,
    get() {
      return this[VISIT]?.session;
    },
    set(value: unknown) {
      const visit = this[VISIT];
      if (visit !== undefined) visit.assign(value);
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
 * The context with `session` and `openSession`. They are put where the application's contexts come from, once: as
 * properties of each context they would cost every request more than all the rest does. Where there is a `session`
 * already they are put before it, on this context alone; an `openSession` of somebody else's stays.
 */
function visited(ctx: KoaContext): VisitedContext {
  if ("openSession" in ctx) return ctx as VisitedContext;
  const shared = ctx.app?.context;
  const isShared = shared !== undefined && Object.getPrototypeOf(ctx) === shared && !("session" in ctx);
  Object.defineProperties(isShared ? shared : ctx, FACE);
  return ctx as VisitedContext;
}
