import { assertUserId } from "../../checks/user-id.ts";
import { realmOf } from "../../protocol/secrets.ts";
import { type AuditEntry, type AuditQuery, type AuditTrail, earliestAuditId } from "../audit.ts";
import { erasedEntry, erasureName, erasuresOf, unerased } from "../erasure.ts";
import type { Mark, UserIdKind } from "../store.ts";
import { marked } from "./apply.ts";
import { actorPrefix, entryKey, markKey, TRAIL, trailPrefix } from "./keys.ts";
import type { Steps } from "./transaction.ts";
import type { Work } from "./work.ts";

/** Entries that are read at once where many have to be looked at. */
const CHUNK = 500;

type Run = <T>(program: (work: Work) => Steps<T>) => Promise<T>;

/** The audit trail of a store over a key-value database. */
export function trailOver(run: Run, userIds: UserIdKind): AuditTrail {
  return {
    append: (entries) =>
      run(function* (work) {
        const marks = new Map<string, Mark | undefined>();
        for (const name of new Set(entries.flatMap(erasuresOf)))
          marks.set(name, yield* work.get<Mark>(markKey(name)));
        for (const given of entries) {
          const entry = unerased(given, (name) => (marks.get(name)?.at ?? -1) >= given.at);
          if (entry !== undefined) put(work, entry);
        }
      }),

    async erase(erasure) {
      const { userId, realm, at, until } = erasure;
      assertUserId(userId, userIds);
      await run((work) => marked(work, { name: erasureName(userId, realm), at, until }));
      let count = 0;
      for (const prefix of [trailPrefix(userId), actorPrefix(userId)]) {
        let after: string | undefined;
        do {
          const part = await run(function* (work) {
            // A database may run this again.
            let own = 0;
            const found = (yield* work.range({ prefix, after, limit: CHUNK })).map(([key]) => key);
            for (const key of found) {
              const entry = yield* work.get<AuditEntry>(entryKey(key.slice(prefix.length)));
              if (entry === undefined || realmOf(entry.id) !== realm) continue;
              drop(work, entry);
              const left = erasedEntry(entry, erasure);
              if (left !== undefined) put(work, left);
              if (entry.userId === userId) own++;
            }
            return { own, last: found.length < CHUNK ? undefined : found.at(-1) };
          });
          count += part.own;
          after = part.last;
        } while (after !== undefined);
      }
      return count;
    },

    forgetAddresses: ({ before, realm, after, limit }) =>
      run(function* (work) {
        const end = entryKey(earliestAuditId(before));
        const found = yield* work.range<AuditEntry>({ prefix: TRAIL, after, before: end, limit });
        const old = found.flatMap(([, entry]) =>
          entry.address !== undefined && realmOf(entry.id) === realm ? entry : [],
        );
        for (const entry of old) put(work, { ...entry, address: undefined });
        return { count: old.length, next: found.length < limit ? undefined : found.at(-1)?.[0] };
      }),

    prune: (before, limit) =>
      run(function* (work) {
        const old = yield* work.range<AuditEntry>({
          prefix: TRAIL,
          before: entryKey(earliestAuditId(before)),
          limit,
        });
        for (const [, entry] of old) drop(work, entry);
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

function put(work: Work, entry: AuditEntry): void {
  work.put(entryKey(entry.id), entry);
  for (const key of leadingTo(entry)) work.put(key, "");
}

function drop(work: Work, entry: AuditEntry): void {
  for (const key of [entryKey(entry.id), ...leadingTo(entry)]) work.delete(key);
}

const leadingTo = ({ id, userId, actorId }: AuditEntry): string[] => [
  ...(userId === undefined ? [] : [trailPrefix(userId) + id]),
  ...(actorId === undefined ? [] : [actorPrefix(actorId) + id]),
];

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
