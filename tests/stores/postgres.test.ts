import pg from "pg";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { nameDevice, revoke } from "../../src/stores/changes.ts";
import { type PgPool, postgresStore } from "../../src/stores/postgres/index.ts";
import { digestOf, rememberedRow, sessionRow, T0 } from "../../src/testing/rows.ts";
import { TestBrowser, testApp } from "../support/app.ts";
import { HOUR, MINUTE } from "../support/clock.ts";
import { freshPostgresDatabase, freshSchema, onPostgres } from "../support/servers/fresh.ts";
import { describeWith, POSTGRES } from "../support/servers/reach.ts";
import { recorded } from "./recorded.ts";

test("options are checked, all at once", () => {
  const faults = () => postgresStore({ pool: {}, userIds: "name", timeout: "soon", colour: "red" } as never);
  for (const fault of [
    "pool must be a Pool of pg",
    "userIds must be",
    "timeout must be",
    "colour is no option",
  ]) {
    expect(faults).toThrow(fault);
  }
  expect(() => postgresStore({})).toThrow("give one of pool, client, sql and pglite");
});

describeWith(POSTGRES, "postgres", () => {
  let url: string;
  let pool: pg.Pool;
  beforeAll(async () => {
    url = (await freshSchema()).url;
    pool = new pg.Pool({ connectionString: url });
  });
  afterAll(() => pool.end());

  describe("statements of a request", () => {
    const setUp = async () => {
      const record = recorded(pool);
      const store = postgresStore({ pool: record.pool });
      await store.migrate();
      const app = testApp({ store });
      const browser = new TestBrowser(app);
      const cost = async (...visit: Parameters<TestBrowser["visit"]>) => {
        record.texts.length = 0;
        await browser.visit(...visit);
        return record.texts.map((text) => /^\w+/.exec(text)?.[0]);
      };
      return { app, browser, cost };
    };

    test("a sign-in is one, with its remembered login", async () => {
      const { app, cost } = await setUp();
      // The first one of a database makes the rows by which marks are asked for.
      await new TestBrowser(app).visit((session) => session.login("bob"));
      expect(await cost((session) => session.login("ada", { remember: true }))).toEqual(["WITH"]);
    });

    test("a sign-in on a session that was anonymous reads it, and is one", async () => {
      const { cost, browser } = await setUp();
      await browser.visit((session) => session.set("cart", ["tea"]));
      expect(await cost((session) => session.login("ada", { remember: true }))).toEqual(["SELECT", "WITH"]);
    });

    test("reading is one, a change one more, a touch one a minute", async () => {
      const { app, cost, browser } = await setUp();
      await browser.visit((session) => session.login("ada"));
      expect(await cost((session) => session.data)).toEqual(["SELECT"]);
      expect(await cost((session) => session.set("count", 1))).toEqual(["SELECT", "UPDATE"]);
      app.clock.advance(MINUTE);
      expect(await cost()).toEqual(["SELECT", "WITH"]);
    });

    test("a restore is a read and one statement, saved data included", async () => {
      const { app, cost, browser } = await setUp();
      await browser.visit((session) => session.login("ada", { remember: true }));
      app.clock.advance(HOUR);
      browser.restart();
      expect(await cost((session) => session.set("count", 1))).toEqual(["SELECT", "WITH"]);
      expect((await browser.visit()).session.data).toEqual({ count: 1 });
    });

    test("many reads of one tick are one statement, each session once", async () => {
      const record = recorded(pool);
      const store = postgresStore({ pool: record.pool });
      const rows = Array.from({ length: 50 }, () => sessionRow());
      for (const row of rows) await store.apply({ kind: "signIn", insert: row });
      record.queries.length = 0;
      const found = await Promise.all([...rows, ...rows].map(({ id }) => store.findSession(id)));
      expect(found.map((row) => row?.id)).toEqual([...rows, ...rows].map(({ id }) => id));
      expect(record.queries).toHaveLength(1);
      expect(record.queries[0]?.values[0]).toHaveLength(50);
    });

    test("an id that the database refuses fails for itself alone", async () => {
      const store = postgresStore({ pool });
      const [first, second] = [sessionRow(), sessionRow()];
      for (const insert of [first, second]) await store.apply({ kind: "signIn", insert });
      const found = await Promise.allSettled(
        [first.id, "\u0000", second.id].map((id) => store.findSession(id)),
      );
      expect(found).toMatchObject([
        { value: { id: first.id } },
        { reason: { code: "store_unavailable" } },
        { value: { id: second.id } },
      ]);
    });

    test("touches of requests that end together are one statement", async () => {
      const record = recorded(pool);
      const store = postgresStore({ pool: record.pool });
      const rows = Array.from({ length: 30 }, () => sessionRow());
      for (const row of rows) await store.apply({ kind: "signIn", insert: row });
      record.texts.length = 0;
      const seen = { lastSeenAt: T0 + 9, idleDeadline: T0 + 99, pruneAfter: T0 + 999, remembered: undefined };
      await Promise.all(rows.map(({ id }) => store.touch([{ sessionId: id, ...seen }])));
      expect(record.texts).toHaveLength(1);
      expect((await store.findSession(rows[7]?.id ?? ""))?.lastSeenAt).toBe(T0 + 9);
    });
  });

  test("an insert whose answer was lost is done only if the row that is there is the same", async () => {
    const losing = (row: ReturnType<typeof sessionRow>) => {
      let isFirst = true;
      const once: PgPool = {
        connect: async () => {
          const client = await pool.connect();
          return {
            query: async (query) => {
              if (!isFirst || !query.text.startsWith("INSERT")) return client.query(query);
              isFirst = false;
              if (row.data === "committed") await client.query(query);
              throw Object.assign(new Error("Connection terminated unexpectedly"), { code: "ECONNRESET" });
            },
            release: (destroy) => client.release(destroy),
          };
        },
      };
      return postgresStore({ pool: once, migrate: false });
    };
    await postgresStore({ pool }).migrate();
    const row = sessionRow({ data: "committed" });
    expect(await losing(row).apply({ kind: "signIn", insert: row })).toEqual({ done: true, ended: [] });
    // The same request had made a row of this id before, whose answer was lost as well, and draws another secret.
    const other = { ...row, secret: digestOf("another"), data: "lost" };
    expect(await losing(other).apply({ kind: "signIn", insert: other })).toEqual({
      done: false,
      conflict: "exists",
    });
    // A sign-in may have been ended meanwhile: it is not made again.
    const signedIn = sessionRow({ userId: "ada", level: "login", data: "lost" });
    await expect(losing(signedIn).apply({ kind: "signIn", insert: signedIn })).rejects.toMatchObject({
      code: "store_unavailable",
    });
    expect(await postgresStore({ pool }).findSession(signedIn.id)).toBeUndefined();
  });

  test("postgres.js finds rows also after a statement that failed behind its first row", async () => {
    const sql = postgres(url, { max: 1 });
    const store = postgresStore({ sql });
    const row = sessionRow();
    await store.apply({ kind: "signIn", insert: row });
    await expect(sql`SELECT 1 / (n - 2) FROM generate_series(1, 3) n`).rejects.toThrow("division by zero");
    expect((await store.findSession(row.id))?.id).toBe(row.id);
    await sql.end();
  });

  test("touches leave the indexes alone: 20,000 of them are heap-only", async () => {
    const { url } = await freshPostgresDatabase();
    // One connection: on a busy machine one of several may be stopped for a while with a snapshot, behind which pages
    // cannot be tidied up either.
    const own = new pg.Pool({ connectionString: url, max: 1 });
    const store = postgresStore({ pool: own });
    await store.migrate();
    // Whoever analyses a table holds a snapshot, behind which pages cannot be tidied up: that is none of our doing. Off
    // before there are rows, as what has begun by then goes on.
    for (const table of ["psession_sessions", "psession_logins"])
      await own.query(`ALTER TABLE ${table} SET (autovacuum_enabled = false)`);
    const rows = await Promise.all(
      Array.from({ length: 1000 }, async () => {
        const login = rememberedRow();
        const row = sessionRow({ rememberedId: login.id, data: JSON.stringify({ cart: "x".repeat(400) }) });
        await store.apply({ kind: "signIn", remember: login, insert: row });
        return { row, login };
      }),
    );
    // Every session once a minute, in no order, and fifty of them in each tick.
    for (let round = 1; round <= 20; round++) {
      const at = T0 + round * MINUTE;
      const shuffled = rows.map((pair, index) => ({
        ...pair,
        rank: (index * 7919 + round * 104_729) % 1009,
      }));
      shuffled.sort((a, b) => a.rank - b.rank);
      for (let start = 0; start < shuffled.length; start += 50) {
        await Promise.all(
          shuffled.slice(start, start + 50).map(({ row, login }) => {
            const used = { lastUsedAt: at, idleDeadline: at + HOUR, pruneAfter: login.pruneAfter };
            const remembered = { id: login.id, ...used, confirm: undefined };
            const seen = { lastSeenAt: at, idleDeadline: at + HOUR, pruneAfter: row.pruneAfter };
            return store.touch([{ sessionId: row.id, ...seen, remembered }]);
          }),
        );
      }
    }
    // What a connection counted is there for others when it has ended.
    await own.end();
    const counts = await untilCounted(url, 20_000);
    for (const { relname, updates, hot } of counts) {
      expect(hot / updates, relname).toBeGreaterThanOrEqual(0.95);
    }
    console.log(
      counts
        .map(({ relname, updates, hot }) => `${relname}: ${hot} of ${updates} updates heap-only`)
        .join(", "),
    );
  });

  test("reading, restoring, listing, ending and pruning look into an index, whatever the size of the table", async () => {
    const { url } = await freshSchema();
    const own = new pg.Pool({ connectionString: url });
    const record = recorded(own);
    const store = postgresStore({ pool: record.pool });
    await store.migrate();
    await fill(url, 30_000);
    const row = sessionRow({ userId: "user 7", level: "login" });
    await store.apply({ kind: "signIn", insert: row });
    record.queries.length = 0;
    await store.findSession(row.id);
    await store.findRemembered(row.id);
    await store.list("user 7");
    await nameDevice(store, { handle: row.id, userId: "user 7", name: "Kitchen" });
    const page = await store.admin.browse({ limit: 50 });
    await store.admin.browse({ limit: 50, after: page.next });
    const cap = {
      userId: "user 8",
      max: 3,
      overflow: "evictOldest",
      reason: "cap",
      at: T0,
      pruneAfter: T0,
    } as const;
    await store.apply({
      kind: "signIn",
      insert: sessionRow({ userId: "user 8", level: "login" }),
      caps: [cap],
    });
    await store.touch([
      { sessionId: row.id, lastSeenAt: T0, idleDeadline: T0, pruneAfter: T0, remembered: undefined },
    ]);
    await revoke(store, { userId: "user 7", reason: "revoked", at: T0, pruneAfter: T0 });
    await store.prune(T0 - HOUR, 100);
    // The last chunk is short; what it reads, it reads by key all the same.
    await revoke(store, { everyone: true, reason: "revoked", at: T0, pruneAfter: T0 });
    const statements = record.queries.filter(({ text }) => !/^(BEGIN|COMMIT)/.test(text));
    expect(statements.length).toBeGreaterThan(6);
    for (const { text, values } of statements) {
      const { rows } = await own.query({ text: `EXPLAIN ${text}`, values: values as unknown[] });
      const plan = rows.map((line) => line["QUERY PLAN"]).join("\n");
      // The table of locks is empty, and read as a whole.
      expect(plan.replace(/Seq Scan on psession_(locks|meta)/g, ""), text).not.toContain("Seq Scan");
    }
    await own.end();
  });
});

const LOGIN_COLUMNS =
  "id, user_id, token, previous, superseded, superseded_at, salt, key_id, generation, rotated_at, confirmed_at, strays, created_at, last_used_at, idle_deadline, absolute_deadline, revoked_at, revoked_reason, name, tag, prune_after";
const SESSION_COLUMNS =
  "id, secret, secret_at, previous_secret, retired_secret, fence, remembered_id, user_id, level, authenticated_at, confirm_from, data, version, created_at, began_at, last_seen_at, idle_deadline, absolute_deadline, user_agent, address, name, tag, prune_after";

/** Rows as sign-ins make them, without waiting for each. */
async function fill(url: string, count: number): Promise<void> {
  const digest = "sha256('')";
  const session = "substr(md5(n::text), 1, 6) || 's' || lpad(n::text, 15, '0')";
  const login = "substr(md5(n::text), 1, 6) || 'l' || lpad(n::text, 15, '0')";
  await onPostgres(
    url,
    `INSERT INTO psession_logins (${LOGIN_COLUMNS}) SELECT ${login}, 'user ' || n % 1000, ${digest}, NULL, NULL, NULL, ${digest}, 'key', 0, ${T0}, NULL, 0, ${T0}, ${T0}, ${T0}, ${T0}, NULL, NULL, NULL, NULL, ${T0} + n FROM generate_series(1, ${count}) n`,
  );
  await onPostgres(
    url,
    `INSERT INTO psession_sessions (${SESSION_COLUMNS}) SELECT ${session}, ${digest}, ${T0}, NULL, NULL, 0, ${login}, 'user ' || n % 1000, 'login', ${T0}, NULL, '{}', 1, ${T0}, ${T0}, ${T0}, ${T0}, ${T0}, NULL, NULL, NULL, NULL, ${T0} + n FROM generate_series(1, ${count}) n`,
  );
  await onPostgres(url, "ANALYZE psession_logins");
  await onPostgres(url, "ANALYZE psession_sessions");
}

interface Counts {
  readonly relname: string;
  readonly updates: number;
  readonly hot: number;
}

/** The statistics of both tables, once they are complete: ending connections hand theirs over by and by. */
async function untilCounted(url: string, least: number): Promise<Counts[]> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const rows = await onPostgres(
      url,
      "SELECT relname, n_tup_upd AS updates, n_tup_hot_upd AS hot FROM pg_stat_user_tables WHERE schemaname = current_schema() AND relname IN ('psession_sessions', 'psession_logins')",
    );
    const counts = rows.map(({ relname, updates, hot }) => ({
      relname: String(relname),
      updates: Number(updates),
      hot: Number(hot),
    }));
    if (counts.length === 2 && counts.every(({ updates }) => updates >= least)) return counts;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("the statistics did not arrive");
}
