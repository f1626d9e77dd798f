import type { RememberedRow, SessionRow } from "../../../src/stores/store.ts";
import { digestIn, hex } from "../digests.ts";
import { isFencing, signInOf } from "../handlers.ts";
import type { Runner, Running } from "../request.ts";
import { givenBy, idIn, type Step, type World } from "../world.ts";
import { type Violation, violations } from "./violation.ts";

/**
 * I14: a session secret that a sign-in, a confirmed password or a renewal has replaced serves, saves and renews nothing.
 * It can sign in anew and, where it stood for the same user a moment ago, leave.
 */
export function checkReplaced(before: World, step: Step, runner: Runner): Violation[] {
  const { moved, world } = step;
  if (moved === undefined || world.ghost.isSetBack) return [];
  const { running } = moved.before;
  if (running.handler === "logout") return checkLeaving(before, step, runner);
  const { session } = running.cookies;
  const replacement = session === undefined ? undefined : before.ghost.replacements.get(digestIn(session));
  // A token of its own serves as well.
  const stoodOn = moved.after.stood ?? moved.before.stood;
  if (replacement === undefined || !isFencing(replacement.by) || stoodOn === "token") return [];
  const { progress } = moved;
  const isSigningIn = signInOf(running.handler) !== undefined;
  const id = idIn(session);
  const sent = givenBy(progress.kind === "answering" ? progress.cookies : []);
  // A replica that is behind does not know better; what follows is asked of the rows.
  const isServed = progress.kind === "handling" && stoodOn === "session" && !moved.after.isBehind;
  return violations("I14", [
    [isServed && isNew(step), "a replaced secret was served"],
    [
      !isSigningIn && isChanged(before.rows.sessions.get(id), world.rows.sessions.get(id)),
      "a request that stood on a replaced secret changed the session",
    ],
    [
      !isSigningIn && (sent.session !== undefined || sent.remember !== undefined),
      "a client that presented a replaced secret was sent cookies",
    ],
  ]);
}

/** I14: a renewal gives a remember cookie only to who presented the token that was current. */
export function checkRenewals(before: World, { moved, world }: Step): Violation[] {
  if (moved?.progress.kind !== "answering") return [];
  const { handler, cookies } = moved.before.running;
  const sent = givenBy(moved.progress.cookies).remember;
  if (sent === undefined || signInOf(handler) !== undefined || !isFencing(handler)) return [];
  // A token that a restore makes is derived from the one that was presented: I3.
  if (before.rows.logins.has(idIn(sent))) return [];
  const ended = [...before.rows.logins.values()].find(
    ({ id, revokedAt }) => revokedAt === undefined && world.rows.logins.get(id)?.revokedAt !== undefined,
  );
  const isCurrent = cookies.remember !== undefined && hex(ended?.token) === digestIn(cookies.remember);
  return violations("I14", [
    [!isCurrent, "a renewal gave a remember cookie to who did not present the token"],
  ]);
}

/** Whether the request has only now been let in: it may have been before, and its handler asked the store since. */
const isNew = ({ moved }: Step): boolean => moved?.call?.name === "findSession";

const isChanged = (was: SessionRow | undefined, is: SessionRow | undefined): boolean =>
  was === undefined || is === undefined
    ? was !== is
    : hex(was.secret) !== hex(is.secret) ||
      was.data !== is.data ||
      was.userId !== is.userId ||
      was.level !== is.level ||
      was.rememberedId !== is.rememberedId;

function checkLeaving(before: World, { moved, world }: Step, runner: Runner): Violation[] {
  if (moved?.progress.kind !== "answering") return [];
  const { running } = moved.before;
  const { session, remember } = running.cookies;
  const row = before.rows.sessions.get(idIn(session));
  const login = before.rows.logins.get(idIn(remember));
  const leavesBySession =
    row !== undefined && session !== undefined ? leaving(row, session, before, running, runner) : "no";
  const leavesByToken =
    remember !== undefined && login !== undefined && isItsToken(login, digestIn(remember));
  const isRowGone = row !== undefined && !world.rows.sessions.has(row.id);
  const isLoginGone = world.rows.logins.get(idIn(remember))?.revokedAt !== undefined;
  const isOfLogin = row?.rememberedId !== undefined && row.rememberedId === login?.id && leavesByToken;
  return violations("I14", [
    [leavesBySession === "yes" && !isRowGone, "who signed out stayed signed in"],
    [leavesByToken && !isLoginGone, "who signed out by a token stayed signed in"],
    [leavesBySession === "no" && isRowGone && !isOfLogin, "a replaced secret ended a session"],
    [
      running.isWithheld === true && (moved.progress.cookies.length > 0 || world.rows !== before.rows),
      "another site signed somebody out",
    ],
  ]);
}

/** Whether the session cookie of a request may end its session: "perhaps" where nothing is promised. */
function leaving(
  row: SessionRow,
  cookie: string,
  { ghost, now }: World,
  { arrivedAt = now, openedAt }: Running,
  { settings: { times } }: Runner,
): "yes" | "no" | "perhaps" {
  if (hex(row.secret) === digestIn(cookie)) return "yes";
  const replacement = ghost.replacements.get(digestIn(cookie));
  if (replacement === undefined || !replacement.isSameUser || signInOf(replacement.by) !== undefined)
    return "no";
  const isInTime = Math.min(arrivedAt, openedAt) - replacement.at <= times.grace;
  if (replacement.next !== hex(row.secret) || !isInTime) return "no";
  // Of a restore no secret is left: the token says it.
  return isFencing(replacement.by) || replacement.by === "regenerate" ? "yes" : "perhaps";
}

const isItsToken = ({ revokedAt, token, previous, superseded }: RememberedRow, digest: string): boolean =>
  revokedAt === undefined && [token, previous, superseded].some((held) => hex(held) === digest);
