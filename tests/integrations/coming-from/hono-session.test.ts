import { useSession, useSessionStorage } from "@hono/session";
import type { MiddlewareHandler } from "hono";
import { type Control, meeting, onHono, ours } from "./hono.ts";
import {
  type Any,
  describeLines,
  describeOptions,
  type Line,
  type Routes,
  visited,
  withOldCookies,
} from "./lines.ts";

function theirs(routes: Routes): Promise<string> {
  const rows = new Map<string, Any>();
  let isFailing = false;
  const storage = {
    get: async (id: string) => {
      if (isFailing) throw new Error("down");
      return rows.get(id) ?? null;
    },
    set: (id: string, data: Any) => void rows.set(id, data),
    delete: (id: string) => void rows.delete(id),
  };
  const secret = "a secret of at least thirty-two characters";
  const middleware = [useSessionStorage(storage), useSession({ secret })] as unknown as MiddlewareHandler[];
  const fail = () => {
    isFailing = true;
  };
  return onHono(middleware, routes, { calls: [], fail });
}

const there: Routes = {
  "/begin": (c) => c.var.session.update({ name: "ada", count: 1 }),
  "/data": (c) => c.var.session.get(),
};
const here: Routes = {
  "/begin": async (c) => (await c.var.session).set({ name: "ada", count: 1 }),
  "/data": async (c) => (await c.var.session).data,
};
const with_ = (theirs: Routes, ours: Routes) => ({
  theirs: { ...there, ...theirs },
  ours: { ...here, ...ours },
});
const put = (name: string) => ({
  theirs: (c: Any) => c.var.session.update((data: object) => ({ ...data, [name]: true })),
  ours: async (c: Any) => (await c.var.session).set(name, true),
});
const atOnce = meeting(put("one"), put("two"));
const signedOut = meeting(put("late"), {
  theirs: async (c) => {
    await c.var.session.get();
    c.var.session.delete();
  },
  ours: async (c) => (await c.var.session).destroy(),
});
const codeOf = (call: () => unknown) => {
  try {
    return call();
  } catch (error) {
    return (error as { code?: string }).code ?? "refused";
  }
};

const lines: Record<string, Line> = {
  "`await c.var.session.get()`": {
    ...with_({}, {}),
    visit: (client) => visited(client, "/data", "/begin", "/data"),
    // Routes that give null answer "ok".
    there: ["ok", "ok", { name: "ada", count: 1 }],
    here: [{}, "ok", { name: "ada", count: 1 }],
  },
  "`c.var.session.data` before `get()`": {
    ...with_(
      { "/": (c) => codeOf(() => c.var.session.data) },
      { "/": (c) => codeOf(() => c.var.session.data) },
    ),
    visit: (client) => visited(client, "/begin", "/"),
    there: ["ok", "refused"],
    here: ["ok", "session_not_open"],
  },
  "`await c.var.session.update({ … })`": {
    ...with_(
      { "/": (c) => c.var.session.update({ colour: "red" }) },
      { "/": async (c) => (await c.var.session).set({ colour: "red" }) },
    ),
    visit: (client) => visited(client, "/begin", "/", "/data"),
    there: ["ok", "ok", { colour: "red" }],
    here: ["ok", "ok", { name: "ada", count: 1, colour: "red" }],
  },
  "`await c.var.session.update((data) => next)`": {
    ...with_(
      { "/": (c) => c.var.session.update((data: Any) => ({ ...data, count: data.count + 1 })) },
      {
        "/": async (c) =>
          (await c.var.session).update((data: Any) => {
            data.count++;
          }),
        "/returns": async (c) => (await c.var.session).update((data: Any) => ({ ...data, count: 7 })),
      },
    ),
    visit: (client, side) =>
      visited(client, "/begin", "/", ...(side === "ours" ? ["/returns"] : []), "/data"),
    there: ["ok", "ok", { name: "ada", count: 2 }],
    here: ["ok", "ok", { name: "ada", count: 7 }, { name: "ada", count: 2 }],
  },
  "`c.var.session.delete()`": {
    ...with_(
      {
        "/end": async (c) => {
          await c.var.session.get();
          c.var.session.delete();
          return codeOf(() => c.var.session.data);
        },
      },
      {
        "/end": async (c) => {
          const session = await c.var.session;
          await session.destroy();
          return codeOf(() => session.data);
        },
      },
    ),
    visit: async (client) => {
      await client.get("/begin");
      return [...(await withOldCookies(client, "/end", "/data")), client.jar.size];
    },
    there: ["refused", "ok", 0],
    here: ["session_destroyed", {}, 0],
  },
  "`c.var.session.id`": {
    ...with_(
      {
        "/": async (c) => {
          await c.var.session.get();
          return typeof c.var.session.id;
        },
      },
      { "/": async (c) => typeof (await c.var.session).id },
    ),
    visit: (client) => visited(client, "/begin", "/"),
    both: ["ok", "string"],
  },
  "a sign-in: `update({ userId })`": {
    ...with_(
      {
        "/in": (c) => c.var.session.update({ userId: 7 }),
        "/me": async (c) => (await c.var.session.get())?.userId ?? "nobody",
      },
      {
        "/in": async (c) => (await c.var.session).login(7),
        "/me": async (c) => (await c.var.session).userId ?? "nobody",
      },
    ),
    visit: async (client) => {
      await client.get("/begin");
      const [, planted] = await withOldCookies(client, "/in", "/me");
      return [planted, ...(await visited(client, "/me"))];
    },
    there: [7, 7],
    here: ["nobody", 7],
  },
  "`c.json(c.var.session)`": {
    ...with_(
      {
        "/": async (c) => {
          await c.var.session.get();
          return Object.keys(JSON.parse(JSON.stringify(c.var.session)));
        },
      },
      { "/": async (c) => Object.keys(JSON.parse(JSON.stringify(await c.var.session))) },
    ),
    visit: (client) => visited(client, "/begin", "/"),
    there: ["ok", ["data", "id"]],
    here: ["ok", ["id", "handle", "level", "isNew"]],
  },
  "two requests at once": {
    ...with_(atOnce.theirs.routes, atOnce.ours.routes),
    visit: async (client, side) => {
      await client.get("/begin");
      await atOnce[side].meet(client);
      return visited(client, "/data");
    },
    there: [{ name: "ada", count: 1, one: true }],
    here: [{ name: "ada", count: 1, one: true, two: true }],
  },
  "a sign-out while another request runs": {
    ...with_(signedOut.theirs.routes, signedOut.ours.routes),
    visit: async (client, side) => {
      await client.get("/begin");
      const jar = new Map(client.jar);
      await signedOut[side].meet(client);
      return (await client.request("/data", { jar })).json;
    },
    there: { name: "ada", count: 1, late: true },
    here: {},
  },
  "a storage that fails": {
    ...with_({ "/fail": (_c, { fail }: Control) => fail() }, { "/fail": (_c, { fail }: Control) => fail() }),
    visit: async (client) => {
      await visited(client, "/begin", "/fail");
      const { json, setCookie } = await client.get("/data");
      return [json, setCookie];
    },
    there: ["error", []],
    here: [503, []],
  },
};

describeLines("hono.md", "Coming from @hono/session", { theirs, ours }, lines);

const names =
  "secret duration generateId getCookie setCookie deleteCookie onCreate onUpdate onDelete onRefresh";
describeOptions("hono.md", "Options of @hono/session", names.split(" "));
