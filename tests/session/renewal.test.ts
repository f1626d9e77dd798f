import { describe, expect, test } from "vitest";
import { REMEMBER, SESSION, TestBrowser, testApp } from "../support/app.ts";
import { DAY, HOUR, laterClock, MINUTE } from "../support/clock.ts";
import { describeStores } from "../support/session-stores.ts";

describeStores("a renewal on", (makeStore) => {
  const signedIn = async (remember: boolean, options = {}) => {
    const app = testApp({ store: makeStore(), clock: laterClock(), ...options });
    const browser = new TestBrowser(app);
    await browser.visit((session) => session.login("ada", { remember }));
    return { app, browser };
  };

  test("never moves a deadline, of the session or of its login", async () => {
    for (const remember of [false, true]) {
      const session = { absolute: "12h", idle: "12h" } as const;
      const { app, browser } = await signedIn(remember, {
        session,
        remember: { absolute: "10d", idle: "10d" },
      });
      const [before] = await app.psession.devices("ada");
      for (let turn = 0; turn < 5; turn++) {
        app.clock.advance(2 * HOUR);
        await browser.visit((live) => live.renew());
        await browser.visit((keep) => app.psession.passwordChanged("ada", { keep }));
      }
      const [after] = await app.psession.devices("ada");
      expect(after?.expiresAt).toBe(before?.expiresAt);
      expect(after?.firstSeenAt).toBe(before?.firstSeenAt);
      app.clock.advance(2 * HOUR + 1);
      expect((await browser.visit()).session.outcome).toBe(remember ? "restored" : "expired");
    }
  });

  test("leaves a login its name, its tag, and what it was made with", async () => {
    const { app, browser } = await signedIn(true);
    await browser.visit((session) => session.login("ada", { remember: true, tag: "tv" }));
    await browser.visit((session) => session.nameDevice(session.handle, "At home"));
    app.clock.advance(DAY);
    browser.restart();
    await browser.visit((session) => session.renew());
    expect(await app.psession.devices("ada")).toMatchObject([
      { name: "At home", tag: "tv", isRemembered: true, firstSeenAt: app.clock.now() - DAY },
    ]);
    browser.restart();
    app.clock.advance(HOUR);
    expect((await browser.visit()).session.userId).toBe("ada");
  });

  test("gives no remember cookie to a thief with the session cookie only", async () => {
    const { app, browser } = await signedIn(true);
    app.clock.advance(HOUR);
    const thief = new TestBrowser(app, "Thief/1.0");
    thief.jar = new Map([...browser.jar].filter(([name]) => name === SESSION));
    const { setCookie } = await thief.visit((session) => session.renew());
    expect(setCookie.map((line) => line.split("=")[0])).toEqual([SESSION]);
    app.clock.advance(2 * MINUTE);
    expect((await browser.visit()).session.outcome).toBe("restored");
    expect(app.told()).not.toContain("theft");
    expect((await thief.visit()).session.isSignedIn).toBe(false);
  });

  test("gives no remember cookie for a superseded token either", async () => {
    const { app, browser } = await signedIn(true);
    const old = browser.jar.get(REMEMBER);
    browser.restart();
    app.clock.advance(HOUR);
    await browser.visit();
    app.clock.advance(HOUR);
    const thief = new TestBrowser(app, "Thief/1.0");
    thief.jar = new Map(
      [...browser.jar].map(([name, value]) => [name, name === REMEMBER && old ? old : value]),
    );
    const { setCookie } = await thief.visit((session) => session.renew());
    expect(setCookie.map((line) => line.split("=")[0])).toEqual([SESSION]);
    browser.restart();
    expect((await browser.visit()).session.userId).toBe("ada");
  });

  test("after a changed password ends a login whose token was not presented, and its cookie", async () => {
    const { app, browser } = await signedIn(true);
    const remembered = new Map([...browser.jar].filter(([name]) => name === REMEMBER));
    const keeper = new TestBrowser(app);
    keeper.jar = new Map([...browser.jar].filter(([name]) => name === SESSION));
    const { setCookie } = await keeper.visit((keep) => app.psession.passwordChanged("ada", { keep }));
    expect(setCookie.map((line) => [line.split("=")[0], line.includes("Max-Age=0")])).toEqual([
      [SESSION, false],
      [REMEMBER, true],
    ]);
    expect((await keeper.visit()).session.userId).toBe("ada");
    const left = await new TestBrowser(app).visit(undefined, { jar: remembered });
    expect(left.session.isSignedIn).toBe(false);
    expect(await app.psession.devices("ada")).toMatchObject([{ isRemembered: false }]);
  });

  test("says so where the request is only let in for a while", async () => {
    const { app, browser } = await signedIn(false);
    const late = browser.copyJar();
    await browser.visit((session) => session.regenerate());
    const { setCookie } = await new TestBrowser(app).visit((session) => session.renew(), { jar: late });
    expect(setCookie).toEqual([]);
    expect(app.events.at(-1)).toMatchObject({ type: "rotationDeferred", what: "renew", userId: "ada" });
  });

  test("of one secret, by regenerate, says so where the request is only accepted", async () => {
    const { app, browser } = await signedIn(true);
    browser.restart();
    const { setCookie, session } = await browser.visit((live) => live.regenerate());
    expect(session.outcome).toBe("accepted");
    expect(setCookie).toEqual([]);
    expect(app.events.at(-1)).toMatchObject({ type: "rotationDeferred", what: "regenerate", userId: "ada" });
    app.clock.advance(HOUR);
    const closed = await browser.visit((live) => live.regenerate());
    expect(closed.setCookie).toHaveLength(2);
    const head = await browser.visit((live) => live.regenerate(), { canSetCookies: false });
    expect(head.setCookie).toEqual([]);
    expect(app.events.at(-1)).toMatchObject({ type: "rotationDeferred", what: "regenerate" });
  });

  test("of a token that only an upgrade presents is an event that can be counted", async () => {
    const { app, browser } = await signedIn(true);
    browser.restart();
    app.clock.advance(HOUR);
    for (let day = 0; day < 3; day++) {
      const { session } = await browser.visit(undefined, { canSetCookies: false });
      expect(session).toMatchObject({ userId: "ada", outcome: "accepted" });
      app.clock.advance(HOUR);
    }
    const deferred = app.events.filter(({ type }) => type === "rotationDeferred");
    expect(deferred).toMatchObject(Array.from({ length: 3 }, () => ({ what: "restore", userId: "ada" })));
    expect((await browser.visit()).session.outcome).toBe("restored");
  });

  test("in flight while its login was rotated renews the session alone", async () => {
    const { app, browser } = await signedIn(true);
    app.clock.advance(HOUR);
    const renewing = await browser.open();
    await renewing.session.renew();
    const token = new Map([...browser.jar].filter(([name]) => name === REMEMBER));
    const other = new TestBrowser(app);
    other.jar = token;
    await other.visit();
    app.clock.advance(MINUTE);
    const lines = await renewing.answer();
    expect(lines.map((line) => line.split("=")[0])).not.toContain(REMEMBER);
    expect(await app.psession.devices("ada")).toHaveLength(1);
  });
});

describe("a confirmed password", () => {
  test("begins the session's deadlines anew, but never beyond its login's", async () => {
    const app = testApp({
      session: { absolute: "12h", idle: "12h" },
      remember: { absolute: "20h", idle: "20h" },
    });
    const start = app.clock.now();
    const plain = new TestBrowser(app);
    await plain.visit((session) => session.login("bob"));
    const remembered = new TestBrowser(app);
    await remembered.visit((session) => session.login("ada", { remember: true }));
    app.clock.advance(10 * HOUR);
    for (const browser of [plain, remembered]) await browser.visit((session) => session.reauthenticate());
    const { store } = app.psession.core.settings;
    const deadlineOf = async (user: string) => (await store.list(user))[0]?.session?.absoluteDeadline;
    expect(await deadlineOf("bob")).toBe(start + 22 * HOUR);
    expect(await deadlineOf("ada")).toBe(start + 20 * HOUR);
    expect((await app.psession.devices("ada"))[0]?.expiresAt).toBe(start + 20 * HOUR);
    remembered.restart();
    app.clock.advance(5 * HOUR);
    await remembered.visit((session) => session.reauthenticate());
    expect(await deadlineOf("ada")).toBe(start + 20 * HOUR);
  });

  test("a login's end moves with a sign-in that has the tick, and with nothing else", async () => {
    const app = testApp({ remember: { absolute: "10d", idle: "10d" } });
    const browser = new TestBrowser(app);
    const start = app.clock.now();
    const end = async () => (await app.psession.devices("ada"))[0]?.expiresAt;
    await browser.visit((session) => session.login("ada", { remember: true }));
    for (const act of ["restore", "confirm", "renew", "regenerate"]) {
      app.clock.advance(DAY);
      if (act === "restore") browser.restart();
      await browser.visit(async (session) => {
        if (act === "confirm") await session.reauthenticate();
        if (act === "renew") await session.renew();
        if (act === "regenerate") await session.regenerate();
      });
      if (act === "restore") app.clock.advance(HOUR);
      expect([act, await end()]).toEqual([act, start + 10 * DAY]);
    }
    await browser.visit((session) => session.login("ada", { remember: true }));
    expect(await end()).toBe(app.clock.now() + 10 * DAY);
  });
});
