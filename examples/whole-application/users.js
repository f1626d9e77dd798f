import { createHash, randomBytes } from "node:crypto";

const LINK_LIFETIME = 30 * 60_000;

const hashOf = (token) => createHash("sha256").update(token).digest();

/** The application's own tables. psession has separate ones, and knows a user only by the id. */
export class Users {
  #database;

  constructor(database) {
    this.#database = database;
    database.exec(`
      CREATE TABLE IF NOT EXISTS users (
        id INTEGER PRIMARY KEY AUTOINCREMENT, -- never reused: no new user gets the sessions of a deleted one
        email TEXT NOT NULL UNIQUE,
        password TEXT NOT NULL,
        created_at INTEGER NOT NULL
      ) STRICT;
      CREATE TABLE IF NOT EXISTS links (
        token_hash BLOB PRIMARY KEY,
        email TEXT NOT NULL,
        expires_at INTEGER NOT NULL
      ) STRICT`);
  }

  byId(id) {
    return this.#database.prepare("SELECT * FROM users WHERE id = ?").get(id);
  }

  byEmail(email) {
    return this.#database.prepare("SELECT * FROM users WHERE email = ?").get(email);
  }

  /** Makes the account if there is none. */
  setPassword(email, password, now) {
    const sql = `INSERT INTO users (email, password, created_at) VALUES (?, ?, ?)
      ON CONFLICT (email) DO UPDATE SET password = excluded.password RETURNING *`;
    return this.#database.prepare(sql).get(email, password, now);
  }

  /** The token of a new link. Only its hash is stored, so that a copy of the table opens no account. */
  newLink(email, now) {
    const token = randomBytes(32).toString("base64url");
    this.#database.prepare("DELETE FROM links WHERE expires_at <= ?").run(now);
    this.putBack({ token_hash: hashOf(token), email, expires_at: now + LINK_LIFETIME });
    return token;
  }

  isLink(token, now) {
    const sql = "SELECT 1 FROM links WHERE token_hash = ? AND expires_at > ?";
    return this.#database.prepare(sql).get(hashOf(token), now) !== undefined;
  }

  /** Gives each link to one request only, however many come at once. */
  takeLink(token, now) {
    const sql = "DELETE FROM links WHERE token_hash = ? AND expires_at > ? RETURNING *";
    return this.#database.prepare(sql).get(hashOf(token), now);
  }

  putBack({ token_hash, email, expires_at }) {
    this.#database.prepare("INSERT INTO links VALUES (?, ?, ?)").run(token_hash, email, expires_at);
  }

  /** The password was set: all other mailed links for it become void. */
  dropLinks(email) {
    this.#database.prepare("DELETE FROM links WHERE email = ?").run(email);
  }
}
