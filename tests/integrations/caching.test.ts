import { createRequire } from "node:module";
import express5 from "express";
import fastify from "fastify";
import { Hono } from "hono";
import Koa from "koa";
import { describe, expect, onTestFinished, test } from "vitest";
import { answerHeaders, createPsession, memoryStore } from "../../src/index.ts";
import { sessionOf, sessions } from "../../src/integrations/express/index.ts";
import dropIn, { type SessionOptions } from "../../src/integrations/express-session/index.ts";
import * as inFastify from "../../src/integrations/fastify/index.ts";
import { jarSession, requestSessions, withSession } from "../../src/integrations/fetch/index.ts";
import * as inHono from "../../src/integrations/hono/index.ts";
import * as inKoa from "../../src/integrations/koa/index.ts";
import { openSession } from "../../src/integrations/node/index.ts";
import { KEY, overHttp, testApp } from "../support/app.ts";
import { type Answer, HttpClient, serve } from "../support/http.ts";
import { NotedStore, STRONG } from "./express-session/sides.ts";

// biome-ignore lint/suspicious/noExplicitAny: handlers are written as applications write them.
type Any = any;
const compression = createRequire(import.meta.url)("compression") as () => Any;

const told = ({ headers }: Answer) => [headers.get("cache-control"), headers.get("vary")];

describe("in Express", () => {
  async function start(define: (app: express5.Express) => void, before: readonly Any[] = []) {
    const { psession } = testApp(overHttp);
    const app = express5();
    for (const middleware of before) app.use(middleware);
    app.use(sessions(psession) as Any);
    app.post("/login", async (request, response) => {
      await sessionOf(request).login(7);
      response.end();
    });
    define(app);
    const client = new HttpClient(await serve(app as Any));
    await client.post("/login");
    return client;
  }

  test("static files are as they were, before the session or behind it, also for a user", async () => {
    const files = express5.static(import.meta.dirname, { maxAge: 60_000 });
    const client = await start((app) => app.use("/behind", files), [files]);
    for (const path of ["/caching.test.ts", "/behind/caching.test.ts"])
      expect(told(await client.get(path))).toEqual(["public, max-age=60", null]);
  });

  test.each(["before", "behind"])("a packed answer varies by both, with compression %s", async (where) => {
    const client = await start(
      (app) => {
        if (where === "behind") app.use(compression());
        app.get("/", (request, response) => {
          response.type("text").send(`${sessionOf(request).userId} `.repeat(2000));
        });
      },
      where === "before" ? [compression()] : [],
    );
    const answer = await client.get("/", { "accept-encoding": "gzip" });
    expect(answer.headers.get("content-encoding")).toBe("gzip");
    expect(answer.headers.get("vary")?.split(", ").sort()).toEqual(["Accept-Encoding", "Cookie"]);
    expect(answer.headers.get("cache-control")).toBe("private");
    expect(answer.text).toBe("7 ".repeat(2000));
  });

  test("a head that was written early has it, in whatever form its headers came", async () => {
    const forms: Record<string, Any> = {
      "/object": { "Cache-Control": "max-age=60", Vary: ["Origin", "Accept"] },
      "/list": ["Cache-Control", "max-age=60", "Vary", "Origin", "Vary", "Accept"],
    };
    const client = await start((app) => {
      for (const [path, headers] of Object.entries(forms)) {
        app.get(path, (request, response) => {
          void sessionOf(request).userId;
          response.writeHead(200, headers);
          response.write("one ");
          response.end("two");
        });
      }
      app.get("/flushed", (request, response) => {
        void sessionOf(request).userId;
        response.set({ "Cache-Control": "max-age=60", Vary: "Origin, Accept" }).flushHeaders();
        response.end("one two");
      });
    });
    for (const path of [...Object.keys(forms), "/flushed"]) {
      const answer = await client.get(path);
      expect([...told(answer), answer.text], path).toEqual([
        "max-age=60, private",
        "Origin, Accept, Cookie",
        "one two",
      ]);
    }
  });

  test("logging the session sets no cache headers, and answering with it does", async () => {
    const { inspect } = await import("node:util");
    const client = await start((app) => {
      app.get("/log", (request, response) => {
        inspect(sessionOf(request));
        response.end("ok");
      });
      app.get("/json", (request, response) => void response.json(sessionOf(request)));
    });
    expect(told(await client.get("/log"))).toEqual([null, null]);
    expect(told(await client.get("/json"))).toEqual(["private", "Cookie"]);
  });

  test("a 304 by ETag has the cache headers as well", async () => {
    const client = await start((app) =>
      app.get("/", (request, response) => void response.send(`of ${sessionOf(request).userId}`)),
    );
    const etag = String((await client.get("/")).headers.get("etag"));
    const answer = await client.get("/", { "if-none-match": etag, "cache-control": "max-age=0" });
    expect([answer.status, ...told(answer)]).toEqual([304, "private", "Cookie"]);
  });

  test("either of two sessions sets cache headers", async () => {
    const apps = [testApp(overHttp), testApp({ ...overHttp, cookies: { session: "staff" } })];
    const client = new HttpClient(
      await serve(async (request, response) => {
        const opened = await Promise.all(
          apps.map(({ psession }) => openSession(psession, request, response)),
        );
        const which = Number(new URL(request.url ?? "", "http://any").searchParams.get("look"));
        void opened[which]?.userId;
        response.end("ok");
      }),
    );
    for (const which of [0, 1]) expect(told(await client.get(`/?look=${which}`))).toEqual([null, "Cookie"]);
    expect(told(await client.get("/?look=2"))).toEqual([null, null]);
  });
});

describe.each<[string, () => SessionOptions]>([
  ["on the application's store", () => ({ store: new NotedStore() as Any })],
  ["on a psession store", () => ({ store: memoryStore(), secret: STRONG })],
])("the drop-in %s", (_, make) => {
  async function start(options: SessionOptions = {}) {
    const app = express5();
    app.use(
      dropIn({ secret: STRONG, resave: false, saveUninitialized: false, ...make(), ...options }) as Any,
    );
    app.use(((request: Any, response: Any) => {
      const { path } = request;
      if (path === "/login") request.session.userId = 7;
      if (path === "/cart") request.session.cart = (request.session.cart ?? 0) + 1;
      if (path === "/read") void request.session.cart;
      if (path === "/id") void request.sessionID;
      if (path === "/end") return request.session.destroy(() => response.end("ended"));
      if (path === "/null") request.session = null;
      response.end("ok");
    }) as Any);
    return new HttpClient(await serve(app as Any));
  }

  test("sets cache headers where the session or its id was read, and nowhere else", async () => {
    const client = await start();
    expect(told(await client.get("/"))).toEqual([null, null]);
    for (const path of ["/read", "/id"]) expect(told(await client.get(path))).toEqual([null, "Cookie"]);
    expect(told(await client.get("/cart"))).toEqual(["no-store", "Cookie"]);
    expect(told(await client.get("/cart"))).toEqual(["private", "Cookie"]);
    expect(told(await client.get("/read"))).toEqual([null, "Cookie"]);
    await client.get("/login");
    expect(told(await client.get("/"))).toEqual([null, null]);
    for (const path of ["/read", "/id", "/null"])
      expect(told(await client.get(path)), path).toEqual(["private", "Cookie"]);
    expect((await client.get("/end")).headers.get("vary")).toBe("Cookie");
  });

  test("sets no cache headers where the application sets its own", async () => {
    const client = await start({ caching: "off", noStore: false });
    for (const path of ["/", "/read", "/cart", "/login", "/read"])
      expect(told(await client.get(path)), path).toEqual([null, null]);
  });

  test("keeps `req.session` a property that can be listed, replaced and deleted", async () => {
    const middleware = dropIn({
      secret: STRONG,
      resave: false,
      saveUninitialized: false,
      ...make(),
    });
    const base = await serve((request: Any, response: Any) => {
      middleware(request, response, () => {
        const { session } = request;
        const seen = [Object.keys(request).includes("session"), request.session === session];
        request.session = undefined;
        seen.push(request.session === undefined);
        delete request.session;
        seen.push(!("session" in request));
        response.end(JSON.stringify(seen));
      });
    });
    expect((await new HttpClient(base).get("/")).json).toEqual([true, true, true, true]);
  });
});

test("an unknown value of the option is refused", () => {
  const caching = "yes" as never;
  expect(() => createPsession({ store: memoryStore(), keys: [KEY], caching })).toThrow(
    'caching must be "protect" or "off"',
  );
  expect(() => dropIn({ secret: STRONG, caching })).toThrow('caching must be "protect" or "off"');
  const store = createPsession({ store: memoryStore(), keys: [KEY], prune: false });
  expect(() => dropIn({ secret: STRONG, store, caching: "off" })).toThrow(
    "caching is an option of createPsession",
  );
});

describe("Responses", () => {
  const request = new Request("https://shop.example/");

  test("with immutable headers get Vary in a copy, and a shared one keeps it for later requests", async () => {
    const { psession } = testApp();
    const kept = new Response(null, { status: 204, headers: { vary: "Origin" } });
    for (const own of [Response.redirect("https://shop.example/next", 303), kept]) {
      const answer = await withSession(psession, async (_request, getSession) => {
        void (await getSession()).userId;
        return own;
      })(request);
      expect(answer.headers.get("vary")).toBe(own === kept ? "Origin, Cookie" : "Cookie");
    }
    const next = await withSession(psession, async (_request, getSession) => {
      void (await getSession()).userId;
      return kept;
    })(request);
    expect([next.headers.get("vary"), next.headers.getSetCookie()]).toEqual(["Origin, Cookie", []]);
  });

  test("in Hono, given or made by its context, and errors of its handlers", async () => {
    const { psession } = testApp();
    const app = new Hono<{ Variables: inHono.SessionVariables }>().use(inHono.sessions(psession));
    app.onError((_error, c) => c.text("broken", 500));
    app.use(async (c, next) => {
      void (await c.var.session).userId;
      await next();
    });
    app.get("/text", (c) => c.text("ok", 200, { Vary: "Origin" }));
    app.get("/redirect", () => Response.redirect("https://shop.example/next", 303));
    app.get("/error", () => {
      throw new Error("broken");
    });
    const varies = async (path: string) =>
      (await app.request(`https://shop.example${path}`)).headers.get("vary");
    expect(await varies("/text")).toBe("Origin, Cookie");
    for (const path of ["/redirect", "/error", "/missing"]) expect(await varies(path), path).toBe("Cookie");
  });

  test("of Fastify get cache headers beside their own, and so do its replies", async () => {
    const { psession } = testApp(overHttp);
    const app = fastify();
    onTestFinished(() => app.close());
    await app.register(inFastify.sessions, { psession: psession as Any });
    app.post("/login", async (asked) => {
      await (await asked.openSession()).login(7);
      return "in";
    });
    const headers = { vary: "Origin", "cache-control": "max-age=60" };
    app.get("/reply", async (asked, reply) => {
      void (await asked.openSession()).userId;
      return reply.headers(headers).send("ok");
    });
    app.get("/response", async (asked, reply) => {
      void (await asked.openSession()).userId;
      return reply.send(new Response("ok", { headers }));
    });
    app.get("/bare", async (asked, reply) => {
      void (await asked.openSession()).userId;
      reply.raw.setHeader("vary", "Origin");
      reply.raw.setHeader("cache-control", "max-age=60");
      return "ok";
    });
    app.get("/hijacked", async (asked, reply) => {
      void (await asked.openSession()).userId;
      reply.hijack();
      reply.raw.writeHead(200, headers).end("ok");
    });
    const client = new HttpClient(await app.listen({ port: 0, host: "127.0.0.1" }));
    await client.post("/login");
    for (const path of ["/reply", "/response", "/bare", "/hijacked"])
      expect(told(await client.get(path)), path).toEqual(["max-age=60, private", "Origin, Cookie"]);
  });

  test("of loaders get Vary beside their own headers, and those of jars beside the given ones", async () => {
    const { psession } = testApp();
    const { getSession, commitSession } = requestSessions(psession);
    const session = await getSession(request);
    void session.userId;
    for (const name of ["one", "two"]) {
      const headers = await commitSession(session, { vary: name });
      expect(headers.get("vary")).toBe(`${name}, Cookie`);
    }
    const jar = jarSession(psession, { headers: request.headers, set: () => {} }, { secure: true });
    void (await jar.getSession()).userId;
    const answer = new Headers({ vary: "Origin" });
    expect(await jar.commit(answer)).toEqual({ noStore: false });
    expect(answer.get("vary")).toBe("Origin, Cookie");
  });
});

test("in Koa streamed bodies and errors get cache headers", async () => {
  const { psession } = testApp(overHttp);
  const app = new Koa();
  app.silent = true;
  app.use(inKoa.sessions(psession));
  app.use(async (ctx) => {
    void (await ctx.openSession()).userId;
    if (ctx.path === "/error") ctx.throw(418);
    ctx.vary("Origin");
    ctx.body = new Blob(["ok"]).stream();
  });
  const client = new HttpClient(await serve(app.callback()));
  expect(told(await client.get("/"))).toEqual([null, "Origin, Cookie"]);
  expect(told(await client.get("/error"))).toEqual([null, "Cookie"]);
});

describe("answerHeaders", () => {
  const given = (caching: "varies" | "private" | "guarded" | undefined, noStore: boolean, own: object = {}) =>
    Object.fromEntries(
      answerHeaders({ noStore, caching }, (name) => (own as Record<string, unknown>)[name.toLowerCase()]),
    );

  test("reads what is quoted as no directive, and lists as frameworks keep them", () => {
    expect(given("private", false, { "cache-control": 'x="public, private' })).toMatchObject({
      "Cache-Control": 'x="public, private, private',
    });
    expect(given("private", false, { "cache-control": ["max-age=1", "public"] })).toEqual({ Vary: "Cookie" });
    expect(given("private", false, { vary: ["Accept", "COOKIE"] })).toEqual({ "Cache-Control": "private" });
  });

  test("asks for nothing where the session was not read", () => {
    const headers = answerHeaders({ noStore: false, caching: undefined }, () => {
      throw new Error("asked");
    });
    expect(headers).toEqual([]);
  });
});
