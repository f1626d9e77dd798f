import { existsSync, mkdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import type { BrowserContext, Page } from "playwright-core";
import { expect, vi } from "vitest";
import { isChromiumMissing, launch } from "../support/chromium.ts";
import { isFirefoxMissing, launchFirefox, type PuppeteerPage } from "../support/firefox.ts";

/** A tab, as stories use it that are told in any browser. */
export interface Tab {
  readonly address: string;
  goto(address: string): Promise<void>;
  /** Until its own requests were answered as well. */
  whenLoaded(): Promise<void>;
  close(): Promise<void>;
}

/** A browser that runs on a profile folder. */
export interface RunningBrowser {
  newTab(): Promise<Tab>;
  tabs(): Promise<readonly Tab[]>;
  /** As its user would. What its profile keeps is on the disk then. */
  close(): Promise<void>;
  /** Kills its main process, and with it what was not on disk yet. */
  kill(): Promise<void>;
  /** Of Chromium alone: lets the cookie go that a closed browser would let go. */
  forget?(cookie: string): Promise<void>;
}

export interface BrowserKind {
  readonly name: "Chromium" | "Firefox";
  isMissing(): boolean;
  /** How it reports a response that never came. */
  readonly noResponse: RegExp;
  /** `restore`, in Chromium alone: with the tabs that it was closed with. */
  start(profile: string, options?: { restore?: boolean }): Promise<RunningBrowser>;
}

const FETCHED = "html[data-fetched]";

export const chromium: BrowserKind = {
  name: "Chromium",
  isMissing: isChromiumMissing,
  noResponse: /ERR_EMPTY_RESPONSE|ERR_CONNECTION/,
  async start(profile, options) {
    const context: BrowserContext = await launch(profile, options);
    return {
      newTab: async () => tabOf(await context.newPage()),
      forget: (name) => context.clearCookies({ name }),
      tabs: async () => context.pages().map(tabOf),
      close: () => context.close(),
      kill: async () => {
        const gone = new Promise((resolve) => context.once("close", resolve));
        process.kill(mainProcessOf(profile), "SIGKILL");
        await gone;
      },
    };
  },
};

const tabOf = (page: Page): Tab => ({
  get address() {
    return page.url();
  },
  goto: async (address) => void (await page.goto(address)),
  whenLoaded: async () => {
    await page.waitForLoadState();
    await page.locator(FETCHED).waitFor({ state: "attached" });
  },
  close: () => page.close(),
});

/** Chromium locks its profile with a link to "<host>-<process id>". */
function mainProcessOf(profile: string): number {
  const target = readlinkSync(join(profile, "SingletonLock"));
  return Number(target.slice(target.lastIndexOf("-") + 1));
}

export const firefox: BrowserKind = {
  name: "Firefox",
  isMissing: isFirefoxMissing,
  noResponse: /NS_ERROR_NET/,
  async start(profile) {
    mkdirSync(profile, { recursive: true });
    const browser = await launchFirefox(profile);
    return {
      newTab: async () => firefoxTab(await browser.newPage()),
      tabs: async () => (await browser.pages()).map(firefoxTab),
      close: () => browser.close(),
      kill: async () => {
        const main = browser.process();
        if (main?.pid === undefined) throw new Error("Firefox does not run.");
        const gone = new Promise<void>((resolve) => main.once("exit", resolve));
        process.kill(main.pid, "SIGKILL");
        await gone;
        // The driver takes its settings out of the profile by and by, and the next one puts its own there.
        const kept = ["prefs.js", "user.js"].map((name) => join(profile, `${name}.puppeteer`));
        await vi.waitFor(() => expect(kept.filter((file) => existsSync(file))).toEqual([]), 20_000);
      },
    };
  },
};

const firefoxTab = (page: PuppeteerPage): Tab => ({
  get address() {
    return page.url();
  },
  goto: async (address) => void (await page.goto(address)),
  whenLoaded: async () => void (await page.waitForSelector(FETCHED)),
  close: () => page.close(),
});
