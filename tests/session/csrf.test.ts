import { expect, test } from "vitest";
import { TestBrowser, testApp } from "../support/app.ts";

const setUp = async () => {
  const app = testApp();
  const browser = new TestBrowser(app);
  const { result: token } = await browser.visit((session) => session.csrfToken());
  return { app, browser, token };
};
const accepts = async (browser: TestBrowser, token: unknown) =>
  (await browser.visit((session) => session.isCsrfToken(token))).result;

test("a token is another text each time, and every one of them is good", async () => {
  const { browser, token } = await setUp();
  const { result } = await browser.visit((session) => [session.csrfToken(), session.csrfToken()]);
  const tokens = [token, ...(result as string[])];
  expect(new Set(tokens).size).toBe(3);
  for (const each of tokens) expect(await accepts(browser, each)).toBe(true);
});

test("another session's token, a changed one and anything else is refused", async () => {
  const { app, browser, token } = await setUp();
  const other = new TestBrowser(app);
  const { result } = await other.visit((session) => session.csrfToken());
  const flipped = (token.startsWith("A") ? "B" : "A") + token.slice(1);
  for (const wrong of [
    result,
    flipped,
    token.slice(1),
    `${token}A`,
    "",
    undefined,
    null,
    5,
    [token],
    { token },
  ]) {
    expect(await accepts(browser, wrong)).toBe(false);
  }
  expect(await accepts(new TestBrowser(app), token)).toBe(false);
});

test("it does not cross a sign-in or a sign-out, as an attacker who planted the session may know it", async () => {
  const { browser, token } = await setUp();
  await browser.visit((session) => session.login("ada"));
  expect(await accepts(browser, token)).toBe(false);
  const { result } = await browser.visit((session) => session.csrfToken());
  expect(await accepts(browser, result)).toBe(true);
  await browser.visit((session) => session.logout());
  expect(await accepts(browser, result)).toBe(false);
});

test("a token that another request gets during a sign-in does not reach the signed-in session", async () => {
  const { app, browser } = await setUp();
  for (const saves of [true, false]) {
    await browser.visit((session) => session.logout());
    await browser.visit((session) => session.set("cart", ["tea"]));
    const planter = new TestBrowser(app);
    planter.jar = browser.copyJar();
    const signingIn = await browser.open();
    await signingIn.session.login("ada");
    const { result: planted } = await planter.visit((session) => session.csrfToken());
    const own = signingIn.session.csrfToken();
    if (saves) await signingIn.session.save();
    await signingIn.answer();
    expect(await accepts(browser, planted)).toBe(false);
    expect(await accepts(browser, own)).toBe(true);
    const again = await browser.open();
    await again.session.login("ada");
    const { result: before } = await browser.visit((session) => session.csrfToken());
    await again.answer();
    expect(await accepts(browser, before)).toBe(false);
  }
});

test("it does not cross a sign-in, whatever an attacker saves meanwhile", async () => {
  const { browser, token } = await setUp();
  const slow = await browser.open();
  await slow.session.login("ada");
  await browser.visit((session) => session.set("count", 1));
  await slow.answer();
  expect(await accepts(browser, token)).toBe(false);
});

test("it survives a new secret and a restore, as open forms do", async () => {
  const { browser } = await setUp();
  await browser.visit((session) => session.login("ada", { remember: true }));
  const { result } = await browser.visit((session) => session.csrfToken());
  await browser.visit((session) => session.regenerate());
  expect(await accepts(browser, result)).toBe(true);
  browser.restart();
  expect(await accepts(browser, result)).toBe(true);
});

test("its secret is in nothing that the session shows", async () => {
  const { browser } = await setUp();
  const { session } = await browser.visit();
  expect(session.data).toEqual({});
  expect(JSON.stringify(session)).not.toContain("csrf");
});
