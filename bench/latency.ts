/**
 * One reader at a time: `findSession` of the store, which waits for others to share its statement, against the same
 * statement prepared by the bare driver, by turns: `npm run bench:latency [-- reads]`.
 */
import pg from "pg";
import { createPsession } from "psession";
import { postgresStore } from "psession/postgres";

const reads = Number(process.argv[2] ?? 20_000);
const base = process.env["PSESSION_TEST_POSTGRES"] ?? "postgres://postgres@127.0.0.1:5432/postgres";
const schema = `psession_bench_${process.pid}`;
const pool = new pg.Pool({ connectionString: `${base}?options=-c%20search_path%3D${schema}` });
await pool.query(`CREATE SCHEMA ${schema}`);
try {
  const store = postgresStore({ pool });
  const psession = createPsession<{ cart: string[] }>({
    store,
    keys: ["bench/k9Vv3Qm7sXw2Lr8TzYb4Nc6Jd1Hf5Gp0"],
    prune: false,
  });
  const exchange = psession.exchange({
    cookie: undefined,
    secure: true,
    navigation: false,
    script: false,
    canSetCookies: true,
    userAgent: undefined,
    address: undefined,
  });
  const session = await exchange.open();
  session.set({ cart: ["tea", "cups"] });
  await session.login("ada");
  await exchange.commit();
  const { id } = session;
  const text = "SELECT * FROM psession_sessions WHERE id = $1";
  const contenders = {
    "prepared SELECT": () => pool.query({ name: "bare", text, values: [id] }),
    "store.findSession": () => store.findSession(id),
  };
  const times = Object.fromEntries(Object.keys(contenders).map((name) => [name, [] as number[]]));
  for (let index = 0; index < reads; index++) {
    for (const [name, read] of Object.entries(contenders)) {
      // Right after an answer came in, as a request does: in the phase of the event loop that takes what has come.
      const started = performance.now();
      await read();
      times[name]?.push(performance.now() - started);
    }
  }
  const medians = Object.entries(times).map(([name, list]) => {
    list.sort((a, b) => a - b);
    const at = (part: number) => ((list[Math.floor(list.length * part)] ?? 0) * 1000).toFixed(0);
    console.log(`${name.padEnd(18)} p50 ${at(0.5)} µs  p90 ${at(0.9)} µs  p99 ${at(0.99)} µs`);
    return list[Math.floor(list.length / 2)] ?? 0;
  });
  console.log(`ratio of the medians ${((medians[1] ?? 0) / (medians[0] ?? 1)).toFixed(3)}`);
} finally {
  await pool.query(`DROP SCHEMA ${schema} CASCADE`);
  await pool.end();
}
