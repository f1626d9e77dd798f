import assert from "node:assert/strict";
import { revoke } from "../../stores/changes.ts";
import type { RememberedRow, SessionRow, Store, UserId } from "../../stores/store.ts";
import { digestOf, plain, sessionRow, T0 } from "../rows.ts";
import {
  atOnce,
  type CaseFixture,
  type Cases,
  type Device,
  done,
  ENDING,
  exchange,
  pick,
  rotation,
  save,
} from "./fixture.ts";

const LATE = { data: '{"late":1}' };

async function devicesOf({ stored }: CaseFixture, users: readonly UserId[]): Promise<Device[]> {
  const devices: Device[] = [];
  for (const userId of users) devices.push(await stored.device({ login: { userId } }));
  return devices;
}

/** Requests of these devices, and of one that has lost its session, which are on their way together. */
function arriving(
  { all, make }: CaseFixture,
  devices: readonly Device[],
  lost: RememberedRow,
): Promise<unknown>[] {
  const insert = make.session({ rememberedId: lost.id, level: "remembered" });
  return [
    ...devices.flatMap((device, index) => [
      pick(all, index).apply(exchange(device)),
      pick(all, index + 1).apply(save(device.session, LATE)),
    ]),
    pick(all, 1).apply({ kind: "accept", hold: { id: lost.id, generation: 0 }, insert }),
  ];
}

async function assertRevoked(store: Store, devices: readonly Device[]): Promise<void> {
  for (const { login, session } of devices) {
    assert.equal((await store.findRemembered(login.id))?.login.revokedAt, ENDING.at);
    assert.equal(await store.findSession(session.id), undefined);
  }
}

export const races: Cases = {
  "of parallel rotations one wins, and its session with it": async ({ store, all, stored }) => {
    const { login, session } = await stored.device();
    const results = await atOnce(all, 40, (from, index) =>
      from.apply({
        kind: "restore",
        rotate: { id: login.id, generation: 0, set: rotation(`next ${index}`) },
        update: { id: session.id, version: 1, set: { secret: digestOf(`secret ${index}`) } },
      }),
    );
    const winners = results.flatMap((result, index) => (result.done ? [index] : []));
    assert.equal(winners.length, 1);
    const found = await store.findRemembered(login.id);
    assert.equal(found?.login.generation, 1);
    assert.deepEqual(plain(found?.login.token), plain(digestOf(`next ${winners[0]}`)));
    assert.deepEqual(plain(found?.session?.secret), plain(digestOf(`secret ${winners[0]}`)));
  },

  "of parallel saves of one version one wins": async ({ store, all, stored }) => {
    const row = await stored.anonymous();
    const results = await atOnce(all, 40, (from, index) => from.apply(save(row, { data: `{"n":${index}}` })));
    assert.equal(results.filter((result) => result.done).length, 1);
    assert.equal((await store.findSession(row.id))?.version, 2);
  },

  "two hundred counted saves that try again lose none": async ({ store, all, stored }) => {
    const row = await stored.anonymous({ data: '{"n":0}' });
    const increment = async (from: Store): Promise<void> => {
      // Each failure means that another save succeeded.
      for (let attempt = 0; attempt < 200; attempt++) {
        const found = (await from.findSession(row.id)) as SessionRow;
        const data = JSON.stringify({ n: JSON.parse(found.data).n + 1 });
        if ((await from.apply(save(row, { data }, found.version))).done) return;
      }
      assert.fail("a save that read the newest version fails only where another one succeeded");
    };
    await atOnce(all, 200, increment);
    assert.equal((await store.findSession(row.id))?.data, '{"n":200}');
  },

  "of parallel inserts of a login's session one wins": async ({ all, stored }) => {
    const login = await stored.login();
    const hold = { id: login.id, generation: 0 };
    const results = await atOnce(all, 20, (from) =>
      from.apply({ kind: "accept", hold, insert: sessionRow({ rememberedId: login.id }) }),
    );
    assert.equal(results.filter((result) => result.done).length, 1);
  },

  "a revocation wins against rotations, saves and touches in flight": async ({ store, all, stored }) => {
    for (let round = 0; round < 10; round++) {
      const device = await stored.device();
      const { login, session } = device;
      const { lastSeenAt, pruneAfter } = session;
      const use = { id: login.id, lastUsedAt: T0, idleDeadline: T0, pruneAfter, confirm: undefined };
      await Promise.all([
        pick(all, 0).apply(exchange(device)),
        revoke(pick(all, 1), { handle: login.id, ...ENDING }),
        pick(all, 2).apply(save(session, LATE)),
        pick(all, 3).touch([
          { sessionId: session.id, lastSeenAt, idleDeadline: T0, pruneAfter, remembered: use },
        ]),
      ]);
      const found = await store.findRemembered(login.id);
      assert.equal(found?.login.revokedAt, T0 + 10);
      assert.equal(found?.login.pruneAfter, T0 + 20, "a use does not prolong a tombstone");
      assert.equal(await store.findSession(session.id), undefined);
    }
  },

  "what is shown once is taken by one of many that come at once": async ({ all, stored }) => {
    const row = await stored.anonymous({ data: '{"flash":"saved"}' });
    const taken = await atOnce(all, 40, async (from) => {
      const found = await from.findSession(row.id);
      if (found?.data !== row.data) return false;
      return (await from.apply(save(row, { data: "{}" }, found.version))).done;
    });
    assert.equal(taken.filter(Boolean).length, 1);
  },

  "of parallel restores that lost the session row one makes it": async ({ store, all, stored }) => {
    const login = await stored.login();
    const results = await atOnce(all, 20, (from, index) =>
      from.apply({
        kind: "restore",
        rotate: { id: login.id, generation: 0, set: rotation(`next ${index}`) },
        insert: sessionRow({ rememberedId: login.id, data: `{"n":${index}}` }),
      }),
    );
    const winner = results.findIndex((result) => result.done);
    assert.equal(results.filter((result) => result.done).length, 1);
    assert.equal((await store.findRemembered(login.id))?.session?.data, `{"n":${winner}}`);
  },

  "revoking a user wins against everything that is on its way": async (fixture) => {
    const { store, all, ada, stored } = fixture;
    for (let round = 0; round < 10; round++) {
      const devices = await devicesOf(fixture, [ada, ada, ada, ada]);
      const lost = await stored.login();
      await Promise.all([
        ...arriving(fixture, devices, lost),
        revoke(pick(all, 2), { userId: ada, ...ENDING }),
        revoke(pick(all, 3), { userId: ada, ...ENDING }),
      ]);
      assert.deepEqual(await store.list(ada), []);
      await assertRevoked(store, devices);
    }
  },

  "ending everyone wins against everything that is on its way, and two such endings report each device once":
    async (fixture) => {
      const { store, all, ada, bob, stored } = fixture;
      for (let round = 0; round < 10; round++) {
        const devices = await devicesOf(fixture, [ada, bob, ada, bob, ada, bob]);
        const lost = await stored.login();
        const anonymous = sessionRow();
        await done(store.apply({ kind: "create", insert: anonymous }));
        const everyone = { everyone: true, ...ENDING };
        const [first, second] = await Promise.all([
          revoke(pick(all, 2), everyone),
          revoke(pick(all, 0), everyone),
          ...arriving(fixture, devices, lost),
          pick(all, 1).apply(save(anonymous, LATE)),
        ]);
        for (const userId of [ada, bob]) assert.deepEqual(await store.list(userId), []);
        await assertRevoked(store, devices);
        assert.equal(await store.findSession(anonymous.id), undefined);
        const ended = [...first, ...second].flatMap(({ rememberedId }) => rememberedId ?? []);
        assert.equal(new Set(ended).size, ended.length);
        assert.equal(ended.length, devices.length + 1);
      }
    },
};
