import express from "express";
import fastify from "fastify";
import { Hono } from "hono";
import Koa from "koa";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Session } from "../../src/index.ts";
import * as inExpress from "../../src/integrations/express/index.ts";
import * as inFastify from "../../src/integrations/fastify/index.ts";
import * as inFetch from "../../src/integrations/fetch/index.ts";
import * as inHono from "../../src/integrations/hono/index.ts";
import * as inKoa from "../../src/integrations/koa/index.ts";
import * as inNode from "../../src/integrations/node/index.ts";
import { overHttp, type TestApp, testApp } from "../support/app.ts";
import { HttpClient, serve } from "../support/http.ts";

type Held = { session: Session | null };
// biome-ignore lint/suspicious/noExplicitAny: what handlers do that took no types to heart.
type Any = any;

/** What applications write that had another session library, in code of either mode. */
const inMode = (mode: "strict" | "sloppy", statement: string) =>
  new Function("request", `${mode === "strict" ? '"use strict"; ' : ""}${statement}`) as (held: Held) => void;

/** `GET /login` signs in, `GET /` runs the statement, `GET /user` says who is signed in. */
type Start = (app: TestApp, run: (held: Held) => void) => Promise<string>;

const SITES: Record<string, Start> = {
  Express: ({ psession }, run) => {
    const app = express().set("env", "test");
    app.use(inExpress.sessions(psession) as express.RequestHandler);
    app.get("/login", async ({ session }, response) => {
      await session.login("ada");
      response.end();
    });
    app.get("/user", ({ session }, response) => response.json(session.userId ?? null));
    app.get("/", (request, response) => {
      run(request);
      response.json("done");
    });
    const heard: express.ErrorRequestHandler = ({ status, code, message }, _request, response, _next) =>
      response.status(status).json({ code, message });
    return serve(app.use(heard));
  },
  Koa: ({ psession }, run) => {
    const app = new Koa();
    app.silent = true;
    app.use(async (ctx, next) => {
      try {
        await next();
      } catch (error) {
        const { status, code, message } = error as { status: number; code: string; message: string };
        ctx.status = status;
        ctx.body = { code, message };
      }
    });
    app.use(inKoa.sessions(psession, { open: "always" }));
    app.use(async (ctx) => {
      ctx.body = '"done"';
      if (ctx.path === "/login") await (ctx["session"] as Session).login("ada");
      else if (ctx.path === "/user") ctx.body = JSON.stringify((ctx["session"] as Session).userId ?? null);
      else run(ctx as unknown as Held);
    });
    return serve(app.callback());
  },
  Fastify: async ({ psession }, run) => {
    const app = fastify();
    await app.register(inFastify.sessions, { psession: psession as never, open: "always" });
    app.get("/login", async ({ session }) => session.login("ada"));
    app.get("/user", async ({ session }) => JSON.stringify(session.userId ?? null));
    app.get("/", async (request) => {
      run(request as unknown as Held);
      return '"done"';
    });
    onTestFinished(() => app.close());
    return app.listen({ port: 0, host: "127.0.0.1" });
  },
};

const MODES = Object.keys(SITES).flatMap((integration) =>
  (["strict", "sloppy"] as const).map((mode) => ({ integration, mode })),
);

async function asked(integration: string, mode: "strict" | "sloppy", statement: string) {
  const client = new HttpClient(
    (await SITES[integration]?.(testApp(overHttp), inMode(mode, statement))) ?? "",
  );
  await client.get("/login");
  const answer = await client.get("/");
  return { answer, user: (await client.get("/user")).json };
}

test.each(MODES)(
  "$integration, $mode: data that is put on the session itself is an error, which says where it goes",
  async ({ integration, mode }) => {
    for (const statement of [
      "request.session.cart = [];",
      "request.session.passport = { user: 1 };",
      "Object.assign(request.session, { views: 1 });",
      "request.session.views++;",
      "request.session = [];",
      "request.session.cookie = { maxAge: 1000 };",
      // Koa takes an object for the data, and who is signed in stays so.
      integration === "Koa" ? "request.session = {};" : "request.session = { cart: [] };",
    ]) {
      const { answer, user } = await asked(integration, mode, statement);
      expect([statement, answer.status, answer.json.code, user]).toEqual([
        statement,
        500,
        "invalid_data",
        "ada",
      ]);
      expect(answer.json.message).toContain("session.data");
    }
  },
);

test.each(MODES)(
  "$integration, $mode: null in place of the session ends it",
  async ({ integration, mode }) => {
    const { answer, user } = await asked(integration, mode, "request.session = null;");
    expect([answer.status, user]).toEqual([200, null]);
  },
);

test("Koa: an object in place of the session is its data, and signs nobody in or out", async () => {
  const { answer, user } = await asked("Koa", "strict", 'request.session = { cart: [], userId: "bob" };');
  expect([answer.status, user]).toEqual([200, "ada"]);
});

test.each(MODES)(
  "$integration, $mode: a callback is an error at once, as it would never be called",
  async ({ integration, mode }) => {
    const methods = ["save", "reload", "regenerate", "renew", "logout", "destroy"];
    // Sessions of Fastify take callbacks, as those of its plugins do.
    const refusing = integration === "Fastify" ? ["renew", "logout"] : methods;
    for (const method of refusing) {
      const { answer, user } = await asked(integration, mode, `request.session.${method}(() => {});`);
      expect([method, answer.status, answer.json.code, user]).toEqual([
        method,
        500,
        "invalid_options",
        "ada",
      ]);
      expect(answer.json.message).toContain(`await session.${method}()`);
    }
  },
);

test.each(
  Object.entries({
    Express: () => inExpress.sessions({ secret: "x" } as never),
    Koa: () => inKoa.sessions({ key: "koa.sess" } as never),
    Hono: () => inHono.sessions({} as never),
    Node: () => inNode.withSession(undefined as never, () => {}),
    Fetch: () => inFetch.withSession({} as never, () => new Response()),
    "React Router": () => inFetch.requestSessions({} as never),
  }),
)("%s: anything but a psession is refused at start", (_, give) => {
  expect(give).toThrow(expect.objectContaining({ code: "invalid_options" }));
  expect(give).toThrow("psession must be what createPsession gives");
});

describe("Hono: a session that was not awaited", () => {
  const site = (touch: (session: Any) => unknown) =>
    new Hono()
      .use(inHono.sessions(testApp(overHttp).psession))
      .onError((error, c) => c.json({ code: (error as { code?: string }).code, message: error.message }, 500))
      .get("/", async (c) => c.json((await touch(c.var.session)) ?? "ok"));
  const asks = async (touch: (session: Any) => unknown): Promise<Any> =>
    (await site(touch).request("/")).json();

  test("throws, and answers nothing about the visitor", async () => {
    for (const touch of [
      (session: Any) => session.isSignedIn,
      (session: Any) => session.data,
      (session: Any) => session.get("cart"),
      (session: Any) => JSON.stringify(session),
    ]) {
      expect(await asks(touch)).toMatchObject({ code: "session_not_open" });
    }
    expect(await asks(async (session) => (await session).isSignedIn)).toBe(false);
  });

  test("takes no data", async () => {
    const { code, message } = await asks((session) => Object.assign(session, { cart: [] }));
    expect([code, message]).toEqual(["invalid_data", expect.stringContaining("session.data")]);
    expect(await asks((session) => Object.assign(session, { data: {} }))).toMatchObject({
      code: "session_not_open",
    });
  });
});
