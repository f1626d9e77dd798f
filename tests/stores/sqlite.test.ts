import { fork } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import { sqliteStore } from "../../src/stores/sqlite/index.ts";
import { sessionRow, T0 } from "../../src/testing/rows.ts";
import { claimPrune } from "../../src/upkeep/prune.ts";
import { TestBrowser, testApp } from "../support/app.ts";
import { HOUR } from "../support/clock.ts";
import { temporaryFolder } from "../support/temp.ts";

const inFolder = (name = "sessions.sqlite") => join(temporaryFolder(), name);

test("options are checked, all at once", () => {
  const faults = () => sqliteStore({ path: "", lockTimeout: -1, colour: "red" } as object);
  for (const fault of ["path must not be empty", "lockTimeout must not be negative", "colour is no option"]) {
    expect(faults).toThrow(fault);
  }
  expect(() => sqliteStore({})).toThrow("either path or database");
  expect(() => sqliteStore({ database: {} as never })).toThrow("must be an open database");
});

test("a file that cannot be opened is named", () => {
  const path = join(temporaryFolder(), "missing", "sessions.sqlite");
  expect(() => sqliteStore({ path })).toThrow(expect.objectContaining({ code: "store_unavailable" }));
  expect(() => sqliteStore({ path })).toThrow(path);
});

test("a file that is no database is refused and left as it was", () => {
  const path = inFolder();
  writeFileSync(path, "these are somebody's notes, and longer than a header of SQLite would be.".repeat(20));
  expect(() => sqliteStore({ path })).toThrow(expect.objectContaining({ code: "store_unavailable" }));
});

test("tables that are missing are named, and made when asked for", async () => {
  const path = inFolder();
  const store = sqliteStore({ path, migrate: false });
  await expect(store.findSession("x")).rejects.toMatchObject({ code: "store_not_migrated" });
  await store.close?.();
  const migrated = sqliteStore({ path });
  expect(await migrated.findSession("x")).toBeUndefined();
  await migrated.close?.();
});

test("a migration that is not the one that ran is refused", async () => {
  const path = inFolder();
  await sqliteStore({ path }).close?.();
  const database = new DatabaseSync(path);
  database.exec("UPDATE psession_meta SET value = 'other' WHERE name LIKE 'migration/%'");
  database.close();
  expect(() => sqliteStore({ path })).toThrow(expect.objectContaining({ code: "store_not_migrated" }));
});

test("ten processes that start at once on a new file make its tables once", async () => {
  const path = inFolder();
  const worker = new URL("./sqlite-worker.ts", import.meta.url);
  const children = Array.from({ length: 10 }, (_, index) => fork(worker, [path, "migrate", String(index)]));
  const codes = await Promise.all(children.map(async (child) => (await once(child, "exit"))[0]));
  expect(codes).toEqual(Array.from({ length: 10 }, () => 0));
  const database = new DatabaseSync(path);
  expect(
    database.prepare("SELECT count(*) AS n FROM psession_meta WHERE name LIKE 'migration/%'").get(),
  ).toEqual({ n: 1 });
  database.close();
});

describe("while another connection holds the write lock", () => {
  const locked = async () => {
    const path = inFolder();
    const store = sqliteStore({ path, lockTimeout: 100 });
    const row = sessionRow();
    await store.apply({ kind: "signIn", insert: row });
    const other = new DatabaseSync(path);
    other.exec("BEGIN IMMEDIATE");
    return { store, row, other };
  };

  test("reads go on", async () => {
    const { store, row, other } = await locked();
    expect((await store.findSession(row.id))?.id).toBe(row.id);
    other.close?.();
    await store.close?.();
  });

  test("writes wait without blocking, then say so; nothing is lost", async () => {
    const { store, row, other } = await locked();
    const write = store.apply({ kind: "save", update: { id: row.id, version: 1, set: { data: '{"a":1}' } } });
    await expect(write).rejects.toMatchObject({ code: "store_unavailable", status: 503 });
    const waiting = store.apply({
      kind: "save",
      update: { id: row.id, version: 1, set: { data: '{"a":2}' } },
    });
    other.exec("COMMIT");
    expect(await waiting).toMatchObject({ done: true });
    expect((await store.findSession(row.id))?.data).toBe('{"a":2}');
    other.close?.();
    await store.close?.();
  });
});

test("a full disk is an error, and what was there stays", async () => {
  const path = inFolder();
  const store = sqliteStore({ path });
  const row = sessionRow({ data: '{"kept":true}' });
  await store.apply({ kind: "signIn", insert: row });
  await store.close?.();
  const database = new DatabaseSync(path);
  database.exec("PRAGMA max_page_count = 30");
  const small = sqliteStore({ database });
  const fill = async () => {
    for (let index = 0; index < 100; index++)
      await small.apply({ kind: "signIn", insert: sessionRow({ data: JSON.stringify("x".repeat(9000)) }) });
  };
  await expect(fill()).rejects.toMatchObject({ code: "store_unavailable" });
  expect((await small.findSession(row.id))?.data).toBe(row.data);
  database.close();
});

test("a file that turns read-only is an error for writes, and reads go on", async () => {
  const path = inFolder();
  const store = sqliteStore({ path });
  const row = sessionRow();
  await store.apply({ kind: "signIn", insert: row });
  await store.close?.();
  chmodSync(path, 0o400);
  const database = new DatabaseSync(path, { readOnly: true });
  const readOnly = sqliteStore({ database, migrate: false });
  expect((await readOnly.findSession(row.id))?.id).toBe(row.id);
  await expect(readOnly.apply({ kind: "create", insert: sessionRow() })).rejects.toMatchObject({
    code: "store_unavailable",
  });
  database.close();
});

test("reading, restoring and listing use an index", async () => {
  const path = inFolder();
  await sqliteStore({ path }).close?.();
  const database = new DatabaseSync(path);
  const plan = (sql: string) =>
    database
      .prepare(`EXPLAIN QUERY PLAN ${sql}`)
      .all()
      .map(({ detail }) => String(detail))
      .join("\n");
  expect(plan("SELECT * FROM psession_sessions WHERE id = 'x'")).toContain("USING INDEX");
  expect(
    plan(
      "SELECT 1 FROM psession_logins l LEFT JOIN psession_sessions s ON s.remembered_id = l.id WHERE l.id = 'x'",
    ),
  ).not.toContain("SCAN");
  expect(plan("SELECT * FROM psession_sessions s WHERE s.user_id = 1")).toContain("psession_sessions_user");
  expect(
    plan("SELECT rowid FROM psession_sessions WHERE prune_after < 1 ORDER BY prune_after LIMIT 9"),
  ).toContain("psession_sessions_prune");
  database.close();
});

test("pruning goes on in chunks until nothing is left, and reports what it did", async () => {
  const app = testApp({ store: sqliteStore({ path: ":memory:" }), prune: { every: "1h", chunk: 10 } });
  for (let index = 0; index < 35; index++) {
    await new TestBrowser(app).visit((session) => session.set("count", index));
  }
  const remembered = new TestBrowser(app);
  await remembered.visit((session) => session.login("ada", { remember: true }));
  app.clock.advance(4 * HOUR);
  expect(await app.psession.prune()).toEqual({ sessions: 35, logins: 0, audit: 0, addresses: 0 });
  expect(app.events.at(-1)).toMatchObject({ type: "pruned", sessions: 35 });
  remembered.restart();
  expect((await remembered.visit()).session.userId).toBe("ada");
  app.clock.advance(60 * 24 * HOUR);
  expect(await app.psession.prune()).toEqual({ sessions: 1, logins: 1, audit: 0, addresses: 0 });
  await app.psession.close();
});

test("a process with a psession that is not closed ends by itself", async () => {
  const path = inFolder();
  const child = fork(new URL("./sqlite-worker.ts", import.meta.url), [path, "idle"]);
  expect((await once(child, "exit"))[0]).toBe(0);
  expect(existsSync(path)).toBe(true);
});

test("a claim dated by a wrong clock does not stop pruning for ever", async () => {
  const store = sqliteStore({ path: ":memory:" });
  expect(await claimPrune(store, T0 + 10 * HOUR, HOUR)).toBe(true);
  expect(await claimPrune(store, T0, HOUR)).toBe(true);
  expect(await claimPrune(store, T0, HOUR)).toBe(false);
});
