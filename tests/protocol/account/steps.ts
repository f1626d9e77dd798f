import { isRead, perform, type Rows } from "../rows.ts";
import { type Act, isAWhile, isOrder, type Order } from "./acts.ts";
import { handleOf } from "./devices.ts";
import { type Runner, THIEVES } from "./runner.ts";
import { appended, isOfTrail, type Noted, performed as performedInTrail, type Work } from "./trail.ts";
import {
  type Bounds,
  isSameJar,
  type Jar,
  NO_COOKIES,
  received,
  type Step,
  type Traveller,
  type World,
} from "./world.ts";

/** Everything that can happen next. */
export async function stepsOf(world: World, bounds: Bounds, runner: Runner): Promise<Step[]> {
  const steps: Step[] = [];
  for (const { step, traveller } of sendings(world, bounds)) {
    // What is on its way for a while matters to a browser alone, whose cookies may change meanwhile.
    const isSlow = traveller.owner === "browser" && bounds.isSlow === true;
    steps.push(isSlow ? step : await advance(step.world, traveller, traveller, runner, step.label));
  }
  for (const traveller of world.travellers) steps.push(...(await goingOn(world, traveller, bounds, runner)));
  steps.push(...(await arrivals(world, runner)), ...browserSteps(world, bounds));
  if (world.ticks < bounds.ticks && mayPass(world, runner))
    steps.push({
      label: "a tick passes",
      world: { ...world, now: world.now + 1, ticks: world.ticks + 1 },
    });
  return steps;
}

function sendings(world: World, bounds: Bounds): { step: Step; traveller: Traveller }[] {
  const steps: { step: Step; traveller: Traveller }[] = [];
  const add = (label: string, what: Sending, changes: Partial<World>) => {
    const traveller = sent(world, what);
    const travellers = [...world.travellers, traveller];
    steps.push({ step: { label, world: { ...world, travellers, ...changes } }, traveller });
  };
  const own = world.travellers.filter(({ owner }) => owner === "browser");
  const { jar, nextId } = world;
  if (own.length < bounds.parallel && world.sent < bounds.requests)
    for (const act of bounds.acts)
      add(
        `the browser sends request ${nextId} (${act}) with ${named(jar)}`,
        { owner: "browser", act, cookies: jar, id: nextId },
        { sent: world.sent + 1, nextId: nextId + 1 },
      );
  if (world.crimes < (bounds.crimesAtMost ?? 1) && !world.travellers.some(({ owner }) => owner === "thief"))
    for (const loot of world.loot)
      for (const act of bounds.crimes ?? []) {
        const id = THIEVES + world.crimes;
        add(
          `the thief sends request ${id} (${act}) with ${named(loot)}`,
          { owner: "thief", act, cookies: loot, id },
          { crimes: world.crimes + 1 },
        );
      }
  for (const order of bounds.orders ?? []) {
    if (world.orders.includes(order)) continue;
    const handle = handlesIn(world.rows)[0] ?? "none";
    add(
      `an order is given: ${order} (request ${nextId})`,
      { owner: "nobody", act: order, cookies: NO_COOKIES, id: nextId, handle },
      { orders: [...world.orders, order], nextId: nextId + 1, ghost: { ...world.ghost, hasEnded: true } },
    );
  }
  return steps;
}

interface Sending {
  readonly owner: Traveller["owner"];
  readonly act: Act | Order;
  readonly cookies: Jar;
  readonly id: number;
  readonly handle?: string;
}

const sent = ({ now }: World, { owner, act, cookies, id, handle = "" }: Sending): Traveller => ({
  owner,
  running: { id, act, cookies, handle, openedAt: now, answers: [], commitAt: undefined },
  stage: "sent",
  at: now,
  progress: undefined,
  isOrphan: false,
});

/** Of Ada's devices that are there. */
export const handlesIn = ({ sessions, logins }: Rows): string[] => [
  ...new Set(
    [
      ...[...sessions.values()].filter(({ userId, level }) => userId === "ada" && level !== "trust"),
      ...[...logins.values()].filter(({ userId, revokedAt }) => userId === "ada" && revokedAt === undefined),
    ].map(handleOf),
  ),
];

async function goingOn(world: World, traveller: Traveller, bounds: Bounds, runner: Runner): Promise<Step[]> {
  const { stage, running, progress } = traveller;
  const who = `request ${running.id}`;
  const steps: Step[] = [];
  const lost = (label: string) => {
    if (bounds.isRough === true) steps.push({ label, world: { ...world, ...without(world, traveller) } });
  };
  if (stage === "sent") {
    const opened = { ...traveller, running: { ...running, openedAt: world.now } };
    steps.push(await advance(world, traveller, opened, runner, `${who} arrives`));
  }
  if (stage === "calling") {
    steps.push(
      await advance(world, traveller, traveller, runner, `${who} goes on with ${progress?.call?.name}`),
    );
    lost(`the server of ${who} crashes before ${progress?.call?.name}`);
  }
  if (stage === "handling") {
    const ending = { ...traveller, running: { ...running, commitAt: world.now } };
    steps.push(await advance(world, traveller, ending, runner, `${who} ends its handler and commits`));
  }
  if (stage === "answering") {
    const jar = received(world.jar, progress?.cookies ?? []);
    const isTheirs = traveller.owner === "thief";
    // A thief keeps what it was given.
    const loot = received(running.cookies, progress?.cookies ?? []);
    const changes = isTheirs
      ? { loot: [...world.loot, loot] }
      : { jar, dirtySince: isOnDisk(jar, world.disk) ? undefined : world.now };
    steps.push({
      label: `the answer to ${who} arrives`,
      world: { ...world, ...without(world, traveller), ...changes },
    });
    if (!isTheirs) lost(`the answer to ${who} is lost`);
  }
  return steps;
}

/** One call of the store, made now, and on to the next or to the end of open or commit. */
async function advance(
  world: World,
  before: Traveller,
  moving: Traveller,
  runner: Runner,
  label: string,
): Promise<Step> {
  let { running } = moving;
  let progress = await runner.run(running);
  let { rows, trail } = world;
  const { call } = progress;
  if (call !== undefined) {
    const performed = isOfTrail(call)
      ? { rows, ...(await performedInTrail(trail, call.values[0] as Work)) }
      : { trail, ...(await perform(runner.library, rows, call)) };
    if (!isRead(call) && call.name !== "list") rows = performed.rows;
    trail = performed.trail;
    running = { ...running, answers: [...running.answers, { value: performed.value, at: world.now }] };
    progress = await runner.run(running);
  }
  const after: Traveller = { ...moving, running, stage: progress.kind, at: world.now, progress };
  const isOver = progress.kind === "answering" && (before.isOrphan || progress.cookies.length === 0);
  const travellers = isOver
    ? without(world, before).travellers
    : world.travellers.map((each) => (each === before ? after : each));
  const waiting = [...world.waiting, ...progress.noted.slice(before.progress?.noted.length ?? 0)];
  const changed = { ...world, rows, trail, waiting, travellers };
  return { label, world: changed, moved: { before, after, progress, call } };
}

/** Entries of one process come together, and in order. */
async function arrivals(world: World, runner: Runner): Promise<Step[]> {
  const steps: Step[] = [];
  for (const id of new Set(world.waiting.map(({ by }) => by))) {
    const [own, waiting]: [Noted[], Noted[]] = [[], []];
    for (const noted of world.waiting) (noted.by === id ? own : waiting).push(noted);
    const trail = await appended(runner.library, world.trail, own);
    steps.push({
      label: `what request ${id} noted reaches the audit trail (${own.map(({ entry }) => entry.event).join(", ")})`,
      world: { ...world, trail, waiting },
      appended: own,
    });
  }
  return steps;
}

function browserSteps(world: World, bounds: Bounds): Step[] {
  const steps: Step[] = [];
  if (world.dirtySince !== undefined)
    steps.push({
      label: "the browser writes its cookies to disk",
      world: { ...world, disk: world.jar, dirtySince: undefined },
    });
  for (const ending of bounds.endings ?? []) {
    const jar = { ...(ending === "close" ? world.jar : world.disk), session: undefined, acting: undefined };
    if (isSameJar(jar, world.jar) || (ending === "crash" && world.dirtySince === undefined)) continue;
    // Requests go on when their browser is gone; their answers reach nobody.
    const travellers = world.travellers.flatMap((each) => {
      if (each.owner !== "browser") return [each];
      return each.stage === "answering" ? [] : [{ ...each, isOrphan: true }];
    });
    steps.push({
      label: `the browser ends (${ending}) and starts again`,
      world: { ...world, jar, disk: jar, dirtySince: undefined, travellers },
    });
  }
  return steps;
}

const isOnDisk = (jar: Jar, disk: Jar): boolean =>
  isSameJar(
    { ...jar, session: undefined, acting: undefined },
    { ...disk, session: undefined, acting: undefined },
  );

const without = (world: World, traveller: Traveller): Pick<World, "travellers"> => ({
  travellers: world.travellers.filter((each) => each !== traveller),
});

/** Time stands still while something is on its way that would be later than the network or the disk ever is. */
function mayPass({ now, dirtySince, travellers }: World, { settings: { times } }: Runner): boolean {
  const hasTime = (since: number, limit: number) => now + 1 - since <= limit;
  if (dirtySince !== undefined && !hasTime(dirtySince, times.persist)) return false;
  return travellers.every(({ owner, stage, at, running, progress }) => {
    if (stage === "sent") return owner !== "browser" || hasTime(at, times.transit);
    if (stage === "answering") return hasTime(at, times.delivery);
    // A call of the store takes no time worth a tick; a handler takes any.
    return stage === "handling" || isOrder(running.act) || isAWhile(progress?.call);
  });
}

export function named({ session, remember, trust, acting }: Jar): string {
  const parts = [
    ...(session === undefined ? [] : ["its session cookie"]),
    ...(remember === undefined ? [] : [`the remember cookie of generation ${remember.split(".")[1]}`]),
    ...(trust === undefined ? [] : ["its trust cookie"]),
    ...(acting === undefined ? [] : ["the cookie with which she acts as Bob"]),
  ];
  return parts.length === 0 ? "no cookies" : parts.join(" and ");
}
