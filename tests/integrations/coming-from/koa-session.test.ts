import { createRequire } from "node:module";
import Koa from "koa";
import { sessions } from "../../../src/integrations/koa/index.ts";
import { overHttp, testApp } from "../../support/app.ts";
import { type HttpClient, serve } from "../../support/http.ts";
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

const { default: koaSession, SessionOptions } = createRequire(import.meta.url)("koa-session");

/** What routes can do to the store, whichever it is. */
interface Control {
  fail(): void;
}

/** Routes answer with what they give as JSON; an error with its code, or with "error". */
function answering(routes: Routes, control: Control) {
  return async (ctx: Any) => {
    const route = routes[ctx.path];
    if (route === undefined) return;
    const answer = await route(ctx, control);
    ctx.body = JSON.stringify(answer === undefined ? "ok" : answer);
  };
}

function app(): Koa {
  const koa = new Koa();
  koa.silent = true;
  koa.use(async (ctx, next) => {
    try {
      await next();
    } catch (error) {
      const { status = 500, code } = error as { status?: number; code?: string };
      ctx.status = status;
      ctx.body = JSON.stringify(status === 500 ? (code ?? "error") : status);
    }
  });
  return koa;
}

const sides = {
  theirs: (routes: Routes) => {
    const koa = app();
    koa.keys = ["a secret"];
    const rows = new Map<string, string>();
    let isFailing = false;
    const touch = () => {
      if (isFailing) throw new Error("down");
    };
    const store = {
      get: async (id: string) => {
        touch();
        return JSON.parse(rows.get(id) ?? "null");
      },
      set: async (id: string, data: object) => {
        touch();
        rows.set(id, JSON.stringify(data));
      },
      destroy: async (id: string) => void rows.delete(id),
    };
    koa.use(koaSession({ store, secure: false }, koa));
    koa.use(answering(routes, { fail: () => (isFailing = true) }));
    return serve(koa.callback());
  },
  ours: (routes: Routes) => {
    const { store, failing } = failingStore();
    const { psession } = testApp({ ...overHttp, store });
    const koa = app();
    koa.use(sessions(psession, { open: "always" }));
    koa.use(answering(routes, { fail: () => failing.add("findSession") }));
    return serve(koa.callback());
  },
};

/** Begins a session, and shows what is in one. */
const theirs: Routes = {
  "/begin": ({ session }: Any) => void Object.assign(session, { views: 1, name: "ada" }),
  "/data": ({ session }: Any) => session,
};
const ours: Routes = {
  "/begin": ({ session }: Any) => session.set({ views: 1, name: "ada" }),
  "/data": ({ session }: Any) => session.data,
};
const onBoth = (routes: Routes) => ({
  theirs: { ...theirs, ...routes },
  ours: { ...ours, ...routes },
});

/** Two requests that are open at the same time: the second runs between the first's handler and its answer. */
function meeting(first: (session: Any) => void, second: (ctx: Any) => void) {
  const arrived = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const routes: Routes = {
    "/first": async ({ session }: Any) => {
      first(session);
      arrived.resolve();
      await goOn.promise;
    },
    "/second": (ctx: Any) => second(ctx),
  };
  const meet = async (client: HttpClient) => {
    const waiting = client.get("/first");
    await arrived.promise;
    await client.get("/second");
    goOn.resolve();
    await waiting;
  };
  return { routes, meet };
}

const atOnce = (put: (session: Any, name: string) => void) =>
  meeting(
    (session) => put(session, "one"),
    ({ session }) => put(session, "two"),
  );
const both = {
  theirs: atOnce((session, name) => {
    session[name] = true;
  }),
  ours: atOnce((session, name) => session.set(name, true)),
};

const endedIn = (put: (session: Any) => void) =>
  meeting(put, (ctx) => {
    ctx.session = null;
  });
const ended = {
  theirs: endedIn((session) => {
    session.late = true;
  }),
  ours: endedIn((session) => session.set("late", true)),
};

const lines: Record<string, Line> = {
  "`ctx.session.views = 1`": {
    theirs: {
      "/": ({ session }: Any) => {
        session.views = (session.views ?? 0) + 1;
        return session.views;
      },
    },
    ours: {
      "/": ({ session }: Any) => {
        session.data.views = (session.data.views ?? 0) + 1;
        return session.data.views;
      },
    },
    visit: (client) => visited(client, "/", "/"),
    both: [1, 2],
  },
  "`ctx.session = { … }`": {
    ...onBoth({
      "/replace": (ctx: Any) => {
        ctx.session = { colour: "red" };
      },
    }),
    visit: (client) => visited(client, "/begin", "/replace", "/data"),
    both: ["ok", "ok", { colour: "red" }],
  },
  "`ctx.session = { … }`, with a user": {
    theirs: {
      "/in": ({ session }: Any) => void Object.assign(session, { user: 7 }),
      "/replace": (ctx: Any) => Object.assign(ctx, { session: { colour: "red" } }) && "ok",
      "/empty": (ctx: Any) => Object.assign(ctx, { session: {} }) && "ok",
      "/me": ({ session }: Any) => [session.user ?? null, session.colour ?? null],
    },
    ours: {
      "/in": ({ session }: Any) => session.login(7),
      "/replace": (ctx: Any) => Object.assign(ctx, { session: { colour: "red" } }) && "ok",
      "/empty": (ctx: Any) => Object.assign(ctx, { session: {} }) && "ok",
      "/me": ({ session }: Any) => [session.userId ?? null, session.data.colour ?? null],
    },
    visit: async (client) => {
      await client.get("/in");
      return visited(client, "/replace", "/me", "/empty", "/me");
    },
    there: ["ok", [null, "red"], "ok", [null, null]],
    here: ["ok", [7, "red"], "invalid_data", [7, "red"]],
  },
  "`ctx.session = null`": {
    ...onBoth({
      "/end": (ctx: Any) => {
        ctx.session = null;
        return ctx.session;
      },
      "/anew": (ctx: Any) => {
        ctx.session = null;
        ctx.session = { colour: "red" };
      },
    }),
    visit: (client) => visited(client, "/begin", "/end", "/data", "/begin", "/anew", "/data"),
    both: ["ok", null, {}, "ok", "ok", { colour: "red" }],
  },
  "`ctx.session.user = user`": {
    theirs: {
      ...theirs,
      "/in": ({ session }: Any) => {
        session.user = 7;
      },
      "/me": ({ session }: Any) => session.user ?? null,
    },
    ours: {
      ...ours,
      "/in": ({ session }: Any) => session.login(7),
      "/me": ({ session }: Any) => session.userId ?? null,
    },
    visit: async (client) => {
      await client.get("/begin");
      const [, planted] = await withOldCookies(client, "/in", "/me");
      return [planted, ...(await visited(client, "/me"))];
    },
    there: [7, 7],
    here: [null, 7],
  },
  "`ctx.session.isNew`": {
    ...onBoth({ "/new": ({ session }: Any) => session.isNew }),
    visit: (client) => visited(client, "/new", "/begin", "/new"),
    both: [true, "ok", false],
  },
  "`ctx.session.populated`, `length`": {
    theirs: { ...theirs, "/length": ({ session }: Any) => [session.populated, session.length] },
    ours: {
      ...ours,
      "/length": ({ session }: Any) => {
        const { length } = Object.keys(session.data);
        return [length > 0, length];
      },
    },
    visit: (client) => visited(client, "/length", "/begin", "/length"),
    both: [[false, 0], "ok", [true, 2]],
  },
  "`await ctx.session.save()`": {
    ...onBoth({
      "/empty": ({ session }: Any) => session.save(),
      "/save": async ({ session }: Any) => {
        Object.assign("data" in session ? session.data : session, { saved: true });
        await session.save();
        throw new Error("later");
      },
    }),
    visit: async (client) => {
      const { setCookie } = await client.get("/empty");
      return [setCookie.length > 0, ...(await visited(client, "/save", "/data"))];
    },
    there: [true, "error", { saved: true }],
    here: [false, "error", { saved: true }],
  },
  "`await ctx.session.regenerate()`": {
    theirs: {
      ...theirs,
      "/anew": ({ session }: Any) => session.regenerate(),
      "/in": ({ session }: Any) => {
        session.user = 7;
        return session.regenerate();
      },
    },
    ours: {
      ...ours,
      "/anew": ({ session }: Any) => session.regenerate(),
      "/in": ({ session }: Any) => session.login(7),
    },
    visit: async (client) => {
      await client.get("/begin");
      const cookies = JSON.stringify([...client.jar]);
      const [, old] = await withOldCookies(client, "/anew", "/data");
      const isAnother = JSON.stringify([...client.jar]) !== cookies;
      const [kept] = await visited(client, "/data");
      const [, planted] = await withOldCookies(client, "/in", "/data");
      return { old, isAnother, kept, planted };
    },
    there: { old: {}, isAnother: true, kept: { views: 1, name: "ada" }, planted: {} },
    here: { old: { views: 1, name: "ada" }, isAnother: true, kept: { views: 1, name: "ada" }, planted: {} },
  },
  "`save(callback)`, `regenerate(callback)`": {
    ...onBoth({
      "/save": ({ session }: Any) => new Promise((done) => session.save(done)),
      "/anew": ({ session }: Any) => new Promise((done) => session.regenerate(done)),
    }),
    visit: (client) => visited(client, "/begin", "/save", "/anew"),
    there: ["ok", "ok", "ok"],
    here: ["ok", "invalid_options", "invalid_options"],
  },
  "`ctx.body = ctx.session`": {
    ...onBoth({ "/whole": ({ session }: Any) => Object.keys(JSON.parse(JSON.stringify(session))) }),
    visit: (client) => visited(client, "/begin", "/whole"),
    there: ["ok", ["views", "name"]],
    here: ["ok", ["id", "handle", "level", "isNew"]],
  },
  "`ctx.session.maxAge = 60_000`": {
    ...onBoth({
      "/": ({ session }: Any) => {
        session.maxAge = 60_000;
      },
    }),
    visit: (client) => visited(client, "/"),
    there: ["ok"],
    here: ["invalid_data"],
  },
  "names that begin with `_`": {
    theirs: {
      ...theirs,
      "/": ({ session }: Any) => void Object.assign(session, { _hidden: 1, shown: 2 }),
    },
    ours: { ...ours, "/": ({ session }: Any) => void session.set({ _hidden: 1, shown: 2 }) },
    visit: (client) => visited(client, "/", "/data"),
    there: ["ok", { shown: 2 }],
    here: ["ok", { _hidden: 1, shown: 2 }],
  },
  "a `Date`, a function": {
    theirs: {
      ...theirs,
      "/date": ({ session }: Any) => {
        session.at = new Date(0);
      },
      "/function": ({ session }: Any) => {
        session.call = () => {};
      },
    },
    ours: {
      ...ours,
      "/date": ({ session }: Any) => {
        session.data.at = new Date(0);
      },
      "/function": ({ session }: Any) => {
        session.data.call = () => {};
      },
    },
    visit: async (client) => {
      const [date, called] = [await client.get("/date"), await client.get("/function")];
      return [date.status, called.status, ...(await visited(client, "/data"))];
    },
    there: [200, 200, { at: "1970-01-01T00:00:00.000Z" }],
    here: [500, 500, {}],
  },
  "two requests at once": {
    theirs: { ...theirs, ...both.theirs.routes },
    ours: { ...ours, ...both.ours.routes },
    visit: async (client, side) => {
      await client.get("/begin");
      await both[side].meet(client);
      return visited(client, "/data");
    },
    there: [{ views: 1, name: "ada", one: true }],
    here: [{ views: 1, name: "ada", one: true, two: true }],
  },
  "a handler that throws": {
    theirs: {
      ...theirs,
      "/": ({ session }: Any) => {
        session.views = 2;
        throw new Error("broken");
      },
    },
    ours: {
      ...ours,
      "/": ({ session }: Any) => {
        session.data.views = 2;
        throw new Error("broken");
      },
    },
    visit: (client) => visited(client, "/", "/data"),
    both: ["error", { views: 2 }],
  },
  "a sign-out while another request runs": {
    theirs: { ...theirs, ...ended.theirs.routes },
    ours: { ...ours, ...ended.ours.routes },
    visit: async (client, side) => {
      await client.get("/begin");
      const cookies = new Map(client.jar);
      await ended[side].meet(client);
      return (await client.request("/data", { jar: cookies })).json;
    },
    there: { views: 1, name: "ada", late: true },
    here: {},
  },
  "a store that fails": {
    ...onBoth({ "/fail": (_ctx: Any, control: Control) => control.fail() }),
    visit: async (client) => {
      await client.get("/begin");
      await client.get("/fail");
      const { json, setCookie } = await client.get("/data");
      return [json, setCookie];
    },
    there: ["error", []],
    here: [503, []],
  },
};

describeLines("koa.md", "Coming from koa-session", sides, lines);
describeOptions("koa.md", "Options of koa-session", Object.keys(SessionOptions.shape));
