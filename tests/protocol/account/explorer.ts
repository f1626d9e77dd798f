import { generator } from "../explorer.ts";
import type { Library } from "../library.ts";
import type { Violation } from "../promises/violation.ts";
import { beginningsOf, followed } from "./beginnings.ts";
import { canonical } from "./canonical.ts";
import { checkComing } from "./coming.ts";
import { checkStep, checkWorld } from "./promises.ts";
import { Runner } from "./runner.ts";
import { stepsOf } from "./steps.ts";
import type { Bounds, World } from "./world.ts";

export interface Exploration {
  readonly bounds: Bounds;
  readonly states: number;
  readonly steps: number;
  readonly depth: number;
  /** Nothing was left to explore within the bounds. */
  readonly isComplete: boolean;
  readonly violation: (Violation & { readonly story: readonly string[] }) | undefined;
}

interface Parent {
  readonly from: string | undefined;
  readonly label: string;
}

/** Breadth first, so that a violation comes with its shortest story. */
export async function explore(library: Library, bounds: Bounds, most: number): Promise<Exploration> {
  const runner = new Runner(library, bounds.lives);
  const parents = new Map<string, Parent>();
  let frontier: { world: World; key: string }[] = [];
  for (const { world, label } of await beginningsOf(bounds, runner)) {
    const key = canonical(world, bounds);
    parents.set(key, { from: undefined, label });
    frontier.push({ world, key });
  }
  /** Worlds that differ only in what is on its way hold the same promises. */
  const checked = new Set<string>();
  const limit = Math.min(most, bounds.states ?? most);
  let steps = 0;
  let depth = 0;
  const result = (isComplete: boolean, violation?: Exploration["violation"]): Exploration => ({
    ...{ bounds, states: parents.size, steps, depth, isComplete, violation },
  });
  while (frontier.length > 0) {
    const next: typeof frontier = [];
    for (const { world, key } of frontier) {
      for (const step of await stepsOf(world, bounds, runner)) {
        steps++;
        const after = followed(world, step);
        const told = checkStep(world, step);
        const id = canonical(after, bounds);
        if (!parents.has(id)) {
          parents.set(id, { from: key, label: step.label });
          told.push(...checkWorld(after));
          const answered = after.travellers.filter(({ stage }) => stage === "answering");
          const still = canonical({ ...after, travellers: answered, sent: 0, ticks: 0 }, bounds);
          if (!checked.has(still)) told.push(...(await checkComing(after, bounds, runner)));
          checked.add(still);
          next.push({ world: after, key: id });
        }
        const [violation] = told;
        if (violation !== undefined)
          return result(false, { ...violation, story: [...storyOf(parents, key), step.label] });
      }
      if (parents.size >= limit) return result(false);
    }
    frontier = next;
    depth++;
  }
  return result(true);
}

export interface Wandering {
  readonly steps: number;
  readonly violation: Exploration["violation"];
}

/**
 * Walks at random, to the end of what a scene allows. At every world on the way all that could happen next is done and
 * checked; then one of it is gone on with.
 */
export async function wander(library: Library, bounds: Bounds, walks: number): Promise<Wandering> {
  const runner = new Runner(library, bounds.lives);
  const beginnings = await beginningsOf(bounds, runner);
  const random = generator(1);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  let steps = 0;
  for (let walk = 0; walk < walks; walk++) {
    const beginning = pick(beginnings);
    let { world } = beginning;
    const story: string[] = [beginning.label];
    for (let next = await stepsOf(world, bounds, runner); next.length > 0; ) {
      for (const step of next) {
        steps++;
        const after = followed(world, step);
        const [violation] = [...checkStep(world, step), ...checkWorld(after)];
        if (violation !== undefined)
          return { steps, violation: { ...violation, story: [...story, step.label] } };
      }
      const step = pick(next);
      world = followed(world, step);
      story.push(step.label);
      const [violation] = await checkComing(world, bounds, runner);
      if (violation !== undefined) return { steps, violation: { ...violation, story } };
      next = await stepsOf(world, bounds, runner);
    }
  }
  return { steps, violation: undefined };
}

function storyOf(parents: ReadonlyMap<string, Parent>, key: string): string[] {
  const story: string[] = [];
  let at = parents.get(key);
  while (at !== undefined) {
    story.unshift(at.label);
    at = at.from === undefined ? undefined : parents.get(at.from);
  }
  return story;
}
