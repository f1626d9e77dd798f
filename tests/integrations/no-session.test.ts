import express from "express";
import fastify from "fastify";
import { Hono } from "hono";
import Koa from "koa";
import { expect, onTestFinished, test } from "vitest";
import * as inExpress from "../../src/integrations/express/index.ts";
import * as inFastify from "../../src/integrations/fastify/index.ts";
import * as inHono from "../../src/integrations/hono/index.ts";
import * as inKoa from "../../src/integrations/koa/index.ts";
import { HttpClient, serve } from "../support/http.ts";

const GUARDS = {
  requireLogin: (integration: typeof inExpress) => integration.requireLogin(),
  exclusive: (integration: typeof inExpress) => integration.exclusive(),
};
type Told = (error: unknown) => void;
const told = (tell: Told) => (error: Error) => {
  tell(error);
  return error;
};

/** What stands before a page without the sessions it needs, in each framework. */
const SITES: Record<string, (what: string, tell: Told) => Promise<string>> = {
  Express: (what, tell) => {
    const app = express().set("env", "test");
    app.use(what === "devices" ? inExpress.devices() : GUARDS[what as "exclusive"](inExpress));
    const heard: express.ErrorRequestHandler = (error, _request, _response, next) => next(told(tell)(error));
    return serve(app.use(heard));
  },
  Koa: (what, tell) => {
    const app = new Koa();
    app.on("error", told(tell));
    if (what === "devices") app.use(inKoa.devices({ path: "/" }) as never);
    else app.use(GUARDS[what as "exclusive"](inKoa as never) as never);
    return serve(app.callback());
  },
  Fastify: async (what, tell) => {
    const app = fastify();
    app.addHook("onError", (_request, _reply, error, done) => {
      tell(error);
      done();
    });
    onTestFinished(() => app.close());
    if (what === "devices") await app.register(inFastify.devices);
    else app.get("/", { preHandler: GUARDS[what as "exclusive"](inFastify as never) as never }, () => "");
    return app.listen({ port: 0, host: "127.0.0.1" });
  },
};

test.each(
  Object.keys(SITES).flatMap((integration) =>
    ["requireLogin", "exclusive", "devices"].map((what) => [integration, what]),
  ),
)("in %s, %s without sessions before it is one error", async (integration, what) => {
  const errors: unknown[] = [];
  const base = await SITES[integration as "Koa"]?.(what as string, (error) => errors.push(error));
  const { status } = await new HttpClient(base ?? "").get("/");
  expect([status, errors]).toEqual([500, [expect.objectContaining({ code: "no_session" })]]);
});

test.each(["requireLogin", "exclusive", "devices"])(
  "in Hono, %s without sessions before it is one error",
  async (what) => {
    const errors: unknown[] = [];
    const app = new Hono();
    app.use(
      what === "devices"
        ? inHono.devices({ path: "/" })
        : (GUARDS[what as "exclusive"](inHono as never) as never),
    );
    app.onError((error, c) => {
      errors.push(error);
      return c.text("sorry", 500);
    });
    expect((await app.request("/")).status).toBe(500);
    expect(errors).toEqual([expect.objectContaining({ code: "no_session" })]);
  },
);

test("passportSessions of Koa says the same", async () => {
  const errors: unknown[] = [];
  const app = new Koa();
  app.on("error", (error) => errors.push(error));
  app.use(inKoa.passportSessions() as never);
  await new HttpClient(await serve(app.callback())).get("/");
  expect(errors).toEqual([expect.objectContaining({ code: "no_session" })]);
});
