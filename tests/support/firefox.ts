import { findBrowser, isBrowserMissing } from "./browser-path.ts";

/*
 * What is used of puppeteer-core. Its own types declare the elements of pages for the whole program, and thereby change
 * what those of playwright-core give to tests.
 */
export interface Puppeteer {
  launch(options: object): Promise<PuppeteerBrowser>;
}
export interface PuppeteerBrowser {
  newPage(): Promise<PuppeteerPage>;
  pages(): Promise<PuppeteerPage[]>;
  createBrowserContext(): Promise<Pick<PuppeteerBrowser, "newPage" | "close">>;
  process(): { readonly pid?: number; once(event: "exit", listener: () => void): unknown } | null;
  close(): Promise<void>;
}
export interface PuppeteerPage {
  url(): string;
  close(): Promise<void>;
  setDefaultTimeout(milliseconds: number): void;
  goto(address: string): Promise<unknown>;
  reload(): Promise<unknown>;
  bringToFront(): Promise<void>;
  evaluate(expression: string): Promise<unknown>;
  waitForFunction(expression: string): Promise<unknown>;
  waitForSelector(selector: string, options?: { visible: true }): Promise<PuppeteerElement | null>;
}
export interface PuppeteerElement {
  click(options?: { count: number }): Promise<void>;
  type(text: string): Promise<void>;
}

const PLACES = [
  "/usr/bin/firefox-esr",
  "/usr/bin/firefox",
  "/usr/lib/firefox-esr/firefox-esr",
  "/opt/firefox/firefox",
];

/** Firefox's path, from PSESSION_FIREFOX or where systems put it. */
export const firefoxPath = findBrowser("Firefox", PLACES);

export const isFirefoxMissing = (): boolean => isBrowserMissing("Firefox", firefoxPath);

export const puppeteer = async (): Promise<Puppeteer> =>
  ((await import("puppeteer-core" as string)) as { default: Puppeteer }).default;

/** Starts Firefox on a profile folder, by WebDriver BiDi; what is in the folder is what the browser remembers. */
export async function launchFirefox(profile: string): Promise<PuppeteerBrowser> {
  return (await puppeteer()).launch({
    browser: "firefox",
    executablePath: firefoxPath,
    userDataDir: profile,
    headless: true,
  });
}
