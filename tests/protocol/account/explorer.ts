import type { Library } from "../library.ts";
import { type Found, type Space, search, type Wandering, walkAtRandom } from "../search.ts";
import { beginningsOf, followed } from "./beginnings.ts";
import { canonical } from "./canonical.ts";
import { checkComing } from "./coming.ts";
import { checkStep, checkWorld } from "./promises.ts";
import { Runner } from "./runner.ts";
import { stepsOf } from "./steps.ts";
import type { Bounds, Step, World } from "./world.ts";

export const explore = async (library: Library, bounds: Bounds, states: number): Promise<Found> =>
  search(await spaceOf(library, bounds), Math.min(states, bounds.states ?? states));

/** To the end of what a scene allows. */
export const wander = async (library: Library, bounds: Bounds, walks: number): Promise<Wandering> =>
  walkAtRandom(await spaceOf(library, bounds), { walks, length: Number.POSITIVE_INFINITY });

async function spaceOf(library: Library, bounds: Bounds): Promise<Space<World, Step>> {
  const runner = new Runner(library, bounds);
  return {
    beginnings: await beginningsOf(bounds, runner),
    stepsOf: (world) => stepsOf(world, bounds, runner),
    followed,
    keyOf: (world) => canonical(world, bounds),
    stillKeyOf: (world) => canonical({ ...world, ...stillIn(world) }, bounds),
    checkStep,
    checkWorld,
    checkComing: (world) => checkComing(world, bounds, runner),
  };
}

const stillIn = ({ travellers }: World): Pick<World, "travellers" | "sent" | "ticks"> => ({
  travellers: travellers.filter(({ stage }) => stage === "answering"),
  sent: 0,
  ticks: 0,
});
