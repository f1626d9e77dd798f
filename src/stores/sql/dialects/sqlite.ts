import { type Dialect, facets } from "../dialect.ts";
import { createTable, type Index, indexesOf, type Migration } from "../migrations.ts";
import { type Column, type ColumnKind, columnOf, type Schema } from "../schema.ts";
import type { FaultKind } from "../statement.ts";

const TYPES: Record<Exclude<ColumnKind, "user" | "moment">, string> = {
  id: "TEXT",
  digest: "BLOB",
  time: "INTEGER",
  text: "TEXT",
  data: "TEXT",
  count: "INTEGER",
};

const STRICT = { suffix: " STRICT" };

const quote = (name: string): string => `"${name}"`;

export const sqliteDialect: Dialect = {
  name: "sqlite",
  quote,
  placeholder: () => "?",
  // One writer at a time, and none begins by reading: there is nobody to lock out.
  forUpdate: "",
  newest: "",
  type: ({ kind }: Column, { timestamps, userIds }: Schema) => {
    if (kind === "moment") return timestamps === "datetime" ? "TEXT" : "INTEGER";
    // Whatever the application calls its users: 7 and "7" stay apart.
    if (kind === "user") return { any: "ANY", integer: "INTEGER", text: "TEXT", uuid: "TEXT" }[userIds];
    return TYPES[kind];
  },
  // SQLite has no type for dates; this text is what its functions read and write.
  selectMoment: (column) => column,
  moment: (time) => new Date(time).toISOString().replace("T", " ").slice(0, -1),
  parseMoment: (value) => Date.parse(`${String(value).replace(" ", "T")}Z`),
  isOneOf: (column, ids) =>
    ids.length === 1
      ? { sql: `${column} = ?`, values: [...ids] }
      : { sql: `${column} IN (SELECT value FROM json_each(?))`, values: [JSON.stringify(ids)] },
  prune: (table, _key, pruneAfter, limit) =>
    `DELETE FROM ${table} WHERE rowid IN (SELECT rowid FROM ${table} WHERE ${pruneAfter} < ? ORDER BY ${pruneAfter} LIMIT ${limit})`,
  lockUser: () => undefined,
  migrations: (schema) => [
    {
      name: "0001-tables",
      statements: [
        createTable(sqliteDialect, schema, schema.sessions, "id", STRICT),
        createTable(sqliteDialect, schema, schema.logins, "id", STRICT),
        createTable(sqliteDialect, schema, schema.locks, "name", STRICT),
        ...indexesOf(schema).map(createIndex),
      ],
    },
    ...(schema.createsUsers ? [usersMigration(schema)] : []),
  ],
  migrationLock: { acquire: [], release: [], isTransactional: true },
  classify,
};

function createIndex({ table, column, name, isUnique, isNullable }: Index): string {
  const prefix = table.schema === undefined ? "" : `${quote(table.schema)}.`;
  const where = isNullable ? ` WHERE ${quote(column)} IS NOT NULL` : "";
  return `CREATE ${isUnique ? "UNIQUE " : ""}INDEX ${prefix}${quote(name)} ON ${quote(table.name)} (${quote(column)})${where}`;
}

function usersMigration(schema: Schema): Migration {
  const { users, userIds } = schema;
  const parts = {
    ...STRICT,
    types: { ...(userIds === "any" ? { id: "INTEGER" } : {}), attempts: "INTEGER DEFAULT 0" },
    lines: [`UNIQUE (${quote(columnOf(users, "email").column)})`],
  };
  return { name: "0001-users", statements: [createTable(sqliteDialect, schema, users, "id", parts)] };
}

/** Drivers say it in different fields: node:sqlite has `errcode`, the others a `code` such as SQLITE_BUSY. */
function classify(error: unknown): FaultKind {
  const { code, errno, message } = facets(error);
  const primary = errno === undefined ? undefined : errno & 0xff;
  if (
    errno === 1555 ||
    errno === 2067 ||
    /^SQLITE_CONSTRAINT_(PRIMARYKEY|UNIQUE)/.test(code) ||
    message.includes("UNIQUE constraint failed")
  )
    return "unique";
  if (
    primary === 5 ||
    primary === 6 ||
    /^SQLITE_(BUSY|LOCKED)/.test(code) ||
    /database (table )?is locked/.test(message)
  )
    return "contention";
  if (/no such (table|column)|has no column named/.test(message)) return "schema";
  if (primary === 8 || code.startsWith("SQLITE_READONLY") || message.includes("readonly database"))
    return "readonly";
  return "other";
}
