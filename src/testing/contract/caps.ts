import assert from "node:assert/strict";
import { newId, newSiblingId } from "../../protocol/secrets.ts";
import { revoke } from "../../stores/changes.ts";
import type { RememberedRow, SessionRow } from "../../stores/store.ts";
import { digestOf, T0 } from "../rows.ts";
import { atOnce, CAP, type Cases, conflict, done, ENDING, endedBy, handleOfEnded, ids } from "./fixture.ts";

export const caps: Cases = {
  "a cap ends the devices that were not used for longest": async ({ store, ada, make, stored }) => {
    const oldest = await stored.session({ lastSeenAt: T0 - 30 });
    const { session } = await stored.device({
      login: { lastUsedAt: T0 - 10 },
      session: { lastSeenAt: T0 - 40 },
    });
    const lonely = await stored.login({ lastUsedAt: T0 - 20 });
    const next = make.session({ lastSeenAt: T0 - 50 });
    const caps = [{ ...CAP, userId: ada, max: 2 }];
    const result = await store.apply({ kind: "signIn", insert: next, caps });
    assert.deepEqual(new Set(endedBy(result).map(handleOfEnded)), new Set([oldest.id, lonely.id]));
    assert.deepEqual(new Set(ids(await store.list(ada))), new Set([session.id, next.id]));
    assert.equal((await store.findRemembered(lonely.id))?.login.revokedReason, "cap");
  },

  "a cap counts a device while its session or its login is alive, at its very deadline too": async ({
    store,
    ada,
    make,
    stored,
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
    const attempt = () => store.apply({ kind: "signIn", insert: make.session(), caps: [cap] });
    for (const [what, [ofLogin, ofSession]] of Object.entries(devices)) {
      const login = ofLogin && make.login(ofLogin);
      const session = ofSession && make.session({ rememberedId: login?.id, ...ofSession });
      await done(store.apply({ kind: "signIn", remember: login, insert: session }));
      assert.deepEqual(await attempt(), { done: false, conflict: "full" }, what);
      await revoke(store, { userId: ada, ...ENDING });
    }
    await stored.session(dead);
    await done(attempt());
  },

  "the later use of its session and its login decides which device was not used for longest": async ({
    store,
    ada,
    make,
    stored,
  }) => {
    const device = async (lastUsedAt: number, lastSeenAt: number) => {
      const { session } = await stored.device({ login: { lastUsedAt }, session: { lastSeenAt } });
      return session.id;
    };
    // By its session alone the first would be the oldest, by its login alone the second.
    const byLogin = await device(T0 - 10, T0 - 90);
    const bySession = await device(T0 - 80, T0 - 20);
    const oldest = await device(T0 - 50, T0 - 60);
    const cap = { ...CAP, userId: ada };
    const first = make.session();
    await done(store.apply({ kind: "signIn", insert: first, caps: [{ ...cap, max: 3 }] }));
    assert.deepEqual(new Set(ids(await store.list(ada))), new Set([byLogin, bySession, first.id]));
    assert.equal(await store.findSession(oldest), undefined);
    const second = make.session();
    await done(store.apply({ kind: "signIn", insert: second, caps: [{ ...cap, max: 3 }] }));
    assert.deepEqual(new Set(ids(await store.list(ada))), new Set([byLogin, first.id, second.id]));
  },

  "a cap that refuses changes nothing": async ({ store, ada, make, stored }) => {
    const first = await stored.session();
    const cap = { ...CAP, userId: ada, max: 1, overflow: "refuse" } as const;
    const login = make.login();
    const session = make.session({ rememberedId: login.id });
    await conflict("full", store.apply({ kind: "signIn", remember: login, insert: session, caps: [cap] }));
    assert.equal(await store.findRemembered(login.id), undefined);
    assert.deepEqual(ids(await store.list(ada)), [first.id]);
    await done(store.apply({ kind: "signIn", remember: login, insert: session, caps: [{ ...cap, max: 2 }] }));
  },

  "a cap counts neither other users, nor what is past its deadline, nor what the change ends or keeps":
    async ({ store, ada, bob, make, stored }) => {
      await stored.session({ userId: bob });
      await stored.session({ idleDeadline: T0 - 1 });
      await stored.login({ absoluteDeadline: T0 - 1 });
      const { login: before, session } = await stored.device();
      const next = make.login({ id: newSiblingId(session.id) });
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
    make,
    stored,
  }) => {
    const { login: before, session } = await stored.device();
    const other = await stored.login();
    const next = make.login({ id: newSiblingId(session.id) });
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

  "trust in a browser is listed and ended with its user, and no cap counts or evicts it": async ({
    store,
    ada,
    make,
    stored,
  }) => {
    const trust = await stored.session({ level: "trust", lastSeenAt: T0 - 90, handle: newId() });
    const cap = { ...CAP, userId: ada, max: 1 };
    const first = make.session({ lastSeenAt: T0 - 50 });
    await done(store.apply({ kind: "signIn", insert: first, caps: [{ ...cap, overflow: "refuse" }] }));
    const second = make.session();
    const result = await store.apply({ kind: "signIn", insert: second, caps: [cap] });
    assert.deepEqual(endedBy(result).map(handleOfEnded), [first.id]);
    assert.deepEqual(new Set(ids(await store.list(ada))), new Set([trust.id, second.id]));
    assert.equal((await store.findSession(trust.id))?.level, "trust");
    await revoke(store, { userId: ada, ...ENDING });
    assert.equal(await store.findSession(trust.id), undefined);
  },

  "a hundred parallel sign-ins leave exactly as many devices as the cap allows": async ({
    store,
    all,
    ada,
    make,
  }) => {
    const cap = { ...CAP, userId: ada, max: 5 };
    const results = await atOnce(all, 100, (from, index) => {
      const login = make.login({ lastUsedAt: T0 + index });
      const session = make.session({ rememberedId: login.id });
      return from.apply({ kind: "signIn", remember: login, insert: session, caps: [cap] });
    });
    assert.equal(results.filter((result) => result.done).length, 100);
    assert.equal((await store.list(ada)).length, 5);
  },

  "of a hundred parallel sign-ins a cap that refuses lets exactly so many through": async ({
    store,
    all,
    ada,
    make,
  }) => {
    const cap = { ...CAP, userId: ada, max: 5, overflow: "refuse" } as const;
    const results = await atOnce(all, 100, (from) =>
      from.apply({ kind: "signIn", insert: make.session(), caps: [cap] }),
    );
    assert.equal(results.filter((result) => result.done).length, 5);
    assert.equal((await store.list(ada)).length, 5);
  },

  "a cap of a tag counts and ends devices of that tag only": async ({ store, ada, bob, make, stored }) => {
    const tv = await stored.session({ tag: "tv" });
    const untagged = await stored.session();
    const theirs = await stored.session({ userId: bob, tag: "tv" });
    // Its session was lost: the login knows what it was made for.
    const lonely = await stored.login({ tag: "tv" });
    const login = make.login({ tag: "tv" });
    const insert = make.session({ rememberedId: login.id, tag: "tv" });
    const byTag = { ...CAP, userId: ada, tag: "tv", max: 1, reason: "tag" };
    const result = await store.apply({ kind: "signIn", remember: login, insert, caps: [byTag] });
    assert.deepEqual(
      new Map(endedBy(result).map((ended) => [handleOfEnded(ended), ended.reason])),
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
    make,
    stored,
  }) => {
    const device = async (ofLogin: string | undefined, ofSession: string | undefined) => {
      const { session } = await stored.device({ login: { tag: ofLogin }, session: { tag: ofSession } });
      return session.id;
    };
    const kept = [await device("tv", undefined), await device("tv", "phone")];
    const tv = await device(undefined, "tv");
    const insert = make.session({ tag: "tv" });
    const byTag = { ...CAP, userId: ada, tag: "tv", max: 1, reason: "tag" };
    const result = await store.apply({ kind: "signIn", insert, caps: [byTag] });
    assert.deepEqual(
      endedBy(result).map(({ sessionId }) => sessionId),
      [tv],
    );
    assert.deepEqual(new Set(ids(await store.list(ada))), new Set([...kept, insert.id]));
  },

  "what one cap ends the next does not count": async ({ store, ada, make, stored }) => {
    await stored.session({ tag: "tv" });
    const other = await stored.session();
    const caps = [
      { ...CAP, userId: ada, tag: "tv", max: 1, reason: "tag" },
      { ...CAP, overflow: "refuse", userId: ada, max: 2 } as const,
    ];
    const next = make.session({ tag: "tv" });
    await done(store.apply({ kind: "signIn", insert: next, caps }));
    assert.deepEqual(new Set(ids(await store.list(ada))), new Set([other.id, next.id]));
    const third = make.session({ tag: "phone" });
    const refused = [{ ...CAP, userId: ada, tag: "phone", max: 1, reason: "tag" }, ...caps.slice(1)];
    await conflict("full", store.apply({ kind: "signIn", insert: third, caps: refused }));
    assert.equal((await store.list(ada)).length, 2);
  },

  "of parallel sign-ins under one tag one device stays": async ({ store, all, ada, make }) => {
    for (let round = 0; round < 5; round++) {
      const caps = [{ ...CAP, userId: ada, tag: "tv", max: 1, reason: "tag" }];
      const results = await atOnce(all, 6, (from, index) => {
        const login = index % 2 === 0 ? make.login({ tag: "tv" }) : undefined;
        const insert = make.session({ rememberedId: login?.id, tag: "tv" });
        return from.apply({ kind: "signIn", remember: login, insert, caps });
      });
      assert.ok(results.every((result) => result.done));
      assert.equal((await store.list(ada)).length, 1);
    }
  },
};
