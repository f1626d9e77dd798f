import { expect, test } from "vitest";
import { createPsession, memoryStore, type PsessionOptions } from "../src/index.ts";
import { resolveOptions } from "../src/options/resolve.ts";
import { KEY, TestBrowser, testApp } from "./support/app.ts";
import { DAY, HOUR, MINUTE } from "./support/clock.ts";

const given = (options: object) =>
  ({ store: memoryStore(), keys: [KEY], prune: false, ...options }) as PsessionOptions;

test.each([
  ["aal1", 2 * HOUR, DAY, true],
  ["aal2", HOUR, DAY, false],
  ["aal3", 15 * MINUTE, 12 * HOUR, false],
])("%s fills in its limits", (preset, idle, absolute, isOffered) => {
  const { session, remember } = resolveOptions(given({ preset }));
  expect([session.idle, session.absolute, remember.enabled]).toEqual([idle, absolute, isOffered]);
});

test("stricter options are kept, laxer ones are refused, all at once", () => {
  expect(resolveOptions(given({ preset: "aal2", session: { idle: "10m" } })).session.idle).toBe(10 * MINUTE);
  const lax = { preset: "aal2", session: { idle: "2h", absolute: "2d" }, remember: { enabled: true } };
  expect(() => createPsession(given(lax))).toThrow(
    /session\.idle must be at most 60 minutes.*\n.*session\.absolute must be at most 1440 minutes.*\n.*remember\.enabled must be false/,
  );
  expect(() => createPsession(given({ preset: "aal1", remember: { absolute: "31d" } }))).toThrow(
    /remember\.absolute/,
  );
  const laxest = { preset: "aal3", session: { idle: "16m", absolute: "13h" }, remember: { enabled: true } };
  expect(() => createPsession(given(laxest))).toThrow(
    /session\.idle must be at most 15 minutes.*\n.*session\.absolute must be at most 720 minutes.*\n.*remember\.enabled/,
  );
  expect(() => createPsession(given({ preset: "aal4" }))).toThrow(/preset must be/);
});

test("aal2 remembers nobody: the tick is ignored, and existing remember cookies sign nobody in", async () => {
  const store = memoryStore();
  const before = testApp({ store });
  const browser = new TestBrowser(before);
  await browser.visit((session) => session.login("ada", { remember: true }));
  const strict = testApp({ store, preset: "aal2", clock: before.clock });
  const returning = new TestBrowser(strict);
  returning.jar = browser.copyJar();
  returning.restart();
  expect((await returning.visit()).session.userId).toBeUndefined();
  const { setCookie } = await returning.visit((session) => session.login("ada", { remember: true }));
  expect(setCookie.filter((line) => !line.includes("Max-Age=0"))).toHaveLength(1);
  expect(await strict.psession.devices("ada")).toMatchObject([{ isRemembered: false }]);
});

test.each([
  ["aal2", HOUR, DAY],
  ["aal3", 15 * MINUTE, 12 * HOUR],
] as const)(
  "under %s a session ends by its limits: unused, and in any case",
  async (preset, idle, absolute) => {
    const app = testApp({ preset });
    const browser = new TestBrowser(app);
    const isIn = async () => (await browser.visit()).session.isSignedIn;
    await browser.visit((session) => session.login("ada"));
    app.clock.advance(idle + 1);
    expect(await isIn()).toBe(false);
    await browser.visit((session) => session.login("ada"));
    for (let passed = 0; passed < absolute; passed += idle) {
      expect(await isIn()).toBe(true);
      app.clock.advance(idle);
    }
    app.clock.advance(1);
    expect(await isIn()).toBe(false);
  },
);
