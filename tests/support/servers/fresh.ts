import { randomBytes } from "node:crypto";
import { whenDone } from "./cleanup.ts";
import { MYSQL, POSTGRES } from "./reach.ts";

export interface Fresh {
  readonly name: string;
  /** The server's address, with this place as the one that unqualified tables are in. */
  readonly url: string;
  /** Removes it with everything in it. Done by itself when the test or the file is over. */
  drop(): Promise<void>;
}

/** Fails rather than hangs on locks that a failed test left behind. */
const LOCK_SECONDS = 15;

/** A new schema on a PostgreSQL server, the one that tests share unless `url` names another. */
export async function freshSchema(url: string = POSTGRES.url): Promise<Fresh> {
  const name = freshName();
  const within = new URL(url);
  within.searchParams.set("options", `-c search_path=${name}`);
  // libpq and what follows it do not read a plus as a space.
  within.search = within.search.replaceAll("+", "%20");
  await onPostgres(url, `CREATE SCHEMA ${name}`);
  return dropping(name, within.href, () => onPostgres(url, `DROP SCHEMA IF EXISTS ${name} CASCADE`));
}

/**
 * A new database on a PostgreSQL server: for what the snapshots of other tests would disturb, as old versions of
 * rows stay for as long as anybody in the same database may still look at them.
 */
export async function freshPostgresDatabase(url: string = POSTGRES.url): Promise<Fresh> {
  const name = freshName();
  const within = new URL(url);
  within.pathname = `/${name}`;
  await onPostgres(url, `CREATE DATABASE ${name}`);
  return dropping(name, within.href, () => onPostgres(url, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`));
}

/** A new database on a MySQL or MariaDB server, the one that tests share unless `url` names another. */
export async function freshDatabase(url: string = MYSQL.url): Promise<Fresh> {
  const name = freshName();
  const within = new URL(url);
  within.pathname = `/${name}`;
  await onMysql(url, `CREATE DATABASE ${name}`);
  return dropping(name, within.href, () => onMysql(url, `DROP DATABASE IF EXISTS ${name}`));
}

/** A name that no other test has: tests run in parallel on one server. */
function freshName(): string {
  return `psession_test_${randomBytes(8).toString("hex")}`;
}

function dropping(name: string, url: string, remove: () => Promise<unknown>): Fresh {
  let dropped: Promise<void> | undefined;
  const drop = (): Promise<void> => {
    dropped ??= remove().then(() => undefined);
    return dropped;
  };
  whenDone(async () => {
    try {
      await drop();
    } catch (error) {
      // A server that a test has killed has nothing left to drop: its folder goes away.
      if ((error as { code?: string }).code !== "ECONNREFUSED") throw error;
    }
  });
  return { name, url, drop };
}

/** Runs one statement of PostgreSQL on a connection of its own. */
export async function onPostgres(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const { Client } = await import("pg");
  const client = new Client({
    connectionString: url,
    connectionTimeoutMillis: LOCK_SECONDS * 1000,
    lock_timeout: LOCK_SECONDS * 1000,
  });
  // A server that is killed tells idle connections so; the statement in progress rejects by itself.
  client.on("error", () => {});
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

/**
 * What tests rely on of a connection, whatever a server is set up to: that writes stay, all rows come, and what does not fit is
 * refused.
 */
export const AS_USUAL =
  "SET SESSION autocommit = 1, completion_type = 0, sql_select_limit = DEFAULT, sql_mode = CONCAT_WS(',', NULLIF(@@sql_mode, ''), 'STRICT_ALL_TABLES')";

/** Says so on each connection of a pool of mysql2, before whatever comes next over it. */
export function asUsual<P extends { on(event: "connection", listener: (c: SaysSql) => void): unknown }>(
  pool: P,
): P {
  pool.on("connection", (connection) => void connection.query(AS_USUAL));
  return pool;
}

interface SaysSql {
  query(sql: string): unknown;
}

/** Runs one statement of MySQL or MariaDB on a connection of its own. */
export async function onMysql(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const { default: mysql } = await import("mysql2/promise");
  const connection = await mysql.createConnection({ uri: url, connectTimeout: LOCK_SECONDS * 1000 });
  try {
    await connection.query(`SET SESSION lock_wait_timeout = ${LOCK_SECONDS}`);
    await connection.query(AS_USUAL);
    const [rows] = await connection.query(sql);
    return Array.isArray(rows) ? (rows as Record<string, unknown>[]) : [];
  } finally {
    connection.destroy();
  }
}
