/** The demo over https, whose sessions real Chromium binds to a key of software. */
import { join } from "node:path";
import type { BrowserContext, Page } from "playwright-core";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { openTls } from "../../examples/demo/tls.ts";
import { isChromiumMissing, launch } from "../support/chromium.ts";
import { type RunningDemo, startDemo } from "../support/demo.ts";
import { temporaryFolder } from "../support/temp.ts";

vi.setConfig({ testTimeout: 120_000 });

const ADA = { email: "ada@example.test", password: "correct horse battery" };
const PHONE = { width: 390, height: 844 };
const DESKTOP = { width: 1440, height: 900 };

async function start(options: { scripts?: boolean } = {}) {
  const dir = temporaryFolder();
  const tls = openTls(dir);
  const demo = await startDemo(dir, tls);
  const flags = [
    `--ignore-certificate-errors-spki-list=${tls.pin}`,
    "--enable-features=DeviceBoundSessions:RefreshQuota/false,EnableBoundSessionCredentialsSoftwareKeysForManualTesting",
  ];
  const context = await launch(join(temporaryFolder(), "profile"), { ...options, flags });
  onTestFinished(() => context.close());
  return { demo, context };
}

/** Registers and is remembered, and waits until the browser has bound the session. */
async function register(demo: RunningDemo, context: BrowserContext): Promise<void> {
  const page = await context.newPage();
  await page.goto(`${demo.url}/register`);
  for (const [name, value] of Object.entries(ADA)) await page.locator(`main [name=${name}]`).fill(value);
  await page.locator("main [name=remember]").check();
  await page.locator("main form button").first().click();
  await page.waitForURL(`${demo.url}/`);
  const hasProof = async () => (await context.cookies()).some(({ name }) => name === "__Host-psession-bound");
  await expect.poll(hasProof, { timeout: 20_000 }).toBe(true);
  await page.close();
}

/** Presses a button of the lab, and gives what came of it. */
async function press(lab: Page, name: string): Promise<string> {
  const result = lab.locator("[data-result]");
  await lab
    .getByRole("button", { name, exact: true })
    .or(lab.getByRole("link", { name, exact: true }))
    .click();
  await expect.poll(() => result.textContent(), { timeout: 20_000 }).not.toBe("…");
  return (await result.textContent()) ?? "";
}

describe.skipIf(isChromiumMissing())("the demo over https, in Chromium", () => {
  test("its lab shows a key, and a thief whose copies die while the owner stays", async () => {
    const { demo, context } = await start();
    await register(demo, context);
    const lab = await context.newPage();
    await lab.setViewportSize(DESKTOP);
    await lab.goto(`${demo.url}/lab`);
    const visitor = lab.locator("#visitor");
    const thief = lab.locator("#thief");
    const types = async () => lab.locator("#events .type").allTextContents();

    expect(await press(lab, "Visit")).toContain(`You are ${ADA.email}, level device-bound`);
    await visitor.getByText("ES256").waitFor();
    await visitor.getByText(/runs out in \d+ minutes/).waitFor();
    await visitor.getByText("Signed in, bound").waitFor();
    expect(await types()).toContain("bound");

    expect(await press(lab, "Copy cookies")).toContain("__Host-psession-bound");
    expect(await press(lab, "Thief visits")).toContain(`signed in as ${ADA.email} (level device-bound)`);
    expect(await thief.locator("dd").last().textContent()).toBe("none");
    await press(lab, "Jump 30 minutes ahead");
    expect(await press(lab, "Thief visits")).toBe("The thief is not signed in.");
    await thief.getByText("Not signed in").waitFor();
    expect(await types()).toContain("boundRefused");

    expect(await press(lab, "Visit")).toContain(`You are ${ADA.email}`);
    await expect.poll(types).toContain("boundRefreshed");
    expect(await press(lab, "Copy long cookies only")).toBe(
      "The thief copied __Host-psession and __Host-psession-remember.",
    );
    expect(await press(lab, "Thief visits")).toBe("The thief is not signed in.");
    await press(lab, "Thief closes browser");
    expect(await press(lab, "Thief visits")).toBe("The thief is not signed in.");
    expect(await press(lab, "Visit")).toContain(`You are ${ADA.email}`);
    expect(await types()).not.toContain("theft");

    // The real browser's own tabs and its return after a jump go on as before.
    await press(lab, "Jump 1 day ahead");
    expect(await press(lab, "Visit")).toContain(`You are ${ADA.email}, level remembered`);
    expect(await lab.locator("body").textContent()).toContain("Copied cookies die");
    expect(demo.logged).toEqual([]);
  });

  test("the devices that are bound are shown as that, and no page is wider than a phone", async () => {
    const { demo, context } = await start();
    await register(demo, context);
    const page = await context.newPage();
    for (const size of [PHONE, DESKTOP]) {
      await page.setViewportSize(size);
      await page.goto(`${demo.url}/devices`);
      const device = page.locator(".device").first();
      expect(await device.textContent()).toContain("To a key in this browser");
      expect(await device.textContent()).toContain("device-bound, comes back by a remember cookie");
      for (const path of ["/devices", "/account/devices", "/lab", "/"]) {
        await page.goto(demo.url + path);
        const width = await page.evaluate("document.documentElement.scrollWidth");
        expect([path, width]).toEqual([path, size.width]);
      }
    }
    // Of the lab, all that is pressed is in sight above the events.
    await page.setViewportSize(PHONE);
    await page.goto(`${demo.url}/lab`);
    await page.locator("#bench").evaluate((bench) => bench.scrollIntoView());
    const events = (await page.locator(".log").boundingBox())?.y ?? 0;
    for (const button of await page.locator(".browser :is(button, .button)").all()) {
      const { y = 0, height = 0 } = (await button.boundingBox()) ?? {};
      expect(y + height).toBeLessThanOrEqual(events);
      expect(height).toBeGreaterThanOrEqual(44);
    }
    expect(demo.logged).toEqual([]);
  });

  test("without a script the lab shows the same when it is loaded again", async () => {
    const { demo, context } = await start({ scripts: false });
    await register(demo, context);
    const page = await context.newPage();
    await page.goto(`${demo.url}/`);
    await page.goto(`${demo.url}/lab`);
    await page.locator("#visitor").getByText("ES256").waitFor();
    for (const name of ["Copy long cookies only", "Jump 30 minutes ahead", "Thief visits"])
      await page.getByRole("button", { name, exact: true }).click();
    await page.getByText("The thief is not signed in.").waitFor();
    // Its short cookie has run out by the demo's clock.
    await page.goto(`${demo.url}/`);
    await page.getByText(ADA.email).first().waitFor();
  });
});
