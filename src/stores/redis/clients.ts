/** node-redis: `createClient`, `createClientPool`. */
export interface NodeRedisClient {
  sendCommand(args: string[], options?: NodeRedisCommandOptions): Promise<unknown>;
  /** It has a connection, over which commands go with the next turn of the event loop. */
  readonly isReady?: boolean;
}

/** node-redis: `createCluster`. */
export interface NodeRedisCluster {
  sendCommand(
    firstKey: string | undefined,
    isReadonly: boolean | undefined,
    args: string[],
    options?: NodeRedisCommandOptions,
  ): Promise<unknown>;
  readonly masters: readonly { readonly address?: string }[];
  nodeClient?(node: never): unknown;
}

export interface NodeRedisCommandOptions {
  /** Milliseconds that a command waits to be written; 0 for no end. */
  timeout?: number;
  /** Takes a command back that was not written yet. */
  abortSignal?: AbortSignal;
}

/** ioredis and iovalkey: `Redis` and `Cluster`. */
export interface IoRedisClient {
  call(command: string, ...args: string[]): Promise<unknown>;
  readonly isCluster?: boolean;
  nodes?(role: "master"): readonly IoRedisClient[];
  readonly options?: {
    readonly keyPrefix?: string | undefined;
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
  /** What the client itself puts before the names of keys. */
  readonly keyPrefix: string;
  /** The primaries, each by itself, in an order that stays. */
  nodes(): readonly Node[];
}

/** One server, for commands that name no key. */
export interface Node {
  readonly name: string;
  send(args: string[]): Promise<unknown>;
}

export function isRedisClient(value: unknown): value is RedisClient {
  return typeof value === "object" && value !== null && (has(value, "call") || has(value, "sendCommand"));
}

/** What speaks against a client that has the right shape. */
export function clientFault(client: RedisClient): string | undefined {
  if (has(client, "getSentinelNode")) {
    return "client must not be a createSentinel of node-redis, whose commands have another shape: give a createClient that follows the primary, or an ioredis client with sentinels";
  }
  const options = "options" in client ? client.options : undefined;
  if (typeof options !== "object" || options === null) return undefined;
  // A read of a replica may bring back a session whose end was answered already.
  if ("scaleReads" in options && options.scaleReads !== "master") {
    return 'client must read from primaries (scaleReads: "master"): a replica may still have a session that has ended';
  }
  return undefined;
}

export function wireOf(client: RedisClient): Wire {
  // ioredis has a sendCommand as well, which takes something else.
  if ("call" in client) {
    const { isCluster = false, options } = client;
    const toIoNode = (node: IoRedisClient): Node => ({
      name: `${node.options?.host}:${node.options?.port}`,
      send: ([command = "", ...args]) => node.call(command, ...args),
    });
    return {
      isCluster,
      send: (_, [command = "", ...args]) => client.call(command, ...args),
      sendsAtOnce: () => true,
      keyPrefix: options?.keyPrefix ?? "",
      nodes: () => (isCluster ? inOrder((client.nodes?.("master") ?? []).map(toIoNode)) : [toIoNode(client)]),
    };
  }
  if ("masters" in client) {
    const toNode = (master: { readonly address?: string }): Node => ({
      name: String(master.address),
      send: async (args) =>
        ((await client.nodeClient?.(master as never)) as NodeRedisClient | undefined)?.sendCommand(args),
    });
    return {
      isCluster: true,
      send: (key, args, signal) => client.sendCommand(key, false, args, until(signal)),
      sendsAtOnce: () => false,
      keyPrefix: "",
      nodes: () => inOrder(client.masters.map(toNode)),
    };
  }
  return {
    isCluster: false,
    send: (_, args, signal) => client.sendCommand(args, until(signal)),
    sendsAtOnce: () => client.isReady === true,
    keyPrefix: "",
    nodes: () => [{ name: "", send: (args) => client.sendCommand(args) }],
  };
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
