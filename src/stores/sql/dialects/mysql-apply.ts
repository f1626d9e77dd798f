import type { ChangeParts, Write } from "../../store.ts";
import type { Statement } from "../statement.ts";
import type { Statements } from "../statements.ts";
import { guardOf } from "./mysql-marks.ts";

/**
 * New values of a session together with a rotation or a use of its login, as one UPDATE of both tables, where a
 * transaction takes four round trips. It changes both rows or none; undefined for other changes.
 *
 * InnoDB reads and locks what an UPDATE is to write as it is at that moment, and evaluates conditions on that. The login
 * comes first, as deadlocks want it. Which of several assignments is made first is not defined: none reads what another
 * one writes, so a use that confirms takes other statements.
 */
export function applyAtOnce(statements: Statements, change: Write): Statement | undefined {
  if (change.kind !== "save" && change.kind !== "restore") return undefined;
  const { proof, rotate, update, use }: ChangeParts = change;
  const isOfLogin = rotate !== undefined || (use !== undefined && use.confirm === undefined);
  if (update === undefined || !isOfLogin) return undefined;

  const { S, L, s, l, schema } = statements;
  const used = use && {
    lastUsedAt: use.lastUsedAt,
    idleDeadline: use.idleDeadline,
    pruneAfter: use.pruneAfter,
  };
  const login = statements.assignments(schema.logins, rotate?.set ?? used ?? {}, "l.");
  const session = statements.assignments(schema.sessions, update.set, "s.");
  const isRotating = rotate !== undefined;
  const next = isRotating ? `l.${l.confirmedAt} = NULL, l.${l.generation} = l.${l.generation} + 1, ` : "";
  const generation = isRotating ? ` AND l.${l.generation} = ?` : "";
  const held = isRotating ? [rotate.id, rotate.generation] : [use?.id ?? null];
  const guard = proof && guardOf(statements, proof);
  const [guarded, sure] = guard ? [`${guard.sql} g STRAIGHT_JOIN `, `${guard.condition} AND `] : ["", ""];
  return statements.make(
    `UPDATE ${guarded}${L} l STRAIGHT_JOIN ${S} s SET ${login.sql}${next}${session.sql}s.${s.version} = s.${s.version} + 1 WHERE ${sure}l.${l.id} = ?${generation} AND l.${l.revokedAt} IS NULL AND s.${s.id} = ? AND s.${s.version} = ?`,
    [...(guard?.values ?? []), ...login.values, ...session.values, ...held, update.id, update.version],
  );
}
