import { expect, test } from "vitest";
import type { PsessionOptions } from "../../src/index.ts";
import { TestBrowser, testApp } from "../support/app.ts";
import { DAY, HOUR, laterClock, MINUTE } from "../support/clock.ts";
import { describeStores } from "../support/session-stores.ts";

describeStores("a policy that became shorter, on", (makeStore) => {
  /** A browser that signed in by the usual limits, and the application after a deploy. */
  const deployed = async (options: Partial<PsessionOptions>, remember: boolean) => {
    const store = makeStore();
    const before = testApp({
      store,
      session: { idle: "8h", absolute: "2d" },
      remember: { idle: "90d", absolute: "365d" },
      clock: laterClock(),
    });
    const browser = new TestBrowser(before);
    await browser.visit((session) => session.login("ada", { remember }));
    const app = testApp({ store, clock: before.clock, ...options });
    const visitor = new TestBrowser(app);
    visitor.jar = browser.copyJar();
    return { app, browser: visitor };
  };

  test("holds for logins that were made before it", async () => {
    const remember = { idle: "7d", absolute: "7d" } as const;
    for (const [after, isIn] of [
      [7 * DAY, true],
      [7 * DAY + 1, false],
    ] as const) {
      const { app, browser } = await deployed({ remember }, true);
      expect((await app.psession.devices("ada"))[0]?.expiresAt).toBe(app.clock.now() + 7 * DAY);
      browser.restart();
      app.clock.advance(after);
      expect(await app.psession.devices("ada")).toHaveLength(isIn ? 1 : 0);
      expect((await browser.visit()).session.outcome).toBe(isIn ? "restored" : "expired");
    }
  });

  test("holds for sessions, idle and absolute", async () => {
    for (const [session, visits, isIn] of [
      [{ idle: "10m" }, [10 * MINUTE], true],
      [{ idle: "10m" }, [10 * MINUTE + 1], false],
      [{ idle: "1h", absolute: "2h" }, [HOUR, HOUR], true],
      [{ idle: "1h", absolute: "2h" }, [HOUR, HOUR, 1], false],
    ] as const) {
      const { app, browser } = await deployed({ session }, false);
      let isSignedIn = true;
      for (const wait of visits) {
        app.clock.advance(wait);
        isSignedIn = (await browser.visit()).session.isSignedIn;
      }
      expect([session, isSignedIn]).toEqual([session, isIn]);
    }
  });

  test("without remembered logins refuses their cookies, and limits what lives", async () => {
    for (const options of [{ remember: { enabled: false } }, { preset: "aal2" }] as const) {
      const { app, browser } = await deployed(options, true);
      const limit = "preset" in options ? HOUR : 2 * HOUR;
      expect((await app.psession.devices("ada"))[0]?.expiresAt).toBe(app.clock.now() + limit);
      app.clock.advance(limit);
      expect((await browser.visit()).session.userId).toBe("ada");
      app.clock.advance(limit + 1);
      expect((await browser.visit()).session.isSignedIn).toBe(false);
      expect(await app.psession.devices("ada")).toEqual([]);
    }
  });

  test("is what an open connection is held to as well", async () => {
    const { app, browser } = await deployed({ session: { idle: "10m" } }, false);
    const visit = await browser.open();
    app.clock.advance(10 * MINUTE + 1);
    visit.session.set("name", "late");
    await visit.answer();
    expect((await browser.visit()).session.isSignedIn).toBe(false);
  });
});
