import { type Context, Hono } from "hono";
import type { HTTPException } from "hono/http-exception";
import {
  devices,
  devicesPage,
  exclusive,
  originCheck,
  requireFresh,
  requireKeyProof,
  requireLevel,
  requireLogin,
  requirePending,
  requireProofs,
  type SessionVariables,
  sessions,
} from "../../../src/integrations/hono/index.ts";
import type { ContractData, HttpIntegration } from "../../../src/testing/contracts.ts";
import { type FetchServer, responseOf } from "./fetch.ts";
import { guardsByPath, mountedGuard, PAGE_OPTIONS } from "./guards.ts";

/** `address` is what the runtime's `getConnInfo` says. */
export const honoIntegration = <Runtime extends readonly unknown[]>(
  server: Pick<FetchServer<Runtime>, "serve" | "seesHeads">,
  address: (c: Context) => string | undefined,
): HttpIntegration => ({
  isLazy: true,
  seesHeads: server.seesHeads,
  async serve({ psession, site, trustProxy, before }) {
    const app = new Hono<{ Variables: SessionVariables<ContractData> }>().use(originCheck({ trustProxy }));
    if (before !== undefined) app.use((c, next) => before(c.req).then(next));
    app.use(sessions(psession, { trustProxy, address }));
    for (const [path, guards] of Object.entries(
      guardsByPath({
        exclusive,
        requireFresh,
        requireKeyProof,
        requireLevel,
        requireLogin,
        requirePending,
        requireProofs,
      }),
    ))
      app.use(path, ...guards);
    app.use(devices({ path: "/devices", trustProxy }));
    app.use(devicesPage({ path: "/devices-page", trustProxy, ...PAGE_OPTIONS }));
    app.route("/mounted", new Hono().use(mountedGuard({ requireLogin })));
    app.all("*", async (c) => {
      const { method, path, url } = c.req;
      const session = async () => c.var.session;
      return responseOf(
        await site({ method, path, query: new URL(url).searchParams, session, body: () => c.req.json() }),
      );
    });
    // As Hono's own does it, which prints what has no answer of its own.
    app.onError((error, c) => {
      if (!("getResponse" in error)) return c.text("Internal Server Error", 500);
      const answer = (error as HTTPException).getResponse();
      return c.newResponse(answer.body, answer);
    });
    return server.serve((request, ...runtime) => app.fetch(request, runtime[0] as object));
  },
});
