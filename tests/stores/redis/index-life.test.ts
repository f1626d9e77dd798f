/** An index of a user is there as long as any row that it leads to, whatever clocks say, or nobody could end that row. */

import { Cluster as IoCluster, Redis as IoRedis } from "ioredis";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Store } from "../../../src/index.ts";
import { shardKeyOf } from "../../../src/protocol/secrets.ts";
import { revoke } from "../../../src/stores/changes.ts";
import { type IoRedisClient, redisStore } from "../../../src/stores/redis/index.ts";
import type { Change, RememberedRow, SessionRow } from "../../../src/stores/store.ts";
import { digestOf, rememberedRow, sessionRow, T0 } from "../../../src/testing/rows.ts";
import { TestBrowser, testApp } from "../../support/app.ts";
import { DAY, HOUR, MINUTE, TestClock } from "../../support/clock.ts";
import { isRedisMissing, startRedis, startRedisCluster } from "../../support/servers/redis.ts";
import { newPrefix } from "./fixtures.ts";

const isMissing = await isRedisMissing("the tests of how long indexes live in Redis");

interface Place {
  readonly redis: IoRedis | IoCluster;
  close(): Promise<void>;
}

const single = async (): Promise<Place> => {
  const server = await startRedis();
  const redis = new IoRedis(server.url);
  const close = () => {
    redis.disconnect();
    return server.stop();
  };
  return { redis, close };
};

const clustered = async (): Promise<Place> => {
  const cluster = await startRedisCluster();
  const redis = new IoCluster(cluster.ports.map((port) => ({ host: "127.0.0.1", port })));
  redis.on("error", () => {});
  const close = () => {
    redis.disconnect();
    return cluster.stop();
  };
  return { redis, close };
};

for (const [where, open] of Object.entries({ "a single server": single, "a cluster": clustered })) {
  describe.skipIf(isMissing)(`how long indexes live in Redis, ${where}`, () => {
    let place: Place;
    let prefix: string;
    let store: Store;
    let sent: number;
    beforeAll(async () => {
      place = await open();
    });
    afterAll(() => place?.close());
    beforeEach(() => {
      prefix = newPrefix();
      sent = 0;
      const { redis } = place;
      const client: IoRedisClient = {
        isCluster: redis instanceof IoCluster,
        call: (name, ...args) => {
          sent++;
          return redis.call(name, ...args);
        },
      };
      store = redisStore({ client, prefix });
    });

    const expiry = async (key: string) => Number(await place.redis.call("PEXPIRETIME", `${prefix}${key}`));
    const rowExpiry = (kind: "s" | "l", id: string) => expiry(`{${shardKeyOf(id)}}${kind}:${id}`);
    const ending = { reason: "revoked", at: T0, pruneAfter: T0 } as const;

    interface Rows {
      readonly session: SessionRow;
      readonly login: RememberedRow;
    }
    /** What sets how long rows are kept; far beyond what anybody said when they were made. */
    const LATE = T0 + 1000 * DAY;
    const done = async (change: Change) => expect(await store.apply(change)).toMatchObject({ done: true });
    const use = (login: RememberedRow) => ({
      id: login.id,
      lastUsedAt: T0 + 1,
      idleDeadline: LATE,
      pruneAfter: LATE,
      confirm: undefined,
    });
    const rotation = (login: RememberedRow) => ({
      id: login.id,
      generation: 0,
      set: {
        token: digestOf("next"),
        previous: login.token,
        superseded: undefined,
        supersededAt: undefined,
        salt: login.salt,
        keyId: "key",
        rotatedAt: T0,
        lastUsedAt: T0,
        idleDeadline: LATE,
        pruneAfter: LATE,
      },
    });
    const update = (
      session: SessionRow,
      set: Pick<Partial<SessionRow>, "pruneAfter" | "absoluteDeadline"> = {},
    ) => ({
      id: session.id,
      version: 1,
      owner: "ada",
      set,
    });
    const seen = (session: SessionRow) => ({ sessionId: session.id, lastSeenAt: T0, idleDeadline: T0 });
    const WAYS: Readonly<Record<string, (rows: Rows) => Promise<unknown>>> = {
      "a use of the session": ({ session }) =>
        store.touch([{ ...seen(session), pruneAfter: LATE, remembered: undefined }]),
      "a use of the login": ({ session, login }) =>
        store.touch([{ ...seen(session), pruneAfter: T0, remembered: use(login) }]),
      "a save": ({ session }) => done({ kind: "save", update: update(session, { pruneAfter: LATE }) }),
      "a save that lives longer": ({ session }) =>
        done({ kind: "save", update: update(session, { absoluteDeadline: LATE }) }),
      "a save with a use": ({ session, login }) =>
        done({ kind: "save", update: update(session), use: use(login) }),
      "a save with a rotation": ({ session, login }) =>
        done({ kind: "restore", update: update(session), rotate: rotation(login) }),
      "a rotation by itself": ({ login }) => done({ kind: "restore", rotate: rotation(login) }),
      "another user": ({ session }) =>
        done({
          kind: "signIn",
          update: { ...update(session), set: { userId: "bob", pruneAfter: LATE, absoluteDeadline: T0 } },
        }),
    };

    test.each(Object.entries(WAYS))(
      "%s that keeps a row for longer keeps its indexes",
      async (_, prolong) => {
        const login = rememberedRow({
          userId: "ada",
          tag: "tv",
          pruneAfter: T0 + DAY,
          absoluteDeadline: T0 + DAY,
        });
        const session = sessionRow({ rememberedId: login.id, userId: "ada", level: "login", tag: "tv" });
        await done({ kind: "signIn", remember: login, insert: session });
        await prolong({ session, login });
        const { userId } = (await store.findSession(session.id)) ?? {};
        const rows = [await rowExpiry("s", session.id), await rowExpiry("l", login.id)];
        const latest = Math.max(...rows);
        expect(await expiry(`u:s${userId}`)).toBeGreaterThanOrEqual(
          userId === "ada" ? latest : (rows[0] ?? Number.NaN),
        );
        expect(await expiry(`tag:4:s${userId}:tv`)).toBeGreaterThanOrEqual(
          userId === "ada" ? latest : (rows[0] ?? Number.NaN),
        );
      },
    );

    test.each<[string, () => Change]>([
      [
        "a session",
        () => ({ kind: "signIn", insert: sessionRow({ userId: "ada", level: "login", pruneAfter: LATE }) }),
      ],
      ["a login", () => ({ kind: "signIn", remember: rememberedRow({ pruneAfter: LATE }) })],
    ])("%s that is kept long from the start", async (_, change) => {
      await done(change());
      expect(await expiry("u:sada")).toBeGreaterThanOrEqual(LATE);
    });

    test("a session that lives by its process's clock, and is long over by the server's, is ended by its user", async () => {
      const now = Date.now() - 3 * DAY;
      const session = sessionRow({
        userId: "ada",
        level: "login",
        createdAt: now,
        lastSeenAt: now,
        idleDeadline: now + HOUR,
        absoluteDeadline: now + HOUR,
        pruneAfter: now + 30 * DAY,
      });
      await done({ kind: "signIn", insert: session });
      expect(await store.findSession(session.id)).toBeDefined();
      expect(await store.list("ada")).toHaveLength(1);
      expect(await revoke(store, { userId: "ada", ...ending })).toHaveLength(1);
      expect(await store.findSession(session.id)).toBeUndefined();
    });

    test("a browser that comes every day for a year is always listed, and by a clock that is days behind, too", async () => {
      for (const behind of [0, 5 * DAY]) {
        const clock = new TestClock(Date.now() - behind);
        const user = `ada${behind}`;
        const app = testApp({ store, clock });
        const browser = new TestBrowser(app);
        await browser.visit((session) => session.login(user, { remember: true }));
        for (let day = 0; day < 365; day++) {
          clock.advance(20 * HOUR + day * MINUTE);
          const { session } = await browser.visit();
          if (!session.isSignedIn) await browser.visit((again) => again.login(user, { remember: true }));
          const [row] = await store.list(user);
          expect(row, `day ${day}`).toBeDefined();
          const rows = [row?.session?.pruneAfter ?? 0, row?.login?.pruneAfter ?? 0];
          expect(await expiry(`u:s${user}`), `day ${day}`).toBeGreaterThanOrEqual(Math.max(...rows));
        }
        expect(await app.psession.revokeUser(user)).toBe(1);
      }
    }, 60_000);

    describe("what leads to a tombstone", () => {
      const tombstone = async () => {
        const { id } = await signedIn();
        await revoke(store, { handle: id, ...ending, pruneAfter: T0 + 900 * DAY });
        // Nobody who is signing in has just written it: that is an hour ago.
        await place.redis.call("ZADD", `${prefix}u:sada`, "XX", "1", `l:${id}`);
        return id;
      };
      const signedIn = async () => {
        const login = rememberedRow({ userId: "ada", pruneAfter: LATE, absoluteDeadline: LATE });
        await done({ kind: "signIn", remember: login });
        return login;
      };
      const isIn = async (index: string, id: string) =>
        (await place.redis.call("ZSCORE", `${prefix}${index}`, `l:${id}`)) !== null;

      test("goes where only an erasure looks, which it then finds as long as there is one", async () => {
        const id = await tombstone();
        const other = await signedIn();
        expect(await store.list("ada")).toHaveLength(1);
        expect(await isIn("u:sada", id)).toBe(false);
        expect(await isIn("u:sada", other.id)).toBe(true);
        expect(await isIn("also:sada", id)).toBe(true);
        expect(await isIn("also:sada", other.id)).toBe(false);
        expect(await expiry("also:sada")).toBeGreaterThanOrEqual(await rowExpiry("l", id));
      });

      test("stays where it is as long as something else is in that place", async () => {
        const id = await tombstone();
        await place.redis.call("SET", `${prefix}also:sada`, "not an index");
        expect(await store.list("ada")).toEqual([]);
        expect(await isIn("u:sada", id)).toBe(true);
        await place.redis.call("DEL", `${prefix}also:sada`);
        expect((await store.rowsOf("ada")).logins).toMatchObject([{ id }]);
      });
    });

    test("what names a user besides and is gone is taken out in the long run", async () => {
      const key = `${prefix}also:sada`;
      for (let count = 0; count < 200; count++) {
        const session = sessionRow({ pendingUserId: "ada", pending: "4000000000002;4000000000001;1;" });
        await done({ kind: "signIn", insert: session });
        await place.redis.call("ZADD", key, "XX", "1", `s:${session.id}`);
        await place.redis.call("DEL", `${prefix}{${shardKeyOf(session.id)}}s:${session.id}`);
      }
      expect(Number(await place.redis.call("ZCARD", key))).toBeLessThan(120);
    });

    test("options that are raised in a deploy keep signed-in users within reach", async () => {
      const clock = new TestClock(Date.now() + 1000 * DAY);
      const before = testApp({ store, clock, session: { idle: "1h", absolute: "1d" } });
      const browser = new TestBrowser(before);
      await browser.visit((session) => session.login("ada"));
      const after = testApp({ store, clock, session: { idle: "400d", absolute: "800d" } });
      clock.advance(30 * MINUTE);
      const moved = new TestBrowser(after);
      Object.assign(moved.jar, browser.jar);
      await moved.visit();
      const [entry] = await store.list("ada");
      expect(await expiry("u:sada")).toBeGreaterThanOrEqual(await rowExpiry("s", entry?.session?.id ?? ""));
    });

    test("uses within what was said when a session was made are one command each", async () => {
      const login = rememberedRow({ userId: "ada" });
      const session = sessionRow({ rememberedId: login.id, userId: "ada", level: "login" });
      await done({ kind: "signIn", remember: login, insert: session });
      const touch = (at: number) =>
        store.touch([
          {
            sessionId: session.id,
            lastSeenAt: at,
            idleDeadline: at + DAY,
            pruneAfter: at + 3 * DAY,
            remembered: { ...use(login), lastUsedAt: at, pruneAfter: at + 31 * DAY },
          },
        ]);
      await touch(T0);
      sent = 0;
      for (let hours = 1; hours <= 48; hours++) await touch(T0 + hours * HOUR);
      expect(sent).toBe(48);
    });
  });
}
