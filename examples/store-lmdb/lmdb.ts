// Sessions in LMDB, with the kit of psession/store. docs/stores/your-own.md explains it.
import { open, type RootDatabase } from "lmdb";
import type { Store } from "psession";
import { type Range, storeOver, type Transaction } from "psession/store";

export interface LmdbOptions {
  /** A folder of its own; processes may share it. */
  path: string;
  audit?: boolean;
}

export function lmdbStore({ path, audit = false }: LmdbOptions): Store {
  const database: RootDatabase<string, string> = open({ path, encoding: "string" });
  const access = accessTo(database);
  return storeOver({
    name: "lmdb",
    audit,
    // One writer at a time, across processes. The kit writes at the end only, so there is nothing to undo.
    transaction: (work) => database.transaction(() => work(access)),
    // Reads of one turn of the event loop see the same snapshot.
    read: (work) => work(access),
    close: () => database.close(),
  });
}

const accessTo = (database: RootDatabase<string, string>): Transaction => ({
  get: (key) => database.get(key),
  put: (key, value) => void database.put(key, value),
  delete: (key) => void database.remove(key),
  range(range) {
    const entries = Array.from(database.getRange(boundsOf(range)), ({ key, value }) => [key, value] as const);
    return entries.slice(0, range.limit);
  },
});

/** LMDB's own bounds: from the start, which is excluded if it is `after`, up to the end, which is excluded. */
function boundsOf({ prefix, after, before, isReverse = false, limit }: Range) {
  const low = after === undefined ? prefix : `${after}\0`;
  const high = before ?? `${prefix}\uffff`;
  const bounds = isReverse ? { start: high, end: low, reverse: true } : { start: low, end: high };
  // In reverse, the upper bound is included.
  return {
    ...bounds,
    exclusiveStart: isReverse,
    inclusiveEnd: isReverse,
    ...(limit === undefined ? {} : { limit }),
  };
}
