/** The drivers that the faults are tried with, set up as docs/stores/failures.md says. */
import { onTestFinished } from "vitest";
import { type MysqlStoreOptions, mysqlStore } from "../../src/stores/mysql/index.ts";
import { type PostgresStoreOptions, postgresStore, type SqlStore } from "../../src/stores/postgres/index.ts";
import { freshDatabase, freshSchema, onMysql, onPostgres } from "../support/servers/fresh.ts";
import { MYSQL, type Need, POSTGRES } from "../support/servers/reach.ts";

export interface OpenOptions {
  /** The most connections of the pool. */
  readonly connections?: number;
  /** The store's. */
  readonly timeout?: number;
  /** Milliseconds after which the driver gives up making a connection. */
  readonly connectTimeout?: number;
}

export interface Opened {
  readonly store: SqlStore;
  /** Takes a connection of the pool, as an application does for itself; gives what returns it. */
  hold(): Promise<() => Promise<unknown>>;
}

export interface Driver {
  readonly name: string;
  readonly dialect: "postgres" | "mysql";
  /** A server that tests share, for faults that do nothing to the server. */
  readonly shared: Need & { readonly url: string };
  /** An empty place for sessions on a server. */
  fresh(url: string): Promise<string>;
  sql(url: string, text: string): Promise<Record<string, unknown>[]>;
  open(url: string, options?: OpenOptions): Promise<Opened>;
}

const onPostgresServer = {
  dialect: "postgres",
  shared: POSTGRES,
  fresh: async (url: string) => (await freshSchema(url)).url,
  sql: onPostgres,
} as const;

const onMysqlServer = {
  dialect: "mysql",
  shared: MYSQL,
  fresh: async (url: string) => (await freshDatabase(url)).url,
  sql: onMysql,
} as const;

const DEFAULTS = { connections: 4, timeout: 5000, connectTimeout: 1000 } as const;

/** Pools of broken connections may refuse to end; what a test leaves is gone with its server or its process. */
function finally_(end: () => Promise<unknown>): void {
  onTestFinished(() => void end().catch(() => {}));
}

const pgDriver: Driver = {
  ...onPostgresServer,
  name: "pg",
  open: async (url, options = {}) => {
    const { connections, timeout, connectTimeout } = { ...DEFAULTS, ...options };
    const { default: pg } = await import("pg");
    const pool = new pg.Pool({
      connectionString: url,
      max: connections,
      connectionTimeoutMillis: connectTimeout,
    });
    finally_(() => pool.end());
    return {
      store: storeOf({ pool, timeout }),
      hold: async () => {
        const client = await pool.connect();
        return async () => client.release();
      },
    };
  },
};

const postgresJs: Driver = {
  ...onPostgresServer,
  name: "postgres.js",
  open: async (url, options = {}) => {
    const { connections, timeout, connectTimeout } = { ...DEFAULTS, ...options };
    const { default: postgres } = await import("postgres");
    const sql = postgres(url, {
      max: connections,
      connect_timeout: connectTimeout / 1000,
      backoff: () => 0.02,
      // Nobody catches what breaks while it asks for types.
      fetch_types: false,
      onnotice: () => {},
    });
    finally_(() => sql.end({ timeout: 0 }));
    return {
      store: storeOf({ sql, timeout }),
      hold: async () => {
        const reserved = await sql.reserve();
        return async () => reserved.release();
      },
    };
  },
};

const mysql2: Driver = {
  ...onMysqlServer,
  name: "mysql2",
  open: async (url, options = {}) => {
    const { connections, timeout, connectTimeout } = { ...DEFAULTS, ...options };
    const { default: mysql } = await import("mysql2/promise");
    const pool = mysql.createPool({ uri: url, connectionLimit: connections, connectTimeout });
    finally_(() => pool.end());
    return {
      store: mysqlStoreOf({ pool, timeout }),
      hold: async () => {
        const connection = await pool.getConnection();
        return async () => connection.release();
      },
    };
  },
};

const mariadbDriver: Driver = {
  ...onMysqlServer,
  name: "mariadb",
  open: async (url, options = {}) => {
    const { connections, timeout, connectTimeout } = { ...DEFAULTS, ...options };
    const { hostname, port, username, pathname } = new URL(url);
    const { default: mariadb } = await import("mariadb");
    const pool = mariadb.createPool({
      host: hostname,
      port: Number(port),
      user: username,
      database: pathname.slice(1),
      connectionLimit: connections,
      connectTimeout,
      acquireTimeout: connectTimeout,
      initializationTimeout: connectTimeout,
    });
    finally_(() => pool.end());
    return {
      store: mysqlStoreOf({ pool, timeout }),
      hold: async () => {
        const connection = await pool.getConnection();
        return () => connection.release();
      },
    };
  },
};

const storeOf = (options: PostgresStoreOptions) => postgresStore({ userIds: "integer", ...options });
const mysqlStoreOf = (options: MysqlStoreOptions) => mysqlStore({ userIds: "integer", ...options });

export const POSTGRES_DRIVERS: readonly Driver[] = [pgDriver, postgresJs];
export const MYSQL_DRIVERS: readonly Driver[] = [mysql2, mariadbDriver];
export const DRIVERS: readonly Driver[] = [...POSTGRES_DRIVERS, ...MYSQL_DRIVERS];
