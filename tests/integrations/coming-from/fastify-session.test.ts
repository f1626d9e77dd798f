import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import fastifyCookie from "@fastify/cookie";
import fastify, { type FastifyInstance } from "fastify";
import { onTestFinished } from "vitest";
import { sessions } from "../../../src/integrations/fastify/index.ts";
import { overHttp, testApp } from "../../support/app.ts";
import type { HttpClient } from "../../support/http.ts";
import { failingStore } from "../../support/stores.ts";
import {
  type Any,
  describeLines,
  describeOptions,
  type Line,
  type Routes,
  visited,
  withOldCookies,
} from "./lines.ts";

const require = createRequire(import.meta.url);
// Its types claim `request.session` for themselves, so they cannot be in one program with ours.
const fastifySession = require("@fastify/session");

/** What routes can do to the store, whichever it is. */
interface Control {
  readonly app: FastifyInstance;
  readonly calls: string[];
  fail(): void;
  /** Ends everything that is stored. */
  end(): unknown;
}

async function started(app: FastifyInstance, routes: Routes, control: Omit<Control, "app">): Promise<string> {
  app.setErrorHandler((error, _request, reply) => {
    const { statusCode = 500, code } = error as { statusCode?: number; code?: string };
    const body = statusCode === 500 ? (code ?? "error") : statusCode;
    return reply.code(statusCode).type("application/json").send(JSON.stringify(body));
  });
  app.get("/*", async (request, reply) => {
    const path = new URL(request.url, "http://localhost").pathname;
    const answer = await routes[path]?.(request, { app, ...control });
    return reply.type("application/json").send(JSON.stringify(answer === undefined ? "ok" : answer));
  });
  onTestFinished(() => app.close());
  return app.listen({ port: 0, host: "127.0.0.1" });
}

const sides = {
  theirs: async (routes: Routes) => {
    const app = fastify();
    const rows = new Map<string, string>();
    const calls: string[] = [];
    let isFailing = false;
    const store = {
      get: (id: string, done: Any) => {
        calls.push("read");
        if (isFailing) done(new Error("down"));
        else done(null, JSON.parse(rows.get(id) ?? "null"));
      },
      set: (id: string, data: object, done: Any) => {
        calls.push("write");
        rows.set(id, JSON.stringify(data));
        done();
      },
      destroy: (id: string, done: Any) => {
        rows.delete(id);
        done();
      },
    };
    await app.register(fastifyCookie);
    const secret = "a secret of at least thirty-two characters";
    await app.register(fastifySession, { secret, store, cookie: { secure: false } });
    return started(app, routes, {
      calls,
      fail: () => {
        isFailing = true;
      },
      end: () => rows.clear(),
    });
  },
  ours: async (routes: Routes) => {
    const { store, calls, failing } = failingStore();
    const { psession } = testApp({ ...overHttp, store });
    const app = fastify();
    await app.register(sessions, { psession: psession as Any, open: "always" });
    return started(app, routes, {
      calls,
      fail: () => failing.add("findSession"),
      end: () => psession.revokeEveryone(),
    });
  },
};

const both: Routes = {
  "/begin": ({ session }: Any) => {
    session.set("name", "ada");
    session.set("count", 1);
  },
  "/data": ({ session }: Any) => [session.get("name") ?? null, session.get("count") ?? null],
};
const same = (routes: Routes) => ({ theirs: { ...both, ...routes } });
/** Calls a method that takes a callback, and gives what it was called with. */
const called = (session: Any, method: string, ...values: unknown[]) =>
  new Promise((done) => session[method](...values, (error: unknown) => done(error ?? "called")));

/** Two requests that are open at the same time: the second runs between the first's handler and its answer. */
function meeting(second: (request: Any) => unknown) {
  const meetings = { theirs: gates(), ours: gates() };
  const routes = (side: "theirs" | "ours"): Routes => ({
    ...both,
    "/first": async ({ session }: Any) => {
      session.set("one", true);
      meetings[side].arrived.resolve();
      await meetings[side].goOn.promise;
    },
    "/second": second,
    "/both": ({ session }: Any) => [session.get("one") ?? null, session.get("two") ?? null],
  });
  const meet = async (client: HttpClient, side: "theirs" | "ours") => {
    const waiting = client.get("/first");
    await meetings[side].arrived.promise;
    await client.get("/second");
    meetings[side].goOn.resolve();
    await waiting;
  };
  return { routes: { theirs: routes("theirs"), ours: routes("ours") }, meet };
}
const gates = () => ({ arrived: Promise.withResolvers<void>(), goOn: Promise.withResolvers<void>() });

const atOnce = meeting(({ session }) => session.set("two", true));
const signedOut = meeting(({ session }) => session.destroy());

const lines: Record<string, Line> = {
  "`get(key)`, `set(key, value)`": {
    ...same({}),
    visit: (client) => visited(client, "/data", "/begin", "/data"),
    both: [[null, null], "ok", ["ada", 1]],
  },
  "`request.session.user = user`": {
    theirs: {
      "/": ({ session }: Any) => {
        session.user = "ada";
      },
      "/me": ({ session }: Any) => session.user,
    },
    ours: {
      "/": ({ session }: Any) => {
        session.data.user = "ada";
      },
      "/me": ({ session }: Any) => {
        try {
          session.user = "eve";
        } catch (error) {
          return [session.data.user, (error as { code: string }).code];
        }
      },
    },
    visit: (client) => visited(client, "/", "/me"),
    there: ["ok", "ada"],
    here: ["ok", ["ada", "invalid_data"]],
  },
  "a sign-in: `regenerate()`, then `set`": {
    theirs: {
      ...both,
      "/in": ({ session }: Any) => session.regenerate(),
      "/set": ({ session }: Any) => session.set("userId", 7),
      "/me": ({ session }: Any) => session.get("userId") ?? null,
    },
    ours: {
      ...both,
      "/in": ({ session }: Any) => session.login(7),
      "/set": ({ session }: Any) => session.set("userId", 8),
      "/me": ({ session }: Any) => session.userId ?? null,
    },
    visit: async (client) => {
      await client.get("/begin");
      const [, planted] = await withOldCookies(client, "/in", "/me");
      return [planted, ...(await visited(client, "/set", "/me"))];
    },
    both: [null, "ok", 7],
  },
  "`regenerate()`, `regenerate(keys)`": {
    ...same({
      "/none": ({ session }: Any) => session.regenerate(),
      "/one": ({ session }: Any) => session.regenerate(["name"]),
      "/called": ({ session }: Any) => called(session, "regenerate", ["count"]),
    }),
    visit: async (client) => {
      await client.get("/begin");
      const [, planted] = await withOldCookies(client, "/one", "/data");
      const kept = await visited(client, "/data", "/begin", "/called", "/data", "/none", "/data");
      return [planted, ...kept];
    },
    both: [[null, null], ["ada", null], "ok", "called", [null, 1], "ok", [null, null]],
  },
  "`save()`, `save(callback)`": {
    ...same({
      "/save": async ({ session }: Any) => {
        session.set("name", "bob");
        await session.save();
        throw new Error("later");
      },
      "/called": ({ session }: Any) => called(session, "save"),
    }),
    visit: (client) => visited(client, "/begin", "/save", "/data", "/called"),
    both: ["ok", "error", ["bob", 1], "called"],
  },
  "`reload()`, `reload(callback)`": {
    ...same({
      "/again": async (request: Any) => {
        request.session.set("name", "unsaved");
        await request.session.reload();
        return request.session.get("name") ?? null;
      },
      "/called": async (request: Any) => {
        request.session.set("name", "unsaved");
        return [await called(request.session, "reload"), request.session.get("name") ?? null];
      },
    }),
    visit: (client) => visited(client, "/again", "/called", "/begin", "/again", "/called", "/data"),
    both: [null, ["called", null], "ok", "ada", ["called", "ada"], ["ada", 1]],
  },
  "`reload()` of a session that was ended": {
    ...same({
      "/in": async ({ session }: Any) => session.login?.(7),
      "/ended": async (request: Any, { end }: Control) => {
        await end();
        const code = await request.session.reload().catch((error: Any) => error.code);
        return code ?? request.session.get("name") ?? "empty";
      },
    }),
    visit: (client) => visited(client, "/begin", "/in", "/ended"),
    there: ["ok", "ok", "empty"],
    here: ["ok", "signed_in", "session_ended"],
  },
  "`destroy()`, `destroy(callback)`": {
    ...same({
      "/end": async (request: Any) => {
        await request.session.destroy();
        return request.session === null;
      },
      "/called": ({ session }: Any) => called(session, "destroy"),
    }),
    visit: async (client) => {
      await client.get("/begin");
      const seen = await withOldCookies(client, "/end", "/data");
      return [...seen, ...(await visited(client, "/begin", "/called", "/data"))];
    },
    there: [true, [null, null], "ok", "called", [null, null]],
    here: [false, [null, null], "ok", "called", [null, null]],
  },
  "`request.session = null`": {
    ...same({
      "/end": (request: Any) => {
        request.session = null;
        return request.session;
      },
    }),
    visit: async (client) => {
      await client.get("/begin");
      return withOldCookies(client, "/end", "/data");
    },
    there: [null, ["ada", 1]],
    here: [null, [null, null]],
  },
  "`isModified()`, `isSaved()`": {
    ...same({
      "/": async ({ session }: Any) => {
        const seen = [session.isModified(), session.isSaved()];
        session.set("name", "bob");
        seen.push(session.isModified());
        await session.save();
        seen.push(session.isModified(), session.isSaved());
        return seen;
      },
    }),
    visit: (client) => visited(client, "/begin", "/"),
    there: ["ok", [false, false, true, false, true]],
    here: ["ok", [false, true, true, false, true]],
  },
  "`touch()`": {
    ...same({ "/": ({ session }: Any) => session.touch() }),
    visit: (client) => visited(client, "/begin", "/", "/data"),
    both: ["ok", "ok", ["ada", 1]],
  },
  "`options({ maxAge })`": {
    ...same({ "/": ({ session }: Any) => session.options({ maxAge: 60_000 }) }),
    visit: (client) => visited(client, "/"),
    there: ["ok"],
    here: ["invalid_options"],
  },
  "`request.session.cookie`": {
    ...same({
      "/": ({ session }: Any) => typeof session.cookie,
      "/set": ({ session }: Any) => {
        session.cookie.maxAge = 60_000;
      },
    }),
    visit: (client) => visited(client, "/", "/set"),
    there: ["object", "ok"],
    here: ["invalid_options", "invalid_options"],
  },
  "`sessionId`": {
    ...same({
      "/": ({ session, headers }: Any) => [session.sessionId, headers.cookie.includes(session.sessionId)],
      "/anew": ({ session }: Any) => session.login?.(7) ?? session.regenerate(),
    }),
    visit: async (client) => {
      await client.get("/begin");
      const [[before, isInCookie]] = (await visited(client, "/")) as [[string, boolean]];
      await client.get("/anew");
      const [[after]] = (await visited(client, "/")) as [[string, boolean]];
      const jar = new Map([...client.jar].map(([name, one]) => [name, { ...one, value: after }] as const));
      return {
        isSame: after === before,
        isInCookie,
        asCookie: (await client.request("/data", { jar })).json,
      };
    },
    there: { isSame: false, isInCookie: true, asCookie: [null, null] },
    // The row's id is in the cookie, beside the secret.
    here: { isSame: true, isInCookie: true, asCookie: [null, null] },
  },
  "`encryptedSessionId`": {
    ...same({ "/": ({ session }: Any) => typeof session.encryptedSessionId }),
    visit: (client) => visited(client, "/"),
    there: ["string"],
    here: ["invalid_options"],
  },
  "`request.sessionStore`": {
    ...same({ "/": ({ sessionStore }: Any) => typeof sessionStore.get }),
    visit: (client) => visited(client, "/"),
    there: ["function"],
    here: ["invalid_options"],
  },
  "`decryptSession(value, request, callback)`": {
    ...same({
      "/": async ({ headers }: Any, { app }: Control) => {
        const decrypt = app.decryptSession.bind(app) as Any;
        const value = decodeURIComponent(/=([^;]+)/.exec(headers.cookie)?.[1] ?? "");
        const seen = [];
        for (const options of [[], [{}], [{ maxAge: 1000 }]]) {
          const request: Any = {};
          const error = await new Promise((done) => {
            try {
              decrypt(value, request, ...options, done);
            } catch (thrown) {
              done(thrown);
            }
          });
          seen.push((error as Any)?.code ?? request.session.get("name"));
        }
        return seen;
      },
    }),
    visit: (client) => visited(client, "/begin", "/"),
    there: ["ok", ["ada", "ada", "ada"]],
    here: ["ok", ["ada", "ada", "invalid_options"]],
  },
  "`reply.send(request.session)`": {
    ...same({ "/": ({ session }: Any) => Object.keys(JSON.parse(JSON.stringify(session))) }),
    visit: (client) => visited(client, "/begin", "/"),
    there: ["ok", ["cookie", "name", "count"]],
    here: ["ok", ["id", "handle", "level", "isNew"]],
  },
  "a visitor who does nothing": {
    ...same({ "/calls": (_request: Any, { calls }: Control) => calls.splice(0) }),
    visit: async (client) => {
      const { setCookie } = await client.get("/data");
      return [setCookie.length, await visited(client, "/calls")];
    },
    there: [1, [["write", "read"]]],
    here: [0, [[]]],
  },
  "a page that only reads": {
    ...same({ "/calls": (_request: Any, { calls }: Control) => calls.splice(0) }),
    visit: async (client) => {
      await visited(client, "/begin", "/calls");
      const { setCookie } = await client.get("/data");
      return [setCookie.length, await visited(client, "/calls")];
    },
    there: [1, [["write", "read", "write", "read"]]],
    here: [0, [["findSession", "findSession"]]],
  },
  "two requests at once": {
    ...atOnce.routes,
    visit: async (client, side) => {
      await client.get("/begin");
      await atOnce.meet(client, side);
      return visited(client, "/both");
    },
    there: [[true, null]],
    here: [[true, true]],
  },
  "a sign-out while another request runs": {
    ...signedOut.routes,
    visit: async (client, side) => {
      await client.get("/begin");
      const jar = new Map(client.jar);
      await signedOut.meet(client, side);
      return (await client.request("/both", { jar })).json;
    },
    there: [true, null],
    here: [null, null],
  },
  "a store that fails": {
    ...same({ "/fail": (_request: Any, { fail }: Control) => void fail() }),
    visit: async (client) => {
      await visited(client, "/begin", "/fail");
      const { json, setCookie } = await client.get("/data");
      return [json, setCookie.length];
    },
    there: ["error", 0],
    here: [503, 0],
  },
};

describeLines("fastify.md", "Coming from @fastify/session", sides, lines);

// As its README names them.
const readme = readFileSync(require.resolve("@fastify/session").replace("index.js", "README.md"), "utf8");
const names = [...readme.matchAll(/^##### (\w+)/gm)].map(([, name]) => name ?? "");
describeOptions("fastify.md", "Options of @fastify/session", names);
