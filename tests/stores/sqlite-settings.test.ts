import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { DatabaseSync, type DatabaseSyncOptions } from "node:sqlite";
import BetterSqlite3 from "better-sqlite3";
import Libsql from "libsql";
import LibsqlPromise from "libsql/promise";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Store } from "../../src/index.ts";
import { type SqliteDatabase, sqliteStore } from "../../src/stores/sqlite/index.ts";
import { sessionRow } from "../../src/testing/rows.ts";
import { cookieHeader, type Jar, TestBrowser, testApp } from "../support/app.ts";
import { DAY, MINUTE } from "../support/clock.ts";
import { temporaryFolder } from "../support/temp.ts";

/** What a setting does to sessions: nothing, or an error at the first use that says which setting it is. */
type Outcome =
  | "works"
  /** Of whatever is done first. */
  | { readonly refused: RegExp }
  /** Of what is written; what was there is read. */
  | { readonly readOnly: RegExp };

interface Driver {
  readonly name: string;
  readonly plain: (path: string) => SqliteDatabase;
  /** Settings of the driver's own, by what they do. A driver that cannot do one says so. */
  readonly own: Record<Own, readonly [Outcome, (path: string) => SqliteDatabase] | "not in this driver">;
}

/** Whatever the applications' own statements are prepared like: as wrappers around a driver do it. */
type Method = "raw" | "pluck" | "expand" | "safeIntegers" | "setReturnArrays" | "setReadBigInts";

function preparing<D extends object>(database: D, method: Method): SqliteDatabase {
  return new Proxy(database, {
    get(target, key) {
      const value = Reflect.get(target, key, target);
      if (typeof value !== "function") return value;
      if (key !== "prepare") return value.bind(target);
      return (sql: string) => {
        const statement = value.call(target, sql);
        try {
          statement[method](true);
        } catch {
          // Statements without rows have no such thing.
        }
        return statement;
      };
    },
  }) as unknown as SqliteDatabase;
}

const OWN = [
  "rows as lists",
  "big integers",
  "rows as lists, by statement",
  "one column, by statement",
  "columns by table, by statement",
  "big integers, by statement",
  "not open yet",
  "closed",
  "read-only",
  "foreign keys enforced",
  "foreign keys not enforced",
  "names of values without prefix refused",
  "unknown names of values ignored",
  "text in double quotes",
  "a busy timeout",
  "defensive",
  "not defensive",
  "with a listener for every statement",
  "unsafe mode",
  "another addon",
  "encrypted",
] as const;
type Own = (typeof OWN)[number];

const NONE = "not in this driver";
const READ_ONLY = { readOnly: /read-only \(readOnly, readonly\)/ } as const;
const NOT_OPEN = { refused: /needs a database that is open.*open: false/ } as const;

const closed = <D extends SqliteDatabase>(database: D): D => {
  database.close();
  return database;
};

const drivers: readonly Driver[] = [
  {
    name: "node:sqlite",
    plain: (path) => new DatabaseSync(path),
    own: {
      "rows as lists": nodeWith({ returnArrays: true }),
      "big integers": nodeWith({ readBigInts: true }),
      "rows as lists, by statement": [
        "works",
        (path) => preparing(new DatabaseSync(path), "setReturnArrays"),
      ],
      "one column, by statement": NONE,
      "columns by table, by statement": NONE,
      "big integers, by statement": ["works", (path) => preparing(new DatabaseSync(path), "setReadBigInts")],
      "not open yet": [NOT_OPEN, (path) => new DatabaseSync(path, { open: false })],
      closed: [NOT_OPEN, (path) => closed(new DatabaseSync(path))],
      "read-only": [READ_ONLY, (path) => new DatabaseSync(path, { readOnly: true })],
      "foreign keys enforced": nodeWith({ enableForeignKeyConstraints: true }),
      "foreign keys not enforced": nodeWith({ enableForeignKeyConstraints: false }),
      "names of values without prefix refused": nodeWith({ allowBareNamedParameters: false }),
      "unknown names of values ignored": nodeWith({ allowUnknownNamedParameters: true }),
      "text in double quotes": nodeWith({ enableDoubleQuotedStringLiterals: true }),
      "a busy timeout": nodeWith({ timeout: 1000 }),
      defensive: nodeWith({ defensive: true }),
      "not defensive": nodeWith({ defensive: false }),
      "with a listener for every statement": NONE,
      "unsafe mode": NONE,
      "another addon": NONE,
      encrypted: NONE,
    },
  },
  {
    name: "better-sqlite3",
    plain: (path) => new BetterSqlite3(path),
    own: {
      "rows as lists": NONE,
      "big integers": ["works", (path) => new BetterSqlite3(path).defaultSafeIntegers()],
      "rows as lists, by statement": ["works", (path) => preparing(new BetterSqlite3(path), "raw")],
      "one column, by statement": ["works", (path) => preparing(new BetterSqlite3(path), "pluck")],
      "columns by table, by statement": ["works", (path) => preparing(new BetterSqlite3(path), "expand")],
      "big integers, by statement": ["works", (path) => preparing(new BetterSqlite3(path), "safeIntegers")],
      "not open yet": NONE,
      closed: [NOT_OPEN, (path) => closed(new BetterSqlite3(path))],
      "read-only": [READ_ONLY, (path) => new BetterSqlite3(path, { readonly: true })],
      "foreign keys enforced": NONE,
      "foreign keys not enforced": NONE,
      "names of values without prefix refused": NONE,
      "unknown names of values ignored": NONE,
      "text in double quotes": NONE,
      "a busy timeout": ["works", (path) => new BetterSqlite3(path, { timeout: 1000 })],
      defensive: NONE,
      "not defensive": NONE,
      "with a listener for every statement": [
        "works",
        (path) => new BetterSqlite3(path, { verbose: () => {} }),
      ],
      "unsafe mode": ["works", (path) => new BetterSqlite3(path).unsafeMode(true)],
      "another addon": [
        "works",
        (path) => new BetterSqlite3(path, { nativeBinding: addonOfBetterSqlite3() }),
      ],
      encrypted: NONE,
    },
  },
  {
    name: "libsql",
    plain: (path) => new Libsql(path),
    own: {
      "rows as lists": NONE,
      "big integers": ["works", (path) => new Libsql(path).defaultSafeIntegers(true)],
      "rows as lists, by statement": ["works", (path) => preparing(new Libsql(path), "raw")],
      "one column, by statement": ["works", (path) => preparing(new Libsql(path), "pluck")],
      "columns by table, by statement": NONE,
      "big integers, by statement": ["works", (path) => preparing(new Libsql(path), "safeIntegers")],
      "not open yet": NONE,
      closed: [NOT_OPEN, (path) => closed(new Libsql(path))],
      // It takes the option, and writes all the same.
      "read-only": ["works", (path) => new Libsql(path, { readonly: true })],
      "foreign keys enforced": NONE,
      "foreign keys not enforced": NONE,
      "names of values without prefix refused": NONE,
      "unknown names of values ignored": NONE,
      "text in double quotes": NONE,
      "a busy timeout": ["works", (path) => new Libsql(path, { timeout: 1 })],
      defensive: NONE,
      "not defensive": NONE,
      "with a listener for every statement": NONE,
      "unsafe mode": NONE,
      "another addon": NONE,
      encrypted: ["works", (path) => new Libsql(path, { encryptionKey: "only for this test" } as object)],
    },
  },
];

function nodeWith(options: DatabaseSyncOptions): Driver["own"][Own] {
  return ["works", (path) => new DatabaseSync(path, options)];
}

function addonOfBetterSqlite3(): string {
  const folder = dirname(createRequire(import.meta.url).resolve("better-sqlite3/package.json"));
  return join(folder, "prebuilds", `${process.platform}-${process.arch}.node`);
}

/** Of every driver alike. */
const PRAGMAS: Readonly<Record<string, Outcome>> = {
  "case_sensitive_like = ON": "works",
  "encoding = 'UTF-16'": "works",
  "encoding = 'UTF-16be'": "works",
  "full_column_names = ON; PRAGMA short_column_names = OFF": "works",
  "short_column_names = OFF": "works",
  "reverse_unordered_selects = ON": "works",
  "query_only = ON": { readOnly: /PRAGMA query_only is ON/ },
  "foreign_keys = ON": "works",
  "foreign_keys = OFF": "works",
  "recursive_triggers = ON": "works",
  "ignore_check_constraints = ON": "works",
  "read_uncommitted = ON": "works",
  "secure_delete = ON": "works",
  "trusted_schema = OFF": "works",
  "cell_size_check = ON": "works",
  "journal_mode = DELETE": "works",
  "journal_mode = TRUNCATE": "works",
  "journal_mode = PERSIST": "works",
  "journal_mode = MEMORY": "works",
  "journal_mode = WAL": "works",
  "journal_mode = OFF": { refused: /database cannot hold sessions: PRAGMA journal_mode is OFF/ },
  "locking_mode = EXCLUSIVE": "works",
  "temp_store = MEMORY": "works",
  "temp_store = FILE": "works",
  "count_changes = ON": { refused: /database cannot hold sessions: PRAGMA count_changes is ON/ },
};

/** Half of an emoji is no text; JSON carries it all the same. */
const TEXT = "Zoë 🦊 \u0000 \"' \ud83e";

const NOW = testApp().clock.now();

/** A file with the tables, and a browser that is signed in there and remembered. */
async function signedIn(plain: Driver["plain"]) {
  const path = join(temporaryFolder(), "app.sqlite");
  const database = plain(path);
  const app = testApp({ store: sqliteStore({ database }) });
  const browser = new TestBrowser(app);
  await browser.visit((session) => session.login("ada", { remember: true }));
  database.close();
  return { path, jar: browser.copyJar() };
}

/** Everything a database is asked for, by somebody whom nobody may take for anybody else. */
async function live(database: SqliteDatabase): Promise<void> {
  // Nobody pulls the plug, and a hundred of these wait for the disk otherwise.
  database.exec("PRAGMA synchronous = OFF");
  const store = sqliteStore({ database, audit: true });
  const app = testApp({ store, devices: { detectNew: true } });
  const ada = new TestBrowser(app);
  await ada.visit(async (session) => {
    await session.login(7, { remember: true });
    session.set("name", TEXT);
  });
  expect((await ada.visit()).session.userId).toBe(7);
  expect((await ada.visit((session) => session.get("name"))).result).toBe(TEXT);
  const bob = new TestBrowser(app);
  await bob.visit((session) => session.login("7"));
  for (let times = 0; times < 3; times++) {
    app.clock.advance(3 * MINUTE);
    ada.restart();
    const { session } = await ada.visit();
    expect([session.userId, session.level]).toEqual([7, "remembered"]);
    expect((await bob.visit()).session.userId).toBe("7");
  }
  await ada.visit((session) => session.nameDevice(String(session.handle), "tv 📺"));
  expect(await app.psession.devices(7)).toMatchObject([{ name: "tv 📺", level: "remembered" }]);
  expect(await app.psession.revokeUser("7")).toBe(1);
  expect((await bob.visit()).session.userId).toBeUndefined();
  await (await app.psession.lock("a lock")).release();
  const trail = await app.psession.auditTrail({ userId: 7 });
  expect(trail.map(({ event }) => event)).toEqual([
    ...["restored", "restored", "restored", "newDevice", "login"],
  ]);
  expect(trail.at(-1)).toMatchObject({ at: NOW, userId: 7 });
  const browsed = await store.admin?.browse({ limit: 10 });
  expect(browsed?.entries.map(({ session }) => session?.userId)).toEqual([7]);
  expect((await store.admin?.inspect())?.faults).toEqual([]);
  await app.psession.passwordChanged(7);
  expect((await ada.visit()).session.userId).toBeUndefined();
  app.clock.advance(800 * DAY);
  expect(await app.psession.prune()).toMatchObject({ logins: 1, audit: expect.any(Number) });
  expect(app.told()).not.toContain("theft");
  expect(app.told()).not.toContain("storeUnavailable");
  database.close();
}

/** The error that a use of the store ends with, where it is made with and without looking for its tables. */
async function firstUse(database: SqliteDatabase, use: (store: Store) => Promise<unknown>, migrate: boolean) {
  try {
    await use(sqliteStore({ database, migrate, lockTimeout: 100 }));
  } catch (error) {
    return error;
  }
  return undefined;
}

/** A signed-in browser that comes by keeps its cookies, and nobody calls it a thief. */
async function comesBy(database: SqliteDatabase, jar: Jar, restarts: boolean): Promise<unknown> {
  const app = testApp({ store: sqliteStore({ database, migrate: false, lockTimeout: 100 }) });
  const browser = new TestBrowser(app);
  browser.jar = new Map(jar);
  app.clock.advance(3 * MINUTE);
  if (restarts) browser.restart();
  const before = cookieHeader(browser.jar);
  const error = await browser.visit().then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(cookieHeader(browser.jar)).toBe(before);
  expect(app.told()).not.toContain("theft");
  return error;
}

async function expectOutcome(
  outcome: Outcome,
  plain: Driver["plain"],
  open: (path: string) => SqliteDatabase,
): Promise<void> {
  if (outcome === "works") return live(open(join(temporaryFolder(), "app.sqlite")));
  const message = "refused" in outcome ? outcome.refused : outcome.readOnly;
  const told = { name: "PsessionError", message: expect.stringMatching(message) };
  const { path, jar } = await signedIn(plain);
  const database = open(path);
  onTestFinished(() => {
    try {
      database.close();
    } catch {
      // It was closed before, as the setting says.
    }
  });
  const write = (store: Store) => store.apply({ kind: "create", insert: sessionRow() });
  for (const migrate of [true, false]) {
    expect(await firstUse(database, write, migrate)).toMatchObject(told);
    const read = await firstUse(database, (store) => store.findSession("none"), migrate);
    if ("refused" in outcome) expect(read).toMatchObject(told);
    else expect(read).toBeUndefined();
  }
  // What needs a new token cannot be had; the browser waits for better times.
  expect(await comesBy(database, jar, true)).toMatchObject(told);
  if ("refused" in outcome) expect(await comesBy(database, jar, false)).toMatchObject(told);
}

for (const { name, plain, own } of drivers) {
  describe(`a database of ${name}`, () => {
    test("as it comes", () => live(plain(join(temporaryFolder(), "app.sqlite"))));

    for (const setting of OWN) {
      const cell = own[setting];
      if (cell !== NONE) test(setting, () => expectOutcome(cell[0], plain, cell[1]));
    }

    for (const [setting, outcome] of Object.entries(PRAGMAS)) {
      test(`PRAGMA ${setting}`, () =>
        expectOutcome(outcome, plain, (path) => {
          // Drivers that are on their guard pass over some settings.
          const isNode = name === "node:sqlite";
          const database = isNode ? new DatabaseSync(path, { defensive: false }) : plain(path);
          if (database instanceof BetterSqlite3) database.unsafeMode(true);
          database.exec(`PRAGMA ${setting}`);
          return database;
        }));
    }
  });
}

describe("a database that is none of a driver's own", () => {
  const cases: Record<string, (path: string) => Promise<object> | object> = {
    "libsql/promise": (path) => new LibsqlPromise(path, {}),
    "callbacks, as in sqlite3": () => {
      const statement = { all: () => statement, get: () => statement, run: () => statement };
      return { exec: () => undefined, prepare: () => statement, close: () => undefined };
    },
    "no number of changes": (path) => {
      const database = new DatabaseSync(path);
      const prepare = (sql: string) => {
        const statement = database.prepare(sql);
        return {
          all: (...values: []) => statement.all(...values),
          get: (...values: []) => statement.get(...values),
          run: (...values: []) => ({ rowsAffected: statement.run(...values).changes }),
        };
      };
      return { exec: (sql: string) => database.exec(sql), prepare, close: () => database.close() };
    },
    "rows as lists, whatever is asked for": (path) => {
      const database = new DatabaseSync(path);
      const prepare = (sql: string) => {
        const statement = database.prepare(sql);
        statement.setReturnArrays(true);
        return {
          all: (...values: []) => statement.all(...values),
          get: (...values: []) => statement.get(...values),
          run: (...values: []) => statement.run(...values),
        };
      };
      return { exec: (sql: string) => database.exec(sql), prepare, close: () => database.close() };
    },
  };
  for (const [name, open] of Object.entries(cases)) {
    test(`is refused: ${name}`, async () => {
      const { path, jar } = await signedIn((file) => new DatabaseSync(file));
      const database = (await open(path)) as SqliteDatabase;
      const told = { code: "store_misread", message: expect.stringContaining("(option database)") };
      for (const migrate of [true, false]) {
        const write = (store: Store) => store.apply({ kind: "create", insert: sessionRow() });
        expect(await firstUse(database, write, migrate)).toMatchObject(told);
      }
      expect(await comesBy(database, jar, true)).toMatchObject(told);
    });
  }
});

describe("a database whose driver returns other values than were stored", () => {
  /** `node:sqlite`, with every value of these columns changed on its way to us, in lists and in objects. */
  function changing(path: string, change: (value: unknown, column: string) => unknown): SqliteDatabase {
    const database = new DatabaseSync(path);
    const prepare = (sql: string) => {
      const statement = database.prepare(sql);
      const names = statement.columns().map(({ name }) => name);
      const changed = (row: unknown): unknown => {
        if (Array.isArray(row)) return row.map((value, at) => change(value, names[at] ?? ""));
        if (typeof row !== "object" || row === null) return row;
        return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, change(value, name)]));
      };
      return {
        all: (...values: []) => statement.all(...values).map(changed),
        get: (...values: []) => changed(statement.get(...values)),
        run: (...values: []) => statement.run(...values),
        setReturnArrays: (isWanted: boolean) => statement.setReturnArrays(isWanted),
      };
    };
    return { exec: (sql: string) => database.exec(sql), prepare, close: () => database.close() };
  }
  /** The same with every value on its way to the database. */
  function sending(path: string, change: (value: unknown) => unknown): SqliteDatabase {
    const database = new DatabaseSync(path);
    const prepare = (sql: string) => {
      const statement = database.prepare(sql);
      const changed = (values: unknown[]) => values.map(change) as [];
      return {
        all: (...values: unknown[]) => statement.all(...changed(values)),
        get: (...values: unknown[]) => statement.get(...changed(values)),
        run: (...values: unknown[]) => statement.run(...changed(values)),
        setReturnArrays: (isWanted: boolean) => statement.setReturnArrays(isWanted),
      };
    };
    return { exec: (sql: string) => database.exec(sql), prepare, close: () => database.close() };
  }
  const ofColumns =
    (pattern: RegExp, change: (value: unknown) => unknown) =>
    (value: unknown, column: string): unknown =>
      pattern.test(column) && value !== null ? change(value) : value;
  const DIGESTS = /_(secret|token|previous|superseded|salt)$/;
  const TIMES = /_(generation|rotatedAt|lastSeenAt|absoluteDeadline|version)$/;
  const hex = (value: unknown) => Buffer.from(value as Uint8Array).toString("hex");

  const cases: Record<string, (path: string) => SqliteDatabase> = {
    "digests as text": (path) => changing(path, ofColumns(DIGESTS, hex)),
    "digests cut short": (path) =>
      changing(
        path,
        ofColumns(DIGESTS, (value) => (value as Uint8Array).slice(0, 8)),
      ),
    "digests as lists": (path) =>
      changing(
        path,
        ofColumns(DIGESTS, (value) => [...(value as Uint8Array)]),
      ),
    "no digests": (path) =>
      changing(
        path,
        ofColumns(DIGESTS, () => null),
      ),
    "numbers as dates": (path) =>
      changing(
        path,
        ofColumns(TIMES, (value) => new Date(Number(value)).toString()),
      ),
    "no numbers": (path) =>
      changing(
        path,
        ofColumns(TIMES, () => null),
      ),
    "ids as bytes": (path) =>
      changing(
        path,
        ofColumns(/_id$/, (value) => Buffer.from(String(value))),
      ),
    "null as text": (path) => changing(path, (value) => value ?? ""),
    "text without its end": (path) =>
      changing(path, (value) => (typeof value === "string" ? value.slice(0, -1) : value)),
    "text that is sent in upper case": (path) =>
      sending(path, (value) => (typeof value === "string" ? value.toUpperCase() : value)),
    "bytes that are sent as text": (path) =>
      sending(path, (value) => (value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value)),
    "numbers that are sent as others": (path) =>
      sending(path, (value) => (typeof value === "number" ? value - 1 : value)),
    "null that is sent as text": (path) => sending(path, (value) => value ?? ""),
    "an authorizer that hides columns": (path) => {
      const database = new DatabaseSync(path);
      database.setAuthorizer((_, __, column) => (column === "secret" || column === "token" ? IGNORE : 0));
      return database;
    },
  };
  const IGNORE = 2;
  for (const [name, open] of Object.entries(cases)) {
    test(`is refused, however often it starts: ${name}`, async () => {
      const { path, jar } = await signedIn((file) => new DatabaseSync(file));
      const database = open(path);
      onTestFinished(() => void database.close());
      for (const restarts of [true, false]) {
        expect(await comesBy(database, jar, restarts)).toMatchObject({ code: "store_misread" });
      }
    });
  }
});
