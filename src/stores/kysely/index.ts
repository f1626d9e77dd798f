import type { Kysely } from "kysely";
import * as v from "valibot";
import { invalidOptions, readOptions } from "../../checks/faults.ts";
import { type ConnectionOptions, connectionEntries, isDriver } from "../options.ts";
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
import { DIALECTS, dialectOf, type KyselyDialectName } from "./dialect.ts";
import { KyselyDriver } from "./driver.ts";

export type { NamingOptions, TableNaming } from "../sql/naming.ts";
export type { SqlStore } from "../sql/store.ts";
export type { KyselyDialectName } from "./dialect.ts";
export {
  type FindSessionOptions,
  type FoundLogin,
  type FoundSession,
  type FoundSessions,
  findSession,
} from "./find-session.ts";
export type {
  PsessionLocksTable,
  PsessionLoginsTable,
  PsessionMetaTable,
  PsessionSessionsTable,
  PsessionTables,
} from "./tables.ts";

export interface KyselyStoreOptions<DB> extends NamingOptions, ConnectionOptions {
  /** The application's Kysely, 0.28 or later. Its plugins do not touch what psession does; psession does not close it. */
  db: Kysely<DB>;
  /** What the database speaks. Default: found out by how `db` compiles a query. */
  dialect?: KyselyDialectName | undefined;
  /** What the application's user ids are. Default: "text". */
  userIds?: Exclude<UserIdKind, "any"> | undefined;
}

const optionsSchema = v.strictObject({
  db: v.pipe(
    v.custom<Kysely<unknown>>(
      (value) => isDriver(value, ["connection", "executeQuery", "selectNoFrom", "withoutPlugins"]),
      "must be a Kysely, 0.28 or later",
    ),
    v.check((db) => !db.isTransaction, "must be the Kysely itself, not one of its transactions"),
  ),
  dialect: v.optional(
    v.picklist(
      Object.keys(DIALECTS) as KyselyDialectName[],
      'must be "postgres", "mysql" or "sqlite": psession has no tested statements for others',
    ),
  ),
  userIds: userIdsEntry,
  ...connectionEntries,
  ...namingEntries,
});

/** Sessions in PostgreSQL, MySQL, MariaDB or SQLite, over the Kysely that the application has. */
export function kyselyStore<DB>(options: KyselyStoreOptions<DB>): SqlStore {
  const { parsed, faults } = readOptions(optionsSchema, options);
  if (parsed.typed) faults.push(...namingFaults(parsed.output));
  if (!parsed.success) throw invalidOptions("kyselyStore", faults);
  const { db, timeout, migrate, userIds } = parsed.output;
  const dialect = parsed.output.dialect === undefined ? dialectOf(db) : DIALECTS[parsed.output.dialect];
  if (typeof dialect === "string") faults.push(dialect);
  if (typeof dialect === "string" || faults.length > 0) throw invalidOptions("kyselyStore", faults);
  return new SqlStore({
    name: "kysely",
    statements: new Sql(schemaOf(resolveNaming(parsed.output, userIds)), dialect),
    driver: new KyselyDriver(db, dialect),
    timeout,
    migrates: migrate,
  });
}
