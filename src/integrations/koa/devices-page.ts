import { belowMount, isMount } from "../../integration/device-endpoints.ts";
import { type DevicesPageOptions, devicesPageEndpoint } from "../../integration/devices-page/endpoint.ts";
import { formOf } from "../../integration/devices-page/form.ts";
import { asked } from "../../integration/node/facts.ts";
import { type KoaMiddleware, openedIn, originOf, send } from "./context.ts";

/**
 * The user's devices as a page (docs/account/devices-page.md), behind `sessions`: `app.use(devicesPage({ path }))`. Other
 * paths go on.
 */
export function devicesPage({ path, ...options }: DevicesPageOptions & { path: string }): KoaMiddleware {
  const endpoint = devicesPageEndpoint(options);
  const below = belowMount(path);
  return async (ctx, next) => {
    if (!isMount(below(ctx.originalUrl))) return next();
    const answer = await endpoint({
      ...asked(ctx.req, originOf(ctx)),
      path: ctx.originalUrl,
      session: await openedIn(ctx),
      // A body parser before this keeps what it read on Koa's own request.
      body: () => formOf(ctx.req, (ctx as { request?: { body?: unknown } }).request?.body),
    });
    send(ctx, answer);
  };
}
