import type { Store } from "../../src/index.ts";

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

type Interceptor = (
  name: string,
  call: () => Promise<unknown>,
  values: readonly unknown[],
) => Promise<unknown>;

/** A store whose every call goes through `intercept`: for counting, failing, and for interleaving requests. */
export function intercepted(store: Store, intercept: Interceptor): Store {
  return new Proxy(store, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== "function") return member;
      return (...values: unknown[]) =>
        intercept(String(name), () => Reflect.apply(member, target, values) as Promise<unknown>, values);
    },
  });
}
