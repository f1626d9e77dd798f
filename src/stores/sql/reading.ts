/** How rows come back: which columns are selected under which names, and how a driver's values become ours. */
import type { Blank } from "../blank.ts";
import type { Dialect } from "./dialect.ts";
import type { Column, ColumnKind, Schema, Table } from "./schema.ts";
import type { RawRow } from "./statement.ts";

/** The part of a SELECT that names columns, and who reads what it gives. */
export interface Selection<Row> {
  readonly list: string;
  readonly read: (raw: RawRow) => Row;
}

/** One column of a driver's row. */
interface Reader {
  readonly field: string;
  /** Where its value is, in a list or an object. */
  readonly key: string | number;
  /** Undefined where a value is taken as the driver gives it. */
  readonly read: ((value: unknown) => unknown) | undefined;
}

/** Kinds whose values, as text, hold no comma and are never empty. */
const PACKABLE: ReadonlySet<ColumnKind> = new Set(["id", "digest", "time", "moment", "count"]);
const PACK = "packed";

/** What a column is called in a selection, however it is called in its table. */
export const aliased =
  (alias: string) =>
  ({ field }: Column): string =>
    `${alias}_${field}`;

export class Reading {
  readonly #schema: Schema;
  readonly #dialect: Dialect;

  constructor(schema: Schema, dialect: Dialect) {
    this.#schema = schema;
    this.#dialect = dialect;
  }

  selectList(columns: readonly Column[], alias: string): string {
    const { quote } = this.#dialect;
    return columns
      .map((column) => `${this.#expression(column, alias)} AS ${quote(aliased(alias)(column))}`)
      .join(", ");
  }

  /** `keyOf`: where a column's value is in what the driver gave. */
  rows<Row>(
    { columns }: Pick<Table<keyof Row & string>, "columns">,
    blank: () => Blank<Row>,
    keyOf: (column: Column, index: number) => string | number,
  ): (values: object) => Row {
    const readers = this.#readers(columns, keyOf);
    return (values) => {
      const row = blank();
      fill(row, values, readers);
      return row as Row;
    };
  }

  /**
   * A selection that has ids, numbers and digests packed into one column where the dialect does so: drivers take
   * longer for twenty columns than the database takes to find the row.
   */
  packed<Row>(
    { columns }: Pick<Table<keyof Row & string>, "columns">,
    blank: () => Blank<Row>,
    alias: string,
  ): Selection<Row> {
    const dialect = this.#dialect;
    if (dialect.packed === undefined)
      return {
        list: this.selectList(columns, alias),
        read: this.rows<Row>({ columns }, blank, aliased(alias)),
      };
    const inside = columns.filter(({ kind }) => PACKABLE.has(kind));
    const beside = columns.filter(({ kind }) => !PACKABLE.has(kind));
    const parts = inside.map((column) => ({ ...column, expression: this.#expression(column, alias) }));
    const packedReaders = this.#readers(
      inside,
      (_, index) => index,
      (column) => (column.kind === "digest" ? bytesOfHex : this.#read(column)),
    );
    const readers = this.#readers(beside, aliased(alias));
    return {
      list: `${dialect.packed(parts)} AS ${dialect.quote(PACK)}, ${this.selectList(beside, alias)}`,
      read: (raw) => {
        const row = blank();
        fill(row, String(raw[PACK]).split(","), packedReaders, "");
        fill(row, raw, readers);
        return row as Row;
      },
    };
  }

  #readers(
    columns: readonly Column[],
    keyOf: (column: Column, index: number) => string | number,
    readOf = (column: Column) => this.#read(column),
  ): readonly Reader[] {
    return columns.map((column, index) => ({
      field: column.field,
      key: keyOf(column, index),
      read: readOf(column),
    }));
  }

  #expression({ column, kind }: Column, alias: string): string {
    const name = `${alias}.${this.#dialect.quote(column)}`;
    const isDate = kind === "moment" && this.#schema.timestamps === "datetime";
    return isDate ? this.#dialect.selectMoment(name) : name;
  }

  #read({ kind }: Column): Reader["read"] {
    switch (kind) {
      case "moment":
        return this.#schema.timestamps === "datetime" ? (value) => this.#dialect.parseMoment(value) : Number;
      case "time":
      case "count":
        // BIGINT arrives as text from some drivers, as bigint from others.
        return Number;
      case "user":
        return this.#schema.userIds === "integer" ? Number : undefined;
      case "digest":
        return readBytes;
      default:
        return undefined;
    }
  }
}

/** `nothing`: what stands for null besides null. */
function fill(row: object, values: object, readers: readonly Reader[], nothing?: string): void {
  for (const { field, key, read } of readers) {
    const value = (values as Record<string | number, unknown>)[key];
    if (value === null || value === undefined || value === nothing) continue;
    (row as Record<string, unknown>)[field] = read === undefined ? value : read(value);
  }
}

const bytesOfHex = (value: unknown): Uint8Array => Buffer.from(value as string, "hex");

/** libsql gives an ArrayBuffer for the rows of `all`. */
const readBytes = (value: unknown): unknown => (value instanceof ArrayBuffer ? new Uint8Array(value) : value);
