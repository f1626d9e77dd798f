import { ioSubscribe, nodeRedisSubscribe, type Subscribe } from "./subscribe.ts";

/** node-redis: `createClient`, `createClientPool`. */
export interface NodeRedisClient {
  sendCommand(args: string[], options?: NodeRedisCommandOptions): Promise<unknown>;
  /** It has a connection, over which commands go with the next turn of the event loop. */
  readonly isReady?: boolean | undefined;
  /** Not with a pool. */
  duplicate?(): unknown;
}

/** node-redis: `createCluster`. */
export interface NodeRedisCluster {
  sendCommand(
    firstKey: string | undefined,
    isReadonly: boolean | undefined,
    args: string[],
    options?: NodeRedisCommandOptions,
  ): Promise<unknown>;
  readonly masters: readonly { readonly address?: string | undefined }[];
  nodeClient?(node: never): unknown;
  duplicate?(): unknown;
}

/** What node-redis takes beside a command, as far as we give it. */
export interface NodeRedisCommandOptions {
  /** Milliseconds that a command waits to be written; 0 for no end. */
  timeout?: number;
  /** Takes a command back that was not written yet. */
  abortSignal?: AbortSignal;
}

/** ioredis and iovalkey: `Redis` and `Cluster`. */
export interface IoRedisClient {
  call(command: string, ...args: string[]): Promise<unknown>;
  readonly isCluster?: boolean | undefined;
  /** Asked for in a cluster with `enableAutoPipelining`. */
  pipeline?(commands: string[][]): {
    exec(): Promise<readonly (readonly [error: Error | null, reply: unknown])[] | null>;
  };
  nodes?(role: "master"): readonly IoRedisClient[];
  duplicate?(): unknown;
  readonly options?: {
    readonly keyPrefix?: unknown;
    readonly host?: string | undefined;
    readonly port?: number | undefined;
  };
}

/** What `redisStore` takes: a client of node-redis, ioredis or iovalkey, by the shape that is used of it. */
export type RedisClient = NodeRedisClient | NodeRedisCluster | IoRedisClient;

/** One way to talk to all of them. */
export interface Wire {
  readonly isCluster: boolean;
  /**
   * Sends a command to where `key` lives: always a primary, as a replica may lag behind a logout. `signal`: once
   * it is aborted, the command is not to be sent any more. Undefined where that does no harm.
   */
  send(key: string, args: string[], signal: AbortSignal | undefined): Promise<unknown>;
  /** What is sent now goes at once, unless much is waiting already; or the client cannot take anything back. */
  sendsAtOnce(): boolean;
  /** What the client puts before the names of keys (`keyPrefix`). */
  readonly keyPrefix: string;
  /** It does so in commands that are sent as words, or psession has to: node-redis does it for methods of its own only. */
  readonly addsKeyPrefix: boolean;
  /** The primaries, each by itself, in an order that stays. */
  nodes(): readonly Node[];
  /** Over a connection of its own; left out where the client cannot be duplicated. */
  readonly subscribe: Subscribe | undefined;
}

/** One server, for commands that name no key. */
export interface Node {
  readonly name: string;
  send(args: string[]): Promise<unknown>;
}

export function isRedisClient(value: unknown): value is RedisClient {
  return typeof value === "object" && value !== null && (has(value, "call") || has(value, "sendCommand"));
}

/** The options that clients were made with, as far as psession needs them; each client has its own name for them. */
interface Setup {
  readonly keyPrefix?: unknown;
  readonly readonly?: unknown;
  readonly readOnly?: unknown;
  readonly role?: unknown;
  readonly scaleReads?: unknown;
  readonly enableAutoPipelining?: unknown;
}

function setupOf(client: RedisClient): Setup {
  const { options, _options, _keyPrefix } = client as object as Readonly<Record<string, unknown>>;
  const setup = (options ?? _options ?? {}) as Setup;
  // A pool of node-redis keeps nothing else of what its clients are made with.
  return _keyPrefix === undefined ? setup : { ...setup, keyPrefix: _keyPrefix };
}

/** Undefined where it is no text. */
function keyPrefixOf(client: RedisClient): string | undefined {
  const { keyPrefix = "" } = setupOf(client);
  if (keyPrefix === null || keyPrefix === "") return "";
  if (typeof keyPrefix === "string") return keyPrefix;
  const text = keyPrefix instanceof Uint8Array ? Buffer.from(keyPrefix).toString() : "";
  return keyPrefix instanceof Uint8Array && Buffer.from(text).equals(keyPrefix) ? text : undefined;
}

const isClusterClient = (client: RedisClient): boolean =>
  "call" in client ? client.isCluster === true : "masters" in client;

/** What speaks against a client that has the right shape. */
export function clientFault(client: RedisClient): string | undefined {
  if (has(client, "getSentinelNode")) {
    return "client must not be a createSentinel of node-redis, whose commands have another shape: give a createClient that follows the primary, or an ioredis client with sentinels";
  }
  const { readonly, readOnly, role, scaleReads } = setupOf(client);
  // A read of a replica may bring back a session whose end was answered already.
  if (scaleReads !== undefined && scaleReads !== "master") {
    return 'client must read from primaries (scaleReads: "master"): a replica may still have a session that has ended';
  }
  const setting =
    readonly === true ? "readonly" : readOnly === true ? "readOnly" : role === "slave" ? 'role: "slave"' : "";
  if (setting !== "") {
    return `client must be one of the primary, without ${setting}: a replica takes no writes, and may still have a session that has ended`;
  }
  const keyPrefix = keyPrefixOf(client);
  if (keyPrefix === undefined) return "client must have a keyPrefix that is text";
  if (isClusterClient(client) && /[{}]/.test(keyPrefix)) {
    return "client must have a keyPrefix without braces: they decide the slot of every key, and would put a whole cluster's sessions onto one node";
  }
  return undefined;
}

export function wireOf(client: RedisClient): Wire {
  const keyPrefix = keyPrefixOf(client) ?? "";
  // ioredis has a sendCommand as well, which takes something else.
  if ("call" in client) {
    const { isCluster = false } = client;
    // iovalkey knows by names in lower case only where the keys of a command are. Without a prefix there is nothing to
    // know, and names in upper case keep clear of the application's reply transformers, which go by name.
    const nameOf = (command: string) => (keyPrefix === "" ? command : command.toLowerCase());
    const isAlone = isCluster && setupOf(client).enableAutoPipelining === true;
    const toIoNode = (node: IoRedisClient): Node => ({
      name: `${node.options?.host}:${node.options?.port}`,
      send: ([command = "", ...args]) => node.call(command, ...args),
    });
    return {
      isCluster,
      send: (_, [command = "", ...args]) =>
        isAlone ? sendAlone(client, command, args) : client.call(nameOf(command), ...args),
      sendsAtOnce: () => true,
      keyPrefix,
      addsKeyPrefix: true,
      nodes: () => (isCluster ? inOrder((client.nodes?.("master") ?? []).map(toIoNode)) : [toIoNode(client)]),
      subscribe: ioSubscribe(client),
    };
  }
  if ("masters" in client) {
    const toNode = (master: { readonly address?: string | undefined }): Node => ({
      name: String(master.address),
      send: async (args) =>
        ((await client.nodeClient?.(master as never)) as NodeRedisClient | undefined)?.sendCommand(args),
    });
    return {
      isCluster: true,
      send: (key, args, signal) => client.sendCommand(key, false, args, until(signal)),
      sendsAtOnce: () => false,
      keyPrefix,
      addsKeyPrefix: false,
      nodes: () => inOrder(client.masters.map(toNode)),
      subscribe: nodeRedisSubscribe(client),
    };
  }
  return {
    isCluster: false,
    send: (_, args, signal) => client.sendCommand(args, until(signal)),
    sendsAtOnce: () => client.isReady === true,
    keyPrefix,
    addsKeyPrefix: false,
    nodes: () => [{ name: "", send: (args) => client.sendCommand(args) }],
    subscribe: nodeRedisSubscribe(client),
  };
}

/**
 * iovalkey puts a script into the pipeline of the node that its name would belong to, as if that were a
 * key. A pipeline of one goes where its keys are.
 */
async function sendAlone(client: IoRedisClient, command: string, args: string[]): Promise<unknown> {
  const results = await client.pipeline?.([[command.toLowerCase(), ...args]]).exec();
  const [error, reply] = results?.[0] ?? [];
  if (error) throw error;
  return reply;
}

/**
 * Not their `timeout`, which they set by themselves: for each command that makes a signal with a timer, which lives
 * until its time is over although the answer came long ago. Thousands of them keep the garbage collector busy.
 */
const until = (signal: AbortSignal | undefined): NodeRedisCommandOptions =>
  signal === undefined ? { timeout: 0 } : { timeout: 0, abortSignal: signal };

const inOrder = (nodes: readonly Node[]): readonly Node[] =>
  [...nodes].sort((a, b) => (a.name < b.name ? -1 : 1));

function has<Name extends string>(value: object, name: Name): boolean {
  return name in value && typeof (value as Record<Name, unknown>)[name] === "function";
}
