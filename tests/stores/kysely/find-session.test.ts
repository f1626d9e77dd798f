import { CamelCasePlugin, DeduplicateJoinsPlugin, type KyselyPlugin, ParseJSONResultsPlugin } from "kysely";
import { expect, test } from "vitest";
import type { SessionRow, UserId } from "../../../src/index.ts";
import { newId, realmCode } from "../../../src/protocol/secrets.ts";
import { findSession, type KyselyStoreOptions, kyselyStore } from "../../../src/stores/kysely/index.ts";
import { sessionRow } from "../../../src/testing/rows.ts";
import { REMEMBER, TestBrowser, type TestSession, testApp } from "../../support/app.ts";
import { DAY } from "../../support/clock.ts";
import { describeWith } from "../../support/servers/reach.ts";
import { type Database, databases, opened } from "./databases.ts";

interface Tables {
  users: { id: number; email: string; name: string };
}

interface Names {
  users: { id: string; email: string; name: string };
}

const USERS = `(id INTEGER PRIMARY KEY, email VARCHAR(100) NOT NULL, name VARCHAR(100) NOT NULL)`;

/** An application with users Ada (1) and Bob (2), whose ids are numbers. */
async function setUp<DB = Tables>(
  database: Database,
  options: Partial<KyselyStoreOptions<DB>> = {},
  { users = `users ${USERS}`, plugins = [] as KyselyPlugin[] } = {},
) {
  const { db, log, run } = opened<DB>(await database.dialect(), { plugins });
  await run(`CREATE TABLE ${users}`);
  const [name = ""] = users.split(" ");
  await run(`INSERT INTO ${name} VALUES (1, 'ada@example.com', 'Ada'), (2, 'bob@example.com', 'Bob')`);
  const store = kyselyStore<DB>({ db, userIds: "integer", ...options });
  await store.migrate();
  const app = testApp({ store });
  const browser = new TestBrowser(app);
  const now = app.clock.now();
  const times = { secretAt: now, createdAt: now, lastSeenAt: now, absoluteDeadline: now + DAY };
  /** Stores a session of a user. */
  const has = async (userId: UserId, fields: Partial<SessionRow> = {}): Promise<SessionRow> => {
    const row = sessionRow({ ...times, userId, level: "login", ...fields });
    expect(await store.apply({ kind: "signIn", insert: row })).toMatchObject({ done: true });
    return row;
  };
  return { db, log, run, store, app, browser, now, has };
}

for (const database of databases) {
  describeWith(database.needs, `findSession in ${database.name}`, () => {
    test("a sign-in takes one query before what it writes, and the two carts become one", async () => {
      const { db, log, store, app, browser } = await setUp(database);
      const phone = new TestBrowser(app);
      await phone.visit(async (session) => {
        await session.login(1);
        session.set("cart", ["milk"]);
      });
      await browser.visit((session) => session.set("cart", ["tea"]));
      const visit = await browser.open();
      const { session } = visit;
      log.length = 0;
      const found = await findSession(store, db.selectFrom("users"), { session })
        .where("users.email", "=", "ada@example.com")
        .selectAll("users")
        .executeTakeFirst();
      await session.login(found?.id ?? 0, {
        remember: true,
        previous: found?.psession.previous ?? null,
        carry: (present, previous) => ({ cart: [...(previous?.cart ?? []), ...(present.cart ?? [])] }),
      });
      expect(log).toHaveLength(1);
      await visit.answer();
      expect(log[1]).toMatch(/^(begin|start transaction|WITH)/);
      const { result } = await browser.visit(({ data, userId, level }) => ({ data, userId, level }));
      expect(result).toEqual({ data: { cart: ["milk", "tea"] }, userId: 1, level: "login" });
      expect(found).toMatchObject({ id: 1, email: "ada@example.com", name: "Ada" });
    });

    test("the session that was used last, but for the present one, others', another realm's and those past their time", async () => {
      const { db, store, browser, now, has } = await setUp(database);
      await has(1, { lastSeenAt: now - 2 });
      const latest = await has(1, { lastSeenAt: now - 1, absoluteDeadline: now, data: '{"note":"a|b"}' });
      await has(1, { lastSeenAt: now, absoluteDeadline: now - 1 });
      await has(2, { lastSeenAt: now });
      await has(1, { lastSeenAt: now, id: newId(realmCode("staff")) });
      await browser.visit((session) => session.login(1));
      const { session } = await browser.visit();
      expect(session.userId).toBe(1);
      const found = await findSession(store, db.selectFrom("users"), { session })
        .select("email")
        .where("id", "=", 1)
        .executeTakeFirstOrThrow();
      const { id, lastSeenAt, data } = latest;
      expect(found).toEqual({
        email: "ada@example.com",
        psession: { previous: { id, lastSeenAt, data }, remembered: null },
      });
    });

    test("that a user trusts a browser is no session of before, though it is the latest of the rows", async () => {
      const { db, store, browser, now, has } = await setUp(database);
      const trust = { level: "trust", data: '{"cart":["none"]}' } as const;
      await has(1, { ...trust, lastSeenAt: now });
      const own = await has(1, { lastSeenAt: now - 1 });
      await has(2, { ...trust, lastSeenAt: now });
      const { session } = await browser.visit();
      const found = await findSession(store, db.selectFrom("users"), { session })
        .selectAll()
        .orderBy("id")
        .execute();
      expect(found.map(({ psession }) => psession.previous?.id)).toEqual([own.id, undefined]);
    });

    test("users without sessions have none, and every row of many has its own", async () => {
      const { db, store, browser, has } = await setUp(database);
      const row = await has(2);
      const { session } = await browser.visit();
      const found = await findSession(store, db.selectFrom("users"), { session })
        .selectAll()
        .orderBy("id")
        .execute();
      expect(found.map(({ name, psession }) => [name, psession.previous?.id])).toEqual([
        ["Ada", undefined],
        ["Bob", row.id],
      ]);
      expect(found[0]?.psession).toEqual({ previous: null, remembered: null });
      const nobody = findSession(store, db.selectFrom("users"), { session }).where("email", "=", "eve");
      expect(await nobody.selectAll().executeTakeFirst()).toBeUndefined();
    });

    test("this browser's remembered login, while it lives and for its own user only", async () => {
      const { db, store, app, browser } = await setUp(database);
      await browser.visit((session) => session.login(1, { remember: true }));
      const handle = (await browser.visit()).session.handle;
      const remembered = async (session: TestSession, id = 1) => {
        const query = findSession(store, db.selectFrom("users"), { session }).where("id", "=", id);
        return (await query.executeTakeFirstOrThrow()).psession.remembered;
      };
      const ask = async (id?: number) => (await browser.visit((session) => remembered(session, id))).result;
      const createdAt = app.clock.now();
      expect(await ask()).toEqual({ id: handle, createdAt, lastUsedAt: createdAt, generation: 0 });
      expect(await ask(2)).toBeNull();

      const cookie = browser.jar.get(REMEMBER)?.value ?? "";
      const forged = `${handle.slice(0, -1)}${handle.endsWith("A") ? "B" : "A"}${cookie.slice(handle.length)}`;
      const jar = new Map([[REMEMBER, { value: forged, isTransient: false }]]);
      const { session, result } = await browser.visit((session) => remembered(session), { jar });
      expect(session.presentedHandle).toBeUndefined();
      expect(result).toBeNull();

      const held = await browser.open();
      expect(held.session.presentedHandle).toBe(handle);
      const later = app.clock.now() + 400 * DAY;
      app.clock.advance(later - app.clock.now());
      expect(await remembered(held.session)).toBeNull();
      app.clock.advance(createdAt - later);
      expect(await remembered(held.session)).not.toBeNull();
      await app.psession.revoke(handle);
      expect(await remembered(held.session)).toBeNull();
      expect(held.session.presentedHandle).toBe(handle);
    });

    test("with every name another one, dates, and an alias", async () => {
      interface Own {
        accounts: { accountId: number; email: string; name: string };
      }
      const naming = {
        timestamps: "datetime",
        tables: {
          sessions: { name: "Visits", columns: { userId: "ownerId", lastSeenAt: "seenAt", data: "kept" } },
          logins: { name: "Devices", columns: { userId: "whose", generation: "Turn", lastUsedAt: "used" } },
          users: { name: "accounts", columns: { id: "account_id" } },
        },
      } as const;
      // The application's own names are camelled, ours are as they were given.
      const plugins = [new CamelCasePlugin(), new ParseJSONResultsPlugin(), new DeduplicateJoinsPlugin()];
      const users = `accounts ${USERS.replace("id ", "account_id ")}`;
      const { db, store, app, browser, has } = await setUp<Own>(database, naming, { users, plugins });
      const row = await has(1, { data: '{"cart":["milk"]}' });
      await browser.visit((session) => session.login(1, { remember: true }));
      const { result: found, session } = await browser.visit((session) =>
        findSession(store, db.selectFrom("accounts as psA"), { session })
          .where("psA.accountId", "=", 1)
          .selectAll("psA")
          .executeTakeFirstOrThrow(),
      );
      const at = app.clock.now();
      expect(found).toEqual({
        accountId: 1,
        email: "ada@example.com",
        name: "Ada",
        psession: {
          previous: { id: row.id, lastSeenAt: row.lastSeenAt, data: row.data },
          remembered: { id: session.handle, createdAt: at, lastUsedAt: at, generation: 0 },
        },
      });
    });

    test("users that are joined to other tables, whose names do not clash with psession's", async () => {
      const { db, store, run, browser, has } = await setUp<Tables & { teams: { id: number; owner: number } }>(
        database,
      );
      await run("CREATE TABLE teams (id INTEGER PRIMARY KEY, owner INTEGER NOT NULL)");
      await run("INSERT INTO teams VALUES (9, 1)");
      const row = await has(1);
      await browser.visit((session) => session.login(1, { remember: true }));
      const { session } = await browser.visit();
      const psession = { previous: { id: row.id }, remembered: { id: session.handle } };
      const teams = db.selectFrom("teams");
      const s = teams.innerJoin("users as s", "s.id", "teams.owner").select("teams.id");
      expect(await findSession(store, s, { session }).execute()).toMatchObject([{ id: 9, psession }]);
      const l = teams.innerJoin("users as l", "l.id", "teams.owner").select("teams.id");
      expect(await findSession(store, l, { session }).execute()).toMatchObject([{ id: 9, psession }]);
    });

    test("ids that are numbers to the application, and text to psession", async () => {
      const { db, store, browser, now, has } = await setUp(database, { userIds: "text" });
      const row = await has("1");
      await has("01", { lastSeenAt: now + 1 });
      const { session } = await browser.visit();
      const found = await findSession(store, db.selectFrom("users"), { session })
        .selectAll()
        .orderBy("id")
        .execute();
      expect(found.map(({ psession }) => psession.previous?.id)).toEqual([row.id, undefined]);
    });

    test("texts that a collation takes for equal are two users", async () => {
      const collation = {
        sqlite: "COLLATE NOCASE",
        postgres: 'COLLATE "POSIX"',
        mysql: "CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
      }[database.name];
      const users = `users (id VARCHAR(100) ${collation} PRIMARY KEY, email VARCHAR(100), name VARCHAR(100))`;
      const { db, store, run, browser, has } = await setUp<Names>(database, { userIds: "text" }, { users });
      await run("INSERT INTO users VALUES ('ada', 'a', 'a')");
      for (const near of ["ada ", "ADA", "adá"]) await has(near);
      const { session } = await browser.visit();
      const find = () =>
        findSession(store, db.selectFrom("users"), { session })
          .where("id", "=", "ada")
          .executeTakeFirstOrThrow();
      expect((await find()).psession.previous).toBeNull();
      const own = await has("ada");
      expect((await find()).psession.previous?.id).toBe(own.id);
    });

    test("UUIDs", async () => {
      const type = database.name === "postgres" ? "uuid" : "VARCHAR(36)";
      const users = `users (id ${type} PRIMARY KEY, email VARCHAR(100), name VARCHAR(100))`;
      const { db, log, run } = opened<Names>(await database.dialect());
      await run(`CREATE TABLE ${users}`);
      const id = "0b5f2f3c-8f7c-4c59-9d3a-0d1b6a2f9e11";
      await run(`INSERT INTO users VALUES ('${id}', 'a', 'a')`);
      const store = kyselyStore({ db, userIds: "uuid" });
      const app = testApp({ store });
      await new TestBrowser(app).visit((session) => session.login(id));
      const { session } = await new TestBrowser(app).visit();
      log.length = 0;
      const found = await findSession(store, db.selectFrom("users"), { session }).execute();
      expect(found).toMatchObject([{ psession: { previous: { data: "{}" } } }]);
      expect(log).toHaveLength(1);
    });

    test("the user's sessions are found by an index", async () => {
      const { db, store, run, browser, has } = await setUp(database, { userIds: "text" });
      for (let index = 0; index < 300; index++) await has(String(index + 10));
      if (database.name !== "sqlite")
        await run(
          database.name === "mysql" ? "ANALYZE TABLE psession_sessions" : "ANALYZE psession_sessions",
        );
      const { session } = await browser.visit();
      const { sql, parameters } = findSession(store, db.selectFrom("users"), { session }).compile();
      // MySQL 9 writes a tree unless it is told otherwise.
      const explain = {
        sqlite: "EXPLAIN QUERY PLAN",
        postgres: "EXPLAIN",
        mysql: "EXPLAIN FORMAT=TRADITIONAL",
      }[database.name];
      const query = { kind: "RawNode", sqlFragments: [""], parameters: [] } as const;
      const { rows } = await db.executeQuery({
        query,
        queryId: { queryId: "explain" },
        sql: `${explain} ${sql}`,
        parameters,
      });
      // MySQL also names what it could have used.
      const used = database.name === "mysql" ? rows.map((row) => (row as { key?: unknown }).key) : rows;
      expect(JSON.stringify(used)).toContain("psession_sessions_user");
    });

    test("a query without the users' table is refused", async () => {
      const { db, store, browser } = await setUp(database, { tables: { users: "members" } });
      const { session } = await browser.visit();
      expect(() => findSession(store, db.selectFrom("users"), { session })).toThrow(
        expect.objectContaining({ code: "invalid_options", message: expect.stringContaining('"members"') }),
      );
    });
  });
}
