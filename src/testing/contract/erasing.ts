import assert from "node:assert/strict";
import { idFrom, NO_REALM, newId, newSiblingId, realmCode } from "../../protocol/secrets.ts";
import { nameDevice, revoke } from "../../stores/changes.ts";
import { namesUser } from "../../stores/erasure.ts";
import type { Change, Ended, EraseChange, RenewChange, Store, UserId } from "../../stores/store.ts";
import { digestOf, plain, sessionRow, T0 } from "../rows.ts";
import {
  CAP,
  type CaseFixture,
  type Cases,
  conflict,
  type Device,
  done,
  ENDING,
  endedBy,
  exchange,
  fullRows,
  pick,
  save,
} from "./fixture.ts";
import { shapesOf } from "./marks.ts";

const WAITS = { pending: "4000000000002;4000000000001;1;" } as const;
const ACTS = { actor: "a-session;7;ticket" } as const;

const newErasure = (userId: UserId, fields: Partial<EraseChange> = {}): EraseChange => ({
  kind: "erase",
  userId,
  mark: { name: `erasure ${newId()}`, at: T0, until: T0 + 1000 },
  ...fields,
});

const erase = async (store: Store, erasure: EraseChange): Promise<readonly Ended[]> =>
  endedBy(await store.apply(erasure));

const idsOf = (ended: readonly Ended[]): string[] =>
  ended.flatMap(({ sessionId, rememberedId }) => [sessionId ?? [], rememberedId ?? []].flat()).sort();

async function idsNaming(store: Store, userId: UserId): Promise<string[]> {
  const { sessions, logins } = await store.rowsOf(userId);
  return [...sessions, ...logins].map(({ id }) => id).sort();
}

/** One row of each sort that names a user; gives their ids. `other` is acted as, and acts. */
async function everySort({ store, stored }: CaseFixture, userId: UserId, other: UserId): Promise<string[]> {
  const device = await stored.device({ login: { userId } });
  const revoked = await stored.device({ login: { userId } });
  await revoke(store, { handle: revoked.login.id, ...ENDING, pruneAfter: T0 + 900 });
  const tagged = await stored.device({ login: { userId, tag: "phone" }, session: { tag: "phone" } });
  await done(store.apply({ kind: "end", end: [{ login: { id: tagged.login.id }, ...ENDING }] }));
  // One that was anonymous, and on which the sign-in began later.
  const later = await stored.anonymous();
  const set = { pendingUserId: userId, ...WAITS };
  await done(store.apply({ kind: "signIn", update: { id: later.id, version: 1, set } }));
  const rows = [
    device.login,
    device.session,
    revoked.login,
    tagged.login,
    later,
    await stored.session({ userId, tag: "tv" }),
    await stored.login({ userId }),
    await stored.session({ userId, level: "trust", handle: device.login.id }),
    await stored.anonymous({ pendingUserId: userId, ...WAITS }),
    await stored.session({ userId: other, actorUserId: userId, ...ACTS }),
    await stored.session({ userId, actorUserId: other, ...ACTS }),
  ];
  return rows.map(({ id }) => id).sort();
}

/** Another login in place of a device's, as a request that proves nothing makes it. */
function renewal({ make }: CaseFixture, { login, session }: Device): RenewChange {
  const next = make.login({ id: newSiblingId(login.id) });
  return {
    kind: "renew",
    hold: { id: login.id, generation: 0 },
    remember: next,
    update: { id: session.id, version: 1, set: { secret: digestOf("renewed"), rememberedId: next.id } },
    end: [{ login: { id: login.id }, ...ENDING, reason: "replaced" }],
  };
}

export const idIn = (realm: string): string => idFrom(Buffer.from(newId().repeat(2)), realm);

export const erasing: Cases = {
  "an erasure deletes every row that names a user, tombstones too, and nothing else": async (fixture) => {
    const { store, ada, bob, stored } = fixture;
    const others = await everySort(fixture, bob, bob);
    const anonymous = await stored.anonymous();
    const rows = await everySort(fixture, ada, bob);
    // In which bob acts as ada, or is acted as by her.
    const both = (await store.rowsOf(bob)).sessions.filter((row) => namesUser(row, ada));
    assert.equal(both.length, 2);
    assert.deepEqual(await idsNaming(store, ada), rows);
    const ended = await erase(store, newErasure(ada));
    assert.deepEqual(idsOf(ended), rows);
    assert.ok(ended.every(({ userId, reason }) => userId === ada && reason === "erased"));
    assert.equal(ended.filter(({ isRecord }) => isRecord).length, 1);
    assert.deepEqual(await idsNaming(store, ada), []);
    assert.deepEqual(await store.list(ada), []);
    for (const id of rows) {
      assert.equal(await store.findSession(id), undefined);
      assert.equal(await store.findRemembered(id), undefined);
    }
    assert.deepEqual(await idsNaming(store, bob), others);
    assert.notEqual(await store.findSession(anonymous.id), undefined);
    assert.deepEqual(await erase(store, newErasure(ada)), []);
  },

  "an erasure finds tombstones that lists and caps have passed over": async (fixture) => {
    const { store, ada, bob } = fixture;
    const rows = await everySort(fixture, ada, bob);
    assert.equal((await store.list(ada)).length, 5);
    const insert = fixture.make.session({ userId: ada, tag: "phone" });
    const caps = [{ ...CAP, userId: ada, tag: "phone", max: 1, reason: "tag" as const }];
    const result = await store.apply({ kind: "signIn", insert, caps });
    assert.deepEqual(result.done && result.ended, []);
    await store.list(ada);
    const all = [...rows, insert.id].sort();
    assert.deepEqual(await idsNaming(store, ada), all);
    assert.deepEqual(idsOf(await erase(store, newErasure(ada))), all);
    for (const id of all) assert.equal(await store.findRemembered(id), undefined);
  },

  "rows that name a user come with all their values": async (fixture) => {
    const { store, ada } = fixture;
    const { login, session } = fullRows(ada);
    await done(store.apply({ kind: "signIn", remember: login, insert: session }));
    assert.deepEqual(plain(await store.rowsOf(ada)), plain({ sessions: [session], logins: [login] }));
    await erase(store, newErasure(ada));
    assert.deepEqual(await store.rowsOf(ada), { sessions: [], logins: [] });
  },

  "a row no longer names who waited or acted on it, once that is over": async ({
    store,
    ada,
    bob,
    stored,
  }) => {
    const waiting = await stored.anonymous({ pendingUserId: ada, ...WAITS });
    const acting = await stored.session({ userId: bob, actorUserId: ada, ...ACTS });
    for (const { id } of [waiting, acting]) {
      const nobody = {
        pendingUserId: undefined,
        pending: undefined,
        actorUserId: undefined,
        actor: undefined,
      };
      await done(
        store.apply({ kind: "signIn", update: { id, version: 1, set: { ...nobody, userId: bob } } }),
      );
    }
    assert.deepEqual(await idsNaming(store, ada), []);
    assert.deepEqual(await erase(store, newErasure(ada)), []);
    assert.equal((await store.list(bob)).length, 2);
  },

  "an erasure distinguishes users whose ids are alike": async ({ store, stored }) => {
    const alike: Partial<Record<Store["userIds"], readonly UserId[]>> = {
      any: ["ada", "ada ", "Ada", 7, "7"],
      text: ["ada", "ada ", "Ada"],
    };
    const users = alike[store.userIds] ?? [];
    for (const userId of users) {
      await stored.device({ login: { userId } });
      await stored.anonymous({ pendingUserId: userId, ...WAITS });
    }
    for (const [index, userId] of users.entries()) {
      assert.equal((await erase(store, newErasure(userId))).length, 3);
      assert.deepEqual(await idsNaming(store, userId), []);
      for (const other of users.slice(index + 1)) assert.equal((await idsNaming(store, other)).length, 3);
    }
  },

  "an erasure in a realm leaves what a user of the same id has in another": async ({
    store,
    ada,
    stored,
  }) => {
    const rowsIn = async (realm: string) => {
      const login = await stored.login({ id: idIn(realm), tag: "phone" });
      const session = { id: newSiblingId(login.id), rememberedId: login.id, tag: "phone" };
      await stored.session(session);
      const waiting = await stored.anonymous({ id: idIn(realm), pendingUserId: ada, ...WAITS });
      return [login.id, session.id, waiting.id].sort();
    };
    const [staff, customers] = [realmCode("staff"), realmCode("customers")];
    const [kept, erased] = [await rowsIn(staff), await rowsIn(customers)];
    assert.deepEqual(idsOf(await erase(store, newErasure(ada, { realm: customers }))), erased);
    assert.deepEqual(await idsNaming(store, ada), kept);
    assert.equal((await store.list(ada)).length, 1);
    assert.deepEqual(idsOf(await erase(store, newErasure(ada, { realm: staff }))), kept);
  },

  "what was proved before an erasure makes no row of the user, and nothing else does": async (fixture) => {
    const { store, ada, make, stored } = fixture;
    const erasure = newErasure(ada);
    const { name, at } = erasure.mark;
    const shapes = await shapesOf(fixture);
    const device = await stored.device();
    const alone = await stored.session();
    await erase(store, erasure);
    const proof = { marks: [name], provedAt: at };
    for (const change of Object.values(shapes)) await conflict("outdated", store.apply({ ...change, proof }));
    const waiting = sessionRow({ pendingUserId: ada, ...WAITS });
    const acting = make.session({ actorUserId: ada, ...ACTS });
    for (const insert of [waiting, acting])
      await conflict("outdated", store.apply({ kind: "signIn", insert, proof }));
    const { id } = device.login;
    const changes: Change[] = [
      exchange(device),
      save(device.session, { data: '{"back":1}' }),
      save(alone, { data: '{"back":1}' }),
      { kind: "accept", hold: { id, generation: 0 }, insert: make.session({ rememberedId: id }) },
      { kind: "stray", stray: { id, generation: 0, max: 9 } },
      { kind: "name", handle: id, userId: ada, name: "back" },
    ];
    for (const change of changes) assert.equal((await store.apply(change)).done, false);
    const times = { idleDeadline: T0 + 50, pruneAfter: T0 + 90 };
    const remembered = { id, lastUsedAt: T0, ...times, confirm: undefined };
    await store.touch([{ sessionId: device.session.id, lastSeenAt: T0, ...times, remembered }]);
    await revoke(store, { userId: ada, ...ENDING });
    assert.equal(await nameDevice(store, { handle: alone.id, userId: ada, name: "back" }), false);
    assert.deepEqual(await idsNaming(store, ada), []);
    // What is proved afterwards is a sign-in like any other.
    await done(
      store.apply({ kind: "signIn", insert: make.session(), proof: { ...proof, provedAt: at + 1 } }),
    );
    assert.equal((await idsNaming(store, ada)).length, 1);
  },

  "of an erasure and everything at once nothing of the user is left": async (fixture) => {
    const { all, store, ada, bob, make, stored } = fixture;
    for (let round = 0; round < 10; round++) {
      const erasure = newErasure(ada);
      const proof = { marks: [erasure.mark.name, `of bob ${round}`], provedAt: T0 };
      const devices = await Promise.all(Array.from({ length: 4 }, () => stored.device()));
      const alone = await stored.session();
      const lonely = await stored.login();
      const [{ login } = await stored.device(), other = await stored.device(), ...rest] = devices;
      const changes: Change[] = [
        ...Object.values(await shapesOf(fixture)).map((change) => ({ ...change, proof })),
        ...rest.map(exchange),
        ...(await Promise.all(Array.from({ length: 4 }, () => stored.device()))).map((device) =>
          renewal(fixture, device),
        ),
        {
          kind: "accept",
          hold: { id: lonely.id, generation: 0 },
          insert: make.session({ rememberedId: lonely.id }),
        },
        save(alone, { data: '{"saved":1}' }),
        { kind: "name", handle: alone.id, userId: ada, name: "named" },
        { kind: "signIn", insert: sessionRow({ pendingUserId: ada, ...WAITS }), proof },
        {
          kind: "signIn",
          insert: sessionRow({ userId: bob, level: "login", actorUserId: ada, ...ACTS }),
          proof,
        },
        { kind: "revoke", handle: login.id, ...ENDING },
        { kind: "end", end: [{ login: { id: other.login.id }, ...ENDING }] },
      ];
      const half = (round * 7) % changes.length;
      const send = (part: readonly Change[]) => part.map((change, index) => pick(all, index).apply(change));
      const times = { lastSeenAt: T0 + 1, idleDeadline: T0 + 50, pruneAfter: T0 + 90 };
      await Promise.all([
        ...send(changes.slice(0, half)),
        pick(all, round).apply(erasure),
        pick(all, round + 1).touch([{ sessionId: alone.id, ...times, remembered: undefined }]),
        ...send(changes.slice(half)),
      ]);
      assert.deepEqual(await idsNaming(store, ada), []);
    }
  },

  "no login that is exchanged for another during an erasure outlives it in that one": async (fixture) => {
    const { all, store, ada, stored } = fixture;
    for (let round = 0; round < 12; round++) {
      const devices = await Promise.all(Array.from({ length: 8 }, () => stored.device()));
      const changes: Change[] = devices.map((device) => renewal(fixture, device));
      changes.splice(round % changes.length, 0, newErasure(ada));
      await Promise.all(changes.map((change, index) => pick(all, index).apply(change)));
      assert.deepEqual(await idsNaming(store, ada), []);
    }
  },

  "two erasures of one user at once leave nothing": async (fixture) => {
    const { all, store, ada, bob } = fixture;
    const rows = await everySort(fixture, ada, bob);
    const ended = await Promise.all([0, 1].map((index) => erase(pick(all, index), newErasure(ada))));
    assert.deepEqual([...new Set(idsOf(ended.flat()))], rows);
    assert.deepEqual(await idsNaming(store, ada), []);
  },

  "addresses of sessions that were not used for long are forgotten, page by page": async (fixture) => {
    const { store, stored } = fixture;
    const { forgetAddresses } = store;
    if (forgetAddresses === undefined) return;
    const fields = { address: "2001:db8::1", userAgent: "agent", data: '{"kept":1}', lastSeenAt: T0 - 1 };
    const old = await Promise.all(Array.from({ length: 7 }, () => stored.session(fields)));
    const used = await stored.session({ ...fields, lastSeenAt: T0 });
    const elsewhere = await stored.session({ ...fields, id: idIn(realmCode("staff")) });
    const forget = async () => {
      let count = 0;
      let after: string | undefined;
      do {
        const page = { before: T0, realm: NO_REALM, after, limit: 3 };
        const result = await forgetAddresses.call(store, page);
        count += result.count;
        after = result.next;
      } while (after !== undefined);
      return count;
    };
    assert.equal(await forget(), 7);
    assert.equal(await forget(), 0);
    const expected = [...old.map((row) => ({ ...row, address: undefined })), used, elsewhere];
    for (const row of expected) assert.deepEqual(plain(await store.findSession(row.id)), plain(row));
    for (const row of old) await done(store.apply(save(row, { data: "{}" })));
  },
};
