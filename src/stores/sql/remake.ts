/** Tables that were made with other options: which they were, and how empty ones are made anew. */

import { PsessionError } from "../../errors.ts";
import { PRUNE_LOCK } from "../store.ts";
import { checksum, type Migration, recordOf } from "./migration.ts";
import { schemaOf } from "./naming.ts";
import { lockKey } from "./programs/keep-house.ts";
import { type Schema, TABLES, type Table } from "./schema.ts";
import type { Sql } from "./sql.ts";
import type { Program, RawRow } from "./statement.ts";
import { qualified } from "./syntax.ts";

/** A migration that ran, and made something else than these options would. */
export interface Changed {
  readonly migration: Migration;
  /** The checksum of what ran. */
  readonly recorded: string;
}

interface Difference {
  readonly option: "userIds" | "timestamps" | "schema" | "tables";
  /** What the option was, where it is one of a few. */
  readonly was?: string;
  readonly is?: string;
}

type TableKey = keyof typeof TABLES;

const KINDS = ["text", "any", "integer", "uuid"] as const;
const TIMESTAMPS = ["integer", "datetime"] as const;

/** The options that differ, as few as possible; undefined where no others make what ran. */
function differencesOf(
  { dialect, schema }: Sql,
  { migration, recorded }: Changed,
): readonly Difference[] | undefined {
  let fewest: readonly Difference[] | undefined;
  for (const { made, differences } of variantsOf(schema)) {
    if (fewest !== undefined && differences.length >= fewest.length) continue;
    const same = dialect.migrations(made).find(({ name }) => name === migration.name);
    if (same !== undefined && checksum(same) === recorded) fewest = differences;
  }
  return fewest;
}

function* variantsOf(schema: Schema): Generator<{ made: Schema; differences: readonly Difference[] }> {
  const { userIds, timestamps } = schema;
  for (const kind of KINDS) {
    for (const times of TIMESTAMPS) {
      const types: Difference[] = [];
      if (kind !== userIds) types.push({ option: "userIds", was: kind, is: userIds });
      if (times !== timestamps) types.push({ option: "timestamps", was: times, is: timestamps });
      for (const { named, differences } of namesOf(schema)) {
        const made = { ...named, userIds: kind, timestamps: times };
        yield { made, differences: [...types, ...differences] };
      }
    }
  }
}

/** The same tables without what the options say of their names. */
function* namesOf(schema: Schema): Generator<{ named: Schema; differences: readonly Difference[] }> {
  const unplaced = Object.keys(TABLES).map((key) => [key, { ...schema[key as TableKey], schema: undefined }]);
  const plain = schemaOf({
    schema: undefined,
    tables: {},
    timestamps: schema.timestamps,
    userIds: schema.userIds,
    createsUsers: schema.createsUsers,
    keepsAudit: schema.keepsAudit,
  });
  const placed = Object.keys(TABLES).map((key) => {
    const table = key as TableKey;
    return [key, { ...plain[table], schema: schema[table].schema }];
  });
  yield { named: schema, differences: [] };
  yield { named: { ...schema, ...Object.fromEntries(unplaced) }, differences: [{ option: "schema" }] };
  yield { named: { ...schema, ...Object.fromEntries(placed) }, differences: [{ option: "tables" }] };
  yield { named: plain, differences: [{ option: "schema" }, { option: "tables" }] };
}

/** All that differ; undefined where that is unknown for one of them. */
function allDifferences(statements: Sql, changed: readonly Changed[]): readonly Difference[] | undefined {
  const all = new Map<string, Difference>();
  for (const one of changed) {
    const differences = differencesOf(statements, one);
    if (differences === undefined) return undefined;
    for (const difference of differences) all.set(difference.option, difference);
  }
  return [...all.values()];
}

/** Only types differ: the tables are those that these options name. */
const isOfTypes = (differences: readonly Difference[] | undefined): boolean =>
  differences?.every(({ was }) => was !== undefined) === true;

/** What is wrong, and what to do. */
export function changedMessage(statements: Sql, changed: readonly Changed[]): string {
  const differences = allDifferences(statements, changed);
  const remedy = "Change the options back, or give psession other tables (option tables).";
  const names = changed.map(({ migration }) => migration.name).join(", ");
  if (differences === undefined || differences.length === 0) {
    return `The migration ${names} that ran on this database is not the one that these options make: names, types or psession itself were others then. ${remedy}`;
  }
  const changes = differences.map(({ option, was, is }) =>
    was === undefined ? `${option} named them otherwise` : `${option} was "${was}", and is "${is}" here`,
  );
  const anew = isOfTypes(differences)
    ? " While all of them are empty, `psession migrate` makes them anew."
    : "";
  return `psession's tables were made with other options (${names}): ${changes.join("; ")}. ${remedy}${anew}`;
}

export const changedError = (statements: Sql, changed: readonly Changed[]): PsessionError =>
  new PsessionError("store_not_migrated", changedMessage(statements, changed));

/** Tables by the migration that makes them. */
const MADE: Readonly<Record<string, readonly TableKey[]>> = {
  "0001-tables": ["sessions", "logins", "locks"],
  "0001-audit": ["audit"],
  "0001-users": ["users"],
};

/**
 * Removes the tables of migrations that ran with other types, and their records, so that they can run again: only where
 * the types are all that differs, and where psession's tables hold no session or login. Marks and records of pruning
 * stay, as their table is the same whatever the options say. The caller holds the lock of migrations.
 */
export function* removeEmpty(statements: Sql, changed: readonly Changed[]): Program<void> {
  const { dialect, schema } = statements;
  if (!isOfTypes(allDifferences(statements, changed))) throw changedError(statements, changed);
  const remade = changed.flatMap(({ migration }) => MADE[migration.name] ?? []);
  const keys = new Set<TableKey>(["sessions", "logins", "locks", ...remade]);
  if (schema.keepsAudit) keys.add("audit");
  const there: Table[] = [];
  for (const key of keys) {
    const table: Table = schema[key];
    const { rows } = yield dialect.inspection.columns(statements, table);
    if (rows.length === 0) continue;
    if (!hasOurColumns(statements, table, rows)) throw changedError(statements, changed);
    there.push(table);
  }
  // No row may be inserted between the check and the removal. SQLite has one writer at a time, and this is it.
  if (dialect.name === "postgres" && there.length > 0) {
    const names = there.map((table) => qualified(dialect, table)).join(", ");
    yield statements.make(`LOCK TABLE ${names} IN ACCESS EXCLUSIVE MODE`, []);
  }
  for (const table of there) yield* assertEmpty(statements, changed, table);
  const gone = there.filter((table) => remade.some((key) => schema[key] === table));
  if (dialect.name === "mysql") yield* removeFromMysql(statements, changed, gone);
  else for (const table of gone) yield statements.make(`DROP TABLE ${qualified(dialect, table)}`, []);
  for (const { migration } of changed) yield statements.deleteMeta(recordOf(migration));
}

function hasOurColumns({ dialect }: Sql, { columns }: Table, found: readonly RawRow[]): boolean {
  const { fold } = dialect.inspection;
  const names = new Set(columns.map(({ column }) => fold(column)));
  return found.length === names.size && found.every((row) => names.has(fold(String(row["name"]))));
}

function* assertEmpty(
  statements: Sql,
  changed: readonly Changed[],
  table: Table,
  place = table,
): Program<void> {
  const { schema, k } = statements;
  // A lock that was given back leaves its row, and a turn to prune is held until the next.
  const isOfLocks = table.columns === schema.locks.columns;
  const held = isOfLocks ? ` WHERE ${k.owner} <> '' AND ${k.name} <> ?` : "";
  const { rows } = yield statements.make(
    `SELECT 1 AS found FROM ${qualified(statements.dialect, place)}${held} LIMIT 1`,
    isOfLocks ? [lockKey(statements, PRUNE_LOCK)] : [],
    true,
  );
  if (rows.length === 0) return;
  throw new PsessionError(
    "store_not_migrated",
    `${changedMessage(statements, changed)} They are not: ${table.name} has rows, which stay as they are.`,
  );
}

/**
 * MySQL undoes nothing that creates or removes a table, and locks none for a prepared statement. So tables are put aside,
 * all at once, checked where no process writes to them any more, and put back if they have rows.
 */
function* removeFromMysql(
  statements: Sql,
  changed: readonly Changed[],
  tables: readonly Table[],
): Program<void> {
  const { dialect } = statements;
  const aside = (table: Table): Table => ({ ...table, name: `${table.name}_aside` });
  const rename = (from: (table: Table) => Table, to: (table: Table) => Table) => {
    const parts = tables.map((one) => `${qualified(dialect, from(one))} TO ${qualified(dialect, to(one))}`);
    return statements.make(`RENAME TABLE ${parts.join(", ")}`, []);
  };
  const same = (table: Table) => table;
  if (tables.length === 0) return;
  yield rename(same, aside);
  try {
    for (const table of tables) yield* assertEmpty(statements, changed, table, aside(table));
  } catch (error) {
    yield rename(aside, same);
    throw error;
  }
  for (const table of tables) yield statements.make(`DROP TABLE ${qualified(dialect, aside(table))}`, []);
}
