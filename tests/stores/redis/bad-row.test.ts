/** One row that is not as psession writes them: it lets nobody in, and stands in nobody else's way. */

import { Cluster as IoCluster, Redis as IoRedis } from "ioredis";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Store } from "../../../src/index.ts";
import { shardKeyOf } from "../../../src/protocol/secrets.ts";
import { newAuditId } from "../../../src/stores/audit.ts";
import { revoke } from "../../../src/stores/changes.ts";
import { redisStore } from "../../../src/stores/redis/index.ts";
import { Keys } from "../../../src/stores/redis/keys.ts";
import type { Cap } from "../../../src/stores/store.ts";
import { rememberedRow, sessionRow, T0 } from "../../../src/testing/rows.ts";
import { claimPrune } from "../../../src/upkeep/prune.ts";
import { TestBrowser, testApp } from "../../support/app.ts";
import { DAY } from "../../support/clock.ts";
import {
  isRedisMissing,
  type RedisCluster,
  type RedisServer,
  startRedis,
  startRedisCluster,
} from "../../support/servers/redis.ts";
import { keysOf, newPrefix } from "./fixtures.ts";

const isMissing = await isRedisMissing("the tests of damaged rows in Redis");

type Client = IoRedis | IoCluster;

interface Place {
  readonly client: Client;
  readonly urls: readonly string[];
  close(): Promise<void>;
}

const single = async (): Promise<Place> => {
  const server: RedisServer = await startRedis();
  const client = new IoRedis(server.url);
  return {
    client,
    urls: [server.url],
    close: async () => {
      client.disconnect();
      await server.stop();
    },
  };
};

const clustered = async (): Promise<Place> => {
  const cluster: RedisCluster = await startRedisCluster();
  const client = new IoCluster(cluster.ports.map((port) => ({ host: "127.0.0.1", port })));
  client.on("error", () => {});
  return {
    client,
    urls: cluster.nodes.map(({ url }) => url),
    close: async () => {
      client.disconnect();
      await cluster.stop();
    },
  };
};

type Harm = (client: Client, key: string) => Promise<unknown>;

/** Changes the fields of a row; undefined removes one. */
const fields =
  (changed: (head: Record<string, unknown>) => Record<string, unknown>): Harm =>
  async (client, key) => {
    const [head = "", ...data] = ((await client.get(key)) ?? "").split("\n");
    const values = JSON.parse(head);
    await client.set(key, [JSON.stringify({ ...values, ...changed(values) }), ...data].join("\n"));
  };
const instead =
  (command: string, ...args: string[]): Harm =>
  async (client, key) => {
    await client.del(key);
    await client.call(command, key, ...args);
  };
/** Of every field of a kind, as sessions and logins name theirs differently. */
const each = (names: readonly string[], value: unknown): Harm =>
  fields((head) => Object.fromEntries(names.filter((name) => name in head).map((name) => [name, value])));

const TIMES = ["id", "ab", "ls", "lu", "cr", "pr"];
/** Damage by which a row can still be told to be its user's, and of which login. */
const SLIGHT: Readonly<Record<string, Harm>> = {
  "a digest of another length": each(["se", "to"], "AA"),
  "a digest that is missing": each(["se", "to"], undefined),
  "a version that is missing": each(["ve", "ge"], undefined),
  "numbers that are none": each(["ve", "ge", ...TIMES], "x"),
  "numbers that have no end": each(["ve", "ge", ...TIMES], "inf"),
  "numbers in place of text": each(["ve", "ge", ...TIMES], 7),
  "times that are missing": each(TIMES, undefined),
  "times that are empty": each(TIMES, ""),
  "users that are none": each(["us"], "?"),
  "lists in place of text": each(["se", "to", "na", "by"], [[]]),
};
const GRAVE: Readonly<Record<string, Harm>> = {
  "text of somebody else's": instead("SET", "somebody else's"),
  "an empty text": instead("SET", ""),
  "JSON that is no row": instead("SET", '[]\n"x"'),
  "bytes that are no text": async (client, key) => client.set(key, Buffer.from([0xff, 0xfe, 0x0a, 0xff])),
  "a row that was cut off": async (client, key) =>
    client.set(key, ((await client.get(key)) ?? "").slice(0, 40)),
  "a hash": instead("HSET", "se", "x"),
  "a list": instead("RPUSH", "x"),
  "a sorted set": instead("ZADD", "1", "x"),
};

for (const [where, open] of Object.entries({ "a single server": single, "a cluster": clustered })) {
  describe.skipIf(isMissing)(`damage in Redis, ${where}`, () => {
    let place: Place;
    let client: Client;
    let prefix: string;
    let store: Store;
    beforeAll(async () => {
      place = await open();
      client = place.client;
    });
    afterAll(() => place?.close());
    beforeEach(() => {
      prefix = newPrefix();
      store = redisStore({ client, prefix });
    });

    const keyOf = (kind: "s" | "l", id: string) => `${prefix}{${shardKeyOf(id)}}${kind}:${id}`;
    const ending = { reason: "revoked", at: T0, pruneAfter: T0 + DAY } as const;
    const cap = (userId: string, max: number, over: Partial<Cap> = {}): Cap => ({
      userId,
      max,
      overflow: "evictOldest",
      ...ending,
      ...over,
    });
    /** A device whose rows are damaged, and two that are not. */
    const damaged = async (userId: string, harm: Harm) => {
      const login = rememberedRow({ userId, tag: "tv" });
      const session = sessionRow({ userId, level: "remembered", rememberedId: login.id, tag: "tv" });
      const others = [1, 2].map((later) =>
        sessionRow({ userId, level: "login", lastSeenAt: T0 + later, tag: "tv" }),
      );
      await store.apply({ kind: "signIn", remember: login, insert: session });
      for (const insert of others) await store.apply({ kind: "signIn", insert });
      await harm(client, keyOf("s", session.id));
      await harm(client, keyOf("l", login.id));
      return { login, session, others };
    };
    const misread = { code: "store_misread" };
    const idsOf = (entries: Awaited<ReturnType<Store["list"]>>) => entries.map(({ session }) => session?.id);
    /** Neither row lets anybody in. */
    const isOver = async ({ session, login }: Awaited<ReturnType<typeof damaged>>) => {
      expect(await store.findSession(session.id)).toBeUndefined();
      const raw = await client.get(keyOf("l", login.id));
      expect(raw === null || JSON.parse(raw).rv !== undefined, "the login has ended").toBe(true);
    };

    describe.each(Object.entries({ ...SLIGHT, ...GRAVE }))("%s", (name, harm) => {
      const isGrave = name in GRAVE;
      /** Of rows that name neither user nor login a device is two. */
      const COUNT = isGrave ? 4 : 3;

      test("it is an error for its own read, and not for rows that are read with it", async () => {
        const { login, session, others } = await damaged("ada", harm);
        const ids = [session.id, ...others.map(({ id }) => id)];
        const [bad, ...good] = await Promise.allSettled(ids.map((id) => store.findSession(id)));
        expect(bad).toMatchObject({ status: "rejected", reason: misread });
        expect(good).toMatchObject(others.map(({ id }) => ({ status: "fulfilled", value: { id } })));
        await expect(store.findRemembered(login.id)).rejects.toMatchObject(misread);
      });

      test("its user's devices are listed, and end together", async () => {
        const rows = await damaged("bob", harm);
        const listed = await store.list("bob");
        expect(listed).toHaveLength(COUNT);
        expect(new Set(listed.map(({ session, login }) => (session ?? login)?.userId))).toEqual(
          new Set(["bob"]),
        );
        const ended = await revoke(store, { userId: "bob", ...ending });
        expect(ended).toHaveLength(COUNT);
        expect(new Set(ended.map(({ userId }) => userId))).toEqual(new Set(["bob"]));
        expect(await store.list("bob")).toEqual([]);
        await isOver(rows);
      });

      test("all but one end, with it", async () => {
        const rows = await damaged("bob", harm);
        const [kept] = rows.others;
        await revoke(store, { userId: "bob", except: kept?.id, ...ending });
        expect(idsOf(await store.list("bob"))).toEqual([kept?.id]);
        await isOver(rows);
      });

      test("it ends by its handle, by that of its user alone, and in a change", async () => {
        const rows = await damaged("cyd", harm);
        for (const { id } of [rows.session, rows.login])
          expect(await revoke(store, { handle: id, userId: "dan", ...ending })).toEqual([]);
        let ended = 0;
        for (const { id } of [rows.session, rows.login])
          ended += (await revoke(store, { handle: id, userId: "cyd", ...ending })).length;
        expect(ended).toBe(isGrave ? 2 : 1);
        await isOver(rows);

        const again = await damaged("cyd", harm);
        for (const { id } of [again.session, again.login]) await revoke(store, { handle: id, ...ending });
        await isOver(again);

        const { login } = await damaged("cyd", harm);
        const end = [{ login: { id: login.id }, ...ending }];
        expect(await store.apply({ kind: "end", end })).toMatchObject({
          done: true,
          ended: [{ rememberedId: login.id }],
        });
      });

      test("a cap ends it before rows that work, and it does not stop a sign-in", async () => {
        const rows = await damaged("cyd", harm);
        const insert = sessionRow({ userId: "cyd", level: "login", lastSeenAt: T0 + 3 });
        expect(await store.apply({ kind: "signIn", insert, caps: [cap("cyd", 3)] })).toMatchObject({
          done: true,
        });
        const kept = [...rows.others.map(({ id }) => id), insert.id];
        expect(new Set(idsOf(await store.list("cyd")))).toEqual(new Set(kept));
        await isOver(rows);
        await damaged("cyd", harm);
        const last = sessionRow({ userId: "cyd", level: "login" });
        expect(await store.apply({ kind: "signIn", insert: last, caps: [cap("cyd", 1)] })).toMatchObject({
          done: true,
        });
        expect(idsOf(await store.list("cyd"))).toEqual([last.id]);
      });

      test("a cap of its tag ends it, too", async () => {
        const rows = await damaged("cyd", harm);
        const insert = sessionRow({ userId: "cyd", level: "login", tag: "tv" });
        const caps = [cap("cyd", 1, { tag: "tv" })];
        expect(await store.apply({ kind: "signIn", insert, caps })).toMatchObject({ done: true });
        expect(idsOf(await store.list("cyd"))).toEqual([insert.id]);
        await isOver(rows);
      });

      test("browsing, counting, and ending everyone include it", async () => {
        const rows = await damaged("dan", harm);
        const entries = [];
        let after: string | undefined;
        do {
          const page = await store.admin?.browse({ limit: 100, ...(after === undefined ? {} : { after }) });
          entries.push(...(page?.entries ?? []));
          after = page?.next;
        } while (after !== undefined);
        const ids = entries.flatMap(({ session, login }) => [session?.id, login?.id]);
        for (const { id } of [rows.session, rows.login, ...rows.others]) expect(ids).toContain(id);
        expect((await store.admin?.inspect())?.tables.map(({ rows: count }) => count)).toEqual([3, 1]);
        await revoke(store, { everyone: true, ...ending });
        expect((await store.admin?.browse({ limit: 100 }))?.entries).toEqual([]);
        await isOver(rows);
      });

      test("what was not used lately ends with it", async () => {
        const rows = await damaged("dan", harm);
        await revoke(store, { everyone: true, lastUsedBefore: T0 + 2, ...ending });
        expect(idsOf(await store.list("dan"))).toEqual([rows.others[1]?.id]);
        await isOver(rows);
      });

      test("uses of others are written with it, and its session's while only its login is damaged", async () => {
        const { session, login, others } = await damaged("eve", harm);
        const seen = { lastSeenAt: T0 + 9, idleDeadline: T0 + 99, pruneAfter: T0 + DAY };
        const remembered = {
          id: login.id,
          lastUsedAt: T0 + 9,
          idleDeadline: T0 + 99,
          pruneAfter: T0 + DAY,
          confirm: undefined,
        };
        await Promise.all([
          store.touch([{ sessionId: session.id, remembered, ...seen }]),
          ...others.map(({ id }) => store.touch([{ sessionId: id, remembered: undefined, ...seen }])),
        ]);
        for (const { id } of others)
          expect((await store.findSession(id))?.lastSeenAt, "another's").toBe(T0 + 9);
        const own = rememberedRow({ userId: "eve" });
        const row = sessionRow({ userId: "eve", level: "login", rememberedId: own.id });
        await store.apply({ kind: "signIn", remember: own, insert: row });
        await harm(client, keyOf("l", own.id));
        const use = { ...remembered, id: own.id };
        const update = { id: row.id, version: 1, owner: "eve", set: { data: '{"a":1}' } };
        expect(await store.apply({ kind: "save", update, use })).toMatchObject({ done: true });
        expect((await store.findSession(row.id))?.data).toBe('{"a":1}');
      });
    });

    test("of a damaged row there is in a list what can be read", async () => {
      const userId = "ada";
      const session = sessionRow({ userId, level: "login", name: "Kitchen", address: "192.0.2.1" });
      await store.apply({ kind: "signIn", insert: session });
      await each(["se"], undefined)(client, keyOf("s", session.id));
      const { secret: _, data: __, ...legible } = session;
      expect(await store.list(userId)).toMatchObject([{ session: legible, login: undefined }]);
      await each(["cr", "ab"], "x")(client, keyOf("s", session.id));
      const [entry] = await store.list(userId);
      expect(entry?.session).toMatchObject({ name: "Kitchen", createdAt: 0 });
      expect(new Date(entry?.session?.absoluteDeadline ?? Number.NaN).toISOString()).toMatch(/^\+275760/);
    });

    test("a damaged row that names another user is not ended as this user's", async () => {
      const session = sessionRow({ userId: "ada", level: "login" });
      await store.apply({ kind: "signIn", insert: session });
      await store.apply({
        kind: "signIn",
        update: { id: session.id, version: 1, owner: "ada", set: { userId: "bob" } },
      });
      await each(["ve", "se"], undefined)(client, keyOf("s", session.id));
      expect(await revoke(store, { userId: "ada", ...ending })).toEqual([]);
      expect(await revoke(store, { userId: "bob", ...ending })).toHaveLength(1);
    });

    test("a request, a new password and a revocation of a user with a damaged device", async () => {
      const app = testApp({ store, whenUnavailable: "anonymous" });
      const bad = new TestBrowser(app);
      const good = new TestBrowser(app);
      const rowsKeys = async () =>
        (await Promise.all(place.urls.map((url) => keysOf(url, prefix))))
          .flat()
          .filter((key) => key.includes("}"));
      await bad.visit((session) => session.login("ada", { remember: true }));
      const keys = await rowsKeys();
      await good.visit((session) => session.login("ada", { remember: true }));
      for (const key of keys) await client.set(key, "somebody else's");
      await expect(bad.visit()).rejects.toMatchObject(misread);
      expect((await app.psession.devices("ada")).length).toBeGreaterThan(0);
      await good.visit((session) => app.psession.passwordChanged("ada", { keep: session }));
      expect((await good.visit()).session.userId).toBe("ada");
      expect((await bad.visit()).session.isSignedIn).toBe(false);
      expect(await app.psession.revokeUser("ada")).toBe(1);
    });

    test("a sign-in that carries over from a session that is damaged starts without it, and says so", async () => {
      const app = testApp({ store });
      const session = sessionRow({ userId: "ada", level: "login" });
      await store.apply({ kind: "signIn", insert: session });
      await each(["se"], "AA")(client, keyOf("s", session.id));
      const browser = new TestBrowser(app);
      await browser.visit((visited) =>
        visited.login("ada", { carry: (present, previous) => ({ ...present, ...previous }) }),
      );
      expect((await browser.visit()).session.userId).toBe("ada");
      expect(app.told()).toContain("previousUnreadable");
    });

    test("an entry of the audit trail that cannot be read expires at its time, and so do the others", async () => {
      const kept = redisStore({ client, prefix, audit: true }).audit;
      const entry = {
        id: newAuditId(T0),
        at: T0,
        event: "x",
        userId: "ada",
        actorId: undefined,
        handle: "h",
      };
      await kept?.append([{ ...entry, address: undefined, detail: undefined }]);
      await client.zadd(`${prefix}audit`, 0, "0somebody else's");
      expect(await kept?.prune(T0 + DAY, 10)).toBe(2);
      expect(await client.zcard(`${prefix}audit`)).toBe(0);
      expect(await client.zcard(new Keys(prefix).auditOf("sada"))).toBe(0);
    });

    describe("an index key that holds something else", () => {
      const spoil = async (key: string) => {
        await client.del(key);
        await client.set(key, "somebody else's");
      };

      test("its user's devices are found by their rows, ended, and the index is made anew", async () => {
        const { others } = await damaged("ada", async () => {});
        await store.apply({ kind: "signIn", insert: sessionRow({ userId: "bob", level: "login" }) });
        const [kept, other] = others;
        await spoil(`${prefix}u:sada`);
        expect(await store.list("ada")).toHaveLength(3);
        expect(await client.call("PEXPIRETIME", `${prefix}u:sada`)).toBeGreaterThan(T0 + 30 * DAY);
        await spoil(`${prefix}u:sada`);
        expect(await revoke(store, { userId: "ada", except: kept?.id, ...ending })).toHaveLength(2);
        expect(idsOf(await store.list("ada"))).toEqual([kept?.id]);
        expect(await store.findSession(other?.id ?? "")).toBeUndefined();
        expect(await store.list("bob")).toHaveLength(1);
      });

      test("a sign-in fails with its key and what to do, and makes no session that it lacks", async () => {
        await damaged("ada", async () => {});
        await spoil(`${prefix}u:sada`);
        const insert = sessionRow({ userId: "ada", level: "login" });
        const told = {
          ...misread,
          message: expect.stringMatching(new RegExp(`${prefix}u:….* Do not delete it.*Listing or revoking`)),
        };
        await expect(store.apply({ kind: "signIn", insert })).rejects.toMatchObject(told);
        await expect(store.apply({ kind: "signIn", insert, caps: [cap("ada", 1)] })).rejects.toMatchObject(
          told,
        );
        expect(await store.findSession(insert.id)).toBeUndefined();
        await store.list("ada");
        expect(await store.apply({ kind: "signIn", insert })).toMatchObject({ done: true });
        expect(await store.list("ada")).toHaveLength(4);
      });

      test("that of a tag is made anew by the next sign-in under it", async () => {
        const userId = "an ada:1 ü";
        await damaged(userId, async () => {});
        const key = `${prefix}tag:${Buffer.byteLength(userId) + 1}:s${userId}:tv`;
        expect(await client.exists(key)).toBe(1);
        await spoil(key);
        const insert = sessionRow({ userId, level: "login", tag: "tv" });
        const caps = [cap(userId, 1, { tag: "tv" })];
        expect(await store.apply({ kind: "signIn", insert, caps })).toMatchObject({ done: true });
        expect(idsOf(await store.list(userId))).toEqual([insert.id]);
      });
    });

    test("keys of locks, turns and a mark that hold something else", async () => {
      await client.set(`${prefix}cap:sada`, "somebody else's");
      const insert = () => sessionRow({ userId: "ada", level: "login" });
      expect(await store.apply({ kind: "signIn", insert: insert(), caps: [cap("ada", 1)] })).toMatchObject({
        done: true,
      });
      expect(await claimPrune(store, T0, 1000)).toBe(true);
      expect(await claimPrune(store, T0, 1000)).toBe(false);
      await client.set(`${prefix}lock:psession/prune`, "x");
      await expect(claimPrune(store, T0, 1000)).rejects.toMatchObject(misread);
      const proof = { marks: ["user ada"], provedAt: T0 };
      for (const harm of [instead("SET", "x"), instead("SET", "x 1"), instead("RPUSH", "x")]) {
        await harm(client, `${prefix}mk:user ada`);
        await expect(store.apply({ kind: "signIn", insert: insert(), proof })).rejects.toMatchObject(misread);
        const mark = { name: "user ada", at: T0, until: T0 + DAY };
        await revoke(store, { userId: "ada", mark, ...ending });
        expect(await store.apply({ kind: "signIn", insert: insert(), proof })).toEqual({
          done: false,
          conflict: "outdated",
        });
      }
    });
  });
}
