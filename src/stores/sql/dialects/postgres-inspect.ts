import type { Inspection } from "../dialect.ts";
import type { Table } from "../schema.ts";
import type { Statement } from "../statement.ts";
import type { Statements } from "../statements.ts";
import { qualified } from "../syntax.ts";
import { hiddenStatement } from "./postgres-probe.ts";

/** Not `now()`, which stands still within a transaction. */
export const CLOCK = "round(extract(epoch FROM clock_timestamp()) * 1000)::bigint";

const of = (statements: Statements, table: Table, sql: string): Statement =>
  statements.make(sql, [qualified(statements.dialect, table)], true);

export const postgresInspection: Inspection = {
  server: `SELECT ${CLOCK} AS now, 'PostgreSQL ' || current_setting('server_version') AS version`,
  columns: (statements, table) =>
    of(
      statements,
      table,
      `SELECT a.attname::text AS name, format_type(a.atttypid, NULL) AS type,
  CASE c.collname WHEN 'default' THEN d.datcollate ELSE c.collname END::text AS collation
FROM pg_attribute a JOIN pg_database d ON d.datname = current_database() LEFT JOIN pg_collation c ON c.oid = a.attcollation
WHERE a.attrelid = to_regclass(?::text) AND a.attnum > 0 AND NOT a.attisdropped`,
    ),
  indexes: (statements, table) =>
    of(
      statements,
      table,
      `SELECT a.attname::text AS name, i.indisunique::int AS is_unique, i.indnkeyatts AS width
FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
WHERE i.indrelid = to_regclass(?::text) AND i.indisvalid`,
    ),
  hidden: hiddenStatement,
  // Minus one where the table was never analyzed.
  size: (statements, table) =>
    of(
      statements,
      table,
      "SELECT pg_total_relation_size(c.oid) AS bytes, c.reltuples::bigint AS estimate FROM pg_class c WHERE c.oid = to_regclass(?::text)",
    ),
  fold: (name) => name,
  isBinary: (collation) => /^(C|POSIX|ucs_basic)$|^C\./.test(collation),
};
