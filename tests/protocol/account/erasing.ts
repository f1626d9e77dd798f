import { isDeepStrictEqual } from "node:util";
import type { RememberedRow, SessionRow } from "../../../src/stores/store.ts";
import { type Violation, violations } from "../promises/violation.ts";
import { changeOf, type Rows } from "../rows.ts";
import type { User } from "./acts.ts";
import { provedAtOf } from "./ghost.ts";
import type { Runner } from "./runner.ts";
import { entriesIn, isAbout, isOfTrail, requestOf } from "./trail.ts";
import { type Erasure, idIn, NO_COOKIES, received, type Step, type World } from "./world.ts";

type Row = SessionRow | RememberedRow;

/** In whatever column, also in text that a column has. */
const names = (row: Row, user: User): boolean =>
  Object.values(row).some(
    (value) => value === user || (typeof value === "string" && value.includes(`"${user}"`)),
  );

const all = ({ sessions, logins }: Rows): Row[] => [...sessions.values(), ...logins.values()];
const rowIn = ({ sessions, logins }: Rows, id: string): Row | undefined => sessions.get(id) ?? logins.get(id);

/** When what a row says of its user was proved, or later. */
const madeAt = (row: Row): number => ("secretAt" in row ? row.secretAt : row.createdAt);

/** I30: no step brings an erased user back, and I31: none takes anything of another user along. */
export function checkErasing(before: World, step: Step): Violation[] {
  return [...checkReturning(before, step), ...checkServed(before, step), ...checkOthers(before, step)];
}

function checkReturning(before: World, { moved, world }: Step): Violation[] {
  if (moved === undefined) return [];
  const { running } = moved.before;
  const own = [running.cookies.session, running.cookies.remember, running.cookies.trust].map(idIn);
  return before.ghost.erasures.flatMap(({ user, at }) => {
    const made = all(world.rows).filter((row) => {
      const was = rowIn(before.rows, row.id);
      return names(row, user) && (was === undefined || !names(was, user));
    });
    const isProved = (provedAtOf(before.ghost, running) ?? -1) > at;
    const isFollowing = all(before.rows).some((row) => own.includes(row.id) && names(row, user));
    return violations("I30", [
      [
        made.length > 0 && !isProved && !isFollowing,
        "a row names an erased user, by what was proved before the erasure",
      ],
    ]);
  });
}

function checkServed(before: World, { moved }: Step): Violation[] {
  const opened = moved?.progress.opened;
  if (moved === undefined || opened === undefined || moved.before.progress !== undefined) return [];
  return before.ghost.erasures.flatMap(({ user }) => {
    const isThere = all(before.rows).some((row) => names(row, user));
    const isServed = opened.user === user || opened.pending === user;
    return violations("I30", [[isServed && !isThere, "a request was served as an erased user"]]);
  });
}

function checkOthers(before: World, { moved, world, appended }: Step): Violation[] {
  if (appended !== undefined) {
    const isLate = (user: unknown, at: number) =>
      before.ghost.erasures.some((erasure) => erasure.user === user && at <= erasure.at);
    const kept = new Set(entriesIn(world.trail).map(({ id }) => id));
    const lost = appended.some(
      ({ entry }) => !isLate(entry.userId, entry.at) && !kept.has(entry.id) && entry.userId !== undefined,
    );
    return violations("I31", [[lost, "an entry was dropped that is of another user, or newer"]]);
  }
  const change = changeOf(moved?.call);
  if (change?.kind === "erase") {
    const user = change.userId as User;
    const isTouched = all(before.rows).some(
      (row) => !names(row, user) && !isDeepStrictEqual(row, rowIn(world.rows, row.id)),
    );
    return violations("I31", [[isTouched, "an erasure changed a row of another user"]]);
  }
  const { call } = moved ?? {};
  if (call === undefined || !isOfTrail(call)) return [];
  const [erasure] = before.ghost.erasures.filter(({ by }) => by === moved?.before.running.id);
  const after = new Map(entriesIn(world.trail).map((entry) => [entry.id, entry]));
  const isTouched = entriesIn(before.trail).some((entry) => {
    if (entry.userId === erasure?.user) return false;
    const { actorId, detail, ...rest } = entry;
    const now = after.get(entry.id);
    const isOfActor = erasure !== undefined && isAbout(entry, erasure.user);
    return !isDeepStrictEqual(isOfActor ? rest : entry, isOfActor ? without(now) : now);
  });
  return violations("I31", [[isTouched, "an erasure took an entry of another user"]]);
}

function without(entry: ReturnType<typeof entriesIn>[number] | undefined) {
  if (entry === undefined) return undefined;
  const { actorId, detail, ...rest } = entry;
  return rest;
}

/** I30: as it stands, no row and no entry is left of an erased user. */
export function checkErased({ rows, trail, ghost }: World): Violation[] {
  return ghost.erasures.flatMap((erasure) => {
    const { user, at, isDone } = erasure;
    return violations("I30", [
      [
        all(rows).some((row) => names(row, user) && madeAt(row) <= at),
        "a row names an erased user from before the erasure",
      ],
      [
        isDone && entriesIn(trail).some((entry) => isAbout(entry, user) && isOfBefore(entry, erasure)),
        "an entry of the audit trail names an erased user, from before the erasure",
      ],
    ]);
  });
}

const isOfBefore = (entry: ReturnType<typeof entriesIn>[number], { at, underWay }: Erasure): boolean =>
  entry.at <= at || underWay.has(requestOf(entry));

/** I30: whoever holds cookies of an erased user is nobody. */
export async function checkGone(world: World, runner: Runner): Promise<Violation[]> {
  const { ghost, rows, now, jar, loot, travellers } = world;
  const gone = new Set(ghost.erasures.flatMap(({ user }) => user));
  for (const row of all(rows)) for (const user of gone) if (names(row, user)) gone.delete(user);
  if (gone.size === 0) return [];
  const sent = travellers.flatMap(({ stage, progress }) =>
    stage === "answering" ? received(jar, progress?.cookies ?? []) : [],
  );
  for (const held of [jar, ...loot, ...sent]) {
    if (held === NO_COOKIES) continue;
    const { opened } = await runner.probe(rows, "read", held, now);
    const isIn = [...gone].some((user) => opened?.user === user || opened?.pending === user);
    if (isIn) return [{ invariant: "I30", what: "cookies of an erased user let somebody in" }];
  }
  return [];
}
