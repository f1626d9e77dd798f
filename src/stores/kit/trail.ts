import { assertUserId } from "../../checks/user-id.ts";
import { type AuditEntry, type AuditQuery, type AuditTrail, earliestAuditId } from "../audit.ts";
import type { UserIdKind } from "../store.ts";
import { entryKey, TRAIL, trailPrefix } from "./keys.ts";
import type { Steps } from "./transaction.ts";
import type { Work } from "./work.ts";

/** Entries that are read at once where many have to be looked at. */
const CHUNK = 500;

type Run = <T>(program: (work: Work) => Steps<T>) => Promise<T>;

/** The audit trail of a store over a key-value database. */
export function trailOver(run: Run, userIds: UserIdKind): AuditTrail {
  return {
    append: (entries) =>
      // biome-ignore lint/correctness/useYield: it only writes.
      run(function* (work) {
        for (const entry of entries) {
          work.put(entryKey(entry.id), entry);
          if (entry.userId !== undefined) work.put(trailPrefix(entry.userId) + entry.id, "");
        }
      }),

    prune: (before, limit) =>
      run(function* (work) {
        const old = yield* work.range<AuditEntry>({
          prefix: TRAIL,
          before: entryKey(earliestAuditId(before)),
          limit,
        });
        for (const [key, { id, userId }] of old) {
          work.delete(key);
          if (userId !== undefined) work.delete(trailPrefix(userId) + id);
        }
        return old.length;
      }),

    async read(query) {
      if (query.userId !== undefined) assertUserId(query.userId, userIds);
      return run((work) => read(work, query));
    },

    async count(since) {
      const counts = new Map<string, number>();
      let after: string | undefined;
      do {
        const entries = await run((work) =>
          work.range<AuditEntry>({
            prefix: TRAIL,
            after: after ?? entryKey(earliestAuditId(since)),
            limit: CHUNK,
          }),
        );
        for (const [, { event }] of entries) counts.set(event, (counts.get(event) ?? 0) + 1);
        after = entries.length < CHUNK ? undefined : entries.at(-1)?.[0];
      } while (after !== undefined);
      return counts;
    },
  };
}

function* read(work: Work, { userId, since = 0, before, limit }: AuditQuery): Steps<AuditEntry[]> {
  const prefix = userId === undefined ? TRAIL : trailPrefix(userId);
  const range = { prefix, after: prefix + earliestAuditId(since), before: before && prefix + before, limit };
  const found = yield* work.range<AuditEntry>({ ...range, isReverse: true });
  if (userId === undefined) return found.map(([, entry]) => entry);
  const entries: AuditEntry[] = [];
  for (const [key] of found) {
    const entry = yield* work.get<AuditEntry>(entryKey(key.slice(prefix.length)));
    if (entry !== undefined) entries.push(entry);
  }
  return entries;
}
