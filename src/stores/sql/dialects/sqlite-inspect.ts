import type { Inspection } from "../dialect.ts";
import type { Table } from "../schema.ts";

const schemaOf = ({ schema }: Table): string => schema ?? "main";

export const sqliteInspection: Inspection = {
  server:
    "SELECT CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER) AS now, 'SQLite ' || sqlite_version() AS version",
  columns: (statements, table) =>
    statements.make(
      "SELECT name AS name, type AS type, NULL AS collation FROM pragma_table_info(?, ?)",
      [table.name, schemaOf(table)],
      true,
    ),
  indexes: (statements, table) =>
    statements.make(
      `SELECT (SELECT i.name FROM pragma_index_info(l.name, ?) i WHERE i.seqno = 0) AS name, l."unique" AS is_unique, (SELECT COUNT(*) FROM pragma_index_info(l.name, ?)) AS width FROM pragma_index_list(?, ?) l`,
      [schemaOf(table), schemaOf(table), table.name, schemaOf(table)],
      true,
    ),
  // Some builds have no dbstat. Rows are always counted: SQLite keeps no estimate.
  size: (statements, table) =>
    statements.make(
      `SELECT SUM(pgsize) AS bytes, NULL AS estimate FROM dbstat WHERE schema = ? AND aggregate = TRUE AND name IN (SELECT name FROM ${statements.dialect.quote(schemaOf(table))}.sqlite_schema WHERE tbl_name = ?)`,
      [schemaOf(table), table.name],
      true,
    ),
  // Nothing for what is in memory.
  files: "SELECT name AS name, file AS file FROM pragma_database_list WHERE file <> ''",
  fold: (name) => name.toLowerCase(),
  isBinary: () => true,
};
