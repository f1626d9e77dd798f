import type { CookieInstruction } from "../../src/http/cookies.ts";
import type { Settings } from "../../src/options.ts";
import type { RequestState } from "../../src/request/state.ts";
import type { EndSelector } from "../../src/stores/store.ts";
import {
  type Handler,
  type Jar,
  type Progress,
  perform,
  type Rows,
  type Runner,
  type Running,
  type StoreCall,
} from "./request.ts";

/** What may happen in a run, and how much of it at once. */
export interface Bounds {
  readonly name: string;
  /** Windows of the protocol, in ticks of the clock. */
  readonly times: Pick<Settings["times"], "converge" | "delivery" | "transit" | "persist" | "skew">;
  /** Requests of the browser on their way or in their handlers at the same time. */
  readonly parallel: number;
  readonly handlers: readonly Handler[];
  /** Ways in which a browser ends: with its cookies on disk, or without the latest, keeping session cookies or not. */
  readonly endings: readonly ("close" | "crash" | "crash and restore its tabs")[];
  /** How far ahead a server's clock may be. */
  readonly skews: readonly number[];
  /** Times that the thief copies the jar; its requests run one at a time. */
  readonly thefts: number;
  /** An administrator revokes the login at any moment. */
  readonly revokes: boolean;
  /** The store is set back to a backup, once. */
  readonly backups: boolean;
}

type Owner = "browser" | "thief";

export interface Traveller {
  readonly owner: Owner;
  readonly running: Running;
  readonly stage:
    | { readonly kind: "sent"; readonly at: number }
    | { readonly kind: "calling"; readonly call: StoreCall }
    | { readonly kind: "handling"; readonly state: RequestState }
    | { readonly kind: "answered"; readonly at: number; readonly cookies: readonly CookieInstruction[] };
  /** The browser that sent it is gone: its answer reaches nobody. */
  readonly isOrphan: boolean;
  readonly toldEvents: number;
}

export interface World {
  readonly now: number;
  readonly rows: Rows;
  readonly jar: Jar;
  readonly disk: Jar;
  /** Since when the disk lacks what the jar has. */
  readonly dirtySince: number | undefined;
  readonly travellers: readonly Traveller[];
  readonly loot: readonly Jar[];
  readonly thefts: number;
  readonly backup: Rows;
  readonly nextId: number;
  /** What must hold later, remembered from what happened. */
  readonly ghost: Ghost;
}

export interface Ghost {
  /** Login id, generation, token digest in hex: what each generation's token was. */
  readonly generations: ReadonlyMap<string, readonly string[]>;
  /** Slot of the data: the id of the request that wrote it last. */
  readonly written: ReadonlyMap<number, number>;
  readonly hasEnded: boolean;
  /** Another sign-in replaced the login; a browser that does not get its answer has to sign in again. */
  readonly isReplaced: boolean;
  readonly isThiefAbout: boolean;
  /** The store lost writes: it may be behind what the browser has, and know nothing of what was saved. */
  readonly isSetBack: boolean;
}

export interface Step {
  readonly label: string;
  readonly world: World;
  /** The request that moved and how far it came, where one did. */
  readonly moved?: {
    readonly before: Traveller;
    readonly progress: Progress;
    readonly call: StoreCall | undefined;
  };
}

const NO_COOKIES: Jar = { session: undefined, remember: undefined };

/** Everything that can happen next. */
export async function stepsOf(world: World, bounds: Bounds, runner: Runner): Promise<Step[]> {
  const steps: Step[] = [];
  const add = (label: string, changes: Partial<World>) => {
    steps.push({ label, world: { ...world, ...changes } });
  };

  const own = world.travellers.filter(({ owner, isOrphan }) => owner === "browser" && !isOrphan);
  const orphans = world.travellers.filter(({ isOrphan }) => isOrphan);
  if (
    own.length < bounds.parallel &&
    own.length + orphans.length < bounds.parallel + 1 &&
    hasCookies(world.jar)
  ) {
    for (const handler of bounds.handlers) {
      add(
        `the browser sends a request (${handler}) with ${named(world.jar)}`,
        send(world, "browser", world.jar, handler),
      );
    }
  }

  for (const traveller of world.travellers) {
    const { stage, running } = traveller;
    const who = `request ${running.id}`;
    if (stage.kind === "sent") {
      for (const skew of bounds.skews) {
        const opened = { ...traveller, running: { ...running, skew, openedAt: world.now } };
        steps.push(
          await advance(
            world,
            traveller,
            opened,
            runner,
            `${who} arrives${skew > 0 ? " at a server whose clock is ahead" : ""}`,
          ),
        );
      }
      add(`${who} is lost on its way`, without(world, traveller));
    } else if (stage.kind === "calling") {
      steps.push(
        await advance(world, traveller, traveller, runner, `${who} goes on with ${stage.call.name}`),
      );
      add(`the server of ${who} crashes before ${stage.call.name}`, without(world, traveller));
    } else if (stage.kind === "handling") {
      const committing = { ...traveller, running: { ...running, commitAt: world.now } };
      steps.push(await advance(world, traveller, committing, runner, `${who} ends its handler and commits`));
      add(`the server of ${who} crashes in its handler`, without(world, traveller));
    } else {
      add(`the answer to ${who} arrives`, deliver(world, traveller, stage.cookies));
      add(`the answer to ${who} is lost`, without(world, traveller));
    }
  }

  if (world.dirtySince !== undefined)
    add("the browser writes its cookies to disk", { disk: world.jar, dirtySince: undefined });
  for (const ending of bounds.endings) {
    const saved = ending === "close" ? world.jar : world.disk;
    if (!hasCookies(saved)) continue;
    const jar = ending === "crash and restore its tabs" ? saved : { ...saved, session: undefined };
    const changes = { jar, disk: jar, dirtySince: undefined, travellers: orphaned(world.travellers) };
    if (ending === "close" || !isSameJar(jar, world.jar))
      add(`the browser ends (${ending}) and starts again`, changes);
  }

  if (mayTick(world, runner.settings.times)) add("a tick passes", { now: world.now + 1 });
  if (mayTick(world, runner.settings.times, true)) {
    const pause = runner.settings.times.settle + 1;
    add("a long time passes", { now: world.now + pause });
  }

  if (
    world.thefts < bounds.thefts &&
    hasCookies(world.jar) &&
    !world.loot.some((jar) => isSameJar(jar, world.jar))
  ) {
    const ghost = { ...world.ghost, isThiefAbout: true };
    add(`a thief copies ${named(world.jar)}`, {
      loot: [...world.loot, world.jar],
      thefts: world.thefts + 1,
      ghost,
    });
  }
  if (world.loot.length > 0 && !world.travellers.some(({ owner }) => owner === "thief")) {
    for (const cookies of lootedJars(world.loot)) {
      add(`the thief sends a request with ${named(cookies)}`, send(world, "thief", cookies, "read"));
    }
  }
  if (bounds.revokes && !world.ghost.hasEnded) {
    for (const { label, whom } of revocationsOf(world)) {
      const value = { ...whom, reason: "revoked", at: world.now, pruneAfter: world.now };
      const { rows } = await perform(runner.library, world.rows, { name: "end", values: [value] });
      add(label, { rows, ghost: { ...world.ghost, hasEnded: true } });
    }
  }
  if (bounds.backups && !world.ghost.isSetBack && world.travellers.length === 0) {
    add("the store is set back to its backup", {
      rows: world.backup,
      ghost: { ...world.ghost, isSetBack: true },
    });
  }
  return steps;
}

/** What `revokeUser`, `revoke` and, from another device, `passwordChanged` ask of the store. */
function revocationsOf({ rows }: World): { label: string; whom: Partial<EndSelector> }[] {
  const alive = [...rows.logins.values()].filter(({ revokedAt }) => revokedAt === undefined);
  const byHandle = alive.map(({ id }) => ({
    label: "the device is revoked by its handle",
    whom: { handle: id },
  }));
  const elsewhere = { userId: "ada", except: "the session of another device" };
  return [
    { label: "the user is revoked everywhere", whom: { userId: "ada" } },
    { label: "the password is changed on another device", whom: elsewhere },
    // With several logins one handle would not end everything, which is what is checked after it.
    ...(alive.length === 1 ? byHandle : []),
  ];
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
  let { rows } = world;
  let call: StoreCall | undefined;
  if (progress.kind === "calling") {
    call = progress.call;
    const performed = await perform(runner.library, rows, call);
    rows = performed.rows;
    running = { ...running, answers: [...running.answers, { value: performed.value, at: world.now }] };
    progress = await runner.run(running);
  }
  const after: Traveller = {
    ...moving,
    running,
    stage: stageAfter(progress, world.now),
    toldEvents: progress.events.length,
  };
  const isOver = progress.kind === "answering" && (before.isOrphan || progress.cookies.length === 0);
  const travellers = world.travellers.flatMap((each) => (each === before ? (isOver ? [] : [after]) : [each]));
  return { label, world: { ...world, rows, travellers }, moved: { before, progress, call } };
}

function stageAfter(progress: Progress, now: number): Traveller["stage"] {
  if (progress.kind === "calling") return { kind: "calling", call: progress.call };
  if (progress.kind === "answering") return { kind: "answered", at: now, cookies: progress.cookies };
  return { kind: "handling", state: progress.state };
}

function send(world: World, owner: Owner, cookies: Jar, handler: Handler): Partial<World> {
  const taken = new Set(world.travellers.map(({ running }) => running.slot));
  let slot = 0;
  while (taken.has(slot)) slot++;
  const running: Running = {
    id: world.nextId,
    cookies,
    handler,
    slot,
    skew: 0,
    openedAt: world.now,
    answers: [],
    commitAt: undefined,
  };
  const traveller: Traveller = {
    owner,
    running,
    stage: { kind: "sent", at: world.now },
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
  return {
    ...rest,
    jar,
    dirtySince: isSameJar(jar, world.jar) ? world.dirtySince : (world.dirtySince ?? world.now),
  };
}

export function received(jar: Jar, cookies: readonly CookieInstruction[]): Jar {
  let { session, remember } = jar;
  for (const { definition, value, maxAgeSeconds } of cookies) {
    const kept = maxAgeSeconds === 0 ? undefined : value;
    if (definition.name.endsWith("remember")) remember = kept;
    else session = kept;
  }
  return { session, remember };
}

const without = (world: World, traveller: Traveller): Partial<World> => ({
  travellers: world.travellers.filter((each) => each !== traveller),
});

/** Requests go on when their browser is gone; their answers reach nobody. */
const orphaned = (travellers: readonly Traveller[]): Traveller[] =>
  travellers.flatMap((traveller) => {
    if (traveller.owner === "thief") return [traveller];
    return traveller.stage.kind === "answered" ? [] : [{ ...traveller, isOrphan: true }];
  });

/** Time stands still while something is on its way that would be later than the network or the disk ever is. */
function mayTick(world: World, times: Settings["times"], isLong = false): boolean {
  const slack = (since: number, limit: number) => (isLong ? false : world.now - since < limit);
  if (world.dirtySince !== undefined && !slack(world.dirtySince, times.persist)) return false;
  return world.travellers.every(({ owner, stage }) => {
    if (stage.kind === "sent") return owner === "thief" || slack(stage.at, times.transit);
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

export const isSameJar = (a: Jar, b: Jar): boolean => a.session === b.session && a.remember === b.remember;

const hasCookies = (jar: Jar): boolean => jar.session !== undefined || jar.remember !== undefined;

function named({ session, remember }: Jar): string {
  const parts = [
    ...(session === undefined ? [] : ["its session cookie"]),
    ...(remember === undefined ? [] : [`the remember cookie of generation ${remember.split(".")[1]}`]),
  ];
  return parts.join(" and ");
}
