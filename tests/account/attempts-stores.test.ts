import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { folded } from "../../src/attempts/folded.ts";
import { type SignInAttemptsOptions, signInAttempts } from "../../src/attempts/index.ts";
import type { RedisClient } from "../../src/stores/redis/index.ts";
import { drivers, viaIoCluster, viaNodeCluster } from "../stores/redis/fixtures.ts";
import { TestBrowser, testApp } from "../support/app.ts";
import { DAY, MINUTE } from "../support/clock.ts";
import { HttpClient } from "../support/http.ts";
import { freshDatabase, freshSchema, onMysql, onPostgres } from "../support/servers/fresh.ts";
import { startProxy } from "../support/servers/proxy.ts";
import { describeWith, MYSQL, type Need, POSTGRES } from "../support/servers/reach.ts";
import { REDIS, redisUrl, startRedisCluster } from "../support/servers/redis.ts";
import { startApp } from "../support/shop.ts";
import { temporaryFolder } from "../support/temp.ts";

const ADA = { account: "ada@example.com", userId: "ada" };

/** Somewhere to count. */
interface Place {
  /** By a connection of its own, as another process has. */
  connect(): Promise<SignInAttemptsOptions>;
  /** All that is kept there. */
  dump(): Promise<string>;
  /** Lets time pass for what is kept there. */
  pass(milliseconds: number): Promise<void>;
  /** For a process. */
  readonly env: Readonly<Record<string, string>>;
}

/** rate-limiter-flexible goes by the clock of the machine, except with Redis, which has its own. */
const passHere = async (milliseconds: number) => void vi.setSystemTime(Date.now() + milliseconds);

async function inPostgres(): Promise<Place> {
  const { url } = await freshSchema();
  const { Pool } = (await import("pg")).default;
  return {
    connect: async () => {
      const pool = new Pool({ connectionString: url, max: 5 });
      onTestFinished(() => pool.end());
      return { postgres: pool };
    },
    dump: async () => JSON.stringify(await onPostgres(url, "SELECT * FROM psession_attempts")),
    pass: passHere,
    env: { STORE: "postgres", DATABASE_URL: url },
  };
}

const inMysql = (isPromised: boolean) => async (): Promise<Place> => {
  const { url } = await freshDatabase();
  return {
    connect: async () => {
      const { createPool } = isPromised ? await import("mysql2/promise") : (await import("mysql2")).default;
      const pool = createPool({ uri: url, connectionLimit: 5 });
      onTestFinished(() => new Promise((done) => void pool.end(done as never)?.then(done as never)));
      return { mysql: pool };
    },
    dump: async () => JSON.stringify(await onMysql(url, "SELECT * FROM psession_attempts")),
    pass: passHere,
    env: { STORE: "mysql", DATABASE_URL: url },
  };
};

const inRedis = (driver: string) => async (): Promise<Place> => {
  const name = `test_${randomBytes(6).toString("hex")}`;
  const { Redis } = await import("ioredis");
  const own = new Redis(redisUrl());
  const keys = () => own.keys(`${name}:*`);
  onTestFinished(async () => {
    for (const key of await keys()) await own.del(key);
    own.disconnect();
  });
  return {
    connect: async () => {
      const { client, close } = (await drivers[driver]?.(redisUrl())) ?? expect.fail(driver);
      onTestFinished(async () => void (await close()));
      return { redis: client, name };
    },
    dump: async () => JSON.stringify(await keys()),
    pass: async (milliseconds) => {
      for (const key of await keys()) await own.pexpire(key, (await own.pttl(key)) - milliseconds);
    },
    env: { STORE: "redis", DATABASE_URL: redisUrl(), NAME: name },
  };
};

const inSqlite = (driver: "node:sqlite" | "better-sqlite3" | "libsql") => async (): Promise<Place> => {
  const path = join(temporaryFolder(), "attempts.sqlite");
  const open = async () => {
    if (driver === "node:sqlite") return new DatabaseSync(path);
    const { default: Database } = await import(driver);
    return new Database(path) as DatabaseSync;
  };
  return {
    connect: async () => {
      const sqlite = await open();
      onTestFinished(() => sqlite.close());
      return { sqlite };
    },
    dump: async () => {
      const sqlite = await open();
      const rows = sqlite.prepare("SELECT * FROM psession_attempts").all();
      sqlite.close();
      return JSON.stringify(rows);
    },
    pass: passHere,
    env: { STORE: "sqlite", DATABASE_URL: path },
  };
};

const PLACES: [string, readonly Need[], () => Promise<Place>][] = [
  ["PostgreSQL", [POSTGRES], inPostgres],
  ["MySQL, by mysql2", [MYSQL], inMysql(false)],
  ["MySQL, by mysql2/promise", [MYSQL], inMysql(true)],
  ...Object.keys(drivers).map((driver): (typeof PLACES)[number] => [
    `Redis, by ${driver}`,
    [REDIS],
    inRedis(driver),
  ]),
  ["SQLite, by node:sqlite", [], inSqlite("node:sqlite")],
  ["SQLite, by better-sqlite3", [], inSqlite("better-sqlite3")],
  ["SQLite, by libsql", [], inSqlite("libsql")],
];

/** An application of its own, with what it was given to count with. */
function applicationOn(options: SignInAttemptsOptions) {
  const app = testApp({ devices: { detectNew: true } });
  const attempts = signInAttempts(app.psession, { timeout: "30s", ...options });
  const browser = () => new TestBrowser(app);
  const signIn = async (isRight: boolean, who: { account: string; userId: string } = ADA) => {
    const { result } = await browser().visit((session) => attempts.try(session, who, async () => isRight));
    return result;
  };
  return { app, attempts, signIn };
}

beforeEach(() => void vi.useFakeTimers({ toFake: ["Date"] }));
afterEach(() => vi.useRealTimers());

for (const [name, needs, make] of PLACES) {
  describeWith(needs, `attempts in ${name}`, () => {
    test("are counted together by several instances, and by one that starts later", async () => {
      const place = await make();
      const [first, second] = [applicationOn(await place.connect()), applicationOn(await place.connect())];
      for (let turn = 0; turn < 5; turn++)
        expect((await (turn % 2 === 0 ? first : second).signIn(false)).outcome).toBe("failed");
      const later = applicationOn(await place.connect());
      for (const one of [first, second, later]) {
        const { outcome, retryAfter = 0 } = await one.signIn(true);
        expect([outcome, retryAfter > 55 && retryAfter <= 60]).toEqual(["throttled", true]);
      }
      await place.pass(MINUTE);
      expect((await first.signIn(false)).outcome).toBe("failed");
      expect((await second.signIn(true)).retryAfter).toBeGreaterThan(115);
      await place.pass(2 * MINUTE);
      expect((await later.signIn(true)).outcome).toBe("passed");
      for (let turn = 0; turn < 5; turn++) expect((await second.signIn(false)).outcome).toBe("failed");
      expect((await first.signIn(true)).outcome).toBe("throttled");
      await first.attempts.reset(ADA);
      expect((await later.signIn(true)).outcome).toBe("passed");
      for (const { told } of [first.app, second.app, later.app])
        expect(told()).not.toContain("storeUnavailable");
    });

    test("all at once get no more than five guesses", async () => {
      const place = await make();
      const options = await place.connect();
      const applications = [applicationOn(options), applicationOn(await place.connect())];
      const guesses = Array.from({ length: 60 }, (_, turn) => applications[turn % 2]?.signIn(false));
      const outcomes = (await Promise.all(guesses)).map((attempt) => attempt?.outcome);
      expect(outcomes.filter((outcome) => outcome === "failed")).toHaveLength(5);
      for (const { app } of applications) expect(app.told()).not.toContain("storeUnavailable");
    });

    test("count from the first one on where eight instances begin at once", async () => {
      const place = await make();
      const places = await Promise.all(Array.from({ length: 8 }, () => place.connect()));
      const applications = places.map(applicationOn);
      const outcomes = (await Promise.all(applications.map(({ signIn }) => signIn(false)))).map(
        ({ outcome }) => outcome,
      );
      expect(outcomes.filter((outcome) => outcome === "failed")).toHaveLength(5);
      for (const { app } of applications) expect(app.told()).not.toContain("storeUnavailable");
    });

    test("leave nothing that names an account, an address or a user", async () => {
      const place = await make();
      const { signIn } = applicationOn(await place.connect());
      for (let turn = 0; turn < 6; turn++) await signIn(false);
      const dump = await place.dump();
      expect(dump.match(/[fg][\w-]{22}/g)).toHaveLength(3);
      for (const text of ["ada", "example", "192.0.2"]) expect(dump).not.toContain(text);
    });

    test("from one address add up, whatever else succeeds there", async () => {
      const place = await make();
      const { signIn } = applicationOn({ ...(await place.connect()), address: { free: 3 } });
      for (let turn = 0; turn < 2; turn++) {
        expect((await signIn(true, { account: `own ${turn}`, userId: "eve" })).outcome).toBe("passed");
        expect((await signIn(false, { account: `guessed ${turn}`, userId: "x" })).outcome).toBe("failed");
      }
      expect((await signIn(false, { account: "the last", userId: "x" })).outcome).toBe("failed");
      expect((await signIn(true)).outcome).toBe("throttled");
    });

    if (!name.startsWith("Redis")) {
      test("that are forgotten are deleted, a few minutes later", async () => {
        const place = await make();
        const { signIn } = applicationOn(await place.connect());
        for (let turn = 0; turn < 6; turn++) await signIn(false);
        await place.pass(DAY + 6 * MINUTE);
        await signIn(true, { account: "another@example.com", userId: "x" });
        await vi.waitFor(async () => expect((await place.dump()).match(/[fg][\w-]{22}/g)).toHaveLength(1));
      });
    }
  });
}

const IN_PROCESSES = PLACES.filter(([name]) =>
  /^(PostgreSQL|MySQL, by mysql2$|Redis, by ioredis$|SQLite, by node)/.test(name),
);

for (const [name, needs, make] of IN_PROCESSES) {
  describeWith(needs, `attempts in several processes, in ${name}`, () => {
    test("are counted together, and after a restart", async () => {
      vi.useRealTimers();
      const { env } = await make();
      const start = () =>
        startApp(`${import.meta.dirname}/attempts-server.ts`, import.meta.dirname, [process.execPath], {
          env,
        });
      const servers = await Promise.all([start(), start()]);
      const known = servers[0] ?? expect.fail();
      expect((await known.post("/right")).status).toBe(200);
      const guesses = Array.from({ length: 40 }, (_, turn) =>
        new HttpClient(servers[turn % 2]?.base ?? "").post("/wrong"),
      );
      const answers = await Promise.all(guesses);
      const statuses = answers.map(({ status }) => status).sort();
      for (const server of servers) expect((await server.get("/faults")).json).toEqual([]);
      expect(statuses).toEqual([...Array(5).fill(401), ...Array(35).fill(429)]);
      for (const { status, headers } of answers)
        if (status === 429) expect(Number(headers.get("retry-after"))).toBeGreaterThan(0);
      const restarted = await start();
      expect((await restarted.post("/right")).status).toBe(429);
      expect((await known.post("/right")).status, "the owner's browser").toBe(200);
    });
  });
}

describeWith(MYSQL, "loose collations of MySQL and MariaDB", () => {
  const LETTERS = [..."abcdefghijklmnopqrstuvwxyz"];
  const PLAIN = [
    ..."0123456789@.-_+",
    ...LETTERS,
    ...LETTERS.flatMap((one) => LETTERS.map((two) => one + two)),
  ];
  /** Latin and what looks like it, all other alphabets of Europe, Asia's digits, and forms of letters. */
  const RANGES = [
    [0x80, 0x3000],
    [0xa640, 0xac00],
    [0xf900, 0xfffe],
    [0x1d400, 0x1d800],
    [0x1f100, 0x1f200],
  ] as const;

  test("find no account by a spelling with attempts of its own", async () => {
    const { url } = await freshDatabase();
    const { createConnection } = await import("mysql2/promise");
    const connection = await createConnection({ uri: url, charset: "utf8mb4" });
    onTestFinished(() => connection.end());
    const [known] = await connection.query("SHOW COLLATION");
    const names = new Set((known as { Collation: string }[]).map(({ Collation }) => Collation));
    const loose = [
      "utf8mb4_general_ci",
      "utf8mb4_unicode_520_ci",
      "utf8mb4_0900_ai_ci",
      "utf8mb4_uca1400_ai_ci",
    ];
    const characters = RANGES.flatMap(([from, to]) =>
      Array.from({ length: to - from }, (_, at) => String.fromCodePoint(from + at)),
    );
    for (const collation of loose) {
      if (!names.has(collation) && !names.has(collation.replace("utf8mb4_", ""))) continue;
      await connection.query(
        `CREATE TABLE spelt (spelling VARCHAR(8) COLLATE ${collation}) CHARACTER SET utf8mb4`,
      );
      await connection.query(
        `CREATE TABLE plain (letter VARCHAR(8) COLLATE ${collation}, KEY (letter)) CHARACTER SET utf8mb4`,
      );
      await connection.query("INSERT INTO spelt VALUES ?", [characters.map((one) => [one])]);
      await connection.query("INSERT INTO plain VALUES ?", [PLAIN.map((one) => [one])]);
      const [found] = await connection.query(
        "SELECT spelling, letter FROM spelt JOIN plain ON letter = spelling",
      );
      const rows = found as { spelling: string; letter: string }[];
      expect(rows.length).toBeGreaterThan(400);
      expect([collation, rows.filter(({ spelling, letter }) => folded(spelling) !== folded(letter))]).toEqual(
        [collation, []],
      );
      await connection.query("DROP TABLE spelt, plain");
    }
  });
});

describeWith(MYSQL, "a pool of MySQL with settings of its own", () => {
  test.each([
    ["rowsAsArray", { rowsAsArray: true }],
    ["bigNumberStrings", { supportBigNumbers: true, bigNumberStrings: true }],
    ["dateStrings and decimalNumbers", { dateStrings: true, decimalNumbers: true }],
    ["namedPlaceholders", { namedPlaceholders: true }],
  ])("%s: guesses are limited all the same", async (_, settings) => {
    const { url } = await freshDatabase();
    const { createPool } = (await import("mysql2")).default;
    const pool = createPool({ uri: url, ...settings });
    onTestFinished(() => new Promise((done) => pool.end(() => done())));
    const { signIn } = applicationOn({ mysql: pool });
    for (let turn = 0; turn < 5; turn++) expect((await signIn(false)).outcome).toBe("failed");
    expect((await signIn(false)).outcome).toBe("throttled");
  });

  test("one without a database, and one of several servers, is refused", async () => {
    const { createPool, createPoolCluster } = (await import("mysql2")).default;
    const pools = [createPool({ host: "127.0.0.1", user: "root" }), createPoolCluster()];
    for (const pool of pools) {
      expect(() => applicationOn({ mysql: pool as never })).toThrow(
        "mysql must be a pool of one server that was made with a database",
      );
      pool.end();
    }
  });
});

const LOST: [
  string,
  readonly Need[],
  (proxy: (url: string) => string) => Promise<SignInAttemptsOptions>,
  string,
][] = [
  [
    "PostgreSQL",
    [POSTGRES],
    async (through) => {
      const { url } = await freshSchema();
      const pool = new (await import("pg")).default.Pool({ connectionString: through(url) });
      pool.on("error", () => {});
      onTestFinished(() => pool.end());
      return { postgres: pool };
    },
    POSTGRES.url,
  ],
  [
    "MySQL",
    [MYSQL],
    async (through) => {
      const { url } = await freshDatabase();
      const pool = (await import("mysql2/promise")).createPool(through(url));
      onTestFinished(() => pool.end());
      return { mysql: pool };
    },
    MYSQL.url,
  ],
  ...Object.entries(drivers).map(([driver, connect]): (typeof LOST)[number] => [
    `Redis, by ${driver}`,
    [REDIS],
    async (through) => {
      const { client, close } = await connect(through(redisUrl()));
      onTestFinished(async () => void (await close()));
      return { redis: client, name: `test_${randomBytes(6).toString("hex")}`, account: { forget: "20m" } };
    },
    redisUrl(),
  ]),
];

for (const [name, needs, make, url] of LOST) {
  describeWith(needs, `while ${name} cannot be reached`, () => {
    test("attempts go on, are counted in memory, and in the database as soon as that is back", async () => {
      const proxy = await startProxy({ port: Number(new URL(url).port) });
      const { signIn, app } = applicationOn({
        ...(await make((given) => proxy.through(given))),
        timeout: "5s",
      });
      for (let turn = 0; turn < 4; turn++) expect((await signIn(false)).outcome).toBe("failed");
      expect(app.told()).not.toContain("storeUnavailable");
      proxy.refuse();
      proxy.reset();
      expect((await signIn(true)).outcome).toBe("passed");
      expect(app.told()).toContain("storeUnavailable");
      proxy.resume();
      await vi.waitFor(
        async () => {
          const faults = app.told().filter((type) => type === "storeUnavailable").length;
          await signIn(false);
          expect(app.told().filter((type) => type === "storeUnavailable")).toHaveLength(faults);
        },
        { timeout: 30_000 },
      );
      expect((await signIn(true)).outcome).toBe("throttled");
    });
  });
}

describeWith(REDIS, "other clients of Redis", () => {
  const fiveThenNone = async (client: RedisClient) => {
    const name = `test_${randomBytes(6).toString("hex")}`;
    const { signIn, app } = applicationOn({
      redis: client,
      name,
      account: { wait: "1s", longest: "1s", forget: "5s" },
    });
    for (let turn = 0; turn < 5; turn++) expect((await signIn(false)).outcome).toBe("failed");
    expect(await signIn(true)).toEqual({ outcome: "throttled", retryAfter: 1 });
    expect(app.told()).not.toContain("storeUnavailable");
  };

  test("a pool of node-redis, one with a prefix, and one that wants bytes", async () => {
    const { createClient, createClientPool, RESP_TYPES } = await import("redis");
    const url = redisUrl();
    const bytes = await createClient({ url, keyPrefix: "test:" }).connect();
    const pool = createClientPool({ url });
    await pool.connect();
    await fiveThenNone(pool as RedisClient);
    await fiveThenNone(bytes.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer }) as never);
    bytes.destroy();
    pool.destroy();
  });

  test("clusters", async () => {
    const cluster = await startRedisCluster();
    onTestFinished(() => cluster.stop());
    for (const connect of [viaIoCluster, viaNodeCluster]) {
      const { client, close } = await connect(cluster.ports);
      await fiveThenNone(client);
      await close();
    }
  });
});

describe("what rate-limiter-flexible does not take", () => {
  test("is refused when it is given", async () => {
    const { default: postgres } = await import("postgres");
    const { createPool } = await import("mariadb");
    const sql = postgres(POSTGRES.url);
    const pool = createPool({
      host: "127.0.0.1",
      database: "test",
      minimumIdle: 0,
      initializationTimeout: 0,
    });
    onTestFinished(async () => {
      await Promise.all([sql.end(), pool.end()]);
    });
    expect(() => applicationOn({ postgres: sql as never })).toThrow(
      "postgres must be a Pool or Client of pg",
    );
    expect(() => applicationOn({ mysql: pool as never })).toThrow("mysql must be a pool of mysql2");
  });
});

describeWith(POSTGRES, "a table that is there already", () => {
  test("is used as it is, and one that is missing is an outage", async () => {
    const { url } = await freshSchema();
    const pool = new (await import("pg")).default.Pool({ connectionString: url });
    onTestFinished(() => pool.end());
    const options = { postgres: pool, name: "failed_sign_ins", createTable: false };
    const { signIn, app } = applicationOn({ ...options, whenDown: "refuse" });
    await expect(signIn(true)).rejects.toMatchObject({ code: "store_unavailable" });
    expect(app.told()).toContain("storeUnavailable");
    await onPostgres(
      url,
      "CREATE TABLE failed_sign_ins (key varchar(255) PRIMARY KEY, points integer NOT NULL DEFAULT 0, expire bigint)",
    );
    expect((await signIn(true)).outcome).toBe("passed");
    expect((await applicationOn(options).signIn(false)).outcome).toBe("failed");
  });
});
