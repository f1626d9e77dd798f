import { type Duration, parseDuration } from "../checks/duration.ts";
import { PsessionError } from "../errors.ts";
import type { Clock } from "../protocol/clock.ts";

/** The last moment that a Date can hold (ECMA-262, 21.4.1.1). */
const LAST = 8.64e15;

/** A clock that a test moves. */
export class TestClock implements Clock {
  #now: number;

  /** @internal */
  constructor(start: number) {
    this.#now = start;
  }

  /**
   * Epoch milliseconds. Every reading is a millisecond later than the one before, so that what happened later is later:
   * psession refuses a sign-in of the very millisecond in which the password was changed.
   */
  now(): number {
    return this.#now++;
  }

  /** Moves the clock forward by milliseconds, or by text such as "90s", "15m", "12h", "3d". */
  advance(by: Duration): void {
    const passed = parseDuration(by);
    if (passed === undefined || this.#now + passed > LAST) {
      throw new PsessionError(
        "invalid_options",
        'advance: by must be a duration, such as 60000 or "3d". A clock does not go back: begin earlier.',
      );
    }
    this.#now += passed;
  }
}

/** A clock for the option `clock` that stands still until a test moves it. `start`: a Date or epoch milliseconds; default: now. */
export function testClock(start: Date | number = Date.now()): TestClock {
  const time = start instanceof Date ? start.getTime() : start;
  if (typeof time === "number" && Math.abs(time) <= LAST) return new TestClock(Math.trunc(time));
  throw new PsessionError(
    "invalid_options",
    "testClock: start must be a Date or a time in epoch milliseconds.",
  );
}
