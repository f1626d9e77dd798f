import * as v from "valibot";
import { invalidOptions, readOptions } from "../../checks/faults.ts";
import { type ConnectionOptions, connectionEntries, isDriver } from "../options.ts";
import { postgresDialect } from "../sql/dialects/postgres.ts";
import type { SqlDriver } from "../sql/driver.ts";
import {
  type NamingOptions,
  namingEntries,
  namingFaults,
  resolveNaming,
  schemaOf,
  userIdsEntry,
} from "../sql/naming.ts";
import { Sql } from "../sql/sql.ts";
import { SqlStore } from "../sql/store.ts";
import type { UserIdKind } from "../store.ts";
import type { PgClient, Pglite, PgPool, PostgresJs } from "./clients.ts";
import { PgClientDriver, PgPoolDriver } from "./pg.ts";
import { PgliteDriver } from "./pglite.ts";
import { PostgresJsDriver } from "./postgres-js.ts";

export type { NamingOptions, TableNaming } from "../sql/naming.ts";
export type { SqlStore } from "../sql/store.ts";
export type {
  PgClient,
  Pglite,
  PgNotification,
  PgOwnClient,
  PgPool,
  PgPoolClient,
  PostgresJs,
} from "./clients.ts";

/** One of `pool`, `client`, `sql` and `pglite`: what the application has open anyway. psession closes none. */
export interface PostgresStoreOptions extends NamingOptions, ConnectionOptions {
  /** A `Pool` of node-postgres (`pg`). */
  pool?: PgPool | undefined;
  /** A connected `Client` of node-postgres that nothing else uses. */
  client?: PgClient | undefined;
  /** postgres.js: what `postgres(url)` gives. */
  sql?: PostgresJs | undefined;
  /** PGlite: PostgreSQL inside the process. */
  pglite?: Pglite | undefined;
  /** Prepare statements by name; false behind a PgBouncer that cannot (before 1.21). Default: true. */
  prepare?: boolean | undefined;
  /** What the application's user ids are. Default: "text". */
  userIds?: Exclude<UserIdKind, "any"> | undefined;
}

const CLIENTS = ["pool", "client", "sql", "pglite"] as const;

/** Values of `target_session_attrs` by which a connection may be to a replica. */
const REPLICAS = new Set(["read-only", "standby", "prefer-standby"]);

const optionsSchema = v.strictObject({
  pool: v.optional(v.custom<PgPool>((value) => isDriver(value, ["connect"]), "must be a Pool of pg")),
  client: v.optional(v.custom<PgClient>((value) => isDriver(value, ["query"]), "must be a Client of pg")),
  sql: v.optional(
    v.pipe(
      v.custom<PostgresJs>((value) => isDriver(value, ["unsafe", "begin"]), "must be what postgres() gives"),
      v.check(
        ({ options }) => !REPLICAS.has(options?.target_session_attrs ?? ""),
        "must reach the primary: with this target_session_attrs it may answer from a replica, which misses what was just written",
      ),
    ),
  ),
  pglite: v.optional(
    v.custom<Pglite>((value) => isDriver(value, ["query", "transaction"]), "must be a PGlite"),
  ),
  prepare: v.optional(v.boolean("must be true or false"), true),
  userIds: userIdsEntry,
  ...connectionEntries,
  ...namingEntries,
});

/** Sessions in PostgreSQL 13 or later, over the pool or client that the application has. */
export function postgresStore(options: PostgresStoreOptions): SqlStore {
  const { parsed, faults } = readOptions(optionsSchema, options);
  if (parsed.typed) faults.push(...namingFaults(parsed.output));
  const given = CLIENTS.filter((name) => options?.[name] !== undefined);
  if (given.length !== 1) faults.push("give one of pool, client, sql and pglite");
  if (!parsed.success || faults.length > 0) throw invalidOptions("postgresStore", faults);
  const { timeout, migrate, userIds } = parsed.output;
  return new SqlStore({
    name: "postgres",
    statements: new Sql(schemaOf(resolveNaming(parsed.output, userIds)), postgresDialect),
    driver: driverOf(parsed.output),
    timeout,
    migrates: migrate,
  });
}

function driverOf({ pool, client, sql, pglite, prepare }: v.InferOutput<typeof optionsSchema>): SqlDriver {
  if (pool !== undefined) return new PgPoolDriver(pool, prepare);
  if (client !== undefined) return new PgClientDriver(client, prepare);
  if (sql !== undefined) return new PostgresJsDriver(sql, prepare);
  return new PgliteDriver(pglite as Pglite);
}
