import type { Library } from "./library.ts";
import { probe } from "./probe.ts";
import { type Jar, NO_COOKIES, Runner } from "./request.ts";
import { EMPTY, type Rows } from "./rows.ts";
import { isSameJar, received } from "./world.ts";

/**
 * I8, by trying every order: a victim and a thief visit more than SETTLE apart, each presenting its cookies
 * or only the remembered one. At the victim's first visit after the theft the thief's session ends, and when
 * the thief comes back after that, the theft is noticed at the latest at the victim's visit that follows. The thief comes
 * from another place: from the same one, its visits could be requests that the browser had held back.
 */
export interface Visits {
  readonly visits: number;
  readonly orders: number;
  readonly violations: readonly string[];
}

interface Person {
  readonly jar: Jar;
  /** Remember cookies this person ever held. */
  readonly held: readonly string[];
}

/** How far the story of I8 has come. */
type Chapter =
  /** The thief has copies and was not let in yet. */
  | "copied"
  /** The thief was given a session of its own. */
  | "in"
  /** Then the victim came. */
  | "victim came"
  /** Then the thief came again. */
  | "thief returned"
  /** Then the victim came again: by now it is noticed. */
  | "victim came again";

interface Situation {
  readonly rows: Rows;
  readonly now: number;
  readonly victim: Person;
  readonly thief: Person;
  readonly chapter: Chapter;
  /** Who came since the theft, in words. */
  readonly story: readonly string[];
  readonly isNoticed: boolean;
}

const LONGEST = 6;

export async function spaceVisits(library: Library): Promise<Visits> {
  const runner = new Runner(
    library,
    library.deriveTimes({ converge: 1, delivery: 1, transit: 1, persist: 1, skew: 0, queue: 12, arrival: 6 }),
  );
  const pause = runner.settings.times.settle + 1;
  const violations: string[] = [];
  let visits = 0;
  let orders = 0;
  const open = await thefts(runner, pause);
  for (let situation = open.pop(); situation !== undefined; situation = open.pop()) {
    for (const next of await visitsFrom(situation, runner, pause)) {
      visits++;
      const fault = await faultOf(situation, next, runner);
      if (fault !== undefined) violations.push(`I8 does not hold: ${fault} (${next.story.join(", ")})`);
      const isOver = next.isNoticed || next.chapter === "victim came again" || next.story.length >= LONGEST;
      if (isOver) orders++;
      else open.push(next);
    }
  }
  return { visits, orders, violations };
}

/** Copies made at several moments of a life: of any generation, of an open or of a closed browser. */
async function thefts(runner: Runner, pause: number): Promise<Situation[]> {
  let now = 1_000_000;
  const login = await probe(EMPTY, NO_COOKIES, now, runner, { handler: "login" });
  let jar = received(NO_COOKIES, login.cookies);
  let { rows } = login;
  const found: Situation[] = [];
  for (let life = 0; life < 5; life++) {
    const person = { jar, held: [jar.remember ?? ""] };
    const thief = { jar: { ...jar, session: undefined }, held: person.held };
    found.push({ rows, now, victim: person, thief, chapter: "copied", story: [], isNoticed: false });
    now += pause;
    // Every other time the browser was closed, and comes back by its remember cookie.
    const presented = life % 2 === 0 ? { ...jar, session: undefined } : jar;
    const visit = await probe(rows, presented, now, runner);
    jar = received(presented, visit.cookies);
    rows = visit.rows;
  }
  return found;
}

async function visitsFrom(situation: Situation, runner: Runner, pause: number): Promise<Situation[]> {
  const next: Situation[] = [];
  for (const who of ["victim", "thief"] as const) {
    const person = situation[who];
    for (const jar of who === "victim" ? victimsJars(person) : thiefsJars(person)) {
      const now = situation.now + pause;
      const isFromElsewhere = who === "thief";
      const visit = await probe(situation.rows, jar, now, runner, { isFromElsewhere });
      const after = received(jar, visit.cookies);
      const held =
        after.remember === undefined ? person.held : [...new Set([...person.held, after.remember])];
      const isIn = visit.isServed && visit.cookies.length > 0;
      next.push({
        ...situation,
        rows: visit.rows,
        now,
        [who]: { jar: after, held },
        chapter: chapterAfter(situation.chapter, who, isIn),
        story: [...situation.story, `${who} with ${named(jar)}`],
        isNoticed: situation.isNoticed || visit.events.includes("theft"),
      });
    }
  }
  return next;
}

function chapterAfter(chapter: Chapter, who: "victim" | "thief", isIn: boolean): Chapter {
  if (who === "thief") {
    if (chapter === "copied") return isIn ? "in" : "copied";
    return chapter === "victim came" ? "thief returned" : chapter;
  }
  if (chapter === "in") return "victim came";
  return chapter === "thief returned" ? "victim came again" : chapter;
}

/** A browser presents its jar, with the session cookie or, once it was closed, without. */
const victimsJars = ({ jar }: Person): Jar[] => distinct([jar, { ...jar, session: undefined }]);

/** A thief presents any token it ever saw, or the session that it was given itself. */
const thiefsJars = ({ jar, held }: Person): Jar[] =>
  distinct([jar, ...held.map((remember) => ({ session: undefined, remember }))]);

function distinct(jars: readonly Jar[]): Jar[] {
  const usable = jars.filter(({ session, remember }) => session !== undefined || remember !== undefined);
  return usable.filter((jar, index) => usable.findIndex((other) => isSameJar(other, jar)) === index);
}

async function faultOf(before: Situation, after: Situation, runner: Runner): Promise<string | undefined> {
  if (before.chapter === "in" && after.chapter === "victim came") {
    const { session } = before.thief.jar;
    const { isServed } = await probe(after.rows, { session, remember: undefined }, after.now, runner);
    if (isServed) return "the thief's session outlives the victim's next visit";
  }
  if (after.chapter === "victim came again" && !after.isNoticed)
    return "the thief came back, and nobody noticed";
  return undefined;
}

const named = ({ session, remember }: Jar): string =>
  `${session === undefined ? "" : "a session and "}generation ${remember?.split(".")[1] ?? "none"}`;

export const visitsReport = ({ visits, orders, violations }: Visits): string =>
  [`victim and thief by turns: ${visits} visits in ${orders} orders`, ...violations.slice(0, 5)].join("\n");
