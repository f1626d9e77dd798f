import { beginningsOf, followed } from "./beginnings.ts";
import { canonical } from "./canonical.ts";
import { checkComing, checkStep, checkWorld } from "./invariants.ts";
import type { Library } from "./library.ts";
import { Runner } from "./request.ts";
import { type Found, type Space, search, type Wandering, walkAtRandom } from "./search.ts";
import { stepsOf } from "./steps.ts";
import type { Bounds, Step, World } from "./world.ts";

/** How far walks go; scenes go on without an end. */
const LENGTH = 40;

export const explore = async (library: Library, bounds: Bounds, states: number): Promise<Found> =>
  search(await spaceOf(library, bounds), Math.min(states, bounds.states ?? states));

export const wander = async (library: Library, bounds: Bounds, walks: number): Promise<Wandering> =>
  walkAtRandom(await spaceOf(library, bounds), { walks, length: LENGTH });

async function spaceOf(library: Library, bounds: Bounds): Promise<Space<World, Step>> {
  const runner = new Runner(library, library.deriveTimes(bounds.times), bounds.lives);
  const oldest = oldestIn(bounds, runner);
  return {
    beginnings: await beginningsOf(bounds, runner),
    stepsOf: (world) => stepsOf(world, bounds, runner),
    followed,
    keyOf: (world) => canonical(world, oldest),
    stillKeyOf: (world) => canonical({ ...world, travellers: keptFor(world) }, oldest),
    checkStep: (before, step, world) => checkStep(before, { ...step, world }, runner),
    checkWorld: (world) => checkWorld(world, runner),
    checkComing: (world) => checkComing(world, bounds, runner),
  };
}

/** From then on it makes no difference when something was. */
function oldestIn({ queued, bodies, claims, lives }: Bounds, { settings: { times } }: Runner): number {
  const windows = [times.settle + times.mid];
  if (queued !== undefined) windows.push(times.queue + times.transit);
  if (bodies === true || claims !== undefined) windows.push(times.settle + times.arrival);
  if (lives !== undefined) windows.push(lives.login);
  return Math.max(...windows) + 2;
}

/** Once everything has ended, answers on their way must be worthless too. */
const keptFor = ({ ghost, travellers }: World): World["travellers"] => (ghost.isEmpty ? travellers : []);
