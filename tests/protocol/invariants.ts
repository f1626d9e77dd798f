import { checkClaims } from "./promises/arrivals.ts";
import { checkEnded, checkReturn } from "./promises/coming.ts";
import { checkDeadlines, checkMarks } from "./promises/proofs.ts";
import { checkRenewals, checkReplaced } from "./promises/secrets.ts";
import {
  checkClearing,
  checkDiscarded,
  checkLiveSession,
  checkRows,
  checkSessionCookies,
  checkWrites,
} from "./promises/sessions.ts";
import { checkStale, checkStrays } from "./promises/stale-rows.ts";
import {
  checkAlarms,
  checkGenerations,
  checkOldTokens,
  checkOpening,
  checkSuccessors,
} from "./promises/tokens.ts";
import { checkUsers, checkVisitors } from "./promises/users.ts";
import type { Violation } from "./promises/violation.ts";
import type { Runner } from "./request.ts";
import type { Bounds, Step, World } from "./world.ts";

/** The promises about single steps. */
export function checkStep(before: World, step: Step, runner: Runner): Violation[] {
  return [
    ...checkGenerations(before, step),
    ...checkAlarms(before, step),
    ...checkOpening(before, step, runner),
    ...checkSuccessors(step),
    ...checkSessionCookies(step, runner),
    ...checkClearing(before, step),
    ...checkLiveSession(before, step, runner),
    ...checkDiscarded(before, step),
    ...checkUsers(before, step),
    ...checkReplaced(before, step, runner),
    ...checkRenewals(before, step),
    ...checkMarks(before, step),
    ...checkDeadlines(before, step, runner),
    ...checkVisitors(before, step, runner),
    ...checkStale(before, step, runner),
    ...checkStrays(before, step),
  ];
}

/** The promises about a world as it stands. */
export function checkWorld(world: World, runner: Runner): Violation[] {
  return [...checkRows(world), ...checkOldTokens(world, runner), ...checkWrites(world)];
}

/** The promises about what whoever comes next is answered; these send requests. */
export async function checkComing(world: World, bounds: Bounds, runner: Runner): Promise<Violation[]> {
  return [
    ...(await checkReturn(world, runner)),
    ...(await checkEnded(world, runner)),
    ...(bounds.claims === undefined ? [] : await checkClaims(world, runner)),
  ];
}
