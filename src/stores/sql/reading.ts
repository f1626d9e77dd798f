/** How rows come back: which columns are selected under which names, and how a driver's values become fields. */
import { emptyRow, type FieldKind, unreadable } from "../columns.ts";
import type { UserId } from "../store.ts";
import {
  asBytes,
  asDigest,
  asInteger,
  asText,
  asUserText,
  asUserTextOrInteger,
  bytesOfHex,
  type Check,
  digestOfHex,
  misread,
  textIn,
  valueIn,
} from "./answers.ts";
import type { Column, Schema, Table } from "./schema.ts";
import type { RawRow } from "./statement.ts";
import type { Syntax } from "./syntax.ts";

/** The part of a SELECT that names columns, and the functions that read what it gives. */
export interface Selection<Row> {
  readonly list: string;
  /** Undefined where an outer join found no row. */
  readonly read: (raw: RawRow) => Row | undefined;
  /** The same of a row that is damaged: secrets of any length, or none. */
  readonly readDamaged: (raw: RawRow) => Row | undefined;
  /** The same where the row's user does not matter, and may be damaged as well. */
  readonly readAnybodys: (raw: RawRow) => Row | undefined;
}

type Fields = Record<string | number, unknown>;

/** One column of a driver's row. */
interface Reader {
  /** Where its value is, in a list or an object. */
  readonly key: string | number;
  /** As the table calls it, for messages. */
  readonly column: string;
  readonly field: string;
  readonly check: Check;
  readonly nullable: boolean;
}

/** Kinds whose values, as text, hold no comma and are never empty. */
const PACKABLE: ReadonlySet<FieldKind> = new Set(["id", "digest", "salt", "time", "moment", "count"]);

/** What a column is called in a selection, however it is called in its table. */
export const aliased =
  (alias: string) =>
  ({ field }: Column): string =>
    `${alias}_${field}`;

export class Reading {
  readonly #schema: Schema;
  readonly #dialect: Syntax;

  constructor(schema: Schema, dialect: Syntax) {
    this.#schema = schema;
    this.#dialect = dialect;
  }

  /** `keyOf`: where a column's value is in what the driver gave. */
  rows<Row>(
    { columns }: Pick<Table<keyof Row & string>, "columns">,
    keyOf: (column: Column, index: number) => string | number,
  ): (raw: object) => Row {
    return reader(emptyOf(columns), this.#readers(columns, keyOf));
  }

  /**
   * All columns of a table, of which the first is its key. Ids, numbers and digests come packed into one column where the
   * dialect does so: drivers take longer for twenty columns than the database takes to find the row, and may be set to
   * make something of their own of numbers and bytes.
   */
  selection<Row>(table: Pick<Table<keyof Row & string>, "columns">, alias: string): Selection<Row> {
    return this.#dialect.packed === undefined
      ? this.#plain(table, alias)
      : this.#packed(table, alias, this.#dialect.packed);
  }

  #plain<Row>(table: Pick<Table<keyof Row & string>, "columns">, alias: string): Selection<Row> {
    const { columns } = table;
    const [key = ""] = columns.map(aliased(alias));
    const readers = this.#readers(columns, aliased(alias));
    const empty = emptyOf(columns);
    const joined = (read: (raw: object) => Row) => (raw: RawRow) =>
      valueIn(raw, key) === null ? undefined : read(raw);
    return {
      list: this.#list(columns, alias),
      read: joined(reader(empty, readers)),
      readDamaged: joined(reader(empty, readers.map(loosely))),
      readAnybodys: joined(reader(empty, readers.map(loosely).map(anybodys))),
    };
  }

  #packed<Row>(
    { columns }: Pick<Table<keyof Row & string>, "columns">,
    alias: string,
    packed: NonNullable<Syntax["packed"]>,
  ): Selection<Row> {
    const pack = `${alias}_packed`;
    const inside = columns.filter(({ kind }) => PACKABLE.has(kind));
    const beside = columns.filter(({ kind }) => !PACKABLE.has(kind));
    const parts = inside.map((column) => ({ ...column, expression: this.#expression(column, alias) }));
    const packedReaders = this.#readers(
      inside,
      (_, index) => index,
      (column) => HEX[column.kind] ?? this.#check(column),
    );
    const readers = this.#readers(beside, aliased(alias));
    const empty = emptyOf(columns);
    const joined = (inPack: readonly Reader[], ownColumns: readonly Reader[]) => (raw: RawRow) => {
      const text = textIn(raw, pack);
      // Of what has no key nothing is there.
      if (text.startsWith(",")) return undefined;
      const found = text.split(",");
      if (found.length !== inside.length) throw misread(pack, `a list of ${inside.length}`, text);
      return fill(fill({ ...empty }, found, inPack, ""), raw, ownColumns) as Row;
    };
    return {
      list: `${packed(parts)} AS ${this.#dialect.quote(pack)}, ${this.#list(beside, alias)}`,
      read: joined(packedReaders, readers),
      readDamaged: joined(packedReaders.map(loosely), readers.map(loosely)),
      readAnybodys: joined(packedReaders.map(loosely), readers.map(loosely).map(anybodys)),
    };
  }

  #list(columns: readonly Column[], alias: string): string {
    const { quote } = this.#dialect;
    return columns
      .map((column) => `${this.#expression(column, alias)} AS ${quote(aliased(alias)(column))}`)
      .join(", ");
  }

  #readers(
    columns: readonly Column[],
    keyOf: (column: Column, index: number) => string | number,
    checkOf = (column: Column) => this.#check(column),
  ): readonly Reader[] {
    return columns.map((column, index) => ({
      key: keyOf(column, index),
      column: column.column,
      field: column.field,
      check: checkOf(column),
      nullable: column.nullable,
    }));
  }

  #expression({ column, kind }: Column, alias: string): string {
    const name = `${alias}.${this.#dialect.quote(column)}`;
    const isDate = kind === "moment" && this.#schema.timestamps === "datetime";
    return isDate ? this.#dialect.selectMoment(name) : name;
  }

  #check(column: Column): Check {
    switch (column.kind) {
      case "moment":
        return this.moment;
      case "time":
      case "count":
        return asInteger;
      case "user":
        return this.user;
      case "digest":
        return asDigest;
      case "salt":
        return asBytes;
      default:
        return asText;
    }
  }

  /** Checks what `selectMoment` selects. */
  get moment(): Check<number> {
    return this.#schema.timestamps === "datetime" ? this.#date : asInteger;
  }

  readonly #date: Check<number> = (value, column) => {
    const time = this.#dialect.parseMoment(value);
    if (Number.isFinite(time)) return time;
    throw misread(column, "a date", value);
  };

  /** Checks what came as a user's id. */
  get user(): Check<UserId> {
    return USERS[this.#schema.userIds];
  }
}

const USERS = {
  any: asUserTextOrInteger,
  integer: asInteger,
  text: asUserText,
  uuid: asUserText,
} as const;

const HEX: { readonly [Kind in FieldKind]?: Check<Uint8Array> } = { digest: digestOfHex, salt: bytesOfHex };

const LOOSE: ReadonlyMap<Check, Check> = new Map<Check, Check>([
  [asDigest, asBytes],
  [digestOfHex, bytesOfHex],
]);

/**
 * A damaged row is read only to list and end its device, never to identify a user. A number that cannot be read is 0, and
 * a deadline the last moment there is, or no list would show the device. The user must be readable, or the row would be
 * an anonymous one.
 */
const loosely = (reader: Reader): Reader => ({
  ...reader,
  check: LOOSE.get(reader.check) ?? (isOfNumbers(reader) ? unlessUnreadable(reader) : reader.check),
  nullable: true,
});

const isOfNumbers = ({ field, check }: Reader): boolean =>
  field !== "userId" && check !== asText && check !== asDigest && check !== asBytes;

const unlessUnreadable = ({ check, field }: Reader): Check => orElse(check, unreadable(field));

const anybodys = (reader: Reader): Reader =>
  reader.field === "userId" ? { ...reader, check: orElse(reader.check, undefined) } : reader;

export const orElse =
  <T, Otherwise>(check: Check<T>, otherwise: Otherwise): Check<T | Otherwise> =>
  (value, column) => {
    try {
      return check(value, column);
    } catch {
      return otherwise;
    }
  };

function reader<Row>(empty: Fields, readers: readonly Reader[]): (raw: object) => Row {
  return (raw) => fill({ ...empty }, raw, readers) as Row;
}

const emptyOf = (columns: readonly Column[]): Fields => emptyRow(columns.map(({ field }) => field));

/** `nothing`: what stands for null besides null. */
function fill(row: Fields, raw: object, readers: readonly Reader[], nothing?: string): Fields {
  for (const { field, key, column, check, nullable } of readers) {
    const value = (raw as Fields)[key];
    if (value !== null && value !== undefined && value !== nothing) row[field] = check(value, column);
    else if (!nullable || value === undefined) throw misread(column, "a value", value);
  }
  return row;
}
