/** One round of browsing while processes die. Everything random is drawn before it begins. */
import { SECOND } from "../support/clock.ts";
import type { Browser } from "./browser.ts";
import type { Cluster, Death, ServerProcess } from "./cluster.ts";
import { KILL_POINTS, type KillPoint } from "./messages.ts";
import type { Random } from "./random.ts";

interface PlannedRequest {
  readonly server: number;
  readonly write: string | undefined;
  readonly isLost: boolean;
  /** Where it is sent again if no answer comes; undefined waits for the next round. */
  readonly again: number | undefined;
}

interface PlannedVisit {
  readonly browser: Browser;
  /** Before the visit the browser is left open, is closed and opened again, or crashes. */
  readonly opening: "kept" | "reopened" | "crashed";
  readonly requests: readonly PlannedRequest[];
}

interface PlannedDeath {
  readonly server: number;
  readonly point: Death;
  /** Which time that it comes by the point; from outside: when so many requests of the round have ended. */
  readonly after: number;
}

export interface Round {
  /** How long nothing happens before it, in milliseconds. */
  readonly pause: number;
  readonly visits: readonly PlannedVisit[];
  readonly deaths: readonly PlannedDeath[];
}

/** What is the same in every round. */
export interface Scene {
  readonly browsers: readonly Browser[];
  readonly cluster: Cluster;
  readonly random: Random;
  /** Where the next process is to die. */
  readonly nextPoint: () => KillPoint;
}

export function planRound(
  name: string,
  pause: number,
  { browsers, cluster, random, nextPoint }: Scene,
): Round {
  const servers = cluster.servers.length;
  const visits = random.shuffled(browsers).map((browser) => ({
    browser,
    opening: planOpening(pause, random),
    requests: planRequests(name, servers, random),
  }));
  const requests = visits.reduce((sum, visit) => sum + visit.requests.length, 0);
  return { pause, visits, deaths: planDeaths(servers, requests, random, nextPoint) };
}

function planOpening(pause: number, random: Random): PlannedVisit["opening"] {
  // A browser writes its cookies to disk within 40 s: what came before that, no crash takes away.
  if (pause < 40 * SECOND && random.chance(0.3)) return "crashed";
  return random.chance(0.8) ? "reopened" : "kept";
}

function planRequests(name: string, servers: number, random: Random): PlannedRequest[] {
  const isOffline = random.chance(0.15);
  return Array.from({ length: random.between(1, 4) }, (_, index) => ({
    server: random.between(0, servers - 1),
    write: random.chance(0.75) ? `${name}-${index}` : undefined,
    isLost: isOffline || random.chance(0.15),
    again: random.chance(0.6) ? random.between(0, servers - 1) : undefined,
  }));
}

/** All processes but one die in a round, each once, one of them from outside. */
function planDeaths(
  servers: number,
  requests: number,
  random: Random,
  nextPoint: () => KillPoint,
): PlannedDeath[] {
  const [outside = 0, ...others] = random.shuffled(Array.from({ length: servers }, (_, index) => index));
  const external = { server: outside, point: "external", after: random.between(1, requests) } as const;
  const share = Math.floor(requests / servers);
  const own = others
    .slice(0, -1)
    .map((server) => ({ server, point: nextPoint(), after: random.between(1, Math.floor(share / 2)) }));
  return [external, ...own];
}

/** Every point comes in its turn, in an order of chance. */
export function pointsInTurn(random: Random): () => KillPoint {
  const points = random.shuffled(KILL_POINTS);
  let turn = 0;
  return () => points[turn++ % points.length] ?? "reading";
}

export interface Tally {
  /** Requests, those that were sent again included. */
  sent: number;
  unanswered: number;
}

/**
 * After the pause all requests at once, while processes die; then, when every process is back, those that are
 * sent again. Nothing is in flight when this returns.
 */
export async function runRound(cluster: Cluster, round: Round, tally: Tally): Promise<void> {
  const { pause, visits, deaths } = round;
  await cluster.advance(pause);
  const strikes = await arrange(cluster, deaths);
  for (const visit of visits) open(visit, `${pause / SECOND} s later, with ${JSON.stringify(deaths)}`);
  let ended = 0;
  const isAnswered = async (browser: Browser, request: PlannedRequest, server: number) => {
    tally.sent++;
    const answer = await browser.visit(cluster.at(server).url, request);
    if (answer === undefined) tally.unanswered++;
    strikes.get(++ended)?.kill();
    return answer !== undefined;
  };
  const requests = visits.flatMap(({ browser, requests }) =>
    requests.map((request) => ({ browser, request })),
  );
  const answered = await Promise.all(
    requests.map(({ browser, request }) => isAnswered(browser, request, request.server)),
  );
  await cluster.calm();
  await Promise.all(
    requests.map(async ({ browser, request }, index) => {
      if (!answered[index] && request.again !== undefined) await isAnswered(browser, request, request.again);
    }),
  );
}

/** Arms the processes that will kill themselves; returns those to be killed, by how many requests have ended. */
async function arrange(
  cluster: Cluster,
  deaths: readonly PlannedDeath[],
): Promise<Map<number, ServerProcess>> {
  const strikes = new Map<number, ServerProcess>();
  for (const { server, point, after } of deaths) {
    if (point === "external") strikes.set(after, cluster.at(server));
    else await cluster.at(server).arm(point, after);
  }
  return strikes;
}

function open({ browser, opening }: PlannedVisit, scene: string): void {
  browser.story.push(`${scene}, ${opening}:`);
  if (opening === "crashed") browser.crash();
  else if (opening === "reopened") browser.restart();
  browser.persist();
}
