import { createHash } from "node:crypto";
import { PsessionError } from "../../errors.ts";
import { type Dialect, qualified } from "./dialect.ts";
import { columnOf, type Schema, type Table } from "./schema.ts";
import type { Program } from "./statement.ts";
import type { Statements } from "./statements.ts";

/** One step of the schema, forward only. Once released it never changes: its checksum is recorded. */
export interface Migration {
  readonly name: string;
  readonly statements: readonly string[];
}

export const checksum = (migration: Migration): string =>
  createHash("sha256").update(migration.statements.join(";\n")).digest("hex").slice(0, 16);

const recordOf = ({ name }: Migration): string => `migration/${name}`;

/** One process at a time; the others find that nothing is left to do. */
export function* lockedMigration(statements: Statements): Program<void> {
  const { acquire, release } = statements.dialect.migrationLock;
  for (const statement of acquire) yield statement;
  try {
    yield* migrateProgram(statements);
  } finally {
    for (const statement of release) yield statement;
  }
}

/** Creates the table of records, and whatever has not been recorded yet. The caller holds the lock. */
export function* migrateProgram(statements: Statements): Program<void> {
  const { dialect, schema } = statements;
  yield statements.make(createTable(dialect, schema, schema.meta, "name", { ifMissing: true }), []);
  for (const migration of yield* missingMigrations(statements)) {
    for (const text of migration.statements) yield statements.make(text, []);
    yield statements.insertMeta(recordOf(migration), checksum(migration), Date.now());
  }
}

/** What is yet to be done on this database. Throws where what was done is something else. */
export function* missingMigrations(statements: Statements): Program<Migration[]> {
  const missing: Migration[] = [];
  for (const migration of statements.dialect.migrations(statements.schema)) {
    const { rows } = yield statements.meta(recordOf(migration));
    const recorded = rows[0]?.["value"];
    if (recorded === undefined) missing.push(migration);
    else if (recorded !== checksum(migration)) {
      throw new PsessionError(
        "store_not_migrated",
        `The migration ${migration.name} that ran on this database is not the one that these options make: names, types or psession itself were others then. Change the options back, or give psession other tables.`,
      );
    }
  }
  return missing;
}

/** Plain SQL for teams with a migration tool of their own; records what it does, so that nothing is done twice. */
export function schemaScript(statements: Statements): string {
  const { dialect, schema } = statements;
  const lines = [createTable(dialect, schema, schema.meta, "name", { ifMissing: true })];
  for (const migration of dialect.migrations(schema)) {
    lines.push(...migration.statements);
    const values = [recordOf(migration), checksum(migration)].map((text) => `'${text}'`);
    lines.push(statements.insertText(schema.meta).replace("?, ?, ?", `${values.join(", ")}, 0`));
  }
  return `${lines.join(";\n\n")};\n`;
}

export interface TableParts {
  readonly ifMissing?: boolean;
  /** Types that differ from the dialect's own, by field. */
  readonly types?: Readonly<Record<string, string>>;
  /** Lines after the columns, such as indexes where a dialect has them inside. */
  readonly lines?: readonly string[];
  /** What follows the closing bracket. */
  readonly suffix?: string;
}

export function createTable<Field extends string>(
  dialect: Dialect,
  schema: Schema,
  table: Table<Field>,
  key: Field,
  { ifMissing = false, types = {}, lines = [], suffix = "" }: TableParts = {},
): string {
  const columns = table.columns.map((column) => {
    const type = types[column.field] ?? dialect.type(column, schema);
    return `${dialect.quote(column.column)} ${type}${column.nullable ? "" : " NOT NULL"}`;
  });
  const primary = `PRIMARY KEY (${dialect.quote(columnOf(table, key).column)})`;
  const body = [...columns, primary, ...lines].join(",\n  ");
  return `CREATE TABLE ${ifMissing ? "IF NOT EXISTS " : ""}${qualified(dialect, table)} (\n  ${body}\n)${suffix}`;
}

export interface Index {
  readonly table: Table;
  readonly column: string;
  readonly name: string;
  readonly isUnique: boolean;
  readonly isNullable: boolean;
}

/** The indexes of sessions and logins: none on a column that a touch changes. */
export function indexesOf(schema: Schema): Index[] {
  const { sessions, logins, locks } = schema;
  const index = <F extends string>(table: Table<F>, field: F, suffix: string, isUnique = false): Index => ({
    table,
    column: columnOf(table, field).column,
    name: `${table.name}_${suffix}`,
    isUnique,
    isNullable: columnOf(table, field).nullable,
  });
  return [
    // A remembered login has one session row; parallel restores that lost it make one, not many.
    index(sessions, "rememberedId", "login", true),
    index(sessions, "userId", "user"),
    index(sessions, "pruneAfter", "prune"),
    index(logins, "userId", "user"),
    index(logins, "pruneAfter", "prune"),
    index(locks, "pruneAfter", "prune"),
  ];
}
