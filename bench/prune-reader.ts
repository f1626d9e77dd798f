/** Reads living sessions one after another on four connections until a message stops it: `kind address rows`. */

import mysql from "mysql2/promise";
import pg from "pg";
import { mysqlStore } from "psession/mysql";
import { postgresStore } from "psession/postgres";
import { claimPrune } from "../src/upkeep/prune.ts";

const [kind, address = "", rows = ""] = process.argv.slice(2);
const latencies: number[] = [];
let isStopping = false;
process.on("message", () => {
  isStopping = true;
});

const store =
  kind === "mysql"
    ? mysqlStore({ pool: mysql.createPool({ uri: address, connectionLimit: 4 }) })
    : postgresStore({ pool: new pg.Pool({ connectionString: address, max: 4 }) });
const living = Number(rows) / 10;

async function read(): Promise<void> {
  while (!isStopping) {
    const id = String(Math.floor(Math.random() * living) * 10).padStart(22, "0");
    const started = performance.now();
    const row = await store.findSession(id);
    latencies.push(performance.now() - started);
    if (row === undefined) throw new Error(`${id} is gone`);
    // A steady load, below the machine's limit.
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

await claimPrune(store, 0, 1);
process.send?.("ready");
await Promise.all(Array.from({ length: 4 }, read));
latencies.sort((a, b) => a - b);
const at = (part: number) => latencies[Math.floor(latencies.length * part)] ?? 0;
process.send?.({ p50: at(0.5), p99: at(0.99), most: latencies.at(-1) ?? 0, reads: latencies.length }, () =>
  process.exit(),
);
