import { expect, onTestFinished, test, vi } from "vitest";
import { memoryStore } from "../../src/index.ts";
import { newId, newSecret } from "../../src/protocol/secrets.ts";
import { KEY, OLDER_KEY, REMEMBER, SESSION, TestBrowser, testApp } from "../support/app.ts";
import { HOUR, MINUTE, SECOND } from "../support/clock.ts";

const forged = () => `${newId()}.${newSecret().toString("base64url")}.${newId()}`;

function setUp() {
  const app = testApp();
  const warned = vi.spyOn(process, "emitWarning").mockImplementation(() => {});
  onTestFinished(() => warned.mockRestore());
  const visit = (cookie: string) => new TestBrowser(app).visit(undefined, { cookie });
  const come = async (count: number) => {
    for (let one = 0; one < count; one++) await visit(`${SESSION}=${forged()}`);
  };
  const counts = () => app.events.flatMap((event) => (event.type === "unknownKeyCookies" ? event.count : []));
  const warnings = () =>
    warned.mock.calls.filter(([, how]) => (how as { code: string }).code === "PSESSION_UNKNOWN_KEY");
  return { app, visit, come, counts, warnings };
}

test("well-formed cookies that fit no key are reported with their count, once a minute at most", async () => {
  const { app, visit, come, counts } = setUp();
  await come(5);
  expect(counts()).toEqual([1]);
  app.clock.advance(59 * SECOND);
  await visit(`${REMEMBER}=${newId()}.7.${newSecret().toString("base64url")}.${newId()}`);
  expect(counts()).toEqual([1]);
  app.clock.advance(SECOND);
  await come(1);
  await come(3);
  expect(counts()).toEqual([1, 6]);
  app.clock.advance(-HOUR);
  await come(1);
  expect(counts()).toEqual([1, 6, 4]);
});

test("malformed cookies, and those that fit a key, are not counted", async () => {
  const { app, visit, counts } = setUp();
  const browser = new TestBrowser(app);
  await browser.visit((session) => session.login("ada", { remember: true }));
  await browser.visit();
  await app.psession.revokeUser("ada");
  await browser.visit();
  for (const value of ["x", "", `${forged()}x`, forged().slice(1)]) await visit(`${SESSION}=${value}`);
  expect(counts()).toEqual([]);
});

test("keys that were exchanged without keeping the old one emit one process warning", async () => {
  const store = memoryStore();
  const before = testApp({ store, keys: [OLDER_KEY] });
  const { warnings } = setUp();
  const app = testApp({ store, keys: [KEY], clock: before.clock });
  for (let count = 0; count < 60; count++) {
    const browser = new TestBrowser(before);
    await browser.visit((session) => session.login("ada"));
    const back = new TestBrowser(app);
    const { session } = await back.visit(undefined, { jar: browser.jar });
    expect(session.outcome).toBe("malformed");
  }
  expect(warnings()).toHaveLength(1);
  expect(warnings()[0]?.[0]).toContain("keys");
});

test("a few forged cookies, or many beside more genuine ones of the last hour, emit no warning", async () => {
  const { app, come, warnings } = setUp();
  await come(19);
  expect(warnings()).toEqual([]);
  const browser = new TestBrowser(app);
  await browser.visit((session) => session.login("ada", { remember: true }));
  for (let count = 0; count < 50; count++) await browser.visit();
  await come(20);
  app.clock.advance(20 * MINUTE);
  await come(60);
  expect(warnings()).toEqual([]);
  // An hour later the genuine ones count no more.
  app.clock.advance(41 * MINUTE);
  await come(19);
  expect(warnings()).toHaveLength(1);
  app.clock.advance(2 * HOUR);
  await come(50);
  expect(warnings()).toHaveLength(1);
});
