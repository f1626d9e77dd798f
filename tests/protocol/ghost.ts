import { isDeepStrictEqual } from "node:util";
import type { SessionRow } from "../../src/stores/store.ts";
import { hex } from "./digests.ts";
import { type Handler, signInOf } from "./handlers.ts";
import { changeOf, isWrite } from "./rows.ts";
import { givenBy, type Step, type Whose, type World } from "./world.ts";

/** What must hold later, remembered from what happened. */
export interface Ghost {
  /** Login id, generation, token digest in hex: what each generation's token was. */
  readonly generations: ReadonlyMap<string, readonly string[]>;
  /** Session secrets that were replaced, by their digests in hex. */
  readonly replacements: ReadonlyMap<string, Replacement>;
  /** Slot of the data: the request that wrote it last, and the row in which it did. */
  readonly written: ReadonlyMap<number, { readonly id: number; readonly row: string }>;
  /** Ids of session rows that are gone. */
  readonly gone: ReadonlySet<string>;
  /** Since when proofs of a user count for nothing; `by` the request that said so, which may sign in after it. */
  readonly marks: readonly {
    readonly user: string;
    readonly at: number;
    readonly by: number | undefined;
  }[];
  /** Whose the cookies in the browser and on its disk are. */
  readonly whose: Whose;
  readonly whoseOnDisk: Whose;
  /** How many answers to sign-ins and sign-outs the browser has received. */
  readonly era: number;
  readonly signIns: number;
  /** Somebody signed out, was revoked, or changed the password: who is nobody then may be so rightly. */
  readonly hasEnded: boolean;
  /** Everything has ended, and nobody has signed in since. */
  readonly isEmpty: boolean;
  /** Another sign-in replaced the login; a browser that does not get its answer has to sign in again. */
  readonly isReplaced: boolean;
  readonly isThiefAbout: boolean;
  /** The store lost writes: it may be behind what the browser has, and know nothing of what was saved. */
  readonly isSetBack: boolean;
  /** As it had fallen into two halves. */
  readonly isSplit: boolean;
}

interface Replacement {
  /** By what came after it. */
  readonly next: string;
  readonly at: number;
  readonly by: Handler;
  /** Whose the session was before and after, if it was one user's. */
  readonly isSameUser: boolean;
}

export const NO_GHOST: Ghost = {
  generations: new Map(),
  replacements: new Map(),
  written: new Map(),
  gone: new Set(),
  marks: [],
  whose: "ada",
  whoseOnDisk: "ada",
  era: 0,
  signIns: 0,
  hasEnded: false,
  isEmpty: false,
  isReplaced: false,
  isThiefAbout: false,
  isSetBack: false,
  isSplit: false,
};

const CHANGES: ReadonlySet<Handler> = new Set(["change the password", "reset the password"]);

/** What the step changed that later worlds must keep. */
export function remembered(before: World, step: Step): Ghost {
  const { world, moved } = step;
  const { ghost } = world;
  const signedIn = hasSignedIn(step);
  const isLogout = moved?.before.running.handler === "logout" && moved.progress.kind === "answering";
  const hasLeft = isLogout && !moved.progress.events.includes("logoutUnmatched");
  const isAlive =
    world.rows.sessions.size > 0 ||
    [...world.rows.logins.values()].some(({ revokedAt }) => revokedAt === undefined);
  const endsOthers =
    moved !== undefined &&
    changeOf(moved.call)?.kind === "revoke" &&
    CHANGES.has(moved.before.running.handler);
  const written = writtenAfter(before, step);
  const gone = [...before.rows.sessions.keys()].filter((id) => !world.rows.sessions.has(id));
  return {
    ...ghost,
    ...whoseAfter(step),
    generations: generationsAfter(world),
    replacements: replacementsAfter(before, step),
    written,
    gone: gone.length === 0 ? ghost.gone : new Set([...ghost.gone, ...gone]),
    marks: marksAfter(step),
    signIns: ghost.signIns + (signedIn ? 1 : 0),
    hasEnded: ghost.hasEnded || isLogout || endsOthers,
    isEmpty: !signedIn && (ghost.isEmpty || (hasLeft && !isAlive)),
    isReplaced: ghost.isReplaced || hasReplaced(before, world),
  };
}

function generationsAfter({ rows, ghost }: World): Ghost["generations"] {
  const generations = new Map(ghost.generations);
  for (const row of rows.logins.values()) {
    const known = generations.get(row.id) ?? [];
    if (row.revokedAt === undefined && known[row.generation] === undefined) {
      const next = [...known];
      next[row.generation] = hex(row.token);
      generations.set(row.id, next);
    }
  }
  return generations;
}

function replacementsAfter(before: World, { world, moved }: Step): Ghost["replacements"] {
  const { replacements } = world.ghost;
  if (moved === undefined) return replacements;
  const found: [string, Replacement][] = [];
  for (const row of world.rows.sessions.values()) {
    const was = before.rows.sessions.get(row.id);
    if (was === undefined || hex(was.secret) === hex(row.secret)) continue;
    found.push([
      hex(was.secret),
      {
        next: hex(row.secret),
        at: world.now,
        by: moved.before.running.handler,
        isSameUser: was.userId !== undefined && was.userId === row.userId,
      },
    ]);
  }
  return found.length === 0 ? replacements : new Map([...replacements, ...found]);
}

function writtenAfter(before: World, step: Step): Ghost["written"] {
  const { world, moved } = step;
  const { written } = world.ghost;
  const kept = [...written].filter(([, { row }]) => world.rows.sessions.has(row));
  if (moved?.before.running.handler === "write") {
    const { slot, id } = moved.before.running;
    const row = savedIn(before, step);
    if (row !== undefined) return new Map([...kept, [slot, { id, row: row.id }]]);
  }
  return kept.length === written.size ? written : new Map(kept);
}

/** The row in which the last call of a step stored the data of its request. */
export function savedIn(before: World, { world, moved }: Step): SessionRow | undefined {
  if (moved === undefined || !isWrite(moved.call)) return undefined;
  const { slot, id } = moved.before.running;
  const holds = (row: SessionRow | undefined) => row?.data.includes(`"slot${slot}":${id}`) ?? false;
  return [...world.rows.sessions.values()].find((row) => {
    const was = before.rows.sessions.get(row.id);
    return !isDeepStrictEqual(was, row) && holds(row) && !holds(was);
  });
}

function marksAfter({ world, moved }: Step): Ghost["marks"] {
  const { marks } = world.ghost;
  const change = changeOf(moved?.call);
  if (moved === undefined || change?.kind !== "revoke") return marks;
  const { mark, userId } = change;
  if (mark === undefined || userId === undefined) return marks;
  return [...marks, { user: String(userId), at: world.now, by: moved.before.running.id }];
}

const isDone = (answer: unknown): boolean =>
  typeof answer === "object" && answer !== null && "done" in answer && answer.done === true;

/** Whether this step stored a sign-in. */
export const hasSignedIn = ({ moved }: Step): boolean =>
  moved !== undefined &&
  isWrite(moved.call) &&
  moved.after.running.commitAt !== undefined &&
  signInOf(moved.after.running.handler) !== undefined &&
  isDone(moved.answer);

/**
 * Whose the browser's cookies are is known once it has received the answer to a sign-in, which sets or clears them all,
 * until an answer lands after it that was given to a request from before.
 */
function whoseAfter({ world, delivered }: Step): Pick<Ghost, "whose" | "whoseOnDisk" | "era"> {
  const { ghost } = world;
  const { whose, whoseOnDisk, era } = ghost;
  const same = { whose, whoseOnDisk, era };
  if (delivered === undefined || delivered.traveller.owner === "thief") return same;
  const { traveller, cookies } = delivered;
  const { handler } = traveller.running;
  const given = givenBy(cookies);
  const signIn = signInOf(handler);
  if (signIn !== undefined && given.session !== undefined)
    return { whose: signIn.user, whoseOnDisk, era: era + 1 };
  const gives = given.session !== undefined || given.remember !== undefined;
  if (!gives) return handler === "logout" ? { whose: "nobody", whoseOnDisk, era: era + 1 } : same;
  return traveller.origin.era < era ? { ...same, whose: "anybody" } : same;
}

const hasReplaced = (before: World, after: World): boolean =>
  [...after.rows.logins.values()].some(
    ({ id, revokedReason }) =>
      revokedReason === "replaced" && before.rows.logins.get(id)?.revokedReason === undefined,
  );
