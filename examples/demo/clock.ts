import type { DatabaseSync } from "node:sqlite";
import type { Clock } from "psession";

/** The real time plus an offset that the lab moves ahead. */
export class DemoClock implements Clock {
  readonly #db: DatabaseSync;
  #offset: number;
  readonly #listeners: ((milliseconds: number) => void)[] = [];

  constructor(db: DatabaseSync) {
    this.#db = db;
    db.exec(
      "CREATE TABLE IF NOT EXISTS demo_clock (id INTEGER PRIMARY KEY CHECK (id = 1), offset INTEGER NOT NULL)",
    );
    // Kept over a restart, or the sessions stored meanwhile would lie in the future.
    this.#offset = Number(db.prepare("SELECT offset FROM demo_clock").get()?.["offset"] ?? 0);
  }

  now(): number {
    return Date.now() + this.#offset;
  }

  /** Called with how far the clock was moved ahead. */
  onAdvance(listener: (milliseconds: number) => void): void {
    this.#listeners.push(listener);
  }

  advance(milliseconds: number): void {
    this.#offset += milliseconds;
    for (const listener of this.#listeners) listener(milliseconds);
    this.#db
      .prepare(
        "INSERT INTO demo_clock (id, offset) VALUES (1, ?) ON CONFLICT DO UPDATE SET offset = excluded.offset",
      )
      .run(this.#offset);
  }
}
