/** How rows come back: which columns are selected under which names, and how a driver's values become ours. */
import type { Values } from "./assemble.ts";
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
  /** Of its field among those of the table. */
  readonly place: number;
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
    assemble: (values: Values) => Row,
    keyOf: (column: Column, index: number) => string | number,
  ): (raw: object) => Row {
    const readers = this.#readers(columns, columns, keyOf);
    return (raw) => {
      const values = new Array<unknown>(columns.length);
      fill(values, raw, readers);
      return assemble(values);
    };
  }

  /**
   * A selection that has ids, numbers and digests packed into one column where the dialect does so: drivers take
   * longer for twenty columns than the database takes to find the row.
   */
  packed<Row>(
    { columns }: Pick<Table<keyof Row & string>, "columns">,
    assemble: (values: Values) => Row,
    alias: string,
  ): Selection<Row> {
    const dialect = this.#dialect;
    if (dialect.packed === undefined)
      return {
        list: this.selectList(columns, alias),
        read: this.rows<Row>({ columns }, assemble, aliased(alias)),
      };
    const inside = columns.filter(({ kind }) => PACKABLE.has(kind));
    const beside = columns.filter(({ kind }) => !PACKABLE.has(kind));
    const parts = inside.map((column) => ({ ...column, expression: this.#expression(column, alias) }));
    const packedReaders = this.#readers(
      inside,
      columns,
      (_, index) => index,
      (column) => (column.kind === "digest" ? bytesOfHex : this.#read(column)),
    );
    const readers = this.#readers(beside, columns, aliased(alias));
    return {
      list: `${dialect.packed(parts)} AS ${dialect.quote(PACK)}, ${this.selectList(beside, alias)}`,
      read: (raw) => {
        const values = new Array<unknown>(columns.length);
        fill(values, String(raw[PACK]).split(","), packedReaders, "");
        fill(values, raw, readers);
        return assemble(values);
      },
    };
  }

  #readers(
    columns: readonly Column[],
    all: readonly Column[],
    keyOf: (column: Column, index: number) => string | number,
    readOf = (column: Column) => this.#read(column),
  ): readonly Reader[] {
    return columns.map((column, index) => ({
      place: all.indexOf(column),
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
function fill(values: unknown[], raw: object, readers: readonly Reader[], nothing?: string): void {
  for (const { place, key, read } of readers) {
    const value = (raw as Record<string | number, unknown>)[key];
    const isThere = value !== null && value !== undefined && value !== nothing;
    values[place] = isThere ? (read === undefined ? value : read(value)) : undefined;
  }
}

const bytesOfHex = (value: unknown): Uint8Array => Buffer.from(value as string, "hex");

/** libsql gives an ArrayBuffer for the rows of `all`. */
const readBytes = (value: unknown): unknown => (value instanceof ArrayBuffer ? new Uint8Array(value) : value);
