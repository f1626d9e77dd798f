/** What a session and its remembered login take in each store, indexes included: `npm run bench:size [-- count]`. */
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import mysql from "mysql2/promise";
import pg from "pg";
import { createPsession, type Store } from "psession";
import { mysqlStore } from "psession/mysql";
import { postgresStore } from "psession/postgres";
import { sqliteStore } from "psession/sqlite";

const count = Number(process.argv[2] ?? 20_000);
const name = `psession_bench_${process.pid}`;
const AGENT =
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36";
/** A cart of three things and some settings: 300 bytes of JSON. */
const DATA = {
  cart: Array.from({ length: 3 }, (_, n) => ({
    id: 1000 + n,
    name: "Assam, second flush, 100 g",
    quantity: n + 1,
  })),
  settings: { theme: "dark", language: "en", currency: "EUR" },
  seen: [17, 22, 31, 45],
};

async function fill(store: Store, remember: boolean): Promise<void> {
  const psession = createPsession<typeof DATA>({
    store,
    keys: ["bench/k9Vv3Qm7sXw2Lr8TzYb4Nc6Jd1Hf5Gp0"],
    prune: false,
  });
  for (let from = 0; from < count; from += 100) {
    await Promise.all(
      Array.from({ length: 100 }, async (_, index) => {
        const exchange = psession.exchange({
          cookie: undefined,
          secure: true,
          navigation: true,
          script: false,
          canSetCookies: true,
          userAgent: AGENT,
          address: "2001:db8:85a3::8a2e:370:7334",
        });
        const session = await exchange.open();
        session.set(DATA);
        await session.login(`user-${from + index}`, { remember });
        await exchange.commit();
      }),
    );
  }
}

function report(store: string, what: string, bytes: number): void {
  console.log(`${store.padEnd(11)}${what.padEnd(28)}${(bytes / count).toFixed(0).padStart(6)} bytes`);
}

console.log(`${count} sessions, each with ${JSON.stringify(DATA).length} bytes of data`);

for (const remember of [false, true]) {
  const what = remember ? "session + remembered login" : "session";

  const folder = mkdtempSync(join(tmpdir(), "psession-"));
  const path = join(folder, "sessions.sqlite");
  const sqlite = sqliteStore({ path });
  await fill(sqlite, remember);
  await sqlite.close();
  report("sqlite", what, statSync(path).size);
  rmSync(folder, { recursive: true });

  const base = process.env["PSESSION_TEST_POSTGRES"] ?? "postgres://postgres@127.0.0.1:5432/postgres";
  const pool = new pg.Pool({ connectionString: `${base}?options=-c%20search_path%3D${name}` });
  await pool.query(`CREATE SCHEMA ${name}`);
  await fill(postgresStore({ pool }), remember);
  const tables = "('psession_sessions'::regclass), ('psession_logins'::regclass)";
  const { rows } = await pool.query(
    `SELECT sum(pg_total_relation_size(t)) AS size FROM (VALUES ${tables}) v (t)`,
  );
  report("postgres", what, Number(rows[0].size));
  await pool.query(`DROP SCHEMA ${name} CASCADE`);
  await pool.end();

  const address = new URL(process.env["PSESSION_TEST_MYSQL"] ?? "mysql://root@127.0.0.1:3306/test");
  const admin = await mysql.createConnection(address.href);
  await admin.query(`CREATE DATABASE ${name}`);
  address.pathname = `/${name}`;
  const mysqlPool = mysql.createPool(address.href);
  await fill(mysqlStore({ pool: mysqlPool }), remember);
  await admin.query(`ANALYZE TABLE ${name}.psession_sessions, ${name}.psession_logins`);
  const [[size]] = (await admin.query(
    `SELECT SUM(data_length + index_length) AS size FROM information_schema.tables WHERE table_schema = '${name}'`,
  )) as unknown as [[{ size: string }]];
  report("mysql", what, Number(size.size));
  await admin.query(`DROP DATABASE ${name}`);
  await mysqlPool.end();
  await admin.end();
}
