import type { KeptUpdate, SessionRow, Store } from "../stores/store.ts";
import { updated } from "./plan/parts.ts";

/** More than a few writers at once are no race of one browser. */
export const MOST_ATTEMPTS = 16;

/**
 * Writes to a row what `changeOf` makes of it, and again to the row as it is by then where another request was first.
 * Undefined where there is nothing to write, or no row.
 */
export async function writeToLatest(
  store: Store,
  row: SessionRow | undefined,
  changeOf: (row: SessionRow) => KeptUpdate["set"] | undefined,
): Promise<SessionRow | undefined> {
  let current = row;
  for (let attempt = 0; attempt < MOST_ATTEMPTS && current !== undefined; attempt++) {
    const set = changeOf(current);
    if (set === undefined) return undefined;
    const { id, version, userId: owner } = current;
    const update = { id, version, owner, set };
    if ((await store.apply({ kind: "save", update })).done) return updated(current, update);
    current = await store.findSession(id);
  }
  return undefined;
}
