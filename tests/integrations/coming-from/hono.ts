import { getRequestListener } from "@hono/node-server";
import { Hono, type MiddlewareHandler } from "hono";
import { sessions } from "../../../src/integrations/hono/index.ts";
import { overHttp, testApp } from "../../support/app.ts";
import { type HttpClient, serve } from "../../support/http.ts";
import { failingStore } from "../../support/stores.ts";
import type { Any, Routes } from "./lines.ts";

/** What routes can do to the store, whichever it is. */
export interface Control {
  readonly calls: string[];
  fail(): void;
}

/** Routes behind some middleware for sessions. */
export function onHono(middleware: readonly MiddlewareHandler[], routes: Routes, control: Control) {
  const app = new Hono().use(...(middleware as [MiddlewareHandler]));
  app.onError((error, c) => {
    const { status = 500, code } = error as { status?: number; code?: string };
    return c.json(status === 500 ? (code ?? "error") : status, status as 500);
  });
  app.get("/*", async (c) => c.json(((await routes[c.req.path]?.(c, control)) ?? "ok") as Any));
  return serve(getRequestListener(app.fetch));
}

export function ours(routes: Routes): Promise<string> {
  const { store, calls, failing } = failingStore();
  const { psession } = testApp({ ...overHttp, store });
  const fail = () => void failing.add("findSession");
  return onHono([sessions(psession) as MiddlewareHandler], routes, { calls, fail });
}

type Side = "theirs" | "ours";

/** Two requests that are open at the same time: the second runs between the first's handler and its answer. */
export function meeting(first: Record<Side, (c: Any) => unknown>, second: Record<Side, (c: Any) => unknown>) {
  const of = (side: Side) => {
    const arrived = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    const routes: Routes = {
      "/first": async (c) => {
        await first[side](c);
        arrived.resolve();
        await goOn.promise;
      },
      "/second": (c) => second[side](c),
    };
    const meet = async (client: HttpClient) => {
      const waiting = client.get("/first");
      await arrived.promise;
      await client.get("/second");
      goOn.resolve();
      await waiting;
    };
    return { routes, meet };
  };
  return { theirs: of("theirs"), ours: of("ours") };
}
