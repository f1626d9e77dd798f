import type { Violation } from "./promises/violation.ts";

/** What can be explored: worlds, the steps from one to the next, and what must hold in each. */
export interface Space<World, Step extends { readonly label: string }> {
  readonly beginnings: readonly { readonly world: World; readonly label: string }[];
  stepsOf(world: World): Promise<readonly Step[]>;
  followed(world: World, step: Step): World;
  /** Worlds of one key are one world. */
  keyOf(world: World): string;
  /** Worlds that differ only in what is on its way hold the same promises of what is to come. */
  stillKeyOf(world: World): string;
  checkStep(before: World, step: Step, after: World): Violation[];
  checkWorld(world: World): Violation[];
  checkComing(world: World): Promise<Violation[]>;
}

/** A promise that does not hold, and the steps that led there. */
export type Story = Violation & { readonly story: readonly string[] };

export interface Found {
  readonly states: number;
  /** Steps that were taken, each a call of the real code or of the network, the disk or the clock. */
  readonly steps: number;
  /** Ways that lead from the beginning to a world, counted over all worlds. */
  readonly schedules: bigint;
  readonly depth: number;
  /** Nothing was left to explore. */
  readonly isComplete: boolean;
  readonly violation: Story | undefined;
}

interface Parent {
  readonly from: string | undefined;
  readonly label: string;
}

/** Breadth first, so that a violation comes with its shortest story. Stops after `most` different worlds. */
export async function search<World, Step extends { readonly label: string }>(
  space: Space<World, Step>,
  most: number,
): Promise<Found> {
  const first = space.beginnings.map(({ world, label }) => ({ world, label, key: space.keyOf(world) }));
  const parents = new Map<string, Parent>(first.map(({ key, label }) => [key, { from: undefined, label }]));
  let ways = new Map<string, bigint>(first.map(({ key }) => [key, 1n]));
  let frontier: { readonly world: World; readonly key: string }[] = first;
  const checked = new Set<string>();
  let steps = 0;
  let schedules = 1n;
  let depth = 0;
  const result = (isComplete: boolean, violation?: Story): Found => ({
    states: parents.size,
    steps,
    schedules,
    depth,
    isComplete,
    violation,
  });

  while (frontier.length > 0) {
    const next: typeof frontier = [];
    const nextWays = new Map<string, bigint>();
    for (const { world, key } of frontier) {
      for (const step of await space.stepsOf(world)) {
        steps++;
        const after = space.followed(world, step);
        const told = space.checkStep(world, step, after);
        const id = space.keyOf(after);
        const isNew = !parents.has(id);
        if (isNew) {
          parents.set(id, { from: key, label: step.label });
          const still = space.stillKeyOf(after);
          told.push(...space.checkWorld(after));
          if (!checked.has(still)) told.push(...(await space.checkComing(after)));
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
  readonly steps: number;
  readonly violation: Story | undefined;
}

/**
 * Walks at random, further than can be searched in full: to `length` steps, or where nothing more can happen. At every
 * world on the way all that could happen next is done and checked; then one of it is gone on with.
 */
export async function walkAtRandom<World, Step extends { readonly label: string }>(
  space: Space<World, Step>,
  { walks, length }: { readonly walks: number; readonly length: number },
): Promise<Wandering> {
  const random = generator(1);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  let steps = 0;
  for (let walk = 0; walk < walks; walk++) {
    let { world, label } = pick(space.beginnings);
    const story = [label];
    for (let at = 0; at < length; at++) {
      const next: { after: World; label: string }[] = [];
      for (const step of await space.stepsOf(world)) {
        steps++;
        const after = space.followed(world, step);
        const [violation] = [...space.checkStep(world, step, after), ...space.checkWorld(after)];
        if (violation !== undefined)
          return { steps, violation: { ...violation, story: [...story, step.label] } };
        next.push({ after, label: step.label });
      }
      if (next.length === 0) break;
      ({ after: world, label } = pick(next));
      story.push(label);
      const [violation] = await space.checkComing(world);
      if (violation !== undefined) return { steps, violation: { ...violation, story } };
    }
  }
  return { steps, violation: undefined };
}

/** A small generator of numbers from 0 to 1 (mulberry32), so that a walk can be walked again. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
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
