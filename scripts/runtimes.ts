/**
 * Tries psession on other run times than the repository's own Node, in the versions below: fetch and Hono with
 * the servers of Bun and Deno, and the suites that need them on older and newer Node. The binaries are packages
 * of npm's registry and are kept under .tmp/runtimes. What cannot be had is left out and said; with CI set it
 * fails. The last line is the sum: `N passed, N failed`.
 */
import { spawnSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { BINARIES, type Binary, binaryOf } from "./binaries.ts";

interface Result {
  readonly runtime: string;
  readonly passed: number;
  readonly failed: readonly string[];
}

const ROOT = resolve(import.meta.dirname, "..");
const VITEST = join(ROOT, "node_modules/vitest/vitest.mjs");

const NAMES = ["bun", "deno", "node22", "node26"] as const satisfies readonly Binary[];
type Name = (typeof NAMES)[number];

const DENO_RUN = ["run", "--allow-all", "--no-lock", "--node-modules-dir=manual", "--cached-only"];
const CONTRACT = "tests/runtimes/contract.ts";
const SUITES = ["tests/integrations", "tests/session", "tests/http", "tests/data", "tests/examples.test.ts"];
/** Stories that run on every store run here on those that need no server: a database's is the same on every Node. */
const WITHOUT_SERVERS = "^(?!.*\\b(postgres|mysql|redis)\\b)";
const STORES = "store contract: (memory|sqlite, a file of its own|node:sqlite)";
/** The examples that are written for any run time. */
const PORTABLE = "examples/(fetch|hono|h3)/";

const environment = {
  ...process.env,
  DENO_DIR: join(BINARIES, "deno-cache"),
  DENO_NO_UPDATE_CHECK: "1",
};

const RUNS: Record<Name, (binary: string) => Result[]> = {
  bun: (binary) => [contract(binary, []), examples("Bun", [binary])],
  deno: (binary) => [contract(binary, DENO_RUN), examples("Deno", [binary, ...DENO_RUN])],
  node22: (binary) => [suites(binary), stores(binary)],
  node26: (binary) => [suites(binary), stores(binary)],
};

let passed = 0;
let failed = 0;
for (const name of NAMES) {
  const binary = binaryOf(name);
  if (binary === undefined) {
    if (process.env["CI"]) failed++;
    continue;
  }
  for (const result of RUNS[name](binary)) {
    console.log(`${result.runtime}: ${result.passed} passed, ${result.failed.length} failed`);
    for (const test of result.failed) console.log(`  ${test}`);
    passed += result.passed;
    failed += result.failed.length;
  }
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed > 0 || passed === 0 ? 1 : 0);

function contract(binary: string, values: readonly string[]): Result {
  const run = spawnSync(binary, [...values, CONTRACT], { cwd: ROOT, env: environment, encoding: "utf8" });
  const last = run.stdout.trimEnd().split("\n").at(-1) ?? "";
  try {
    const { runtime, ...result } = JSON.parse(last) as Result;
    if (result.failed.length > 0) console.log(run.stderr);
    return { ...result, runtime: `${runtime}, contracts` };
  } catch {
    console.log(run.stdout, run.stderr);
    return { runtime: binary, passed: 0, failed: ["the contracts did not come to their end"] };
  }
}

function suites(binary: string): Result {
  const values = [...SUITES, "--testNamePattern", WITHOUT_SERVERS];
  return vitest(`${nodeVersion(binary)}, suites`, binary, values);
}

function stores(binary: string): Result {
  const values = ["tests/stores/contract.test.ts", "--testNamePattern", STORES];
  return vitest(`${nodeVersion(binary)}, stores`, binary, values);
}

/** The tests run on our own Node; what they start runs on the other run time. */
function examples(name: string, command: readonly string[]): Result {
  const values = ["tests/examples.test.ts", "--testNamePattern", PORTABLE];
  return vitest(`${name}, examples`, process.execPath, values, {
    PSESSION_EXAMPLES_ON: JSON.stringify(command),
  });
}

function nodeVersion(binary: string): string {
  return `Node ${spawnSync(binary, ["--version"], { encoding: "utf8" }).stdout.trim().slice(1)}`;
}

interface Report {
  readonly numPassedTests: number;
  readonly success: boolean;
  readonly testResults: readonly {
    readonly name: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

function vitest(
  runtime: string,
  binary: string,
  values: readonly string[],
  variables: Readonly<Record<string, string>> = {},
): Result {
  const report = join(BINARIES, "vitest.json");
  rmSync(report, { force: true });
  const run = spawnSync(binary, [VITEST, "run", ...values], {
    cwd: ROOT,
    env: { ...environment, ...variables, PSESSION_TEST_REPORT: report },
    encoding: "utf8",
  });
  try {
    const { numPassedTests, success, testResults } = JSON.parse(readFileSync(report, "utf8")) as Report;
    const failed = testResults
      .flatMap(({ assertionResults }) => assertionResults)
      .filter(({ status }) => status === "failed")
      .map(({ fullName }) => fullName);
    if (!success && failed.length === 0) failed.push("a file could not be run");
    if (failed.length > 0) console.log(run.stdout, run.stderr);
    return { runtime, passed: numPassedTests, failed };
  } catch {
    console.log(run.stdout, run.stderr);
    return { runtime, passed: 0, failed: ["the tests wrote no report"] };
  }
}
