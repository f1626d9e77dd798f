import type { IncomingMessage, ServerResponse } from "node:http";
import type {} from "koa";
import * as v from "valibot";
import type { SessionData } from "../../data/typing.ts";
import { PsessionError } from "../../errors.ts";
import { describeFault, invalidOptions } from "../../faults.ts";
import {
  CROSS_SITE,
  type FreshOptions,
  freshGuard,
  type Guard,
  type GuardOptions,
  levelGuard,
  loginGuard,
  type Refusal,
} from "../../http/guards.ts";
import { isSameOrigin, type OriginOptions } from "../../http/origin.ts";
import type { Psession } from "../../psession.ts";
import type { Session } from "../../session.ts";
import type { Level } from "../../stores/store.ts";
import { openSession } from "../node/index.ts";

export { type PassportOptions, passportSessions } from "./passport.ts";
export type { FreshOptions, GuardOptions, OriginOptions };

/** What the middleware adds to a context; for `new Koa<State, SessionContext<MyData>>()` and routers alike. */
export interface SessionContext<Data extends object = SessionData> {
  /** The visitor's session, read at the first call; a request that never calls costs no read. */
  openSession(): Promise<Session<Data>>;
  /** The session once it is open, and always with `open: "always"`. Assigning null destroys it. */
  get session(): Session<Data>;
  set session(value: null);
}

declare module "koa" {
  interface DefaultContext extends SessionContext {}
}

/** What we use of Koa's context. */
export interface KoaContext {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly method: string;
  readonly originalUrl: string;
  readonly secure: boolean;
  readonly ip: string;
  readonly protocol: string;
  readonly host: string;
  status: number;
  body: unknown;
  set(name: string, value: string): void;
  onerror(error: Error): void;
}

export type KoaMiddleware = (ctx: KoaContext, next: () => Promise<unknown>) => Promise<unknown>;

export interface KoaOptions {
  /**
   * "lazy" reads a session when `ctx.openSession()` asks for it. "always" reads it before the handler, for
   * middleware that takes `ctx.session` as it finds it. Default: "lazy".
   */
  open?: "lazy" | "always";
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
  const parsed = v.safeParse(koaOptions, options);
  if (!parsed.success) throw invalidOptions("sessions", parsed.issues.map(describeFault));
  const opensAlways = parsed.output.open === "always";
  return async (ctx, next) => {
    if ("openSession" in ctx) return next();
    const visit = new Visit(psession, ctx);
    Object.defineProperties(ctx, {
      openSession: { configurable: true, value: () => visit.open() },
      session: {
        configurable: true,
        get: () => visit.session,
        set: (value: unknown) => visit.assign(value),
      },
    });
    if (opensAlways) await visit.open();
    return next();
  };
}

class Visit<Data extends object> {
  readonly #psession: Psession<Data>;
  readonly #ctx: KoaContext;
  #opening: Promise<Session<Data>> | undefined;
  #session: Session<Data> | undefined;
  #isEnded = false;

  constructor(psession: Psession<Data>, ctx: KoaContext) {
    this.#psession = psession;
    this.#ctx = ctx;
  }

  open(): Promise<Session<Data>> {
    this.#opening ??= this.#open();
    return this.#opening;
  }

  get session(): Session<Data> | null {
    if (this.#isEnded) return null;
    if (this.#session !== undefined) return this.#session;
    throw new PsessionError(
      "session_not_open",
      'This request has not opened its session: await ctx.openSession() first, or use sessions(psession, { open: "always" }).',
    );
  }

  assign(value: unknown): void {
    if (value !== null) {
      throw new PsessionError(
        "invalid_data",
        "ctx.session takes no value but null, which destroys the session; data goes into ctx.session.data.",
      );
    }
    // It takes effect at once, and is stored with the response as everything is.
    void this.session?.destroy();
    this.#isEnded = true;
  }

  async #open(): Promise<Session<Data>> {
    const { req, res, secure, ip: address } = this.#ctx;
    this.#session = await openSession(this.#psession, req, res, {
      facts: { secure, address },
      onError: (error) => this.#ctx.onerror(error as Error),
    });
    return this.#session;
  }
}

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

/** Refuses changes that another site sends in a visitor's name, with 403. Put it before all routes. */
export function originCheck(options: OriginOptions = {}): KoaMiddleware {
  return async (ctx, next) => {
    const { method, protocol, host } = ctx;
    const header = (name: string) => ctx.req.headers[name];
    // ctx.origin is our own origin in Koa 2 and the sender's in Koa 3: compared to itself, it would allow anything.
    const origin = `${protocol}://${host}`;
    if (isSameOrigin({ method, header, origin }, options)) return next();
    answer(ctx, CROSS_SITE);
  };
}

function standing(guard: Guard): KoaMiddleware {
  return async (ctx, next) => {
    const { openSession } = ctx as KoaContext & Partial<SessionContext>;
    if (openSession === undefined) throw new Error("This guard needs psession's middleware before it.");
    const session = await openSession();
    const header = (name: string) => ctx.req.headers[name];
    const refusal = guard({ session, header, path: ctx.originalUrl });
    if (refusal === undefined) return next();
    answer(ctx, refusal);
  };
}

function answer(ctx: KoaContext, refusal: Refusal): void {
  ctx.status = refusal.status;
  if ("location" in refusal) ctx.set("Location", refusal.location);
  ctx.body = "location" in refusal ? "" : refusal.body;
}
