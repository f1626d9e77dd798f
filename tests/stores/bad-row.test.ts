/** One row that is not as psession writes them: it lets nobody in, and stands in nobody else's way. */

import { afterAll, beforeAll, expect, test } from "vitest";
import type { Store } from "../../src/index.ts";
import { revoke } from "../../src/stores/changes.ts";
import { rememberedRow, sessionRow, T0 } from "../../src/testing/rows.ts";
import { describeWith } from "../support/servers/reach.ts";
import { type Place, sqlBackends } from "./fixtures.ts";

const SHORT = { sqlite: "x'00'", postgres: "'\\x00'::bytea", mysql: "x'00'" } as const;

for (const backend of sqlBackends) {
  describeWith(backend.needs, `one bad row: ${backend.name}`, () => {
    let place: Place;
    let store: Store;
    beforeAll(async () => {
      place = await backend.open();
      store = await place.connect();
    });
    afterAll(() => place.close());

    const damaged = async (userId: string) => {
      const login = rememberedRow({ userId });
      const session = sessionRow({ userId, level: "remembered", rememberedId: login.id });
      const others = [1, 2].map(() => sessionRow({ userId, level: "login" }));
      await store.apply({ kind: "signIn", remember: login, insert: session });
      for (const insert of others) await store.apply({ kind: "signIn", insert });
      const bad = SHORT[backend.dialect];
      await place.sql(`UPDATE psession_sessions SET secret = ${bad} WHERE id = '${session.id}'`);
      await place.sql(`UPDATE psession_logins SET token = ${bad} WHERE id = '${login.id}'`);
      return { login, session, others };
    };
    const misread = { code: "store_misread", message: expect.stringContaining("came as bytes of length 1") };
    const ending = { reason: "revoked", at: T0, pruneAfter: T0 };

    test("it is an error for its own read, and not for rows that are read with it", async () => {
      const { login, session, others } = await damaged("ada");
      const ids = [session.id, ...others.map(({ id }) => id)];
      const [bad, ...good] = await Promise.allSettled(ids.map((id) => store.findSession(id)));
      expect(bad).toMatchObject({ status: "rejected", reason: misread });
      expect(good).toMatchObject(others.map(({ id }) => ({ status: "fulfilled", value: { id } })));
      await expect(store.findRemembered(login.id)).rejects.toMatchObject(misread);
    });

    test("its user's devices are listed, and end together", async () => {
      await damaged("bob");
      expect((await store.list("bob")).length).toBe(3);
      expect((await revoke(store, { userId: "bob", ...ending })).length).toBe(3);
      expect(await store.list("bob")).toEqual([]);
    });

    test("it ends by its handle, in a change, and by a cap", async () => {
      const { session } = await damaged("cyd");
      expect((await revoke(store, { handle: session.id, ...ending })).length).toBe(1);
      const { login } = await damaged("cyd");
      const end = [{ login: { id: login.id }, ...ending }];
      expect(await store.apply({ kind: "end", end })).toMatchObject({
        done: true,
        ended: [{ rememberedId: login.id }],
      });
      await damaged("cyd");
      const insert = sessionRow({ userId: "cyd", level: "login" });
      const cap = { userId: "cyd", max: 1, overflow: "evictOldest", ...ending } as const;
      expect(await store.apply({ kind: "signIn", insert, caps: [cap] })).toMatchObject({ done: true });
      expect((await store.list("cyd")).map(({ session: kept }) => kept?.id)).toEqual([insert.id]);
    });

    test("a time that no number holds does not stop other rows from being read, listed and ended", async () => {
      const rows = [1, 2, 3].map(() => sessionRow({ userId: "eve", level: "login" }));
      for (const insert of rows) await store.apply({ kind: "signIn", insert });
      const lonely = rememberedRow({ userId: "eve" });
      await store.apply({ kind: "signIn", remember: lonely });
      const [bad, ...others] = rows;
      const large = "9007199254740993";
      await place.sql(
        `UPDATE psession_sessions SET last_seen_at = ${large}, idle_deadline = ${large} WHERE id = '${bad?.id}'`,
      );
      await place.sql(`UPDATE psession_logins SET last_used_at = ${large} WHERE id = '${lonely.id}'`);
      const unread = { code: "store_misread", message: expect.stringContaining("last_seen_at") };
      const [first, ...found] = await Promise.allSettled(rows.map(({ id }) => store.findSession(id)));
      expect(first).toMatchObject({ status: "rejected", reason: unread });
      expect(found).toMatchObject(others.map(({ id }) => ({ status: "fulfilled", value: { id } })));
      await expect(store.findRemembered(lonely.id)).rejects.toMatchObject({ code: "store_misread" });
      const listed = await store.list("eve");
      expect(listed.length).toBe(4);
      expect(listed.find(({ session }) => session?.id === bad?.id)?.session).toMatchObject({
        lastSeenAt: 0,
        absoluteDeadline: bad?.absoluteDeadline,
      });
      expect((await store.admin?.browse({ limit: 100 }))?.entries.length).toBeGreaterThanOrEqual(4);
      const insert = sessionRow({ userId: "eve", level: "login" });
      const cap = { userId: "eve", max: 4, overflow: "evictOldest", ...ending } as const;
      const capped = await store.apply({ kind: "signIn", insert, caps: [cap] });
      expect(capped).toMatchObject({ done: true, ended: [expect.anything()] });
      expect((await revoke(store, { userId: "eve", ...ending })).length).toBe(4);
      expect(await store.list("eve")).toEqual([]);
    });

    test("a time or a user that no number holds does not stop browsing, or ending everyone", async () => {
      const owner = backend.dialect === "sqlite" && !backend.name.startsWith("kysely");
      const rows = [1, 2].map(() => sessionRow({ userId: "fay", level: "login" }));
      for (const insert of rows) await store.apply({ kind: "signIn", insert });
      const set = `last_seen_at = 9007199254740993${owner ? ", user_id = 9007199254740993" : ""}`;
      await place.sql(`UPDATE psession_sessions SET ${set} WHERE id = '${rows[0]?.id}'`);
      const browsed = (await store.admin?.browse({ limit: 100 }))?.entries ?? [];
      const [bad] = browsed.filter(({ session }) => session?.id === rows[0]?.id);
      expect(bad?.session).toMatchObject({ userId: owner ? undefined : "fay", lastSeenAt: 0 });
      const ended = await revoke(store, { everyone: true, ...ending });
      expect(ended.map(({ sessionId }) => sessionId)).toEqual(
        expect.arrayContaining(rows.map(({ id }) => id)),
      );
      expect((await store.admin?.browse({ limit: 100 }))?.entries).toEqual([]);
    });

    test("browsing, and ending everyone, include it", async () => {
      await damaged("dan");
      expect((await store.admin?.browse({ limit: 100 }))?.entries.length).toBeGreaterThan(2);
      await revoke(store, { everyone: true, ...ending });
      expect((await store.admin?.browse({ limit: 100 }))?.entries).toEqual([]);
    });
  });
}
