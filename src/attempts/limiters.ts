import {
  RateLimiterMemory,
  RateLimiterMySQL,
  RateLimiterPostgres,
  RateLimiterRedis,
  RateLimiterSQLite,
} from "rate-limiter-flexible";
import type { RedisClient } from "../stores/redis/clients.ts";
import type { SqliteDatabase } from "../stores/sqlite/index.ts";
import type { AttemptLimiter } from "./counters.ts";
import { callbackPoolOf, databaseOf } from "./mysql-pool.ts";
import type { CounterOptions } from "./options.ts";

/** One that keeps rows, which do not go away by themselves. */
export interface MadeLimiter extends AttemptLimiter {
  clearExpired?(before: number): Promise<unknown>;
}

/** Every counter brings its own time to live, and what is too many is decided here. */
const COUNTING = { points: 1, duration: 1 } as const;

export const memoryLimiter = (): AttemptLimiter => new RateLimiterMemory({ ...COUNTING, keyPrefix: "" });

/** The limiter over what the application has open; with its table, unless that is there. */
export async function makeLimiter(options: CounterOptions): Promise<MadeLimiter> {
  const { postgres, mysql, redis, sqlite, limiter, name, createTable } = options;
  const table = {
    ...COUNTING,
    keyPrefix: "",
    tableName: name,
    tableCreated: !createTable,
    // Theirs is a timer, whose failure is an unhandled rejection in SQLite.
    clearExpiredByTimeout: false,
  };
  if (postgres !== undefined) {
    const store = { storeClient: postgres, storeType: "client" };
    return ready((done) => new RateLimiterPostgres({ ...table, ...store }, done));
  }
  if (mysql !== undefined) {
    const dbName = databaseOf(mysql) as string;
    const store = { storeClient: callbackPoolOf(mysql), storeType: "pool", dbName };
    return ready((done) => new RateLimiterMySQL({ ...table, ...store }, done));
  }
  if (sqlite !== undefined) {
    const store = { storeClient: likeBetterSqlite(sqlite), storeType: "better-sqlite3" };
    return ready((done) => new RateLimiterSQLite({ ...table, ...store }, done));
  }
  if (redis !== undefined) return redisLimiter(redis, name);
  return limiter ?? memoryLimiter();
}

/** Resolves when the table is there. */
function ready<L>(make: (done: (error?: Error) => void) => L): Promise<L> {
  return new Promise((resolve, reject) => {
    // Where there is nothing to create, it calls back before it is made.
    const limiter: L = make((error) => queueMicrotask(() => (error ? reject(error) : resolve(limiter))));
  });
}

function redisLimiter(client: RedisClient, name: string): AttemptLimiter {
  const options = { ...COUNTING, keyPrefix: name, storeClient: client };
  return new RateLimiterRedis({ ...options, useRedisPackage: !("defineCommand" in client) });
}

/**
 * node:sqlite and libsql in the shape of better-sqlite3, as far as the limiter uses it. Its transactions hold one
 * statement each, which is one by itself.
 */
function likeBetterSqlite(database: SqliteDatabase): object {
  const prepare = (sql: string) => {
    const statement = database.prepare(sql);
    // Whatever the application has set for its own statements.
    statement.setReadBigInts?.(false);
    statement.safeIntegers?.(false);
    return {
      run: (...values: never[]) => statement.run(...values),
      // To the end: its own `get` takes the first row, and hides that the counting was then undone, as other processes read.
      get: (...values: never[]) => statement.all(...values)[0],
    };
  };
  return { prepare, transaction: (work: () => unknown) => work };
}
