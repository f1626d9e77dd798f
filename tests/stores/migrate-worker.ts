/** A process that makes a store and uses it, all at the word of who started it: `kind address`. */
import { once } from "node:events";
import mysql from "mysql2/promise";
import pg from "pg";
import { mysqlStore } from "../../src/stores/mysql/index.ts";
import { postgresStore } from "../../src/stores/postgres/index.ts";
import { sqliteStore } from "../../src/stores/sqlite/index.ts";
import { sessionRow } from "../../src/testing/rows.ts";

const [kind, address = ""] = process.argv.slice(2);

process.send?.("ready");
await once(process, "message");
if (kind === "sqlite") {
  const store = sqliteStore({ path: address });
  await store.apply({ kind: "create", insert: sessionRow() });
  await store.close?.();
} else if (kind === "postgres") {
  const pool = new pg.Pool({ connectionString: address });
  await postgresStore({ pool }).apply({ kind: "create", insert: sessionRow() });
  await pool.end();
} else {
  const pool = mysql.createPool(address);
  await mysqlStore({ pool }).apply({ kind: "create", insert: sessionRow() });
  await pool.end();
}
process.disconnect?.();
