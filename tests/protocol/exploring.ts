import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect } from "vitest";
import type { Killed, Mutant } from "./mutant.ts";

export const TIMEOUT = { timeout: 20 * 60_000 };

const run = promisify(execFile);

/**
 * What a main file of explorations answers, as JSON. In processes of their own: an exploration seeds the randomness of the
 * whole process, and two of them use two cores.
 */
export async function exploring(main: string, ...options: string[]) {
  // A violation, or a mutant that lives, ends it with 1: its JSON is what the tests look at.
  const stdout = await run(process.execPath, [main, "--json", ...options], { maxBuffer: 1 << 26 }).then(
    (result) => result.stdout,
    (error: { code?: unknown; stdout?: string }) => {
      if (error.code !== 1 || !error.stdout) throw error;
      return error.stdout;
    },
  );
  const lines = stdout.trim().split("\n");
  console.log(lines.slice(0, -1).join("\n"));
  return JSON.parse(lines.at(-1) ?? "");
}

export async function expectEveryKill(main: string, mutants: readonly Mutant[]): Promise<void> {
  const results = (await exploring(main, "--mutants")) as Killed[];
  expect(results.length).toBe(mutants.length);
  expect(results.filter(({ killedBy }) => killedBy === undefined)).toEqual([]);
}
