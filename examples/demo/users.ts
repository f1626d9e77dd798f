import type { DatabaseSync, SQLOutputValue } from "node:sqlite";
import type { UserId } from "psession";

export interface User {
  readonly id: number;
  readonly email: string;
  readonly passwordHash: string;
}

const CREATE = `
  CREATE TABLE IF NOT EXISTS demo_users (
    -- Never given again: what is left of a user who is gone must not be another's.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    email TEXT NOT NULL UNIQUE COLLATE NOCASE,
    password_hash TEXT NOT NULL,
    created_at INTEGER NOT NULL
  ) STRICT`;

/** The accounts. They are the application's: psession knows users only by their id. */
export class Users {
  readonly #db: DatabaseSync;

  constructor(db: DatabaseSync) {
    this.#db = db;
    db.exec(CREATE);
  }

  /** The new user, or undefined where the email is taken. */
  create(email: string, passwordHash: string, now: number): User | undefined {
    const row = this.#db
      .prepare(
        "INSERT INTO demo_users (email, password_hash, created_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING RETURNING *",
      )
      .get(email, passwordHash, now);
    return toUser(row);
  }

  find(id: UserId): User | undefined {
    return toUser(this.#db.prepare("SELECT * FROM demo_users WHERE id = ?").get(id));
  }

  findByEmail(email: string): User | undefined {
    return toUser(this.#db.prepare("SELECT * FROM demo_users WHERE email = ?").get(email));
  }

  /** The newest first. */
  latest(limit: number): User[] {
    const rows = this.#db.prepare("SELECT * FROM demo_users ORDER BY id DESC LIMIT ?").all(limit);
    return rows.map(toUser).filter((user) => user !== undefined);
  }

  setPassword(id: number, passwordHash: string): void {
    this.#db.prepare("UPDATE demo_users SET password_hash = ? WHERE id = ?").run(passwordHash, id);
  }

  /** False where another user has that email. */
  setEmail(id: number, email: string): boolean {
    const { changes } = this.#db
      .prepare("UPDATE OR IGNORE demo_users SET email = ? WHERE id = ?")
      .run(email, id);
    return Number(changes) === 1;
  }

  /** With all that other tables have of the user: half of it would be an account without its second factor. */
  remove(id: number): void {
    this.#db.prepare("DELETE FROM demo_users WHERE id = ?").run(id);
  }
}

function toUser(row: Record<string, SQLOutputValue> | undefined): User | undefined {
  if (row === undefined) return undefined;
  return {
    id: Number(row["id"]),
    email: String(row["email"]),
    passwordHash: String(row["password_hash"]),
  };
}
