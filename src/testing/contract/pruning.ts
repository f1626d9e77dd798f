import assert from "node:assert/strict";
import { T0 } from "../rows.ts";
import { type Cases, done, pick } from "./scene.ts";

export const pruning: Cases = {
  "pruning deletes what is past its time, at most so much at once": async ({
    store,
    expires,
    sessionRow,
    rememberedRow,
  }) => {
    if (expires) {
      const past = Date.now() - 1;
      await done(store.apply({ insert: sessionRow({ pruneAfter: past }), remember: undefined }));
      assert.deepEqual(await store.prune(T0, 3), { sessions: 0, logins: 0 });
      return;
    }
    for (let index = 0; index < 5; index++) {
      await done(store.apply({ insert: sessionRow({ pruneAfter: T0 - 1 }) }));
      await done(store.apply({ remember: rememberedRow({ pruneAfter: T0 - 1 }) }));
    }
    const kept = sessionRow({ pruneAfter: T0 });
    await done(store.apply({ insert: kept }));
    assert.deepEqual(await store.prune(T0, 3), { sessions: 3, logins: 3 });
    assert.deepEqual(await store.prune(T0, 3), { sessions: 2, logins: 2 });
    assert.deepEqual(await store.prune(T0, 3), { sessions: 0, logins: 0 });
    assert.notEqual(await store.findSession(kept.id), undefined);
  },

  "one caller per interval prunes": async ({ all }) => {
    const claim = async (now: number) => {
      const claims = await Promise.all(
        Array.from({ length: 8 }, (_, i) => pick(all, i).claimPrune(now, 1000)),
      );
      return claims.filter(Boolean).length;
    };
    assert.equal(await claim(T0), 1);
    assert.equal(await claim(T0 + 999), 0);
    assert.equal(await claim(T0 + 1000), 1);
    assert.equal(await claim(T0 - 3000), 1, "a clock that had been ahead does not block pruning");
  },
};
