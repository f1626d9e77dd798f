/** Rows of other users, many at a time: statements of SQL, scripts for Redis. */
import type { Place } from "./stores.ts";
import { DATA, DAY } from "./workload.ts";

/** The content of other users' rows. They are never read. */
export interface Filling {
  readonly rows: number;
  /** Epoch milliseconds; in the past for rows to be pruned. psession's tables only. */
  readonly pruneAfter?: number;
}

const AGENT =
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36";
const TEXT = JSON.stringify(DATA);
/** The data that libraries with express-session's interface keep. */
const SESSION = JSON.stringify({
  cookie: { originalMaxAge: DAY, expires: new Date(Date.now() + DAY), httpOnly: true, path: "/" },
  ...DATA,
  userId: "stranger",
});

const COLUMNS =
  "id, secret, secret_at, fence, user_id, level, authenticated_at, data, version, created_at, began_at, last_seen_at, idle_deadline, absolute_deadline, user_agent, address, prune_after";

/** Of `COLUMNS`, as SQL. */
function psessionRow(sql: { id: string; secret: string; user: string }, pruneAfter: number): string {
  const now = Date.now();
  return `${sql.id}, ${sql.secret}, ${now}, 0, ${sql.user}, 'login', ${now}, '${TEXT}', 1, ${now}, ${now}, ${now}, ${now + DAY}, ${now + DAY}, '${AGENT}', '192.0.2.7', ${pruneAfter}`;
}

type Fill = (filling: Required<Filling>) => string;

/**
 * By the library whose tables they are. Ids are as random as real ones, but come in order, as do the users: rows in any
 * other order take the databases ten times as long if they outgrow their memory.
 */
const ON_POSTGRES: Record<string, Fill> = {
  psession: ({ rows, pruneAfter }) =>
    `INSERT INTO psession_sessions (${COLUMNS}) SELECT ${psessionRow(
      {
        id: "id",
        secret: "decode(md5(id) || md5(id), 'hex')",
        user: "'stranger-' || left(id, 5)",
      },
      pruneAfter,
    )} FROM (SELECT left(md5(random()::text), 22) AS id FROM generate_series(1, ${rows}) n ORDER BY id) t`,
  "connect-pg-simple": pgSimple,
  "fastify-connect-pg-simple": pgSimple,
  "koa-session": ({ rows }) =>
    `INSERT INTO koa_sessions SELECT md5(n::text), '${SESSION}', ${Date.now() + DAY} FROM generate_series(1, ${rows}) n`,
  "better-auth": ({ rows }) =>
    `INSERT INTO "session" ("id", "expiresAt", "token", "createdAt", "updatedAt", "userAgent", "userId", "data")
     SELECT md5(n::text), now() + interval '1 day', md5(n::text), now(), now(), '${AGENT}', (SELECT "id" FROM "user" LIMIT 1), '${TEXT}'
     FROM generate_series(1, ${rows}) n`,
};

function pgSimple({ rows }: Filling): string {
  return `INSERT INTO session SELECT md5(n::text), '${SESSION}', now() + interval '1 day' FROM generate_series(1, ${rows}) n`;
}

/** Without a limit MariaDB ignores the order of a subquery. */
const ON_MYSQL: Record<string, Fill> = {
  psession: ({ rows, pruneAfter }) =>
    `INSERT INTO psession_sessions (${COLUMNS}) SELECT ${psessionRow(
      {
        id: "id",
        secret: "UNHEX(REPEAT('ab', 32))",
        user: "CONCAT('stranger-', LEFT(id, 5))",
      },
      pruneAfter,
    )} FROM (SELECT LEFT(MD5(CONCAT(seq, '/', ${pruneAfter})), 22) AS id FROM seq_1_to_${rows} ORDER BY id LIMIT ${rows}) t`,
  "express-mysql-session": ({ rows }) =>
    `INSERT INTO sessions (session_id, expires, data)
     SELECT id, ${Math.round((Date.now() + DAY) / 1000)}, '${SESSION}' FROM (SELECT MD5(seq) AS id FROM seq_1_to_${rows} ORDER BY id LIMIT ${rows}) t`,
};

const sqliteSeries = (rows: number) =>
  `WITH RECURSIVE series (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM series WHERE n < ${rows})`;
const ON_SQLITE: Record<string, Fill> = {
  psession: ({ rows, pruneAfter }) =>
    `${sqliteSeries(rows)} INSERT INTO psession_sessions (${COLUMNS}) SELECT ${psessionRow(
      { id: "id", secret: "randomblob(32)", user: "'stranger-' || substr(id, 1, 5)" },
      pruneAfter,
    )} FROM (SELECT lower(hex(randomblob(11))) AS id FROM series ORDER BY id)`,
  "better-sqlite3-session-store": ({ rows }) =>
    `${sqliteSeries(rows)} INSERT INTO sessions (sid, sess, expire)
     SELECT lower(hex(randomblob(16))), '${SESSION}', '${new Date(Date.now() + DAY).toISOString()}' FROM series`,
  "better-auth": ({ rows }) => {
    const soon = new Date(Date.now() + DAY).toISOString();
    return `${sqliteSeries(rows)} INSERT INTO "session" ("id", "expiresAt", "token", "createdAt", "updatedAt", "userAgent", "userId", "data")
     SELECT hex(randomblob(16)), '${soon}', hex(randomblob(16)), '${soon}', '${soon}', '${AGENT}', (SELECT "id" FROM "user" LIMIT 1), '${TEXT}'
     FROM series`;
  },
};

/** A script blocks Redis for all other clients, so each makes few rows. */
const REDIS_PART = 20_000;

function* onRedis({ tables }: Place, { rows }: Filling): Generator<string> {
  const isOurs = tables === "psession";
  const now = Date.now();
  const head = {
    se: "x".repeat(43),
    us: "sstranger",
    le: "login",
    fe: "0",
    ve: "1",
    ua: AGENT,
    ad: "192.0.2.7",
  };
  const times = Object.fromEntries(["sa", "au", "cr", "ba", "ls"].map((field) => [field, String(now)]));
  const deadlines = Object.fromEntries(["id", "ab", "pr"].map((field) => [field, String(now + DAY)]));
  const value = isOurs ? `${JSON.stringify({ ...head, ...times, ...deadlines })}\\n${TEXT}` : SESSION;
  const key = isOurs ? "'{' .. id:sub(1, 6) .. '}s:' .. id" : "id";
  for (let from = 0; from < rows; from += REDIS_PART) {
    yield `for n = ${from}, ${Math.min(from + REDIS_PART, rows) - 1} do
      local id = redis.sha1hex(n):sub(1, 22)
      redis.call('SET', KEYS[1] .. ${key}, '${value}', 'PX', ${DAY})
    end`;
  }
}

/** Inserts other users' rows into tables that their library has made. */
export function fillingOf(place: Place, filling: Filling): Iterable<string> {
  switch (place.store) {
    case "postgres": {
      const statement = by(ON_POSTGRES, place, filling);
      const table = /INSERT INTO (\S+)/.exec(statement)?.[1];
      // Or autovacuum does it later, in the middle of something.
      return [statement, `VACUUM ANALYZE ${table}`];
    }
    case "mysql":
      return [by(ON_MYSQL, place, filling)];
    case "sqlite":
      return [by(ON_SQLITE, place, filling), "ANALYZE"];
    case "redis":
      return onRedis(place, filling);
    case "cookie":
      return [];
  }
}

function by(fillings: Record<string, Fill>, { tables, store }: Place, filling: Filling): string {
  const fill = fillings[tables];
  if (fill === undefined) throw new Error(`Nobody knows how to fill tables of ${tables} in ${store}.`);
  return fill({ pruneAfter: Date.now() + DAY, ...filling });
}
