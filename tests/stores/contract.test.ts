import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import BetterSqlite3 from "better-sqlite3";
import Libsql from "libsql";
import { describe, test } from "vitest";
import { memoryStore } from "../../src/index.ts";
import { type SqliteDatabase, sqliteStore } from "../../src/stores/sqlite/index.ts";
import { type StoreFixture, storeContract } from "../../src/testing/index.ts";

const fixtures: Record<string, () => Promise<StoreFixture>> = {
  memory: async () => ({ store: memoryStore(), close: async () => {} }),
  "sqlite, a file with three connections": async () => sqliteFixture((path) => sqliteStore({ path })),
  "sqlite in memory": async () => {
    const store = sqliteStore({ path: ":memory:" });
    return { store, close: () => store.close() };
  },
  "sqlite through node:sqlite of the application": async () =>
    driverFixture((path) => new DatabaseSync(path)),
  "sqlite through better-sqlite3": async () =>
    driverFixture((path) => new BetterSqlite3(path, { timeout: 0 })),
  "sqlite through libsql": async () => driverFixture((path) => new Libsql(path, { timeout: 0 })),
};

for (const [name, open] of Object.entries(fixtures)) {
  describe(`store contract: ${name}`, () => {
    for (const { name, run } of storeContract(open)) test(name, run);
  });
}

function sqliteFixture(
  make: (path: string) => ReturnType<typeof sqliteStore>,
  after = () => {},
): StoreFixture {
  const folder = mkdtempSync(join(tmpdir(), "psession-"));
  const path = join(folder, "sessions.sqlite");
  const [store, ...others] = [make(path), make(path), make(path)] as const;
  return {
    store,
    others,
    close: async () => {
      for (const each of [store, ...others]) await each.close();
      after();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The application opened the database, so it also closes it. */
function driverFixture(open: (path: string) => SqliteDatabase): StoreFixture {
  const databases: SqliteDatabase[] = [];
  const make = (path: string) => {
    const database = open(path);
    database.exec("PRAGMA journal_mode = WAL");
    databases.push(database);
    return sqliteStore({ database });
  };
  return sqliteFixture(make, () => {
    for (const database of databases) database.close();
  });
}
