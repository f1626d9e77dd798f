import { join } from "node:path";
import BetterSqlite3 from "better-sqlite3";
import {
  type Dialect,
  type Driver,
  DummyDriver,
  Kysely,
  MssqlQueryCompiler,
  MysqlDialect,
  MysqlQueryCompiler,
  PostgresAdapter,
  PostgresDialect,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type QueryCompiler,
  SqliteQueryCompiler,
} from "kysely";
import mysql2 from "mysql2";
import pg from "pg";
import { describe, expect, test } from "vitest";
import { revoke } from "../../../src/stores/changes.ts";
import { KyselyDriver } from "../../../src/stores/kysely/driver.ts";
import { kyselyStore, type PsessionTables } from "../../../src/stores/kysely/index.ts";
import { mysqlDialect } from "../../../src/stores/sql/dialects/mysql.ts";
import { Deadline, execute } from "../../../src/stores/sql/driver.ts";
import { lockedMigration } from "../../../src/stores/sql/migrations.ts";
import { TABLES } from "../../../src/stores/sql/schema.ts";
import { rememberedRow, sessionRow, T0 } from "../../../src/testing/rows.ts";
import { TestBrowser, testApp } from "../../support/app.ts";
import { HOUR } from "../../support/clock.ts";
import { freshDatabase, freshSchema, onPostgres } from "../../support/servers/fresh.ts";
import { describeWith, MYSQL, POSTGRES } from "../../support/servers/reach.ts";
import { temporaryFolder } from "../../support/temp.ts";
import { statementsOf } from "../naming/places.ts";
import { databases, opened, sqliteAt } from "./databases.ts";

/** An instance that compiles for some database and reaches none. */
const compiling = (compiler: QueryCompiler): Kysely<unknown> =>
  new Kysely({
    dialect: {
      createAdapter: () => new PostgresAdapter(),
      createDriver: () => new DummyDriver(),
      createIntrospector: (db) => new PostgresIntrospector(db),
      createQueryCompiler: () => compiler,
    },
  });

const inFile = () => join(temporaryFolder(), "app.sqlite");

describe("options", () => {
  test("are checked, all at once", () => {
    const faults = () => kyselyStore({ db: {}, dialect: "mssql", userIds: "any", colour: "red" } as never);
    for (const fault of [
      "db must be a Kysely, 0.28 or later",
      'dialect must be "postgres", "mysql" or "sqlite"',
      'userIds must be "text", "integer" or "uuid"',
      "colour is no option",
    ])
      expect(faults).toThrow(fault);
  });

  test("a transaction is no place for sessions", async () => {
    const { db } = opened(sqliteAt(inFile()));
    await db.transaction().execute(async (transaction) => {
      expect(() => kyselyStore({ db: transaction })).toThrow("not one of its transactions");
    });
  });

  test.each([
    ["PostgreSQL", new PostgresQueryCompiler()],
    ["MySQL", new MysqlQueryCompiler()],
    ["SQLite", new SqliteQueryCompiler()],
  ])("%s is known by what it compiles to", (_, compiler) => {
    expect(kyselyStore({ db: compiling(compiler) }).name).toBe("kysely");
  });

  test("SQL Server is refused, and so is an unknown database", () => {
    const mssql = compiling(new MssqlQueryCompiler());
    expect(() => kyselyStore({ db: mssql })).toThrow("db speaks to Microsoft SQL Server");
    class Strange extends PostgresQueryCompiler {
      protected override getCurrentParameterPlaceholder() {
        return ":1";
      }
    }
    const strange = compiling(new Strange());
    expect(() => kyselyStore({ db: strange })).toThrow("say which with the option dialect");
    expect(kyselyStore({ db: strange, dialect: "postgres" }).name).toBe("kysely");
  });
});

test("the types of the tables name the columns that there are", () => {
  const columns: { [K in keyof PsessionTables]: Record<keyof PsessionTables[K], true> } = {
    psession_sessions: {
      id: true,
      secret: true,
      secret_at: true,
      previous_secret: true,
      retired_secret: true,
      fence: true,
      remembered_id: true,
      user_id: true,
      level: true,
      authenticated_at: true,
      proofs: true,
      pending_user_id: true,
      pending: true,
      actor_user_id: true,
      actor: true,
      bound: true,
      confirm_from: true,
      data: true,
      version: true,
      created_at: true,
      began_at: true,
      last_seen_at: true,
      idle_deadline: true,
      absolute_deadline: true,
      idle_for: true,
      absolute_for: true,
      user_agent: true,
      address: true,
      handle: true,
      name: true,
      tag: true,
      prune_after: true,
    },
    psession_logins: {
      id: true,
      user_id: true,
      token: true,
      previous: true,
      superseded: true,
      superseded_at: true,
      salt: true,
      key_id: true,
      generation: true,
      rotated_at: true,
      confirmed_at: true,
      strays: true,
      created_at: true,
      last_used_at: true,
      idle_deadline: true,
      absolute_deadline: true,
      revoked_at: true,
      revoked_reason: true,
      handle: true,
      name: true,
      tag: true,
      prune_after: true,
    },
    psession_locks: { name: true, owner: true, fence: true, until: true, prune_after: true },
    psession_meta: { name: true, value: true, at: true },
  };
  const { sessions, logins, locks, meta } = TABLES;
  for (const { name, spec } of [sessions, logins, locks, meta]) {
    const actual = Object.values<readonly [string, ...unknown[]]>(spec).map(([column]) => column);
    expect(Object.keys(columns[name]).sort()).toEqual(actual.sort());
  }
});

/** A dialect whose driver is another one in part. */
function altered(dialect: Dialect, change: (driver: Driver) => Partial<Driver>): Dialect {
  return {
    createAdapter: () => dialect.createAdapter(),
    createIntrospector: (db) => dialect.createIntrospector(db),
    createQueryCompiler: () => dialect.createQueryCompiler(),
    createDriver: () => {
      const driver = dialect.createDriver();
      return Object.assign(driver, change(driver));
    },
  };
}

describe("a dialect without transactions", () => {
  const withoutTransactions = (path: string): Dialect =>
    altered(sqliteAt(path), () => ({
      beginTransaction: async () => {
        throw new Error("Transactions are not supported yet.");
      },
    }));

  test("fails at the first use, saying why, and makes no table", async () => {
    const { db, run } = opened(withoutTransactions(inFile()));
    const failing = kyselyStore({ db }).findSession("x");
    await expect(failing).rejects.toMatchObject({ code: "store_unavailable", status: 503 });
    await expect(failing).rejects.toThrow(/Transactions are not supported yet.*needs transactions/);
    expect(await run("SELECT name FROM sqlite_schema")).toEqual([]);
  });

  test("with tables made by others, leaves nothing half done", async () => {
    const path = inFile();
    await kyselyStore({ db: opened(sqliteAt(path)).db }).migrate();
    const { db } = opened(withoutTransactions(path));
    const store = kyselyStore({ db, migrate: false });
    const remember = rememberedRow();
    const insert = sessionRow({ rememberedId: remember.id, userId: "ada" });
    await expect(store.apply({ kind: "signIn", remember, insert })).rejects.toMatchObject({
      code: "store_unavailable",
    });
    expect(await store.findRemembered(remember.id)).toBeUndefined();
    expect(await store.findSession(insert.id)).toBeUndefined();
  });
});

test("a rollback that fails does not hide why there was one", async () => {
  const dialect = altered(sqliteAt(inFile()), (driver) => {
    const rollback = driver.rollbackTransaction.bind(driver);
    return {
      rollbackTransaction: async (connection) => {
        await rollback(connection);
        throw new Error("cannot rollback");
      },
    };
  });
  const store = kyselyStore({ db: opened(dialect).db });
  const row = sessionRow();
  await store.apply({ kind: "signIn", insert: row });
  const update = { id: row.id, version: 2, set: { data: "{}" } };
  expect(await store.apply({ kind: "signIn", remember: rememberedRow(), update })).toEqual({
    done: false,
    conflict: "stale",
  });
});

describe("in SQLite", () => {
  test("a transaction whose snapshot was overtaken is run again as a whole", async () => {
    const path = inFile();
    const other = new BetterSqlite3(path, { timeout: 0 });
    let overtake = () => {};
    const { db, failures } = opened(sqliteAt(path), {
      onStatement: (text) => {
        if (/^SELECT 1 AS found/.test(text)) overtake();
      },
    });
    const store = kyselyStore({ db });
    const login = rememberedRow();
    await store.apply({ kind: "signIn", remember: login });
    failures.length = 0;
    overtake = () => {
      overtake = () => {};
      other.exec("UPDATE psession_logins SET last_used_at = last_used_at + 1");
    };
    const insert = sessionRow({ rememberedId: login.id, userId: "ada" });
    const hold = { id: login.id, generation: 0 };
    expect(await store.apply({ kind: "accept", hold, insert })).toEqual({ done: true, ended: [] });
    expect(failures).toEqual(["SQLITE_BUSY_SNAPSHOT"]);
    expect((await store.findRemembered(login.id))?.session?.id).toBe(insert.id);
    other.close();
  });

  test("a write waits for another one's lock without blocking the process", async () => {
    const path = inFile();
    const { db, failures } = opened(sqliteAt(path));
    const store = kyselyStore({ db });
    const row = sessionRow();
    await store.apply({ kind: "signIn", insert: row });
    failures.length = 0;
    const other = new BetterSqlite3(path, { timeout: 0 });
    other.exec("BEGIN IMMEDIATE");
    const { id } = row;
    const waiting = store.apply({
      kind: "signIn",
      update: { id, version: 1, set: { data: '{"a":1}' } },
      end: [],
    });
    setImmediate(() => other.exec("COMMIT"));
    expect(await waiting).toEqual({ done: true, ended: [] });
    expect(new Set(failures)).toEqual(new Set(["SQLITE_BUSY"]));
    other.close();
  });

  test("a statement that timed out waiting for the connection is not sent afterwards", async () => {
    const { db, log } = opened(sqliteAt(inFile()));
    await kyselyStore({ db }).migrate();
    const store = kyselyStore({ db, migrate: false, timeout: 50 });
    const held = await db.startTransaction().execute();
    const [late, alsoLate] = [sessionRow(), sessionRow()];
    const writes = [
      store.apply({ kind: "signIn", insert: late }),
      store.apply({ kind: "signIn", remember: rememberedRow(), insert: alsoLate }),
    ];
    for (const write of writes) {
      await expect(write).rejects.toMatchObject({ code: "store_unavailable", status: 503 });
    }
    log.length = 0;
    await held.rollback().execute();
    expect(await kyselyStore({ db }).findSession(late.id)).toBeUndefined();
    expect(log.filter((text) => text.startsWith("INSERT"))).toEqual([]);
  });
});

describeWith(POSTGRES, "in PostgreSQL", () => {
  const open = async () => {
    const { url } = await freshSchema();
    const dialect = new PostgresDialect({ pool: new pg.Pool({ connectionString: url }) });
    return { url, ...opened(dialect) };
  };

  test("a restore by remember cookie is one read and one statement", async () => {
    const { db, log } = await open();
    const app = testApp({ store: kyselyStore({ db }) });
    const browser = new TestBrowser(app);
    await browser.visit((session) => session.login("ada", { remember: true }));
    browser.restart();
    app.clock.advance(HOUR);
    log.length = 0;
    const { session } = await browser.visit();
    expect(session.outcome).toBe("restored");
    expect(log.map((text) => text.slice(0, 4))).toEqual(["SELE", "WITH"]);
  });

  test("transactions see what others commit, whatever the server's default is", async () => {
    const { db, url, log } = await open();
    const store = kyselyStore({ db });
    const login = rememberedRow();
    await store.apply({ kind: "signIn", remember: login });
    await onPostgres(url, "UPDATE psession_logins SET generation = generation");
    log.length = 0;
    await revoke(store, { handle: login.id, reason: "revoked", at: T0, pruneAfter: T0 });
    expect(log[0]).toBe("start transaction isolation level read committed");
  });

  test.each(["its first", "its last"])(
    "a transaction that times out behind others at %s statement is undone",
    async (where) => {
      const { db, url } = await open();
      // Long enough for the look at the migrations, however busy the machine.
      const store = kyselyStore({ db, timeout: 2000 });
      const login = rememberedRow();
      const session = sessionRow();
      await kyselyStore({ db }).apply({ kind: "signIn", remember: login, insert: session });
      await store.list("nobody");
      const holder = new pg.Client({ connectionString: url });
      await holder.connect();
      await holder.query("BEGIN");
      const table = where === "its first" ? "psession_logins" : "psession_sessions";
      await holder.query(`SELECT 1 FROM ${table} FOR UPDATE`);
      const { generation, token, idleDeadline, pruneAfter } = login;
      const confirm = { generation, token, at: T0 + 1 };
      const remembered = { id: login.id, lastUsedAt: T0 + 1, idleDeadline, pruneAfter, confirm };
      const touch = { sessionId: session.id, lastSeenAt: T0 + 1, idleDeadline, pruneAfter, remembered };
      await expect(store.touch([touch])).rejects.toMatchObject({ code: "store_unavailable" });
      await holder.query("COMMIT");
      await holder.end();
      // Ends when every connection has been given back.
      await db.destroy();
      const [row] = await onPostgres(url, "SELECT confirmed_at, last_used_at FROM psession_logins");
      expect(row).toEqual({ confirmed_at: null, last_used_at: String(T0) });
    },
  );
});

describeWith(MYSQL, "in MySQL", () => {
  test("a migration that timed out behind another one does not block the next", async () => {
    const { url } = await freshDatabase();
    const open = () =>
      opened(new MysqlDialect({ pool: mysql2.createPool({ uri: url, connectionLimit: 1 }) }));
    const [holder, late, next] = [open(), open(), open()];
    const statements = statementsOf({ dialect: "mysql" }, {});
    const lock = mysqlDialect.migrationLock(statements);
    const held = (sql = "") => sql.replace("?", "NULL").replace("?", "'psession_meta'");
    await holder.run(held(lock?.acquire.sql));
    const deadline = new Deadline(HOUR);
    const waiting = new KyselyDriver(late.db, mysqlDialect).transaction(
      (connection) => execute(lockedMigration(statements, 0), (statement) => connection.run(statement)),
      deadline,
      () => {},
    );
    const refused = expect(waiting).rejects.toThrow("Its time was over.");
    const isWaiting =
      "SELECT 1 FROM information_schema.processlist WHERE db = DATABASE() AND state = 'User lock'";
    while ((await holder.run(isWaiting)).length === 0);
    deadline.expire();
    await holder.run(held(lock?.release?.sql));
    await refused;
    // After what is still on its way on the only connection.
    await late.run("SELECT 1");
    await kyselyStore({ db: next.db }).migrate();
    expect(late.log.filter((text) => text.startsWith("CREATE"))).toEqual([]);
  });
});

for (const { name, needs, dialect } of databases) {
  describeWith(needs, `renamed and with dates, in ${name}`, () => {
    test("tables are made and used under the names that were given", async () => {
      const { db, run } = opened(await dialect());
      const store = kyselyStore({
        db,
        userIds: "integer",
        timestamps: "datetime",
        tables: {
          sessions: { name: "Visits", columns: { userId: "ownerId", data: "kept" } },
          logins: "Devices",
        },
      });
      const row = sessionRow({ userId: 7, data: '{"cart":[1]}', lastSeenAt: T0 });
      await store.apply({ kind: "signIn", insert: row });
      expect(await store.findSession(row.id)).toMatchObject({ userId: 7, data: row.data, lastSeenAt: T0 });
      const quote = name === "mysql" ? "`" : '"';
      const [found] = await run(`SELECT ${quote}kept${quote} AS kept FROM ${quote}Visits${quote}`);
      expect(found).toEqual({ kept: row.data });
    });
  });
}
