import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe } from "vitest";
import { Encryption } from "../../src/data/encryption.ts";
import { memoryStore, type Store } from "../../src/index.ts";
import { encryptedStore } from "../../src/stores/encrypted.ts";
import { mysqlStore } from "../../src/stores/mysql/index.ts";
import { postgresStore } from "../../src/stores/postgres/index.ts";
import { redisStore } from "../../src/stores/redis/index.ts";
import { sqliteStore } from "../../src/stores/sqlite/index.ts";
import { freshDatabase, freshSchema, onMysql, onPostgres } from "./servers/fresh.ts";
import { describeWith, MYSQL, type Need, POSTGRES } from "./servers/reach.ts";
import { REDIS } from "./servers/redis.ts";

interface Parts {
  /** The stores keep an audit trail. */
  readonly audit?: boolean;
}

interface Server {
  readonly needs: readonly Need[];
  open(
    parts: Parts,
  ): Promise<{ makeStore: () => Store; empty: () => Promise<unknown>; close: () => Promise<unknown> }>;
}

const SERVERS: Record<string, Server> = {
  postgres: {
    needs: [POSTGRES],
    open: async (parts) => {
      const { url } = await freshSchema();
      const { default: pg } = await import("pg");
      const pool = new pg.Pool({ connectionString: url });
      const empty = () => onPostgres(url, emptying(parts).join(";"));
      return { makeStore: () => postgresStore({ pool, ...parts }), empty, close: () => pool.end() };
    },
  },
  mysql: {
    needs: [MYSQL],
    open: async (parts) => {
      const { url } = await freshDatabase();
      const { default: mysql } = await import("mysql2/promise");
      const pool = mysql.createPool(url);
      const empty = async () => {
        for (const statement of emptying(parts)) await onMysql(url, statement);
      };
      return { makeStore: () => mysqlStore({ pool, ...parts }), empty, close: () => pool.end() };
    },
  },
  redis: {
    needs: [REDIS],
    open: async (parts) => {
      const { createClient } = await import("redis");
      const client = createClient({ url: REDIS.url });
      await client.connect();
      const prefix = `test-${randomBytes(6).toString("base64url")}:`;
      const empty = async () => {
        for await (const keys of client.scanIterator({ MATCH: `${prefix}*`, COUNT: 1000 })) {
          if (keys.length > 0) await client.unlink(keys);
        }
      };
      const close = async () => {
        await empty();
        client.destroy();
      };
      return { makeStore: () => redisStore({ client, prefix, ...parts }), empty, close };
    },
  },
};

/** Marks as well: the clock of tests begins at the same moment each time. */
const emptying = ({ audit = false }: Parts): string[] => [
  ...["sessions", "logins", ...(audit ? ["audit"] : [])].map((name) => `DELETE FROM psession_${name}`),
  "DELETE FROM psession_meta WHERE name LIKE 'mark%'",
];

/** Stories of sessions, on every kind of store; `makeStore` gives an empty one, or another over the same rows. */
export function describeStores(
  title: string,
  body: (makeStore: () => Store) => void,
  parts: Parts = {},
): void {
  describe(`${title} memory`, () => body(() => memoryStore(parts)));
  const encryption = new Encryption(["Vt7Hq2Zx9Mb4Kd8Ws3Yf6Lc1Np5Rj0Ga"], false);
  describe(`${title} memory, encrypted`, () => body(() => encryptedStore(memoryStore(parts), encryption)));
  describe(`${title} sqlite`, () => body(() => sqliteStore({ path: ":memory:", ...parts })));
  for (const [name, { needs, open }] of Object.entries(SERVERS)) {
    describeWith(needs, `${title} ${name}`, () => {
      let server: Awaited<ReturnType<Server["open"]>>;
      beforeAll(async () => {
        server = await open(parts);
        await server.makeStore().list("nobody");
      });
      beforeEach(() => server.empty());
      afterAll(() => server.close());
      body(() => server.makeStore());
    });
  }
}
