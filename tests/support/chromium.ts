import type { Browser, BrowserContext } from "playwright-core";
import { findBrowser, isBrowserMissing } from "./browser-path.ts";

const PLACES = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/opt/google/chrome/chrome",
];

/** Chromium's path, from PSESSION_CHROMIUM or where systems put it. */
export const chromiumPath = findBrowser("Chromium", PLACES);

export const isChromiumMissing = (): boolean => isBrowserMissing("Chromium", chromiumPath);

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Starts Chromium without a profile: each context that is made in it is a browser that remembers nothing. */
export async function launchAlone(flags: readonly string[] = []): Promise<Browser> {
  const { chromium } = await import("playwright-core");
  return chromium.launch({ executablePath: chromiumPath ?? "", headless: true, args: [...FLAGS, ...flags] });
}

/** Starts Chromium on a profile folder; what is in the folder is what the browser remembers. */
export async function launch(
  profile: string,
  options: { restore?: boolean; scripts?: boolean; flags?: readonly string[] } = {},
): Promise<BrowserContext> {
  const { chromium } = await import("playwright-core");
  return chromium.launchPersistentContext(profile, {
    javaScriptEnabled: options.scripts ?? true,
    executablePath: chromiumPath ?? "",
    headless: true,
    args: [...FLAGS, ...(options.flags ?? []), ...(options.restore ? ["--restore-last-session"] : [])],
  });
}
