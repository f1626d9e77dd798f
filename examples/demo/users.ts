import type { DatabaseSync, SQLOutputValue } from "node:sqlite";
import type { UserId } from "psession";
import type { Attempts } from "./attempts.ts";

export interface User {
  readonly id: number;
  readonly email: string;
  readonly passwordHash: string;
  readonly attempts: Attempts;
}

const CREATE = `
  CREATE TABLE IF NOT EXISTS demo_users (
    id INTEGER PRIMARY KEY,
    email TEXT NOT NULL UNIQUE COLLATE NOCASE,
    password_hash TEXT NOT NULL,
    failed_attempts INTEGER NOT NULL DEFAULT 0,
    locked_until INTEGER NOT NULL DEFAULT 0,
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

  setPassword(id: number, passwordHash: string): void {
    this.#db.prepare("UPDATE demo_users SET password_hash = ? WHERE id = ?").run(passwordHash, id);
  }

  setAttempts(id: number, { failures, lockedUntil }: Attempts): void {
    this.#db
      .prepare("UPDATE demo_users SET failed_attempts = ?, locked_until = ? WHERE id = ?")
      .run(failures, lockedUntil, id);
  }
}

function toUser(row: Record<string, SQLOutputValue> | undefined): User | undefined {
  if (row === undefined) return undefined;
  return {
    id: Number(row["id"]),
    email: String(row["email"]),
    passwordHash: String(row["password_hash"]),
    attempts: { failures: Number(row["failed_attempts"]), lockedUntil: Number(row["locked_until"]) },
  };
}
