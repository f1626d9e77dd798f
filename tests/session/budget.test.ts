import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { factsOf, memoryStore } from "../../src/index.ts";
import { REMEMBER, SESSION, TestBrowser, testApp } from "../support/app.ts";
import { HOUR, MINUTE } from "../support/clock.ts";
import { CROWD } from "../support/crowd.ts";
import { describeStores } from "../support/session-stores.ts";
import { counted } from "../support/stores.ts";

/** What a request costs, in calls of the store. Exact: a call more is a regression. */
describeStores("calls of the store", (makeStore) => {
  const setUp = async () => {
    const { store, calls } = counted(makeStore());
    const app = testApp({ store });
    const browser = new TestBrowser(app);
    await browser.visit((session) => session.login("ada", { remember: true }));
    const cost = async (...visit: Parameters<TestBrowser["visit"]>) => {
      calls.length = 0;
      await browser.visit(...visit);
      return [...calls];
    };
    return { app, browser, cost };
  };

  test("no cookie, session untouched or only read: none", async () => {
    const { cost } = await setUp();
    const jar = new Map();
    expect(await cost(undefined, { jar })).toEqual([]);
    expect(await cost((session) => [session.userId, session.data, session.level], { jar })).toEqual([]);
  });

  test("forged or malformed cookies: none", async () => {
    const { cost, browser } = await setUp();
    for (const name of [SESSION, REMEMBER]) {
      const value = browser.jar.get(name)?.value ?? "";
      const other = value.startsWith("A") ? "B" : "A";
      for (const forged of [value.slice(0, -1), other + value.slice(1), "", "x".repeat(9000)]) {
        const jar = new Map([[name, { value: forged, isTransient: true }]]);
        expect(await cost(undefined, { jar })).toEqual([]);
      }
    }
  });

  test("signed in, reads only: one read and no write", async () => {
    const { cost } = await setUp();
    expect(await cost((session) => session.data)).toEqual(["findSession"]);
    expect(await cost()).toEqual(["findSession"]);
  });

  test("a touch at most once a minute", async () => {
    const { cost, app } = await setUp();
    app.clock.advance(MINUTE);
    expect(await cost()).toEqual(["findSession", "touch"]);
    expect(await cost()).toEqual(["findSession"]);
  });

  test("signed in, changes data: one read and one write", async () => {
    const { cost } = await setUp();
    expect(await cost((session) => session.set("count", 1))).toEqual(["findSession", "apply"]);
    expect(await cost((session) => session.set("count", 1))).toEqual(["findSession"]);
  });

  test("login: at most one read, one transaction", async () => {
    const { cost, browser } = await setUp();
    expect(await cost((session) => session.login("ada", { remember: true }))).toEqual([
      "findSession",
      "apply",
    ]);
    browser.jar.clear();
    expect(await cost((session) => session.login("ada", { remember: true }))).toEqual(["apply"]);
  });

  test("restore: one read and one transaction, one more read where a dead session cookie came along", async () => {
    const { cost, browser, app } = await setUp();
    app.clock.advance(HOUR);
    browser.restart();
    expect(await cost((session) => session.set("count", 2))).toEqual(["findRemembered", "apply"]);
    app.clock.advance(5 * HOUR);
    expect(await cost()).toEqual(["findSession", "findRemembered", "apply"]);
  });

  test("the current token is confirmed once, with a touch", async () => {
    const { cost, app } = await setUp();
    app.clock.advance(2 * MINUTE + 1);
    expect(await cost()).toEqual(["findSession", "touch"]);
    expect(app.told().filter((type) => type === "confirmed")).toHaveLength(1);
    expect(await cost()).toEqual(["findSession"]);
  });

  test("logout: one read, one transaction", async () => {
    const { cost } = await setUp();
    expect(await cost((session) => session.logout())).toEqual(["findSession", "apply"]);
  });
});

test(
  "a hundred thousand guesses of either cookie reach no store, and leave no row and no cookie",
  CROWD,
  async () => {
    const { store, calls } = counted(memoryStore());
    const { psession } = testApp({ store });
    const noise = randomBytes(1_000_000).toString("base64url");
    const facts = factsOf(() => undefined, { method: "GET", secure: true, address: undefined });
    for (let guess = 0; guess < 100_000; guess++) {
      const at = (length: number, step: number) => noise.slice(guess * step, guess * step + length);
      const session = `${at(22, 3)}.${at(43, 5)}.${at(22, 7)}`;
      const remember = `${at(22, 3)}.${guess % 50}.${at(43, 5)}.${at(22, 7)}`;
      const exchange = psession.exchange({
        ...facts,
        cookie: `${SESSION}=${session}; ${REMEMBER}=${remember}`,
      });
      const { isSignedIn, outcome } = await exchange.open();
      const { setCookie } = await exchange.commit();
      if (isSignedIn || outcome !== "malformed" || setCookie.length > 0) throw new Error(`${session} got in`);
    }
    expect(calls).toEqual([]);
  },
);

test("a hundred thousand visits of bots leave no row and no call", CROWD, async () => {
  const { store, calls } = counted(memoryStore());
  const app = testApp({ store });
  const bot = new TestBrowser(app);
  for (let visit = 0; visit < 100_000; visit++) await bot.visit((session) => session.userId);
  expect(calls).toEqual([]);
});
