import type { Change, ChangeResult, Ended, EndSelector, EraseChange, Naming, Store, Write } from "./store.ts";

/** How a store performs the four sorts of changes. */
export interface Performers {
  write(change: Write): Promise<ChangeResult>;
  revoke(selector: EndSelector): Promise<readonly Ended[]>;
  /** False where the user has no such device. */
  name(naming: Naming): Promise<boolean>;
  erase(erasure: EraseChange): Promise<readonly Ended[]>;
}

/** The result of a change, by what its kind needs. */
export function performed(change: Change, by: Performers): Promise<ChangeResult> {
  switch (change.kind) {
    case "revoke":
      return by.revoke(change).then((ended) => ({ done: true, ended }));
    case "erase":
      return by.erase(change).then((ended) => ({ done: true, ended }));
    case "name":
      return by
        .name(change)
        .then((isNamed) => (isNamed ? { done: true, ended: [] } : { done: false, conflict: "missing" }));
    default:
      return by.write(change);
  }
}

/** Ends what a selector means. */
export async function revoke(store: Pick<Store, "apply">, selector: EndSelector): Promise<readonly Ended[]> {
  const result = await store.apply({ ...selector, kind: "revoke" });
  return result.done ? result.ended : [];
}

/** False where the user has no such device. */
export const nameDevice = async (store: Pick<Store, "apply">, naming: Naming): Promise<boolean> =>
  (await store.apply({ ...naming, kind: "name" })).done;
