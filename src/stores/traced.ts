import { isHeard, type StoreContext, storeCalls, traced } from "../telemetry/tracing.ts";
import type { Store } from "./store.ts";
import { wrapped } from "./wrapped.ts";

type Call = Pick<StoreContext, "operation" | "change">;

/** Publishes each store call on a diagnostics channel; without a subscriber, calls go straight to the store. */
export function tracedStore(store: Store): Store {
  // Every request runs this: it makes no context without a subscriber.
  const publish = <T>(call: Call, run: () => Promise<T>): Promise<T> =>
    isHeard(storeCalls) ? traced(storeCalls, { store: store.name, ...call }, async () => run()) : run();
  const { locks, forgetAddresses: forget } = store;
  return wrapped(store, {
    findSession: (id) =>
      isHeard(storeCalls)
        ? publish({ operation: "findSession" }, () => store.findSession(id))
        : store.findSession(id),
    findRemembered: (id) => publish({ operation: "findRemembered" }, () => store.findRemembered(id)),
    list: (userId) => publish({ operation: "list" }, () => store.list(userId)),
    rowsOf: (userId) => publish({ operation: "rowsOf" }, () => store.rowsOf(userId)),
    apply: (change) => publish({ operation: "apply", change: change.kind }, () => store.apply(change)),
    touch: (touches) => publish({ operation: "touch" }, () => store.touch(touches)),
    prune: (now, limit) => publish({ operation: "prune" }, () => store.prune(now, limit)),
    forgetAddresses:
      forget && ((page) => publish({ operation: "forgetAddresses" }, () => forget.call(store, page))),
    locks: locks && {
      acquire: (lock) => publish({ operation: "acquireLock" }, () => locks.acquire(lock)),
      release: (name, owner) => publish({ operation: "releaseLock" }, () => locks.release(name, owner)),
    },
  });
}
