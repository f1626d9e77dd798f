import { afterAll, beforeAll, expect, test } from "vitest";
import { Encryption } from "../../src/data/encryption.ts";
import type { Store } from "../../src/index.ts";
import { memoryStore } from "../../src/index.ts";
import { encryptedStore } from "../../src/stores/encrypted.ts";
import { sessionRow } from "../../src/testing/rows.ts";
import { describeWith } from "../support/servers/reach.ts";
import { type Place, sqlBackends } from "./fixtures.ts";

const CHOSEN = ["sqlite, a file of its own", "libsql", "pg", "pglite", "mysql2/promise", "mariadb"];
const KYSELY = ["kysely over pg, with plugins", "kysely over mysql2"];

for (const backend of sqlBackends.filter(({ name }) => [...CHOSEN, ...KYSELY].includes(name))) {
  describeWith(backend.needs, `what administration sees of ${backend.name}`, () => {
    let place: Place;
    let store: Store;
    beforeAll(async () => {
      place = await backend.open();
      store = await place.connect({ timestamps: "datetime" });
    });
    afterAll(() => place.close());
    const faults = async () => (await store.admin?.inspect())?.faults ?? [];
    const codes = async () => (await faults()).map(({ code }) => code);

    test("missing tables are reported, and not made", async () => {
      // SQLite makes its tables when the store is made.
      if (backend.dialect === "sqlite" && !backend.name.startsWith("kysely")) return;
      const untouched = await place.connect({ tables: { sessions: "elsewhere" } });
      for (let round = 0; round < 2; round++) {
        const report = await untouched.admin?.inspect();
        expect(report?.faults.map(({ code }) => code)).toContain("table_missing");
        expect(report?.faults[0]?.message).toContain("elsewhere");
      }
    });

    test("a healthy database has no faults, and reports the size of its tables", async () => {
      await store.list("ada");
      const report = await store.admin?.inspect();
      expect(report?.faults).toEqual([]);
      expect(report?.tables.map(({ name }) => name)).toEqual([
        "psession_sessions",
        "psession_logins",
        "psession_locks",
        "psession_meta",
      ]);
      const hasSizes = backend.name !== "libsql";
      if (hasSizes) expect(report?.tables[0]?.bytes).toBeGreaterThan(0);
      expect(report?.version).toMatch(/SQLite|PostgreSQL|MySQL|MariaDB/);
    });

    test("an index that is missing or not unique is reported", async () => {
      const drop = backend.dialect === "mysql" ? " ON psession_sessions" : "";
      await place.sql(`DROP INDEX psession_sessions_login${drop}`);
      await place.sql(`DROP INDEX psession_sessions_user${drop}`);
      await place.sql("CREATE INDEX psession_sessions_login ON psession_sessions (remembered_id)");
      expect(await codes()).toEqual(["index_missing", "index_missing"]);
      expect((await faults())[0]?.message).toContain("psession_sessions.remembered_id");
    });

    test("a column that is missing is reported", async () => {
      await place.sql("ALTER TABLE psession_logins DROP COLUMN salt");
      expect(await codes()).toContain("column_missing");
      expect((await faults()).map(({ message }) => message).join()).toContain("psession_logins.salt");
    });

    if (backend.dialect === "mysql") {
      test("columns whose times depend on the connection's time zone are reported", async () => {
        await place.sql("ALTER TABLE psession_sessions MODIFY last_seen_at TIMESTAMP(3) NOT NULL");
        expect((await faults()).find(({ code }) => code === "time_zone")?.message).toContain("last_seen_at");
      });

      test("columns that do not hold every character are reported", async () => {
        await place.sql("ALTER TABLE psession_sessions MODIFY data LONGTEXT CHARACTER SET latin1 NOT NULL");
        expect((await faults()).find(({ code }) => code === "character_set")?.message).toContain(
          "psession_sessions.data",
        );
      });
    }

    // PGlite comes without languages.
    if (backend.dialect !== "sqlite" && backend.name !== "pglite") {
      test("ids that are compared by a language's rules are reported", async () => {
        await place.sql(
          backend.dialect === "mysql"
            ? "ALTER TABLE psession_logins MODIFY id VARCHAR(22) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL"
            : 'ALTER TABLE psession_logins ALTER id TYPE text COLLATE "und-x-icu"',
        );
        expect((await faults()).find(({ code }) => code === "collation")?.message).toContain(
          "psession_logins.id",
        );
      });
    }

    test("a table that is missing is reported", async () => {
      await place.sql("DROP TABLE psession_locks");
      expect(await codes()).toContain("table_missing");
      await place.sql("DROP TABLE psession_meta");
      expect(await codes()).toContain("table_missing");
    });
  });
}

test("an encrypted store shows what it can decrypt, and the rest as it is stored", async () => {
  const inner = memoryStore();
  const encryption = new Encryption(["Vt7Hq2Zx9Mb4Kd8Ws3Yf6Lc1Np5Rj0Ga"], false);
  const encrypted = encryptedStore(inner, encryption);
  const row = sessionRow({ data: '{"n":1}' });
  await encrypted.apply({ kind: "signIn", insert: row });
  const damaged = sessionRow({ data: "damaged" });
  await inner.apply({ kind: "signIn", insert: damaged });
  const page = await encrypted.admin?.browse({ limit: 10 });
  expect(new Set(page?.entries.map(({ session }) => session?.data))).toEqual(new Set(['{"n":1}', "damaged"]));
  expect((await encrypted.admin?.inspect())?.tables[0]?.rows).toBe(2);
});
