import { Refusal } from "./refusal.ts";

/** Failed passwords or codes in a row, and until when further ones are refused. */
export interface Attempts {
  readonly failures: number;
  readonly lockedUntil: number;
}

export const NO_ATTEMPTS: Attempts = { failures: 0, lockedUntil: 0 };

const FREE_FAILURES = 5;
const FIRST_LOCK = 60_000;
const LONGEST_LOCK = 15 * 60_000;

/** The fifth failure locks for a minute, every further one twice as long, up to 15 minutes. */
export function afterFailure({ failures }: Attempts, now: number): Attempts {
  const count = failures + 1;
  if (count < FREE_FAILURES) return { failures: count, lockedUntil: 0 };
  const lock = Math.min(FIRST_LOCK * 2 ** (count - FREE_FAILURES), LONGEST_LOCK);
  return { failures: count, lockedUntil: now + lock };
}

export function locked(what: "passwords" | "codes", milliseconds: number): Refusal {
  const seconds = Math.ceil(milliseconds / 1000);
  const minutes = Math.ceil(seconds / 60);
  const wait = minutes === 1 ? "a minute" : `${minutes} minutes`;
  const message = `Too many wrong ${what} in a row. Please try again in ${wait}.`;
  return new Refusal(429, "too_many_attempts", message, seconds);
}
