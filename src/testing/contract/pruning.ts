import assert from "node:assert/strict";
import { locksOf } from "../../stores/locks.ts";
import { claimPrune } from "../../upkeep/prune.ts";
import { plain, T0 } from "../rows.ts";
import { atOnce, type Cases, done } from "./fixture.ts";

export const pruning: Cases = {
  "pruning deletes what is past its time, at most so much at once": async ({ store, expires, stored }) => {
    if (expires) {
      const past = Date.now() - 1;
      await stored.anonymous({ pruneAfter: past });
      assert.deepEqual(await store.prune(T0, 3), { sessions: 0, logins: 0 });
      return;
    }
    for (let index = 0; index < 5; index++) {
      await stored.anonymous({ pruneAfter: T0 - 1 });
      await stored.login({ pruneAfter: T0 - 1 });
    }
    const kept = await stored.anonymous({ pruneAfter: T0 });
    const keptLogin = await stored.login({ pruneAfter: T0 });
    assert.deepEqual(await store.prune(T0, 3), { sessions: 3, logins: 3 });
    assert.deepEqual(await store.prune(T0, 3), { sessions: 2, logins: 2 });
    assert.deepEqual(await store.prune(T0, 3), { sessions: 0, logins: 0 });
    assert.notEqual(await store.findSession(kept.id), undefined);
    assert.notEqual(await store.findRemembered(keptLogin.id), undefined);
  },

  "a login whose session was pruned gets another one": async ({ store, expires, make, stored }) => {
    const pruneAfter = expires ? Date.now() - 1 : T0 - 1;
    const { login } = await stored.device({ session: { pruneAfter } });
    await store.prune(T0, 10);
    assert.deepEqual(plain(await store.findRemembered(login.id)), plain({ login, session: undefined }));
    const next = make.session({ rememberedId: login.id, level: "remembered" });
    await done(store.apply({ kind: "accept", hold: { id: login.id, generation: 0 }, insert: next }));
    assert.equal((await store.findRemembered(login.id))?.session?.id, next.id);
  },

  "pruning leaves a lock alone that still runs": async ({ store }) => {
    const lock = { name: "a", owner: "first", now: T0, until: T0 + 1000 };
    const first = await locksOf(store).acquire(lock);
    assert.notEqual(first, undefined);
    for (const now of [T0 + 1, T0 + 999]) {
      await store.prune(now, 100);
      assert.equal(
        await locksOf(store).acquire({ ...lock, owner: "second", now }),
        undefined,
        String(now - T0),
      );
    }
    await store.prune(T0 + 1001, 100);
    const next = { ...lock, owner: "second", now: T0 + 1001, until: T0 + 2000 };
    const second = await locksOf(store).acquire(next);
    assert.ok(first !== undefined && second !== undefined && second > first);
  },

  "one caller per interval prunes": async ({ all }) => {
    const claim = async (now: number) => {
      const claims = await atOnce(all, 8, (from) => claimPrune(from, now, 1000));
      return claims.filter(Boolean).length;
    };
    assert.equal(await claim(T0), 1);
    assert.equal(await claim(T0 + 999), 0);
    assert.equal(await claim(T0 + 1000), 1);
    assert.equal(await claim(T0), 0, "one that is ahead by an interval blocks");
    assert.equal(await claim(T0 - 1), 1, "a clock that had been further ahead does not block pruning");
  },
};
