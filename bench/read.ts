/**
 * Reads through the whole library against one prepared SELECT per request by the bare driver, on PostgreSQL and
 * node:http, interleaved: `npm run bench:read [-- rounds milliseconds]`.
 */
import { type ChildProcess, execFile, fork } from "node:child_process";
import { once } from "node:events";
import { promisify } from "node:util";
import pg from "pg";

const [rounds = "5", milliseconds = "2000"] = process.argv.slice(2);
const base = process.env["PSESSION_TEST_POSTGRES"] ?? "postgres://postgres@127.0.0.1:5432/postgres";
const schema = `psession_bench_${process.pid}`;
const CONNECTIONS = [1, 16, 64, 256];
const CONTENDERS = ["bare", "psession"] as const;

interface Contender {
  readonly process: ChildProcess;
  readonly port: number;
  readonly cookies: string[];
}

const admin = new pg.Client({ connectionString: base });
await admin.connect();
await admin.query(`CREATE SCHEMA ${schema}`);
const address = `${base}?options=-c%20search_path%3D${schema}`;
try {
  const contenders = new Map<string, Contender>();
  for (const name of CONTENDERS) {
    const child = fork(new URL("./server.ts", import.meta.url), [name, address]);
    const [ready] = await once(child, "message");
    contenders.set(name, { process: child, ...(ready as { port: number; cookies: string[] }) });
  }
  for (const connections of CONNECTIONS) {
    const rates = new Map(CONTENDERS.map((name) => [name as string, [] as number[]]));
    const lines: string[] = [];
    for (let round = 0; round < Number(rounds); round++) {
      for (const [name, contender] of contenders) {
        const before = await cpuOf(contender.process);
        const result = await load(contender, connections);
        const after = await cpuOf(contender.process);
        rates.get(name)?.push(result.rate);
        const cpu = ((after - before) / (result.rate * (Number(milliseconds) + 1000))) * 1000;
        lines[CONTENDERS.indexOf(name as "bare")] =
          `${name.padEnd(9)} p50 ${result.p50.toFixed(2)} ms  p99 ${result.p99.toFixed(2)} ms  cpu ${cpu.toFixed(0)} µs  failed ${result.failed}`;
      }
    }
    const [bare = 0, ours = 0] = CONTENDERS.map((name) => median(rates.get(name) ?? []));
    console.log(
      `${String(connections).padStart(3)} connections: bare ${bare.toFixed(0)}/s, psession ${ours.toFixed(0)}/s, ratio ${(ours / bare).toFixed(2)}`,
    );
    for (const line of lines) console.log(`    ${line}`);
  }
  for (const { process } of contenders.values()) process.disconnect();
} finally {
  await admin.query(`DROP SCHEMA ${schema} CASCADE`);
  await admin.end();
}

async function load({ port, cookies }: Contender, connections: number) {
  const script = new URL("./client.ts", import.meta.url).pathname;
  const { stdout } = await promisify(execFile)(process.execPath, [
    script,
    String(port),
    String(connections),
    milliseconds,
    JSON.stringify(cookies.slice(0, 500)),
  ]);
  return JSON.parse(stdout) as { rate: number; p50: number; p99: number; failed: number };
}

async function cpuOf(child: ChildProcess): Promise<number> {
  child.send("cpu");
  const [message] = await once(child, "message");
  const { user, system } = (message as { cpu: { user: number; system: number } }).cpu;
  return user + system;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
