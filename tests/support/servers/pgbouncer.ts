import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { binariesOf } from "./binaries.ts";
import { onPostgres } from "./fresh.ts";
import { accountOf, OwnServer, ownFolder } from "./own.ts";
import { freePort } from "./ports.ts";

export type PoolMode = "transaction" | "statement";

/** A PgBouncer of a test's own before the server at `url`; gives its own URL. Gone when the test or the file is over. */
export async function startPgbouncer(url: string, mode: PoolMode = "transaction"): Promise<string> {
  const binaries = binariesOf("pgbouncer");
  if (binaries === undefined) throw new Error("PgBouncer is not installed.");
  const { hostname, port: behind } = new URL(url);
  const account = accountOf("postgres", "nobody");
  const folder = ownFolder("pgbouncer", account);
  const port = await freePort();
  const log = join(folder, "log");
  const settings = {
    listen_addr: "127.0.0.1",
    listen_port: port,
    unix_socket_dir: "",
    auth_type: "trust",
    auth_file: join(folder, "users"),
    admin_users: "postgres",
    pool_mode: mode,
    default_pool_size: 5,
    max_client_conn: 200,
    ignore_startup_parameters: "extra_float_digits, lock_timeout",
    logfile: log,
  };
  writeFileSync(join(folder, "users"), '"postgres" ""\n', { mode: 0o644 });
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}`);
  writeFileSync(
    join(folder, "pgbouncer.ini"),
    ["[databases]", `* = host=${hostname} port=${behind}`, "[pgbouncer]", ...lines, ""].join("\n"),
    { mode: 0o644 },
  );
  const through = new URL(url);
  through.port = String(port);
  const own = new URL(through);
  own.pathname = "/pgbouncer";
  const server = new OwnServer({
    name: `PgBouncer on port ${port}`,
    account,
    folder,
    command: binaries.pgbouncer,
    args: [join(folder, "pgbouncer.ini")],
    stopSignal: "SIGINT",
    ask: async () => {
      const rows = await onPostgres(own.href, "SHOW CONFIG");
      return String(rows.find(({ key }) => key === "logfile")?.["value"] ?? "");
    },
  });
  await server.start();
  return through.href;
}
