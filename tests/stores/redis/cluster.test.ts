import { Cluster, Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { newId, shardKeyOf } from "../../../src/protocol/secrets.ts";
import { revoke } from "../../../src/stores/changes.ts";
import { listed } from "../../../src/stores/devices.ts";
import { type IoRedisClient, redisStore } from "../../../src/stores/redis/index.ts";
import type { Mark, Store } from "../../../src/stores/store.ts";
import { digestOf, plain, rememberedRow, sessionRow, T0 } from "../../../src/testing/rows.ts";
import { TestBrowser, testApp } from "../../support/app.ts";
import { DAY, HOUR } from "../../support/clock.ts";
import { isRedisMissing, type RedisCluster, startRedisCluster, until } from "../../support/servers/redis.ts";
import { type Connected, keysOf, newPrefix, viaIoCluster, viaNodeCluster } from "./fixtures.ts";

const isMissing = await isRedisMissing("the tests of psession on a Redis cluster");

const ENDING = { reason: "replaced", at: T0, pruneAfter: T0 + DAY } as const;
const HOUR_AND_MORE = 2 * HOUR;

describe.skipIf(isMissing)("psession on a redis cluster", () => {
  let cluster: RedisCluster;
  let redis: Cluster;
  let prefix: string;
  /** Every command and its key; `fails` is asked before each. */
  let commands: { name: string; key: string }[];
  let fails: (name: string, key: string) => boolean;
  const client: IoRedisClient = {
    isCluster: true,
    call: (name, ...args) => {
      const key = name === "GET" ? (args[0] ?? "") : (args[2] ?? "");
      if (fails(name, key)) return Promise.reject(new Error("connection lost"));
      commands.push({ name, key: key.slice(prefix.length) });
      return redis.call(name, ...args);
    },
  };

  beforeAll(async () => {
    cluster = await startRedisCluster();
    redis = new Cluster(cluster.ports.map((port) => ({ host: "127.0.0.1", port })));
    redis.on("error", () => {});
  });
  afterAll(async () => {
    redis?.disconnect();
    await cluster?.stop();
  });
  beforeEach(() => {
    prefix = newPrefix();
    commands = [];
    fails = () => false;
  });

  const device = (userId = "ada") => {
    const login = rememberedRow({ userId });
    return { login, session: sessionRow({ rememberedId: login.id, userId, level: "login" }) };
  };

  describe("through either driver", () => {
    const open: Connected[] = [];
    afterEach(() => {
      for (const { close } of open.splice(0)) close();
    });

    test.each(Object.entries({ ioredis: viaIoCluster, "node-redis": viaNodeCluster }))(
      "fifty parallel requests of a browser that comes back rotate once: %s",
      async (_, connect) => {
        const connected = await connect(cluster.ports);
        open.push(connected);
        const app = testApp({ store: redisStore({ client: connected.client, prefix }) });
        const browsers = Array.from({ length: 8 }, () => new TestBrowser(app));
        for (const browser of browsers) {
          await browser.visit((session) => session.login("ada", { remember: true }));
          browser.restart();
        }
        app.clock.advance(HOUR);
        for (const browser of browsers) {
          const jar = browser.copyJar();
          const visits = await Promise.all(
            Array.from({ length: 50 }, () => browser.visit(undefined, { jar })),
          );
          expect(visits.every(({ session }) => session.userId === "ada")).toBe(true);
        }
        expect(app.told().filter((type) => type === "restored")).toHaveLength(8);
        expect(app.told()).not.toContain("theft");
        const spread = await Promise.all(cluster.nodes.map(({ url }) => keysOf(url, prefix)));
        expect(spread.filter((keys) => keys.length > 0).length).toBeGreaterThan(1);
        expect(await app.psession.revokeUser("ada")).toBe(8);
        for (const browser of browsers) expect((await browser.visit()).session.isSignedIn).toBe(false);
      },
    );
  });

  test("a read is one command, a restore two", async () => {
    const app = testApp({ store: redisStore({ client, prefix }) });
    const browser = new TestBrowser(app);
    await browser.visit((session) => session.login("ada", { remember: true }));
    await browser.visit();
    browser.restart();
    app.clock.advance(HOUR);
    await browser.visit();
    browser.restart();
    app.clock.advance(HOUR);
    commands.length = 0;
    expect((await browser.visit()).session.outcome).toBe("restored");
    await browser.visit();
    expect(commands.map(({ name }) => name)).toEqual(["EVALSHA", "EVALSHA", "GET"]);
  });

  describe("what a crash in between leaves", () => {
    test("a handle that leads nowhere, never a row that the index lacks", async () => {
      const store = redisStore({ client, prefix });
      const { login, session } = device();
      fails = (_, key) => key.includes("}");
      await expect(store.apply({ kind: "signIn", remember: login, insert: session })).rejects.toMatchObject({
        code: "store_unavailable",
      });
      fails = () => false;
      expect(await redis.zcard(`${prefix}u:sada`)).toBe(2);
      expect(await store.list("ada")).toEqual([]);

      fails = (_, key) => key.includes("u:");
      await expect(store.apply({ kind: "signIn", remember: login, insert: session })).rejects.toMatchObject({
        code: "store_unavailable",
      });
      fails = () => false;
      expect(await store.findSession(session.id)).toBeUndefined();
      expect(await store.findRemembered(login.id)).toBeUndefined();
    });

    test("another user's login is ended, rather than the new one made beside it", async () => {
      const store = redisStore({ client, prefix });
      const foreign = device("bob");
      await store.apply({ kind: "signIn", remember: foreign.login, insert: foreign.session });
      const { login, session } = device();
      const end = [{ login: { id: foreign.login.id, token: digestOf("token") }, ...ENDING }];
      fails = (_, key) => key.includes(`{${shardKeyOf(login.id)}}`);
      await expect(
        store.apply({ kind: "signIn", remember: login, insert: session, end }),
      ).rejects.toMatchObject({
        code: "store_unavailable",
      });
      fails = () => false;
      expect((await store.findRemembered(foreign.login.id))?.login.revokedReason).toBe("replaced");
      expect(await store.findRemembered(login.id)).toBeUndefined();

      const other = device("bob");
      await store.apply({ kind: "signIn", remember: other.login, insert: other.session });
      fails = (_, key) => key.includes(`{${shardKeyOf(other.login.id)}}`);
      const again = { login: { id: other.login.id, token: digestOf("token") }, ...ENDING };
      await expect(
        store.apply({ kind: "signIn", remember: login, insert: session, end: [again] }),
      ).rejects.toMatchObject({
        code: "store_unavailable",
      });
      fails = () => false;
      expect(await store.findRemembered(login.id)).toBeUndefined();
    });

    test("a revocation that reached some nodes only fails, and a second one ends the rest", async () => {
      const store = redisStore({ client, prefix });
      const devices = Array.from({ length: 6 }, () => device());
      for (const { login, session } of devices)
        await store.apply({ kind: "signIn", remember: login, insert: session });
      const unreachable = shardKeyOf(devices[0]?.login.id ?? "");
      fails = (_, key) => key.includes(`{${unreachable}}`);
      await expect(revoke(store, { userId: "ada", ...ENDING })).rejects.toMatchObject({
        code: "store_unavailable",
      });
      fails = () => false;
      expect(await store.list("ada")).toHaveLength(1);
      expect(await revoke(store, { userId: "ada", ...ENDING })).toHaveLength(1);
      expect(await store.list("ada")).toEqual([]);
    });
  });

  describe("a mark that is set while a sign-in is on its way", () => {
    /** Ends ada's devices, or erases her, before the first command of the sign-in that `isDue` names. */
    const signInWith = async (
      isDue: (name: string, key: string) => boolean,
      end = (other: Store, mark: Mark): Promise<unknown> => revoke(other, { userId: "ada", mark, ...ENDING }),
    ) => {
      const mark = { name: `user ${newId()}`, at: T0, until: T0 + DAY };
      const other = redisStore({ client: redis, prefix });
      let ending: Promise<unknown> | undefined;
      const slow: IoRedisClient = {
        isCluster: true,
        call: async (name, ...args) => {
          const key = (name === "GET" ? args[0] : args[2]) ?? "";
          if (isDue(name, key.slice(prefix.length))) {
            ending ??= end(other, mark);
            await ending;
          }
          return redis.call(name, ...args);
        },
      };
      const login = rememberedRow({ userId: "ada", tag: "phone" });
      const fields = { rememberedId: login.id, userId: "ada", level: "login", tag: "phone" } as const;
      const session = sessionRow(fields);
      const result = await redisStore({ client: slow, prefix }).apply({
        kind: "signIn",
        remember: login,
        insert: session,
        proof: { marks: [mark.name, "everyone"], provedAt: T0 },
      });
      expect(ending).toBeDefined();
      expect(await other.list("ada")).toEqual([]);
      expect(await other.findSession(session.id)).toBeUndefined();
      return { result, found: await other.findRemembered(login.id) };
    };

    test("after the marks were looked at: what was made is undone", async () => {
      const { result, found } = await signInWith((name, key) => name === "EVALSHA" && key.includes("}"));
      expect(result).toEqual({ done: false, conflict: "outdated" });
      expect(found, "no browser has its token").toBeUndefined();
    });

    test("after the rows were written: the ending finds them, and the sign-in is refused", async () => {
      let looks = 0;
      const { result, found } = await signInWith((_, key) => key.startsWith("mk:user") && ++looks === 2);
      expect(result).toEqual({ done: false, conflict: "outdated" });
      expect(found, "no browser has its token").toBeUndefined();
    });

    test.each(["before its indexes", "before its rows", "after them"])(
      "of a user who is erased %s were written, no key is left",
      async (when) => {
        let looks = 0;
        const isDue: Record<string, (name: string, key: string) => boolean> = {
          "before its indexes": (name, key) => name === "EVALSHA" && key === "u:sada",
          "before its rows": (name, key) => name === "EVALSHA" && key.includes("}"),
          "after them": (_, key) => key.startsWith("mk:user") && ++looks === 2,
        };
        const erase = (other: Store, mark: Mark) => other.apply({ kind: "erase", userId: "ada", mark });
        const { result } = await signInWith(isDue[when] ?? (() => false), erase);
        expect(result).toEqual({ done: false, conflict: "outdated" });
        const keys = await Promise.all(
          cluster.ports.map((port) => keysOf(`redis://127.0.0.1:${port}`, prefix)),
        );
        expect(keys.flat().filter((key) => !key.includes("mk:"))).toEqual([]);
      },
    );
  });

  test("a session whose deadline grows keeps its place in the index of its user", async () => {
    const store = redisStore({ client, prefix });
    const session = sessionRow({ userId: "ada", level: "login", absoluteDeadline: T0 });
    await store.apply({ kind: "signIn", insert: session });
    expect(await redis.call("PEXPIRETIME", `${prefix}u:sada`)).toBe(T0 + 4 * DAY);
    const update = { id: session.id, version: 1, set: { absoluteDeadline: T0 + 9 * DAY } };
    expect(await store.apply({ kind: "save", update })).toMatchObject({ done: true });
    expect(await redis.call("PEXPIRETIME", `${prefix}u:sada`)).toBe(T0 + 13 * DAY);
    const same = { id: session.id, version: 2, set: { absoluteDeadline: T0 + 8 * DAY } };
    commands.length = 0;
    expect(await store.apply({ kind: "save", update: same })).toMatchObject({ done: true });
    expect(commands).toHaveLength(1);
  });

  test("a session that changes hands is found by its new user", async () => {
    const store = redisStore({ client, prefix });
    const session = sessionRow({ userId: "ada", level: "login" });
    await store.apply({ kind: "signIn", insert: session });
    await store.apply({ kind: "signIn", update: { id: session.id, version: 1, set: { userId: "bob" } } });
    expect(await store.list("ada")).toEqual([]);
    expect(await revoke(store, { userId: "ada", ...ENDING })).toEqual([]);
    expect(await store.list("bob")).toMatchObject([{ session: { id: session.id } }]);
  });

  test("a stale handle is removed when it is old: a young one may belong to a row that is still on its way", async () => {
    const store = redisStore({ client, prefix });
    const key = `${prefix}u:sada`;
    const now = Date.now();
    await redis.zadd(
      key,
      now,
      `s:${newId()}`,
      now - HOUR_AND_MORE,
      `s:${newId()}`,
      now - HOUR_AND_MORE,
      `l:${newId()}`,
    );
    const { login, session } = device();
    await store.apply({ kind: "signIn", remember: login, insert: session });
    await redis.zadd(key, now - HOUR_AND_MORE, `s:${session.id}`, now - HOUR_AND_MORE, `l:${login.id}`);
    expect(await store.list("ada")).toHaveLength(1);
    expect(await redis.zcard(key)).toBe(3);
    expect(plain(await store.list("ada"))).toEqual(plain([listed({ session, login })]));
  });

  test("a user who signs in and out for years does not fill the index", async () => {
    const store = redisStore({ client, prefix });
    const key = `${prefix}u:sada`;
    const old = Date.now() - HOUR_AND_MORE;
    for (let visit = 0; visit < 200; visit++) {
      const row = sessionRow({ userId: "ada", level: "login" });
      await store.apply({ kind: "signIn", insert: row });
      await revoke(store, { handle: row.id, ...ENDING });
      await redis.zadd(key, "XX", old, `s:${row.id}`);
    }
    expect(await redis.zcard(key)).toBeLessThanOrEqual(48);
  });

  test("a sign-in under a tag looks at the devices of the tag alone, however many its user has", async () => {
    const store = redisStore({ client, prefix });
    const cap = { userId: "ada", tag: "tv", max: 1, overflow: "evictOldest", ...ENDING } as const;
    const far = { userId: "ada", max: 100_000, overflow: "evictOldest", ...ENDING } as const;
    const signIn = async () => {
      const login = rememberedRow({ userId: "ada", tag: "tv" });
      const session = sessionRow({ rememberedId: login.id, userId: "ada", level: "login", tag: "tv" });
      const result = await store.apply({
        kind: "signIn",
        remember: login,
        insert: session,
        caps: [far, cap],
      });
      return { login, session, result };
    };
    const cost = async () => {
      const last = await signIn();
      commands.length = 0;
      const { login, session, result } = await signIn();
      expect(result).toEqual({
        done: true,
        ended: [
          { sessionId: last.session.id, rememberedId: last.login.id, userId: "ada", reason: ENDING.reason },
        ],
      });
      await revoke(store, { handle: session.id, ...ENDING });
      expect((await store.findRemembered(login.id))?.login.revokedReason).toBe(ENDING.reason);
      return commands.length;
    };
    await cost();
    const few = await cost();
    const others = Array.from({ length: 1000 }, () => sessionRow({ userId: "ada", level: "login" }));
    await Promise.all(others.map((insert) => store.apply({ kind: "signIn", insert })));
    // Now and then a sign-in looks at some of a long index, to tidy it up; never at all of it.
    const many = [await cost(), await cost(), await cost(), await cost()];
    expect(Math.min(...many)).toBeLessThanOrEqual(few + 2);
    expect(Math.max(...many)).toBeLessThanOrEqual(few + 64 + 10);
    expect(await store.list("ada")).toHaveLength(1000);
  });

  test("a session that is signed in on under another tag is found under that", async () => {
    const store = redisStore({ client, prefix });
    const row = sessionRow({ userId: "ada", level: "login", tag: "tv" });
    await store.apply({ kind: "signIn", insert: row });
    await store.apply({
      kind: "signIn",
      update: { id: row.id, version: 1, owner: "ada", set: { userId: "ada", tag: "radio" } },
    });
    const under = async (tag: string) => {
      const insert = sessionRow({ userId: "ada", level: "login", tag });
      const caps = [{ userId: "ada", tag, max: 1, overflow: "evictOldest", ...ENDING } as const];
      const result = await store.apply({ kind: "signIn", insert, caps });
      return result.done ? result.ended.map(({ sessionId }) => sessionId) : result;
    };
    expect(await under("tv")).toEqual([]);
    expect(await under("radio")).toEqual([row.id]);
  });

  test("a client of one node only gets an error that asks for a cluster client", async () => {
    const [node] = cluster.nodes;
    const single = new Redis(node?.port ?? 0);
    const store = redisStore({ client: single, prefix });
    const failures = await Promise.all(
      Array.from({ length: 20 }, () =>
        store
          .apply({ kind: "signIn", insert: sessionRow({ userId: "ada", level: "login" }) })
          .catch((error) => String(error)),
      ),
    );
    expect(failures).toContainEqual(expect.stringContaining("give redisStore a cluster client"));
    single.disconnect();
  });

  test("a node that is down fails its own sessions only, until it is back", async () => {
    const store = redisStore({ client, prefix, timeout: 400 });
    const rows = Array.from({ length: 12 }, () => sessionRow({ data: '{"kept":true}' }));
    for (const row of rows) await store.apply({ kind: "signIn", insert: row });
    const [node] = cluster.nodes;
    const there = new Set(
      (await keysOf(node?.url ?? "", prefix)).map((key) => key.slice(key.indexOf("}s:") + 3)),
    );
    await node?.kill();
    const results = await Promise.allSettled(rows.map(({ id }) => store.findSession(id)));
    for (const [index, result] of results.entries()) {
      if (there.has(rows[index]?.id ?? "")) {
        expect(result).toMatchObject({ status: "rejected", reason: { code: "store_unavailable" } });
      } else expect(result).toMatchObject({ status: "fulfilled", value: { id: rows[index]?.id } });
    }
    await node?.start();
    await until("every node to be back", async () => {
      const found = await Promise.allSettled(rows.map(({ id }) => store.findSession(id)));
      return found.every(({ status }) => status === "fulfilled");
    });
  });
});
