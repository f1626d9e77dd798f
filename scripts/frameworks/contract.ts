/** The HTTP contract of psession's integrations, against a production build of a framework. */
import { cpSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { run } from "../consumer.ts";
import { type Build, build, type Command, ran } from "./application.ts";

/** An application that does nothing else, and takes the place of the example in its folder. */
export interface Contract {
  /** Beside this file. */
  readonly folder: string;
  readonly build: Pick<Build, "commands">;
  /** What must not build. */
  readonly refused?: readonly RefusedBuild[];
  readonly runs: readonly ContractRun[];
}

export interface RefusedBuild {
  readonly name: string;
  readonly command: Command;
  readonly env: Readonly<Record<string, string>>;
  /** What the build prints. */
  readonly says: RegExp;
}

export interface ContractRun {
  readonly name: string;
  /** Arguments of Node in that folder: a program that gives its cases to `printResults` of cases.mjs. */
  readonly values: readonly string[];
  /** Cases that the framework makes impossible, and why. One that holds all the same is a failure: it must leave this list. */
  readonly exceptions: Readonly<Record<string, string>>;
}

/** What came of one run. */
export interface ContractResult {
  readonly name: string;
  readonly passed: number;
  /** As the exceptions say. */
  readonly excepted: number;
  readonly failures: readonly string[];
}

const KEPT = new Set(["node_modules", "package.json", "package-lock.json", "tsconfig.json"]);

export async function* runContract(folder: string, contract: Contract): AsyncGenerator<ContractResult> {
  for (const name of readdirSync(folder))
    if (!KEPT.has(name)) rmSync(join(folder, name), { recursive: true, force: true });
  cpSync(join(import.meta.dirname, contract.folder), folder, { recursive: true });
  cpSync(join(import.meta.dirname, "cases.mjs"), join(folder, "cases.mjs"));
  for (const refused of contract.refused ?? []) yield buildsNot(folder, refused);
  await build(folder, contract.build);
  for (const one of contract.runs) yield runCases(folder, one);
}

async function buildsNot(folder: string, refused: RefusedBuild): Promise<ContractResult> {
  const { name, command, env, says } = refused;
  const { code, output } = await ran(command, folder, env);
  const holds = code !== 0 && says.test(output);
  const failures = holds ? [] : [`it ended with ${code}:\n${output}`];
  return { name, passed: holds ? 1 : 0, excepted: 0, failures };
}

async function runCases(folder: string, { name, values, exceptions }: ContractRun): Promise<ContractResult> {
  const { output } = await run(process.execPath, values, folder, { NODE_ENV: "production" });
  const line = output.split("\n").findLast((one) => one.startsWith("[{"));
  if (line === undefined) throw new Error(`The contract did not come to its end:\n${output}`);
  const results = JSON.parse(line) as { name: string; fault?: string }[];
  const known = new Set(results.map((result) => result.name));
  const failures = Object.keys(exceptions)
    .filter((one) => !known.has(one))
    .map((missing) => `there is no case "${missing}"`);
  let passed = 0;
  let excepted = 0;
  for (const { name: title, fault } of results) {
    const isExcepted = title in exceptions;
    if (fault === undefined && isExcepted) failures.push(`"${title}" is excepted, and holds`);
    else if (fault === undefined) passed++;
    else if (isExcepted) excepted++;
    else failures.push(`${title}\n${fault}`);
  }
  return { name, passed, excepted, failures };
}
