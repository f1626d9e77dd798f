import assert from "node:assert/strict";
import { newId } from "../../secrets.ts";
import { digestOf, plain, T0 } from "../rows.ts";
import { type Cases, done } from "./scene.ts";

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
    await done(store.apply({ insert: row }));
    assert.deepEqual(plain(await store.findSession(row.id)), plain(row));
  },

  "a remembered login comes back with its session": async ({ store, ada, sessionRow, rememberedRow }) => {
    const login = rememberedRow({ previous: digestOf("p"), superseded: digestOf("s"), supersededAt: T0 - 1 });
    const session = sessionRow({ rememberedId: login.id, userId: ada, level: "remembered" });
    await done(store.apply({ remember: login, insert: session }));
    assert.deepEqual(plain(await store.findRemembered(login.id)), plain({ login, session }));
  },

  "a login without a session row is found all the same": async ({ store, rememberedRow }) => {
    const login = rememberedRow();
    await done(store.apply({ remember: login }));
    assert.deepEqual(plain(await store.findRemembered(login.id)), plain({ login, session: undefined }));
  },

  "data of 60 KiB is kept": async ({ store, sessionRow }) => {
    const row = sessionRow({ data: JSON.stringify({ text: "ü".repeat(30_000) }) });
    await done(store.apply({ insert: row }));
    assert.equal((await store.findSession(row.id))?.data, row.data);
  },
};
