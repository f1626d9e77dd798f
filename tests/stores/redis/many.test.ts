import { Redis as IoRedis } from "ioredis";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { newSiblingId } from "../../../src/protocol/secrets.ts";
import { revoke } from "../../../src/stores/changes.ts";
import { type IoRedisClient, redisStore } from "../../../src/stores/redis/index.ts";
import type { Cap, SignInChange } from "../../../src/stores/store.ts";
import { rememberedRow, sessionRow, T0 } from "../../../src/testing/rows.ts";
import { TestBrowser, testApp } from "../../support/app.ts";
import { DAY } from "../../support/clock.ts";
import { CROWD } from "../../support/crowd.ts";
import { isRedisMissing, type RedisServer, startRedis } from "../../support/servers/redis.ts";

const isMissing = await isRedisMissing("the tests of users with very many sessions in Redis");

const FEW = 10;
const MANY = 10_000;
const ENDING = { reason: "revoked", at: T0, pruneAfter: T0 + DAY } as const;
const CAP = { overflow: "evictOldest", ...ENDING, reason: "cap" } as const;

describe.skipIf(isMissing)("a user with very many sessions", () => {
  let server: RedisServer;
  let redis: IoRedis;
  let watch: IoRedis;
  let seen: { readonly args: readonly string[]; readonly inScript: boolean }[];
  beforeAll(async () => {
    server = await startRedis();
    redis = new IoRedis(server.url);
    watch = await redis.monitor();
    watch.on("monitor", (_, args: string[], source: string) => {
      if (args[0]?.toUpperCase() === "ECHO") return marks.get(args[1] ?? "")?.();
      seen.push({ args: args.map(String), inScript: source === "lua" });
    });
  });
  afterAll(async () => {
    watch?.disconnect();
    redis?.disconnect();
    await server?.stop();
  });
  beforeEach(async () => {
    seen = [];
    await redis.flushall();
  });

  const marks = new Map<string, () => void>();
  let marked = 0;
  /** Every command that the server did, those of scripts too. */
  const commandsOf = async (work: () => Promise<unknown>) => {
    const mark = async () => {
      const name = `mark ${++marked}`;
      const reached = new Promise<void>((resolve) => marks.set(name, resolve));
      await redis.echo(name);
      await reached;
    };
    await mark();
    seen = [];
    await work();
    await mark();
    return seen;
  };

  const newStore = () => redisStore({ client: redis });
  const fill = async (count: number, row: Parameters<typeof sessionRow>[0] = {}) => {
    const filled = newStore();
    for (let made = 0; made < count; made += 500) {
      const size = Math.min(500, count - made);
      const rows = Array.from({ length: size }, () => sessionRow({ userId: "ada", level: "login", ...row }));
      await Promise.all(rows.map((insert) => filled.apply({ kind: "signIn", insert })));
    }
  };
  const inScripts = (commands: typeof seen, name: string) =>
    commands.filter(({ args, inScript }) => inScript && args[0]?.toUpperCase() === name);

  const session = (over: Parameters<typeof sessionRow>[0] = {}) =>
    sessionRow({ userId: "ada", level: "login", ...over });
  const SIGN_INS: Readonly<Record<string, () => SignInChange>> = {
    "for the session": () => ({ kind: "signIn", insert: session() }),
    "that is remembered": () => {
      const remember = rememberedRow({ userId: "ada" });
      return { kind: "signIn", remember, insert: session({ rememberedId: remember.id }) };
    },
    "under a tag": () => {
      const tagged: Cap = { ...CAP, userId: "ada", tag: "tv", max: 1, reason: "tag" };
      const remember = rememberedRow({ userId: "ada", tag: "tv" });
      return {
        kind: "signIn",
        remember,
        insert: session({ rememberedId: remember.id, tag: "tv" }),
        caps: [tagged],
      };
    },
    "under a cap that is far off": () => ({
      kind: "signIn",
      insert: session(),
      caps: [{ ...CAP, userId: "ada", max: 100_000 }],
    }),
  };

  test.each(Object.entries(SIGN_INS))(
    "a sign-in %s costs as much with ten sessions as with ten thousand",
    async (_, change) => {
      const cost = async (count: number) => {
        await redis.flushall();
        await fill(count, { data: JSON.stringify("x".repeat(1000)) });
        await newStore().apply(change());
        const commands = await commandsOf(async () => {
          for (let time = 0; time < 4; time++) await newStore().apply(change());
        });
        const whole = inScripts(commands, "ZRANGE").filter(
          ({ args }) => args[3] === "-1" && !args[1]?.includes("tag:"),
        );
        expect(whole, "no index is read as a whole").toEqual([]);
        return {
          sent: commands.filter(({ inScript }) => !inScript).length,
          rows: inScripts(commands, "GET").length,
          all: commands.length,
        };
      };
      const [few, many] = [await cost(FEW), await cost(MANY)];
      expect(many.sent).toBeLessThanOrEqual(few.sent);
      expect(many.rows).toBe(few.rows);
      // Of a long index eight handles are looked at besides, and taken out if they are stale.
      expect(many.all - few.all).toBeLessThanOrEqual(4 * 18);
    },
    60_000,
  );

  test("a tag's one device is found among ten thousand others, and its place is kept while it lives", {
    ...CROWD,
    timeout: 60_000,
  }, async () => {
    await fill(MANY);
    const signIn = SIGN_INS["under a tag"] as () => SignInChange;
    const first = signIn();
    await newStore().apply(first);
    expect(await newStore().apply(signIn())).toMatchObject({
      done: true,
      ended: [{ sessionId: first.insert?.id, rememberedId: first.remember?.id, reason: "tag" }],
    });
    const [key = ""] = await redis.keys("psession:tag:*");
    for (let time = 0; time < 50; time++) await newStore().apply(signIn());
    expect(await redis.zcard(key)).toBeLessThanOrEqual(6);
    expect(await redis.pexpiretime(key)).toBeGreaterThan(T0);
  });

  test("a session that is signed in on under another tag is found under that", async () => {
    const row = session({ tag: "tv" });
    await newStore().apply({ kind: "signIn", insert: row });
    const set = { userId: "ada", tag: "radio" };
    await newStore().apply({ kind: "signIn", update: { id: row.id, version: 1, set } });
    const cap = (tag: string): Cap => ({ ...CAP, userId: "ada", tag, max: 1, reason: "tag" });
    expect(
      await newStore().apply({ kind: "signIn", insert: session({ tag: "tv" }), caps: [cap("tv")] }),
    ).toEqual({
      done: true,
      ended: [],
    });
    expect(
      await newStore().apply({ kind: "signIn", insert: session({ tag: "radio" }), caps: [cap("radio")] }),
    ).toMatchObject({
      ended: [{ sessionId: row.id }],
    });
  });

  test("tags and users that read alike together are apart", async () => {
    const cap = (userId: string, tag: string): Cap => ({ ...CAP, userId, tag, max: 1, reason: "tag" });
    for (const [userId, tag] of [
      ["a:b", "c"],
      ["a", "b:c"],
      ["a", "c"],
    ] as const) {
      const insert = session({ userId, tag });
      expect(await newStore().apply({ kind: "signIn", insert, caps: [cap(userId, tag)] })).toEqual({
        done: true,
        ended: [],
      });
    }
  });

  test("all of them are listed, and ended, in parts: no script has more than a few hundred", {
    ...CROWD,
    timeout: 60_000,
  }, async () => {
    await fill(MANY);
    const kept = session();
    await newStore().apply({ kind: "signIn", insert: kept });
    const remember = rememberedRow({ userId: "ada" });
    await newStore().apply({
      kind: "signIn",
      remember,
      insert: session({ id: newSiblingId(remember.id), rememberedId: remember.id }),
    });
    const longest = (commands: typeof seen) => {
      let [run, most] = [0, 0];
      for (const { inScript } of commands) {
        run = inScript ? run + 1 : 0;
        most = Math.max(most, run);
      }
      return most;
    };
    let listed = 0;
    const listing = await commandsOf(async () => {
      listed = (await newStore().list("ada")).length;
    });
    expect(listed).toBe(MANY + 2);
    expect(longest(listing)).toBeLessThanOrEqual(256 * 3);
    let ended = 0;
    const ending = await commandsOf(async () => {
      ended = (await revoke(newStore(), { userId: "ada", except: kept.id, ...ENDING })).length;
    });
    expect(ended).toBe(MANY + 1);
    expect(longest(ending)).toBeLessThanOrEqual(256 * 5);
    expect(await newStore().list("ada")).toMatchObject([{ session: { id: kept.id } }]);
    expect(await redis.zcard("psession:u:sada")).toBe(1);
  });

  test("an index does not fill with what has ended, although each sign-in looks at a few places only", {
    ...CROWD,
    timeout: 60_000,
  }, async () => {
    const living = 300;
    await fill(living);
    for (let visit = 0; visit < 3000; visit++) {
      const row = session();
      await newStore().apply({ kind: "signIn", insert: row });
      await revoke(newStore(), { handle: row.id, ...ENDING });
    }
    expect(await redis.zcard("psession:u:sada")).toBeLessThan(living * 1.5);
    expect(await newStore().list("ada")).toHaveLength(living);
  });

  test("four hundred writers of one session at once: a few commands for each, and none is lost", {
    ...CROWD,
    timeout: 60_000,
  }, async () => {
    const sent: string[] = [];
    const client: IoRedisClient = {
      call: (name, ...args) => {
        sent.push(name);
        return redis.call(name, ...args);
      },
    };
    const app = testApp({ store: redisStore({ client }) });
    const browser = new TestBrowser(app);
    await browser.visit((visited) => visited.login("ada"));
    const jar = browser.copyJar();
    sent.length = 0;
    await Promise.all(
      Array.from({ length: 400 }, (_, index) =>
        browser.visit(
          (visited) => visited.update((data) => void Object.assign(data, { [`w${index}`]: index })),
          { jar },
        ),
      ),
    );
    expect(sent.length).toBeLessThanOrEqual(400 * 5);
    expect(Object.keys((await browser.visit()).session.data)).toHaveLength(400);
  });
});
