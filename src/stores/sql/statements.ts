import { type Column, columnOf, type Table } from "./tables.ts";

/** Values that every SQL driver takes. */
export type SqlValue = string | number | Uint8Array | null;

/** `INSERT` of a whole row; a row that exists is a conflict, never replaced. */
export function insertInto(table: Table): string {
  const names = table.columns.map(({ column }) => column);
  return `INSERT INTO ${table.name} (${names.join(", ")}) VALUES (${names.map(() => "?").join(", ")})`;
}

export function valuesOf<Row extends object>(table: Table<keyof Row & string>, row: Row): SqlValue[] {
  return table.columns.map(({ field }) => toSql(row[field]));
}

/** The `SET` part for the fields of `set`, and their values in the same order. */
export function assignments<Field extends string>(
  table: Table<Field>,
  set: { readonly [K in Field]?: unknown },
): { sql: string; values: SqlValue[] } {
  const parts: string[] = [];
  const values: SqlValue[] = [];
  for (const field in set) {
    parts.push(`${columnOf(table, field).column} = ?`);
    values.push(toSql(set[field]));
  }
  return { sql: parts.join(", "), values };
}

/** The table's columns as `alias_column`, for a join of several tables. */
export function selectList(table: Table, alias: string): string {
  return table.columns.map(({ column }) => `${alias}.${column} AS ${alias}_${column}`).join(", ");
}

export type RawRow = Record<string, unknown>;

/** Turns a driver's row into ours, or undefined where an outer join found none. */
export function rowReader<Row>(
  table: Table<keyof Row & string>,
  alias?: string,
): (raw: RawRow) => Row | undefined {
  const prefix = alias === undefined ? "" : `${alias}_`;
  const readers = table.columns.map((column) => ({
    field: column.field,
    name: prefix + column.column,
    read: READERS[column.kind],
  }));
  const key = prefix + columnOf(table, "id" as keyof Row & string).column;
  return (raw) => {
    if (raw[key] === null || raw[key] === undefined) return undefined;
    const row: Record<string, unknown> = {};
    for (const { field, name, read } of readers) {
      const value = raw[name];
      row[field] = value === null || value === undefined ? undefined : read(value);
    }
    return row as Row;
  };
}

const READERS: Record<Column["kind"], (value: unknown) => unknown> = {
  id: same,
  text: same,
  data: same,
  user: same,
  // libsql gives an ArrayBuffer for the rows of `all`.
  digest: (value) => (value instanceof ArrayBuffer ? new Uint8Array(value) : value),
  // BIGINT arrives as text from some drivers, as bigint from others.
  time: Number,
  count: Number,
};

function same(value: unknown): unknown {
  return value;
}

function toSql(value: unknown): SqlValue {
  return value === undefined ? null : (value as SqlValue);
}
