import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { PGlite } from "@electric-sql/pglite";
import type BetterSqlite3 from "better-sqlite3";
import type { Kysely } from "kysely";
import type Libsql from "libsql";
import { memoryStore, type Store } from "../../src/index.ts";
import { kyselyStore } from "../../src/stores/kysely/index.ts";
import { mysqlStore } from "../../src/stores/mysql/index.ts";
import { postgresStore } from "../../src/stores/postgres/index.ts";
import type { NamingOptions } from "../../src/stores/sql/naming.ts";
import { type SqliteDatabase, sqliteStore } from "../../src/stores/sqlite/index.ts";
import { AS_USUAL, asUsual, freshDatabase, freshSchema } from "../support/servers/fresh.ts";
import { MYSQL, type Need, POSTGRES } from "../support/servers/reach.ts";

export type UserIds = "text" | "integer" | "uuid";

export interface Naming extends NamingOptions {
  userIds?: UserIds;
  /** Of stores over a connection. */
  timeout?: number;
}

/** One empty place for sessions, and connections to it. */
export interface Place {
  /** A store on a connection, or a pool, of its own. */
  connect(naming?: Naming): Promise<Store>;
  /** Runs one statement past the library; gives its rows. */
  sql(text: string): Promise<Record<string, unknown>[]>;
  close(): Promise<void>;
}

/** A database and a driver. */
export interface Backend {
  readonly name: string;
  readonly dialect: "sqlite" | "postgres" | "mysql";
  readonly needs: readonly Need[];
  /** How many connections share a place, at the most. */
  readonly connections: number;
  open(): Promise<Place>;
}

const POOL = 5;

export const sqlBackends: readonly Backend[] = [
  sqliteBackend(
    "sqlite, a file of its own",
    (path) => new DatabaseSync(path),
    ({ path, naming }) => sqliteStore({ path, ...naming }),
  ),
  sqliteBackend("node:sqlite", (path) => new DatabaseSync(path)),
  sqliteBackend("better-sqlite3", viaBetterSqlite3),
  sqliteBackend("libsql", viaLibsql),
  postgresBackend("pg", 3, async (url) => {
    const { default: pg } = await import("pg");
    const pool = new pg.Pool({ connectionString: url, max: POOL });
    return { make: (naming) => postgresStore({ pool, ...naming }), close: () => pool.end() };
  }),
  postgresBackend("pg, one client", 1, async (url) => {
    const { default: pg } = await import("pg");
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    return { make: (naming) => postgresStore({ client, ...naming }), close: () => client.end() };
  }),
  postgresBackend("postgres.js", 3, async (url) => {
    const { default: postgres } = await import("postgres");
    const sql = postgres(url, { max: POOL, onnotice: () => {} });
    return { make: (naming) => postgresStore({ sql, ...naming }), close: () => sql.end() };
  }),
  pgliteBackend("pglite", (pglite, naming) => postgresStore({ pglite, ...naming })),
  mysqlBackend("mysql2/promise", async (url) => {
    const { default: mysql } = await import("mysql2/promise");
    const pool = mysql.createPool({ uri: url, connectionLimit: POOL });
    asUsual(pool.pool);
    return { make: (naming) => mysqlStore({ pool, ...naming }), close: () => pool.end() };
  }),
  mysqlBackend("mysql2 with callbacks", async (url) => {
    const { default: mysql2 } = await import("mysql2");
    const pool = mysql2.createPool({
      uri: url,
      connectionLimit: POOL,
      rowsAsArray: true,
      flags: ["-FOUND_ROWS"],
    });
    asUsual(pool);
    return { make: (naming) => mysqlStore({ pool, ...naming }), close: () => pool.promise().end() };
  }),
  mysqlBackend("mariadb", async (url) => {
    const { default: mariadb } = await import("mariadb");
    const { hostname: host, port, username: user, password, pathname } = new URL(url);
    const place = { host, port: Number(port), user, password, database: pathname.slice(1) };
    const pool = mariadb.createPool({ ...place, connectionLimit: POOL, initSql: AS_USUAL });
    return { make: (naming) => mysqlStore({ pool, ...naming }), close: () => pool.end() };
  }),
  sqliteBackend("kysely over better-sqlite3", viaBetterSqlite3, async ({ opened, naming }) => {
    const { Kysely, SqliteDialect } = await import("kysely");
    const database = (await opened()) as BetterSqlite3.Database;
    // Transactions take several turns of the event loop: one that blocked it would wait for itself.
    database.pragma("busy_timeout = 0");
    return kyselyStore({ db: new Kysely({ dialect: new SqliteDialect({ database }) }), ...naming });
  }),
  postgresBackend("kysely over pg, with plugins", 3, async (url) => {
    const { CamelCasePlugin, DeduplicateJoinsPlugin, Kysely, ParseJSONResultsPlugin, PostgresDialect } =
      await import("kysely");
    const { default: pg } = await import("pg");
    const dialect = new PostgresDialect({ pool: new pg.Pool({ connectionString: url, max: POOL }) });
    const plugins = [new CamelCasePlugin(), new ParseJSONResultsPlugin(), new DeduplicateJoinsPlugin()];
    const db = new Kysely({ dialect, plugins });
    return { make: (naming) => kyselyStore({ db, ...naming }), close: () => db.destroy() };
  }),
  pgliteBackend("kysely over pglite", async (pglite, naming) => {
    const [{ Kysely }, { PGliteDialect }] = await Promise.all([
      import("kysely"),
      import("kysely-pglite-dialect"),
    ]);
    return kyselyStore({ db: new Kysely({ dialect: new PGliteDialect(pglite) }), ...naming });
  }),
  mysqlBackend("kysely 0.28 over mysql2", async (url) => {
    const kysely028 = await import("kysely028");
    const { default: mysql2 } = await import("mysql2");
    const dialect = new kysely028.MysqlDialect({
      pool: asUsual(mysql2.createPool({ uri: url, connectionLimit: POOL })),
    });
    // Classes with private parts are not of one type, even where they are the same.
    const db = new kysely028.Kysely({ dialect }) as unknown as Kysely<unknown>;
    return { make: (naming) => kyselyStore({ db, ...naming }), close: () => db.destroy() };
  }),
  mysqlBackend("kysely over mysql2", async (url) => {
    const { Kysely, MysqlDialect } = await import("kysely");
    const { default: mysql2 } = await import("mysql2");
    const dialect = new MysqlDialect({
      pool: asUsual(mysql2.createPool({ uri: url, connectionLimit: POOL })),
    });
    const db = new Kysely({ dialect });
    return { make: (naming) => kyselyStore({ db, ...naming }), close: () => db.destroy() };
  }),
];

async function viaBetterSqlite3(path: string): Promise<BetterSqlite3.Database> {
  const { default: BetterSqlite3 } = await import("better-sqlite3");
  return new BetterSqlite3(path, { timeout: 0 });
}

async function viaLibsql(path: string): Promise<Libsql.Database> {
  const { default: Libsql } = await import("libsql");
  return new Libsql(path, { timeout: 0 });
}

/** Settings that change what SQLite answers or how it compares, all at once. */
const ODD = [
  "encoding = 'UTF-16'",
  "case_sensitive_like = ON",
  "full_column_names = ON",
  "short_column_names = OFF",
  "reverse_unordered_selects = ON",
  "recursive_triggers = ON",
  "trusted_schema = OFF",
];

function odd<D extends SqliteDatabase>(database: D): D {
  for (const pragma of ODD) database.exec(`PRAGMA ${pragma}`);
  return database;
}

/** Drivers that applications have set up for statements of another kind than ours. */
export const oddSqliteBackends: readonly Backend[] = [
  sqliteBackend("node:sqlite, set up otherwise", (path) =>
    odd(new DatabaseSync(path, { returnArrays: true, readBigInts: true })),
  ),
  sqliteBackend("better-sqlite3, set up otherwise", async (path) =>
    odd((await viaBetterSqlite3(path)).defaultSafeIntegers()),
  ),
  sqliteBackend("libsql, set up otherwise", async (path) =>
    odd((await viaLibsql(path)).defaultSafeIntegers(true)),
  ),
];

export const memoryPlace = async (): Promise<Place> => {
  const store = memoryStore();
  return { connect: async () => store, sql: async () => [], close: async () => {} };
};

interface Opened {
  make(naming: Naming): Store;
  close(): Promise<unknown>;
}

interface SqliteParts {
  readonly path: string;
  readonly naming: Naming;
  /** A connection, closed with the place. */
  opened(): Promise<SqliteDatabase>;
}

export function sqliteBackend(
  name: string,
  open: (path: string) => SqliteDatabase | Promise<SqliteDatabase>,
  make: (parts: SqliteParts) => Store | Promise<Store> = async ({ opened, naming }) =>
    sqliteStore({ database: await opened(), ...naming }),
): Backend {
  const openPlace = async (): Promise<Place> => {
    const folder = mkdtempSync(join(tmpdir(), "psession-"));
    const path = join(folder, "sessions.sqlite");
    const closers: (() => unknown)[] = [];
    // Through the same library: two copies of SQLite in one process break each other's locks.
    const opened = async () => {
      const database = await open(path);
      closers.push(() => database.close());
      database.exec("PRAGMA journal_mode = WAL; PRAGMA busy_timeout = 5000");
      return database;
    };
    let own: Promise<SqliteDatabase> | undefined;
    return {
      connect: async (naming = {}) => {
        const store = await make({ path, naming, opened });
        closers.push(() => store.close?.());
        return store;
      },
      sql: async (text) => {
        own ??= opened();
        const statement = (await own).prepare(text);
        if (/^(SELECT|EXPLAIN|PRAGMA)/i.test(text)) return statement.all() as Record<string, unknown>[];
        statement.run();
        return [];
      },
      close: async () => {
        for (const close of closers.reverse()) await close();
        rmSync(folder, { recursive: true, force: true });
      },
    };
  };
  return { name, dialect: "sqlite", needs: [], connections: 3, open: openPlace };
}

function postgresBackend(name: string, connections: number, open: (url: string) => Promise<Opened>): Backend {
  return {
    name,
    dialect: "postgres",
    needs: [POSTGRES],
    connections,
    open: () => serverPlace(freshSchema, open, sqlOfPostgres),
  };
}

function mysqlBackend(name: string, open: (url: string) => Promise<Opened>): Backend {
  return {
    name,
    dialect: "mysql",
    needs: [MYSQL],
    connections: 3,
    open: () => serverPlace(freshDatabase, open, sqlOfMysql),
  };
}

async function serverPlace(
  fresh: () => Promise<{ url: string; drop(): Promise<void> }>,
  open: (url: string) => Promise<Opened>,
  sql: (url: string, text: string) => Promise<Record<string, unknown>[]>,
): Promise<Place> {
  const { url, drop } = await fresh();
  const opened: Opened[] = [];
  return {
    connect: async (naming = {}) => {
      const one = await open(url);
      opened.push(one);
      return one.make(naming);
    },
    sql: (text) => sql(url, text),
    close: async () => {
      for (const { close } of opened) await close();
      await drop();
    },
  };
}

/** One PGlite for a file of tests, as starting it takes a second; each place is a schema of its own. */
function pgliteBackend(
  name: string,
  make: (pglite: PGlite, naming: Naming) => Store | Promise<Store>,
): Backend {
  let shared: Promise<PGlite> | undefined;
  let places = 0;
  const open = async (): Promise<Place> => {
    shared ??= import("@electric-sql/pglite").then(({ PGlite }) => new PGlite());
    const schema = `place_${places++}`;
    const pglite = await shared;
    await pglite.exec(`CREATE SCHEMA ${schema}; SET search_path = ${schema}`);
    return {
      connect: async (naming = {}) => make(pglite, naming),
      sql: async (text) => (await pglite.query<Record<string, unknown>>(text)).rows,
      close: async () => void (await pglite.exec(`DROP SCHEMA ${schema} CASCADE`)),
    };
  };
  return { name, dialect: "postgres", needs: [], connections: 1, open };
}

async function sqlOfPostgres(url: string, text: string): Promise<Record<string, unknown>[]> {
  const { default: pg } = await import("pg");
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}

async function sqlOfMysql(url: string, text: string): Promise<Record<string, unknown>[]> {
  const { default: mysql } = await import("mysql2/promise");
  const connection = await mysql.createConnection(url);
  try {
    await connection.query(AS_USUAL);
    const [rows] = await connection.query(text);
    return rows as Record<string, unknown>[];
  } finally {
    await connection.end();
  }
}
