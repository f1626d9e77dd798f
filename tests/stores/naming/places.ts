import { randomBytes } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { mysqlDialect } from "../../../src/stores/sql/dialects/mysql.ts";
import { postgresDialect } from "../../../src/stores/sql/dialects/postgres.ts";
import { sqliteDialect } from "../../../src/stores/sql/dialects/sqlite.ts";
import { resolveNaming, schemaOf } from "../../../src/stores/sql/naming.ts";
import { Sql } from "../../../src/stores/sql/sql.ts";
import { type Backend, type Naming, type Place, sqlBackends, sqliteBackend } from "../fixtures.ts";

const ATTACHED = "My Schema";

const DIALECTS = { sqlite: sqliteDialect, postgres: postgresDialect, mysql: mysqlDialect };

export const dialectOf = ({ dialect }: Pick<Backend, "dialect">) => DIALECTS[dialect];

const named = (name: string): Backend => {
  const backend = sqlBackends.find((one) => one.name === name);
  if (backend === undefined) throw new Error(`no backend is called ${name}`);
  return backend;
};

/** SQLite with a second file attached, which stands for a schema. */
const sqlite = sqliteBackend("node:sqlite", (path) => {
  const database = new DatabaseSync(path);
  database.exec(`ATTACH '${path}.attached' AS "${ATTACHED}"`);
  return database;
});

/** One for each dialect, and PostgreSQL inside the process. */
export const representatives: readonly Backend[] = [
  sqlite,
  named("pg"),
  named("pglite"),
  named("mysql2/promise"),
];

/** The statements of a store with this naming, for tables whose names a test does not write itself. */
export function statementsOf(backend: Pick<Backend, "dialect">, naming: Naming): Sql {
  const { tables = {}, timestamps = "integer", createUsers = false, audit = false, schema } = naming;
  const userIds = naming.userIds ?? (backend.dialect === "sqlite" ? "any" : "text");
  const given = { schema, tables: tables as never, timestamps, createUsers, audit };
  const resolved = resolveNaming(given, userIds);
  const objects = Object.entries(tables).map(([key, table]) => [
    key,
    typeof table === "string" ? { name: table } : table,
  ]);
  return new Sql(schemaOf({ ...resolved, tables: Object.fromEntries(objects) }), dialectOf(backend));
}

/** Another schema than the place's own: a schema, a database or an attached file. */
export async function otherSchema(
  backend: Backend,
  place: Place,
): Promise<{ name: string; drop(): Promise<void> }> {
  if (backend.dialect === "sqlite") return { name: ATTACHED, drop: async () => {} };
  const name = `psession_test_My Schema ${randomBytes(4).toString("hex")}`;
  const quoted = dialectOf(backend).quote(name);
  const kind = backend.dialect === "mysql" ? "DATABASE" : "SCHEMA";
  await place.sql(`CREATE ${kind} ${quoted}`);
  const cascade = backend.dialect === "mysql" ? "" : " CASCADE";
  return { name, drop: async () => void (await place.sql(`DROP ${kind} ${quoted}${cascade}`)) };
}

export interface CatalogColumn {
  readonly table: string;
  readonly column: string;
  readonly type: string;
}

const CATALOGS = {
  sqlite:
    'SELECT m.name AS "table", p.name AS "column", p.type AS type FROM sqlite_master m, pragma_table_info(m.name) p WHERE m.type = \'table\'',
  postgres:
    'SELECT c.relname AS "table", a.attname AS "column", format_type(a.atttypid, a.atttypmod) AS type FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE c.relkind = \'r\' AND a.attnum > 0 AND c.relnamespace = current_schema()::regnamespace',
  mysql:
    "SELECT table_name AS `table`, column_name AS `column`, column_type AS type FROM information_schema.columns WHERE table_schema = DATABASE()",
};

/** What the database itself says that is in the place, in an order of its own. */
export async function catalog(backend: Backend, place: Place): Promise<CatalogColumn[]> {
  const columns = (await place.sql(CATALOGS[backend.dialect])) as unknown as CatalogColumn[];
  const nameOf = ({ table, column }: CatalogColumn) => `${table}.${column}`;
  return columns.toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
}
