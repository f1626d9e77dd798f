import { beginningsOf, followed } from "./beginnings.ts";
import { canonical } from "./canonical.ts";
import { checkComing, checkStep, checkWorld } from "./invariants.ts";
import type { Library } from "./library.ts";
import type { Violation } from "./promises/violation.ts";
import { Runner } from "./request.ts";
import { stepsOf } from "./steps.ts";
import type { Bounds, World } from "./world.ts";

export interface Limits {
  /** Stop after so many different worlds. */
  readonly states: number;
  /** Stop after so many steps in a row. */
  readonly depth: number;
}

export interface Exploration {
  readonly bounds: Bounds;
  readonly states: number;
  /** Steps that were taken, each a call of the real code or of the network, the disk or the clock. */
  readonly steps: number;
  /** Ways that lead from the beginning to a world, counted over all worlds. */
  readonly schedules: bigint;
  readonly depth: number;
  /** Nothing was left to explore within the bounds. */
  readonly isComplete: boolean;
  readonly violation: (Violation & { readonly story: readonly string[] }) | undefined;
}

interface Parent {
  readonly from: string | undefined;
  readonly label: string;
}

interface Found {
  readonly world: World;
  readonly key: string;
}

/** Breadth first, so that a violation comes with its shortest story. */
export async function explore(library: Library, bounds: Bounds, limits: Limits): Promise<Exploration> {
  const runner = new Runner(library, library.deriveTimes(bounds.times), bounds.lives);
  const oldest = oldestIn(bounds, runner);
  const beginnings = await beginningsOf(bounds, runner);
  const first = beginnings.map(({ world, label }) => ({ world, label, key: canonical(world, oldest) }));
  const parents = new Map<string, Parent>(first.map(({ key, label }) => [key, { from: undefined, label }]));
  let ways = new Map<string, bigint>(first.map(({ key }) => [key, 1n]));
  let frontier: Found[] = first;
  /** Worlds that differ only in what is on its way hold the same promises. */
  const checked = new Set<string>();
  const most = Math.min(limits.states, bounds.states ?? limits.states);
  let steps = 0;
  let schedules = 1n;
  let depth = 0;
  const result = (isComplete: boolean, violation?: Exploration["violation"]): Exploration => ({
    bounds,
    states: parents.size,
    steps,
    schedules,
    depth,
    isComplete,
    violation,
  });

  while (frontier.length > 0) {
    if (depth >= limits.depth) return result(false);
    const next: Found[] = [];
    const nextWays = new Map<string, bigint>();
    for (const { world, key } of frontier) {
      for (const step of await stepsOf(world, bounds, runner)) {
        steps++;
        const after = followed(world, step);
        const told = checkStep(world, { ...step, world: after }, runner);
        const id = canonical(after, oldest);
        const isNew = !parents.has(id);
        if (isNew) {
          parents.set(id, { from: key, label: step.label });
          const still = canonical({ ...after, travellers: keptFor(after) }, oldest);
          told.push(...checkWorld(after, runner));
          if (!checked.has(still)) told.push(...(await checkComing(after, bounds, runner)));
          checked.add(still);
        }
        const [violation] = told;
        if (violation !== undefined)
          return result(false, { ...violation, story: [...storyOf(parents, key), step.label] });
        nextWays.set(id, (nextWays.get(id) ?? 0n) + (ways.get(key) ?? 0n));
        if (isNew) next.push({ world: after, key: id });
      }
      if (parents.size >= most) return result(false);
    }
    for (const count of nextWays.values()) schedules += count;
    ways = nextWays;
    frontier = next;
    depth++;
  }
  return result(true);
}

export interface Wandering {
  readonly walks: number;
  readonly steps: number;
  readonly violation: Exploration["violation"];
}

/**
 * Walks at random, much further than can be explored in full. At every world on the way all that could happen
 * next is done and checked; then one of it is gone on with.
 */
export async function wander(
  library: Library,
  bounds: Bounds,
  { walks, length, seed }: { walks: number; length: number; seed: number },
): Promise<Wandering> {
  const runner = new Runner(library, library.deriveTimes(bounds.times), bounds.lives);
  const beginnings = await beginningsOf(bounds, runner);
  const random = generator(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  let steps = 0;
  for (let walk = 1; walk <= walks; walk++) {
    let { world, label } = pick(beginnings);
    const story = [label];
    for (let at = 0; at < length; at++) {
      const next: { after: World; label: string }[] = [];
      for (const step of await stepsOf(world, bounds, runner)) {
        steps++;
        const after = followed(world, step);
        const told = [...checkStep(world, { ...step, world: after }, runner), ...checkWorld(after, runner)];
        const [violation] = told;
        if (violation !== undefined)
          return { walks: walk, steps, violation: { ...violation, story: [...story, step.label] } };
        next.push({ after, label: step.label });
      }
      ({ after: world, label } = pick(next));
      story.push(label);
      const [violation] = await checkComing(world, bounds, runner);
      if (violation !== undefined) return { walks: walk, steps, violation: { ...violation, story } };
    }
  }
  return { walks, steps, violation: undefined };
}

/** From then on it makes no difference when something was. */
function oldestIn({ queued, bodies, claims, lives }: Bounds, { settings: { times } }: Runner): number {
  const windows = [times.settle + times.mid];
  if (queued !== undefined) windows.push(times.queue + times.transit);
  if (bodies === true || claims !== undefined) windows.push(times.settle + times.arrival);
  if (lives !== undefined) windows.push(lives.login);
  return Math.max(...windows) + 2;
}

/** A small generator of numbers from 0 to 1 (mulberry32), so that a walk can be walked again. */
export function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Once everything has ended, answers on their way must be worthless too. */
const keptFor = ({ ghost, travellers }: World): World["travellers"] => (ghost.isEmpty ? travellers : []);

function storyOf(parents: ReadonlyMap<string, Parent>, key: string): string[] {
  const story: string[] = [];
  let at = parents.get(key);
  while (at !== undefined) {
    story.unshift(at.label);
    at = at.from === undefined ? undefined : parents.get(at.from);
  }
  return story;
}
