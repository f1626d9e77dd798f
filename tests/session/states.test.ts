import { describe, expect, test } from "vitest";
import {
  REMEMBER,
  SESSION,
  TestBrowser,
  type TestSession,
  testApp,
  type VisitOptions,
} from "../support/app.ts";
import { HOUR, MINUTE } from "../support/clock.ts";
import { describeStores } from "../support/session-stores.ts";

const newState = (session: TestSession) => session.newState();
const take = (state: unknown) => (session: TestSession) => session.takeState(state);

describeStores("the state of a sign-in elsewhere, on", (makeStore) => {
  const setUp = () => {
    const app = testApp({ store: makeStore() });
    return { app, browser: new TestBrowser(app) };
  };

  test("counts once, in the session that began it and in no other", async () => {
    const { app, browser } = setUp();
    const { result: state } = await browser.visit(newState);
    expect(state).toMatch(/^[A-Za-z0-9_-]{43}$/);
    const stranger = new TestBrowser(app);
    await stranger.visit(newState);
    expect((await stranger.visit(take(state))).result).toBe(false);
    expect((await browser.visit(take(state), { jar: new Map() })).result).toBe(false);
    expect((await browser.visit(take(state))).result).toBe(true);
    expect((await browser.visit(take(state))).result).toBe(false);
  });

  test("counts once also where it comes in many requests at the same time", async () => {
    const { browser } = setUp();
    const { result: state } = await browser.visit(newState);
    const visits = await Promise.all(Array.from({ length: 5 }, () => browser.open()));
    const taken = await Promise.all(visits.map(({ session }) => session.takeState(state)));
    expect(taken.filter(Boolean)).toHaveLength(1);
    for (const visit of visits) {
      visit.session.set("name", "saved meanwhile");
      await visit.answer();
    }
    expect((await browser.visit(take(state))).result).toBe(false);
  });

  test("is one of several, and parallel pages do not overwrite each other's", async () => {
    const { browser } = setUp();
    await browser.visit((session) => session.set("count", 1));
    const visits = await Promise.all(Array.from({ length: 4 }, () => browser.open()));
    const states = visits.map(({ session }) => session.newState());
    for (const visit of visits) await visit.answer();
    for (const state of states) expect((await browser.visit(take(state))).result).toBe(true);
  });

  test("signs another user in where one was remembered, and the one before does not come back", async () => {
    for (const remember of [false, true]) {
      const { app, browser } = setUp();
      await browser.visit(async (session) => {
        await session.login("ada", { remember: true });
        session.set("cart", ["tea"]);
      });
      browser.restart();
      app.clock.advance(HOUR);
      const { result: state } = await browser.visit(newState);
      browser.restart();
      const { setCookie } = await browser.visit(async (session) => {
        expect(session.userId).toBe("ada");
        expect(await session.takeState(state)).toBe(true);
        await session.login("bob", { remember });
        session.push("cart", "ink");
      });
      expect(setCookie.map((line) => line.split("=")[0])).toEqual([SESSION, REMEMBER]);
      expect((await browser.visit()).session).toMatchObject({ userId: "bob", data: { cart: ["ink"] } });
      app.clock.advance(3 * HOUR);
      browser.restart();
      expect((await browser.visit()).session.userId).toBe(remember ? "bob" : undefined);
      expect(await app.psession.devices("ada")).toEqual([]);
    }
  });
});

describe("the state of a sign-in elsewhere", () => {
  const setUp = () => {
    const app = testApp();
    return { app, browser: new TestBrowser(app) };
  };

  test("lives for ten minutes, or as long as it is given", async () => {
    const { app, browser } = setUp();
    for (const [lifetime, time] of [
      [undefined, 10 * MINUTE],
      ["1h", HOUR],
    ] as const) {
      const begin = (session: TestSession) => session.newState(lifetime === undefined ? {} : { lifetime });
      const { result: early } = await browser.visit(begin);
      app.clock.advance(time - 1);
      expect((await browser.visit(take(early))).result).toBe(true);
      const { result: late } = await browser.visit(begin);
      app.clock.advance(time);
      expect((await browser.visit(take(late))).result).toBe(false);
    }
  });

  test("the newest ten count", async () => {
    const { app, browser } = setUp();
    const states: string[] = [];
    for (let at = 0; at < 12; at++) {
      app.clock.advance(1);
      states.push((await browser.visit(newState)).result);
    }
    const taken: boolean[] = [];
    for (const state of states) taken.push((await browser.visit(take(state))).result);
    expect(taken).toEqual(states.map((_, at) => at >= 2));
  });

  test("can be taken in the very request that made it, and several times asked for", async () => {
    const { browser } = setUp();
    const { result } = await browser.visit(async (session) => {
      const state = session.newState();
      return [await session.takeState(state), await session.takeState(state)];
    });
    expect(result).toEqual([true, false]);
  });

  test("anything else is no state, and costs no write", async () => {
    const { app, browser } = setUp();
    const { result: state } = await browser.visit(newState);
    app.events.length = 0;
    for (const other of [
      undefined,
      null,
      7,
      "",
      [state],
      { state },
      `${state}=`,
      `${state} `,
      state.slice(1),
    ])
      expect((await browser.visit(take(other))).result).toBe(false);
    const last = state.slice(-1);
    const twin = String.fromCharCode(last.charCodeAt(0) + 1);
    expect((await browser.visit(take(state.slice(0, -1) + twin))).result).toBe(false);
    expect(app.events).toEqual([]);
    expect((await browser.visit(take(state))).result).toBe(true);
  });

  test("is not in the store, nor among temp values or data", async () => {
    const { app, browser } = setUp();
    const { result: state, session } = await browser.visit(newState);
    const row = await app.psession.core.settings.store.findSession(session.id);
    expect(row?.data).toContain("psession:state:");
    expect(row?.data).not.toContain(state);
    const { result } = await browser.visit((next) => [next.temp.keys(), Object.keys(next.data)]);
    expect(result).toEqual([[], []]);
  });

  test("an attacker who planted the session before the sign-in knows no state of the one after it", async () => {
    const { browser } = setUp();
    const { result: planted } = await browser.visit(newState);
    const mallory = browser.copyJar();
    const signingIn = await browser.open();
    await signingIn.session.login("ada");
    // And begins another one while the sign-in is under way.
    const { result: late } = await browser.visit(newState, { jar: mallory });
    await signingIn.answer();
    for (const state of [planted, late]) expect((await browser.visit(take(state))).result).toBe(false);
  });

  test("begun in the request of a sign-in, after it, it counts", async () => {
    const { browser } = setUp();
    const { result } = await browser.visit(async (session) => {
      const before = session.newState();
      await session.login("ada");
      return [before, session.newState()];
    });
    const taken: boolean[] = [];
    for (const state of result) taken.push((await browser.visit(take(state))).result);
    expect(taken).toEqual([false, true]);
  });

  test("goes with a sign-out", async () => {
    const { browser } = setUp();
    await browser.visit((session) => session.login("ada"));
    const { result: state } = await browser.visit(newState);
    const visit = await browser.open();
    await visit.session.logout();
    expect(await visit.session.takeState(state)).toBe(false);
    await visit.answer();
    expect((await browser.visit(take(state))).result).toBe(false);
  });

  test("is not kept for a visitor whose cookies were withheld, unless a session is begun anew", async () => {
    const { app, browser } = setUp();
    const forged: VisitOptions = { jar: new Map(), crossSite: true, safe: false, navigation: true };
    const { setCookie } = await browser.visit(newState, forged);
    expect(setCookie).toEqual([]);
    expect(app.events).toMatchObject([{ type: "saveDiscarded", why: "cross_site" }]);
    const { result: state } = await browser.visit((session) => {
      session.startAnew();
      return session.newState();
    }, forged);
    expect((await browser.visit(take(state))).result).toBe(true);
  });

  test("invalid lifetimes and unknown options are refused", async () => {
    const { browser } = setUp();
    for (const options of [
      { lifetime: 0 },
      { lifetime: "soon" },
      { lifetime: "25h" },
      { lifetime: -1 },
      { for: "5m" },
      "5m",
      null,
    ] as never[]) {
      await expect(browser.visit((session) => session.newState(options))).rejects.toMatchObject({
        code: "invalid_options",
      });
    }
    const destroyed = await browser.open();
    await destroyed.session.destroy();
    expect(() => destroyed.session.newState()).toThrow(
      expect.objectContaining({ code: "session_destroyed" }),
    );
  });
});
