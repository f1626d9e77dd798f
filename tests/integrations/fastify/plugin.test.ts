import fastify from "fastify";
import { expect, test } from "vitest";
import { originCheck, requireLogin, sessions } from "../../../src/integrations/fastify/index.ts";
import { overHttp, type TestData, testApp } from "../../support/app.ts";
import { HttpClient } from "../../support/http.ts";
import { sessionOf, start } from "./start.ts";

test("registering the plugin with wrong options reports all of them", async () => {
  const app = fastify();
  const registering = app.register(sessions, { psession: {}, open: "often", user: 1, store: 1 } as never);
  await expect(registering).rejects.toThrow(
    /psession must be what createPsession gives\n- open must be .*\n- user must be .*\n- store is no option/,
  );
});

test("options that Fastify takes with every plugin are accepted", async () => {
  const { psession } = testApp(overHttp);
  await fastify().register(sessions<TestData>, { psession, prefix: "/x", logLevel: "warn" });
});

test("registered twice in one context, the plugin is refused", async () => {
  const { psession } = testApp(overHttp);
  const app = fastify();
  await app.register(sessions<TestData>, { psession });
  await expect(app.register(sessions<TestData>, { psession })).rejects.toThrow(/already/);
});

test("the plugin is for the context that registers it: there, and in its children, but not beside it", async () => {
  const { client, calls } = await start(
    async (app, { psession }) => {
      await app.register(async (shop) => {
        await shop.register(sessions<TestData>, { psession, open: "always" });
        shop.get("/shop", async (request) => {
          sessionOf(request).set("count", 1);
          return "shop";
        });
        await shop.register(async (cart) => {
          cart.get("/shop/cart", async (request) => sessionOf(request).data);
        });
      });
      app.get("/assets", async (request) => ({ session: typeof request.session, own: "session" in request }));
      expect(app.hasRequestDecorator("session")).toBe(false);
      expect(app.hasDecorator("psession")).toBe(false);
    },
    { bare: true },
  );
  expect((await client.get("/shop")).setCookie).toHaveLength(1);
  expect((await client.get("/shop/cart")).json).toEqual({ count: 1 });
  calls.length = 0;
  expect((await client.get("/assets")).json).toEqual({ session: "undefined", own: false });
  expect(calls).toEqual([]);
});

test("a context inside of another can have sessions of its own, with other cookies", async () => {
  const admin = testApp({ ...overHttp, cookies: { session: "admin", remember: "admin-remember" } });
  const { client } = await start(async (app) => {
    const count = async (request: { session: unknown }) => {
      const session = sessionOf(request);
      session.set("count", (session.get("count") ?? 0) + 1);
      return session.get("count");
    };
    app.get("/", { config: { session: true } }, async (request) => String(await count(request)));
    await app.register(async (inner) => {
      await inner.register(sessions<TestData>, { psession: admin.psession });
      inner.get("/admin", { config: { session: true } }, async (request) => String(await count(request)));
      expect(inner.psession).toBe(admin.psession);
    });
  });
  const answers = [];
  for (const path of ["/", "/", "/admin", "/", "/admin"]) answers.push((await client.get(path)).text);
  expect(answers).toEqual(["1", "2", "1", "3", "2"]);
  expect([...client.jar.keys()]).toEqual(["psession", "admin"]);
});

test("a session that is used before it is open is an error that says how to open it", async () => {
  const { client } = await start((app) => {
    app.get("/", async (request) => sessionOf(request).get("count"));
  });
  const { status, json } = await client.get("/");
  expect([status, json.code]).toEqual([500, "session_not_open"]);
  for (const way of ["request.openSession()", "config: { session: true }", 'open: "always"']) {
    expect(json.message).toContain(way);
  }
});

test("opening is one read, however often it is asked for; then the session is there without waiting", async () => {
  const { client, calls } = await start((app) => {
    app.get("/", async (request) => {
      const [one, other] = await Promise.all([request.openSession(), request.openSession()]);
      sessionOf(request).set("count", (sessionOf(request).get("count") ?? 0) + 1);
      return { isOne: one === other && other === request.session };
    });
  });
  await client.get("/");
  calls.length = 0;
  expect((await client.get("/")).json).toEqual({ isOne: true });
  expect(calls).toEqual(["findSession", "apply"]);
});

test("routes say whether their session is open, and the plugin's option is for those that do not", async () => {
  for (const open of ["lazy", "always"] as const) {
    const { client, calls } = await start(
      (app) => {
        const seen = async (request: { session: unknown }) => {
          try {
            return String(sessionOf(request).get("count"));
          } catch (error) {
            return (error as { code: string }).code;
          }
        };
        app.get("/set", async (request) => (await request.openSession<TestData>()).set("count", 1));
        app.get("/open", { config: { session: true } }, seen);
        app.get("/closed", { config: { session: false } }, seen);
        app.get("/", seen);
      },
      { plugin: { open } },
    );
    await client.get("/set");
    calls.length = 0;
    const isOpen = open === "always";
    expect((await client.get("/open")).text).toBe("1");
    expect((await client.get("/closed")).text).toBe("session_not_open");
    expect((await client.get("/")).text).toBe(isOpen ? "1" : "session_not_open");
    expect(calls).toEqual(["findSession", ...(isOpen ? ["findSession"] : [])]);
  }
});

test("a guard opens the session for the handler behind it, in any hook", async () => {
  const { client } = await start((app) => {
    app.post("/login", async (request) => (await request.openSession()).login(7));
    for (const hook of ["onRequest", "preValidation", "preHandler"] as const) {
      app.get(
        `/${hook}`,
        { [hook]: requireLogin({ redirectTo: (path) => `/login?to=${path}` }) },
        (request) => Promise.resolve(String(request.session.userId)),
      );
    }
  });
  const hooks = ["/onRequest", "/preValidation", "/preHandler"];
  for (const path of hooks) {
    const { status, headers } = await client.get(`${path}?a=1`, { accept: "text/html" });
    expect([status, headers.get("location")]).toEqual([303, `/login?to=${path}?a=1`]);
  }
  await client.post("/login");
  for (const path of hooks) expect((await client.get(path)).text).toBe("7");
});

test("the origin is Fastify's: its own host, or a trusted proxy's", async () => {
  for (const trustProxy of [true, false]) {
    const { client } = await start((app) => void app.post("/", async () => "done"), {
      server: { trustProxy },
      before: (app) => void app.addHook("onRequest", originCheck({ allowed: ["https://other.example"] })),
    });
    const send = async (origin: string) =>
      (
        await client.post(
          "/",
          {},
          {
            origin,
            "x-forwarded-proto": "https",
            "x-forwarded-host": "shop.example",
          },
        )
      ).status;
    expect(await send("https://shop.example")).toBe(trustProxy ? 200 : 403);
    expect(await send(client.base)).toBe(trustProxy ? 403 : 200);
    expect(await send("https://other.example")).toBe(200);
  }
});

test("a guard without the plugin says what it needs", async () => {
  const { client } = await start(
    (app) => void app.get("/", { preHandler: requireLogin() }, async () => "in"),
    {
      bare: true,
    },
  );
  const { status, json } = await client.get("/");
  expect([status, json.message]).toEqual([
    500,
    expect.stringContaining("await app.register(sessions, { psession }) before"),
  ]);
});

test("pages for 404 have their session too: of the application, of a context, and called by a handler", async () => {
  const { client } = await start(async (app) => {
    const page = (name: string) => async (request: { openSession: unknown }) => {
      const session = await (request.openSession as () => Promise<{ push(...values: unknown[]): void }>)();
      session.push("cart", name);
      return name;
    };
    app.setNotFoundHandler(page("outer"));
    app.get("/called", (_request, reply) => void reply.callNotFound());
    app.get("/cart", async (request) => (await request.openSession<TestData>()).data.cart);
    await app.register(
      async (inner) => {
        inner.setNotFoundHandler(page("inner"));
      },
      { prefix: "/inner" },
    );
  });
  for (const path of ["/none", "/inner/none", "/called"]) await client.get(path);
  expect((await client.get("/cart")).json).toEqual(["outer", "inner", "outer"]);
});

test("where sessions are always open, they are for pages that do not exist as well", async () => {
  const { client } = await start(
    (app) => {
      app.setNotFoundHandler(async (request) => sessionOf(request).push("cart", request.url));
      app.get("/cart", async (request) => sessionOf(request).data.cart);
    },
    { plugin: { open: "always" } },
  );
  await client.get("/none");
  expect((await client.get("/cart")).json).toEqual(["/none"]);
});

test("routes that were there before the plugin have their session saved as well", async () => {
  const { client } = await start(
    (app) => void app.get("/cart", async (request) => (await request.openSession<TestData>()).data.cart),
    {
      before: (app) =>
        void app.get("/add", async (request) => {
          (await request.openSession()).push("cart", "tea");
          return "added";
        }),
    },
  );
  expect((await client.get("/add")).setCookie).toHaveLength(1);
  expect((await client.get("/cart")).json).toEqual(["tea"]);
});

test("inject works as a connection does", async () => {
  const { app } = await start((app) => {
    app.post("/login", async (request, reply) => {
      await (await request.openSession()).login(7);
      return reply.redirect("/me", 303);
    });
    app.get("/me", { preHandler: requireLogin() }, async (request) => ({ userId: request.session.userId }));
  });
  const signedIn = await app.inject({ method: "POST", url: "/login" });
  const [cookie] = signedIn.cookies;
  expect([signedIn.statusCode, cookie?.name]).toEqual([303, "psession"]);
  const me = await app.inject({ url: "/me", cookies: { psession: cookie?.value ?? "" } });
  expect(me.json()).toEqual({ userId: 7 });
});

test("the service is at hand in every route", async () => {
  const { client } = await start((app) => {
    app.post("/login", async (request) => (await request.openSession()).login(7));
    app.post("/ban", async () => String(await app.psession.revokeUser(7)));
    app.get("/me", async (request) => ({ userId: (await request.openSession()).userId ?? null }));
  });
  await client.post("/login");
  expect((await client.get("/me")).json).toEqual({ userId: 7 });
  expect((await new HttpClient(client.base).post("/ban")).text).toBe("1");
  expect((await client.get("/me")).json).toEqual({ userId: null });
});
