/**
 * The floors: a framework, and the statements that the work takes, prepared by the bare driver. They verify no cookie
 * and check no deadline; the tables are psession's own, as are the statements: one SELECT by primary key of the columns
 * that every library would have to read, one conditional UPDATE, one INSERT of a whole row. In PostgreSQL the INSERT
 * reads, as psession's does, a row by which a changed password refuses sign-ins that are on their way.
 */
import { createHash, hash, randomBytes } from "node:crypto";
import type { Pool as MysqlPool } from "mysql2/promise";
import type pg from "pg";
import { mysqlStore } from "psession/mysql";
import { postgresStore } from "psession/postgres";
import { sqliteStore } from "psession/sqlite";
import { mysqlPool, pgPool, type RedisClient, redisClient, sqliteDatabase } from "../drivers.ts";
import { type Pages, servePages } from "../frameworks.ts";
import { HEADERS } from "../load.ts";
import type { Place } from "../stores.ts";
import {
  ABOUT,
  cartOf,
  counted,
  DATA,
  DAY,
  FRAMEWORKS,
  type Framework,
  nextUser,
  type ShopData,
} from "../workload.ts";
import type { Contender } from "./contender.ts";

interface Row {
  readonly user: string;
  readonly data: string;
  readonly version: number;
}

interface Statements {
  select(id: string): Promise<Row | undefined>;
  /** Changes nothing if the row has another version by now. */
  update(id: string, row: Row, data: string): Promise<void>;
  insert(id: string, user: string, data: string): Promise<void>;
}

const HOUR = 3_600_000;
const COLUMNS =
  "id, secret, secret_at, previous_secret, retired_secret, fence, remembered_id, user_id, level, authenticated_at, confirm_from, data, version, created_at, began_at, last_seen_at, idle_deadline, absolute_deadline, user_agent, address, name, tag, prune_after";
const READ = "secret, user_id, data, version, idle_deadline, absolute_deadline";
const ASSIGNMENTS = ["last_seen_at", "idle_deadline", "prune_after", "data"];

/** Of `ASSIGNMENTS`. */
function usedNow(data: string): [number, number, number, string] {
  const now = Date.now();
  return [now, now + 2 * HOUR, now + 3 * HOUR, data];
}

/** Of `COLUMNS`. */
function newRow(id: string, user: string, data: string) {
  const now = Date.now();
  const { "User-Agent": agent, "X-Forwarded-For": address } = HEADERS;
  const secret = createHash("sha256").update(id).digest();
  return [
    ...[
      id,
      secret,
      now,
      null,
      null,
      0,
      null,
      user,
      "login",
      now,
      null,
      data,
      1,
      now,
      now,
      now,
      now + 2 * HOUR,
    ],
    ...[now + DAY, agent, address, null, null, now + 3 * HOUR],
  ];
}

const select = (place: string) => `SELECT ${READ} FROM psession_sessions WHERE id = ${place}`;
const update = (places: readonly string[]) =>
  `UPDATE psession_sessions SET ${ASSIGNMENTS.map((name, at) => `${name} = ${places[at]}`).join(", ")}, version = version + 1 WHERE id = ${places[4]} AND version = ${places[5]}`;
const insert = (places: readonly string[]) =>
  `INSERT INTO psession_sessions (${COLUMNS}) VALUES (${places.join(", ")})`;
const dollars = (count: number) => Array.from({ length: count }, (_, at) => `$${at + 1}`);
const marks = (count: number) => Array.from({ length: count }, () => "?");

interface RawRow {
  readonly user_id: string;
  readonly data: string;
  readonly version: string | number;
}

const rowOf = (raw: RawRow | undefined): Row | undefined =>
  raw && { user: raw.user_id, data: raw.data, version: Number(raw.version) };

function onPostgres(pool: pg.Pool): Statements {
  const query = (name: string, text: string, values: unknown[]) => pool.query({ name, text, values });
  return {
    select: async (id) => rowOf((await query("select", select("$1"), [id])).rows[0]),
    async update(id, { version }, data) {
      await query("update", update(dollars(6)), [...usedNow(data), id, version]);
    },
    async insert(id, user, data) {
      const row = newRow(id, user, data);
      await query("insert", GUARDED_INSERT, [...row, shardOf(user), Date.now()]);
    },
  };
}

/** Spread as psession's rows are. */
const shardOf = (user: string): string => `bench/${hash("sha256", user, "hex").slice(0, 2)}`;
const SHARDS = Array.from({ length: 256 }, (_, at) => `('bench/${at.toString(16).padStart(2, "0")}', '', 0)`);
const MAKE_SHARDS = `INSERT INTO psession_meta (name, value, at) VALUES ${SHARDS.join(", ")} ON CONFLICT DO NOTHING`;
/** As psession's tables have it; values that a query selects need a declared type. */
function typeOf(column: string): string {
  if (column.endsWith("secret")) return "bytea";
  return /_(at|from|deadline|after)$|^fence$|^version$/.test(column) ? "bigint" : "text";
}
const GUARDED_INSERT = `INSERT INTO psession_sessions (${COLUMNS}) SELECT ${COLUMNS.split(", ")
  .map((name, at) => `$${at + 1}::${typeOf(name)}`)
  .join(", ")} FROM (SELECT 1 FROM psession_meta WHERE name = $24 AND at < $25 FOR SHARE) proved`;

function onMysql(pool: MysqlPool): Statements {
  return {
    async select(id) {
      const [rows] = await pool.execute(select("?"), [id]);
      return rowOf((rows as RawRow[])[0]);
    },
    async update(id, { version }, data) {
      await pool.execute(update(marks(6)), [...usedNow(data), id, version]);
    },
    async insert(id, user, data) {
      await pool.execute(insert(marks(23)), newRow(id, user, data));
    },
  };
}

function onSqlite(database: ReturnType<typeof sqliteDatabase>): Statements {
  const prepared = {
    select: database.prepare(select("?")),
    update: database.prepare(update(marks(6))),
    insert: database.prepare(insert(marks(23))),
  };
  return {
    select: async (id) => rowOf(prepared.select.get(id) as RawRow | undefined),
    async update(id, { version }, data) {
      prepared.update.run(...usedNow(data), id, version);
    },
    async insert(id, user, data) {
      prepared.insert.run(...newRow(id, user, data));
    },
  };
}

/** The equivalent of a conditional UPDATE in Redis. */
const SWAP = `
local row = redis.call('GET', KEYS[1])
if not row or cjson.decode(row).version ~= tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
return 1`;

async function onRedis(client: RedisClient, { name }: Place): Promise<Statements> {
  const key = (id: string) => `${name}floor:${id}`;
  const hash = await client.scriptLoad(SWAP);
  const times = ["secretAt", "authenticatedAt", "createdAt", "lastSeenAt", "idle", "absolute"];
  /** As large as psession's rows, of the same fields. */
  const rest = () => ({
    secret: randomBytes(32).toString("base64url"),
    level: "login",
    ...Object.fromEntries(times.map((time) => [time, Date.now()])),
    agent: HEADERS["User-Agent"],
    address: HEADERS["X-Forwarded-For"],
  });
  return {
    async select(id) {
      const raw = await client.get(key(id));
      return raw === null ? undefined : (JSON.parse(raw) as Row);
    },
    async update(id, row, data) {
      const changed = JSON.stringify({ ...row, data, version: row.version + 1 });
      await client.evalSha(hash, { keys: [key(id)], arguments: [String(row.version), changed] });
    },
    /** With the index that finds a user's sessions. */
    async insert(id, user, data) {
      const row = JSON.stringify({ user, ...rest(), data, version: 1 });
      const index = `${name}floor:user:${user}`;
      await client
        .multi()
        .set(key(id), row, { expiration: { type: "PX", value: DAY }, condition: "NX" })
        .zAdd(index, { score: Date.now() + DAY, value: id })
        .pExpire(index, DAY)
        .exec();
    },
  };
}

function pagesOf({ select, update, insert }: Statements): Pages {
  const find = async (cookie: string | undefined) => {
    const id = /\bid=([\w-]{22})/.exec(cookie ?? "")?.[1];
    const row = id === undefined ? undefined : await select(id);
    return row && { id: id ?? "", row, data: JSON.parse(row.data) as ShopData };
  };
  return {
    async cart(cookie) {
      const found = await find(cookie);
      return { body: cartOf(found?.row.user, found?.data) };
    },
    async count(cookie) {
      const found = await find(cookie);
      if (found === undefined) return { body: counted(undefined, 0) };
      const { id, row, data } = found;
      const count = (data.count ?? 0) + 1;
      await update(id, row, JSON.stringify({ ...data, count }));
      return { body: counted(row.user, count) };
    },
    async login() {
      const id = randomBytes(17).toString("base64url").slice(0, 22);
      const user = nextUser();
      await insert(id, user, JSON.stringify(DATA));
      return { body: cartOf(user, DATA), cookie: `id=${id}; Path=/; HttpOnly; Secure; SameSite=Lax` };
    },
  };
}

const OPEN = {
  async postgres(place) {
    const pool = pgPool(place);
    await postgresStore({ pool }).migrate();
    await pool.query(MAKE_SHARDS);
    return onPostgres(pool);
  },
  async mysql(place) {
    const pool = mysqlPool(place);
    await mysqlStore({ pool }).migrate();
    return onMysql(pool);
  },
  async sqlite(place) {
    const database = sqliteDatabase(place);
    sqliteStore({ database });
    return onSqlite(database);
  },
  async redis(place) {
    return onRedis(await redisClient(place), place);
  },
} as const satisfies Record<string, (place: Place) => Promise<Statements>>;

const STATEMENTS = {
  postgres: "one prepared SELECT",
  mysql: "one prepared SELECT",
  sqlite: "one prepared SELECT",
  redis: "one GET",
} as const;

const withStore = (framework: Framework): Contender[] =>
  (Object.keys(OPEN) as (keyof typeof OPEN)[]).map((store) => ({
    library: `bare, ${STATEMENTS[store]}`,
    kind: "floor",
    framework,
    store,
    tables: "psession",
    scenarios: ["no-cookie", "untouched", "read", "write", "login"],
    start: async (place) => ({ server: await servePages(framework, pagesOf(await OPEN[store](place))) }),
  }));

/** For comparison with libraries that keep everything in the cookie: the framework alone. */
const withoutStore = (framework: Framework): Contender => ({
  library: "bare",
  kind: "floor",
  framework,
  store: "cookie",
  tables: "none",
  scenarios: ["no-cookie", "untouched"],
  start: async () => {
    const none = async () => ({ body: cartOf(undefined, undefined) });
    const pages: Pages = { cart: none, count: none, login: async () => ({ body: ABOUT, cookie: "id=1" }) };
    return { server: await servePages(framework, pages) };
  },
});

export const floors: readonly Contender[] = FRAMEWORKS.flatMap((framework) => [
  ...withStore(framework),
  withoutStore(framework),
]);
