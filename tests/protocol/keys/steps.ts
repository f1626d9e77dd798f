import { isRead, perform, type Rows } from "../rows.ts";
import { PROOF_LIFE, proofBy, type Runner, THIEVES } from "./runner.ts";
import {
  type Act,
  type Bounds,
  current,
  type Jar,
  received,
  type Step,
  type Traveller,
  type World,
} from "./world.ts";

/** Everything that can happen next. */
export async function stepsOf(world: World, bounds: Bounds, runner: Runner): Promise<Step[]> {
  const steps: Step[] = [];
  for (const { label, world: after, traveller } of sendings(world, bounds)) {
    steps.push(await advance(after, traveller, runner, label));
    if (bounds.waits === true && traveller.owner === "browser")
      steps.push({ label: `${label}, and it waits`, world: after });
  }
  for (const traveller of world.travellers) steps.push(...(await goingOn(world, traveller, bounds, runner)));
  if (world.ticks < bounds.ticks && mayPass(world, runner))
    steps.push({ label: "a tick passes", world: { ...world, now: world.now + 1, ticks: world.ticks + 1 } });
  if (bounds.losesRow === true && [...world.rows.sessions.values()].some(({ level }) => level !== "binding"))
    steps.push({
      label: "the row of the session is lost",
      world: { ...world, rows: withoutSessions(world.rows) },
    });
  // What a crash costs beside a renewal has nothing to do with keys.
  const isExchanging = world.travellers.some(
    ({ owner, running }) => owner === "browser" && running.act === "renew",
  );
  if (
    bounds.closes === true &&
    !isExchanging &&
    world.jar.session !== undefined &&
    world.jar.remember !== undefined
  )
    steps.push({
      label: "the browser is closed and opened again",
      world: {
        ...world,
        jar: { ...world.jar, session: undefined },
        offer: undefined,
        travellers: world.travellers.filter(({ owner }) => owner !== "browser"),
      },
    });
  return steps;
}

const withoutSessions = (rows: Rows): Rows => ({
  ...rows,
  sessions: new Map([...rows.sessions].filter(([, { level }]) => level === "binding")),
});

/** No request is on its way for longer than the windows of the protocol allow for. */
const mayPass = ({ travellers, now }: World, { settings }: Runner): boolean =>
  travellers.every(
    ({ owner, running }) => owner === "thief" || now - running.openedAt < settings.times.transit,
  );

interface Sending {
  readonly label: string;
  readonly world: World;
  readonly traveller: Traveller;
}

function sendings(world: World, bounds: Bounds): Sending[] {
  const found: Sending[] = [];
  const { now, nextId } = world;
  const jar = current(world.jar, now);
  const own = world.travellers.filter(({ owner }) => owner === "browser");
  const send = (owner: Traveller["owner"], act: Act, cookies: Jar, changes: Partial<World>, more = {}) => {
    const id = owner === "thief" ? THIEVES + world.crimes : nextId;
    const running = { id, act, cookies, boundId: undefined, proof: undefined, isWithout: false, ...more };
    const shown = cookies.bound === undefined ? "" : " with a proof";
    for (const skew of new Set([0, bounds.skew ?? 0])) {
      const traveller: Traveller = {
        ...{ owner, stage: "calling", progress: undefined },
        running: { ...running, skew, openedAt: now, answers: [], commitAt: now },
      };
      const travellers = [...world.travellers, traveller];
      const ahead = skew > 0 ? " to a server whose clock is ahead" : "";
      const label = `the ${owner} sends request ${id} (${act})${shown}${ahead}`;
      found.push({ label, traveller, world: { ...world, travellers, ...changes } });
    }
  };
  if (own.length < bounds.parallel && world.sent < bounds.requests) {
    const counted = { sent: world.sent + 1, nextId: nextId + 1 };
    // The browser proves its key before it sends what needs that.
    const mustProve = world.there !== undefined && jar.bound === undefined && !world.hasSkipped;
    if (!mustProve)
      for (const act of bounds.acts) {
        // Of two renewals at once the older answer may come last, which has nothing to do with keys.
        if (act === "renew" && own.some(({ running }) => running.act === "renew")) continue;
        send("browser", act, jar, { ...counted, hasSkipped: false }, { isWithout: world.hasSkipped });
      }
    if (world.offer !== undefined)
      send(
        "browser",
        "register",
        jar,
        { ...counted, offer: undefined },
        { proof: proofBy("browser", world.offer) },
      );
    const { there } = world;
    const isRefreshing = own.some(({ running }) => running.act === "refresh");
    if (there !== undefined && !isRefreshing) {
      const proof = there.challenge === undefined ? undefined : proofBy("browser", there.challenge);
      send("browser", "refresh", jar, counted, { boundId: there.id, proof });
    }
  }
  if (world.crimes < (bounds.crimesAtMost ?? 2) && !world.travellers.some(({ owner }) => owner === "thief"))
    for (const loot of world.loot)
      for (const act of bounds.crimes ?? []) {
        const isForging = act === "forge" || act === "register";
        send(
          "thief",
          act,
          loot,
          { crimes: world.crimes + 1 },
          isForging ? { proof: proofBy("thief", "any") } : {},
        );
      }
  return found;
}

async function goingOn(world: World, traveller: Traveller, bounds: Bounds, runner: Runner): Promise<Step[]> {
  const { stage, running, progress, owner } = traveller;
  const who = `request ${running.id} (${running.act})`;
  const steps: Step[] = [];
  const gone = { ...world, travellers: world.travellers.filter((each) => each !== traveller) };
  const lost = (label: string) => {
    if (bounds.isRough === true && owner === "browser")
      steps.push({ label, world: { ...gone, hasSkipped: gone.hasSkipped || running.act === "refresh" } });
  };
  if (stage === "calling") {
    steps.push(
      await advance(world, traveller, runner, `${who} goes on with ${progress?.call?.name ?? "its opening"}`),
    );
    lost(`the server of ${who} crashes before ${progress?.call?.name ?? "its opening"}`);
    return steps;
  }
  const cookies = progress?.cookies ?? [];
  if (owner === "thief") {
    const jar = received(running.cookies, cookies, PROOF_LIFE, world.now);
    // A session of one's own, and what was copied beside it.
    const { remember } = running.cookies;
    const isMixed = remember !== undefined && jar.remember === undefined;
    const loot = [...world.loot, jar, ...(isMixed ? [{ ...jar, remember }] : [])];
    steps.push({ label: `the answer to ${who} arrives`, world: { ...gone, loot } });
    return steps;
  }
  steps.push({ label: `the answer to ${who} arrives`, world: answered(gone, traveller) });
  lost(`the answer to ${who} is lost`);
  return steps;
}

function answered(world: World, { progress, running }: Traveller): World {
  const jar = received(world.jar, progress?.cookies ?? [], PROOF_LIFE, world.now);
  const after: World = { ...world, jar, offer: progress?.offer ?? world.offer };
  const bind = progress?.bind;
  if (bind === undefined) return after;
  switch (bind.kind) {
    case "bound":
      return { ...after, there: { id: bind.id, challenge: bind.challenge }, hasSkipped: false };
    case "challenged":
      return { ...after, there: { id: bind.id, challenge: bind.challenge } };
    case "over":
      return bind.id === running.boundId ? { ...after, there: undefined } : after;
    default:
      return { ...after, hasSkipped: running.act === "refresh" };
  }
}

/** One call of the store, made now, and on to the next or to the end. */
async function advance(world: World, before: Traveller, runner: Runner, label: string): Promise<Step> {
  let { running } = before;
  let progress = await runner.run(running);
  let { rows } = world;
  const { call } = progress;
  if (call !== undefined) {
    const performed = await perform(runner.library, rows, call);
    if (!isRead(call) && call.name !== "list") rows = performed.rows;
    running = {
      ...running,
      answers: [...running.answers, { value: performed.value, at: world.now }],
    };
    progress = await runner.run(running);
  }
  const after: Traveller = { ...before, running, stage: progress.kind, progress };
  const travellers = world.travellers.map((each) => (each === before ? after : each));
  return { label, world: { ...world, rows, travellers }, moved: { before, after, rows: world.rows } };
}
