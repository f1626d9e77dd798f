import { expect, test } from "vitest";
import { memoryStore, PsessionError } from "../../src/index.ts";
import { TestBrowser, type TestSession, testApp } from "../support/app.ts";
import { HOUR } from "../support/clock.ts";
import { intercepted } from "../support/stores.ts";

/** An app whose store can be switched off. */
function failing(whenUnavailable: "refuse" | "anonymous") {
  const power = { isOn: true };
  const store = intercepted(memoryStore(), async (_, call) => {
    if (!power.isOn) throw new PsessionError("store_unavailable", "down");
    return call();
  });
  const app = testApp({ store, whenUnavailable });
  return { power, app, browser: new TestBrowser(app) };
}

const down = { code: "store_unavailable", status: 503 };

test("by default a request with a cookie fails while the store is down, and one without goes on", async () => {
  const { power, browser, app } = failing("refuse");
  await browser.visit((session) => session.login("ada", { remember: true }));
  power.isOn = false;
  await expect(browser.visit()).rejects.toMatchObject(down);
  expect((await browser.visit(undefined, { jar: new Map() })).session.outcome).toBe("none");
  expect(app.told()).toContain("storeUnavailable");
});

test("by policy a visitor is anonymous while the store is down, and is back afterwards", async () => {
  const { power, browser, app } = failing("anonymous");
  await browser.visit((session) => session.login("ada", { remember: true }));
  for (const isRestart of [false, true]) {
    if (isRestart) {
      app.clock.advance(HOUR);
      browser.restart();
    }
    const before = browser.copyJar();
    power.isOn = false;
    const { session, setCookie } = await browser.visit((session) => session.data);
    expect(session).toMatchObject({ outcome: "unavailable", userId: undefined, level: "anonymous" });
    expect(setCookie).toEqual([]);
    expect(browser.jar).toEqual(before);
    power.isOn = true;
    expect((await browser.visit()).session.userId).toBe("ada");
  }
});

test("by policy nothing that has to be stored is lost in silence", async () => {
  const { power, browser } = failing("anonymous");
  await browser.visit((session) => session.login("ada", { remember: true }));
  power.isOn = false;
  const attempts: ((session: TestSession) => unknown)[] = [
    (session) => session.set("count", 1),
    (session) => session.logout(),
    (session) => session.login("bob"),
  ];
  for (const attempt of attempts) {
    const before = browser.copyJar();
    await expect(browser.visit(attempt)).rejects.toMatchObject(down);
    expect(browser.jar).toEqual(before);
  }
  power.isOn = true;
  expect((await browser.visit()).session).toMatchObject({ userId: "ada", data: {} });
});

test("by policy nobody signs in over a session that could not be read", async () => {
  const { power, browser, app } = failing("anonymous");
  await browser.visit((session) => session.login("ada", { remember: true }));
  power.isOn = false;
  const visit = browser.visit(async (session) => {
    power.isOn = true;
    await session.login("bob");
  });
  await expect(visit).rejects.toMatchObject(down);
  expect(await app.psession.devices("bob")).toEqual([]);
  expect((await browser.visit()).session.userId).toBe("ada");
});
