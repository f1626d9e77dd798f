import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { memoryStore, PsessionError, type PsessionOptions, type Store } from "../../src/index.ts";
import { Pruner } from "../../src/upkeep/prune.ts";
import { TestBrowser, testApp } from "../support/app.ts";
import { DAY, HOUR, MINUTE, SECOND } from "../support/clock.ts";
import { intercepted } from "../support/stores.ts";

const START = Date.UTC(2030, 0, 1);
beforeEach(() => void vi.useFakeTimers({ toFake: ["Date"], now: START }));
afterEach(() => void vi.useRealTimers());

/** A server with a clock of its own, and a process with the system's, which tests set. */
function setUp(options: Partial<PsessionOptions> = {}) {
  const server = { now: START, asked: 0, isDown: false };
  const calls: string[] = [];
  const withClock: Store = Object.assign(memoryStore(), {
    clock: async () => {
      server.asked++;
      if (server.isDown) throw new PsessionError("store_unavailable", "down");
      return server.now;
    },
  });
  const store = intercepted(withClock, (name, call) => {
    if (name !== "clock") calls.push(name);
    return call();
  });
  const app = testApp({ store, clock: undefined as never, ...options });
  const pass = (milliseconds: number) => {
    server.now += milliseconds;
    vi.setSystemTime(Date.now() + milliseconds);
  };
  const jump = (milliseconds: number) => void vi.setSystemTime(Date.now() + milliseconds);
  return { app, store, server, calls, pass, jump };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

async function remembered(app: ReturnType<typeof testApp>) {
  const browser = new TestBrowser(app);
  await browser.visit((session) => session.login("ada", { remember: true }));
  return browser;
}

describe("a process whose clock is wrong", () => {
  test("prunes nothing, by itself or on request, and reports both times", async () => {
    const { app, calls, jump, pass } = setUp({ prune: { every: "15m" } });
    const browser = await remembered(app);
    jump(32 * DAY);
    calls.length = 0;
    const pruner = new Pruner(app.psession.core);
    expect(await pruner.turn()).toBeUndefined();
    expect(await app.psession.prune()).toEqual({ sessions: 0, logins: 0, audit: 0, addresses: 0 });
    expect(calls).toEqual([]);
    const told = { type: "clockDiffers", at: START + 32 * DAY, storeTime: START };
    expect(app.events.filter(({ type }) => type === "clockDiffers")).toEqual([told, told]);
    jump(-32 * DAY);
    browser.restart();
    pass(HOUR);
    expect((await browser.visit((session) => session.userId)).result).toBe("ada");
    pass(32 * DAY);
    expect(await app.psession.prune()).toMatchObject({ logins: 1 });
    await app.psession.close();
  });

  test("behind by more than five seconds as well, by less it is what servers differ by", async () => {
    const { app, jump } = setUp();
    for (const [by, differs] of [
      [5 * SECOND, false],
      [SECOND, true],
      [-12 * SECOND, true],
    ] as const) {
      jump(by);
      app.events.length = 0;
      await app.psession.prune();
      expect(app.told().includes("clockDiffers"), String(by)).toBe(differs);
    }
  });

  test("clears no remember cookie as expired, not even before it has asked", async () => {
    const { app, jump, pass } = setUp();
    const browser = await remembered(app);
    browser.restart();
    const old = browser.copyJar();
    jump(32 * DAY);
    for (let count = 0; count < 3; count++) {
      const { session, setCookie } = await browser.visit(undefined, { navigation: true });
      expect([session.outcome, setCookie]).toEqual(["expired", []]);
      await settled();
    }
    jump(-32 * DAY);
    pass(2 * MINUTE);
    expect((await browser.visit((session) => session.userId)).result).toBe("ada");
    await settled();
    pass(32 * DAY);
    await browser.visit(undefined, { navigation: true, jar: old });
    await settled();
    const late = await browser.visit(undefined, { navigation: true, jar: old });
    expect([late.session.outcome, late.setCookie.length]).toEqual(["expired", 1]);
  });
});

describe("the clock is compared", () => {
  test("with the first request that reads, which does not wait, and a few times an hour", async () => {
    const { app, server, pass } = setUp();
    await settled();
    expect(server.asked).toBe(0);
    await new TestBrowser(app).visit();
    expect(server.asked).toBe(0);
    const browser = await remembered(app);
    for (let count = 0; count < 5; count++) await browser.visit();
    expect(server.asked).toBe(1);
    await settled();
    pass(14 * MINUTE);
    await browser.visit();
    expect(server.asked).toBe(1);
    pass(2 * MINUTE);
    await browser.visit();
    expect(server.asked).toBe(2);
    expect(app.told()).not.toContain("clockDiffers");
  });

  test("again where it failed, and no request fails by it", async () => {
    const { app, server, pass } = setUp();
    server.isDown = true;
    const browser = await remembered(app);
    expect((await browser.visit((session) => session.userId)).result).toBe("ada");
    await settled();
    await browser.visit();
    expect(server.asked).toBe(1);
    pass(2 * MINUTE);
    await browser.visit();
    expect(server.asked).toBe(2);
    await expect(app.psession.prune()).rejects.toMatchObject({ code: "store_unavailable" });
  });

  test("unless it is the application's own, or the store has none", async () => {
    const own = setUp({ clock: { now: () => START + 100 * DAY } });
    const browser = await remembered(own.app);
    await browser.visit();
    await own.app.psession.prune();
    expect([own.server.asked, own.app.told().includes("clockDiffers")]).toEqual([0, false]);
    const none = testApp({ clock: undefined as never });
    await remembered(none);
    vi.setSystemTime(START + 32 * DAY);
    expect(await none.psession.prune()).toMatchObject({ logins: 1 });
  });
});
