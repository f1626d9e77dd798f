import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type { CookieInstruction } from "../../src/http/cookies.ts";
import type { RememberedRow, SessionRow } from "../../src/stores/store.ts";
import { type Handler, type Jar, perform, type Rows, type Runner, type Running } from "./request.ts";
import { type Ghost, received, type Step, type World } from "./world.ts";

/** A promise of docs/protocol.md that does not hold, in words. */
export interface Violation {
  readonly invariant: string;
  readonly what: string;
}

const hex = (value: Uint8Array | undefined): string =>
  value === undefined ? "" : Buffer.from(value).toString("hex");

const secretDigest = (cookie: string): string =>
  createHash("sha256")
    .update(Buffer.from(cookie.split(".").at(-2) ?? "", "base64url"))
    .digest("hex");

/** What the step changed that later worlds must keep. */
export function remembered(before: World, step: Step): Ghost {
  const { world, moved } = step;
  const { ghost } = world;
  const generations = new Map(ghost.generations);
  for (const row of world.rows.logins.values()) {
    const known = generations.get(row.id) ?? [];
    if (row.revokedAt === undefined && known[row.generation] === undefined) {
      const next = [...known];
      next[row.generation] = hex(row.token);
      generations.set(row.id, next);
    }
  }
  let { written, hasEnded } = ghost;
  if (moved?.before.running.handler === "write" && hasSaved(before, step)) {
    written = new Map(written).set(moved.before.running.slot, moved.before.running.id);
  }
  if (moved?.before.running.handler === "logout" && moved.progress.kind === "answering") hasEnded = true;
  const isReplaced = ghost.isReplaced || hasReplaced(before, world);
  return { ...ghost, generations, written, hasEnded, isReplaced };
}

/** The promises about single steps. */
export function checkStep(before: World, step: Step, runner: Runner): Violation[] {
  return [
    ...checkGenerations(before, step.world),
    ...checkAlarms(before, step),
    ...checkOpening(before, step, runner),
    ...checkSuccessors(step),
    ...checkSessionCookies(step, runner),
    ...checkClearing(before, step),
    ...checkLiveSession(before, step, runner),
  ];
}

/** The promises about a world as it stands. */
export function checkWorld(world: World, runner: Runner): Violation[] {
  return [...checkRows(world), ...checkOldTokens(world, runner), ...checkWrites(world)];
}

/** The promises about what whoever comes next is answered; these send requests. */
export async function checkComing(world: World, runner: Runner): Promise<Violation[]> {
  return [...(await checkReturn(world, runner)), ...(await checkEnded(world, runner))];
}

/** I2 and I7: generations only grow, one token each, and a revocation stays. */
function checkGenerations(before: World, after: World): Violation[] {
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
  return found;
}

/** I4 and I5: no alarm where there is no thief, and none that leaves the login alive. */
function checkAlarms(before: World, { world, moved }: Step): Violation[] {
  if (moved === undefined) return [];
  const news = moved.progress.events.slice(moved.before.toldEvents);
  if (!news.includes("theft")) return [];
  if (!before.ghost.isThiefAbout) {
    return [{ invariant: "I4", what: "theft was noticed although there is no thief" }];
  }
  const isAlive = [...world.rows.logins.values()].every(({ revokedAt }) => revokedAt === undefined);
  return isAlive ? [{ invariant: "I5", what: "theft was noticed, and the login goes on" }] : [];
}

/** I9: a session cookie works when it is sent, and who only presented a token gets no login by it. */
function checkSessionCookies({ world, moved }: Step, runner: Runner): Violation[] {
  if (moved?.progress.kind !== "answering") return [];
  const { handler } = moved.before.running;
  const sent = received({ session: undefined, remember: undefined }, moved.progress.cookies).session;
  if (sent === undefined) return [];
  const [id = ""] = sent.split(".");
  const row = world.rows.sessions.get(id);
  const digest = Buffer.from(secretDigest(sent), "hex");
  // An answer that only repeats what a parallel request made may be overtaken by a third one.
  const isOwn = moved.call?.name === "apply";
  const worth = runner.library.decide.decideSession(row, digest, world.now, runner.settings.times);
  const works = worth === "live" || worth === "future";
  if (isOwn && !works) return [{ invariant: "I9", what: "a session cookie was sent that does not work" }];
  const isGift = handler === "read" && row?.level === "login" && works;
  return isGift ? [{ invariant: "I3", what: "who confirmed nothing was sent a session of level login" }] : [];
}

/** I12: an answer does not clear a remember cookie that is newer than the one its request came with. */
function checkClearing(before: World, { world }: Step): Violation[] {
  const { remember } = before.jar;
  const { hasEnded, isSetBack } = world.ghost;
  if (remember === undefined || world.jar.remember !== undefined || hasEnded || isSetBack) return [];
  const [id = ""] = remember.split(".");
  const login = world.rows.logins.get(id);
  const isAlive = login !== undefined && login.revokedAt === undefined;
  return isAlive ? [{ invariant: "I12", what: "an answer cleared the cookie of a login that is alive" }] : [];
}

/** I1 and I4: who is let in, and that the browser is. */
function checkOpening(before: World, { moved }: Step, runner: Runner): Violation[] {
  if (moved?.progress.kind !== "handling") return [];
  const { owner, running } = moved.before;
  const { standing } = moved.progress.state;
  const isServed = standing.kind === "remembered" || standing.kind === "live" || standing.kind === "late";
  if (!isServed) {
    const { isThiefAbout, hasEnded, isReplaced, isSetBack } = before.ghost;
    const mayBeNobody = owner === "thief" || isThiefAbout || hasEnded || isReplaced || isSetBack;
    const isBrowsers = running.cookies.remember !== undefined;
    if (mayBeNobody || !isBrowsers) return [];
    return [{ invariant: "I4", what: `the browser's request ${running.id} was answered as nobody` }];
  }
  if (standing.kind !== "remembered" || running.cookies.remember === undefined) return [];
  // A renewal reads once more in its handler: the token was let in before this step.
  if (running.handler === "renew") return [];
  const now = before.now + (moved.before.stage.kind === "sent" ? 0 : running.skew);
  const row = before.rows.logins.get(standing.login.id);
  const allowed = row === undefined ? [] : liveTokens(row, now, runner);
  if (allowed.includes(secretDigest(running.cookies.remember))) return [];
  return [
    { invariant: "I1", what: "a token was accepted that is neither current, previous nor just superseded" },
  ];
}

function liveTokens(row: RememberedRow, now: number, runner: Runner): string[] {
  const { late, skew } = runner.settings.times;
  if (row.revokedAt !== undefined) return [];
  const isSupersededLive = row.supersededAt !== undefined && now - row.supersededAt <= late + skew;
  return [
    hex(row.token),
    ...(row.confirmedAt === undefined ? [hex(row.previous)] : []),
    ...(isSupersededLive ? [hex(row.superseded)] : []),
  ];
}

/** I3: a successor goes only to who presented its predecessor, and nobody is sent an older cookie. */
function checkSuccessors({ world, moved }: Step): Violation[] {
  if (moved?.progress.kind !== "answering" || world.ghost.isSetBack) return [];
  const { running } = moved.before;
  const sent = received({ session: undefined, remember: undefined }, moved.progress.cookies).remember;
  if (sent === undefined || running.handler === "login" || running.handler === "renew") return [];
  const [id = "", generation] = sent.split(".");
  const row = world.rows.logins.get(id);
  const known = world.ghost.generations.get(id)?.[Number(generation)];
  const found: Violation[] = [];
  if (known !== undefined && known !== secretDigest(sent)) {
    found.push({ invariant: "I3", what: "a cookie was sent whose token its generation never had" });
  }
  const isNewest = row !== undefined && row.revokedAt === undefined && row.generation === Number(generation);
  if (
    isNewest &&
    running.cookies.remember !== undefined &&
    hex(row.previous) !== secretDigest(running.cookies.remember)
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

/** I12: a request does not end the live session that its own browser holds. */
function checkLiveSession(before: World, step: Step, runner: Runner): Violation[] {
  const { world, moved } = step;
  const { session } = before.jar;
  if (moved === undefined || session === undefined || before.ghost.isThiefAbout || world.ghost.hasEnded)
    return [];
  if (moved.before.owner !== "browser" || ENDS_SESSIONS.has(moved.before.running.handler)) return [];
  const worth = (rows: Rows) => {
    const [id = ""] = session.split(".");
    const digest = Buffer.from(secretDigest(session), "hex");
    return runner.library.decide.decideSession(
      rows.sessions.get(id),
      digest,
      before.now,
      runner.settings.times,
    );
  };
  if (worth(before.rows) !== "live") return [];
  const after = worth(world.rows);
  if (after === "live" || after === "late") return [];
  return [
    {
      invariant: "I12",
      what: `request ${moved.before.running.id} ended the live session of its own browser`,
    },
  ];
}

/** These are asked to exchange the secret; that the browser stays signed in is I4's business. */
const ENDS_SESSIONS = new Set(["logout", "login", "reauthenticate", "renew"]);

/** I9 and I7: one session row per login, none without an owner, none of a revoked login. */
function checkRows({ rows, ghost }: World): Violation[] {
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

/** I5 and I6: tokens that were given up alarm, for as long as the login lives. */
function checkOldTokens({ now, rows, ghost }: World, runner: Runner): Violation[] {
  if (ghost.isSetBack) return [];
  const { times } = runner.settings;
  const found: Violation[] = [];
  for (const row of rows.logins.values()) {
    if (row.revokedAt !== undefined) continue;
    const isLate = row.supersededAt !== undefined && now - row.supersededAt <= times.late;
    ghost.generations.get(row.id)?.forEach((token, generation) => {
      if (generation === row.generation) return;
      const isSuperseded = token === hex(row.superseded);
      if (token === hex(row.previous) && row.confirmedAt === undefined) return;
      if (isSuperseded && isLate) return;
      const presented = { generation, token: Buffer.from(token, "hex") };
      const decision = runner.library.decide.decideRemember(row, presented, now, times);
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

/** I11: what a request saved stays saved. */
function checkWrites({ rows, ghost }: World): Violation[] {
  if (ghost.isThiefAbout || ghost.hasEnded || ghost.isReplaced || ghost.isSetBack) return [];
  const [session] = rows.sessions.values();
  const data = session === undefined ? {} : (JSON.parse(session.data) as Record<string, number>);
  for (const [slot, id] of ghost.written) {
    if (data[`slot${slot}`] !== id) return [{ invariant: "I11", what: `the write of request ${id} is lost` }];
  }
  return [];
}

/** I4: with everything on its way lost, the browser comes back signed in, now and later, also from its disk. */
async function checkReturn(world: World, runner: Runner): Promise<Violation[]> {
  if (world.ghost.isThiefAbout || world.ghost.hasEnded || world.ghost.isReplaced || world.ghost.isSetBack)
    return [];
  const later = world.now + runner.settings.times.settle + runner.settings.times.mid;
  const onDisk: Jar = { ...world.disk, session: undefined };
  for (const [jar, now, what] of [
    [world.jar, world.now, "now"],
    [world.jar, later, "much later"],
    [onDisk, world.now, "after a crash"],
    [onDisk, later, "long after a crash"],
  ] as const) {
    if (jar.remember === undefined) continue;
    const { isServed, events } = await probe(world.rows, jar, now, runner);
    if (!isServed) return [{ invariant: "I4", what: `the browser, coming back ${what}, is nobody` }];
    if (events.includes("theft"))
      return [{ invariant: "I4", what: `the browser, coming back ${what}, is taken for a thief` }];
  }
  return [];
}

/** I7: after an end nothing that anybody holds, or that is on its way, signs in. */
async function checkEnded(world: World, runner: Runner): Promise<Violation[]> {
  if (!world.ghost.hasEnded || world.rows.sessions.size === 0) return [];
  const sent = world.travellers.flatMap(({ stage }) =>
    stage.kind === "answered" ? [received({ session: undefined, remember: undefined }, stage.cookies)] : [],
  );
  for (const jar of [world.jar, world.disk, ...world.loot, ...sent]) {
    const { isServed } = await probe(world.rows, jar, world.now, runner);
    if (isServed) return [{ invariant: "I7", what: "a cookie still signs in after the end" }];
  }
  return [];
}

export interface Probe {
  readonly isServed: boolean;
  readonly events: readonly string[];
  readonly rows: Rows;
  readonly cookies: readonly CookieInstruction[];
}

let probes = 0;

/** One whole request with nothing beside it. */
export async function probe(
  rows: Rows,
  jar: Jar,
  now: number,
  runner: Runner,
  handler: Handler = "read",
): Promise<Probe> {
  probes++;
  let running: Running = {
    id: -probes,
    cookies: jar,
    handler,
    slot: 0,
    skew: 0,
    openedAt: now,
    answers: [],
    commitAt: undefined,
  };
  let current = rows;
  let isServed = false;
  while (true) {
    const progress = await runner.run(running);
    if (progress.kind === "answering") {
      return { isServed, events: progress.events, rows: current, cookies: progress.cookies };
    }
    if (progress.kind === "handling") {
      isServed = progress.state.standing.kind !== "none" && progress.state.standing.kind !== "detached";
      running = { ...running, commitAt: now };
      continue;
    }
    const performed = await perform(runner.library, current, progress.call);
    current = performed.rows;
    running = { ...running, answers: [...running.answers, { value: performed.value, at: now }] };
  }
}

const hasReplaced = (before: World, after: World): boolean =>
  [...after.rows.logins.values()].some(
    ({ id, revokedReason }) =>
      revokedReason === "replaced" && before.rows.logins.get(id)?.revokedReason === undefined,
  );

/** Whether the last call of a step stored the data of its request. */
function hasSaved(before: World, { world, moved }: Step): boolean {
  if (moved?.call?.name !== "apply") return false;
  const { slot, id } = moved.before.running;
  const holds = (row: SessionRow | undefined) => row?.data.includes(`"slot${slot}":${id}`) ?? false;
  const [was] = before.rows.sessions.values();
  const [is] = world.rows.sessions.values();
  return !isDeepStrictEqual(was, is) && holds(is) && !holds(was);
}
