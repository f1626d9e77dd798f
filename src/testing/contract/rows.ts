import assert from "node:assert/strict";
import { newId } from "../../protocol/secrets.ts";
import { nameDevice, revoke } from "../../stores/changes.ts";
import { listed } from "../../stores/devices.ts";
import { digestOf, plain, sessionRow, T0 } from "../rows.ts";
import { type Cases, done, ENDING, fullRows } from "./fixture.ts";

export const rows: Cases = {
  "a missing row is undefined, not an error": async ({ store, bob }) => {
    assert.equal(await store.findSession(newId()), undefined);
    assert.equal(await store.findRemembered(newId()), undefined);
    assert.deepEqual(await store.list(bob), []);
  },

  "a session comes back as it was stored": async ({ store, stored }) => {
    const row = await stored.session({
      previousSecret: digestOf("before"),
      authenticatedAt: T0 - 5,
      confirmFrom: T0 + 120_000,
      data: JSON.stringify({ text: "Zoë's “cart” 🛒 \\ \u0000 ' \" ; --", list: [1, null, { a: true }] }),
      userAgent: "Browser/1.0 (X; Y)",
      address: "2001:db8::1",
      name: "Zoë's 📺",
      tag: "tv",
    });
    assert.deepEqual(plain(await store.findSession(row.id)), plain(row));
  },

  "a remembered login comes back with its session": async ({ store, stored }) => {
    const device = await stored.device({
      login: { previous: digestOf("p"), superseded: digestOf("s"), supersededAt: T0 - 1 },
      session: { level: "remembered" },
    });
    assert.deepEqual(plain(await store.findRemembered(device.login.id)), plain(device));
  },

  "every field comes back as the one that it was, of sessions and of logins": async ({
    store,
    ada,
    stored,
  }) => {
    const { login, session } = await stored.device(fullRows(ada));
    assert.deepEqual(plain(await store.findSession(session.id)), plain(session));
    assert.deepEqual(plain(await store.findRemembered(login.id)), plain({ login, session }));
    assert.deepEqual(plain(await store.list(ada)), plain([listed({ login, session })]));
  },

  "ids are compared exactly, capital letters too": async ({ store, ada, stored }) => {
    const id = `${newId().slice(0, 6)}abcDEFghiJKLmnoP`;
    const other = id.slice(0, 6) + id.slice(6).toLowerCase();
    const row = await stored.session({ id });
    assert.equal(await store.findSession(other), undefined);
    assert.deepEqual(await revoke(store, { handle: other, ...ENDING }), []);
    assert.equal(await nameDevice(store, { handle: other, userId: ada, name: "TV" }), false);
    await done(store.apply({ kind: "signIn", insert: { ...row, id: other, data: '{"other":1}' } }));
    assert.equal((await store.findSession(id))?.data, row.data);
    await stored.login({ id: id.slice(0, -1) });
    assert.equal(await store.findRemembered(id.slice(0, -1).toLowerCase()), undefined);
  },

  "a login without a session row is found all the same": async ({ store, stored }) => {
    const login = await stored.login();
    assert.deepEqual(plain(await store.findRemembered(login.id)), plain({ login, session: undefined }));
  },

  "data of 60 KiB is kept": async ({ store, stored }) => {
    const row = sessionRow({ data: JSON.stringify({ text: "ü".repeat(30_000) }) });
    await stored.session(row);
    assert.equal((await store.findSession(row.id))?.data, row.data);
  },
};
