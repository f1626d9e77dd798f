import { shardKeyOf } from "../../../protocol/secrets.ts";
import { cutPage, past } from "../../browse.ts";
import { lastTaken } from "../../locks.ts";
import {
  type BrowsePage,
  type BrowseResult,
  PRUNE_LOCK,
  type StoreFault,
  type StoreReport,
  type TableReport,
} from "../../store.ts";
import { integerIn, textIn, textOrNothingIn } from "../answers.ts";
import { indexesOf } from "../migration.ts";
import { examined } from "../migrations.ts";
import { type Changed, changedMessage } from "../remake.ts";
import type { Table } from "../schema.ts";
import type { Sql } from "../sql.ts";
import type { Statement } from "../statement.ts";
import { isFault, type Program, type RawRow } from "../statement.ts";
import { qualified, roundedUp } from "../syntax.ts";
import { lockIn, selectLock } from "./keep-house.ts";
import { hiddenMessage } from "./probe.ts";

/** Counting reads an index from end to end: larger tables are reported as the database estimates them. */
const COUNTED_BYTES = 256 * 1024 * 1024;

/** A range of keys whose end is looked up first, so that no page reads more than it has. */
export function* browseProgram(statements: Sql, { after, limit }: BrowsePage): Program<BrowseResult> {
  const from = after === undefined ? "" : past(after);
  const { rows: ends } = yield browseEnds(statements, from, limit);
  const [reached] = Object.values(ends[0] ?? {})
    .flatMap((id) => (id === null ? [] : shardKeyOf(String(id))))
    .sort();
  const { rows } = yield devicesBetween(statements, from, reached === undefined ? undefined : past(reached));
  const entries = rows.flatMap((raw) => statements.readEntry(raw) ?? []);
  return cutPage(entries, limit, reached);
}

/** Changes nothing: not even the tables, where they are missing. */
export function* inspectProgram(statements: Sql): Program<StoreReport> {
  const { schema, dialect } = statements;
  const { rows: server } = yield statements.make(dialect.inspection.server, [], true);
  const [facts] = server;
  const tables: TableReport[] = [];
  const faults: StoreFault[] = [];
  let prunedAt: number | undefined;
  const changed = yield* attemptedExamination(statements);
  if (changed.length > 0)
    faults.push({ code: "migration_changed", message: changedMessage(statements, changed) });
  const all: Table[] = [schema.sessions, schema.logins, schema.locks, schema.meta];
  if (schema.keepsAudit) all.push(schema.audit);
  if (schema.createsUsers) all.push(schema.users);
  for (const table of all) {
    const { rows: columns } = yield dialect.inspection.columns(statements, table);
    if (columns.length === 0) {
      faults.push(missing(table));
      continue;
    }
    faults.push(...columnFaults(statements, table, columns));
    if (changed.length === 0) faults.push(...typeFaults(statements, table, columns));
    faults.push(...(yield* indexFaults(statements, table)));
    tables.push(yield* sizeOf(statements, table));
    if (table === schema.locks) prunedAt = yield* lastPruned(statements);
  }
  faults.push(...(yield* hiddenFaults(statements)));
  const files = yield* filesOf(statements, all);
  return { now: integerIn(facts, "now"), version: textIn(facts, "version"), tables, prunedAt, files, faults };
}

function* hiddenFaults(statements: Sql): Program<StoreFault[]> {
  const statement = statements.dialect.inspection.hidden?.(statements);
  if (statement === undefined) return [];
  const hidden = textIn((yield statement).rows[0], "hidden");
  return hidden === "" ? [] : [{ code: "row_security", message: hiddenMessage(hidden) }];
}

function* filesOf(statements: Sql, tables: readonly Table[]): Program<string[] | undefined> {
  const { files, fold } = statements.dialect.inspection;
  if (files === undefined) return undefined;
  const schemas = new Set(tables.map(({ schema }) => fold(schema ?? "main")));
  const { rows } = yield statements.make(files, [], true);
  return rows.filter((row) => schemas.has(fold(textIn(row, "name")))).map((row) => textIn(row, "file"));
}

const missing = ({ name }: Table): StoreFault => ({
  code: "table_missing",
  message: `The table ${name} is missing. A store with migrate: true makes it at the first use; otherwise run what \`psession schema\` prints.`,
});

function columnFaults(statements: Sql, table: Table, found: readonly RawRow[]): StoreFault[] {
  const { dialect } = statements;
  const byName = new Map(found.map((row) => [dialect.inspection.fold(textIn(row, "name")), row]));
  return table.columns.flatMap((column) => {
    const row = byName.get(dialect.inspection.fold(column.column));
    const where = `${table.name}.${column.column}`;
    if (row === undefined) {
      return [
        {
          code: "column_missing",
          message: `The column ${where} is missing. Add it as \`psession schema\` prints it, or say how it is called (option tables).`,
        },
      ];
    }
    const collation = textOrNothingIn(row, "collation");
    const compares = column.kind === "id" || column.kind === "user";
    const isCollated = compares && collation !== undefined && !dialect.inspection.isBinary(collation);
    return [
      ...(isCollated
        ? [
            {
              code: "collation",
              message: `The column ${where} has the collation ${collation}, by which different ids may be equal or in another order. Give it the type that \`psession schema\` prints.`,
            },
          ]
        : []),
      ...(dialect.inspection.typeFaults?.(column, where, textIn(row, "type"), collation) ?? []),
    ];
  });
}

/** Where the tables were made in another way, or changed since. One fault for each option is enough. */
function typeFaults({ dialect, schema }: Sql, table: Table, found: readonly RawRow[]): StoreFault[] {
  const { fold } = dialect.inspection;
  const byName = new Map(found.map((row) => [fold(String(row["name"])), String(row["type"])]));
  const options = { user: "userIds", moment: "timestamps" } as const;
  return (["user", "moment"] as const).flatMap((kind) => {
    const wrong = table.columns.find((column) => {
      const type = familyOf(byName.get(fold(column.column)) ?? "");
      return column.kind === kind && type !== undefined && type !== familyOf(dialect.type(column, schema));
    });
    if (wrong === undefined) return [];
    const option = options[kind];
    return [
      {
        code: "column_type",
        message: `The column ${table.name}.${wrong.column} is of type ${byName.get(fold(wrong.column))}, and the option ${option}: "${schema[option]}" means ${dialect.type(wrong, schema)}. Change the option, or the column to what \`psession schema\` prints.`,
      },
    ];
  });
}

/** Databases call the same types by several names. */
function familyOf(type: string): string | undefined {
  const families = { integer: /int/i, text: /char|text/i, datetime: /time/i, uuid: /uuid/i, any: /^any$/i };
  return Object.entries(families).find(([, pattern]) => pattern.test(type))?.[0];
}

/** Nothing where the table of records is missing or another one: that table has a fault of its own. */
function* attemptedExamination(statements: Sql): Program<readonly Changed[]> {
  const { rows } = yield statements.dialect.inspection.columns(statements, statements.schema.meta);
  if (rows.length === 0) return [];
  try {
    return (yield* examined(statements)).changed;
  } catch (error) {
    if (isFault(error, "schema")) return [];
    throw error;
  }
}

function* indexFaults(statements: Sql, table: Table): Program<StoreFault[]> {
  const { dialect } = statements;
  const { fold } = dialect.inspection;
  const { rows } = yield dialect.inspection.indexes(statements, table);
  return indexesOf(statements.schema, table).flatMap(({ column, name, isUnique }) => {
    const isThere = rows.some(
      (row) =>
        // Of an index on an expression it is null.
        fold(textOrNothingIn(row, "name") ?? "") === fold(column) &&
        (!isUnique || (integerIn(row, "is_unique") === 1 && integerIn(row, "width") === 1)),
    );
    if (isThere) return [];
    const kind = isUnique ? "unique index" : "index";
    return [
      {
        code: "index_missing",
        message: `The ${kind} ${name} on ${table.name}.${column} is missing: ${isUnique ? "parallel restores may make several sessions of one login" : "statements read the whole table"}. Create it as \`psession schema\` prints it.`,
      },
    ];
  });
}

function* sizeOf(statements: Sql, table: Table): Program<TableReport> {
  const { dialect } = statements;
  const { name } = table;
  const size = (yield* attempted(dialect.inspection.size(statements, table))) ?? {};
  const bytes = size["bytes"] == null ? undefined : Number(size["bytes"]);
  const estimate = Number(size["estimate"] ?? -1);
  if (bytes !== undefined && bytes > COUNTED_BYTES && estimate >= 0) return { name, rows: estimate, bytes };
  const { rows } = yield countRows(statements, table);
  return { name, rows: integerIn(rows[0], "n"), bytes };
}

/** Undefined where the database was built without the module that measures sizes. */
function* attempted(statement: ReturnType<Sql["make"]>): Program<RawRow | undefined> {
  try {
    return (yield statement).rows[0];
  } catch (error) {
    if (isFault(error, "schema") || isFault(error, "other")) return undefined;
    throw error;
  }
}

function* lastPruned(statements: Sql): Program<number | undefined> {
  try {
    const { rows } = yield selectLock(statements, PRUNE_LOCK);
    return lastTaken(rows[0] && lockIn(rows[0]));
  } catch (error) {
    // Its columns have other names, which is a fault already.
    if (isFault(error, "schema")) return undefined;
    throw error;
  }
}

/** Where a page of so many rows or more ends: the ids behind its last, of either table; null where nothing is left. */
function browseEnds(statements: Sql, from: string, limit: number): Statement {
  const { S, L, s, l } = statements;
  const end = (table: string, id: string) =>
    `(SELECT b.${id} FROM ${table} b WHERE b.${id} > ? ORDER BY b.${id} LIMIT 1 OFFSET ${roundedUp(limit)})`;
  return statements.make(`SELECT ${end(S, s.id)} AS a, ${end(L, l.id)} AS b`, [from, from], true);
}

/** Sessions with their unrevoked logins, and those without a session, by ranges of their keys. */
function devicesBetween(statements: Sql, from: string, to: string | undefined): Statement {
  const { S, L, s, l } = statements;
  const within = (id: string) => `${id} > ?${to === undefined ? "" : ` AND ${id} < ?`}`;
  const range = to === undefined ? [from] : [from, to];
  return statements.make(
    `${statements.joined} FROM ${S} s LEFT JOIN ${L} l ON l.${l.id} = s.${s.rememberedId} AND l.${l.revokedAt} IS NULL WHERE ${within(`s.${s.id}`)} UNION ALL ${statements.joined} FROM ${L} l LEFT JOIN ${S} s ON s.${s.rememberedId} = l.${l.id} WHERE ${within(`l.${l.id}`)} AND l.${l.revokedAt} IS NULL AND s.${s.id} IS NULL`,
    [...range, ...range],
    true,
  );
}

function countRows(statements: Sql, table: Table): Statement {
  return statements.make(`SELECT COUNT(*) AS n FROM ${qualified(statements.dialect, table)}`, [], true);
}
