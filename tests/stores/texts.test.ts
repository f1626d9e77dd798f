import { DatabaseSync } from "node:sqlite";
import mysqlPromise from "mysql2/promise";
import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import type { Store } from "../../src/index.ts";
import { newAuditId } from "../../src/stores/audit.ts";
import { type Mysql2Pool, mysqlStore } from "../../src/stores/mysql/index.ts";
import { postgresStore } from "../../src/stores/postgres/index.ts";
import { sqliteStore } from "../../src/stores/sqlite/index.ts";
import { sessionRow, T0 } from "../../src/testing/rows.ts";
import { freshDatabase, freshSchema } from "../support/servers/fresh.ts";
import { describeWith, MYSQL, POSTGRES } from "../support/servers/reach.ts";
import { recorded } from "./recorded.ts";

interface Recorded {
  readonly store: Store;
  /** Of every statement that was prepared or executed. */
  readonly texts: string[];
}

const KINDS = [
  {
    name: "sqlite",
    needs: [],
    open: async (): Promise<Recorded> => {
      const texts: string[] = [];
      const database = new DatabaseSync(":memory:");
      const prepare = (sql: string) => {
        texts.push(sql);
        return database.prepare(sql);
      };
      const given = { exec: (sql: string) => database.exec(sql), prepare, close: () => database.close() };
      return { store: sqliteStore({ database: given, audit: true }), texts };
    },
  },
  {
    name: "postgres",
    needs: [POSTGRES],
    open: async (): Promise<Recorded> => {
      const { url } = await freshSchema();
      const own = new pg.Pool({ connectionString: url, max: 2 });
      onTestFinished(() => own.end());
      const { pool, texts } = recorded(own);
      return { store: postgresStore({ pool, audit: true }), texts };
    },
  },
  {
    name: "mysql",
    needs: [MYSQL],
    open: async (): Promise<Recorded> => {
      const { url } = await freshDatabase();
      const texts: string[] = [];
      const pool = mysqlPromise.createPool({ uri: url, connectionLimit: 2 });
      onTestFinished(() => pool.end());
      const given: Mysql2Pool = {
        getConnection: async () => {
          const connection = await pool.getConnection();
          return {
            execute: (query) => {
              texts.push(query.sql);
              return connection.execute(query as never);
            },
            query: (sql) => connection.query(sql),
            release: () => connection.release(),
            destroy: () => connection.destroy(),
          };
        },
      };
      return { store: mysqlStore({ pool: given, audit: true }), texts };
    },
  },
];

const SIZES = 300;

for (const { name, needs, open } of KINDS) {
  describeWith(needs, `statements of ${name}`, () => {
    test("are few, however many sizes of pages and chunks are asked for", async () => {
      const { store, texts } = await open();
      await store.migrate?.();
      const { audit, admin } = store;
      const entry = {
        event: "login",
        userId: "ada",
        actorId: undefined,
        handle: undefined,
        address: undefined,
        detail: undefined,
      };
      const entries = Array.from({ length: 9 }, (_, at) => ({
        ...entry,
        id: newAuditId(T0 + at),
        at: T0 + at,
      }));
      await audit?.append(entries);
      await store.apply({ kind: "create", insert: sessionRow() });
      texts.length = 0;
      for (let limit = 1; limit <= SIZES; limit++) {
        expect(await audit?.read({ limit })).toHaveLength(Math.min(limit, entries.length));
        expect((await admin?.browse({ limit }))?.entries).toHaveLength(1);
        await audit?.prune(T0, limit);
        await store.prune(T0, limit);
      }
      // One for each power of two, of what cannot bind its limit.
      const doublings = Math.ceil(Math.log2(SIZES)) + 1;
      expect(new Set(texts).size).toBeLessThanOrEqual(8 * doublings);
      expect(await audit?.prune(T0 + 9, 4)).toBe(4);
      expect(await audit?.prune(T0 + 9, 3)).toBe(3);
      expect(await audit?.prune(T0 + 9, 10)).toBe(2);
    }, 60_000);
  });
}
