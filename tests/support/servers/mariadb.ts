import { binariesOf } from "./binaries.ts";
import { onMysql } from "./fresh.ts";
import { accountOf, folderWithData, OwnServer } from "./own.ts";
import { freePort } from "./ports.ts";
import type { OwnDatabaseServer, StartOptions } from "./postgres.ts";

/**
 * A MariaDB of a test's own, gone when the test (or the file, if started outside of a test) is over. It has an empty
 * database `test`. Its administrator is not bound by `read_only`; users that tests create are.
 */
export async function startMariadb({ port, settings = {} }: StartOptions = {}): Promise<OwnDatabaseServer> {
  const binaries = binariesOf("mariadb");
  if (binaries === undefined) throw new Error("MariaDB is not installed.");
  const account = accountOf("mysql", "nobody");
  const small = "--innodb-log-file-size=8M";
  const folder = await folderWithData("mariadb", account, (data) => [
    binaries["mariadb-install-db"],
    ...["--no-defaults", `--datadir=${data}`, "--auth-root-authentication-method=normal"],
    ...["--skip-test-db", "--skip-name-resolve", small],
  ]);
  const on = port ?? (await freePort());
  const administrator = `mysql://root@127.0.0.1:${on}`;
  const options = Object.entries(settings).map(([name, value]) => `--${name}=${value}`);
  const server = new OwnServer({
    name: `MariaDB on port ${on}`,
    account,
    folder,
    command: binaries.mariadbd,
    args: [
      ...[
        "--no-defaults",
        `--datadir=${folder}/data`,
        `--socket=${folder}/socket`,
        `--pid-file=${folder}/pid`,
      ],
      ...[`--port=${on}`, "--bind-address=127.0.0.1", "--skip-name-resolve", small],
      ...options,
    ],
    stopSignal: "SIGTERM",
    ask: async () => {
      const { default: mysql } = await import("mysql2/promise");
      const connection = await mysql.createConnection({ uri: administrator, connectTimeout: 5000 });
      try {
        const [rows] = await connection.query("SELECT @@datadir AS folder");
        return (rows as { folder: string }[])[0]?.folder ?? "";
      } finally {
        connection.destroy();
      }
    },
  });
  await server.start();
  await onMysql(administrator, "CREATE DATABASE IF NOT EXISTS test");
  const url = `${administrator}/test`;
  return {
    url,
    port: on,
    get pid() {
      return server.pid;
    },
    kill: () => server.kill(),
    stop: () => server.stop(),
    start: () => server.start(),
    query: (sql) => onMysql(url, sql),
  };
}
