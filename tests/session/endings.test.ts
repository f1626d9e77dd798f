import { expect, test, vi } from "vitest";
import { TestBrowser, testApp } from "../support/app.ts";
import { HOUR, MINUTE } from "../support/clock.ts";
import { failingStore } from "../support/stores.ts";

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

test("five thousand connections have one subscription, and the end of one costs one read", async () => {
  const { store, calls } = failingStore();
  const app = testApp({ store });
  const listening = vi.spyOn(app.psession.core.events, "on");
  const stops: (() => void)[] = [];
  const ended = vi.fn();
  for (let each = 0; each < 5000; each++) {
    const browser = new TestBrowser(app);
    await browser.visit((session) => session.login(each).then(() => {}));
    stops.push((await browser.open()).session.onEnd(() => ended(each)));
  }
  expect(listening).toHaveBeenCalledOnce();
  calls.length = 0;
  await app.psession.revokeUser(7);
  await told(ended);
  expect(ended).toHaveBeenCalledWith(7);
  expect(calls.filter((name) => name === "findSession")).toHaveLength(1);
  for (const stop of stops) stop();
  calls.length = 0;
  await app.psession.revokeUser(8);
  await quiet();
  expect(calls).not.toContain("findSession");
  // And whoever listens afterwards subscribes anew.
  const browser = new TestBrowser(app);
  await browser.visit((session) => session.login("ada").then(() => {}));
  (await browser.open()).session.onEnd(ended);
  expect(listening).toHaveBeenCalledTimes(2);
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
