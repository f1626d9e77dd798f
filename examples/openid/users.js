/** The application's own tables. psession has separate ones, and knows a user only by the id. */
export class Users {
  #database;

  constructor(database) {
    this.#database = database;
    database.exec(`
      CREATE TABLE IF NOT EXISTS users (
        id INTEGER PRIMARY KEY AUTOINCREMENT, -- never reused: no new user gets the sessions of a deleted one
        email TEXT UNIQUE,
        password TEXT -- none for a user who has only ever come from the provider
      ) STRICT;
      -- By issuer and subject: an e-mail address may change, and be given to somebody else.
      CREATE TABLE IF NOT EXISTS identities (
        issuer TEXT NOT NULL,
        subject TEXT NOT NULL,
        user_id INTEGER NOT NULL REFERENCES users (id),
        PRIMARY KEY (issuer, subject),
        UNIQUE (issuer, user_id)
      ) STRICT`);
  }

  byId(id) {
    return this.#get("SELECT * FROM users WHERE id = ?", id);
  }

  byEmail(email) {
    return this.#get("SELECT * FROM users WHERE email = ?", email);
  }

  byIdentity({ issuer, subject }) {
    const sql = `SELECT users.* FROM identities JOIN users ON users.id = user_id
      WHERE issuer = ? AND subject = ?`;
    return this.#get(sql, issuer, subject);
  }

  identityOf(userId, issuer) {
    return this.#get("SELECT * FROM identities WHERE user_id = ? AND issuer = ?", userId, issuer);
  }

  add({ email, password }) {
    return this.#get("INSERT INTO users (email, password) VALUES (?, ?) RETURNING *", email, password);
  }

  /** A new user who comes from the provider; undefined if another account has the address. */
  addFromProvider({ email, ...identity }) {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      // Two tabs may come back for the first time at once.
      let user = this.byIdentity(identity);
      const isTaken = user === undefined && email !== undefined && this.byEmail(email) !== undefined;
      if (user === undefined && !isTaken) {
        user = this.add({ email: email ?? null, password: null });
        this.link(user.id, identity);
      }
      this.#database.exec("COMMIT");
      return user;
    } catch (error) {
      this.#database.exec("ROLLBACK");
      throw error;
    }
  }

  /** False if the identity belongs to somebody else, or the user has another one of this provider. */
  link(userId, { issuer, subject }) {
    const sql = "INSERT INTO identities VALUES (?, ?, ?) ON CONFLICT DO NOTHING";
    this.#database.prepare(sql).run(issuer, subject, userId);
    return this.byIdentity({ issuer, subject })?.id === userId;
  }

  unlink(userId, issuer) {
    this.#database.prepare("DELETE FROM identities WHERE user_id = ? AND issuer = ?").run(userId, issuer);
  }

  #get(sql, ...values) {
    return this.#database.prepare(sql).get(...values);
  }
}
