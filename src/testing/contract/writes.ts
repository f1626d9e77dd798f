import assert from "node:assert/strict";
import { newId, newSiblingId } from "../../protocol/secrets.ts";
import { revoke } from "../../stores/changes.ts";
import type { RememberedRow } from "../../stores/store.ts";
import { digestOf, plain, sessionRow, T0 } from "../rows.ts";
import { type Cases, conflict, done, ENDING, fullRows, rotation, save } from "./fixture.ts";

export const writes: Cases = {
  "an insert never replaces": async ({ store, stored }) => {
    const row = await stored.anonymous({ data: '{"kept":true}' });
    await conflict("exists", store.apply({ kind: "signIn", insert: { ...row, data: "{}" } }));
    assert.equal((await store.findSession(row.id))?.data, row.data);
  },

  "a login has one session row": async ({ store, stored }) => {
    const { login, session: first } = await stored.device();
    await conflict("exists", store.apply({ kind: "signIn", insert: sessionRow({ rememberedId: login.id }) }));
    assert.equal((await store.findRemembered(login.id))?.session?.id, first.id);
  },

  "a new login never replaces one, revoked or not": async ({ store, bob, make, stored }) => {
    const login = await stored.login();
    const session = make.session({ rememberedId: login.id, userId: bob });
    const again = make.login({ id: login.id, userId: bob, token: digestOf("another") });
    await conflict("exists", store.apply({ kind: "signIn", remember: again }));
    await conflict("exists", store.apply({ kind: "signIn", remember: again, insert: session }));
    assert.deepEqual(plain(await store.findRemembered(login.id)), plain({ login, session: undefined }));
    await revoke(store, { handle: login.id, ...ENDING });
    await conflict("exists", store.apply({ kind: "signIn", remember: again, insert: session }));
    assert.equal((await store.findRemembered(login.id))?.login.revokedReason, ENDING.reason);
    assert.equal(await store.findSession(session.id), undefined);
  },

  "an update takes no login that another session has": async ({ store, stored }) => {
    const { login, session: owner } = await stored.device();
    const other = await stored.anonymous({ id: newSiblingId(login.id) });
    const update = { id: other.id, version: 1, set: { rememberedId: login.id, data: '{"taken":1}' } };
    await conflict("exists", store.apply({ kind: "signIn", update }));
    const hold = { id: login.id, generation: 0 };
    await conflict("exists", store.apply({ kind: "renew", hold, update }));
    assert.deepEqual(plain(await store.findRemembered(login.id)), plain({ login, session: owner }));
    assert.deepEqual(plain(await store.findSession(other.id)), plain(other));
    // Its own it keeps.
    const own = { id: owner.id, version: 1, set: { rememberedId: login.id } };
    await done(store.apply({ kind: "signIn", update: own }));
    await revoke(store, { handle: owner.id, ...ENDING });
    assert.equal((await store.findSession(other.id))?.rememberedId, undefined);
  },

  "an update needs the version that it was made from": async ({ store, stored }) => {
    const row = await stored.anonymous();
    await done(store.apply(save(row, { data: '{"n":1}' })));
    await conflict("stale", store.apply(save(row, { data: '{"n":2}' })));
    const found = await store.findSession(row.id);
    assert.equal(found?.data, '{"n":1}');
    assert.equal(found?.version, 2);
  },

  "an update can set a field to undefined": async ({ store, stored }) => {
    const row = await stored.anonymous({ previousSecret: digestOf("before") });
    await done(store.apply(save(row, { previousSecret: undefined })));
    assert.equal((await store.findSession(row.id))?.previousSecret, undefined);
  },

  "an update sets every field that it names, and no other": async ({ store, ada, stored }) => {
    const row = await stored.anonymous();
    const { session } = fullRows(ada);
    const { id: _, version: _version, createdAt: _createdAt, rememberedId: _login, ...set } = session;
    await done(store.apply({ kind: "signIn", update: { id: row.id, version: 1, set } }));
    const expected = { ...row, ...set, version: 2 };
    assert.deepEqual(plain(await store.findSession(row.id)), plain(expected));
    await done(store.apply(save(row, { address: undefined }, 2)));
    assert.deepEqual(
      plain(await store.findSession(row.id)),
      plain({ ...expected, address: undefined, version: 3 }),
    );
  },

  "a change of nothing at all is done": async ({ store }) => {
    for (const nothing of [{}, { end: [] }, { caps: [] }, { end: [], caps: [] }])
      assert.deepEqual(await store.apply({ kind: "signIn", ...nothing }), { done: true, ended: [] });
    await store.touch([]);
  },

  "a change with a conflict ends nothing": async ({ store, ada, stored }) => {
    // Of one tag: a store in many parts may end what lies elsewhere first, and then lose the rest.
    const { login, session: other } = await stored.device();
    const row = await stored.session({ id: newSiblingId(login.id) });
    const before = plain(await store.findRemembered(login.id));
    const end = [{ session: { id: other.id, userId: ada }, login: { id: login.id }, ...ENDING }];
    const set = { data: '{"lost":1}' };
    await conflict("stale", store.apply({ kind: "signIn", update: { id: row.id, version: 9, set }, end }));
    const missing = { id: newSiblingId(login.id), version: 1, set };
    await conflict("missing", store.apply({ kind: "signIn", update: missing, end }));
    await conflict("exists", store.apply({ kind: "signIn", insert: row, end }));
    assert.deepEqual(plain(await store.findRemembered(login.id)), before);
  },

  "an update never brings a row back": async ({ store }) => {
    const row = sessionRow();
    await conflict("missing", store.apply(save(row, { data: '{"back":1}' })));
    assert.equal(await store.findSession(row.id), undefined);
  },

  "a rotation needs the generation that it was made from": async ({ store, stored }) => {
    const login = await stored.login({ confirmedAt: T0 + 1 });
    const set = rotation("second");
    const third = rotation("third");
    await done(store.apply({ kind: "restore", rotate: { id: login.id, generation: 0, set } }));
    for (const generation of [0, 2]) {
      const rotate = { id: login.id, generation, set: third };
      await conflict("rotation", store.apply({ kind: "restore", rotate }));
    }
    await conflict("rotation", store.apply({ kind: "restore", rotate: { id: newId(), generation: 0, set } }));
    const found = await store.findRemembered(login.id);
    const expected = { ...login, ...set, generation: 1, confirmedAt: undefined };
    assert.deepEqual(plain(found?.login), plain(expected));
  },

  "a revoked login does not rotate": async ({ store, stored }) => {
    const login = await stored.login();
    await revoke(store, { handle: login.id, ...ENDING });
    for (const generation of [0, 1]) {
      const rotate = { id: login.id, generation, set: rotation("next") };
      await conflict("rotation", store.apply({ kind: "restore", rotate }));
    }
  },

  "what fails undoes what came before it": async ({ store, make, stored }) => {
    const { login, session } = await stored.device();
    const before = plain(await store.findRemembered(login.id));
    const rotate = { id: login.id, generation: 0, set: rotation("next") };
    const set = { data: '{"half":true}' };
    const missing = { id: newSiblingId(login.id), version: 1, set };
    const stale = { id: session.id, version: 9, set };
    const insert = sessionRow({ rememberedId: login.id });
    const other = make.login({ id: newSiblingId(session.id) });
    await conflict("missing", store.apply({ kind: "restore", rotate, update: missing }));
    await conflict("stale", store.apply({ kind: "restore", rotate, update: stale }));
    await conflict("exists", store.apply({ kind: "restore", rotate, insert }));
    await conflict("stale", store.apply({ kind: "signIn", remember: other, update: stale }));
    assert.deepEqual(plain(await store.findRemembered(login.id)), before);
    assert.equal(await store.findRemembered(other.id), undefined);
  },

  "hold lets a change through only while the login is as it was": async ({ store, stored }) => {
    const login = await stored.login();
    const hold = { id: login.id, generation: 0 };
    const another = { hold: { ...hold, generation: 1 }, insert: sessionRow({ id: newSiblingId(login.id) }) };
    await conflict("rotation", store.apply({ kind: "accept", ...another }));
    await done(store.apply({ kind: "accept", hold, insert: sessionRow({ rememberedId: login.id }) }));
    assert.deepEqual(
      plain((await store.findRemembered(login.id))?.login),
      plain(login),
      "nothing in it changes",
    );
    await revoke(store, { handle: login.id, ...ENDING });
    const late = sessionRow({ rememberedId: login.id });
    await conflict("rotation", store.apply({ kind: "accept", hold, insert: late }));
    assert.equal(await store.findSession(late.id), undefined);
  },

  "a touch moves deadlines and nothing else": async ({ store, stored }) => {
    const { login, session } = await stored.device({ session: { confirmFrom: T0 + 5 } });
    const seen = { lastSeenAt: T0 + 9, idleDeadline: T0 + 99, pruneAfter: session.pruneAfter + 999 };
    const used = { lastUsedAt: T0 + 9, idleDeadline: T0 + 77, pruneAfter: T0 + 777 };
    await store.touch([
      { sessionId: newId(), ...seen, remembered: undefined },
      { sessionId: session.id, ...seen, remembered: { id: login.id, ...used, confirm: undefined } },
    ]);
    const expected = { login: { ...login, ...used }, session: { ...session, ...seen } };
    assert.deepEqual(plain(await store.findRemembered(login.id)), plain(expected));
    await store.touch([{ sessionId: session.id, ...seen, idleDeadline: undefined, remembered: undefined }]);
    assert.equal((await store.findSession(session.id))?.idleDeadline, seen.idleDeadline);
    // Of a request that came before a sign-in, which gave the row a longer life.
    await store.touch([{ sessionId: session.id, ...seen, pruneAfter: T0, remembered: undefined }]);
    assert.equal((await store.findSession(session.id))?.pruneAfter, seen.pruneAfter);
  },

  "a touch sets times as they are given; only a session's time to be pruned takes the larger": async ({
    store,
    stored,
  }) => {
    const { login, session } = await stored.device();
    const earlier = { lastSeenAt: T0 - 9, idleDeadline: T0 - 8, pruneAfter: T0 - 7 };
    const used = { lastUsedAt: T0 - 6, idleDeadline: T0 - 5, pruneAfter: T0 - 4 };
    const remembered = { id: login.id, ...used, confirm: undefined };
    await store.touch([{ sessionId: session.id, ...earlier, remembered }]);
    const expected = {
      login: { ...login, ...used },
      session: { ...session, ...earlier, pruneAfter: session.pruneAfter },
    };
    assert.deepEqual(plain(await store.findRemembered(login.id)), plain(expected));
    // Of several at once, each keeps its own.
    const rows = [
      await stored.anonymous(),
      await stored.anonymous(),
      await stored.anonymous({ pruneAfter: T0 }),
    ] as const;
    await store.touch(
      rows.map(({ id }, index) => ({
        sessionId: id,
        lastSeenAt: T0 + index,
        idleDeadline: index === 1 ? undefined : T0 + 10 + index,
        pruneAfter: T0 + 20 + index,
        remembered: undefined,
      })),
    );
    const found = await Promise.all(rows.map(({ id }) => store.findSession(id)));
    assert.deepEqual(
      found.map((row) => [row?.lastSeenAt, row?.idleDeadline, row?.pruneAfter]),
      [
        [T0, T0 + 10, rows[0].pruneAfter],
        [T0 + 1, rows[1].idleDeadline, rows[1].pruneAfter],
        [T0 + 2, T0 + 12, T0 + 22],
      ],
    );
  },

  "of two touches of a session that come together the longer life counts": async ({ store, stored }) => {
    for (const order of ["as they came", "the other way round"]) {
      const { login, session } = await stored.device({ session: { pruneAfter: T0 + 1 } });
      const used = { idleDeadline: T0 + 70, pruneAfter: T0 + 80, confirm: undefined };
      const touch = (lastSeenAt: number, pruneAfter: number) => ({
        sessionId: session.id,
        lastSeenAt,
        idleDeadline: undefined,
        pruneAfter,
        remembered: { ...used, id: login.id, lastUsedAt: lastSeenAt },
      });
      const touches = [touch(T0 + 5, T0 + 900), touch(T0 + 6, T0 + 100)];
      if (order === "as they came") await store.touch(touches);
      else await Promise.all(touches.toReversed().map((one) => store.touch([one])));
      const found = await store.findRemembered(login.id);
      assert.equal(found?.session?.pruneAfter, T0 + 900, order);
      assert.equal(found?.session?.idleDeadline, session.idleDeadline, order);
      if (order === "as they came") assert.equal(found?.session?.lastSeenAt, T0 + 6);
    }
  },

  "a touch leaves a tombstone alone, and uses a login whose session is gone": async ({ store, stored }) => {
    const { login: ended, session } = await stored.device();
    const lonely = await stored.login();
    await revoke(store, { handle: ended.id, ...ENDING });
    const tombstone = plain(await store.findRemembered(ended.id));
    const seen = { lastSeenAt: T0 + 9, idleDeadline: T0 + 99, pruneAfter: T0 + 999 };
    const used = { lastUsedAt: T0 + 9, idleDeadline: T0 + 77, pruneAfter: T0 + 777 };
    const touchOf = (sessionId: string, { id, token, generation }: RememberedRow, confirms: boolean) => {
      const confirm = confirms ? { generation, token, at: T0 + 9 } : undefined;
      return { sessionId, ...seen, remembered: { id, ...used, confirm } };
    };
    for (const confirms of [false, true]) {
      await store.touch([
        touchOf(session.id, { ...ended, generation: 1 }, confirms),
        touchOf(newSiblingId(lonely.id), lonely, confirms),
      ]);
      assert.deepEqual(plain(await store.findRemembered(ended.id)), tombstone);
      const login = { ...lonely, ...used, ...(confirms ? { confirmedAt: T0 + 9 } : {}) };
      assert.deepEqual(plain(await store.findRemembered(lonely.id)), plain({ login, session: undefined }));
    }
  },

  "a save's use of a login sets its times, and leaves a tombstone alone": async ({ store, stored }) => {
    const { login, session } = await stored.device();
    const other = await stored.anonymous({ id: newSiblingId(login.id) });
    const used = { lastUsedAt: T0 - 6, idleDeadline: T0 - 5, pruneAfter: T0 - 4 };
    const use = { id: login.id, ...used, confirm: undefined };
    await done(store.apply({ ...save(session, { data: "1" }), use }));
    assert.deepEqual(plain((await store.findRemembered(login.id))?.login), plain({ ...login, ...used }));
    await revoke(store, { handle: login.id, ...ENDING });
    const tombstone = plain(await store.findRemembered(login.id));
    const late = { ...use, pruneAfter: T0 + 777 };
    await done(store.apply({ ...save(other, { data: "2" }), use: late }));
    assert.deepEqual(plain(await store.findRemembered(login.id)), tombstone);
    assert.equal((await store.findSession(other.id))?.data, "2");
  },

  "a confirmation takes only on the current token and generation, once": async ({ store, stored }) => {
    const { login, session } = await stored.device({
      login: { generation: 3 },
      session: { confirmFrom: T0 },
    });
    const attempt = async (generation: number, token: string, at: number) => {
      const confirm = { generation, token: digestOf(token), at };
      const { lastSeenAt, pruneAfter } = session;
      const use = { id: login.id, lastUsedAt: T0, idleDeadline: T0, pruneAfter, confirm };
      await store.touch([
        { sessionId: session.id, lastSeenAt, idleDeadline: undefined, pruneAfter, remembered: use },
      ]);
      const found = await store.findRemembered(login.id);
      return [found?.login.confirmedAt, found?.session?.confirmFrom];
    };
    assert.deepEqual(await attempt(3, "other", T0 + 1), [undefined, T0]);
    assert.deepEqual(await attempt(2, "token", T0 + 2), [undefined, T0]);
    assert.deepEqual(await attempt(3, "token", T0 + 3), [T0 + 3, undefined]);
    assert.deepEqual(await attempt(3, "token", T0 + 4), [T0 + 3, undefined]);
  },

  "what is confirmed is one login, and its session alone": async ({ store, stored }) => {
    const first = await stored.device({ session: { confirmFrom: T0 + 5 } });
    const second = await stored.device({ session: { confirmFrom: T0 + 5 } });
    const confirm = { generation: 0, token: digestOf("token"), at: T0 + 6 };
    const times = { lastUsedAt: T0 + 6, idleDeadline: T0 + 70, pruneAfter: T0 + 80 };
    const remembered = { id: first.login.id, ...times, confirm };
    const seen = { lastSeenAt: T0 + 6, idleDeadline: undefined, pruneAfter: T0 + 7, remembered };
    await store.touch([{ sessionId: first.session.id, ...seen }]);
    const found = await store.findRemembered(first.login.id);
    assert.deepEqual([found?.login.confirmedAt, found?.session?.confirmFrom], [T0 + 6, undefined]);
    assert.deepEqual(plain(await store.findRemembered(second.login.id)), plain(second));
  },

  "a save can confirm as well": async ({ store, stored }) => {
    const { login, session } = await stored.device({ session: { confirmFrom: T0 } });
    const confirm = { generation: 0, token: digestOf("token"), at: T0 + 3 };
    const use = { id: login.id, lastUsedAt: T0, idleDeadline: T0, pruneAfter: T0, confirm };
    // The use comes after the update: what that says of confirming is done with.
    const set = { data: '{"a":1}', confirmFrom: T0 + 1 };
    await done(store.apply({ ...save(session, set), use }));
    const found = await store.findRemembered(login.id);
    assert.equal(found?.login.confirmedAt, T0 + 3);
    assert.equal(found?.session?.confirmFrom, undefined);
    await done(store.apply({ ...save(session, set, 2), use }));
    const again = await store.findRemembered(login.id);
    assert.equal(again?.session?.confirmFrom, T0 + 1, "what is confirmed is not confirmed again");
  },
};
