import { realmOf } from "../../../protocol/secrets.ts";
import {
  type AddressPage,
  type AddressResult,
  type AuditEntry,
  type AuditErasure,
  type AuditQuery,
  type AuditTrail,
  earliestAuditId,
} from "../../audit.ts";
import { erasedEntry, erasureName, erasuresOf, unerased } from "../../erasure.ts";
import type { UserId } from "../../store.ts";
import { integerIn, textIn } from "../answers.ts";
import { lockShards } from "../marking.ts";
import { ERASURES, markName, untilText } from "../marks.ts";
import type { Sql } from "../sql.ts";
import type { Program, SqlValue, Statement } from "../statement.ts";
import { roundedUp } from "../syntax.ts";
import { unique } from "./apply.ts";
import { ConditionFailed } from "./conflict.ts";
import { deleteGarbage, garbage, pruneAtOnce } from "./keep-house.ts";

/** Rows of one statement: each number of rows is a text of its own, to be prepared. */
const MOST_ROWS = 64;
/** Entries of one transaction in which a user is erased. */
const ERASED_AT_ONCE = 500;

export interface AuditRunner {
  write<T>(make: () => Program<T>): Promise<T>;
  transact<T>(make: () => Program<T>): Promise<T>;
  read<T>(make: () => Program<T>): Promise<T>;
}

/**
 * The audit table: entries are added, read and pruned, and changed only where a user is erased. Marks of erased users
 * have one shard (`../marks.ts`), which appends lock together with others: an entry is there before the mark is set, and
 * then it is found, or it meets the mark.
 */
export class SqlTrail implements AuditTrail {
  readonly #statements: Sql;
  readonly #runner: AuditRunner;

  constructor(statements: Sql, runner: AuditRunner) {
    this.#statements = statements;
    this.#runner = runner;
  }

  async append(entries: readonly AuditEntry[]): Promise<void> {
    for (let from = 0; from < entries.length; ) {
      const most = Math.min(MOST_ROWS, entries.length - from);
      const size = 2 ** Math.floor(Math.log2(most));
      await this.#add(entries.slice(from, from + size));
      from += size;
    }
  }

  async #add(entries: readonly AuditEntry[]): Promise<void> {
    try {
      await this.#insert(entries);
    } catch (error) {
      // A try whose answer got lost may have left some of them there.
      if (!(error instanceof ConditionFailed && error.conflict === "exists")) throw error;
      if (entries.length > 1) for (const entry of entries) await this.#add([entry]);
    }
  }

  /** By one statement, unless somebody was erased since the oldest of them was made. */
  async #insert(entries: readonly AuditEntry[]): Promise<void> {
    const statements = this.#statements;
    const { insertAll } = statements.dialect.marking.guarded;
    const { audit } = statements.schema;
    const oldest = Math.min(...entries.map(({ at }) => at));
    const guarded = insertAll?.(statements, audit, entries, oldest);
    const isDone = guarded !== undefined && (await this.#runner.write(() => unique(guarded))).count > 0;
    if (!isDone) await this.#runner.transact(() => appendProgram(statements, entries));
  }

  async erase(erasure: AuditErasure): Promise<number> {
    const statements = this.#statements;
    const { userId } = erasure;
    statements.user(userId);
    await this.#runner.transact(() => setErasure(statements, erasure));
    let count = 0;
    for (const field of ["userId", "actorId"] as const) {
      let after: string | undefined = "";
      while (after !== undefined) {
        const from: string = after;
        const page: ErasedPage = await this.#runner.transact(() =>
          erasePage(statements, erasure, field, from),
        );
        count += field === "userId" ? page.count : 0;
        after = page.next;
      }
    }
    return count;
  }

  forgetAddresses(page: AddressPage): Promise<AddressResult> {
    return this.#runner.write(() => forgetProgram(this.#statements, page));
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

/** In a transaction: until it ends, nobody is erased. */
function* appendProgram(statements: Sql, entries: readonly AuditEntry[]): Program<void> {
  const { shards } = statements.dialect.marking;
  if (shards !== undefined) {
    yield shards.make(statements, [ERASURES]);
    yield lockShards(statements, [ERASURES], shards.share);
  }
  const names = [...new Set(entries.flatMap(erasuresOf))];
  const marks = new Map<string, number>();
  if (names.length > 0)
    for (const row of (yield marksNamed(statements, names)).rows)
      marks.set(textIn(row, "name"), integerIn(row, "at"));
  const kept = entries.flatMap(
    (entry) => unerased(entry, (name) => (marks.get(markName(name)) ?? -1) >= entry.at) ?? [],
  );
  if (kept.length > 0) yield* unique(insertAudit(statements, kept));
}

function* setErasure(statements: Sql, { userId, realm, at, until }: AuditErasure): Program<void> {
  const { raise, shards } = statements.dialect.marking;
  if (shards !== undefined) yield raise(statements, [ERASURES], "", at);
  yield raise(statements, [markName(erasureName(userId, realm))], untilText(until), at);
}

interface ErasedPage {
  readonly count: number;
  readonly next: string | undefined;
}

/** Entries of the user, or those of others in which this one acted. */
function* erasePage(
  statements: Sql,
  erasure: AuditErasure,
  field: "userId" | "actorId",
  after: string,
): Program<ErasedPage> {
  const { rows } = yield entriesNaming(statements, field, erasure.userId, after);
  const page = rows.flatMap((raw) => statements.readAudit(raw) ?? []);
  // Collations may treat more texts as equal than psession does.
  const own = page.filter((entry) => entry[field] === erasure.userId && realmOf(entry.id) === erasure.realm);
  const deleted: string[] = [];
  for (const entry of own) {
    const left = erasedEntry(entry, erasure);
    if (left === undefined) deleted.push(entry.id);
    else yield rewriteAudit(statements, left);
  }
  if (deleted.length > 0) yield deleteAudit(statements, deleted);
  return { count: own.length, next: rows.length < ERASED_AT_ONCE ? undefined : page.at(-1)?.id };
}

/** Entries in the order of their keys, which is that of time: each page is looked at whole. */
function* forgetProgram(
  statements: Sql,
  { before, realm, after = "", limit }: AddressPage,
): Program<AddressResult> {
  const { rows } = yield addressesBetween(statements, after, earliestAuditId(before), limit);
  const ids = rows.map((row) => textIn(row, "id"));
  const old = rows.flatMap((row, index) => {
    const id = ids[index] ?? "";
    return row["address"] === null || realmOf(id) !== realm ? [] : id;
  });
  if (old.length > 0) yield withoutAddress(statements, old);
  return { count: old.length, next: rows.length < limit ? undefined : ids.at(-1) };
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

function marksNamed(statements: Sql, names: readonly string[]): Statement {
  const { M, m, dialect } = statements;
  const { sql, values } = dialect.isOneOf(m.name, names.map(markName));
  return statements.make(
    `SELECT ${m.name} AS ${dialect.quote("name")}, ${m.at} AS ${dialect.quote("at")} FROM ${M} WHERE ${sql}`,
    values,
    true,
  );
}

function entriesNaming(
  statements: Sql,
  field: "userId" | "actorId",
  userId: UserId,
  after: string,
): Statement {
  const { A, a } = statements;
  return statements.make(
    `SELECT ${statements.entryList} FROM ${A} a WHERE ${statements.isUser(`a.${a[field]}`)} AND a.${a.id} > ? ORDER BY a.${a.id} LIMIT ${ERASED_AT_ONCE}`,
    [...statements.userValues(userId), after],
    true,
  );
}

function rewriteAudit(statements: Sql, { id, ...entry }: AuditEntry): Statement {
  const { A, a, schema } = statements;
  const { userId, actorId, handle, address, detail } = entry;
  const { sql, values } = statements.assignments(schema.audit, { userId, actorId, handle, address, detail });
  return statements.make(`UPDATE ${A} SET ${sql.slice(0, -2)} WHERE ${a.id} = ?`, [...values, id]);
}

function deleteAudit(statements: Sql, ids: readonly string[]): Statement {
  const { sql, values } = statements.dialect.isOneOf(statements.a.id, ids);
  return statements.make(`DELETE FROM ${statements.A} WHERE ${sql}`, values);
}

function addressesBetween(statements: Sql, after: string, before: string, limit: number): Statement {
  const { A, a, dialect } = statements;
  return statements.make(
    `SELECT a.${a.id} AS ${dialect.quote("id")}, a.${a.address} AS ${dialect.quote("address")} FROM ${A} a WHERE a.${a.id} > ? AND a.${a.id} < ? ORDER BY a.${a.id} LIMIT ${Math.trunc(limit)}`,
    [after, before],
    true,
  );
}

function withoutAddress(statements: Sql, ids: readonly string[]): Statement {
  const { A, a } = statements;
  const { sql, values } = statements.dialect.isOneOf(a.id, ids);
  return statements.make(`UPDATE ${A} SET ${a.address} = NULL WHERE ${sql}`, values);
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
