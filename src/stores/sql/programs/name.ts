import type { Naming } from "../../store.ts";
import type { Sql } from "../sql.ts";
import type { Program } from "../statement.ts";
import { isOf, ofHandle } from "./end.ts";

/** What was found is what counts: a database may not count a row that had this name already. */
export function* nameProgram(statements: Sql, { handle, userId, name }: Naming): Program<boolean> {
  // Before anything is compared: to take a wrong id for nobody's would be to name anonymous sessions.
  statements.user(userId);
  const entries = (yield* ofHandle(statements, handle)).filter(isOf(userId));
  for (const { session, login } of entries) {
    if (login !== undefined) yield statements.nameLogin(login.id, name);
    if (session !== undefined) yield statements.nameSession(session.id, userId, name);
  }
  return entries.length > 0;
}
