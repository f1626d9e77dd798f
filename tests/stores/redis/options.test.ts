import { expect, test } from "vitest";
import { type RedisStoreOptions, redisStore } from "../../../src/stores/redis/index.ts";

const client = { call: async () => null };

test("options are checked, all at once", () => {
  const faults = () => redisStore({ client: {}, prefix: "", timeout: -1, colour: "red" } as never);
  for (const fault of [
    "client must be a client of node-redis, ioredis or iovalkey",
    "prefix must not be empty",
    "timeout must be a positive duration",
    "colour is no option",
  ]) {
    expect(faults).toThrow(fault);
  }
  expect(faults).toThrow(expect.objectContaining({ code: "invalid_options" }));
  expect(() => redisStore(undefined as never)).toThrow("options is missing");
  expect(() => redisStore({} as never)).toThrow("client is missing");
});

test.each<[string, Partial<RedisStoreOptions>]>([
  ["prefix must hold no braces", { prefix: "{app}:" }],
  ["prefix must hold no braces, white space", { prefix: "my app:" }],
  ["prefix must have at most 100 characters", { prefix: "x".repeat(101) }],
  ["timeout must be a positive duration", { timeout: 0.5 }],
  ["timeout must be a positive duration", { timeout: "soon" as never }],
])("%s", (fault, options) => {
  expect(() => redisStore({ client, ...options })).toThrow(fault);
});

test("a client that reads from replicas is refused: they may still have a session that has ended", () => {
  const options = { scaleReads: "slave" };
  expect(() => redisStore({ client: { ...client, isCluster: true, options } as never })).toThrow(
    "client must read from primaries",
  );
  expect(() =>
    redisStore({ client: { ...client, isCluster: true, options: { scaleReads: "master" } } as never }),
  ).not.toThrow();
});

test("a sentinel of node-redis, whose commands have another shape, is refused", () => {
  const sentinel = { sendCommand: async () => null, getSentinelNode: () => undefined };
  expect(() => redisStore({ client: sentinel as never })).toThrow("createSentinel");
});

test("a cluster of node-redis is asked for primaries, whatever it does with other reads", async () => {
  const sent: unknown[][] = [];
  const cluster = {
    masters: [],
    sendCommand: async (...values: unknown[]) => {
      sent.push(values);
      return null;
    },
  };
  const store = redisStore({ client: cluster, prefix: "p:", timeout: 50 });
  await store.findSession("abcdefghi");
  await store.findRemembered("abcdefghi");
  expect(sent.map(([key, isReadonly]) => [key, isReadonly])).toEqual([
    ["p:{abcdef}s:abcdefghi", false],
    ["p:{abcdef}l:abcdefghi", false],
  ]);
});
