import { types } from "node:util";
import { reasonOf } from "../../errors.ts";
import { warn } from "../../telemetry/warnings.ts";
import type { Callback } from "./callback-store.ts";

/** How long to wait for a store's answer, in milliseconds. */
export const STORE_TIMEOUT = 10_000;

/**
 * Calls a store with callbacks, and gives a promise. Its method may also throw, or be `async` and reject, which would
 * end the process; a store without its connection may never call back, and requests would hang.
 */
export const call = (
  work: (done: Callback) => unknown,
  limit?: number | false,
  asError?: (error: unknown) => unknown,
): Promise<void> => ask((done: (error?: unknown) => void) => work((error) => done(error)), limit, asError);

/** As `call`, for a method that gives a value. */
export function ask<Value>(
  work: (done: (error?: unknown, value?: Value) => void) => unknown,
  limit: number | false = STORE_TIMEOUT,
  asError = (error: unknown): unknown => error,
): Promise<Value> {
  return new Promise((resolve, reject) => {
    let isDone = false;
    let timer: NodeJS.Timeout | undefined;
    const done = (error?: unknown, value?: Value) => {
      isDone = true;
      clearTimeout(timer);
      if (error) reject(asError(error));
      else resolve(value as Value);
    };
    const refuse = (error: unknown) => {
      // A rejection is an error even without a reason.
      if (!isDone) done(error || new Error("The store rejected without a reason"));
      else
        warn(
          "PSESSION_STORE_REJECTED",
          `A method of the session store rejected after it had called back: ${reasonOf(error)}`,
        );
    };
    let answer: unknown;
    try {
      answer = work(done);
    } catch (error) {
      return refuse(error);
    }
    // Promises only: queries of some database libraries have a `then` as well, which runs them once more.
    if (types.isPromise(answer)) answer.then(undefined, refuse);
    // The process may end while this waits.
    if (limit !== false && !isDone)
      timer = setTimeout(
        () => done(new Error(`The store did not call back within ${limit} ms`)),
        limit,
      ).unref();
  });
}

/** For interfaces with callbacks: an error thrown by the callback is no failure of the call. */
export function callingBack(work: Promise<unknown>, callback: Callback): void {
  work.then(
    () => process.nextTick(callback),
    (error: unknown) => process.nextTick(callback, error),
  );
}
