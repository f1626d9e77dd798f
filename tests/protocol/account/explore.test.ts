import { execFile } from "node:child_process";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { mutants } from "./mutant-list.ts";
import { scenes } from "./scenes.ts";

/** In processes of its own, as it seeds the randomness of the whole process. `npm run explore:account` goes deeper. */
const run = promisify(execFile);
const MAIN = resolve(import.meta.dirname, "main.ts");
const MINUTES = 60_000;

async function explore(...options: string[]) {
  const { stdout } = await run(process.execPath, [MAIN, "--json", ...options], { maxBuffer: 1 << 26 });
  const lines = stdout.trim().split("\n");
  console.log(lines.slice(0, -1).join("\n"));
  return JSON.parse(lines.at(-1) ?? "");
}

describe("exploration of what an account does around a sign-in", () => {
  test("finds no schedule that breaks a promise", { timeout: 20 * MINUTES }, async () => {
    const total = await explore("--states", "1000", "--walks", "40");
    expect(total).toMatchObject({ failed: 0, scenes: scenes.length });
    expect(total.states).toBeGreaterThan(12_000);
    expect(total.walked).toBeGreaterThan(20_000);
  });

  test("kills every mutant", { timeout: 20 * MINUTES }, async () => {
    const results = (await explore("--mutants")) as { name: string; killedBy?: string }[];
    expect(results.length).toBe(mutants.length);
    expect(results.filter(({ killedBy }) => killedBy === undefined)).toEqual([]);
  });
});
