import assert from "node:assert/strict";
import { newId } from "../../protocol/secrets.ts";
import { revoke } from "../../stores/changes.ts";
import type { Ended } from "../../stores/store.ts";
import { T0 } from "../rows.ts";
import { type CaseFixture, type Cases, conflict, done, ENDING, ids } from "./fixture.ts";

/** An id of a realm: it ends with the realm's text. */
const idIn = (realm: string, like = newId()): string => like.slice(0, -realm.length) + realm;
const siblingIn = (realm: string, id: string): string => idIn(realm, id.slice(0, 6) + newId().slice(6));

const handlesOf = (ended: readonly Ended[]) =>
  new Set(ended.flatMap(({ sessionId, rememberedId }) => [sessionId, rememberedId]).filter(Boolean));

/** One device of each kind in a realm, all of ada's. */
async function devicesIn(fixture: CaseFixture, realm: string): Promise<string[]> {
  const { store, ada, sessionRow, rememberedRow } = fixture;
  const login = rememberedRow({ id: idIn(realm) });
  const session = sessionRow({
    id: siblingIn(realm, login.id),
    rememberedId: login.id,
    userId: ada,
    level: "login",
  });
  const single = sessionRow({ id: idIn(realm), userId: ada, level: "login" });
  const lonely = rememberedRow({ id: idIn(realm) });
  await done(store.apply({ kind: "signIn", remember: login, insert: session }));
  await done(store.apply({ kind: "signIn", insert: single }));
  await done(store.apply({ kind: "signIn", remember: lonely }));
  return [login.id, session.id, single.id, lonely.id];
}

export const realms: Cases = {
  "a realm ends its own devices only, of a user and of everyone": async (fixture) => {
    const { store, ada, bob } = fixture;
    for (const selector of [{ userId: ada }, { everyone: true }]) {
      const ours = await devicesIn(fixture, "AAAA");
      const theirs = await devicesIn(fixture, "BBBB");
      // The same letters elsewhere in an id are no realm.
      const elsewhere = fixture.sessionRow({ id: idIn("AAAAx"), userId: ada, level: "login" });
      await done(store.apply({ kind: "signIn", insert: elsewhere }));
      assert.deepEqual(await revoke(store, { userId: bob, realm: "AAAA", ...ENDING }), []);
      assert.deepEqual(
        handlesOf(await revoke(store, { ...selector, realm: "AAAA", ...ENDING })),
        new Set(ours),
      );
      assert.deepEqual(
        new Set(ids(await store.list(ada))),
        new Set([theirs[1], theirs[2], theirs[3], elsewhere.id]),
      );
      assert.deepEqual(await revoke(store, { ...selector, realm: "AAAA", ...ENDING }), []);
      assert.deepEqual(
        handlesOf(await revoke(store, { ...selector, realm: "BBBB", except: theirs[2], ...ENDING })),
        new Set([theirs[0], theirs[1], theirs[3]]),
      );
      await revoke(store, { everyone: true, ...ENDING });
    }
  },

  "a handle ends nothing from another realm": async (fixture) => {
    const { store } = fixture;
    const [, session = ""] = await devicesIn(fixture, "AAAA");
    assert.deepEqual(await revoke(store, { handle: session, realm: "BBBB", ...ENDING }), []);
    assert.equal((await revoke(store, { handle: session, realm: "AAAA", ...ENDING })).length, 1);
  },

  "a cap counts and ends devices of its realm only": async (fixture) => {
    const { store, ada, sessionRow } = fixture;
    const theirs = await devicesIn(fixture, "BBBB");
    const old = sessionRow({ id: idIn("AAAA"), userId: ada, level: "login", lastSeenAt: T0 - 9 });
    await done(store.apply({ kind: "signIn", insert: old }));
    const cap = { userId: ada, max: 1, realm: "AAAA", reason: "cap", at: T0, pruneAfter: T0 + 20 };
    const next = sessionRow({ id: idIn("AAAA"), userId: ada, level: "login" });
    await conflict(
      "full",
      store.apply({ kind: "signIn", insert: next, caps: [{ ...cap, overflow: "refuse" }] }),
    );
    const result = await store.apply({
      kind: "signIn",
      insert: next,
      caps: [{ ...cap, overflow: "evictOldest" }],
    });
    assert.deepEqual(handlesOf(result.done ? result.ended : []), new Set([old.id]));
    assert.deepEqual(
      new Set(ids(await store.list(ada))),
      new Set([theirs[1], theirs[2], theirs[3], next.id]),
    );
  },

  "a cap of a tag counts and ends devices of its realm only": async ({ store, ada, sessionRow }) => {
    const tv = (realm: string) => sessionRow({ id: idIn(realm), userId: ada, level: "login", tag: "tv" });
    const [ours, theirs, next] = [tv("AAAA"), tv("BBBB"), tv("AAAA")];
    for (const insert of [ours, theirs]) await done(store.apply({ kind: "signIn", insert }));
    const cap = {
      userId: ada,
      tag: "tv",
      max: 1,
      realm: "AAAA",
      reason: "tag",
      at: T0,
      pruneAfter: T0 + 20,
    };
    const result = await store.apply({
      kind: "signIn",
      insert: next,
      caps: [{ ...cap, overflow: "evictOldest" }],
    });
    assert.deepEqual(handlesOf(result.done ? result.ended : []), new Set([ours.id]));
    assert.deepEqual(new Set(ids(await store.list(ada))), new Set([theirs.id, next.id]));
  },

  "what was last used before a moment ends also where a user or a handle is named": async ({
    store,
    ada,
    bob,
    sessionRow,
  }) => {
    const before = T0 + 50;
    const at = (lastSeenAt: number, userId = ada) => sessionRow({ userId, level: "login", lastSeenAt });
    const [old, atIt, later, theirs] = [at(before - 1), at(before), at(before + 1), at(before - 1, bob)];
    for (const insert of [old, atIt, later, theirs]) await done(store.apply({ kind: "signIn", insert }));
    const selector = { lastUsedBefore: before, ...ENDING };
    for (const { id } of [atIt, later])
      assert.deepEqual(await revoke(store, { handle: id, ...selector }), []);
    assert.deepEqual(handlesOf(await revoke(store, { userId: ada, ...selector })), new Set([old.id]));
    assert.deepEqual(new Set(ids(await store.list(ada))), new Set([atIt.id, later.id]));
    assert.deepEqual(
      handlesOf(await revoke(store, { handle: theirs.id, ...selector })),
      new Set([theirs.id]),
    );
  },

  "what was last used before a moment ends, and what either row saw later does not": async ({
    store,
    ada,
    sessionRow,
    rememberedRow,
  }) => {
    const before = T0 + 50;
    const device = async (lastUsedAt: number | undefined, lastSeenAt: number | undefined) => {
      const login = lastUsedAt === undefined ? undefined : rememberedRow({ lastUsedAt });
      const session =
        lastSeenAt === undefined
          ? undefined
          : sessionRow({
              ...(login === undefined ? {} : { rememberedId: login.id }),
              userId: ada,
              level: "login",
              lastSeenAt,
            });
      await done(
        store.apply({
          kind: "signIn",
          ...(login === undefined ? {} : { remember: login }),
          ...(session === undefined ? {} : { insert: session }),
        }),
      );
      return [login?.id, session?.id].filter((id) => id !== undefined);
    };
    const ended = [
      await device(before - 1, before - 2),
      await device(before - 9, undefined),
      await device(undefined, before - 1),
    ];
    const kept = [
      await device(before, before - 1),
      await device(before - 1, before),
      await device(before, undefined),
      await device(undefined, before),
    ];
    const selector = { everyone: true, lastUsedBefore: before, ...ENDING };
    assert.deepEqual(handlesOf(await revoke(store, selector)), new Set(ended.flat()));
    assert.deepEqual(new Set(ids(await store.list(ada))), new Set(kept.map((device) => device.at(-1))));
    assert.deepEqual(await revoke(store, selector), []);
  },
};
