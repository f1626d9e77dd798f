import { createHash } from "node:crypto";
import { columnOf, INDEXES, type Schema, type Table } from "./schema.ts";
import { qualified, type Syntax } from "./syntax.ts";

export interface Step {
  readonly sql: string;
  /** Where the statement passes over a table that is there already: how to check that it is psession's. */
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
  syntax: Syntax,
  schema: Schema,
  table: Table<Field>,
  key: Field,
  { ifMissing = false, types = {}, defaults = {}, lines = [], suffix = "" }: TableParts = {},
): string {
  const columns = table.columns.map((column) => {
    const { column: name, field, nullable } = column;
    const type = types[field] ?? syntax.type(column, schema);
    const rest = `${nullable ? "" : " NOT NULL"}${defaults[field] ? ` ${defaults[field]}` : ""}`;
    return `${syntax.quote(name)} ${type}${rest}`;
  });
  const primary = `PRIMARY KEY (${syntax.quote(columnOf(table, key).column)})`;
  const body = [...columns, primary, ...lines].join(",\n  ");
  return `CREATE TABLE ${ifMissing ? "IF NOT EXISTS " : ""}${qualified(syntax, table)} (\n  ${body}\n)${suffix}`;
}

/** The tables of every store, and their indexes as statements of their own. */
export function tablesMigration(
  syntax: Syntax,
  schema: Schema,
  parts: TableParts,
  createIndex: (index: Index) => string,
): Migration {
  const statements = [
    createTable(syntax, schema, schema.sessions, "id", parts),
    createTable(syntax, schema, schema.logins, "id", parts),
    createTable(syntax, schema, schema.locks, "name", parts),
    ...indexesOf(schema, schema.sessions, schema.logins, schema.locks).map(createIndex),
  ];
  return { name: "0001-tables", steps: statements.map((sql) => ({ sql })) };
}

/** The audit table, where there is to be one. */
export function auditMigration(
  syntax: Syntax,
  schema: Schema,
  parts: TableParts,
  createIndex: (index: Index) => string,
): Migration[] {
  if (!schema.keepsAudit) return [];
  const statements = [
    createTable(syntax, schema, schema.audit, "id", parts),
    ...indexesOf(schema, schema.audit).map(createIndex),
  ];
  return [{ name: "0001-audit", steps: statements.map((sql) => ({ sql })) }];
}

/** A table that is created unless it is there, with a comment that marks it as psession's. */
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
