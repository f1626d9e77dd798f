import { expect, test } from "vitest";
import { DAY } from "../support/clock.ts";
import { describeWith } from "../support/servers/reach.ts";
import { KINDS, place, SQLITE, signIn } from "./places.ts";

for (const [name, kind] of Object.entries(KINDS)) {
  describeWith(kind.needs, `looking after the tables: ${name}`, () => {
    test("migrate makes the tables once, and says what it did", async () => {
      const { run, configure } = await place(kind, { migrate: false });
      configure({ store: "migrate: false" });
      const first = await run("migrate");
      expect(first).toMatchObject({ code: 0, stdout: "Done: 0001-tables\n", stderr: "" });
      const second = await run("migrate", "--json");
      expect([second.code, second.json]).toEqual([0, { store: name, hasTables: true, ran: [] }]);
      expect(await run("migrate")).toMatchObject({
        code: 0,
        stdout: expect.stringContaining("Nothing to do"),
      });
    });

    test("migrate fails where a table is in the way", async () => {
      const { run, sql, configure } = await place(kind, { migrate: false });
      configure({ store: "migrate: false" });
      await sql("CREATE TABLE psession_meta (something INTEGER)");
      const ran = await run("migrate");
      expect(ran).toMatchObject({
        code: 1,
        stdout: "",
        stderr: expect.stringMatching(/^psession: .*psession_meta/),
      });
      const asJson = await run("migrate", "--json");
      expect(JSON.parse(asJson.stderr).error).toMatchObject({ code: "store_not_migrated" });
    });

    test("prune deletes what is past its deadline, in chunks, and records that it did", async () => {
      const { app, run, store } = await place(kind);
      for (let at = 0; at < 5; at++) await signIn(app, `old-${at}`, { remember: at < 2 });
      app.clock.advance(60 * DAY);
      const kept = await signIn(app, "ada");
      const ran = await run("prune", "--chunk", "2", "--json");
      expect([ran.code, ran.json]).toEqual([0, { sessions: 5, logins: 2, audit: 0, addresses: 0 }]);
      expect(await store.findSession(kept)).toBeDefined();
      expect((await store.admin?.inspect())?.prunedAt).toBe(app.clock.now());
      const again = await run("prune");
      expect(again.stdout).toBe("Deleted 0 sessions and 0 remembered logins.\n");
    });

    test("prune deletes old audit entries as well, by the options of the application", async () => {
      const { app, run, store, configure } = await place(kind, { audit: true });
      configure({ options: 'audit: { keep: "10d" }' });
      await signIn(app, "ada");
      app.clock.advance(11 * DAY);
      await signIn(app, "ada");
      await app.psession.flush();
      expect(await run("prune")).toMatchObject({
        code: 0,
        stdout: "Deleted 1 session, 0 remembered logins and 1 audit entry.\n",
      });
      expect(await store.audit?.read({ limit: 9 })).toHaveLength(1);
    });
  });
}

test("a store without tables has nothing to migrate", async () => {
  const { configure, run } = await place(KINDS["sqlite"] as never);
  configure({ before: 'import { memoryStore } from "psession/memory";', options: "store: memoryStore()," });
  expect(await run("migrate")).toMatchObject({
    code: 0,
    stdout: 'The store "memory" has no tables to make.\n',
  });
});

test("prune deletes nothing where this clock and the database's differ", async () => {
  const { app, configure, run, store } = await place(SQLITE);
  const gone = await signIn(app, "ada");
  app.clock.advance(400 * DAY);
  const withClock = (ahead: number) =>
    `clock: undefined, store: Object.assign(sqliteStore({ path: "app.sqlite" }), { clock: async () => Date.now() - ${ahead} }),`;
  configure({ options: withClock(400 * DAY) });
  expect(await run("prune")).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("Nothing is deleted"),
  });
  expect(await store.findSession(gone)).toBeDefined();
  configure({ options: withClock(0) });
  expect(await run("prune")).toMatchObject({ code: 0 });
});
