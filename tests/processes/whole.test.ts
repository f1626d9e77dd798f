/** A transaction that was killed is there as a whole or not at all, point by point. */
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Outcome } from "../../src/index.ts";
import { HOUR } from "../support/clock.ts";
import { temporaryFolder } from "../support/temp.ts";
import { Browser } from "./browser.ts";
import { Cluster, type ServerProcess } from "./cluster.ts";
import { audit, inFile } from "./file.ts";
import { KILL_POINTS, type KillPoint } from "./messages.ts";

/** How the browser's next visit ends where the transaction took place. */
const NEXT_OUTCOME: Partial<Record<KillPoint, readonly Outcome[]>> = {
  afterCommit: ["converged"],
  // The head that left may have come, or been lost together with the connection.
  firstBytes: ["converged", "live"],
};
const isCommittedAt = (point: KillPoint): boolean => NEXT_OUTCOME[point] !== undefined;

/** A process that was told to die at a point dies there, and leaves the request without a complete answer. */
async function killedAt(server: ServerProcess, point: KillPoint, answer: Promise<unknown>): Promise<void> {
  const gone = server.gone();
  expect(await answer, `the request did not come by ${point}`).toBeUndefined();
  await gone;
  await server.ready();
}

const rowsOf = (path: string) =>
  inFile(path, (rows) => ({
    login: rows("SELECT * FROM psession_logins")[0],
    session: rows("SELECT * FROM psession_sessions")[0],
  }));

const sound = { integrity: ["ok"], sessionsWithoutOwner: 0, orphans: 0, loginsWithoutOneSession: 0 };

describe.each(KILL_POINTS)("a process killed at %s", (point) => {
  const isCommitted = isCommittedAt(point);

  test("leaves the token, the session's secret and its data all new or all old", async () => {
    const cluster = await Cluster.start(join(temporaryFolder(), "sessions.sqlite"), 1);
    const server = cluster.at(0);
    const browser = new Browser(1);
    await browser.login(server.url);
    await cluster.advance(HOUR);
    browser.restart();
    const before = rowsOf(cluster.path);

    await server.arm(point, 1);
    await killedAt(server, point, browser.visit(server.url, { write: "written" }));

    const after = rowsOf(cluster.path);
    if (isCommitted) {
      const { token: previous, generation } = before.login ?? {};
      expect(after.login).toMatchObject({ generation: Number(generation) + 1, previous });
      expect(after.session).toMatchObject({ data: expect.stringContaining("written"), level: "remembered" });
      expect(after.session?.["secret"]).not.toEqual(before.session?.["secret"]);
    } else {
      expect(after).toEqual(before);
    }
    expect(audit(cluster.path)).toMatchObject({ ...sound, sessions: 1, logins: 1 });

    const next = await browser.visit(server.url);
    expect(NEXT_OUTCOME[point] ?? ["restored"]).toContain(next?.outcome);
    expect(next?.keys.includes("written")).toBe(isCommitted);
    // The cookies that it got fit both rows.
    expect(await browser.visit(server.url)).toMatchObject({ outcome: "live", level: "remembered" });
    await cluster.advance(HOUR);
    browser.restart();
    expect(await browser.visit(server.url)).toMatchObject({ outcome: "restored" });
    expect(browser.losses).toEqual([]);
  });
});

// A browser without cookies signs in without a read.
test.each(KILL_POINTS.filter((point) => point !== "reading"))(
  "a process killed at %s leaves a sign-in with both of its rows or with none",
  async (point) => {
    const cluster = await Cluster.start(join(temporaryFolder(), "sessions.sqlite"), 1);
    const server = cluster.at(0);
    await server.arm(point, 1);
    const login = new Browser(1).login(server.url);
    const answer = login.then(
      () => "signed in",
      () => undefined,
    );
    await killedAt(server, point, answer);
    const rows = isCommittedAt(point) ? 1 : 0;
    expect(audit(cluster.path)).toMatchObject({ ...sound, sessions: rows, logins: rows });
  },
);
