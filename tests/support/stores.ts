import { memoryStore, PsessionError, type Store } from "../../src/index.ts";
import { type Interceptor, intercepted } from "../../src/testing/intercepted.ts";

export { intercepted };

export interface CountedStore {
  readonly store: Store;
  /** Names of the methods that were called, in order. */
  readonly calls: string[];
}

/** Records every call of a store, which is what a request costs. */
export function counted(store: Store): CountedStore {
  const calls: string[] = [];
  const count: Interceptor = (name, call) => {
    calls.push(name);
    return call();
  };
  return { store: intercepted(store, count), calls };
}

/** A memory store that counts its calls; those named in `failing` fail as if it could not be reached. */
export function failingStore(): CountedStore & { readonly failing: Set<string> } {
  const calls: string[] = [];
  const failing = new Set<string>();
  const store = intercepted(memoryStore(), async (name, call) => {
    calls.push(name);
    if (failing.has(name)) throw new PsessionError("store_unavailable", "The store is down.");
    return call();
  });
  return { store, calls, failing };
}
