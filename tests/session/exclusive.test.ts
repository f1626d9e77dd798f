import { expect, test } from "vitest";
import type { LockOptions } from "../../src/index.ts";
import { TestBrowser, testApp } from "../support/app.ts";
import { describeStores } from "../support/session-stores.ts";

const setUp = async (options = {}) => {
  const app = testApp(options);
  const browser = new TestBrowser(app);
  await browser.visit((session) => session.set("count", 0));
  return { app, browser };
};

describeStores("exclusive requests of one session on", (makeStore) => {
  test("see what those before them saved, and lose nothing", async () => {
    const { app, browser } = await setUp({ store: makeStore() });
    await Promise.all(
      Array.from({ length: 20 }, () =>
        browser.visit(async (session) => {
          await session.exclusive();
          const { count = 0 } = session.data;
          // Room for the others to come in between.
          await new Promise(setImmediate);
          session.set("count", count + 1);
        }),
      ),
    );
    expect((await browser.visit()).session.data.count).toBe(20);
    expect(app.told()).not.toContain("mergeConflict");
  });
});

test("one that ended its session leaves nothing to those that waited", async () => {
  const { browser } = await setUp();
  const first = await browser.open();
  const second = await browser.open();
  await first.session.exclusive();
  const waiting = second.session.exclusive();
  await first.session.logout();
  await first.answer();
  await waiting;
  expect(second.session.data).toEqual({});
  second.session.set("count", 5);
  await expect(second.session.save()).rejects.toMatchObject({ code: "session_ended" });
});

test("a request whose user signed out while it waited gets session_ended", async () => {
  const { browser } = await setUp();
  await browser.visit((session) => session.login("ada", { remember: true }));
  const first = await browser.open();
  const second = await browser.open();
  await first.session.exclusive();
  const waiting = second.session.exclusive();
  await first.session.logout();
  await first.answer();
  await expect(waiting).rejects.toMatchObject({ code: "session_ended", status: 401 });
  expect([second.session.userId, second.session.data]).toEqual([undefined, {}]);
  expect(await second.answer()).toEqual([]);
});

test("after a logout there is nothing to wait for, and the former user's data does not come back", async () => {
  const { app, browser } = await setUp();
  await browser.visit(async (session) => {
    session.set("name", "Ada");
    await session.login("ada");
  });
  const holder = await browser.open();
  await holder.session.exclusive();
  const { session } = await browser.visit(async (session) => {
    await session.logout();
    await session.exclusive({ wait: 0 });
    session.set("count", 1);
  });
  expect(session.data).toEqual({ count: 1 });
  expect((await browser.visit()).session.data).toEqual({ count: 1 });
  expect(app.told()).toContain("logout");
});

test("limits are checked, all at once", async () => {
  const { browser } = await setUp();
  const { session } = await browser.open();
  const wrong = { hold: 0, wait: "2d", weight: 1 } as LockOptions;
  await expect(session.exclusive(wrong)).rejects.toThrow(
    /^exclusive cannot start:\n- hold must be a positive.*\n- wait must be.*\n- weight is no option$/,
  );
});

test("changes made before the turn came are kept", async () => {
  const { browser } = await setUp();
  const first = await browser.open();
  const second = await browser.open();
  await first.session.exclusive();
  second.session.set("name", "second");
  const waiting = second.session.exclusive();
  first.session.set("count", 1);
  await first.answer();
  await waiting;
  expect(second.session.data).toEqual({ name: "second", count: 1 });
  await second.answer();
  expect((await browser.visit()).session.data).toEqual({ name: "second", count: 1 });
});

test("sessions do not wait for each other, nor do requests that did not ask", async () => {
  const { app, browser } = await setUp();
  const holder = await browser.open();
  await holder.session.exclusive();
  await browser.visit((session) => session.set("name", "free"));
  const other = new TestBrowser(app);
  await other.visit((session) => session.set("count", 0));
  await other.visit((session) => session.exclusive());
  await holder.session.exclusive();
  await holder.answer();
});

test("a caller that waits too long gets lock_timeout, and the holder is not disturbed", async () => {
  const { browser } = await setUp();
  const holder = await browser.open();
  await holder.session.exclusive();
  const late = await browser.open();
  await expect(late.session.exclusive({ wait: 0 })).rejects.toMatchObject({
    code: "lock_timeout",
    status: 503,
  });
  await late.answer();
  holder.session.set("count", 1);
  await holder.answer();
  expect((await browser.visit((session) => session.exclusive())).session.data.count).toBe(1);
});

test("a restore takes its turn as well, and a session that is not stored needs none", async () => {
  const { browser } = await setUp();
  await browser.visit((session) => session.login("ada", { remember: true }));
  browser.restart();
  const { session } = await browser.visit((session) => session.exclusive());
  expect([session.level, session.data.count]).toEqual(["remembered", 0]);
  const { setCookie } = await new TestBrowser(testApp()).visit((session) => session.exclusive());
  expect(setCookie).toEqual([]);
});

test("pull takes a value out", async () => {
  const { browser } = await setUp();
  await browser.visit((session) => session.set({ name: "Ada", nested: { a: 1, b: 2 } }));
  const { result, session } = await browser.visit((session) => [
    session.pull("name"),
    session.pull("nested.a"),
    session.pull("missing"),
  ]);
  expect(result).toEqual(["Ada", 1, undefined]);
  expect(session.data).toEqual({ count: 0, nested: { b: 2 } });
});
