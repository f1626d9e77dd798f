import { belowMount, type DevicesOptions, devicesEndpoint } from "../../integration/devices.ts";
import { noSession } from "../../integration/no-session.ts";
import { readJson } from "../../integration/node/devices.ts";
import { type KoaContext, type KoaMiddleware, originOf, type SessionContext } from "./context.ts";

/**
 * The user's devices as JSON endpoints (docs/devices.md), behind `sessions`: `app.use(devices({ path }))`. Other
 * paths go on.
 */
export function devices({ path, ...options }: DevicesOptions & { path: string }): KoaMiddleware {
  const endpoint = devicesEndpoint(options);
  const below = belowMount(path);
  return async (ctx, next) => {
    const url = below(ctx.originalUrl);
    if (url === undefined) return next();
    const { openSession } = ctx as KoaContext & Partial<SessionContext>;
    if (openSession === undefined) throw noSession("put app.use(sessions(psession))");
    const { method, req } = ctx;
    const { status, headers, body } = await endpoint({
      method,
      url,
      header: (name) => req.headers[name],
      origin: originOf(ctx),
      session: await openSession(),
      // A parser before us keeps what it read on Koa's own request.
      body: async () => (ctx as { request?: { body?: unknown } }).request?.body ?? readJson(req),
    });
    ctx.status = status;
    for (const [name, value] of Object.entries(headers)) ctx.set(name, value);
    ctx.body = body;
  };
}
