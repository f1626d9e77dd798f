import { join } from "node:path";
import type { BrowserContext, Page, Request } from "playwright-core";
import { describe, expect, onTestFinished, test } from "vitest";
import { openShop } from "../account/support-openid.ts";
import { isChromiumMissing, launch } from "../support/chromium.ts";
import { temporaryFolder } from "../support/temp.ts";

/** The application at localhost, the provider at 127.0.0.1: two sites. */
async function setUp(responseMode: "query" | "form_post") {
  const shop = await openShop({ responseMode, host: "localhost" });
  const profile = join(temporaryFolder(), "profile");
  let context: BrowserContext | undefined;
  const page = async (): Promise<Page> => {
    const opened = context ?? (await launch(profile));
    if (context === undefined) onTestFinished(() => opened.close());
    context = opened;
    return opened.newPage();
  };
  const restart = async () => {
    await context?.close();
    context = undefined;
  };
  const shows = async (tab: Page) => {
    await tab.goto(`${shop.origin}/`);
    const who = /Signed in as user (\d+, \w+)/.exec((await tab.textContent("body")) ?? "")?.[1] ?? "nobody";
    return [who, ...(await tab.locator("li").allTextContents())];
  };
  return { ...shop, page, restart, shows };
}

/** Presses the button of the sign-in form, with the box ticked. */
async function leave(tab: Page, origin: string): Promise<void> {
  await tab.goto(`${origin}/login`);
  await tab.getByRole("checkbox").first().check();
  await tab.getByRole("button", { name: "Sign in with Example ID" }).click();
}

/** The answers that came back from the provider: how, from where, and whether with the session. */
function answersOf(tab: Page) {
  const requests: Request[] = [];
  tab.on("request", (request) => void (request.url().includes("/openid/") && requests.push(request)));
  return () =>
    Promise.all(
      requests.map(async (request) => {
        const { cookie = "", "sec-fetch-site": site } = await request.allHeaders();
        return [request.method(), new URL(request.url()).pathname, site, /\bpsession=/.test(cookie)];
      }),
    );
}

const ANSWERS = {
  query: [["GET", "/openid/callback", "cross-site", true]],
  form_post: [
    ["POST", "/openid/callback", "cross-site", false],
    ["POST", "/openid/posted", "same-origin", true],
  ],
};

describe.skipIf(isChromiumMissing())("the example of OpenID Connect, in Chromium", () => {
  test.each(["query", "form_post"] as const)("signs in and out, with answers by %s", async (responseMode) => {
    const { origin, page, restart, shows } = await setUp(responseMode);
    const first = await page();
    await first.goto(`${origin}/`);
    await first.getByLabel("Item").fill("tea");
    await first.getByRole("button", { name: "Add to cart" }).click();
    const answers = answersOf(first);
    await leave(first, origin);
    await first.getByRole("button", { name: "Sign in" }).click();
    await first.waitForURL(`${origin}/`);
    expect(await shows(first)).toEqual(["1, login", "tea"]);
    const [begun, ...back] = await answers();
    expect(begun?.slice(0, 3)).toEqual(["POST", "/openid/sign-in", "same-origin"]);
    expect(back).toEqual(ANSWERS[responseMode]);

    await restart();
    const second = await page();
    expect(await shows(second)).toEqual(["1, remembered", "tea"]);
    // The provider still knows the user, and answers at once: one chain of redirects, begun by a form of ours.
    await leave(second, origin);
    await second.waitForURL(`${origin}/`);
    expect(await shows(second)).toEqual(["1, login", "tea"]);

    await second.getByRole("button", { name: "Sign out" }).click();
    await second.getByRole("button", { name: "Yes" }).click();
    await second.waitForURL(`${origin}/`);
    expect(await shows(second)).toEqual(["nobody"]);
    await leave(second, origin);
    await second.getByRole("button", { name: "Cancel" }).waitFor();
  });

  test.each(["query", "form_post"] as const)(
    "refuses an answer by %s that another browser began",
    async (mode) => {
      const { origin, page, person, shows } = await setUp(mode);
      const eve = person();
      const trap = await eve.visit(await eve.leave("/openid/sign-in"), { account: "bob" });
      const victim = await page();
      await leave(victim, origin);
      await victim.getByRole("button", { name: "Sign in" }).click();
      await victim.waitForURL(`${origin}/`);
      // A page of another site sends the victim there.
      const inputs = Object.entries(trap.form ?? {}).map(
        ([name, value]) => `<input name="${name}" value="${value}">`,
      );
      await victim.route("http://127.0.0.1:9/trap", (route) =>
        route.fulfill({
          contentType: "text/html",
          body: trap.form
            ? `<form method="post" action="${origin}${trap.path}">${inputs.join("")}<button>Win</button></form>`
            : `<a href="${origin}${trap.path.replaceAll("&", "&amp;")}"><button>Win</button></a>`,
        }),
      );
      await victim.goto("http://127.0.0.1:9/trap");
      await victim.getByRole("button", { name: "Win" }).click();
      await victim.getByText("You are signed in already.").waitFor();
      expect(await shows(victim)).toEqual(["1, login"]);
    },
  );
});
