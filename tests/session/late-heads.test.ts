import { describe, expect, test } from "vitest";
import { intercepted } from "../../src/testing/intercepted.ts";
import { type Jar, REMEMBER, SESSION, TestBrowser, testApp } from "../support/app.ts";
import { HOUR, MINUTE, SECOND } from "../support/clock.ts";
import { describeStores } from "../support/session-stores.ts";

const only = (jar: Jar, name: string): Jar => new Map([...jar].filter(([each]) => each === name));

describeStores("requests that come later than they were sent, on", (makeStore) => {
  const closed = async () => {
    const app = testApp({ store: makeStore() });
    const browser = new TestBrowser(app);
    await browser.visit((session) => session.login("ada", { remember: true }));
    browser.restart();
    app.clock.advance(HOUR);
    return { app, browser };
  };

  test("an upload whose head left before a rotation is served, however long its body takes", async () => {
    for (const late of [20, 85, 130, 165, 299]) {
      const { app, browser } = await closed();
      const old = browser.copyJar();
      const arrivedAt = app.clock.now();
      app.clock.advance(SECOND);
      await browser.visit();
      for (let passed = 1; passed < late; passed += 44) {
        await browser.visit();
        app.clock.advance(Math.min(44, late - passed) * SECOND);
      }
      const { session, setCookie } = await browser.visit((live) => live.set("name", "uploaded"), {
        jar: old,
        arrivedAt,
      });
      expect([late, session.userId, session.level]).toEqual([late, "ada", "remembered"]);
      expect(setCookie).toEqual([]);
      expect(app.told()).not.toContain("theft");
      expect((await browser.visit()).session).toMatchObject({ userId: "ada", data: { name: "uploaded" } });
    }
  });

  test("an arrival that is claimed gives no cookies, and is not trusted beyond five minutes or in the future", async () => {
    const { app, browser } = await closed();
    const old = browser.copyJar();
    await browser.visit();
    app.clock.advance(6 * MINUTE);
    await browser.visit();
    app.clock.advance(6 * MINUTE);
    const thief = new TestBrowser(app, "Thief/1.0");
    for (const arrivedAt of [app.clock.now() + HOUR, app.clock.now() - 4 * MINUTE, app.clock.now() - HOUR]) {
      const { session, setCookie } = await thief.visit(undefined, { jar: old, arrivedAt });
      expect(session.isSignedIn).toBe(false);
      expect(setCookie).toEqual([]);
    }
    expect(app.told()).toContain("theft");
  });

  test("a session that ended while the body came stays ended", async () => {
    const { app, browser } = await closed();
    const arrivedAt = app.clock.now();
    app.clock.advance(SECOND);
    await app.psession.revokeUser("ada");
    const { session } = await browser.visit(undefined, { arrivedAt });
    expect(session).toMatchObject({ isSignedIn: false, outcome: "revoked" });
  });

  test("a rotated session secret is served by when the head arrived, and confirms by that as well", async () => {
    const app = testApp({ store: makeStore() });
    const browser = new TestBrowser(app);
    await browser.visit((session) => session.login("ada", { remember: true }));
    app.clock.advance(119 * SECOND);
    const arrivedAt = app.clock.now();
    app.clock.advance(2 * SECOND);
    await browser.visit(undefined, { arrivedAt });
    expect(app.told()).not.toContain("confirmed");
    const old = only(browser.jar, SESSION);
    await browser.visit((session) => session.regenerate());
    const sent = app.clock.now() + 60 * SECOND;
    app.clock.advance(2 * MINUTE);
    const { session } = await browser.visit(undefined, { jar: old, arrivedAt: sent });
    expect(session).toMatchObject({ userId: "ada", outcome: "live" });
  });

  describe("a request that the browser had queued with its cookies of then", () => {
    const queued = async (options: { strays?: number; wait?: number } = {}) => {
      const { app, browser } = await closed();
      const old = browser.copyJar();
      await browser.visit();
      app.clock.advance(3 * MINUTE);
      await browser.visit();
      app.clock.advance(options.wait ?? MINUTE);
      const newer = browser.copyJar();
      return { app, browser, old, newer };
    };

    test("gets nothing, and reports no theft", async () => {
      const { app, browser, old } = await queued();
      const { session, setCookie } = await browser.visit((live) => live.set("name", "queued"), { jar: old });
      expect(session).toMatchObject({ isSignedIn: false, outcome: "stray" });
      expect(setCookie).toEqual([]);
      expect(app.told()).toContain("stray");
      expect(app.told()).not.toContain("theft");
      expect((await browser.visit()).session).toMatchObject({ userId: "ada", data: {} });
    });

    test("from elsewhere, later, or a fourth time is a theft", async () => {
      const strangers = [
        { address: "198.51.100.9" },
        { userAgent: "Thief/1.0" },
        { address: undefined },
        { userAgent: undefined },
        { forwarded: true },
      ];
      for (const facts of strangers) {
        const { app, browser, old } = await queued();
        await browser.visit(undefined, { jar: old, ...facts });
        expect([facts, app.told().includes("theft")]).toEqual([facts, true]);
      }
      for (const address of ["127.0.0.1", "::1", "10.1.2.3", "192.168.0.9", "fd00::1", "::ffff:10.0.0.1"]) {
        const { app, browser } = await closed();
        const old = browser.copyJar();
        await browser.visit(undefined, { address });
        app.clock.advance(3 * MINUTE);
        await browser.visit(undefined, { address });
        app.clock.advance(MINUTE);
        await browser.visit(undefined, { jar: old, address });
        expect([address, app.told().includes("theft")]).toEqual([address, true]);
      }
      const late = await queued({ wait: 31 * MINUTE });
      await late.browser.visit(undefined, { jar: late.old });
      expect(late.app.told()).toContain("theft");
      const often = await queued();
      for (let time = 1; time <= 4; time++) {
        await often.browser.visit(undefined, { jar: often.old });
        expect([time, often.app.told().includes("theft")]).toEqual([time, time === 4]);
      }
    });

    test("of two generations before is a theft", async () => {
      const { app, browser, old } = await queued();
      browser.restart();
      await browser.visit();
      app.clock.advance(MINUTE);
      await browser.visit(undefined, { jar: old });
      expect(app.told()).toContain("theft");
    });

    test("does not take the session that a confirmed password has raised, with the current token", async () => {
      const { app, browser } = await closed();
      await browser.visit();
      app.clock.advance(3 * MINUTE);
      const old = browser.copyJar();
      await browser.visit((session) => session.reauthenticate());
      app.clock.advance(3 * MINUTE);
      const { session, setCookie } = await browser.visit((live) => live.set("name", "queued"), { jar: old });
      expect(session).toMatchObject({ userId: "ada", level: "remembered", outcome: "accepted" });
      expect(setCookie).toEqual([]);
      expect((await browser.visit()).session).toMatchObject({ level: "login", data: { name: "queued" } });
      browser.restart();
      app.clock.advance(HOUR);
      expect((await browser.visit()).session.userId).toBe("ada");
    });

    test("a sign-in ends the login of its old remember cookie, whatever that is worth by now", async () => {
      const { app, browser, old } = await queued();
      await browser.visit((session) => session.login("ada", { remember: true }), { jar: old });
      expect(await app.psession.devices("ada")).toHaveLength(1);
    });

    test("does not clear the cookie that replaced its own", async () => {
      const { app, browser } = await closed();
      const old = browser.copyJar();
      await browser.visit((session) => session.login("ada", { remember: true }));
      app.clock.advance(5 * MINUTE);
      const { setCookie } = await browser.visit(undefined, { jar: old, navigation: true });
      expect(setCookie).toEqual([]);
    });
  });

  describe("a store that has lost or split its rows", () => {
    test("a different token of the row's generation ends the login, and reports no theft", async () => {
      const { app, browser } = await closed();
      const other = testApp({ store: makeStore(), clock: app.clock });
      const { store } = app.psession.core.settings;
      const handle = [...browser.jar.values()][0]?.value.slice(0, 22) ?? "";
      const copied = await store.findRemembered(handle);
      // Both sides of a split make a generation of their own from the same one.
      const replica = new TestBrowser(testApp({ clock: app.clock }));
      replica.jar = browser.copyJar();
      expect(copied?.login.generation).toBe(0);
      await browser.visit();
      const first = only(browser.jar, REMEMBER);
      const forked = intercepted(store, async (name, call) => {
        const value = await call();
        if (name !== "findRemembered" || value === undefined) return value;
        const { login } = value as { login: { token: Uint8Array } };
        return { ...(value as object), login: { ...login, token: new Uint8Array(32) } };
      });
      const split = testApp({ store: forked, clock: app.clock });
      const lagging = await new TestBrowser(split).visit(undefined, { jar: first });
      // The primary has this very token: nothing has ended.
      expect(lagging.session).toMatchObject({ isSignedIn: false, outcome: "forked" });
      expect((await browser.visit()).session.userId).toBe("ada");
      expect(split.told()).toEqual(["forked"]);
      expect(other.told()).toEqual([]);
    });

    test("a restored backup ends the login that its browser proves to be behind, before a thief can use it", async () => {
      const { app, browser } = await closed();
      const { store } = app.psession.core.settings;
      const handle = [...browser.jar.values()][0]?.value.slice(0, 22) ?? "";
      const stolen = browser.copyJar();
      const before = await store.findRemembered(handle);
      await browser.visit();
      browser.restart();
      app.clock.advance(HOUR);
      if (before === undefined) throw new Error("the login was there");
      // The backup: what was there before is there again.
      const restored = testApp({ clock: app.clock });
      const { store: empty } = restored.psession.core.settings;
      await empty.apply({
        kind: "signIn",
        remember: before.login,
        ...(before.session && { insert: before.session }),
      });
      const back = new TestBrowser(restored);
      back.jar = browser.copyJar();
      const visit = await back.visit(undefined, { navigation: true });
      expect(visit.session).toMatchObject({ isSignedIn: false, outcome: "ahead" });
      expect(visit.setCookie).toHaveLength(1);
      expect(restored.told()).toEqual(["generationAhead"]);
      const thief = await new TestBrowser(restored, "Thief/1.0").visit(undefined, { jar: stolen });
      expect(thief.session.isSignedIn).toBe(false);
      expect((await empty.findRemembered(handle))?.login.revokedReason).toBe("stale");
    });
  });
});
