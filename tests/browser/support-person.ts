import { cpSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import type { BrowserContext, Page } from "playwright-core";
import { onTestFinished } from "vitest";
import { launch } from "../support/chromium.ts";
import { temporaryFolder } from "../support/temp.ts";
import type { Site } from "./support-site.ts";

/** A person at one computer: a profile folder, and at most one Chromium that runs on it. */
export class Person {
  readonly #site: Site;
  readonly #base: string;
  readonly #profile = join(temporaryFolder(), "profile");
  #context: BrowserContext | undefined;

  /** `base` is where the browser finds the site, if not at its own address. */
  constructor(site: Site, base = site.url) {
    this.#site = site;
    this.#base = base;
  }

  /** Starts Chromium if it is not running; with `restore` it opens the tabs that it was closed with. */
  async browser(options: { restore?: boolean } = {}): Promise<BrowserContext> {
    if (this.#context === undefined) {
      const context = await launch(this.#profile, options);
      onTestFinished(() => context.close());
      this.#context = context;
    }
    return this.#context;
  }

  async emptyTab(): Promise<Page> {
    return (await this.browser()).newPage();
  }

  /** Opens a page in a new tab, and waits until its own requests were answered as well. */
  async open(path: string): Promise<Page> {
    const page = await this.emptyTab();
    await page.goto(this.address(path));
    await whenLoaded(page);
    return page;
  }

  /** Opens a page of its own, and says whom all its requests were answered as. */
  async visit(): Promise<string> {
    const path = this.#site.newPage();
    await (await this.open(path)).close();
    return this.#site.userOf(path);
  }

  async signIn(): Promise<void> {
    await (await this.open("/login")).close();
  }

  address(path: string): string {
    return this.#base + path;
  }

  /** All tabs of the site that are open now, each with all it loads. */
  async loadedTabs(): Promise<Page[]> {
    const pages = (await this.browser()).pages().filter((page) => page.url().startsWith(this.#base));
    await Promise.all(pages.map(whenLoaded));
    return pages;
  }

  /** Closes every window, which also writes the cookies to disk. The next tab starts Chromium again. */
  async closeBrowser(): Promise<void> {
    await this.#context?.close();
    this.#context = undefined;
  }

  /** Kills Chromium's main process, and with it what was not on disk yet. */
  async killBrowser(): Promise<void> {
    const context = await this.browser();
    const gone = new Promise((resolve) => context.once("close", resolve));
    process.kill(mainProcessOf(this.#profile), "SIGKILL");
    await gone;
    this.#context = undefined;
  }

  /** Somebody else, with a copy of the profile folder. The browser must be closed. */
  robbed(): Person {
    const thief = new Person(this.#site, this.#base);
    cpSync(this.#profile, thief.#profile, { recursive: true });
    return thief;
  }
}

async function whenLoaded(page: Page): Promise<void> {
  await page.waitForLoadState();
  await page.locator("html[data-fetched]").waitFor({ state: "attached" });
}

/** Chromium locks its profile with a link to "<host>-<process id>". */
function mainProcessOf(profile: string): number {
  const target = readlinkSync(join(profile, "SingletonLock"));
  return Number(target.slice(target.lastIndexOf("-") + 1));
}
