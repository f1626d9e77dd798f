import type { Standing } from "../../../src/request/state.ts";
import { savedIn } from "../ghost.ts";
import { signInOf } from "../handlers.ts";
import type { Runner } from "../request.ts";
import { givenBy, idIn, type Step, type World } from "../world.ts";
import { type Violation, violations } from "./violation.ts";

/**
 * I13: a request that the browser wrote after it had received the answer to a sign-in has to do with that user, and with
 * nobody else, until an answer to a request from before lands after it (`Ghost.whose`).
 */
export function checkUsers(before: World, step: Step): Violation[] {
  const { moved, world } = step;
  if (moved === undefined || moved.before.owner === "thief") return [];
  const { origin, running } = moved.before;
  const { progress } = moved;
  if (origin.whose === "anybody") return [];
  const isOther = (user: unknown) =>
    user !== undefined && user !== origin.whose && user !== signInOf(running.handler)?.user;
  const sent = givenBy(progress.kind === "answering" ? progress.cookies : []);
  const { sessions, logins } = world.rows;
  return violations("I13", [
    [
      progress.kind === "handling" && userOf(progress.state.standing, origin.whose) !== origin.whose,
      "a request was served as another user than its browser's",
    ],
    [isOther(savedIn(before, step)?.userId), "a request saved to the session of another user"],
    [isOther(sessions.get(idIn(sent.session))?.userId), "a browser was sent another user's session"],
    [isOther(logins.get(idIn(sent.remember))?.userId), "a browser was sent another user's remember cookie"],
  ]);
}

function userOf(standing: Standing, nobody: string): unknown {
  if (standing.kind === "remembered") return standing.login.userId;
  return standing.kind === "live" || standing.kind === "previous"
    ? (standing.session.userId ?? nobody)
    : nobody;
}

/**
 * I18: what is stored for a visitor who counts as nobody does not take the place of a session that the browser has had
 * since before it sent the request, and that lives.
 */
export function checkVisitors(before: World, { delivered, world }: Step, runner: Runner): Violation[] {
  if (delivered === undefined || delivered.traveller.owner === "thief") return [];
  const { jar } = delivered.traveller.origin;
  const id = idIn(before.jar.session);
  const given = idIn(givenBy(delivered.cookies).session);
  if (id === "" || id !== idIn(jar.session) || given === "" || given === id) return [];
  const { sessions } = world.rows;
  const isLive = runner.worthOf(before.jar.session ?? "", world.rows, world.now) === "live";
  const isVisitors = sessions.get(given)?.userId === undefined;
  return violations("I18", [
    [
      isVisitors && sessions.get(id)?.userId !== undefined && isLive,
      "an anonymous session took the place of the one that the browser has",
    ],
  ]);
}
