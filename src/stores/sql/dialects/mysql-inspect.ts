import type { Inspection } from "../dialect.ts";
import type { Table } from "../schema.ts";
import type { Statement } from "../statement.ts";
import type { Statements } from "../statements.ts";

/** In UTC, whatever the time zone of the connection. */
export const CLOCK = "TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', UTC_TIMESTAMP(3)) DIV 1000";

const of = (statements: Statements, { schema, name }: Table, sql: string): Statement =>
  statements.make(sql, [schema ?? null, name], true);

const OF_TABLE = "WHERE table_schema = COALESCE(?, DATABASE()) AND table_name = ?";

/** What people or applications write. All other text is of psession's making, and ASCII. */
const HOLDS_ANY_TEXT: ReadonlySet<string> = new Set([
  "data",
  "name",
  "tag",
  "userAgent",
  "revokedReason",
  "detail",
]);

export const mysqlInspection: Inspection = {
  // MariaDB says so in its version, MySQL does not.
  server: `SELECT ${CLOCK} AS now, CASE WHEN VERSION() LIKE '%MariaDB%' THEN VERSION() ELSE CONCAT('MySQL ', VERSION()) END AS version`,
  columns: (statements, table) =>
    of(
      statements,
      table,
      `SELECT column_name AS name, data_type AS type, collation_name AS collation FROM information_schema.columns ${OF_TABLE}`,
    ),
  indexes: (statements, table) =>
    of(
      statements,
      table,
      `SELECT MAX(CASE WHEN seq_in_index = 1 THEN column_name END) AS name, 1 - MAX(non_unique) AS is_unique, COUNT(*) AS width FROM information_schema.statistics ${OF_TABLE} GROUP BY index_name`,
    ),
  // SHOW CREATE TABLE leaves it out where `sql_mode` is to please other databases: ANSI, ORACLE, NO_TABLE_OPTIONS.
  comment: (statements, table) =>
    of(statements, table, `SELECT table_comment AS comment FROM information_schema.tables ${OF_TABLE}`),
  size: (statements, table) =>
    of(
      statements,
      table,
      `SELECT data_length + index_length AS bytes, table_rows AS estimate FROM information_schema.tables ${OF_TABLE}`,
    ),
  fold: (name) => name.toLowerCase(),
  isBinary: (collation) => collation === "binary" || collation.endsWith("_bin"),
  typeFaults: ({ field, kind }, where, type, collation) => [
    // What psession writes is UTC. DATETIME keeps it as it is, TIMESTAMP takes it for the connection's time zone:
    // it comes back as another time where two connections differ, and is refused in the hour that summer time skips.
    ...(kind === "moment" && type.toLowerCase() === "timestamp"
      ? [
          {
            code: "time_zone",
            message: `The column ${where} is a TIMESTAMP, which the server converts by the time zone of each connection. psession writes UTC: make it DATETIME(3).`,
          },
        ]
      : []),
    ...(HOLDS_ANY_TEXT.has(field) && collation !== undefined && !collation.startsWith("utf8mb4_")
      ? [
          {
            code: "character_set",
            message: `The column ${where} has the collation ${collation}, whose character set does not hold every character: a cart with an emoji in it cannot be stored. Give it the type that \`psession schema\` prints.`,
          },
        ]
      : []),
  ],
};
