import type { Change, ChangeResult, Store } from "./store.ts";
import { wrapped } from "./wrapped.ts";

/** A store that reports what was changed in it. */
export const watchedStore = (store: Store, report: (change: Change, result: ChangeResult) => void): Store =>
  wrapped(store, {
    // Every request runs these.
    findSession: store.findSession.bind(store),
    async apply(change) {
      const result = await store.apply(change);
      report(change, result);
      return result;
    },
  });
