/** The contenders' connections to their stores: the same pools for all, in the size that `workload.ts` sets. */
import { DatabaseSync } from "node:sqlite";
import mysql from "mysql2/promise";
import pg from "pg";
import { createClient } from "redis";
import type { Place } from "./stores.ts";
import { POOL_SIZE } from "./workload.ts";

/** Contenders that wait for their turn hold no connections: servers have a hundred for all of them. */
const IDLE = 1000;

export const pgPool = ({ address }: Place) =>
  new pg.Pool({ connectionString: address, max: POOL_SIZE, idleTimeoutMillis: IDLE });

export const mysqlPool = ({ address }: Place) =>
  mysql.createPool({ uri: address, connectionLimit: POOL_SIZE, maxIdle: 1, idleTimeout: IDLE });

export const redisClient = async ({ address }: Place) => {
  const client = createClient({ url: address });
  // Without a listener a lost connection would end the process; with it, queries fail and are counted.
  client.on("error", () => {});
  await client.connect();
  return client;
};
export type RedisClient = Awaited<ReturnType<typeof redisClient>>;

/** The settings that psession gives its own files. */
export const SQLITE_SETTINGS = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;";

export const sqliteDatabase = ({ address }: Place) => {
  const database = new DatabaseSync(address);
  database.exec(`PRAGMA busy_timeout = 5000; ${SQLITE_SETTINGS}`);
  return database;
};
