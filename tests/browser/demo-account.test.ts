import { join } from "node:path";
import { generate } from "otplib";
import type { BrowserContext, Page } from "playwright-core";
import { afterEach, describe, expect, test } from "vitest";
import { isChromiumMissing, launch } from "../support/chromium.ts";
import { type RunningDemo, startDemo } from "../support/demo.ts";
import { temporaryFolder } from "../support/temp.ts";

const ADA = { email: "ada@example.test", password: "correct horse battery" };
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

const running: BrowserContext[] = [];

afterEach(async () => {
  for (const context of running.splice(0)) await context.close();
});

/** A browser with one page, on which Ada has registered. */
async function registered(demo: RunningDemo, { remember = false, email = ADA.email } = {}): Promise<Page> {
  const context = await launch(join(temporaryFolder(), "profile"));
  running.push(context);
  const page = await context.newPage();
  await page.goto(`${demo.url}/register`);
  await page.getByLabel("Email").fill(email);
  await page.getByLabel("Password").fill(ADA.password);
  if (remember) await page.getByLabel("Remember me").check();
  await page.getByRole("button", { name: "Register" }).click();
  await page.getByRole("heading", { name: "Your cart" }).waitFor();
  return page;
}

/** Opens a page, and waits until it would hear of the end of its session. */
async function connected(page: Page, address: string): Promise<void> {
  await Promise.all([page.waitForResponse("**/session-end"), page.goto(address)]);
}

const me = (page: Page) =>
  page.evaluate(async () => (await fetch("/me", { headers: { accept: "application/json" } })).json());

describe.skipIf(isChromiumMissing())("an account in Chromium", () => {
  test("two minutes before the end a banner says so, and a button goes on", async () => {
    const demo = await startDemo();
    const page = await registered(demo);
    const banner = page.locator("[data-session-end]");
    const focus = () => page.evaluate("document.dispatchEvent(new Event('visibilitychange'))");
    await connected(page, `${demo.url}/`);
    expect(await banner.isVisible()).toBe(false);
    // Pages that only ask keep nobody signed in.
    for (let asked = 0; asked < 4; asked++) {
      demo.clock.advance(29 * MINUTE);
      await Promise.all([page.waitForResponse("**/api/devices/session"), focus()]);
    }
    demo.clock.advance(2.5 * MINUTE);
    await focus();
    await banner.getByText(/^1:[0-3]\d$/).waitFor();
    expect(await banner.textContent()).toContain("You will be signed out in");
    await banner.getByRole("button", { name: "Stay signed in" }).click();
    await banner.waitFor({ state: "hidden" });
    demo.clock.advance(HOUR);
    expect(await me(page)).toMatchObject({ email: ADA.email });

    demo.clock.advance(2 * HOUR + MINUTE);
    await focus();
    await banner.getByText("You are signed out.").waitFor();
    await banner.getByRole("link", { name: "Sign in again" }).click();
    await page.waitForURL("**/login?next=%2F");
    expect(demo.logged).toEqual([]);
  });

  test("an open page says at once that it was signed out on another device, and the sign-in page says why and leads back", async () => {
    const demo = await startDemo();
    const phone = demo.client();
    const page = await registered(demo, { remember: true });
    await phone.post("/login", ADA);
    await connected(page, `${demo.url}/devices`);
    const banner = page.locator("[data-session-end]");
    expect(await banner.isVisible()).toBe(false);
    await phone.post("/devices/revoke-others");
    // Sooner than the page asks of itself, which is every 20 seconds.
    await banner.getByText("You are signed out.").waitFor({ timeout: 10_000 });
    await banner.getByRole("link", { name: "Sign in again" }).click();
    await page.getByText("You were signed out from elsewhere").waitFor();
    await page.getByLabel("Password").fill(ADA.password);
    await page.getByRole("button", { name: "Sign in", exact: true }).click();
    await page.getByRole("heading", { name: "Devices" }).waitFor();
    expect(demo.logged).toEqual([]);
  });

  test("a page whose session got another secret connects again, and says nothing", async () => {
    const demo = await startDemo();
    const page = await registered(demo);
    await connected(page, `${demo.url}/`);
    const tab = await page.context().newPage();
    await tab.goto(`${demo.url}/password`);
    await tab.getByLabel("Current password").fill(ADA.password);
    await tab.getByLabel("New password").fill("a brand new password");
    const again = page.waitForResponse("**/session-end");
    await tab.getByRole("button", { name: "Change password" }).click();
    await tab.getByText("Your password was changed.").waitFor();
    expect((await again).status()).toBe(200);
    expect(await page.locator("[data-session-end]").isVisible()).toBe(false);
  });

  test("a remembered user is not warned of the end of a session that comes back", async () => {
    const demo = await startDemo();
    const page = await registered(demo, { remember: true });
    demo.clock.advance(2 * HOUR - MINUTE);
    await Promise.all([
      page.waitForResponse("**/api/devices/session"),
      page.evaluate("document.dispatchEvent(new Event('visibilitychange'))"),
    ]);
    expect(await page.locator("[data-session-end]").isVisible()).toBe(false);
  });

  test("codes are switched on, asked for at a sign-in, and not on a trusted browser", async () => {
    const demo = await startDemo();
    const page = await registered(demo);
    await page.goto(`${demo.url}/account`);
    await page.getByRole("button", { name: "Switch codes on" }).click();
    const secret = ((await page.locator(".key").textContent()) ?? "").replaceAll(" ", "");
    const fill = async () => {
      demo.clock.advance(30_000);
      const code = await generate({ secret, epoch: Math.floor(demo.clock.now() / 1000) });
      await page.getByLabel("Code", { exact: true }).fill(code);
    };
    await fill();
    await page.getByRole("button", { name: "Switch codes on" }).click();
    await page.getByText("Codes are on.").waitFor();

    const signIn = async () => {
      await page.getByRole("button", { name: "Sign out" }).first().click();
      await page.goto(`${demo.url}/login?next=/account`);
      await page.getByLabel("Password").fill(ADA.password);
      await page.getByRole("button", { name: "Sign in", exact: true }).click();
    };
    await signIn();
    await page.waitForURL("**/login/code?**");
    expect(await me(page)).toMatchObject({ email: null });
    await fill();
    await page.getByLabel("Do not ask for a code").check();
    await page.getByRole("button", { name: "Sign in", exact: true }).click();
    await page.waitForURL("**/account");
    await page.getByText("Two factors", { exact: true }).waitFor();
    await signIn();
    await page.waitForURL("**/account");
    await page.getByText("One factor", { exact: true }).waitFor();
    await page.getByRole("link", { name: "Your data" }).click();
    await page.getByRole("heading", { name: "Prove that it is you" }).waitFor();
    await fill();
    await page.getByRole("button", { name: "Confirm code" }).click();
    await page.getByRole("heading", { name: "Your data" }).waitFor();
    expect(demo.logged).toEqual([]);
  });

  test("the pages of codes and links are no wider than a phone, with the longest of names", async () => {
    const demo = await startDemo();
    const email = `${"a".repeat(240)}@example.test`;
    const page = await registered(demo, { email });
    const fits = async () => {
      for (const width of [390, 320]) {
        await page.setViewportSize({ width, height: 844 });
        const wide = await page.locator("html").evaluate((html) => html.scrollWidth);
        expect([page.url(), wide]).toEqual([page.url(), width]);
      }
    };
    await page.goto(`${demo.url}/account`);
    await page.getByRole("button", { name: "Switch codes on" }).click();
    const secret = ((await page.locator(".key").textContent()) ?? "").replaceAll(" ", "");
    await fits();
    const code = await generate({ secret, epoch: Math.floor(demo.clock.now() / 1000) });
    await page.getByLabel("Code", { exact: true }).fill(code);
    await page.getByRole("button", { name: "Switch codes on" }).click();
    await page.getByText("Codes are on.").waitFor();
    await fits();
    await page.goto(`${demo.url}/data`);
    await fits();
    demo.clock.advance(11 * MINUTE);
    await page.goto(`${demo.url}/prove?next=/data`);
    await fits();
    demo.clock.advance(2 * HOUR - 12 * MINUTE);
    await page.goto(`${demo.url}/reset`);
    await page.getByLabel("Email").fill(email);
    await page.getByRole("button", { name: "Send a link" }).click();
    await page.getByText("a link is on its way").waitFor();
    await fits();
    await page.goto(`${demo.url}/lab`);
    await fits();
    await page.getByRole("link", { name: "Open the link" }).click();
    await page.getByLabel("New password").fill("a brand new password");
    await fits();
    await page.getByRole("button", { name: "Set password" }).click();
    await page.waitForURL("**/login/code?**");
    await fits();
  });
});
