import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { explore } from "./explorer.ts";
import { type Library, loadLibrary, SOURCES } from "./library.ts";
import { scenes } from "./scenes.ts";
import { spaceVisits } from "./visits.ts";
import type { Bounds } from "./world.ts";

/** One way to get the protocol wrong: `find` stands in `file` exactly once. */
interface Mutant {
  readonly name: string;
  readonly file: string;
  readonly find: string;
  readonly replace: string;
  /** A second change, where one alone would be caught by another guard. */
  readonly also?: { readonly find: string; readonly replace: string };
  /** The scene in which it dies soonest; the others are tried after it. */
  readonly scene?: string;
}

export interface Killed {
  readonly name: string;
  /** The scene and the promise that noticed; undefined: the mutant lives. */
  readonly killedBy: string | undefined;
  readonly story: readonly string[];
}

const decide = "remember/decide.ts";
const times = "remember/times.ts";
const saving = "request/plan/save.ts";
const restoring = "request/plan/remembered.ts";
const signing = "request/plan/sign.ts";
const commit = "request/commit.ts";
const open = "request/open.ts";
const memory = "stores/memory/index.ts";

export const mutants: readonly Mutant[] = [
  {
    name: "strict rotation: the previous token alarms at once",
    file: decide,
    find: "if (!isConfirmed && sameDigest(presented.token, row.previous)) {",
    replace: "if (false) {",
  },
  {
    name: "a time window alone: after it the previous token alarms",
    file: decide,
    find: "return age <= times.mid ? ACCEPT : RECOVER;",
    replace: "return age <= times.mid ? ACCEPT : THEFT;",
  },
  {
    name: "the previous token is accepted for ever",
    file: decide,
    find: "return age <= times.mid ? ACCEPT : RECOVER;",
    replace: "return ACCEPT;",
  },
  {
    name: "the previous token is accepted although the current one is confirmed",
    file: decide,
    find: "if (!isConfirmed && sameDigest(presented.token, row.previous)) {",
    replace: "if (sameDigest(presented.token, row.previous)) {",
  },
  {
    name: "superseded one tick early",
    file: decide,
    find: "return age <= times.mid ? ACCEPT : RECOVER;",
    replace: "return age < times.mid ? ACCEPT : RECOVER;",
    scene: "writers",
  },
  {
    name: "the current token rotates however young",
    file: decide,
    find: "return isConfirmed || age > times.settle ? ROTATE : ACCEPT;",
    replace: "return ROTATE;",
    scene: "two tabs, closing and crashing",
  },
  {
    name: "a superseded token alarms at once",
    file: decide,
    find: "now - row.supersededAt <= times.late &&",
    replace: "false &&",
    scene: "two tabs, closing and crashing",
  },
  {
    name: "confirmed at first sight",
    file: decide,
    find: "session.confirmFrom !== undefined && openedAt > session.confirmFrom",
    replace: "session.confirmFrom !== undefined",
  },
  {
    name: "confirmed one tick early",
    file: decide,
    find: "openedAt > session.confirmFrom",
    replace: "openedAt >= session.confirmFrom",
  },
  {
    name: "confirmed by when the handler ends",
    file: saving,
    find: "mayConfirm(row, openedAt)",
    replace: "mayConfirm(row, now)",
    scene: "two tabs, closing and crashing",
  },
  {
    name: "no compare-and-swap, neither on the generation nor on the session's version",
    file: memory,
    find: "login.generation !== guard.generation",
    replace: "false",
    also: { find: 'if (row.version !== update.version) return "stale";', replace: "" },
  },
  {
    name: "no allowance for clocks that differ",
    file: times,
    find: "base.converge + base.delivery + base.transit + 2 * base.skew",
    replace: "base.converge + base.delivery + base.transit",
    scene: "servers whose clocks differ",
  },
  {
    name: "no grace for a replaced session secret",
    file: times,
    find: "grace: base.delivery + base.transit + base.skew",
    replace: "grace: -1",
    scene: "regenerating the secret",
  },
  {
    name: "a grace of one way only",
    file: times,
    find: "grace: base.delivery + base.transit + base.skew",
    replace: "grace: base.transit",
    scene: "confirming the password",
  },
  {
    name: "the session is not re-keyed by a restore",
    file: restoring,
    find: "    secret: digest(secret),\n    secretAt: now,\n    previousSecret: undefined,\n    level: identity.level,",
    replace: "    level: identity.level,",
  },
  {
    name: "the session of a superseded token is left alive",
    file: restoring,
    find: "    secret: digest(secret),\n    secretAt: now,\n    previousSecret: undefined,\n    level: identity.level,",
    replace:
      "    ...(effect === 'recover' ? {} : { secret: digest(secret), secretAt: now }),\n    level: identity.level,",
  },
  {
    name: "theft leaves the session alive",
    file: memory,
    find: "if (session !== undefined && session.id !== spared) this.#dropSession(session);",
    replace: "if (session !== undefined && reason !== 'theft') this.#dropSession(session);",
  },
  {
    name: "theft is told, and nothing is ended",
    file: open,
    find: "const ended = await settings.store.end({",
    replace: "const ended = ((_: unknown) => [{ rememberedId: login.id }])({",
  },
  {
    name: "a revocation is not looked at",
    file: decide,
    find: "if (row.revokedAt !== undefined) {",
    replace: "if (false) {",
    scene: "signing in again",
  },
  {
    name: "a revoked login is answered as an unknown one",
    file: decide,
    find: 'return { kind: "ended", why: "revoked", clear: now - row.revokedAt > quiet };',
    replace: 'return { kind: "ended", why: "unknown", clear: true };',
    scene: "signing in again",
  },
  {
    name: "rotation moves the absolute deadline",
    file: restoring,
    find: "const rotation: Rotation = {",
    replace: "const rotation: any = {\n    absoluteDeadline: now + settings.remember.absolute,",
  },
  {
    name: "a generation ahead is taken for theft",
    file: decide,
    find: "return AHEAD;",
    replace: "return THEFT;",
    scene: "a store set back to a backup",
  },
  {
    name: "who loses the swap sends its own, older cookie",
    file: commit,
    find: "if (result.done) return finish(state, plan, result.ended);",
    replace: 'if (result.done || result.lost === "rotation") return finish(state, plan, result.ended);',
  },
  {
    name: "converging without looking at the clock again",
    file: restoring,
    find: 'if (effect !== "converge" || now - login.rotatedAt > times.converge) return undefined;',
    replace: 'if (effect !== "converge") return undefined;',
  },
  {
    name: "a rotation takes a session whose secret was exchanged just before it came",
    file: open,
    find: "found?.session,\n    now,",
    replace: "undefined,\n    now,",
    scene: "confirming the password",
  },
  {
    name: "a rotation takes a session whose secret was exchanged while its handler ran",
    file: commit,
    find: "keptEffect(standing.effect, found.session, state.openedAt, times)",
    replace: "standing.effect",
    scene: "confirming the password",
  },
  {
    name: "… or while it ran, judged by when the handler ends",
    file: commit,
    find: "keptEffect(standing.effect, found.session, state.openedAt, times)",
    replace: "keptEffect(standing.effect, found.session, now, times)",
    scene: "confirming the password",
  },
  {
    name: "a confirmed password leads to a secret that the old token derives",
    file: restoring,
    find: 'const secret = raises ? newSecret() : derived(state, "session", presented.token, derivation);',
    replace: 'const secret = derived(state, "session", presented.token, derivation);',
    scene: "confirming the password",
  },
  {
    name: "logout leaves the remembered login",
    file: signing,
    find: "if (session !== undefined || own !== undefined) {",
    replace: 'if (reason !== "logout" && (session !== undefined || own !== undefined)) {',
    scene: "logging out",
  },
  {
    name: "a renewal in flight gets a row of its own",
    file: commit,
    find: 'if (intent.kind === "login" && !intent.isRenewal) {',
    replace: 'if (intent.kind === "login") {',
    scene: "renewing after a changed password",
  },
  {
    name: "a save is not conditional on the version",
    file: memory,
    find: 'if (row.version !== update.version) return "stale";',
    replace: "",
  },
];

/** Small explorations of every scene first, as most mutants die early. */
const STAGES = [2500, 15_000, 60_000];
const FOLDER = resolve(SOURCES, "../.tmp/mutants");

export async function killMutants(print: (text: string) => void): Promise<Killed[]> {
  const results: Killed[] = [];
  const width = Math.max(...mutants.map(({ name }) => name.length));
  for (const [index, mutant] of mutants.entries()) {
    const killed = await kill(mutant, index);
    results.push(killed);
    print(`${mutant.name.padEnd(width)}  ${killed.killedBy ?? "ALIVE"}`);
  }
  rmSync(FOLDER, { recursive: true, force: true });
  return results;
}

async function kill(mutant: Mutant, index: number): Promise<Killed> {
  const library = await mutated(mutant, String(index));
  const hinted = scenes.filter(({ name }) => name === mutant.scene);
  const violation =
    (await firstViolation(library, hinted, STAGES.at(-1) ?? 0)) ?? (await firstViolationAnywhere(library));
  return { name: mutant.name, killedBy: violation?.by, story: violation?.story ?? [] };
}

interface Found {
  readonly by: string;
  readonly story: readonly string[];
}

async function firstViolationAnywhere(library: Library): Promise<Found | undefined> {
  for (const states of STAGES) {
    const found = await firstViolation(library, scenes, states);
    if (found !== undefined) return found;
    const [fault] = states === STAGES[0] ? (await spaceVisits(library)).violations : [];
    if (fault !== undefined) return { by: fault, story: [] };
  }
  return undefined;
}

async function firstViolation(
  library: Library,
  among: readonly Bounds[],
  states: number,
): Promise<Found | undefined> {
  for (const bounds of among) {
    const { violation } = await explore(library, bounds, { states, depth: Number.POSITIVE_INFINITY });
    if (violation === undefined) continue;
    const { invariant, what, story } = violation;
    return { by: `${invariant} in "${bounds.name}": ${what}`, story };
  }
  return undefined;
}

/** A copy of the sources with one place changed. A place that is not there exactly once is a stale mutant. */
export async function mutated({ name, file, find, replace, also }: Mutant, folder: string): Promise<Library> {
  const copy = join(FOLDER, folder);
  rmSync(copy, { recursive: true, force: true });
  mkdirSync(FOLDER, { recursive: true });
  cpSync(SOURCES, copy, { recursive: true });
  const path = join(copy, file);
  let source = readFileSync(path, "utf8");
  for (const edit of [{ find, replace }, ...(also === undefined ? [] : [also])]) {
    const places = source.split(edit.find).length - 1;
    if (places !== 1) throw new Error(`mutant "${name}": its place is ${places} times in ${file}`);
    source = source.replace(edit.find, () => edit.replace);
  }
  writeFileSync(path, source);
  return loadLibrary(copy);
}
