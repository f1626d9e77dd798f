import { readBound } from "../../../src/protocol/bound.ts";
import type { SessionRow } from "../../../src/stores/store.ts";
import type { Violation } from "../promises/violation.ts";
import type { Rows } from "../rows.ts";
import { BEGUN, DELIVERY, GRACE, PROOF_LIFE, proofBy, type Runner } from "./runner.ts";
import {
  cookieValueOf,
  current,
  type Ghost,
  idIn,
  type Jar,
  type Running,
  received,
  type Step,
  type Traveller,
  type World,
} from "./world.ts";

/** What is remembered of a step. */
export function followed(before: World, { world, moved }: Step): World {
  const issued = new Map(before.ghost.issued);
  const confirmed = new Map(before.ghost.confirmed);
  for (const { bound } of world.rows.sessions.values()) {
    const kept = readBound(bound);
    if (kept?.isConfirmed === true && !confirmed.has(kept.id)) confirmed.set(kept.id, world.now);
  }
  for (const instruction of moved?.after.progress?.cookies ?? []) {
    const { name, value } = cookieValueOf(instruction);
    if (name.endsWith("-bound") && value !== undefined && !issued.has(value))
      issued.set(value, { id: idIn(value), until: world.now + PROOF_LIFE + DELIVERY });
  }
  const hasEnded = before.ghost.hasEnded || ends(moved);
  const act = moved?.after.running.act ?? "page";
  const hasExchanged = before.ghost.hasExchanged || EXCHANGES.has(act);
  return { ...world, ghost: { issued, confirmed, hasEnded, hasExchanged } };
}

/** Who is let in by what was copied may do as Ada does, and a forged proof ends her device. */
function ends(moved: Step["moved"]): boolean {
  if (moved === undefined) return false;
  const { owner, running, progress } = moved.after;
  if (owner === "browser") return running.act === "leave";
  if (running.act === "forge") return true;
  const opened = progress?.opened;
  return opened?.user === "ada" && (running.act !== "page" || opened.standing === "remembered");
}

/** The session that these cookies lead to. */
function sessionOf({ sessions }: Rows, { session, remember }: Jar): SessionRow | undefined {
  const own = sessions.get(idIn(session));
  if (own !== undefined) return own;
  const login = idIn(remember);
  return [...sessions.values()].find(({ rememberedId }) => rememberedId === login && login !== "");
}

/** What the honest browser has sent is hers, also what was on its way without a proof when the key was registered. */
function isServed({ ghost }: World, running: Running, owner: Traveller["owner"]): Violation[] {
  const { session, remember } = running.cookies;
  const isExcused =
    owner !== "browser" ||
    ghost.hasEnded ||
    ghost.hasExchanged ||
    running.isWithout ||
    !USES.has(running.act);
  if (isExcused || (session === undefined && remember === undefined)) return [];
  return [{ invariant: "K4", what: `request ${running.id} of the honest browser was nobody's` }];
}

/** A save of the page beside it must not write the row back as it was before. */
function checkKept(before: World, { world, moved }: Step): Violation[] {
  const isAnew = moved === undefined || SIGN_INS.has(moved.after.running.act);
  if (isAnew) return [];
  return [...world.rows.sessions.values()].flatMap(({ id, bound }) =>
    bound === undefined && before.rows.sessions.get(id)?.bound !== undefined
      ? [{ invariant: "K5", what: "a session is not bound any more" }]
      : [],
  );
}

/** From the first answer to a request with the short cookie on, the session counts with the key only. */
function checkConfirmed({ world, moved }: Step): Violation[] {
  if (moved?.after.stage !== "answering" || moved.after.progress?.opened?.standing !== "live") return [];
  const { running } = moved.after;
  const bound = readBound(world.rows.sessions.get(idIn(running.cookies.session))?.bound);
  const isShown = USES.has(running.act) && running.cookies.bound?.value.startsWith(`${bound?.id}.`) === true;
  return isShown && bound?.isConfirmed === false
    ? [
        {
          invariant: "K6",
          what: `request ${running.id} showed the short cookie, and its session does not ask for it`,
        },
      ]
    : [];
}

const USES: ReadonlySet<string> = new Set(["page", "save"]);
const SIGN_INS: ReadonlySet<string> = new Set(["sign in", "plain", "begin", "mallory", "leave"]);

export function checkStep(before: World, step: Step, skew = 0): Violation[] {
  return [...checkKept(before, step), ...checkOpened(before, step, skew), ...checkConfirmed(step)];
}

/** `skew`: of the server that wrote a time, and of the one that reads it. */
function checkOpened(before: World, { moved }: Step, skew: number): Violation[] {
  const opened = moved?.after.progress?.opened;
  if (moved === undefined || opened === undefined || moved.before.progress?.opened !== undefined) return [];
  const { running } = moved.after;
  if (opened.user !== "ada") return isServed(before, running, moved.after.owner);
  const bound = readBound(sessionOf(moved.rows, running.cookies)?.bound);
  const since = bound && before.ghost.confirmed.get(bound.id);
  if (bound === undefined || since === undefined || running.openedAt <= since + GRACE + 2 * skew) return [];
  const proof = running.cookies.bound && before.ghost.issued.get(running.cookies.bound.value);
  const isProved = proof?.id === bound.id && running.openedAt <= proof.until + 2 * skew;
  return isProved
    ? []
    : [{ invariant: "K1", what: `request ${running.id} was let in without a proof of the key` }];
}

export function checkWorld({ rows }: World): Violation[] {
  const found: Violation[] = [];
  for (const { level, data } of rows.sessions.values())
    if (level === "binding" && JSON.parse(data).jwk.x !== "browser")
      found.push({ invariant: "K3", what: "a key was registered that is not the browser's" });
  return found;
}

const EXCHANGES: ReadonlySet<string> = new Set(["sign in", "begin", "renew", "leave"]);

/** Whatever happened, the honest browser comes through: it refreshes where it must, and is Ada's. */
export async function checkComing(world: World, runner: Runner): Promise<Violation[]> {
  const { ghost, there } = world;
  // She is nobody while a sign-in waits for its second step, and gives that up.
  const hasBegun = [...world.rows.sessions.values()].some(({ pendingUserId }) => pendingUserId !== undefined);
  const now = hasBegun ? world.now + BEGUN + 1 : world.now;
  // Their answers bring other cookies.
  const isChanging = world.travellers.some(
    ({ owner, running }) => owner === "browser" && EXCHANGES.has(running.act),
  );
  if (isChanging) return [];
  let jar = current(world.jar, now);
  if (ghost.hasEnded || (jar.session === undefined && jar.remember === undefined)) return [];
  let { rows } = world;
  if (there !== undefined && jar.bound === undefined) {
    let { challenge } = there;
    for (let round = 0; round < 3 && jar.bound === undefined; round++) {
      const proof = challenge === undefined ? undefined : proofBy("browser", challenge);
      const answer = await runner.probe(rows, now, {
        act: "refresh",
        cookies: jar,
        boundId: there.id,
        proof,
      });
      rows = answer.rows;
      jar = received(jar, answer.cookies, PROOF_LIFE, now);
      if (answer.bind?.kind === "challenged") challenge = answer.bind.challenge;
      // Of a sign-in before the present one: the browser asks no more for that.
      if (answer.bind?.kind === "over") break;
    }
  }
  const { opened } = await runner.probe(rows, now, { act: "page", cookies: jar });
  return opened?.user === "ada" ? [] : [{ invariant: "K2", what: "the honest browser is signed out" }];
}

export const NO_GHOST: Ghost = {
  issued: new Map(),
  confirmed: new Map(),
  hasEnded: false,
  hasExchanged: false,
};
