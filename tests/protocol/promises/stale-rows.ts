import { digestIn } from "../digests.ts";
import { signInOf } from "../handlers.ts";
import { ELSEWHERE, type Runner } from "../request.ts";
import { idIn, type Step, type World } from "../world.ts";
import { type Violation, violations } from "./violation.ts";

/**
 * I19: a row that a cookie proves to have lost rotations, or to be one of two, ends before anybody else can use it. A
 * read that was behind proves nothing, and ends nothing.
 */
export function checkStale(before: World, { moved, world }: Step, runner: Runner): Violation[] {
  const { ghost, rows } = world;
  const isHealthy = !ghost.isThiefAbout && !ghost.isSetBack;
  const isEnded = [...rows.logins.values()].some(
    ({ id, revokedReason = "" }) =>
      SUSPECT.has(revokedReason) && before.rows.logins.get(id)?.revokedAt === undefined,
  );
  return violations("I19", [
    [isHealthy && isEnded, "a login was ended that nothing was wrong with"],
    [isLeft(moved, world, runner), "a row that was proved to be stale is still there"],
  ]);
}

const SUSPECT: ReadonlySet<string> = new Set(["stale", "forked", "theft"]);

function isLeft(moved: Step["moved"], world: World, runner: Runner): boolean {
  if (moved?.progress.kind !== "handling") return false;
  const { outcome } = moved.progress.state;
  const { remember } = moved.before.running.cookies;
  if ((outcome !== "ahead" && outcome !== "forked") || remember === undefined) return false;
  const row = (moved.after.isBeyond ? world.other : world.rows)?.logins.get(idIn(remember));
  const [, generation] = remember.split(".");
  const presented = { generation: Number(generation), token: Buffer.from(digestIn(remember), "hex") };
  const moment = { now: world.now, arrivedAt: world.now };
  const { kind } = runner.library.decide.decideRemember(row, presented, moment, runner.settings.times);
  return kind === "ahead" || kind === "forked";
}

/** I20: what the browser held back accuses nobody and gets nothing; from elsewhere nothing was held back. */
export function checkStrays(before: World, { moved, world }: Step): Violation[] {
  if (moved?.progress.events.includes("stray") !== true) return [];
  const { running, owner } = moved.before;
  const { progress } = moved;
  const isAsked = signInOf(running.handler) !== undefined || running.handler === "logout";
  const isCommitted = running.commitAt === undefined && moved.after.running.commitAt !== undefined;
  return violations("I20", [
    [
      owner === "thief" && !isThiefs(before, running.cookies.remember),
      "a thief from elsewhere was taken for a request that was held back",
    ],
    [
      progress.kind === "handling" && progress.state.standing.kind !== "detached",
      "a token that was given up was served",
    ],
    [
      !isAsked && progress.kind === "answering" && progress.cookies.length > 0,
      "a request that was held back was sent cookies",
    ],
    [!isAsked && isCommitted && world.rows !== before.rows, "a request that was held back changed something"],
  ]);
}

/** After a backup was set back the thief may come first: then the login is used from where the thief is. */
function isThiefs({ rows }: World, remember: string | undefined): boolean {
  const login = remember === undefined ? undefined : idIn(remember);
  return [...rows.sessions.values()].some(
    ({ rememberedId, address }) => rememberedId === login && address === ELSEWHERE,
  );
}
