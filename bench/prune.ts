/**
 * How long reads take while 900,000 of 1,000,000 rows are pruned, against how long they take without:
 * `npm run bench:prune [-- postgres|mysql rows]`. The reader is a process of its own.
 */

import { fork } from "node:child_process";
import { once } from "node:events";
import mysql from "mysql2/promise";
import pg from "pg";
import { createPsession, type Store } from "psession";
import { mysqlStore } from "psession/mysql";
import { postgresStore } from "psession/postgres";
import { claimPrune } from "../src/upkeep/prune.ts";

const [kind = "postgres", count = "1000000"] = process.argv.slice(2);
const rows = Number(count);
const name = `psession_bench_${process.pid}`;
const now = Date.now();
const KEY = "bench/k9Vv3Qm7sXw2Lr8TzYb4Nc6Jd1Hf5Gp0";
/** Rows have the size of a small cart. */
const DATA = JSON.stringify({ cart: ["tea", "cups"], note: "x".repeat(300) });

const { address, execute, store, end } = await (kind === "mysql" ? onMysql() : onPostgres());
try {
  await claimPrune(store, 0, 1);
  await fill();
  const psession = createPsession({ store, keys: [KEY], prune: false });
  const quiet = await whileReading(() => new Promise((resolve) => setTimeout(resolve, 10_000)));
  const started = performance.now();
  let pruned = 0;
  const busy = await whileReading(async () => {
    pruned = (await psession.prune()).sessions;
  });
  const seconds = (performance.now() - started) / 1000;
  const line = (title: string, { p50, p99, most, reads }: Reading) =>
    `${title.padEnd(8)} p50 ${p50.toFixed(2)} ms  p99 ${p99.toFixed(2)} ms  longest ${most.toFixed(1)} ms  (${reads} reads)`;
  console.log(`${kind}: ${pruned} of ${rows} rows pruned in ${seconds.toFixed(1)} s, by 1,000`);
  console.log(line("quiet", quiet));
  console.log(line("pruning", busy));
  console.log(`p99 ratio ${(busy.p99 / quiet.p99).toFixed(2)}`);
} finally {
  await execute(kind === "mysql" ? `DROP DATABASE ${name}` : `DROP SCHEMA ${name} CASCADE`);
  await end();
}

interface Reading {
  readonly p50: number;
  readonly p99: number;
  readonly most: number;
  readonly reads: number;
}

async function whileReading(work: () => Promise<unknown>): Promise<Reading> {
  const reader = fork(new URL("./prune-reader.ts", import.meta.url), [kind, address, String(rows)]);
  await once(reader, "message");
  await work();
  reader.send("stop");
  const [reading] = await once(reader, "message");
  return reading as Reading;
}

/** One row in ten is alive; expired rows lie between live ones, as in a table in use. */
async function fill(): Promise<void> {
  const step = 100_000;
  for (let from = 0; from < rows; from += step) {
    const garbage = `CASE WHEN n % 10 = 0 THEN ${now + 86_400_000} ELSE ${now - 3_600_000} - (n % 500) * 3600000 END`;
    const series =
      kind === "mysql"
        ? `(SELECT seq AS n FROM seq_${from}_to_${from + step - 1}) t`
        : `generate_series(${from}, ${from + step - 1}) n`;
    const id = kind === "mysql" ? "LPAD(n, 22, '0')" : "lpad(n::text, 22, '0')";
    const bytes = kind === "mysql" ? "UNHEX(REPEAT('ab', 32))" : "decode(repeat('ab', 32), 'hex')";
    await execute(
      `INSERT INTO ${name}.psession_sessions (id, secret, secret_at, user_id, level, data, version, created_at, last_seen_at, idle_deadline, absolute_deadline, prune_after)
       SELECT ${id}, ${bytes}, ${now}, NULL, 'anonymous', '${DATA}', 1, ${now}, ${now}, ${now}, ${now}, ${garbage} FROM ${series}`,
    );
  }
  await execute(
    kind === "mysql" ? `ANALYZE TABLE ${name}.psession_sessions` : `VACUUM ANALYZE ${name}.psession_sessions`,
  );
}

async function onPostgres() {
  const base = process.env["PSESSION_TEST_POSTGRES"] ?? "postgres://postgres@127.0.0.1:5432/postgres";
  const address = `${base}?options=-c%20search_path%3D${name}`;
  const pool = new pg.Pool({ connectionString: address });
  await pool.query(`CREATE SCHEMA ${name}`);
  const store: Store = postgresStore({ pool });
  return { address, store, execute: (sql: string) => pool.query(sql), end: () => pool.end() };
}

async function onMysql() {
  const address = new URL(process.env["PSESSION_TEST_MYSQL"] ?? "mysql://root@127.0.0.1:3306/test");
  const admin = await mysql.createConnection(address.href);
  await admin.query(`CREATE DATABASE ${name}`);
  address.pathname = `/${name}`;
  const pool = mysql.createPool(address.href);
  const store: Store = mysqlStore({ pool });
  const end = async () => {
    await pool.end();
    await admin.end();
  };
  return { address: address.href, store, execute: (sql: string) => admin.query(sql), end };
}
