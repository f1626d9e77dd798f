import { EMPTY } from "../rows.ts";
import type { Act } from "./acts.ts";
import { NO_GHOST, remembered } from "./ghost.ts";
import type { Runner } from "./runner.ts";
import { stepsOf } from "./steps.ts";
import { appended, NO_TRAIL } from "./trail.ts";
import { type Beginning, type Bounds, NO_COOKIES, type Step, type World } from "./world.ts";

export const followed = (before: World, step: Step): World => ({
  ...step.world,
  ghost: remembered(before, step),
});

const START = 1_000_000;

/** Where exploring begins, so that no scene spends its steps on getting there. */
export async function beginningsOf(
  bounds: Bounds,
  runner: Runner,
): Promise<{ world: World; label: Beginning }[]> {
  const found: { world: World; label: Beginning }[] = [];
  for (const label of bounds.beginnings) found.push({ label, world: await beginning(label, bounds, runner) });
  return found;
}

async function beginning(label: Beginning, bounds: Bounds, runner: Runner): Promise<World> {
  const pause = runner.settings.times.settle + 1;
  let world = EMPTY_WORLD;
  const visit = async (act: Act) => {
    world = await visited(world, act, bounds, runner);
  };
  const rest = (isClosed: boolean) => {
    const jar = isClosed ? { ...world.jar, session: undefined, acting: undefined } : world.jar;
    world = { ...world, now: world.now + pause, jar, disk: jar };
  };
  const copied = (isAbout: boolean) => {
    const { jar, ghost } = world;
    world = { ...world, loot: [jar], ghost: { ...ghost, isThiefAbout: isAbout } };
  };
  switch (label) {
    case "planted":
      await visit("write");
      copied(false);
      break;
    case "remembered":
      await visit("login");
      rest(true);
      break;
    case "signed in":
      await visit("login");
      break;
    case "half signed in":
      await visit("write");
      copied(false);
      await visit("begin");
      break;
    case "acting":
      await visit("login");
      await visit("act as Bob");
      // Its cookie alone, and all that the browser has.
      world = { ...world, loot: [{ ...NO_COOKIES, acting: world.jar.acting }, world.jar] };
      break;
    case "trusted":
    case "copied":
      await visit("login");
      await visit("trust");
      if (label === "copied") copied(true);
      break;
    case "stolen":
      await visit("login");
      await visit("trust");
      copied(true);
      rest(true);
      await visit("read");
      rest(false);
      await visit("read");
  }
  return {
    ...world,
    trail: await appended(runner.library, world.trail, world.waiting),
    waiting: [],
    sent: 0,
    ticks: 0,
    dirtySince: undefined,
    disk: { ...world.jar, session: undefined, acting: undefined },
  };
}

const EMPTY_WORLD: World = {
  now: START,
  rows: EMPTY,
  trail: NO_TRAIL,
  waiting: [],
  jar: NO_COOKIES,
  disk: NO_COOKIES,
  dirtySince: undefined,
  loot: [],
  travellers: [],
  sent: 0,
  crimes: 0,
  orders: [],
  ticks: 0,
  nextId: 1,
  ghost: NO_GHOST,
};

/** One request of the browser by itself, to the end. */
async function visited(from: World, act: Act, bounds: Bounds, runner: Runner): Promise<World> {
  const calm: Bounds = {
    ...{ ...bounds, acts: [act], requests: 99, parallel: 1, isRough: false },
    ...{ orders: [], crimes: [], endings: [], ticks: 0 },
  };
  let world = from;
  let isSent = false;
  while (!isSent || world.travellers.length > 0) {
    const steps = await stepsOf(world, calm, runner);
    const step = steps.find(
      ({ label }) =>
        label.startsWith(isSent ? "request" : "the browser sends") ||
        (isSent && label.startsWith("the answer")),
    );
    if (step === undefined) throw new Error(`"${act}" cannot happen`);
    isSent = true;
    world = followed(world, step);
  }
  return world;
}
