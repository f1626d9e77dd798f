import { createHash } from "node:crypto";
import { PsessionError } from "../../errors.ts";
import type { MigrateOptions } from "../store.ts";
import { driverError } from "../told/driver-error.ts";
import { textIn, valueIn } from "./answers.ts";
import { type Dialect, qualified } from "./dialect.ts";
import { type Changed, changedError, removeEmpty } from "./remake.ts";
import { columnOf, INDEXES, type Schema, type Table } from "./schema.ts";
import { isFault, type Program, type Statement } from "./statement.ts";
import type { Statements } from "./statements.ts";

export interface Step {
  readonly sql: string;
  /** Where the statement passes over a table that is there already: how to tell whether it is ours. */
  readonly made?: { readonly table: Table; readonly mark: string };
}

/** One step of the schema, forward only. Once released it never changes: its checksum is recorded. */
export interface Migration {
  readonly name: string;
  readonly steps: readonly Step[];
}

export const checksum = ({ steps }: Migration): string => digest(steps.map(({ sql }) => sql).join(";\n"));

const digest = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 16);

export const recordOf = ({ name }: Migration): string => `migration/${name}`;

/**
 * Asked before the lock is taken: most starts have nothing to do, and need no right to create anything. Throws where
 * other options made the tables, unless they are to be made anew.
 */
export function* isMigrated(
  statements: Statements,
  { remakesEmpty = false }: MigrateOptions = {},
): Program<boolean> {
  try {
    const { missing, changed } = yield* examined(statements);
    if (changed.length > 0 && !remakesEmpty) throw changedError(statements, changed);
    return missing.length + changed.length === 0;
  } catch (error) {
    if (isFault(error, "schema")) return false;
    throw error;
  }
}

/**
 * One process at a time; the others find that nothing is left to do. `at` is the time to record. Names what ran.
 */
export function* lockedMigration(
  statements: Statements,
  at: number,
  options: MigrateOptions = {},
): Program<readonly string[]> {
  const lock = statements.dialect.migrationLock(statements);
  if (lock !== undefined) {
    const { rows } = yield lock.acquire;
    // MySQL answers 0 when it has waited in vain, NULL when something went wrong; PostgreSQL fails instead.
    if (rows[0] === undefined || Number(valueIn(rows[0], "locked")) !== 1) {
      throw new PsessionError(
        "store_unavailable",
        "Psession's tables could not be created or updated: another process has been at it for too long. It is tried again at the next use.",
      );
    }
  }
  let ran: readonly string[];
  try {
    ran = yield* migrateProgram(statements, at, options);
  } catch (error) {
    yield* givenBack(lock?.release);
    throw error;
  }
  if (lock?.release !== undefined) yield lock.release;
  return ran;
}

/** Gives the lock back after a failure, which is what is to be told, and not that the connection is gone. */
function* givenBack(release: Statement | undefined): Program<void> {
  try {
    if (release !== undefined) yield release;
  } catch {
    // A lost connection has lost its locks.
  }
}

/** Creates the table of records, and whatever has not been recorded yet. The caller holds the lock. */
function* migrateProgram(
  statements: Statements,
  at: number,
  { remakesEmpty = false }: MigrateOptions,
): Program<readonly string[]> {
  yield statements.make(metaTable(statements), []);
  const { missing, changed } = yield* recorded(statements);
  if (changed.length > 0 && !remakesEmpty) throw changedError(statements, changed);
  if (changed.length > 0) yield* removeEmpty(statements, changed);
  const again = changed.map(({ migration }) => migration);
  const due = [...again, ...missing];
  for (const migration of due) {
    for (const { sql, made } of migration.steps) {
      yield statements.make(sql, []);
      if (made !== undefined) yield* assertOurs(statements, made);
    }
    yield statements.insertMeta(recordOf(migration), checksum(migration), at);
  }
  return due.map((migration) => `${migration.name}${again.includes(migration) ? ", made anew" : ""}`);
}

const metaTable = ({ dialect, schema }: Statements): string =>
  createTable(dialect, schema, schema.meta, "name", { ifMissing: true });

function* recorded(statements: Statements): Program<Examined> {
  try {
    return yield* examined(statements);
  } catch (error) {
    if (!isFault(error, "schema")) throw error;
    const { name } = statements.schema.meta;
    throw new PsessionError(
      "store_not_migrated",
      `The table ${name} is there, but with other columns than tables.meta says: change the options back, or give psession other tables.`,
      { cause: driverError(error.cause) },
    );
  }
}

/** An interrupted migration of ours is gone on with; a table of somebody else is not taken for ours. */
function* assertOurs(statements: Statements, { table, mark }: NonNullable<Step["made"]>): Program<void> {
  const { dialect } = statements;
  const comment = dialect.inspection.comment?.(statements, table);
  const { rows } = comment === undefined ? { rows: [] } : yield comment;
  if (String(rows[0]?.["comment"]).includes(mark)) return;
  throw new PsessionError(
    "store_not_migrated",
    `The table ${qualified(dialect, table)} is in the way: it is not psession's, or was made with other options. Rename or remove it, or give psession's another name (option tables).`,
  );
}

interface Examined {
  readonly missing: readonly Migration[];
  readonly changed: readonly Changed[];
}

/** What is yet to be done on this database, and what was done otherwise than these options would. */
export function* examined(statements: Statements): Program<Examined> {
  const missing: Migration[] = [];
  const changed: Changed[] = [];
  for (const migration of statements.dialect.migrations(statements.schema)) {
    const { rows } = yield statements.meta(recordOf(migration));
    const recorded = rows[0] === undefined ? undefined : textIn(rows[0], "value");
    if (recorded === undefined) missing.push(migration);
    else if (recorded !== checksum(migration)) changed.push({ migration, recorded });
  }
  return { missing, changed };
}

/** Plain SQL for teams with a migration tool of their own; records what it does, so that nothing is done twice. */
export function schemaScript(statements: Statements): string {
  const { dialect, schema } = statements;
  const lines = [metaTable(statements)];
  for (const migration of dialect.migrations(schema)) {
    lines.push(...migration.steps.map(({ sql }) => sql));
    const values = [recordOf(migration), checksum(migration)].map((text) => `'${text}'`);
    lines.push(statements.insertText(schema.meta).replace("?, ?, ?", `${values.join(", ")}, 0`));
  }
  return `${lines.join(";\n\n")};\n`;
}

export interface TableParts {
  readonly ifMissing?: boolean;
  /** Types that differ from the dialect's own, by field. */
  readonly types?: Readonly<Record<string, string>>;
  /** What follows a column's type: its default, or how it is generated; by field. */
  readonly defaults?: Readonly<Record<string, string>>;
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
  { ifMissing = false, types = {}, defaults = {}, lines = [], suffix = "" }: TableParts = {},
): string {
  const columns = table.columns.map((column) => {
    const { column: name, field, nullable } = column;
    const type = types[field] ?? dialect.type(column, schema);
    const rest = `${nullable ? "" : " NOT NULL"}${defaults[field] ? ` ${defaults[field]}` : ""}`;
    return `${dialect.quote(name)} ${type}${rest}`;
  });
  const primary = `PRIMARY KEY (${dialect.quote(columnOf(table, key).column)})`;
  const body = [...columns, primary, ...lines].join(",\n  ");
  return `CREATE TABLE ${ifMissing ? "IF NOT EXISTS " : ""}${qualified(dialect, table)} (\n  ${body}\n)${suffix}`;
}

/** The tables of every store, and their indexes as statements of their own. */
export function tablesMigration(
  dialect: Dialect,
  schema: Schema,
  parts: TableParts,
  createIndex: (index: Index) => string,
): Migration {
  const statements = [
    createTable(dialect, schema, schema.sessions, "id", parts),
    createTable(dialect, schema, schema.logins, "id", parts),
    createTable(dialect, schema, schema.locks, "name", parts),
    ...indexesOf(schema, schema.sessions, schema.logins, schema.locks).map(createIndex),
  ];
  return { name: "0001-tables", steps: statements.map((sql) => ({ sql })) };
}

/** The audit table, where there is to be one. */
export function auditMigration(
  dialect: Dialect,
  schema: Schema,
  parts: TableParts,
  createIndex: (index: Index) => string,
): Migration[] {
  if (!schema.keepsAudit) return [];
  const statements = [
    createTable(dialect, schema, schema.audit, "id", parts),
    ...indexesOf(schema, schema.audit).map(createIndex),
  ];
  return [{ name: "0001-audit", steps: statements.map((sql) => ({ sql })) }];
}

/** A table that is created unless it is there, and that says in its comment that it is ours. */
export function createMarked(sql: string, table: Table): Step {
  const mark = `psession ${digest(sql)}`;
  return { sql: `${sql} COMMENT = '${mark}'`, made: { table, mark } };
}

export interface Index {
  readonly table: Table;
  readonly column: string;
  readonly name: string;
  readonly isUnique: boolean;
  readonly isNullable: boolean;
}

/** The indexes of these tables. */
export function indexesOf(schema: Schema, ...tables: readonly Table[]): Index[] {
  return INDEXES.flatMap(({ table: key, field, suffix, isUnique }) => {
    const table: Table = schema[key];
    if (!tables.includes(table)) return [];
    const { column, nullable } = columnOf(table, field);
    return { table, column, name: `${table.name}_${suffix}`, isUnique, isNullable: nullable };
  });
}
