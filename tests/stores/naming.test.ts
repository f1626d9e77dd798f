/** Each naming option by itself, away from its default; what dates look like to others; and names that are refused. */
import fc from "fast-check";
import { Kysely, PostgresDialect } from "kysely";
import mysqlPromise from "mysql2/promise";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { Store } from "../../src/index.ts";
import { kyselyStore } from "../../src/stores/kysely/index.ts";
import { mysqlStore } from "../../src/stores/mysql/index.ts";
import { postgresStore } from "../../src/stores/postgres/index.ts";
import type { NamingOptions } from "../../src/stores/sql/naming.ts";
import type { TableKey } from "../../src/stores/sql/schema.ts";
import { TABLES } from "../../src/stores/sql/schema.ts";
import { sqliteStore } from "../../src/stores/sqlite/index.ts";
import { rememberedRow, sessionRow } from "../../src/testing/rows.ts";
import { freshDatabase, freshSchema, onMysql, onPostgres } from "../support/servers/fresh.ts";
import { describeWith, MYSQL, POSTGRES } from "../support/servers/reach.ts";
import { type Backend, type Naming, type Place, sqlBackends } from "./fixtures.ts";
import { ADA, exercise, fullRows } from "./naming/exercise.ts";
import { defaultColumn, fieldsOf, TABLE_KEYS } from "./naming/odd.ts";
import { type CatalogColumn, catalog, otherSchema, representatives } from "./naming/places.ts";

interface Scene {
  readonly place: Place;
  connect(naming: Naming): Promise<Store>;
  /** The name of another schema than the place's own. */
  elsewhere(): Promise<string>;
}

async function inPlace<T>(backend: Backend, work: (scene: Scene) => Promise<T>): Promise<T> {
  const place = await backend.open();
  const drops: (() => Promise<void>)[] = [];
  const elsewhere = async () => {
    const { name, drop } = await otherSchema(backend, place);
    drops.push(drop);
    return name;
  };
  try {
    return await work({ place, connect: (naming) => place.connect(naming), elsewhere });
  } finally {
    for (const drop of drops) await drop();
    await place.close();
  }
}

const columnsOf = (found: readonly CatalogColumn[], table: string): string[] =>
  found.filter((one) => one.table === table).map(({ column }) => column);

for (const backend of representatives) {
  describeWith(backend.needs, `each knob by itself: ${backend.name}`, () => {
    for (const key of TABLE_KEYS) {
      const usual = TABLES[key].name;
      const others = TABLE_KEYS.filter((other) => other !== key).map((other) => TABLES[other].name);

      test(`tables.${key}: its name`, async () => {
        for (const naming of ["My Table", { name: "My Table" }]) {
          await inPlace(backend, async ({ place, connect }) => {
            await exercise(await connect({ tables: { [key]: naming }, createUsers: true, audit: true }));
            const tables = new Set((await catalog(backend, place)).map(({ table }) => table));
            expect(tables).toEqual(new Set([...others, "My Table"]));
          });
        }
      });

      test(`tables.${key}: its schema`, async () => {
        await inPlace(backend, async ({ place, connect, elsewhere }) => {
          const schema = await elsewhere();
          await exercise(await connect({ tables: { [key]: { schema } }, createUsers: true, audit: true }));
          const tables = new Set((await catalog(backend, place)).map(({ table }) => table));
          expect(tables).toEqual(new Set(others));
        });
      });

      test(`tables.${key}: each of its columns`, async () => {
        for (const field of fieldsOf(key)) {
          await inPlace(backend, async ({ place, connect }) => {
            const columns = { [field]: "My Column" };
            await exercise(await connect({ tables: { [key]: { columns } }, createUsers: true, audit: true }));
            const expected = fieldsOf(key).map((each) =>
              each === field ? "My Column" : defaultColumn(key, each),
            );
            const found = columnsOf(await catalog(backend, place), usual);
            expect(found.toSorted()).toEqual(expected.toSorted());
          });
        }
      });
    }

    test("schema: that of all tables", async () => {
      await inPlace(backend, async ({ place, connect, elsewhere }) => {
        const schema = await elsewhere();
        await exercise(await connect({ schema, createUsers: true, audit: true }));
        expect(await catalog(backend, place)).toEqual([]);
      });
    });

    test("timestamps and userIds: the types of columns", async () => {
      const types: Record<Backend["dialect"], Record<string, string>> = {
        sqlite: {
          integer: "INTEGER",
          datetime: "TEXT",
          time: "INTEGER",
          userInteger: "INTEGER",
          text: "TEXT",
          uuid: "TEXT",
        },
        postgres: {
          integer: "bigint",
          datetime: "timestamp(3) with time zone",
          time: "bigint",
          userInteger: "bigint",
          text: "text",
          uuid: "uuid",
        },
        mysql: {
          integer: "bigint(20)",
          datetime: "datetime(3)",
          time: "bigint(20)",
          userInteger: "bigint(20)",
          text: "varchar(255)",
          uuid: "char(36)",
        },
      };
      const type = types[backend.dialect];
      for (const timestamps of ["integer", "datetime"] as const) {
        for (const userIds of ["integer", "text", "uuid"] as const) {
          await inPlace(backend, async ({ place, connect }) => {
            await exercise(await connect({ timestamps, userIds, createUsers: true, audit: true }));
            const found = await catalog(backend, place);
            const typeOf = (table: string, column: string) =>
              // MySQL 8 says no width.
              found
                .find((one) => one.table === table && one.column === column)
                ?.type.replace(/^bigint$/, type["time"] ?? "");
            for (const table of ["psession_sessions", "psession_logins", "users"])
              expect(typeOf(table, "created_at")).toBe(type[timestamps]);
            for (const column of ["idle_deadline", "absolute_deadline", "last_seen_at", "authenticated_at"])
              expect(typeOf("psession_sessions", column)).toBe(type[timestamps]);
            for (const column of ["prune_after", "secret_at", "confirm_from"])
              expect(typeOf("psession_sessions", column)).toBe(type["time"]);
            const user = userIds === "integer" ? type["userInteger"] : type[userIds];
            expect(typeOf("psession_sessions", "user_id")).toBe(user);
            expect(typeOf("psession_logins", "user_id")).toBe(user);
            expect(typeOf("users", "id")).toBe(user);
          });
        }
      }
    });
  });
}

/** What our own statements call things. */
const OWN_WORDS = [
  ...[
    "t",
    "s",
    "l",
    "g",
    "m",
    "k",
    "ok",
    "held",
    "proof",
    "seen",
    "rotated",
    "used",
    "remembered",
    "inserted",
  ],
  ...["updated", "confirms", "version", "id", "idle", "prune", "done", "found", "value", "owner", "fence"],
];

for (const backend of representatives) {
  describeWith(backend.needs, `names that psession's own statements use: ${backend.name}`, () => {
    test("are as good as any, for tables and for columns", async () => {
      for (const [index, word] of OWN_WORDS.entries()) {
        const after = (step: number) => OWN_WORDS[(index + step) % OWN_WORDS.length] ?? "";
        const tables: NamingOptions["tables"] = {
          sessions: {
            name: word,
            columns: {
              id: after(8),
              version: `${after(9)}2`,
              confirmFrom: `${after(10)}3`,
              fence: `${after(11)}4`,
            },
          },
          logins: { name: after(1), columns: { id: after(12), confirmedAt: `${after(13)}2` } },
          locks: { name: after(2), columns: { name: `${after(14)}2` } },
          meta: { name: after(3), columns: { name: `${after(15)}2` } },
        };
        await inPlace(backend, async ({ connect }) => exercise(await connect({ tables })));
      }
    });
  });
}

/** Before 1970 and after 2038, at both ends of summer time in New York, and fractions that halves round wrongly. */
const INSTANTS = [
  "1969-12-31 23:59:59.999",
  "2001-09-09 01:46:40.001",
  "2026-03-08 07:30:00.125",
  "2026-11-01 05:30:00.500",
  "2026-11-01 06:30:00.500",
  "2026-12-31 23:59:59.999",
  "2096-10-02 07:06:40.007",
];
const READ_INSTANT = {
  sqlite: "strftime('%Y-%m-%d %H:%M:%f', created_at)",
  postgres: "to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS')",
  mysql: "CAST(created_at AS CHAR)",
};

/** Writes instants with one store, reads them with another; `sql` reads past the library. */
async function keepsInstants(
  dialect: Backend["dialect"],
  [writer, reader]: readonly [Store, Store],
  sql: Place["sql"],
): Promise<void> {
  for (const instant of INSTANTS) {
    const at = Date.parse(`${instant.replace(" ", "T")}Z`);
    const moments = { createdAt: at, idleDeadline: at + 1, absoluteDeadline: at + 2 };
    const login = rememberedRow({ ...moments, lastUsedAt: at + 3 });
    const session = sessionRow({
      ...moments,
      lastSeenAt: at + 3,
      authenticatedAt: at + 4,
      rememberedId: login.id,
    });
    await writer.apply({ kind: "signIn", remember: login, insert: session });
    const entry = await reader.findRemembered(login.id);
    expect(entry?.session).toMatchObject({ ...moments, lastSeenAt: at + 3, authenticatedAt: at + 4 });
    expect(entry?.login).toMatchObject({ ...moments, lastUsedAt: at + 3 });
    const rows = await sql(
      `SELECT ${READ_INSTANT[dialect]} AS at FROM psession_sessions WHERE id = '${session.id}'`,
    );
    expect(rows).toEqual([{ at: instant }]);

    const use = { id: login.id, lastUsedAt: at + 5, idleDeadline: at + 6, pruneAfter: 1, confirm: undefined };
    const touch = { sessionId: session.id, lastSeenAt: at + 7, idleDeadline: at + 8, pruneAfter: 1 };
    await writer.touch([{ ...touch, remembered: use }]);
    const touched = await reader.findRemembered(login.id);
    expect(touched?.session).toMatchObject({ ...moments, lastSeenAt: at + 7, idleDeadline: at + 8 });
    expect(touched?.login).toMatchObject({ ...moments, lastUsedAt: at + 5, idleDeadline: at + 6 });
  }
}

describe("dates in a process that is in New York", () => {
  const before = process.env["TZ"];
  beforeAll(() => {
    process.env["TZ"] = "America/New_York";
    expect(new Date(0).getTimezoneOffset()).toBe(300);
  });
  afterAll(() => {
    if (before === undefined) delete process.env["TZ"];
    else process.env["TZ"] = before;
  });

  for (const backend of sqlBackends) {
    describeWith(backend.needs, backend.name, () => {
      test("are exact, and UTC", () =>
        inPlace(backend, async ({ place, connect }) => {
          const store = await connect({ timestamps: "datetime" });
          await keepsInstants(backend.dialect, [store, store], place.sql);
        }));
    });
  }

  describeWith(POSTGRES, "a PostgreSQL whose connections are in other time zones", () => {
    test("are exact, and UTC, whatever time zones PostgreSQL is set to", async () => {
      const { url } = await freshSchema();
      const storeIn = (zone: string): Store => {
        const within = new URL(url);
        const options = `${within.searchParams.get("options")} -c timezone=${zone} -c datestyle=German`;
        within.searchParams.set("options", options);
        within.search = within.search.replaceAll("+", "%20");
        const pool = new pg.Pool({ connectionString: within.href });
        onTestFinished(() => pool.end());
        return postgresStore({ pool, timestamps: "datetime" });
      };
      const stores = [storeIn("Asia/Kolkata"), storeIn("Pacific/Auckland")] as const;
      await keepsInstants("postgres", stores, (text) => onPostgres(url, text));
    });
  });

  describeWith(MYSQL, "a MySQL whose connections and drivers are in other time zones", () => {
    test("are exact, and UTC, whatever time zones MySQL is set to", async () => {
      const { url } = await freshDatabase();
      const storeIn = (server: string, timezone: string): Store => {
        const pool = mysqlPromise.createPool({ uri: url, timezone, dateStrings: false });
        onTestFinished(() => pool.end());
        // Commands of one connection are in order, so this comes before ours.
        pool.pool.on("connection", (connection) => connection.query(`SET time_zone = '${server}'`));
        return mysqlStore({ pool, timestamps: "datetime" });
      };
      const stores = [storeIn("+05:30", "-08:00"), storeIn("-03:00", "local")] as const;
      await keepsInstants("mysql", stores, (text) => onMysql(url, text));
    });
  });
});

const makers: Record<string, (naming: object) => Store> = {
  sqliteStore: (naming) => sqliteStore({ path: ":memory:", ...naming }),
  postgresStore: (naming) => postgresStore({ pool: { connect: () => Promise.reject() }, ...naming }),
  kyselyStore: (naming) =>
    kyselyStore({ db: new Kysely({ dialect: new PostgresDialect({ pool: new pg.Pool() }) }), ...naming }),
  mysqlStore: (naming) => mysqlStore({ pool: mysqlPromise.createPool({}), ...naming }),
};

for (const [maker, make] of Object.entries(makers)) {
  describe(`what ${maker} refuses`, () => {
    const faultsOf = (naming: object): string[] => {
      try {
        make(naming);
      } catch (error) {
        expect(error).toMatchObject({ code: "invalid_options" });
        const [title, ...lines] = (error as Error).message.split("\n");
        expect(title).toBe(`${maker} cannot start:`);
        return lines;
      }
      return [];
    };

    const UNSAFE = [
      ..."\"'`;[]\\.?:@#%/*(),+=<>|&!{}~^".split("").map((character) => `a${character}b`),
      ...["$1", "1a", "-a", " a", "a ", "", "a\u0000b", "a\nb", "a\tb", "a\u007fb", "a\u0085b", "a\u2028b"],
      ...["a\u00a0b", "a\u200bb", "a\u202eb", "a--b;", "😀", "a😀", "\ud800", "𝒶", "x' OR '1'='1"],
      ...["a".repeat(49), "ä".repeat(25), "字".repeat(17)],
    ];

    test("names that quoting might not survive, or that are too long, wherever they are given", () => {
      for (const name of UNSAFE) {
        const faults = faultsOf({
          schema: name,
          tables: {
            sessions: name,
            logins: { name },
            meta: { schema: name },
            locks: { columns: { owner: name } },
          },
        });
        for (const path of [
          "schema",
          "tables.sessions",
          "tables.logins.name",
          "tables.meta.schema",
          "tables.locks.columns.owner",
        ])
          expect(faults, JSON.stringify(name)).toContainEqual(
            expect.stringMatching(
              new RegExp(`^- ${path.replaceAll(".", "\\.")} must (begin with|hold|have)`),
            ),
          );
        if (name.length > 3) expect(faults.join("\n")).not.toContain(name);
      }
    });

    test("no name of exactly the maximum length", () => {
      for (const name of [
        "a".repeat(48),
        "ä".repeat(24),
        "字".repeat(16),
        "a",
        "_",
        "Group By",
        "a-b",
        "a$1",
      ])
        expect(
          faultsOf({ tables: { sessions: name, logins: { columns: { id: name } } }, migrate: false }),
        ).toEqual([]);
    });

    test("names that databases keep for themselves", () => {
      const faults = faultsOf({
        tables: { meta: "SQLITE_meta", logins: { columns: { id: "xmin", token: "DB_ROW_ID" } } },
      });
      expect(faults).toEqual([
        "- tables.logins.columns.id is a name that a database keeps for itself",
        "- tables.logins.columns.token is a name that a database keeps for itself",
        "- tables.meta is a name that a database keeps for itself",
      ]);
    });

    test("unknown options, by their whole paths, and all at once", () => {
      expect(faultsOf({ tables: { sessions: { columns: { userID: "x" } } } })).toEqual([
        "- tables.sessions.columns.userID is no option",
      ]);
      expect(faultsOf({ tables: { session: "x" } })).toEqual(["- tables.session is no option"]);
      expect(faultsOf({ tables: { sessions: "a;b" } })).toEqual([
        "- tables.sessions must begin with a letter or _ and hold letters, digits, _, $, - and spaces only, with no space at its end",
      ]);
      const shape = "must be a name, or an object with name, schema and columns";
      expect(
        faultsOf({
          timestamps: "text",
          createUsers: 1,
          userIds: "number",
          tables: {
            sessions: { colums: {}, nam: "x", columns: { user: "a", secret_at: "b", data: 5 } },
            logins: 5,
            locks: [],
            meta: null,
            tokens: "x",
          },
        }).toSorted(),
      ).toEqual(
        [
          '- timestamps must be "integer" or "datetime"',
          "- createUsers must be true or false",
          `- userIds must be ${maker === "sqliteStore" ? '"any", ' : ""}"text", "integer" or "uuid"`,
          "- tables.sessions.colums is no option",
          "- tables.sessions.nam is no option",
          "- tables.sessions.columns.user is no option",
          "- tables.sessions.columns.secret_at is no option",
          "- tables.sessions.columns.data must be text",
          `- tables.logins ${shape}`,
          `- tables.locks ${shape}`,
          `- tables.meta ${shape}`,
          "- tables.tokens is no option",
        ].toSorted(),
      );
      expect(faultsOf({ tables: "x" })).toEqual(["- tables must be an object"]);
      expect(faultsOf({ tables: { sessions: { columns: "x" } } })).toEqual([
        "- tables.sessions.columns must be an object",
      ]);
    });

    test("two of the same name, without case and accents, together with what else is wrong", () => {
      expect(
        faultsOf({ schema: "a;b", tables: { sessions: "Users", logins: { name: "PSESSION_META" } } }),
      ).toEqual([
        expect.stringContaining("- schema must"),
        "- tables.meta and tables.logins have the same name",
        "- tables.users and tables.sessions have the same name",
      ]);
      expect(
        faultsOf({ tables: { sessions: { columns: { userId: "ID", data: "é", level: "E" } } } }),
      ).toEqual([
        "- tables.sessions.columns.userId and id have the same name",
        "- tables.sessions.columns.data and level have the same name",
      ]);
      expect(faultsOf({ tables: { sessions: "x", users: "X_user" } })).toEqual([
        "- tables.users has the name of an index of tables.sessions",
      ]);
      // Where they are in different schemas, they are two.
      expect(
        faultsOf({ migrate: false, tables: { sessions: { name: "a", schema: "b" }, logins: "a" } }),
      ).toEqual([]);
    });
  });
}

/** Names that are accepted, and strings that try to be more than a name. */
const anyName = fc.oneof(
  { weight: 12, arbitrary: fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_$ -]{0,20}[A-Za-z0-9_$-]$/) },
  { weight: 2, arbitrary: fc.stringMatching(/^[\p{L}_][\p{L}\p{N}_$ -]{0,12}[\p{L}\p{N}]$/u) },
  { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 12 }) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      ...[
        "canary",
        "ok",
        "seen",
        "t",
        "s",
        "l",
        "g",
        "held",
        "used",
        "remembered",
        "updated",
        "excluded",
        "new",
      ],
      ...[
        "confirms",
        "rowid",
        "oid",
        "ctid",
        "SELECT",
        "value",
        "unnest",
        "json_each",
        "sqlite_master",
        "at",
      ],
      ...[
        'x"; DROP TABLE canary; --',
        "x`; DROP TABLE canary; --",
        "x'; DROP TABLE canary; --",
        "x/*",
        "main",
      ],
    ),
  },
);

const anyNaming: fc.Arbitrary<NamingOptions> = fc
  .uniqueArray(
    fc.record({
      key: fc.constantFrom<TableKey>("sessions", "logins", "meta", "locks"),
      part: fc.nat({ max: 40 }),
      name: anyName,
    }),
    { minLength: 1, maxLength: 4, selector: ({ name }) => name },
  )
  .map((picks) => {
    const tables: Record<string, { name?: string; columns: Record<string, string> }> = {};
    for (const { key, part, name } of picks) {
      tables[key] ??= { columns: {} };
      const field = fieldsOf(key)[part];
      if (field === undefined) tables[key].name = name;
      else tables[key].columns[field] = name;
    }
    return { tables };
  });

const RUNS: Record<string, number> = { "node:sqlite": 150, pg: 20, pglite: 60, "mysql2/promise": 20 };

for (const backend of representatives) {
  describeWith(backend.needs, `any name at all: ${backend.name}`, () => {
    test("is refused, or works and touches no other table", async () => {
      let accepted = 0;
      await fc.assert(
        fc.asyncProperty(anyNaming, (naming) =>
          inPlace(backend, async ({ place, connect }) => {
            await place.sql("CREATE TABLE canary (id int PRIMARY KEY, song varchar(9))");
            await place.sql("INSERT INTO canary VALUES (1, 'tweet')");
            const isTaken = Object.values(naming.tables ?? {}).some(
              (table) => typeof table === "object" && table.name?.toLowerCase() === "canary",
            );
            const work = async () => exercise(await connect(naming));
            const refusal = await work().then(
              () => undefined,
              (error: unknown) => error,
            );
            if (refusal === undefined) accepted++;
            else if (isTaken) {
              expect(refusal).toMatchObject({
                code: expect.stringMatching(/invalid_options|store_not_migrated/),
              });
            } else if ((refusal as { code?: string }).code !== "invalid_options") throw refusal;
            expect(await place.sql("SELECT * FROM canary")).toEqual([{ id: 1, song: "tweet" }]);
            const tables = new Set((await catalog(backend, place)).map(({ table }) => table));
            if (!isTaken) expect(tables.size).toBe(refusal === undefined ? 5 : 1);
          }),
        ),
        { numRuns: RUNS[backend.name] ?? 20 },
      );
      expect(accepted).toBeGreaterThan(0);
    });
  });
}

test("the rows that the knobs are tried with have every field set", () => {
  const { login, session } = fullRows(ADA.text);
  const { confirmedAt: _, revokedAt: __, revokedReason: ___, ...rest } = login;
  expect(Object.values({ ...rest, ...session })).not.toContain(undefined);
});
