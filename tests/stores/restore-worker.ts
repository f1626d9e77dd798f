/** A process of its own that restores one browser many times at once: `kind address now cookies`. */
import mysql from "mysql2/promise";
import pg from "pg";
import type { Store } from "../../src/index.ts";
import { mysqlStore } from "../../src/stores/mysql/index.ts";
import { postgresStore } from "../../src/stores/postgres/index.ts";
import { sqliteStore } from "../../src/stores/sqlite/index.ts";
import { TestBrowser, testApp } from "../support/app.ts";
import { TestClock } from "../support/clock.ts";

const VISITS = 25;
const [kind = "", address = "", now = "", cookies = "[]"] = process.argv.slice(2);

const OPEN: Record<string, () => { store: Store; end?: () => Promise<void> }> = {
  sqlite: () => ({ store: sqliteStore({ path: address }) }),
  postgres: () => {
    const pool = new pg.Pool({ connectionString: address });
    return { store: postgresStore({ pool }), end: () => pool.end() };
  },
  mysql: () => {
    const pool = mysql.createPool(address);
    return { store: mysqlStore({ pool }), end: () => pool.end() };
  },
};

const opened = OPEN[kind]?.();
if (opened === undefined) throw new Error(`no store is called ${kind}`);
const clock = new TestClock();
clock.advance(Number(now) - clock.now());
const app = testApp({ store: opened.store, clock });
const browser = new TestBrowser(app);
const jar: TestBrowser["jar"] = new Map(JSON.parse(cookies));
const visits = await Promise.all(
  Array.from({ length: VISITS }, (_, index) =>
    browser.visit((session) => session.set(`${process.pid}-${index}`, true), { jar }),
  ),
);
const users = visits.map(({ session }) => session.userId);
const restored = app.told().filter((type) => type === "restored").length;
console.log(JSON.stringify({ users, restored }));
await app.psession.close();
await opened.end?.();
process.disconnect?.();
