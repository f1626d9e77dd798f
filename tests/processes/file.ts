import { DatabaseSync } from "node:sqlite";

type Row = Record<string, unknown>;

/** Looks into the file as it is, past the library. */
export function inFile<T>(path: string, look: (rows: (sql: string) => Row[]) => T): T {
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    return look((sql) => database.prepare(sql).all());
  } finally {
    database.close();
  }
}

const LIVE = "SELECT * FROM psession_logins WHERE revoked_at IS NULL";

/** What must hold of the tables, as numbers. */
export function audit(path: string) {
  return inFile(path, (rows) => {
    const count = (from: string) => Number(rows(`SELECT count(*) AS n FROM ${from}`)[0]?.["n"]);
    return {
      integrity: rows("PRAGMA integrity_check").map((row) => row["integrity_check"]),
      sessions: count("psession_sessions"),
      logins: count("psession_logins"),
      usersWithLogin: count("(SELECT DISTINCT user_id FROM psession_logins)"),
      revokedLogins: count("psession_logins WHERE revoked_at IS NOT NULL"),
      sessionsWithoutOwner: count("psession_sessions WHERE user_id IS NULL OR remembered_id IS NULL"),
      orphans: count(
        `psession_sessions s LEFT JOIN (${LIVE}) l ON l.id = s.remembered_id AND l.user_id = s.user_id WHERE l.id IS NULL`,
      ),
      loginsWithoutOneSession: count(
        `(${LIVE}) l WHERE (SELECT count(*) FROM psession_sessions s WHERE s.remembered_id = l.id) <> 1`,
      ),
    };
  });
}
