import assert from "node:assert/strict";
import { newSiblingId } from "../../secrets.ts";
import type { Ended } from "../../stores/store.ts";
import { digestOf, plain, T0 } from "../rows.ts";
import { type Cases, done, ENDING, ids, pick } from "./scene.ts";

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
      await done(store.apply({ remember: login, insert: session }));
      const handle = by === "login" ? login.id : session.id;
      const ended = [{ sessionId: session.id, rememberedId: login.id, userId: ada, reason: "revoked" }];
      assert.deepEqual(await store.end({ handle, ...ENDING }), ended);
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
      assert.deepEqual(await store.end({ handle, ...ENDING, reason: "theft" }), []);
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
    await done(store.apply({ remember: mine, insert: kept }));
    await done(store.apply({ remember: lonely }));
    await done(store.apply({ insert: plainOne }));
    await done(store.apply({ insert: foreign }));
    const bystander = rememberedRow({ userId: bob });
    await done(store.apply({ remember: bystander }));
    assert.deepEqual(
      await store.end({ userId: bob, except: bystander.id, ...ENDING, handle: bystander.id }),
      [],
    );
    const ended = await store.end({ userId: ada, except: kept.id, ...ENDING });
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
    await done(store.apply({ insert: row }));
    assert.deepEqual(await store.end({ handle: row.id, userId: bob, ...ENDING }), []);
    assert.notEqual(await store.findSession(row.id), undefined);
  },

  "an ending that selects nothing in particular ends nothing": async ({ store, ada, sessionRow }) => {
    const row = sessionRow({ userId: ada, level: "login" });
    await done(store.apply({ insert: row }));
    assert.deepEqual(await store.end(ENDING), []);
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
      await done(store.apply({ remember: login, insert: session }));
      const end = [{ rememberedId: login.id, token: digestOf(token), ...ENDING }];
      const result = await store.apply({ insert: sessionRow(), end });
      assert.equal(result.done && result.ended.length, ends ? 1 : 0, token);
      assert.equal((await store.findRemembered(login.id))?.login.revokedAt !== undefined, ends, token);
      assert.equal((await store.findSession(session.id)) === undefined, ends, token);
    }
  },

  "a change ends another login whatever its token where it is the user's who signs in": async ({
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
      await done(store.apply({ remember: login, insert: session }));
      const end = [{ rememberedId: login.id, token: digestOf(token), owner, ...ENDING }];
      const result = await store.apply({ insert: sessionRow({ userId: owner, level: "login" }), end });
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
    await done(store.apply({ insert: row }));
    for (const [userId, ends] of [
      [undefined, false],
      [ada, false],
      [bob, true],
    ] as const) {
      const result = await store.apply({ end: [{ sessionId: row.id, userId, ...ENDING }] });
      assert.equal(result.done && result.ended.length, ends ? 1 : 0, String(userId));
      assert.equal((await store.findSession(row.id)) === undefined, ends, String(userId));
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
    await done(store.apply({ remember: before, insert: session }));
    const next = rememberedRow({ id: newSiblingId(session.id) });
    const set = { rememberedId: next.id, level: "login" as const };
    await done(
      store.apply({
        remember: next,
        update: { id: session.id, version: 1, set },
        end: [{ rememberedId: before.id, ...ENDING, reason: "replaced" }],
      }),
    );
    assert.equal((await store.findRemembered(before.id))?.login.revokedReason, "replaced");
    assert.equal((await store.findRemembered(next.id))?.session?.id, session.id);
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
      await done(store.apply({ remember: mine, insert: kept }));
      await done(store.apply({ remember: theirs, insert: ended }));
      await done(store.apply({ remember: lonely }));
      for (const insert of [plainOne, anonymous]) await done(store.apply({ insert }));
      const everyone = { everyone: true, except: by === "session" ? kept.id : mine.id, ...ENDING };
      const devices = await store.end(everyone);
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
      assert.deepEqual(await store.end(everyone), []);
      // Where a user is named as well, only theirs are meant.
      assert.deepEqual(await store.end({ everyone: true, userId: bob, ...ENDING }), []);
      await store.end({ everyone: true, ...ENDING });
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
        remember: login,
        insert: sessionRow({ rememberedId: login?.id, userId: ada, level: "login" }),
      };
    });
    for (let at = 0; at < devices.length; at += 50)
      await Promise.all(
        devices.slice(at, at + 50).map((device, index) => done(pick(all, index).apply(device))),
      );
    const ended = await store.end({ everyone: true, ...ENDING });
    assert.equal(new Set(ended.map(({ sessionId }) => sessionId)).size, 600);
    assert.equal(ended.filter(({ rememberedId }) => rememberedId !== undefined).length, 300);
    assert.deepEqual(await store.list(ada), []);
  },
};
