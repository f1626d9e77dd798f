import { rmSync } from "node:fs";
import { resolve } from "node:path";
import { type Library, SOURCES } from "../library.ts";
import type { Mutant } from "../mutant.ts";
import { type Killed, mutated } from "../mutants.ts";
import { explore, wander } from "./explorer.ts";
import { mutants } from "./mutant-list.ts";
import { scenes } from "./scenes.ts";

/** Small explorations of every scene first, as most mutants die early. */
const STAGES = [1500, 6000];
const WORLDS_A_WALK = 100;
const FOLDER = resolve(SOURCES, "../.tmp/mutants-of-accounts");

export async function killMutants(print: (text: string) => void): Promise<Killed[]> {
  const results: Killed[] = [];
  const width = Math.max(...mutants.map(({ name }) => name.length));
  for (const [index, mutant] of mutants.entries()) {
    const library = await mutated(mutant, String(index), FOLDER);
    const { by: killedBy, story } = await kill(library, mutant);
    results.push({ name: mutant.name, killedBy, story });
    print(`${mutant.name.padEnd(width)}  ${killedBy ?? "ALIVE"}`);
  }
  rmSync(FOLDER, { recursive: true, force: true });
  return results;
}

async function kill(
  library: Library,
  { scene }: Mutant,
): Promise<{ by: string | undefined; story: readonly string[] }> {
  const hinted = scenes.filter(({ name }) => name === scene);
  const rounds = [[hinted, STAGES.at(-1) ?? 0], ...STAGES.map((states) => [scenes, states])] as [
    typeof scenes,
    number,
  ][];
  for (const [among, states] of rounds)
    for (const bounds of among) {
      const walk = await wander(library, bounds, states / WORLDS_A_WALK);
      const { violation } = walk.violation === undefined ? await explore(library, bounds, states) : walk;
      if (violation === undefined) continue;
      const { invariant, what, story } = violation;
      return { by: `${invariant} in "${bounds.name}": ${what}`, story };
    }
  return { by: undefined, story: [] };
}
