import assert from "node:assert/strict";
import { newSiblingId } from "../../protocol/secrets.ts";
import { revoke } from "../../stores/changes.ts";
import { listed } from "../../stores/devices.ts";
import type { Change, Ended } from "../../stores/store.ts";
import { digestOf, plain, T0 } from "../rows.ts";
import { type Cases, done, ENDING, ids, pick } from "./fixture.ts";

const byHandle = (ended: readonly Ended[]) =>
  new Map(ended.map((device) => [device.rememberedId ?? device.sessionId, device]));

export const ending: Cases = {
  "ending by either handle ends both, leaves a tombstone, and is final": async ({
    store,
    ada,
    sessionRow,
    rememberedRow,
  }) => {
    for (const by of ["login", "session"] as const) {
      const login = rememberedRow({ userId: ada });
      const session = sessionRow({ rememberedId: login.id, userId: ada, level: "login" });
      await done(store.apply({ kind: "signIn", remember: login, insert: session }));
      const handle = by === "login" ? login.id : session.id;
      const ended = [{ sessionId: session.id, rememberedId: login.id, userId: ada, reason: "revoked" }];
      assert.deepEqual(await revoke(store, { handle, ...ENDING }), ended);
      assert.equal(await store.findSession(session.id), undefined);
      const found = await store.findRemembered(login.id);
      assert.equal(found?.session, undefined);
      const tombstone = {
        ...login,
        generation: 1,
        revokedAt: T0 + 10,
        revokedReason: "revoked",
        pruneAfter: T0 + 20,
      };
      assert.deepEqual(plain(found?.login), plain(tombstone));
      assert.deepEqual(await revoke(store, { handle, ...ENDING, reason: "theft" }), []);
      assert.equal((await store.findRemembered(login.id))?.login.revokedReason, "revoked");
    }
  },

  "ending by user spares other users, and the session that is excepted with its login": async ({
    store,
    ada,
    bob,
    sessionRow,
    rememberedRow,
  }) => {
    const mine = rememberedRow({ userId: ada });
    const kept = sessionRow({ rememberedId: mine.id, userId: ada, level: "login" });
    const lonely = rememberedRow({ userId: ada });
    const plainOne = sessionRow({ userId: ada, level: "login" });
    const foreign = sessionRow({ userId: bob, level: "login" });
    await done(store.apply({ kind: "signIn", remember: mine, insert: kept }));
    await done(store.apply({ kind: "signIn", remember: lonely }));
    await done(store.apply({ kind: "signIn", insert: plainOne }));
    await done(store.apply({ kind: "signIn", insert: foreign }));
    const bystander = rememberedRow({ userId: bob });
    await done(store.apply({ kind: "signIn", remember: bystander }));
    assert.deepEqual(
      await revoke(store, { userId: bob, except: bystander.id, ...ENDING, handle: bystander.id }),
      [],
    );
    const ended = await revoke(store, { userId: ada, except: kept.id, ...ENDING });
    assert.deepEqual(
      new Set(ended.map(({ sessionId, rememberedId }) => rememberedId ?? sessionId)),
      new Set([lonely.id, plainOne.id]),
    );
    assert.equal((await store.findRemembered(mine.id))?.login.revokedAt, undefined);
    assert.notEqual(await store.findSession(kept.id), undefined);
    assert.notEqual(await store.findSession(foreign.id), undefined);
    assert.equal(await store.findSession(plainOne.id), undefined);
    assert.deepEqual(ids(await store.list(ada)), [kept.id]);
  },

  "a handle ends nothing for a user whose device it is not": async ({ store, ada, bob, sessionRow }) => {
    const row = sessionRow({ userId: ada, level: "login" });
    await done(store.apply({ kind: "signIn", insert: row }));
    assert.deepEqual(await revoke(store, { handle: row.id, userId: bob, ...ENDING }), []);
    assert.notEqual(await store.findSession(row.id), undefined);
  },

  "an ending that selects nothing in particular ends nothing": async ({ store, ada, sessionRow }) => {
    const row = sessionRow({ userId: ada, level: "login" });
    await done(store.apply({ kind: "signIn", insert: row }));
    assert.deepEqual(await revoke(store, ENDING), []);
    assert.notEqual(await store.findSession(row.id), undefined);
  },

  "a change ends another login only by a token that is or was just valid": async ({
    store,
    ada,
    sessionRow,
    rememberedRow,
  }) => {
    for (const [token, ends] of [
      ["token", true],
      ["previous", true],
      ["superseded", true],
      ["old", false],
    ] as const) {
      const login = rememberedRow({
        previous: digestOf("previous"),
        superseded: digestOf("superseded"),
        supersededAt: T0,
      });
      const session = sessionRow({ rememberedId: login.id, userId: ada, level: "login" });
      await done(store.apply({ kind: "signIn", remember: login, insert: session }));
      const end = [{ login: { id: login.id, token: digestOf(token) }, ...ENDING }];
      const result = await store.apply({ kind: "signIn", insert: sessionRow(), end });
      assert.equal(result.done && result.ended.length, ends ? 1 : 0, token);
      assert.equal((await store.findRemembered(login.id))?.login.revokedAt !== undefined, ends, token);
      assert.equal((await store.findSession(session.id)) === undefined, ends, token);
    }
  },

  "a sign-in ends another login of its user, whatever the token": async ({
    store,
    ada,
    bob,
    sessionRow,
    rememberedRow,
  }) => {
    for (const [owner, token, ends] of [
      [ada, "old", true],
      [bob, "old", false],
      [bob, "token", true],
    ] as const) {
      const login = rememberedRow({ userId: ada });
      const session = sessionRow({ rememberedId: login.id, userId: ada, level: "login" });
      await done(store.apply({ kind: "signIn", remember: login, insert: session }));
      const end = [{ login: { id: login.id, token: digestOf(token), orOfUser: owner }, ...ENDING }];
      const result = await store.apply({
        kind: "signIn",
        insert: sessionRow({ userId: owner, level: "login" }),
        end,
      });
      assert.equal(result.done && result.ended.length, ends ? 1 : 0, `${String(owner)} ${token}`);
      assert.equal((await store.findRemembered(login.id))?.login.revokedAt !== undefined, ends);
      assert.equal((await store.findSession(session.id)) === undefined, ends);
    }
  },

  "a change ends a session only while it is the user's that it was": async ({
    store,
    ada,
    bob,
    sessionRow,
  }) => {
    const row = sessionRow({ userId: bob, level: "login" });
    await done(store.apply({ kind: "signIn", insert: row }));
    for (const [userId, ends] of [
      [null, false],
      [ada, false],
      [bob, true],
    ] as const) {
      const result = await store.apply({
        kind: "end",
        end: [{ session: { id: row.id, userId }, ...ENDING }],
      });
      assert.equal(result.done && result.ended.length, ends ? 1 : 0, String(userId));
      assert.equal((await store.findSession(row.id)) === undefined, ends, String(userId));
    }
  },

  "a change that ends a session ends its login, and one that ends a login its session": async ({
    store,
    ada,
    sessionRow,
    rememberedRow,
  }) => {
    for (const by of ["session", "login"] as const) {
      const login = rememberedRow({ userId: ada });
      const session = sessionRow({ rememberedId: login.id, userId: ada, level: "login" });
      await done(store.apply({ kind: "signIn", remember: login, insert: session }));
      const ending =
        by === "session" ? { session: { id: session.id, userId: ada } } : { login: { id: login.id } };
      assert.deepEqual(await store.apply({ kind: "end", end: [{ ...ending, ...ENDING }] }), {
        done: true,
        ended: [{ sessionId: session.id, rememberedId: login.id, userId: ada, reason: ENDING.reason }],
      });
      assert.equal(await store.findSession(session.id), undefined, by);
      const found = await store.findRemembered(login.id);
      assert.equal(found?.login.revokedReason, ENDING.reason, by);
      assert.equal(found?.login.generation, 1, by);
      assert.equal(found?.login.pruneAfter, ENDING.pruneAfter, by);
      assert.deepEqual(await store.apply({ kind: "end", end: [{ ...ending, ...ENDING }] }), {
        done: true,
        ended: [],
      });
    }
    const anonymous = sessionRow();
    await done(store.apply({ kind: "create", insert: anonymous }));
    await done(
      store.apply({ kind: "end", end: [{ session: { id: anonymous.id, userId: null }, ...ENDING }] }),
    );
    assert.equal(await store.findSession(anonymous.id), undefined);
  },

  "an ending of a session and of another device's login ends both, each on its own conditions": async ({
    store,
    ada,
    bob,
    sessionRow,
    rememberedRow,
  }) => {
    for (const [userId, token, endsFirst, endsSecond] of [
      [ada, "token", true, true],
      [ada, "old", true, false],
      [bob, "token", false, true],
      [null, "old", false, false],
    ] as const) {
      const [first, second] = [rememberedRow(), rememberedRow()];
      const firstSession = sessionRow({ rememberedId: first.id, userId: ada, level: "login" });
      const secondSession = sessionRow({ rememberedId: second.id, userId: ada, level: "login" });
      await done(store.apply({ kind: "signIn", remember: first, insert: firstSession }));
      await done(store.apply({ kind: "signIn", remember: second, insert: secondSession }));
      const ending = {
        session: { id: firstSession.id, userId },
        login: { id: second.id, token: digestOf(token) },
      };
      const result = await store.apply({ kind: "end", end: [{ ...ending, ...ENDING }] });
      const message = `${String(userId)}, ${token}`;
      const { reason } = ENDING;
      const expected = [
        ...(endsFirst ? [{ sessionId: firstSession.id, rememberedId: first.id, userId: ada, reason }] : []),
        ...(endsSecond
          ? [{ sessionId: secondSession.id, rememberedId: second.id, userId: ada, reason }]
          : []),
      ];
      assert.deepEqual(byHandle(result.done ? result.ended : []), byHandle(expected), message);
      for (const [login, session, ends] of [
        [first, firstSession, endsFirst],
        [second, secondSession, endsSecond],
      ] as const) {
        assert.equal((await store.findRemembered(login.id))?.login.revokedAt !== undefined, ends, message);
        assert.equal((await store.findSession(session.id)) === undefined, ends, message);
      }
    }
    // Of one device: a login that ends takes its session along, whatever the ending says of that.
    const login = rememberedRow();
    const session = sessionRow({ rememberedId: login.id, userId: ada, level: "login" });
    await done(store.apply({ kind: "signIn", remember: login, insert: session }));
    const end = [{ session: { id: session.id, userId: bob }, login: { id: login.id }, ...ENDING }];
    assert.deepEqual(await store.apply({ kind: "end", end }), {
      done: true,
      ended: [{ sessionId: session.id, rememberedId: login.id, userId: ada, reason: ENDING.reason }],
    });
    assert.equal(await store.findSession(session.id), undefined);
  },

  "an ending spares what the change has written, with its login, and reports none of it": async ({
    store,
    ada,
    sessionRow,
    rememberedRow,
  }) => {
    const nothing = { done: true, ended: [] };
    const login = rememberedRow();
    const session = sessionRow({ rememberedId: login.id, userId: ada, level: "login" });
    const end = [
      { session: { id: session.id, userId: ada }, ...ENDING },
      { login: { id: login.id }, ...ENDING },
      { session: { id: session.id, userId: ada }, login: { id: login.id }, ...ENDING },
    ];
    assert.deepEqual(await store.apply({ kind: "signIn", remember: login, insert: session, end }), nothing);
    assert.deepEqual(plain(await store.findRemembered(login.id)), plain({ login, session }));
    for (const [index, ending] of end.entries()) {
      const update = { id: session.id, version: index + 1, set: { data: `${index}` } };
      assert.deepEqual(
        await store.apply({ kind: "signIn", update, end: [ending] }),
        nothing,
        `ending ${index}`,
      );
    }
    const expected = { login, session: { ...session, data: "2", version: 4 } };
    assert.deepEqual(plain(await store.findRemembered(login.id)), plain(expected));
    // A login without a session, that is new.
    const lonely = rememberedRow();
    const ending = { login: { id: lonely.id }, ...ENDING };
    assert.deepEqual(await store.apply({ kind: "signIn", remember: lonely, end: [ending] }), nothing);
    assert.equal((await store.findRemembered(lonely.id))?.login.revokedAt, undefined);
    // The login that the session has left is not spared, and ends without it.
    const next = rememberedRow({ id: newSiblingId(session.id) });
    const moved: Change = {
      kind: "signIn",
      remember: next,
      update: { id: session.id, version: 4, set: { rememberedId: next.id } },
      end: [{ session: { id: session.id, userId: ada }, login: { id: login.id }, ...ENDING }],
    };
    assert.deepEqual(await store.apply(moved), {
      done: true,
      ended: [{ sessionId: undefined, rememberedId: login.id, userId: ada, reason: ENDING.reason }],
    });
    assert.equal((await store.findRemembered(next.id))?.session?.id, session.id);
  },

  "of several endings each has its own reason, moment and time to be pruned": async ({
    store,
    ada,
    sessionRow,
    rememberedRow,
  }) => {
    const logins = [1, 2, 3].map(() => rememberedRow());
    for (const remember of logins) await done(store.apply({ kind: "signIn", remember }));
    const end = logins.map(({ id }, index) => ({
      login: { id },
      reason: `reason ${index}`,
      at: T0 + 10 + index,
      pruneAfter: T0 + 20 + index,
    }));
    const result = await store.apply({
      kind: "signIn",
      insert: sessionRow({ userId: ada, level: "login" }),
      end,
    });
    assert.deepEqual(
      new Map(result.done ? result.ended.map((one) => [one.rememberedId, one.reason]) : []),
      new Map(logins.map(({ id }, index) => [id, `reason ${index}`])),
    );
    for (const [index, { id }] of logins.entries()) {
      const { revokedAt, revokedReason, pruneAfter } = (await store.findRemembered(id))?.login ?? {};
      assert.deepEqual(
        [revokedAt, revokedReason, pruneAfter],
        [T0 + 10 + index, `reason ${index}`, T0 + 20 + index],
      );
    }
  },

  "a handle ends a device whosever it is, where no user is named": async ({ store, ada, sessionRow }) => {
    for (const row of [sessionRow(), sessionRow({ userId: ada, level: "login" })]) {
      await done(store.apply({ kind: "signIn", insert: row }));
      assert.equal((await revoke(store, { handle: row.id, ...ENDING })).length, 1);
      assert.equal(await store.findSession(row.id), undefined);
    }
  },

  "a sign-in takes the session row along and ends the login that it belonged to": async ({
    store,
    ada,
    sessionRow,
    rememberedRow,
  }) => {
    const before = rememberedRow();
    const session = sessionRow({ rememberedId: before.id, userId: ada, level: "remembered" });
    await done(store.apply({ kind: "signIn", remember: before, insert: session }));
    const next = rememberedRow({ id: newSiblingId(session.id) });
    const set = { rememberedId: next.id, level: "login" as const };
    await done(
      store.apply({
        kind: "signIn",
        remember: next,
        update: { id: session.id, version: 1, set },
        end: [{ login: { id: before.id }, ...ENDING, reason: "replaced" }],
      }),
    );
    const left = await store.findRemembered(before.id);
    assert.deepEqual([left?.login.revokedReason, left?.session], ["replaced", undefined]);
    assert.equal((await store.findRemembered(next.id))?.session?.id, session.id);
    // The tombstone leads nowhere any more, and the new login to the session.
    assert.deepEqual(await revoke(store, { handle: before.id, ...ENDING }), []);
    assert.equal((await revoke(store, { handle: next.id, ...ENDING }))[0]?.sessionId, session.id);
  },

  "ending by user spares the login that is excepted, with its session": async ({
    store,
    ada,
    sessionRow,
    rememberedRow,
  }) => {
    const kept = rememberedRow({ userId: ada });
    const session = sessionRow({ rememberedId: kept.id, userId: ada, level: "login" });
    const other = sessionRow({ userId: ada, level: "login" });
    await done(store.apply({ kind: "signIn", remember: kept, insert: session }));
    await done(store.apply({ kind: "signIn", insert: other }));
    const ended = await revoke(store, { userId: ada, except: kept.id, ...ENDING });
    assert.deepEqual(
      ended.map(({ sessionId }) => sessionId),
      [other.id],
    );
    assert.deepEqual(plain(await store.list(ada)), plain([listed({ session, login: kept })]));
  },

  "ending everyone ends all devices, anonymous sessions too, but for the one that is excepted": async ({
    store,
    ada,
    bob,
    sessionRow,
    rememberedRow,
  }) => {
    for (const by of ["session", "login"] as const) {
      const mine = rememberedRow({ userId: ada });
      const kept = sessionRow({ rememberedId: mine.id, userId: ada, level: "login" });
      const theirs = rememberedRow({ userId: bob });
      const ended = sessionRow({ rememberedId: theirs.id, userId: bob, level: "login" });
      const lonely = rememberedRow({ userId: ada });
      const plainOne = sessionRow({ userId: ada, level: "login" });
      const anonymous = sessionRow();
      await done(store.apply({ kind: "signIn", remember: mine, insert: kept }));
      await done(store.apply({ kind: "signIn", remember: theirs, insert: ended }));
      await done(store.apply({ kind: "signIn", remember: lonely }));
      for (const insert of [plainOne, anonymous]) await done(store.apply({ kind: "signIn", insert }));
      const everyone = { everyone: true, except: by === "session" ? kept.id : mine.id, ...ENDING };
      const devices = await revoke(store, everyone);
      assert.deepEqual(
        byHandle(devices),
        byHandle([
          { sessionId: ended.id, rememberedId: theirs.id, userId: bob, reason: ENDING.reason },
          { sessionId: undefined, rememberedId: lonely.id, userId: ada, reason: ENDING.reason },
          { sessionId: plainOne.id, rememberedId: undefined, userId: ada, reason: ENDING.reason },
          { sessionId: anonymous.id, rememberedId: undefined, userId: undefined, reason: ENDING.reason },
        ]),
      );
      assert.equal((await store.findRemembered(lonely.id))?.login.revokedReason, ENDING.reason);
      assert.equal((await store.findRemembered(theirs.id))?.login.generation, 1);
      assert.equal(await store.findSession(anonymous.id), undefined);
      assert.deepEqual(ids(await store.list(ada)), [kept.id]);
      assert.deepEqual(await revoke(store, everyone), []);
      // Where a user is named as well, only theirs are meant.
      assert.deepEqual(await revoke(store, { everyone: true, userId: bob, ...ENDING }), []);
      await revoke(store, { everyone: true, ...ENDING });
    }
  },

  "ending everyone goes on where one statement would be too much": async ({
    all,
    store,
    ada,
    sessionRow,
    rememberedRow,
  }) => {
    const devices = Array.from({ length: 600 }, (_, index) => {
      const login = index % 2 === 0 ? rememberedRow() : undefined;
      return {
        kind: "signIn" as const,
        remember: login,
        insert: sessionRow({ rememberedId: login?.id, userId: ada, level: "login" }),
      };
    });
    for (let at = 0; at < devices.length; at += 50)
      await Promise.all(
        devices.slice(at, at + 50).map((device, index) => done(pick(all, index).apply(device))),
      );
    const ended = await revoke(store, { everyone: true, ...ENDING });
    assert.equal(new Set(ended.map(({ sessionId }) => sessionId)).size, 600);
    assert.equal(ended.filter(({ rememberedId }) => rememberedId !== undefined).length, 300);
    assert.deepEqual(await store.list(ada), []);
  },
};
