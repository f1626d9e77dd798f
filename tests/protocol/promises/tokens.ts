import type { RememberedRow } from "../../../src/stores/store.ts";
import { digestIn, hex } from "../digests.ts";
import { asksTheStore, signInOf } from "../handlers.ts";
import { momentOf, type Runner } from "../request.ts";
import { givenBy, idIn, rowsOf, type Step, type Traveller, type World } from "../world.ts";
import type { Violation } from "./violation.ts";

/** I2 and I7: generations only grow, one token each, and a revocation stays. */
export function checkGenerations(before: World, { world: after }: Step): Violation[] {
  if (after.ghost.isSetBack) return [];
  const found: Violation[] = [];
  for (const row of after.rows.logins.values()) {
    const old = before.rows.logins.get(row.id);
    if (old !== undefined && row.generation < old.generation) {
      found.push({ invariant: "I2", what: "a generation went back" });
    }
    if (old?.revokedAt !== undefined && row.revokedAt === undefined) {
      found.push({ invariant: "I7", what: "a revoked login came back to life" });
    }
    const known = after.ghost.generations.get(row.id)?.[row.generation];
    if (row.revokedAt === undefined && known !== undefined && known !== hex(row.token)) {
      found.push({ invariant: "I2", what: `generation ${row.generation} had two winners` });
    }
    if (old !== undefined && row.absoluteDeadline !== old.absoluteDeadline) {
      found.push({ invariant: "I2", what: "a rotation moved the absolute deadline" });
    }
  }
  if ([...after.rows.sessions.keys()].some((id) => before.ghost.gone.has(id)))
    found.push({ invariant: "I7", what: "a session that had ended came back to life" });
  return found;
}

/** I4 and I5: no alarm where there is no thief, and none that leaves the login alive. */
export function checkAlarms(before: World, { world, moved }: Step): Violation[] {
  if (moved === undefined) return [];
  const news = moved.progress.events.slice(moved.before.toldEvents);
  if (!news.includes("theft")) return [];
  if (!before.ghost.isThiefAbout) {
    if (isOfOtherHalf(before, moved.before)) return [];
    return [{ invariant: "I4", what: "theft was noticed although there is no thief" }];
  }
  const isAlive = [...world.rows.logins.values()].every(({ revokedAt }) => revokedAt === undefined);
  return isAlive ? [{ invariant: "I5", what: "theft was noticed, and the login goes on" }] : [];
}

/** A token of a half that was thrown away: where the other half is further on, it looks like any token of nobody's. */
function isOfOtherHalf(before: World, { running: { cookies }, isBeyond }: Traveller): boolean {
  if (!before.ghost.isSplit) return false;
  const row = rowsOf(before, isBeyond).logins.get(idIn(cookies.remember));
  if (row === undefined) return false;
  // An end raises the generation, and a theft is reported after the login has ended.
  const generation = row.generation - (row.revokedAt === undefined ? 0 : 1);
  return Number(cookies.remember?.split(".")[1]) < generation;
}

/** I1 and I4: who is let in, and that the browser is. */
export function checkOpening(before: World, { moved }: Step, runner: Runner): Violation[] {
  if (moved?.progress.kind !== "handling") return [];
  const { running } = moved.after;
  const { standing } = moved.progress.state;
  const isServed = standing.kind === "remembered" || standing.kind === "live" || standing.kind === "previous";
  if (!isServed) {
    const isBrowsers = running.cookies.remember !== undefined && running.isWithheld !== true;
    if (mayBeNobody(before, moved.after) || !isBrowsers) return [];
    return [{ invariant: "I4", what: `the browser's request ${running.id} was answered as nobody` }];
  }
  if (standing.kind !== "remembered" || running.cookies.remember === undefined || moved.after.isBehind)
    return [];
  // Their handlers ask the store once more: the token was let in before this step.
  if (asksTheStore(running.handler)) return [];
  const ahead = moved.before.stage.kind === "sent" ? 0 : running.skew;
  const row = rowsOf(before, moved.after.isBeyond).logins.get(standing.login.id);
  const arrivedAt = (running.arrivedAt ?? before.now) + ahead;
  const allowed = row === undefined ? [] : liveTokens(row, arrivedAt, runner);
  if (allowed.includes(digestIn(running.cookies.remember))) return [];
  return [
    { invariant: "I1", what: "a token was accepted that is neither current, previous nor just superseded" },
  ];
}

function mayBeNobody({ ghost }: World, { owner, origin, running, isBehind }: Traveller): boolean {
  const { isThiefAbout, hasEnded, isReplaced, isSetBack } = ghost;
  const isOurs = running.tossed === "cookies of ours";
  const isBrowsers = owner === "browser" && !origin.isQueued && !isBehind && running.isLimited !== true;
  return !isBrowsers || isOurs || isThiefAbout || hasEnded || isReplaced || isSetBack;
}

function liveTokens(row: RememberedRow, arrivedAt: number, runner: Runner): string[] {
  const { flight, skew, mid } = runner.settings.times;
  if (row.revokedAt !== undefined) return [];
  const isSupersededLive = row.supersededAt !== undefined && arrivedAt - row.supersededAt <= flight + skew;
  // A head that arrived before the confirmation did so while this token was good.
  const isPreviousLive =
    row.confirmedAt === undefined || (arrivedAt <= row.confirmedAt && arrivedAt - row.rotatedAt <= mid);
  return [
    hex(row.token),
    ...(isPreviousLive ? [hex(row.previous)] : []),
    ...(isSupersededLive ? [hex(row.superseded)] : []),
  ];
}

/** I3: a successor goes only to who presented its predecessor, and nobody is sent an older cookie. */
export function checkSuccessors({ world, moved }: Step): Violation[] {
  if (moved?.progress.kind !== "answering" || world.ghost.isSetBack) return [];
  const { running } = moved.before;
  const sent = givenBy(moved.progress.cookies).remember;
  if (sent === undefined || signInOf(running.handler) !== undefined || RENEWALS.has(running.handler))
    return [];
  const [id = "", generation] = sent.split(".");
  const row = world.rows.logins.get(id);
  const known = world.ghost.generations.get(id)?.[Number(generation)];
  const found: Violation[] = [];
  if (known !== undefined && known !== digestIn(sent)) {
    found.push({ invariant: "I3", what: "a cookie was sent whose token its generation never had" });
  }
  const isNewest = row !== undefined && row.revokedAt === undefined && row.generation === Number(generation);
  if (
    isNewest &&
    running.cookies.remember !== undefined &&
    hex(row.previous) !== digestIn(running.cookies.remember)
  ) {
    found.push({ invariant: "I3", what: "a successor was sent to who did not present its predecessor" });
  }
  if (row !== undefined && row.revokedAt === undefined && Number(generation) < row.generation) {
    found.push({ invariant: "I3", what: "an older cookie was sent than the row's" });
  }
  // Repeating what a parallel request made asks nobody: such a cookie may be dead, and does no harm.
  if (row?.revokedAt !== undefined && moved.call !== undefined) {
    found.push({ invariant: "I7", what: "a cookie of a revoked login was sent" });
  }
  return found;
}

/** These give a login a successor that nobody can derive; I10 and I14 say to whom. */
const RENEWALS: ReadonlySet<string> = new Set(["renew", "change the password"]);

/** I5 and I6: tokens that were given up alarm, for as long as the login lives. */
export function checkOldTokens({ now, rows, ghost }: World, runner: Runner): Violation[] {
  if (ghost.isSetBack) return [];
  const { times } = runner.settings;
  const found: Violation[] = [];
  for (const row of rows.logins.values()) {
    if (row.revokedAt !== undefined) continue;
    const isInFlight = row.supersededAt !== undefined && now - row.supersededAt <= times.flight;
    ghost.generations.get(row.id)?.forEach((token, generation) => {
      if (generation === row.generation) return;
      const isSuperseded = token === hex(row.superseded);
      if (token === hex(row.previous) && row.confirmedAt === undefined) return;
      if (isSuperseded && isInFlight) return;
      const presented = { generation, token: Buffer.from(token, "hex") };
      const decision = runner.library.decide.decideRemember(row, presented, momentOf(now), times);
      if (decision.kind === "theft" || decision.kind === "future") return;
      const invariant = isSuperseded ? "I6" : "I5";
      found.push({
        invariant,
        what: `the old token of generation ${generation} is answered with "${decision.kind}"`,
      });
    });
  }
  return found;
}
