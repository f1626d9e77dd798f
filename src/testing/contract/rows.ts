import assert from "node:assert/strict";
import { newId } from "../../protocol/secrets.ts";
import { nameDevice, revoke } from "../../stores/changes.ts";
import { listed } from "../../stores/devices.ts";
import { digestOf, plain, T0 } from "../rows.ts";
import { type Cases, done, ENDING, fullRows } from "./fixture.ts";

export const rows: Cases = {
  "a missing row is undefined, not an error": async ({ store, bob }) => {
    assert.equal(await store.findSession(newId()), undefined);
    assert.equal(await store.findRemembered(newId()), undefined);
    assert.deepEqual(await store.list(bob), []);
  },

  "a session comes back as it was stored": async ({ store, ada, sessionRow }) => {
    const row = sessionRow({
      previousSecret: digestOf("before"),
      userId: ada,
      level: "login",
      authenticatedAt: T0 - 5,
      confirmFrom: T0 + 120_000,
      data: JSON.stringify({ text: "Zoë's “cart” 🛒 \\ \u0000 ' \" ; --", list: [1, null, { a: true }] }),
      userAgent: "Browser/1.0 (X; Y)",
      address: "2001:db8::1",
      name: "Zoë's 📺",
      tag: "tv",
    });
    await done(store.apply({ kind: "signIn", insert: row }));
    assert.deepEqual(plain(await store.findSession(row.id)), plain(row));
  },

  "a remembered login comes back with its session": async ({ store, ada, sessionRow, rememberedRow }) => {
    const login = rememberedRow({ previous: digestOf("p"), superseded: digestOf("s"), supersededAt: T0 - 1 });
    const session = sessionRow({ rememberedId: login.id, userId: ada, level: "remembered" });
    await done(store.apply({ kind: "signIn", remember: login, insert: session }));
    assert.deepEqual(plain(await store.findRemembered(login.id)), plain({ login, session }));
  },

  "every field comes back as the one that it was, of sessions and of logins": async ({ store, ada }) => {
    const { login, session } = fullRows(ada);
    await done(store.apply({ kind: "signIn", remember: login, insert: session }));
    assert.deepEqual(plain(await store.findSession(session.id)), plain(session));
    assert.deepEqual(plain(await store.findRemembered(login.id)), plain({ login, session }));
    assert.deepEqual(plain(await store.list(ada)), plain([listed({ login, session })]));
  },

  "ids are compared exactly, capital letters too": async ({ store, ada, sessionRow, rememberedRow }) => {
    const id = `${newId().slice(0, 6)}abcDEFghiJKLmnoP`;
    const other = id.slice(0, 6) + id.slice(6).toLowerCase();
    const row = sessionRow({ id, userId: ada, level: "login" });
    await done(store.apply({ kind: "signIn", insert: row }));
    assert.equal(await store.findSession(other), undefined);
    assert.deepEqual(await revoke(store, { handle: other, ...ENDING }), []);
    assert.equal(await nameDevice(store, { handle: other, userId: ada, name: "TV" }), false);
    await done(store.apply({ kind: "signIn", insert: { ...row, id: other, data: '{"other":1}' } }));
    assert.equal((await store.findSession(id))?.data, row.data);
    await done(store.apply({ kind: "signIn", remember: rememberedRow({ id: id.slice(0, -1) }) }));
    assert.equal(await store.findRemembered(id.slice(0, -1).toLowerCase()), undefined);
  },

  "a login without a session row is found all the same": async ({ store, rememberedRow }) => {
    const login = rememberedRow();
    await done(store.apply({ kind: "signIn", remember: login }));
    assert.deepEqual(plain(await store.findRemembered(login.id)), plain({ login, session: undefined }));
  },

  "data of 60 KiB is kept": async ({ store, sessionRow }) => {
    const row = sessionRow({ data: JSON.stringify({ text: "ü".repeat(30_000) }) });
    await done(store.apply({ kind: "signIn", insert: row }));
    assert.equal((await store.findSession(row.id))?.data, row.data);
  },
};
