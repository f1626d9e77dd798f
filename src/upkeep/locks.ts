import { randomUUID } from "node:crypto";
import * as v from "valibot";
import { type Duration, isDuration, LONGEST_WAIT } from "../checks/duration.ts";
import { inMilliseconds } from "../checks/duration-options.ts";
import { invalidOptions, readOptions } from "../checks/faults.ts";
import { isText, textOf } from "../checks/given.ts";
import { PsessionError } from "../errors.ts";
import type { Clock } from "../protocol/clock.ts";
import { locksOf } from "../stores/locks.ts";
import type { Store } from "../stores/store.ts";
import { Turns } from "../stores/turns.ts";

/** Limits of a lock, in milliseconds. */
export interface LockTimes {
  /** After this long others may take the lock, whatever its holder does: it may have died. */
  readonly hold: number;
  /** The longest to wait for it. */
  readonly wait: number;
}

/** How long a lock is held, and waited for. */
export interface LockOptions {
  /** After this long others may take the lock, whatever its holder does: it may have died. Default: "30s". */
  hold?: Duration | undefined;
  /** The longest to wait for it. Default: "10s". */
  wait?: Duration | undefined;
}

/** A lock that is held. */
export interface HeldLock {
  /** Grows with every taking of this name. */
  readonly fence: number;
  /** Releases the lock; where the store fails, it expires after `hold`. */
  release(): Promise<void>;
}

const LONGEST_NAME = 128;

const time = (least: number, fallback: number, message: string) =>
  v.optional(
    v.pipe(
      v.custom<Duration>((value) => isDuration(value, least, LONGEST_WAIT), message),
      inMilliseconds,
    ),
    fallback,
  );
const lockTimes = v.strictObject({
  // A lock that has expired when it is taken would protect nothing.
  hold: time(1, 30_000, "must be a positive duration of at most a day"),
  wait: time(0, 10_000, "must be a duration of at most a day"),
});

/** Checks the name of a lock as well. */
export function resolveLock(name: unknown, options: LockOptions): LockTimes {
  const faults = isText(name, LONGEST_NAME) ? [] : [`name must be ${textOf(LONGEST_NAME)}`];
  return resolveLimits("A lock", options, faults);
}

/** Checks the limits that an application asks for. `faults`: what else is wrong. */
export function resolveLimits(who: string, options: LockOptions, faults: readonly string[] = []): LockTimes {
  const { parsed, faults: others } = readOptions(lockTimes, options);
  const all = [...faults, ...others];
  if (!parsed.success || all.length > 0) throw invalidOptions(who, all);
  return parsed.output;
}

/** The store is asked again after waits of this many milliseconds: most locks are held for a request's time. */
const WAITS = [2, 5, 10, 20, 50];

/**
 * Locks by name, across all processes that share a store. Within this process callers queue up first, so that the
 * store is asked by one of them at a time, and the order in which they came is kept. No connection is held while a
 * lock is: it is a row with an end, or callers that wait for one more could use up a pool of connections.
 */
export class Locks {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #turns = new Turns();

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** Throws `lock_timeout` where it was not acquired within `wait`. */
  async take(name: string, limits: LockTimes): Promise<HeldLock> {
    const giveUpAt = performance.now() + limits.wait;
    const turn = await this.#turns.enter(name, limits.wait);
    if (turn === undefined) throw timedOut(name);
    try {
      // Not of the ids that Node keeps ahead: processes that start from one snapshot would be the same owner.
      const owner = randomUUID({ disableEntropyCache: true });
      const fence = await this.#acquire(name, owner, limits.hold, giveUpAt);
      // A holder that hangs holds up those behind it no longer than those of other processes.
      const expiry = setTimeout(turn.end, limits.hold).unref();
      return {
        fence,
        release: async () => {
          try {
            await locksOf(this.#store).release(name, owner);
          } finally {
            clearTimeout(expiry);
            turn.end();
          }
        },
      };
    } catch (error) {
      turn.end();
      throw error;
    }
  }

  async #acquire(name: string, owner: string, hold: number, giveUpAt: number): Promise<number> {
    for (let attempt = 0; ; attempt++) {
      const now = this.#clock.now();
      const fence = await locksOf(this.#store).acquire({ name, owner, now, until: now + hold });
      if (fence !== undefined) return fence;
      const wait = (WAITS[Math.min(attempt, WAITS.length - 1)] ?? 50) * (0.5 + Math.random());
      if (performance.now() + wait >= giveUpAt) throw timedOut(name);
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
}

/** Nothing was done, and earlier callers finish soon: a client may try again. */
const timedOut = (name: string): PsessionError =>
  new PsessionError("lock_timeout", `The lock ${name} was held by others for too long.`, {
    status: 503,
    retryAfter: 1,
  });
