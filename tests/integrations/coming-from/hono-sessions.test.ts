import type { MiddlewareHandler } from "hono";
import { sessionMiddleware } from "hono-sessions";
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
  const rows = new Map<string, string>();
  const calls: string[] = [];
  let isFailing = false;
  const write = (id: string, data: object) => {
    calls.push("write");
    rows.set(id, JSON.stringify(data));
  };
  const store = {
    getSessionById: async (id: string) => {
      calls.push("read");
      if (isFailing) throw new Error("down");
      return JSON.parse(rows.get(id) ?? "null");
    },
    createSession: async (id: string, data: object) => write(id, data),
    persistSessionData: async (id: string, data: object) => write(id, data),
    deleteSession: async (id: string) => void rows.delete(id),
  };
  const encryptionKey = "a secret of at least thirty-two characters";
  const middleware = sessionMiddleware({ store, encryptionKey } as Any) as unknown as MiddlewareHandler;
  const fail = () => {
    isFailing = true;
  };
  return onHono([middleware], routes, { calls, fail });
}

/** The same code on both sides, where the session was awaited. */
const both = (routes: Record<string, (session: Any, c: Any, control: Control) => unknown>): Routes =>
  Object.fromEntries(
    Object.entries(routes).map(([path, route]) => [
      path,
      async (c: Any, control: Control) => route(await c.var.session, c, control),
    ]),
  );
const BOTH = {
  "/begin": (session: Any) => {
    session.set("name", "ada");
    session.set("count", 1);
  },
  "/data": (session: Any) => [session.get("name") ?? "none", session.get("count") ?? "none"],
};
type Handlers = Parameters<typeof both>[0];
const with_ = (theirs: Handlers, ours: Handlers = theirs) => ({
  theirs: both({ ...BOTH, ...theirs }),
  ours: both({ ...BOTH, ...ours }),
});
const put = (name: string) => {
  const set = async (c: Any) => (await c.var.session).set(name, true);
  return { theirs: set, ours: set };
};
const atOnce = meeting(put("one"), put("two"));
const signedOut = meeting(put("one"), {
  theirs: (c) => c.var.session.deleteSession(),
  ours: async (c) => (await c.var.session).destroy(),
});
const BOTH_NAMES = {
  "/both": (session: Any) => [session.get("one") ?? "none", session.get("two") ?? "none"],
};
const CALLS = { "/calls": (_session: Any, _c: Any, { calls }: Control) => calls.splice(0) };

const lines: Record<string, Line> = {
  "`session.get(key)`, `session.set(key, value)`": {
    ...with_({ "/missing": (session) => [session.get("missing") === null] }),
    visit: (client) => visited(client, "/begin", "/data", "/missing"),
    there: ["ok", ["ada", 1], [true]],
    here: ["ok", ["ada", 1], [false]],
  },
  "`session.forget(key)`": {
    ...with_({ "/": (session) => session.forget("name") }, { "/": (session) => session.remove("name") }),
    visit: (client) => visited(client, "/begin", "/", "/data"),
    both: ["ok", "ok", ["none", 1]],
  },
  "`session.flash(key, value)`, then `session.get(key)`": {
    ...with_(
      {
        "/flash": (session) => session.flash("note", "hello"),
        "/note": (session) => session.get("note") ?? "none",
      },
      {
        "/flash": (session) => session.flash.set("note", "hello"),
        "/note": async (session) => (await session.flash.get("note")) ?? "none",
      },
    ),
    visit: (client) => visited(client, "/flash", "/note", "/note"),
    both: ["ok", "hello", "none"],
  },
  "`session.deleteSession()`": {
    ...with_({ "/end": (session) => session.deleteSession() }, { "/end": (session) => session.destroy() }),
    visit: async (client) => {
      await client.get("/begin");
      return [...(await withOldCookies(client, "/end", "/data")), client.jar.size];
    },
    there: ["ok", ["none", "none"], 1],
    here: ["ok", ["none", "none"], 0],
  },
  '`c.set("session_key_rotation", true)`': {
    ...with_(
      { "/in": (_session, c) => c.set("session_key_rotation", true) },
      { "/in": (session) => session.login(7) },
    ),
    visit: async (client) => {
      await client.get("/begin");
      const [, planted] = await withOldCookies(client, "/in", "/data");
      return [planted, ...(await visited(client, "/data"))];
    },
    both: [
      ["none", "none"],
      ["ada", 1],
    ],
  },
  "`session.touch()`, `session.sessionValid()`": {
    ...with_(
      {
        "/": (session) => {
          session.touch();
          return session.sessionValid();
        },
      },
      { "/": (session) => !session.isNew },
    ),
    visit: (client) => visited(client, "/begin", "/"),
    both: ["ok", true],
  },
  "a visitor who does nothing": {
    ...with_(CALLS),
    visit: async (client) => {
      const { setCookie } = await client.get("/data");
      return [setCookie.length, await visited(client, "/calls")];
    },
    there: [1, [["write", "write", "read"]]],
    here: [0, [[]]],
  },
  "two requests at once": {
    theirs: { ...both({ ...BOTH, ...BOTH_NAMES }), ...atOnce.theirs.routes },
    ours: { ...both({ ...BOTH, ...BOTH_NAMES }), ...atOnce.ours.routes },
    visit: async (client, side) => {
      await client.get("/begin");
      await atOnce[side].meet(client);
      return visited(client, "/both");
    },
    there: [[true, "none"]],
    here: [[true, true]],
  },
  "a sign-out while another request runs": {
    theirs: { ...both({ ...BOTH, ...BOTH_NAMES }), ...signedOut.theirs.routes },
    ours: { ...both({ ...BOTH, ...BOTH_NAMES }), ...signedOut.ours.routes },
    visit: async (client, side) => {
      await client.get("/begin");
      const jar = new Map(client.jar);
      await signedOut[side].meet(client);
      return (await client.request("/data", { jar })).json;
    },
    there: ["ada", 1],
    here: ["none", "none"],
  },
  "a store that cannot be read": {
    ...with_({ "/fail": (_session, _c, { fail }) => fail() }),
    visit: async (client) => {
      await visited(client, "/begin", "/fail");
      const before = JSON.stringify([...client.jar]);
      const { json } = await client.get("/data");
      return [json, JSON.stringify([...client.jar]) === before];
    },
    there: [["none", "none"], false],
    here: [503, true],
  },
};

describeLines("hono.md", "Coming from hono-sessions", { theirs, ours }, lines);

const names = "store encryptionKey expireAfterSeconds autoExtendExpiration cookieOptions sessionCookieName";
describeOptions("hono.md", "Options of hono-sessions", names.split(" "));
