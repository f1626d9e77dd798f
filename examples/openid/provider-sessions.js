/** Longer than an attempt and the code that it ends with can live. */
const KEEP_LOGOUTS = 60 * 60_000;

/**
 * Which device was signed in by which session of the provider, for sign-outs here and there. A sign-in writes its device
 * and then reads what has ended; a logout writes what has ended and then reads the devices. So whichever comes first, one
 * of the two notices the other.
 */
export class ProviderSessions {
  #database;
  #psession;
  #now;

  constructor({ database, psession, now }) {
    this.#database = database;
    this.#psession = psession;
    this.#now = now;
    database.exec(`
      CREATE TABLE IF NOT EXISTS provider_sessions (
        handle TEXT PRIMARY KEY, -- of the device: it stays when psession renews the device's secrets
        user_id INTEGER NOT NULL,
        issuer TEXT NOT NULL,
        subject TEXT NOT NULL,
        sid TEXT,
        established_at INTEGER NOT NULL, -- in seconds, by the provider's clock
        id_token TEXT
      ) STRICT;
      CREATE INDEX IF NOT EXISTS provider_sessions_subject ON provider_sessions (issuer, subject);
      CREATE INDEX IF NOT EXISTS provider_sessions_sid ON provider_sessions (issuer, sid);
      CREATE TABLE IF NOT EXISTS provider_logouts (
        issuer TEXT NOT NULL,
        jti TEXT NOT NULL,
        sid TEXT,
        subject TEXT,
        at INTEGER NOT NULL, -- in seconds, by the provider's clock
        is_done INTEGER NOT NULL DEFAULT 0,
        received_at INTEGER NOT NULL,
        PRIMARY KEY (issuer, jti)
      ) STRICT`);
  }

  /**
   * Signs a user in, by the provider if there is an `identity`. False if the session at the provider has ended meanwhile;
   * nobody is signed in then.
   */
  async signIn(session, userId, options, identity) {
    if (identity !== undefined && this.hasEnded(identity)) return false;
    await this.#sweep(userId);
    const before = session.handle;
    await session.login(userId, options);
    // Now, rather than with the response: from here on a logout finds the device, under the handle that it keeps.
    await session.save();
    try {
      this.forget(before);
      if (identity === undefined || this.note(session.handle, userId, identity)) return true;
    } catch (error) {
      await session.logout(); // no logout at the provider would ever end it
      throw error;
    }
    await session.logout();
    return false;
  }

  /** False if that session of the provider has ended: then the device must end as well. */
  note(handle, userId, { issuer, subject, sid, establishedAt, idToken }) {
    this.#run(
      "INSERT OR REPLACE INTO provider_sessions VALUES (?, ?, ?, ?, ?, ?, ?)",
      ...[handle, userId, issuer, subject, sid, establishedAt, idToken],
    );
    return !this.hasEnded({ issuer, subject, sid, establishedAt });
  }

  of(handle) {
    return this.#database.prepare("SELECT * FROM provider_sessions WHERE handle = ?").get(handle);
  }

  forget(handle) {
    this.#run("DELETE FROM provider_sessions WHERE handle = ?", handle);
  }

  forgetUser(userId, issuer) {
    this.#run("DELETE FROM provider_sessions WHERE user_id = ? AND issuer = ?", userId, issuer);
  }

  /** A `sid` never comes back. Without one, the logout ends what the user had begun by then, and nothing later. */
  hasEnded({ issuer, subject, sid, establishedAt }) {
    const sql = `SELECT 1 FROM provider_logouts WHERE issuer = :issuer
      AND (subject IS NULL OR subject = :subject)
      AND CASE WHEN sid IS NULL THEN at >= :establishedAt ELSE sid = :sid END`;
    return this.#database.prepare(sql).get({ issuer, subject, sid, establishedAt }) !== undefined;
  }

  /** Ends the devices of a logout at the provider. False if this very logout was done before. */
  async end({ issuer, jti, sid, subject, at }) {
    this.#run("DELETE FROM provider_logouts WHERE received_at < ?", this.#now() - KEEP_LOGOUTS);
    this.#run(
      `INSERT INTO provider_logouts (issuer, jti, sid, subject, at, received_at)
        VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
      ...[issuer, jti, sid, subject, at, this.#now()],
    );
    const { is_done } = this.#database
      .prepare("SELECT is_done FROM provider_logouts WHERE issuer = ? AND jti = ?")
      .get(issuer, jti);
    if (is_done) return false;
    const sql = `SELECT handle FROM provider_sessions WHERE issuer = :issuer
      AND (:subject IS NULL OR subject = :subject)
      AND CASE WHEN :sid IS NULL THEN established_at <= :at ELSE sid = :sid END`;
    for (const { handle } of this.#database.prepare(sql).all({ issuer, subject, sid, at })) {
      await this.#psession.revoke(handle, "provider_logout");
      this.forget(handle);
    }
    // Only now: the provider repeats a logout that failed half-way.
    this.#run("UPDATE provider_logouts SET is_done = 1 WHERE issuer = ? AND jti = ?", issuer, jti);
    return true;
  }

  /** Forgets the user's devices that have ended by themselves. Ours are read first, so that no new one is taken for ended. */
  async #sweep(userId) {
    const sql = "SELECT handle FROM provider_sessions WHERE user_id = ?";
    const noted = this.#database.prepare(sql).all(userId);
    const live = new Set((await this.#psession.devices(userId)).map(({ handle }) => handle));
    for (const { handle } of noted) if (!live.has(handle)) this.forget(handle);
  }

  #run(sql, ...values) {
    this.#database.prepare(sql).run(...values);
  }
}
