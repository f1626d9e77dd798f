import { hash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { DatabaseSync } from "node:sqlite";
import mysql from "mysql2/promise";
import pg from "pg";
import { createClient } from "redis";
import { describe, expect, onTestFinished, test } from "vitest";
import { exclusive } from "../../../src/integrations/express/index.ts";
import type { SessionOptions } from "../../../src/integrations/express-session/index.ts";
import { HttpClient } from "../../support/http.ts";
import { freshDatabase, freshSchema } from "../../support/servers/fresh.ts";
import { describeWith, MYSQL, type Need, POSTGRES } from "../../support/servers/reach.ts";
import { REDIS } from "../../support/servers/redis.ts";
import { temporaryFolder } from "../../support/temp.ts";
import { type Any, type Express, NotedStore, original, ours, start } from "./sides.ts";

const require = createRequire(import.meta.url);

interface Opened {
  readonly store: Any;
  /** The ids that it holds; undefined where they cannot be looked at. */
  ids?(): Promise<string[]>;
  /** Runs the statement of the documentation that hashes all ids. */
  hashAll?(): Promise<unknown>;
}
/** Makes the store as its documentation says, with the session function it is given. */
type Open = (session: typeof ours) => Promise<Opened>;

const page = readFileSync(new URL("../../../docs/express-session.md", import.meta.url), "utf8");
const statementFor = (name: string): string => {
  const blocks = Array.from(page.matchAll(/```sql\n([\s\S]*?)```/g), ([, sql = ""]) => sql);
  return blocks.find((sql) => sql.includes(name)) ?? "";
};

const postgres: Open = async (session) => {
  const { url } = await freshSchema();
  const pool = new pg.Pool({ connectionString: url });
  onTestFinished(() => pool.end());
  await pool.query(readFileSync(require.resolve("connect-pg-simple/table.sql"), "utf8"));
  const Store = require("connect-pg-simple")(session);
  const ids = async () => (await pool.query("SELECT sid FROM session")).rows.map(({ sid }) => sid);
  return {
    store: new Store({ pool, pruneSessionInterval: false }),
    ids,
    hashAll: () => pool.query(statementFor("connect-pg-simple")),
  };
};

const mariadb: Open = async (session) => {
  const { url } = await freshDatabase();
  const pool = mysql.createPool(url);
  const Store = require("express-mysql-session")(session);
  const store = new Store({ clearExpired: false, createDatabaseTable: true }, pool);
  await store.onReady();
  onTestFinished(() => pool.end());
  const ids = async () =>
    ((await pool.query("SELECT session_id FROM sessions"))[0] as Any[]).map((row) => row.session_id);
  return { store, ids, hashAll: () => pool.query(statementFor("express-mysql-session")) };
};

const redis: Open = async () => {
  const { RedisStore } = (await import("connect-redis")) as Any;
  const client = createClient({ url: REDIS.url });
  await client.connect();
  const prefix = `test-${randomBytes(6).toString("base64url")}:`;
  const keys = async () => {
    const found: string[] = [];
    for await (const some of client.scanIterator({ MATCH: `${prefix}*`, COUNT: 1000 })) found.push(...some);
    return found;
  };
  onTestFinished(async () => {
    for (const key of await keys()) await client.unlink(key);
    client.destroy();
  });
  const ids = async () => (await keys()).map((key) => key.slice(prefix.length));
  return { store: new RedisStore({ client, prefix }), ids };
};

const memory: Open = async (session) => {
  const Store = require("memorystore")(session);
  const store = new Store({});
  return { store, ids: async () => [...store.store.keys()] };
};

const files: Open = async (session) => {
  const Store = require("session-file-store")(session);
  return { store: new Store({ path: temporaryFolder(), reapInterval: -1, retries: 0, logFn: () => {} }) };
};

/** As connect-mongo was written for years: a factory that takes the middleware and calls its base as a function. */
const factory: Open = async (session) => {
  const connect = (given: typeof ours) => {
    const { Store } = given;
    function FactoryStore(this: Any) {
      Reflect.apply(Store as Any, this, [{}]);
      this.rows = new Map<string, string>();
    }
    Object.setPrototypeOf(FactoryStore.prototype, Store.prototype);
    FactoryStore.prototype.get = function (id: string, done: Any) {
      const text = this.rows.get(id);
      setImmediate(done, null, text && JSON.parse(text));
    };
    FactoryStore.prototype.set = function (id: string, session: object, done: Any) {
      this.rows.set(id, JSON.stringify(session));
      setImmediate(() => done?.(null));
    };
    FactoryStore.prototype.destroy = function (id: string, done: Any) {
      this.rows.delete(id);
      setImmediate(() => done?.(null));
    };
    return FactoryStore;
  };
  const Store = connect(session) as Any;
  const store = new Store();
  store.emit("connect");
  return { store, ids: async () => [...store.rows.keys()] };
};

/** SQLite's stores keep a table of this shape. */
const sqlite: Open = async (session) => {
  const database = new DatabaseSync(":memory:");
  database.exec("CREATE TABLE sessions (sid TEXT PRIMARY KEY, expired INTEGER, sess TEXT)");
  class SqliteStore extends (session.Store as Any) {
    get(id: string, done: Any) {
      const row = database.prepare("SELECT sess FROM sessions WHERE sid = ?").get(id);
      done(null, row && JSON.parse(row["sess"] as string));
    }
    set(id: string, data: Any, done: Any) {
      database
        .prepare("INSERT OR REPLACE INTO sessions VALUES (?, ?, ?)")
        .run(id, null, JSON.stringify(data));
      done?.();
    }
    destroy(id: string, done: Any) {
      database.prepare("DELETE FROM sessions WHERE sid = ?").run(id);
      done?.();
    }
  }
  return {
    store: new SqliteStore(),
    ids: async () =>
      database
        .prepare("SELECT sid FROM sessions")
        .all()
        .map((row) => row["sid"] as string),
    hashAll: async () => {
      database.function("sha256", { deterministic: true }, (text) => hash("sha256", String(text), "hex"));
      database.exec(statementFor("-- SQLite"));
    },
  };
};

const STORES: [string, readonly Need[], Open][] = [
  ["connect-pg-simple", [POSTGRES], postgres],
  ["express-mysql-session", [MYSQL], mariadb],
  ["connect-redis", [REDIS], redis],
  ["memorystore", [], memory],
  ["session-file-store", [], files],
  ["a factory such as connect-mongo's", [], factory],
  ["a store over SQLite", [], sqlite],
];

const routes = (app: Express) => {
  app.get("/visit", (request: Any, response) => {
    request.session.seen = (request.session.seen ?? 0) + 1;
    response.json({ seen: request.session.seen, user: request.session.userId ?? null });
  });
  app.get("/look", (request: Any, response) => void response.json({ seen: request.session.seen ?? null }));
  app.get("/login", (request: Any, response) => {
    request.session.userId = 7;
    response.send("in");
  });
  app.get("/logout", (request: Any, response) => {
    request.session.destroy((error: Any) => response.json(error ?? null));
  });
  app.get("/new", (request: Any, response) => {
    request.session.regenerate(() => {
      request.session.again = true;
      request.session.save((error: Any) => response.json(error ?? null));
    });
  });
  app.get("/keys/:key", (request: Any, response) => {
    request.session[request.params.key] = { at: [request.params.key] };
    response.send("ok");
  });
  app.get("/reload", (request: Any, response) => {
    request.session.seen = 99;
    request.session.reload((error: Any) => response.json(error ?? request.session.seen));
  });
};

const same = (client: HttpClient) => {
  const other = new HttpClient(client.base);
  other.jar = new Map(client.jar);
  return other;
};

for (const [name, needs, open] of STORES) {
  describeWith(needs, name, () => {
    const begin = async (options: SessionOptions = {}) => {
      const opened = await open(ours);
      return { ...opened, client: await start(ours, { store: opened.store, ...options }, routes) };
    };

    test("keeps sessions, with and without a life of their own", async () => {
      for (const options of [
        {},
        { cookie: { maxAge: 60_000 } },
        { resave: true },
        { saveUninitialized: true },
      ]) {
        const { client } = await begin(options);
        await client.get("/look");
        expect((await client.get("/visit")).json.seen).toBe(1);
        expect((await client.get("/look")).json.seen).toBe(1);
        expect((await client.get("/visit")).json.seen).toBe(2);
        expect((await client.get("/reload")).json).toBe(2);
      }
    });

    test("ends what is destroyed or regenerated", async () => {
      const { client } = await begin();
      await client.get("/visit");
      const first = same(client);
      expect((await client.get("/new")).json).toBeNull();
      expect((await first.get("/look")).json.seen).toBeNull();
      expect((await client.get("/look")).status).toBe(200);
      const second = same(client);
      expect((await client.get("/logout")).json).toBeNull();
      expect((await second.get("/visit")).json.seen).toBe(1);
    });

    test("keeps the changes of parallel requests, and a new id after a sign-in", async () => {
      const { client } = await begin();
      await client.get("/visit");
      await Promise.all(Array.from({ length: 10 }, (_, index) => same(client).get(`/keys/k${index}`)));
      const planted = same(client);
      await client.get("/login");
      expect((await planted.get("/visit")).json).toEqual({ seen: 1, user: null });
      expect((await client.get("/visit")).json).toEqual({ seen: 2, user: 7 });
    });

    test("goes on with sessions that express-session began", async () => {
      const { store } = await open(original);
      const before = await start(original, { store }, routes);
      await before.get("/visit");
      const client = await start(ours, { store }, routes);
      client.jar = new Map(before.jar);
      expect((await client.get("/visit")).json.seen).toBe(2);
    });

    test("is given hashes only, and rows under raw ids are moved", async () => {
      const { store, ids } = await open(original);
      const before = await start(original, { store }, routes);
      await before.get("/visit");
      const client = await start(ours, { store, hashIds: true }, routes);
      client.jar = new Map(before.jar);
      expect((await client.get("/visit")).json.seen).toBe(2);
      expect((await client.get("/visit")).json.seen).toBe(3);
      if (ids !== undefined) expect(await ids()).toEqual([expect.stringMatching(/^sha256-[0-9a-f]{64}$/)]);
    });

    if (![postgres, mariadb, sqlite].includes(open)) return;
    test("has all its ids hashed by the statement of the documentation", async () => {
      const { store, ids = async () => [], hashAll = async () => {} } = await open(original);
      const before = await start(original, { store }, routes);
      const visitors = Array.from({ length: 5 }, () => new HttpClient(before.base));
      for (const visitor of visitors) await visitor.get("/visit");
      await hashAll();
      const hashed = await ids();
      expect(hashed).toHaveLength(5);
      for (const id of hashed) expect(id).toMatch(/^sha256-[0-9a-f]{64}$/);
      await hashAll();
      expect((await ids()).sort()).toEqual(hashed.sort());
      const { base } = await start(ours, { store, hashIds: true }, routes);
      for (const { jar } of visitors) {
        const visitor = new HttpClient(base);
        visitor.jar = new Map(jar);
        expect((await visitor.get("/visit")).json.seen).toBe(2);
      }
      expect((await ids()).sort()).toEqual(hashed.sort());
    });
  });
}

describe("sessions of another kind of store", () => {
  test("of express-session's own classes are taken as well", async () => {
    const store = new (original.MemoryStore as Any)();
    const client = await start(ours, { store }, routes);
    await client.get("/visit");
    expect((await client.get("/visit")).json.seen).toBe(2);
  });

  test("have no locks, and exclusive says so instead of letting every request in", async () => {
    const client = await start(ours, { store: new NotedStore() }, (app) => {
      routes(app);
      app.get("/alone", exclusive() as Any, (_, response) => void response.send("alone"));
    });
    await client.get("/visit");
    const answer = await client.get("/alone");
    expect([answer.status, answer.json.code]).toEqual([500, "invalid_options"]);
  });
});
