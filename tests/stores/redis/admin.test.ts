import { Redis as IoRedis } from "ioredis";
import { createClient } from "redis";
import { describe, expect, onTestFinished, test } from "vitest";
import { type RedisClient, redisStore } from "../../../src/stores/redis/index.ts";
import { rememberedRow, sessionRow } from "../../../src/testing/rows.ts";
import { isRedisMissing, type RedisServer, startRedis } from "../../support/servers/redis.ts";

const isMissing = await isRedisMissing("what administration sees of Redis");

async function server(...args: string[]): Promise<RedisServer> {
  const started = await startRedis({ args });
  onTestFinished(() => started.stop());
  return started;
}

async function connected(url: string): Promise<RedisClient> {
  const client = createClient({ url });
  client.on("error", () => {});
  await client.connect();
  onTestFinished(() => client.destroy());
  return client;
}

describe.skipIf(isMissing)("what administration sees of Redis", () => {
  test("a server that drops sessions when it is full is reported", async () => {
    const { url, command } = await server("--maxmemory", "100mb", "--maxmemory-policy", "volatile-ttl");
    const store = redisStore({ client: await connected(url) });
    const report = await store.admin?.inspect();
    expect(report?.version).toMatch(/^(Redis|Valkey) \d/);
    expect(report?.faults.map(({ code }) => code)).toEqual(["eviction_policy"]);
    expect(report?.faults[0]?.message).toContain("noeviction");
    await command("CONFIG", "SET", "maxmemory-policy", "noeviction");
    expect((await store.admin?.inspect())?.faults).toEqual([]);
    await command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru");
    await command("CONFIG", "SET", "maxmemory", "0");
    expect((await store.admin?.inspect())?.faults).toEqual([]);
  });

  test("keys of other applications are not counted, whatever the prefix looks like, nor those behind a client's prefix", async () => {
    const { url } = await server();
    const client = await connected(url);
    const io = new IoRedis(url, { keyPrefix: "app*:" });
    onTestFinished(() => io.disconnect());
    const one = redisStore({ client, prefix: "a*[b]?:" });
    const twin = redisStore({ client, prefix: "abb?:" });
    const prefixed = redisStore({ client: io, prefix: "a*[b]?:" });
    for (const store of [one, twin, prefixed]) {
      const row = sessionRow({ userId: "ada", level: "login" });
      await store.apply({ kind: "signIn", insert: row });
      const { entries = [] } = (await store.admin?.browse({ limit: 10 })) ?? {};
      expect(entries.map(({ session }) => session?.id)).toEqual([row.id]);
      expect((await store.admin?.inspect())?.tables[0]?.rows).toBe(1);
    }
  });

  test("another process goes on where the first has stopped, and misses nothing", async () => {
    const { url } = await server();
    const client = await connected(url);
    const logins = Array.from({ length: 40 }, () => rememberedRow());
    const [first, second] = [redisStore({ client }), redisStore({ client })];
    for (const remember of logins) await first.apply({ kind: "signIn", remember });
    const page = await first.admin?.browse({ limit: 15 });
    const rest = await second.admin?.browse({ limit: 100, after: page?.next });
    expect(page?.entries).toHaveLength(15);
    const seen = new Set([...(page?.entries ?? []), ...(rest?.entries ?? [])].map(({ login }) => login?.id));
    expect(seen).toEqual(new Set(logins.map(({ id }) => id)));
  });
});
