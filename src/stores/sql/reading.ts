/** How rows come back: which columns are selected under which names, and how a driver's values become fields. */
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
import type { Values } from "./assemble.ts";
import type { Column, ColumnKind, Schema, Table } from "./schema.ts";
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

/** One column of a driver's row. */
interface Reader {
  /** Of its field among those of the table. */
  readonly place: number;
  /** Where its value is, in a list or an object. */
  readonly key: string | number;
  /** As the table calls it, for messages. */
  readonly column: string;
  readonly field: string;
  readonly check: Check;
  readonly nullable: boolean;
}

/** Kinds whose values, as text, hold no comma and are never empty. */
const PACKABLE: ReadonlySet<ColumnKind> = new Set(["id", "digest", "time", "moment", "count"]);

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
    assemble: (values: Values) => Row,
    keyOf: (column: Column, index: number) => string | number,
  ): (raw: object) => Row {
    return reader(columns.length, assemble, this.#readers(columns, columns, keyOf));
  }

  /**
   * All columns of a table, of which the first is its key. Ids, numbers and digests come packed into one column where the
   * dialect does so: drivers take longer for twenty columns than the database takes to find the row, and may be set to
   * make something of their own of numbers and bytes.
   */
  selection<Row>(
    table: Pick<Table<keyof Row & string>, "columns">,
    assemble: (values: Values) => Row,
    alias: string,
  ): Selection<Row> {
    return this.#dialect.packed === undefined
      ? this.#plain(table, assemble, alias)
      : this.#packed(table, assemble, alias, this.#dialect.packed);
  }

  #plain<Row>(
    table: Pick<Table<keyof Row & string>, "columns">,
    assemble: (values: Values) => Row,
    alias: string,
  ): Selection<Row> {
    const { columns } = table;
    const [key = ""] = columns.map(aliased(alias));
    const readers = this.#readers(columns, columns, aliased(alias));
    const joined = (read: (raw: object) => Row) => (raw: RawRow) =>
      valueIn(raw, key) === null ? undefined : read(raw);
    return {
      list: this.#list(columns, alias),
      read: joined(reader(columns.length, assemble, readers)),
      readDamaged: joined(reader(columns.length, assemble, readers.map(loosely))),
      readAnybodys: joined(reader(columns.length, assemble, readers.map(loosely).map(anybodys))),
    };
  }

  #packed<Row>(
    { columns }: Pick<Table<keyof Row & string>, "columns">,
    assemble: (values: Values) => Row,
    alias: string,
    packed: NonNullable<Syntax["packed"]>,
  ): Selection<Row> {
    const pack = `${alias}_packed`;
    const inside = columns.filter(({ kind }) => PACKABLE.has(kind));
    const beside = columns.filter(({ kind }) => !PACKABLE.has(kind));
    const parts = inside.map((column) => ({ ...column, expression: this.#expression(column, alias) }));
    const packedReaders = this.#readers(
      inside,
      columns,
      (_, index) => index,
      (column) => (column.kind === "digest" ? hexOf(column) : this.#check(column)),
    );
    const readers = this.#readers(beside, columns, aliased(alias));
    const joined = (inPack: readonly Reader[], ownColumns: readonly Reader[]) => (raw: RawRow) => {
      const text = textIn(raw, pack);
      // Of what has no key nothing is there.
      if (text.startsWith(",")) return undefined;
      const found = text.split(",");
      if (found.length !== inside.length) throw misread(pack, `a list of ${inside.length}`, text);
      const values = new Array<unknown>(columns.length);
      fill(values, found, inPack, "");
      fill(values, raw, ownColumns);
      return assemble(values);
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
    all: readonly Column[],
    keyOf: (column: Column, index: number) => string | number,
    checkOf = (column: Column) => this.#check(column),
  ): readonly Reader[] {
    return columns.map((column, index) => ({
      place: all.indexOf(column),
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
        return bytesOf(column);
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

/** A salt is a digest's neighbour, and shorter. */
const bytesOf = ({ field }: Column): Check<Uint8Array> => (field === "salt" ? asBytes : asDigest);
const hexOf = ({ field }: Column): Check<Uint8Array> => (field === "salt" ? bytesOfHex : digestOfHex);

const LOOSE: ReadonlyMap<Check, Check> = new Map<Check, Check>([
  [asDigest, asBytes],
  [digestOfHex, bytesOfHex],
]);

/** The last moment of a `Date`. */
const LAST = 8.64e15;

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

const unlessUnreadable = ({ check, field }: Reader): Check =>
  orElse(check, field.endsWith("Deadline") ? LAST : 0);

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

function reader<Row>(
  length: number,
  assemble: (values: Values) => Row,
  readers: readonly Reader[],
): (raw: object) => Row {
  return (raw) => {
    const values = new Array<unknown>(length);
    fill(values, raw, readers);
    return assemble(values);
  };
}

/** `nothing`: what stands for null besides null. */
function fill(values: unknown[], raw: object, readers: readonly Reader[], nothing?: string): void {
  for (const { place, key, column, check, nullable } of readers) {
    const value = (raw as Record<string | number, unknown>)[key];
    if (value !== null && value !== undefined && value !== nothing) values[place] = check(value, column);
    else if (nullable && value !== undefined) values[place] = undefined;
    else throw misread(column, "a value", value);
  }
}
