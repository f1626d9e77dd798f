import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { serverNeed } from "./reach.ts";

/** The server that tests share, each with a key prefix of its own. */
export const REDIS = serverNeed("Redis", "PSESSION_TEST_REDIS", "redis://127.0.0.1:6379", async (url) => {
  if (!(await isReachable(url))) throw new Error("no answer");
});
export const redisUrl = (): string => REDIS.url;

/** True where tests of Redis cannot run, which a line says; in CI that is a failure instead. */
export async function isRedisMissing(what: string): Promise<boolean> {
  if ((await isReachable(redisUrl())) && (await hasBinary())) return false;
  const missing = `Redis was not found (set PSESSION_TEST_REDIS, and have redis-server in the path), so ${what} are left out.`;
  if (process.env["CI"]) throw new Error(missing);
  console.log(missing);
  return true;
}

export async function isReachable(url: string): Promise<boolean> {
  const { createClient } = await import("redis");
  const client = createClient({ url, socket: { reconnectStrategy: false, connectTimeout: 2000 } });
  client.on("error", () => {});
  try {
    await client.connect();
    return (await client.ping()) === "PONG";
  } catch {
    return false;
  } finally {
    if (client.isOpen) client.destroy();
  }
}

/** A server of the test's own. */
export interface RedisServer {
  readonly port: number;
  readonly url: string;
  readonly pid: number;
  /** Ends it as a crash does: nothing is flushed or said. */
  kill(): Promise<void>;
  /** Starts it again, on the same port and data. */
  start(): Promise<void>;
  /** Ends it and deletes its folder. */
  stop(): Promise<void>;
  /** Runs one command on a connection of its own. */
  command(...args: string[]): Promise<unknown>;
}

export async function startRedis(
  options: { port?: number; args?: readonly string[] } = {},
): Promise<RedisServer> {
  const port = options.port ?? (await freePort());
  const folder = mkdtempSync(join(tmpdir(), "psession-redis-"));
  const url = `redis://127.0.0.1:${port}`;
  let child: ChildProcess | undefined;
  const listening = ["--port", String(port), "--bind", "127.0.0.1", "--dir", folder, "--save", ""];

  const end = () => child?.kill("SIGKILL");
  const start = async () => {
    const started = spawn("redis-server", [...listening, ...(options.args ?? [])], { stdio: "ignore" });
    child = started;
    // By its process, as a port that was free a moment ago may be another test's now.
    await until(`Redis on port ${port} to answer`, async () => {
      if (started.exitCode !== null) throw new Error(`Redis on port ${port} ended at once`);
      const info = await command("INFO", "server").catch(() => "");
      return String(info).includes(`process_id:${started.pid}\r`);
    });
  };
  const kill = async () => {
    if (child === undefined) return;
    const gone = once(child, "exit");
    end();
    await gone;
    child = undefined;
  };
  const command = async (...args: string[]) => {
    const { createClient } = await import("redis");
    const client = createClient({ url, socket: { reconnectStrategy: false } });
    client.on("error", () => {});
    try {
      await client.connect();
      return await client.sendCommand(args);
    } finally {
      if (client.isOpen) client.destroy();
    }
  };
  const stop = async () => {
    await kill();
    process.off("exit", end);
    rmSync(folder, { recursive: true, force: true });
  };
  process.on("exit", end);
  try {
    await start();
  } catch (error) {
    if (child?.exitCode === null) await kill();
    process.off("exit", end);
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
  return {
    port,
    url,
    get pid() {
      return child?.pid ?? 0;
    },
    kill,
    start,
    stop,
    command,
  };
}

export interface RedisCluster {
  readonly ports: readonly number[];
  readonly nodes: readonly RedisServer[];
  stop(): Promise<void>;
}

const SLOTS = 16_384;

/** Three primaries that share the slots, ready for work. */
export async function startRedisCluster(): Promise<RedisCluster> {
  const args = [
    "--cluster-enabled",
    "yes",
    "--cluster-node-timeout",
    "2000",
    "--cluster-require-full-coverage",
    "no",
  ];
  const nodes = await Promise.all(Array.from({ length: 3 }, () => startNode(args)));
  const stop = async () => {
    await Promise.all(nodes.map((node) => node.stop()));
  };
  try {
    await formCluster(nodes);
  } catch (error) {
    await stop();
    throw error;
  }
  return { ports: nodes.map(({ port }) => port), nodes, stop };
}

/** Gives each node its part of the slots, and waits until all know of all. */
async function formCluster(nodes: readonly (RedisServer & { readonly busPort: number })[]): Promise<void> {
  const [first] = nodes;
  if (first === undefined) throw new Error("a cluster has nodes");
  for (const [index, node] of nodes.entries()) {
    const share = SLOTS / nodes.length;
    const [from, to] = [Math.ceil(share * index), Math.ceil(share * (index + 1)) - 1];
    await node.command("CLUSTER", "SET-CONFIG-EPOCH", String(index + 1));
    await node.command("CLUSTER", "ADDSLOTSRANGE", String(from), String(to));
    if (node !== first) {
      await node.command("CLUSTER", "MEET", "127.0.0.1", String(first.port), String(first.busPort));
    }
  }
  for (const node of nodes) {
    await until("the cluster to be ok", async () => {
      const info = String(await node.command("CLUSTER", "INFO"));
      return info.includes("cluster_state:ok") && info.includes(`cluster_slots_assigned:${SLOTS}`);
    });
  }
}

/** Nodes talk to each other on a second port: ten thousand higher unless told, which may be no port at all. */
async function startNode(args: readonly string[]) {
  const busPort = await freePort();
  return Object.assign(await startRedis({ args: [...args, "--cluster-port", String(busPort)] }), { busPort });
}

/** Asks again and again, and gives up in the end. */
export async function until(what: string, holds: () => Promise<boolean>, attempts = 400): Promise<void> {
  for (let attempt = 0; attempt < attempts; attempt++) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`waited in vain for ${what}`);
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("a TCP server has a port");
  return address.port;
}

async function hasBinary(): Promise<boolean> {
  const child = spawn("redis-server", ["--version"], { stdio: "ignore" });
  return new Promise((resolve) => {
    child.once("error", () => resolve(false));
    child.once("exit", (code) => resolve(code === 0));
  });
}
