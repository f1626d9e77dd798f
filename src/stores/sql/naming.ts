import * as v from "valibot";
import { readOptions } from "../../checks/faults.ts";
import type { FieldKind } from "../columns.ts";
import type { UserIdKind } from "../store.ts";
import { type FieldOf, INDEXES, type Schema, TABLE_KEYS, TABLES, type TableKey } from "./schema.ts";

/** Another name for a table, or for its columns: text, or an object with what differs. */
export type TableNaming<Key extends TableKey> =
  | string
  | {
      name?: string | undefined;
      /** Where this table is, if elsewhere than the others. */
      schema?: string | undefined;
      /** Column names by field, such as `{ userId: "owner" }`. */
      columns?: Partial<Record<FieldOf<Key>, string>> | undefined;
    };

/** How psession's tables are called and typed: the same options in every SQL store. */
export interface NamingOptions {
  /** Schema (PostgreSQL), database (MySQL) or attached database (SQLite) of the tables. */
  schema?: string | undefined;
  tables?: { [Key in TableKey]?: TableNaming<Key> } | undefined;
  /**
   * How times that people look at are kept: as epoch milliseconds, or in the database's own type (UTC). Times
   * that the protocol compares are epoch milliseconds always. Default: "integer".
   */
  timestamps?: "integer" | "datetime" | undefined;
  /** Create the users table as well, for an application that has none. Default: false. */
  createUsers?: boolean | undefined;
  /**
   * Keep an audit trail: a table to which sign-ins, thefts, revocations and the like are added, and which
   * `createPsession` then writes to. Default: false.
   */
  audit?: boolean | undefined;
}

interface ResolvedTable {
  readonly name?: string | undefined;
  readonly schema?: string | undefined;
  readonly columns?: Readonly<Record<string, string | undefined>> | undefined;
}

export interface ResolvedNaming {
  readonly schema: string | undefined;
  readonly tables: { readonly [Key in TableKey]?: ResolvedTable | undefined };
  readonly timestamps: "integer" | "datetime";
  readonly userIds: UserIdKind;
  readonly createsUsers: boolean;
  readonly keepsAudit: boolean;
}

/** Names end up inside statements. All are quoted; what quoting might not survive somewhere is refused. */
const SAFE_NAME = /^[\p{L}_](?:[\p{L}\p{N}_$ -]*[\p{L}\p{N}_$-])?$/u;
/** Databases cut names at 63 or 64 bytes, and indexes are called after their tables. */
const LONGEST_NAME = 48;
/** MySQL takes no characters beyond these, quoted or not. */
const FIRST_PLANE = /^[\0-\uffff]*$/u;
const SYSTEM_COLUMN = /^(tableoid|ctid|[cx]m(in|ax)|db_(row_id|trx_id|roll_ptr|mix_id)|fts_doc_id)$/i;
/** With the function of SQLite that our statements call. */
const SYSTEM_TABLE = /^(sqlite_|json_each$)/i;

const safeName = v.pipe(
  v.string("must be text"),
  v.regex(
    SAFE_NAME,
    "must begin with a letter or _ and hold letters, digits, _, $, - and spaces only, with no space at its end",
  ),
  v.regex(FIRST_PLANE, "must hold no letters from beyond Unicode's first plane"),
  v.check((text) => Buffer.byteLength(text) <= LONGEST_NAME, `must have at most ${LONGEST_NAME} bytes`),
);
const notReserved = (pattern: RegExp) =>
  v.check((text: string) => !pattern.test(text), "is a name that a database keeps for itself");
const tableName = v.pipe(safeName, notReserved(SYSTEM_TABLE));
const columnName = v.pipe(safeName, notReserved(SYSTEM_COLUMN));

/** An object of these options. Others are all named, where `strictObject` stops at the first. */
function strict<Entries extends v.ObjectEntries>(
  entries: Entries,
): v.GenericSchema<unknown, v.InferOutput<v.ObjectSchema<Entries, undefined>>> {
  const message = "must be an object";
  return v.pipe(
    v.custom<object>(isPlain, message),
    v.objectWithRest(entries, v.never("is no option"), message),
  ) as v.GenericSchema<unknown, v.InferOutput<v.ObjectSchema<Entries, undefined>>>;
}

const isPlain = (value: unknown): boolean =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const justName = v.pipe(
  tableName,
  v.transform((text): ResolvedTable => ({ name: text })),
);
const neither = v.pipe(
  v.custom<ResolvedTable>(() => false, "must be a name, or an object with name, schema and columns"),
);

/** Picked by what was given: a union would say no more than that nothing fitted. */
function tableNaming(key: TableKey) {
  const fields = Object.keys(TABLES[key].spec).map((field) => [field, v.optional(columnName)] as const);
  const parts: v.GenericSchema<unknown, ResolvedTable> = strict({
    name: v.optional(tableName),
    schema: v.optional(safeName),
    columns: v.optional(strict(Object.fromEntries(fields))),
  });
  return v.optional(
    v.lazy((given): v.GenericSchema<unknown, ResolvedTable> => {
      if (typeof given === "string") return justName;
      return isPlain(given) ? parts : neither;
    }),
  );
}

const tablesEntry = strict(
  Object.fromEntries(TABLE_KEYS.map((key) => [key, tableNaming(key)] as const)) as Record<
    TableKey,
    ReturnType<typeof tableNaming>
  >,
);

/**
 * For the options of a store: what can be said about its tables.
 *
 * @internal
 */
export const namingEntries = {
  schema: v.optional(safeName),
  tables: v.optional(tablesEntry, {}),
  timestamps: v.optional(v.picklist(["integer", "datetime"], 'must be "integer" or "datetime"'), "integer"),
  createUsers: v.optional(v.boolean("must be true or false"), false),
  audit: v.optional(v.boolean("must be true or false"), false),
};

/** @internal */
export const userIdsEntry = v.optional(
  v.picklist(["text", "integer", "uuid"], 'must be "text", "integer" or "uuid"'),
  "text",
);

const namingSchema = strict(namingEntries);

/** Naming options that come by themselves, as on a command line: checked, or everything that is wrong with them. */
export function parseNaming(options: unknown): {
  readonly faults: string[];
  readonly naming: Given | undefined;
} {
  const { parsed, faults } = readOptions(namingSchema, options);
  if (parsed.typed) faults.push(...namingFaults(parsed.output));
  return { faults, naming: parsed.success && faults.length === 0 ? parsed.output : undefined };
}

/** What is wrong with a name, if anything. */
export function nameFault(name: string): string | undefined {
  return v.safeParse(safeName, name).issues?.[0].message;
}

interface Given {
  readonly schema?: string | undefined;
  readonly tables: ResolvedNaming["tables"];
  readonly timestamps: "integer" | "datetime";
  readonly createUsers: boolean;
  readonly audit: boolean;
}

export function resolveNaming(given: Given, userIds: UserIdKind): ResolvedNaming {
  const { schema, tables, timestamps, createUsers, audit } = given;
  return { schema, tables, timestamps, userIds, createsUsers: createUsers, keepsAudit: audit };
}

/** Two tables, or two columns of one, of the same name; as most databases compare names, without case. */
export function namingFaults(given: Given): string[] {
  const faults: string[] = [];
  const nameOf = (key: TableKey) => given.tables[key]?.name ?? TABLES[key].name;
  const inSchema = (key: TableKey, name: string) =>
    folded(`${given.tables[key]?.schema ?? given.schema ?? ""}.${name}`);
  const seen = new Map<string, TableKey>();
  for (const key of TABLE_KEYS) {
    const full = inSchema(key, nameOf(key));
    const other = seen.get(full);
    if (other !== undefined) faults.push(`tables.${key} and tables.${other} have the same name`);
    seen.set(full, key);
    const columns = new Map<string, string>();
    for (const [field, [column]] of Object.entries<readonly [string, ...unknown[]]>(TABLES[key].spec)) {
      const name = folded(given.tables[key]?.columns?.[field] ?? column);
      const twin = columns.get(name);
      if (twin !== undefined) faults.push(`tables.${key}.columns.${field} and ${twin} have the same name`);
      columns.set(name, field);
    }
  }
  // PostgreSQL and SQLite have one set of names for tables and indexes.
  for (const { table, suffix } of INDEXES) {
    const taken = seen.get(inSchema(table, `${nameOf(table)}_${suffix}`));
    if (taken !== undefined) faults.push(`tables.${taken} has the name of an index of tables.${table}`);
  }
  return faults;
}

/** MySQL also takes letters with and without accents for the same. */
const folded = (name: string): string => name.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

export function schemaOf(naming: ResolvedNaming): Schema {
  const table = <Key extends TableKey>(key: Key): Schema[Key] => {
    const { name, spec } = TABLES[key];
    const given = naming.tables[key];
    const columns = Object.entries<readonly [string, FieldKind, string, string?]>(spec).map(
      ([field, [column, kind, nullable]]) => ({
        field,
        column: given?.columns?.[field] ?? column,
        kind,
        nullable: nullable === "null",
      }),
    );
    return {
      schema: given?.schema ?? naming.schema,
      name: given?.name ?? name,
      columns,
    } as unknown as Schema[Key];
  };
  return {
    sessions: table("sessions"),
    logins: table("logins"),
    meta: table("meta"),
    locks: table("locks"),
    audit: table("audit"),
    users: table("users"),
    timestamps: naming.timestamps,
    userIds: naming.userIds,
    createsUsers: naming.createsUsers,
    keepsAudit: naming.keepsAudit,
  };
}
