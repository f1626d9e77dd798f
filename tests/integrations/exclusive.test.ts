import { serve as serveFetch } from "@hono/node-server";
import express from "express";
import fastify from "fastify";
import { Hono } from "hono";
import Koa from "koa";
import { expect, onTestFinished, test } from "vitest";
import type { LockOptions, Psession } from "../../src/index.ts";
import * as inExpress from "../../src/integrations/express/index.ts";
import * as inFastify from "../../src/integrations/fastify/index.ts";
import * as inFetch from "../../src/integrations/fetch/index.ts";
import * as inHono from "../../src/integrations/hono/index.ts";
import * as inKoa from "../../src/integrations/koa/index.ts";
import * as inNode from "../../src/integrations/node/index.ts";
import { overHttp, TestBrowser, type TestData, testApp } from "../support/app.ts";
import { HttpClient, serve } from "../support/http.ts";

const FACES = {
  express: inExpress,
  fastify: inFastify,
  fetch: inFetch,
  hono: inHono,
  koa: inKoa,
  node: inNode,
};

test.each(Object.entries(FACES))(
  "exclusive of psession/%s checks its options where given",
  (_, integration) => {
    const wrong = { hold: "never", wait: -1, retries: 3 } as unknown as LockOptions;
    expect(() => integration.exclusive(wrong)).toThrow(
      /^exclusive cannot start:\n- hold must be a positive duration.*\n- wait must be a duration.*\n- retries is no option$/,
    );
    expect(() => integration.exclusive({ hold: "1m", wait: 0 })).not.toThrow();
  },
);

/** Sites with two pages, one of them exclusive, and nothing that handles errors but the framework itself. */
const SITES: Record<string, (psession: Psession<TestData>) => Promise<string>> = {
  express: (psession) => {
    const app = express().set("env", "test").use(inExpress.sessions(psession));
    app.get("/", ({ session }, response) => response.json(session.push("cart", "tea")));
    app.get("/now", inExpress.exclusive({ wait: 0 }), (_, response) => response.json("done"));
    return serve(app);
  },
  fastify: async (psession) => {
    const app = fastify();
    await app.register(inFastify.sessions<TestData>, { psession, open: "always" });
    app.get("/", async ({ session }) => ({ tea: session.push("cart", "tea") }));
    app.get("/now", { preHandler: inFastify.exclusive({ wait: 0 }) }, async () => "done");
    onTestFinished(() => app.close());
    return app.listen({ port: 0, host: "127.0.0.1" });
  },
  koa: (psession) => {
    const app = new Koa();
    app.silent = true;
    const now = inKoa.exclusive({ wait: 0 });
    app.use(inKoa.sessions(psession, { open: "always" }));
    app.use((ctx, next) => (ctx.path === "/now" ? now(ctx, next) : next()));
    app.use((ctx) => {
      ctx.body = { tea: ctx.session.push("cart", "tea") };
    });
    return serve(app.callback());
  },
  hono: (psession) => {
    const app = new Hono().use(inHono.sessions(psession));
    app.get("/now", inHono.exclusive({ wait: 0 }), (c) => c.text("done"));
    app.get("/", async (c) => c.json({ tea: (await c.var.session).push("cart", "tea") }));
    return onNode((request) => app.fetch(request));
  },
  fetch: (psession) => {
    const now = inFetch.exclusive({ wait: 0 });
    return onNode(
      inFetch.withSession(psession, async (request, getSession) => {
        const session = await getSession();
        if (request.url.endsWith("/now")) return (await now(request, session)) ?? new Response("done");
        return Response.json({ tea: session.push("cart", "tea") });
      }),
    );
  },
  node: async (psession) => {
    const now = inNode.exclusive({ wait: 0 });
    const listener = inNode.withSession(psession, async (request, response, session) => {
      if (request.url === "/now") await now(request, response, session);
      session.push("cart", "tea");
      response.end("done");
    });
    return serve(listener);
  },
};

test.each(Object.entries(SITES))(
  "%s answers a request that waits too long with 503 and Retry-After",
  async (_, site) => {
    const app = testApp(overHttp);
    const client = new HttpClient(await site(app.psession));
    await client.get("/");
    const holder = await new TestBrowser(app).open({ jar: client.jar });
    await holder.session.exclusive();
    const late = await client.get("/now");
    expect([late.status, late.headers.get("retry-after"), late.setCookie]).toEqual([503, "1", []]);
    await holder.answer();
    expect((await client.get("/now")).status).toBe(200);
  },
);

function onNode(fetch: (request: Request) => Response | Promise<Response>): Promise<string> {
  return new Promise((resolve) => {
    const server = serveFetch({ fetch, hostname: "127.0.0.1", port: 0 }, ({ port }) => {
      resolve(`http://127.0.0.1:${port}`);
    });
    onTestFinished(() => void server.close());
  });
}
