import { NO_GHOST, remembered } from "./ghost.ts";
import { probe } from "./probe.ts";
import { type Jar, NO_COOKIES, type Runner } from "./request.ts";
import { EMPTY, type Rows } from "./rows.ts";
import { stepsOf } from "./steps.ts";
import { type Bounds, received, type Step, type World } from "./world.ts";

export const followed = (before: World, step: Step): World => ({
  ...step.world,
  ghost: remembered(before, step),
});

interface Beginning {
  readonly world: World;
  readonly label: string;
}

/** Where exploring begins, so that no scene spends its depth on getting there. */
export async function beginningsOf(bounds: Bounds, runner: Runner): Promise<Beginning[]> {
  const start = 1_000_000;
  const pause = runner.settings.times.settle + 1;
  const signIn = await probe(EMPTY, NO_COOKIES, start, runner, { handler: "login" });
  const jar = received(NO_COOKIES, signIn.cookies);
  const closed = { ...jar, session: undefined };
  const restore = await probe(signIn.rows, closed, start + pause, runner);
  const back = received(closed, restore.cookies);
  const at = (now: number, rows: Rows, jar: Jar) => worldAt(bounds, now, rows, jar);
  const signedIn = at(start, signIn.rows, jar);
  const rested = at(start + pause, signIn.rows, closed);
  const first = signedIn.ghost;
  const known = (world: World): World => ({
    ...world,
    ghost: remembered(world, { label: "the beginning", world: { ...world, ghost: first } }),
  });
  const isBack = known(at(start + pause, restore.rows, back));
  const restoredLongAgo = known(at(start + 2 * pause, restore.rows, back));
  const follow = (from: World | undefined, labels: readonly string[]) =>
    followSteps(from, bounds, runner, labels);
  const plain = bounds.handlers.find((handler) => handler === "read" || handler === "write");
  const sends = `the browser sends a request (${plain}) with`;
  const rotated = await follow(rested, [sends, sends, "request 1 arrives", "request 1 ends its handler"]);
  const converged = await follow(rotated, [
    "the answer to request 1 is lost",
    "a tick passes",
    "request 2 arrives",
    "request 2 ends its handler",
  ]);
  const delivered = await follow(converged, [
    "a tick passes",
    "the answer to request 2 arrives",
    "a tick passes",
  ]);
  const confirming = await follow(restoredLongAgo, [
    "the browser sends a request (reauthenticate)",
    "request 1 arrives",
    "request 1 goes on with findRemembered",
    "request 1 ends its handler",
  ]);
  const hesitating = await follow(signedIn, [
    "the browser ends (close)",
    "the browser sends a request (reauthenticate)",
    "request 1 arrives",
    "a long time passes",
  ]);
  const confirmed = await follow(hesitating, [
    "the browser sends a request (read)",
    "request 2 arrives",
    "request 1 ends its handler",
    "the answer to request 1 arrives",
    "the browser writes its cookies to disk",
  ]);
  const uploading =
    bounds.bodies === true
      ? await follow(rested, [
          sends,
          sends,
          "the head of request 1 arrives",
          "request 2 arrives",
          "request 2 ends its handler",
          "the answer to request 2 arrives",
          "the browser writes its cookies to disk",
          "a long time passes",
        ])
      : undefined;
  const past = { jar: closed, whose: "ada", era: 0, until: start + pause } as const;
  const isConfirmed = await follow({ ...restoredLongAgo, past: [past] }, [
    "the browser sends a request (read)",
    "request 1 arrives",
    "request 1 ends its handler",
  ]);
  const otherHalf =
    bounds.splits === true ? await probe(signIn.rows, closed, start + pause, runner) : undefined;
  const split = otherHalf && {
    ...isBack,
    other: otherHalf.rows,
    ghost: { ...isBack.ghost, isSetBack: true, isSplit: true },
  };
  /** Where there is a thief at all, it has copied what the browser had before it came back. */
  const copied = (world: World): World =>
    bounds.thefts === 0
      ? world
      : { ...world, loot: [closed], thefts: 1, ghost: { ...world.ghost, isThiefAbout: true } };
  const setBack = copied({
    ...isBack,
    rows: signIn.rows,
    backup: undefined,
    ghost: { ...isBack.ghost, isSetBack: true },
  });
  const behind = { ...isBack, replica: signIn.rows };
  const all: { world: World | undefined; label: string }[] = [
    { world: signedIn, label: "Ada has just signed in, with the tick" },
    { world: rested, label: "Ada signed in with the tick and closed her browser, a long time ago" },
    { world: isBack, label: "Ada's browser was closed, and has just come back" },
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
    {
      world: bounds.queued === undefined ? undefined : isConfirmed && copied(isConfirmed),
      label: "Ada's browser came back, and its token is confirmed; requests of before are held back",
    },
    {
      world: uploading,
      label:
        "Ada's browser came back with an upload, 1, and a page that rotated; long after it the upload goes on",
    },
    {
      world: bounds.backups ? setBack : undefined,
      label:
        "the store was set back to before Ada's browser came back; a thief may have copied what it had then",
    },
    { world: split, label: "the store is split, and Ada's browser has come back in both halves" },
    {
      world: bounds.lags === true ? behind : undefined,
      label: "Ada's browser was closed, and has just come back, of which the replica has not heard",
    },
  ];
  return all.flatMap(({ world, label }) => {
    const isMeant = bounds.beginnings?.some((part) => label.includes(part)) ?? true;
    return world === undefined || !isMeant ? [] : [{ world, label }];
  });
}

/** Takes the steps whose labels begin like these; undefined where the browser of a scene does not do that. */
async function followSteps(
  from: World | undefined,
  bounds: Bounds,
  runner: Runner,
  labels: readonly string[],
): Promise<World | undefined> {
  let at = from;
  for (const label of labels) {
    if (at === undefined) return undefined;
    const all = await stepsOf(at, { ...bounds, isCalm: false }, runner);
    const step = all.find((each) => each.label.startsWith(label));
    // A beginning that is left out without a word takes its stories with it.
    if (step === undefined && !label.startsWith("the browser") && !runner.library.isMutated)
      throw new Error(`"${label}" cannot happen in "${bounds.name}"`);
    at = step && followed(at, step);
  }
  return at;
}

function worldAt(bounds: Bounds, now: number, rows: Rows, jar: Jar): World {
  const world: World = {
    now,
    rows,
    jar,
    disk: jar,
    dirtySince: undefined,
    travellers: [],
    loot: [],
    thefts: 0,
    backup: bounds.backups ? rows : undefined,
    replica: bounds.lags === true ? rows : undefined,
    other: undefined,
    tossed: undefined,
    past: [],
    queued: 0,
    isLimited: false,
    nextId: 1,
    ghost: NO_GHOST,
  };
  return { ...world, ghost: remembered(world, { label: "the beginning", world }) };
}
