import { canonical } from "./canonical.ts";
import { checkComing, checkStep, checkWorld, probe, remembered, type Violation } from "./invariants.ts";
import type { Library } from "./library.ts";
import { Runner } from "./request.ts";
import { type Bounds, received, type Step, stepsOf, type World } from "./world.ts";

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
  const runner = new Runner(library, library.deriveTimes(bounds.times));
  const oldest = runner.settings.times.settle + runner.settings.times.mid + 2;
  const beginnings = await beginningsOf(bounds, runner);
  const first = beginnings.map(({ world, label }) => ({ world, label, key: canonical(world, oldest) }));
  const parents = new Map<string, Parent>(first.map(({ key, label }) => [key, { from: undefined, label }]));
  let ways = new Map<string, bigint>(first.map(({ key }) => [key, 1n]));
  let frontier: Found[] = first;
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
        const after = followed(world, step);
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
  const runner = new Runner(library, library.deriveTimes(bounds.times));
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
      const [violation] = await checkComing(world, runner);
      if (violation !== undefined) return { walks: walk, steps, violation: { ...violation, story } };
    }
  }
  return { walks, steps, violation: undefined };
}

const followed = (before: World, step: Step): World => ({ ...step.world, ghost: remembered(before, step) });

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

/** Once everything has ended, answers on their way must be worthless too. */
const keptFor = ({ ghost, travellers }: World): World["travellers"] => (ghost.hasEnded ? travellers : []);

interface Beginning {
  readonly world: World;
  readonly label: string;
}

/** Where exploring begins, so that no scene spends its depth on getting there. */
export async function beginningsOf(bounds: Bounds, runner: Runner): Promise<Beginning[]> {
  const start = 1_000_000;
  const pause = runner.settings.times.settle + 1;
  const nobody = { session: undefined, remember: undefined };
  const signIn = await probe({ sessions: new Map(), logins: new Map() }, nobody, start, runner, "login");
  const jar = received(nobody, signIn.cookies);
  const closed = { ...jar, session: undefined };
  const restore = await probe(signIn.rows, closed, start + pause, runner);
  const back = received(closed, restore.cookies);
  const signedIn = worldAt(start, signIn.rows, jar);
  const rested = worldAt(start + pause, signIn.rows, closed);
  const sends = `the browser sends a request (${bounds.handlers[0]})`;
  const rotated = await follow(rested, bounds, runner, [
    sends,
    sends,
    "request 1 arrives",
    "request 1 ends its handler",
  ]);
  const converged = await follow(rotated, bounds, runner, [
    "the answer to request 1 is lost",
    "a tick passes",
    "request 2 arrives",
    "request 2 ends its handler",
  ]);
  const delivered = await follow(converged, bounds, runner, [
    "a tick passes",
    "the answer to request 2 arrives",
    "a tick passes",
  ]);
  const restoredLongAgo = worldAt(start + 2 * pause, restore.rows, back, signedIn.ghost);
  const confirming = await follow(restoredLongAgo, bounds, runner, [
    "the browser sends a request (reauthenticate)",
    "request 1 arrives",
    "request 1 ends its handler",
  ]);
  const hesitating = await follow(signedIn, bounds, runner, [
    "the browser ends (close)",
    "the browser sends a request (reauthenticate)",
    "request 1 arrives",
    "a long time passes",
  ]);
  const confirmed = await follow(hesitating, bounds, runner, [
    "the browser sends a request (read)",
    "request 2 arrives",
    "request 1 ends its handler",
    "the answer to request 1 arrives",
    "the browser writes its cookies to disk",
  ]);
  const all: { world: World | undefined; label: string }[] = [
    { world: signedIn, label: "Ada has just signed in, with the tick" },
    { world: rested, label: "Ada signed in with the tick and closed her browser, a long time ago" },
    {
      world: worldAt(start + pause, restore.rows, back, signedIn.ghost),
      label: "Ada's browser was closed, and has just come back",
    },
    { world: restoredLongAgo, label: "Ada's browser was closed, and came back a long time ago" },
    {
      world: rotated,
      label: "Ada's browser came back with two requests, 1 and 2; 1 rotated and is being answered",
    },
    { world: converged, label: "… the answer to 1 was lost; 2 converged a tick later and is being answered" },
    {
      world: delivered,
      label: "… and its answer came a tick later, and is not on disk yet another tick later",
    },
    {
      world: confirming,
      label: "Ada's browser came back a long time ago; she has confirmed her password and is being answered",
    },
    {
      world: hesitating,
      label:
        "Ada signed in, closed her browser, came back; request 1 confirms her password, and takes its time",
    },
    {
      world: confirmed,
      label: "… request 2, that had come before, still runs when her confirmation has arrived",
    },
  ];
  return all.flatMap(({ world, label }) => (world === undefined ? [] : [{ world, label }]));
}

/** Takes the steps whose labels begin like these; undefined where a scene does not have them. */
async function follow(
  world: World | undefined,
  bounds: Bounds,
  runner: Runner,
  labels: readonly string[],
): Promise<World | undefined> {
  let at = world;
  for (const label of labels) {
    if (at === undefined) return undefined;
    const steps = await stepsOf(at, bounds, runner);
    const step = steps.find((each) => each.label.startsWith(label));
    at = step === undefined ? undefined : followed(at, step);
  }
  return at;
}

function worldAt(now: number, rows: World["rows"], jar: World["jar"], before?: World["ghost"]): World {
  const ghost = before ?? {
    generations: new Map(),
    written: new Map(),
    hasEnded: false,
    isReplaced: false,
    isThiefAbout: false,
    isSetBack: false,
  };
  const world: World = {
    now,
    rows,
    jar,
    disk: jar,
    dirtySince: undefined,
    travellers: [],
    loot: [],
    thefts: 0,
    backup: rows,
    nextId: 1,
    ghost,
  };
  return { ...world, ghost: remembered(world, { label: "the beginning", world }) };
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
