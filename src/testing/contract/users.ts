import assert from "node:assert/strict";
import { nameDevice, revoke } from "../../stores/changes.ts";
import { listed } from "../../stores/devices.ts";
import type { UserId, UserIdKind } from "../../stores/store.ts";
import { digestOf, plain, T0 } from "../rows.ts";
import { type Cases, done, ENDING, ids } from "./fixture.ts";

/** User ids, and others that a careless store would take for the same. */
const STRICT: Record<UserIdKind, readonly (readonly [UserId, readonly UserId[]])[]> = {
  any: [
    [7, ["7", "7 "]],
    ["7", [7, "07", "7 "]],
    ["Ada", ["ada", "Ada ", "Àda"]],
  ],
  text: [
    ["7", ["07", "7 "]],
    ["Ada", ["ada", "Ada ", "Àda"]],
    ["Zoë 🛒", ["Zoe 🛒", "zoë 🛒"]],
  ],
  integer: [
    [7, [70, -7]],
    [Number.MAX_SAFE_INTEGER, [Number.MAX_SAFE_INTEGER - 1]],
    [0, [1]],
  ],
  uuid: [["0f8fad5b-d9cb-469f-a165-70867728950e", ["0f8fad5b-d9cb-469f-a165-70867728950f"]]],
};

const UNFIT_TEXT = ["", "a".repeat(256), "a\0b", "a\nb", "a\ud800", "\udc00a"];
const UNFIT_NUMBERS = [Number.NaN, 1.5, Number.MAX_SAFE_INTEGER + 1, Number.POSITIVE_INFINITY];

/** Ids of another kind, and those that no store keeps. */
const FOREIGN: Record<UserIdKind, readonly UserId[]> = {
  any: [...UNFIT_TEXT, ...UNFIT_NUMBERS],
  text: [7, ...UNFIT_TEXT],
  integer: ["7", "ada", ...UNFIT_NUMBERS],
  uuid: [7, "ada", "0F8FAD5B-D9CB-469F-A165-70867728950E"],
};

/** Two users whom a careless comparison takes for one. */
const ALIKE: Record<UserIdKind, readonly (readonly [UserId, UserId])[]> = {
  any: [
    ["ada", "ada "],
    ["ada", "Ada"],
    [7, "7"],
  ],
  text: [
    ["ada", "ada "],
    ["ada", "Ada"],
  ],
  integer: [[Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER - 1]],
  uuid: [["0f8fad5b-d9cb-469f-a165-70867728950e", "0f8fad5b-d9cb-469f-a165-70867728950f"]],
};

export const users: Cases = {
  "user ids come back as they were given, and are compared strictly": async ({ store, sessionRow }) => {
    for (const [userId, others] of STRICT[store.userIds]) {
      const row = sessionRow({ userId, level: "login" });
      await done(store.apply({ kind: "signIn", insert: row }));
      assert.equal((await store.findSession(row.id))?.userId, userId);
      for (const other of others) {
        assert.deepEqual(await store.list(other), [], `${String(userId)} is not ${String(other)}`);
        assert.deepEqual(await revoke(store, { userId: other, ...ENDING }), []);
      }
      assert.deepEqual(ids(await store.list(userId)), [row.id]);
      assert.equal((await revoke(store, { userId, ...ENDING })).length, 1);
    }
  },

  "users with similar ids do not get in each other's way": async ({ store, sessionRow, rememberedRow }) => {
    for (const [one, other] of ALIKE[store.userIds].flatMap(([a, b]) => [
      [a, b],
      [b, a],
    ])) {
      if (one === undefined || other === undefined) return;
      const message = `${JSON.stringify(one)} and ${JSON.stringify(other)}`;
      const theirs = rememberedRow({ userId: other });
      const theirSession = sessionRow({ rememberedId: theirs.id, userId: other, level: "login" });
      const own = sessionRow({ userId: one, level: "login" });
      await done(store.apply({ kind: "signIn", remember: theirs, insert: theirSession }));
      await done(store.apply({ kind: "signIn", insert: own }));
      assert.deepEqual(ids(await store.list(one)), [own.id], message);
      assert.equal(await nameDevice(store, { handle: theirs.id, userId: one, name: "mine" }), false, message);
      assert.deepEqual(await revoke(store, { handle: theirs.id, userId: one, ...ENDING }), [], message);
      const end = [
        { session: { id: theirSession.id, userId: one }, ...ENDING },
        { login: { id: theirs.id, token: digestOf("old"), orOfUser: one }, ...ENDING },
      ];
      assert.deepEqual(await store.apply({ kind: "end", end }), { done: true, ended: [] }, message);
      const next = sessionRow({ userId: one, level: "login" });
      const cap = {
        userId: one,
        max: 2,
        overflow: "refuse",
        reason: "cap",
        at: T0,
        pruneAfter: T0,
      } as const;
      await done(store.apply({ kind: "signIn", insert: next, caps: [cap] }));
      assert.deepEqual(
        new Set((await revoke(store, { userId: one, ...ENDING })).map(({ sessionId }) => sessionId)),
        new Set([own.id, next.id]),
        message,
      );
      assert.deepEqual(
        plain(await store.list(other)),
        plain([listed({ session: theirSession, login: theirs })]),
        message,
      );
      await revoke(store, { userId: other, ...ENDING });
    }
  },

  "text of 255 characters is an id like any other": async ({ store, sessionRow }) => {
    if (store.userIds !== "any" && store.userIds !== "text") return;
    for (const userId of ["u".repeat(255), `${"\u00fc".repeat(253)}\u{1f6d2}`]) {
      const row = sessionRow({ userId, level: "login" });
      await done(store.apply({ kind: "signIn", insert: row }));
      assert.deepEqual(plain(await store.list(userId)), plain([listed({ session: row, login: undefined })]));
      assert.deepEqual(await store.list(`${userId.slice(0, 250)}v`), []);
    }
  },

  "a user id of another kind, or that no store keeps, is refused and not converted": async ({
    store,
    sessionRow,
    rememberedRow,
  }) => {
    const named = sessionRow();
    await done(store.apply({ kind: "signIn", insert: named }));
    for (const userId of FOREIGN[store.userIds]) {
      const row = sessionRow({ userId, level: "login" });
      const refused = { code: "invalid_user_id" };
      await assert.rejects(store.apply({ kind: "signIn", insert: row }), refused);
      await assert.rejects(store.apply({ kind: "signIn", remember: rememberedRow({ userId }) }), refused);
      await assert.rejects(store.list(userId), refused);
      await assert.rejects(revoke(store, { userId, ...ENDING }), refused);
      await assert.rejects(nameDevice(store, { handle: named.id, userId, name: "theirs" }), refused);
      const set = { userId, level: "login" as const };
      await assert.rejects(
        store.apply({ kind: "signIn", update: { id: named.id, version: 1, set } }),
        refused,
      );
      const cap = { userId, max: 5, overflow: "refuse", reason: "cap", at: T0, pruneAfter: T0 } as const;
      await assert.rejects(store.apply({ kind: "signIn", insert: sessionRow(), caps: [cap] }), refused);
      if (store.audit !== undefined) await assert.rejects(store.audit.read({ userId, limit: 1 }), refused);
      assert.equal(await store.findSession(row.id), undefined);
    }
    // Left out, a user id must not mean every user, nor anonymous sessions.
    const nobody = { handle: named.id, userId: undefined as never, name: "theirs" };
    await assert.rejects(nameDevice(store, nobody), { code: "invalid_user_id" });
    assert.deepEqual(plain(await store.findSession(named.id)), plain(named));
  },

  "a list has sessions with their logins, and logins whose session was lost": async ({
    store,
    ada,
    sessionRow,
    rememberedRow,
  }) => {
    const login = rememberedRow({ userId: ada });
    const session = sessionRow({ rememberedId: login.id, userId: ada, level: "login" });
    const lonely = rememberedRow({ userId: ada });
    const revoked = rememberedRow({ userId: ada });
    await done(store.apply({ kind: "signIn", remember: login, insert: session }));
    await done(store.apply({ kind: "signIn", remember: lonely }));
    await done(store.apply({ kind: "signIn", remember: revoked }));
    await revoke(store, { handle: revoked.id, ...ENDING });
    const entries = await store.list(ada);
    assert.equal(entries.length, 2);
    assert.deepEqual(
      plain(entries.find((entry) => entry.session !== undefined)),
      plain(listed({ session, login })),
    );
    assert.deepEqual(
      plain(entries.find((entry) => entry.session === undefined)),
      plain({ session: undefined, login: lonely }),
    );
  },

  "a session that changes its user is the new one's device, and no longer the old one's": async ({
    store,
    ada,
    bob,
    sessionRow,
  }) => {
    const anonymous = sessionRow();
    const row = sessionRow({ userId: ada, level: "login" });
    for (const insert of [anonymous, row]) await done(store.apply({ kind: "signIn", insert }));
    for (const { id } of [anonymous, row])
      await done(
        store.apply({ kind: "signIn", update: { id, version: 1, set: { userId: bob, level: "login" } } }),
      );
    assert.deepEqual(await store.list(ada), []);
    assert.deepEqual(new Set(ids(await store.list(bob))), new Set([anonymous.id, row.id]));
    assert.deepEqual(await revoke(store, { userId: ada, ...ENDING }), []);
    const cap = { userId: bob, max: 2, overflow: "refuse", reason: "cap", at: T0, pruneAfter: T0 } as const;
    const insert = sessionRow({ userId: bob, level: "login" });
    assert.deepEqual(await store.apply({ kind: "signIn", insert, caps: [cap] }), {
      done: false,
      conflict: "full",
    });
    await done(
      store.apply({ kind: "signIn", update: { id: row.id, version: 2, set: { userId: undefined } } }),
    );
    assert.deepEqual(ids(await store.list(bob)), [anonymous.id]);
    assert.equal((await revoke(store, { userId: bob, ...ENDING })).length, 1);
    assert.notEqual(await store.findSession(row.id), undefined);
  },

  "what is past its deadline is found, listed and ended all the same": async ({
    store,
    ada,
    sessionRow,
    rememberedRow,
  }) => {
    // By any clock, but not for long: an index that expires may go a day after.
    const past = { idleDeadline: Date.now() - 2000, absoluteDeadline: Date.now() - 1000 };
    const login = rememberedRow(past);
    const session = sessionRow({ rememberedId: login.id, userId: ada, level: "login", ...past });
    const lonely = rememberedRow(past);
    await done(store.apply({ kind: "signIn", remember: login, insert: session }));
    await done(store.apply({ kind: "signIn", remember: lonely }));
    assert.deepEqual(plain(await store.findSession(session.id)), plain(session));
    assert.deepEqual(
      plain(await store.findRemembered(lonely.id)),
      plain({ login: lonely, session: undefined }),
    );
    assert.equal((await store.list(ada)).length, 2);
    assert.equal((await revoke(store, { userId: ada, ...ENDING })).length, 2);
  },

  "a device is named by either handle, and only for its user; nothing else changes": async ({
    store,
    ada,
    bob,
    sessionRow,
    rememberedRow,
  }) => {
    const login = rememberedRow();
    const session = sessionRow({ rememberedId: login.id, userId: ada, level: "login" });
    const lonely = rememberedRow();
    const revoked = rememberedRow();
    const plainOne = sessionRow({ userId: ada, level: "login" });
    await done(store.apply({ kind: "signIn", remember: login, insert: session }));
    for (const remember of [lonely, revoked]) await done(store.apply({ kind: "signIn", remember }));
    await done(store.apply({ kind: "signIn", insert: plainOne }));
    await revoke(store, { handle: revoked.id, ...ENDING });
    for (const handle of [session.id, login.id]) {
      const name = `Zoë's 🛒 ${handle}`;
      assert.equal(await nameDevice(store, { handle, userId: ada, name }), true);
      assert.equal(await nameDevice(store, { handle, userId: ada, name }), true, "the same name again");
      const found = await store.findRemembered(login.id);
      assert.deepEqual(plain(found), plain({ login: { ...login, name }, session: { ...session, name } }));
      assert.equal(await nameDevice(store, { handle, userId: bob, name: "theirs" }), false);
    }
    await done(
      store.apply({ kind: "save", update: { id: session.id, version: 1, set: { data: '{"n":1}' } } }),
    );
    for (const handle of [lonely.id, plainOne.id]) {
      assert.equal(await nameDevice(store, { handle, userId: ada, name: "TV" }), true);
    }
    assert.equal((await store.findRemembered(lonely.id))?.login.name, "TV");
    assert.equal((await store.findSession(plainOne.id))?.name, "TV");
    assert.equal(await nameDevice(store, { handle: login.id, userId: ada, name: undefined }), true);
    const unnamed = await store.findRemembered(login.id);
    assert.deepEqual([unnamed?.login.name, unnamed?.session?.name], [undefined, undefined]);
    assert.equal(await nameDevice(store, { handle: revoked.id, userId: ada, name: "gone" }), false);
    assert.equal(await nameDevice(store, { handle: sessionRow().id, userId: ada, name: "none" }), false);
  },
};
