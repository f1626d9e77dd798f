import type { Proof } from "../../store.ts";
import { type Marking, newerMarks, raiseOnConflict } from "../marking.ts";
import type { SqlValue } from "../statement.ts";
import type { Statements } from "../statements.ts";

/** A statement that writes has the only write lock there is: what it reads is the newest. */
export const sqliteMarking: Marking = {
  raise: raiseOnConflict("MAX"),
  guarded: {
    insert: (statements, table, row, proof) => {
      const guard = guardOf(statements, proof);
      return statements.make(
        `${statements.insertInto(table)} SELECT ${table.columns.map(() => "?").join(", ")} WHERE ${guard.sql}`,
        [...statements.valuesOf(table, row), ...guard.values],
      );
    },
    update: (statements, update, proof) => {
      const guard = guardOf(statements, proof);
      const { sql, values } = statements.updateSession(update);
      return statements.make(`${sql} AND ${guard.sql}`, [...values, ...guard.values]);
    },
  },
};

function guardOf(
  statements: Statements,
  { marks, provedAt }: Proof,
): { readonly sql: string; readonly values: readonly SqlValue[] } {
  const { sql, values } = newerMarks(statements, marks, provedAt);
  return { sql: `NOT EXISTS (${sql})`, values };
}
