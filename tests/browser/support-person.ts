import { cpSync } from "node:fs";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { temporaryFolder } from "../support/temp.ts";
import { type BrowserKind, chromium, type RunningBrowser, type Tab } from "./support-browsers.ts";
import type { Site } from "./support-site.ts";

/** A person at one computer: a profile folder, and at most one browser that runs on it. */
export class Person {
  readonly #site: Site;
  readonly #base: string;
  readonly #kind: BrowserKind;
  readonly #profile = join(temporaryFolder(), "profile");
  #running: RunningBrowser | undefined;

  /** `base` is where the browser finds the site, if not at its own address. */
  constructor(site: Site, base = site.url, kind = chromium) {
    this.#site = site;
    this.#base = base;
    this.#kind = kind;
  }

  /** Starts the browser if it is not running. */
  async browser(options: { restore?: boolean } = {}): Promise<RunningBrowser> {
    if (this.#running === undefined) {
      const running = await this.#kind.start(this.#profile, options);
      onTestFinished(() => running.close().catch(() => {}));
      this.#running = running;
    }
    return this.#running;
  }

  async emptyTab(): Promise<Tab> {
    return (await this.browser()).newTab();
  }

  /** Opens a page in a new tab, and waits until its own requests were answered as well. */
  async open(path: string): Promise<Tab> {
    const tab = await this.emptyTab();
    await tab.goto(this.address(path));
    await tab.whenLoaded();
    return tab;
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
  async loadedTabs(): Promise<readonly Tab[]> {
    const tabs = await (await this.browser()).tabs();
    const ours = tabs.filter(({ address }) => address.startsWith(this.#base));
    await Promise.all(ours.map((tab) => tab.whenLoaded()));
    return ours;
  }

  /** Closes every window, which also writes the cookies to disk. The next tab starts the browser again. */
  async closeBrowser(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    await running?.close();
  }

  async killBrowser(): Promise<void> {
    const running = await this.browser();
    this.#running = undefined;
    await running.kill();
  }

  /** Somebody else, with a copy of the profile folder. The browser must be closed. */
  robbed(): Person {
    const thief = new Person(this.#site, this.#base, this.#kind);
    cpSync(this.#profile, thief.#profile, { recursive: true });
    return thief;
  }
}
