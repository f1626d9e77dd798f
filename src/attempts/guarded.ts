import { PsessionError } from "../errors.ts";
import { facets } from "../stores/sql/syntax.ts";
import type { AttemptCount, AttemptLimiter } from "./counters.ts";

/** How long to wait before a statement that met another one is tried again; what is between them takes about a millisecond. */
const WAITS = [1, 2, 5, 10, 20, 50];

/**
 * A limiter whose answers are checked, whose calls end in time, and that is tried again where parallel attempts got into
 * each other's way: an attacker could provoke that, and would be counted elsewhere.
 */
export function guarded(limiter: AttemptLimiter, timeout: number): AttemptLimiter {
  const call = <R>(work: () => Promise<R>) => persistently(work, timeout);
  return {
    get: async (key) => {
      const count = await call(() => limiter.get(key));
      return count === null || count === undefined ? null : checked(count);
    },
    penalty: async (...given) => checked(await call(() => limiter.penalty(...given))),
    reward: async (...given) => checked(await call(() => limiter.reward(...given))),
    delete: (key) => call(() => limiter.delete(key)),
  };
}

/** Calls again where parallel calls got into each other's way, as long as there is time. */
export async function persistently<R>(work: () => Promise<R>, timeout: number): Promise<R> {
  const until = performance.now() + timeout;
  for (let turn = 0; ; turn++) {
    try {
      return await inTime(work(), until - performance.now(), timeout);
    } catch (error) {
      const wait = (WAITS[turn] ?? 50) * (0.5 + Math.random());
      if (!isContention(error) || performance.now() + wait >= until) throw error;
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
}

/** Drivers that have lost their server hold commands back, some for ever. */
function inTime<R>(call: Promise<R>, left: number, timeout: number): Promise<R> {
  return new Promise((resolve, reject) => {
    const late = () =>
      reject(
        new PsessionError(
          "store_unavailable",
          `The counters of sign-in attempts did not answer within ${timeout} ms.`,
        ),
      );
    const timer = setTimeout(late, Math.max(left, 0));
    call.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** Deadlocks, serialization failures and locks, of MySQL, MariaDB, PostgreSQL and SQLite; and a table that another makes. */
function isContention(error: unknown): boolean {
  const { code, errno = 0, message } = facets(error);
  return (
    [1205, 1213, 1020, 1050].includes(errno) ||
    /^(40001|40P01|55P03|42P07|42710|23505|SQLITE_(BUSY|LOCKED).*)$/.test(code) ||
    /database (table )?is locked/.test(message)
  );
}

/** A pool with other settings has rows in which there is no number, and no number is above a limit. */
function checked(count: AttemptCount): AttemptCount {
  const consumedPoints = Number(count?.consumedPoints ?? Number.NaN);
  const msBeforeNext = Number(count?.msBeforeNext ?? Number.NaN);
  if (Number.isSafeInteger(consumedPoints) && Number.isFinite(msBeforeNext))
    return { consumedPoints, msBeforeNext };
  throw new PsessionError(
    "store_misread",
    "The counters of sign-in attempts answer with no numbers: give psession/attempts a pool or client whose rows are objects, without conversions of its own.",
  );
}
