import assert from "node:assert/strict";
import { type AuditEntry, newAuditId } from "../../stores/audit.ts";
import { T0 } from "../rows.ts";
import { type CaseFixture, type Cases, pick } from "./fixture.ts";

export const entry = (at: number, fields: Partial<AuditEntry> = {}): AuditEntry => ({
  id: newAuditId(at),
  at,
  event: "login",
  userId: undefined,
  actorId: undefined,
  handle: undefined,
  address: undefined,
  detail: undefined,
  ...fields,
});

export const byId = (entries: readonly AuditEntry[]): AuditEntry[] =>
  entries.toSorted((a, b) => (a.id < b.id ? 1 : -1));

/** A hundred and one entries of ada, bob and anonymous visitors, one a second. */
function someEntries({ ada, bob }: CaseFixture): AuditEntry[] {
  return Array.from({ length: 101 }, (_, index) =>
    entry(T0 + index * 1000, {
      userId: [ada, bob, undefined][index % 3],
      event: index % 10 === 0 ? "theft" : "login",
      handle: index % 2 === 0 ? "AAAAAAbbbbbbbbbbbbbbbb" : undefined,
      address: index % 2 === 0 ? "2001:db8::1" : undefined,
      detail: index % 4 === 0 ? "caf\u00e9, 'quoted'" : undefined,
    }),
  );
}

/** What an audit trail keeps, of stores that have one. */
export const audit: Cases = {
  "audit entries come back as they were, newest first, by user, by time and in pages": async (fixture) => {
    const { store, all, ada } = fixture;
    if (store.audit === undefined) return;
    assert.deepEqual(await store.audit.read({ limit: 10 }), []);
    const entries = someEntries(fixture);
    await store.audit.append(entries.slice(0, 100));
    await pick(all, 1).audit?.append(entries.slice(100));
    const newest = byId(entries);
    assert.deepEqual(await store.audit.read({ limit: 1000 }), newest);
    assert.deepEqual(await store.audit.read({ limit: 7 }), newest.slice(0, 7));
    const before = newest[6]?.id;
    assert.deepEqual(await store.audit.read({ before, limit: 7 }), newest.slice(7, 14));
    assert.deepEqual(
      await store.audit.read({ userId: ada, limit: 1000 }),
      newest.filter(({ userId }) => userId === ada),
    );
    const since = T0 + 50_000;
    assert.deepEqual(
      await store.audit.read({ userId: ada, since, before, limit: 1000 }),
      newest.filter(({ userId, at, id }) => userId === ada && at >= since && id < (before ?? "")),
    );
  },

  "an audit trail distinguishes users whose ids are alike": async ({ store }) => {
    if (store.audit === undefined || (store.userIds !== "any" && store.userIds !== "text")) return;
    const entries = ["ada", "ada ", "Ada"].map((userId, index) => entry(T0 + index, { userId }));
    await store.audit.append(entries);
    for (const kept of entries) {
      const { userId } = kept;
      assert.deepEqual(await store.audit.read({ userId, limit: 1 }), [kept]);
      assert.deepEqual(await store.audit.read({ userId, limit: 10 }), [kept]);
    }
  },

  "an audit entry that is appended again, alone or among others, is there once": async (fixture) => {
    const { store, all } = fixture;
    if (store.audit === undefined) return;
    const entries = someEntries(fixture).slice(0, 20);
    await store.audit.append(entries.slice(3, 9));
    await Promise.all([store.audit.append(entries), pick(all, 1).audit?.append(entries)]);
    await store.audit.append(entries.slice(0, 1));
    await store.audit.append([]);
    assert.deepEqual(await store.audit.read({ limit: 1000 }), byId(entries));
  },

  "audit entries are counted by event, and pruned by age, the oldest first": async (fixture) => {
    const { store, ada } = fixture;
    if (store.audit === undefined) return;
    const entries = someEntries(fixture);
    await store.audit.append(entries);
    const counts = Object.fromEntries(await store.audit.count(T0 + 50_000));
    assert.deepEqual(counts, { theft: 6, login: 45 });
    assert.equal(await store.audit.prune(T0 + 10_000, 4), 4);
    assert.deepEqual(byId(await store.audit.read({ limit: 1000 })), byId(entries.slice(4)));
    assert.equal(await store.audit.prune(T0 + 10_000, 100), 6);
    assert.equal(await store.audit.prune(T0 + 10_000, 100), 0);
    assert.deepEqual(await store.audit.read({ limit: 1000 }), byId(entries.slice(10)));
    assert.deepEqual(
      await store.audit.read({ userId: ada, limit: 1000 }),
      byId(entries.slice(10)).filter(({ userId }) => userId === ada),
    );
  },
};
