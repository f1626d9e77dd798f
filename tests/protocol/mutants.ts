import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { explore } from "./explorer.ts";
import { type Library, loadLibrary, SOURCES } from "./library.ts";
import type { Mutant } from "./mutant.ts";
import { mutants } from "./mutant-list.ts";
import { scenes } from "./scenes.ts";
import { spaceVisits } from "./visits.ts";
import type { Bounds } from "./world.ts";

export interface Killed {
  readonly name: string;
  /** The scene and the promise that noticed; undefined: the mutant lives. */
  readonly killedBy: string | undefined;
  readonly story: readonly string[];
}

/** Small explorations of every scene first, as most mutants die early. */
const STAGES = [2500, 15_000, 60_000];
const FOLDER = resolve(SOURCES, "../.tmp/mutants");

export async function killMutants(print: (text: string) => void): Promise<Killed[]> {
  const results: Killed[] = [];
  const width = Math.max(...mutants.map(({ name }) => name.length));
  for (const [index, mutant] of mutants.entries()) {
    const killed = await kill(mutant, index);
    results.push(killed);
    print(`${mutant.name.padEnd(width)}  ${killed.killedBy ?? "ALIVE"}`);
  }
  rmSync(FOLDER, { recursive: true, force: true });
  return results;
}

async function kill(mutant: Mutant, index: number): Promise<Killed> {
  const library = await mutated(mutant, String(index));
  const hinted = scenes.filter(({ name }) => name === mutant.scene);
  const violation =
    (await firstViolation(library, hinted, STAGES.at(-1) ?? 0)) ?? (await firstViolationAnywhere(library));
  return { name: mutant.name, killedBy: violation?.by, story: violation?.story ?? [] };
}

interface Found {
  readonly by: string;
  readonly story: readonly string[];
}

async function firstViolationAnywhere(library: Library): Promise<Found | undefined> {
  for (const states of STAGES) {
    const found = await firstViolation(library, scenes, states);
    if (found !== undefined) return found;
    const [fault] = states === STAGES[0] ? (await spaceVisits(library)).violations : [];
    if (fault !== undefined) return { by: fault, story: [] };
  }
  return undefined;
}

async function firstViolation(
  library: Library,
  among: readonly Bounds[],
  states: number,
): Promise<Found | undefined> {
  for (const bounds of among) {
    const { violation } = await explore(library, bounds, { states, depth: Number.POSITIVE_INFINITY });
    if (violation === undefined) continue;
    const { invariant, what, story } = violation;
    return { by: `${invariant} in "${bounds.name}": ${what}`, story };
  }
  return undefined;
}

/** A copy of the sources with one place changed. A place that is not there exactly once is a stale mutant. */
export async function mutated(
  { name, file, find, replace, also = [] }: Mutant,
  folder: string,
  root = FOLDER,
): Promise<Library> {
  const copy = join(root, folder);
  rmSync(copy, { recursive: true, force: true });
  mkdirSync(root, { recursive: true });
  cpSync(SOURCES, copy, { recursive: true });
  for (const edit of [{ find, replace }, ...also]) {
    const path = join(copy, "file" in edit && edit.file !== undefined ? edit.file : file);
    const source = readFileSync(path, "utf8");
    const places = source.split(edit.find).length - 1;
    if (places !== 1) throw new Error(`mutant "${name}": its place is ${places} times in ${path}`);
    writeFileSync(
      path,
      source.replace(edit.find, () => edit.replace),
    );
  }
  return loadLibrary(copy);
}
