import type { Store } from "../../src/index.ts";
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
