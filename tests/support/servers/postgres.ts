import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { binariesOf } from "./binaries.ts";
import { onPostgres } from "./fresh.ts";
import { accountOf, folderWithData, OwnServer } from "./own.ts";
import { freePort } from "./ports.ts";

export interface StartOptions {
  /** A free one unless given. */
  readonly port?: number;
  /** By name, as in the server's configuration file. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface OwnDatabaseServer {
  /** Its administrator, without a password. */
  readonly url: string;
  readonly port: number;
  /** Of its main process; throws while it does not run. */
  readonly pid: number;
  /** Ends all its processes on the spot, as a crash does. */
  kill(): Promise<void>;
  /** Ends it in good order, whatever its clients are doing. */
  stop(): Promise<void>;
  /** Starts it again on the same port and data. */
  start(): Promise<void>;
  /** One statement, on a connection of its own. */
  query(sql: string): Promise<Record<string, unknown>[]>;
}

/** A PostgreSQL of a test's own, gone when the test (or the file, if started outside of a test) is over. */
export async function startPostgres({ port, settings = {} }: StartOptions = {}): Promise<OwnDatabaseServer> {
  const binaries = binariesOf("postgres");
  if (binaries === undefined) throw new Error("PostgreSQL is not installed.");
  const account = accountOf("postgres", "nobody");
  const folder = await folderWithData("postgres", account, (data) => [
    binaries.initdb,
    ...["-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"],
  ]);
  const on = port ?? (await freePort());
  const url = `postgres://postgres@127.0.0.1:${on}/postgres`;
  const all = {
    port: String(on),
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    // In the server's folder, so that nothing of it outlives a killed one.
    dynamic_shared_memory_type: "mmap",
    ...settings,
  };
  const server = new OwnServer({
    name: `PostgreSQL on port ${on}`,
    account,
    folder,
    command: binaries.postgres,
    args: [
      "-D",
      `${folder}/data`,
      ...Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
    ],
    stopSignal: "SIGINT",
    afterKill: () => removeSegment(`${folder}/data`),
    ask: async () => {
      const { Client } = await import("pg");
      const client = new Client({ connectionString: url, connectionTimeoutMillis: 5000 });
      client.on("error", () => {});
      await client.connect();
      try {
        const { rows } = await client.query<{ data_directory: string }>("SHOW data_directory");
        return rows[0]?.data_directory ?? "";
      } finally {
        await client.end();
      }
    },
  });
  await server.start();
  return {
    url,
    port: on,
    get pid() {
      return server.pid;
    },
    kill: () => server.kill(),
    stop: () => server.stop(),
    start: () => server.start(),
    query: (sql) => onPostgres(url, sql),
  };
}

/** The shared memory of a killed server stays in the kernel, which has room for few; its id is in the lock file. */
async function removeSegment(data: string): Promise<void> {
  const lines = (await readFile(`${data}/postmaster.pid`, "utf8")).split("\n");
  const id = lines[6]?.trim().split(/\s+/)[1];
  // A server that died early wrote none, and one that will be started again does not mind.
  if (id !== undefined) await promisify(execFile)("ipcrm", ["-m", id]).catch(() => {});
}
