/** Through a PgBouncer that gives each transaction another connection, and through one that takes no transactions. */

import { Kysely, PostgresDialect } from "kysely";
import pg from "pg";
import postgres from "postgres";
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import type { PsessionError, Store } from "../../src/index.ts";
import { revoke } from "../../src/stores/changes.ts";
import { kyselyStore } from "../../src/stores/kysely/index.ts";
import { type PostgresStoreOptions, postgresStore } from "../../src/stores/postgres/index.ts";
import type { RememberedRow } from "../../src/stores/store.ts";
import { type StoreFixture, storeContract } from "../../src/testing/contracts.ts";
import { rememberedRow, sessionRow, T0 } from "../../src/testing/rows.ts";
import { crowdIn } from "../support/crowd.ts";
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
        await opened[0]?.store.findSession("x");
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
      // It has no connection that stays, so no message arrives, which psession finds out: see the test of streams.
      for (const { name, run } of storeContract(fixture))
        if (!name.startsWith("a message ")) test(name, crowdIn(name), run);
    });

    test(`${name} with prepare: true says what to change, and nobody is signed out`, async () => {
      const database = await freshPostgresDatabase();
      const url = await startPgbouncer(database.url);
      const { store, close } = open(url, { prepare: true, timeout: 1000 });
      onTestFinished(async () => void (await close()));
      const good = open(database.url, {});
      onTestFinished(async () => void (await good.close()));
      const rows = Array.from({ length: 20 }, () => sessionRow());
      for (const insert of rows) await good.store.apply({ kind: "signIn", insert });
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
        expect(fault.code).toMatch(/store_(unavailable|misread)/);
        expect(fault.message).toMatch(/set the store's option prepare to false/);
      }
      for (const { id } of rows) expect((await good.store.findSession(id))?.id).toBe(id);
    });
  }
});

/** What a statement of psession means, by its name, on a connection that a pooler has changed. */
const ANOTHERS = {
  "a row with fewer columns": () => "SELECT length($1)",
  "a row of other columns": () => `SELECT ${"$1, ".repeat(60)} 1`,
  "the row of another": (statement: string, id: string) =>
    statement.replace("= $1", `= '${id}' AND $1 <> ''`),
};

describeWith([POSTGRES], "postgres.js where the prepared statements of a connection are not its own", () => {
  for (const [name, another] of Object.entries(ANOTHERS)) {
    test(`${name} is nobody's, and the error says what to change`, async () => {
      const database = await freshPostgresDatabase();
      const sql = postgres(database.url, { max: 1, onnotice: () => {} });
      onTestFinished(() => sql.end({ timeout: 0 }));
      const store = postgresStore({ sql, prepare: true });
      const [login, others] = [rememberedRow(), rememberedRow()];
      const of = ({ id }: RememberedRow) => sessionRow({ rememberedId: id, userId: "ada" });
      const [own, alien] = [of(login), of(others)];
      await store.apply({ kind: "signIn", remember: login, insert: own });
      await store.apply({ kind: "signIn", remember: others, insert: alien });
      const reads = {
        [alien.id]: () => store.findSession(own.id),
        [others.id]: () => store.findRemembered(login.id),
      };
      for (const [id, read] of Object.entries(reads)) {
        expect(await read()).toBeDefined();
        const [{ name, statement } = { name: "", statement: "" }] = await sql<
          { name: string; statement: string }[]
        >`SELECT name, statement FROM pg_prepared_statements ORDER BY prepare_time DESC LIMIT 1`.simple();
        await sql.unsafe(`DEALLOCATE "${name}"`);
        await sql.unsafe(`PREPARE "${name}" (text) AS ${another(statement, id)}`);
        await expect(read()).rejects.toMatchObject({
          code: expect.stringMatching(/store_(unavailable|misread)/),
          message: expect.stringMatching(/set the store's option prepare to false/),
        });
      }
    });
  }
});

const kyselyOver = (url: string): Opened => {
  const pool = new pg.Pool({ connectionString: url, max: 5 });
  pool.on("error", () => {});
  // A connection that ends while it is lent would end the process otherwise.
  pool.on("connect", (client) => void client.on("error", () => {}));
  const db = new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) });
  return { store: kyselyStore({ db }), close: () => db.destroy() };
};

describeWith([POSTGRES, PGBOUNCER_BINARY], "PgBouncer in statement mode, which refuses transactions", () => {
  const hint = {
    code: "store_unavailable",
    message: expect.stringMatching(
      /transaction blocks not allowed.*takes no transactions.*pool_mode = transaction/s,
    ),
  };
  for (const [name, open] of Object.entries({ ...drivers, "kysely over pg": kyselyOver })) {
    test(`${name}: the tables are not made, and the error says why`, async () => {
      const database = await freshPostgresDatabase();
      const url = await startPgbouncer(database.url, "statement");
      const { store, close } = open(url, { prepare: false });
      onTestFinished(async () => void (await close()));
      await expect(store.findSession(sessionRow().id)).rejects.toMatchObject(hint);
      await expect(store.migrate?.()).rejects.toMatchObject(hint);
      expect(await onPostgres(database.url, "SELECT * FROM pg_tables WHERE schemaname = 'public'")).toEqual(
        [],
      );
    });

    test(`${name}: with tables that others made, nothing is done by halves`, async () => {
      const database = await freshPostgresDatabase();
      const good = open(database.url, {});
      onTestFinished(async () => void (await good.close()));
      const kept = sessionRow({ userId: "ada", level: "login" });
      await good.store.apply({ kind: "signIn", insert: kept });
      const url = await startPgbouncer(database.url, "statement");
      const { store, close } = open(url, { prepare: false });
      onTestFinished(async () => void (await close()));
      const login = rememberedRow();
      const insert = sessionRow({ rememberedId: login.id, userId: "ada", level: "login" });
      const cap = { userId: "ada", max: 1, overflow: "evictOldest", ...ENDING } as const;
      await expect(
        store.apply({ kind: "signIn", remember: login, insert, caps: [cap] }),
      ).rejects.toMatchObject(hint);
      await expect(revoke(store, { userId: "ada", ...ENDING })).rejects.toMatchObject(hint);
      expect((await good.store.list("ada")).map(({ session }) => session?.id)).toEqual([kept.id]);
      expect((await store.findSession(kept.id))?.id).toBe(kept.id);
    });
  }
});

const ENDING = { reason: "revoked", at: T0, pruneAfter: T0 };
