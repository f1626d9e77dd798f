import mysql from "mysql2/promise";
import pg from "pg";
import { describe, expect, onTestFinished, test } from "vitest";
import { NO_REALM, newId } from "../../src/protocol/secrets.ts";
import { type AuditEntry, type AuditErasure, newAuditId } from "../../src/stores/audit.ts";
import { revoke } from "../../src/stores/changes.ts";
import { type Mysql2Pool, mysqlStore } from "../../src/stores/mysql/index.ts";
import { type PgPool, postgresStore } from "../../src/stores/postgres/index.ts";
import { shardsOf } from "../../src/stores/sql/marks.ts";
import type { EndSelector, Mark, SignInChange, Store } from "../../src/stores/store.ts";
import { rememberedRow, sessionRow, T0 } from "../../src/testing/rows.ts";
import { freshDatabase, freshSchema } from "../support/servers/fresh.ts";
import { describeWith, MYSQL, POSTGRES } from "../support/servers/reach.ts";
import { recorded } from "./recorded.ts";

const MARK: Mark = { name: "user ada", at: T0, until: T0 + 1000 };
const OF_EVERYONE: Mark = { ...MARK, name: "everyone", ofEveryone: true };
const PROOF = { marks: [MARK.name, OF_EVERYONE.name], ofEveryone: OF_EVERYONE.name, provedAt: T0 };
const ENDING = { reason: "revoked", at: T0, pruneAfter: T0 + 1000 } as const;
/** Both kinds of ends that outdate the proof. */
const ENDS: Record<string, EndSelector> = {
  "the end": { userId: "ada", mark: MARK, ...ENDING },
  "everyone's end": { everyone: true, mark: OF_EVERYONE, ...ENDING },
};
const OUTDATED = { done: false, conflict: "outdated" };
const CAP = {
  userId: "ada",
  max: 9,
  overflow: "evictOldest",
  reason: "cap",
  at: T0,
  pruneAfter: T0,
} as const;

const entry = (after: number): AuditEntry => ({
  ...{ id: newAuditId(T0 + after), at: T0 + after, event: "login", userId: "ada", actorId: undefined },
  ...{ handle: undefined, address: "2001:db8::1", detail: undefined },
});
const ERASURE: AuditErasure = {
  ...{ userId: "ada", realm: NO_REALM, at: T0 + 100, until: T0 + 1000 },
  ...{ entries: "delete", pseudonym: newId() },
};

/** Sign-ins of every shape that has statements of its own, after what they need is there. */
const SIGN_INS: Record<string, (store: Store) => Promise<SignInChange>> = {
  "a session": async () => ({ kind: "signIn", insert: sessionRow({ userId: "ada", level: "login" }) }),
  "a session with a login": async () => {
    const remember = rememberedRow();
    return {
      kind: "signIn",
      remember,
      insert: sessionRow({ userId: "ada", level: "login", rememberedId: remember.id }),
    };
  },
  "a session that was anonymous": async (store) => {
    const insert = sessionRow();
    await store.apply({ kind: "signIn", insert });
    return { kind: "signIn", update: { id: insert.id, version: 1, set: { userId: "ada", level: "login" } } };
  },
  "under a cap": async () => ({
    kind: "signIn",
    insert: sessionRow({ userId: "ada", level: "login" }),
    caps: [CAP],
  }),
  "in place of a login": async (store) => {
    const before = rememberedRow({ userId: "bob" });
    await store.apply({ kind: "signIn", remember: before });
    const insert = sessionRow({ userId: "ada", level: "login" });
    return { kind: "signIn", insert, end: [{ login: { id: before.id }, ...ENDING }] };
  },
};

/** Held up before its transaction is committed. */
interface Held {
  readonly store: Store;
  /** Settles when everything else of the transaction is done. */
  readonly reached: Promise<void>;
  commit(): void;
}

interface Server {
  store(): Store;
  /** A store whose first transaction is held. A statement by itself that writes becomes one, too. */
  held(): Held;
  /** A store that writes down what it sends. */
  recorded(): { readonly store: Store; readonly texts: string[] };
  /** Settles when somebody waits for a lock. */
  untilWaiting(): Promise<void>;
  sql(text: string): Promise<Record<string, unknown>[]>;
}

const MARIADB_WAITS =
  "SELECT 1 FROM information_schema.innodb_trx t JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id WHERE t.trx_state = 'LOCK WAIT' AND p.db = DATABASE()";
/** The table of transactions has their statements, and MySQL fails to convert those with digests in them. */
const MYSQL_WAITS =
  "SELECT 1 FROM performance_schema.data_lock_waits w JOIN performance_schema.data_locks l ON l.engine_lock_id = w.requesting_engine_lock_id WHERE l.object_schema = DATABASE()";

/** A gate before COMMIT: passes when it is opened. */
function gate() {
  const reached = Promise.withResolvers<void>();
  const opened = Promise.withResolvers<void>();
  return {
    reached: reached.promise,
    commit: opened.resolve,
    pass: async () => {
      reached.resolve();
      await opened.promise;
    },
  };
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 60; attempt++) {
    if (await isSo()) return;
    // MySQL and MariaDB go on telling what they told less than a tenth of a second before.
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
  throw new Error(`${what} did not happen`);
}

async function postgresServer(): Promise<Server> {
  const { url } = await freshSchema();
  const pool = new pg.Pool({ connectionString: url, application_name: url.slice(-40) });
  onTestFinished(() => pool.end());
  const store = postgresStore({ pool, audit: true });
  await store.migrate();
  const sql = async (text: string) => (await pool.query(text)).rows;
  return {
    store: () => store,
    sql,
    recorded: () => {
      const { pool: recording, texts } = recorded(pool);
      return { texts, store: postgresStore({ pool: recording, migrate: false, audit: true }) };
    },
    held: () => {
      const { pass, ...gated } = gate();
      const slow: PgPool = {
        connect: async () => {
          const client = await pool.connect();
          let isOurs = false;
          return {
            query: async (query) => {
              if (query.text.startsWith("BEGIN")) isOurs = true;
              if (query.text === "COMMIT") await pass();
              if (isOurs) return client.query(query);
              await client.query("BEGIN ISOLATION LEVEL READ COMMITTED");
              const answer = await client.query(query);
              const hasWritten = answer.command !== "SELECT" && Number(answer.rowCount) > 0;
              if (hasWritten || Number(answer.rows[0]?.done) === 1) await pass();
              await client.query("COMMIT");
              return answer;
            },
            release: (destroy) => client.release(destroy),
          };
        },
      };
      return { ...gated, store: postgresStore({ pool: slow, migrate: false, audit: true }) };
    },
    untilWaiting: () =>
      until("waiting for a lock", async () => {
        const rows = await sql(
          "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = current_setting('application_name')",
        );
        return rows.length > 0;
      }),
  };
}

async function mysqlServer(isolation: string): Promise<Server> {
  const { url } = await freshDatabase();
  const pool = mysql.createPool({ uri: url });
  onTestFinished(() => pool.end());
  // Commands of one connection are in order, so this comes before ours.
  pool.pool.on("connection", (connection) =>
    connection.query(`SET SESSION TRANSACTION ISOLATION LEVEL ${isolation}`),
  );
  const store = mysqlStore({ pool, audit: true });
  await store.migrate();
  const sql = async (text: string) => (await pool.query(text))[0] as Record<string, unknown>[];
  return {
    store: () => store,
    sql,
    recorded: () => {
      const texts: string[] = [];
      const recording: Mysql2Pool = {
        getConnection: async () => {
          const connection = await pool.getConnection();
          return {
            execute: (query) => {
              texts.push(query.sql);
              return connection.execute({ ...query, values: query.values as string[] });
            },
            query: (text) => {
              texts.push(text);
              return connection.query(text);
            },
            release: () => connection.release(),
            destroy: () => connection.destroy(),
          };
        },
      };
      return { texts, store: mysqlStore({ pool: recording, migrate: false, audit: true }) };
    },
    held: () => {
      const { pass, ...gated } = gate();
      const slow: Mysql2Pool = {
        getConnection: async () => {
          const connection = await pool.getConnection();
          let isOurs = false;
          return {
            execute: async (query) => {
              const execute = () => connection.execute({ ...query, values: query.values as string[] });
              if (isOurs) return execute();
              await connection.query("START TRANSACTION");
              const answer = await execute();
              if ((answer[0] as mysql.ResultSetHeader).affectedRows > 0) await pass();
              await connection.query("COMMIT");
              return answer;
            },
            query: async (text) => {
              if (text.startsWith("START")) isOurs = true;
              if (text === "COMMIT") await pass();
              return connection.query(text);
            },
            release: () => connection.release(),
            destroy: () => connection.destroy(),
          };
        },
      };
      return { ...gated, store: mysqlStore({ pool: slow, migrate: false, audit: true }) };
    },
    untilWaiting: () =>
      until("waiting for a lock", async () => {
        const [server] = await sql("SELECT VERSION() AS version");
        const isMariadb = String(server?.["version"]).includes("MariaDB");
        return (await sql(isMariadb ? MARIADB_WAITS : MYSQL_WAITS)).length > 0;
      }),
  };
}

function interleavings(open: () => Promise<Server>): void {
  /** `isOld`: rows of the marks' shards are there, as after the first hours of a table's life. */
  const setUp = async (isOld: boolean) => {
    const server = await open();
    const store = server.store();
    if (isOld) {
      await revoke(store, { handle: "nothing", mark: { ...OF_EVERYONE, at: T0 - 9 }, ...ENDING });
      expect(await server.sql("SELECT 1 FROM psession_meta WHERE name LIKE 'mark-shard/%'")).toHaveLength(
        256,
      );
    }
    return { server, store };
  };

  const cases = [true, false].flatMap((isOld) =>
    Object.entries(ENDS).flatMap(([whose, end]) =>
      Object.entries(SIGN_INS).map(([name, make]) => ({ isOld, whose, end, name, make })),
    ),
  );
  for (const { isOld, whose, end, name, make } of cases) {
    const shards = isOld ? "there" : "missing";

    test(`the sign-in first (${name}, shards ${shards}): ${whose} waits, and finds it`, async () => {
      const { server, store } = await setUp(isOld);
      const change = await make(store);
      const held = server.held();
      const signIn = held.store.apply({ ...change, proof: PROOF });
      await held.reached;
      const ending = revoke(store, end);
      await server.untilWaiting();
      held.commit();
      expect(await signIn).toMatchObject({ done: true });
      expect(await ending).toHaveLength(1);
      expect(await store.list("ada")).toEqual([]);
    });

    test(`${whose} first (${name}, shards ${shards}): the sign-in waits, and is outdated`, async () => {
      const { server, store } = await setUp(isOld);
      const change = await make(store);
      const held = server.held();
      const ending = revoke(held.store, end);
      await held.reached;
      const signIn = store.apply({ ...change, proof: PROOF });
      await server.untilWaiting();
      held.commit();
      // Everyone's ends what others have as well.
      const ended = (await ending).filter(({ userId }) => end.everyone !== true || userId === "ada");
      expect(ended).toEqual([]);
      expect(await signIn).toEqual(OUTDATED);
      expect(await store.list("ada")).toEqual([]);
    });
  }

  for (const isOld of [true, false]) {
    const shard = isOld ? "there" : "missing";
    /** Entries were appended before, and with them the shard of erasures was made. */
    const setUpTrail = async () => {
      const server = await open();
      const { audit } = server.store();
      if (isOld) await audit?.append([entry(1)]);
      await audit?.prune(T0 + 2, 9);
      return { server, audit };
    };

    test(`an audit entry first (shard ${shard}): the erasure waits, and finds it`, async () => {
      const { server, audit } = await setUpTrail();
      const held = server.held();
      const appending = held.store.audit?.append([entry(3), entry(4)]);
      await held.reached;
      const erasing = audit?.erase(ERASURE);
      await server.untilWaiting();
      held.commit();
      await appending;
      expect(await erasing).toBe(2);
      expect(await audit?.read({ limit: 9 })).toEqual([]);
    });

    test(`an erasure first (shard ${shard}): the audit entry waits, and is left out`, async () => {
      const { server, audit } = await setUpTrail();
      const held = server.held();
      const erasing = held.store.audit?.erase(ERASURE);
      await held.reached;
      const appending = audit?.append([entry(3), entry(4)]);
      await server.untilWaiting();
      held.commit();
      await Promise.all([erasing, appending]);
      expect(await audit?.read({ limit: 9 })).toEqual([]);
    });
  }

  test("an append is one statement, unless somebody was erased since its entries were made", async () => {
    const server = await open();
    const { audit } = server.store();
    await audit?.append([entry(1)]);
    await audit?.erase({ ...ERASURE, at: T0 + 5 });
    const { store, texts } = server.recorded();
    // The first use looks at what becomes of values.
    await store.findSession("x");
    texts.length = 0;
    await store.audit?.append([entry(6), entry(7)]);
    expect(texts).toHaveLength(1);
    texts.length = 0;
    await store.audit?.append([entry(5), entry(8)]);
    expect(texts.length).toBeGreaterThan(1);
    expect((await audit?.read({ limit: 9 }))?.map(({ at }) => at - T0)).toEqual([8, 7, 6]);
  });

  test("a sign-in with a proof sends no more statements than one without", async () => {
    const { server, store } = await setUp(true);
    for (const [name, make] of Object.entries(SIGN_INS)) {
      const { store: counting, texts } = server.recorded();
      await counting.apply(await make(store));
      const most = texts.splice(0).length;
      const change = await make(store);
      expect(await counting.apply({ ...change, proof: { ...PROOF, provedAt: T0 - 8 } })).toMatchObject({
        done: true,
      });
      expect(texts.length, name).toBeLessThanOrEqual(most);
    }
  });

  test("a sign-in that is sure of no shard locks them before reading marks: an ending waits for that as well", async () => {
    const { server, store } = await setUp(true);
    // Newer than the proof, and of another name: only the marks themselves say so.
    await server.sql(
      `UPDATE psession_meta SET at = ${T0 + 5} WHERE name = '${shardsOf({ marks: [MARK.name] })[0]}'`,
    );
    const insert = sessionRow({ userId: "ada", level: "login" });
    const caps = [CAP];
    const held = server.held();
    const signIn = held.store.apply({ kind: "signIn", insert, caps, proof: PROOF });
    await held.reached;
    const ending = revoke(store, { everyone: true, mark: MARK, ...ENDING });
    await server.untilWaiting();
    held.commit();
    expect(await signIn).toEqual({ done: true, ended: [] });
    expect(await ending).toMatchObject([{ sessionId: insert.id }]);
  });

  test("sign-ins of one user do not wait for each other", async () => {
    const { server, store } = await setUp(true);
    const held = server.held();
    const change = {
      kind: "signIn",
      insert: sessionRow({ userId: "ada", level: "login" }),
      proof: PROOF,
    } as const;
    const first = held.store.apply(change);
    await held.reached;
    expect(await store.apply({ ...change, insert: sessionRow({ userId: "ada" }) })).toMatchObject({
      done: true,
    });
    held.commit();
    expect(await first).toMatchObject({ done: true });
  });

  test("a thousand sign-ins and marks in random order leave no device that a mark should have ended", async () => {
    const { store } = await setUp(true);
    for (let round = 0; round < 40; round++) {
      const userId = `user ${round}`;
      const mark = { name: userId, at: T0, until: T0 + 1000 };
      const proof = { marks: ["everyone", userId], provedAt: T0 };
      const signIns = Array.from({ length: 24 }, (_, index) => {
        const remember = index % 3 === 0 ? undefined : rememberedRow({ userId });
        const insert = sessionRow({ userId, level: "login", rememberedId: remember?.id });
        return index % 6 === 1
          ? { kind: "signIn" as const, remember, insert, caps: [{ ...CAP, userId, max: 99 }], proof }
          : { kind: "signIn" as const, remember, insert, proof };
      });
      const at = Math.floor(Math.random() * signIns.length);
      const results = await Promise.all([
        ...signIns.slice(0, at).map((change) => store.apply(change)),
        revoke(store, { userId, mark, ...ENDING }),
        ...signIns.slice(at).map((change) => store.apply(change)),
      ]);
      for (const result of results) if ("done" in result && !result.done) expect(result).toEqual(OUTDATED);
      expect(await store.list(userId)).toEqual([]);
    }
  });
}

describeWith(POSTGRES, "marks in PostgreSQL", () => interleavings(postgresServer));

describeWith(POSTGRES, "marks in PostgreSQL, beside tables of one name in two schemas", () => {
  test("a session and a login that rest on a proof are each written into their own", async () => {
    const [first, second] = [await freshSchema(), await freshSchema()];
    const pool = new pg.Pool({ connectionString: first.url });
    onTestFinished(() => pool.end());
    const tables = {
      sessions: { name: "rows", schema: first.name },
      logins: { name: "rows", schema: second.name },
    };
    const store = postgresStore({ pool, tables });
    await store.migrate();
    await revoke(store, { handle: "nothing", mark: { ...OF_EVERYONE, at: T0 - 9 }, ...ENDING });
    const [insert, remember] = [sessionRow({ userId: "ada" }), rememberedRow({ userId: "ada" })];
    for (const change of [{ insert }, { remember }])
      expect(await store.apply({ kind: "signIn", ...change, proof: PROOF })).toMatchObject({ done: true });
    expect((await store.findSession(insert.id))?.userId).toBe("ada");
    expect((await store.findRemembered(remember.id))?.login.userId).toBe("ada");
  });
});

for (const isolation of ["REPEATABLE READ", "READ COMMITTED"])
  describeWith(MYSQL, `marks in MySQL at ${isolation}`, () => interleavings(() => mysqlServer(isolation)));

describe("what a proof costs", () => {
  test("shards: the names of marks are spread over 256, and one name has one", () => {
    const names = Array.from({ length: 5000 }, (_, index) => `user ${index}`);
    expect(new Set(names.flatMap((name) => shardsOf({ marks: [name] })))).toHaveLength(256);
    expect(shardsOf({ marks: ["a", "a"] })).toHaveLength(1);
  });
});
