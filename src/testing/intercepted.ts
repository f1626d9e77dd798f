import type { Store } from "../stores/store.ts";

export type Interceptor = (
  name: string,
  call: () => Promise<unknown>,
  values: readonly unknown[],
) => Promise<unknown>;

/**
 * A store whose every call goes through `intercept`: for counting, failing, and for interleaving requests. `name` is that of
 * the method; of its locks "acquireLock" and "releaseLock".
 */
export const intercepted = (store: Store, intercept: Interceptor): Store => through(store, intercept, "");

function through<Target extends object>(target: Target, intercept: Interceptor, suffix: string): Target {
  return new Proxy(target, {
    get(_, name) {
      const member: unknown = Reflect.get(target, name);
      if (name === "locks" && typeof member === "object" && member !== null)
        return through(member, intercept, "Lock");
      if (typeof member !== "function") return member;
      return (...values: unknown[]) =>
        intercept(
          String(name) + suffix,
          () => Reflect.apply(member, target, values) as Promise<unknown>,
          values,
        );
    },
  });
}
