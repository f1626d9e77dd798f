import type { DatabaseSync } from "node:sqlite";
import type { Psession } from "psession";
import { type Attempt, type SignInAttempts, signInAttempts, type Verified } from "psession/attempts";
import type { DemoClock } from "./clock.ts";
import { Refusal } from "./refusal.ts";

const CREATE = `
  CREATE TABLE IF NOT EXISTS demo_attempts (
    key TEXT PRIMARY KEY,
    points INTEGER NOT NULL DEFAULT 0,
    expire INTEGER
  ) STRICT`;

/** Failed sign-ins, counted in the demo's own database. */
export function makeAttempts(psession: Psession, db: DatabaseSync, clock: DemoClock): SignInAttempts {
  db.exec(CREATE);
  // Waits go by the real time. Where the lab moves the demo's clock, they come nearer by as much.
  clock.onAdvance((milliseconds) => {
    db.prepare("UPDATE demo_attempts SET expire = expire - ?").run(milliseconds);
  });
  return signInAttempts(psession, { sqlite: db, name: "demo_attempts", createTable: false });
}

/** What was verified; otherwise throws `wrong`, or a Refusal that says how long to wait. */
export function passed<T>(attempt: Attempt<T>, what: "passwords" | "codes", wrong: Refusal): Verified<T> {
  switch (attempt.outcome) {
    case "passed":
      return attempt.value;
    case "failed":
      throw wrong;
    case "throttled":
      throw throttled(what, attempt.retryAfter);
  }
}

function throttled(what: "passwords" | "codes", seconds: number): Refusal {
  const minutes = Math.ceil(seconds / 60);
  const wait = minutes === 1 ? "a minute" : `${minutes} minutes`;
  const message = `Too many wrong ${what} in a row. Please try again in ${wait}.`;
  return new Refusal(429, "too_many_attempts", message, seconds);
}
