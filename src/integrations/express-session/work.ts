import { PsessionError } from "../../errors.ts";

const ignore = () => {};

/** A request's pending calls: the response waits for all, and fails with errors that reached no callback or promise. */
export class Work {
  #running: Promise<void> | undefined;
  #owed: Promise<void> | undefined;

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  async track<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#running;
    const mine = before === undefined ? work() : before.then(work);
    const settled = mine.then(ignore, ignore);
    this.#running = settled;
    settled.then(() => {
      if (this.#running === settled) this.#running = undefined;
    });
    return mine;
  }

  owe(work: Promise<void>): void {
    // A parallel request ended the session, which is no error of this one.
    const owed = work.catch((error: unknown) => {
      if (!(error instanceof PsessionError && error.code === "session_ended")) throw error;
    });
    const all = this.#owed === undefined ? owed : this.#owed.then(() => owed);
    all.catch(ignore);
    owed.catch(ignore);
    this.#owed = all;
  }

  /** At once, if nothing is under way. */
  whenDone<T>(next: () => T | Promise<T>): T | Promise<T> {
    const owed = this.#owed;
    if (this.#running === undefined && owed === undefined) return next();
    this.#owed = undefined;
    return Promise.all([this.#running, owed]).then(next);
  }
}
