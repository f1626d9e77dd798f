/** Names that a statement survives only if it quotes every one of them. */
import type { NamingOptions } from "../../../src/stores/sql/naming.ts";
import type { TableKey } from "../../../src/stores/sql/schema.ts";
import { TABLES } from "../../../src/stores/sql/schema.ts";

/** Reserved words, mixed case, spaces, letters of other languages, and what statements of ours call things. */
const WORDS = [
  ...["Primary", "User", "select", "Order", "group", "From", "Key", "Index", "default", "Values", "Null"],
  ...[
    "limit",
    "Table",
    "Check",
    "where",
    "Straße Ünder",
    "дата",
    "a-b $1",
    "rowid",
    "id",
    "confirms",
    "seen",
  ],
  ...["ok", "t", "s", "value", "version", "idle"],
  ...["Having", "Union", "desc", "ALL", "begin", "çolumn", "_", "cash$"],
  ...["Join", "AS", "current_user", "Grant"],
];

const TABLE_NAMES: Record<TableKey, string> = {
  sessions: "select",
  logins: "Order",
  meta: "Group By",
  locks: "Table",
  audit: "From",
  users: "user",
};

export const TABLE_KEYS = Object.keys(TABLES) as TableKey[];

export const fieldsOf = (key: TableKey): string[] => Object.keys(TABLES[key].spec);

export const defaultColumn = (key: TableKey, field: string): string => {
  const spec: Readonly<Record<string, readonly [string, ...unknown[]]>> = TABLES[key].spec;
  return spec[field]?.[0] ?? "";
};

/** Every table and every column of every table, none as it is by default. */
export function oddTables(): NonNullable<NamingOptions["tables"]> {
  return Object.fromEntries(
    TABLE_KEYS.map((key, shift) => {
      const taken = new Set<string>();
      const columns = fieldsOf(key).map((field, index) => {
        const usual = defaultColumn(key, field);
        const rotated = WORDS.map((_, step) => WORDS[(index + step + shift * 5) % WORDS.length] ?? "");
        const name = rotated.find((word) => !taken.has(word) && word !== usual) ?? "";
        taken.add(name);
        return [field, name];
      });
      return [key, { name: TABLE_NAMES[key], columns: Object.fromEntries(columns) }];
    }),
  );
}
