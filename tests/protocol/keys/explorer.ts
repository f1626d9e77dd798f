import { createHash } from "node:crypto";
import type { Library } from "../library.ts";
import { EMPTY } from "../rows.ts";
import { type Found, type Space, search, type Wandering, walkAtRandom } from "../search.ts";
import { checkComing, checkStep, checkWorld, followed, NO_GHOST } from "./promises.ts";
import { DELIVERY, PROOF_LIFE, proofBy, Runner } from "./runner.ts";
import { stepsOf } from "./steps.ts";
import { type Bounds, NO_COOKIES, received, type Step, type World } from "./world.ts";

export const explore = async (library: Library, bounds: Bounds, states: number): Promise<Found> =>
  search(await spaceOf(library, bounds), states);

/** To the end of what a scene allows. */
export const wander = async (library: Library, bounds: Bounds, walks: number): Promise<Wandering> =>
  walkAtRandom(await spaceOf(library, bounds), { walks, length: Number.POSITIVE_INFINITY });

async function spaceOf(library: Library, bounds: Bounds): Promise<Space<World, Step>> {
  const runner = new Runner(library, bounds.skew);
  return {
    beginnings: [{ world: await beginning(bounds, runner), label: `she is ${bounds.begins}` }],
    stepsOf: (world) => stepsOf(world, bounds, runner),
    followed,
    keyOf: canonical,
    stillKeyOf: (world) => canonical({ ...world, sent: 0, ticks: 0 }),
    checkStep: (before, step) => checkStep(before, step, bounds.skew),
    checkWorld,
    checkComing: (world) => checkComing(world, runner),
  };
}

/** Signed in and asked for a key; or that is done, and the browser has shown the short cookie. */
async function beginning({ begins, isRemembered }: Bounds, runner: Runner): Promise<World> {
  const now = 10;
  let world: World = {
    ...{ now, rows: EMPTY, jar: NO_COOKIES, there: undefined, offer: undefined, hasSkipped: false },
    ...{ loot: [], travellers: [], sent: 0, crimes: 0, ticks: 0, nextId: 1, ghost: NO_GHOST },
  };
  const answer = async (id: number, what: Parameters<Runner["probe"]>[2]) => {
    const answered = await runner.probe(world.rows, world.now, { ...what, id });
    const jar = received(world.jar, answered.cookies, PROOF_LIFE, world.now);
    const after = {
      ...world,
      rows: answered.rows,
      jar: isRemembered ? jar : { ...jar, remember: undefined },
    };
    world = followed(world, { label: "", world: after, moved: undefined as never });
    const issued = new Map(world.ghost.issued);
    if (jar.bound !== undefined)
      issued.set(jar.bound.value, {
        id: jar.bound.value.split(".")[0] ?? "",
        until: jar.bound.until + DELIVERY,
      });
    world = { ...world, ghost: { ...world.ghost, issued } };
    return answered;
  };
  const signedIn = await answer(401, {
    act: isRemembered ? "sign in" : "plain",
    cookies: NO_COOKIES,
  } as never);
  const stolen = world.jar;
  if (begins === "asked") return { ...world, offer: signedIn.offer, loot: [stolen] };
  const proof = proofBy("browser", signedIn.offer ?? "");
  const { bind } = await answer(402, { act: "register", cookies: world.jar, proof });
  if (bind?.kind !== "bound") throw new Error("the key was not registered");
  await answer(403, { act: "page", cookies: world.jar });
  const there = { id: bind.id, challenge: undefined };
  const loot = [stolen, world.jar];
  // The thief comes when the grace is over; the browser, later still.
  world = { ...world, there, loot, now: now + 3 };
  return begins === "bound"
    ? world
    : { ...world, now: now + 40, jar: { ...world.jar, session: undefined, bound: undefined } };
}

/** Worlds of one key behave alike: the same rows, cookies and requests on their way. */
function canonical({ ghost, nextId: _, ...world }: World): string {
  const plain = (_key: string, value: unknown): unknown => {
    if (value instanceof Map) return [...value];
    if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
    return value;
  };
  const known = { ...world, hasEnded: ghost.hasEnded, confirmed: ghost.confirmed, issued: ghost.issued };
  return createHash("sha256").update(JSON.stringify(known, plain)).digest("base64");
}
