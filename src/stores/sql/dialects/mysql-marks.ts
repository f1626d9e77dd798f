import { isBytes } from "../../columns.ts";
import type { Proof } from "../../store.ts";
import { type Marking, olderShards, olderThanErasures } from "../marking.ts";
import { shardsOf } from "../marks.ts";
import type { Column } from "../schema.ts";
import type { SqlValue } from "../statement.ts";
import type { Statements } from "../statements.ts";
import { qualified } from "../syntax.ts";

/** MariaDB has no FOR SHARE. */
const SHARE = " LOCK IN SHARE MODE";

export const mysqlMarking: Marking = {
  raise: (statements, names, value, at) => {
    const { M, m } = statements;
    return statements.make(
      `INSERT INTO ${M} (${m.name}, ${m.value}, ${m.at}) VALUES ${names.map(() => "(?, ?, ?)").join(", ")} ON DUPLICATE KEY UPDATE ${m.value} = GREATEST(${m.value}, ?), ${m.at} = GREATEST(${m.at}, ?)`,
      [...names.flatMap((name) => [name, value, at]), value, at],
    );
  },
  shards: {
    make: (statements, names) => {
      const { M, m } = statements;
      return statements.make(
        `INSERT IGNORE INTO ${M} (${m.name}, ${m.value}, ${m.at}) VALUES ${names.map(() => "(?, '', 0)").join(", ")}`,
        names,
      );
    },
    share: SHARE,
  },
  guarded: {
    insert: (statements, table, row, proof) => {
      const guard = guardOf(statements, proof);
      return statements.make(
        `${statements.insertInto(table)} SELECT ${table.columns.map((column) => typed(statements, column)).join(", ")} FROM ${guard.sql} g WHERE ${guard.condition}`,
        [...statements.valuesOf(table, row), ...guard.values],
      );
    },
    update: (statements, { id, version, set }, proof) => {
      const { S, s, schema } = statements;
      const guard = guardOf(statements, proof);
      const { sql, values } = statements.assignments(schema.sessions, set, "s.");
      return statements.make(
        `UPDATE ${guard.sql} g STRAIGHT_JOIN ${S} s SET ${sql}s.${s.version} = s.${s.version} + 1 WHERE ${guard.condition} AND s.${s.id} = ? AND s.${s.version} = ?`,
        [...guard.values, ...values, id, version],
      );
    },
    insertAll: (statements, table, rows, at) => {
      const { sql, values } = olderThanErasures(statements, at, SHARE);
      const row = (_: unknown, index: number) =>
        `SELECT ${table.columns.map((column, at) => `${typed(statements, column)}${index === 0 ? ` AS c${at}` : ""}`).join(", ")}`;
      const text = () =>
        `${statements.insertInto(table)} SELECT r.* FROM (${sql}) g STRAIGHT_JOIN (${rows.map(row).join(" UNION ALL ")}) r`;
      const given = rows.flatMap((one) => statements.valuesOf(table, one));
      return statements.kept(`${rows.length} ${qualified(statements.dialect, table)}`, text, [
        ...values,
        ...given,
      ]);
    },
  },
};

/** A table of one row, to be joined before what is written: it is read first, and shards are locked before other rows. */
export function guardOf(
  statements: Statements,
  proof: Proof,
): { readonly sql: string; readonly values: readonly SqlValue[]; readonly condition: string } {
  const names = shardsOf(proof);
  const { sql, values } = olderShards(statements, names, proof.provedAt, SHARE);
  const counted = sql.replace("SELECT 1", "SELECT COUNT(*) AS n");
  return { sql: `(${counted})`, values, condition: `g.n = ${names.length}` };
}

/** In VALUES a value has its column's type; in a SELECT the server guesses one unless it is cast. */
function typed({ schema }: Statements, { kind }: Column): string {
  if (isBytes(kind)) return "CAST(? AS BINARY)";
  const isNumber =
    kind === "time" ||
    kind === "count" ||
    (kind === "moment" && schema.timestamps === "integer") ||
    (kind === "user" && schema.userIds === "integer");
  return `CAST(? AS ${isNumber ? "SIGNED" : "CHAR"})`;
}
