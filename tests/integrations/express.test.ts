import { Readable } from "node:stream";
import express5 from "express";
// @ts-expect-error: Express 4 is here under another name, without types of its own.
import express4 from "express4";
import { describe, expect, test } from "vitest";
import { memoryStore, PsessionError, type PsessionOptions } from "../../src/index.ts";
import {
  originCheck,
  requireFresh,
  requireLogin,
  sessions,
  sessionOf as typedSession,
} from "../../src/integrations/express/index.ts";
import { overHttp, type TestApp, type TestData, type TestSession, testApp } from "../support/app.ts";
import { HOUR } from "../support/clock.ts";
import { HttpClient, serve } from "../support/http.ts";
import { intercepted } from "../support/stores.ts";

type Express = ReturnType<typeof express5>;
type Define = (routes: Express, app: TestApp) => void;
const versions: [string, () => Express][] = [
  ["Express 5", express5],
  ["Express 4", express4 as () => Express],
];

const sessionOf = (request: unknown) => (request as { session: TestSession }).session;

describe.each(versions)("%s", (_, makeExpress) => {
  const start = async (
    define: Define,
    options: Partial<PsessionOptions> = {},
    before?: (routes: Express) => void,
  ) => {
    const app = testApp({ ...overHttp, ...options });
    const routes = makeExpress();
    before?.(routes);
    routes.use(sessions(app.psession));
    define(routes, app);
    routes.use(((error, _request, response, _next) => {
      response.status(error.status ?? 500).json({ code: error.code ?? "other" });
    }) as Parameters<Express["use"]>[0] & express5.ErrorRequestHandler);
    return { app, client: new HttpClient(await serve(routes)) };
  };

  const counter: Define = (routes) => {
    routes.get("/count", (request, response) => {
      const { data } = sessionOf(request);
      data.count = (data.count ?? 0) + 1;
      response.json({ count: data.count });
    });
    routes.post("/login", async (request, response) => {
      await sessionOf(request).login(7, { remember: true });
      response.redirect(303, "/me");
    });
    routes.post("/logout", async (request, response) => {
      await sessionOf(request).logout();
      response.status(204).end();
    });
    routes.get("/me", (request, response) => {
      const { userId, level } = sessionOf(request);
      response.json({ userId: userId ?? null, level });
    });
  };

  test("data is saved before the answer leaves, and answers with cookies are not cached", async () => {
    const { client } = await start(counter);
    const first = await client.get("/count");
    expect(first.setCookie).toHaveLength(1);
    expect(first.headers.get("cache-control")).toBe("no-store");
    const second = await client.get("/count");
    expect(second.json).toEqual({ count: 2 });
    expect(second.setCookie).toEqual([]);
    expect(second.headers.get("cache-control")).toBe("private");
  });

  test("an untouched session sets no cookie", async () => {
    const { client, app } = await start(counter);
    const answer = await client.get("/me");
    expect(answer.setCookie).toEqual([]);
    expect(answer.json).toEqual({ userId: null, level: "anonymous" });
    expect(app.events).toEqual([]);
  });

  test("a redirect does not outrun the save, and carries the cookies", async () => {
    const { client } = await start(counter);
    const answer = await client.post("/login");
    expect(answer.status).toBe(303);
    expect(answer.setCookie).toHaveLength(2);
    expect((await client.get("/me")).json).toEqual({ userId: 7, level: "login" });
  });

  test("fifty parallel requests with the remember cookie alone all answer as the user", async () => {
    const { client, app } = await start(counter);
    await client.post("/login");
    client.restart();
    app.clock.advance(HOUR);
    const jar = new Map(client.jar);
    const answers = await Promise.all(Array.from({ length: 50 }, () => client.request("/me", { jar })));
    for (const { json } of answers) expect(json).toEqual({ userId: 7, level: "remembered" });
    expect(app.told().filter((type) => type === "restored")).toHaveLength(1);
    expect(await app.psession.devices(7)).toHaveLength(1);
    expect((await client.get("/me")).json.userId).toBe(7);
    app.clock.advance(HOUR);
    client.restart();
    expect((await client.get("/me")).json.userId).toBe(7);
  });

  test("logout answers without a body and clears the cookies", async () => {
    const { client } = await start(counter);
    await client.post("/login");
    const captured = new Map(client.jar);
    expect((await client.post("/logout")).status).toBe(204);
    expect(client.jar.size).toBe(0);
    expect((await client.request("/me", { jar: captured })).json.userId).toBeNull();
  });

  test("the application's cookies are kept beside psession's, however the head is written", async () => {
    const heads: Record<string, (response: express5.Response) => void> = {
      "/set": (response) => response.cookie("a", "1").cookie("b", "2").send("ok"),
      "/object": (response) =>
        void response.writeHead(200, { "set-cookie": ["a=1", "b=2"], "x-one": "1" }).end("ok"),
      "/list": (response) =>
        void response.writeHead(200, ["Set-Cookie", "a=1", "Set-Cookie", "b=2", "x-one", "1"]).end("ok"),
      "/reason": (response) =>
        void response.writeHead(200, "Fine", { "Set-Cookie": ["a=1", "b=2"] }).end("ok"),
      "/mixed": (response) => {
        response.setHeader("Set-Cookie", "lost=1");
        response.setHeader("x-one", "0");
        response.writeHead(200, { "Set-Cookie": ["a=1", "b=2"], "x-one": "1" }).end("ok");
      },
    };
    const { client } = await start((routes) => {
      for (const [path, answer] of Object.entries(heads)) {
        routes.get(path, (request, response) => {
          sessionOf(request).set("name", path);
          answer(response);
        });
      }
    });
    for (const path of Object.keys(heads)) {
      const answer = await new HttpClient(client.base).get(path);
      expect(answer.text, path).toBe("ok");
      expect(
        answer.setCookie.map((line) => line.split("=")[0]),
        path,
      ).toEqual(["a", "b", "psession"]);
    }
  });

  test("exact lengths, streams, HEAD, 304 and flushed heads keep working", async () => {
    const { client } = await start((routes) => {
      routes.use((request, _response, next) => {
        sessionOf(request).set("name", request.path);
        next();
      });
      routes.get("/exact", (_request, response) => {
        response.setHeader("Content-Length", 5);
        response.write("he");
        response.end("llo");
      });
      routes.get("/stream", (_request, response) => {
        Readable.from(Array.from({ length: 200 }, () => "x".repeat(10_000))).pipe(response);
      });
      routes.get("/flush", (_request, response) => {
        response.flushHeaders();
        response.end("flushed");
      });
      routes.get("/cached", (_request, response) => response.status(304).end());
      routes.get("/callback", (_request, response) => {
        response.write("a", () => response.end("b"));
      });
    });
    const fresh = () => new HttpClient(client.base);
    const exact = await fresh().get("/exact");
    expect([exact.text, exact.setCookie.length]).toEqual(["hello", 1]);
    const stream = await fresh().get("/stream");
    expect([stream.text.length, stream.setCookie.length]).toEqual([2_000_000, 1]);
    const head = await fresh().request("/exact", { method: "HEAD" });
    expect([head.text, head.setCookie.length]).toEqual(["", 1]);
    const cached = await fresh().get("/cached");
    expect([cached.status, cached.setCookie.length]).toEqual([304, 1]);
    for (const [path, text] of [
      ["/flush", "flushed"],
      ["/callback", "ab"],
    ] as const) {
      const answer = await fresh().get(path);
      expect([answer.text, answer.setCookie.length]).toEqual([text, 1]);
    }
  });

  test("what changes while the body is written is saved before it ends", async () => {
    const { client } = await start((routes) => {
      routes.get("/late", (request, response) => {
        const session = sessionOf(request);
        if (session.isNew) session.set("count", 1);
        response.write("body");
        session.set("name", "late");
        response.end();
      });
      routes.get("/data", (request, response) => void response.json(sessionOf(request).data));
    });
    await client.get("/late");
    expect((await client.get("/data")).json).toEqual({ count: 1, name: "late" });
  });

  test("a change before a thrown error is kept, and the error gets its answer", async () => {
    const { client } = await start((routes) => {
      routes.get("/throw", (request) => {
        sessionOf(request).set("count", 1);
        throw new Error("broken");
      });
      routes.get("/data", (request, response) => void response.json(sessionOf(request).data));
    });
    expect((await client.get("/throw")).status).toBe(500);
    expect((await client.get("/data")).json).toEqual({ count: 1 });
  });

  test("data that cannot be stored is an error instead of the handler's answer", async () => {
    const secure: express5.RequestHandler = (_request, response, next) => {
      response.setHeader("x-frame-options", "DENY");
      next();
    };
    const define: Define = (routes) => {
      routes.get("/map", (request, response) => {
        sessionOf(request).set("bad", new Map());
        response.setHeader("x-handler", "1");
        response.send("saved!");
      });
    };
    const { client } = await start(define, {}, (routes) => void routes.use(secure));
    const answer = await client.get("/map");
    expect(answer.status).toBe(500);
    expect(answer.json).toEqual({ code: "invalid_data" });
    expect(answer.headers.get("x-handler")).toBeNull();
    expect(answer.headers.get("x-frame-options")).toBe("DENY");
    expect(answer.setCookie).toEqual([]);
  });

  test("a store that fails answers 503, at open and at commit, and costs nobody a cookie", async () => {
    let failing = "";
    const store = intercepted(memoryStore(), async (name, call) => {
      if (name === failing) throw new PsessionError("store_unavailable", "down");
      return call();
    });
    const { client } = await start(counter, { store });
    await client.post("/login");
    for (failing of ["findSession", "apply"]) {
      const answer = await client.get("/count");
      expect([answer.status, answer.json.code, answer.setCookie]).toEqual([503, "store_unavailable", []]);
    }
    client.restart();
    failing = "findRemembered";
    expect((await client.get("/me")).status).toBe(503);
    failing = "";
    expect((await client.get("/me")).json.userId).toBe(7);
  });

  test("a request over plain http gets no session where cookies are Secure; a trusted proxy helps", async () => {
    const app = testApp();
    const routes = makeExpress();
    routes.use(sessions(app.psession));
    counter(routes, app);
    routes.use(((error, _request, response, _next) => {
      response.status(500).json({ code: error.code });
    }) as express5.ErrorRequestHandler);
    const client = new HttpClient(await serve(routes));
    const https = { "x-forwarded-proto": "https" };
    expect((await client.post("/login", {}, https)).json).toEqual({ code: "insecure_transport" });
    expect((await client.get("/me", https)).json.userId).toBeNull();
    expect(app.told()).toContain("insecureTransport");
    routes.set("trust proxy", 1);
    expect((await client.post("/login", {}, https)).setCookie[0]).toMatch(/^__Host-psession=/);
    expect((await client.get("/me", https)).json.userId).toBe(7);
    expect((await client.get("/me")).json.userId).toBeNull();
  });

  test("a session that is there already is left alone", async () => {
    const { client } = await start(
      (routes) => void routes.get("/", (request, response) => void response.json(request.session)),
      {},
      (routes) => {
        routes.use((request, _response, next) => {
          Object.assign(request, { session: { mine: true } });
          next();
        });
      },
    );
    expect((await client.get("/")).json).toEqual({ mine: true });
  });

  test("the session of another psession is not taken for its own", async () => {
    const staff = testApp({ ...overHttp, cookies: { session: "staff" } });
    const { client } = await start((routes, app) => {
      counter(routes, app);
      routes.get("/shop", sessions(app.psession), requireLogin(), (_request, response) =>
        response.send("in"),
      );
      routes.get("/staff", sessions(staff.psession), requireLogin(), (_request, response) =>
        response.send("in"),
      );
    });
    await client.post("/login");
    expect((await client.get("/shop")).text).toBe("in");
    expect((await client.get("/staff")).status).toBe(500);
  });

  test("a route or guard without the middleware before it says so", async () => {
    const { client } = await start(
      () => {},
      {},
      (routes) => {
        routes.get("/early", (request, response) =>
          response.json(typedSession<TestData>(request).data.count),
        );
        routes.get("/guarded", requireLogin(), (_request, response) => response.json("in"));
        routes.use(((error, _request, response, _next) => {
          response.status(error.status).json({ code: error.code });
        }) as express5.ErrorRequestHandler);
      },
    );
    for (const path of ["/early", "/guarded"]) {
      const { status, json } = await client.get(path);
      expect([status, json], path).toEqual([500, { code: "no_session" }]);
    }
  });

  test("a session typed by parameter is the same session", async () => {
    const { client } = await start((routes) => {
      routes.get("/", (request, response) => response.json(typedSession(request) === request.session));
    });
    expect((await client.get("/")).json).toBe(true);
  });

  test("guards answer pages with a redirect and scripts with a status", async () => {
    const { client, app } = await start((routes, app) => {
      counter(routes, app);
      routes.get("/account", requireLogin({ redirectTo: "/login" }), (_request, response) =>
        response.send("in"),
      );
      const fresh = requireFresh({ within: "10m", redirectTo: "/confirm" });
      routes.get("/billing", fresh, (_request, response) => response.send("in"));
      routes.post("/confirm", async (request, response) => {
        await sessionOf(request).reauthenticate();
        response.end();
      });
    });
    const html = { accept: "text/html" };
    const json = { accept: "application/json" };
    const page = await client.get("/account", html);
    expect([page.status, page.headers.get("location")]).toEqual([303, "/login"]);
    expect((await client.get("/account", json)).json.error.code).toBe("login_required");
    expect((await client.get("/billing", json)).status).toBe(401);
    await client.post("/login");
    expect((await client.get("/billing", json)).text).toBe("in");
    client.restart();
    app.clock.advance(HOUR);
    expect((await client.get("/account", html)).text).toBe("in");
    const refused = await client.get("/billing", json);
    expect([refused.status, refused.json.error.code]).toEqual([403, "fresh_login_required"]);
    expect((await client.get("/billing", html)).headers.get("location")).toBe("/confirm");
    await client.post("/confirm");
    expect((await client.get("/billing", json)).text).toBe("in");
  });

  test("a form of another site changes nothing", async () => {
    const { client } = await start(counter, {}, (routes) => void routes.use(originCheck()));
    const answer = await client.post("/login", {}, { "sec-fetch-site": "cross-site" });
    expect([answer.status, answer.json.error.code, answer.setCookie]).toEqual([403, "cross_site", []]);
    expect((await client.post("/login", {}, { origin: "https://evil.example" })).status).toBe(403);
    expect((await client.post("/login", {}, { "sec-fetch-site": "same-origin" })).status).toBe(303);
  });
});
