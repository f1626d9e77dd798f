import assert from "node:assert/strict";
import { newId } from "../../protocol/secrets.ts";
import { revoke } from "../../stores/changes.ts";
import type { Ending, Misfit } from "../../stores/store.ts";
import { digestOf, plain, T0 } from "../rows.ts";
import {
  atOnce,
  type CaseFixture,
  type Cases,
  conflict,
  type Device,
  done,
  ENDING,
  endedAs,
  exchange,
  pick,
} from "./fixture.ts";

/** Of a device's exchange and its ending, on their way at once, one is done: both rows are there, or both have ended. */
async function assertOneComesFirst(
  { store, all }: CaseFixture,
  round: number,
  device: Device,
  ending: Partial<Pick<Ending, "session" | "login">>,
): Promise<void> {
  const [exchanged, ended] = await Promise.all([
    pick(all, round).apply(exchange(device)),
    pick(all, round + 1).apply({ kind: "end", end: [{ ...ending, ...ENDING }] }),
  ]);
  const isEnded = ended.done && ended.ended.length === 1;
  assert.notEqual(exchanged.done, isEnded);
  const found = await store.findRemembered(device.login.id);
  assert.equal(found?.login.revokedAt !== undefined, isEnded);
  assert.equal(found?.session === undefined, isEnded);
}

/** What ends, or is counted, only while a row is in a certain state. */
export const misfits: Cases = {
  "a login whose row fell behind, or was forked, ends with its session; a healthy one does not": async ({
    store,
    stored,
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
      const device = await stored.device({ login: { generation: 5 }, session: { level: "remembered" } });
      const { login } = device;
      const end = [{ login: { id: login.id, misfit }, ...ENDING, reason: "stale" }];
      const message = JSON.stringify(plain(misfit));
      const result = await store.apply({ kind: "end", end });
      assert.deepEqual(result, { done: true, ended: ends ? [endedAs(device, "stale")] : [] }, message);
      const found = await store.findRemembered(login.id);
      assert.equal(found?.login.revokedReason, ends ? "stale" : undefined, message);
      assert.equal(found?.session === undefined, ends, message);
      // What has ended is no misfit any more.
      await revoke(store, { handle: login.id, ...ENDING });
      assert.deepEqual(await store.apply({ kind: "end", end }), { done: true, ended: [] }, message);
    }
    const end = [{ login: { id: newId(), misfit: behind(1) }, ...ENDING }];
    assert.deepEqual(await store.apply({ kind: "end", end }), { done: true, ended: [] });
  },

  "a rotation that is on its way saves a login from being taken for a misfit": async (fixture) => {
    const { stored } = fixture;
    for (let round = 0; round < 20; round++) {
      const device = await stored.device({ session: { level: "remembered" } });
      const misfit: Misfit = { kind: "behind", generation: 1 };
      await assertOneComesFirst(fixture, round, device, { login: { id: device.login.id, misfit } });
    }
  },

  "a session ends by its current, previous or retired secret, and by no other": async ({
    store,
    ada,
    bob,
    make,
    stored,
  }) => {
    for (const [secret, userId, ends] of [
      ["secret", ada, true],
      ["retired", ada, true],
      ["previous", ada, true],
      ["old", ada, false],
      ["secret", bob, false],
    ] as const) {
      for (const isRemembered of [true, false]) {
        const login = isRemembered ? make.login() : undefined;
        const session = make.session({
          rememberedId: login?.id,
          previousSecret: digestOf("previous"),
          retiredSecret: digestOf("retired"),
        });
        await done(store.apply({ kind: "signIn", remember: login, insert: session }));
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
    const row = await stored.session();
    const end = [{ session: { id: row.id, userId: ada, secret: digestOf("") }, ...ENDING }];
    assert.deepEqual(await store.apply({ kind: "end", end }), { done: true, ended: [] });
  },

  "of an exchange of the secret and an ending by the one before it one comes first": async (fixture) => {
    const { ada, stored } = fixture;
    for (let round = 0; round < 20; round++) {
      const device = await stored.device();
      const session = { id: device.session.id, userId: ada, secret: digestOf("secret") };
      await assertOneComesFirst(fixture, round, device, { session });
    }
  },

  "strays are counted up to their most, of the generation that was read": async ({ store, make, stored }) => {
    const login = await stored.login({ generation: 2, strays: 1 });
    const stray = { id: login.id, generation: 2, max: 3 };
    await conflict("strayed", store.apply({ kind: "stray", stray: { ...stray, generation: 1 } }));
    await conflict("strayed", store.apply({ kind: "stray", stray: { ...stray, id: newId() } }));
    await done(store.apply({ kind: "stray", stray }));
    await done(store.apply({ kind: "stray", stray }));
    await conflict("strayed", store.apply({ kind: "stray", stray }));
    const { strays, ...rest } = (await store.findRemembered(login.id))?.login ?? make.login();
    assert.equal(strays, 3);
    const { strays: _, ...before } = login;
    assert.deepEqual(plain(rest), plain(before));
    await done(store.apply({ kind: "stray", stray: { ...stray, max: 4 } }));
    await revoke(store, { handle: login.id, ...ENDING });
    await conflict("strayed", store.apply({ kind: "stray", stray: { ...stray, generation: 3, max: 9 } }));
  },

  "of parallel strays no more are let through than there may be": async ({ store, all, stored }) => {
    const login = await stored.login();
    const stray = { id: login.id, generation: 0, max: 3 };
    const results = await atOnce(all, 20, (from) => from.apply({ kind: "stray", stray }));
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
