/** A process of its own for tests of several processes on one file: `path command ...`. */
import { createPsession } from "../../src/index.ts";
import { sqliteStore } from "../../src/stores/sqlite/index.ts";
import { KEY, TestBrowser, testApp } from "../support/app.ts";
import { TestClock } from "../support/clock.ts";

const [path = "", command, ...rest] = process.argv.slice(2);

if (command === "migrate") {
  await sqliteStore({ path }).close();
} else if (command === "idle") {
  createPsession({ store: sqliteStore({ path }), keys: [KEY] });
} else if (command === "restore") {
  const [now, cookies = "[]"] = rest;
  const clock = new TestClock();
  clock.advance(Number(now) - clock.now());
  const app = testApp({ store: sqliteStore({ path }), clock });
  const browser = new TestBrowser(app);
  const jar: TestBrowser["jar"] = new Map(JSON.parse(cookies));
  const visits = await Promise.all(Array.from({ length: 25 }, () => browser.visit(undefined, { jar })));
  const users = visits.map(({ session }) => session.userId);
  const outcomes = visits.map(({ session }) => session.outcome);
  const restored = app.told().filter((type) => type === "restored").length;
  console.log(JSON.stringify({ users, outcomes, restored }));
  await app.psession.close();
}
process.disconnect?.();
