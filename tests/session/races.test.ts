import { expect, test } from "vitest";
import { PsessionError } from "../../src/index.ts";
import { sqliteStore } from "../../src/stores/sqlite/index.ts";
import { REMEMBER, SESSION, TestBrowser, testApp } from "../support/app.ts";
import { HOUR, laterClock, MINUTE, SECOND } from "../support/clock.ts";
import { describeStores } from "../support/session-stores.ts";
import { intercepted } from "../support/stores.ts";

describeStores("on", (makeStore) => {
  const setUp = async (options: Parameters<typeof testApp>[0] = {}) => {
    const app = testApp({ store: makeStore(), clock: laterClock(), ...options });
    const browser = new TestBrowser(app);
    await browser.visit((session) => session.login("ada", { remember: true }));
    return { app, browser };
  };

  test("a renewal in flight does not undo a revocation", async () => {
    const { app, browser } = await setUp();
    const open = await browser.open();
    await open.session.renew();
    await app.psession.revokeUser("ada");
    expect(await open.answer()).toEqual([]);
    expect(await app.psession.devices("ada")).toEqual([]);
    expect((await browser.visit()).session.userId).toBeUndefined();
  });

  test("a thief's renewal in flight does not outlive a password change on another device", async () => {
    const { app, browser } = await setUp();
    const thief = new TestBrowser(app);
    thief.jar = browser.copyJar();
    const phone = new TestBrowser(app);
    await phone.visit((session) => session.login("ada", { remember: true }));
    const open = await thief.open();
    await open.session.renew();
    await phone.visit((keep) => app.psession.passwordChanged("ada", { keep }));
    await open.answer();
    expect((await thief.visit()).session.userId).toBeUndefined();
    expect((await phone.visit()).session.userId).toBe("ada");
    expect(await app.psession.devices("ada")).toHaveLength(1);
  });

  test("a logout, then another user's sign-in, beside a save: no data crosses over", async () => {
    const { browser } = await setUp();
    await browser.visit((session) => session.set("name", "ada's secret"));
    const open = await browser.open();
    await open.session.logout();
    await open.session.login("bob");
    await browser.visit((session) => session.set("count", 1));
    await open.answer();
    const { session } = await browser.visit();
    expect(session).toMatchObject({ userId: "bob", data: {} });
  });

  test("an update that throws, or whose store fails, changed nothing", async () => {
    let failing = false;
    const store = intercepted(makeStore(), async (name, call) => {
      if (failing && name === "apply") throw new PsessionError("store_unavailable", "down");
      return call();
    });
    const { browser } = await setUp({ store });
    await browser.visit((session) => session.set("count", 5));
    await browser.visit(async (session) => {
      const broken = session.update((data) => {
        data.count = 99;
        throw new Error("broken");
      });
      await expect(broken).rejects.toThrow("broken");
      expect(session.data.count).toBe(5);
      const increment = () =>
        session.update((data) => {
          data.count = (data.count ?? 0) + 1;
        });
      failing = true;
      await expect(increment()).rejects.toMatchObject({ code: "store_unavailable" });
      failing = false;
      await increment();
      await expect(session.update(async () => 1)).rejects.toMatchObject({ code: "invalid_data" });
    });
    expect((await browser.visit()).session.data.count).toBe(6);
  });

  test("updates beside each other in one request, and in others, lose none", async () => {
    const { browser } = await setUp();
    const increment = (data: { count?: number }) => {
      data.count = (data.count ?? 0) + 1;
    };
    for (let round = 0; round < 20; round++) {
      await Promise.all(
        Array.from({ length: 3 }, () =>
          browser.visit((session) => Promise.all([session.update(increment), session.update(increment)])),
        ),
      );
    }
    expect((await browser.visit()).session.data.count).toBe(120);
  });

  test("a save that is not awaited makes one sign-in, not two", async () => {
    const { app, browser } = await setUp();
    await browser.visit((session) => session.logout());
    await browser.visit(async (session) => {
      await session.login("ada");
      void session.save();
    });
    expect(await app.psession.devices("ada")).toHaveLength(1);
    expect((await browser.visit()).session.userId).toBe("ada");
  });

  test("a sign-in whose save failed is not performed after all", async () => {
    let failing = true;
    const store = intercepted(makeStore(), async (name, call) => {
      if (failing && name === "apply") throw new PsessionError("store_unavailable", "down");
      return call();
    });
    const app = testApp({ store });
    const browser = new TestBrowser(app);
    await browser.visit(async (session) => {
      await session.login("ada", { remember: true });
      await expect(session.save()).rejects.toMatchObject({ code: "store_unavailable" });
      failing = false;
      expect(session.isSignedIn).toBe(false);
    });
    expect((await browser.visit()).session.isSignedIn).toBe(false);
  });

  test("an explicit save of a session that was ended says so", async () => {
    const { app, browser } = await setUp();
    const open = await browser.open();
    await app.psession.revokeUser("ada");
    open.session.set("count", 1);
    await expect(open.session.save()).rejects.toMatchObject({ code: "session_ended", status: 409 });
    const again = await new TestBrowser(app).open();
    await again.answer();
  });

  test("signing in, saving, leaving and a farewell in one request", async () => {
    const { app, browser } = await setUp();
    await browser.visit(async (session) => {
      await session.logout();
      await session.login("ada");
      await session.save();
      await session.logout();
      session.set("name", "bye");
    });
    expect(await app.psession.devices("ada")).toEqual([]);
    expect((await browser.visit()).session).toMatchObject({ userId: undefined, data: { name: "bye" } });
  });

  test("a save in a restoring request leaves the exchange of the secret to its answer", async () => {
    const { app, browser } = await setUp();
    browser.restart();
    app.clock.advance(HOUR);
    const slow = await browser.open();
    slow.session.set("count", 1);
    await slow.session.save();
    expect(app.told()).not.toContain("restored");
    app.clock.advance(2 * MINUTE);
    expect((await browser.visit()).session.outcome).toBe("restored");
    app.clock.advance(2 * MINUTE);
    expect(await slow.answer()).toEqual([]);
    browser.restart();
    app.clock.advance(10 * MINUTE);
    expect((await browser.visit()).session).toMatchObject({ userId: "ada", data: { count: 1 } });
    expect(app.told()).not.toContain("theft");
  });

  test("a confirmed password with an early save raises the level with the answer", async () => {
    const { app, browser } = await setUp();
    browser.restart();
    app.clock.advance(HOUR);
    await browser.visit(async (session) => {
      await session.reauthenticate();
      session.set("count", 1);
      await session.save();
    });
    expect((await browser.visit()).session).toMatchObject({ level: "login", data: { count: 1 } });
  });

  test("a request that was open while the secret changed hands does not take the session back", async () => {
    const { app, browser } = await setUp({ session: { rotateEvery: "1h" } });
    const thief = new TestBrowser(app);
    thief.jar = browser.copyJar();
    thief.jar.delete(REMEMBER);
    const slow = await thief.open();
    browser.restart();
    app.clock.advance(90 * MINUTE);
    await browser.visit();
    expect(await slow.answer()).toEqual([]);
    expect((await thief.visit()).session.userId).toBeUndefined();
    expect((await browser.visit()).session).toMatchObject({ userId: "ada", outcome: "live" });
  });

  test("a slow request that would rotate leaves a session alone whose password was confirmed meanwhile", async () => {
    const { app, browser } = await setUp();
    browser.restart();
    const confirming = await browser.open();
    await confirming.session.reauthenticate();
    app.clock.advance(3 * MINUTE);
    const slow = await browser.open();
    expect(slow.session.outcome).toBe("restored");
    await confirming.answer();
    app.clock.advance(10 * MINUTE);
    slow.session.set("name", "slow");
    expect(await slow.answer()).toEqual([]);
    const { session } = await browser.visit();
    expect(session).toMatchObject({ level: "login", outcome: "live", data: { name: "slow" } });
  });

  test("a slow answer does not clear a remember cookie that came meanwhile", async () => {
    const { app, browser } = await setUp();
    await app.psession.revokeUser("ada");
    browser.restart();
    app.clock.advance(2 * MINUTE);
    const slow = await browser.open({ navigation: true });
    await browser.visit((session) => session.login("ada", { remember: true }));
    app.clock.advance(30 * SECOND);
    await slow.answer();
    expect(browser.jar.has(REMEMBER)).toBe(true);
  });

  test("a changed password, then a confirmed one, in either order, is a fresh login", async () => {
    for (const order of ["change first", "confirm first"]) {
      const { app, browser } = await setUp();
      browser.restart();
      app.clock.advance(HOUR);
      await browser.visit(async (keep) => {
        if (order === "confirm first") await keep.reauthenticate();
        await app.psession.passwordChanged("ada", { keep });
        if (order === "change first") await keep.reauthenticate();
      });
      expect((await browser.visit()).session).toMatchObject({
        level: "login",
        authenticatedAt: app.clock.now(),
      });
    }
  });

  test("a planted anonymous session in flight cannot log its later owner out", async () => {
    const { app } = await setUp();
    const browser = new TestBrowser(app);
    await browser.visit((session) => session.set("count", 1));
    const attacker = new TestBrowser(app);
    attacker.jar = browser.copyJar();
    const slow = await attacker.open();
    await browser.visit((session) => session.login("eve"));
    await slow.session.logout();
    await slow.answer();
    expect((await browser.visit()).session.userId).toBe("eve");
  });

  test("a secret that a sign-in replaced ends nothing by signing out, and says so", async () => {
    const { app, browser } = await setUp();
    const old = browser.copyJar();
    old.delete(REMEMBER);
    await browser.visit((session) => session.login("ada"));
    const { setCookie } = await new TestBrowser(app).visit((session) => session.logout(), { jar: old });
    expect(setCookie.map((line) => line.split("=")[0])).toEqual([SESSION, REMEMBER]);
    expect(app.told()).toContain("logoutUnmatched");
    expect((await browser.visit()).session.userId).toBe("ada");
  });

  test("a remembered sign-in, saved, then one without the tick, leaves no remember cookie", async () => {
    const { app, browser } = await setUp();
    await browser.visit((session) => session.logout());
    await browser.visit(async (session) => {
      await session.login("ada", { remember: true });
      await session.save();
      await session.login("ada");
    });
    expect([...browser.jar.keys()]).toEqual([SESSION]);
    expect((await app.psession.devices("ada")).map(({ isRemembered }) => isRemembered)).toEqual([false]);
  });

  test("a user id that drivers would change is refused", async () => {
    const { browser } = await setUp();
    await browser.visit(async (session) => {
      for (const id of ["admin\0evil", "a\ud800", "line\nbreak"]) {
        await expect(session.login(id)).rejects.toMatchObject({ code: "invalid_user_id" });
      }
    });
  });

  test("a toJSON cannot smuggle in what would lock the session", async () => {
    const { browser } = await setUp();
    const visit = await browser.open();
    Object.assign(visit.session.data, { name: { toJSON: () => JSON.parse('{"__proto__":{"x":1}}') } });
    await expect(visit.answer()).rejects.toMatchObject({ code: "invalid_data" });
    expect((await browser.visit()).session.data).toEqual({});
  });
});

test.each(["tells", "does not tell"])(
  "sessions are not written inside a transaction of the application, where the driver %s",
  async (tells) => {
    const { DatabaseSync } = await import("node:sqlite");
    const database = new DatabaseSync(":memory:");
    // As in Node before 22.16.
    const silent = {
      exec: (sql: string) => database.exec(sql),
      prepare: (sql: string) => database.prepare(sql),
      close: () => database.close(),
    };
    const app = testApp({ store: sqliteStore({ database: tells === "tells" ? database : silent }) });
    const browser = new TestBrowser(app);
    const open = await browser.open();
    open.session.set("count", 1);
    database.exec("BEGIN");
    await expect(open.answer()).rejects.toMatchObject({ code: "store_unavailable" });
    database.exec("ROLLBACK");
    await open.answer();
    expect((await browser.visit()).session.data.count).toBe(1);
    database.close();
  },
);
