import { belowMount, type DevicesOptions, devicesEndpoint } from "../../integration/device-endpoints.ts";
import { readJson } from "../../integration/node/device-endpoints.ts";
import { asked } from "../../integration/node/facts.ts";
import { type KoaMiddleware, openedIn, originOf, send } from "./context.ts";

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
    const answer = await endpoint({
      ...asked(ctx.req, originOf(ctx)),
      url,
      session: await openedIn(ctx),
      // A body parser before this keeps what it read on Koa's own request.
      body: async () => (ctx as { request?: { body?: unknown } }).request?.body ?? readJson(ctx.req),
    });
    send(ctx, answer);
  };
}
