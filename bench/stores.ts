/**
 * Tables of the benchmark's own: a schema in PostgreSQL, a database in MariaDB, a file for SQLite, a prefix in Redis,
 * for each kind of tables and each number of rows. Everything is dropped at the end.
 */
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import mysql from "mysql2/promise";
import pg from "pg";
import { createClient } from "redis";
import { type Filling, fillingOf } from "./fillings.ts";
import type { StoreName } from "./workload.ts";

export const ADDRESSES = {
  postgres: process.env["PSESSION_TEST_POSTGRES"] ?? "postgres://postgres@127.0.0.1:5432/postgres",
  mysql: process.env["PSESSION_TEST_MYSQL"] ?? "mysql://root@127.0.0.1:3306/test",
  redis: process.env["PSESSION_TEST_REDIS"] ?? "redis://127.0.0.1:6379",
} as const;

/** Where a contender has its tables. Travels to other processes as JSON. */
export interface Place {
  readonly store: StoreName;
  /** The library whose layout the tables have. */
  readonly tables: string;
  /** Of the schema or database; in Redis the prefix of its keys. */
  readonly name: string;
  /** A URL that leads there; for SQLite the file. */
  readonly address: string;
}

interface Server {
  create(name: string): Promise<string>;
  run(place: Place, statement: string): Promise<unknown>;
  size(place: Place): Promise<number>;
  drop(place: Place): Promise<unknown>;
  end(): Promise<unknown>;
}

export class Stores {
  readonly #prefix = `psession_bench_${process.pid}`;
  readonly #servers = new Map<StoreName, Server>();
  readonly #places = new Map<string, Place>();
  readonly #filled = new Set<Place>();

  /** The place of that name, created at the first use. */
  async place(store: StoreName, tables: string, label: string): Promise<Place> {
    const id = `${this.#prefix}_${tables}_${label}`.replace(/\W/g, "_");
    const known = this.#places.get(`${store} ${id}`);
    if (known !== undefined) return known;
    const name = store === "redis" ? `${id}:` : id;
    const address = store === "cookie" ? "" : await (await this.#server(store)).create(name);
    const place = { store, tables, name, address };
    this.#places.set(`${store} ${id}`, place);
    return place;
  }

  /** Inserts other users' rows into tables that their library has made. */
  async fill(place: Place, filling: Filling): Promise<void> {
    if (place.store === "cookie" || filling.rows === 0) return;
    const server = await this.#server(place.store);
    for (const statement of fillingOf(place, filling)) await server.run(place, statement);
  }

  /** The same, once for each place. */
  async fillOnce(place: Place, rows: number): Promise<void> {
    if (this.#filled.has(place)) return;
    this.#filled.add(place);
    await this.fill(place, { rows });
  }

  /** Bytes, indexes included. */
  async size(place: Place): Promise<number> {
    return (await this.#server(place.store)).size(place);
  }

  async close(): Promise<void> {
    for (const place of this.#places.values()) {
      if (place.store !== "cookie") await (await this.#server(place.store)).drop(place);
    }
    this.#places.clear();
    for (const server of this.#servers.values()) await server.end();
    this.#servers.clear();
  }

  async #server(store: StoreName): Promise<Server> {
    const known = this.#servers.get(store);
    if (known !== undefined) return known;
    const server = await SERVERS[store as keyof typeof SERVERS]();
    this.#servers.set(store, server);
    return server;
  }
}

const SERVERS = {
  async postgres(): Promise<Server> {
    const client = new pg.Client({ connectionString: ADDRESSES.postgres });
    await client.connect();
    return {
      async create(name) {
        await client.query(`CREATE SCHEMA ${name}`);
        const address = new URL(ADDRESSES.postgres);
        address.searchParams.set("options", `-c search_path=${name}`);
        return address.href;
      },
      async run({ name }, statement) {
        await client.query(`SET search_path = ${name}`);
        await client.query(statement);
      },
      async size({ name }) {
        const { rows } = await client.query(
          `SELECT sum(pg_total_relation_size(c.oid)) AS size FROM pg_class c
           JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relkind = 'r'`,
          [name],
        );
        return Number(rows[0].size);
      },
      drop: ({ name }) => client.query(`DROP SCHEMA IF EXISTS ${name} CASCADE`),
      end: () => client.end(),
    };
  },

  async mysql(): Promise<Server> {
    const connection = await mysql.createConnection(ADDRESSES.mysql);
    return {
      async create(name) {
        await connection.query(`CREATE DATABASE ${name}`);
        const address = new URL(ADDRESSES.mysql);
        address.pathname = `/${name}`;
        return address.href;
      },
      async run({ name }, statement) {
        await connection.query(`USE ${name}`);
        await connection.query(statement);
      },
      async size({ name }) {
        const tables = "FROM information_schema.tables WHERE table_schema = ?";
        const [names] = await connection.query(`SELECT table_name AS name ${tables}`, [name]);
        for (const table of names as { name: string }[])
          await connection.query(`ANALYZE TABLE ${name}.${table.name}`);
        const [sizes] = await connection.query(`SELECT SUM(data_length + index_length) AS size ${tables}`, [
          name,
        ]);
        return Number((sizes as { size: string }[])[0]?.size);
      },
      drop: ({ name }) => connection.query(`DROP DATABASE IF EXISTS ${name}`),
      end: () => connection.end(),
    };
  },

  async sqlite(): Promise<Server> {
    const folder = mkdtempSync(join(tmpdir(), "psession-bench-"));
    const within = <T>(address: string, work: (database: DatabaseSync) => T): T => {
      const database = new DatabaseSync(address);
      try {
        database.exec("PRAGMA busy_timeout = 10000");
        return work(database);
      } finally {
        database.close();
      }
    };
    return {
      create: async (name) => join(folder, `${name}.sqlite`),
      run: async ({ address }, statement) => within(address, (database) => database.exec(statement)),
      async size({ address }) {
        within(address, (database) => database.exec("PRAGMA wal_checkpoint(TRUNCATE)"));
        return statSync(address).size;
      },
      drop: async () => {},
      end: async () => rmSync(folder, { recursive: true, force: true }),
    };
  },

  async redis(): Promise<Server> {
    const client = createClient({ url: ADDRESSES.redis });
    client.on("error", () => {});
    await client.connect();
    const keysOf = ({ name }: Place) => client.scanIterator({ MATCH: `${name}*`, COUNT: 1000 });
    return {
      create: async () => ADDRESSES.redis,
      // A statement is a script here, with the prefix as its key.
      run: ({ name }, statement) => client.eval(statement, { keys: [name] }),
      async size(place) {
        let bytes = 0;
        for await (const keys of keysOf(place)) {
          const sizes = await Promise.all(keys.map((key) => client.memoryUsage(key, { SAMPLES: 0 })));
          for (const size of sizes) bytes += size ?? 0;
        }
        return bytes;
      },
      async drop(place) {
        for await (const keys of keysOf(place)) if (keys.length > 0) await client.unlink(keys);
      },
      end: async () => client.destroy(),
    };
  },
} as const;
