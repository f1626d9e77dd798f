import { randomBytes } from "node:crypto";
import { PGlite } from "@electric-sql/pglite";
import pg from "pg";
import postgres from "postgres";
import { afterAll, describe, test } from "vitest";
import { postgresStore } from "../../src/stores/postgres/index.ts";
import { type StoreFixture, storeContract } from "../../src/testing/index.ts";

const URL = "postgres://postgres@127.0.0.1:5432/test";
const schema = `t_${randomBytes(6).toString("hex")}`;
const admin = new pg.Pool({ connectionString: URL });
await admin.query(`CREATE SCHEMA ${schema}`);
afterAll(async () => {
  await admin.query(`DROP SCHEMA ${schema} CASCADE`);
  await admin.end();
});
const pools = [
  new pg.Pool({ connectionString: URL, max: 5 }),
  new pg.Pool({ connectionString: URL, max: 5 }),
];
const sqls = [postgres(URL, { max: 5 }), postgres(URL, { max: 5 })];
const pglite = new PGlite();
afterAll(async () => {
  for (const pool of pools) await pool.end();
  for (const sql of sqls) await sql.end();
  await pglite.close();
});
const empty = async () => {
  for (const t of ["sessions", "logins", "locks", "meta"])
    await admin.query(
      `DO $$ BEGIN IF to_regclass('${schema}.psession_${t}') IS NOT NULL THEN DELETE FROM ${schema}.psession_${t} ${t === "meta" ? "WHERE name = 'prune'" : ""}; END IF; END $$`,
    );
};
const fixtures: Record<string, () => Promise<StoreFixture>> = {
  pg: async () => {
    await empty();
    const [store, ...others] = pools.map((pool) => postgresStore({ pool, schema }));
    return { store: store!, others, close: async () => {} };
  },
  "postgres.js": async () => {
    await empty();
    const [store, ...others] = sqls.map((sql) => postgresStore({ sql, schema }));
    return { store: store!, others, close: async () => {} };
  },
  "pg client": async () => {
    await empty();
    const client = new pg.Client({ connectionString: URL });
    await client.connect();
    return { store: postgresStore({ client, schema }), close: () => client.end() };
  },
  pglite: async () => {
    const s = `t_${randomBytes(6).toString("hex")}`;
    await pglite.exec(`CREATE SCHEMA ${s}`);
    return {
      store: postgresStore({ pglite, schema: s }),
      close: async () => {
        await pglite.exec(`DROP SCHEMA ${s} CASCADE`);
      },
    };
  },
};
for (const [name, open] of Object.entries(fixtures)) {
  describe(`store contract: ${name}`, () => {
    for (const { name, run } of storeContract(open)) test(name, run);
  });
}
