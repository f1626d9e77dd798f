import { AsyncLocalStorage } from "node:async_hooks";
import { expect, onTestFinished, test, vi } from "vitest";
import { memoryStore, type Store } from "../../src/index.ts";
import { type TestApp, TestBrowser, testApp } from "../support/app.ts";
import { HOUR, MINUTE } from "../support/clock.ts";
import { failingStore, intercepted } from "../support/stores.ts";

/** A visitor who is signed in, and another app's browser that is told from theirs. */
async function signedIn(userId = "ada", remember = false) {
  const { store, calls, failing } = failingStore();
  const app = testApp({ store, session: { idle: "30m" } });
  const browser = new TestBrowser(app);
  await browser.visit((session) => session.login(userId, { remember }).then(() => {}));
  return { app, browser, calls, failing };
}

/** Whoever waits for the end is told in a later turn. */
const told = async (listener: ReturnType<typeof vi.fn>) =>
  vi.waitFor(() => expect(listener).toHaveBeenCalledOnce());
/** Every read that an event brought about has come back. */
const quiet = () => new Promise((resolve) => setImmediate(resolve));

test("a session is alive until it is logged out, revoked, or past its deadline", async () => {
  const { app, browser } = await signedIn();
  const { session } = await browser.open();
  expect(await session.isAlive()).toBe(true);
  app.clock.advance(29 * MINUTE);
  expect(await session.isAlive()).toBe(true);
  app.clock.advance(2 * MINUTE);
  expect(await session.isAlive()).toBe(false);

  await browser.visit((own) => own.login("ada").then(() => {}));
  const again = await browser.open();
  await app.psession.revokeUser("ada");
  expect(await again.session.isAlive()).toBe(false);
  expect(await (await new TestBrowser(app).open()).session.isAlive()).toBe(false);
});

test("onEnd is not called for a visitor without a session, nor for a sign-in before its response", async () => {
  const app = testApp();
  const [visitor, ada] = [new TestBrowser(app), new TestBrowser(app)];
  const [none, early] = [vi.fn(), vi.fn()];
  await visitor.visit((session) => void session.onEnd(none));
  const signingIn = await ada.open();
  await signingIn.session.login("ada");
  signingIn.session.onEnd(early);
  await app.psession.revokeEveryone();
  await quiet();
  expect([none, early].map(({ mock }) => mock.calls.length)).toEqual([0, 0]);
  app.clock.advance(1);
  const again = await ada.open();
  await again.session.login("ada");
  again.session.onEnd(early);
  await again.answer();
  await quiet();
  expect(early).not.toHaveBeenCalled();
  await app.psession.revokeUser("ada");
  await told(early);
});

test.each<[string, (scene: Awaited<ReturnType<typeof signedIn>>) => Promise<unknown>]>([
  ["a logout", ({ browser }) => browser.visit((session) => session.logout())],
  ["a revocation of the user", ({ app }) => app.psession.revokeUser("ada")],
  [
    "a revocation of the device",
    async ({ app }) => {
      const [device] = await app.psession.devices("ada");
      await app.psession.revoke(device?.handle ?? "");
    },
  ],
  ["a changed password", ({ app }) => app.psession.passwordChanged("ada")],
  ["the end of all users' sessions", ({ app }) => app.psession.revokeEveryone()],
  [
    "another user's sign-in",
    ({ browser }) => browser.visit((session) => session.login("bob").then(() => {})),
  ],
  [
    "a store that cannot say",
    ({ app, failing }) => {
      failing.add("findSession");
      return app.psession.revokeUser("ada");
    },
  ],
])("onEnd is called on %s, once", async (_, end) => {
  for (const remember of [false, true]) {
    const scene = await signedIn("ada", remember);
    const { session } = await scene.browser.open();
    const [listener, stopped] = [vi.fn(), vi.fn()];
    session.onEnd(listener);
    session.onEnd(stopped)();
    await end(scene);
    await told(listener);
    scene.failing.clear();
    scene.app.clock.advance(1);
    await scene.browser.visit((own) => own.login("ada").then(() => {}));
    await scene.browser.visit((own) => own.logout());
    await quiet();
    expect(listener).toHaveBeenCalledOnce();
    expect(stopped).not.toHaveBeenCalled();
  }
});

test("onEnd is not called for other devices or other users", async () => {
  const { app, browser } = await signedIn();
  const { session } = await browser.open();
  const listener = vi.fn();
  session.onEnd(listener);
  for (const userId of ["ada", "bob"]) {
    const other = new TestBrowser(app);
    await other.visit((own) => own.login(userId).then(() => {}));
    await other.visit((own) => own.logout());
  }
  await quiet();
  expect(listener).not.toHaveBeenCalled();
  expect(await session.isAlive()).toBe(true);
});

test.each<[string, boolean, (scene: Awaited<ReturnType<typeof signedIn>>) => Promise<unknown>]>([
  ["a new secret", false, ({ browser }) => browser.visit((session) => session.regenerate())],
  ["a renewal", true, ({ browser }) => browser.visit((session) => session.renew())],
  ["a confirmed password", true, ({ browser }) => browser.visit((session) => session.reauthenticate())],
  [
    "a changed password, for the session that changed it",
    true,
    ({ app, browser }) =>
      browser.visit(async (session) => {
        await app.psession.passwordChanged("ada", { keep: session });
      }),
  ],
])("%s ends an open connection that stands on the old secret: %s", async (_, ends, change) => {
  const scene = await signedIn();
  const { session } = await scene.browser.open();
  const listener = vi.fn();
  session.onEnd(listener);
  await change(scene);
  await (ends ? told(listener) : quiet());
  expect(listener).toHaveBeenCalledTimes(ends ? 1 : 0);
  expect(await session.isAlive()).toBe(!ends);
  session.set("name", "late");
  if (ends) {
    await expect(session.save()).rejects.toMatchObject({ code: "session_ended" });
    await expect(session.reload()).rejects.toMatchObject({ code: "session_ended" });
  } else await session.save();
  expect((await scene.browser.visit()).session.data.name).toBe(ends ? undefined : "late");
  expect(await (await scene.browser.open()).session.isAlive()).toBe(true);
});

test("a request that signs in and then streams gets onEnd of that session", async () => {
  const app = testApp();
  const browser = new TestBrowser(app);
  const listener = vi.fn();
  await browser.visit(async (session) => {
    session.onEnd(listener);
    await session.login("ada", { remember: true });
  });
  await quiet();
  expect(listener).not.toHaveBeenCalled();
  await app.psession.revokeUser("ada");
  await told(listener);
});

test("a request that makes a first session and then streams gets onEnd as well", async () => {
  const app = testApp();
  const browser = new TestBrowser(app);
  const listener = vi.fn();
  await browser.visit((session) => {
    session.onEnd(listener);
    session.push("cart", "tea");
  });
  await browser.visit((session) => session.logout());
  await told(listener);
});

test("a connection that restored a remembered login gets onEnd as well", async () => {
  const { app, browser } = await signedIn("ada", true);
  browser.restart();
  app.clock.advance(HOUR);
  const listener = vi.fn();
  await browser.visit((session) => void session.onEnd(listener));
  await app.psession.revokeUser("ada");
  await told(listener);
});

test("a thousand connections have two timers, and the end of one costs one read", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
  const { store, calls } = failingStore();
  const app = testApp({ store });
  const stops: (() => void)[] = [];
  const ended = vi.fn();
  for (let each = 0; each < 1000; each++) {
    const browser = new TestBrowser(app);
    await browser.visit((session) => session.login(each).then(() => {}));
    stops.push((await browser.open()).session.onEnd(() => ended(each)));
  }
  await quiet();
  expect(vi.getTimerCount()).toBe(2);
  calls.length = 0;
  await app.psession.revokeUser(7);
  await quiet();
  expect(ended.mock.calls).toEqual([[7]]);
  expect(calls.filter((name) => name === "findSession")).toHaveLength(1);
  for (const stop of stops) stop();
  calls.length = 0;
  await app.psession.revokeUser(8);
  await vi.advanceTimersByTimeAsync(MINUTE);
  expect(calls).not.toContain("findSession");
  expect(vi.getTimerCount(), "the next reading was the last").toBeLessThanOrEqual(1);
});

test("a user's hundred devices that end at once are read twice each at most", async () => {
  const { store, calls } = failingStore();
  const app = testApp({ store });
  const ended = vi.fn();
  for (let each = 0; each < 100; each++) {
    const browser = new TestBrowser(app);
    await browser.visit((session) => session.login("ada").then(() => {}));
    (await browser.open()).session.onEnd(ended);
  }
  calls.length = 0;
  await app.psession.revokeUser("ada");
  await vi.waitFor(() => expect(ended).toHaveBeenCalledTimes(100));
  expect(calls.filter((name) => name === "findSession").length).toBeLessThanOrEqual(200);
});

/** Timers run by the clock of the tests. */
async function timed(remember = false) {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
  const scene = await signedIn("ada", remember);
  const pass = async (milliseconds: number) => {
    for (let passed = 0; passed < milliseconds; passed += 1000) {
      scene.app.clock.advance(1000);
      await vi.advanceTimersByTimeAsync(1000);
    }
  };
  return { ...scene, pass };
}

test("onEnd is called when a session was not used for too long, to the second, and a use puts it off", async () => {
  const { browser, pass } = await timed();
  const ended = vi.fn();
  (await browser.open()).session.onEnd(ended);
  await pass(20 * MINUTE);
  await browser.visit();
  await pass(30 * MINUTE - 2000);
  expect(ended).not.toHaveBeenCalled();
  await pass(3000);
  expect(ended).toHaveBeenCalledOnce();
});

test("onEnd is called when the longest life of a session is over, however much it is used", async () => {
  const { app, browser, pass } = await timed();
  const began = app.clock.now();
  const ended = vi.fn();
  (await browser.open()).session.onEnd(ended);
  while (app.clock.now() - began < 24 * HOUR - MINUTE) {
    app.clock.advance(20 * MINUTE);
    await vi.advanceTimersByTimeAsync(20 * MINUTE);
    await browser.visit();
  }
  await pass(2 * MINUTE);
  expect(ended).toHaveBeenCalledOnce();
});

test("an end between the opening of the session and onEnd is noticed", async () => {
  const { app, browser } = await signedIn();
  const { session } = await browser.open();
  await app.psession.revokeUser("ada");
  const ended = vi.fn();
  session.onEnd(ended);
  await told(ended);
});

test("an end that another process made is found by the next reading", async () => {
  const { app, browser, pass } = await timed();
  const elsewhere = testApp({ store: app.psession.core.settings.store, clock: app.clock });
  const ended = vi.fn();
  (await browser.open()).session.onEnd(ended);
  // Past what this process hears of its own store.
  vi.spyOn(app.psession.core.endings, "changed").mockImplementation(() => {});
  await elsewhere.psession.revokeUser("ada");
  expect(ended).not.toHaveBeenCalled();
  await pass(5000);
  expect(ended).toHaveBeenCalledOnce();
});

test("a store that is down for less than a minute closes no connection, one that stays down closes all", async () => {
  const { browser, failing, pass } = await timed();
  const ended = vi.fn();
  (await browser.open()).session.onEnd(ended);
  await pass(10_000);
  failing.add("findSession");
  await pass(50_000);
  failing.clear();
  await pass(10_000);
  failing.add("findSession");
  await pass(50_000);
  expect(ended).not.toHaveBeenCalled();
  await pass(20_000);
  expect(ended).toHaveBeenCalledOnce();
});

test("a listener runs where it was given, not in the request that ends the session", async () => {
  const { app, browser } = await signedIn();
  const context = new AsyncLocalStorage<string>();
  const seen: unknown[] = [];
  const { session } = await browser.open();
  context.run("stream", () => void session.onEnd(() => void seen.push(context.getStore())));
  await context.run("sign-out", () => app.psession.revokeUser("ada"));
  await vi.waitFor(() => expect(seen).toEqual(["stream"]));
});

test("a listener that throws, or whose promise rejects, fails nothing", async () => {
  const warned = vi.spyOn(process, "emitWarning").mockImplementation(() => {});
  const { app, browser } = await signedIn();
  const { session } = await browser.open();
  const ended = vi.fn();
  session.onEnd(() => {
    throw new Error("broken");
  });
  session.onEnd(async () => {
    throw new Error("broken later");
  });
  session.onEnd(ended);
  await app.psession.revokeUser("ada");
  await told(ended);
  await quiet();
  expect(warned).toHaveBeenCalledTimes(2);
  warned.mockRestore();
});

test("a confirmed password in the very request that streams does not end its stream", async () => {
  const { app, browser } = await signedIn();
  const ended = vi.fn();
  await browser.visit(async (session) => {
    session.onEnd(ended);
    await session.reauthenticate();
  });
  await quiet();
  expect(ended).not.toHaveBeenCalled();
  await app.psession.revokeUser("ada");
  await told(ended);
});

/** Lets the calls of two actors reach the store in every order, one after the other. Gives how many orders there were. */
async function inEveryOrder(
  run: (
    at: (actor: "stream" | "end", work: () => Promise<unknown>) => Promise<unknown>,
    store: Store,
  ) => Promise<void>,
): Promise<number> {
  let orders = 0;
  for (let choices: number[] | undefined = []; choices !== undefined; orders++) {
    const chosen: number[] = choices;
    const taken: { readonly of: number; readonly pick: number }[] = [];
    const actor = new AsyncLocalStorage<string>();
    const waiting = new Map<string, () => void>();
    const done = new Set<string>();
    const step = () => {
      if (waiting.size + done.size < 2 || waiting.size === 0) return;
      const names = [...waiting.keys()].sort();
      const pick = names.length === 1 ? 0 : (chosen[taken.length] ?? 0);
      if (names.length > 1) taken.push({ of: names.length, pick });
      const name = names[pick] ?? "";
      const go = waiting.get(name);
      waiting.delete(name);
      go?.();
    };
    const store = intercepted(memoryStore(), async (_name, call) => {
      const name = actor.getStore();
      if (name !== undefined) {
        const { promise, resolve } = Promise.withResolvers<void>();
        waiting.set(name, resolve);
        step();
        await promise;
      }
      return call();
    });
    const at = (name: "stream" | "end", work: () => Promise<unknown>) =>
      actor.run(name, work).finally(() => {
        done.add(name);
        step();
      });
    await run(at, store);
    while (taken.length > 0 && (taken.at(-1)?.pick ?? 0) + 1 === taken.at(-1)?.of) taken.pop();
    const last = taken.pop();
    choices = last && [...taken.map(({ pick }) => pick), last.pick + 1];
  }
  return orders;
}

test.each<[string, (app: TestApp, browser: TestBrowser, handle: string) => Promise<unknown>]>([
  ["a revocation of its user", ({ psession }) => psession.revokeUser("ada")],
  ["a revocation of its device", ({ psession }, _browser, handle) => psession.revoke(handle)],
  ["a changed password", ({ psession }) => psession.passwordChanged("ada")],
  ["a sign-out in another tab", (_app, browser) => browser.visit((session) => session.logout())],
])(
  "the last write of a stream and %s, in every order: onEnd is called once, and nothing comes back",
  async (_, end) => {
    for (const remember of [false, true]) {
      const orders = await inEveryOrder(async (at, store) => {
        const app = testApp({ store });
        const browser = new TestBrowser(app);
        const { session: first } = await browser.visit((session) =>
          session.login("ada", { remember }).then(() => {}),
        );
        const { handle } = first;
        const copy = browser.copyJar();
        const { session } = await browser.open();
        const ended = vi.fn();
        session.onEnd(ended);
        await quiet();
        await Promise.all([
          at("stream", async () => {
            session.set("count", 7);
            // Where the end came first.
            await session.save().catch((error) => expect(error.code).toBe("session_ended"));
          }),
          at("end", () => end(app, browser, handle)),
        ]);
        await told(ended);
        expect(await session.isAlive()).toBe(false);
        expect(await store.list("ada")).toEqual([]);
        expect((await browser.visit(() => {}, { jar: copy })).session.userId).toBeUndefined();
        expect(ended).toHaveBeenCalledOnce();
        await app.psession.close();
      });
      expect(orders).toBeGreaterThan(1);
    }
  },
);

test("after close no listener is called, and no timer runs", async () => {
  const { app, browser } = await timed();
  const ended = vi.fn();
  (await browser.open()).session.onEnd(ended);
  await quiet();
  const late = await browser.open();
  await app.psession.close();
  late.session.onEnd(ended);
  expect(vi.getTimerCount()).toBe(0);
  expect(ended).not.toHaveBeenCalled();
});
