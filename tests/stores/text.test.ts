/**
 * Text in every character set that the server has, of databases and of connections: it survives, or the first use says
 * that it does not. None garbles a cart or a name, and none tells an emoji as an outage.
 */

import { DatabaseSync } from "node:sqlite";
import mariadb from "mariadb";
import mysql2 from "mysql2/promise";
import pg from "pg";
import postgres from "postgres";
import { describe, expect, onTestFinished, test } from "vitest";
import { PsessionError, type Store } from "../../src/index.ts";
import { nameDevice, revoke } from "../../src/stores/changes.ts";
import { listed } from "../../src/stores/devices.ts";
import { locksOf } from "../../src/stores/locks.ts";
import { mysqlStore } from "../../src/stores/mysql/index.ts";
import { postgresStore } from "../../src/stores/postgres/index.ts";
import { plain, rememberedRow, sessionRow, T0 } from "../../src/testing/rows.ts";
import { AS_USUAL, asUsual, freshDatabase, onMysql, onPostgres } from "../support/servers/fresh.ts";
import { describeWith, MYSQL, POSTGRES } from "../support/servers/reach.ts";
import { sqliteBackend } from "./fixtures.ts";

const TEXT = "Zoë Ørsted Łódź Ελλάδα Привет 日本語 한국어 ‘’ € 👩🏽‍💻 \\ \" ' ; -- é";

describeWith(POSTGRES, "text in PostgreSQL", () => {
  test("every encoding of a database", async () => {
    const encodings = (await onPostgres(POSTGRES.url, ENCODINGS)).map(({ name }) => String(name));
    expect(encodings.length).toBeGreaterThan(30);
    const outcomes = new Map<string, string>();
    for (const encoding of encodings) {
      const database = `psession_text_${encoding.toLowerCase()}_${process.pid}`;
      await onPostgres(
        POSTGRES.url,
        `CREATE DATABASE ${database} ENCODING '${encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0`,
      );
      const pool = new pg.Pool({ connectionString: urlOf(POSTGRES.url, database), max: 2 });
      outcomes.set(encoding, await outcomeOf(postgresStore({ pool, audit: true })));
      await pool.end();
      await onPostgres(POSTGRES.url, `DROP DATABASE ${database}`);
    }
    const surviving = [...outcomes].filter(([, outcome]) => outcome === "survives").map(([name]) => name);
    expect(surviving.sort()).toEqual(["SQL_ASCII", "UTF8"]);
    const others = [...outcomes].filter(([, outcome]) => !["survives", "store_misread"].includes(outcome));
    // Which no connection in UTF-8 is let into, by the server itself.
    expect(others).toEqual([["MULE_INTERNAL", "store_unavailable"]]);
  });

  test("every encoding of a connection", async () => {
    const { url, drop } = await database();
    const encodings = (await onPostgres(POSTGRES.url, ENCODINGS)).map(({ name }) => String(name));
    for (const encoding of encodings.filter((name) => name !== "MULE_INTERNAL")) {
      const pool = new pg.Pool({ connectionString: url, max: 2 });
      pool.on("connect", (client) => void client.query(`SET client_encoding = '${encoding}'`));
      const sql = postgres(url, { max: 2, onnotice: () => {}, connection: { client_encoding: encoding } });
      const isWhole = encoding === "UTF8" || encoding === "SQL_ASCII";
      const expected = isWhole ? "survives" : "store_misread";
      expect([encoding, await outcomeOf(postgresStore({ pool, audit: true }))]).toEqual([encoding, expected]);
      expect([encoding, await outcomeOf(postgresStore({ sql, audit: true }))]).toEqual([encoding, expected]);
      await pool.end();
      await sql.end();
    }
    await drop();
  });

  async function database() {
    const name = `psession_text_${process.pid}`;
    await onPostgres(POSTGRES.url, `CREATE DATABASE ${name} ENCODING 'UTF8' TEMPLATE template0`);
    const drop = () => onPostgres(POSTGRES.url, `DROP DATABASE ${name} WITH (FORCE)`);
    onTestFinished(() => void drop().catch(() => {}));
    return { url: urlOf(POSTGRES.url, name), drop };
  }
});

describeWith(MYSQL, "text in MySQL", () => {
  test("every character set of a database", async () => {
    for (const { charset } of await charsets()) {
      const { name, url } = await freshDatabase();
      await onMysql(url, `ALTER DATABASE ${name} CHARACTER SET ${charset}`);
      const pool = mysql2.createPool({ uri: url, connectionLimit: 2 });
      asUsual(pool.pool);
      expect([charset, await outcomeOf(mysqlStore({ pool, audit: true }))]).toEqual([charset, "survives"]);
      await pool.end();
    }
  });

  test("every character set of a connection", async () => {
    const { url } = await freshDatabase();
    const { hostname: host, port, username: user, pathname } = new URL(url);
    const place = { host, port: Number(port), user, database: pathname.slice(1) };
    const outcomes = new Map<string, string>();
    for (const { charset, collation } of await charsets()) {
      // What cannot be said to a server at all is refused by the server or the driver.
      if (["ucs2", "utf16", "utf16le", "utf32"].includes(charset)) continue;
      const set = async (connection: { query(sql: string): Promise<unknown> }) => {
        await connection.query(`SET NAMES ${charset} COLLATE ${collation}`);
      };
      const pool = mysql2.createPool({ uri: url, connectionLimit: 2 });
      asUsual(pool.pool);
      const connected = pool.getConnection.bind(pool);
      const named = Object.assign(pool, {
        getConnection: async () => {
          const connection = await connected();
          await set(connection);
          return connection;
        },
      });
      outcomes.set(`mysql2 ${charset}`, await outcomeOf(mysqlStore({ pool: named, audit: true })));
      await pool.end();
      // The connector throws where nobody can catch it for character sets that it does not know.
      if (!KNOWN.includes(charset)) continue;
      const connector = mariadb.createPool({
        ...place,
        connectionLimit: 1,
        initSql: [AS_USUAL, `SET NAMES ${charset}`],
      });
      outcomes.set(`mariadb ${charset}`, await outcomeOf(mysqlStore({ pool: connector, audit: true })));
      await connector.end();
    }
    expect(outcomes.get("mysql2 utf8mb4")).toBe("survives");
    expect(outcomes.get("mariadb utf8mb4")).toBe("survives");
    for (const charset of KNOWN.filter((name) => name !== "utf8mb4"))
      for (const driver of ["mysql2", "mariadb"])
        expect([charset, outcomes.get(`${driver} ${charset}`)]).toEqual([charset, "store_misread"]);
    // Of character sets that the driver itself does not know.
    const others = new Set([...outcomes.values()].filter((outcome) => outcome !== "survives"));
    expect([...others].sort()).toEqual(["store_misread", "store_unavailable"]);
  });

  test.for(["latin1", "utf8", "ascii", "utf8mb4", "cp1251", "gbk"])(
    "a pool of mysql2 with the charset %s",
    async (charset) => {
      const { url } = await freshDatabase();
      const pool = mysql2.createPool({ uri: url, connectionLimit: 2, charset });
      asUsual(pool.pool);
      onTestFinished(() => pool.end());
      const expected = charset === "utf8mb4" ? "survives" : "store_misread";
      expect(await outcomeOf(mysqlStore({ pool, audit: true }))).toBe(expected);
    },
  );

  const charsets = async (): Promise<{ charset: string; collation: string }[]> =>
    (await onMysql(MYSQL.url, "SHOW CHARACTER SET")).map((row) => ({
      charset: String(row["Charset"]),
      collation: String(row["Default collation"]),
    }));
});

describe("text in SQLite", () => {
  test.for(["UTF-8", "UTF-16le", "UTF-16be"])("a database in %s", async (encoding) => {
    const backend = sqliteBackend("node:sqlite", (path) => {
      const database = new DatabaseSync(path);
      database.exec(`PRAGMA encoding = '${encoding}'`);
      return database;
    });
    const place = await backend.open();
    onTestFinished(() => place.close());
    expect(await outcomeOf(await place.connect({ audit: true }))).toBe("survives");
  });
});

const KNOWN = ["latin1", "latin2", "cp1251", "greek", "gbk", "ascii", "utf8mb3", "utf8mb4"];

const ENCODINGS =
  "SELECT name FROM (SELECT pg_encoding_to_char(i) AS name, i FROM generate_series(0, 34) i) n WHERE name <> '' ORDER BY i";

function urlOf(url: string, database: string): string {
  const within = new URL(url);
  within.pathname = `/${database}`;
  return within.href;
}

/** `survives`, or the code of the error at the first use. */
async function outcomeOf(store: Store): Promise<string> {
  const login = rememberedRow({ userId: TEXT, name: TEXT, tag: TEXT });
  const session = sessionRow({
    rememberedId: login.id,
    userId: TEXT,
    level: "remembered",
    data: JSON.stringify({ [TEXT]: TEXT }),
    userAgent: TEXT,
    name: TEXT,
    tag: TEXT,
  });
  try {
    await store.findSession(session.id);
  } catch (error) {
    if (error instanceof PsessionError) return error.code;
    throw error;
  }
  expect(await store.apply({ kind: "signIn", remember: login, insert: session })).toEqual({
    done: true,
    ended: [],
  });
  expect(plain(await store.findRemembered(login.id))).toEqual(plain({ login, session }));
  expect(plain(await store.list(TEXT))).toEqual(plain([listed({ login, session })]));
  expect(await nameDevice(store, { handle: login.id, userId: TEXT, name: `${TEXT}!` })).toBe(true);
  const nobody = { actorId: undefined, handle: undefined, address: undefined };
  const entry = { id: login.id, at: T0, event: "login", userId: TEXT, ...nobody };
  await store.audit?.append([{ ...entry, detail: TEXT }]);
  expect(await store.audit?.read({ userId: TEXT, limit: 10 })).toContainEqual({ ...entry, detail: TEXT });
  const lock = { name: TEXT, owner: "me", now: T0, until: T0 + 1000 };
  expect(await locksOf(store).acquire(lock)).toBeTypeOf("number");
  expect(await locksOf(store).acquire({ ...lock, owner: "you" })).toBeUndefined();
  await locksOf(store).release(lock.name, lock.owner);
  const ended = await revoke(store, { userId: TEXT, reason: TEXT, at: T0, pruneAfter: T0 });
  expect(ended.map(({ reason }) => reason)).toEqual([TEXT]);
  expect((await store.findRemembered(login.id))?.login.revokedReason).toBe(TEXT);
  return "survives";
}
