import { createHash, randomBytes } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import type { Clock } from "psession";

const CREATE = `
  CREATE TABLE IF NOT EXISTS demo_resets (
    token_hash TEXT PRIMARY KEY,
    user_id INTEGER NOT NULL REFERENCES demo_users (id) ON DELETE CASCADE,
    made_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
  ) STRICT`;

const MINUTE = 60_000;
const LIFE = 15 * MINUTE;
/** Whoever asks again and again fills nobody's mailbox. */
const PAUSE = MINUTE;
const TOKEN_BYTES = 32;

/** Tokens of links that set a new password. Only their hashes are kept, so that nobody who reads the database can use them. */
export class Resets {
  readonly #db: DatabaseSync;
  readonly #clock: Clock;

  constructor(db: DatabaseSync, clock: Clock) {
    this.#db = db;
    this.#clock = clock;
    db.exec(CREATE);
  }

  /** A token for a new link, which replaces earlier ones; undefined where one was made within the last minute. */
  begin(userId: number): string | undefined {
    const now = this.#clock.now();
    const latest = this.#db
      .prepare("SELECT max(made_at) AS at FROM demo_resets WHERE user_id = ?")
      .get(userId);
    if (latest?.["at"] != null && now - Number(latest["at"]) < PAUSE) return undefined;
    this.end(userId);
    const token = randomBytes(TOKEN_BYTES).toString("base64url");
    this.#db
      .prepare("INSERT INTO demo_resets (token_hash, user_id, made_at, expires_at) VALUES (?, ?, ?, ?)")
      .run(hashOf(token), userId, now, now + LIFE);
    return token;
  }

  /** Whose link this is, which uses nothing up: programs that check mails open the links in them. */
  find(token: string): number | undefined {
    const row = this.#db
      .prepare("SELECT user_id FROM demo_resets WHERE token_hash = ? AND expires_at > ?")
      .get(hashOf(token), this.#clock.now());
    return row === undefined ? undefined : Number(row["user_id"]);
  }

  /** Uses a token up. One statement, so that of two requests at once one gets the user. */
  take(token: string): number | undefined {
    const row = this.#db
      .prepare("DELETE FROM demo_resets WHERE token_hash = ? AND expires_at > ? RETURNING user_id")
      .get(hashOf(token), this.#clock.now());
    return row === undefined ? undefined : Number(row["user_id"]);
  }

  /** Ends what is left of a user's links. */
  end(userId: number): void {
    this.#db.prepare("DELETE FROM demo_resets WHERE user_id = ?").run(userId);
  }
}

/** Random tokens need no salt and no slow hash. */
const hashOf = (token: string): string => createHash("sha256").update(token).digest("hex");
