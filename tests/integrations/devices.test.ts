import { getRequestListener } from "@hono/node-server";
import express from "express";
// @ts-expect-error: Express 4 is here under another name, without types of its own.
import express4 from "express4";
import Fastify from "fastify";
import { Hono } from "hono";
import Koa from "koa";
import { describe, expect, test } from "vitest";
import type { Psession } from "../../src/index.ts";
import type { DevicesOptions } from "../../src/integration/device-endpoints.ts";
import * as onExpress from "../../src/integrations/express/index.ts";
import * as fastify from "../../src/integrations/fastify/index.ts";
import * as byRequest from "../../src/integrations/fetch/index.ts";
import * as hono from "../../src/integrations/hono/index.ts";
import * as koa from "../../src/integrations/koa/index.ts";
import { devices, withSession } from "../../src/integrations/node/index.ts";
import { overHttp, SESSION, type TestData, testApp } from "../support/app.ts";
import { HOUR, SECOND } from "../support/clock.ts";
import { HttpClient, serve } from "../support/http.ts";

const AT = "/account/devices";

type Serve = (psession: Psession<TestData>, options?: DevicesOptions) => Promise<string>;

function expressApp(make: typeof express, parses: boolean): Serve {
  return (psession, options) => {
    const app = make();
    app.use(onExpress.sessions(psession));
    if (parses) app.use(make.json());
    app.post("/login/:user", async ({ params, session }, response) => {
      await session.login(params.user ?? "", { remember: true });
      response.end();
    });
    app.use("/account/devices", onExpress.devices(options));
    return serve(app);
  };
}

const onNode: Serve = (psession, options) => {
  const route = devices({ path: "/account/devices/", ...options });
  return serve(
    withSession(psession, async (request, response, session) => {
      if (!(await route(request, response, session))) return;
      const [, user = ""] = /^\/login\/(\w+)/.exec(request.url ?? "") ?? [];
      if (user !== "") await session.login(user, { remember: true });
      response.end("elsewhere");
    }),
  );
};

const userOf = (url: string) => /\/login\/(\w+)/.exec(url)?.[1];

const onKoa: Serve = (psession, options) => {
  const app = new Koa();
  app.use(koa.sessions(psession));
  app.use(koa.devices({ path: AT, ...options }) as unknown as Koa.Middleware);
  app.use(async (ctx) => {
    const session = await ctx["openSession"]();
    await session.login(userOf(ctx.url) ?? "", { remember: true });
    ctx.body = "elsewhere";
  });
  return serve(app.callback());
};

const onFastify: Serve = async (psession, options) => {
  const app = Fastify();
  await app.register(fastify.sessions, { psession });
  await app.register(fastify.devices, { prefix: AT, ...options });
  app.post("/login/:user", async (request) => {
    const session = await request.openSession();
    await session.login(userOf(request.url) ?? "", { remember: true });
    return "elsewhere";
  });
  app.setNotFoundHandler(async () => "elsewhere");
  await app.ready();
  return serve((request, response) => app.routing(request, response));
};

const onHono: Serve = (psession, options) => {
  const app = new Hono<{ Variables: hono.SessionVariables<TestData> }>();
  app.use(hono.sessions(psession));
  app.use(hono.devices({ path: AT, ...options }));
  app.post("/login/:user", async (c) => {
    const session = await c.var.session;
    await session.login(c.req.param("user"), { remember: true });
    return c.text("elsewhere");
  });
  return serve(getRequestListener(app.fetch));
};

const onFetch: Serve = (psession, options) => {
  const route = byRequest.devices({ path: AT, ...options });
  const app = byRequest.withSession(psession, async (request, getSession) => {
    const answer = await route(request, getSession);
    if (answer !== undefined) return answer;
    const session = await getSession();
    await session.login(userOf(request.url) ?? "", { remember: true });
    return new Response("elsewhere");
  });
  return serve(getRequestListener((request) => app(request)));
};

const FACES: Record<string, Serve> = {
  "Express 5": expressApp(express, true),
  "Express 5 without a parser": expressApp(express, false),
  "Express 4": expressApp(express4 as unknown as typeof express, true),
  Node: onNode,
  Koa: onKoa,
  Fastify: onFastify,
  Hono: onHono,
  Fetch: onFetch,
};

const json = (method: string, body?: unknown, headers: Record<string, string> = {}): RequestInit => ({
  method,
  headers: { "content-type": "application/json", ...headers },
  ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
});

for (const [integration, serveOn] of Object.entries(FACES)) {
  describe(`devices over HTTP on ${integration}`, () => {
    async function setUp(options?: DevicesOptions) {
      const app = testApp(overHttp);
      const base = await serveOn(app.psession, options);
      const signedIn = async (user = "ada") => {
        const client = new HttpClient(base);
        await client.post(`/login/${user}`);
        app.clock.advance(SECOND);
        return client;
      };
      return { app, base, signedIn };
    }
    const list = async (client: HttpClient) => (await client.get(AT)).json.devices;

    test("a user sees their devices, and no cache keeps them", async () => {
      const { signedIn } = await setUp();
      await signedIn();
      await signedIn("bob");
      const client = await signedIn();
      const answer = await client.get(AT);
      expect(answer.status).toBe(200);
      expect(answer.headers.get("cache-control")).toBe("no-store");
      expect(answer.headers.get("content-type")).toContain("application/json");
      const { devices } = answer.json;
      expect(devices.map((device: { current: boolean }) => device.current)).toEqual([true, false]);
      expect(Object.keys(devices[0])).toEqual(expect.arrayContaining(["handle", "label", "lastSeenAt"]));
      const secrets = [...client.jar.values()].map(({ value }) => value.split(".").at(-1) ?? "");
      for (const secret of secrets) expect(answer.text).not.toContain(secret);
    });

    test("a device can be named, and a wrong name or body is a JSON error", async () => {
      const { signedIn } = await setUp();
      const client = await signedIn();
      const [{ handle }] = await list(client);
      const named = await client.request(`${AT}/${handle}`, json("PATCH", { name: " Kitchen " }));
      expect([named.status, named.json]).toEqual([200, { handle, name: "Kitchen" }]);
      expect((await list(client))[0].name).toBe("Kitchen");
      for (const body of [{ name: "a\nb" }, { name: 7 }, {}, "nonsense", "", []]) {
        const refused = await client.request(`${AT}/${handle}`, json("PATCH", body));
        expect(refused.status).toBe(400);
        if (typeof body !== "string") expect(refused.json.error.code).toMatch(/^invalid_(name|body)$/);
      }
      expect((await client.request(`${AT}/${handle}`, json("PATCH", { name: null }))).status).toBe(200);
      expect((await list(client))[0].name).toBeUndefined();
      const nobodys = await client.request(`${AT}/nobodys`, json("PATCH", { name: "x" }));
      expect([nobodys.status, nobodys.json.error.code]).toEqual([404, "no_such_device"]);
    });

    test("a path that leads nowhere is 404, whatever is in it", async () => {
      const { signedIn } = await setUp();
      const client = await signedIn();
      for (const path of [
        "//",
        "//[",
        "/[",
        "//evil.example/",
        "/%",
        "/%00",
        "/a/b",
        "//a",
        "/\\[",
        "/:80",
        "//@:",
      ]) {
        const answer = await client.request(AT + path, json("DELETE"));
        // Express 4 takes a slash off where it mounts, and Fastify has a word of its own for what is no path.
        const others: Record<string, number> = { "Express 4 //": 200, "Fastify /%": 400 };
        expect([path, answer.status]).toEqual([path, others[`${integration} ${path}`] ?? 404]);
      }
      expect(await list(client)).toHaveLength(1);
    });

    test("a body that is too large is answered, however large", async () => {
      const { signedIn } = await setUp();
      const client = await signedIn();
      const [{ handle }] = await list(client);
      for (const length of [5000, 70_000, 3_000_000]) {
        const refused = await client.request(`${AT}/${handle}`, json("PATCH", { name: "x".repeat(length) }));
        // A parser that stands before it has limits of its own.
        expect(/^Express \d$/.test(integration) ? [400, 413] : [413], String(length)).toContain(
          refused.status,
        );
        expect((await list(client))[0].name).toBeUndefined();
      }
    });

    test("a device can be ended by its user only", async () => {
      const { signedIn } = await setUp();
      const [one, two, other] = [await signedIn(), await signedIn(), await signedIn("bob")];
      const [{ handle }] = await list(one);
      expect((await other.request(`${AT}/${handle}`, json("DELETE"))).status).toBe(404);
      const ended = await two.request(`${AT}/${handle}`, json("DELETE"));
      expect([ended.status, ended.json]).toEqual([200, { ended: 1 }]);
      expect(await list(one)).toHaveLength(1);
      expect((await two.get(AT)).status).toBe(401);
    });

    test("all others are ended, or all", async () => {
      const { app, signedIn } = await setUp();
      const [one, two, three] = [await signedIn(), await signedIn(), await signedIn()];
      const others = await one.request(AT, json("DELETE"));
      expect(others.json).toEqual({ ended: 2 });
      expect([(await two.get(AT)).status, (await three.get(AT)).status]).toEqual([401, 401]);
      await signedIn();
      const all = await one.request(`${AT}?all`, json("DELETE"));
      expect(all.json).toEqual({ ended: 2 });
      expect(one.jar.size).toBe(0);
      expect(await app.psession.devices("ada")).toEqual([]);
    });

    test("a visitor who is not signed in gets nothing, nor does another site", async () => {
      const { base, signedIn } = await setUp({ allowed: ["https://admin.example.com"] });
      const stranger = await new HttpClient(base).get(AT, { accept: "text/html" });
      expect([stranger.status, stranger.json.error.code]).toEqual([401, "login_required"]);
      const client = await signedIn();
      await signedIn();
      const from = (origin: string) => client.request(AT, json("DELETE", undefined, { origin }));
      const forged = await from("https://evil.example");
      expect([forged.status, forged.json.error.code]).toEqual([403, "cross_site"]);
      expect(await list(client)).toHaveLength(2);
      expect((await from("https://admin.example.com")).json).toEqual({ ended: 1 });
      expect((await from(base)).status).toBe(200);
    });

    test("with fresh, only a recent sign-in may end devices", async () => {
      const { app, signedIn } = await setUp({ fresh: "10m" });
      const client = await signedIn();
      await signedIn();
      app.clock.advance(HOUR);
      const refused = await client.request(AT, json("DELETE"));
      expect([refused.status, refused.json.error.code]).toEqual([403, "fresh_login_required"]);
      const [{ handle }] = await list(client);
      expect((await client.request(`${AT}/${handle}`, json("PATCH", { name: "TV" }))).status).toBe(200);
      await client.post("/login/ada");
      expect((await client.request(AT, json("DELETE"))).json).toEqual({ ended: 1 });
    });

    test("other methods and paths are refused", async () => {
      const { signedIn } = await setUp();
      const client = await signedIn();
      const refused = await client.request(AT, json("POST", {}));
      expect([refused.status, refused.headers.get("allow")]).toEqual([405, "GET, HEAD, DELETE"]);
      expect((await client.get(`${AT}/some-handle`)).headers.get("allow")).toBe("PATCH, DELETE");
      expect((await client.get(`${AT}/a/b`)).status).toBe(404);
      expect((await client.get(`${AT}s`)).text).not.toContain('error":');
      expect(client.jar.has(SESSION.replace("__Host-", ""))).toBe(true);
    });
  });
}

test("options are checked", () => {
  expect(() => onExpress.devices({ fresh: "soon", allow: [] } as never)).toThrow(/fresh/);
});
