import { randomInt } from "node:crypto";
import { join } from "node:path";
import { expect, test } from "vitest";
import { HOUR, MINUTE, SECOND } from "../support/clock.ts";
import { CROWD } from "../support/crowd.ts";
import { temporaryFolder } from "../support/temp.ts";
import { Browser } from "./browser.ts";
import { Cluster } from "./cluster.ts";
import { audit } from "./file.ts";
import { KILL_POINTS } from "./messages.ts";
import { Random } from "./random.ts";
import { planRound, pointsInTurn, runRound, type Scene, type Tally } from "./rounds.ts";

const PROCESSES = 4;
const BROWSERS = 100;

/** How long before a round nothing happens: at least one for every rule of the protocol. */
const PAUSES: readonly (readonly [least: number, most: number])[] = [
  // A lost answer is repeated, and a browser that crashes loses the cookies of the last round.
  ...Array.from({ length: 2 }, () => [1 * SECOND, 9 * SECOND] as const),
  // Too late for that, and too early for anything else.
  ...Array.from({ length: 2 }, () => [11 * SECOND, 79 * SECOND] as const),
  // A lost answer is recovered from, while a browser that got its answer may not have it on disk.
  ...Array.from({ length: 2 }, () => [81 * SECOND, 119 * SECOND] as const),
  // Everything has settled: confirmations, restores.
  ...Array.from({ length: 6 }, () => [121 * SECOND, 90 * MINUTE] as const),
  // Sessions that were kept open are past their deadline.
  ...Array.from({ length: 2 }, () => [121 * MINUTE, 5 * HOUR] as const),
];

test("a hundred browsers stay signed in while their servers are killed again and again", {
  ...CROWD,
  timeout: 120_000,
}, async () => {
  const seed = Number(process.env["PSESSION_SEED"] ?? randomInt(2 ** 31));
  console.log(`PSESSION_SEED=${seed} repeats the choices of this run.`);
  const random = new Random(seed);
  const cluster = await Cluster.start(join(temporaryFolder(), "sessions.sqlite"), PROCESSES);
  const browsers = Array.from({ length: BROWSERS }, (_, user) => new Browser(user));
  await Promise.all(browsers.map((browser) => browser.login(cluster.at(browser.user % PROCESSES).url)));

  const scene: Scene = { browsers, cluster, random, nextPoint: pointsInTurn(random) };
  const tally: Tally = { sent: 0, unanswered: 0 };
  for (const [index, [least, most]] of random.shuffled(PAUSES).entries()) {
    await runRound(cluster, planRound(`r${index}`, random.between(least, most), scene), tally);
  }
  const { deaths, events } = cluster;

  await cluster.restart();
  await cluster.advance(HOUR);
  // One after the other, as on the next morning.
  for (const browser of browsers) {
    browser.story.push("at the end");
    browser.restart();
    const answer = await browser.visit(cluster.at(browser.user % PROCESSES).url);
    if (answer === undefined) browser.losses.push(`user ${browser.user} got no answer at the end`);
  }

  const losses = browsers.flatMap((browser) => browser.losses);
  const writes = browsers.reduce((sum, { acknowledged }) => sum + acknowledged.size, 0);
  const told = (["restored", "recovered", "converged", "accepted", "confirmed"] as const).map(
    (type) => `${type} ${events.of(type)}`,
  );
  console.log(
    `kills ${deaths.total} (${deaths}), ${told.join(", ")}, requests ${tally.sent}, unanswered ${tally.unanswered}, ` +
      `acknowledged writes ${writes}, losses ${losses.length + events.of("theft")}`,
  );

  expect(losses.length, losses.slice(0, 3).join("\n\n")).toBe(0);
  expect(events.of("theft")).toBe(0);
  expect(audit(cluster.path)).toEqual({
    integrity: ["ok"],
    sessions: BROWSERS,
    logins: BROWSERS,
    usersWithLogin: BROWSERS,
    revokedLogins: 0,
    sessionsWithoutOwner: 0,
    orphans: 0,
    loginsWithoutOneSession: 0,
  });
  for (const point of [...KILL_POINTS, "external"] as const)
    expect(deaths.of(point), point).toBeGreaterThan(0);
  expect(deaths.total).toBeGreaterThanOrEqual(20);
  expect(events.of("restored")).toBeGreaterThanOrEqual(300);
  for (const type of ["recovered", "converged", "accepted", "confirmed"] as const)
    expect(events.of(type), type).toBeGreaterThan(0);
});
