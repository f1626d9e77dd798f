import type { Clock } from "../../src/index.ts";

export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** Time that passes only when a test says so. */
export class TestClock implements Clock {
  #now: number;

  constructor(now: number = Date.UTC(2030, 0, 1)) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  advance(milliseconds: number): void {
    this.#now += milliseconds;
  }
}

let latest = Date.UTC(2030, 0, 1);

/** One that begins long after the others: for tests that begin anew on a store which still has what they marked before. */
export function laterClock(): TestClock {
  latest += 1000 * DAY;
  return new TestClock(latest);
}
