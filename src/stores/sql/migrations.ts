import { PsessionError } from "../../errors.ts";
import { driverError } from "../messages/driver-error.ts";
import type { MigrateOptions } from "../store.ts";
import { textIn, valueIn } from "./answers.ts";
import { checksum, createTable, type Migration, recordOf, type Step } from "./migration.ts";
import { type Changed, changedError, removeEmpty } from "./remake.ts";
import type { Sql } from "./sql.ts";
import { isFault, type Program, type Statement } from "./statement.ts";
import { qualified } from "./syntax.ts";

/**
 * Checked before the lock is taken: most starts have nothing to do, and need no right to create anything. Throws where
 * other options made the tables, unless they are to be made anew.
 */
export function* isMigrated(
  statements: Sql,
  { remakesEmpty = false }: MigrateOptions = {},
): Program<boolean> {
  try {
    const { missing, changed } = yield* examined(statements);
    if (changed.length > 0 && !remakesEmpty) throw changedError(statements, changed);
    return missing.length + changed.length === 0;
  } catch (error) {
    if (isFault(error, "schema")) return false;
    throw error;
  }
}

/**
 * One process at a time; the others find that nothing is left to do. `at` is the time to record. Returns the names of
 * the migrations that ran.
 */
export function* lockedMigration(
  statements: Sql,
  at: number,
  options: MigrateOptions = {},
): Program<readonly string[]> {
  const lock = statements.dialect.migrationLock(statements);
  if (lock !== undefined) {
    const { rows } = yield lock.acquire;
    // MySQL answers 0 when it has waited in vain, NULL when something went wrong; PostgreSQL fails instead.
    if (rows[0] === undefined || Number(valueIn(rows[0], "locked")) !== 1) {
      throw new PsessionError(
        "store_unavailable",
        "Psession's tables could not be created or updated: another process has been doing so for too long. The next use tries again.",
      );
    }
  }
  let ran: readonly string[];
  try {
    ran = yield* migrateProgram(statements, at, options);
  } catch (error) {
    yield* givenBack(lock?.release);
    throw error;
  }
  if (lock?.release !== undefined) yield lock.release;
  return ran;
}

/** Gives the lock back after a failure. That failure is reported, and not that the connection is gone. */
function* givenBack(release: Statement | undefined): Program<void> {
  try {
    if (release !== undefined) yield release;
  } catch {
    // A lost connection has lost its locks.
  }
}

/** Creates the table of records, and whatever has not been recorded yet. The caller holds the lock. */
function* migrateProgram(
  statements: Sql,
  at: number,
  { remakesEmpty = false }: MigrateOptions,
): Program<readonly string[]> {
  yield statements.make(metaTable(statements), []);
  const { missing, changed } = yield* recorded(statements);
  if (changed.length > 0 && !remakesEmpty) throw changedError(statements, changed);
  if (changed.length > 0) yield* removeEmpty(statements, changed);
  const again = changed.map(({ migration }) => migration);
  const due = [...again, ...missing];
  for (const migration of due) {
    for (const { sql, made } of migration.steps) {
      yield statements.make(sql, []);
      if (made !== undefined) yield* assertOurs(statements, made);
    }
    yield statements.insertMeta(recordOf(migration), checksum(migration), at);
  }
  return due.map((migration) => `${migration.name}${again.includes(migration) ? ", made anew" : ""}`);
}

const metaTable = ({ dialect, schema }: Sql): string =>
  createTable(dialect, schema, schema.meta, "name", { ifMissing: true });

function* recorded(statements: Sql): Program<Examined> {
  try {
    return yield* examined(statements);
  } catch (error) {
    if (!isFault(error, "schema")) throw error;
    const { name } = statements.schema.meta;
    throw new PsessionError(
      "store_not_migrated",
      `The table ${name} is there, but with other columns than tables.meta says: change the options back, or give psession other tables.`,
      { cause: driverError(error.cause) },
    );
  }
}

/** Continues an interrupted migration of psession's; never takes another application's table for its own. */
function* assertOurs(statements: Sql, { table, mark }: NonNullable<Step["made"]>): Program<void> {
  const { dialect } = statements;
  const comment = dialect.inspection.comment?.(statements, table);
  const { rows } = comment === undefined ? { rows: [] } : yield comment;
  if (String(rows[0]?.["comment"]).includes(mark)) return;
  throw new PsessionError(
    "store_not_migrated",
    `The table ${qualified(dialect, table)} is in the way: it is not psession's, or was made with other options. Rename or remove it, or give psession's another name (option tables).`,
  );
}

interface Examined {
  readonly missing: readonly Migration[];
  readonly changed: readonly Changed[];
}

/** The migrations that are due on this database, and those that ran with other options. */
export function* examined(statements: Sql): Program<Examined> {
  const missing: Migration[] = [];
  const changed: Changed[] = [];
  for (const migration of statements.dialect.migrations(statements.schema)) {
    const { rows } = yield statements.meta(recordOf(migration));
    const recorded = rows[0] === undefined ? undefined : textIn(rows[0], "value");
    if (recorded === undefined) missing.push(migration);
    else if (recorded !== checksum(migration)) changed.push({ migration, recorded });
  }
  return { missing, changed };
}

/** Plain SQL for teams with a migration tool of their own; records what it does, so that nothing is done twice. */
export function schemaScript(statements: Sql): string {
  const { dialect, schema } = statements;
  const lines = [metaTable(statements)];
  for (const migration of dialect.migrations(schema)) {
    lines.push(...migration.steps.map(({ sql }) => sql));
    const values = [recordOf(migration), checksum(migration)].map((text) => `'${text}'`);
    lines.push(statements.insertText(schema.meta).replace("?, ?, ?", `${values.join(", ")}, 0`));
  }
  return `${lines.join(";\n\n")};\n`;
}
