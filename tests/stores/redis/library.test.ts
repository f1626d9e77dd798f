import { fork } from "node:child_process";
import { once } from "node:events";
import { Redis as IoRedis } from "ioredis";
import { createClient } from "redis";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { newSiblingId } from "../../../src/protocol/secrets.ts";
import { revoke } from "../../../src/stores/changes.ts";
import { locksOf } from "../../../src/stores/locks.ts";
import { type IoRedisClient, redisStore } from "../../../src/stores/redis/index.ts";
import { plain, rememberedRow, sessionRow, T0 } from "../../../src/testing/rows.ts";
import { claimPrune } from "../../../src/upkeep/prune.ts";
import { TestBrowser, testApp } from "../../support/app.ts";
import { DAY, HOUR, MINUTE } from "../../support/clock.ts";
import { isRedisMissing, redisUrl } from "../../support/servers/redis.ts";
import { deleteKeys, keysOf, newPrefix, onServer } from "./fixtures.ts";

const isMissing = await isRedisMissing("the tests of psession on Redis");

describe.skipIf(isMissing)("psession on redis", () => {
  const url = redisUrl();
  let redis: IoRedis;
  let prefix: string;
  let commands: string[];
  /** The client, with the names of its commands noted. */
  const noting = (): IoRedisClient => ({
    call: (command, ...args) => {
      commands.push(command);
      return redis.call(command, ...args);
    },
  });
  const newStore = () => redisStore({ client: noting(), prefix });

  beforeAll(() => {
    redis = new IoRedis(url);
  });
  afterAll(() => redis?.disconnect());
  beforeEach(() => {
    prefix = newPrefix();
    commands = [];
    return () => deleteKeys(url, prefix);
  });

  const signedIn = async () => {
    const app = testApp({ store: newStore() });
    const browser = new TestBrowser(app);
    await browser.visit(async (session) => {
      await session.login("ada", { remember: true });
      session.set("cart", ["tea"]);
    });
    return { app, browser };
  };
  const comingBack = async () => {
    const { app, browser } = await signedIn();
    browser.restart();
    app.clock.advance(HOUR);
    return { app, browser };
  };

  test("fifty parallel requests of a browser that comes back: one rotation, one session row", async () => {
    const { app, browser } = await comingBack();
    const jar = browser.copyJar();
    const visits = await Promise.all(
      Array.from({ length: 50 }, () => browser.visit(({ data }) => data.cart, { jar })),
    );
    for (const { session, result } of visits) {
      expect(session).toMatchObject({ userId: "ada", isPersistent: true });
      expect(result).toEqual(["tea"]);
    }
    expect(app.told().filter((type) => type === "restored")).toHaveLength(1);
    expect(app.told()).not.toContain("theft");
    expect((await keysOf(url, prefix)).filter((key) => key.includes("}s:"))).toHaveLength(1);
    expect((await browser.visit()).session.userId).toBe("ada");
  });

  test("two processes that restore the same login at once rotate it once", async () => {
    const { app, browser } = await comingBack();
    const values = [url, prefix, String(app.clock.now()), JSON.stringify([...browser.jar])];
    const outputs = await Promise.all(
      Array.from({ length: 2 }, async () => {
        const child = fork(new URL("./worker.ts", import.meta.url), values, {
          stdio: ["ignore", "pipe", "inherit", "ipc"],
        });
        let text = "";
        child.stdout?.on("data", (chunk) => {
          text += chunk;
        });
        await once(child, "close");
        return JSON.parse(text) as { users: string[]; restored: number };
      }),
    );
    expect(outputs.flatMap(({ users }) => users)).toEqual(Array.from({ length: 50 }, () => "ada"));
    expect(outputs.reduce((sum, { restored }) => sum + restored, 0)).toBe(1);
    expect(await app.psession.devices("ada")).toHaveLength(1);
  });

  test("a thief's old token ends the login, once, and every device of the user where that is wanted", async () => {
    const app = testApp({ store: newStore(), remember: { onTheft: "user" } });
    const [browser, phone] = [new TestBrowser(app), new TestBrowser(app)];
    await phone.visit((session) => session.login("ada", { remember: true }));
    await browser.visit((session) => session.login("ada", { remember: true }));
    const stolen = browser.copyJar();
    for (let visit = 0; visit < 3; visit++) {
      browser.restart();
      app.clock.advance(HOUR);
      await browser.visit();
    }
    for (const name of stolen.keys()) if (!name.endsWith("remember")) stolen.delete(name);
    await new TestBrowser(app).visit(undefined, { jar: stolen });
    expect(app.events.find(({ type }) => type === "theft")).toMatchObject({ endedLogins: 2 });
    expect((await phone.visit()).session.isSignedIn).toBe(false);
    expect((await browser.visit()).session.isSignedIn).toBe(false);
  });

  describe("what requests cost", () => {
    const cost = async (work: () => Promise<unknown>) => {
      commands.length = 0;
      await work();
      return [...commands];
    };

    test("nothing without a cookie, one command to read, two to change", async () => {
      const { browser } = await signedIn();
      expect(await cost(() => browser.visit(undefined, { jar: new Map() }))).toEqual([]);
      expect(await cost(() => browser.visit())).toEqual(["GET"]);
      expect(await cost(() => browser.visit((session) => session.set("count", 1)))).toEqual([
        "GET",
        "EVALSHA",
      ]);
    });

    test("a restore is two round trips", async () => {
      const { browser } = await comingBack();
      await comingBack();
      expect(await cost(() => browser.visit())).toEqual(["EVALSHA", "EVALSHA"]);
    });

    test("reads of one tick are one command", async () => {
      const { app } = await signedIn();
      const browsers = await Promise.all(
        Array.from({ length: 20 }, async () => {
          const browser = new TestBrowser(app);
          await browser.visit((session) => session.set("count", 1));
          return browser;
        }),
      );
      expect(await cost(() => Promise.all(browsers.map((browser) => browser.visit())))).toEqual(["MGET"]);
    });

    test("touches of one tick are one command", async () => {
      const store = newStore();
      const rows = Array.from({ length: 20 }, () => sessionRow());
      for (const row of rows) await store.apply({ kind: "signIn", insert: row });
      const seen = {
        lastSeenAt: T0 + 1,
        idleDeadline: T0 + DAY,
        pruneAfter: T0 + DAY,
        remembered: undefined,
      };
      await store.touch([{ sessionId: rows[0]?.id ?? "", ...seen }]);
      const touch = () => Promise.all(rows.map(({ id }) => store.touch([{ sessionId: id, ...seen }])));
      expect(await cost(touch)).toEqual(["EVALSHA"]);
      for (const { id } of rows) expect((await store.findSession(id))?.lastSeenAt).toBe(T0 + 1);
    });

    test("each reader has a copy of its own", async () => {
      const store = newStore();
      const row = sessionRow();
      await store.apply({ kind: "signIn", insert: row });
      const [one, other] = await Promise.all([store.findSession(row.id), store.findSession(row.id)]);
      one?.secret.fill(0);
      expect(plain(other)).toEqual(plain(row));
    });
  });

  describe("expiry", () => {
    const expiries = async () => {
      const found: Record<string, number> = {};
      for (const key of await keysOf(url, prefix)) {
        const kind = key.slice(prefix.length).replace(/^\{.*\}/, "")[0] ?? "";
        found[kind] = Number(await redis.call("PEXPIRETIME", key));
      }
      return found;
    };

    test("every row expires at its time, whatever was written to it last", async () => {
      const store = newStore();
      const login = rememberedRow();
      const session = sessionRow({ rememberedId: login.id, userId: "ada", level: "login" });
      await store.apply({ kind: "signIn", remember: login, insert: session });
      expect(await expiries()).toMatchObject({ s: session.pruneAfter, l: login.pruneAfter });

      const use = { id: login.id, lastUsedAt: T0, idleDeadline: T0, pruneAfter: T0 + 2, confirm: undefined };
      const later = session.pruneAfter + 1;
      const seen = { lastSeenAt: T0, idleDeadline: undefined, pruneAfter: later, remembered: use };
      await store.touch([{ sessionId: session.id, ...seen }]);
      expect(await expiries()).toMatchObject({ s: later, l: T0 + 2 });

      await store.apply({ kind: "save", update: { id: session.id, version: 1, set: { data: '{"a":1}' } } });
      expect(await expiries()).toMatchObject({ s: later });
      await store.apply({
        kind: "save",
        update: { id: session.id, version: 2, set: { pruneAfter: T0 + 5 } },
      });
      expect(await expiries()).toMatchObject({ s: T0 + 5 });
      await revoke(store, { handle: login.id, reason: "revoked", at: T0, pruneAfter: T0 + 9 });
      expect(await expiries()).toMatchObject({ l: T0 + 9 });
    });

    test("nothing stays for ever: not the index of a user, not locks, not the turn to prune", async () => {
      const store = newStore();
      const session = sessionRow({ userId: "ada", level: "login", absoluteDeadline: T0 + DAY });
      await store.apply({ kind: "signIn", insert: session });
      await locksOf(store).acquire({ name: "a", owner: "b", now: T0, until: T0 + 1000 });
      await locksOf(store).release("a", "b");
      await claimPrune(store, T0, 1000);
      for (const [kind, at] of Object.entries(await expiries())) expect(at, kind).toBeGreaterThan(0);
      expect(await expiries()).toMatchObject({ u: T0 + 5 * DAY });
      await store.apply({
        kind: "save",
        update: { id: session.id, version: 1, set: { absoluteDeadline: T0 + 5 * DAY } },
      });
      expect(await expiries(), "longer, where a session lives longer").toMatchObject({ u: T0 + 9 * DAY });
      await store.apply({
        kind: "signIn",
        insert: sessionRow({ userId: "ada", level: "login", absoluteDeadline: T0 }),
      });
      expect(await expiries(), "and never shorter").toMatchObject({ u: T0 + 9 * DAY });
    });

    test("a row whose time lies in the past expires at once", async () => {
      const store = newStore();
      const row = sessionRow({ pruneAfter: 1_000_000_000_000 });
      expect(await store.apply({ kind: "signIn", insert: row })).toMatchObject({ done: true });
      expect(await store.findSession(row.id)).toBeUndefined();
    });

    test("a login that expires before its session takes nothing along, and its session is still found", async () => {
      const store = newStore();
      const login = rememberedRow();
      const session = sessionRow({ rememberedId: login.id, userId: "ada", level: "login" });
      await store.apply({ kind: "signIn", remember: login, insert: session });
      const use = { id: login.id, lastUsedAt: T0, idleDeadline: T0, pruneAfter: 1000, confirm: undefined };
      await store.touch([
        { sessionId: session.id, lastSeenAt: T0, idleDeadline: T0, pruneAfter: T0, remembered: use },
      ]);
      expect(await store.findRemembered(login.id)).toBeUndefined();
      expect(await store.list("ada")).toMatchObject([{ session: { id: session.id }, login: undefined }]);
      expect(await revoke(store, { userId: "ada", reason: "revoked", at: T0, pruneAfter: T0 })).toHaveLength(
        1,
      );
      expect(await store.findSession(session.id)).toBeUndefined();
    });
  });

  describe("rows that an attacker or a race may bring about", () => {
    test("two logins that share a tag by accident do not see each other", async () => {
      const store = newStore();
      const one = rememberedRow({ userId: "ada" });
      const other = rememberedRow({ id: newSiblingId(one.id), userId: "bob" });
      const sessions = [one, other].map((login) =>
        sessionRow({ rememberedId: login.id, userId: login.userId, level: "login" }),
      );
      await store.apply({ kind: "signIn", remember: one, insert: sessions[0] });
      await store.apply({ kind: "signIn", remember: other, insert: sessions[1] });
      expect((await store.findRemembered(one.id))?.session?.id).toBe(sessions[0]?.id);
      expect(await revoke(store, { userId: "ada", reason: "revoked", at: T0, pruneAfter: T0 })).toHaveLength(
        1,
      );
      expect((await store.findRemembered(other.id))?.login.revokedAt).toBeUndefined();
      expect((await store.findRemembered(other.id))?.session?.id).toBe(sessions[1]?.id);
    });

    test("a session that moved to another login is no longer the first one's", async () => {
      const store = newStore();
      const first = rememberedRow();
      const session = sessionRow({ rememberedId: first.id, userId: "ada", level: "login" });
      const second = rememberedRow({ id: newSiblingId(session.id) });
      await store.apply({ kind: "signIn", remember: first, insert: session });
      const update = { id: session.id, version: 1, set: { rememberedId: second.id } };
      expect(await store.apply({ kind: "signIn", remember: second, update })).toMatchObject({ done: true });
      expect((await store.findRemembered(first.id))?.session).toBeUndefined();
      expect(await store.list("ada")).toHaveLength(2);
      await revoke(store, { handle: first.id, reason: "revoked", at: T0, pruneAfter: T0 + 1 });
      expect((await store.findRemembered(second.id))?.session?.id).toBe(session.id);
    });

    test("a session whose user changed is only the new one's", async () => {
      const store = newStore();
      const session = sessionRow({ userId: "ada", level: "login" });
      await store.apply({ kind: "signIn", insert: session });
      await store.apply({ kind: "signIn", update: { id: session.id, version: 1, set: { userId: "bob" } } });
      expect(await store.list("ada")).toEqual([]);
      expect(await revoke(store, { userId: "ada", reason: "revoked", at: T0, pruneAfter: T0 })).toEqual([]);
      expect(await store.list("bob")).toHaveLength(1);
      expect(await redis.call("ZCARD", `${prefix}u:sada`)).toBe(0);
      await store.apply({ kind: "signIn", update: { id: session.id, version: 2, set: { userId: "ada" } } });
      expect(await store.list("ada")).toHaveLength(1);
    });

    test("the largest numbers, and users that look alike, are kept apart", async () => {
      const store = newStore();
      const [big, less] = [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER - 1];
      for (const userId of [big, less, -big, String(big), "n1", "s1", 1, "a}b{c", "é:*"]) {
        const login = rememberedRow({ userId, generation: big - 1 });
        await store.apply({ kind: "signIn", remember: login });
        expect(await store.list(userId)).toMatchObject([{ login: { id: login.id, userId } }]);
        await revoke(store, { handle: login.id, reason: "revoked", at: T0, pruneAfter: T0 });
        expect((await store.findRemembered(login.id))?.login.generation).toBe(big);
      }
    });

    test("text that is no proper Unicode does not break scripts, and times may have fractions", async () => {
      const store = newStore();
      const row = sessionRow({ userAgent: "a\ud800b\u0000\n", lastSeenAt: T0 + 0.5, pruneAfter: T0 + 0.5 });
      await store.apply({ kind: "signIn", insert: row });
      await store.apply({ kind: "save", update: { id: row.id, version: 1, set: { data: "\n{}\n" } } });
      await store.apply({
        kind: "save",
        update: { id: row.id, version: 2, set: { address: "2001:db8::1" } },
      });
      expect(await store.findSession(row.id)).toMatchObject({
        userAgent: "a\ufffdb\u0000\n",
        lastSeenAt: T0 + 0.5,
        data: "\n{}\n",
      });
    });

    test("a session and a login that are no siblings are refused, as in a cluster no script reaches both", async () => {
      const store = newStore();
      const change = { kind: "signIn", remember: rememberedRow(), insert: sessionRow() } as const;
      await expect(store.apply(change)).rejects.toThrow("same six characters");
    });
  });

  test("stale handles go from a user's index, also where list is never called", async () => {
    const store = newStore();
    for (let visit = 0; visit < 100; visit++) {
      const row = sessionRow({ userId: "ada", level: "login" });
      await store.apply({ kind: "signIn", insert: row });
      await store.apply({
        kind: "signIn",
        insert: sessionRow(),
        end: [{ session: { id: row.id, userId: "ada" }, reason: "logout", at: T0, pruneAfter: T0 }],
      });
    }
    const count = Number(await redis.call("ZCARD", `${prefix}u:sada`));
    expect(count).toBeLessThanOrEqual(48);
    await store.list("ada");
    expect(await redis.call("ZCARD", `${prefix}u:sada`)).toBe(0);
  });

  test("servers that forgot the scripts get them again", async () => {
    const { browser } = await comingBack();
    await redis.call("SCRIPT", "FLUSH");
    commands.length = 0;
    expect((await browser.visit()).session.userId).toBe("ada");
    expect(commands).toEqual(["EVALSHA", "EVAL", "EVALSHA", "EVAL"]);
  });

  test("a call that a driver sends twice is done once", async () => {
    const client: IoRedisClient = {
      call: async (...args) => {
        await redis.call(...args);
        return redis.call(...args);
      },
    };
    const store = redisStore({ client, prefix });
    const login = rememberedRow({ userId: "bob" });
    const session = sessionRow({ rememberedId: login.id });
    expect(await store.apply({ kind: "signIn", remember: login, insert: session })).toMatchObject({
      done: true,
    });
    const update = { id: session.id, version: 1, set: { data: "{}" } };
    expect(await store.apply({ kind: "save", update })).toMatchObject({ done: true });
    expect(await store.apply({ kind: "save", update })).toMatchObject({ done: false, conflict: "stale" });
    expect((await store.findSession(session.id))?.version).toBe(2);
    expect(await locksOf(store).acquire({ name: "a", owner: "b", now: T0, until: T0 + 9 })).toBe(T0);
    const app = testApp({ store });
    const browser = new TestBrowser(app);
    await browser.visit((session) => session.set("count", 1));
    await browser.visit((session) => session.login("ada", { remember: true }));
    browser.restart();
    app.clock.advance(MINUTE);
    expect((await browser.visit()).session.outcome).toBe("accepted");
    expect(await app.psession.devices("ada")).toHaveLength(1);
  });

  test("a key prefix of the driver itself, on top of psession's, changes nothing", async () => {
    const prefixed = new IoRedis(url, { keyPrefix: prefix });
    const store = redisStore({ client: prefixed, prefix: "own:" });
    const login = rememberedRow();
    const session = sessionRow({ rememberedId: login.id, userId: "ada", level: "login" });
    await store.apply({ kind: "signIn", remember: login, insert: session });
    expect((await store.findRemembered(login.id))?.session?.id).toBe(session.id);
    expect(plain(await store.findSession(session.id))).toEqual(plain(session));
    expect(await store.list("ada")).toHaveLength(1);
    expect((await keysOf(url, prefix)).every((key) => key.startsWith(`${prefix}own:`))).toBe(true);
    expect(await revoke(store, { userId: "ada", reason: "revoked", at: T0, pruneAfter: T0 })).toHaveLength(1);
    prefixed.disconnect();
  });

  test("stores with different prefixes do not see each other", async () => {
    const [one, other] = [
      redisStore({ client: redis, prefix: `${prefix}1:` }),
      redisStore({ client: redis, prefix: `${prefix}2:` }),
    ];
    const row = sessionRow({ userId: "ada", level: "login" });
    await one.apply({ kind: "signIn", insert: row });
    expect(await other.findSession(row.id)).toBeUndefined();
    expect(await other.list("ada")).toEqual([]);
    expect(await other.apply({ kind: "signIn", insert: row })).toMatchObject({ done: true });
  });

  test("a pool, and clients that are set up to give bytes, numbers as text, or the older protocol", async () => {
    const pool = createClient({ url }).createPool({ minimum: 2, maximum: 4 });
    pool.on("error", () => {});
    await pool.connect();
    const bytes = createClient({ url, RESP: 2, commandOptions: { typeMapping: { 36: Buffer } } });
    await bytes.connect();
    const texts = new IoRedis(url, { stringNumbers: true, protocol: 2, enableAutoPipelining: true });
    for (const client of [pool, bytes, texts]) {
      const store = redisStore({ client, prefix });
      const login = rememberedRow();
      const session = sessionRow({ rememberedId: login.id, userId: "ada", level: "login", data: '{"ü":1}' });
      await store.apply({ kind: "signIn", remember: login, insert: session });
      expect(plain(await store.findSession(session.id))).toEqual(plain(session));
      expect(plain(await store.findRemembered(login.id))).toEqual(plain({ login, session }));
      expect(await claimPrune(store, T0, 1000)).toBe(true);
      expect(await claimPrune(store, T0, 1000)).toBe(false);
      expect(await revoke(store, { userId: "ada", reason: "revoked", at: T0, pruneAfter: T0 })).toHaveLength(
        1,
      );
      await deleteKeys(url, prefix);
    }
    pool.destroy();
    bytes.destroy();
    texts.disconnect();
  });

  test("what the server keeps has no secret in it", async () => {
    const { browser } = await signedIn();
    const cookies = [...browser.jar.values()].flatMap(({ value }) => value.split(".").slice(1));
    const kept = await onServer(url, async (client) => {
      const keys = await keysOf(url, prefix);
      const rows = keys.filter((key) => key.includes("}"));
      return [...keys, ...(await client.mGet(rows))].join("\n");
    });
    expect(kept).toContain("sada");
    for (const part of cookies.filter((part) => part.length > 8)) expect(kept).not.toContain(part);
  });
});
