import type { Store } from "./store.ts";

/** Every part of a store, so that none is forgotten here that not all of them have. */
type Whole = { readonly [K in keyof Required<Store>]: Store[K] };

/** A store of which some parts are replaced; the others go on to it. */
export function wrapped(store: Store, parts: Partial<Store>): Store {
  const { name, userIds, locks, channel, admin, audit } = store;
  const whole: Whole = {
    ...{ name, userIds, locks, channel, admin, audit },
    findSession: (id) => store.findSession(id),
    findRemembered: (id) => store.findRemembered(id),
    list: (userId) => store.list(userId),
    rowsOf: (userId) => store.rowsOf(userId),
    apply: (change) => store.apply(change),
    touch: (touches) => store.touch(touches),
    prune: (now, limit) => store.prune(now, limit),
    forgetAddresses: store.forgetAddresses?.bind(store),
    clock: store.clock?.bind(store),
    migrate: store.migrate?.bind(store),
    close: store.close?.bind(store),
  };
  return { ...whole, ...parts };
}
