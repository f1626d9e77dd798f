import type { Events } from "../events.ts";
import type { Settings } from "../options/settings.ts";

const MINUTE = 60_000;
/** How long a comparison holds, and one that failed or found a difference. */
const EVERY = 15 * MINUTE;
const AGAIN = MINUTE;

/** Both times, where this process's clock and the store's differ by more than servers may. */
export interface ClockDifference {
  readonly at: number;
  readonly storeTime: number;
}

/** Undefined where they agree, or where there is nothing to compare: a store without a clock, a clock of its own. */
export async function clockDifference({
  store,
  clock,
  isSystemClock,
  times,
}: Pick<Settings, "store" | "clock" | "isSystemClock" | "times">): Promise<ClockDifference | undefined> {
  if (!isSystemClock || store.clock === undefined) return undefined;
  const before = clock.now();
  const storeTime = await store.clock();
  const after = clock.now();
  // The server read its clock somewhere between the two.
  const agrees = storeTime >= before - times.skew && storeTime <= after + times.skew;
  return agrees ? undefined : { at: after, storeTime };
}

/**
 * Compares this process's clock with the store's, from time to time. One that is a month ahead takes all rows
 * for garbage and all cookies for expired, and what it deletes does not come back.
 */
export class ClockWatch {
  readonly #settings: Settings;
  readonly #events: Events;
  readonly #isComparable: boolean;
  #isRight = false;
  /** What was found holds between these, by this process's clock, which may jump either way. */
  #since = 0;
  #until = 0;
  #running: Promise<boolean> | undefined;

  constructor(settings: Settings, events: Events) {
    this.#settings = settings;
    this.#events = events;
    this.#isComparable = settings.isSystemClock && settings.store.clock !== undefined;
  }

  /** Whether expired rows may be treated as expired: not before a comparison, and not after a jump. */
  isRightAt(now: number): boolean {
    return !this.#isComparable || (this.#isRight && this.#holdsAt(now));
  }

  /** A request has read the store. It neither waits for the comparison nor fails with it. */
  noteRead(now: number): void {
    if (this.#isComparable && !this.#holdsAt(now)) this.compare().catch(() => {});
  }

  /** Asks the store now, and returns whether the clocks agree; emits `clockDiffers` where they do not. */
  async compare(): Promise<boolean> {
    if (!this.#isComparable) return true;
    this.#running ??= this.#compare().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #compare(): Promise<boolean> {
    this.#isRight = false;
    this.#holdsFor(AGAIN);
    const difference = await clockDifference(this.#settings);
    this.#isRight = difference === undefined;
    if (difference === undefined) this.#holdsFor(EVERY);
    else this.#events.emit("clockDiffers", difference);
    return this.#isRight;
  }

  #holdsAt(now: number): boolean {
    return now >= this.#since && now < this.#until;
  }

  #holdsFor(milliseconds: number): void {
    this.#since = this.#settings.clock.now();
    this.#until = this.#since + milliseconds;
  }
}
