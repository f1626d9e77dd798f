import assert from "node:assert/strict";
import { nameDevice, revoke } from "../../stores/changes.ts";
import { listed } from "../../stores/devices.ts";
import type { UserId, UserIdKind } from "../../stores/store.ts";
import { digestOf, plain, sessionRow } from "../rows.ts";
import { CAP, type Cases, conflict, done, ENDING, ids, save } from "./fixture.ts";

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
  "user ids come back as they were given, and are compared strictly": async ({ store, stored }) => {
    for (const [userId, others] of STRICT[store.userIds]) {
      const row = await stored.session({ userId });
      assert.equal((await store.findSession(row.id))?.userId, userId);
      for (const other of others) {
        assert.deepEqual(await store.list(other), [], `${String(userId)} is not ${String(other)}`);
        assert.deepEqual(await revoke(store, { userId: other, ...ENDING }), []);
      }
      assert.deepEqual(ids(await store.list(userId)), [row.id]);
      assert.equal((await revoke(store, { userId, ...ENDING })).length, 1);
    }
  },

  "users with similar ids do not get in each other's way": async ({ store, make, stored }) => {
    for (const [one, other] of ALIKE[store.userIds].flatMap(([a, b]) => [
      [a, b],
      [b, a],
    ])) {
      if (one === undefined || other === undefined) return;
      const message = `${JSON.stringify(one)} and ${JSON.stringify(other)}`;
      const device = await stored.device({ login: { userId: other } });
      const { login: theirs, session: theirSession } = device;
      const own = await stored.session({ userId: one });
      assert.deepEqual(ids(await store.list(one)), [own.id], message);
      assert.equal(await nameDevice(store, { handle: theirs.id, userId: one, name: "mine" }), false, message);
      assert.deepEqual(await revoke(store, { handle: theirs.id, userId: one, ...ENDING }), [], message);
      const end = [
        { session: { id: theirSession.id, userId: one }, ...ENDING },
        { login: { id: theirs.id, token: digestOf("old"), orOfUser: one }, ...ENDING },
      ];
      assert.deepEqual(await store.apply({ kind: "end", end }), { done: true, ended: [] }, message);
      const next = make.session({ userId: one });
      const cap = { ...CAP, userId: one, max: 2, overflow: "refuse" } as const;
      await done(store.apply({ kind: "signIn", insert: next, caps: [cap] }));
      assert.deepEqual(
        new Set((await revoke(store, { userId: one, ...ENDING })).map(({ sessionId }) => sessionId)),
        new Set([own.id, next.id]),
        message,
      );
      assert.deepEqual(plain(await store.list(other)), plain([listed(device)]), message);
      await revoke(store, { userId: other, ...ENDING });
    }
  },

  "text of 255 characters is an id like any other": async ({ store, stored }) => {
    if (store.userIds !== "any" && store.userIds !== "text") return;
    for (const userId of ["u".repeat(255), `${"\u00fc".repeat(253)}\u{1f6d2}`]) {
      const row = await stored.session({ userId });
      assert.deepEqual(plain(await store.list(userId)), plain([listed({ session: row, login: undefined })]));
      assert.deepEqual(await store.list(`${userId.slice(0, 250)}v`), []);
    }
  },

  "a user id of another kind, or that no store keeps, is refused and not converted": async ({
    store,
    make,
    stored,
  }) => {
    const named = await stored.anonymous();
    for (const userId of FOREIGN[store.userIds]) {
      const row = make.session({ userId });
      const refused = { code: "invalid_user_id" };
      await assert.rejects(store.apply({ kind: "signIn", insert: row }), refused);
      await assert.rejects(store.apply({ kind: "signIn", remember: make.login({ userId }) }), refused);
      await assert.rejects(store.list(userId), refused);
      await assert.rejects(revoke(store, { userId, ...ENDING }), refused);
      await assert.rejects(nameDevice(store, { handle: named.id, userId, name: "theirs" }), refused);
      const update = { id: named.id, version: 1, set: { userId, level: "login" } } as const;
      await assert.rejects(store.apply({ kind: "signIn", update }), refused);
      const cap = { ...CAP, userId, max: 5, overflow: "refuse" } as const;
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
    stored,
  }) => {
    const device = await stored.device();
    const lonely = await stored.login();
    const revoked = await stored.login();
    await revoke(store, { handle: revoked.id, ...ENDING });
    const entries = await store.list(ada);
    assert.equal(entries.length, 2);
    assert.deepEqual(plain(entries.find((entry) => entry.session !== undefined)), plain(listed(device)));
    assert.deepEqual(
      plain(entries.find((entry) => entry.session === undefined)),
      plain({ session: undefined, login: lonely }),
    );
  },

  "a session that changes its user is the new one's device, and no longer the old one's": async ({
    store,
    ada,
    bob,
    make,
    stored,
  }) => {
    const anonymous = await stored.anonymous();
    const row = await stored.session();
    for (const { id } of [anonymous, row]) {
      const update = { id, version: 1, set: { userId: bob, level: "login" } } as const;
      await done(store.apply({ kind: "signIn", update }));
    }
    assert.deepEqual(await store.list(ada), []);
    assert.deepEqual(new Set(ids(await store.list(bob))), new Set([anonymous.id, row.id]));
    assert.deepEqual(await revoke(store, { userId: ada, ...ENDING }), []);
    const cap = { ...CAP, userId: bob, max: 2, overflow: "refuse" } as const;
    const insert = make.session({ userId: bob });
    await conflict("full", store.apply({ kind: "signIn", insert, caps: [cap] }));
    const update = { id: row.id, version: 2, set: { userId: undefined } };
    await done(store.apply({ kind: "signIn", update }));
    assert.deepEqual(ids(await store.list(bob)), [anonymous.id]);
    assert.equal((await revoke(store, { userId: bob, ...ENDING })).length, 1);
    assert.notEqual(await store.findSession(row.id), undefined);
  },

  "what is past its deadline is found, listed and ended all the same": async ({ store, ada, stored }) => {
    // By any clock, but not for long: an index that expires may go a day after.
    const past = { idleDeadline: Date.now() - 2000, absoluteDeadline: Date.now() - 1000 };
    const { session } = await stored.device({ login: past, session: past });
    const lonely = await stored.login(past);
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
    stored,
  }) => {
    const { login, session } = await stored.device();
    const lonely = await stored.login();
    const revoked = await stored.login();
    const plainOne = await stored.session();
    await revoke(store, { handle: revoked.id, ...ENDING });
    for (const handle of [session.id, login.id]) {
      const name = `Zoë's 🛒 ${handle}`;
      assert.equal(await nameDevice(store, { handle, userId: ada, name }), true);
      assert.equal(await nameDevice(store, { handle, userId: ada, name }), true, "the same name again");
      const found = await store.findRemembered(login.id);
      assert.deepEqual(plain(found), plain({ login: { ...login, name }, session: { ...session, name } }));
      assert.equal(await nameDevice(store, { handle, userId: bob, name: "theirs" }), false);
    }
    await done(store.apply(save(session, { data: '{"n":1}' })));
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
