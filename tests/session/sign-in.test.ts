import { expect, test } from "vitest";
import { REMEMBER, SESSION, TestBrowser, testApp } from "../support/app.ts";
import { DAY, HOUR, MINUTE } from "../support/clock.ts";
import { describeStores } from "../support/session-stores.ts";
import { counted } from "../support/stores.ts";

describeStores("on", (makeStore) => {
  const setUp = () => {
    const app = testApp({ store: makeStore() });
    return { app, browser: new TestBrowser(app) };
  };

  test("an anonymous visitor's data comes back, and an untouched session is never stored", async () => {
    const { app, browser } = setUp();
    const first = await browser.visit();
    expect(first.setCookie).toEqual([]);
    expect(app.told()).toEqual([]);
    await browser.visit((session) => session.push("cart", "tea"));
    expect(app.told()).toEqual(["created"]);
    const { result, session } = await browser.visit(({ data }) => data.cart);
    expect(result).toEqual(["tea"]);
    expect(session.level).toBe("anonymous");
  });

  test("cookies are exactly as they should be", async () => {
    const { browser } = setUp();
    const { setCookie } = await browser.visit((session) => session.login("7", { remember: true }));
    expect(setCookie[0]).toMatch(
      /^__Host-psession=[\w-]{22}\.[\w-]{43}\.[\w-]{22}; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
    );
    expect(setCookie[1]).toMatch(
      /^__Host-psession-remember=[\w-]{22}\.0\.[\w-]{43}\.[\w-]{22}; Max-Age=2592000; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
    );
    const { setCookie: cleared } = await browser.visit((session) => session.logout());
    const gone = "Max-Age=0; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; Secure; SameSite=Lax";
    expect(cleared).toEqual([`${SESSION}=; ${gone}`, `${REMEMBER}=; ${gone}`]);
  });

  test("signing in gives a new secret, keeps the id and the cart, and the planted cookie dies", async () => {
    const { app, browser } = setUp();
    const { session: before } = await browser.visit((session) => session.set("cart", ["tea"]));
    const planted = browser.copyJar();
    const { session } = await browser.visit((session) => session.login("ada"));
    expect(session).toMatchObject({ id: before.id, userId: "ada", level: "login", isPersistent: false });
    expect(session.authenticatedAt).toBe(app.clock.now());
    expect(session.data.cart).toEqual(["tea"]);
    const thief = new TestBrowser(app);
    const stolen = await thief.visit((session) => session.data, { jar: planted });
    expect(stolen.session.userId).toBeUndefined();
    expect(stolen.result).toEqual({});
  });

  test("a request with the planted cookie can neither save nor put a cookie over the new one", async () => {
    const { app, browser } = setUp();
    await browser.visit((session) => session.set("cart", ["tea"]));
    const planted = browser.copyJar();
    await browser.visit((session) => session.login("ada"));
    const late = await browser.visit((session) => session.set("cart", ["poison"]), { jar: planted });
    expect(late.session.outcome).toBe("replaced");
    expect(late.setCookie).toEqual([]);
    expect((await browser.visit(({ data }) => data.cart)).result).toEqual(["tea"]);
    expect(app.told()).toContain("saveDiscarded");
  });

  test("a save of the anonymous session that is in flight does not reach into the signed-in one", async () => {
    const { app, browser } = setUp();
    await browser.visit((session) => session.set("cart", ["tea"]));
    const slow = await browser.open();
    await browser.visit((session) => session.login("ada"));
    slow.session.set("cart", ["poison"]);
    expect(await slow.answer()).toEqual([]);
    expect((await browser.visit(({ data }) => data.cart)).result).toEqual(["tea"]);
    expect(app.events.at(-1)).toMatchObject({ type: "saveDiscarded", why: "taken_over" });
  });

  test("carry chooses what a sign-in keeps", async () => {
    const { browser } = setUp();
    const fill = () => browser.visit((session) => session.set({ cart: ["tea"], name: "x", count: 1 }));
    await fill();
    expect((await browser.visit((s) => s.login("1", { carry: ["cart"] }))).session.data).toEqual({
      cart: ["tea"],
    });
    await browser.visit((session) => session.logout());
    await fill();
    expect((await browser.visit((s) => s.login("1", { carry: "none" }))).session.data).toEqual({});
  });

  test("a carry function may give back what it got", async () => {
    const { browser } = setUp();
    await browser.visit((session) => session.set("name", "x"));
    const { session } = await browser.visit((session) => session.login("1", { carry: (present) => present }));
    expect(session.data).toEqual({ name: "x" });
  });

  test("a carry function gets the data of the user's latest other session", async () => {
    const { app, browser } = setUp();
    const phone = new TestBrowser(app);
    await phone.visit(async (session) => {
      await session.login("1");
      session.set("cart", ["milk"]);
    });
    await browser.visit((session) => session.set("cart", ["tea"]));
    await browser.visit((session) =>
      session.login("1", {
        carry: (present, previous) => ({ cart: [...(previous?.cart ?? []), ...(present.cart ?? [])] }),
      }),
    );
    expect((await browser.visit(({ data }) => data.cart)).result).toEqual(["milk", "tea"]);
  });

  test("of the other session only its data comes along: flash messages and temp values stay behind", async () => {
    const { app, browser } = setUp();
    const phone = new TestBrowser(app);
    await phone.visit(async (session) => {
      await session.login("1");
      session.set("name", "of the phone");
      session.flash.set("notice", "for the phone");
      session.temp.set("code", "1234", "5m");
    });
    let seen: unknown;
    await browser.visit((session) =>
      session.login("1", {
        carry: (present, previous) => {
          seen = previous;
          return { ...present, ...previous };
        },
      }),
    );
    expect(seen).toEqual({ name: "of the phone" });
    const { result } = await browser.visit(async ({ data, temp, flash }) => [
      data,
      temp.get("code"),
      await flash.get("notice"),
    ]);
    expect(result).toEqual([{ name: "of the phone" }, undefined, undefined]);
    expect((await phone.visit((session) => session.flash.get("notice"))).result).toBe("for the phone");
  });

  test("a previous session that was read already is not read again, nor one that is known not to be", async () => {
    const { store, calls } = counted(makeStore());
    const app = testApp({ store });
    const carted = async (previous: { data: string } | null) => {
      const { session } = await new TestBrowser(app).visit(async (session) => {
        session.set("cart", ["tea"]);
        await session.login("1", {
          previous,
          carry: (present, previous) => ({ cart: [...(previous?.cart ?? []), ...(present.cart ?? [])] }),
        });
      });
      return session.data.cart;
    };
    await carted(null);
    calls.length = 0;
    expect(await carted({ data: '{"cart":["milk"]}' })).toEqual(["milk", "tea"]);
    expect(await carted(null)).toEqual(["tea"]);
    expect(calls).toEqual(["apply", "apply"]);
  });

  test.each([
    ["no JSON", "milk"],
    ["no object", "[1]"],
    ["a forbidden key", '{"__proto__":{"admin":true}}'],
    ["more than a session may hold", JSON.stringify({ cart: ["x".repeat(70_000)] })],
  ])("a previous session that holds %s does not prevent a sign-in", async (_, data) => {
    const store = makeStore();
    const app = testApp({ store });
    const { session: other } = await new TestBrowser(app).visit((session) => session.login("1"));
    await store.apply({ kind: "save", update: { id: other.id, version: 1, set: { data } } });
    for (const previous of [undefined, { data }]) {
      const { session } = await new TestBrowser(app).visit((session) => {
        session.set("cart", ["tea"]);
        return session.login("1", { previous, carry: (present, previous) => ({ ...previous, ...present }) });
      });
      expect(session.data).toEqual({ cart: ["tea"] });
      // What is newest is to be the damaged one again.
      await app.psession.revoke(session.id);
    }
    const told = { type: "previousUnreadable", at: app.clock.now(), userId: "1" };
    expect(app.events.filter(({ type }) => type === "previousUnreadable")).toEqual([told, told]);
  });

  test("another user in the same browser does not inherit data", async () => {
    const { browser } = setUp();
    await browser.visit(async (session) => {
      await session.login("ada", { remember: true });
      session.set("cart", ["secret gift"]);
    });
    await browser.visit((session) => session.login("bob"));
    const { session } = await browser.visit();
    expect(session.userId).toBe("bob");
    expect(session.data).toEqual({});
    expect(browser.jar.has(REMEMBER)).toBe(false);
  });

  test("signing in again replaces the browser's remembered login, with or without the tick", async () => {
    const { app, browser } = setUp();
    await browser.visit((session) => session.login("ada", { remember: true }));
    const first = browser.copyJar();
    await browser.visit((session) => session.login("ada", { remember: true }));
    expect(await app.psession.devices("ada")).toHaveLength(1);
    first.delete(SESSION);
    expect((await new TestBrowser(app).visit(undefined, { jar: first })).session.outcome).toBe("revoked");
    await browser.visit((session) => session.login("ada"));
    expect(browser.jar.has(REMEMBER)).toBe(false);
    const devices = await app.psession.devices("ada");
    expect(devices.map(({ isRemembered }) => isRemembered)).toEqual([false]);
  });

  test("a remember cookie that comes with somebody else's live session ends no login when it is old", async () => {
    const { app, browser } = setUp();
    await browser.visit((session) => session.login("ada", { remember: true }));
    const old = browser.jar.get(REMEMBER);
    for (let visit = 0; visit < 2; visit++) {
      browser.restart();
      app.clock.advance(HOUR);
      await browser.visit();
    }
    const attacker = new TestBrowser(app);
    await attacker.visit((session) => session.set("name", "x"));
    await attacker.visit((session) => session.login("mallory"));
    if (old !== undefined) attacker.jar.set(REMEMBER, old);
    await attacker.visit((session) => session.login("mallory"));
    expect((await browser.visit()).session.userId).toBe("ada");
  });

  test("logout ends everything, and everything captured before is refused", async () => {
    const { app, browser } = setUp();
    await browser.visit(async (session) => {
      await session.login("ada", { remember: true });
      session.set("cart", ["tea"]);
    });
    const captured = browser.copyJar();
    const { session } = await browser.visit((session) => session.logout());
    expect(session).toMatchObject({ userId: undefined, level: "anonymous", isSignedIn: false });
    expect(browser.jar.size).toBe(0);
    for (const drop of [[], [SESSION], [REMEMBER]]) {
      const jar = new Map([...captured].filter(([name]) => !drop.includes(name)));
      const replay = await new TestBrowser(app).visit(({ data }) => data, { jar });
      expect(replay.session.userId).toBeUndefined();
      expect(replay.result).toEqual({});
    }
    expect(await app.psession.devices("ada")).toEqual([]);
  });

  test("what is set after a logout goes to a new anonymous session", async () => {
    const { browser } = setUp();
    const { session: before } = await browser.visit((session) => session.login("ada"));
    await browser.visit(async (session) => {
      await session.logout();
      session.set("name", "goodbye");
    });
    const { session } = await browser.visit();
    expect(session.data).toEqual({ name: "goodbye" });
    expect(session).toMatchObject({ userId: undefined, level: "anonymous" });
    expect(session.id).not.toBe(before.id);
  });

  test("a destroyed session says so", async () => {
    const { browser } = setUp();
    await browser.visit((session) => session.login("ada", { remember: true }));
    await browser.visit(async (session) => {
      await session.destroy();
      expect(() => session.data).toThrow(expect.objectContaining({ code: "session_destroyed" }));
      await expect(session.login("ada")).rejects.toMatchObject({ code: "session_destroyed" });
    });
    expect(browser.jar.size).toBe(0);
  });

  test("a save in flight does not bring back a session that was ended", async () => {
    const { app, browser } = setUp();
    await browser.visit((session) => session.login("ada", { remember: true }));
    const slow = await browser.open();
    await browser.visit((session) => session.logout());
    slow.session.set("cart", ["late"]);
    expect(await slow.answer()).toEqual([]);
    expect(await app.psession.devices("ada")).toEqual([]);
    expect(app.events.at(-1)).toMatchObject({ type: "saveDiscarded", why: "ended" });
  });

  test("two sign-ins at once both work, whichever answer comes last", async () => {
    for (const order of ["first", "second"]) {
      const { browser } = setUp();
      await browser.visit((session) => session.set("cart", ["tea"]));
      const first = await browser.open();
      const second = await browser.open();
      await first.session.login("ada", { remember: true });
      await second.session.login("ada", { remember: true });
      await first.answer({ lost: order === "second" });
      await second.answer({ lost: order === "first" });
      const { session } = await browser.visit();
      expect(session).toMatchObject({ userId: "ada", level: "login" });
      expect(session.data.cart).toEqual(["tea"]);
    }
  });

  test("deadlines are the server's: idle since the last use, absolute since the sign-in", async () => {
    const { app, browser } = setUp();
    await browser.visit((session) => session.login("ada"));
    app.clock.advance(119 * MINUTE);
    expect((await browser.visit()).session.isSignedIn).toBe(true);
    app.clock.advance(119 * MINUTE);
    expect((await browser.visit()).session.isSignedIn).toBe(true);
    app.clock.advance(121 * MINUTE);
    expect((await browser.visit()).session.outcome).toBe("expired");

    await browser.visit((session) => session.login("ada"));
    for (let passed = 0; passed < DAY; passed += HOUR) {
      expect((await browser.visit()).session.isSignedIn).toBe(true);
      app.clock.advance(HOUR);
    }
    app.clock.advance(1);
    expect((await browser.visit()).session.isSignedIn).toBe(false);
  });

  test("a handler that is still running does not bring back a session whose time ran out", async () => {
    const { app, browser } = setUp();
    await browser.visit((session) => session.login("ada"));
    const slow = await browser.open();
    app.clock.advance(121 * MINUTE);
    slow.session.set("name", "late");
    await expect(slow.session.save()).rejects.toMatchObject({ code: "session_ended" });
    expect(await slow.answer()).toEqual([]);
    expect((await browser.visit()).session.outcome).toBe("expired");
    expect(app.told()).toContain("saveDiscarded");
  });

  test("what it saves in a remembered session is there when the browser is restored, and not before", async () => {
    const { app, browser } = setUp();
    await browser.visit((session) => session.login("ada", { remember: true }));
    const slow = await browser.open();
    app.clock.advance(121 * MINUTE);
    slow.session.set("name", "late");
    await slow.answer();
    const withoutRemember = new Map([...browser.jar].filter(([name]) => name === SESSION));
    const visit = { jar: withoutRemember, lost: true };
    expect((await browser.visit(undefined, visit)).session.outcome).toBe("expired");
    const { session } = await browser.visit();
    expect([session.level, session.data]).toEqual(["remembered", { name: "late" }]);
  });

  test("nor does it lose a session that others used meanwhile", async () => {
    const { app, browser } = setUp();
    await browser.visit((session) => session.login("ada"));
    const slow = await browser.open();
    app.clock.advance(HOUR);
    await browser.visit();
    app.clock.advance(HOUR + MINUTE);
    slow.session.set("name", "late");
    await slow.answer();
    expect((await browser.visit()).session).toMatchObject({ userId: "ada", data: { name: "late" } });
  });

  test("a clock set back by a day revives nothing", async () => {
    const { app, browser } = setUp();
    await browser.visit((session) => session.login("ada", { remember: true }));
    app.clock.advance(-DAY);
    const { session, setCookie } = await browser.visit((session) => session.set("name", "x"));
    expect(session).toMatchObject({ userId: undefined, outcome: "skew" });
    expect(setCookie).toEqual([]);
    app.clock.advance(DAY);
    expect((await browser.visit()).session.userId).toBe("ada");
  });

  test("reauthentication lifts the level, renews the time, and the old secret gets nothing", async () => {
    const { app, browser } = setUp();
    await browser.visit((session) => session.login("ada", { remember: true }));
    const authenticatedAt = app.clock.now();
    browser.restart();
    app.clock.advance(HOUR);
    const restored = await browser.visit();
    expect(restored.session).toMatchObject({ level: "remembered", isPersistent: true, authenticatedAt });
    expect(restored.session.isFresh({ within: "30d" })).toBe(false);
    const before = browser.copyJar();
    const { session } = await browser.visit((session) => session.reauthenticate());
    expect(session).toMatchObject({ level: "login", isPersistent: false, authenticatedAt: app.clock.now() });
    expect(session.isFresh({ within: "10m" })).toBe(true);
    const replay = await new TestBrowser(app).visit(undefined, { jar: before });
    expect(replay.session.level).toBe("remembered");
    expect(replay.setCookie).toEqual([]);
    before.delete(REMEMBER);
    expect((await new TestBrowser(app).visit(undefined, { jar: before })).session.userId).toBeUndefined();
    expect((await browser.visit()).session.level).toBe("login");
  });

  test("a double click on confirm keeps the browser signed in, whichever answer comes last", async () => {
    for (const order of ["first", "second"]) {
      const { browser } = setUp();
      await browser.visit((session) => session.login("ada"));
      const first = await browser.open();
      const second = await browser.open();
      await first.session.reauthenticate();
      await second.session.reauthenticate();
      const cookies = [await first.answer({ lost: true }), await second.answer({ lost: true })];
      for (const lines of order === "first" ? cookies : cookies.reverse()) {
        for (const line of lines)
          browser.jar.set(SESSION, { value: line.split(/[=;]/)[1] ?? "", isTransient: true });
      }
      expect((await browser.visit()).session).toMatchObject({ userId: "ada", level: "login" });
    }
  });

  test("regenerate keeps id and data, and serves requests on their way with the old secret", async () => {
    const { app, browser } = setUp();
    const { session: before } = await browser.visit(async (session) => {
      await session.login("ada");
      session.set("count", 1);
    });
    const old = browser.copyJar();
    expect(app.told()).not.toContain("rotated");
    const { session, setCookie } = await browser.visit((session) => session.regenerate());
    expect(setCookie).toHaveLength(1);
    expect(session.id).toBe(before.id);
    expect(app.events.at(-1)).toMatchObject({ type: "rotated", sessionId: before.id, userId: "ada" });
    const late = await browser.visit((session) => session.set("name", "late"), { jar: old });
    expect(late.session.userId).toBe("ada");
    expect(late.setCookie).toEqual([]);
    expect((await browser.visit()).session.data).toEqual({ count: 1, name: "late" });
    app.clock.advance(66_000);
    expect((await new TestBrowser(app).visit(undefined, { jar: old })).session.userId).toBeUndefined();
  });

  test("rotateEvery exchanges the secret by itself, but not in scripts", async () => {
    const clocked = testApp({ store: makeStore(), session: { rotateEvery: "10m" } });
    const browser = new TestBrowser(clocked);
    await browser.visit((session) => session.login("ada"));
    clocked.clock.advance(11 * MINUTE);
    expect((await browser.visit(undefined, { script: true })).setCookie).toEqual([]);
    expect((await browser.visit()).setCookie).toHaveLength(1);
    expect((await browser.visit()).setCookie).toEqual([]);
    expect((await browser.visit()).session.userId).toBe("ada");
  });

  test("rotateEvery serves requests on their way, which read and write and get no cookie, and then no more", async () => {
    const app = testApp({ store: makeStore(), session: { rotateEvery: "10m" } });
    const browser = new TestBrowser(app);
    await browser.visit(async (session) => {
      await session.login("ada");
      session.set("count", 1);
    });
    app.clock.advance(11 * MINUTE);
    const old = browser.copyJar();
    const open = await browser.open({ jar: old });
    await browser.visit();
    expect(app.told().filter((type) => type === "rotated")).toHaveLength(1);
    open.session.set("name", "open since before");
    expect(await open.answer()).toEqual([]);
    for (const visit of [{ jar: old }, { jar: old, script: true }]) {
      const late = await browser.visit((session) => {
        session.data.count = (session.data.count ?? 0) + 1;
      }, visit);
      expect([late.session.userId, late.setCookie]).toEqual(["ada", []]);
    }
    expect((await browser.visit()).session).toMatchObject({
      outcome: "live",
      data: { count: 3, name: "open since before" },
    });
    expect(app.told().filter((type) => type === "rotated")).toHaveLength(1);
    app.clock.advance(66_000);
    const replay = await new TestBrowser(app).visit(({ data }) => data, { jar: old });
    expect([replay.session.userId, replay.result]).toEqual([undefined, {}]);
  });

  test("regenerate keeps the named keys, and destroys the rest", async () => {
    const { browser } = setUp();
    const fill = () => browser.visit((session) => session.set({ cart: ["tea"], name: "x", count: 1 }));
    await fill();
    await browser.visit((session) => session.regenerate({ keep: ["cart", "count"] }));
    expect((await browser.visit()).session.data).toEqual({ cart: ["tea"], count: 1 });
    await fill();
    const { session: before } = await browser.visit((session) => session.flash.set("notice", "Hi"));
    await browser.visit((session) => session.regenerate({ keep: "none" }));
    const { session, result } = await browser.visit((session) => session.flash.get("notice"));
    expect([session.id, session.data, result]).toEqual([before.id, {}, undefined]);
  });

  test("devices are listed, and ended one by one, all others, or all", async () => {
    const { app, browser } = setUp();
    const chrome =
      "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36";
    const phone = new TestBrowser(app, chrome);
    const third = new TestBrowser(app);
    await browser.visit((session) => session.login("ada"));
    app.clock.advance(MINUTE);
    await phone.visit((session) => session.login("ada", { remember: true }));
    app.clock.advance(MINUTE);
    await third.visit((session) => session.login("ada", { remember: true }));
    const { result, session } = await browser.visit((session) => session.devices());
    expect(result.map(({ label, isRemembered, current }) => [label, isRemembered, current])).toEqual([
      ["Unknown browser", true, false],
      ["Chrome on Windows", true, false],
      ["Unknown browser", false, true],
    ]);
    expect(result[2]?.handle).toBe(session.handle);
    const handle = result[1]?.handle ?? "";
    const stranger = new TestBrowser(app);
    await stranger.visit((session) => session.login("mallory"));
    expect((await stranger.visit((session) => session.revoke(handle))).result).toBe(false);
    expect((await browser.visit((session) => session.revoke(handle))).result).toBe(true);
    expect((await phone.visit()).session.isSignedIn).toBe(false);
    expect((await browser.visit((session) => session.revokeOthers())).result).toBe(1);
    expect((await third.visit()).session.isSignedIn).toBe(false);
    expect((await browser.visit()).session.isSignedIn).toBe(true);
    expect(await app.psession.revokeUser("ada")).toBe(1);
    expect((await browser.visit()).session.isSignedIn).toBe(false);
  });

  test("ending the device at hand is a logout", async () => {
    const { browser } = setUp();
    await browser.visit((session) => session.login("ada", { remember: true }));
    await browser.visit((session) => session.revoke(session.handle));
    expect(browser.jar.size).toBe(0);
  });

  test("a changed password ends every other device and copies of this one's cookies", async () => {
    const { app, browser } = setUp();
    const other = new TestBrowser(app);
    await other.visit((session) => session.login("ada", { remember: true }));
    await browser.visit((session) => session.login("ada", { remember: true }));
    const copies = browser.copyJar();
    const { result } = await browser.visit((keep) => app.psession.passwordChanged("ada", { keep }));
    expect(result).toBe(1);
    expect((await other.visit()).session.isSignedIn).toBe(false);
    expect((await browser.visit()).session).toMatchObject({ userId: "ada", level: "login" });
    browser.restart();
    app.clock.advance(HOUR);
    expect((await browser.visit()).session).toMatchObject({ userId: "ada", level: "remembered" });
    for (const drop of [[], [SESSION], [REMEMBER]]) {
      const jar = new Map([...copies].filter(([name]) => !drop.includes(name)));
      expect((await new TestBrowser(app).visit(undefined, { jar })).session.isSignedIn).toBe(false);
    }
  });

  test("a changed password without keep ends everything of the user's, whatever is in flight", async () => {
    const { app, browser } = setUp();
    const other = new TestBrowser(app);
    await other.visit((session) => session.login("ada"));
    await browser.visit((session) => session.login("ada", { remember: true }));
    const bob = new TestBrowser(app);
    await bob.visit((session) => session.login("bob"));
    const slow = await browser.open();
    slow.session.set("name", "late");
    expect(await app.psession.passwordChanged("ada")).toBe(2);
    expect(await slow.answer()).toEqual([]);
    for (const each of [browser, other]) expect((await each.visit()).session.isSignedIn).toBe(false);
    expect((await bob.visit()).session.userId).toBe("bob");
    const reasons = app.events.flatMap((event) => (event.type === "revoked" ? event.reason : []));
    expect(reasons).toEqual(["password_changed", "password_changed"]);
  });

  test("a password change does not prolong the remembered login", async () => {
    const { app, browser } = setUp();
    await browser.visit((session) => session.login("ada", { remember: true }));
    app.clock.advance(10 * DAY);
    await browser.visit((keep) => app.psession.passwordChanged("ada", { keep }));
    for (const [days, isSignedIn] of [
      [10, true],
      [9, true],
      [2, false],
    ] as const) {
      browser.restart();
      app.clock.advance(days * DAY);
      expect((await browser.visit()).session.isSignedIn).toBe(isSignedIn);
    }
  });

  test("calls that need a user say so, and strange user ids are refused", async () => {
    const { browser, app } = setUp();
    await browser.visit(async (session) => {
      await expect(session.reauthenticate()).rejects.toMatchObject({ code: "not_signed_in", status: 401 });
      await expect(session.devices()).rejects.toMatchObject({ code: "not_signed_in" });
      for (const id of ["", Number.NaN, 1.5, null, undefined, {}, [], "x".repeat(300)]) {
        await expect(session.login(id as string)).rejects.toMatchObject({ code: "invalid_user_id" });
      }
    });
    await browser.visit((session) => session.login("ada"));
    await browser.visit(async (keep) => {
      await expect(app.psession.passwordChanged("bob", { keep })).rejects.toMatchObject({
        code: "not_signed_in",
      });
    });
  });

  test("exchanging keys logs nobody out", async () => {
    const store = makeStore();
    const oldApp = testApp({ store });
    const browser = new TestBrowser(oldApp);
    await browser.visit((session) => session.login("ada", { remember: true }));
    const newKey = "Zz9Yy8Xx7Ww6Vv5Uu4Tt3Ss2Rr1Qq0Pp";
    const both = testApp({ store, clock: oldApp.clock, keys: [newKey, "k9Vv3Qm7sXw2Lr8TzYb4Nc6Jd1Hf5Gp0"] });
    const moved = new TestBrowser(both);
    moved.jar = browser.jar;
    expect((await moved.visit()).session.userId).toBe("ada");
    moved.restart();
    both.clock.advance(HOUR);
    expect((await moved.visit()).session.userId).toBe("ada");
    const alone = testApp({ store, clock: oldApp.clock, keys: [newKey] });
    const later = new TestBrowser(alone);
    later.jar = moved.jar;
    expect((await later.visit()).session.userId).toBe("ada");
  });
});
