import type { Proof } from "../../store.ts";
import { type Marking, olderShards, olderThanErasures, raiseOnConflict } from "../marking.ts";
import { shardsOf } from "../marks.ts";
import type { Table } from "../schema.ts";
import type { SqlValue } from "../statement.ts";
import type { Statements } from "../statements.ts";
import { qualified } from "../syntax.ts";

const SHARE = " FOR SHARE";

export const postgresMarking: Marking = {
  raise: raiseOnConflict("GREATEST"),
  shards: {
    make: (statements, names) => {
      const { M, m } = statements;
      return statements.make(
        `INSERT INTO ${M} (${m.name}, ${m.value}, ${m.at}) VALUES ${names.map(() => "(?, '', 0)").join(", ")} ON CONFLICT DO NOTHING`,
        names,
      );
    },
    // Weaker locks of rows go together with an update that leaves the key alone.
    share: SHARE,
  },
  // A single row without the common table expressions of `applyAtOnce`, which take longer than the writing.
  guarded: {
    insert: (statements, table, row, proof) => {
      const guard = guardOf(statements, proof);
      const text = () => `${insertSelect(statements, table)} FROM ${guard.sql}`;
      const values = [...statements.valuesOf(table, row), ...guard.values];
      return statements.kept(`${qualified(statements.dialect, table)} ${guard.sql}`, text, values);
    },
    update: (statements, { id, version, set }, proof) => {
      const { S, s, schema } = statements;
      const guard = guardOf(statements, proof);
      const { sql, values } = statements.assignments(schema.sessions, set);
      return statements.make(
        `UPDATE ${S} SET ${sql}${s.version} = ${s.version} + 1 FROM ${guard.sql} AND ${s.id} = ? AND ${s.version} = ?`,
        [...values, ...guard.values, id, version],
      );
    },
    insertAll: (statements, table, rows, at) => {
      const { sql, values } = olderThanErasures(statements, at, SHARE);
      const row = `(${castsOf(statements, table).join(", ")})`;
      const text = () =>
        `${statements.insertInto(table)} SELECT "#row".* FROM (VALUES ${rows.map(() => row).join(", ")}) "#row", (${sql}) "#guard"`;
      const given = rows.flatMap((one) => statements.valuesOf(table, one));
      return statements.kept(`${rows.length} ${qualified(statements.dialect, table)}`, text, [
        ...given,
        ...values,
      ]);
    },
  },
};

/** What follows FROM: one row, if all shards of a proof are older. Nearly always there is one; counting takes longer. */
export function guardOf(
  statements: Statements,
  proof: Proof,
): { readonly sql: string; readonly values: readonly SqlValue[] } {
  const names = shardsOf(proof);
  const { sql, values } = olderShards(statements, names, proof.provedAt, SHARE);
  const counted = `(SELECT count(*) AS "#n" FROM (${sql}) "#older") "#guard" WHERE "#n" = ${names.length}`;
  return { sql: names.length === 1 ? `(${sql}) "#guard" WHERE true` : counted, values };
}

/** An insert of values that a query selects: there they have to say what they are. To be followed by FROM. */
export function insertSelect(statements: Statements, table: Table): string {
  return `${statements.insertInto(table)} SELECT ${castsOf(statements, table).join(", ")}`;
}

const castsOf = ({ dialect, schema }: Statements, table: Table): string[] =>
  table.columns.map((column) => `?::${dialect.type(column, schema).split(" COLLATE")[0]}`);
