import { readFileSync } from "node:fs";
import { inspect } from "node:util";
import { Redis as IoRedis } from "ioredis";
import { createClient } from "redis";
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { PsessionError } from "../../../src/index.ts";
import { nameDevice, revoke } from "../../../src/stores/changes.ts";
import { locksOf } from "../../../src/stores/locks.ts";
import { type RedisClient, redisStore } from "../../../src/stores/redis/index.ts";
import { type StoreFixture, storeContract } from "../../../src/testing/contracts.ts";
import { digestOf, plain, rememberedRow, sessionRow, T0 } from "../../../src/testing/rows.ts";
import { claimPrune } from "../../../src/upkeep/prune.ts";
import { cookieHeader, TestBrowser, testApp } from "../../support/app.ts";
import { HOUR } from "../../support/clock.ts";
import {
  isRedisMissing,
  type RedisServer,
  redisUrl,
  startRedis,
  until,
} from "../../support/servers/redis.ts";
import {
  type Connect,
  deleteKeys,
  drivers,
  keysOf,
  newPrefix,
  viaIoRedis,
  viaNodeRedis,
} from "./fixtures.ts";

const isMissing = await isRedisMissing("the tests of Redis servers that fail");

const UNAVAILABLE = { code: "store_unavailable", status: 503 };

describe.skipIf(isMissing)("servers that fail", () => {
  const running: (() => unknown)[] = [];
  afterEach(async () => {
    for (const stop of running.splice(0).reverse()) await stop();
  });
  const server = async (...args: string[]): Promise<RedisServer> => {
    const started = await startRedis({ args });
    running.push(() => started.stop());
    return started;
  };
  const storeOn = async (url: string, connect: Connect = viaIoRedis, timeout = 5000) => {
    const { client, close } = await connect(url);
    running.push(close);
    return redisStore({ client, timeout });
  };

  test.each(Object.entries(drivers))(
    "a server that is killed and started again under load, through %s",
    async (name, connect) => {
      const redis = await server("--appendonly", "yes", "--appendfsync", "always");
      const app = testApp({ store: await storeOn(redis.url, connect, 250) });
      const seen = { requests: 0, faults: 0, acknowledged: 0, lost: 0 };
      let isKilled = false;
      let restart: Promise<void> | undefined;
      const steer = () => {
        if (seen.acknowledged >= 100 && !isKilled) {
          isKilled = true;
          void redis.kill();
        }
        if (seen.faults >= 30) restart ??= redis.start();
      };
      // A quarter of a second is short on a busy machine.
      const untilItAnswers = async <R>(visit: () => Promise<R>): Promise<R> => {
        try {
          return await visit();
        } catch (error) {
          expect(error).toMatchObject(UNAVAILABLE);
          return untilItAnswers(visit);
        }
      };
      const browse = async () => {
        const browser = new TestBrowser(app);
        await untilItAnswers(() => browser.visit((session) => session.login("ada", { remember: true })));
        let acknowledged = 0;
        for (let count = 1; acknowledged < 40 || restart === undefined; count++) {
          const before = cookieHeader(browser.jar);
          seen.requests++;
          try {
            await browser.visit((session) => session.set("count", count));
            acknowledged = count;
            seen.acknowledged++;
          } catch (error) {
            seen.faults++;
            expect(error).toMatchObject(UNAVAILABLE);
            expect(cookieHeader(browser.jar)).toBe(before);
          }
          steer();
        }
        const { session } = await untilItAnswers(() => browser.visit());
        expect(session.userId).toBe("ada");
        if ((session.data.count ?? 0) < acknowledged) seen.lost++;
      };
      await Promise.all(Array.from({ length: 8 }, browse));
      await restart;
      console.log(`killed under load, ${name}: ${JSON.stringify(seen)}`);
      expect(seen.faults).toBeGreaterThanOrEqual(30);
      expect(seen.lost).toBe(0);
      expect(app.told()).not.toContain("theft");
    },
  );

  test.each(Object.entries(drivers))(
    "a server that stalls costs the time that the option says, then work goes on, through %s",
    async (_, connect) => {
      const redis = await server();
      const store = await storeOn(redis.url, connect, 100);
      const row = sessionRow({ userId: "ada", level: "login" });
      await store.apply({ kind: "signIn", insert: row });
      process.kill(redis.pid, "SIGSTOP");
      onTestFinished(() => {
        if (redis.pid > 0) process.kill(redis.pid, "SIGCONT");
      });
      const calls = [
        ...Array.from({ length: 600 }, () => store.findSession(sessionRow().id)),
        store.findRemembered(row.id),
        store.apply({ kind: "create", insert: sessionRow() }),
        store.list("ada"),
        revoke(store, { handle: "none", reason: "revoked", at: T0, pruneAfter: T0 }),
        locksOf(store).acquire({ name: "a", owner: "b", now: T0, until: T0 + 9 }),
        store.touch([
          { sessionId: row.id, lastSeenAt: T0, idleDeadline: T0, pruneAfter: T0, remembered: undefined },
        ]),
      ];
      for (const result of await Promise.allSettled(calls)) {
        expect(result).toMatchObject({ status: "rejected", reason: UNAVAILABLE });
        expect(String((result as PromiseRejectedResult).reason)).toContain("within 100 ms (option timeout)");
      }
      process.kill(redis.pid, "SIGCONT");
      await until("work to go on", async () => {
        const found = await store.findSession(row.id).catch(() => undefined);
        return found?.id === row.id;
      });
    },
  );

  test("a server that is full is an error for writes, and what was there stays", async () => {
    const redis = await server("--maxmemory-policy", "noeviction");
    const store = await storeOn(redis.url);
    const row = sessionRow({ data: '{"kept":true}' });
    await store.apply({ kind: "signIn", insert: row });
    const used = /used_memory:(\d+)/.exec(String(await redis.command("INFO", "memory")))?.[1];
    await redis.command("CONFIG", "SET", "maxmemory", String(Number(used) + 2_000_000));
    const big: string[] = [];
    const fill = async () => {
      for (let index = 0; index < 1000; index++) {
        const next = sessionRow({ userId: "ada", level: "login", data: JSON.stringify("x".repeat(50_000)) });
        big.push(next.id);
        await store.apply({ kind: "signIn", insert: next });
      }
    };
    await expect(fill()).rejects.toMatchObject({
      ...UNAVAILABLE,
      message: expect.stringContaining("maxmemory"),
    });
    expect(plain(await store.findSession(row.id))).toEqual(plain(row));
    expect(await store.findSession(big.at(-1) ?? "")).toBeUndefined();
    expect(await store.list("ada")).toHaveLength(big.length - 1);
    await revoke(store, { userId: "ada", reason: "revoked", at: T0, pruneAfter: T0 });
    await redis.command("CONFIG", "SET", "maxmemory", "0");
    expect(await store.apply({ kind: "create", insert: sessionRow() })).toMatchObject({ done: true });
  });

  const replicated = async () => {
    const primary = await server();
    const replica = await server("--replicaof", "127.0.0.1", String(primary.port));
    const upToDate = () =>
      until("the replica to have everything", async () => {
        const [of, by] = await Promise.all([
          primary.command("INFO", "replication"),
          replica.command("INFO", "replication"),
        ]);
        const offset = (info: unknown, name: string) => new RegExp(`${name}:(\\d+)`).exec(String(info))?.[1];
        return (
          String(by).includes("master_link_status:up") &&
          offset(of, "master_repl_offset") === offset(by, "slave_repl_offset")
        );
      });
    await upToDate();
    return { primary, replica, upToDate };
  };

  test("a replica takes no writes, and the error says where to go", async () => {
    const { replica } = await replicated();
    const store = await storeOn(replica.url);
    const primary = { ...UNAVAILABLE, message: expect.stringContaining("connect psession to the primary") };
    await expect(store.apply({ kind: "create", insert: sessionRow() })).rejects.toMatchObject(primary);
    await expect(claimPrune(store, T0, 1000)).rejects.toMatchObject(primary);
  });

  test("a failover that loses a rotation signs out quietly: no alarm, and a new sign-in works", async () => {
    const { primary, replica, upToDate } = await replicated();
    const app = testApp({ store: await storeOn(primary.url) });
    const browser = new TestBrowser(app);
    const idler = new TestBrowser(app);
    for (const each of [browser, idler])
      await each.visit((session) => session.login("ada", { remember: true }));
    app.clock.advance(HOUR);
    await upToDate();

    await replica.command("REPLICAOF", "NO", "ONE");
    browser.restart();
    expect((await browser.visit()).session.outcome).toBe("restored");
    await primary.kill();

    const after = testApp({ store: await storeOn(replica.url), clock: app.clock });
    const [moved, undisturbed] = [new TestBrowser(after), new TestBrowser(after)];
    moved.jar = browser.copyJar();
    undisturbed.jar = idler.copyJar();
    const { session } = await moved.visit(undefined, { navigation: true });
    expect(session).toMatchObject({ userId: undefined, outcome: "ahead" });
    expect(after.told()).toContain("generationAhead");
    expect(after.told()).not.toContain("theft");
    await moved.visit((session) => session.login("ada", { remember: true }));
    expect((await moved.visit()).session.userId).toBe("ada");
    undisturbed.restart();
    expect((await undisturbed.visit()).session.outcome).toBe("restored");
    expect(after.told()).not.toContain("theft");
  });

  test("a client that was closed, or that nothing listens to, says so", async () => {
    const redis = await server();
    const closed = createClient({ url: redis.url });
    const store = redisStore({ client: closed });
    const row = sessionRow();
    const refused = { ...UNAVAILABLE, message: expect.stringContaining("not connected") };
    await expect(store.findSession(row.id)).rejects.toMatchObject(refused);
    await expect(store.apply({ kind: "signIn", insert: row })).rejects.toMatchObject(refused);

    const nowhere = new IoRedis(redis.port + 1, { retryStrategy: () => null, lazyConnect: true });
    nowhere.on("error", () => {});
    await expect(redisStore({ client: nowhere }).findSession(row.id)).rejects.toMatchObject(UNAVAILABLE);
    nowhere.disconnect();
  });

  // The whole contract, once for each right.
  test("a user with the rights that the documentation names can do everything, and no less will do", {
    timeout: 240_000,
  }, async () => {
    const redis = await server();
    const text = readFileSync(new URL("../../../docs/stores/redis.md", import.meta.url), "utf8");
    const [command = ""] = /^ACL SETUSER .*$/m.exec(text) ?? [];
    await redis.command(...command.split(" "));
    const url = redis.url.replace("//", "//app:password@");
    const client = new IoRedis(url, { enableReadyCheck: false });
    running.push(() => client.disconnect());
    const open = async (): Promise<StoreFixture> => ({
      store: redisStore({ client, audit: true }),
      expires: true,
      close: async () => void (await redis.command("FLUSHALL")),
    });
    for (const { run } of storeContract(open)) await run();
    const isRefusal = (failure: unknown) => String(failure).includes("may not run psession's commands");
    const isRefused = async () => {
      // Reads of one turn go out together, which the contract has no case for.
      const store = redisStore({ client });
      const reads = await Promise.allSettled([store.findSession("none"), store.findSession("nothing")]);
      if (reads.some((read) => read.status === "rejected" && isRefusal(read.reason))) return true;
      for (const { run } of storeContract(open)) {
        const failure = await run().catch((error: unknown) => error);
        if (isRefusal(failure)) return true;
      }
      return false;
    };
    for (const right of command.split(" ").filter((word) => word.startsWith("+"))) {
      // In a cluster, and for damaged rows.
      if (right === "+zscore") continue;
      await redis.command("ACL", "SETUSER", "app", right.replace("+", "-"));
      await redis.command("SCRIPT", "FLUSH");
      expect(await isRefused(), right).toBe(true);
      await redis.command("ACL", "SETUSER", "app", right);
    }
  });

  test("missing rights, and foreign keys under psession's prefix, are named", async () => {
    const redis = await server();
    const store = await storeOn(redis.url, viaNodeRedis);
    const row = rememberedRow();
    await redis.command("LPUSH", `psession:{${row.id.slice(0, 6)}}l:${row.id}`, "somebody else's");
    const foreign = { code: "store_misread", message: expect.stringContaining("prefix of psession's own") };
    await expect(store.findRemembered(row.id)).rejects.toMatchObject(foreign);
    await expect(store.apply({ kind: "signIn", remember: row })).rejects.toMatchObject(foreign);
    const locked = await storeOn(redis.url, viaIoRedis);
    await redis.command("ACL", "SETUSER", "default", "-evalsha", "-get");
    await expect(locked.findSession(row.id)).rejects.toMatchObject({
      ...UNAVAILABLE,
      message: expect.stringContaining("may not run psession's commands"),
    });
  });
});

describe("errors of drivers", () => {
  const failing = (error: unknown): RedisClient => ({ call: () => Promise.reject(error) });
  const caught = async (error: unknown): Promise<PsessionError> => {
    const failure = await redisStore({ client: failing(error) })
      .findSession("x")
      .catch((thrown) => thrown);
    expect(failure).toBeInstanceOf(PsessionError);
    expect(failure).toMatchObject(UNAVAILABLE);
    return failure;
  };

  test.each([
    ["LOADING Redis is loading the dataset in memory", "has just started"],
    [
      "READONLY You can't write against a read only replica. script: 1a2b, on @user_script:3.",
      "is a replica",
    ],
    ["ERR Error running script (call to f_1a2b): @user_script:3: -OOM command not allowed", "its maxmemory"],
    ["OOM command not allowed when used memory > 'maxmemory'.", "noeviction"],
    ["CLUSTERDOWN The cluster is down", "The Redis cluster is down"],
    ["MOVED 3999 127.0.0.1:6381", "give redisStore a cluster client"],
    ["Too many Cluster redirections. Last error: Error: MOVED 3999 127.0.0.1:6381", "nodes do not agree"],
    ["CROSSSLOT Keys in request don't hash to the same slot", "give redisStore a cluster client"],
    ["NOREPLICAS Not enough good replicas to write.", "min-replicas-to-write"],
    ["MISCONF Redis is configured to save RDB snapshots", "cannot write to its disk"],
    ["NOAUTH Authentication required.", "wants a password"],
    ["ERR script tried accessing undeclared key", "Dragonfly"],
    ["connect ECONNREFUSED 127.0.0.1:6379", "ECONNREFUSED"],
  ])("%s", async (message, sentence) => {
    expect((await caught(new Error(message))).message).toContain(sentence);
  });

  test("nothing that is printed of an error holds what was sent", async () => {
    const secret = Buffer.from(digestOf("secret")).toString("base64url");
    const error = Object.assign(
      new Error(`ERR unknown command 'EVALSHA', with args beginning with: '${secret}'`),
      {
        command: { name: "evalsha", args: [secret] },
        previousErrors: [secret],
      },
    );
    const failure = await caught(error);
    expect(failure.cause).toBeInstanceOf(Error);
    expect(inspect(failure, { depth: 9, showHidden: true })).not.toContain(secret);
    expect(inspect(failure)).toContain("unknown command");
  });

  test("a client that throws at once, or throws nothing much, is no different", async () => {
    const client: RedisClient = {
      call: () => {
        throw new Error("no connection");
      },
    };
    await expect(redisStore({ client }).findSession("x")).rejects.toMatchObject(UNAVAILABLE);
    expect((await caught("odd")).message).toContain("whose text is not repeated");
    const refused = new AggregateError([new Error("connect ECONNREFUSED ::1:6379")]);
    expect((await caught(refused)).message).toContain("ECONNREFUSED ::1:6379");
  });

  test("calls that wait behind others wait no longer than the option says", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    onTestFinished(() => void vi.useRealTimers());
    const store = redisStore({ client: { call: () => new Promise(() => {}) }, timeout: 100 });
    let failed = 0;
    for (let read = 0; read < 2000; read++) store.findSession(`${read}`).catch(() => failed++);
    await new Promise((resolve) => setImmediate(resolve));
    await vi.advanceTimersByTimeAsync(99);
    expect(failed).toBe(0);
    await vi.advanceTimersByTimeAsync(1);
    expect(failed).toBe(2000);
  });

  test("a reply that psession's scripts never give is an error, not a session", async () => {
    for (const reply of [7, "text", {}, undefined, [], [1], ["done", "x"], ["conflict", "keys"], "QUEUED"]) {
      const store = redisStore({ client: { call: async () => reply } });
      await expect(store.findSession("x")).rejects.toMatchObject({ code: "store_misread" });
      await expect(store.findRemembered("x")).rejects.toMatchObject({ code: "store_misread" });
      await expect(store.list("ada")).rejects.toMatchObject({ code: "store_misread" });
      await expect(store.apply({ kind: "create", insert: sessionRow() })).rejects.toMatchObject({
        code: "store_misread",
      });
    }
  });

  test("a client that answers OK to everything, or with nothing, has neither marked nor touched anything", async () => {
    for (const reply of ["QUEUED", undefined, null, 1]) {
      const store = redisStore({ client: { call: async () => reply } });
      const ending = { reason: "revoked", at: T0, pruneAfter: T0 } as const;
      const mark = { name: "user", at: T0, until: T0 };
      const seen = {
        sessionId: "x",
        lastSeenAt: T0,
        idleDeadline: T0,
        pruneAfter: T0,
        remembered: undefined,
      };
      const misread = { code: "store_misread" };
      await expect(revoke(store, { handle: "x", mark, ...ending })).rejects.toMatchObject(misread);
      await expect(store.touch([seen])).rejects.toMatchObject(misread);
      // Null says that somebody else has it.
      const claim = claimPrune(store, T0, 1);
      if (reply === null) expect(await claim).toBe(false);
      else await expect(claim).rejects.toMatchObject(misread);
      await expect(nameDevice(store, { handle: "x", userId: 1, name: "y" })).rejects.toMatchObject(misread);
    }
  });
});

describe.skipIf(isMissing)("foreign values under psession's keys", () => {
  const url = redisUrl();
  let redis: IoRedis;
  let prefix: string;
  beforeEach(() => {
    redis = new IoRedis(url);
    prefix = newPrefix();
    return async () => {
      redis.disconnect();
      await deleteKeys(url, prefix);
    };
  });

  const rowsOf = async () => {
    const store = redisStore({ client: redis, prefix });
    const login = rememberedRow({ userId: "ada" });
    const session = sessionRow({ rememberedId: login.id, userId: "ada", level: "login" });
    await store.apply({ kind: "signIn", remember: login, insert: session });
    const keyOf = (kind: string, id: string) => `${prefix}{${id.slice(0, 6)}}${kind}:${id}`;
    return { store, login, session, sessionKey: keyOf("s", session.id), loginKey: keyOf("l", login.id) };
  };
  const MISREAD = { code: "store_misread", message: expect.stringContaining("none of psession's") };

  const SESSION_FIELDS = ["se", "sa", "fe", "le", "ve", "cr", "ba", "ls", "id", "ab", "pr"];
  const LOGIN_FIELDS = ["us", "to", "sl", "ke", "ge", "ro", "st", "cr", "lu", "id", "ab", "pr"];
  const GARBAGE: Readonly<Record<string, (text: string) => unknown>> = {
    missing: () => undefined,
    empty: () => "",
    "of another type": () => 7,
    "of another length": () => "AAAA",
    null: () => null,
  };

  test.each(Object.keys(GARBAGE))(
    "a field that is %s is an error, and no visitor without a session",
    async (kind) => {
      const { store, login, session, sessionKey, loginKey } = await rowsOf();
      const spoil = async (key: string, field: string) => {
        const raw = (await redis.get(key)) ?? "";
        const [head = "", ...data] = raw.split("\n");
        const values = JSON.parse(head);
        const spoilt = { ...values, [field]: GARBAGE[kind]?.(values[field]) };
        await redis.set(key, [JSON.stringify(spoilt), ...data].join("\n"));
        return () => redis.set(key, raw);
      };
      for (const field of SESSION_FIELDS) {
        const mend = await spoil(sessionKey, field);
        const found = await store.findSession(session.id).catch((error: unknown) => error);
        expect(found, field).toMatchObject({ code: "store_misread" });
        await mend();
      }
      for (const field of LOGIN_FIELDS) {
        // The name of a key is any text.
        if (field === "ke" && kind === "of another length") continue;
        const mend = await spoil(loginKey, field);
        const found = await store.findRemembered(login.id).catch((error: unknown) => error);
        expect(found, field).toMatchObject({ code: "store_misread" });
        await mend();
      }
      expect((await store.findRemembered(login.id))?.session?.id).toBe(session.id);
    },
  );

  test.each([
    ["text of somebody else's", (key: string) => redis.set(key, "somebody else's")],
    ["an empty text", (key: string) => redis.set(key, "")],
    ["JSON that is no row", (key: string) => redis.set(key, "[]\n{}")],
    ["a hash", async (key: string) => redis.del(key).then(() => redis.hset(key, "se", "x"))],
    ["a list", async (key: string) => redis.del(key).then(() => redis.rpush(key, "x"))],
  ])("%s in place of a row: named by every call that rests on it", async (_, put) => {
    const { store, login, session, sessionKey, loginKey } = await rowsOf();
    await put(sessionKey);
    const alone = store.findSession(session.id);
    const together = [store.findSession(sessionRow().id), store.findSession(session.id)];
    await expect(alone).rejects.toMatchObject({ code: "store_misread" });
    await expect(together[1]).rejects.toMatchObject({ code: "store_misread" });
    expect(await together[0]).toBeUndefined();
    const misread = { code: "store_misread", message: expect.stringMatching(/prefix of psession's own/) };
    await expect(
      store.apply({ kind: "save", update: { id: session.id, version: 1, set: { data: "{}" } } }),
    ).rejects.toMatchObject(misread);
    await put(loginKey);
    await expect(store.findRemembered(login.id)).rejects.toMatchObject(misread);
  });

  test("a request that comes by such a row fails, keeps its cookies, and reports no theft", async () => {
    const app = testApp({ store: redisStore({ client: redis, prefix }), whenUnavailable: "anonymous" });
    const browser = new TestBrowser(app);
    await browser.visit((session) => session.login("ada", { remember: true }));
    const before = cookieHeader(browser.jar);
    const keys = (await keysOf(url, prefix)).filter((key) => key.includes("}"));
    const raws = await redis.mget(keys);
    for (const key of keys) await redis.set(key, "somebody else's");
    await expect(browser.visit()).rejects.toMatchObject(MISREAD);
    expect(cookieHeader(browser.jar)).toBe(before);
    browser.restart();
    await expect(browser.visit()).rejects.toMatchObject(MISREAD);
    for (const [index, key] of keys.entries()) await redis.set(key, raws[index] ?? "");
    expect((await browser.visit()).session.userId).toBe("ada");
    expect(app.told()).not.toContain("theft");
  });
});
