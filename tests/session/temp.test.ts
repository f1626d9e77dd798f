import { expect, test } from "vitest";
import { TestBrowser, type TestSession, testApp } from "../support/app.ts";
import { MINUTE, SECOND } from "../support/clock.ts";
import { describeStores } from "../support/session-stores.ts";

const setUp = () => {
  const app = testApp();
  return { app, browser: new TestBrowser(app) };
};

test("a temp value is there until its time is over, to the millisecond", async () => {
  const { app, browser } = setUp();
  const set = app.clock.now();
  await browser.visit((session) => session.temp.set("otp", "123456", "5m"));
  app.clock.advance(5 * MINUTE - 1);
  await browser.visit((session) => {
    expect(session.temp.get("otp")).toBe("123456");
    expect(session.temp.expiresAt("otp")).toBe(set + 5 * MINUTE);
    expect(session.temp.keys()).toEqual(["otp"]);
    expect(session.data).toEqual({});
  });
  app.clock.advance(1);
  await browser.visit((session) => {
    expect([session.temp.get("otp"), session.temp.has("otp"), session.temp.keys()]).toEqual([
      undefined,
      false,
      [],
    ]);
  });
});

test("each value has a lifetime of its own, and setting it anew begins it anew", async () => {
  const { app, browser } = setUp();
  await browser.visit((session) => {
    session.temp.set({ one: 1, two: 2 }, 10 * SECOND);
    session.temp.set("three", 3, 20 * SECOND);
  });
  app.clock.advance(9 * SECOND);
  await browser.visit((session) => session.temp.set("one", 11, 10 * SECOND));
  app.clock.advance(SECOND);
  await browser.visit((session) => expect(session.temp.keys()).toEqual(["one", "three"]));
  app.clock.advance(9 * SECOND);
  await browser.visit((session) => expect(session.temp.keys()).toEqual(["three"]));
});

test("a value ends within a request as well", async () => {
  const { app, browser } = setUp();
  await browser.visit((session) => {
    session.temp.set("otp", 1, SECOND);
    app.clock.advance(SECOND);
    expect(session.temp.get("otp")).toBeUndefined();
  });
});

test("remove, mark and unmark", async () => {
  const { app, browser } = setUp();
  await browser.visit((session) => {
    session.set({ name: "Ada", count: 1, keep: true });
    session.temp.mark(["name", "missing"], "1m");
    session.temp.mark("count", "1m");
    session.temp.set("gone", 1, "1m");
    session.temp.remove("gone", "missing");
    session.temp.unmark("count", "missing");
  });
  const { session } = await browser.visit();
  expect([session.data, session.temp.keys()]).toEqual([{ count: 1, keep: true }, ["name"]]);
  app.clock.advance(MINUTE);
  expect((await browser.visit()).session.data).toEqual({ count: 1, keep: true });
});

test("expired values are dropped when another one is set, so that a session does not grow", async () => {
  const { app, browser } = setUp();
  for (let round = 0; round < 50; round++) {
    await browser.visit((session) => session.temp.set(`code${round}`, "x".repeat(1000), SECOND));
    app.clock.advance(SECOND);
  }
  const { session } = await browser.visit();
  expect(session.temp.keys()).toEqual([]);
  await browser.visit((session) => session.temp.set("last", "x".repeat(64_000), SECOND));
});

test("parallel requests keep each other's values", async () => {
  const { browser } = setUp();
  await browser.visit((session) => session.set("count", 1));
  await Promise.all(
    ["a", "b", "c"].map((key) => browser.visit((session) => session.temp.set(key, key, "1m"))),
  );
  expect((await browser.visit()).session.temp.keys().sort()).toEqual(["a", "b", "c"]);
});

test("what one request removes is gone, whatever another one saves meanwhile", async () => {
  const { app, browser } = setUp();
  await browser.visit((session) => session.temp.set({ otp: "123456", used: 1, old: 2 }, "1m"));
  const checks = await browser.open();
  checks.session.temp.remove("otp");
  checks.session.temp.unmark("used");
  await browser.visit((session) => session.set("count", 1));
  await checks.answer();
  const { session } = await browser.visit();
  expect([session.temp.get("otp"), session.temp.get("used"), session.data]).toEqual([
    undefined,
    undefined,
    { count: 1, used: 1 },
  ]);

  app.clock.advance(MINUTE);
  const slow = await browser.open();
  slow.session.temp.set("next", 3, "1m");
  await browser.visit((session) => session.set("count", 2));
  await slow.answer();
  const text = JSON.stringify(await app.psession.core.settings.store.findSession(slow.session.id));
  expect(text).not.toContain("psession:temp:old");
});

test("what another one sets anew meanwhile stays", async () => {
  const { browser } = setUp();
  await browser.visit((session) => session.temp.set("otp", "old", "1m"));
  const slow = await browser.open();
  slow.session.temp.remove("otp");
  await browser.visit((session) => session.temp.set("otp", "new", "5m"));
  await slow.answer();
  expect((await browser.visit()).session.temp.get("otp")).toBe("new");
});

for (const [what, name, begin] of [
  ["a session begun with nothing", undefined, (session) => session.regenerate({ keep: "none" })],
  ["one begun with some keys", "Ada", (session) => session.regenerate({ keep: ["name"] })],
  ["a sign-in that carries some", "Ada", (session) => session.login("ada", { carry: ["name"] })],
  ["a sign-in that carries nothing", undefined, (session) => session.login("ada", { carry: "none" })],
  [
    "a sign-in that merges",
    "Ada",
    (session) => session.login("ada", { carry: ({ name = "" }) => ({ name }) }),
  ],
] as [string, string | undefined, (session: TestSession) => Promise<unknown>][]) {
  test(`${what} has no temp value, flash message or token of before, whatever is saved meanwhile`, async () => {
    const { app, browser } = setUp();
    await browser.visit((session) => {
      session.set("name", "Ada");
      session.temp.set("otp", "123456", "1m");
      session.flash.set("notice", "Saved.");
      session.csrfToken();
    });
    const slow = await browser.open();
    await begin(slow.session);
    await browser.visit((session) => session.set("count", 1));
    await slow.answer();
    const { session } = await browser.visit();
    expect([session.temp.keys(), session.flash.keys(), session.get("name")]).toEqual([[], [], name]);
    const row = await app.psession.core.settings.store.findSession(session.id);
    expect(row?.data).not.toContain("psession:");
  });
}

test("an invalid lifetime is refused", async () => {
  const { browser } = setUp();
  await browser.visit((session) => {
    for (const lifetime of [0, -1, Number.NaN, "soon"] as never[]) {
      expect(() => session.temp.set("otp", 1, lifetime)).toThrow(/positive duration/);
    }
  });
});

describeStores("temp values on", (makeStore) => {
  test("end at their second by the clock, each at its own, and nothing else does", async () => {
    const app = testApp({ store: makeStore() });
    const browser = new TestBrowser(app);
    await browser.visit((session) => {
      session.set("count", 1);
      session.temp.set("short", "a", "30s");
      session.temp.set({ long: "b", other: "c" }, 60);
      session.temp.set("other", "d", "1m");
    });
    const keys = async () => (await browser.visit((session) => session.temp.keys())).result;
    app.clock.advance(59);
    expect(await keys()).toEqual(["short", "long", "other"]);
    app.clock.advance(1);
    expect(await keys()).toEqual(["short", "other"]);
    app.clock.advance(30 * SECOND - 61);
    expect(await keys()).toEqual(["short", "other"]);
    app.clock.advance(1);
    expect(await keys()).toEqual(["other"]);
    app.clock.advance(30 * SECOND - 1);
    expect(await keys()).toEqual(["other"]);
    app.clock.advance(1);
    const { session } = await browser.visit();
    expect([session.temp.keys(), session.data]).toEqual([[], { count: 1 }]);
  });
});
