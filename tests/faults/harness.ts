import type { IncomingMessage, ServerResponse } from "node:http";
import { expect, onTestFinished, vi } from "vitest";
import type { Store } from "../../src/index.ts";
import { withSession } from "../../src/integrations/node/index.ts";
import { Random } from "../processes/random.ts";
import { overHttp, type TestApp, type TestData, type TestSession, testApp } from "../support/app.ts";
import { HOUR } from "../support/clock.ts";
import { serve } from "../support/http.ts";
import { type Page, type Tally, Visitor } from "./visitor.ts";

export interface Site extends TestApp {
  readonly url: string;
  readonly tally: Tally;
  /** Every error that psession told as `storeUnavailable`. */
  readonly faults: readonly unknown[];
  visitors(count: number): Visitor[];
  /** Prints the run's line and checks what must hold whatever happened. */
  close(title: string, audit?: Audit): void;
}

/** A whole application on `store`, over HTTP, which lives through the test without being touched. */
export async function startSite(
  store: Store,
  { whenUnavailable = "refuse" }: { whenUnavailable?: "refuse" | "anonymous" } = {},
): Promise<Site> {
  const app = testApp({ store, whenUnavailable, ...overHttp });
  const url = await serve(withSession(app.psession, handle));
  const accidents = watchProcess();
  const tally: Tally = { requests: 0, refused: 0, unanswered: 0, anonymous: 0, withCookies: 0, losses: [] };
  const faults: unknown[] = [];
  app.psession.on("storeUnavailable", ({ error }) => void faults.push(error));
  let users = 0;
  return {
    ...app,
    url,
    tally,
    faults,
    visitors: (count) => Array.from({ length: count }, () => new Visitor(url, ++users, tally)),
    close: (title, audit = SOUND) => {
      const { requests, refused, unanswered, anonymous, withCookies, losses } = tally;
      const restores = app.told().filter((type) => ["restored", "recovered", "converged"].includes(type));
      console.log(
        `${title}: ${requests} requests, ${refused + unanswered + anonymous} faults (${refused} refused, ${withCookies} of them with cookies, ${anonymous} as nobody, ${unanswered} unanswered), ${restores.length} restores, ${losses.length} losses`,
      );
      expect(losses).toEqual([]);
      expect(unanswered).toBe(0);
      expect(app.told().filter((type) => FALSE_ALARMS.includes(type))).toEqual([]);
      expect(accidents).toEqual([]);
      expect(audit).toEqual(SOUND);
    },
  };
}

const PATIENCE = { timeout: 20_000, interval: 50 } as const;

const FALSE_ALARMS: readonly string[] = ["theft", "generationAhead", "clockSkew", "duplicateCookies"];

/** What reaches the process because nobody caught it. */
function watchProcess(): unknown[] {
  const accidents: unknown[] = [];
  const note = (error: unknown) => void accidents.push(error);
  for (const event of ["unhandledRejection", "uncaughtExceptionMonitor"]) {
    process.on(event, note);
    onTestFinished(() => void process.off(event, note));
  }
  return accidents;
}

function increment(data: Partial<TestData>): void {
  data.count = (data.count ?? 0) + 1;
}

async function handle(request: IncomingMessage, response: ServerResponse, session: TestSession) {
  const { pathname, searchParams } = new URL(request.url ?? "/", "http://localhost");
  if (pathname === "/login") await session.login(Number(searchParams.get("user")), { remember: true });
  else if (pathname === "/logout") await session.logout();
  else if (pathname === "/write") session.set(searchParams.get("key") ?? "", true);
  else if (pathname === "/count") await session.update(increment);
  const { userId = null, level, outcome, data } = session;
  const keys = Object.keys(data).filter((key) => key !== "count");
  const page: Page = {
    userId: userId === null ? null : Number(userId),
    level,
    outcome,
    keys,
    count: data.count ?? 0,
  };
  response.setHeader("Content-Type", "application/json");
  response.end(JSON.stringify(page));
}

/** One step of a visitor, by chance: mostly reading, now and then signing out and in. */
export async function step(visitor: Visitor, random: Random): Promise<void> {
  if (visitor.isUnsure) return void (await visitor.login());
  const chance = random.next();
  if (chance < 0.35) await visitor.read();
  else if (chance < 0.6) await visitor.write();
  else if (chance < 0.75) await visitor.increment();
  else if (chance < 0.85) await Promise.all([visitor.read(), visitor.increment(), visitor.write()]);
  else if (chance < 0.95) {
    visitor.restart();
    await Promise.all([visitor.write(), visitor.read()]);
  } else if (chance < 0.98) await visitor.login();
  else {
    await visitor.logout();
    await visitor.login();
  }
}

/** All visitors at once, each one step after another; `at(done)` is told after each step, and is waited for. */
export async function browse(
  visitors: readonly Visitor[],
  steps: number,
  random: Random,
  at: (done: number) => Promise<void> = async () => {},
): Promise<void> {
  let done = 0;
  await Promise.all(
    visitors.map(async (visitor) => {
      for (let turn = 0; turn < steps; turn++) {
        await step(visitor, random);
        await at(++done);
      }
    }),
  );
}

/** However long a machine that is busy takes for the first of them, who create the tables. */
export async function signIn(visitors: readonly Visitor[]): Promise<void> {
  await Promise.all(
    visitors.map((visitor) =>
      vi.waitFor(async () => expect((await visitor.login())?.userId).toBe(visitor.user), PATIENCE),
    ),
  );
}

/** Until the site serves again, and everybody is signed in: who was left unsure signs in once more. */
export async function recovered(visitors: readonly Visitor[]): Promise<void> {
  await Promise.all(
    visitors.map((visitor) =>
      vi.waitFor(async () => {
        const page = await (visitor.isUnsure ? visitor.login() : visitor.write());
        expect(page?.userId).toBe(visitor.user);
      }, PATIENCE),
    ),
  );
}

/** An hour later every browser is opened again, and comes back signed in by its remember cookie alone. */
export async function allComeBack(site: Site, visitors: readonly Visitor[]): Promise<void> {
  await recovered(visitors);
  site.clock.advance(HOUR);
  await Promise.all(
    visitors.map(async (visitor) => {
      visitor.restart();
      // Connections may still be broken that nobody has used since.
      await vi.waitFor(async () => expect((await visitor.read())?.userId).toBe(visitor.user), PATIENCE);
    }),
  );
}

export interface Audit {
  /** Sessions that belong to a login which is not there or was ended. */
  readonly orphans: number;
  /** Live logins that do not have exactly one session. */
  readonly withoutSession: number;
}

const SOUND: Audit = { orphans: 0, withoutSession: 0 };

export async function audit(sql: (text: string) => Promise<Record<string, unknown>[]>): Promise<Audit> {
  const count = async (text: string) => Number((await sql(`SELECT count(*) AS n FROM ${text}`))[0]?.["n"]);
  const live = "(SELECT id FROM psession_logins WHERE revoked_at IS NULL)";
  return {
    orphans: await count(
      `psession_sessions WHERE remembered_id IS NOT NULL AND remembered_id NOT IN ${live}`,
    ),
    withoutSession: await count(
      `psession_logins l WHERE l.revoked_at IS NULL AND 1 <> (SELECT count(*) FROM psession_sessions s WHERE s.remembered_id = l.id)`,
    ),
  };
}

/** The logins that a user has; every one but the last is of a sign-in that nobody confirmed. */
export async function loginsOf(
  user: number,
  sql: (text: string) => Promise<Record<string, unknown>[]>,
): Promise<number> {
  const rows = await sql(
    `SELECT count(*) AS n FROM psession_logins WHERE revoked_at IS NULL AND user_id = ${user}`,
  );
  return Number(rows[0]?.["n"]);
}

/** A new seed, or the one to repeat. */
export function seeded(): { readonly random: Random; readonly seed: number } {
  const seed = Number(process.env["PSESSION_SEED"] ?? Math.trunc(Math.random() * 2 ** 31));
  return { random: new Random(seed), seed };
}
