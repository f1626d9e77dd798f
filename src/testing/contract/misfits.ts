import assert from "node:assert/strict";
import { newId } from "../../protocol/secrets.ts";
import { revoke } from "../../stores/changes.ts";
import type { Misfit } from "../../stores/store.ts";
import { digestOf, plain, T0 } from "../rows.ts";
import { type Cases, conflict, done, ENDING, pick, rotation } from "./fixture.ts";

/** What ends, or is counted, only while a row is in a certain state. */
export const misfits: Cases = {
  "a login whose row fell behind, or was forked, ends with its session; a healthy one does not": async ({
    store,
    ada,
    sessionRow,
    rememberedRow,
  }) => {
    const behind = (generation: number): Misfit => ({ kind: "behind", generation });
    const forked = (generation: number, token: string): Misfit => ({
      kind: "forked",
      generation,
      token: digestOf(token),
    });
    for (const [misfit, ends] of [
      [behind(6), true],
      [behind(5), false],
      [behind(4), false],
      [forked(5, "another"), true],
      [forked(5, "token"), false],
      [forked(4, "another"), false],
      [forked(6, "another"), false],
    ] as const) {
      const login = rememberedRow({ generation: 5 });
      const session = sessionRow({ rememberedId: login.id, userId: ada, level: "remembered" });
      await done(store.apply({ kind: "signIn", remember: login, insert: session }));
      const end = [{ login: { id: login.id, misfit }, ...ENDING, reason: "stale" }];
      const message = JSON.stringify(plain(misfit));
      const result = await store.apply({ kind: "end", end });
      const ended = { sessionId: session.id, rememberedId: login.id, userId: ada, reason: "stale" };
      assert.deepEqual(result, { done: true, ended: ends ? [ended] : [] }, message);
      const found = await store.findRemembered(login.id);
      assert.equal(found?.login.revokedReason, ends ? "stale" : undefined, message);
      assert.equal(found?.session === undefined, ends, message);
      // What has ended is no misfit any more.
      await revoke(store, { handle: login.id, ...ENDING });
      assert.deepEqual(await store.apply({ kind: "end", end }), { done: true, ended: [] }, message);
    }
    assert.deepEqual(
      await store.apply({ kind: "end", end: [{ login: { id: newId(), misfit: behind(1) }, ...ENDING }] }),
      {
        done: true,
        ended: [],
      },
    );
  },

  "a rotation that is on its way saves a login from being taken for a misfit": async ({
    store,
    all,
    ada,
    sessionRow,
    rememberedRow,
  }) => {
    for (let round = 0; round < 20; round++) {
      const login = rememberedRow();
      const session = sessionRow({ rememberedId: login.id, userId: ada, level: "remembered" });
      await done(store.apply({ kind: "signIn", remember: login, insert: session }));
      const misfit: Misfit = { kind: "behind", generation: 1 };
      const [rotated, judged] = await Promise.all([
        pick(all, round).apply({
          kind: "restore",
          rotate: { id: login.id, generation: 0, set: rotation("next") },
          update: { id: session.id, version: 1, set: { secret: digestOf("next") } },
        }),
        pick(all, round + 1).apply({ kind: "end", end: [{ login: { id: login.id, misfit }, ...ENDING }] }),
      ]);
      const isEnded = judged.done && judged.ended.length === 1;
      assert.notEqual(rotated.done, isEnded);
      const found = await store.findRemembered(login.id);
      assert.equal(found?.login.revokedAt !== undefined, isEnded);
      assert.equal(found?.session === undefined, isEnded);
    }
  },

  "a session ends by its current, previous or retired secret, and by no other": async ({
    store,
    ada,
    bob,
    sessionRow,
    rememberedRow,
  }) => {
    for (const [secret, userId, ends] of [
      ["secret", ada, true],
      ["retired", ada, true],
      ["previous", ada, true],
      ["old", ada, false],
      ["secret", bob, false],
    ] as const) {
      for (const isRemembered of [true, false]) {
        const login = isRemembered ? rememberedRow() : undefined;
        const session = sessionRow({
          ...(login === undefined ? {} : { rememberedId: login.id }),
          userId: ada,
          level: "login",
          previousSecret: digestOf("previous"),
          retiredSecret: digestOf("retired"),
        });
        await done(
          store.apply({
            kind: "signIn",
            insert: session,
            ...(login === undefined ? {} : { remember: login }),
          }),
        );
        const end = [{ session: { id: session.id, userId, secret: digestOf(secret) }, ...ENDING }];
        const result = await store.apply({ kind: "end", end });
        const ended = { sessionId: session.id, rememberedId: login?.id, userId: ada, reason: "revoked" };
        assert.deepEqual(result, { done: true, ended: ends ? [ended] : [] }, secret);
        assert.equal((await store.findSession(session.id)) === undefined, ends, secret);
        if (login !== undefined) {
          const found = await store.findRemembered(login.id);
          assert.equal(found?.login.revokedAt !== undefined, ends, secret);
        }
      }
    }
    // Nothing was retired: no secret is like that.
    const row = sessionRow({ userId: ada, level: "login" });
    await done(store.apply({ kind: "signIn", insert: row }));
    const end = [{ session: { id: row.id, userId: ada, secret: digestOf("") }, ...ENDING }];
    assert.deepEqual(await store.apply({ kind: "end", end }), { done: true, ended: [] });
  },

  "of an exchange of the secret and an ending by the one before it one comes first": async ({
    store,
    all,
    ada,
    sessionRow,
    rememberedRow,
  }) => {
    for (let round = 0; round < 20; round++) {
      const login = rememberedRow();
      const session = sessionRow({ rememberedId: login.id, userId: ada, level: "login" });
      await done(store.apply({ kind: "signIn", remember: login, insert: session }));
      const [exchanged, signedOut] = await Promise.all([
        pick(all, round).apply({
          kind: "restore",
          rotate: { id: login.id, generation: 0, set: rotation("next") },
          update: { id: session.id, version: 1, set: { secret: digestOf("next") } },
        }),
        pick(all, round + 1).apply({
          kind: "end",
          end: [{ session: { id: session.id, userId: ada, secret: digestOf("secret") }, ...ENDING }],
        }),
      ]);
      const isEnded = signedOut.done && signedOut.ended.length === 1;
      assert.notEqual(exchanged.done, isEnded);
      const found = await store.findRemembered(login.id);
      assert.equal(found?.login.revokedAt !== undefined, isEnded);
      assert.equal(found?.session === undefined, isEnded);
    }
  },

  "strays are counted up to their most, of the generation that was read": async ({
    store,
    rememberedRow,
  }) => {
    const login = rememberedRow({ generation: 2, strays: 1 });
    await done(store.apply({ kind: "signIn", remember: login }));
    const stray = { id: login.id, generation: 2, max: 3 };
    await conflict("strayed", store.apply({ kind: "stray", stray: { ...stray, generation: 1 } }));
    await conflict("strayed", store.apply({ kind: "stray", stray: { ...stray, id: newId() } }));
    await done(store.apply({ kind: "stray", stray }));
    await done(store.apply({ kind: "stray", stray }));
    await conflict("strayed", store.apply({ kind: "stray", stray }));
    const { strays, ...rest } = (await store.findRemembered(login.id))?.login ?? rememberedRow();
    assert.equal(strays, 3);
    const { strays: _, ...before } = login;
    assert.deepEqual(plain(rest), plain(before));
    await done(store.apply({ kind: "stray", stray: { ...stray, max: 4 } }));
    await revoke(store, { handle: login.id, ...ENDING });
    await conflict("strayed", store.apply({ kind: "stray", stray: { ...stray, generation: 3, max: 9 } }));
  },

  "of parallel strays no more are let through than there may be": async ({ store, all, rememberedRow }) => {
    const login = rememberedRow();
    await done(store.apply({ kind: "signIn", remember: login }));
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        pick(all, index).apply({ kind: "stray", stray: { id: login.id, generation: 0, max: 3 } }),
      ),
    );
    assert.equal(results.filter((result) => result.done).length, 3);
    assert.equal((await store.findRemembered(login.id))?.login.strays, 3);
  },

  "the clock of a server, where a store has one, gives the time": async ({ store }) => {
    if (store.clock === undefined) return;
    const before = await store.clock();
    assert.ok(Number.isInteger(before) && before > T0 / 4, String(before));
    assert.ok((await store.clock()) >= before);
  },
};
