import type { CookieInstruction } from "../../src/http/cookies.ts";
import type { Settings } from "../../src/options/settings.ts";
import { digestIn, hex } from "./digests.ts";
import type { Handler } from "./handlers.ts";
import { type Jar, NO_COOKIES, type Progress, type Runner, type Running } from "./request.ts";
import { isRead, perform, type Rows, type StoreCall } from "./rows.ts";
import { storeSteps } from "./store-steps.ts";
import {
  type Bounds,
  hasCookies,
  idIn,
  isSameJar,
  type Origin,
  received,
  rowsOf,
  type Step,
  type Traveller,
  type World,
} from "./world.ts";

/** Everything that can happen next. */
export async function stepsOf(world: World, bounds: Bounds, runner: Runner): Promise<Step[]> {
  const steps: Step[] = [...sendings(world, bounds, runner)];
  for (const traveller of world.travellers) steps.push(...(await goingOn(world, traveller, bounds, runner)));
  steps.push(...browserSteps(world, bounds));
  const { times } = runner.settings;
  if (mayPass(world, times, 1)) steps.push({ label: "a tick passes", world: ticked(world, times, 1) });
  const long = times.settle + 1;
  if (mayPass(world, times, long))
    steps.push({ label: "a long time passes", world: ticked(world, times, long) });
  steps.push(...thefts(world, bounds), ...(await storeSteps(world, bounds, runner)));
  return steps;
}

function sendings(world: World, bounds: Bounds, runner: Runner): Step[] {
  const own = world.travellers.filter(({ owner, isOrphan }) => owner === "browser" && !isOrphan);
  const orphans = world.travellers.filter(({ isOrphan }) => isOrphan);
  if (own.length >= bounds.parallel || own.length + orphans.length > bounds.parallel) return [];
  const { jar, ghost, tossed } = world;
  const origin: Origin = { jar, whose: ghost.whose, era: ghost.era, isQueued: false };
  const steps: Step[] = [];
  const add = (what: string, how: Parameters<typeof send>[1], changes: Partial<World> = {}) => {
    steps.push({ label: what, world: { ...world, ...send(world, how), ...changes } });
  };
  for (const handler of hasCookies(jar) ? bounds.handlers : []) {
    add(`the browser sends a request (${handler}) with ${named(jar)}`, { origin, handler, tossed });
  }
  for (const handler of bounds.withheld ?? []) {
    add(`another site makes the browser send a request (${handler}), without cookies`, {
      ...{ origin, handler, isWithheld: true },
    });
  }
  if (world.queued < (bounds.queued ?? 0)) {
    for (const { until, ...past } of world.past) {
      // Q is the whole of it: the answer with the newer cookie, the waiting, and the way to the server.
      const { queue, delivery, transit } = runner.settings.times;
      if (world.now - until > queue - delivery - transit || !isTold(world, past.jar)) continue;
      const held = { ...past, isQueued: true };
      for (const handler of bounds.handlers) {
        const label = `the browser sends a request (${handler}) that it held back, with ${named(past.jar)}`;
        add(label, { origin: held, handler }, { queued: world.queued + 1 });
      }
    }
  }
  return steps;
}

/**
 * Whether the protocol can tell that a request with these cookies was held back. It cannot before the successor of its
 * token is confirmed, as that may be lost, nor by the current token alone, as the browser may have been closed.
 */
function isTold({ rows }: World, { session, remember }: Jar): boolean {
  const login = rows.logins.get(idIn(remember));
  if (login === undefined) return true;
  const isCurrent = hex(login.token) === digestIn(remember ?? "");
  return isCurrent ? session !== undefined : login.confirmedAt !== undefined;
}

async function goingOn(world: World, traveller: Traveller, bounds: Bounds, runner: Runner): Promise<Step[]> {
  const { stage, running, owner } = traveller;
  const who = `request ${running.id}`;
  const steps: Step[] = [];
  const goOn = async (moving: Traveller, label: string) => {
    steps.push(await advance(world, traveller, moving, runner, label));
    const isReading = running.commitAt === undefined && moving.stage.kind !== "handling";
    if (world.replica === undefined || world.replica === world.rows || !isReading) return;
    const behind = await advance(world, traveller, moving, runner, label, world.replica);
    if (behind.moved?.call !== undefined && isRead(behind.moved.call))
      steps.push({ ...behind, label: `${label}, and a replica answers that is behind` });
  };
  const lost = (label: string) => {
    if (bounds.isCalm !== true) steps.push({ label, world: { ...world, ...without(world, traveller) } });
  };
  switch (stage.kind) {
    case "sent":
      for (const skew of bounds.skews) {
        for (const [isBeyond, where] of sidesOf(world)) {
          const opened = { ...running, skew, openedAt: world.now, isLimited: world.isLimited };
          const ahead = skew > 0 ? " at a server whose clock is ahead" : "";
          await goOn({ ...traveller, isBeyond, running: opened }, `${who} arrives${ahead}${where}`);
        }
      }
      if (bounds.bodies === true && owner === "browser") {
        const arrived: Traveller = { ...traveller, stage: { kind: "arrived", at: world.now } };
        steps.push({ label: `the head of ${who} arrives`, world: replaced(world, traveller, arrived) });
      }
      lost(`${who} is lost on its way`);
      break;
    case "arrived": {
      const complete = { ...running, openedAt: world.now, arrivedAt: stage.at };
      await goOn({ ...traveller, running: complete }, `${who} is complete`);
      break;
    }
    case "calling":
      await goOn(traveller, `${who} goes on with ${stage.call.name}`);
      lost(`the server of ${who} crashes before ${stage.call.name}`);
      break;
    case "handling":
      await goOn(
        { ...traveller, running: { ...running, commitAt: world.now } },
        `${who} ends its handler and commits`,
      );
      lost(`the server of ${who} crashes in its handler`);
      break;
    case "answered":
      steps.push({
        label: `the answer to ${who} arrives`,
        world: { ...world, ...deliver(world, traveller, stage.cookies) },
        delivered: { traveller, cookies: stage.cookies },
      });
      lost(`the answer to ${who} is lost`);
  }
  return steps;
}

const sidesOf = ({ other }: World): (readonly [isBeyond: boolean, where: string])[] =>
  other === undefined
    ? [[false, ""]]
    : [
        [false, " on this side"],
        [true, " on the other side"],
      ];

/** One call of the store, made now, and on to the next or to the end of open or commit. */
async function advance(
  world: World,
  before: Traveller,
  moving: Traveller,
  runner: Runner,
  label: string,
  replica?: Rows,
): Promise<Step> {
  let { running } = moving;
  const { isBeyond } = moving;
  let progress = await runner.run(running);
  let sides: Pick<World, "rows" | "other"> = world;
  let call: StoreCall | undefined;
  let answer: unknown;
  if (progress.kind === "calling") {
    call = progress.call;
    const performed = await perform(runner.library, replica ?? rowsOf(world, isBeyond), call);
    if (!isRead(call))
      sides = isBeyond ? { ...world, other: performed.rows } : { ...world, rows: performed.rows };
    answer = performed.value;
    running = { ...running, answers: [...running.answers, { value: answer, at: world.now }] };
    progress = await runner.run(running);
  }
  const after: Traveller = {
    ...moving,
    isBehind: before.isBehind || replica !== undefined,
    running,
    stage: stageAfter(progress, world.now),
    stood: progress.kind === "handling" ? stoodBy(progress) : moving.stood,
    toldEvents: progress.events.length,
  };
  const isOver = progress.kind === "answering" && (before.isOrphan || progress.cookies.length === 0);
  const { rows, other } = sides;
  return {
    label,
    world: {
      ...(isOver ? { ...world, ...without(world, before) } : replaced(world, before, after)),
      rows,
      other,
    },
    moved: { before, after, progress, call, answer },
  };
}

function stoodBy({ state: { standing } }: Extract<Progress, { kind: "handling" }>): Traveller["stood"] {
  if (standing.kind === "remembered") return "token";
  return standing.kind === "live" || standing.kind === "previous" ? "session" : "nothing";
}

function stageAfter(progress: Progress, now: number): Traveller["stage"] {
  if (progress.kind === "calling") return { kind: "calling", call: progress.call };
  if (progress.kind === "answering") return { kind: "answered", at: now, cookies: progress.cookies };
  return { kind: "handling", state: progress.state };
}

interface Sending extends Pick<Running, "isWithheld" | "isFromElsewhere" | "arrivedAt" | "tossed"> {
  readonly owner?: Traveller["owner"];
  readonly origin: Origin;
  readonly handler: Handler;
}

function send(world: World, { owner = "browser", origin, handler, ...how }: Sending): Partial<World> {
  const taken = new Set(world.travellers.map(({ running }) => running.slot));
  let slot = 0;
  while (taken.has(slot)) slot++;
  const traveller: Traveller = {
    owner,
    running: {
      id: world.nextId,
      cookies: how.isWithheld === true ? NO_COOKIES : origin.jar,
      handler,
      slot,
      skew: 0,
      openedAt: world.now,
      answers: [],
      commitAt: undefined,
      ...how,
    },
    stage: { kind: "sent", at: world.now },
    origin,
    stood: undefined,
    isBehind: false,
    isBeyond: false,
    isOrphan: false,
    toldEvents: 0,
  };
  return { travellers: [...world.travellers, traveller], nextId: world.nextId + 1 };
}

function deliver(world: World, traveller: Traveller, cookies: readonly CookieInstruction[]): Partial<World> {
  const rest = without(world, traveller);
  if (traveller.owner === "thief") {
    const jar = received(NO_COOKIES, cookies);
    return { ...rest, loot: hasCookies(jar) ? [...world.loot, jar] : world.loot };
  }
  const jar = received(world.jar, cookies);
  if (isSameJar(jar, world.jar)) return rest;
  const { whose, era } = world.ghost;
  const left = { jar: world.jar, whose, era, until: world.now };
  return {
    ...rest,
    jar,
    dirtySince: world.dirtySince ?? world.now,
    past: hasCookies(world.jar) ? [left, ...world.past] : world.past,
  };
}

function browserSteps(world: World, bounds: Bounds): Step[] {
  const steps: Step[] = [];
  if (world.dirtySince !== undefined) {
    const ghost = { ...world.ghost, whoseOnDisk: world.ghost.whose };
    steps.push({
      label: "the browser writes its cookies to disk",
      world: { ...world, disk: world.jar, dirtySince: undefined, ghost },
    });
  }
  for (const ending of bounds.endings) {
    const isClosed = ending === "close";
    const saved = isClosed ? world.jar : world.disk;
    if (!hasCookies(saved)) continue;
    const jar = ending === "crash and restore its tabs" ? saved : { ...saved, session: undefined };
    if (!isClosed && isSameJar(jar, world.jar)) continue;
    const travellers = orphaned(world.travellers);
    const { whose, whoseOnDisk } = world.ghost;
    const known = isClosed ? whose : whoseOnDisk;
    const ghost = { ...world.ghost, whose: known, whoseOnDisk: known };
    steps.push({
      label: `the browser ends (${ending}) and starts again`,
      world: { ...world, jar, disk: jar, dirtySince: undefined, travellers, past: [], ghost },
    });
  }
  for (const tossed of world.tossed === undefined ? (bounds.tossed ?? []) : []) {
    steps.push({ label: `a subdomain tosses in ${tossed}`, world: { ...world, tossed } });
  }
  if (world.tossed !== undefined)
    steps.push({ label: "what was tossed in is gone", world: { ...world, tossed: undefined } });
  return steps;
}

function thefts(world: World, bounds: Bounds): Step[] {
  const steps: Step[] = [];
  const { jar, loot } = world;
  if (world.thefts < bounds.thefts && hasCookies(jar) && !loot.some((copy) => isSameJar(copy, jar))) {
    const ghost = { ...world.ghost, isThiefAbout: true };
    steps.push({
      label: `a thief copies ${named(jar)}`,
      world: { ...world, loot: [...loot, jar], thefts: world.thefts + 1, ghost },
    });
  }
  if (loot.length === 0 || world.travellers.some(({ owner }) => owner === "thief")) return steps;
  const origin = { whose: "anybody", era: 0, isQueued: false } as const;
  for (const jar of lootedJars(loot)) {
    for (const handler of bounds.crimes ?? ["read"]) {
      for (const ago of [undefined, ...(bounds.claims ?? [])]) {
        const arrivedAt = ago === undefined ? undefined : world.now - ago;
        const claim = ago === undefined ? "" : `, and says that it came ${ago} ticks ago`;
        const how = { handler, arrivedAt, isFromElsewhere: true, origin: { ...origin, jar } };
        steps.push({
          label: `the thief sends a request (${handler}) with ${named(jar)}${claim}`,
          world: { ...world, ...send(world, { owner: "thief", ...how }) },
        });
      }
    }
  }
  return steps;
}

const without = (world: World, traveller: Traveller): Partial<World> => ({
  travellers: world.travellers.filter((each) => each !== traveller),
});

const replaced = (world: World, before: Traveller, after: Traveller): World => ({
  ...world,
  travellers: world.travellers.map((each) => (each === before ? after : each)),
});

/**
 * Requests go on when their browser is gone; their answers reach nobody. A body that is not complete never comes, and
 * what was to be answered is not. Nor does what was held back: by the next return its token is two generations old.
 */
const orphaned = (travellers: readonly Traveller[]): Traveller[] =>
  travellers.flatMap((traveller) => {
    const { owner, stage, origin } = traveller;
    if (owner === "thief") return [traveller];
    const isOver =
      stage.kind === "answered" || stage.kind === "arrived" || (stage.kind === "sent" && origin.isQueued);
    return isOver ? [] : [{ ...traveller, isOrphan: true }];
  });

function ticked(world: World, times: Settings["times"], ticks: number): World {
  const now = world.now + ticks;
  return { ...world, now, past: world.past.filter(({ until }) => now - until <= times.queue) };
}

/** Time stands still while something is on its way that would be later than the network or the disk ever is. */
function mayPass(world: World, times: Settings["times"], ticks: number): boolean {
  const slack = (since: number, limit: number) => world.now + ticks - since <= limit;
  if (world.dirtySince !== undefined && !slack(world.dirtySince, times.persist)) return false;
  return world.travellers.every(({ owner, stage }) => {
    if (stage.kind === "sent") return owner === "thief" || slack(stage.at, times.transit);
    if (stage.kind === "arrived") return slack(stage.at, times.arrival);
    if (stage.kind === "answered") return slack(stage.at, times.delivery);
    // A call of the store takes no time worth a tick; a handler takes any.
    return stage.kind === "handling";
  });
}

function lootedJars(loot: readonly Jar[]): Jar[] {
  const values = <K extends keyof Jar>(key: K) =>
    [...new Set(loot.map((jar) => jar[key]))].filter((value) => value !== undefined);
  const remembers = values("remember").map((remember) => ({ session: undefined, remember }));
  const sessions = values("session").map((session) => ({ session, remember: undefined }));
  const jars = [
    ...loot.filter(({ session, remember }) => session !== undefined && remember !== undefined),
    ...remembers,
    ...sessions,
  ];
  return jars.filter((jar, index) => jars.findIndex((other) => isSameJar(other, jar)) === index);
}

export function named({ session, remember }: Jar): string {
  const parts = [
    ...(session === undefined ? [] : ["its session cookie"]),
    ...(remember === undefined ? [] : [`the remember cookie of generation ${remember.split(".")[1]}`]),
  ];
  return parts.length === 0 ? "no cookies" : parts.join(" and ");
}
