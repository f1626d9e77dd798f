import { expect, test } from "vitest";
import { revoke } from "../../src/stores/changes.ts";
import { REMEMBER, receive, SESSION, type TestApp, TestBrowser, testApp } from "../support/app.ts";
import { DAY, HOUR, MINUTE, SECOND } from "../support/clock.ts";
import { describeStores } from "../support/session-stores.ts";
import { intercepted } from "../support/stores.ts";

describeStores("remembered logins on", (makeStore) => {
  /** A browser that signed in with the tick, put tea into the cart, was closed, and comes back an hour later. */
  const setUp = async () => {
    const app = testApp({ store: makeStore() });
    const browser = new TestBrowser(app);
    await browser.visit(async (session) => {
      await session.login("ada", { remember: true });
      session.set("cart", ["tea"]);
    });
    browser.restart();
    app.clock.advance(HOUR);
    return { app, browser };
  };

  test("a closed browser comes back signed in, with its cart, and not as a fresh login", async () => {
    const { app, browser } = await setUp();
    const { session, setCookie } = await browser.visit();
    expect(session).toMatchObject({
      userId: "ada",
      level: "remembered",
      isPersistent: true,
      outcome: "restored",
    });
    expect(session.authenticatedAt).toBe(app.clock.now() - HOUR);
    expect(session.data.cart).toEqual(["tea"]);
    expect(setCookie.map((line) => line.split("=")[0])).toEqual([SESSION, REMEMBER]);
    expect((await browser.visit()).session).toMatchObject({ outcome: "live", isPersistent: true });
  });

  test("without the tick it comes back anonymous", async () => {
    const app = testApp({ store: makeStore() });
    const browser = new TestBrowser(app);
    await browser.visit((session) => session.login("ada"));
    browser.restart();
    expect((await browser.visit()).session.isSignedIn).toBe(false);
  });

  test("fifty parallel requests: one rotation, one session row, fifty signed-in answers, nobody out", async () => {
    const { app, browser } = await setUp();
    const jar = browser.copyJar();
    const visits = await Promise.all(
      Array.from({ length: 50 }, () => browser.visit(({ data }) => data.cart, { jar })),
    );
    for (const { session, result } of visits) {
      expect(session).toMatchObject({ userId: "ada", isPersistent: true });
      expect(result).toEqual(["tea"]);
    }
    expect(app.told().filter((type) => type === "restored")).toHaveLength(1);
    expect(app.told()).not.toContain("theft");
    const cookies = new Set(visits.flatMap(({ setCookie }) => setCookie));
    expect(cookies.size).toBe(2);
    expect(await app.psession.devices("ada")).toHaveLength(1);
    for (const delay of [0, MINUTE, HOUR]) {
      app.clock.advance(delay);
      browser.restart();
      expect((await browser.visit()).session.isSignedIn).toBe(true);
    }
  });

  test("all parallel answers may write, and no write is lost", async () => {
    const { browser } = await setUp();
    const jar = browser.copyJar();
    await Promise.all(
      Array.from({ length: 30 }, (_, index) =>
        browser.visit((session) => session.set(`key${index}`, index), { jar }),
      ),
    );
    const { session } = await browser.visit();
    expect(Object.keys(session.data)).toHaveLength(31);
  });

  test("a lost response, tried again at any later time, still brings the browser in", async () => {
    for (const wait of [0, 9 * SECOND, 11 * SECOND, 79 * SECOND, 81 * SECOND, HOUR, 5 * DAY]) {
      const { app, browser } = await setUp();
      await browser.visit(undefined, { lost: true });
      app.clock.advance(wait);
      const { session } = await browser.visit();
      expect(session).toMatchObject({ userId: "ada", isPersistent: true });
      expect(session.data.cart).toEqual(["tea"]);
      expect(app.told()).not.toContain("theft");
      app.clock.advance(HOUR);
      expect((await browser.visit()).session.isSignedIn).toBe(true);
    }
  });

  test("a handler of five minutes is as safe as one of five milliseconds", async () => {
    const { app, browser } = await setUp();
    const slow = await browser.open();
    app.clock.advance(2 * MINUTE);
    await browser.visit();
    app.clock.advance(3 * MINUTE);
    await browser.visit();
    slow.session.set("name", "slow");
    const late = await slow.answer();
    expect(late).toEqual([]);
    expect((await browser.visit()).session).toMatchObject({
      userId: "ada",
      data: { cart: ["tea"], name: "slow" },
    });
    expect(app.told()).not.toContain("theft");
  });

  test("a handler that outlives a crash of the browser does not confirm what the browser lost", async () => {
    const { app, browser } = await setUp();
    const onDisk = browser.copyJar();
    await browser.visit();
    const slow = await browser.open();
    browser.jar = onDisk;
    app.clock.advance(3 * MINUTE);
    slow.session.set("name", "slow");
    await slow.answer({ lost: true });
    expect(app.told()).not.toContain("confirmed");
    expect((await browser.visit()).session).toMatchObject({ userId: "ada", outcome: "recovered" });
  });

  test("a parallel request whose handler is slow is not given a successor that was superseded", async () => {
    const { app, browser } = await setUp();
    const jar = browser.copyJar();
    await browser.visit(undefined, { lost: true });
    const slow = await browser.open({ jar });
    app.clock.advance(3 * MINUTE);
    expect((await browser.visit()).session.outcome).toBe("recovered");
    expect(await slow.answer()).toEqual([]);
    expect((await browser.visit()).session).toMatchObject({ userId: "ada", outcome: "live" });
  });

  test("a thief who comes after the browser is noticed, and everything of that login ends", async () => {
    const { app, browser } = await setUp();
    const stolen = browser.copyJar();
    await browser.visit();
    app.clock.advance(3 * MINUTE);
    await browser.visit();
    expect(app.told()).toContain("confirmed");
    const thief = new TestBrowser(app, "Thief/1.0");
    const { session, setCookie } = await thief.visit(({ data }) => data, {
      jar: stolen,
      address: "203.0.113.9",
    });
    expect(session).toMatchObject({ userId: undefined, outcome: "theft" });
    expect(setCookie).toEqual([]);
    expect(app.events.find(({ type }) => type === "theft")).toMatchObject({
      userId: "ada",
      generation: 1,
      presentedGeneration: 0,
      request: { userAgent: "Thief/1.0", address: "203.0.113.9" },
      lastUsed: { userAgent: "TestBrowser/1.0", address: "192.0.2.7" },
      endedLogins: 1,
    });
    expect((await browser.visit()).session).toMatchObject({ userId: undefined, outcome: "revoked" });
    expect(await app.psession.devices("ada")).toEqual([]);
  });

  test("a thief who comes before the browser loses the session at its next visit, then alarms", async () => {
    const { app, browser } = await setUp();
    const thief = new TestBrowser(app, "Thief/1.0");
    thief.jar = browser.copyJar();
    expect((await thief.visit()).session.userId).toBe("ada");
    app.clock.advance(10 * MINUTE);
    const victim = await browser.visit();
    expect(victim.session).toMatchObject({ userId: "ada", outcome: "recovered" });
    expect(app.told()).toContain("recovered");
    app.clock.advance(10 * MINUTE);
    expect((await thief.visit()).session).toMatchObject({ userId: undefined, outcome: "theft" });
    expect((await browser.visit()).session.userId).toBeUndefined();
  });

  test("a token that was used weeks ago still alarms: what it is worth is known as long as the login lives", async () => {
    const { app, browser } = await setUp();
    const stolen = browser.copyJar();
    for (let week = 0; week < 4; week++) {
      await browser.visit();
      app.clock.advance(10 * MINUTE);
      await browser.visit();
      browser.restart();
      app.clock.advance(7 * DAY);
      expect(app.told()).not.toContain("theft");
    }
    const thief = await new TestBrowser(app).visit(undefined, { jar: stolen });
    expect(thief.session).toMatchObject({ userId: undefined, outcome: "theft" });
    expect((await browser.visit()).session).toMatchObject({ userId: undefined, outcome: "revoked" });
  });

  test("with onTheft user everything that the user has ends", async () => {
    const app = testApp({ store: makeStore(), remember: { onTheft: "user" } });
    const [browser, phone] = [new TestBrowser(app), new TestBrowser(app)];
    await phone.visit((session) => session.login("ada", { remember: true }));
    await browser.visit((session) => session.login("ada", { remember: true }));
    const stolen = browser.copyJar();
    for (let visit = 0; visit < 3; visit++) {
      browser.restart();
      app.clock.advance(HOUR);
      await browser.visit();
    }
    stolen.delete(SESSION);
    await new TestBrowser(app).visit(undefined, { jar: stolen });
    expect((await phone.visit()).session.isSignedIn).toBe(false);
    expect(app.events.find(({ type }) => type === "theft")).toMatchObject({ endedLogins: 2 });
  });

  test("two browsers of one user do not disturb each other, and each gets its own data", async () => {
    const { app, browser } = await setUp();
    const other = new TestBrowser(app);
    await other.visit(async (session) => {
      await session.login("ada", { remember: true });
      session.set("cart", ["milk"]);
    });
    for (let round = 0; round < 5; round++) {
      app.clock.advance(HOUR);
      for (const [each, cart] of [
        [browser, ["tea"]],
        [other, ["milk"]],
      ] as const) {
        each.restart();
        expect((await each.visit(({ data }) => data.cart)).result).toEqual(cart);
      }
    }
    expect(app.told()).not.toContain("theft");
  });

  test("rotation never moves the absolute deadline, and idleness ends a login earlier", async () => {
    const { app, browser } = await setUp();
    for (let day = 0; day < 28; day += 7) {
      app.clock.advance(7 * DAY);
      browser.restart();
      expect((await browser.visit()).session.isSignedIn).toBe(true);
    }
    app.clock.advance(2 * DAY);
    browser.restart();
    expect((await browser.visit()).session).toMatchObject({ userId: undefined, outcome: "expired" });

    const idle = await setUp();
    idle.app.clock.advance(15 * DAY);
    expect((await idle.browser.visit()).session.outcome).toBe("expired");
  });

  test("a session restored shortly before the absolute deadline ends with it", async () => {
    const { app, browser } = await setUp();
    app.clock.advance(13 * DAY);
    await browser.visit();
    browser.restart();
    app.clock.advance(13 * DAY);
    await browser.visit();
    browser.restart();
    app.clock.advance(4 * DAY - HOUR - MINUTE);
    expect((await browser.visit()).session.isSignedIn).toBe(true);
    app.clock.advance(2 * MINUTE);
    expect((await browser.visit()).session.isSignedIn).toBe(false);
  });

  test("an idle session of an open browser is restored by its remember cookie", async () => {
    const { app, browser } = await setUp();
    await browser.visit();
    app.clock.advance(5 * HOUR);
    const { session } = await browser.visit();
    expect(session).toMatchObject({ userId: "ada", outcome: "restored" });
    expect(session.data.cart).toEqual(["tea"]);
  });

  test("a request that cannot set cookies is served and rotates nothing", async () => {
    const { app, browser } = await setUp();
    const { session } = await browser.visit((session) => session.set("count", 1), { canSetCookies: false });
    expect(session).toMatchObject({ userId: "ada", outcome: "accepted" });
    expect(app.told()).not.toContain("restored");
    expect((await browser.visit()).session.data).toEqual({ cart: ["tea"], count: 1 });
  });

  test("ending the others spares a login whose session row was lost", async () => {
    const store = makeStore();
    const app = testApp({ store });
    const browser = new TestBrowser(app);
    await browser.visit((session) => session.login("ada", { remember: true }));
    await new TestBrowser(app).visit((session) => session.login("ada"));
    browser.restart();
    app.clock.advance(HOUR);
    const { login } = (await store.list("ada")).find(({ login }) => login !== undefined) ?? {};
    const lost = intercepted(store, async (name, call) => {
      const found = (await call()) as { login: unknown } | undefined;
      return name === "findRemembered" && found !== undefined
        ? { login: found.login, session: undefined }
        : found;
    });
    const forgetful = testApp({ store: lost, clock: app.clock });
    const visit = await new TestBrowser(forgetful).open({ jar: browser.copyJar() });
    expect(visit.session.handle).toBe(login?.id);
    expect(await visit.session.revokeOthers()).toBe(1);
    expect((await store.list("ada")).map(({ login }) => login?.id)).toEqual([login?.id]);
  });

  test("logging out in the request that restores works", async () => {
    const { app, browser } = await setUp();
    const captured = browser.copyJar();
    await browser.visit((session) => session.logout());
    expect(browser.jar.size).toBe(0);
    expect((await browser.visit(undefined, { jar: captured })).session.isSignedIn).toBe(false);
    expect(await app.psession.devices("ada")).toEqual([]);
  });

  test("signing in in the request that restores replaces the login and keeps the cart", async () => {
    const { app, browser } = await setUp();
    await browser.visit((session) => session.login("ada", { remember: true }));
    const { session } = await browser.visit();
    expect(session).toMatchObject({ level: "login", data: { cart: ["tea"] } });
    expect(await app.psession.devices("ada")).toHaveLength(1);
  });

  test("confirming the password in the request that restores leaves nothing that a predecessor can derive", async () => {
    const { app, browser } = await setUp();
    const before = browser.copyJar();
    await browser.visit((session) => session.reauthenticate());
    expect((await browser.visit()).session.level).toBe("login");
    const second = new TestBrowser(app);
    const { session, setCookie } = await second.visit(undefined, { jar: before });
    expect(session.level).toBe("remembered");
    expect(setCookie.map((line) => line.split("=")[0])).toEqual([REMEMBER]);
  });

  test("a dead remember cookie is cleared on a navigation, but not while a newer one may be on its way", async () => {
    const { app, browser } = await setUp();
    await browser.visit();
    await app.psession.revokeUser("ada");
    expect((await browser.visit(undefined, { navigation: true })).setCookie).toEqual([]);
    app.clock.advance(61 * SECOND);
    expect((await browser.visit(undefined, { navigation: false })).setCookie).toEqual([]);
    expect((await browser.visit(undefined, { navigation: true })).setCookie).toHaveLength(1);
    expect(browser.jar.has(REMEMBER)).toBe(false);
  });

  test("an anonymous session that overtook the sign-in's answer does not hide the remembered login", async () => {
    const { app, browser } = await setUp();
    const stray = await new TestBrowser(app).visit((session) => session.set("name", "stray"));
    for (const line of stray.setCookie) receive(browser.jar, line);
    expect((await browser.visit()).session).toMatchObject({ userId: "ada", data: { cart: ["tea"] } });
  });

  test("a live session wins over somebody else's remember cookie, which is ignored", async () => {
    const { app, browser } = await setUp();
    const bob = new TestBrowser(app);
    await bob.visit((session) => session.login("bob"));
    const foreign = browser.jar.get(REMEMBER);
    if (foreign !== undefined) bob.jar.set(REMEMBER, foreign);
    expect((await bob.visit()).session).toMatchObject({ userId: "bob", outcome: "live" });
    expect((await browser.visit()).session).toMatchObject({ userId: "ada", outcome: "restored" });
  });

  test("a revocation between open and commit wins: no cookies, no session, no write", async () => {
    const { app, browser } = await setUp();
    const slow = await browser.open();
    slow.session.set("name", "late");
    await app.psession.revokeUser("ada");
    expect(await slow.answer()).toEqual([]);
    expect(await app.psession.devices("ada")).toEqual([]);
    expect(app.events.at(-1)).toMatchObject({ type: "saveDiscarded", why: "ended" });
    expect((await browser.visit()).session.outcome).toBe("revoked");
  });

  test("a session row that was lost is made anew, once", async () => {
    const store = makeStore();
    const app = testApp({ store });
    const browser = new TestBrowser(app);
    const { session } = await browser.visit((session) => session.login("ada", { remember: true }));
    app.clock.advance(HOUR);
    browser.restart();
    await revoke(store, { handle: session.id, userId: "nobody", reason: "x", at: 0, pruneAfter: 0 });
    const login = await store.findRemembered(session.handle);
    expect(login?.session?.id).toBe(session.id);
    // Take the row away without ending the login, as an eviction would.
    const holed = intercepted(store, async (name, call) => {
      const result = await call();
      return name === "findRemembered" && result !== undefined
        ? { ...(result as object), session: undefined }
        : result;
    });
    await store.apply({
      kind: "signIn",
      update: { id: session.id, version: 1, set: { rememberedId: undefined } },
    });
    const again: TestApp = testApp({ store: holed, clock: app.clock });
    const returning = new TestBrowser(again);
    returning.jar = browser.jar;
    const restored = await returning.visit();
    expect(restored.session).toMatchObject({ userId: "ada", level: "remembered", data: {} });
    expect(restored.session.id).not.toBe(session.id);
    expect((await returning.visit()).session).toMatchObject({ userId: "ada", outcome: "live" });
  });

  test("a store restored from a backup logs out quietly instead of alarming", async () => {
    const store = makeStore();
    const app = testApp({ store });
    const browser = new TestBrowser(app);
    const { session } = await browser.visit((session) => session.login("ada", { remember: true }));
    const backup = await store.findRemembered(session.handle);
    browser.restart();
    app.clock.advance(HOUR);
    await browser.visit();
    browser.restart();
    app.clock.advance(HOUR);
    const restored = intercepted(store, async (name, call) => (name === "findRemembered" ? backup : call()));
    const later = testApp({ store: restored, clock: app.clock });
    const visitor = new TestBrowser(later);
    visitor.jar = browser.copyJar();
    const visit = await visitor.visit(undefined, { navigation: false });
    expect(visit.session).toMatchObject({ userId: undefined, outcome: "ahead" });
    expect(later.events).toMatchObject([{ type: "generationAhead", generation: 0, presentedGeneration: 1 }]);
    expect((await browser.visit()).session.userId).toBe("ada");
  });
});
