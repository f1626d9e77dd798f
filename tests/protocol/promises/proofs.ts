import type { Lives, Runner } from "../request.ts";
import type { Step, World } from "../world.ts";
import { type Violation, violations } from "./violation.ts";

/** I15: nothing that was proved before a user's mark signs in or raises a level after it, but for who set the mark. */
export function checkMarks(before: World, { moved, world }: Step): Violation[] {
  if (moved === undefined || world.ghost.isSetBack) return [];
  const { id, openedAt, arrivedAt = openedAt } = moved.after.running;
  const { marks } = world.ghost;
  // Who changes a password knows the new one from then on.
  const own = Math.max(0, ...marks.filter(({ by }) => by === id).map(({ at }) => at));
  const isMarked = (userId: unknown, provedAt: number) =>
    marks.some(({ user, at, by }) => user === userId && by !== id && at > own && provedAt <= at);
  const proved = [...world.rows.sessions.values()].filter((row) => {
    const was = before.rows.sessions.get(row.id);
    return (
      was?.userId !== row.userId || was?.level !== row.level || was?.authenticatedAt !== row.authenticatedAt
    );
  });
  const counts = proved.some(
    ({ level, userId, authenticatedAt = 0 }) => level === "login" && isMarked(userId, authenticatedAt),
  );
  const isRefused = moved.progress.kind === "answering" && moved.progress.isOutdated;
  return violations("I15", [
    [moved.call?.name === "apply" && counts, "what was proved before a mark counted after it"],
    [isRefused && !isMarked("ada", arrivedAt), "a proof was refused that is newer than every mark"],
  ]);
}

/** I17: deadlines move with a proof, not with a renewal; and a session does not outlive its login. */
export function checkDeadlines(before: World, { moved, world }: Step, runner: Runner): Violation[] {
  const outlives = [...world.rows.sessions.values()].some(({ rememberedId, absoluteDeadline }) => {
    const login = world.rows.logins.get(rememberedId ?? "");
    return login !== undefined && absoluteDeadline > login.absoluteDeadline;
  });
  return violations("I17", [
    [outlives, "a session outlives its login"],
    [
      moved !== undefined && renews(moved) && hasMoved(before, world, moved.before.stood),
      "a renewal moved a deadline",
    ],
    [isPastLimit(moved, runner.lives), "somebody was served beyond the limits of today"],
  ]);
}

type Moved = NonNullable<Step["moved"]>;

const renews = ({ before: { running } }: Moved): boolean =>
  running.handler === "renew" || running.handler === "change the password";

function hasMoved(before: World, after: World, stood: string | undefined): boolean {
  const made = [...after.rows.logins.values()].find(({ id }) => !before.rows.logins.has(id));
  const ended = [...after.rows.logins.values()].find(
    ({ id, revokedAt }) => revokedAt !== undefined && before.rows.logins.get(id)?.revokedAt === undefined,
  );
  const isLoginMoved =
    made !== undefined &&
    (made.absoluteDeadline !== ended?.absoluteDeadline || made.createdAt !== ended?.createdAt);
  // Who came by the token has a session that is restored, as at any visit.
  const isSessionMoved =
    stood === "session" &&
    [...after.rows.sessions.values()].some((row) => {
      const was = before.rows.sessions.get(row.id);
      const isSame = was?.absoluteDeadline === row.absoluteDeadline && was.beganAt === row.beganAt;
      return was !== undefined && !isSame;
    });
  return isLoginMoved || isSessionMoved;
}

function isPastLimit(moved: Moved | undefined, lives: Lives): boolean {
  if (moved?.progress.kind !== "handling" || moved.after.running.isLimited !== true) return false;
  const { standing } = moved.progress.state;
  const { openedAt } = moved.after.running;
  if (standing.kind === "remembered") return openedAt > standing.login.createdAt + lives.login;
  return (
    (standing.kind === "live" || standing.kind === "previous") &&
    openedAt > standing.session.beganAt + lives.session
  );
}
