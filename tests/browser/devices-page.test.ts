import { readFileSync } from "node:fs";
import { join } from "node:path";
import axe, { type AxeResults } from "axe-core";
import express from "express";
import type { BrowserContext, Page } from "playwright-core";
import { afterEach, describe, expect, test } from "vitest";
import { english, german } from "../../src/account/texts/index.ts";
import { type DevicesPageOptions, devicesPage, sessions } from "../../src/integrations/express/index.ts";
import { overHttp, TestBrowser, testApp } from "../support/app.ts";
import { isChromiumMissing, launch } from "../support/chromium.ts";
import { DAY, HOUR } from "../support/clock.ts";
import { serve } from "../support/http.ts";
import { ROOT } from "../support/shop.ts";
import { temporaryFolder } from "../support/temp.ts";

const STYLE = readFileSync(join(ROOT, "examples/devices-page/devices.css"), "utf8");
const PHONE =
  "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1";
const FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const AT = "/account/devices";
const shots = process.env["PSESSION_SHOTS"];

const running: BrowserContext[] = [];

afterEach(async () => {
  for (const context of running.splice(0)) await context.close();
});

async function open({ scripts = false, ...options }: DevicesPageOptions & { scripts?: boolean } = {}) {
  const places: Record<string, string> = { "198.51.100.4": "Lisbon, Portugal" };
  const app = testApp({ ...overHttp, devices: { place: (address) => places[address] } });
  const site = express();
  site.use(sessions(app.psession));
  site.get("/login", async ({ session }, response) => {
    await session.login("ada", { remember: true, method: "password" });
    response.send("signed in");
  });
  site.get("/devices.css", (_request, response) => void response.type("css").send(STYLE));
  site.get("/", (_request, response) => void response.send("home"));
  site.use(AT, devicesPage({ redirectTo: "/login", ...options }));
  const phone = new TestBrowser(app, PHONE);
  await phone.visit(
    async (session) => {
      await session.login("ada", { remember: true, method: "passkey" });
      await session.save();
      await session.nameDevice(session.handle, "Phone in the kitchen");
      await session.trust();
    },
    { address: "198.51.100.4" },
  );
  app.clock.advance(DAY);
  await new TestBrowser(app, FIREFOX).visit((session) => session.login("ada"));
  await new TestBrowser(app, "Evil\u202e/1.0 <b>").visit((session) => session.login("ada"));
  app.clock.advance(HOUR);
  const base = await serve(site);
  const context = await launch(join(temporaryFolder(), "profile"), { scripts });
  running.push(context);
  const page = await context.newPage();
  await page.goto(`${base}/login`);
  await page.goto(base + AT);
  return { app, page, base };
}

const itemsOf = (page: Page) => page.getByRole("listitem");

/** Presses Tab until this button has the focus, and then Enter. */
async function pressByKeyboard(page: Page, name: string): Promise<void> {
  const button = page.getByRole("button", { name, exact: true });
  for (let steps = 0; steps < 60; steps++) {
    await page.keyboard.press("Tab");
    if ((await page.locator(":focus").count()) > 0 && (await isSame(page, button))) {
      await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
      return;
    }
  }
  throw new Error(`no ${name} by Tab`);
}

const isSame = async (page: Page, button: ReturnType<Page["locator"]>): Promise<boolean> =>
  (await page.locator(":focus").getAttribute("id")) === (await button.getAttribute("id")) &&
  (await page.locator(":focus").textContent()) === (await button.textContent());

describe.skipIf(isChromiumMissing())("the page of devices in Chromium", () => {
  test("works by keyboard alone and without scripts", async () => {
    const { app, page } = await open();
    expect(await itemsOf(page).count()).toBe(4);
    expect(await page.getByRole("heading", { level: 2 }).allTextContents()).toEqual([
      expect.stringContaining("on Linux"),
      expect.any(String),
      expect.any(String),
      "Phone in the kitchen",
    ]);
    await pressByKeyboard(page, "Sign out Firefox on Linux");
    expect(await page.getByRole("status").textContent()).toBe("The device was signed out.");
    expect(await page.locator(":focus").getAttribute("role"), "the message has the focus").toBe("status");
    expect(await page.title()).toBe("The device was signed out. – Your devices");
    expect(await itemsOf(page).count()).toBe(3);

    await page.getByLabel("Name").first().focus();
    await page.keyboard.type("Laptop");
    await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
    expect(await page.getByRole("heading", { name: "Laptop" }).count()).toBe(1);
    await pressByKeyboard(page, "Sign out all other devices");
    expect(await page.getByRole("status").textContent()).toBe("2 other devices were signed out.");
    await pressByKeyboard(page, "Sign out everywhere, including here");
    expect(await page.textContent("body")).toBe("home");
    expect(await app.psession.devices("ada")).toEqual([]);
  });

  test.each([
    ["plain", {}],
    ["styled", { stylesheet: "/devices.css" }],
    ["German", { stylesheet: "/devices.css", texts: german, timeZone: "Europe/Berlin" }],
  ] satisfies [string, DevicesPageOptions][])(
    "has no fault that axe-core knows: %s",
    async (name, options) => {
      const { page } = await open({ scripts: true, ...options });
      for (const [size, width] of [
        ["desktop", 1100],
        ["phone", 360],
      ] as const) {
        await page.setViewportSize({ width, height: 800 });
        await page.evaluate(axe.source);
        const { violations } = (await page.evaluate("axe.run()")) as AxeResults;
        expect(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([]);
        const overflow = await page.evaluate("document.documentElement.scrollWidth - window.innerWidth");
        expect(overflow, `${size} scrolls sideways`).toBeLessThanOrEqual(0);
        if (shots !== undefined)
          await page.screenshot({ path: join(shots, `${name}-${size}.png`), fullPage: true });
      }
      expect(await page.getByRole("main").count()).toBe(1);
      expect(await page.locator("html").getAttribute("lang")).toBe(
        (options as { texts?: object }).texts ? "de" : english.locale,
      );
    },
  );

  test("its policy lets no script run and nobody frame it", async () => {
    const { page, base } = await open({ scripts: true, stylesheet: "/devices.css" });
    const blocked = page.waitForEvent("console", (message) =>
      message.text().includes("Content Security Policy"),
    );
    await page.evaluate(
      "document.head.append(Object.assign(document.createElement('script'), { text: 'window.ran = 1' }))",
    );
    await blocked;
    expect(await page.evaluate("window.ran")).toBeUndefined();
    const colour = await page.evaluate(
      "getComputedStyle(document.querySelector('.psession-device')).borderRadius",
    );
    expect(colour, "its stylesheet is allowed").toBe("12px");
    await page.goto(`${base}/`);
    await page.setContent(`<iframe src="${AT}"></iframe>`);
    await page.waitForLoadState("networkidle");
    expect(await page.frames()[1]?.getByRole("listitem").count()).toBe(0);
  });
});
