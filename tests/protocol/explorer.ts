import { canonical } from "./canonical.ts";
import { checkComing, checkStep, checkWorld, probe, remembered, type Violation } from "./invariants.ts";
import type { Library } from "./library.ts";
import { Runner } from "./request.ts";
import { type Bounds, received, stepsOf, type World } from "./world.ts";

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

interface Found {
  readonly world: World;
  readonly key: string;
}

/** Breadth first, so that a violation comes with its shortest story. */
export async function explore(library: Library, bounds: Bounds, limits: Limits): Promise<Exploration> {
  const runner = new Runner(library, library.deriveTimes(bounds.times));
  const oldest = runner.settings.times.settle + runner.settings.times.mid + 2;
  const first = await firstWorld(runner);
  const firstKey = canonical(first, oldest);
  const parents = new Map<string, { readonly from: string; readonly label: string } | undefined>([
    [firstKey, undefined],
  ]);
  let ways = new Map<string, bigint>([[firstKey, 1n]]);
  let frontier: Found[] = [{ world: first, key: firstKey }];
  /** Worlds that differ only in what is on its way hold the same promises. */
  const checked = new Set<string>();
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
        const after: World = { ...step.world, ghost: remembered(world, step) };
        const told = checkStep(world, { ...step, world: after }, runner);
        const id = canonical(after, oldest);
        const isNew = !parents.has(id);
        if (isNew) {
          parents.set(id, { from: key, label: step.label });
          const still = canonical({ ...after, travellers: keptFor(after) }, oldest);
          told.push(...checkWorld(after, runner));
          if (!checked.has(still)) told.push(...(await checkComing(after, runner)));
          checked.add(still);
        }
        const [violation] = told;
        if (violation !== undefined)
          return result(false, { ...violation, story: [...storyOf(parents, key), step.label] });
        nextWays.set(id, (nextWays.get(id) ?? 0n) + (ways.get(key) ?? 0n));
        if (isNew) next.push({ world: after, key: id });
      }
      if (parents.size >= limits.states) return result(false);
    }
    for (const count of nextWays.values()) schedules += count;
    ways = nextWays;
    frontier = next;
    depth++;
  }
  return result(true);
}

/** Once everything has ended, answers on their way must be worthless too. */
const keptFor = ({ ghost, travellers }: World): World["travellers"] => (ghost.hasEnded ? travellers : []);

/** Ada has just signed in with the tick; her browser has the cookies, in memory and on disk. */
async function firstWorld(runner: Runner): Promise<World> {
  const now = 1_000_000;
  const nothing = { sessions: new Map(), logins: new Map() };
  const jar = { session: undefined, remember: undefined };
  const signIn = await probe(nothing, jar, now, runner, "login");
  const cookies = received(jar, signIn.cookies);
  const world: World = {
    now,
    rows: signIn.rows,
    jar: cookies,
    disk: cookies,
    dirtySince: undefined,
    travellers: [],
    loot: [],
    thefts: 0,
    nextId: 1,
    ghost: {
      generations: new Map(),
      written: new Map(),
      hasEnded: false,
      isReplaced: false,
      isThiefAbout: false,
    },
  };
  return { ...world, ghost: remembered(world, { label: "sign-in", world }) };
}

function storyOf(
  parents: ReadonlyMap<string, { readonly from: string; readonly label: string } | undefined>,
  key: string,
): string[] {
  const story: string[] = [];
  for (let at = parents.get(key); at !== undefined; at = parents.get(at.from)) story.unshift(at.label);
  return story;
}
