import { createSecretKey, generateKeyPairSync } from "node:crypto";
import { EventEmitter } from "node:events";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { inherits, inspect } from "node:util";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { memoryStore } from "../../../src/index.ts";
import { psessionOf, type SessionOptions } from "../../../src/integrations/express-session/index.ts";
import { type Any, NotedStore, original, ours, STRONG, start } from "./sides.ts";

const require = createRequire(import.meta.url);

test("every option is in the documentation", () => {
  const page = readFileSync(new URL("../../../docs/express-session.md", import.meta.url), "utf8");
  const source = readFileSync(
    new URL("../../../src/integrations/express-session/options.ts", import.meta.url),
    "utf8",
  );
  const [, body = ""] = /export interface SessionOptions \{([\s\S]*?)\n\}/.exec(source) ?? [];
  const names = Array.from(body.matchAll(/^ {2}(\w+)\?:/gm), ([, name]) => name);
  expect(names.length).toBeGreaterThan(15);
  for (const name of names) expect(page).toContain(`\`${name}\``);
});

describe("the module", () => {
  test("has the same exports, on the function and by name", async () => {
    const named = (await import("../../../src/integrations/express-session/index.ts")) as Any;
    for (const name of ["Store", "Session", "Cookie", "MemoryStore"]) {
      expect(typeof (ours as Any)[name]).toBe("function");
      expect(named[name]).toBe((ours as Any)[name]);
    }
    expect(named.default).toBe(ours);
  });

  test("can be required: the function itself, as with express-session", () => {
    const required = require("psession/express-session") as Any;
    expect(typeof required).toBe("function");
    expect(typeof required.Store).toBe("function");
    expect(typeof required({ secret: "keyboard cat" })).toBe("function");
    const { MemoryStore, psessionOf: taken } = required;
    expect([typeof MemoryStore, typeof taken]).toEqual(["function", "function"]);
  });
});

describe("a secret", () => {
  const bytes = new TextEncoder().encode(STRONG);
  const forms: [string, SessionOptions["secret"]][] = [
    ["text", STRONG],
    ["bytes", bytes],
    ["a view of bytes", new DataView(bytes.buffer)],
    ["a KeyObject", createSecretKey(bytes)],
  ];

  test.each(forms)("may be %s, as with express-session, and signs the same", async (_form, secret) => {
    const cookies = [];
    for (const session of [original, ours]) {
      const options = { secret, saveUninitialized: true, genid: () => "an-id" };
      const client = await start(session, options, (app) =>
        app.get("/", (_request, response) => response.end()),
      );
      cookies.push((await client.get("/")).setCookie);
    }
    expect(cookies[0]).toEqual([expect.stringContaining("an-id")]);
    expect(cookies[1]).toEqual(cookies[0]);
    expect(() => ours({ secret, store: memoryStore() })).not.toThrow();
  });

  test("that is missing or invalid is named", () => {
    const { publicKey } = generateKeyPairSync("ed25519");
    const secret = [STRONG, undefined, "", publicKey, 7] as SessionOptions["secret"];
    const refused = () => ours({ secret });
    expect(refused).toThrow(/- secret\.1 is missing: .*environment variable/);
    expect(refused).toThrow(
      /- secret\.2 must not be empty\n- secret\.3 must be text, bytes or a secret KeyObject\n- secret\.4 must/,
    );
  });
});

describe("stores", () => {
  test("of old call the base as a function, and inherit from it", () => {
    for (const { Store, MemoryStore } of [original, ours] as Any[]) {
      const seen: unknown[] = [];
      for (const Base of [Store, MemoryStore]) {
        function OldStore(this: Any) {
          Base.call(this, { some: "options" });
        }
        inherits(OldStore as Any, Base);
        const store = new (OldStore as Any)();
        store.on("connect", () => seen.push("connect"));
        store.emit("connect");
        seen.push(store instanceof Base, store instanceof EventEmitter, store instanceof Store);
        class NewStore extends Base {}
        seen.push(
          new NewStore() instanceof Base,
          typeof store.regenerate,
          typeof store.load,
          typeof store.createSession,
        );
      }
      expect(seen).toEqual(
        [1, 2].flatMap(() => ["connect", true, true, true, true, "function", "function", "function"]),
      );
    }
  });

  test("in memory behave as with express-session", async () => {
    for (const { MemoryStore, Cookie } of [original, ours] as Any[]) {
      vi.useFakeTimers({ toFake: ["Date"], now: 0 });
      onTestFinished(() => void vi.useRealTimers());
      const store = new MemoryStore();
      const call = (name: string, ...values: unknown[]) =>
        new Promise((resolve, reject) => {
          store[name](...values, (error: unknown, value: unknown) =>
            error ? reject(error) : resolve(value),
          );
        });
      await call("set", "a", { cookie: new Cookie({ maxAge: 1000 }), x: 1 });
      await call("set", "b", { cookie: new Cookie(), x: 2 });
      expect(await call("length")).toBe(2);
      expect(Object.keys((await call("all")) as object)).toEqual(["a", "b"]);
      vi.setSystemTime(500);
      await call("touch", "a", { cookie: new Cookie({ maxAge: 1000 }), x: "not stored" });
      vi.setSystemTime(1400);
      expect(((await call("get", "a")) as Any).x).toBe(1);
      vi.setSystemTime(1600);
      expect(await call("get", "a")).toBeUndefined();
      await call("touch", "a", { cookie: new Cookie() });
      expect(await call("length")).toBe(1);
      await call("destroy", "b");
      await call("clear");
      expect(await call("length")).toBe(0);
    }
  });

  test("load and createSession make sessions that can be saved, touched and destroyed", async () => {
    vi.useFakeTimers({ toFake: ["Date"], now: 0 });
    onTestFinished(() => void vi.useRealTimers());
    for (const { MemoryStore, Session, Cookie } of [original, ours] as Any[]) {
      const store = new MemoryStore();
      store.set("a", { cookie: new Cookie({ maxAge: 1000 }), x: 1 });
      const session: Any = await new Promise((resolve) => {
        store.load("a", (_error: unknown, found: unknown) => resolve(found));
      });
      expect(session).toBeInstanceOf(Session);
      expect([session.id, session.x, session.cookie.originalMaxAge]).toEqual(["a", 1, 1000]);
      expect(session.cookie.expires).toBeInstanceOf(Date);
      session.x = 2;
      expect(session.touch().save()).toBe(session);
      expect(JSON.parse(store.sessions.a).x).toBe(2);
      await new Promise((resolve) => session.reload(resolve));
      expect(session.req.session.x).toBe(2);
      await new Promise((resolve) => session.destroy(resolve));
      expect(Object.keys(store.sessions)).toEqual([]);
    }
  });
});

describe("cookies", () => {
  const cases: [string, (Cookie: Any) => unknown][] = [
    ["defaults", (Cookie) => new Cookie()],
    ["maxAge", (Cookie) => [new Cookie({ maxAge: 5000 }), new Cookie({ maxAge: 5000 }).maxAge]],
    ["maxAge as a date", (Cookie) => new Cookie({ maxAge: new Date(5000) })],
    [
      "expires",
      (Cookie) => [new Cookie({ expires: new Date(9000) }), new Cookie({ expires: new Date(9000) }).maxAge],
    ],
    ["maxAge and expires", (Cookie) => new Cookie({ maxAge: 1, expires: new Date(9000) })],
    ["expires and maxAge", (Cookie) => new Cookie({ expires: new Date(9000), maxAge: 1 })],
    ["originalMaxAge", (Cookie) => new Cookie({ maxAge: 5000, originalMaxAge: 7000 })],
    ["data is no option", (Cookie) => new Cookie({ data: { path: "/x" } }).path],
    ["unknown options are kept", (Cookie) => new Cookie({ extra: 1 }).extra],
    [
      "set later",
      (Cookie) => {
        const cookie = new Cookie();
        cookie.maxAge = 1000;
        const first = [cookie.expires, cookie.originalMaxAge];
        cookie.expires = null;
        return [first, cookie.maxAge, cookie.originalMaxAge, cookie];
      },
    ],
    ["false", (Cookie) => Object.assign(new Cookie({ maxAge: 1000 }), { expires: false })],
    [
      "serialize",
      (Cookie) =>
        new Cookie({
          maxAge: 5000,
          domain: "example.com",
          secure: true,
          sameSite: true,
          partitioned: true,
          priority: "low",
        }).serialize("name", "s:a b"),
    ],
    ["serialize plainly", (Cookie) => new Cookie({ httpOnly: false, path: "/a" }).serialize("name", "value")],
    ["a cookie as options", (Cookie) => new Cookie(new Cookie({ maxAge: 5000, path: "/a" }).toJSON())],
    ["keys", (Cookie) => Object.keys(new Cookie({ maxAge: 1 })).sort()],
    ["wrong options", (Cookie) => new Cookie("text")],
    ["wrong maxAge", (Cookie) => new Cookie({ maxAge: "text" })],
  ];

  test.each(cases)("are as with express-session: %s", (_, make) => {
    vi.useFakeTimers({ toFake: ["Date"], now: 0 });
    onTestFinished(() => void vi.useRealTimers());
    const see = ({ Cookie }: Any) => {
      try {
        return JSON.parse(JSON.stringify([make(Cookie)]));
      } catch (error) {
        return [(error as Error).name, (error as Error).message];
      }
    };
    const sorted = (value: unknown) =>
      JSON.stringify(value).replace(/"[^"]*; [^"]*"/g, (line) => line.split("; ").sort().join("; "));
    expect(sorted(see(ours))).toEqual(sorted(see(original)));
  });
});

test("a cookie's life does not shrink while time passes", () => {
  let now = 0;
  vi.spyOn(Date, "now").mockImplementation(() => now++);
  onTestFinished(() => void vi.restoreAllMocks());
  const cookie = new ours.Cookie({ maxAge: 5000 });
  for (let round = 0; round < 10; round++) cookie.maxAge = cookie.originalMaxAge;
  expect(cookie.originalMaxAge).toBe(5000);
});

const BACKENDS: [string, () => SessionOptions][] = [
  ["the application's store", () => ({ store: new NotedStore() })],
  ["a psession store", () => ({ store: memoryStore(), secret: STRONG })],
];

describe.each(BACKENDS)("methods on %s", (name, options) => {
  test("have forms that give promises", async () => {
    const client = await start(ours, options(), (app) => {
      app.get("/", async (request: Any, response) => {
        request.session.n = (request.session.n ?? 0) + 1;
        await request.session.saveAsync();
        request.session.n += 100;
        await request.session.reloadAsync();
        const { n } = request.session;
        await request.session.regenerateAsync();
        const isNew = request.session.n === undefined;
        request.session.n = n;
        response.json([n, isNew]);
      });
      app.get("/end", async (request: Any, response) => {
        await request.session.destroyAsync();
        response.json(request.session ?? null);
      });
    });
    expect((await client.get("/")).json).toEqual([1, true]);
    expect((await client.get("/")).json).toEqual([2, true]);
    expect((await client.get("/end")).json).toBeNull();
    expect((await client.get("/")).json).toEqual([1, true]);
  });

  test("without a callback are waited for by the response", async () => {
    const client = await start(ours, options(), (app) => {
      app.get("/", (request: Any, response) => {
        const before = request.session;
        const isSame = request.session.regenerate() === before;
        request.session.n = 1;
        request.session.save();
        response.json([isSame, request.session !== before]);
      });
      app.get("/n", (request: Any, response) => response.json(request.session.n ?? null));
      app.get("/end", (request: Any, response) => {
        request.session.destroy();
        response.json(request.session ?? null);
      });
    });
    expect((await client.get("/")).json).toEqual([true, true]);
    expect((await client.get("/n")).json).toBe(1);
    await client.get("/end");
    expect((await client.get("/n")).json).toBeNull();
  });

  test("are no promises, not enumerable and not in JSON", async () => {
    const client = await start(ours, options(), (app) => {
      app.get("/", async (request: Any, response) => {
        const session = await (async () => request.session)();
        session.a = 1;
        const names = [];
        for (const key in session) names.push(key);
        response.json({
          same: session === request.session,
          isPromise: "then" in session,
          names: names.sort(),
          spread: Object.keys({ ...session }).sort(),
          json: Object.keys(JSON.parse(JSON.stringify(session))).sort(),
        });
      });
    });
    expect((await client.get("/")).json).toEqual({
      same: true,
      isPromise: false,
      names: ["a", "cookie"],
      spread: ["a", "cookie"],
      json: ["a", "cookie"],
    });
  });

  test("what a callback throws is no failed save", async () => {
    const thrown = new Promise((resolve) => {
      const listeners = process.listeners("uncaughtException");
      process.removeAllListeners("uncaughtException");
      process.once("uncaughtException", resolve);
      onTestFinished(() => {
        for (const listener of listeners) process.on("uncaughtException", listener);
      });
    });
    const calls: unknown[] = [];
    const client = await start(ours, options(), (app) => {
      app.get("/", (request: Any, response) => {
        request.session.a = 1;
        request.session.save((error: unknown) => {
          calls.push(error ?? null);
          response.send("ok");
          throw new Error("of the callback");
        });
      });
    });
    await client.get("/");
    expect(await thrown).toMatchObject({ message: "of the callback" });
    expect(calls).toEqual([null]);
  });

  test("show no credential when they are looked at", async () => {
    let shown = "";
    const client = await start(ours, options(), (app) => {
      app.get("/", (request: Any, response) => {
        request.session.a = 1;
        shown = inspect(request.session, { depth: 9, showHidden: false });
        response.send(request.sessionID);
      });
    });
    const { text, setCookie } = await client.get("/");
    expect(shown).toContain("a: 1");
    expect(shown).not.toContain(text);
    const value = decodeURIComponent(/=([^;]+)/.exec(setCookie[0] ?? "")?.[1] ?? "");
    expect(shown).not.toContain(value);
  });

  test("a request has psession's own session, where a psession store keeps it", async () => {
    const client = await start(ours, options(), (app) => {
      app.get("/", (request: Any, response) => response.json(typeof psessionOf(request).psession.revokeUser));
    });
    const answer = await client.get("/");
    if (name === "a psession store") expect(answer.json).toBe("function");
    else expect(answer.json.message).toContain("psession store");
  });
});
