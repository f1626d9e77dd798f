import assert from "node:assert/strict";
import { listed } from "../../stores/devices.ts";
import type { UserId, UserIdKind } from "../../stores/store.ts";
import { plain } from "../rows.ts";
import { type Cases, done, ENDING, ids } from "./scene.ts";

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

const FOREIGN: Record<UserIdKind, readonly UserId[]> = {
  any: [],
  text: [7],
  integer: ["7", "ada"],
  uuid: [7, "ada", "0F8FAD5B-D9CB-469F-A165-70867728950E"],
};

export const users: Cases = {
  "user ids come back as they were given, and are compared strictly": async ({ store, sessionRow }) => {
    for (const [userId, others] of STRICT[store.userIds]) {
      const row = sessionRow({ userId, level: "login" });
      await done(store.apply({ insert: row }));
      assert.equal((await store.findSession(row.id))?.userId, userId);
      for (const other of others) {
        assert.deepEqual(await store.list(other), [], `${String(userId)} is not ${String(other)}`);
        assert.deepEqual(await store.end({ userId: other, ...ENDING }), []);
      }
      assert.deepEqual(ids(await store.list(userId)), [row.id]);
      assert.equal((await store.end({ userId, ...ENDING })).length, 1);
    }
  },

  "a user id of another kind is refused, not converted": async ({ store, sessionRow, rememberedRow }) => {
    for (const userId of FOREIGN[store.userIds]) {
      const row = sessionRow({ userId, level: "login" });
      const refused = { code: "invalid_user_id" };
      await assert.rejects(store.apply({ insert: row }), refused);
      await assert.rejects(store.apply({ remember: rememberedRow({ userId }) }), refused);
      await assert.rejects(store.list(userId), refused);
      await assert.rejects(store.end({ userId, ...ENDING }), refused);
      assert.equal(await store.findSession(row.id), undefined);
    }
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
    await done(store.apply({ remember: login, insert: session }));
    await done(store.apply({ remember: lonely }));
    await done(store.apply({ remember: revoked }));
    await store.end({ handle: revoked.id, ...ENDING });
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
    await done(store.apply({ remember: login, insert: session }));
    for (const remember of [lonely, revoked]) await done(store.apply({ remember }));
    await done(store.apply({ insert: plainOne }));
    await store.end({ handle: revoked.id, ...ENDING });
    for (const handle of [session.id, login.id]) {
      const name = `Zoë's 🛒 ${handle}`;
      assert.equal(await store.nameDevice({ handle, userId: ada, name }), true);
      assert.equal(await store.nameDevice({ handle, userId: ada, name }), true, "the same name again");
      const found = await store.findRemembered(login.id);
      assert.deepEqual(plain(found), plain({ login: { ...login, name }, session: { ...session, name } }));
      assert.equal(await store.nameDevice({ handle, userId: bob, name: "theirs" }), false);
    }
    await done(store.apply({ update: { id: session.id, version: 1, set: { data: '{"n":1}' } } }));
    for (const handle of [lonely.id, plainOne.id]) {
      assert.equal(await store.nameDevice({ handle, userId: ada, name: "TV" }), true);
    }
    assert.equal((await store.findRemembered(lonely.id))?.login.name, "TV");
    assert.equal((await store.findSession(plainOne.id))?.name, "TV");
    assert.equal(await store.nameDevice({ handle: login.id, userId: ada, name: undefined }), true);
    const unnamed = await store.findRemembered(login.id);
    assert.deepEqual([unnamed?.login.name, unnamed?.session?.name], [undefined, undefined]);
    assert.equal(await store.nameDevice({ handle: revoked.id, userId: ada, name: "gone" }), false);
    assert.equal(await store.nameDevice({ handle: sessionRow().id, userId: ada, name: "none" }), false);
  },
};
