import { describe, expect, test } from "vitest";
import { type Jar, KEY, OLDER_KEY, TestBrowser, type TestSession, testApp } from "../support/app.ts";
import { DAY, MINUTE } from "../support/clock.ts";

const DEVICE = "__Host-psession-device";

function setUp(options: object = {}) {
  const app = testApp({ devices: { detectNew: true }, ...options });
  const signIn = (browser: TestBrowser, user: string, remember = false) =>
    browser.visit((session: TestSession) => session.login(user, { remember }));
  const news = () =>
    app.events.flatMap((event) => (event.type === "newDevice" ? [`${event.userId} ${event.handle}`] : []));
  return { app, signIn, news };
}

describe("browsers that are known for a user", () => {
  test("a first sign-in emits newDevice with its address, later ones do not, however long ago it was", async () => {
    const { app, signIn, news } = setUp();
    const browser = new TestBrowser(app, "Firefox/130");
    const { session } = await signIn(browser, "ada");
    expect(app.events.find(({ type }) => type === "newDevice")).toEqual({
      type: "newDevice",
      at: app.clock.now(),
      userId: "ada",
      sessionId: session.id,
      handle: session.handle,
      remembered: false,
      request: { address: "192.0.2.7", userAgent: "Firefox/130" },
    });
    await browser.visit((again) => again.logout());
    browser.restart();
    app.clock.advance(300 * DAY);
    await signIn(browser, "ada", true);
    expect(news()).toHaveLength(1);
    await signIn(new TestBrowser(app), "ada");
    expect(news()).toHaveLength(2);
  });

  test('it is known per user: up to five, then the one of longest ago is new again; 7 is not "7"', async () => {
    const { app, news } = setUp();
    const browser = new TestBrowser(app);
    const signIn = (user: string | number) => browser.visit((session) => session.login(user));
    for (const user of ["a", "b", "c", "d", "e", "a", "b"]) await signIn(user);
    expect(news()).toHaveLength(5);
    await signIn("f");
    await signIn("a");
    expect(news()).toHaveLength(6);
    await signIn("c");
    expect(news()).toHaveLength(7);
    await signIn(7);
    await signIn("7");
    expect(news()).toHaveLength(9);
  });

  test("a remembered browser that comes back becomes known, without an event", async () => {
    const store = setUp().app.psession.core.settings.store;
    const before = testApp({ store });
    const browser = new TestBrowser(before);
    await browser.visit((session) => session.login("ada", { remember: true }));
    expect(browser.jar.has(DEVICE)).toBe(false);
    const { app, signIn, news } = setUp({ store, clock: before.clock });
    app.clock.advance(10 * MINUTE);
    browser.restart();
    const returning = new TestBrowser(app);
    returning.jar = browser.jar;
    await returning.visit();
    expect(returning.jar.has(DEVICE)).toBe(true);
    await returning.visit((session) => session.logout());
    await signIn(returning, "ada");
    expect(news()).toEqual([]);
  });

  test("new secrets after a changed password are no new device", async () => {
    const { app, signIn, news } = setUp();
    const browser = new TestBrowser(app);
    await signIn(browser, "ada", true);
    browser.jar.delete(DEVICE);
    await browser.visit((session) =>
      app.psession.passwordChanged("ada", { keep: session, factor: "passkey" }),
    );
    expect(news()).toHaveLength(1);
    expect(app.events.at(-2)).toMatchObject({
      type: "credentialChanged",
      userId: "ada",
      factor: "passkey",
      request: { address: "192.0.2.7" },
      ended: 0,
    });
  });

  test("its cookie is worth nothing else, says nothing, and is sent as all others are", async () => {
    const { app, signIn } = setUp();
    const browser = new TestBrowser(app);
    const { setCookie } = await signIn(browser, "ada");
    const line = setCookie.find((each) => each.startsWith(DEVICE));
    expect(line).toMatch(
      /^__Host-psession-device=[\w-]{22}\.[\w-]{16}; Max-Age=34560000; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
    );
    const other = new TestBrowser(app);
    await signIn(other, "ada");
    const markOf = (jar: Jar) => jar.get(DEVICE)?.value.split(".")[1];
    expect(markOf(browser.jar)).not.toBe(markOf(other.jar));
    browser.jar = new Map([[DEVICE, browser.jar.get(DEVICE) as never]]);
    expect((await browser.visit((session) => session.isSignedIn)).result).toBe(false);
  });

  test.each([
    ["of another shape", "x"],
    ["with a mark of nobody", `${"A".repeat(22)}.${"B".repeat(16)}`],
    ["very long", `${"A".repeat(22)}${".BBBBBBBBBBBBBBBB".repeat(200)}`],
    ["with a mark that is quoted", `"${"A".repeat(22)}.${"B".repeat(16)}"`],
  ])("a cookie %s counts as none", async (_, value) => {
    const { app, signIn, news } = setUp();
    const browser = new TestBrowser(app);
    browser.jar.set(DEVICE, { value, isTransient: false });
    await signIn(browser, "ada");
    expect(news()).toHaveLength(1);
    await signIn(browser, "ada");
    expect(news()).toHaveLength(1);
  });

  test("somebody else's mark does not fit under another nonce", async () => {
    const { app, signIn, news } = setUp();
    const [ada, mallory] = [new TestBrowser(app), new TestBrowser(app)];
    await signIn(ada, "ada");
    await signIn(mallory, "mallory");
    const [, mark] = ada.jar.get(DEVICE)?.value.split(".") ?? [];
    const [nonce] = mallory.jar.get(DEVICE)?.value.split(".") ?? [];
    mallory.jar.set(DEVICE, { value: `${nonce}.${mark}`, isTransient: false });
    await signIn(mallory, "ada");
    expect(news()).toHaveLength(3);
  });

  test("keys are exchanged without making every browser new", async () => {
    const { app, signIn } = setUp({ keys: [OLDER_KEY] });
    const browser = new TestBrowser(app);
    await signIn(browser, "ada");
    const { app: later, news } = setUp({ keys: [KEY, OLDER_KEY] });
    const same = new TestBrowser(later);
    same.jar = browser.jar;
    await same.visit((session) => session.login("ada"));
    const { app: last, news: lastNews } = setUp({ keys: [KEY] });
    const still = new TestBrowser(last);
    still.jar = same.jar;
    await still.visit((session) => session.login("ada"));
    expect([...news(), ...lastNews()]).toEqual([]);
  });

  test("without the option there is no such cookie and no event", async () => {
    const app = testApp();
    const browser = new TestBrowser(app);
    await browser.visit((session) => session.login("ada"));
    expect(browser.jar.has(DEVICE)).toBe(false);
    expect(app.told()).not.toContain("newDevice");
  });
});
