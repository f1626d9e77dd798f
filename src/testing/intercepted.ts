import type { Store } from "../stores/store.ts";

export type Interceptor = (
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
