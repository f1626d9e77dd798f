import { randomUUID } from "node:crypto";
import { PsessionError } from "../../errors.ts";
import type { KeyValueDatabase } from "./database.ts";
import type { Range, Transaction } from "./transaction.ts";

/** A database without transactions that one can talk in, but with writes on conditions, all of them or none. */
export interface ConditionalDatabase {
  get(key: string): PromiseLike<string | undefined>;
  range(range: Range): PromiseLike<Iterable<readonly [key: string, value: string]>>;
  /**
   * Writes everything (undefined deletes) if every key of `seen` still has that value (undefined: is not there); without
   * writes it only compares. False where one has not: then nothing was written. Throws where the outcome is unknown.
   */
  commit(
    seen: ReadonlyMap<string, string | undefined>,
    writes: ReadonlyMap<string, string | undefined>,
  ): PromiseLike<boolean>;
}

const ATTEMPTS = 100;

/** What users have, and what else names them: a transaction that reads a list of it must notice what is added meanwhile. */
const LISTS = /^[uw]\/[^/]+\//;

/**
 * Transactions by comparing: what was read must be unchanged when the writes come, or the work runs again. Each user's
 * list has a counter beside it, as comparing the entries that were read misses new ones.
 */
export function optimistic(database: ConditionalDatabase): KeyValueDatabase["transaction"] {
  return async (work) => {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const seen = new Map<string, string | undefined>();
      const writes = new Map<string, string | undefined>();
      let isList = false;
      const note = async (key: string) => {
        if (!seen.has(key)) seen.set(key, await database.get(key));
        return seen.get(key);
      };
      const write = (key: string, value: string | undefined) => {
        writes.set(key, value);
        const [list] = LISTS.exec(key) ?? [];
        if (list !== undefined) writes.set(counterOf(list), JSON.stringify(randomUUID()));
      };
      const transaction: Transaction = {
        get: note,
        put: write,
        delete: (key) => write(key, undefined),
        async range(range) {
          isList = true;
          // Before the list, so that an addition between the two is noticed.
          if (LISTS.test(range.prefix)) await note(counterOf(range.prefix));
          return database.range(range);
        },
      };
      const result = await work(transaction);
      // A login and its session belong together. Of a list each entry stands for itself.
      const isLoose = writes.size === 0 && (seen.size < 2 || isList);
      if (isLoose || (await database.commit(seen, writes))) return result;
    }
    throw new PsessionError(
      "store_unavailable",
      `A change was tried ${ATTEMPTS} times, and conflicted with another one each time.`,
    );
  };
}

const counterOf = (list: string): string => `n/${list}`;
