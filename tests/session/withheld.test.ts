import { describe, expect, test } from "vitest";
import { factsOf } from "../../src/index.ts";
import {
  REMEMBER,
  SESSION,
  TestBrowser,
  type TestSession,
  testApp,
  type VisitOptions,
} from "../support/app.ts";
import { HOUR } from "../support/clock.ts";
import { describeStores } from "../support/session-stores.ts";

/** A form that another site posts: SameSite=Lax cookies stay at home. */
const callback: VisitOptions = { jar: new Map(), crossSite: true, safe: false, navigation: true };

describeStores("a request that another site sent without the browser's cookies, on", (makeStore) => {
  const setUp = async (options = {}) => {
    const app = testApp({ store: makeStore(), ...options });
    const browser = new TestBrowser(app);
    return { app, browser };
  };

  test("signs another user in, and the one before does not come back", async () => {
    for (const remember of [false, true]) {
      const { app, browser } = await setUp();
      await browser.visit(async (session) => {
        await session.login("ada", { remember: true });
        session.set("cart", ["tea"]);
      });
      const { setCookie } = await browser.visit(async (session) => {
        await session.login("bob", { remember });
        session.set("cart", ["ink"]);
      }, callback);
      expect(setCookie.map((line) => line.split("=")[0])).toEqual([SESSION, REMEMBER]);
      expect((await browser.visit()).session).toMatchObject({ userId: "bob", data: { cart: ["ink"] } });
      app.clock.advance(3 * HOUR);
      browser.restart();
      const { session } = await browser.visit();
      expect(session.userId).toBe(remember ? "bob" : undefined);
      expect(session.data.cart).toEqual(remember ? ["ink"] : undefined);
    }
  });

  test("stores nothing for an anonymous visitor, so that a live session is not overwritten", async () => {
    const { app, browser } = await setUp();
    await browser.visit((session) => session.login("ada"));
    const acts: Record<string, (session: TestSession) => unknown> = {
      flash: (session) => session.flash.set("notice", "It failed."),
      data: (session) => session.set("cart", ["ink"]),
      temp: (session) => session.temp.set("state", "x", "5m"),
      token: (session) => session.csrfToken(),
    };
    for (const act of Object.values(acts)) {
      app.events.length = 0;
      const { setCookie, session } = await browser.visit(act, callback);
      expect(setCookie).toEqual([]);
      expect(session.isNew).toBe(true);
      expect(app.events).toMatchObject([{ type: "saveDiscarded", why: "cross_site" }]);
    }
    const saving = browser.visit(async (session) => {
      session.set("cart", ["ink"]);
      await session.save();
    }, callback);
    await expect(saving).rejects.toMatchObject({ code: "session_withheld", status: 409 });
    expect((await browser.visit()).session.userId).toBe("ada");
  });

  test("does not sign out either, and emits logoutUnmatched", async () => {
    const { app, browser } = await setUp();
    await browser.visit((session) => session.login("ada", { remember: true }));
    const { setCookie } = await browser.visit((session) => session.logout(), callback);
    expect(setCookie).toEqual([]);
    expect(app.told()).toContain("logoutUnmatched");
    expect((await browser.visit()).session.userId).toBe("ada");
  });

  test("begins a new session where startAnew asks for it", async () => {
    const { browser } = await setUp();
    const { setCookie } = await browser.visit((session) => {
      session.startAnew();
      session.flash.set("notice", "It failed.");
    }, callback);
    expect(setCookie).toHaveLength(1);
    expect((await browser.visit((session) => session.flash.get("notice"))).result).toBe("It failed.");
  });

  test("emits no newDevice: the next request that can show the cookie does", async () => {
    for (const isKnown of [true, false]) {
      const { app, browser } = await setUp({ devices: { detectNew: true } });
      if (isKnown) await browser.visit((session) => session.login("ada"));
      app.events.length = 0;
      const { setCookie } = await browser.visit((session) => session.login("ada"), callback);
      expect(setCookie.map((line) => line.split("=")[0])).toEqual([SESSION, REMEMBER]);
      expect(app.told()).not.toContain("newDevice");
      const { setCookie: next } = await browser.visit((session) => session.set("name", "Ada"));
      expect(next.map((line) => line.split("=")[0])).toEqual(["__Host-psession-device"]);
      expect(app.told().includes("newDevice")).toBe(!isKnown);
      app.events.length = 0;
      expect((await browser.visit()).setCookie).toEqual([]);
      await browser.visit((session) => session.login("ada"));
      expect(app.told()).not.toContain("newDevice");
    }
  });
});

describe("cookies that may be withheld", () => {
  const cases = [
    ["a cross-site form", {}, { crossSite: true, safe: false }, true],
    ["a cross-site navigation", {}, { crossSite: true, safe: true }, false],
    [
      "a cross-site navigation, SameSite=Strict",
      { sameSite: "strict" },
      { crossSite: true, safe: true },
      true,
    ],
    [
      "a cross-site image, SameSite=Strict",
      { sameSite: "strict" },
      { crossSite: true, safe: true, navigation: false },
      false,
    ],
    ["a form of this site", {}, { crossSite: false, safe: false }, false],
    ["SameSite=None", { sameSite: "none", partitioned: true }, { crossSite: true, safe: false }, false],
  ] as const;
  for (const [name, cookies, facts, isWithheld] of cases) {
    test(`${name}: ${isWithheld ? "no session is made" : "a session is made"}`, async () => {
      const app = testApp({ cookies });
      const browser = new TestBrowser(app);
      const { setCookie } = await browser.visit((session) => session.set("cart", ["ink"]), {
        navigation: true,
        ...facts,
      });
      expect(setCookie).toHaveLength(isWithheld ? 0 : 1);
    });
  }

  test("any cookie that came, valid or not, shows that none was withheld", async () => {
    const app = testApp();
    const browser = new TestBrowser(app);
    browser.jar.set(SESSION, { value: "forged", isTransient: true });
    const { setCookie } = await browser.visit((session) => session.set("cart", ["ink"]), {
      ...callback,
      jar: browser.jar,
    });
    expect(setCookie).toHaveLength(1);
  });

  test("cross-site is what Sec-Fetch-Site says, or else Origin; neither means that it is not", () => {
    const of = (headers: Record<string, string>) =>
      factsOf((name) => headers[name], {
        method: "POST",
        secure: true,
        address: undefined,
        origin: "https://shop.example",
      }).crossSite;
    expect(of({})).toBe(false);
    expect(of({ "sec-fetch-site": "cross-site" })).toBe(true);
    for (const site of ["same-origin", "same-site", "none"])
      expect(of({ "sec-fetch-site": site, origin: "https://evil.example" })).toBe(false);
    expect(of({ origin: "https://evil.example" })).toBe(true);
    expect(of({ origin: "null" })).toBe(true);
    expect(of({ origin: "https://shop.example" })).toBe(false);
  });
});

describe("a session that is bound to where it came from", () => {
  test("is not overwritten by a request from elsewhere, unless that asks for it", async () => {
    const app = testApp({ session: { matchAddress: "exact" } });
    const browser = new TestBrowser(app);
    await browser.visit((session) => session.login("ada"));
    const elsewhere = { address: "198.51.100.9", jar: browser.copyJar() };
    const { setCookie, session } = await browser.visit((moved) => moved.set("cart", ["ink"]), elsewhere);
    expect(setCookie).toEqual([]);
    expect(session).toMatchObject({ isSignedIn: false, outcome: "moved" });
    expect(app.events.at(-1)).toMatchObject({ type: "saveDiscarded", why: "moved" });
    expect((await browser.visit()).session.userId).toBe("ada");
    await browser.visit(
      (moved) => {
        moved.startAnew();
        moved.set("state", "x");
      },
      { address: "198.51.100.9" },
    );
    expect((await browser.visit(undefined, { address: "198.51.100.9" })).session.data.state).toBe("x");
    await browser.visit((moved) => moved.login("ada"), { address: "198.51.100.9" });
    expect((await browser.visit(undefined, { address: "198.51.100.9" })).session.userId).toBe("ada");
  });

  test("startAnew leaves a session alone that can be used", async () => {
    const app = testApp();
    const browser = new TestBrowser(app);
    await browser.visit((session) => session.set("cart", ["tea"]));
    await browser.visit((session) => session.startAnew());
    expect((await browser.visit()).session.data.cart).toEqual(["tea"]);
    await browser.visit((session) => session.login("ada"));
    await browser.visit((session) => session.startAnew());
    expect((await browser.visit()).session.userId).toBe("ada");
  });
});

describe("a request that was held back with a secret of before", () => {
  test("stores no anonymous session over the one that the browser has by now", async () => {
    const app = testApp();
    const browser = new TestBrowser(app);
    await browser.visit((session) => session.login("ada"));
    const old = browser.copyJar();
    await browser.visit((session) => session.regenerate());
    app.clock.advance(HOUR);
    await browser.visit();
    const { setCookie } = await browser.visit((session) => session.flash.set("notice", "Saved."), {
      jar: old,
    });
    expect(setCookie).toEqual([]);
    expect((await browser.visit()).session.userId).toBe("ada");
  });
});
