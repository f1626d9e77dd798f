import type { AuditEntry, AuditQuery, AuditTrail } from "../../audit.ts";
import { earliestAuditId } from "../../audit.ts";
import { integerIn, textIn } from "../answers.ts";
import type { Sql } from "../sql.ts";
import type { SqlValue, Statement } from "../statement.ts";
import { isFault, type Program } from "../statement.ts";
import { roundedUp } from "../syntax.ts";
import { deleteGarbage, garbage, pruneAtOnce } from "./keep-house.ts";

/** Rows of one statement: each number of rows is a text of its own, to be prepared. */
const MOST_ROWS = 64;

export interface AuditRunner {
  write<T>(make: () => Program<T>): Promise<T>;
  read<T>(make: () => Program<T>): Promise<T>;
}

/** The audit table: entries are added, read and pruned, and never changed. */
export class SqlTrail implements AuditTrail {
  readonly #statements: Sql;
  readonly #runner: AuditRunner;

  constructor(statements: Sql, runner: AuditRunner) {
    this.#statements = statements;
    this.#runner = runner;
  }

  async append(entries: readonly AuditEntry[]): Promise<void> {
    await this.#runner.write(() => appendProgram(this.#statements, entries));
  }

  prune(before: number, limit: number): Promise<number> {
    return this.#runner.write(() => pruneAuditProgram(this.#statements, before, limit));
  }

  read(query: AuditQuery): Promise<readonly AuditEntry[]> {
    return this.#runner.read(() => readProgram(this.#statements, query));
  }

  count(since: number): Promise<ReadonlyMap<string, number>> {
    return this.#runner.read(() => countProgram(this.#statements, since));
  }
}

function* appendProgram(statements: Sql, entries: readonly AuditEntry[]): Program<void> {
  for (let from = 0; from < entries.length; ) {
    const most = Math.min(MOST_ROWS, entries.length - from);
    const size = 2 ** Math.floor(Math.log2(most));
    yield* appendOnce(statements, entries.slice(from, from + size));
    from += size;
  }
}

/** A try whose answer got lost may have left some of them there. */
function* appendOnce(statements: Sql, entries: readonly AuditEntry[]): Program<void> {
  try {
    yield insertAudit(statements, entries);
  } catch (error) {
    if (!isFault(error, "unique")) throw error;
    if (entries.length > 1) for (const entry of entries) yield* appendOnce(statements, [entry]);
  }
}

function* readProgram(statements: Sql, query: AuditQuery): Program<AuditEntry[]> {
  const { rows } = yield auditEntries(statements, query);
  return rows.slice(0, query.limit).flatMap((raw) => statements.readAudit(raw) ?? []);
}

function* countProgram(statements: Sql, since: number): Program<ReadonlyMap<string, number>> {
  const { rows } = yield countAudit(statements, earliestAuditId(since));
  return new Map(rows.map((row) => [textIn(row, "event"), integerIn(row, "n")]));
}

/** By key, which is in the order of time: no further index is needed. */
function* pruneAuditProgram(statements: Sql, before: number, limit: number): Program<number> {
  const end = earliestAuditId(before);
  const atOnce = pruneAtOnce(statements, "audit", end, limit);
  if (atOnce !== undefined) return (yield atOnce).count;
  const { rows } = yield garbage(statements, "audit", end, limit);
  const ids = rows.slice(0, limit).map((row) => textIn(row, "id"));
  return ids.length === 0 ? 0 : (yield deleteGarbage(statements, "audit", end, ids)).count;
}

function insertAudit(statements: Sql, entries: readonly AuditEntry[]): Statement {
  const { audit } = statements.schema;
  const row = `(${audit.columns.map(() => "?").join(", ")})`;
  const sql = `${statements.insertInto(audit)} VALUES ${entries.map(() => row).join(", ")}`;
  return statements.make(
    sql,
    entries.flatMap((entry) => statements.valuesOf(audit, entry)),
  );
}

/** The newest first; up to twice as many as asked for. */
function auditEntries(statements: Sql, { userId, since, before, limit }: AuditQuery): Statement {
  const { A, a } = statements;
  const conditions: (readonly [string, ...SqlValue[]])[] = [];
  if (userId !== undefined)
    conditions.push([statements.isUser(`a.${a.userId}`), ...statements.userValues(userId)]);
  if (since !== undefined) conditions.push([`a.${a.id} >= ?`, earliestAuditId(since)]);
  if (before !== undefined) conditions.push([`a.${a.id} < ?`, before]);
  const where = conditions.length === 0 ? "" : ` WHERE ${conditions.map(([sql]) => sql).join(" AND ")}`;
  return statements.make(
    `SELECT ${statements.entryList} FROM ${A} a${where} ORDER BY a.${a.id} DESC LIMIT ${roundedUp(limit)}`,
    conditions.flatMap(([, ...values]) => values),
    true,
  );
}

function countAudit(statements: Sql, from: string): Statement {
  const { A, a } = statements;
  const { quote } = statements.dialect;
  return statements.make(
    `SELECT a.${a.event} AS ${quote("event")}, COUNT(*) AS n FROM ${A} a WHERE a.${a.id} >= ? GROUP BY a.${a.event}`,
    [from],
    true,
  );
}
