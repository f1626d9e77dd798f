import { savedIn } from "../ghost.ts";
import { isFencing, signInOf } from "../handlers.ts";
import type { Runner } from "../request.ts";
import { givenBy, idIn, rowsOf, type Step, type World } from "../world.ts";
import type { Violation } from "./violation.ts";

/** I9: a session cookie works when it is sent, and who only presented a token gets no login by it. */
export function checkSessionCookies({ world, moved }: Step, runner: Runner): Violation[] {
  if (moved?.progress.kind !== "answering") return [];
  const { handler } = moved.before.running;
  const sent = givenBy(moved.progress.cookies).session;
  if (sent === undefined) return [];
  const rows = rowsOf(world, moved.after.isBeyond);
  // An answer that only repeats what a parallel request made may be overtaken by a third one.
  // Where lives are a few ticks, a login may end while its request is busy, and its session is born with it over.
  const isOwn = moved.call?.name === "apply" && moved.after.running.isLimited !== true;
  const worth = runner.worthOf(sent, rows, world.now);
  const works = worth === "live" || worth === "future";
  if (isOwn && !works) return [{ invariant: "I9", what: "a session cookie was sent that does not work" }];
  const isGift = handler === "read" && rows.sessions.get(idIn(sent))?.level === "login" && works;
  return isGift
    ? [{ invariant: "I3", what: "a client that confirmed nothing was sent a session of level login" }]
    : [];
}

/** I12: an answer does not clear a remember cookie that is newer than the one its request came with. */
export function checkClearing(before: World, { world, delivered }: Step): Violation[] {
  const { remember } = before.jar;
  const { hasEnded, isSetBack } = world.ghost;
  if (delivered === undefined || remember === undefined || world.jar.remember !== undefined) return [];
  if (delivered.traveller.running.isLimited === true) return [];
  // A sign-in without the tick takes the place of whoever was there.
  if (hasEnded || isSetBack || signInOf(delivered.traveller.running.handler) !== undefined) return [];
  const login = world.rows.logins.get(idIn(remember));
  const isAlive = login !== undefined && login.revokedAt === undefined;
  return isAlive ? [{ invariant: "I12", what: "an answer cleared the cookie of a login that is alive" }] : [];
}

/** I12: a request does not end the live session that its own browser holds. */
export function checkLiveSession(before: World, { world, moved }: Step, runner: Runner): Violation[] {
  const { session } = before.jar;
  if (moved === undefined || session === undefined || before.ghost.isThiefAbout || world.ghost.hasEnded)
    return [];
  const { handler, isLimited } = moved.after.running;
  // By what a replica said, the browser's secret was unknown, and its token brought it back.
  if (isLimited === true || moved.after.isBehind) return [];
  // These are asked to exchange the secret; that the browser stays signed in is I4's business.
  if (moved.before.owner !== "browser" || handler === "logout" || isFencing(handler)) return [];
  if (runner.worthOf(session, before.rows, before.now) !== "live") return [];
  const worth = runner.worthOf(session, world.rows, before.now);
  if (worth === "live" || worth === "previous") return [];
  return [
    {
      invariant: "I12",
      what: `request ${moved.before.running.id} ended the live session of its own browser`,
    },
  ];
}

/** I9 and I7: one session row per login, none without an owner, none of a revoked login. */
export function checkRows({ rows, ghost }: World): Violation[] {
  const found: Violation[] = [];
  const owners = [...rows.sessions.values()].flatMap(({ rememberedId }) => rememberedId ?? []);
  if (new Set(owners).size < owners.length)
    found.push({ invariant: "I9", what: "a login has two session rows" });
  for (const id of owners) {
    const login = rows.logins.get(id);
    if (login === undefined) found.push({ invariant: "I9", what: "a session row belongs to no login" });
    else if (login.revokedAt !== undefined)
      found.push({ invariant: "I7", what: "a revoked login has a session row" });
  }
  for (const login of rows.logins.values()) {
    if (login.revokedAt === undefined && !owners.includes(login.id)) {
      found.push({ invariant: "I9", what: "a live login has no session row" });
    }
  }
  if (!ghost.isThiefAbout && !ghost.hasEnded && rows.logins.size === 0) {
    found.push({ invariant: "I4", what: "the login is gone" });
  }
  return found;
}

/** I11: what a request saved stays saved. */
export function checkWrites({ rows, ghost }: World): Violation[] {
  if (ghost.isThiefAbout || ghost.hasEnded || ghost.isReplaced || ghost.isSetBack) return [];
  for (const [slot, { id, row }] of ghost.written) {
    const text = rows.sessions.get(row)?.data ?? "{}";
    const data = JSON.parse(text) as Record<string, number>;
    if (data[`slot${slot}`] !== id) return [{ invariant: "I11", what: `the write of request ${id} is lost` }];
  }
  return [];
}

/** I11: what a request could not save, as others had taken or replaced its session, does not go without a word. */
export function checkDiscarded(before: World, step: Step): Violation[] {
  const { moved } = step;
  if (moved?.progress.kind !== "answering" || moved.after.running.handler !== "write") return [];
  const { stood, isBeyond } = moved.after;
  const isSaved = savedIn(before, step) !== undefined;
  if (isSaved || isBeyond || stood === "nothing" || moved.progress.events.includes("saveDiscarded"))
    return [];
  return [{ invariant: "I11", what: "a change was discarded without an event" }];
}
