import * as v from "valibot";
import { invalidOptions, readOptions } from "../../checks/faults.ts";
import { type ConnectionOptions, connectionEntries, isDriver } from "../options.ts";
import { mysqlDialect } from "../sql/dialects/mysql.ts";
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
import type { MariadbPool, Mysql2CallbackPool, Mysql2Pool } from "./clients.ts";
import { type Connect, MysqlDriver, mariadb, mysql2 } from "./driver.ts";

export type { NamingOptions, TableNaming } from "../sql/naming.ts";
export type { SqlStore } from "../sql/store.ts";
export type { MariadbPool, Mysql2CallbackPool, Mysql2Pool } from "./clients.ts";

export interface MysqlStoreOptions extends NamingOptions, ConnectionOptions {
  /** A pool of `mysql2`, of `mysql2/promise` or of `mariadb`. psession does not close it. */
  pool: Mysql2Pool | Mysql2CallbackPool | MariadbPool;
  /** What the application's user ids are. Default: "text". */
  userIds?: Exclude<UserIdKind, "any"> | undefined;
}

const optionsSchema = v.strictObject({
  pool: v.pipe(
    v.custom<MysqlStoreOptions["pool"]>(
      (value) => isDriver(value, ["getConnection"]),
      "must be a pool of mysql2 or mariadb",
    ),
    v.check(
      (pool) => !isDriver(pool, ["getConnection", "of", "add"]),
      "must be the pool of one server, the primary: a pool cluster may answer from a replica, which misses what was just written",
    ),
  ),
  userIds: userIdsEntry,
  ...connectionEntries,
  ...namingEntries,
});

/** Sessions in MySQL 8 or later, or MariaDB 10.11 or later, over the pool that the application has. */
export function mysqlStore(options: MysqlStoreOptions): SqlStore {
  const { parsed, faults } = readOptions(optionsSchema, options);
  if (parsed.typed) faults.push(...namingFaults(parsed.output));
  if (!parsed.success || faults.length > 0) throw invalidOptions("mysqlStore", faults);
  const { pool, timeout, migrate, userIds } = parsed.output;
  return new SqlStore({
    name: "mysql",
    statements: new Sql(schemaOf(resolveNaming(parsed.output, userIds)), mysqlDialect),
    driver: new MysqlDriver(connectOf(pool)),
    timeout,
    migrates: migrate,
  });
}

function connectOf(pool: MysqlStoreOptions["pool"]): Connect {
  if ("promise" in pool && typeof pool.promise === "function") return mysql2(pool.promise());
  return "activeConnections" in pool ? mariadb(pool) : mysql2(pool as Mysql2Pool);
}
