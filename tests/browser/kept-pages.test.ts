import { chromium } from "playwright-core";
import { describe, onTestFinished, test } from "vitest";
import { chromiumPath, isChromiumMissing } from "../support/chromium.ts";
import { serveDevicesSite } from "../support/devices-site.ts";

describe.skipIf(isChromiumMissing())("the back button after a sign-out", () => {
  test("does not show the page of devices again", async () => {
    const base = await serveDevicesSite();
    const browser = await chromium.launch({
      executablePath: chromiumPath ?? "",
      args: ["--no-sandbox", "--disable-gpu"],
      // Playwright turns it off, as its own waiting does not know kept pages.
      ignoreDefaultArgs: ["--disable-back-forward-cache"],
    });
    onTestFinished(() => browser.close());
    const page = await browser.newPage({ ignoreHTTPSErrors: true });
    await page.goto(`${base}/login`);
    await page.getByRole("button", { name: "Sign out" }).last().click();
    await page.getByText("home").waitFor();
    await page.evaluate("setTimeout(() => history.back())");
    await page.getByText("please sign in").waitFor({ timeout: 10_000 });
  });
});
