import * as v from "valibot";
import type { Duration } from "../checks/duration.ts";
import { inMilliseconds, positiveDuration } from "../checks/duration-options.ts";
import { invalidOptions, readOptions } from "../checks/faults.ts";
import { hasMethods } from "../checks/shape.ts";
import type { Mysql2CallbackPool, Mysql2Pool } from "../stores/mysql/clients.ts";
import { isDriver, timeoutEntry } from "../stores/options.ts";
import { clientFault, isRedisClient, type RedisClient } from "../stores/redis/clients.ts";
import type { SqliteDatabase } from "../stores/sqlite/index.ts";
import type { AttemptLimiter, Limits, SubjectKind } from "./counters.ts";
import { databaseOf } from "./mysql-pool.ts";

/** A `Pool` of node-postgres, or a `Client` that nothing else uses, by the shape that is used of it. */
export interface AttemptsPostgres {
  connect(): Promise<unknown>;
  query(query: { name?: string; text: string; values?: unknown[] }): Promise<unknown>;
}

/** How attempts that are counted together are slowed. */
export interface AttemptLimits {
  /** Failed attempts before the first wait: a whole number from 1 to 10,000. */
  free?: number | undefined;
  /** The first wait, at least a second. Each further one is twice as long. */
  wait?: Duration | undefined;
  /** The longest wait. */
  longest?: Duration | undefined;
  /** Failures are forgotten this long after the first of them; at most 24 days. */
  forget?: Duration | undefined;
}

/** Options of `signInAttempts`. Where the counters are: one of `postgres`, `mysql`, `redis`, `sqlite`, `limiter`, `memory`. */
export interface SignInAttemptsOptions {
  /** A pool of node-postgres (`pg`), or a client that nothing else uses. */
  postgres?: AttemptsPostgres | undefined;
  /** A pool of `mysql2` or `mysql2/promise` that was made with a database. */
  mysql?: Mysql2Pool | Mysql2CallbackPool | undefined;
  /** A client of ioredis, iovalkey or node-redis. */
  redis?: RedisClient | undefined;
  /** An open database of `node:sqlite`, better-sqlite3 or libsql. */
  sqlite?: SqliteDatabase | undefined;
  /** Any other limiter of rate-limiter-flexible. Its own `points` and `duration` are not used. */
  limiter?: AttemptLimiter | undefined;
  /** Count in the memory of this process, for one process and for trying things out. */
  memory?: true | undefined;
  /** The table, or what keys in Redis begin with: letters, digits and underscores. Default: "psession_attempts". */
  name?: string | undefined;
  /** Create the table before the first use. Default: true. */
  createTable?: boolean | undefined;
  /** Attempts at one account from browsers that are not known. Default: 5, "1m", "15m", "1d". */
  account?: AttemptLimits | undefined;
  /** Attempts at one account from one browser on which its user has signed in before. Default: 10, "1m", "15m", "1d". */
  browser?: AttemptLimits | undefined;
  /** Codes of one user, from any browser. Default: 5, "1m", "1h", "1d". */
  code?: AttemptLimits | undefined;
  /**
   * Attempts from one address, in IPv6 from one /64, at any account. Default: 50, "1m", "15m", "1d". False where all
   * visitors have the same one, as in an onion service.
   */
  address?: AttemptLimits | false | undefined;
  /**
   * Count a browser on which the user has signed in before by itself, so that nobody locks it out. Needs psession's
   * option `devices.detectNew`. Default: true.
   */
  knownBrowsers?: boolean | undefined;
  /** What becomes of an attempt that another site made the browser send. Default: "refuse" (`cross_site`, 403). */
  crossSite?: "refuse" | "allow" | undefined;
  /**
   * While the counters cannot be reached: "memory" counts in this process, "refuse" lets nobody sign in
   * (`store_unavailable`, 503). Default: "memory".
   */
  whenDown?: "memory" | "refuse" | undefined;
  /** The longest that the counters are waited for at each step. Default: "5s". */
  timeout?: Duration | undefined;
}

/** As `signInAttempts` uses them; durations in milliseconds. */
export type CounterOptions = Pick<
  SignInAttemptsOptions,
  "postgres" | "mysql" | "redis" | "sqlite" | "limiter"
> & { readonly name: string; readonly createTable: boolean };

export interface AttemptSettings extends CounterOptions {
  readonly limits: Readonly<Record<SubjectKind, Limits>>;
  readonly countsAddresses: boolean;
  readonly knownBrowsers: boolean;
  readonly crossSite: "refuse" | "allow";
  readonly whenDown: "memory" | "refuse";
  readonly timeout: number;
}

const PLACES = ["postgres", "mysql", "redis", "sqlite", "limiter", "memory"] as const;

const SECOND = 1000;
/** Timers hold no longer time. */
const LONGEST = 24 * 86_400_000;

const duration = (fallback: Duration) =>
  v.optional(
    v.pipe(
      positiveDuration(' of at most 24 days, such as 60000 or "15m"', LONGEST),
      inMilliseconds,
      v.minValue(SECOND, "must be at least a second"),
    ),
    fallback,
  );

const flag = (fallback: boolean) => v.optional(v.boolean("must be true or false"), fallback);

const limits = (free: number, wait: Duration, longest: Duration) =>
  v.strictObject({
    free: v.optional(
      v.custom<number>(
        (value) => Number.isInteger(value) && Number(value) >= 1 && Number(value) <= 10_000,
        "must be a whole number from 1 to 10000",
      ),
      free,
    ),
    wait: duration(wait),
    longest: duration(longest),
    forget: duration("1d"),
  });

const ADDRESS = limits(50, "1m", "15m");

const LIMITER = ["get", "penalty", "reward", "delete"];

const schema = v.strictObject({
  postgres: v.optional(
    v.custom<AttemptsPostgres>(
      (value) => hasMethods(value, ["connect", "query"]),
      "must be a Pool or Client of pg, the only driver of PostgreSQL that rate-limiter-flexible takes",
    ),
  ),
  mysql: v.optional(
    v.pipe(
      v.custom<Mysql2Pool | Mysql2CallbackPool>(
        (value) => isDriver(value, ["getConnection"]) && !("activeConnections" in (value as object)),
        "must be a pool of mysql2, the only driver of MySQL that rate-limiter-flexible takes",
      ),
      v.check(
        (pool) => databaseOf(pool) !== undefined,
        "must be a pool of one server that was made with a database",
      ),
    ),
  ),
  redis: v.optional(
    v.pipe(
      v.custom<RedisClient>(isRedisClient, "must be a client of ioredis, iovalkey or node-redis"),
      v.check(
        (client) => clientFault(client) === undefined,
        ({ input }) => `is not usable: ${clientFault(input)}`,
      ),
    ),
  ),
  sqlite: v.optional(
    v.custom<SqliteDatabase>(
      (value) => hasMethods(value, ["exec", "prepare", "close"]),
      "must be an open database of node:sqlite, better-sqlite3 or libsql",
    ),
  ),
  limiter: v.optional(
    v.custom<AttemptLimiter>(
      (value) => hasMethods(value, LIMITER),
      `must be a limiter of rate-limiter-flexible, with the methods ${LIMITER.join(", ")}`,
    ),
  ),
  memory: v.optional(v.literal(true, "must be true")),
  name: v.optional(
    v.pipe(
      v.string("must be text"),
      v.regex(
        /^[A-Za-z_]\w{0,47}$/,
        "must be 1 to 48 letters, digits and underscores, and begin with no digit",
      ),
    ),
    "psession_attempts",
  ),
  createTable: flag(true),
  account: v.optional(limits(5, "1m", "15m"), {}),
  browser: v.optional(limits(10, "1m", "15m"), {}),
  code: v.optional(limits(5, "1m", "1h"), {}),
  // Not as a union, which would not say what is wrong within.
  address: v.optional(
    v.lazy((given) => (given === false ? v.literal(false) : ADDRESS)),
    {},
  ),
  knownBrowsers: flag(true),
  crossSite: v.optional(v.picklist(["refuse", "allow"], 'must be "refuse" or "allow"'), "refuse"),
  whenDown: v.optional(v.picklist(["memory", "refuse"], 'must be "memory" or "refuse"'), "memory"),
  timeout: timeoutEntry,
});

/** Throws `invalid_options` with everything that is wrong. */
export function attemptSettings(options: unknown): AttemptSettings {
  const { parsed, faults } = readOptions(schema, options);
  const given = PLACES.filter(
    (place) => (options as SignInAttemptsOptions | undefined)?.[place] !== undefined,
  );
  if (given.length !== 1) faults.push(`give one of ${PLACES.join(", ")}`);
  if (parsed.success) faults.push(...faultsOfTimes(parsed.output));
  if (!parsed.success || faults.length > 0) throw invalidOptions("signInAttempts", faults);
  const { account, browser, code, address, ...others } = parsed.output;
  const byAddress = address === false ? v.parse(ADDRESS, {}) : address;
  return {
    ...others,
    limits: { account, browser, code, address: byAddress },
    countsAddresses: address !== false,
  };
}

function faultsOfTimes(given: v.InferOutput<typeof schema>): string[] {
  return (["account", "browser", "code", "address"] as const).flatMap((kind) => {
    const limits = given[kind];
    if (limits === false) return [];
    const { wait, longest, forget } = limits;
    return [
      wait > longest ? [`${kind}.wait must not be longer than ${kind}.longest`] : [],
      longest > forget ? [`${kind}.longest must not be longer than ${kind}.forget`] : [],
    ].flat();
  });
}
