import assert from "node:assert/strict";
import { newSiblingId } from "../../protocol/secrets.ts";
import { revoke } from "../../stores/changes.ts";
import type { RememberedRow, SessionRow } from "../../stores/store.ts";
import { digestOf, T0 } from "../rows.ts";
import { type Cases, conflict, done, ENDING, ids, pick } from "./fixture.ts";

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
    await done(store.apply({ kind: "signIn", insert: oldest }));
    await done(store.apply({ kind: "signIn", remember: login, insert: session }));
    await done(store.apply({ kind: "signIn", remember: lonely }));
    const next = sessionRow({ userId: ada, level: "login", lastSeenAt: T0 - 50 });
    const result = await store.apply({
      kind: "signIn",
      insert: next,
      caps: [{ ...CAP, userId: ada, max: 2 }],
    });
    assert.deepEqual(
      new Set(
        result.done ? result.ended.map(({ sessionId, rememberedId }) => rememberedId ?? sessionId) : [],
      ),
      new Set([oldest.id, lonely.id]),
    );
    assert.deepEqual(new Set(ids(await store.list(ada))), new Set([session.id, next.id]));
    assert.equal((await store.findRemembered(lonely.id))?.login.revokedReason, "cap");
  },

  "a cap counts a device while its session or its login is alive, at its very deadline too": async ({
    store,
    ada,
    sessionRow,
    rememberedRow,
  }) => {
    const dead = { idleDeadline: T0 - 1 };
    const devices: Record<string, [Partial<RememberedRow> | undefined, Partial<SessionRow> | undefined]> = {
      "a live login whose session is past its deadline": [{}, dead],
      "a live session whose login is past its deadline": [{ absoluteDeadline: T0 - 1 }, {}],
      "a session at its idle deadline": [undefined, { idleDeadline: T0 }],
      "a session at its absolute deadline": [undefined, { absoluteDeadline: T0 }],
      "a login at its idle deadline": [{ idleDeadline: T0 }, undefined],
      "a login at its absolute deadline": [{ absoluteDeadline: T0 }, undefined],
    };
    const cap = { ...CAP, userId: ada, max: 1, overflow: "refuse" } as const;
    const attempt = () =>
      store.apply({ kind: "signIn", insert: sessionRow({ userId: ada, level: "login" }), caps: [cap] });
    for (const [what, [ofLogin, ofSession]] of Object.entries(devices)) {
      const login = ofLogin && rememberedRow(ofLogin);
      const session =
        ofSession && sessionRow({ userId: ada, level: "login", rememberedId: login?.id, ...ofSession });
      await done(store.apply({ kind: "signIn", remember: login, insert: session }));
      assert.deepEqual(await attempt(), { done: false, conflict: "full" }, what);
      await revoke(store, { userId: ada, ...ENDING });
    }
    await done(store.apply({ kind: "signIn", insert: sessionRow({ userId: ada, level: "login", ...dead }) }));
    await done(attempt());
  },

  "the later use of its session and its login decides which device was not used for longest": async ({
    store,
    ada,
    sessionRow,
    rememberedRow,
  }) => {
    const device = async (lastUsedAt: number, lastSeenAt: number) => {
      const login = rememberedRow({ lastUsedAt });
      const session = sessionRow({ userId: ada, level: "login", rememberedId: login.id, lastSeenAt });
      await done(store.apply({ kind: "signIn", remember: login, insert: session }));
      return session.id;
    };
    // By its session alone the first would be the oldest, by its login alone the second.
    const byLogin = await device(T0 - 10, T0 - 90);
    const bySession = await device(T0 - 80, T0 - 20);
    const oldest = await device(T0 - 50, T0 - 60);
    const cap = { ...CAP, userId: ada };
    const first = sessionRow({ userId: ada, level: "login" });
    await done(store.apply({ kind: "signIn", insert: first, caps: [{ ...cap, max: 3 }] }));
    assert.deepEqual(new Set(ids(await store.list(ada))), new Set([byLogin, bySession, first.id]));
    assert.equal(await store.findSession(oldest), undefined);
    const second = sessionRow({ userId: ada, level: "login" });
    await done(store.apply({ kind: "signIn", insert: second, caps: [{ ...cap, max: 3 }] }));
    assert.deepEqual(new Set(ids(await store.list(ada))), new Set([byLogin, first.id, second.id]));
  },

  "a cap that refuses changes nothing": async ({ store, ada, sessionRow, rememberedRow }) => {
    const first = sessionRow({ userId: ada, level: "login" });
    await done(store.apply({ kind: "signIn", insert: first }));
    const cap = { ...CAP, userId: ada, max: 1, overflow: "refuse" } as const;
    const login = rememberedRow();
    const session = sessionRow({ userId: ada, level: "login", rememberedId: login.id });
    await conflict("full", store.apply({ kind: "signIn", remember: login, insert: session, caps: [cap] }));
    assert.equal(await store.findRemembered(login.id), undefined);
    assert.deepEqual(ids(await store.list(ada)), [first.id]);
    await done(store.apply({ kind: "signIn", remember: login, insert: session, caps: [{ ...cap, max: 2 }] }));
  },

  "a cap counts neither other users, nor what is past its deadline, nor what the change ends or keeps":
    async ({ store, ada, bob, sessionRow, rememberedRow }) => {
      await done(store.apply({ kind: "signIn", insert: sessionRow({ userId: bob, level: "login" }) }));
      await done(
        store.apply({
          kind: "signIn",
          insert: sessionRow({ userId: ada, level: "login", idleDeadline: T0 - 1 }),
        }),
      );
      await done(store.apply({ kind: "signIn", remember: rememberedRow({ absoluteDeadline: T0 - 1 }) }));
      const before = rememberedRow();
      const session = sessionRow({ userId: ada, level: "login", rememberedId: before.id });
      await done(store.apply({ kind: "signIn", remember: before, insert: session }));
      const next = rememberedRow({ id: newSiblingId(session.id) });
      const result = await store.apply({
        kind: "signIn",
        remember: next,
        update: { id: session.id, version: 1, set: { rememberedId: next.id } },
        end: [{ login: { id: before.id }, ...ENDING }],
        caps: [{ ...CAP, userId: ada, max: 1 }],
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
    await done(store.apply({ kind: "signIn", remember: before, insert: session }));
    await done(store.apply({ kind: "signIn", remember: other }));
    const next = rememberedRow({ id: newSiblingId(session.id) });
    const attempt = (token: string) =>
      store.apply({
        kind: "signIn",
        remember: next,
        update: { id: session.id, version: 1, set: { rememberedId: next.id } },
        end: [
          { login: { id: before.id }, ...ENDING },
          { login: { id: other.id, token: digestOf(token) }, ...ENDING },
        ],
        caps: [{ ...CAP, overflow: "refuse", userId: ada, max: 1 }],
      });
    await conflict("full", attempt("old"));
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
        const cap = { ...CAP, userId: ada, max: 5 };
        return pick(all, index).apply({ kind: "signIn", remember: login, insert: session, caps: [cap] });
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
    const cap = { ...CAP, userId: ada, max: 5, overflow: "refuse" } as const;
    const results = await Promise.all(
      Array.from({ length: 100 }, (_, index) =>
        pick(all, index).apply({
          kind: "signIn",
          insert: sessionRow({ userId: ada, level: "login" }),
          caps: [cap],
        }),
      ),
    );
    assert.equal(results.filter((result) => result.done).length, 5);
    assert.equal((await store.list(ada)).length, 5);
  },

  "a cap of a tag counts and ends devices of that tag only": async ({
    store,
    ada,
    bob,
    sessionRow,
    rememberedRow,
  }) => {
    const tv = sessionRow({ userId: ada, level: "login", tag: "tv" });
    const untagged = sessionRow({ userId: ada, level: "login" });
    const theirs = sessionRow({ userId: bob, level: "login", tag: "tv" });
    // Its session was lost: the login knows what it was made for.
    const lonely = rememberedRow({ tag: "tv" });
    for (const insert of [tv, untagged, theirs]) await done(store.apply({ kind: "signIn", insert }));
    await done(store.apply({ kind: "signIn", remember: lonely }));
    const login = rememberedRow({ tag: "tv" });
    const insert = sessionRow({ userId: ada, level: "login", rememberedId: login.id, tag: "tv" });
    const byTag = { ...CAP, userId: ada, tag: "tv", max: 1, reason: "tag" };
    const result = await store.apply({ kind: "signIn", remember: login, insert, caps: [byTag] });
    assert.deepEqual(
      new Map(
        result.done ? result.ended.map((ended) => [ended.sessionId ?? ended.rememberedId, ended.reason]) : [],
      ),
      new Map([
        [tv.id, "tag"],
        [lonely.id, "tag"],
      ]),
    );
    assert.deepEqual(new Set(ids(await store.list(ada))), new Set([untagged.id, insert.id]));
    assert.equal((await store.findSession(insert.id))?.tag, "tv");
    assert.equal((await store.findRemembered(login.id))?.login.tag, "tv");
    assert.notEqual(await store.findSession(theirs.id), undefined);
  },

  "a device is of its session's tag, and of its login's only where it has no session": async ({
    store,
    ada,
    sessionRow,
    rememberedRow,
  }) => {
    const device = async (ofLogin: string | undefined, ofSession: string | undefined) => {
      const login = rememberedRow({ tag: ofLogin });
      const row = { rememberedId: login.id, userId: ada, level: "login", tag: ofSession } as const;
      const session = sessionRow(row);
      await done(store.apply({ kind: "signIn", remember: login, insert: session }));
      return session.id;
    };
    const kept = [await device("tv", undefined), await device("tv", "phone")];
    const tv = await device(undefined, "tv");
    const insert = sessionRow({ userId: ada, level: "login", tag: "tv" });
    const result = await store.apply({
      kind: "signIn",
      insert,
      caps: [{ ...CAP, userId: ada, tag: "tv", max: 1, reason: "tag" }],
    });
    assert.deepEqual(result.done ? result.ended.map(({ sessionId }) => sessionId) : [], [tv]);
    assert.deepEqual(new Set(ids(await store.list(ada))), new Set([...kept, insert.id]));
  },

  "what one cap ends the next does not count": async ({ store, ada, sessionRow }) => {
    const tv = sessionRow({ userId: ada, level: "login", tag: "tv" });
    const other = sessionRow({ userId: ada, level: "login" });
    for (const insert of [tv, other]) await done(store.apply({ kind: "signIn", insert }));
    const caps = [
      { ...CAP, userId: ada, tag: "tv", max: 1, reason: "tag" },
      { ...CAP, overflow: "refuse", userId: ada, max: 2 } as const,
    ];
    const next = sessionRow({ userId: ada, level: "login", tag: "tv" });
    await done(store.apply({ kind: "signIn", insert: next, caps }));
    assert.deepEqual(new Set(ids(await store.list(ada))), new Set([other.id, next.id]));
    const third = sessionRow({ userId: ada, level: "login", tag: "phone" });
    const refused = [{ ...CAP, userId: ada, tag: "phone", max: 1, reason: "tag" }, ...caps.slice(1)];
    await conflict("full", store.apply({ kind: "signIn", insert: third, caps: refused }));
    assert.equal((await store.list(ada)).length, 2);
  },

  "of parallel sign-ins under one tag one device stays": async ({
    all,
    store,
    ada,
    sessionRow,
    rememberedRow,
  }) => {
    for (let round = 0; round < 5; round++) {
      const results = await Promise.all(
        Array.from({ length: 6 }, (_, index) => {
          const login = index % 2 === 0 ? rememberedRow({ tag: "tv" }) : undefined;
          const insert = sessionRow({ userId: ada, level: "login", rememberedId: login?.id, tag: "tv" });
          const caps = [{ ...CAP, userId: ada, tag: "tv", max: 1, reason: "tag" }];
          return pick(all, index).apply({ kind: "signIn", remember: login, insert, caps });
        }),
      );
      assert.ok(results.every((result) => result.done));
      assert.equal((await store.list(ada)).length, 1);
    }
  },
};

const CAP = { overflow: "evictOldest", reason: "cap", at: T0, pruneAfter: T0 + 20 } as const;
