/**
 * Runs the tests of stores on the servers that the variables PSESSION_TEST_* name, and writes into
 * docs/stores/versions.md which versions those were and how many tests passed. A run that fails writes nothing.
 *
 *   node scripts/store-versions.ts                  runs them
 *   node scripts/store-versions.ts .tmp/vitest.json  takes what a run of all tests on the same servers has reported
 */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import mysql from "mysql2/promise";
import pg from "pg";
import { createClient } from "redis";
import { MYSQL, POSTGRES } from "../tests/support/servers/reach.ts";
import { REDIS } from "../tests/support/servers/redis.ts";

const PAGE = "docs/stores/versions.md";
const [given] = process.argv.slice(2);
const REPORT = given ?? ".tmp/stores.json";
const HEAD = "| server | drivers | tests passed | day |";
const DRIVERS = {
  postgres: ["pg", "postgres", "@electric-sql/pglite", "kysely"],
  mysql: ["mysql2", "mariadb", "kysely"],
  redis: ["redis", "ioredis"],
} as const;

interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

if (given === undefined) {
  const { status } = spawnSync(process.execPath, ["node_modules/vitest/vitest.mjs", "run", "tests/stores"], {
    stdio: "inherit",
    env: { ...process.env, PSESSION_TEST_REPORT: REPORT, CI: "true" },
  });
  if (status !== 0) process.exit(status ?? 1);
}

const { testResults } = JSON.parse(readFileSync(REPORT, "utf8")) as Report;
const files = testResults.filter(({ name }) => name.includes("/tests/stores/"));
const results = files.flatMap(({ assertionResults }) => assertionResults);
const isWhole =
  results.length > 0 &&
  files.every(({ status }) => status === "passed") &&
  results.every(({ status }) => status === "passed");
if (!isWhole) {
  console.error(`${REPORT}: not every test of stores has passed, so nothing is written.`);
  process.exit(1);
}
const passed = results.map(({ fullName }) => fullName);
const day = new Date().toISOString().slice(0, 10);
const lines = [
  { server: await postgresVersion(), kind: "postgres", about: /postgres|pglite| pg\b|pgbouncer/i },
  { server: await mysqlVersion(), kind: "mysql", about: /mysql|mariadb/i },
  { server: await redisVersion(), kind: "redis", about: /redis|valkey/i },
].map(({ server, kind, about }) => {
  const drivers = DRIVERS[kind as keyof typeof DRIVERS].map((name) => `${name} ${versionOf(name)}`);
  const count = passed.filter((name) => about.test(name)).length;
  return { server, line: `| ${server} | ${drivers.join(", ")} | ${count} | ${day} |` };
});

const page = readFileSync(PAGE, "utf8").trimEnd().split("\n");
const kept = page.filter((line) => !lines.some(({ server }) => line.startsWith(`| ${server} |`)));
const start = kept.indexOf(HEAD) + 2;
const rows = [...kept.slice(start), ...lines.map(({ line }) => line)].sort();
writeFileSync(PAGE, `${[...kept.slice(0, start), ...rows].join("\n")}\n`);
console.log(lines.map(({ line }) => line).join("\n"));

function versionOf(name: string): string {
  return JSON.parse(readFileSync(`node_modules/${name}/package.json`, "utf8")).version;
}

/** "15.18 (Debian 15.18-0+deb12u1)" is 15.18 of PostgreSQL, wherever it was built. */
async function postgresVersion(): Promise<string> {
  const client = new pg.Client({ connectionString: POSTGRES.url });
  await client.connect();
  const { rows } = await client.query("SHOW server_version");
  await client.end();
  return `PostgreSQL ${String(rows[0]?.server_version).split(" ")[0]}`;
}

async function mysqlVersion(): Promise<string> {
  const connection = await mysql.createConnection(MYSQL.url);
  const [rows] = await connection.query("SELECT VERSION() AS version");
  await connection.end();
  const [version = ""] = String((rows as { version: string }[])[0]?.version).split("-");
  return `${JSON.stringify(rows).includes("MariaDB") ? "MariaDB" : "MySQL"} ${version}`;
}

async function redisVersion(): Promise<string> {
  const client = createClient({ url: REDIS.url });
  await client.connect();
  const info = await client.info("server");
  await client.close();
  const of = (field: string) => new RegExp(`^${field}:(.*?)\\r?$`, "m").exec(info)?.[1];
  return of("valkey_version") === undefined
    ? `Redis ${of("redis_version")}`
    : `Valkey ${of("valkey_version")}`;
}
