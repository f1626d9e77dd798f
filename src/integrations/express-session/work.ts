import { PsessionError } from "../../errors.ts";

/** What a request has under way: the response waits for all of it, and fails with what nobody else is told of. */
export class Work {
  #running: Promise<void> | undefined;
  #owed: Promise<void> | undefined;

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  async track<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#running;
    const mine = before === undefined ? work() : before.then(work);
    const settled = mine.then(
      () => {},
      () => {},
    );
    this.#running = settled;
    settled.then(() => {
      if (this.#running === settled) this.#running = undefined;
    });
    return mine;
  }

  owe(work: Promise<void>): void {
    // Ended by a parallel request: that is no fault of this one's answer.
    const owed = work.catch((error: unknown) => {
      if (!(error instanceof PsessionError && error.code === "session_ended")) throw error;
    });
    const all = this.#owed === undefined ? owed : this.#owed.then(() => owed);
    all.catch(() => {});
    owed.catch(() => {});
    this.#owed = all;
  }

  /** At once, where nothing is under way. */
  whenDone<T>(next: () => T | Promise<T>): T | Promise<T> {
    const owed = this.#owed;
    if (this.#running === undefined && owed === undefined) return next();
    this.#owed = undefined;
    return Promise.all([this.#running, owed]).then(next);
  }
}
