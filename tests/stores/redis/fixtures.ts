import { randomBytes } from "node:crypto";
import type { RedisClientType } from "redis";
import { type RedisClient, type RedisStoreOptions, redisStore } from "../../../src/stores/redis/index.ts";
import type { StoreFixture } from "../../../src/testing/contracts.ts";

/** A connected client, and how to let go of it. */
export interface Connected {
  readonly client: RedisClient;
  close(): unknown;
}

export type Connect = (url: string) => Promise<Connected>;

export const viaNodeRedis: Connect = async (url) => {
  const { createClient } = await import("redis");
  const client = createClient({ url, socket: { reconnectStrategy: 20 } });
  client.on("error", () => {});
  await client.connect();
  return { client, close: () => client.destroy() };
};

export const viaIoRedis: Connect = async (url) =>
  quietly(new (await import("ioredis")).Redis(url, { retryStrategy: () => 20 }));

export const viaIoValkey: Connect = async (url) =>
  quietly(new (await import("iovalkey")).Redis(url, { retryStrategy: () => 20 }));

const viaNodeRedis5: Connect = async (url) => {
  const { createClient } = await import("redis5");
  const client = createClient({ url, socket: { reconnectStrategy: 20 } });
  client.on("error", () => {});
  await client.connect();
  return { client, close: () => client.destroy() };
};

const viaIoRedis5: Connect = async (url) =>
  quietly(new (await import("ioredis5")).Redis(url, { retryStrategy: () => 20 }));

export const drivers: Readonly<Record<string, Connect>> = {
  "node-redis": viaNodeRedis,
  "node-redis 5": viaNodeRedis5,
  ioredis: viaIoRedis,
  "ioredis 5": viaIoRedis5,
  iovalkey: viaIoValkey,
};

export const viaIoCluster = async (ports: readonly number[]): Promise<Connected> =>
  quietly(new (await import("ioredis")).Cluster(ports.map((port) => ({ host: "127.0.0.1", port }))));

export const viaNodeCluster = async (ports: readonly number[]): Promise<Connected> => {
  const { createCluster } = await import("redis");
  const client = createCluster({ rootNodes: ports.map((port) => ({ url: `redis://127.0.0.1:${port}` })) });
  client.on("error", () => {});
  await client.connect();
  return { client, close: () => client.destroy() };
};

export const newPrefix = (): string => `test-${randomBytes(6).toString("base64url")}:`;

/** A store over several connections, whose keys go at the end. */
export async function fixtureOf(
  connect: () => Promise<Connected>,
  urls: readonly string[],
  options: Partial<RedisStoreOptions> = {},
): Promise<StoreFixture> {
  const prefix = newPrefix();
  const connections = await Promise.all([connect(), connect(), connect()]);
  const [store, ...others] = connections.map(({ client }) =>
    redisStore({ prefix, audit: true, ...options, client }),
  );
  if (store === undefined) throw new Error("there are three");
  return {
    store,
    others,
    expires: true,
    close: async () => {
      for (const { close } of connections) await close();
      for (const url of urls) await deleteKeys(url, prefix);
    },
  };
}

/** Keys with a prefix on one server. */
export async function keysOf(url: string, prefix: string): Promise<string[]> {
  return onServer(url, async (client) => {
    const found: string[] = [];
    for await (const keys of client.scanIterator({ MATCH: `${prefix}*`, COUNT: 1000 })) found.push(...keys);
    return found;
  });
}

export async function deleteKeys(url: string, prefix: string): Promise<void> {
  const keys = await keysOf(url, prefix);
  await onServer(url, (client) => Promise.all(keys.map((key) => client.unlink(key))));
}

export async function onServer<T>(url: string, work: (client: RedisClientType) => Promise<T>): Promise<T> {
  const { createClient } = await import("redis");
  const client = createClient({ url });
  client.on("error", () => {});
  await client.connect();
  try {
    return await work(client as RedisClientType);
  } finally {
    client.destroy();
  }
}

/** ioredis and iovalkey print errors that nobody listens to. */
function quietly<
  T extends RedisClient & { on(event: "error", listener: () => void): unknown; disconnect(): void },
>(client: T): Connected {
  client.on("error", () => {});
  return { client, close: () => client.disconnect() };
}
