import { setTimeout as pause } from "node:timers/promises";
import { afterEach, describe, expect, test, vi } from "vitest";
import { memoryStore, PsessionError } from "../../src/index.ts";
import { LONGEST_TURN } from "../../src/request/lines.ts";
import { TestBrowser, testApp } from "../support/app.ts";
import { CROWD } from "../support/crowd.ts";
import { intercepted } from "../support/stores.ts";

afterEach(() => void vi.useRealTimers());

/** A store that takes its time, as one over a network does, and counts what it is asked. */
function slowStore(before: (name: string) => unknown = () => {}) {
  const calls: string[] = [];
  const store = intercepted(memoryStore(), async (name, call) => {
    calls.push(name);
    await before(name);
    await pause(1);
    return call();
  });
  return { store, calls, taken: (name: string) => calls.filter((call) => call === name).length };
}

const range = (length: number) => Array.from({ length }, (_, index) => index);

async function setUp(before?: (name: string) => unknown) {
  const slow = slowStore(before);
  const app = testApp({ store: slow.store });
  const browser = new TestBrowser(app);
  await browser.visit((session) => session.set("count", 0));
  slow.calls.length = 0;
  return { ...slow, app, browser };
}

describe("commits of one session that meet a conflict take turns", () => {
  test("four hundred writers cost three calls each at most, and none is lost", CROWD, async () => {
    const { app, browser, calls, taken } = await setUp();
    const visits = await Promise.all(range(400).map(() => browser.open()));
    calls.length = 0;
    await Promise.all(
      visits.map(async ({ session, answer }, index) => {
        session.set(`key${index}`, index);
        await answer();
      }),
    );
    expect(taken("apply")).toBeLessThanOrEqual(2 * 400);
    expect(taken("findSession")).toBeLessThanOrEqual(400);
    expect(Object.keys((await browser.visit()).session.data)).toHaveLength(401);
    const retried = app.events.filter(({ type }) => type === "mergeRetried");
    expect(retried).toHaveLength(399);
    expect(retried.every((event) => "attempt" in event && event.attempt === 1)).toBe(true);
    expect(app.told()).not.toContain("mergeConflict");
  });

  test("commits that arrive meanwhile join them: one read and one write", async () => {
    const { browser, calls, taken } = await setUp();
    const visits = await Promise.all(range(50).map(() => browser.open()));
    const late = await Promise.all(range(50).map(() => browser.open()));
    const first = visits.map(({ session, answer }, index) => {
      session.set(`key${index}`, index);
      return answer();
    });
    await vi.waitUntil(() => taken("findSession") > 100);
    calls.length = 0;
    const second = late.map(({ session, answer }, index) => {
      session.set(`late${index}`, index);
      return answer();
    });
    await Promise.all([...first, ...second]);
    expect(taken("apply")).toBeLessThanOrEqual(50 + 50);
    expect(Object.keys((await browser.visit()).session.data)).toHaveLength(101);
  });

  test("updates, too, each on what the one before stored", async () => {
    const { browser, taken } = await setUp();
    await Promise.all(
      range(100).map(() =>
        browser.visit((session) =>
          session.update((data) => {
            data.count = (data.count ?? 0) + 1;
          }),
        ),
      ),
    );
    expect((await browser.visit()).session.data.count).toBe(100);
    expect(taken("apply")).toBeLessThanOrEqual(200);
  });

  test("without a conflict nothing waits, and nothing is read again", async () => {
    const { browser, calls } = await setUp();
    for (const index of range(5)) await browser.visit((session) => session.set("count", index + 1));
    expect(calls).toEqual(range(5).flatMap(() => ["findSession", "apply"]));
  });

  test("one that the store fails is an error of its own, and the others are stored", async () => {
    let failing = 0;
    const { browser } = await setUp((name) => {
      if (name === "apply" && ++failing % 7 === 0) throw new PsessionError("store_unavailable", "down");
    });
    const visits = await Promise.all(range(60).map(() => browser.open()));
    const settled = await Promise.allSettled(
      visits.map(({ session, answer }, index) => {
        session.set(`key${index}`, index);
        return answer();
      }),
    );
    const stored = settled.filter(({ status }) => status === "fulfilled");
    expect(stored.length).toBeGreaterThan(20);
    failing = -100;
    expect(Object.keys((await browser.visit()).session.data)).toHaveLength(1 + stored.length);
  });

  test("one that hangs delays others no longer than a store may take, and no other session at all", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout"] });
    let hangs = false;
    const store = intercepted(memoryStore(), async (name, call) => {
      if (hangs && name === "findSession") {
        hangs = false;
        return new Promise(() => {});
      }
      return call();
    });
    const app = testApp({ store });
    const [browser, other] = [new TestBrowser(app), new TestBrowser(app)];
    for (const each of [browser, other]) await each.visit((session) => session.set("count", 0));
    const visits = await Promise.all(range(20).map(() => browser.open()));
    const others = await Promise.all(range(5).map(() => other.open()));
    let done = 0;
    hangs = true;
    for (const [index, { session, answer }] of visits.entries()) {
      session.set(`key${index}`, index);
      answer().then(
        () => done++,
        () => {},
      );
    }
    await Promise.all(
      others.map(({ session, answer }, index) => {
        session.set(`key${index}`, index);
        return answer();
      }),
    );
    await vi.advanceTimersByTimeAsync(LONGEST_TURN - 1);
    expect(done).toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    await vi.waitUntil(() => done === 19);
    await browser.visit((session) => session.set("after", true));
    expect(Object.keys((await browser.visit()).session.data)).toHaveLength(21);
  });

  test("a store that is down fails all that wait at once, not one after the other", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout"] });
    let isDown = false;
    const store = intercepted(memoryStore(), async (name, call) => {
      if (!isDown || name !== "findSession") return call();
      await new Promise((resolve) => setTimeout(resolve, 1000));
      throw new PsessionError("store_unavailable", "did not answer");
    });
    const app = testApp({ store });
    const browser = new TestBrowser(app);
    await browser.visit((session) => session.set("count", 0));
    const visits = await Promise.all(range(50).map(() => browser.open()));
    isDown = true;
    let failed = 0;
    for (const [index, { session, answer }] of visits.entries()) {
      session.set(`key${index}`, index);
      answer().catch(() => failed++);
    }
    await vi.advanceTimersByTimeAsync(1000);
    expect(failed).toBe(1);
    await vi.advanceTimersByTimeAsync(1000);
    expect(failed).toBe(49);
  });

  test("a sign-out does not wait for them", async () => {
    const { browser, taken } = await setUp();
    const leaving = await browser.open();
    const visits = await Promise.all(range(100).map(() => browser.open()));
    const writing = visits.map(({ session, answer }, index) => {
      session.set(`key${index}`, index);
      return answer();
    });
    await vi.waitUntil(() => taken("findSession") > 110);
    await leaving.session.logout();
    await leaving.answer();
    const after = taken("findSession");
    await Promise.all(writing);
    expect(after).toBeLessThan(150);
    expect((await browser.visit()).session.data).toEqual({});
  });
});
