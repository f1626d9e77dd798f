import assert from "node:assert/strict";
import { randomInt, randomUUID } from "node:crypto";
import { NO_REALM, newId, realmCode } from "../../protocol/secrets.ts";
import { type AuditEntry, type AuditErasure, newAuditId } from "../../stores/audit.ts";
import type { UserId } from "../../stores/store.ts";
import { T0 } from "../rows.ts";
import { byId, entry } from "./audit.ts";
import { type CaseFixture, type Cases, pick } from "./fixture.ts";

const newErasure = (userId: UserId, fields: Partial<AuditErasure> = {}): AuditErasure => ({
  userId,
  realm: NO_REALM,
  at: T0 + 1000,
  until: T0 + 9000,
  entries: "delete",
  pseudonym: newId(),
  ...fields,
});

/** Users whom no other case erases: what is left of an erasure outlasts its case, where cases share a database. */
function withOwnUsers(fixture: CaseFixture): CaseFixture {
  const { userIds } = fixture.store;
  const newUser = () =>
    userIds === "integer" ? randomInt(2 ** 47) : userIds === "uuid" ? randomUUID() : newId();
  return { ...fixture, ada: newUser(), bob: newUser() };
}

const all = ({ store }: CaseFixture) => store.audit?.read({ limit: 1000 });

/** Entries of ada, of bob, of ada who acted as bob, of bob who acted as ada, and of nobody. */
const someEntries = ({ ada, bob }: CaseFixture) => ({
  own: entry(T0 + 1, { userId: ada, handle: newId(), address: "2001:db8::1", detail: "password" }),
  bobs: entry(T0 + 2, { userId: bob, handle: newId(), address: "2001:db8::2", detail: "by the way" }),
  asBob: entry(T0 + 3, { userId: bob, actorId: ada, handle: newId(), detail: `by ${ada}: ticket 7` }),
  asAda: entry(T0 + 4, { userId: ada, actorId: bob, handle: newId(), detail: `by ${bob}: ticket 8` }),
  nobodys: entry(T0 + 5, { address: "2001:db8::3" }),
});

const withoutAda = (of: AuditEntry, pseudonym: string): AuditEntry => ({
  ...of,
  actorId: undefined,
  detail: `by ${pseudonym}: ticket 7`,
});

/** What becomes of an audit trail where a user is erased, of stores that have one. */
export const erasedTrail: Cases = {
  "an erasure deletes a user's audit entries, and others no longer say who acted": async (given) => {
    const fixture = withOwnUsers(given);
    const { store, ada, bob } = fixture;
    const { audit } = store;
    if (audit === undefined) return;
    const { own, bobs, asBob, asAda, nobodys } = someEntries(fixture);
    await audit.append([own, bobs, asBob, asAda, nobodys]);
    const erasure = newErasure(ada);
    assert.equal(await audit.erase(erasure), 2);
    const left = withoutAda(asBob, erasure.pseudonym);
    assert.deepEqual(await all(fixture), [nobodys, left, bobs]);
    assert.deepEqual(await audit.read({ userId: bob, limit: 9 }), [left, bobs]);
    assert.deepEqual(await audit.read({ userId: ada, limit: 9 }), []);
    assert.equal(await audit.erase(newErasure(ada)), 0);
    assert.equal(await audit.erase(newErasure(bob)), 2);
    assert.deepEqual(await all(fixture), [nobodys]);
  },

  "with a pseudonym a user's audit entries keep event and time, and belong together": async (given) => {
    const fixture = withOwnUsers(given);
    const { store, ada } = fixture;
    const { audit } = store;
    if (audit === undefined) return;
    const { own, bobs, asBob, asAda } = someEntries(fixture);
    await audit.append([own, bobs, asBob, asAda]);
    const erasure = newErasure(ada, { entries: "pseudonym" });
    assert.equal(await audit.erase(erasure), 2);
    const { pseudonym } = erasure;
    const nameless = [own, asAda].map(({ id, at, event }) => ({
      ...entry(at, { event, handle: pseudonym }),
      id,
    }));
    assert.deepEqual(await all(fixture), byId([...nameless, bobs, withoutAda(asBob, pseudonym)]));
    assert.deepEqual(await audit.read({ userId: ada, limit: 9 }), []);
    assert.equal(await audit.prune(T0 + 100, 9), 4);
    assert.deepEqual(await all(fixture), []);
  },

  "an audit entry that comes after its user was erased is left out, unless it is newer": async (given) => {
    const fixture = withOwnUsers(given);
    const { store, all: stores, ada, bob } = fixture;
    const { audit } = store;
    if (audit === undefined) return;
    const { own, bobs, asBob, asAda, nobodys } = someEntries(fixture);
    await audit.append([own]);
    const erasure = newErasure(ada);
    await audit.erase(erasure);
    await pick(stores, 1).audit?.append([own, bobs, asBob, asAda, nobodys]);
    const left = withoutAda(asBob, "erased");
    assert.deepEqual(await all(fixture), [nobodys, left, bobs]);
    assert.deepEqual(await audit.read({ userId: bob, limit: 9 }), [left, bobs]);
    const [last, next] = [entry(erasure.at, { userId: ada }), entry(erasure.at + 1, { userId: ada })];
    const latest = entry(erasure.at + 1000, { userId: ada });
    await audit.append([last]);
    await audit.append([next]);
    await audit.append([entry(erasure.at - 5, { userId: ada }), latest]);
    assert.deepEqual(await audit.read({ userId: ada, limit: 9 }), [latest, next]);
    // An earlier time takes nothing back.
    await audit.erase({ ...erasure, at: T0, until: T0 + 1 });
    await audit.append([last]);
    assert.deepEqual(await audit.read({ userId: ada, limit: 9 }), []);
  },

  "an erasure leaves audit entries of a user of the same id in another realm": async (given) => {
    const fixture = withOwnUsers(given);
    const { store, ada, bob } = fixture;
    const { audit } = store;
    if (audit === undefined) return;
    const staff = realmCode("staff");
    const of = (at: number, fields: Partial<AuditEntry>) =>
      entry(at, { ...fields, id: newAuditId(at, staff) });
    const entries = [
      of(T0, { userId: ada }),
      of(T0 + 1, { userId: bob, actorId: ada, detail: `by ${ada}` }),
    ] as const;
    await audit.append([entries[0]]);
    assert.equal(await audit.erase(newErasure(ada)), 0);
    await audit.append([entries[1]]);
    assert.deepEqual(await all(fixture), byId(entries));
    assert.equal(await audit.erase(newErasure(ada, { realm: staff })), 1);
    assert.deepEqual(
      (await all(fixture))?.map(({ actorId }) => actorId),
      [undefined],
    );
  },

  "of audit entries and erasures at once none of an erased user is left": async (given) => {
    const fixture = withOwnUsers(given);
    const { store, all: stores, ada, bob } = fixture;
    const { audit } = store;
    if (audit === undefined) return;
    for (let round = 0; round < 20; round++) {
      const at = T0 + round * 1000;
      const fields = [
        { userId: ada, address: "2001:db8::1" },
        { userId: bob, actorId: ada, detail: `by ${ada}` },
        { userId: bob },
      ];
      const batches = Array.from({ length: 12 }, (_, batch) =>
        Array.from({ length: [1, 2, 16, 64][batch % 4] ?? 1 }, (_, index) =>
          entry(at + index, fields[(batch + index) % 3]),
        ),
      );
      const append = (some: typeof batches) =>
        some.map((batch, index) => pick(stores, index).audit?.append(batch));
      const entries = round % 2 === 0 ? "delete" : "pseudonym";
      const half = round % batches.length;
      await Promise.all([
        ...append(batches.slice(0, half)),
        pick(stores, round).audit?.erase(newErasure(ada, { at: at + 500, entries })),
        ...append(batches.slice(half)),
      ]);
      const left = (await all(fixture)) ?? [];
      assert.deepEqual(await audit.read({ userId: ada, limit: 9 }), []);
      const ofBob = (some: readonly AuditEntry[]) => some.filter(({ userId }) => userId === bob).length;
      assert.equal(ofBob(left), ofBob(batches.flat()));
      const isNamed = ({ userId, actorId, detail }: AuditEntry) =>
        userId === ada || actorId === ada || detail === `by ${ada}`;
      assert.deepEqual(left.filter(isNamed), []);
      await audit.prune(T0 + 1_000_000, 10_000);
    }
  },

  "pruning forgets when a user was erased from the trail when its time is over, and no earlier": async (
    given,
  ) => {
    const fixture = withOwnUsers(given);
    const { store, ada, expires } = fixture;
    const { audit } = store;
    if (audit === undefined || expires) return;
    const erasure = newErasure(ada);
    await audit.erase(erasure);
    const count = async () => (await audit.read({ userId: ada, limit: 9 })).length;
    await store.prune(erasure.until, 100);
    await audit.append([entry(T0 + 1, { userId: ada })]);
    assert.equal(await count(), 0);
    await store.prune(erasure.until + 1, 100);
    await audit.append([entry(T0 + 2, { userId: ada })]);
    assert.equal(await count(), 1);
  },

  "addresses of old audit entries are forgotten, page by page": async (given) => {
    const fixture = withOwnUsers(given);
    const { store, ada } = fixture;
    const { audit } = store;
    if (audit?.forgetAddresses === undefined) return;
    const fields = { userId: ada, address: "2001:db8::1", detail: "kept", handle: newId() };
    const entries = Array.from({ length: 9 }, (_, index) => entry(T0 + index, fields));
    const elsewhere = entry(T0, { id: newAuditId(T0, realmCode("staff")), address: "2001:db8::2" });
    await audit.append([...entries, elsewhere]);
    let count = 0;
    let after: string | undefined;
    do {
      const result = await audit.forgetAddresses({ before: T0 + 7, realm: NO_REALM, after, limit: 3 });
      count += result.count;
      after = result.next;
    } while (after !== undefined);
    assert.equal(count, 7);
    const left = entries.map((one) => (one.at < T0 + 7 ? { ...one, address: undefined } : one));
    assert.deepEqual(await all(fixture), byId([...left, elsewhere]));
    assert.deepEqual(await audit.read({ userId: ada, limit: 1000 }), byId(left));
  },
};
