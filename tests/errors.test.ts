import { inspect } from "node:util";
import express from "express";
import fastify from "fastify";
import Koa from "koa";
import { expect, onTestFinished, test } from "vitest";
import { PsessionError } from "../src/index.ts";
import * as inExpress from "../src/integrations/express/index.ts";
import * as inFastify from "../src/integrations/fastify/index.ts";
import * as inKoa from "../src/integrations/koa/index.ts";
import { assertNode } from "../src/node-version.ts";
import { overHttp, testApp } from "./support/app.ts";
import { HttpClient, serve } from "./support/http.ts";
import { failingStore } from "./support/stores.ts";

const down = () => new PsessionError("store_unavailable", "The database is away.");
const busy = () => new PsessionError("lock_timeout", "Busy.", { status: 503, retryAfter: 1 });

test("an error has a status and headers, as values that a framework can read, and prints neither", async () => {
  expect({ ...down().headers }).toEqual({ "Cache-Control": "no-store" });
  expect({ ...busy().headers }).toEqual({ "Cache-Control": "no-store", "Retry-After": "1" });
  expect([busy().status, busy().statusCode, busy().expose]).toEqual([503, 503, false]);
  const answer = busy().getResponse?.();
  expect([answer?.status, answer?.headers.get("retry-after"), answer?.headers.get("cache-control")]).toEqual([
    503,
    "1",
    "no-store",
  ]);
  expect(await answer?.text()).not.toContain("Busy");
  expect(new PsessionError("invalid_data", "Wrong.").getResponse).toBeUndefined();
  expect(inspect(busy())).not.toMatch(/no-store|retryAfter|getResponse/);
});

test.each([
  [
    "Express",
    async (psession: ReturnType<typeof testApp>["psession"]) => {
      const app = express().use(inExpress.sessions(psession));
      app.get("/", ({ session }, response) => {
        session.set("cart", ["tea"]);
        response.set("Cache-Control", "public, max-age=600").send("ordered");
      });
      const sorry: express.ErrorRequestHandler = (error, _request, response, _next) => {
        response.status(error.status).send("sorry");
      };
      return serve(app.use(sorry));
    },
  ],
  [
    "Fastify",
    async (psession: ReturnType<typeof testApp>["psession"]) => {
      const app = fastify();
      await app.register(inFastify.sessions, { psession });
      app.get("/", { config: { session: true } }, ({ session }, reply) => {
        session.set("cart", ["tea"]);
        return reply.header("cache-control", "public, max-age=600").send("ordered");
      });
      app.setErrorHandler((_error, _request, reply) => void reply.send("sorry"));
      onTestFinished(() => app.close());
      return app.listen({ port: 0, host: "127.0.0.1" });
    },
  ],
  [
    "Koa",
    async (psession: ReturnType<typeof testApp>["psession"]) => {
      const app = new Koa();
      app.silent = true;
      app.use(inKoa.sessions(psession)).use(async (ctx) => {
        const session = await ctx["openSession"]();
        session.set("cart", ["tea"]);
        ctx.set("Cache-Control", "public, max-age=600");
        ctx.body = "ordered";
      });
      return serve(app.callback());
    },
  ],
])("in %s no cache keeps the application's own error page, whatever headers it set", async (_, start) => {
  const { store, failing } = failingStore();
  const { psession } = testApp({ ...overHttp, store });
  const client = new HttpClient(await start(psession as never));
  failing.add("apply");
  const answer = await client.get("/");
  expect([answer.status, answer.headers.get("cache-control")]).toEqual([503, "no-store"]);
  expect(answer.text).not.toContain("ordered");
});

test("an older Node is refused with a message, and no later one is", () => {
  for (const version of ["20.19.5", "22.12.0"]) {
    expect(() => assertNode(version)).toThrow(`psession needs Node 22.13 or later; this is Node ${version}.`);
  }
  for (const version of ["22.13.0", "22.13.0-nightly", "24.0.0", "100.0.0"]) assertNode(version);
});
