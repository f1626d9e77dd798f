/**
 * Every setting of a pool or a client that changes what comes back, on every driver. Each either works or is refused at
 * the first use with one error that names it: none signs anybody out in silence, and none takes an honest browser's
 * token for a stolen one.
 */

import { PGlite, type PGliteOptions } from "@electric-sql/pglite";
import { Kysely, MysqlDialect, PostgresDialect } from "kysely";
import mariadb, { type PoolConfig as MariadbConfig } from "mariadb";
import mysql2 from "mysql2";
import mysqlPromise from "mysql2/promise";
import pg from "pg";
import postgres from "postgres";
import { expect, onTestFinished, test } from "vitest";
import type { Store } from "../../src/index.ts";
import { revoke } from "../../src/stores/changes.ts";
import { kyselyStore } from "../../src/stores/kysely/index.ts";
import { locksOf } from "../../src/stores/locks.ts";
import { mysqlStore } from "../../src/stores/mysql/index.ts";
import { postgresStore } from "../../src/stores/postgres/index.ts";
import { plain, rememberedRow, sessionRow, T0 } from "../../src/testing/rows.ts";
import { TestBrowser, testApp } from "../support/app.ts";
import { HOUR, type TestClock } from "../support/clock.ts";
import {
  AS_USUAL,
  asUsual,
  freshDatabase,
  freshSchema,
  onMysql as onServer,
} from "../support/servers/fresh.ts";
import { describeWith, MYSQL, POSTGRES } from "../support/servers/reach.ts";
import { recorded } from "./recorded.ts";

/** What is to happen: it works, or the error says this. */
type Outcome = "works" | RegExp;

interface Driver<Settings> {
  readonly name: string;
  readonly open: (url: string, settings: Settings) => Promise<{ store: Store; close(): Promise<unknown> }>;
  readonly cells: Readonly<Record<string, readonly [Settings, Outcome]>>;
}

const pgParsers = (parse: (text: string) => unknown) => ({
  types: { getTypeParser: () => parse } as unknown as pg.CustomTypesConfig,
});
const asList = (text: string) => [text];
const ofCells = <Settings>(driver: Driver<Settings>) => driver as Driver<unknown>;

const pgCells: Driver<pg.PoolConfig>["cells"] = {
  "types: everything as a list": [pgParsers(asList), "works"],
  "types: everything as null": [pgParsers(() => null), "works"],
  // It reads bytes as text first, and loses those that are none: a lock's fence, the clock, a user's number.
  "binary: true": [{ binary: true } as pg.PoolConfig, /binary/],
  "bytea_output = escape": [{ options: "-c bytea_output=escape" }, "works"],
  "extra_float_digits, IntervalStyle, DateStyle": [
    { options: "-c extra_float_digits=-15 -c DateStyle=German -c IntervalStyle=sql_standard" },
    "works",
  ],
  "time zone": [{ options: "-c TimeZone=Asia/Kathmandu" }, "works"],
  "standard_conforming_strings = off": [{ options: "-c standard_conforming_strings=off" }, "works"],
  "default_transaction_isolation = serializable": [
    { options: "-c default_transaction_isolation=serializable" },
    "works",
  ],
  "statement_timeout, query_timeout": [{ statement_timeout: 30_000, query_timeout: 30_000 }, "works"],
};

const transform = /transform/;
/** Values of a type are written in another way; they are read as ever. */
const sentAs = (oid: number, serialize: (value: unknown) => string) =>
  ({ types: { own: { to: oid, from: [], serialize, parse: (text: unknown) => text } } }) as never;
const postgresJsCells: Driver<postgres.Options<Record<string, postgres.PostgresType>>>["cells"] = {
  "transform: camel": [{ transform: postgres.camel }, "works"],
  "transform: pascal": [{ transform: postgres.pascal }, "works"],
  "transform: kebab": [{ transform: postgres.kebab }, "works"],
  "transform: toCamel, with undefined": [
    { transform: { ...postgres.toCamel, undefined: null } as never },
    "works",
  ],
  "transform: a function for columns": [{ transform: { column: (name: string) => `x${name}` } }, "works"],
  "transform: values": [{ transform: { value: (value: unknown) => ({ value }) } }, transform],
  "transform: values to null": [{ transform: { value: () => null } }, transform],
  "transform: null to text": [{ transform: { value: (value: unknown) => value ?? "" } }, transform],
  "transform: text to null": [{ transform: { value: (value: unknown) => value || null } }, transform],
  "transform: numbers to text": [
    { transform: { value: (value: unknown) => (typeof value === "number" ? String(value) : value) } },
    "works",
  ],
  "transform: rows": [{ transform: { row: (row: object) => Object.values(row) } as never }, transform],
  "types: bigint": [{ types: { bigint: postgres.BigInt } }, "works"],
  "types: bytea as text": [
    {
      types: {
        bytea: {
          to: 17,
          from: [17],
          serialize: (x: Uint8Array) => `\\x${Buffer.from(x).toString("hex")}`,
          parse: (x: unknown) => x,
        },
      } as never,
    },
    "works",
  ],
  "types: text as a list": [
    { types: { list: { to: 25, from: [25, 1043], serialize: String, parse: asList } } as never },
    /types/,
  ],
  "types: text that is sent in upper case": [
    sentAs(25, (value) => String(value).toUpperCase()),
    /arrived as something else.*types/s,
  ],
  "types: ids that are sent without their end": [
    sentAs(1043, (value) => String(value).slice(0, 8)),
    /arrived as something else.*types/s,
  ],
  "types: numbers that are sent as others": [sentAs(20, (value) => String(Number(value) - 1)), /types/],
  "types: numbers that are sent as none": [sentAs(20, () => "many"), /A value.*was refused.*types/s],
  "types: bytes that are sent as their text": [
    sentAs(17, (value) => Buffer.from(value as Uint8Array).toString("base64")),
    /types/,
  ],
  "types: a serializer that throws": [
    sentAs(25, () => {
      throw new TypeError("not this one");
    }),
    /A value.*was refused.*types/s,
  ],
  "debug: true": [{ debug: true }, "works"],
  "fetch_types: false": [{ fetch_types: false }, "works"],
  "bytea_output = escape": [{ connection: { bytea_output: "escape" } }, "works"],
};

const mysql2Cells: Driver<mysql2.PoolOptions>["cells"] = {
  "typeCast: everything as text": [{ typeCast: (field: { string(): unknown }) => field.string() }, "works"],
  "typeCast: everything as null": [{ typeCast: () => null }, "works"],
  "typeCast: false": [{ typeCast: false }, "works"],
  "rowsAsArray: true": [{ rowsAsArray: true }, "works"],
  "nestTables: true": [{ nestTables: true } as mysql2.PoolOptions, "works"],
  'nestTables: "_"': [{ nestTables: "_" } as mysql2.PoolOptions, "works"],
  "namedPlaceholders: true": [{ namedPlaceholders: true }, "works"],
  "supportBigNumbers, bigNumberStrings": [{ supportBigNumbers: true, bigNumberStrings: true }, "works"],
  "dateStrings: true": [{ dateStrings: true }, "works"],
  "decimalNumbers, jsonStrings": [{ decimalNumbers: true, jsonStrings: true } as mysql2.PoolOptions, "works"],
  "flags: -FOUND_ROWS": [{ flags: ["-FOUND_ROWS"] }, "works"],
  "disableEval: true": [{ disableEval: true }, "works"],
  "multipleStatements, stringifyObjects": [{ multipleStatements: true, stringifyObjects: true }, "works"],
  timezone: [{ timezone: "+05:45" }, "works"],
};

const mariadbCells: Driver<Partial<MariadbConfig>>["cells"] = {
  "typeCast: everything as text": [{ typeCast: (column) => column.string() }, "works"],
  "typeCast: everything as null": [{ typeCast: () => null }, "works"],
  "rowsAsArray: true": [{ rowsAsArray: true }, "works"],
  "nestTables: true": [{ nestTables: true }, "works"],
  'nestTables: "_"': [{ nestTables: "_" }, "works"],
  "namedPlaceholders: true": [{ namedPlaceholders: true }, "works"],
  "metaAsArray: true": [{ metaAsArray: true }, "works"],
  "bigIntAsNumber, checkNumberRange": [{ bigIntAsNumber: true, checkNumberRange: true }, "works"],
  "supportBigNumbers, bigNumberStrings": [{ supportBigNumbers: true, bigNumberStrings: true }, "works"],
  "dateStrings: true": [{ dateStrings: true }, "works"],
  "decimalAsNumber, insertIdAsNumber": [{ decimalAsNumber: true, insertIdAsNumber: true }, "works"],
  "autoJsonMap: true": [{ autoJsonMap: true }, "works"],
  "foundRows: false": [{ foundRows: false }, "works"],
  "arrayParenthesis, permitSetMultiParamEntries": [
    { arrayParenthesis: true, permitSetMultiParamEntries: true },
    "works",
  ],
  "permitLocalInfile: true": [{ permitLocalInfile: true }, "works"],
  "prepareCacheLength: 0": [{ prepareCacheLength: 0 }, "works"],
  timezone: [{ timezone: "+05:45" }, "works"],
};

const onPool =
  (make: (pool: pg.Pool) => Store) =>
  async (url: string, settings: pg.PoolConfig): Promise<{ store: Store; close(): Promise<unknown> }> => {
    // What the address says comes before the settings: there is one of each in the options of a connection.
    const address = new URL(url);
    const place = address.searchParams.get("options");
    address.search = "";
    const options = [place, settings.options].filter(Boolean).join(" ");
    const pool = new pg.Pool({ connectionString: address.href, max: 3, ...settings, options });
    return { store: make(pool), close: () => pool.end() };
  };

const onPostgres: readonly Driver<unknown>[] = [
  ofCells({ name: "pg", open: onPool((pool) => postgresStore({ pool })), cells: pgCells }),
  ofCells({
    name: "pg, one client",
    open: async (url: string, settings: pg.ClientConfig) => {
      const address = new URL(url);
      const place = address.searchParams.get("options");
      address.search = "";
      const options = [place, settings.options].filter(Boolean).join(" ");
      const client = new pg.Client({ connectionString: address.href, ...settings, options });
      await client.connect();
      return { store: postgresStore({ client }), close: () => client.end() };
    },
    cells: pgCells,
  }),
  ofCells({
    name: "postgres.js",
    open: async (url: string, settings: postgres.Options<Record<string, postgres.PostgresType>>) => {
      const sql = postgres(url, { max: 3, onnotice: () => {}, ...settings });
      return { store: postgresStore({ sql: sql as postgres.Sql }), close: () => sql.end() };
    },
    cells: postgresJsCells,
  }),
  ofCells({
    name: "kysely over pg",
    open: onPool((pool) =>
      kyselyStore({ db: new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) }) }),
    ),
    cells: {
      ...pgCells,
      "types: everything as a list": [pgParsers(asList), /types/],
      "types: everything as null": [pgParsers(() => null), /types/],
      "types: text without characters as null": [pgParsers((text) => text || null), /types/],
      "types: everything as numbers where it can be": [
        pgParsers((text) => (Number.isNaN(Number(text)) ? text : Number(text))),
        /types/,
      ],
    },
  }),
];

const onMysql: readonly Driver<unknown>[] = [
  ofCells({
    name: "mysql2/promise",
    open: async (url: string, settings: mysql2.PoolOptions) => {
      const pool = mysqlPromise.createPool({ uri: url, connectionLimit: 3, ...settings });
      asUsual(pool.pool);
      return { store: mysqlStore({ pool }), close: () => pool.end() };
    },
    cells: mysql2Cells,
  }),
  ofCells({
    name: "mysql2 with callbacks",
    open: async (url: string, settings: mysql2.PoolOptions) => {
      const pool = asUsual(mysql2.createPool({ uri: url, connectionLimit: 3, ...settings }));
      return { store: mysqlStore({ pool }), close: () => pool.promise().end() };
    },
    cells: mysql2Cells,
  }),
  ofCells({
    name: "mariadb",
    open: async (url: string, settings: Partial<MariadbConfig>) => {
      const { hostname: host, port, username: user, pathname } = new URL(url);
      const place = { host, port: Number(port), user, database: pathname.slice(1) };
      const pool = mariadb.createPool({ ...place, connectionLimit: 3, initSql: AS_USUAL, ...settings });
      return { store: mysqlStore({ pool }), close: () => pool.end() };
    },
    cells: mariadbCells,
  }),
  ofCells({
    name: "kysely over mysql2",
    open: async (url: string, settings: mysql2.PoolOptions) => {
      const pool = asUsual(mysql2.createPool({ uri: url, connectionLimit: 3, ...settings }));
      const db = new Kysely<unknown>({ dialect: new MysqlDialect({ pool }) });
      return { store: kyselyStore({ db }), close: () => db.destroy() };
    },
    cells: {
      ...mysql2Cells,
      "typeCast: everything as text": [
        { typeCast: (field: { string(): unknown }) => field.string() },
        /typeCast/,
      ],
      "typeCast: everything as null": [{ typeCast: () => null }, /typeCast/],
      "typeCast: false": [{ typeCast: false }, /typeCast/],
      "typeCast: null to text": [{ typeCast: (_: unknown, next: () => unknown) => next() ?? "" }, /typeCast/],
      "rowsAsArray: true": [{ rowsAsArray: true }, /rowsAsArray/],
      "nestTables: true": [{ nestTables: true } as mysql2.PoolOptions, /nestTables/],
      'nestTables: "_"': [{ nestTables: "_" } as mysql2.PoolOptions, /nestTables/],
    },
  }),
];

describeWith(POSTGRES, "settings of drivers of PostgreSQL", () => cells(onPostgres, freshSchema));
describeWith(POSTGRES, "a browser whose rows cannot be read", () => {
  test.for(["session", "remembered"])("%s: an error, no cookie touched, no theft reported", async (kind) => {
    const { url } = await freshSchema();
    const open = (settings: postgres.Options<Record<string, postgres.PostgresType>>, clock?: TestClock) => {
      const sql = postgres(url, { max: 3, onnotice: () => {}, ...settings });
      onTestFinished(() => sql.end());
      return testApp({ store: postgresStore({ sql: sql as postgres.Sql }), ...(clock && { clock }) });
    };
    const good = open({});
    const browser = new TestBrowser(good);
    await browser.visit((session) => session.login("ada", { remember: true }));
    good.clock.advance(HOUR);
    await browser.visit();
    if (kind === "remembered") browser.restart();
    const before = browser.copyJar();

    const bad = open({ transform: { value: (value: unknown) => [value] } }, good.clock);
    const misled = new TestBrowser(bad);
    misled.jar = browser.copyJar();
    await expect(misled.visit()).rejects.toMatchObject({ code: "store_misread", status: 500 });
    expect(misled.jar).toEqual(before);
    expect(bad.told()).toEqual([]);
    expect((await browser.visit()).session.userId).toBe("ada");
  });
});

describeWith(MYSQL, "settings of drivers of MySQL", () => cells(onMysql, freshDatabase));

/** What a pool says on each new connection, or the server's own configuration. */
const SESSION_SETTINGS: Readonly<Record<string, Outcome>> = {
  "sql_mode = ''": "works",
  "sql_mode = 'ANSI_QUOTES'": "works",
  "sql_mode = 'ANSI'": "works",
  "sql_mode = 'TRADITIONAL'": "works",
  "sql_mode = 'NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT,IGNORE_SPACE'": "works",
  "sql_mode = 'PAD_CHAR_TO_FULL_LENGTH'": "works",
  "sql_mode = 'HIGH_NOT_PRECEDENCE,NO_UNSIGNED_SUBTRACTION,REAL_AS_FLOAT'": "works",
  "sql_safe_updates = 1": "works",
  "sql_auto_is_null = 1": "works",
  "foreign_key_checks = 0, unique_checks = 0": "works",
  "group_concat_max_len = 4": "works",
  "collation_connection = 'utf8mb4_general_ci'": "works",
  "character_set_results = NULL": "works",
  "default_storage_engine = MyISAM": "works",
  "autocommit = 0": /autocommit = 0/,
  "completion_type = 1": /completion_type = CHAIN/,
  "completion_type = 2": /completion_type = RELEASE/,
  "sql_select_limit = 1": /sql_select_limit = 1/,
};

/** Which MySQL has not. */
const MARIADB_SETTINGS: Readonly<Record<string, Outcome>> = {
  "sql_mode = 'ORACLE'": "works",
  "sql_mode = 'NO_TABLE_OPTIONS,NO_KEY_OPTIONS,NO_FIELD_OPTIONS'": "works",
  "sql_mode = 'SIMULTANEOUS_ASSIGNMENT'": "works",
  "sql_mode = 'EMPTY_STRING_IS_NULL'": /EMPTY_STRING_IS_NULL/,
};

describeWith(MYSQL, "settings of connections to MySQL", async () => {
  const [server] = await onServer(MYSQL.url, "SELECT VERSION() AS version");
  const isMariadb = String(server?.["version"]).includes("MariaDB");
  const settings = { ...SESSION_SETTINGS, ...(isMariadb ? MARIADB_SETTINGS : {}) };
  for (const migrate of [true, false]) {
    test.for(Object.entries(settings))(`migrate: ${migrate}, %s`, async ([setting, outcome]) => {
      const { url } = await freshDatabase();
      if (!migrate) await mysqlStore({ pool: opened(url) }).migrate();
      const pool = opened(url);
      const refused: unknown[] = [];
      // Mysql2 queues it before whatever comes next over the connection.
      pool.on("connection", (connection) => {
        connection.query(`SET SESSION ${setting}`, (error: unknown) => void (error && refused.push(error)));
      });
      const store = mysqlStore({ pool, migrate });
      // A server that knows no such setting would pass for one with which all works.
      onTestFinished(() => expect(refused).toEqual([]));
      if (outcome === "works") return everythingComesBack(store);
      const refusal = { code: "invalid_options", status: 500, message: expect.stringMatching(outcome) };
      const { session } = rows();
      await expect(store.apply({ kind: "signIn", insert: session })).rejects.toMatchObject(refusal);
      await expect(store.findSession(session.id)).rejects.toMatchObject(refusal);
      await expect(store.list("ada")).rejects.toMatchObject(refusal);
    });
  }

  /** With settings of a server's default, whatever this one is set to. */
  function opened(url: string): mysql2.Pool {
    const pool = asUsual(mysql2.createPool({ uri: url, connectionLimit: 3 }));
    onTestFinished(() => pool.promise().end());
    return pool;
  }
});

const PGLITE: Readonly<Record<string, readonly [PGliteOptions, Outcome]>> = {
  "parsers, and serializers of other types": [
    {
      parsers: { 17: asList, 20: asList, 23: asList, 25: asList, 1043: asList },
      serializers: { 16: () => "f" },
    },
    "works",
  ],
  "serializers: text in upper case": [
    { serializers: { 25: (text: string) => text.toUpperCase() } },
    /arrived as something else.*serializers/s,
  ],
  // Its own come before those that are given for lists.
  "serializers: lists without their ends": [
    { serializers: { 1009: (list: string[]) => `{${list.slice(1).join()}}` } },
    "works",
  ],
};

// One after the other in one test: each takes seconds to start.
test("settings of PGlite", async () => {
  for (const [name, [own, outcome]] of Object.entries(PGLITE)) {
    const pglite = new PGlite(own);
    const store = postgresStore({ pglite, timeout: 60_000 });
    if (outcome === "works") await everythingComesBack(store);
    else
      await expect(store.findSession(sessionRow().id), name).rejects.toMatchObject({
        code: "store_misread",
        message: expect.stringMatching(outcome),
      });
    await pglite.close();
  }
}, 300_000);

describeWith(POSTGRES, "what the first use finds out", () => {
  test("is asked for once: every later read is one statement", async () => {
    const { url } = await freshSchema();
    const own = new pg.Pool({ connectionString: url, max: 3 });
    onTestFinished(() => own.end());
    await postgresStore({ pool: own }).migrate();
    const { pool, texts } = recorded(own);
    const store = postgresStore({ pool, migrate: false });
    await Promise.all([store.findSession(sessionRow().id), store.list("ada")]);
    expect(texts.filter((text) => text.includes("number_back"))).toHaveLength(1);
    texts.length = 0;
    await store.findSession(sessionRow().id);
    await store.findRemembered(rememberedRow().id);
    await store.list("ada");
    expect(texts).toHaveLength(3);
    expect(texts.filter((text) => text.includes("number_back"))).toEqual([]);
  });

  test("of a transform of null: no visitor becomes a user by it", async () => {
    const { url } = await freshSchema();
    const open = (settings: postgres.Options<Record<string, postgres.PostgresType>>) => {
      const sql = postgres(url, { max: 3, onnotice: () => {}, ...settings });
      onTestFinished(() => sql.end());
      return testApp({ store: postgresStore({ sql: sql as postgres.Sql }) });
    };
    const browser = new TestBrowser(open({}));
    await browser.visit((session) => session.set("name", "anonymous"));
    const misled = new TestBrowser(open({ transform: { value: (value: unknown) => value ?? "" } }));
    misled.jar = browser.copyJar();
    await expect(misled.visit()).rejects.toMatchObject({ code: "store_misread" });
  });
});

function cells(drivers: readonly Driver<unknown>[], fresh: () => Promise<{ url: string }>): void {
  for (const { name, open, cells } of drivers) {
    test.for(Object.entries(cells))(`${name}: %s`, async ([, [settings, outcome]]) => {
      const { url } = await fresh();
      const { store, close } = await open(url, settings);
      onTestFinished(async () => void (await close()));
      if (outcome === "works") await everythingComesBack(store);
      else await everyUseIsRefused(store, outcome, () => open(url, {}));
    });
  }
}

/** A user with two devices, an audit trail's worth of text, a lock and all that administration asks for. */
async function everythingComesBack(store: Store): Promise<void> {
  const { session, login } = rows();
  expect(await store.apply({ kind: "signIn", remember: login, insert: session })).toEqual({
    done: true,
    ended: [],
  });
  const alone = sessionRow({ userId: "ada", level: "login" });
  await store.apply({ kind: "signIn", insert: alone });
  expect(plain(await store.findSession(session.id))).toEqual(plain(session));
  expect(plain(await store.findRemembered(login.id))).toEqual(plain({ login, session }));
  expect(await store.findSession(rememberedRow().id)).toBeUndefined();
  const changed = await store.apply({
    kind: "save",
    update: { id: alone.id, version: 1, set: { data: '{"a":1}' } },
  });
  expect(changed).toEqual({ done: true, ended: [] });
  const stale = await store.apply({
    kind: "save",
    update: { id: alone.id, version: 1, set: { data: '{"a":2}' } },
  });
  expect(stale).toEqual({ done: false, conflict: "stale" });
  expect((await store.list("ada")).length).toBe(2);
  const lock = { name: "x", owner: "me", now: T0, until: T0 + 1000 };
  expect(await locksOf(store).acquire(lock)).toBe(T0);
  expect(await locksOf(store).acquire({ ...lock, owner: "you" })).toBeUndefined();
  const page = await store.admin?.browse({ limit: 10 });
  expect(page?.entries.length).toBe(2);
  expect((await store.admin?.inspect())?.faults).toEqual([]);
  expect(await store.clock?.()).toBeTypeOf("number");
  const reason = "revoked";
  expect((await revoke(store, { userId: "ada", reason, at: T0, pruneAfter: T0 })).length).toBe(2);
  expect(await store.prune(T0 * 2, 10)).toEqual({ sessions: 0, logins: 1 });
}

/** Neither nobody nor somebody else: an error that says what to change, and what was there is there still. */
async function everyUseIsRefused(
  store: Store,
  saying: RegExp,
  well: () => Promise<{ store: Store; close(): Promise<unknown> }>,
): Promise<void> {
  const { session, login } = rows();
  const good = await well();
  onTestFinished(async () => void (await good.close()));
  await good.store.apply({ kind: "signIn", remember: login, insert: session });
  const refusal = { code: "store_misread", status: 500, message: expect.stringMatching(saying) };
  await expect(store.findSession(session.id)).rejects.toMatchObject(refusal);
  await expect(store.findRemembered(login.id)).rejects.toMatchObject(refusal);
  await expect(store.list("ada")).rejects.toMatchObject(refusal);
  expect(plain(await good.store.findRemembered(login.id))).toEqual(plain({ login, session }));
}

function rows() {
  const login = rememberedRow({ name: "Zoë's 📺", supersededAt: T0 - 1 });
  const session = sessionRow({
    rememberedId: login.id,
    userId: "ada",
    level: "remembered",
    data: '{"text":"🛒 ü"}',
    userAgent: "Browser/1.0",
  });
  return { login, session };
}
