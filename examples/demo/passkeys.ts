import type { DatabaseSync, SQLOutputValue } from "node:sqlite";
import type { WebAuthnCredential } from "@simplewebauthn/server";

export interface Passkey {
  readonly userId: number;
  readonly name: string;
  readonly createdAt: number;
  readonly lastUsedAt: number | undefined;
  /** What its signatures are checked with. None of it is secret. */
  readonly credential: WebAuthnCredential;
}

const CREATE = `
  CREATE TABLE IF NOT EXISTS demo_passkeys (
    id TEXT PRIMARY KEY,
    user_id INTEGER NOT NULL REFERENCES demo_users (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    public_key BLOB NOT NULL,
    counter INTEGER NOT NULL,
    transports TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER
  ) STRICT`;

/** The public halves of users' passkeys. */
export class Passkeys {
  readonly #db: DatabaseSync;

  constructor(db: DatabaseSync) {
    this.#db = db;
    db.exec(CREATE);
  }

  /** The oldest first. */
  list(userId: number): Passkey[] {
    const rows = this.#db
      .prepare("SELECT * FROM demo_passkeys WHERE user_id = ? ORDER BY created_at, id")
      .all(userId);
    return rows.map(toPasskey);
  }

  find(id: string): Passkey | undefined {
    const row = this.#db.prepare("SELECT * FROM demo_passkeys WHERE id = ?").get(id);
    return row && toPasskey(row);
  }

  /** False where that passkey is known already. */
  add({ userId, name, createdAt, credential }: Omit<Passkey, "lastUsedAt">): boolean {
    const { id, publicKey, counter, transports = [] } = credential;
    const { changes } = this.#db
      .prepare(
        "INSERT INTO demo_passkeys (id, user_id, name, public_key, counter, transports, created_at) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
      )
      .run(id, userId, name, publicKey, counter, transports.join(" "), createdAt);
    return Number(changes) === 1;
  }

  /** Notes a use; authenticators that count tell copies apart by that. */
  noteUse(id: string, counter: number, at: number): void {
    this.#db
      .prepare("UPDATE demo_passkeys SET counter = ?, last_used_at = ? WHERE id = ?")
      .run(counter, at, id);
  }

  /** False where the user has no such passkey. */
  remove(userId: number, id: string): boolean {
    const { changes } = this.#db
      .prepare("DELETE FROM demo_passkeys WHERE id = ? AND user_id = ?")
      .run(id, userId);
    return Number(changes) === 1;
  }
}

function toPasskey(row: Record<string, SQLOutputValue>): Passkey {
  const transports = String(row["transports"]).split(" ").filter(Boolean);
  return {
    userId: Number(row["user_id"]),
    name: String(row["name"]),
    createdAt: Number(row["created_at"]),
    lastUsedAt: row["last_used_at"] === null ? undefined : Number(row["last_used_at"]),
    credential: {
      id: String(row["id"]),
      publicKey: new Uint8Array(row["public_key"] as Uint8Array),
      counter: Number(row["counter"]),
      transports,
    },
  };
}
