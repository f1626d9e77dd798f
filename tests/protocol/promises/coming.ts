import { probe } from "../probe.ts";
import type { Jar, Runner } from "../request.ts";
import { givenBy, type World } from "../world.ts";
import type { Violation } from "./violation.ts";

/** I4 and I13: with everything on its way lost, the browser comes back as who it is, now and later, also from its disk. */
export async function checkReturn(world: World, runner: Runner): Promise<Violation[]> {
  const { ghost, isLimited } = world;
  if (ghost.isThiefAbout || ghost.hasEnded || ghost.isReplaced || ghost.isSetBack || isLimited) return [];
  const later = world.now + runner.settings.times.settle + runner.settings.times.mid;
  const onDisk: Jar = { ...world.disk, session: undefined };
  for (const [jar, now, what, whose] of [
    [world.jar, world.now, "now", ghost.whose],
    [world.jar, later, "much later", ghost.whose],
    [onDisk, world.now, "after a crash", ghost.whoseOnDisk],
    [onDisk, later, "long after a crash", ghost.whoseOnDisk],
  ] as const) {
    if (jar.remember === undefined) continue;
    const { isServed, user, events } = await probe(world.rows, jar, now, runner);
    if (!isServed) return [{ invariant: "I4", what: `the browser, coming back ${what}, is nobody` }];
    if (events.includes("theft"))
      return [{ invariant: "I4", what: `the browser, coming back ${what}, is taken for a thief` }];
    if (whose !== "anybody" && user !== whose)
      return [{ invariant: "I13", what: `the browser, coming back ${what}, is another user's` }];
  }
  return [];
}

/** I7: after an end nothing that anybody holds, or that is on its way, signs in. */
export async function checkEnded(world: World, runner: Runner): Promise<Violation[]> {
  if (!world.ghost.isEmpty || world.rows.sessions.size === 0) return [];
  const sent = world.travellers.flatMap(({ stage }) =>
    stage.kind === "answered" ? [givenBy(stage.cookies)] : [],
  );
  for (const jar of [world.jar, world.disk, ...world.loot, ...sent]) {
    const { user } = await probe(world.rows, jar, world.now, runner);
    if (user !== undefined) return [{ invariant: "I7", what: "a cookie still signs in after the end" }];
  }
  return [];
}
