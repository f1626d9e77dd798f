import assert from "node:assert/strict";
import { newId } from "../../protocol/secrets.ts";
import { revoke } from "../../stores/changes.ts";
import type { Cap, Ended, Store, UserId } from "../../stores/store.ts";
import { T0 } from "../rows.ts";
import { CAP, type CaseFixture, type Cases, conflict, done, ENDING, endedBy, ids } from "./fixture.ts";

/** An id of a realm: it ends with the realm's text. */
const idIn = (realm: string, like = newId()): string => like.slice(0, -realm.length) + realm;
const siblingIn = (realm: string, id: string): string => idIn(realm, id.slice(0, 6) + newId().slice(6));

const handlesOf = (ended: readonly Ended[]) =>
  new Set(ended.flatMap(({ sessionId, rememberedId }) => [sessionId, rememberedId]).filter(Boolean));
const listedOf = async (store: Store, userId: UserId) => new Set(ids(await store.list(userId)));

/** One device of each kind in a realm, all of ada's. */
async function devicesIn({ stored }: CaseFixture, realm: string): Promise<string[]> {
  const id = idIn(realm);
  const { login, session } = await stored.device({ login: { id }, session: { id: siblingIn(realm, id) } });
  const single = await stored.session({ id: idIn(realm) });
  const lonely = await stored.login({ id: idIn(realm) });
  return [login.id, session.id, single.id, lonely.id];
}

export const realms: Cases = {
  "a realm ends its own devices only, of a user and of everyone": async (fixture) => {
    const { store, ada, bob, stored } = fixture;
    for (const selector of [{ userId: ada }, { everyone: true }]) {
      const ours = await devicesIn(fixture, "AAAA");
      const theirs = await devicesIn(fixture, "BBBB");
      // The same letters elsewhere in an id are no realm.
      const elsewhere = await stored.session({ id: idIn("AAAAx") });
      assert.deepEqual(await revoke(store, { userId: bob, realm: "AAAA", ...ENDING }), []);
      assert.deepEqual(
        handlesOf(await revoke(store, { ...selector, realm: "AAAA", ...ENDING })),
        new Set(ours),
      );
      assert.deepEqual(await listedOf(store, ada), new Set([...theirs.slice(1), elsewhere.id]));
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
    const { store, ada, make, stored } = fixture;
    const theirs = await devicesIn(fixture, "BBBB");
    const old = await stored.session({ id: idIn("AAAA"), lastSeenAt: T0 - 9 });
    const next = make.session({ id: idIn("AAAA") });
    const attempt = (overflow: Cap["overflow"]) => {
      const cap = { ...CAP, userId: ada, max: 1, realm: "AAAA", overflow };
      return store.apply({ kind: "signIn", insert: next, caps: [cap] });
    };
    await conflict("full", attempt("refuse"));
    assert.deepEqual(handlesOf(endedBy(await attempt("evictOldest"))), new Set([old.id]));
    assert.deepEqual(await listedOf(store, ada), new Set([...theirs.slice(1), next.id]));
  },

  "a cap of a tag counts and ends devices of its realm only": async ({ store, ada, make, stored }) => {
    const tv = (realm: string) => ({ id: idIn(realm), tag: "tv" });
    const ours = await stored.session(tv("AAAA"));
    const theirs = await stored.session(tv("BBBB"));
    const next = make.session(tv("AAAA"));
    const cap = { ...CAP, userId: ada, tag: "tv", max: 1, realm: "AAAA", reason: "tag" };
    const result = await store.apply({ kind: "signIn", insert: next, caps: [cap] });
    assert.deepEqual(handlesOf(endedBy(result)), new Set([ours.id]));
    assert.deepEqual(await listedOf(store, ada), new Set([theirs.id, next.id]));
  },

  "what was last used before a moment ends also where a user or a handle is named": async ({
    store,
    ada,
    bob,
    stored,
  }) => {
    const before = T0 + 50;
    const old = await stored.session({ lastSeenAt: before - 1 });
    const atIt = await stored.session({ lastSeenAt: before });
    const later = await stored.session({ lastSeenAt: before + 1 });
    const theirs = await stored.session({ userId: bob, lastSeenAt: before - 1 });
    const selector = { lastUsedBefore: before, ...ENDING };
    for (const { id } of [atIt, later])
      assert.deepEqual(await revoke(store, { handle: id, ...selector }), []);
    assert.deepEqual(handlesOf(await revoke(store, { userId: ada, ...selector })), new Set([old.id]));
    assert.deepEqual(await listedOf(store, ada), new Set([atIt.id, later.id]));
    assert.deepEqual(
      handlesOf(await revoke(store, { handle: theirs.id, ...selector })),
      new Set([theirs.id]),
    );
  },

  "what was last used before a moment ends, and what either row saw later does not": async ({
    store,
    ada,
    make,
  }) => {
    const before = T0 + 50;
    const device = async (lastUsedAt: number | undefined, lastSeenAt: number | undefined) => {
      const login = lastUsedAt === undefined ? undefined : make.login({ lastUsedAt });
      const session =
        lastSeenAt === undefined ? undefined : make.session({ rememberedId: login?.id, lastSeenAt });
      await done(store.apply({ kind: "signIn", remember: login, insert: session }));
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
    assert.deepEqual(await listedOf(store, ada), new Set(kept.map((device) => device.at(-1))));
    assert.deepEqual(await revoke(store, selector), []);
  },

  "the key of a session that was used later stays, though it was proved before that moment": async ({
    store,
    stored,
  }) => {
    const before = T0 + 50;
    const key = await stored.session({ userId: undefined, level: "binding", lastSeenAt: before - 1 });
    const session = await stored.session({ bound: `${key.id}.abc`, lastSeenAt: before + 1 });
    assert.deepEqual(await revoke(store, { everyone: true, lastUsedBefore: before, ...ENDING }), []);
    assert.equal((await store.findSession(key.id))?.id, key.id);
    await revoke(store, { everyone: true, ...ENDING });
    assert.equal(await store.findSession(key.id), undefined);
    assert.equal(await store.findSession(session.id), undefined);
  },
};
