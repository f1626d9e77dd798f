import { existsSync } from "node:fs";
import type { BrowserContext } from "playwright-core";

const PLACES = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/opt/google/chrome/chrome",
];

/** Chromium's path, from PSESSION_CHROMIUM or where systems put it. */
export const chromiumPath = [process.env["PSESSION_CHROMIUM"] ?? "", ...PLACES].find(
  (path) => path !== "" && existsSync(path),
);

/** True where browser tests cannot run, which a line says; in CI that is a failure instead. */
export function isChromiumMissing(): boolean {
  if (chromiumPath !== undefined) return false;
  const missing = "Chromium was not found (set PSESSION_CHROMIUM), so the browser tests are left out.";
  if (process.env["CI"]) throw new Error(missing);
  console.log(missing);
  return true;
}

/** Starts Chromium on a profile folder; what is in the folder is what the browser remembers. */
export async function launch(
  profile: string,
  options: { restore?: boolean; scripts?: boolean } = {},
): Promise<BrowserContext> {
  const { chromium } = await import("playwright-core");
  return chromium.launchPersistentContext(profile, {
    javaScriptEnabled: options.scripts ?? true,
    executablePath: chromiumPath ?? "",
    headless: true,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      ...(options.restore ? ["--restore-last-session"] : []),
    ],
  });
}
