import assert from "node:assert/strict";
import { revoke } from "../../stores/changes.ts";
import type { SessionRow, Store } from "../../stores/store.ts";
import { digestOf, plain, T0 } from "../rows.ts";
import { type Cases, done, ENDING, pick, rotation } from "./fixture.ts";

export const races: Cases = {
  "of parallel rotations one wins, and its session with it": async ({
    store,
    all,
    sessionRow,
    rememberedRow,
  }) => {
    const login = rememberedRow();
    const session = sessionRow({ rememberedId: login.id });
    await done(store.apply({ kind: "signIn", remember: login, insert: session }));
    const results = await Promise.all(
      Array.from({ length: 40 }, (_, index) =>
        pick(all, index).apply({
          kind: "restore",
          rotate: { id: login.id, generation: 0, set: rotation(`next ${index}`) },
          update: { id: session.id, version: 1, set: { secret: digestOf(`secret ${index}`) } },
        }),
      ),
    );
    const winners = results.flatMap((result, index) => (result.done ? [index] : []));
    assert.equal(winners.length, 1);
    const found = await store.findRemembered(login.id);
    assert.equal(found?.login.generation, 1);
    assert.deepEqual(plain(found?.login.token), plain(digestOf(`next ${winners[0]}`)));
    assert.deepEqual(plain(found?.session?.secret), plain(digestOf(`secret ${winners[0]}`)));
  },

  "of parallel saves of one version one wins": async ({ store, all, sessionRow }) => {
    const row = sessionRow();
    await done(store.apply({ kind: "signIn", insert: row }));
    const results = await Promise.all(
      Array.from({ length: 40 }, (_, index) =>
        pick(all, index).apply({
          kind: "save",
          update: { id: row.id, version: 1, set: { data: `{"n":${index}}` } },
        }),
      ),
    );
    assert.equal(results.filter((result) => result.done).length, 1);
    assert.equal((await store.findSession(row.id))?.version, 2);
  },

  "two hundred counted saves that try again lose none": async ({ store, all, sessionRow }) => {
    const row = sessionRow({ data: '{"n":0}' });
    await done(store.apply({ kind: "signIn", insert: row }));
    const increment = async (from: Store): Promise<void> => {
      // Each failure means that another save succeeded.
      for (let attempt = 0; attempt < 200; attempt++) {
        const found = (await from.findSession(row.id)) as SessionRow;
        const data = JSON.stringify({ n: JSON.parse(found.data).n + 1 });
        if (
          (await from.apply({ kind: "save", update: { id: row.id, version: found.version, set: { data } } }))
            .done
        )
          return;
      }
      assert.fail("a save that read the newest version fails only where another one succeeded");
    };
    await Promise.all(Array.from({ length: 200 }, (_, index) => increment(pick(all, index))));
    assert.equal((await store.findSession(row.id))?.data, '{"n":200}');
  },

  "of parallel inserts of a login's session one wins": async ({ store, all, sessionRow, rememberedRow }) => {
    const login = rememberedRow();
    await done(store.apply({ kind: "signIn", remember: login }));
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        pick(all, index).apply({
          kind: "accept",
          hold: { id: login.id, generation: 0 },
          insert: sessionRow({ rememberedId: login.id }),
        }),
      ),
    );
    assert.equal(results.filter((result) => result.done).length, 1);
  },

  "a revocation wins against rotations, saves and touches in flight": async ({
    store,
    all,
    ada,
    sessionRow,
    rememberedRow,
  }) => {
    for (let round = 0; round < 10; round++) {
      const login = rememberedRow();
      const session = sessionRow({ rememberedId: login.id, userId: ada, level: "login" });
      await done(store.apply({ kind: "signIn", remember: login, insert: session }));
      const { lastSeenAt, pruneAfter } = session;
      const use = { id: login.id, lastUsedAt: T0, idleDeadline: T0, pruneAfter, confirm: undefined };
      await Promise.all([
        pick(all, 0).apply({
          kind: "restore",
          rotate: { id: login.id, generation: 0, set: rotation("next") },
          update: { id: session.id, version: 1, set: { secret: digestOf("next") } },
        }),
        revoke(pick(all, 1), { handle: login.id, ...ENDING }),
        pick(all, 2).apply({
          kind: "save",
          update: { id: session.id, version: 1, set: { data: '{"late":1}' } },
        }),
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

  "what is shown once is taken by one of many that come at once": async ({ store, all, sessionRow }) => {
    const row = sessionRow({ data: '{"flash":"saved"}' });
    await done(store.apply({ kind: "signIn", insert: row }));
    const taken = await Promise.all(
      Array.from({ length: 40 }, async (_, index) => {
        const from = pick(all, index);
        const found = await from.findSession(row.id);
        if (found?.data !== row.data) return false;
        return (
          await from.apply({
            kind: "save",
            update: { id: row.id, version: found.version, set: { data: "{}" } },
          })
        ).done;
      }),
    );
    assert.equal(taken.filter(Boolean).length, 1);
  },

  "of parallel restores that lost the session row one makes it": async ({
    all,
    sessionRow,
    store,
    rememberedRow,
  }) => {
    const login = rememberedRow();
    await done(store.apply({ kind: "signIn", remember: login }));
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        pick(all, index).apply({
          kind: "restore",
          rotate: { id: login.id, generation: 0, set: rotation(`next ${index}`) },
          insert: sessionRow({ rememberedId: login.id, data: `{"n":${index}}` }),
        }),
      ),
    );
    const winner = results.findIndex((result) => result.done);
    assert.equal(results.filter((result) => result.done).length, 1);
    assert.equal((await store.findRemembered(login.id))?.session?.data, `{"n":${winner}}`);
  },

  "revoking a user wins against everything that is on its way": async ({
    store,
    all,
    ada,
    sessionRow,
    rememberedRow,
  }) => {
    for (let round = 0; round < 10; round++) {
      const devices = Array.from({ length: 4 }, () => {
        const login = rememberedRow();
        return { login, session: sessionRow({ rememberedId: login.id, userId: ada, level: "login" }) };
      });
      const lost = rememberedRow();
      for (const { login, session } of devices)
        await done(store.apply({ kind: "signIn", remember: login, insert: session }));
      await done(store.apply({ kind: "signIn", remember: lost }));
      await Promise.all([
        ...devices.flatMap(({ login, session }, index) => [
          pick(all, index).apply({
            kind: "restore",
            rotate: { id: login.id, generation: 0, set: rotation("next") },
            update: { id: session.id, version: 1, set: { secret: digestOf("next") } },
          }),
          pick(all, index + 1).apply({
            kind: "save",
            update: { id: session.id, version: 1, set: { data: '{"late":1}' } },
          }),
        ]),
        pick(all, 1).apply({
          kind: "accept",
          hold: { id: lost.id, generation: 0 },
          insert: sessionRow({ rememberedId: lost.id, userId: ada, level: "remembered" }),
        }),
        revoke(pick(all, 2), { userId: ada, ...ENDING }),
        revoke(pick(all, 3), { userId: ada, ...ENDING }),
      ]);
      assert.deepEqual(await store.list(ada), []);
      for (const { login, session } of devices) {
        assert.equal((await store.findRemembered(login.id))?.login.revokedAt, ENDING.at);
        assert.equal(await store.findSession(session.id), undefined);
      }
    }
  },

  "ending everyone wins against everything that is on its way, and two such endings report each device once":
    async ({ store, all, ada, bob, sessionRow, rememberedRow }) => {
      for (let round = 0; round < 10; round++) {
        const devices = Array.from({ length: 6 }, (_, index) => {
          const userId = index % 2 === 0 ? ada : bob;
          const login = rememberedRow({ userId });
          return { login, session: sessionRow({ rememberedId: login.id, userId, level: "login" }) };
        });
        const lost = rememberedRow();
        const anonymous = sessionRow();
        for (const { login, session } of devices)
          await done(store.apply({ kind: "signIn", remember: login, insert: session }));
        await done(store.apply({ kind: "signIn", remember: lost }));
        await done(store.apply({ kind: "create", insert: anonymous }));
        const everyone = { everyone: true, ...ENDING };
        const [first, second] = await Promise.all([
          revoke(pick(all, 2), everyone),
          revoke(pick(all, 0), everyone),
          ...devices.flatMap(({ login, session }, index) => [
            pick(all, index).apply({
              kind: "restore",
              rotate: { id: login.id, generation: 0, set: rotation("next") },
              update: { id: session.id, version: 1, set: { secret: digestOf("next") } },
            }),
            pick(all, index + 1).apply({
              kind: "save",
              update: { id: session.id, version: 1, set: { data: '{"late":1}' } },
            }),
          ]),
          pick(all, 1).apply({
            kind: "accept",
            hold: { id: lost.id, generation: 0 },
            insert: sessionRow({ rememberedId: lost.id, userId: ada, level: "remembered" }),
          }),
          pick(all, 1).apply({
            kind: "save",
            update: { id: anonymous.id, version: 1, set: { data: '{"late":1}' } },
          }),
        ]);
        for (const userId of [ada, bob]) assert.deepEqual(await store.list(userId), []);
        for (const { login, session } of devices) {
          const found = await store.findRemembered(login.id);
          assert.equal(found?.login.revokedAt, ENDING.at);
          assert.equal(await store.findSession(session.id), undefined);
        }
        assert.equal(await store.findSession(anonymous.id), undefined);
        const ended = [...first, ...second].flatMap(({ rememberedId }) => rememberedId ?? []);
        assert.equal(new Set(ended).size, ended.length);
        assert.equal(ended.length, devices.length + 1);
      }
    },
};
