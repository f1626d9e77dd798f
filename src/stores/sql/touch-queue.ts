import type { Touch } from "../store.ts";

const MOST = 256;

type Flush = (touches: readonly Touch[]) => Promise<void>;
/** Whether a failure concerns every touch alike, so that trying each alone is of no use. */
type IsOutage = (error: unknown) => boolean;
/** Why touches were not recorded, by session. */
type Failures = ReadonlyMap<string, unknown>;

/** One touch that the database refuses must not keep the others from being recorded: halving the lot finds it. */
export async function touchInParts(
  touches: readonly Touch[],
  flush: Flush,
  isOutage: IsOutage,
  failures: Map<string, unknown>,
): Promise<void> {
  try {
    await flush(touches);
  } catch (error) {
    if (touches.length > 1 && !isOutage(error)) {
      const half = Math.ceil(touches.length / 2);
      for (const part of [touches.slice(0, half), touches.slice(half)])
        await touchInParts(part, flush, isOutage, failures);
    } else for (const { sessionId } of touches) failures.set(sessionId, error);
  }
}

export function throwFirst(touches: readonly Touch[], failures: Failures): void {
  if (failures.size === 0) return;
  const failed = touches.find(({ sessionId }) => failures.has(sessionId));
  if (failed !== undefined) throw failures.get(failed.sessionId);
}

/**
 * Collects the touches of requests that end at the same time, and sends them together. While one lot is on its
 * way the next one grows: under load there are few large statements instead of many small ones.
 */
export class TouchQueue {
  readonly #flush: Flush;
  readonly #isOutage: IsOutage;
  #waiting = new Map<string, Touch>();
  #next: Promise<Failures> | undefined;
  #isFlushing = false;
  #start: (() => void) | undefined;

  constructor(flush: Flush, isOutage: IsOutage) {
    this.#flush = flush;
    this.#isOutage = isOutage;
  }

  /** Throws where one of these was not recorded, whatever became of the others in its lot. */
  async add(touches: readonly Touch[]): Promise<void> {
    for (const touch of touches) {
      const before = this.#waiting.get(touch.sessionId);
      this.#waiting.set(touch.sessionId, before === undefined ? touch : later(before, touch));
    }
    this.#next ??= this.#schedule();
    throwFirst(touches, await this.#next);
  }

  /** In lots: statements have a limit of values, and large ones hold their rows for long. */
  async #flushAll(touches: readonly Touch[]): Promise<Failures> {
    const failures = new Map<string, unknown>();
    for (let start = 0; start < touches.length; start += MOST) {
      await touchInParts(touches.slice(start, start + MOST), this.#flush, this.#isOutage, failures);
    }
    return failures;
  }

  #schedule(): Promise<Failures> {
    return new Promise<Failures>((resolve, reject) => {
      this.#start = () => {
        // In one order everywhere, as two processes that touch the same rows would otherwise lock each other out.
        const touches = [...this.#waiting.values()].sort((a, b) => (a.sessionId < b.sessionId ? -1 : 1));
        this.#waiting = new Map();
        this.#next = undefined;
        this.#start = undefined;
        this.#isFlushing = true;
        this.#flushAll(touches)
          .then(resolve, reject)
          .finally(() => {
            this.#isFlushing = false;
            this.#start?.();
          });
      };
      setImmediate(() => {
        if (!this.#isFlushing) this.#start?.();
      });
    });
  }
}

/** Two requests used one session: the later use counts, the longer life, and a confirmation is never dropped. */
function later(a: Touch, b: Touch): Touch {
  const [first, last] = a.lastSeenAt <= b.lastSeenAt ? [a, b] : [b, a];
  const remembered = last.remembered ?? first.remembered;
  const confirm = last.remembered?.confirm ?? first.remembered?.confirm;
  return {
    ...last,
    idleDeadline: last.idleDeadline ?? first.idleDeadline,
    // A sign-in may have come between the two, and what an earlier request gives is less than that.
    pruneAfter: Math.max(first.pruneAfter, last.pruneAfter),
    remembered: remembered === undefined ? undefined : { ...remembered, confirm },
  };
}
