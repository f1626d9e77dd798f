import type { Naming, UserId } from "../../store.ts";
import type { Sql } from "../sql.ts";
import type { Program, Statement } from "../statement.ts";
import { isOf, ofHandle } from "./end.ts";

/** Counts the rows that were found: a database may not count a row that had this name already. */
export function* nameProgram(statements: Sql, { handle, userId, name }: Naming): Program<boolean> {
  // Before anything is compared: a wrong id that became null would name anonymous sessions.
  statements.user(userId);
  const entries = (yield* ofHandle(statements, handle)).filter(isOf(userId));
  for (const { session, login } of entries) {
    if (login !== undefined) yield nameLogin(statements, login.id, name);
    if (session !== undefined) yield nameSession(statements, session.id, userId, name);
  }
  return entries.length > 0;
}

function nameLogin(statements: Sql, id: string, name: string | undefined): Statement {
  const { L, l } = statements;
  return statements.make(`UPDATE ${L} SET ${l.name} = ? WHERE ${l.id} = ? AND ${l.revokedAt} IS NULL`, [
    name ?? null,
    id,
  ]);
}

/** Unless another user has signed in on the row meanwhile. */
function nameSession(statements: Sql, id: string, userId: UserId, name: string | undefined): Statement {
  const { S, s } = statements;
  return statements.make(
    `UPDATE ${S} SET ${s.name} = ? WHERE ${s.id} = ? AND ${statements.isUser(s.userId)}`,
    [name ?? null, id, ...statements.userValues(userId)],
  );
}
