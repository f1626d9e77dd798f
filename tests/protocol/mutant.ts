import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Library, loadLibrary, SOURCES } from "./library.ts";
import type { Story } from "./search.ts";

/** One way to get the protocol wrong: `find` stands in `file` exactly once. */
export interface Mutant {
  readonly name: string;
  readonly file: string;
  readonly find: string;
  readonly replace: string;
  /** Further changes, where one alone would be caught by another guard. */
  readonly also?: readonly { readonly file?: string; readonly find: string; readonly replace: string }[];
  /** The scene in which it dies soonest, or `ELSEWHERE`; the others are tried after it. */
  readonly scene?: string;
}

/** Of a mutant that is noticed outside the scenes. */
export const ELSEWHERE = "elsewhere";

/** How mutants are hunted. */
export interface Hunt<Bounds extends { readonly name: string }> {
  readonly mutants: readonly Mutant[];
  readonly scenes: readonly Bounds[];
  /** Small explorations of every scene first, as most mutants die early: so many worlds each. */
  readonly stages: readonly number[];
  /** Where the mutated copies are, beside the sources. */
  readonly folder: string;
  look(library: Library, bounds: Bounds, states: number): Promise<Story | undefined>;
  /** After the first stage: what notices some of them outside the scenes, in words. */
  lookElsewhere?(library: Library): Promise<string | undefined>;
}

interface Kill {
  readonly by: string;
  readonly story: readonly string[];
}

export interface Killed {
  readonly name: string;
  /** The scene and the promise that noticed; undefined: the mutant lives. */
  readonly killedBy: string | undefined;
  readonly story: readonly string[];
}

export async function killMutants<Bounds extends { readonly name: string }>(
  hunt: Hunt<Bounds>,
): Promise<Killed[]> {
  const { mutants } = hunt;
  const folder = resolve(SOURCES, "../.tmp", hunt.folder);
  const results: Killed[] = [];
  const width = Math.max(...mutants.map(({ name }) => name.length));
  for (const [index, mutant] of mutants.entries()) {
    const killed = await kill(await mutated(mutant, join(folder, String(index))), mutant, hunt);
    results.push({ name: mutant.name, killedBy: killed?.by, story: killed?.story ?? [] });
    console.log(`${mutant.name.padEnd(width)}  ${killed?.by ?? "ALIVE"}`);
  }
  rmSync(folder, { recursive: true, force: true });
  return results;
}

async function kill<Bounds extends { readonly name: string }>(
  library: Library,
  { scene }: Mutant,
  { scenes, stages, look, lookElsewhere }: Hunt<Bounds>,
): Promise<Kill | undefined> {
  const killIn = async (among: readonly Bounds[], states: number): Promise<Kill | undefined> => {
    for (const bounds of among) {
      const violation = await look(library, bounds, states);
      if (violation === undefined) continue;
      const { invariant, what, story } = violation;
      return { by: `${invariant} in "${bounds.name}": ${what}`, story };
    }
    return undefined;
  };
  const hinted = scenes.filter(({ name }) => name === scene);
  const soon = await killIn(hinted, stages.at(-1) ?? 0);
  if (soon !== undefined) return soon;
  const noticed = scene === ELSEWHERE ? await lookElsewhere?.(library) : undefined;
  if (noticed !== undefined) return { by: noticed, story: [] };
  for (const [index, states] of stages.entries()) {
    const killed = await killIn(scenes, states);
    if (killed !== undefined) return killed;
    const fault = index === 0 ? await lookElsewhere?.(library) : undefined;
    if (fault !== undefined) return { by: fault, story: [] };
  }
  return undefined;
}

/** A copy of the sources with one place changed. A place that is not there exactly once is a stale mutant. */
async function mutated({ name, file, find, replace, also = [] }: Mutant, copy: string): Promise<Library> {
  rmSync(copy, { recursive: true, force: true });
  mkdirSync(copy, { recursive: true });
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
