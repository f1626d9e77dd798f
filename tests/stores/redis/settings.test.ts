import { Command, Cluster as IoCluster, Redis as IoRedis } from "ioredis";
import { Command as Command5, Cluster as IoCluster5, Redis as IoRedis5 } from "ioredis5";
import { Redis as IoValkey, Cluster as IoValkeyCluster, Command as ValkeyCommand } from "iovalkey";
import { BasicClientSideCache, createClient, createClientPool, createCluster, RESP_TYPES } from "redis";
import { createClient as createClient5, createClientPool as createClientPool5 } from "redis5";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { nameDevice, revoke } from "../../../src/stores/changes.ts";
import { locksOf } from "../../../src/stores/locks.ts";
import { type RedisClient, redisStore } from "../../../src/stores/redis/index.ts";
import { digestOf, plain, rememberedRow, sessionRow, T0 } from "../../../src/testing/rows.ts";
import { claimPrune } from "../../../src/upkeep/prune.ts";
import { TestBrowser, testApp } from "../../support/app.ts";
import { HOUR } from "../../support/clock.ts";
import {
  isRedisMissing,
  type RedisCluster,
  redisUrl,
  startRedisCluster,
} from "../../support/servers/redis.ts";
import { deleteKeys, keysOf, newPrefix } from "./fixtures.ts";

const isMissing = await isRedisMissing("the tests of what clients of Redis may be set up to do");

interface Given {
  readonly url: string;
  /** Of the test's own, whatever the store puts behind it. */
  readonly prefix: string;
}

type Make = (given: Given) => unknown;

/** What comes of a setting: everything works, or the making or the first use of the store is refused with these words. */
type Cell =
  | { readonly works: Make }
  | { readonly refused: RegExp; readonly make: Make }
  | "has no such setting";

const NONE = "has no such setting";

const BYTES = {
  [RESP_TYPES.BLOB_STRING]: Buffer,
  [RESP_TYPES.SIMPLE_STRING]: Buffer,
  [RESP_TYPES.NUMBER]: String,
};

/** A reply that is no text any more, as of a transformer that parses JSON, or of a client that was extended. */
const parsing = <Client extends object>(client: Client, method: string): Client =>
  new Proxy(client, {
    get(target, name) {
      const found = Reflect.get(target, name, target);
      if (typeof found !== "function") return found;
      if (name !== method) return found.bind(target);
      return async (...args: unknown[]) => ({ parsed: await found.apply(target, args) });
    },
  });

/** `call` that gives bytes for everything. */
const withBytes = (client: {
  callBuffer(...args: never[]): unknown;
  isCluster?: boolean;
  options: unknown;
}) => ({
  call: (...args: never[]) => client.callBuffer(...args),
  options: client.options,
});

/** The client, in a transaction that its application has left open. */
const inMulti = async <Client extends object>(client: Client, open: (client: Client) => unknown) => {
  await open(client);
  return client;
};

interface IoRedisLike {
  new (url: string, options?: object): IoRedisClientLike;
}
interface IoRedisClientLike {
  callBuffer(...args: never[]): unknown;
  call(...args: string[]): Promise<unknown>;
  readonly options: unknown;
  connect(): Promise<unknown>;
}
interface Transformers {
  setReplyTransformer(name: string, transform: (reply: never) => unknown): void;
}

const SETTINGS = [
  "keyPrefix",
  "keyPrefix of bytes",
  "RESP 2",
  "RESP 3",
  "bytes for text, text for numbers",
  "replies that were transformed",
  "replies by callback",
  "a transaction left open",
  "another database",
  "no commands kept while offline",
  "a short queue",
  "one try",
  "commands of one turn in one pipeline",
  "stacks of errors",
  "a replica",
  "a cache in the client",
  "subscriptions",
] as const;
type Setting = (typeof SETTINGS)[number];

function ofIoRedis(
  Client: IoRedisLike,
  Transforms: Transformers,
  hasProtocols: boolean,
): Record<Setting, Cell> {
  const make =
    (options: object): Make =>
    ({ url }) =>
      new Client(url, options);
  return {
    keyPrefix: { works: ({ url, prefix }) => new Client(url, { keyPrefix: prefix }) },
    "keyPrefix of bytes": { works: ({ url, prefix }) => new Client(url, { keyPrefix: Buffer.from(prefix) }) },
    "RESP 2": hasProtocols ? { works: make({ protocol: 2 }) } : { works: make({}) },
    "RESP 3": hasProtocols ? { works: make({ protocol: 3, replyMapping: "legacy" }) } : NONE,
    "bytes for text, text for numbers": {
      works: ({ url }) => withBytes(new Client(url, { stringNumbers: true })),
    },
    "replies that were transformed": {
      refused: /a Object came for.*setReplyTransformer/,
      make: ({ url }) => {
        for (const name of ["GET", "MGET", "EVALSHA", "EVAL"])
          Transforms.setReplyTransformer(name, (reply) => ({ reply }));
        onTestFinished(() => {
          for (const name of ["GET", "MGET", "EVALSHA", "EVAL"])
            Transforms.setReplyTransformer(name, (reply) => reply);
        });
        return new Client(url);
      },
    },
    "replies by callback": {
      refused: /no promises.*pipeline\(\)/,
      make: ({ url }) => {
        const client = new Client(url) as unknown as { pipeline(): object };
        open.push(client);
        return client.pipeline();
      },
    },
    "a transaction left open": {
      refused: /MULTI/,
      make: ({ url }) => inMulti(new Client(url), (client) => client.call("MULTI")),
    },
    "another database": { works: make({ db: 3 }) },
    "no commands kept while offline": {
      works: async ({ url }) => {
        const client = new Client(url, { enableOfflineQueue: false, lazyConnect: true });
        await client.connect();
        return client;
      },
    },
    "a short queue": NONE,
    "one try": { works: make({ maxRetriesPerRequest: 1, autoResendUnfulfilledCommands: false }) },
    "commands of one turn in one pipeline": { works: make({ enableAutoPipelining: true }) },
    "stacks of errors": { works: make({ showFriendlyErrorStack: true }) },
    "a replica": { refused: /without readOnly/, make: make({ readOnly: true }) },
    "a cache in the client": NONE,
    subscriptions: { works: make({ autoResubscribe: true }) },
  };
}

interface NodeRedisLike {
  connect(): Promise<unknown>;
  on(event: "error", listener: () => void): unknown;
}

const connected = async <Client extends NodeRedisLike>(client: Client): Promise<Client> => {
  client.on("error", () => {});
  await client.connect();
  open.push(client);
  return client;
};

const open: object[] = [];

function ofPools(createPool: typeof createClientPool, hasPrefix: boolean): Record<Setting, Cell> {
  return {
    keyPrefix: hasPrefix
      ? { works: ({ url, prefix }) => connected(createPool({ url, keyPrefix: prefix })) }
      : NONE,
    "keyPrefix of bytes": hasPrefix
      ? { works: ({ url, prefix }) => connected(createPool({ url, keyPrefix: Buffer.from(prefix) })) }
      : NONE,
    "RESP 2": { works: ({ url }) => connected(createPool({ url, RESP: 2 })) },
    "RESP 3": { works: ({ url }) => connected(createPool({ url, RESP: 3 })) },
    "bytes for text, text for numbers": {
      works: async ({ url }) => (await connected(createPool({ url }))).withTypeMapping(BYTES),
    },
    "replies that were transformed": {
      refused: /a Object came for.*commandOptions/,
      make: async ({ url }) => parsing(await connected(createPool({ url })), "sendCommand"),
    },
    "replies by callback": NONE,
    "a transaction left open": {
      refused: /MULTI/,
      make: async ({ url }) =>
        inMulti(await connected(createPool({ url }, { minimum: 1, maximum: 1 })), (pool) =>
          pool.sendCommand(["MULTI"]),
        ),
    },
    "another database": { works: ({ url }) => connected(createPool({ url, database: 3 })) },
    "no commands kept while offline": {
      works: ({ url }) => connected(createPool({ url, disableOfflineQueue: true })),
    },
    "a short queue": {
      works: ({ url }) => connected(createPool({ url, commandsQueueMaxLength: 20 }, { maximum: 2 })),
    },
    "one try": {
      works: ({ url }) => connected(createPool({ url, socket: { reconnectStrategy: false } })),
    },
    "commands of one turn in one pipeline": NONE,
    "stacks of errors": NONE,
    "a replica": {
      // A pool does not say what it makes its clients with. A server that is no part of a cluster refuses them.
      refused: /not connected|Redis failed/,
      make: ({ url }) => createPool({ url, readonly: true }),
    },
    "a cache in the client": {
      works: ({ url }) => connected(createPool({ url, RESP: 3 }, { clientSideCache: { ttl: 9000 } })),
    },
    subscriptions: NONE,
  };
}

const DRIVERS: Record<string, Record<Setting, Cell>> = {
  ioredis: ofIoRedis(IoRedis as never, Command as never, true),
  "ioredis 5": ofIoRedis(IoRedis5 as never, Command5 as never, false),
  iovalkey: ofIoRedis(IoValkey as never, ValkeyCommand as never, false),
  "node-redis": {
    keyPrefix: { works: ({ url, prefix }) => connected(createClient({ url, keyPrefix: prefix })) },
    "keyPrefix of bytes": {
      works: ({ url, prefix }) => connected(createClient({ url, keyPrefix: Buffer.from(prefix) })),
    },
    "RESP 2": { works: ({ url }) => connected(createClient({ url, RESP: 2 })) },
    "RESP 3": { works: ({ url }) => connected(createClient({ url, RESP: 3 })) },
    "bytes for text, text for numbers": {
      works: async ({ url }) => (await connected(createClient({ url }))).withTypeMapping(BYTES),
    },
    "replies that were transformed": {
      refused: /a Object came for.*commandOptions/,
      make: async ({ url }) => parsing(await connected(createClient({ url })), "sendCommand"),
    },
    "replies by callback": {
      refused: /no promises.*legacy\(\)/,
      make: async ({ url }) => (await connected(createClient({ url }))).legacy(),
    },
    "a transaction left open": {
      refused: /MULTI/,
      make: async ({ url }) =>
        inMulti(await connected(createClient({ url })), (client) => client.sendCommand(["MULTI"])),
    },
    "another database": { works: ({ url }) => connected(createClient({ url, database: 3 })) },
    "no commands kept while offline": {
      works: ({ url }) => connected(createClient({ url, disableOfflineQueue: true })),
    },
    "a short queue": { works: ({ url }) => connected(createClient({ url, commandsQueueMaxLength: 20 })) },
    "one try": { works: ({ url }) => connected(createClient({ url, socket: { reconnectStrategy: false } })) },
    "commands of one turn in one pipeline": NONE,
    "stacks of errors": NONE,
    "a replica": {
      refused: /without readonly/,
      make: ({ url }) => createClient({ url, readonly: true }),
    },
    "a cache in the client": {
      works: ({ url }) =>
        connected(createClient({ url, RESP: 3, clientSideCache: new BasicClientSideCache() })),
    },
    subscriptions: {
      works: async ({ url, prefix }) => {
        const client = await connected(createClient({ url, RESP: 3 }));
        await client.subscribe(`${prefix}channel`, () => {});
        return client;
      },
    },
  },
  "node-redis 5": {
    keyPrefix: NONE,
    "keyPrefix of bytes": NONE,
    "RESP 2": { works: ({ url }) => connected(createClient5({ url, RESP: 2 })) },
    "RESP 3": { works: ({ url }) => connected(createClient5({ url, RESP: 3 })) },
    "bytes for text, text for numbers": {
      works: ({ url }) => connected(createClient5({ url, commandOptions: { typeMapping: BYTES } })),
    },
    "replies that were transformed": {
      refused: /a Object came for.*commandOptions/,
      make: async ({ url }) => parsing(await connected(createClient5({ url })), "sendCommand"),
    },
    "replies by callback": {
      refused: /no promises.*legacy\(\)/,
      make: async ({ url }) => (await connected(createClient5({ url }))).legacy(),
    },
    "a transaction left open": {
      refused: /MULTI/,
      make: async ({ url }) =>
        inMulti(await connected(createClient5({ url })), (client) => client.sendCommand(["MULTI"])),
    },
    "another database": { works: ({ url }) => connected(createClient5({ url, database: 3 })) },
    "no commands kept while offline": {
      works: ({ url }) => connected(createClient5({ url, disableOfflineQueue: true })),
    },
    "a short queue": { works: ({ url }) => connected(createClient5({ url, commandsQueueMaxLength: 20 })) },
    "one try": {
      works: ({ url }) => connected(createClient5({ url, socket: { reconnectStrategy: false } })),
    },
    "commands of one turn in one pipeline": NONE,
    "stacks of errors": NONE,
    "a replica": {
      refused: /without readonly/,
      make: ({ url }) => createClient5({ url, readonly: true }),
    },
    "a cache in the client": {
      works: ({ url }) => connected(createClient5({ url, RESP: 3, clientSideCache: { ttl: 9000 } })),
    },
    subscriptions: {
      works: async ({ url, prefix }) => {
        const client = await connected(createClient5({ url, RESP: 3 }));
        await client.subscribe(`${prefix}channel`, () => {});
        return client;
      },
    },
  },
  "pool of node-redis": ofPools(createClientPool, true),
  "pool of node-redis 5": ofPools(createClientPool5 as never, false),
};

describe.skipIf(isMissing)("what clients may be set up to do", () => {
  const url = redisUrl();
  let prefix: string;
  beforeEach(() => {
    prefix = newPrefix();
  });
  afterEach(async () => {
    for (const client of open.splice(0)) close(client);
    await deleteKeys(url, prefix);
    await deleteKeys(`${url}/3`, prefix);
  });

  const rows = Object.entries(DRIVERS).flatMap(([driver, settings]) =>
    SETTINGS.map((setting) => [driver, setting, settings[setting]] as const),
  );
  for (const [driver, setting, cell] of rows) {
    if (cell === NONE) continue;
    test(`${driver}: ${setting}: ${"works" in cell ? "works" : "is refused"}`, async () => {
      const client = (await ("works" in cell ? cell.works : cell.make)({ url, prefix })) as RedisClient;
      open.push(client);
      const isPrefixed = setting.startsWith("keyPrefix");
      const own = isPrefixed ? "own:" : prefix;
      if ("refused" in cell) return expectRefusal(() => redisStore({ client, prefix: own }), cell.refused);
      await worksThrough(client, own);
      const database = setting === "another database" ? `${url}/3` : url;
      const keys = await keysOf(database, prefix);
      expect(keys.length).toBeGreaterThan(0);
      if (isPrefixed) {
        expect(keys.every((key) => key.startsWith(`${prefix}own:`))).toBe(true);
        expect(await keysOf(url, "own:")).toEqual([]);
      }
    });
  }

  test("two applications that differ by the prefix of their clients share nothing", async () => {
    const [one, other] = [
      await connected(createClient({ url, keyPrefix: `${prefix}one:` })),
      await connected(createClientPool({ url, keyPrefix: `${prefix}other:` })),
    ].map((client) => redisStore({ client }));
    const row = sessionRow({ userId: "ada", level: "login" });
    await one?.apply({ kind: "signIn", insert: row });
    expect(await other?.findSession(row.id)).toBeUndefined();
    expect(await other?.list("ada")).toEqual([]);
    if (other !== undefined)
      await revoke(other, { everyone: true, reason: "revoked", at: T0, pruneAfter: T0 });
    expect(await one?.list("ada")).toHaveLength(1);
  });

  test("a prefix of bytes that are no text is refused", () => {
    const keyPrefix = Buffer.from([0xff, 0xfe]);
    expect(() => redisStore({ client: createClient({ url, keyPrefix }) })).toThrow("keyPrefix that is text");
  });

  test("a connection that a sentinel leads to a replica is refused", () => {
    const client = new IoRedis({ sentinels: [{ port: 1 }], name: "x", role: "slave", lazyConnect: true });
    expect(() => redisStore({ client })).toThrow('without role: "slave"');
  });
});

describe.skipIf(isMissing)("what clients of a cluster may be set up to do", () => {
  let cluster: RedisCluster;
  let prefix: string;
  beforeAll(async () => {
    cluster = await startRedisCluster();
  });
  afterAll(() => cluster?.stop());
  beforeEach(() => {
    prefix = newPrefix();
  });
  afterEach(() => {
    for (const client of open.splice(0)) close(client);
  });

  const nodes = () => cluster.ports.map((port) => ({ host: "127.0.0.1", port }));
  const rootNodes = () => cluster.nodes.map(({ url }) => ({ url }));
  const SETUPS = [
    "keyPrefix",
    "keyPrefix of its nodes",
    "keyPrefix with braces",
    "bytes for text, text for numbers",
    "commands of one turn in one pipeline",
    "reads from replicas",
  ] as const;
  type Setup = (typeof SETUPS)[number];

  function ofIo(Client: new (nodes: object[], options: object) => object): Record<Setup, Cell> {
    return {
      keyPrefix: { works: ({ prefix }) => new Client(nodes(), { keyPrefix: prefix }) },
      "keyPrefix of its nodes": {
        works: ({ prefix }) => new Client(nodes(), { redisOptions: { keyPrefix: prefix } }),
      },
      "keyPrefix with braces": {
        refused: /keyPrefix without braces/,
        make: () => new Client(nodes(), { keyPrefix: "{app}:" }),
      },
      "bytes for text, text for numbers": {
        works: () => new Client(nodes(), { redisOptions: { stringNumbers: true } }),
      },
      "commands of one turn in one pipeline": {
        works: () => new Client(nodes(), { enableAutoPipelining: true }),
      },
      "reads from replicas": {
        refused: /scaleReads: "master"/,
        make: () => new Client(nodes(), { scaleReads: "slave" }),
      },
    };
  }

  const CLUSTERS: Record<string, Record<Setup, Cell>> = {
    ioredis: ofIo(IoCluster as never),
    "ioredis 5": ofIo(IoCluster5 as never),
    iovalkey: ofIo(IoValkeyCluster as never),
    "node-redis": {
      keyPrefix: {
        works: ({ prefix }) => connected(createCluster({ rootNodes: rootNodes(), keyPrefix: prefix })),
      },
      "keyPrefix of its nodes": NONE,
      "keyPrefix with braces": {
        refused: /keyPrefix without braces/,
        make: () => connected(createCluster({ rootNodes: rootNodes(), keyPrefix: "{app}:" })),
      },
      "bytes for text, text for numbers": {
        works: async () =>
          (await connected(createCluster({ rootNodes: rootNodes() }))).withTypeMapping(BYTES),
      },
      "commands of one turn in one pipeline": NONE,
      "reads from replicas": {
        works: () => connected(createCluster({ rootNodes: rootNodes(), useReplicas: true })),
      },
    },
  };

  for (const [driver, setups] of Object.entries(CLUSTERS)) {
    for (const setup of SETUPS) {
      const cell = setups[setup];
      if (cell === NONE) continue;
      test(`${driver}: ${setup}: ${"works" in cell ? "works" : "is refused"}`, async () => {
        const url = cluster.nodes[0]?.url ?? "";
        const client = (await ("works" in cell ? cell.works : cell.make)({ url, prefix })) as RedisClient;
        open.push(client);
        const isPrefixed = setup.startsWith("keyPrefix");
        const own = isPrefixed ? "own:" : prefix;
        if ("refused" in cell) return expectRefusal(() => redisStore({ client, prefix: own }), cell.refused);
        await worksThrough(client, own);
        const keys = (await Promise.all(cluster.nodes.map((node) => keysOf(node.url, prefix)))).flat();
        expect(keys.length).toBeGreaterThan(0);
        if (isPrefixed) expect(keys.every((key) => key.startsWith(`${prefix}own:`))).toBe(true);
      });
    }
  }
});

/** A day of a store and of an application on it. */
async function worksThrough(client: RedisClient, prefix: string): Promise<void> {
  const store = redisStore({ client, prefix, audit: true });
  const login = rememberedRow();
  const session = sessionRow({ rememberedId: login.id, userId: "ada", level: "login", data: '{"ü":1}' });
  await store.apply({ kind: "signIn", remember: login, insert: session });
  const found = await Promise.all(
    [session.id, session.id, sessionRow().id].map((id) => store.findSession(id)),
  );
  expect(plain(found)).toEqual(plain([session, session, undefined]));
  expect(plain(await store.findRemembered(login.id))).toEqual(plain({ login, session }));
  expect(await store.findRemembered(rememberedRow().id)).toBeUndefined();
  expect(await store.list("ada")).toHaveLength(1);
  expect(await nameDevice(store, { handle: login.id, userId: "ada", name: "Küche" })).toBe(true);
  expect(await claimPrune(store, T0, 1000)).toBe(true);
  expect(await claimPrune(store, T0, 1000)).toBe(false);
  expect(await locksOf(store).acquire({ name: "a", owner: "b", now: T0, until: T0 + 9 })).toBe(T0);
  expect(await locksOf(store).acquire({ name: "a", owner: "c", now: T0, until: T0 + 9 })).toBeUndefined();
  await locksOf(store).release("a", "b");
  expect(Number.isFinite(await store.clock?.())).toBe(true);
  await store.audit?.append([
    {
      id: "0".repeat(22),
      at: T0,
      event: "login",
      userId: "ada",
      actorId: undefined,
      handle: "h",
      address: undefined,
      detail: undefined,
    },
  ]);
  expect(await store.audit?.read({ limit: 9 })).toHaveLength(1);
  expect((await store.admin?.browse({ limit: 100 }))?.entries).toHaveLength(1);
  const cap = {
    userId: "ada",
    max: 1,
    overflow: "evictOldest",
    reason: "cap",
    at: T0,
    pruneAfter: T0 + HOUR,
  } as const;
  const next = sessionRow({ userId: "ada", level: "login", secret: digestOf("next") });
  expect(await store.apply({ kind: "signIn", insert: next, caps: [cap] })).toMatchObject({
    done: true,
    ended: [{ reason: "cap" }],
  });
  expect(
    await revoke(store, { userId: "ada", reason: "revoked", at: T0, pruneAfter: T0 + HOUR }),
  ).toHaveLength(1);

  const app = testApp({ store });
  const browser = new TestBrowser(app);
  await browser.visit((visited) => visited.login("bob", { remember: true }));
  await browser.visit((visited) => visited.set("count", 1));
  browser.restart();
  app.clock.advance(HOUR);
  expect((await browser.visit()).session).toMatchObject({ outcome: "restored", userId: "bob" });
  expect((await browser.visit()).session).toMatchObject({ userId: "bob", data: { count: 1 } });
  expect(app.told()).not.toContain("theft");
}

/** At the making, or at each first use: whatever comes first, nobody is taken for a visitor without a session. */
async function expectRefusal(make: () => ReturnType<typeof redisStore>, words: RegExp): Promise<void> {
  const first = async (use: (store: ReturnType<typeof redisStore>) => Promise<unknown>) => use(make());
  const uses = await Promise.allSettled([
    first((store) => store.findSession(sessionRow().id)),
    first((store) => store.findRemembered(rememberedRow().id)),
    first((store) => store.apply({ kind: "create", insert: sessionRow() })),
    first((store) => store.apply({ kind: "signIn", remember: rememberedRow() })),
    first((store) => store.list("ada")),
  ]);
  for (const use of uses) {
    const code = expect.stringMatching(/^(store_misread|invalid_options|store_unavailable)$/);
    const reason = { code, message: expect.stringMatching(words) };
    expect(use).toMatchObject({ status: "rejected", reason });
  }
}

function close(client: object): void {
  for (const method of ["destroy", "disconnect"] as const) {
    const end = (client as Record<string, unknown>)[method];
    if (typeof end === "function") {
      try {
        end.call(client);
      } catch {}
      return;
    }
  }
}
