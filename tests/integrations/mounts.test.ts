import "reflect-metadata";
import { Controller, Get, type MiddlewareConsumer, Module, type NestModule } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import express5 from "express";
// @ts-expect-error: Express 4 is here under another name, without types of its own.
import express4 from "express4";
import fastify from "fastify";
import { Hono } from "hono";
import { describe, expect, onTestFinished, test } from "vitest";
import * as inExpress from "../../src/integrations/express/index.ts";
import * as inFastify from "../../src/integrations/fastify/index.ts";
import * as inFetch from "../../src/integrations/fetch/index.ts";
import * as inHono from "../../src/integrations/hono/index.ts";
import * as inNode from "../../src/integrations/node/index.ts";
import { overHttp, testApp } from "../support/app.ts";
import { HttpClient, serve } from "../support/http.ts";

const PAGE = { accept: "text/html" };
const PATH = "/shop/admin/users?page=2";
const redirectTo = (path: string) => `/in?next=${encodeURIComponent(path)}`;
const EXPECTED = redirectTo(PATH);

const asked = (base: string) => new HttpClient(base).get(PATH, PAGE);

describe("a guard below mounts sees the whole path", () => {
  test.each([
    ["Express 4", express4 as () => express5.Express],
    ["Express 5", express5],
  ])("in routers of %s, within an application that is mounted itself", async (_, make) => {
    const { psession } = testApp(overHttp);
    const [outer, inner] = [make(), make()];
    const router = express5.Router();
    router.get("/users", inExpress.requireLogin({ redirectTo }), (_request, response) => response.end());
    inner.use("/admin", router);
    outer.use(inExpress.sessions(psession));
    outer.use("/shop", inner);
    expect((await asked(await serve(outer))).headers.get("location")).toBe(EXPECTED);
  });

  test("in Fastify, by prefixes within prefixes", async () => {
    const { psession } = testApp(overHttp);
    const app = fastify();
    await app.register(inFastify.sessions, { psession });
    const guarded = { preHandler: inFastify.requireLogin({ redirectTo }) };
    await app.register(
      async (shop) =>
        shop.register(async (admin) => void admin.get("/users", guarded, async () => "users"), {
          prefix: "/admin",
        }),
      { prefix: "/shop" },
    );
    await app.ready();
    onTestFinished(() => app.close());
    const { headers } = await app.inject({ url: PATH, headers: PAGE });
    expect(headers.location).toBe(EXPECTED);
  });

  test("in Hono, by a base path and by a route", async () => {
    const { psession } = testApp(overHttp);
    const admin = new Hono().use(inHono.requireLogin({ redirectTo })).get("/users", (c) => c.text("users"));
    const app = new Hono().basePath("/shop");
    app.use(inHono.sessions(psession)).route("/admin", admin);
    const { headers } = await app.request(PATH, { headers: PAGE });
    expect(headers.get("location")).toBe(EXPECTED);
  });

  test("where Hono mounts an application of requests, which gets a path that is cut", async () => {
    const { psession } = testApp(overHttp);
    const guard = inFetch.requireLogin({ redirectTo });
    const users = inFetch.withSession(
      psession,
      async (request, session, whole: string) =>
        guard(request, await session(), { path: whole }) ?? new Response(new URL(request.url).pathname),
    );
    const app = new Hono();
    app.mount("/shop", users, {
      optionHandler: (c) => c.req.raw.url.slice(new URL(c.req.url).origin.length),
    });
    const { headers } = await app.request(PATH, { headers: PAGE });
    expect(headers.get("location")).toBe(EXPECTED);
  });

  test("in Nest, for middleware of a module, with a prefix for all routes", async () => {
    const { psession } = testApp(overHttp);
    class Users {
      list() {
        return "users";
      }
    }
    const descriptor = Object.getOwnPropertyDescriptor(Users.prototype, "list") as PropertyDescriptor;
    Get("users")(Users.prototype, "list", descriptor);
    Controller("admin")(Users);
    class Shop implements NestModule {
      configure(consumer: MiddlewareConsumer) {
        consumer.apply(inExpress.requireLogin({ redirectTo })).forRoutes("admin");
      }
    }
    Module({ controllers: [Users] })(Shop);
    const app = await NestFactory.create(Shop, { logger: false });
    app.setGlobalPrefix("shop");
    app.use(inExpress.sessions(psession));
    await app.listen(0, "127.0.0.1");
    onTestFinished(() => app.close());
    expect((await asked(await app.getUrl())).headers.get("location")).toBe(EXPECTED);
  });

  test("in Node, where the application passes it", async () => {
    const { psession } = testApp(overHttp);
    const guard = inNode.requireLogin({ redirectTo });
    const listener = inNode.withSession(psession, (request, response, session) => {
      const { url: path = "/" } = request;
      request.url = path.slice("/shop".length);
      if (guard(request, response, session, { path })) response.end("users");
    });
    expect((await asked(await serve(listener))).headers.get("location")).toBe(EXPECTED);
  });
});

test("a guard of Node's or of requests uses the origin that its caller passes", async () => {
  const { psession } = testApp(overHttp);
  const origin = "https://shop.example";
  const post = { method: "POST", headers: { origin } };
  const [isOurs, isMember] = [inNode.originCheck(), inNode.requireLevel("anonymous")];
  const listener = inNode.withSession(psession, (request, response, session) => {
    const facts = request.url === "/told" ? { origin: () => origin } : {};
    if (isOurs(request, response, facts) && isMember(request, response, session, facts)) response.end("in");
  });
  const base = await serve(listener);
  for (const [path, status] of [
    ["/told", 200],
    ["/", 403],
  ] as const) {
    expect((await fetch(base + path, post)).status, path).toBe(status);
  }
  const request = new Request("http://127.0.0.1/", post);
  const session = await psession
    .exchange(inNode.nodeFacts({ headers: {}, socket: {} } as never, false))
    .open();
  for (const [facts, status] of [
    [{ origin }, undefined],
    [{}, 403],
  ] as const) {
    expect(inFetch.originCheck()(request, facts)?.status).toBe(status);
    expect(inFetch.requireLevel("anonymous")(request, session, facts)?.status).toBe(status);
  }
});
