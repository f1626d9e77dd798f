import { shardKeyOf } from "../protocol/secrets.ts";
import type { BrowseResult, UserEntry } from "./store.ts";

const shardKeyOfEntry = ({ session, login }: UserEntry): string => shardKeyOf(session?.id ?? login?.id ?? "");

/** Comes after every id of a shard key, and before those of the next: ids are base64url. */
export const past = (shardKey: string): string => `${shardKey}~`;

/**
 * A page of what was read, in the order of shard keys and cut between two of them. A session and its login share one, so
 * a device is read as a whole, and comes once, whichever of its rows come and go between two pages. `reached` is the
 * last key that was read, undefined where nothing is left.
 */
export function cutPage(
  read: readonly UserEntry[],
  limit: number,
  reached: string | undefined,
): BrowseResult {
  const byTag = [...Map.groupBy(read, shardKeyOfEntry)].sort(([a], [b]) => (a < b ? -1 : 1));
  const entries: UserEntry[] = [];
  let last: string | undefined;
  for (const [tag, group] of byTag) {
    if (entries.length > 0 && entries.length + group.length > limit) return { entries, next: last };
    entries.push(...group);
    last = tag;
  }
  return { entries, next: reached };
}
