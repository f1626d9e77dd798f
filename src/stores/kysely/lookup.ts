import { ID_LENGTH } from "../../protocol/secrets.ts";
import { columnOf } from "../sql/schema.ts";
import type { Sql } from "../sql/sql.ts";
import type { SqlValue } from "../sql/statement.ts";

export interface Lookup {
  readonly sql: string;
  readonly values: readonly SqlValue[];
}

// Other than any alias of the query around it, which would be hidden inside.
const SESSION = "psession_s";
const LOGIN = "psession_l";
const SEPARATOR = "|";

/** That user's session of the realm that was used last, but for `except`, as one text; `user` is the query's expression for the user. */
export function previousSession(
  statements: Sql,
  user: string,
  { except, realm, now }: { except: string; realm: string; now: number },
): Lookup {
  const { S, s, schema } = statements;
  const name = (column: string) => `${SESSION}.${column}`;
  const seen = statements.selectMoment(name(s.lastSeenAt));
  return {
    sql: `(SELECT ${joined(statements, [name(s.id), seen, name(s.data)])} FROM ${S} ${SESSION} WHERE ${sameUser(statements, name(s.userId), user)} AND ${name(s.id)} <> ? AND ${name(s.level)} <> 'trust' AND ${name(s.actorUserId)} IS NULL AND SUBSTR(${name(s.id)}, ${ID_LENGTH - realm.length + 1}) = ? AND ${name(s.absoluteDeadline)} >= ? ORDER BY ${name(s.lastSeenAt)} DESC LIMIT 1)`,
    values: [except, realm, statements.value(columnOf(schema.sessions, "absoluteDeadline"), now)],
  };
}

/** The remembered login of this id, if it is alive and that user's, as one text. */
export function rememberedLogin(
  statements: Sql,
  user: string,
  { id, now }: { id: string; now: number },
): Lookup {
  const { L, l, schema } = statements;
  const name = (column: string) => `${LOGIN}.${column}`;
  const parts = [
    name(l.id),
    statements.selectMoment(name(l.createdAt)),
    statements.selectMoment(name(l.lastUsedAt)),
    name(l.generation),
  ];
  const alive = statements.value(columnOf(schema.logins, "absoluteDeadline"), now);
  return {
    sql: `(SELECT ${joined(statements, parts)} FROM ${L} ${LOGIN} WHERE ${name(l.id)} = ? AND ${sameUser(statements, name(l.userId), user)} AND ${name(l.revokedAt)} IS NULL AND ${name(l.idleDeadline)} >= ? AND ${name(l.absoluteDeadline)} >= ?)`,
    values: [id, alive, alive],
  };
}

/** The parts of such a text; the last one may hold anything. */
export function partsOf(text: string, count: number): string[] {
  const parts = text.split(SEPARATOR);
  return [...parts.slice(0, count - 1), parts.slice(count - 1).join(SEPARATOR)];
}

/** Texts that begin with an id: no plugin of the application takes them for JSON, a number or a date. */
function joined({ dialect }: Sql, parts: readonly string[]): string {
  return dialect.name === "mysql"
    ? `CONCAT(${parts.join(`, '${SEPARATOR}', `)})`
    : parts.join(` || '${SEPARATOR}' || `);
}

/**
 * Compares ids of the application's own table with psession's. Where type or collation differ, the application's is
 * converted, as psession's index is used.
 */
function sameUser({ schema: { userIds }, dialect }: Sql, column: string, user: string): string {
  if (userIds === "integer") return `${column} = ${user}`;
  if (dialect.name === "sqlite") return `${column} = CAST(${user} AS TEXT)`;
  if (dialect.name === "postgres") {
    return userIds === "uuid"
      ? `${column} = CAST(${user} AS uuid)`
      : `${column} = CAST(${user} AS text) COLLATE "C"`;
  }
  const charset = userIds === "uuid" ? "ascii" : "utf8mb4";
  const id = `CONVERT(${user} USING ${charset})`;
  // MySQL compares texts without the spaces at their ends: "ada" must not be given the cart of "ada ".
  return `${column} = ${id} COLLATE ${charset}_bin AND CAST(${column} AS BINARY) = CAST(${id} AS BINARY)`;
}
