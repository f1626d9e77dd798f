import assert from "node:assert/strict";
import { newSiblingId } from "../../secrets.ts";
import { digestOf, T0 } from "../rows.ts";
import { type Cases, done, ENDING, ids, lost, pick } from "./scene.ts";

export const caps: Cases = {
  "a cap ends the devices that were not used for longest": async ({
    store,
    ada,
    sessionRow,
    rememberedRow,
  }) => {
    const oldest = sessionRow({ userId: ada, level: "login", lastSeenAt: T0 - 30 });
    const login = rememberedRow({ lastUsedAt: T0 - 10 });
    const session = sessionRow({ userId: ada, level: "login", rememberedId: login.id, lastSeenAt: T0 - 40 });
    const lonely = rememberedRow({ lastUsedAt: T0 - 20 });
    await done(store.apply({ insert: oldest }));
    await done(store.apply({ remember: login, insert: session }));
    await done(store.apply({ remember: lonely }));
    const next = sessionRow({ userId: ada, level: "login", lastSeenAt: T0 - 50 });
    const result = await store.apply({ insert: next, cap: { ...CAP, userId: ada, most: 2 } });
    assert.deepEqual(
      new Set(
        result.done ? result.ended.map(({ sessionId, rememberedId }) => rememberedId ?? sessionId) : [],
      ),
      new Set([oldest.id, lonely.id]),
    );
    assert.deepEqual(new Set(ids(await store.list(ada))), new Set([session.id, next.id]));
    assert.equal((await store.findRemembered(lonely.id))?.login.revokedReason, "cap");
  },

  "a cap that refuses changes nothing": async ({ store, ada, sessionRow, rememberedRow }) => {
    const first = sessionRow({ userId: ada, level: "login" });
    await done(store.apply({ insert: first }));
    const cap = { ...CAP, userId: ada, most: 1, overflow: "refuse" } as const;
    const login = rememberedRow();
    const session = sessionRow({ userId: ada, level: "login", rememberedId: login.id });
    await lost("full", store.apply({ remember: login, insert: session, cap }));
    assert.equal(await store.findRemembered(login.id), undefined);
    assert.deepEqual(ids(await store.list(ada)), [first.id]);
    await done(store.apply({ remember: login, insert: session, cap: { ...cap, most: 2 } }));
  },

  "a cap counts neither other users, nor what is past its deadline, nor what the change ends or keeps":
    async ({ store, ada, bob, sessionRow, rememberedRow }) => {
      await done(store.apply({ insert: sessionRow({ userId: bob, level: "login" }) }));
      await done(store.apply({ insert: sessionRow({ userId: ada, level: "login", idleDeadline: T0 - 1 }) }));
      await done(store.apply({ remember: rememberedRow({ absoluteDeadline: T0 - 1 }) }));
      const before = rememberedRow();
      const session = sessionRow({ userId: ada, level: "login", rememberedId: before.id });
      await done(store.apply({ remember: before, insert: session }));
      const next = rememberedRow({ id: newSiblingId(session.id) });
      const result = await store.apply({
        remember: next,
        update: { id: session.id, version: 1, set: { rememberedId: next.id } },
        end: [{ rememberedId: before.id, ...ENDING }],
        cap: { ...CAP, userId: ada, most: 1 },
      });
      assert.equal(result.done && result.ended.length, 1);
      assert.equal((await store.findRemembered(next.id))?.session?.id, session.id);
    },

  "a cap that refuses does not count what the change ends, and counts what it fails to end": async ({
    store,
    ada,
    sessionRow,
    rememberedRow,
  }) => {
    const before = rememberedRow();
    const session = sessionRow({ userId: ada, level: "login", rememberedId: before.id });
    const other = rememberedRow();
    await done(store.apply({ remember: before, insert: session }));
    await done(store.apply({ remember: other }));
    const next = rememberedRow({ id: newSiblingId(session.id) });
    const attempt = (token: string) =>
      store.apply({
        remember: next,
        update: { id: session.id, version: 1, set: { rememberedId: next.id } },
        end: [
          { rememberedId: before.id, ...ENDING },
          { rememberedId: other.id, token: digestOf(token), ...ENDING },
        ],
        cap: { ...CAP, overflow: "refuse", userId: ada, most: 1 },
      });
    await lost("full", attempt("old"));
    assert.equal((await store.findRemembered(before.id))?.login.revokedAt, undefined);
    await done(attempt("token"));
    assert.deepEqual(ids(await store.list(ada)), [session.id]);
  },

  "a hundred parallel sign-ins leave exactly as many devices as the cap allows": async ({
    all,
    store,
    ada,
    sessionRow,
    rememberedRow,
  }) => {
    const results = await Promise.all(
      Array.from({ length: 100 }, (_, index) => {
        const login = rememberedRow({ lastUsedAt: T0 + index });
        const session = sessionRow({ userId: ada, level: "login", rememberedId: login.id });
        const cap = { ...CAP, userId: ada, most: 5 };
        return pick(all, index).apply({ remember: login, insert: session, cap });
      }),
    );
    assert.equal(results.filter((result) => result.done).length, 100);
    assert.equal((await store.list(ada)).length, 5);
  },

  "of a hundred parallel sign-ins a cap that refuses lets exactly so many through": async ({
    all,
    store,
    ada,
    sessionRow,
  }) => {
    const cap = { ...CAP, userId: ada, most: 5, overflow: "refuse" } as const;
    const results = await Promise.all(
      Array.from({ length: 100 }, (_, index) =>
        pick(all, index).apply({ insert: sessionRow({ userId: ada, level: "login" }), cap }),
      ),
    );
    assert.equal(results.filter((result) => result.done).length, 5);
    assert.equal((await store.list(ada)).length, 5);
  },
};

const CAP = { overflow: "endOldest", reason: "cap", at: T0, pruneAfter: T0 + 20 } as const;
