import { expect, test } from "vitest";
import { memoryStore } from "../src/index.ts";
import { sqliteStore } from "../src/stores/sqlite/index.ts";
import { TestBrowser, testApp } from "./support/app.ts";
import { DAY, HOUR } from "./support/clock.ts";

test.each([
  ["memory", () => memoryStore()],
  ["sqlite", () => sqliteStore({ path: ":memory:" })],
])(
  "%s: anonymous sessions go after a session's lifetime, those of remembered users and their logins after theirs",
  async (_, makeStore) => {
    const store = makeStore();
    const app = testApp({ store });
    const [anonymous, signedIn, remembered] = [1, 2, 3].map(() => new TestBrowser(app)) as [
      TestBrowser,
      TestBrowser,
      TestBrowser,
    ];
    await anonymous.visit((session) => session.set("count", 1));
    await signedIn.visit((session) => session.login("ada"));
    await remembered.visit(async (session) => {
      session.set("cart", ["tea"]);
      await session.login("ada", { remember: true });
    });
    expect(await app.psession.prune()).toMatchObject({ sessions: 0, logins: 0 });
    // Deadlines are coarse in the row: at most an hour late.
    app.clock.advance(3 * HOUR);
    expect(await app.psession.prune()).toMatchObject({ sessions: 2, logins: 0 });
    app.clock.advance(13 * DAY);
    expect(await app.psession.prune()).toMatchObject({ sessions: 0, logins: 0 });
    remembered.restart();
    expect((await remembered.visit()).session.data).toEqual({ cart: ["tea"] });
    app.clock.advance(14 * DAY + HOUR);
    expect(await app.psession.prune()).toMatchObject({ sessions: 1, logins: 1 });
    await store.close?.();
  },
);

test("a row that is past its deadline is worth nothing, whether it was pruned or not", async () => {
  const app = testApp();
  const browser = new TestBrowser(app);
  await browser.visit((session) => session.login("ada"));
  const jar = browser.copyJar();
  app.clock.advance(2 * HOUR + 1);
  const { session, result } = await browser.visit(({ data }) => data, { jar });
  expect([session.userId, session.outcome, result]).toEqual([undefined, "expired", {}]);
  expect(await app.psession.prune()).toMatchObject({ sessions: 1 });
  const later = await browser.visit(({ data }) => data, { jar });
  expect([later.session.userId, later.session.outcome, later.result]).toEqual([undefined, "unknown", {}]);
});
