import { fork } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import mysqlPromise from "mysql2/promise";
import pg from "pg";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import type { Store } from "../../src/index.ts";
import { mysqlStore } from "../../src/stores/mysql/index.ts";
import { postgresStore } from "../../src/stores/postgres/index.ts";
import type { MigrationLock } from "../../src/stores/sql/dialect.ts";
import { mysqlDialect } from "../../src/stores/sql/dialects/mysql.ts";
import { executeSync } from "../../src/stores/sql/driver.ts";
import { checksum } from "../../src/stores/sql/migration.ts";
import { lockedMigration, schemaScript } from "../../src/stores/sql/migrations.ts";
import type { NamingOptions } from "../../src/stores/sql/naming.ts";
import type { Answer, Program, Statement } from "../../src/stores/sql/statement.ts";
import type { SqlStore } from "../../src/stores/sql/store.ts";
import { sqliteStore } from "../../src/stores/sqlite/index.ts";
import { sessionRow } from "../../src/testing/rows.ts";
import { claimPrune } from "../../src/upkeep/prune.ts";
import { freshDatabase, freshSchema, onMysql, onPostgres } from "../support/servers/fresh.ts";
import { describeWith, MYSQL, POSTGRES } from "../support/servers/reach.ts";
import { temporaryFolder } from "../support/temp.ts";
import type { Backend, Naming, Place } from "./fixtures.ts";
import { exercise } from "./naming/exercise.ts";
import { catalog, dialectOf, representatives, statementsOf } from "./naming/places.ts";

async function freshPlace(backend: Backend): Promise<Place> {
  const place = await backend.open();
  onTestFinished(() => place.close());
  return place;
}

/** Makes a store and uses it: SQLite migrates in the first, the others in the second. */
async function used(place: Place, naming: Naming & { migrate?: boolean } = {}): Promise<Store> {
  const store = await place.connect(naming);
  await store.findSession("none");
  return store;
}

async function records(place: Place): Promise<Record<string, unknown>> {
  const rows = await place.sql("SELECT name, value FROM psession_meta WHERE name LIKE 'migration/%'");
  return Object.fromEntries(rows.map((row) => [String(row["name"]), row["value"]]));
}

function expectedRecords(backend: Backend, naming: Naming = {}): Record<string, string> {
  const { schema, dialect } = statementsOf(backend, naming);
  return Object.fromEntries(
    dialect.migrations(schema).map((migration) => [`migration/${migration.name}`, checksum(migration)]),
  );
}

const tablesOf = async (backend: Backend, place: Place): Promise<string[]> =>
  [...new Set((await catalog(backend, place)).map(({ table }) => table))].toSorted();

const ours = ["psession_locks", "psession_logins", "psession_meta", "psession_sessions"];

for (const backend of representatives) {
  describeWith(backend.needs, `migrations: ${backend.name}`, () => {
    test("are recorded with a checksum, once", async () => {
      const place = await freshPlace(backend);
      await used(place);
      expect(await records(place)).toEqual(expectedRecords(backend));
      expect(Object.values(await records(place))).toEqual([expect.stringMatching(/^[0-9a-f]{16}$/)]);
      const [row] = await place.sql("SELECT at FROM psession_meta");
      expect(Number(row?.["at"])).toBeGreaterThan(1_700_000_000_000);
      await used(place);
      await exercise(await used(place));
      expect(await records(place)).toEqual(expectedRecords(backend));
    });

    test("of other names or types than were made are refused, and say what to do", async () => {
      const place = await freshPlace(backend);
      await used(place);
      const before = await catalog(backend, place);
      const others: Naming[] = [
        { timestamps: "datetime" },
        { userIds: "integer" },
        { userIds: "uuid" },
        { tables: { sessions: "other" } },
        { tables: { logins: { name: "other" } } },
        { tables: { locks: { columns: { owner: "other" } } } },
        { tables: { sessions: { columns: { data: "other" } } } },
        { tables: { meta: { columns: { value: "other" } } } },
      ];
      for (const naming of others) {
        await expect(used(place, naming), JSON.stringify(naming)).rejects.toMatchObject({
          code: "store_not_migrated",
          message: expect.stringMatching(/change the options back, or give psession other tables/i),
        });
      }
      expect(await catalog(backend, place)).toEqual(before);
      await exercise(await used(place));
    });

    test("with migrate: false are reported as missing", async () => {
      const place = await freshPlace(backend);
      const store = await place.connect({ migrate: false } as Naming);
      const missing = { code: "store_not_migrated", message: expect.stringContaining("migrate: true") };
      await expect(store.findSession("x")).rejects.toMatchObject(missing);
      await expect(store.findRemembered("x")).rejects.toMatchObject(missing);
      await expect(store.apply({ kind: "create", insert: sessionRow() })).rejects.toMatchObject(missing);
      await expect(claimPrune(store, 0, 1)).rejects.toMatchObject(missing);
      expect(await tablesOf(backend, place)).toEqual([]);
      await used(place);
      await exercise(store);
    });

    test("that find a foreign table in their way leave it alone, and are tried again", async () => {
      const place = await freshPlace(backend);
      await place.sql("CREATE TABLE psession_logins (id int PRIMARY KEY, song varchar(9))");
      await place.sql("INSERT INTO psession_logins VALUES (1, 'tweet')");
      let store: Store | undefined;
      const use = async () => {
        store ??= await place.connect();
        await store.findSession("none");
      };
      for (const _ of [1, 2]) {
        await expect(use()).rejects.toMatchObject({
          code: "store_not_migrated",
          message: expect.stringMatching(/psession_logins.*Rename or remove/s),
        });
      }
      expect(await place.sql("SELECT * FROM psession_logins")).toEqual([{ id: 1, song: "tweet" }]);
      await place.sql("DROP TABLE psession_logins");
      await use();
      await exercise(store as Store);
      expect(await records(place)).toEqual(expectedRecords(backend));
    });

    test("that were begun by another script are taken for what is recorded", async () => {
      const place = await freshPlace(backend);
      for (const text of schemaScript(statementsOf(backend, {})).split(/;\n+/).filter(Boolean)) {
        await place.sql(text);
      }
      await used(place);
      expect(await records(place)).toEqual(expectedRecords(backend));
    });
  });
}

const PROCESSES = 10;

const KINDS = [
  {
    kind: "sqlite",
    needs: [],
    open: async () => {
      const address = join(temporaryFolder(), "sessions.sqlite");
      const sql = async (text: string) => {
        const database = new DatabaseSync(address);
        const rows = database.prepare(text).all();
        database.close();
        return rows as Record<string, unknown>[];
      };
      return { address, sql };
    },
  },
  {
    kind: "postgres",
    needs: [POSTGRES],
    open: async () => {
      const { url } = await freshSchema();
      return { address: url, sql: (text: string) => onPostgres(url, text) };
    },
  },
  {
    kind: "mysql",
    needs: [MYSQL],
    open: async () => {
      const { url } = await freshDatabase();
      return { address: url, sql: (text: string) => onMysql(url, text) };
    },
  },
];

for (const { kind, needs, open } of KINDS) {
  describeWith(needs, `ten processes that start at once on ${kind}`, () => {
    test("make the tables once, and all work", async () => {
      const { address, sql } = await open();
      const worker = new URL("./migrate-worker.ts", import.meta.url);
      const children = Array.from({ length: PROCESSES }, () => fork(worker, [kind, address]));
      await Promise.all(children.map((child) => once(child, "message")));
      const exits = children.map(async (child) => (await once(child, "exit"))[0]);
      for (const child of children) child.send("go");
      expect(await Promise.all(exits)).toEqual(children.map(() => 0));
      const count = async (table: string) =>
        Number((await sql(`SELECT count(*) AS n FROM ${table}`))[0]?.["n"]);
      expect(await count("psession_meta")).toBe(1);
      expect(await count("psession_sessions")).toBe(PROCESSES);
    });
  });
}

test("a new SQLite file is opened while another process that opens it writes to it: SQLite itself does not wait", async () => {
  const path = join(temporaryFolder(), "sessions.sqlite");
  const writer = new DatabaseSync(path);
  onTestFinished(() => writer.close());
  writer.exec("CREATE TABLE theirs (x); BEGIN IMMEDIATE");
  const { exec } = DatabaseSync.prototype;
  let refusals = 0;
  const spied = vi.spyOn(DatabaseSync.prototype, "exec").mockImplementation(function (
    this: DatabaseSync,
    sql,
  ) {
    try {
      return exec.call(this, sql);
    } catch (error) {
      if (this === writer || ++refusals < 3) throw error;
      exec.call(writer, "COMMIT");
      throw error;
    }
  });
  onTestFinished(() => spied.mockRestore());
  const store = sqliteStore({ path });
  onTestFinished(() => store.close?.());
  expect(await store.findSession("none")).toBeUndefined();
  expect(refusals).toBe(3);
});

test("a migrated SQLite file can be opened while another connection writes to it", async () => {
  const path = join(temporaryFolder(), "sessions.sqlite");
  await sqliteStore({ path }).close?.();
  const [writer, database] = [new DatabaseSync(path), new DatabaseSync(path, { timeout: 0 })];
  onTestFinished(() => {
    writer.close();
    database.close();
  });
  writer.exec("BEGIN IMMEDIATE");
  expect(await sqliteStore({ database }).findSession("none")).toBeUndefined();
});

/** As somebody who may read and write, and not create. */
const LIMITED = [
  {
    kind: "PostgreSQL",
    need: POSTGRES,
    open: async () => {
      const { url, name } = await freshSchema();
      const role = `psession_test_${randomBytes(8).toString("hex")}`;
      await onPostgres(url, `CREATE ROLE ${role}`);
      await onPostgres(url, `GRANT USAGE ON SCHEMA ${name} TO ${role}`);
      const within = new URL(url);
      within.searchParams.set("options", `${within.searchParams.get("options")} -c role=${role}`);
      within.search = within.search.replaceAll("+", "%20");
      const administrator = new pg.Pool({ connectionString: url });
      const pool = new pg.Pool({ connectionString: within.href });
      onTestFinished(async () => {
        await Promise.all([administrator.end(), pool.end()]);
        await onPostgres(url, `DROP OWNED BY ${role}`);
        await onPostgres(url, `DROP ROLE ${role}`);
      });
      return {
        administrators: postgresStore({ pool: administrator }),
        limited: () => postgresStore({ pool }),
        allow: () =>
          onPostgres(url, `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${name} TO ${role}`),
        tables: () => onPostgres(url, `SELECT * FROM pg_tables WHERE schemaname = '${name}'`),
      };
    },
  },
  {
    kind: "MySQL",
    need: MYSQL,
    open: async () => {
      const { url, name } = await freshDatabase();
      const password = randomBytes(16).toString("base64url");
      const user = `psession_test_${randomBytes(8).toString("hex")}`;
      // Where anonymous users exist, they come before those from anywhere.
      const accounts = ["%", "localhost"].map((host) => `'${user}'@'${host}'`);
      const forAll = async (sql: (account: string) => string) => {
        for (const account of accounts) await onMysql(url, sql(account));
      };
      await forAll((account) => `CREATE USER ${account} IDENTIFIED BY '${password}'`);
      await forAll((account) => `GRANT SELECT, INSERT, UPDATE, DELETE ON ${name}.* TO ${account}`);
      const within = new URL(url);
      within.username = user;
      within.password = password;
      const administrator = mysqlPromise.createPool(url);
      const pool = mysqlPromise.createPool(within.href);
      onTestFinished(async () => {
        await Promise.all([administrator.end(), pool.end()]);
        await forAll((account) => `DROP USER ${account}`);
      });
      return {
        administrators: mysqlStore({ pool: administrator }),
        limited: () => mysqlStore({ pool }),
        allow: async () => {},
        tables: () => onMysql(url, "SHOW TABLES"),
      };
    },
  },
];

for (const { kind, need, open } of LIMITED) {
  describeWith(need, `a user of ${kind} without the right to create tables`, () => {
    test("gets an error that says so, and needs no such right once they are there", async () => {
      const { administrators, limited, allow, tables } = await open();
      const early = limited();
      for (const _ of [1, 2]) {
        await expect(early.findSession("none")).rejects.toMatchObject({
          code: "store_unavailable",
          message: expect.stringMatching(/denied.*psession schema/s),
        });
      }
      expect(await tables()).toEqual([]);
      await administrators.migrate();
      await allow();
      // What failed is tried again by the next who comes.
      expect(await early.findSession("none")).toBeUndefined();
      await exercise(limited());
    });
  });
}

const elsewhere = { meta: "a_meta", sessions: "a_sessions", logins: "a_logins", locks: "a_locks" };

const lockOf = (dialect: "postgres" | "mysql"): MigrationLock => {
  const statements = statementsOf({ dialect }, {});
  const lock = statements.dialect.migrationLock(statements);
  if (lock === undefined) throw new Error(`${dialect} has no lock`);
  return lock;
};

const HOLDERS = [
  {
    kind: "PostgreSQL",
    need: POSTGRES,
    open: async () => {
      const { url } = await freshSchema();
      const pool = new pg.Pool({ connectionString: url });
      const client = new pg.Client({ connectionString: url });
      await client.connect();
      onTestFinished(async () => {
        await client.end();
        await pool.end();
      });
      return {
        store: (timeout: number, naming?: NamingOptions) => postgresStore({ pool, timeout, ...naming }),
        hold: async () => {
          await client.query("BEGIN");
          const { sql: text, values } = lockOf("postgres").acquire;
          await client.query({ text, values: [...values] });
        },
        letGo: () => client.query("ROLLBACK"),
      };
    },
  },
  {
    kind: "MySQL",
    need: MYSQL,
    open: async () => {
      const { url } = await freshDatabase();
      const pool = mysqlPromise.createPool(url);
      const connection = await mysqlPromise.createConnection(url);
      onTestFinished(async () => {
        await connection.end();
        await pool.end();
      });
      return {
        store: (timeout: number, naming?: NamingOptions) => mysqlStore({ pool, timeout, ...naming }),
        hold: async () => {
          const { sql, values } = lockOf("mysql").acquire;
          await connection.execute(sql, [...values] as (string | null)[]);
        },
        letGo: async () => {
          const { sql, values = [] } = lockOf("mysql").release ?? { sql: "" };
          await connection.execute(sql, [...values] as (string | null)[]);
        },
      };
    },
  },
];

for (const { kind, need, open } of HOLDERS) {
  describeWith(need, `while another process migrates on ${kind}`, () => {
    test("a request waits no longer than the timeout, and the migration goes on", async () => {
      const { store: storeWith, hold, letGo } = await open();
      await hold();
      const store: SqlStore = storeWith(500);
      await expect(store.findSession("none")).rejects.toMatchObject({
        code: "store_unavailable",
        message: expect.stringContaining("within 500 ms"),
      });
      const migrating = store.migrate();
      // Whose tables have another name is not in anybody's way.
      await exercise(storeWith(30_000, { tables: elsewhere }));
      await letGo();
      await migrating;
      await exercise(storeWith(30_000));
    });
  });
}

describe("the lock around a migration of MySQL", () => {
  const statements = statementsOf({ dialect: "mysql" }, {});
  const answer = (rows: Record<string, unknown>[] = []): Answer => ({ rows, count: 0 });

  function run(respond: (statement: Statement) => Answer): { sent: string[]; error: unknown } {
    const sent: string[] = [];
    const program: Program<unknown> = lockedMigration(statements, 0);
    try {
      executeSync(program, (statement) => {
        sent.push(statement.sql);
        return respond(statement);
      });
    } catch (error) {
      return { sent, error };
    }
    return { sent, error: undefined };
  }

  test("is needed: 0, NULL and no answer stop everything", () => {
    for (const rows of [[{ locked: 0 }], [{ locked: null }], [{ locked: 0n }], []]) {
      const { sent, error } = run(() => answer(rows));
      expect(sent).toEqual([expect.stringContaining("GET_LOCK")]);
      expect(error).toMatchObject({
        code: "store_unavailable",
        message: expect.stringContaining("another process"),
      });
    }
  });

  test("is given back when it is over, also when something failed", () => {
    const made = mysqlDialect.migrations(statements.schema).flatMap(({ steps }) => steps);
    for (const failing of ["CREATE TABLE", "SELECT `value`", "SELECT table_comment", "INSERT", "nothing"]) {
      const fault = new Error("out of disk");
      const { sent, error } = run(({ sql, values }) => {
        if (sql.startsWith(failing)) throw fault;
        if (sql.startsWith("SELECT GET_LOCK")) return answer([{ locked: 1n }]);
        if (!sql.startsWith("SELECT table_comment")) return answer();
        const step = made.find((one) => one.made?.table.name === values[1]);
        return answer([{ comment: step?.made?.mark }]);
      });
      expect(error).toBe(failing === "nothing" ? undefined : fault);
      expect(sent.at(-1)).toContain("RELEASE_LOCK");
      expect(sent.filter((sql) => sql.includes("_LOCK("))).toHaveLength(2);
    }
  });

  test("is lost with the connection, and the error is the one that broke it", () => {
    const lost = new Error("connection lost");
    const { error } = run(({ sql }) => {
      if (sql.startsWith("SELECT GET_LOCK")) return answer([{ locked: 1 }]);
      throw sql.includes("RELEASE_LOCK") ? new Error("not connected") : lost;
    });
    expect(error).toBe(lost);
  });
});

const mysqlBackend = representatives.find(({ dialect }) => dialect === "mysql") as Backend;

describeWith(MYSQL, "a migration of MySQL that was interrupted", () => {
  test("goes on where it was, wherever that is", async () => {
    const naming: Naming = { createUsers: true, userIds: "integer" };
    const statements = schemaScript(statementsOf(mysqlBackend, naming)).split(/;\n+/).filter(Boolean);
    for (let count = 1; count < statements.length; count++) {
      const place = await freshPlace(mysqlBackend);
      for (const statement of statements.slice(0, count)) await place.sql(statement);
      await exercise(await place.connect(naming));
      expect(await records(place)).toEqual(expectedRecords(mysqlBackend, naming));
      expect(await tablesOf(mysqlBackend, place)).toEqual([...ours, "users"]);
    }
  });

  test("is not gone on with under other options", async () => {
    const [meta = "", sessions = ""] = schemaScript(statementsOf(mysqlBackend, {})).split(/;\n+/);
    const place = await freshPlace(mysqlBackend);
    await place.sql(meta);
    await place.sql(sessions);
    for (const naming of [{ userIds: "uuid" }, { timestamps: "datetime" }] as const) {
      await expect(used(place, naming)).rejects.toMatchObject({
        code: "store_not_migrated",
        message: expect.stringContaining("psession_sessions` is in the way"),
      });
    }
    await used(place);
  });
});

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const HOUR = 3_600_000;

for (const backend of representatives) {
  describeWith(backend.needs, `the users table: ${backend.name}`, () => {
    const { quote } = dialectOf(backend);

    for (const userIds of ["integer", "text", "uuid"] as const) {
      test(`serves an application whose user ids are ${userIds}`, async () => {
        for (const timestamps of ["integer", "datetime"] as const) {
          const place = await freshPlace(backend);
          const tables = { users: { name: "Members", columns: { email: "E-Mail" } } };
          const store = await used(place, { createUsers: true, userIds, timestamps, tables });
          const users = quote("Members");
          const email = quote("E-Mail");
          const insert = (address: string) =>
            place.sql(
              userIds === "text"
                ? `INSERT INTO ${users} (id, ${email}, password) VALUES ('${address}', '${address}', 'hash')`
                : `INSERT INTO ${users} (${email}, password) VALUES ('${address}', 'hash')`,
            );
          for (const address of ["ada@example.com", "Ada@example.com", "adá@example.com", "bob@example.com"])
            await insert(address);
          await expect(insert("ada@example.com")).rejects.toThrow(/unique|duplicate/i);

          const moment = (column: string) =>
            timestamps === "integer" ? column : dialectOf(backend).selectMoment(column);
          const rows = await place.sql(
            `SELECT id, attempts, last_seen_at, ${moment("created_at")} AS made, ${moment("modified_at")} AS changed FROM ${users}`,
          );
          expect(rows).toHaveLength(4);
          expect(new Set(rows.map(({ id }) => id)).size).toBe(4);
          for (const { id, attempts, last_seen_at, made, changed } of rows) {
            const userId = userIds === "integer" ? Number(id) : String(id);
            if (userIds === "integer") expect(userId).toBeGreaterThan(0);
            if (userIds === "uuid") expect(userId).toMatch(UUID);
            expect([Number(attempts), last_seen_at]).toEqual([0, null]);
            for (const value of [made, changed]) {
              const at = timestamps === "integer" ? Number(value) : dialectOf(backend).parseMoment(value);
              expect(Math.abs(at - Date.now())).toBeLessThan(HOUR / 4);
            }
            await store.apply({ kind: "signIn", insert: sessionRow({ userId, level: "login" }) });
            expect(await store.list(userId)).toHaveLength(1);
          }
        }
      });
    }

    test("can be added later, and left out again", async () => {
      const place = await freshPlace(backend);
      await used(place);
      const before = await records(place);
      expect(await tablesOf(backend, place)).toEqual(ours);
      await exercise(await used(place, { createUsers: true }));
      expect(await tablesOf(backend, place)).toEqual([...ours, "users"]);
      const after = await records(place);
      expect(after).toEqual({ ...before, "migration/0001-users": expect.stringMatching(/^[0-9a-f]{16}$/) });
      await exercise(await used(place));
      await used(place, { createUsers: true });
      expect(await records(place)).toEqual(after);
    });

    test("of the application's own is not taken for psession's, and otherwise not touched", async () => {
      const place = await freshPlace(backend);
      await place.sql("CREATE TABLE users (id int PRIMARY KEY, email varchar(99))");
      await used(place);
      await expect(used(place, { createUsers: true })).rejects.toMatchObject({
        code: "store_not_migrated",
        message: expect.stringMatching(/users.*(Rename or remove)/s),
      });
      expect(Object.keys(await records(place))).toEqual(["migration/0001-tables"]);
      expect(await place.sql("SELECT id, email FROM users")).toEqual([]);
      await exercise(await used(place));
    });
  });
}

describeWith(MYSQL, "the users table of a MySQL whose connections are in another time zone", () => {
  test("has its times in UTC", async () => {
    for (const timestamps of ["integer", "datetime"] as const) {
      const { url } = await freshDatabase();
      const pool = mysqlPromise.createPool(url);
      onTestFinished(() => pool.end());
      await mysqlStore({ pool, createUsers: true, timestamps }).migrate();
      const connection = await mysqlPromise.createConnection(url);
      onTestFinished(() => connection.end());
      await connection.query("SET time_zone = '+05:30'");
      await connection.query("INSERT INTO users (id, email, password) VALUES ('ada', 'a@b.c', 'hash')");
      const [rows] = await connection.query("SELECT CAST(created_at AS CHAR) AS made FROM users");
      const made = String((rows as { made: unknown }[])[0]?.made);
      const at = timestamps === "integer" ? Number(made) : mysqlDialect.parseMoment(made);
      expect(Math.abs(at - Date.now())).toBeLessThan(HOUR / 4);
    }
  });
});

test("a new user's UUID in SQLite is of version 4, and no two are alike", async () => {
  const database = new DatabaseSync(":memory:");
  sqliteStore({ database, createUsers: true, userIds: "uuid" });
  const insert = database.prepare("INSERT INTO users (email, password) VALUES (?, 'hash')");
  for (let user = 0; user < 500; user++) insert.run(`${user}@example.com`);
  const ids = database
    .prepare("SELECT id FROM users")
    .all()
    .map(({ id }) => String(id));
  for (const id of ids)
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(new Set(ids).size).toBe(500);
  database.close();
});
