import { json } from "node:stream/consumers";
import type Koa from "koa";
import {
  devices,
  devicesPage,
  exclusive,
  type KoaMiddleware,
  type KoaOptions,
  originCheck,
  requireFresh,
  requireKeyProof,
  requireLevel,
  requireLogin,
  requirePending,
  requireProofs,
  type SessionContext,
  sessions,
} from "../../../src/integrations/koa/index.ts";
import type { ContractData, HttpIntegration } from "../../../src/testing/contracts.ts";
import { guardsByPath, mountedGuard, PAGE_OPTIONS } from "./guards.ts";
import { nodeBody, served } from "./serve.ts";

const GUARDS = guardsByPath({
  exclusive,
  requireFresh,
  requireKeyProof,
  requireLevel,
  requireLogin,
  requirePending,
  requireProofs,
});
const MOUNTED = mountedGuard({ requireLogin });

/** What the package koa-mount does. */
const mount =
  (prefix: string, middleware: KoaMiddleware): Koa.Middleware =>
  async (ctx, next) => {
    const { path } = ctx;
    if (!path.startsWith(`${prefix}/`)) return next();
    ctx.path = path.slice(prefix.length);
    await middleware(ctx, async () => {
      ctx.path = path;
      await next();
    });
    ctx.path = path;
  };

export const koaIntegration = (options: KoaOptions): HttpIntegration => ({
  isLazy: options.open !== "always",
  seesHeads: true,
  async serve({ psession, site, trustProxy, before }) {
    const { default: Koa } = await import("koa");
    const app = new Koa<Koa.DefaultState, SessionContext<ContractData>>({ proxy: trustProxy });
    // Koa prints errors unless it is told not to.
    app.silent = true;
    app.use(originCheck());
    if (before !== undefined) app.use((ctx, next) => before(ctx).then(next));
    app.use(sessions(psession, options));
    for (const [path, guards] of Object.entries(GUARDS)) {
      for (const guard of guards) app.use((ctx, next) => (ctx.path === path ? guard(ctx, next) : next()));
    }
    app.use(devices({ path: "/devices" }) as unknown as Koa.Middleware);
    app.use(devicesPage({ path: "/devices-page", ...PAGE_OPTIONS }) as unknown as Koa.Middleware);
    app.use(mount("/mounted", MOUNTED));
    app.use(async (ctx) => {
      const { method, path } = ctx;
      const query = new URLSearchParams(ctx.querystring);
      const session = () => (options.open === "always" ? ctx.session : ctx.openSession());
      const answer = await site({ method, path, query, session, body: () => json(ctx.req) });
      ctx.body = nodeBody(answer) ?? null;
      ctx.status = answer.status ?? 200;
      ctx.set(answer.headers ?? {});
      for (const line of answer.setCookie ?? []) ctx.append("Set-Cookie", line);
    });
    return served(app.callback());
  },
});
