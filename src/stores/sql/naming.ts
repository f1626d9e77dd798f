import * as v from "valibot";
import type { UserIdKind } from "../store.ts";
import { TABLES } from "./schema.ts";

export type TableKey = keyof typeof TABLES;
export type FieldOf<Key extends TableKey> = keyof (typeof TABLES)[Key]["spec"] & string;

/** Another name for a table, or for its columns: text, or an object with what differs. */
export type TableNaming<Key extends TableKey> =
  | string
  | {
      name?: string;
      /** Where this table is, if elsewhere than the others. */
      schema?: string;
      /** Column names by field, such as `{ userId: "owner" }`. */
      columns?: Partial<Record<FieldOf<Key>, string>>;
    };

/** How psession's tables are called and typed: the same options in every SQL store. */
export interface NamingOptions {
  /** Schema (PostgreSQL), database (MySQL) or attached database (SQLite) of the tables. */
  schema?: string;
  tables?: { [Key in TableKey]?: TableNaming<Key> };
  /**
   * How times that people look at are kept: as epoch milliseconds, or in the database's own type (UTC). Times
   * that the protocol compares are epoch milliseconds always. Default: "integer".
   */
  timestamps?: "integer" | "datetime";
  /** Create the users table as well, for an application that has none. Default: false. */
  createUsers?: boolean;
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
}

/** Names end up inside statements. All are quoted; what quoting might not survive somewhere is refused. */
const SAFE_NAME = /^[\p{L}_][\p{L}\p{N}_$ -]*$/u;
/** Databases cut names at 63 or 64 bytes, and indexes are called after their tables. */
const LONGEST_NAME = 48;

const name = v.pipe(
  v.string("must be text"),
  v.regex(SAFE_NAME, "must begin with a letter and hold letters, digits, _, $, - and spaces only"),
  v.check((text) => Buffer.byteLength(text) <= LONGEST_NAME, `must have at most ${LONGEST_NAME} bytes`),
);

const tableNaming = (key: TableKey) =>
  v.optional(
    v.union(
      [
        v.pipe(
          name,
          v.transform((text): ResolvedTable => ({ name: text })),
        ),
        v.strictObject({
          name: v.optional(name),
          schema: v.optional(name),
          columns: v.optional(
            v.strictObject(
              Object.fromEntries(Object.keys(TABLES[key].spec).map((field) => [field, v.optional(name)])),
            ),
          ),
        }),
      ],
      (issue) => unionMessage(issue),
    ),
  );

/** A union says no more than that nothing fitted; what was wrong is in the branch that was meant. */
function unionMessage(issue: v.BaseIssue<unknown>): string {
  const meant = issue.issues?.find(({ path }) => path !== undefined) ?? issue.issues?.[0];
  if (meant === undefined) return "must be a name or { name, schema, columns }";
  const path = v.getDotPath(meant as v.BaseIssue<unknown>);
  if (meant.type === "strict_object") return `has an unknown option or column: ${path ?? ""}`;
  return path === null ? meant.message : `${path} ${meant.message}`;
}

/**
 * For the options of a store: what can be said about its tables.
 *
 * @internal
 */
export const namingEntries = {
  schema: v.optional(name),
  tables: v.optional(
    v.strictObject(
      Object.fromEntries(
        (Object.keys(TABLES) as TableKey[]).map((key) => [key, tableNaming(key)] as const),
      ) as Record<TableKey, ReturnType<typeof tableNaming>>,
    ),
    {},
  ),
  timestamps: v.optional(v.picklist(["integer", "datetime"], 'must be "integer" or "datetime"'), "integer"),
  createUsers: v.optional(v.boolean("must be true or false"), false),
};

/** @internal */
export const userIdsEntry = v.optional(
  v.picklist(["text", "integer", "uuid"], 'must be "text", "integer" or "uuid"'),
  "text",
);

interface Given {
  readonly schema?: string | undefined;
  readonly tables: ResolvedNaming["tables"];
  readonly timestamps: "integer" | "datetime";
  readonly createUsers: boolean;
}

export function resolveNaming(given: Given, userIds: UserIdKind): ResolvedNaming {
  const { schema, tables, timestamps, createUsers } = given;
  return { schema, tables, timestamps, userIds, createsUsers: createUsers };
}

/** Two tables, or two columns of one, of the same name; as most databases compare names, without case. */
export function namingFaults(given: Given): string[] {
  const faults: string[] = [];
  const seen = new Map<string, TableKey>();
  for (const key of Object.keys(TABLES) as TableKey[]) {
    const { name: fallback, spec } = TABLES[key];
    const table = given.tables[key];
    const full = `${table?.schema ?? given.schema ?? ""}.${table?.name ?? fallback}`.toLowerCase();
    const other = seen.get(full);
    if (other !== undefined) faults.push(`tables.${key} and tables.${other} have the same name`);
    seen.set(full, key);
    const columns = new Map<string, string>();
    for (const [field, [column]] of Object.entries<readonly [string, ...unknown[]]>(spec)) {
      const lower = (table?.columns?.[field] ?? column).toLowerCase();
      const twin = columns.get(lower);
      if (twin !== undefined) {
        faults.push(`tables.${key}.columns.${field} and ${twin} have the same name`);
      }
      columns.set(lower, field);
    }
  }
  return faults;
}
