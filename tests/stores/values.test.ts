/**
 * Whatever a database or a driver refuses: what is thrown, told and logged of it says what failed, and holds no value of a
 * row, neither in a message nor beside it, in the stack, or in what caused it.
 */

import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { inspect } from "node:util";
import { PGlite } from "@electric-sql/pglite";
import mysql2 from "mysql2/promise";
import pg from "pg";
import postgres from "postgres";
import { describe, expect, onTestFinished, test } from "vitest";
import { PsessionError, type Store } from "../../src/index.ts";
import { newAuditId } from "../../src/stores/audit.ts";
import { nameDevice } from "../../src/stores/changes.ts";
import { driverError } from "../../src/stores/messages/driver-error.ts";
import { mysqlStore } from "../../src/stores/mysql/index.ts";
import { postgresStore } from "../../src/stores/postgres/index.ts";
import { digestOf, rememberedRow, sessionRow, T0 } from "../../src/testing/rows.ts";
import { TestBrowser, testApp } from "../support/app.ts";
import { HOUR } from "../support/clock.ts";
import { asUsual, freshDatabase, freshSchema } from "../support/servers/fresh.ts";
import { describeWith, MYSQL, POSTGRES } from "../support/servers/reach.ts";
import { type Backend, type Place, sqlBackends } from "./fixtures.ts";

const USER = "user-OF-MARKS";
const AGENT = "🛒Agent-OF-MARKS";
const ADDRESS = "203.0.113.77";
const NAME = "name-OF-MARKS";
const DATA = '{"card":"data-OF-MARKS"}';
const DIGESTS = ["secret", "token", "previous"].map(digestOf);

const MARKS = [
  "OF-MARKS",
  ADDRESS,
  ...DIGESTS.flatMap((digest) => {
    const bytes = Buffer.from(digest);
    return [bytes.toString("hex"), bytes.toString("base64"), bytes.toString("base64url")].map((text) =>
      text.slice(0, 12),
    );
  }),
  // As drivers print bytes, and parsers the beginning of a text that has no end.
  inspect(Buffer.from(digestOf("secret"))).slice(8, 30),
];

/** Everything that a log could get out of a value. */
function printed(value: unknown, seen = new Set<unknown>()): string {
  if (typeof value !== "object" || value === null) return String(value);
  if (seen.has(value)) return "";
  seen.add(value);
  const parts = [inspect(value, { depth: 99, showHidden: true, maxStringLength: null })];
  try {
    parts.push(JSON.stringify(value));
  } catch {}
  for (const key of Reflect.ownKeys(value)) {
    parts.push(String(key));
    try {
      parts.push(printed((value as Record<PropertyKey, unknown>)[key], seen));
    } catch {}
  }
  return parts.join("\n");
}

function expectNoMarks(value: unknown): void {
  const text = printed(value);
  const found = MARKS.filter((mark) => text.includes(mark));
  expect(found, found.length === 0 ? "" : text).toEqual([]);
}

interface Refusal {
  /** Makes the database refuse. */
  readonly sql: readonly string[];
  /** What is still said of it. */
  readonly said: RegExp;
}

const RAISING = (place: string, body: string): string[] => [
  `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${body} RETURN NEW; END $$`,
  `CREATE TRIGGER refusing BEFORE ${place} FOR EACH ROW EXECUTE FUNCTION refuse()`,
];
const SAYING = "NEW.user_id || ' ' || coalesce(NEW.user_agent, '') || ' ' || NEW.data";

/** What refuses a new session. */
const INSERTS: Record<Backend["dialect"], Readonly<Record<string, Refusal>>> = {
  postgres: {
    "a constraint": {
      sql: ["ALTER TABLE psession_sessions ADD CONSTRAINT no_users CHECK (user_id IS NULL)"],
      said: /no_users.*23514|23514.*no_users/s,
    },
    "a trigger that says why": {
      sql: RAISING(
        "INSERT ON psession_sessions",
        `RAISE EXCEPTION 'refused %', ${SAYING} USING ERRCODE = '23514', DETAIL = ${SAYING}, HINT = ${SAYING}, CONSTRAINT = NEW.user_id, COLUMN = NEW.user_id, TABLE = NEW.user_id;`,
      ),
      said: /23514/,
    },
    "a trigger whose statement fails": {
      sql: RAISING(
        "INSERT ON psession_sessions",
        `EXECUTE 'INSERT INTO nowhere VALUES (' || quote_literal(${SAYING}) || ')';`,
      ),
      said: /42P01/,
    },
    "a trigger whose statement is none": {
      sql: RAISING("INSERT ON psession_sessions", `EXECUTE ${SAYING};`),
      said: /42601/,
    },
    "a column that is too short": {
      sql: ["ALTER TABLE psession_sessions ALTER user_agent TYPE varchar(3)"],
      said: /value too long for type character varying\(3\)/,
    },
    "a column that must be a number": {
      sql: ["CREATE INDEX numbers ON psession_sessions ((user_agent::integer))"],
      said: /invalid input syntax for type integer.*22P02/s,
    },
  },
  mysql: {
    "a constraint": {
      sql: ["ALTER TABLE psession_sessions ADD CONSTRAINT no_users CHECK (user_id IS NULL)"],
      said: /no_users/,
    },
    "a trigger that says why": {
      sql: [
        "CREATE TRIGGER refusing BEFORE INSERT ON psession_sessions FOR EACH ROW BEGIN DECLARE why VARCHAR(128) CHARACTER SET utf8mb4; SET why = LEFT(CONCAT('refused ', NEW.user_id, ' ', NEW.user_agent), 120); SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = why; END",
      ],
      said: /1644.*45000/s,
    },
    "a trigger that says so as if it were the server": {
      sql: [
        "CREATE TRIGGER refusing BEFORE INSERT ON psession_sessions FOR EACH ROW BEGIN DECLARE why VARCHAR(128) CHARACTER SET utf8mb4; SET why = LEFT(CONCAT('Duplicate user ', NEW.user_id), 120); SIGNAL SQLSTATE '23000' SET MYSQL_ERRNO = 1264, MESSAGE_TEXT = why; END",
      ],
      said: /1264/,
    },
    "a column that is too short": {
      sql: ["ALTER TABLE psession_sessions MODIFY user_agent VARCHAR(3) CHARACTER SET utf8mb4"],
      said: /Data too long for column 'user_agent'.*1406/s,
    },
    "a column of another character set": {
      sql: ["ALTER TABLE psession_sessions MODIFY user_agent VARCHAR(100) CHARACTER SET latin1"],
      // The second is MySQL's, since 9.
      said: /Incorrect string value: '…' for column.*user_agent.*1366|Conversion from collation \w+ into latin1_swedish_ci impossible.*3988/s,
    },
    "a column that must be a number": {
      sql: ["ALTER TABLE psession_sessions MODIFY user_agent INT"],
      said: /Incorrect integer value: '…' for column.*user_agent/,
    },
  },
  sqlite: {
    "a trigger that says why": {
      sql: [
        `CREATE TRIGGER refusing BEFORE INSERT ON psession_sessions BEGIN SELECT RAISE(ABORT, 'refused ${USER}'); END`,
      ],
      said: /SQLITE/,
    },
    "a trigger with a constraint": {
      sql: [
        `CREATE TABLE refused (id TEXT, CHECK (id <> '${USER}'))`,
        "CREATE TRIGGER refusing BEFORE INSERT ON psession_sessions BEGIN INSERT INTO refused VALUES (NEW.user_id); END",
      ],
      said: /CHECK constraint failed/,
    },
    "a trigger that reads JSON": {
      sql: [
        "CREATE TRIGGER refusing BEFORE INSERT ON psession_sessions BEGIN SELECT json_extract(NEW.user_agent, NEW.user_id); END",
      ],
      said: /SQLITE/,
    },
  },
};

const rows = () => {
  const login = rememberedRow({ userId: USER, previous: digestOf("previous"), name: NAME });
  const session = sessionRow({
    rememberedId: login.id,
    userId: USER,
    level: "login",
    data: DATA,
    userAgent: AGENT,
    address: ADDRESS,
    name: NAME,
  });
  return { login, session };
};

const failure = async (work: Promise<unknown>): Promise<PsessionError> => {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(PsessionError);
  return error as PsessionError;
};

/** Starting PGlite takes long, and Kysely adds nothing to its errors. */
const backends = sqlBackends.filter(({ name }) => name !== "kysely over pglite");

for (const backend of backends) {
  describeWith(backend.needs, `what a database refuses: ${backend.name}`, () => {
    const freshPlace = async (): Promise<Place> => {
      const place = await backend.open();
      onTestFinished(() => place.close());
      return place;
    };

    test.for(Object.entries(INSERTS[backend.dialect]))("%s", async ([, { sql, said }]) => {
      const place = await freshPlace();
      const store = await place.connect({ audit: true });
      await store.migrate?.();
      for (const text of sql) await place.sql(text);
      await everythingRefused(store, said);
    });

    test("a name that must be unique", async () => {
      const place = await freshPlace();
      const store = await place.connect();
      await store.migrate?.();
      const own = [1, 2].map(() => sessionRow({ userId: USER, level: "login" }));
      for (const insert of own) await store.apply({ kind: "signIn", insert });
      await place.sql("CREATE UNIQUE INDEX only_names ON psession_sessions (name)");
      const [first, second] = own.map(({ id }) => ({ handle: id, userId: USER, name: NAME }));
      if (first === undefined || second === undefined) throw new Error("there are two");
      expect(await nameDevice(store, first)).toBe(true);
      const error = await failure(nameDevice(store, second));
      expectNoMarks(error);
      expect(printed(error)).toMatch(backend.dialect === "sqlite" ? /psession_sessions.name/ : /only_names/);
    });
  });
}

/** As a request, as an audit trail and as events have it. */
async function everythingRefused(store: Store, said: RegExp): Promise<void> {
  const heard: unknown[] = [];
  const hear = (context: unknown) => void heard.push(context);
  const channel = "tracing:psession.store:error";
  subscribe(channel, hear);
  onTestFinished(() => void unsubscribe(channel, hear));

  const { login, session } = rows();
  const error = await failure(store.apply({ kind: "signIn", remember: login, insert: session }));
  expectNoMarks(error);
  expect(printed(error)).toMatch(said);
  expect(error.stack).toMatch(/\n {4}at /);

  const app = testApp({ store });
  const browser = new TestBrowser(app, AGENT);
  const refused = await failure(
    browser.visit(
      async (visitor) => {
        visitor.set("card", "data-OF-MARKS");
        await visitor.login(USER, { remember: true });
      },
      { address: ADDRESS },
    ),
  );
  expectNoMarks(refused);
  expect(heard.length).toBeGreaterThan(0);
  for (const context of heard) expectNoMarks(context);
}

describeWith(POSTGRES, "what PostgreSQL says, in the events of an application", () => {
  test("of touches and audit entries that it refuses", async () => {
    const { url } = await freshSchema();
    const pool = new pg.Pool({ connectionString: url, max: 2 });
    onTestFinished(() => pool.end());
    const store = postgresStore({ pool, audit: true });
    const app = testApp({ store });
    const browser = new TestBrowser(app, AGENT);
    await browser.visit((session) => session.login(USER), { address: "192.0.2.3" });
    await app.psession.flush();
    for (const sql of RAISING("UPDATE ON psession_sessions", `RAISE EXCEPTION 'refused %', ${SAYING};`))
      await pool.query(sql);
    await pool.query(
      `ALTER TABLE psession_audit ADD CONSTRAINT refusing CHECK (address <> '${ADDRESS}') NOT VALID`,
    );
    app.clock.advance(HOUR / 4);
    await browser.visit((session) => session.userId, { address: ADDRESS });
    const others = ["192.0.2.1", ADDRESS, "192.0.2.2"].map((address) =>
      new TestBrowser(app, AGENT).visit((session) => session.login("another"), { address }),
    );
    await Promise.all(others);
    await app.psession.flush();
    await new TestBrowser(app).visit((session) => session.login("another"), { address: "192.0.2.4" });
    await app.psession.flush();
    const told = app.events.filter(({ type }) => type === "storeUnavailable" || type === "auditLost");
    expect(new Set(told.map(({ type }) => type))).toEqual(new Set(["storeUnavailable", "auditLost"]));
    for (const event of told) expectNoMarks("error" in event ? event.error : undefined);
    await app.psession.close();
  });
});

describeWith(POSTGRES, "postgres.js with debug: true, which adds the query to its errors", () => {
  test.for(Object.entries(INSERTS.postgres))("%s", async ([, { sql: texts, said }]) => {
    const { url } = await freshSchema();
    const sql = postgres(url, { max: 2, onnotice: () => {}, debug: true });
    onTestFinished(() => sql.end());
    const store = postgresStore({ sql, audit: true });
    await store.migrate();
    for (const text of texts) await sql.unsafe(text);
    await everythingRefused(store, said);
  });

  test("a serializer of the application that throws", async () => {
    const { url } = await freshSchema();
    const refusing = (value: unknown) => {
      if (value === AGENT) throw new TypeError(`cannot write ${AGENT}`);
      return String(value);
    };
    const types = { text: { to: 25, from: [25], serialize: refusing, parse: String } } as never;
    const sql = postgres(url, { max: 2, onnotice: () => {}, types });
    onTestFinished(() => sql.end());
    const store = postgresStore({ sql: sql as postgres.Sql });
    await store.migrate();
    const error = await failure(store.apply({ kind: "signIn", insert: rows().session }));
    expectNoMarks(error);
    expect(printed(error)).toMatch(/TypeError.*values\.test\.ts/s);
  });
});

test("PGlite with a serializer that throws", async () => {
  const refusing = (value: unknown) => {
    if (value === AGENT) throw new TypeError(`cannot write ${AGENT}`);
    return String(value);
  };
  const pglite = new PGlite({ serializers: { 25: refusing } });
  onTestFinished(() => pglite.close());
  const store = postgresStore({ pglite });
  await store.migrate();
  const error = await failure(store.apply({ kind: "signIn", insert: rows().session }));
  expectNoMarks(error);
  expect(printed(error)).toContain("TypeError");
});

describeWith(MYSQL, "what MySQL refuses", () => {
  test("of an audit trail", async () => {
    const { url } = await freshDatabase();
    const pool = mysql2.createPool({ uri: url, connectionLimit: 2 });
    asUsual(pool.pool);
    onTestFinished(() => pool.end());
    const store = mysqlStore({ pool, audit: true });
    await store.migrate();
    await pool.query("ALTER TABLE psession_audit MODIFY user_id VARCHAR(3) CHARACTER SET utf8mb4");
    const entry = {
      id: newAuditId(T0),
      at: T0,
      event: "login",
      userId: USER,
      actorId: undefined,
      handle: undefined,
    };
    const appended = store.audit?.append([{ ...entry, address: ADDRESS, detail: AGENT }]);
    const error = await failure(appended ?? Promise.resolve());
    expectNoMarks(error);
    expect(printed(error)).toMatch(/Data too long for column 'user_id'/);
  });
});

describe("what is reported of a driver's error", () => {
  const told = (error: unknown) => driverError(error);

  test.for([
    ["Key (user_id)=(ada) already exists.", undefined],
    ['duplicate key value violates unique constraint "psession_sessions_pkey"', "same"],
    ["Duplicate entry 'it''s ada' for key 'only_names'", "Duplicate entry '…' for key 'only_names'"],
    [
      "Incorrect string value: '\\xF0\\x9F' for column `shop`.`psession_sessions`.`user_agent` at row 1",
      "Incorrect string value: '…' for column `shop`.`psession_sessions`.`user_agent` at row 1",
    ],
    ["Failed query: INSERT INTO psession_sessions VALUES ($1)\nparams: ada", undefined],
    ["connect ECONNREFUSED 127.0.0.1:5432", "same"],
    ["Connection terminated unexpectedly", "same"],
    ["UNIQUE constraint failed: psession_sessions.id", "same"],
    ["CHECK constraint failed: user_id <> 'ada'", "CHECK constraint failed: …"],
    ["user ada is blocked", undefined],
    ["ada", undefined],
  ] as const)("%s", ([said, expected]) => {
    const { message } = told(new Error(said));
    if (expected === undefined) expect(message).toMatch(/not repeated, as it may hold values of rows$/);
    else expect(message).toBe(expected === "same" ? said : expected);
  });

  test("whatever is thrown: text, nothing, an object whose fields throw, a circle of causes", () => {
    const odd = Object.defineProperty({}, "message", {
      get() {
        throw new Error("ada");
      },
    });
    const circle = new Error("ada", { cause: undefined });
    circle.cause = circle;
    for (const thrown of ["ada", undefined, null, 7, odd, circle, Symbol("ada")])
      expect(printed(told(thrown))).not.toContain("ada");
  });

  test("lines of a message are not taken for calls of its stack", () => {
    const error = new Error("refused\n    at ada (/home/ada.js:1:1)\n    at bob (/home/bob.js:1:1)");
    const { stack } = told(error);
    expect(stack).not.toContain("/home");
    expect(stack).toMatch(/\n {4}at .*values\.test\.ts/);
  });

  test("what a wrapper of a driver has from the database", () => {
    const cause = Object.assign(new Error('relation "psession_audit" does not exist'), {
      code: "42P01",
      detail: "ada",
    });
    const error = told(new Error("Failed query: SELECT 'ada'", { cause }));
    expect(error.message).toBe('relation "psession_audit" does not exist');
    expect(error.cause).toMatchObject({ code: "42P01" });
    expect(printed(error)).not.toContain("ada");
  });
});
