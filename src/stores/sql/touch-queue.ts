import type { Touch } from "../store.ts";

const MOST = 256;

/**
 * Collects the touches of requests that end at the same time, and sends them together. While one lot is on its
 * way the next one grows: under load there are few large statements instead of many small ones.
 */
export class TouchQueue {
  readonly #flush: (touches: readonly Touch[]) => Promise<void>;
  #waiting = new Map<string, Touch>();
  #next: Promise<void> | undefined;
  #isFlushing = false;
  #start: (() => void) | undefined;

  constructor(flush: (touches: readonly Touch[]) => Promise<void>) {
    this.#flush = flush;
  }

  add(touches: readonly Touch[]): Promise<void> {
    for (const touch of touches) {
      const before = this.#waiting.get(touch.sessionId);
      this.#waiting.set(touch.sessionId, before === undefined ? touch : later(before, touch));
    }
    this.#next ??= this.#schedule();
    return this.#next;
  }

  /** In lots: statements have a limit of values, and large ones hold their rows for long. */
  async #flushAll(touches: readonly Touch[]): Promise<void> {
    for (let start = 0; start < touches.length; start += MOST) {
      await this.#flush(touches.slice(start, start + MOST));
    }
  }

  #schedule(): Promise<void> {
    return new Promise<void>((resolve, reject) => {
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

/** Two requests used one session: the later use counts, and a confirmation is never dropped. */
function later(a: Touch, b: Touch): Touch {
  const [first, last] = a.lastSeenAt <= b.lastSeenAt ? [a, b] : [b, a];
  const remembered = last.remembered ?? first.remembered;
  const confirm = last.remembered?.confirm ?? first.remembered?.confirm;
  return {
    ...last,
    idleDeadline: last.idleDeadline ?? first.idleDeadline,
    remembered: remembered === undefined ? undefined : { ...remembered, confirm },
  };
}
