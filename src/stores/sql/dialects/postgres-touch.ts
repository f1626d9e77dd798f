import type { Touch } from "../../store.ts";
import { type Column, columnOf } from "../schema.ts";
import type { SqlValue, Statement } from "../statement.ts";
import type { Statements } from "../statements.ts";

/**
 * All touches as one statement, whatever their number: the text is always the same. The names in it begin with a
 * character that the options refuse.
 */
export function touchAll(statements: Statements, touches: readonly Touch[]): Statement[] {
  const { S, L, s, l, schema } = statements;
  const column = (field: "lastSeenAt" | "idleDeadline") => columnOf(schema.sessions, field);
  const used = touches.flatMap(({ remembered }) => remembered ?? []);
  const sql = `WITH "#seen" AS (
  UPDATE ${S} SET ${s.lastSeenAt} = "#t".seen, ${s.idleDeadline} = COALESCE("#t".idle, ${S}.${s.idleDeadline}), ${s.pruneAfter} = GREATEST("#t".prune, ${S}.${s.pruneAfter})
  FROM unnest(?::text[], ${array(statements, column("lastSeenAt"))}, ${array(statements, column("idleDeadline"))}, ?::bigint[]) AS "#t" (id, seen, idle, prune)
  WHERE ${S}.${s.id} = "#t".id
)
UPDATE ${L} SET ${l.lastUsedAt} = "#t".used, ${l.idleDeadline} = "#t".idle, ${l.pruneAfter} = "#t".prune
FROM unnest(?::text[], ${array(statements, column("lastSeenAt"))}, ${array(statements, column("idleDeadline"))}, ?::bigint[]) AS "#t" (id, used, idle, prune)
WHERE ${L}.${l.id} = "#t".id AND ${L}.${l.revokedAt} IS NULL`;
  const moments = (times: readonly (number | undefined)[]): SqlValue =>
    times.map((time) => statements.value(column("lastSeenAt"), time) as string | number | null);
  return [
    statements.make(sql, [
      touches.map(({ sessionId }) => sessionId),
      moments(touches.map(({ lastSeenAt }) => lastSeenAt)),
      moments(touches.map(({ idleDeadline }) => idleDeadline)),
      touches.map(({ pruneAfter }) => pruneAfter),
      used.map(({ id }) => id),
      moments(used.map(({ lastUsedAt }) => lastUsedAt)),
      moments(used.map(({ idleDeadline }) => idleDeadline)),
      used.map(({ pruneAfter }) => pruneAfter),
    ]),
  ];
}

const array = ({ dialect, schema }: Statements, column: Column): string =>
  `?::${dialect.type(column, schema).replace("(3)", "")}[]`;
