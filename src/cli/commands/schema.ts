import { readFileSync } from "node:fs";
import { Argument, type Command, InvalidArgumentError, Option } from "commander";
import { invalidOptions } from "../../checks/faults.ts";
import { reasonOf } from "../../errors.ts";
import type { Dialect } from "../../stores/sql/dialect.ts";
import { mysqlDialect } from "../../stores/sql/dialects/mysql.ts";
import { postgresDialect } from "../../stores/sql/dialects/postgres.ts";
import { sqliteDialect } from "../../stores/sql/dialects/sqlite.ts";
import { schemaScript } from "../../stores/sql/migrations.ts";
import { nameFault, parseNaming, resolveNaming, schemaOf } from "../../stores/sql/naming.ts";
import { Sql } from "../../stores/sql/sql.ts";
import type { UserIdKind } from "../../stores/store.ts";
import type { Environment } from "../environment.ts";

const DIALECTS = { postgres: postgresDialect, mysql: mysqlDialect, sqlite: sqliteDialect };

interface Options {
  readonly schema?: string;
  readonly timestamps: "integer" | "datetime";
  readonly userIds?: UserIdKind;
  readonly users: boolean;
  readonly audit: boolean;
  readonly names?: string;
  readonly json?: true;
}

const EXAMPLES = `
The names file holds the option \`tables\` as JSON:
  { "sessions": "web_sessions", "logins": { "name": "web_logins", "columns": { "userId": "owner" } } }

Give the store the same options. With \`migrate: true\` it then finds that nothing is left to do, and needs no right
to create tables; with \`migrate: false\` it does not look.

Examples:
  $ psession schema postgres > migrations/0007_sessions.sql
  $ psession schema mysql --user-ids integer --timestamps datetime --users
  $ psession schema sqlite --names names.json | sqlite3 app.sqlite`;

/** @internal */
export function addSchema(program: Command, { stdout }: Environment): void {
  program
    .command("schema")
    .summary("print the SQL that makes the tables")
    .description("Prints the SQL that makes psession's tables, for a migration tool of your own.")
    .addArgument(new Argument("<dialect>", "the database").choices(Object.keys(DIALECTS)))
    .addOption(
      new Option(
        "--schema <name>",
        "schema, database or attached file of the tables; it must be there",
      ).argParser(safeName),
    )
    .addOption(
      new Option("--timestamps <kind>", "how times that people look at are kept")
        .choices(["integer", "datetime"])
        .default("integer"),
    )
    .addOption(
      new Option(
        "--user-ids <kind>",
        'what user ids are (default: "any" for sqlite, "text" elsewhere)',
      ).choices(["integer", "text", "uuid", "any"]),
    )
    .option("--users", "make a users table as well", false)
    .option("--audit", "make the table of an audit trail as well", false)
    .option("--names <file>", "JSON file with names of tables and columns")
    .option("--json", "answer as JSON")
    .addHelpText("after", EXAMPLES)
    .action((dialect: keyof typeof DIALECTS, options: Options, command: Command) => {
      if (options.userIds === "any" && dialect !== "sqlite") {
        command.error("error: --user-ids any is for sqlite: columns of other databases have one type");
      }
      const sql = scriptOf(DIALECTS[dialect], options);
      stdout.write(options.json ? `${JSON.stringify({ dialect, sql }, undefined, 2)}\n` : sql);
    });
}

function scriptOf(dialect: Dialect, options: Options): string {
  const { schema, timestamps, users: createUsers, audit, names } = options;
  const userIds = options.userIds ?? (dialect.name === "sqlite" ? "any" : "text");
  const tables = names === undefined ? undefined : readNames(names);
  const { faults, naming } = parseNaming({ schema, tables, timestamps, createUsers, audit });
  if (naming === undefined) throw invalidOptions("psession schema", faults);
  const made = JSON.stringify({ schema, tables, timestamps, userIds, createUsers, audit });
  const script = schemaScript(new Sql(schemaOf(resolveNaming(naming, userIds)), dialect));
  return `-- The tables of psession in ${dialect.name}, for a store with these options:\n-- ${made}\n\n${script}`;
}

function readNames(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw new Error(`${file} cannot be read as JSON: ${reasonOf(error)}`, { cause: error });
  }
}

function safeName(text: string): string {
  const fault = nameFault(text);
  if (fault !== undefined) throw new InvalidArgumentError(`It ${fault}.`);
  return text;
}
