import { inspect } from "node:util";
import mariadb from "mariadb";
import mysql from "mysql2/promise";
import { describe, expect, onTestFinished, test } from "vitest";
import { newAuditId } from "../../src/stores/audit.ts";
import { revoke } from "../../src/stores/changes.ts";
import { type Mysql2Pool, mysqlStore } from "../../src/stores/mysql/index.ts";
import { rememberedRow, sessionRow, T0 } from "../../src/testing/rows.ts";
import { TestBrowser, testApp } from "../support/app.ts";
import { HOUR, MINUTE } from "../support/clock.ts";
import { AS_USUAL, freshDatabase, onMysql } from "../support/servers/fresh.ts";
import { describeWith, MYSQL } from "../support/servers/reach.ts";

test("options are checked, all at once", () => {
  const faults = () => mysqlStore({ pool: {}, userIds: "any", timeout: 0, colour: "red" } as never);
  for (const fault of [
    "pool must be a pool of",
    "userIds must be",
    "timeout must be",
    "colour is no option",
  ]) {
    expect(faults).toThrow(fault);
  }
});

const NOWHERE = { handle: undefined, address: undefined, detail: undefined };

/** A pool that writes down what is executed, and a store on it. */
async function recordedStore(options: { audit?: boolean } = {}) {
  const { url } = await freshDatabase();
  const pool = mysql.createPool(url);
  onTestFinished(() => pool.end());
  const queries: { sql: string; values: unknown[] }[] = [];
  const recording: Mysql2Pool = {
    getConnection: async () => {
      const connection = await pool.getConnection();
      return {
        execute: (query) => {
          queries.push({ sql: query.sql, values: query.values });
          return connection.execute({ ...query, values: query.values as string[] });
        },
        query: (sql) => {
          queries.push({ sql, values: [] });
          return connection.query(sql);
        },
        release: () => connection.release(),
        destroy: () => connection.destroy(),
      };
    },
  };
  const store = mysqlStore({ pool: recording, ...options });
  await store.migrate();
  queries.length = 0;
  return { pool, store, queries };
}

describeWith(MYSQL, "mysql", () => {
  describe("statements of a request", () => {
    const setUp = async () => {
      const { store, queries } = await recordedStore();
      const app = testApp({ store });
      const browser = new TestBrowser(app);
      const cost = async (...visit: Parameters<TestBrowser["visit"]>) => {
        queries.length = 0;
        await browser.visit(...visit);
        return queries.map(({ sql }) => /^\w+/.exec(sql)?.[0]);
      };
      return { app, browser, cost };
    };

    test("reading is one, a change and a restore one more, a sign-in that is remembered one transaction", async () => {
      const { app, browser, cost } = await setUp();
      // The first one of a database makes the rows by which marks are asked for.
      await new TestBrowser(app).visit((session) => session.login("bob"));
      expect(await cost((session) => session.login("ada", { remember: true }))).toEqual([
        "START",
        "INSERT",
        "INSERT",
        "COMMIT",
      ]);
      expect(await cost((session) => session.data)).toEqual(["SELECT"]);
      app.clock.advance(HOUR);
      browser.restart();
      expect(await cost((session) => session.set("count", 1))).toEqual(["SELECT", "UPDATE"]);
      // Now the token is on the browser's disk, which is written down on condition.
      app.clock.advance(5 * MINUTE);
      const confirming = ["SELECT", "START", "UPDATE", "UPDATE", "UPDATE", "UPDATE", "COMMIT"];
      expect(await cost((session) => session.set("count", 2))).toEqual(confirming);
      expect(await cost((session) => session.set("count", 3))).toEqual(["SELECT", "UPDATE"]);
      browser.jar.clear();
      await browser.visit((session) => session.set("count", 1));
      expect(await cost((session) => session.set("count", 2))).toEqual(["SELECT", "UPDATE"]);
    });
  });

  test("many reads, and many touches, of one tick are one statement each, padded to few different texts", async () => {
    const { store, queries } = await recordedStore();
    const rows = Array.from({ length: 50 }, () => sessionRow());
    for (const row of rows) await store.apply({ kind: "signIn", insert: row });
    queries.length = 0;
    await Promise.all(rows.map(({ id }) => store.findSession(id)));
    const seen = { lastSeenAt: T0 + 9, idleDeadline: T0 + 99, pruneAfter: T0 + 999, remembered: undefined };
    await Promise.all(rows.map(({ id }) => store.touch([{ sessionId: id, ...seen }])));
    expect(queries).toHaveLength(2);
    expect(queries[0]?.values).toHaveLength(64);
    for (const { id } of rows) expect(await store.findSession(id)).toMatchObject({ lastSeenAt: T0 + 9 });
  });

  test("touches of ten thousand sessions go in lots, as a statement has a limit of values", async () => {
    const { store, queries } = await recordedStore();
    const row = sessionRow();
    await store.apply({ kind: "signIn", insert: row });
    queries.length = 0;
    const seen = {
      lastSeenAt: T0 + 9,
      idleDeadline: T0 + 99,
      pruneAfter: row.pruneAfter,
      remembered: undefined,
    };
    const ids = [...Array.from({ length: 9999 }, (_, index) => `s${index}`), row.id];
    await store.touch(ids.map((sessionId) => ({ sessionId, ...seen })));
    expect(queries.length).toBe(Math.ceil(10_000 / 256));
    expect(await store.findSession(row.id)).toMatchObject({ lastSeenAt: T0 + 9 });
  });

  test("an error of a driver is reported without the statement and its values", async () => {
    const { url } = await freshDatabase();
    const { hostname: host, port, username: user, password, pathname } = new URL(url);
    const place = { host, port: Number(port), user, password, database: pathname.slice(1) };
    const pool = mariadb.createPool({ ...place, initSql: AS_USUAL });
    onTestFinished(() => pool.end());
    const store = mysqlStore({ pool });
    await store.migrate();
    await onMysql(url, "ALTER TABLE psession_sessions MODIFY data VARCHAR(10) NOT NULL");
    const row = sessionRow({ data: JSON.stringify({ card: "SECRET DATA" }) });
    const error = await store.apply({ kind: "signIn", insert: row }).catch((error: unknown) => error);
    expect(error).toMatchObject({ code: "store_unavailable", cause: { errno: 1406 } });
    const told = inspect(error, { depth: 9, showHidden: true });
    expect(told).toContain("Data too long");
    expect(told).not.toContain("SECRET");
    expect(told).not.toContain("INSERT");
    expect(told).not.toContain(Buffer.from(row.secret).toString("hex"));
  });

  test("reading, restoring, listing, ending and pruning look into an index", async () => {
    const { pool, store, queries } = await recordedStore({ audit: true });
    const digest = Buffer.alloc(32);
    const inserts = Array.from({ length: 3000 }, (_, index) => {
      const userId = `user ${index % 100}`;
      const login = rememberedRow({ userId, pruneAfter: T0 + index });
      return { login, session: sessionRow({ userId, rememberedId: login.id, pruneAfter: T0 + index }) };
    });
    await pool.query(
      "INSERT INTO psession_logins (id, user_id, token, salt, key_id, generation, strays, rotated_at, created_at, last_used_at, idle_deadline, absolute_deadline, prune_after) VALUES ?",
      [
        inserts.map(({ login }) => [
          login.id,
          login.userId,
          digest,
          digest,
          "k",
          0,
          0,
          T0,
          T0,
          T0,
          T0,
          T0,
          login.pruneAfter,
        ]),
      ],
    );
    await pool.query(
      "INSERT INTO psession_sessions (id, secret, secret_at, fence, remembered_id, user_id, level, data, version, created_at, began_at, last_seen_at, idle_deadline, absolute_deadline, prune_after) VALUES ?",
      [
        inserts.map(({ session }) => [
          ...[session.id, digest, T0, 0, session.rememberedId, session.userId, "login", "{}", 1, T0, T0, T0],
          ...[T0, T0],
          session.pruneAfter,
        ]),
      ],
    );
    const entries = inserts.slice(0, 1000).map(({ login: { userId } }, index) => {
      const at = T0 + index;
      return { id: newAuditId(at), at, event: "login", userId, actorId: undefined, ...NOWHERE };
    });
    for (let at = 0; at < entries.length; at += 100) await store.audit?.append(entries.slice(at, at + 100));
    await pool.query("ANALYZE TABLE psession_sessions, psession_logins, psession_audit");
    const { login, session } = inserts[7] ?? { login: rememberedRow(), session: sessionRow() };
    await store.findSession(session.id);
    await store.findRemembered(login.id);
    await store.list(login.userId);
    await store.audit?.read({ userId: login.userId, limit: 10 });
    await store.touch([
      { sessionId: session.id, lastSeenAt: T0, idleDeadline: T0, pruneAfter: T0, remembered: undefined },
    ]);
    await revoke(store, { userId: login.userId, reason: "revoked", at: T0, pruneAfter: T0 + 9 });
    await store.prune(T0 + 20, 10);
    const statements = queries.filter(({ sql }) => /^(SELECT|UPDATE|DELETE)/.test(sql));
    expect(statements.length).toBeGreaterThan(8);
    for (const { sql, values } of statements) {
      const [plan] = await pool.query(`EXPLAIN FORMAT=TRADITIONAL ${sql}`, values);
      for (const { type, key, table, Extra: note } of plan as Record<string, unknown>[]) {
        // Of a few rows: reading all of them is the shortest way.
        const isSmall = table === "psession_locks" || table === "psession_meta";
        const isTrivial = table === null || isSmall || /Impossible|no matching|const/.test(`${note}`);
        if (!isTrivial && !String(table).startsWith("<union")) {
          expect({ type, hasKey: key !== null, sql }).toMatchObject({ hasKey: true });
          expect(type, sql).not.toBe("ALL");
        }
      }
    }
  });
});
