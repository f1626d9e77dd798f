import { hasMethods } from "../checks/shape.ts";
import type { Store } from "../stores/store.ts";

const STORE_METHODS = ["findSession", "findRemembered", "list", "rowsOf", "apply", "touch", "prune"] as const;

/** @internal */
export function isStore(value: unknown): value is Store {
  return hasMethods(value, STORE_METHODS);
}

/** The contract, for authors of stores. */
const STORE_INTERFACE =
  "the interface is Store of psession/store, and storeContract of psession/testing holds a store to it (docs/stores/your-own.md)";

/** What is wrong with something that is no psession store: many applications have another library's already. */
export function storeFault(value: unknown): string {
  if (hasMethods(value, ["get", "set"])) {
    return (
      "has get and set, as stores of other session libraries have: there is no conditional write in it, so a request " +
      "under way would bring back a session that was ended, and parallel ones would overwrite each other. Take a store " +
      `of psession's, or write one over your database: ${STORE_INTERFACE}`
    );
  }
  const missing = STORE_METHODS.filter((name) => !hasMethods(value, [name]));
  if (missing.length < STORE_METHODS.length) return `has no ${missing.join(", ")}: ${STORE_INTERFACE}`;
  return "must be a store, such as memoryStore() or sqliteStore({ path })";
}
