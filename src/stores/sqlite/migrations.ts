import type { Migration } from "../sql/migrations.ts";
import {
  type Column,
  type ColumnKind,
  loginsTable,
  META_TABLE,
  sessionsTable,
  type Table,
} from "../sql/tables.ts";

const TYPES: Record<ColumnKind, string> = {
  id: "TEXT",
  digest: "BLOB",
  time: "INTEGER",
  // Whatever the application calls its users: 7 and "7" stay apart.
  user: "ANY",
  text: "TEXT",
  data: "TEXT",
  count: "INTEGER",
};

/** Where the migrations themselves are recorded; made before the first of them runs. */
export const CREATE_META = `CREATE TABLE IF NOT EXISTS ${META_TABLE} (
  name TEXT PRIMARY KEY NOT NULL,
  value TEXT NOT NULL,
  at INTEGER NOT NULL
) STRICT`;

export const sqliteMigrations: readonly Migration[] = [
  {
    name: "0001-tables",
    statements: [
      createTable(sessionsTable),
      createTable(loginsTable),
      // A remembered login has one session row; parallel restores that lost it make one, not many.
      `CREATE UNIQUE INDEX psession_sessions_login ON ${sessionsTable.name} (remembered_id) WHERE remembered_id IS NOT NULL`,
      `CREATE INDEX psession_sessions_user ON ${sessionsTable.name} (user_id) WHERE user_id IS NOT NULL`,
      `CREATE INDEX psession_sessions_prune ON ${sessionsTable.name} (prune_after)`,
      `CREATE INDEX psession_logins_user ON ${loginsTable.name} (user_id)`,
      `CREATE INDEX psession_logins_prune ON ${loginsTable.name} (prune_after)`,
    ],
  },
];

function createTable(table: Table): string {
  const lines = table.columns.map(describe).join(",\n  ");
  return `CREATE TABLE ${table.name} (\n  ${lines}\n) STRICT`;
}

function describe({ field, column, kind, nullable }: Column): string {
  const key = field === "id" ? " PRIMARY KEY" : "";
  return `${column} ${TYPES[kind]}${key}${nullable ? "" : " NOT NULL"}`;
}
