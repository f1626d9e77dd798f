/** Through a PgBouncer that gives each transaction another connection. */
import pg from "pg";
import postgres from "postgres";
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import type { PsessionError, Store } from "../../src/index.ts";
import { type PostgresStoreOptions, postgresStore } from "../../src/stores/postgres/index.ts";
import { type StoreFixture, storeContract } from "../../src/testing/contracts.ts";
import { sessionRow } from "../../src/testing/rows.ts";
import { PGBOUNCER_BINARY } from "../support/servers/binaries.ts";
import { type Fresh, freshPostgresDatabase, onPostgres } from "../support/servers/fresh.ts";
import { startPgbouncer } from "../support/servers/pgbouncer.ts";
import { describeWith, POSTGRES } from "../support/servers/reach.ts";

vi.setConfig({ testTimeout: 240_000 });

type Opened = { store: Store; close(): Promise<unknown> };

const drivers = {
  pg: (url: string, options: PostgresStoreOptions): Opened => {
    const pool = new pg.Pool({ connectionString: url, max: 5 });
    return { store: postgresStore({ pool, ...options }), close: () => pool.end() };
  },
  "postgres.js": (url: string, options: PostgresStoreOptions): Opened => {
    const sql = postgres(url, { max: 5, onnotice: () => {}, prepare: options.prepare ?? true });
    return { store: postgresStore({ sql, ...options }), close: () => sql.end({ timeout: 0 }) };
  },
};

describeWith([POSTGRES, PGBOUNCER_BINARY], "PgBouncer in transaction mode", () => {
  for (const [name, open] of Object.entries(drivers)) {
    describeWith([], `store contract: ${name}, with prepare: false`, () => {
      let database: Fresh;
      let opened: Opened[];
      beforeAll(async () => {
        database = await freshPostgresDatabase();
        const url = await startPgbouncer(database.url);
        opened = [1, 2, 3].map(() => open(url, { prepare: false, audit: true }));
        await opened[0]?.store.claimPrune(0, 1);
      });
      afterAll(async () => {
        for (const { close } of opened) await close();
      });
      const fixture = async (): Promise<StoreFixture> => {
        for (const table of ["sessions", "logins", "locks", "audit"])
          await onPostgres(database.url, `DELETE FROM psession_${table}`);
        await onPostgres(database.url, "DELETE FROM psession_meta WHERE name = 'prune'");
        const [store, ...others] = opened.map(({ store }) => store) as [Store, ...Store[]];
        return { store, others, close: async () => {} };
      };
      for (const { name, run } of storeContract(fixture)) test(name, run);
    });

    test(`${name} with prepare: true says what to change, and nobody is signed out`, async () => {
      const database = await freshPostgresDatabase();
      const url = await startPgbouncer(database.url);
      const { store, close } = open(url, { prepare: true, timeout: 1000 });
      onTestFinished(async () => void (await close()));
      const good = open(database.url, {});
      onTestFinished(async () => void (await good.close()));
      const rows = Array.from({ length: 20 }, () => sessionRow());
      for (const insert of rows) await good.store.apply({ insert });
      const settled: PromiseSettledResult<unknown>[] = [];
      for (let round = 0; round < 5; round++)
        settled.push(
          ...(await Promise.allSettled(
            rows.flatMap(({ id }) => [store.findSession(id), store.findRemembered(id), store.list(id)]),
          )),
        );
      const faults = settled.flatMap((result) => (result.status === "rejected" ? [result.reason] : []));
      expect(faults.length).toBeGreaterThan(0);
      for (const fault of faults as PsessionError[]) {
        expect(fault.code).toBe("store_unavailable");
        expect(fault.message).toMatch(/set the store's option prepare to false/);
      }
      for (const { id } of rows) expect((await good.store.findSession(id))?.id).toBe(id);
    });
  }
});
