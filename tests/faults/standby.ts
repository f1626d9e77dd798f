import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { binariesOf } from "../support/servers/binaries.ts";
import { onPostgres } from "../support/servers/fresh.ts";
import { accountOf, OwnServer, ownFolder } from "../support/servers/own.ts";
import { freePort } from "../support/servers/ports.ts";
import type { OwnDatabaseServer } from "../support/servers/postgres.ts";

/** A hot standby that follows `primary`; gives its URL. Gone when the test or the file is over. */
export async function startStandby(primary: OwnDatabaseServer): Promise<string> {
  const binaries = binariesOf("postgres");
  if (binaries === undefined) throw new Error("PostgreSQL is not installed.");
  const account = accountOf("postgres", "nobody");
  const folder = ownFolder("standby", account);
  const from = ["-h", "127.0.0.1", "-p", String(primary.port), "-U", "postgres"];
  const beside = join(dirname(binaries.initdb), "pg_basebackup");
  await promisify(execFile)(
    existsSync(beside) ? beside : "pg_basebackup",
    ["-D", `${folder}/data`, ...from, "-R", "-X", "stream", "--checkpoint=fast", "--no-sync"],
    { ...account, cwd: folder },
  );
  const port = await freePort();
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  const settings = {
    port: String(port),
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    dynamic_shared_memory_type: "mmap",
  };
  const server = new OwnServer({
    name: `Standby on port ${port}`,
    account,
    folder,
    command: binaries.postgres,
    args: [
      "-D",
      `${folder}/data`,
      ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
    ],
    stopSignal: "SIGINT",
    ask: async () => String((await onPostgres(url, "SHOW data_directory"))[0]?.["data_directory"] ?? ""),
  });
  await server.start();
  return url;
}
