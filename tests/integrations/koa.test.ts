import { Readable } from "node:stream";
import { json } from "node:stream/consumers";
import Koa from "koa";
// @ts-expect-error: koa-passport has no types of its own.
import koaPassport from "koa-passport";
import { Strategy } from "passport-local";
import { describe, expect, test } from "vitest";
import type { PsessionError, PsessionOptions } from "../../src/index.ts";
import {
  type KoaOptions,
  originCheck,
  type PassportOptions,
  passportSessions,
  requireFresh,
  requireLogin,
  type SessionContext,
  sessions,
} from "../../src/integrations/koa/index.ts";
import { overHttp, type TestData, testApp } from "../support/app.ts";
import { HOUR } from "../support/clock.ts";
import { HttpClient, serve } from "../support/http.ts";
import { failingStore } from "../support/stores.ts";

type App = Koa<Koa.DefaultState, SessionContext<TestData>>;
type Context = Parameters<Parameters<App["use"]>[0]>[0];
type Routes = Record<string, (ctx: Context) => unknown>;

interface Setup extends Omit<Partial<PsessionOptions>, "proxy"> {
  koa?: KoaOptions;
  before?: (app: App) => void;
  proxy?: boolean;
}

const start = async (routes: Routes, { koa = {}, before, proxy = false, ...options }: Setup = {}) => {
  const { store, calls, failing } = failingStore();
  const app = testApp({ ...overHttp, store, ...options });
  const server: App = new Koa({ proxy });
  const errors: (Error & { code?: string })[] = [];
  server.on("error", (error) => errors.push(error));
  before?.(server);
  server.use(sessions(app.psession, koa));
  server.use((ctx) => routes[ctx.path]?.(ctx));
  return { app, calls, failing, errors, client: new HttpClient(await serve(server.callback())) };
};

const count = async (ctx: Context) => {
  const session = await ctx.openSession();
  session.data.count = (session.data.count ?? 0) + 1;
  ctx.body = session.data;
};

describe("ctx.openSession and ctx.session", () => {
  test("a route that asks for its session reads once, however often it asks; another one never does", async () => {
    const { client, calls } = await start({
      "/count": count,
      "/twice": async (ctx) => {
        const both = await Promise.all([ctx.openSession(), ctx.openSession()]);
        ctx.body = [both[0] === both[1], both[0] === ctx.session];
      },
      "/plain": (ctx) => {
        ctx.body = "plain";
      },
    });
    await client.get("/count");
    calls.length = 0;
    expect((await client.get("/twice")).json).toEqual([true, true]);
    expect(calls).toEqual(["findSession"]);
    await client.get("/plain");
    expect(calls).toEqual(["findSession"]);
  });

  test("a session that is not open is an error that says what to do, not an empty session", async () => {
    const { client, errors } = await start({
      "/": (ctx) => {
        ctx.body = ctx.session.data;
      },
      "/end": (ctx) => {
        ctx.session = null;
      },
    });
    for (const path of ["/", "/end"]) expect((await client.get(path)).status).toBe(500);
    expect(errors.map(({ code }) => code)).toEqual(["session_not_open", "session_not_open"]);
    expect(errors[0]?.message).toContain('open: "always"');
  });

  test("with open: always the session is there for every handler and middleware", async () => {
    const { client, calls } = await start(
      {
        "/count": (ctx) => {
          ctx.session.set("count", 1);
          ctx.body = "ok";
        },
        "/is-new": (ctx) => {
          ctx.body = [ctx.session.isNew, ctx.session.data];
        },
      },
      { koa: { open: "always" } },
    );
    expect((await client.get("/is-new")).json).toEqual([true, {}]);
    await client.get("/count");
    expect((await client.get("/is-new")).json).toEqual([false, { count: 1 }]);
    expect(calls.filter((name) => name === "findSession")).toHaveLength(1);
  });

  test("assigning null destroys the session", async () => {
    const { client, app } = await start(
      {
        "/login": async (ctx) => {
          await ctx.session.login("ada", { remember: true });
          ctx.body = "in";
        },
        "/end": (ctx) => {
          ctx.session = null;
          ctx.body = [ctx.session];
        },
      },
      { koa: { open: "always" } },
    );
    await client.get("/login");
    expect(client.jar.size).toBe(2);
    expect((await client.get("/end")).json).toEqual([null]);
    expect(client.jar.size).toBe(0);
    expect(await app.psession.devices("ada")).toEqual([]);
  });

  test("what is assigned takes the place of the data, whatever else the session keeps", async () => {
    const { client, errors } = await start(
      {
        "/begin": async (ctx) => {
          ctx.session.set({ count: 1, name: "ada" });
          ctx.session.flash.set("note", "hello");
          ctx.session.temp.set("code", 7, "5m");
          ctx.body = [ctx.session.csrfToken()];
        },
        "/replace": (ctx) => {
          const { data } = ctx.session;
          ctx.session = { ...data, count: 2 };
          ctx.session = { count: data.count as number };
          ctx.body = [data === ctx.session.data, data];
        },
        "/rest": async (ctx) => {
          const token = ctx.get("x-token");
          const { session } = ctx;
          ctx.body = [
            session.data,
            await session.flash.get("note"),
            session.temp.get("code"),
            session.isCsrfToken(token),
          ];
        },
        "/list": (ctx) => {
          Object.assign(ctx, { session: [["count", 1]] });
        },
        "/map": (ctx) => {
          Object.assign(ctx, { session: new Map([["count", 1]]) });
        },
        "/promise": (ctx) => {
          Object.assign(ctx, { session: Promise.resolve({ count: 1 }) });
        },
        "/text": (ctx) => {
          Object.assign(ctx, { session: "count" });
        },
        "/nothing": (ctx) => {
          Object.assign(ctx, { session: undefined });
        },
        "/polluted": (ctx) => {
          ctx.session = JSON.parse('{"__proto__":{"isAdmin":true}}');
        },
        "/own": (ctx) => {
          ctx.session = { "psession:csrf": "planted" };
        },
      },
      { koa: { open: "always" } },
    );
    const [token] = (await client.get("/begin")).json;
    expect((await client.get("/replace")).json).toEqual([true, { count: 2 }]);
    const refused = ["/list", "/map", "/promise", "/text", "/nothing", "/polluted", "/own"];
    for (const path of refused) expect([path, (await client.get(path)).status]).toEqual([path, 500]);
    expect(errors.map(({ code }) => code)).toEqual(refused.map(() => "invalid_data"));
    expect((await client.get("/rest", { "x-token": token })).json).toEqual([{ count: 2 }, "hello", 7, true]);
  });

  test("data assigned after null belong to a new anonymous session", async () => {
    const { client, app } = await start(
      {
        "/login": async (ctx) => {
          await ctx.session.login("ada", { remember: true });
          ctx.session.set("name", "ada");
          ctx.body = "in";
        },
        "/bye": (ctx) => {
          const { session } = ctx;
          ctx.session = null;
          ctx.session = { count: 1 };
          ctx.body = [ctx.session === session, ctx.session.isSignedIn, ctx.session.data];
        },
        "/me": (ctx) => {
          ctx.body = [ctx.session.userId ?? null, ctx.session.data];
        },
      },
      { koa: { open: "always" } },
    );
    await client.get("/login");
    const before = new Map(client.jar);
    expect((await client.get("/bye")).json).toEqual([true, false, { count: 1 }]);
    expect((await client.get("/me")).json).toEqual([null, { count: 1 }]);
    expect((await client.request("/me", { jar: before })).json).toEqual([null, {}]);
    expect(await app.psession.devices("ada")).toEqual([]);
  });

  test("assigning null to a session that was destroyed already changes nothing", async () => {
    const { client, app } = await start({
      "/login": async (ctx) => {
        await (await ctx.openSession()).login("ada");
        ctx.body = "in";
      },
      "/end": async (ctx) => {
        await (await ctx.openSession()).destroy();
        ctx.session = null;
        ctx.body = [ctx.session];
      },
    });
    await client.get("/login");
    expect((await client.get("/end")).json).toEqual([null]);
    expect(await app.psession.devices("ada")).toEqual([]);
  });

  test("middleware of another psession gives its own sessions to what is behind it, and only there", async () => {
    const shop = testApp(overHttp);
    const staff = testApp({ ...overHttp, cookies: { session: "staff" } });
    const server: App = new Koa();
    server.use(sessions(shop.psession));
    server.use(async (ctx, next) => {
      if (ctx.path === "/login") await (await ctx.openSession()).login("ada");
      await next();
      ctx.set("x-user", String((await ctx.openSession()).userId));
    });
    server.use(sessions(staff.psession)).use(requireLogin());
    const client = new HttpClient(await serve(server.callback()));
    await client.get("/login");
    const refused = await client.get("/");
    expect([refused.status, refused.headers.get("x-user")]).toEqual([401, "ada"]);
  });

  test("save and regenerate work as in other integrations", async () => {
    const { client, calls } = await start({
      "/save": async (ctx) => {
        const session = await ctx.openSession();
        session.set("count", 1);
        await session.save();
        ctx.body = String(calls.includes("apply"));
      },
      "/regenerate": async (ctx) => {
        await (await ctx.openSession()).regenerate();
        ctx.body = ctx.session.data;
      },
    });
    expect((await client.get("/save")).text).toBe("true");
    const before = client.jar.get("psession")?.value;
    expect((await client.get("/regenerate")).json).toEqual({ count: 1 });
    expect(client.jar.get("psession")?.value).not.toBe(before);
  });

  test("an unknown option is named", () => {
    const { psession } = testApp(overHttp);
    expect(() => sessions(psession, { open: "sometimes" as never })).toThrow(
      /open must be "lazy" or "always"/,
    );
  });
});

describe("errors", () => {
  test("an error page keeps what was changed, and the cookie", async () => {
    const { client } = await start({
      "/throw": async (ctx) => {
        await count(ctx);
        ctx.throw(418, "short and stout");
      },
      "/count": count,
    });
    const answer = await client.get("/throw");
    expect([answer.status, answer.text, answer.setCookie.length]).toEqual([418, "short and stout", 1]);
    expect((await client.get("/count")).json).toEqual({ count: 2 });
  });

  test("a save that fails is an error of the application, and its page has nothing of the handler's answer", async () => {
    const { client, failing, errors } = await start({
      "/order": async (ctx) => {
        await count(ctx);
        ctx.status = 201;
        ctx.set("Location", "/orders/1");
        ctx.cookies.set("own", "1", { httpOnly: true });
        ctx.body = "ordered";
      },
    });
    failing.add("apply");
    const answer = await client.get("/order");
    expect([answer.status, answer.text, answer.setCookie]).toEqual([503, "Service Unavailable", []]);
    expect(answer.headers.get("location")).toBeNull();
    expect(errors.map(({ code }) => code)).toEqual(["store_unavailable"]);
  });

  test("a store that cannot be read is caught by the application's own error pages", async () => {
    const { client, failing } = await start(
      { "/count": count },
      {
        before: (server) =>
          server.use(async (ctx, next) => {
            try {
              await next();
            } catch (error) {
              ctx.status = (error as PsessionError).status;
              ctx.body = "sorry";
            }
          }),
      },
    );
    await client.get("/count");
    failing.add("findSession");
    const answer = await client.get("/count");
    expect([answer.status, answer.text, answer.setCookie]).toEqual([503, "sorry", []]);
  });

  test("a stream that breaks ends the connection, as without psession, and the next request is served", async () => {
    const { client, errors } = await start({
      "/stream": async (ctx) => {
        await count(ctx);
        ctx.body = new Readable({
          read() {
            this.destroy(new Error("broken pipe"));
          },
        });
      },
      "/count": count,
    });
    await expect(client.get("/stream")).rejects.toThrow();
    expect(errors.map(({ message }) => message)).toContain("broken pipe");
    expect((await client.get("/count")).status).toBe(200);
  });
});

describe("answers that Koa does not write", () => {
  test("ctx.respond = false: what the handler writes itself waits for the save", async () => {
    const { client } = await start({
      "/raw": async (ctx) => {
        await count(ctx);
        ctx.respond = false;
        ctx.res.writeHead(200, { "Content-Type": "text/plain" });
        ctx.res.write("raw ");
        ctx.res.end(String(ctx.headerSent));
      },
      "/count": count,
    });
    const answer = await client.get("/raw");
    expect([answer.text, answer.setCookie.length]).toEqual(["raw true", 1]);
    expect((await client.get("/count")).json).toEqual({ count: 2 });
  });

  test("a session that is opened after the head has left can save, but sets no cookie", async () => {
    const { client } = await start({
      "/early": async (ctx) => {
        ctx.respond = false;
        ctx.res.write("early ");
        (await ctx.openSession()).set("name", "late");
        ctx.res.end("late");
      },
      "/count": count,
    });
    await client.get("/count");
    expect((await client.get("/early")).text).toBe("early late");
    expect((await client.get("/count")).json).toEqual({ count: 2, name: "late" });
  });

  test("a redirect, an answer to HEAD and a fresh page's 304 carry the cookie", async () => {
    const { client } = await start({
      "/redirect": async (ctx) => {
        await count(ctx);
        ctx.redirect("/count");
      },
      "/head": count,
      "/fresh": async (ctx) => {
        await count(ctx);
        ctx.body = "page";
        ctx.etag = "v1";
        if (ctx.fresh) ctx.status = 304;
      },
    });
    const cookies = async (path: string, init: RequestInit) => {
      client.jar.clear();
      const { status, setCookie } = await client.request(path, init);
      return [status, setCookie.length];
    };
    expect(await cookies("/redirect", {})).toEqual([302, 1]);
    expect(await cookies("/head", { method: "HEAD" })).toEqual([200, 1]);
    expect(
      await cookies("/fresh", { headers: { "if-none-match": '"v1"', "cache-control": "max-age=0" } }),
    ).toEqual([304, 1]);
  });
});

describe("what stands before handlers", () => {
  test("guards open the session themselves, and send to the address that was asked for", async () => {
    const { app, client, calls } = await start({});
    const server: App = new Koa();
    server.use(sessions(app.psession));
    server.use(requireLogin({ redirectTo: (path) => `/sign-in?next=${encodeURIComponent(path)}` }));
    const guarded = new HttpClient(await serve(server.callback()));
    const answer = await guarded.get("/account?tab=2", { accept: "text/html" });
    expect([answer.status, answer.headers.get("location")]).toEqual([
      303,
      "/sign-in?next=%2Faccount%3Ftab%3D2",
    ]);
    expect([(await client.get("/")).status, calls]).toEqual([404, []]);
  });

  test("a guard without the middleware says so", async () => {
    const server = new Koa();
    const errors: Error[] = [];
    server.on("error", (error) => errors.push(error));
    server.use(requireFresh({ within: "10m" }));
    expect((await new HttpClient(await serve(server.callback())).get("/")).status).toBe(500);
    expect(errors[0]?.message).toContain("put app.use(sessions(psession)) before");
  });

  test("the origin is the one that visitors see: forwarded headers count only with app.proxy", async () => {
    for (const [proxy, status] of [
      [true, 200],
      [false, 403],
    ] as const) {
      const { client } = await start({ "/count": count }, { proxy, before: (app) => app.use(originCheck()) });
      const headers = { "x-forwarded-proto": "https", "x-forwarded-host": "shop.example" };
      const own = await client.post("/count", {}, { ...headers, origin: "https://shop.example" });
      expect(own.status).toBe(status);
      const foreign = await client.post("/count", {}, { ...headers, origin: "https://evil.example" });
      expect(foreign.status).toBe(403);
    }
  });
});

describe("koa-passport", () => {
  const users = [
    { id: 7, name: "ada", password: "secret" },
    { id: 8, name: "bob", password: "secret" },
  ];
  const startPassport = async (
    options: PassportOptions = {},
    serialize: (user: { id: number; name: string }) => unknown = ({ id }) => id,
  ) => {
    const passport = new koaPassport.KoaPassport();
    passport.use(
      new Strategy({ usernameField: "name" }, (name, password, done) => {
        const user = users.find((user) => user.name === name && user.password === password);
        done(null, user ?? false);
      }),
    );
    passport.serializeUser((user: never, done: (error: null, id: unknown) => void) =>
      done(null, serialize(user)),
    );
    passport.deserializeUser(
      (stored: number | { id: number }, done: (error: null, user: unknown) => void) => {
        const id = typeof stored === "object" ? stored.id : stored;
        done(null, users.find((user) => user.id === id) ?? false);
      },
    );
    const app = testApp(overHttp);
    const server: Koa = new Koa();
    server.use(sessions(app.psession));
    server.use(async (ctx, next) => {
      if (ctx.method === "POST") Object.assign(ctx.request, { body: await json(ctx.req) });
      return next();
    });
    server.use(passportSessions(options));
    server.use(passport.initialize());
    server.use(passport.session());
    server.use(async (ctx, next) => {
      switch (ctx.path) {
        case "/login":
          return passport.authenticate("local", { successRedirect: "/me", failureMessage: "no such user" })(
            ctx,
            next,
          );
        case "/logout":
          await ctx["logout"]();
          ctx.body = [ctx["isAuthenticated"](), ctx.session.isSignedIn];
          return;
        case "/become-bob":
          await ctx.session.login(8, { carry: "all" });
          ctx.body = "bob";
          return;
        case "/cart":
          ctx.session.push("cart", "tea");
          ctx.body = "ok";
          return;
        default:
          ctx.body = {
            user: ctx.state["user"]?.name ?? null,
            userId: ctx.session.userId ?? null,
            level: ctx.session.level,
            data: ctx.session.data,
          };
      }
    });
    return { app, client: new HttpClient(await serve(server.callback())) };
  };
  const ada = { name: "ada", password: "secret" };

  test("a sign-in is psession's: a new secret, a device, and the cart stays", async () => {
    const { app, client } = await startPassport();
    await client.get("/cart");
    const planted = new Map(client.jar);
    const answer = await client.post("/login", ada);
    expect([answer.status, answer.headers.get("location")]).toEqual([302, "/me"]);
    expect((await client.get("/me")).json).toEqual({
      user: "ada",
      userId: 7,
      level: "login",
      data: { cart: ["tea"] },
    });
    expect((await client.request("/me", { jar: planted })).json.user).toBeNull();
    expect(await app.psession.devices(7)).toHaveLength(1);
    expect(app.told()).toContain("login");
  });

  test("a logout ends the session everywhere", async () => {
    const { app, client } = await startPassport();
    await client.post("/login", ada);
    const captured = new Map(client.jar);
    expect((await client.post("/logout")).json).toEqual([false, false]);
    expect(client.jar.size).toBe(0);
    expect((await client.request("/me", { jar: captured })).json.user).toBeNull();
    expect(await app.psession.devices(7)).toEqual([]);
  });

  test("a remembered browser comes back as passport's user, and another user takes over cleanly", async () => {
    const { app, client } = await startPassport({
      remember: ({ request }) => request.body.remember === true,
    });
    await client.post("/login", { ...ada, remember: true });
    await client.get("/cart");
    client.restart();
    app.clock.advance(HOUR);
    expect((await client.get("/me")).json).toMatchObject({ user: "ada", level: "remembered" });
    await client.post("/login", { ...ada, name: "bob" });
    expect((await client.get("/me")).json).toEqual({ user: "bob", userId: 8, level: "login", data: {} });
  });

  test("users that are serialized as more than an id are kept in the data, and go with the logout", async () => {
    const { client } = await startPassport(
      { userId: (stored) => (stored as { id: number }).id },
      ({ id, name }) => ({ id, name }),
    );
    await client.post("/login", ada);
    expect((await client.get("/me")).json).toMatchObject({
      user: "ada",
      userId: 7,
      data: { passport: { user: { id: 7, name: "ada" } } },
    });
    await client.get("/become-bob");
    expect((await client.get("/me")).json).toMatchObject({ user: "bob", userId: 8 });
    await client.post("/logout");
    expect((await client.get("/me")).json).toMatchObject({ user: null, userId: null, data: {} });
  });

  test("what passport and its strategies keep in a session is in the data", async () => {
    const { client } = await startPassport();
    expect((await client.post("/login", { ...ada, password: "wrong" })).status).toBe(401);
    expect((await client.get("/me")).json).toMatchObject({
      user: null,
      data: { messages: ["no such user"] },
    });
  });
});
