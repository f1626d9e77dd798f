import type { Kysely } from "kysely";
import type { Dialect } from "../sql/dialect.ts";
import { mysqlDialect } from "../sql/dialects/mysql.ts";
import { postgresDialect } from "../sql/dialects/postgres.ts";
import { sqliteDialect } from "../sql/dialects/sqlite.ts";

export const DIALECTS = { postgres: postgresDialect, mysql: mysqlDialect, sqlite: sqliteDialect } as const;

/** The databases that are known by Kysely's dialects. */
export type KyselyDialectName = keyof typeof DIALECTS;

/** Databases by how they write a value and a name. */
const WRITINGS: Readonly<Record<string, Dialect>> = {
  '$1 as "one"': postgresDialect,
  "? as `one`": mysqlDialect,
  '? as "one"': sqliteDialect,
};

const MSSQL = "@1 as";

/** Which SQL an instance speaks, by a query that it compiles and does not run; a sentence if it is not supported. */
export function dialectOf(db: Kysely<unknown>): Dialect | string {
  const one = db
    .withoutPlugins()
    .selectNoFrom((eb) => eb.val(1).as("one"))
    .compile()
    .sql.trim();
  const writing = one.replace(/^select /i, "");
  if (writing.startsWith(MSSQL)) {
    return "db speaks to Microsoft SQL Server, whose syntax for locks, limits and upserts differs: psession has no tested statements for it. Use PostgreSQL, MySQL, MariaDB or SQLite";
  }
  return WRITINGS[writing] ?? "db speaks SQL of an unknown kind: say which with the option dialect";
}
