import type { ChangeParts, Write } from "../../store.ts";
import { endsNothing } from "../changes.ts";
import type { Table } from "../schema.ts";
import type { SqlValue, Statement } from "../statement.ts";
import type { Statements } from "../statements.ts";
import { guardOf, insertSelect } from "./postgres-marks.ts";

/**
 * A change that ends nothing, as one statement: one round trip for a restore.
 *
 * The rows that conditions speak of are locked first, as they are at that moment and not as they were when the
 * statement began; `ok` has a row only if every condition holds, and everything that writes is joined with it.
 * The join matters: where another transaction changed a row after the snapshot, PostgreSQL evaluates an update
 * again on the new version, with the joined rows as they were. A subquery in its place would be run anew.
 *
 * The names in it begin with a character that the options refuse: a table may be called "ok", and a column.
 */
export function applyAtOnce(statements: Statements, change: Write): Statement | undefined {
  if (change.kind === "stray" || !endsNothing(change)) return undefined;
  const { proof, rotate, hold, remember, insert, update, use }: ChangeParts = change;
  // Its session is not named, and would have to be found.
  if (use?.confirm !== undefined && update === undefined) return undefined;

  const { S, L, s, l, schema } = statements;
  const parts: string[] = [];
  const values: SqlValue[] = [];
  const add = (name: string, sql: string, own: readonly SqlValue[]) => {
    parts.push(`"#${name}" AS MATERIALIZED (${sql})`);
    values.push(...own);
  };
  const conditions: string[] = [];

  if (proof !== undefined) {
    const guard = guardOf(statements, proof);
    add("proved", `SELECT 1 FROM ${guard.sql}`, guard.values);
    conditions.push('EXISTS (SELECT 1 FROM "#proved")');
  }
  const held = rotate ?? hold;
  if (held !== undefined) {
    add(
      "held",
      `SELECT 1 FROM ${L} WHERE ${l.id} = ? AND ${l.generation} = ? AND ${l.revokedAt} IS NULL FOR NO KEY UPDATE`,
      [held.id, held.generation],
    );
    conditions.push('EXISTS (SELECT 1 FROM "#held")');
  }
  if (use?.confirm !== undefined) {
    const { generation, token } = use.confirm;
    add(
      "proof",
      `SELECT 1 FROM ${L} WHERE ${l.id} = ? AND ${l.generation} = ? AND ${l.token} = ? AND ${l.confirmedAt} IS NULL AND ${l.revokedAt} IS NULL FOR NO KEY UPDATE`,
      [use.id, generation, token],
    );
  }
  if (update !== undefined) {
    add("seen", `SELECT ${s.version} AS version FROM ${S} WHERE ${s.id} = ? FOR NO KEY UPDATE`, [update.id]);
    conditions.push('EXISTS (SELECT 1 FROM "#seen" WHERE version = ?)');
  }
  const confirms = use?.confirm === undefined ? "false" : 'EXISTS (SELECT 1 FROM "#proof")';
  const where = conditions.length === 0 ? "" : ` WHERE ${conditions.join(" AND ")}`;
  add("ok", `SELECT ${confirms} AS "#confirms"${where}`, update === undefined ? [] : [update.version]);

  const write = (name: string, sql: string, own: readonly SqlValue[]) => {
    parts.push(`"#${name}" AS (${sql})`);
    values.push(...own);
  };
  if (rotate !== undefined) {
    const set = statements.assignments(schema.logins, rotate.set);
    write(
      "rotated",
      `UPDATE ${L} SET ${set.sql}${l.confirmedAt} = NULL, ${l.generation} = ${l.generation} + 1 FROM "#ok" WHERE ${l.id} = ?`,
      [...set.values, rotate.id],
    );
  }
  if (use !== undefined) {
    const { lastUsedAt, idleDeadline, pruneAfter, confirm } = use;
    const set = statements.assignments(schema.logins, { lastUsedAt, idleDeadline, pruneAfter });
    const confirmed = `${l.confirmedAt} = CASE WHEN "#ok"."#confirms" THEN ?::bigint ELSE ${l.confirmedAt} END`;
    write(
      "used",
      `UPDATE ${L} SET ${set.sql}${confirmed} FROM "#ok" WHERE ${l.id} = ? AND ${l.revokedAt} IS NULL`,
      [...set.values, confirm?.at ?? null, use.id],
    );
  }
  if (remember !== undefined) write("remembered", ...insertFromOk(statements, schema.logins, remember));
  if (insert !== undefined) write("inserted", ...insertFromOk(statements, schema.sessions, insert));
  if (update !== undefined) {
    const { confirmFrom, ...rest } = update.set;
    const set = statements.assignments(schema.sessions, rest);
    const isSet = "confirmFrom" in update.set;
    const from = isSet ? "?::bigint" : s.confirmFrom;
    write(
      "updated",
      `UPDATE ${S} SET ${set.sql}${s.confirmFrom} = CASE WHEN "#ok"."#confirms" THEN NULL ELSE ${from} END, ${s.version} = ${s.version} + 1 FROM "#ok" WHERE ${s.id} = ?`,
      [...set.values, ...(isSet ? [confirmFrom ?? null] : []), update.id],
    );
  }
  const answer = [
    '(SELECT count(*) FROM "#ok") AS done',
    held === undefined ? "1 AS held" : '(SELECT count(*) FROM "#held") AS held',
    update === undefined ? "1 AS seen" : '(SELECT count(*) FROM "#seen") AS seen',
    ...(proof === undefined ? [] : ['(SELECT count(*) FROM "#proved") AS proved']),
  ];
  return statements.make(`WITH ${parts.join(", ")} SELECT ${answer.join(", ")}`, values, true);
}

function insertFromOk<Row extends object>(
  statements: Statements,
  table: Table<keyof Row & string>,
  row: Row,
): [string, SqlValue[]] {
  return [`${insertSelect(statements, table)} FROM "#ok"`, statements.valuesOf(table, row)];
}
