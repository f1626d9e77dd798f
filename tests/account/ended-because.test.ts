import { describe, expect, test } from "vitest";
import { memoryStore, type PsessionOptions } from "../../src/index.ts";
import { loginGuard } from "../../src/integration/guards.ts";
import { intercepted } from "../../src/testing/intercepted.ts";
import { type Jar, SESSION, type TestApp, TestBrowser, type TestSession, testApp } from "../support/app.ts";
import { DAY, HOUR, MINUTE } from "../support/clock.ts";

const LIVES: Partial<PsessionOptions> = {
  session: { idle: "1h", absolute: "2h" },
  remember: { idle: "2d", absolute: "3d" },
};

async function signedIn(
  app: TestApp,
  options: Parameters<TestSession["login"]>[1] = {},
): Promise<TestBrowser> {
  const browser = new TestBrowser(app);
  await browser.visit((session) => session.login("ada", options));
  return browser;
}

const asked = async (browser: TestBrowser, jar?: Jar) =>
  (await browser.visit((session) => session.endedBecause, jar === undefined ? {} : { jar })).result;

/** Comes back with a closed browser, twice, so that the token is exchanged and confirmed. */
async function comesBack(app: TestApp, browser: TestBrowser): Promise<void> {
  for (let visit = 0; visit < 2; visit++) {
    app.clock.advance(10 * MINUTE);
    browser.restart();
    await browser.visit();
    app.clock.advance(10 * MINUTE);
    await browser.visit();
  }
}

describe("endedBecause", () => {
  test("says that a session was not used, or was too old, and when", async () => {
    const app = testApp(LIVES);
    const [idle, old] = [await signedIn(app), await signedIn(app)];
    const at = app.clock.now();
    for (let used = 0; used < 3; used++) {
      expect(await asked(old), "signed in").toBeUndefined();
      app.clock.advance(40 * MINUTE);
    }
    app.clock.advance(MINUTE);
    expect(await asked(idle)).toEqual({ code: "idle", at: at + HOUR });
    expect(await asked(old)).toEqual({ code: "lifetime", at: at + 2 * HOUR });
    await idle.visit((session) => session.login("ada"));
    expect(await asked(idle)).toBeUndefined();
  });

  test("says the same of a remembered login", async () => {
    const app = testApp(LIVES);
    const browser = await signedIn(app, { remember: true });
    const at = app.clock.now();
    browser.restart();
    app.clock.advance(2 * DAY + 1);
    expect(await asked(browser)).toEqual({ code: "idle", at: at + 2 * DAY });
  });

  test("says that the user signed in elsewhere, where only so many devices may be", async () => {
    const app = testApp({ devices: { max: 1 } });
    const browser = await signedIn(app, { remember: true });
    app.clock.advance(MINUTE);
    await signedIn(app);
    expect(await asked(browser)).toEqual({ code: "limit", at: app.clock.now() });
  });

  test.each<[string, (app: TestApp, browser: TestBrowser) => Promise<unknown>]>([
    [
      "a revocation from another device",
      async (app) => (await signedIn(app)).visit((session) => session.revokeOthers()),
    ],
    ["a revocation by the application", (app) => app.psession.revokeUser("ada", "suspicious")],
    ["a changed password", (app) => app.psession.passwordChanged("ada")],
    ["everyone's end", (app) => app.psession.revokeEveryone()],
    [
      "a theft",
      async (app, browser) => {
        const stolen = browser.copyJar();
        stolen.delete(SESSION);
        await comesBack(app, browser);
        const thief = new TestBrowser(app);
        expect(await asked(thief, stolen), "nothing to the thief").toBeUndefined();
        expect(await asked(thief, stolen), "nor at the next try").toBeUndefined();
      },
    ],
  ])("%s is an end like any other to the browser itself", async (_, end) => {
    const app = testApp();
    const browser = await signedIn(app, { remember: true });
    await end(app, browser);
    app.clock.advance(MINUTE);
    expect(await asked(browser)).toEqual({ code: "ended", at: undefined });
  });

  test("says nothing to a copy of a cookie that the browser has replaced since", async () => {
    const app = testApp();
    const browser = await signedIn(app, { remember: true });
    const copy = browser.copyJar();
    await comesBack(app, browser);
    await app.psession.revokeUser("ada");
    expect(await asked(new TestBrowser(app), copy)).toBeUndefined();
    expect(await asked(browser)).toMatchObject({ code: "ended" });
  });

  test("says so to a browser that never got the successor of its token", async () => {
    const app = testApp();
    const browser = await signedIn(app, { remember: true });
    app.clock.advance(HOUR);
    browser.restart();
    await browser.visit(undefined, { lost: true });
    await app.psession.revokeUser("ada");
    expect(await asked(browser)).toMatchObject({ code: "ended" });
  });

  test("says nothing to cookies from before a sign-out, to forged ones, and to strangers", async () => {
    const app = testApp();
    const browser = await signedIn(app, { remember: true });
    const captured = browser.copyJar();
    await browser.visit((session) => session.logout());
    expect(await asked(new TestBrowser(app), captured)).toBeUndefined();
    const forged: Jar = new Map(
      [...captured].map(([name, cookie]) => [name, { ...cookie, value: cookie.value.replace(/.$/, "_") }]),
    );
    expect(await asked(new TestBrowser(app), forged)).toBeUndefined();
    expect(await asked(new TestBrowser(app))).toBeUndefined();
  });

  test("says nothing of a session whose secret is another by now, and nothing of an anonymous one", async () => {
    const app = testApp(LIVES);
    const browser = await signedIn(app);
    const old = browser.copyJar();
    app.clock.advance(10 * MINUTE);
    await browser.visit((session) => session.reauthenticate());
    const anonymous = new TestBrowser(app);
    await anonymous.visit((session) => session.set("cart", ["tea"]));
    app.clock.advance(DAY);
    expect(await asked(new TestBrowser(app), old)).toBeUndefined();
    expect(await asked(browser)).toMatchObject({ code: "idle" });
    expect(await asked(anonymous)).toBeUndefined();
  });

  test("costs no call of the store of its own, and reaches the redirect of a guard", async () => {
    const calls: string[] = [];
    const store = intercepted(memoryStore(), (name, call) => {
      calls.push(name);
      return call();
    });
    const app = testApp({ ...LIVES, store });
    const browser = await signedIn(app);
    app.clock.advance(DAY);
    calls.length = 0;
    const { session } = await browser.visit();
    const before = [...calls];
    expect(session.endedBecause?.code).toBe("idle");
    expect([before, calls]).toEqual([["findSession"], ["findSession"]]);
    const guard = loginGuard({ redirectTo: (path, { ended }) => `/login?next=${path}&ended=${ended}` });
    const header = (name: string) => (name === "accept" ? "text/html" : undefined);
    const request = { session, header, method: "GET", path: "/account", origin: "https://shop.example" };
    expect(guard(request)).toEqual({ status: 303, location: "/login?next=/account&ended=idle" });
  });
});
