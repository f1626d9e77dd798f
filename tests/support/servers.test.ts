import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import mysql from "mysql2/promise";
import { Client } from "pg";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { MARIADB_BINARIES, POSTGRES_BINARIES } from "./servers/binaries.ts";
import { freshDatabase, freshSchema, onMysql, onPostgres } from "./servers/fresh.ts";
import { startMariadb } from "./servers/mariadb.ts";
import { childrenOf, isAlive } from "./servers/own.ts";
import { type OwnDatabaseServer, startPostgres } from "./servers/postgres.ts";
import { sends, startProxy } from "./servers/proxy.ts";
import { describeWith, MYSQL, POSTGRES } from "./servers/reach.ts";

/** A connection whose loss is no surprise. */
async function postgresClient(url: string): Promise<Client> {
  const client = new Client({ connectionString: url });
  client.on("error", () => {});
  await client.connect();
  onTestFinished(() => client.end().catch(() => {}));
  return client;
}

async function mysqlClient(url: string): Promise<mysql.Connection> {
  const connection = await mysql.createConnection(url);
  connection.on("error", () => {});
  onTestFinished(() => connection.destroy());
  return connection;
}

const KINDS = [
  {
    kind: "PostgreSQL",
    need: POSTGRES_BINARIES,
    start: startPostgres,
    client: async (url: string) => {
      const client = await postgresClient(url);
      return (sql: string): Promise<unknown> => client.query(sql);
    },
    setting: { name: "max_connections", read: "SHOW max_connections" },
  },
  {
    kind: "MariaDB",
    need: MARIADB_BINARIES,
    start: startMariadb,
    client: async (url: string) => {
      const connection = await mysqlClient(url);
      return (sql: string): Promise<unknown> => connection.query(sql);
    },
    setting: { name: "max_connections", read: "SELECT @@max_connections AS max_connections" },
  },
];

for (const { kind, need, start, client, setting } of KINDS) {
  describeWith(need, `a ${kind} of a test's own`, () => {
    let shared: OwnDatabaseServer;

    beforeAll(async () => {
      shared = await start();
    });

    test("outlives the tests of a suite that started it", async () => {
      expect(await shared.query("SELECT 1 AS one")).toEqual([{ one: 1 }]);
    });

    test("comes back from a crash with what was committed, and only that", async () => {
      const server = await start();
      await server.query("CREATE TABLE kept (id int PRIMARY KEY)");
      await server.query("INSERT INTO kept VALUES (1)");
      const open = await client(server.url);
      await open("BEGIN");
      await open("INSERT INTO kept VALUES (2)");
      const { pid } = server;
      const group = [pid, ...childrenOf(pid)];
      expect(group.every(isAlive)).toBe(true);
      await server.kill();
      expect(group.filter(isAlive)).toEqual([]);
      await expect(open("COMMIT")).rejects.toThrow();
      await expect(server.query("SELECT 1")).rejects.toMatchObject({ code: "ECONNREFUSED" });
      await server.start();
      expect(server.pid).not.toBe(pid);
      expect(await server.query("SELECT id FROM kept")).toEqual([{ id: 1 }]);
    });

    test("is killed in the middle of a statement", async () => {
      const server = await start();
      const open = await client(server.url);
      const sleeping = open(kind === "MariaDB" ? "SELECT sleep(600)" : "SELECT pg_sleep(600)");
      const lost = expect(sleeping).rejects.toThrow();
      await server.kill();
      await lost;
    });

    test("stops although clients are connected, starts again, and takes settings", async () => {
      const server = await start({ settings: { [setting.name]: "37" } });
      await client(server.url);
      await server.stop();
      await expect(server.query("SELECT 1")).rejects.toMatchObject({ code: "ECONNREFUSED" });
      expect(() => server.pid).toThrow("does not run");
      await server.start();
      expect(Object.values((await server.query(setting.read))[0] ?? {}).map(String)).toEqual(["37"]);
    });

    test("says why it does not start", async () => {
      await expect(start({ settings: { no_such_setting: "1" } })).rejects.toThrow(
        /ended instead of starting:\n./,
      );
      await expect(start({ port: shared.port })).rejects.toThrow(/does not answer|ended instead/);
    });
  });
}

describeWith(MARIADB_BINARIES, "a MariaDB that is read-only", () => {
  test("is so for every user but its administrator", async () => {
    const server = await startMariadb({ settings: { read_only: "ON" } });
    await server.query("CREATE TABLE t (id int)");
    await server.query("CREATE USER app@127.0.0.1");
    await server.query("GRANT ALL ON test.* TO app@127.0.0.1");
    const asApp = server.url.replace("root@", "app@");
    await expect(onMysql(asApp, "INSERT INTO t VALUES (1)")).rejects.toMatchObject({
      code: "ER_OPTION_PREVENTS_STATEMENT",
    });
    await server.query("SET GLOBAL read_only = OFF");
    await onMysql(asApp, "INSERT INTO t VALUES (1)");
  });
});

describeWith(POSTGRES, "the PostgreSQL that tests share", () => {
  test("gives each test a schema of its own", async () => {
    const [one, two] = [await freshSchema(), await freshSchema()];
    await onPostgres(one.url, "CREATE TABLE mine (id int)");
    await onPostgres(two.url, "CREATE TABLE mine (id int)");
    await one.drop();
    const left = await onPostgres(POSTGRES.url, "SELECT schemaname FROM pg_tables WHERE tablename = 'mine'");
    expect(left).toContainEqual({ schemaname: two.name });
    expect(left).not.toContainEqual({ schemaname: one.name });
  });
});

describeWith(MYSQL, "the MySQL that tests share", () => {
  test("gives each test a database of its own", async () => {
    const [one, two] = [await freshDatabase(), await freshDatabase()];
    await onMysql(one.url, "CREATE TABLE mine (id int)");
    await onMysql(two.url, "CREATE TABLE mine (id int)");
    await one.drop();
    const left = (await onMysql(MYSQL.url, "SHOW DATABASES")).map((row) => Object.values(row)[0]);
    expect(left).toContain(two.name);
    expect(left).not.toContain(one.name);
  });
});

describeWith(POSTGRES, "a proxy before PostgreSQL", () => {
  const scene = async () => {
    const { url } = await freshSchema();
    await onPostgres(url, "CREATE TABLE counter (n int)");
    await onPostgres(url, "INSERT INTO counter VALUES (0)");
    const { hostname, port } = new URL(url);
    const proxy = await startProxy({ host: hostname, port: Number(port) });
    return { url, proxy, stored: async () => (await onPostgres(url, "SELECT n FROM counter"))[0]?.["n"] };
  };

  test("passes everything on, also what is large", async () => {
    const { url, proxy } = await scene();
    const client = await postgresClient(proxy.through(url));
    const large = "x".repeat(5_000_000);
    expect((await client.query("SELECT $1::text AS large", [large])).rows).toEqual([{ large }]);
    expect(proxy.connections).toBe(1);
  });

  test("stalls and resumes, with nothing lost and nothing passed on in between", async () => {
    const { url, proxy, stored } = await scene();
    const client = await postgresClient(proxy.through(url));
    proxy.stall();
    const update = client.query("UPDATE counter SET n = 1");
    const late = postgresClient(proxy.through(url));
    // Whatever could get through would have: this goes to the server and back another way.
    expect(await stored()).toBe(0);
    expect(await Promise.race([update, late, stored()])).toBe(0);
    proxy.resume();
    await update;
    expect(await stored()).toBe(1);
    expect((await (await late).query("SELECT n FROM counter")).rows).toEqual([{ n: 1 }]);
  });

  test("resets in the middle of a transaction, which rolls back", async () => {
    const { url, proxy, stored } = await scene();
    const client = await postgresClient(proxy.through(url));
    await client.query("BEGIN");
    await client.query("UPDATE counter SET n = 1");
    proxy.reset();
    await expect(client.query("COMMIT")).rejects.toThrow();
    // Waits for the lock that the lost transaction holds until the server notices.
    await onPostgres(url, "UPDATE counter SET n = n + 10");
    expect(await stored()).toBe(10);
    expect(proxy.connections).toBe(0);
  });

  test("resets before the server gets a COMMIT, or after, with its answer lost", async () => {
    const { url, proxy, stored } = await scene();
    const commit = async (n: number) => {
      const client = await postgresClient(proxy.through(url));
      await client.query("BEGIN");
      await client.query(`UPDATE counter SET n = ${n}`);
      await client.query("COMMIT");
    };
    const before = proxy.resetBefore(sends("COMMIT"));
    await expect(commit(1)).rejects.toThrow(/ECONNRESET|terminated/);
    await before;
    await onPostgres(url, "UPDATE counter SET n = n");
    expect(await stored()).toBe(0);

    const after = proxy.resetAfter(sends("COMMIT"));
    await expect(commit(2)).rejects.toThrow(/ECONNRESET|terminated/);
    await after;
    expect(await stored()).toBe(2);

    await commit(3);
    expect(await stored()).toBe(3);
  });

  test("cuts a statement after so many bytes, and refuses new connections", async () => {
    const { url, proxy, stored } = await scene();
    const client = await postgresClient(proxy.through(url));
    proxy.refuse();
    await expect(postgresClient(proxy.through(url))).rejects.toThrow(/ECONNRESET|terminated/);
    expect((await client.query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
    const cut = proxy.resetAfter(20);
    await expect(client.query("UPDATE counter SET n = 1")).rejects.toThrow(/ECONNRESET|terminated/);
    await cut;
    expect(await stored()).toBe(0);
    proxy.resume();
    await postgresClient(proxy.through(url));
  });
});

describeWith(MYSQL, "a proxy before MySQL", () => {
  test("loses the answer to a COMMIT that was done", async () => {
    const { url } = await freshDatabase();
    await onMysql(url, "CREATE TABLE counter (n int)");
    const proxy = await startProxy({ host: new URL(url).hostname, port: Number(new URL(url).port) });
    const connection = await mysqlClient(proxy.through(url));
    await connection.query("BEGIN");
    await connection.query("INSERT INTO counter VALUES (1)");
    const lost = proxy.resetAfter(sends("COMMIT"));
    await expect(connection.query("COMMIT")).rejects.toThrow();
    await lost;
    expect(await onMysql(url, "SELECT n FROM counter")).toEqual([{ n: 1 }]);
  });
});

describe("without a server", () => {
  const ROOT = resolve(import.meta.dirname, "../..");
  const CLOSED = "postgres://postgres@127.0.0.1:1/postgres";

  /** What vitest says of a file with one suite that needs PostgreSQL, and one that needs nothing. */
  const outcome = async (environment: NodeJS.ProcessEnv) => {
    // Inside the repository, so that its modules find their dependencies.
    mkdirSync(join(ROOT, ".tmp"), { recursive: true });
    const folder = mkdtempSync(join(ROOT, ".tmp/without-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const reach = join(import.meta.dirname, "servers/reach.ts");
    const file = `
      import { beforeAll, expect, test } from "vitest";
      import { describeWith, POSTGRES } from ${JSON.stringify(reach)};
      describeWith(POSTGRES, "the suite", () => {
        beforeAll(() => { throw new Error("must not run"); });
        test("that needs it", () => {});
      });
      test("that needs nothing", () => {});
    `;
    writeFileSync(join(folder, "some.test.ts"), file);
    const report = join(folder, "report.json");
    const args = ["run", "--root", folder, "--reporter=default", "--reporter=json", `--outputFile=${report}`];
    const env = { ...process.env, CI: "", PSESSION_TEST_POSTGRES: CLOSED, ...environment };
    const said = await new Promise<string>((done) => {
      execFile(process.execPath, [join(ROOT, "node_modules/vitest/vitest.mjs"), ...args], { env }, (_, out) =>
        done(out),
      );
    });
    const { numPassedTests, numFailedTests, numPendingTests } = JSON.parse(readFileSync(report, "utf8"));
    return { said, passed: numPassedTests, failed: numFailedTests, skipped: numPendingTests };
  };

  test("its tests are left out, which a line says; in CI they fail", async () => {
    const [here, inCi] = await Promise.all([outcome({}), outcome({ CI: "true" })]);
    expect(here).toMatchObject({ passed: 1, failed: 0, skipped: 1 });
    expect(here.said).toMatch(
      /Left out, "the suite": PostgreSQL at 127\.0\.0\.1:1 is missing .*PSESSION_TEST_POSTGRES/,
    );
    expect(inCi).toMatchObject({ passed: 1, failed: 1, skipped: 0 });
  });
});
