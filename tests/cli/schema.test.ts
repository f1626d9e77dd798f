import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { PGlite } from "@electric-sql/pglite";
import mysqlPromise from "mysql2/promise";
import pg from "pg";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Store } from "../../src/index.ts";
import { mysqlStore } from "../../src/stores/mysql/index.ts";
import { postgresStore } from "../../src/stores/postgres/index.ts";
import { sqliteStore } from "../../src/stores/sqlite/index.ts";
import type { Naming } from "../stores/fixtures.ts";
import { exercise } from "../stores/naming/exercise.ts";
import { oddTables } from "../stores/naming/odd.ts";
import { freshDatabase, freshSchema } from "../support/servers/fresh.ts";
import { describeWith, MYSQL, type Need, POSTGRES } from "../support/servers/reach.ts";
import { temporaryFolder } from "../support/temp.ts";
import { psession } from "./run.ts";

test("help lists commands and options, and exits with 0", async () => {
  const main = await psession("--help");
  expect(main).toMatchObject({ code: 0, stderr: "" });
  expect(main.stdout).toMatch(/Usage: psession.*schema .*print the SQL/s);
  const help = await psession("schema", "--help");
  expect(help).toMatchObject({ code: 0, stderr: "" });
  for (const option of ["--schema", "--timestamps", "--user-ids", "--users", "--audit", "--names"])
    expect(help.stdout).toContain(option);
  const { stdout, code } = await psession("--version");
  expect([stdout, code]).toEqual([expect.stringMatching(/^\d+\.\d+\.\d+\n$/), 0]);
});

describe("wrong usage", () => {
  const WRONG: [string[], string][] = [
    [[], "Usage: psession"],
    [["shema"], "unknown command 'shema'"],
    [["schema"], "missing required argument 'dialect'"],
    [["schema", "oracle"], "Allowed choices are postgres, mysql, sqlite"],
    [["schema", "sqlite", "mysql"], "too many arguments"],
    [["schema", "sqlite", "--timestamps", "text"], "Allowed choices are integer, datetime"],
    [["schema", "sqlite", "--user-ids", "number"], "Allowed choices are integer, text, uuid, any"],
    [["schema", "mysql", "--user-ids", "any"], "--user-ids any is for sqlite"],
    [["schema", "postgres", "--schema", 'a";b'], "It must begin with a letter"],
    [["schema", "postgres", "--schema"], "argument missing"],
    [["schema", "postgres", "--colour"], "unknown option '--colour'"],
  ];
  for (const [values, reason] of WRONG) {
    test(`psession ${values.join(" ")}`, async () => {
      const ran = await psession(...values);
      expect(ran).toMatchObject({ code: 2, stdout: "", stderr: expect.stringContaining(reason) });
    });
  }
});

describe("a names file", () => {
  const namesFile = (text: string): string => {
    const file = join(temporaryFolder(), "names.json");
    writeFileSync(file, text);
    return file;
  };

  test("that is missing, no JSON, or wrong is reported, and nothing is printed", async () => {
    const wrong = { sessions: { columns: { userID: "x", data: "a;b" } }, tokens: "x" };
    const CASES: [string, RegExp][] = [
      [join(temporaryFolder(), "missing.json"), /missing\.json cannot be read as JSON: ENOENT/],
      [namesFile("{ sessions: 'x' }"), /names\.json cannot be read as JSON/],
      [namesFile("[]"), /- tables must be an object/],
      [
        namesFile(JSON.stringify(wrong)),
        /- tables\.sessions\.columns\.data must begin.*- tables\.sessions\.columns\.userID is no option.*- tables\.tokens is no option/s,
      ],
      [namesFile('{ "sessions": "a", "logins": "A" }'), /have the same name/],
    ];
    for (const [file, reason] of CASES) {
      const ran = await psession("schema", "sqlite", "--names", file);
      expect(ran).toMatchObject({ code: 1, stdout: "", stderr: expect.stringMatching(reason) });
    }
  });
});

type Making = Naming & { migrate: boolean };

/** A database as a migration tool has it: it takes a whole script. */
interface Target {
  feed(script: string): Promise<unknown>;
  store(options: Making): Store;
}

const TARGETS: Record<string, { dialect: string; needs: Need[]; open: () => Promise<Target> }> = {
  "node:sqlite": {
    dialect: "sqlite",
    needs: [],
    open: async () => {
      const database = new DatabaseSync(join(temporaryFolder(), "app.sqlite"));
      onTestFinished(() => database.close());
      return {
        feed: async (script) => database.exec(script),
        store: (options) => sqliteStore({ database, ...options }),
      };
    },
  },
  pg: {
    dialect: "postgres",
    needs: [POSTGRES],
    open: async () => {
      const { url } = await freshSchema();
      const pool = new pg.Pool({ connectionString: url });
      onTestFinished(() => pool.end());
      return {
        feed: (script) => pool.query(script),
        store: (options) => postgresStore({ pool, ...options }),
      };
    },
  },
  pglite: {
    dialect: "postgres",
    needs: [],
    open: async () => {
      const pglite = new PGlite();
      onTestFinished(() => pglite.close());
      return {
        feed: (script) => pglite.exec(script),
        store: (options) => postgresStore({ pglite, ...options }),
      };
    },
  },
  mysql2: {
    dialect: "mysql",
    needs: [MYSQL],
    open: async () => {
      const { url } = await freshDatabase();
      const tool = await mysqlPromise.createConnection({ uri: url, multipleStatements: true });
      const pool = mysqlPromise.createPool(url);
      onTestFinished(async () => {
        await tool.end();
        await pool.end();
      });
      return { feed: (script) => tool.query(script), store: (options) => mysqlStore({ pool, ...options }) };
    },
  },
};

for (const [name, { dialect, needs, open }] of Object.entries(TARGETS)) {
  describeWith(needs, `what psession schema ${dialect} prints: ${name}`, () => {
    const printed = async (...values: string[]): Promise<string> => {
      const { code, stdout, stderr } = await psession("schema", dialect, ...values);
      expect([code, stderr]).toEqual([0, ""]);
      return stdout;
    };

    test("makes the tables of a store with the default options", async () => {
      const target = await open();
      await target.feed(await printed());
      await exercise(target.store({ migrate: true }));
      await exercise(target.store({ migrate: false }));
    });

    test("follows every option", async () => {
      const target = await open();
      const tables = oddTables();
      const names = join(temporaryFolder(), "names.json");
      writeFileSync(names, JSON.stringify(tables));
      const options = [
        "--timestamps",
        "datetime",
        "--user-ids",
        "uuid",
        "--users",
        "--audit",
        "--names",
        names,
      ];
      await target.feed(await printed(...options));
      const naming: Naming = {
        timestamps: "datetime",
        userIds: "uuid",
        createUsers: true,
        audit: true,
        tables,
      };
      await exercise(target.store({ ...naming, migrate: true }));
      await exercise(target.store({ ...naming, migrate: false }));
      // Nothing was made twice, and nothing with other options is taken for the same.
      const other = async (options: Naming) =>
        target.store({ ...naming, ...options, migrate: true }).findSession("x");
      await expect(other({ timestamps: "integer" })).rejects.toMatchObject({ code: "store_not_migrated" });
      await expect(other({ userIds: "text" })).rejects.toMatchObject({ code: "store_not_migrated" });
    });

    test("names the schema everywhere", async () => {
      const script = await printed("--schema", "My Schema", "--users");
      const made = script.match(/CREATE [^(]*/g) ?? [];
      expect(made.length).toBeGreaterThanOrEqual(5);
      for (const statement of made) expect(statement).toMatch(/["`]My Schema["`]\./);
      expect(script.match(/INSERT INTO [^(]*/g)).toEqual(
        Array.from({ length: 2 }, () => expect.stringMatching(/["`]My Schema["`]\.["`]psession_meta/)),
      );
    });

    test("is no more than statements, and says for which options", async () => {
      const script = await printed();
      expect(script).toMatch(
        /^-- .*\n-- \{"timestamps":"integer","userIds":"(any|text)","createUsers":false,"audit":false\}\n/,
      );
      const statements = script
        .replace(/^--.*\n/gm, "")
        .trim()
        .split(/;\s*/)
        .filter(Boolean);
      for (const statement of statements)
        expect(statement).toMatch(/^(CREATE (TABLE|(UNIQUE )?INDEX)|INSERT INTO) /);
    });
  });
}
