import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { BrowserContext, Page, Request } from "playwright-core";
import { describe, expect, onTestFinished, test } from "vitest";
import { isChromiumMissing, launch } from "../support/chromium.ts";
import { folderForApp, ROOT, startApp } from "../support/shop.ts";
import { temporaryFolder } from "../support/temp.ts";
import { Provider } from "./support-provider.ts";

/** The application of docs/callbacks.md at localhost, a provider at 127.0.0.1, and somebody with a browser. */
async function setUp() {
  const provider = await new Provider().start();
  const [, code = ""] =
    /```js\n([\s\S]*?)```/.exec(readFileSync(join(ROOT, "docs/callbacks.md"), "utf8")) ?? [];
  const folder = folderForApp();
  writeFileSync(join(folder, "app.mjs"), code);
  const { base } = await startApp(join(folder, "app.mjs"), folder, undefined, {
    env: { PROVIDER: provider.url },
  });
  const site = base.replace("127.0.0.1", "localhost");
  return { provider, site, person: new Visitor(site) };
}

/** One profile folder. Closing the browser forgets what lives until then. */
class Visitor {
  readonly #site: string;
  readonly #profile = join(temporaryFolder(), "profile");
  #context: BrowserContext | undefined;

  constructor(site: string) {
    this.#site = site;
  }

  async page({ scripts = true } = {}): Promise<Page> {
    if (this.#context === undefined) {
      const context = await launch(this.#profile, { scripts });
      onTestFinished(() => context.close());
      this.#context = context;
    }
    return this.#context.newPage();
  }

  async restart(): Promise<void> {
    await this.#context?.close();
    this.#context = undefined;
  }

  async signIn(page: Page, { remember = false } = {}): Promise<void> {
    await page.goto(`${this.#site}/sign-in`);
    if (remember) await page.getByRole("checkbox").check();
    await page.getByRole("button").click();
    await page.waitForURL(`${this.#site}/`);
  }

  /** What the site shows this browser. */
  async sees(page?: Page): Promise<unknown> {
    const own = page ?? (await this.page());
    await own.goto(`${this.#site}/`);
    const shown: unknown = JSON.parse((await own.locator("body").textContent()) ?? "");
    if (page === undefined) await own.close();
    return shown;
  }

  async buys(page: Page, item: string): Promise<void> {
    await page.goto(`${this.#site}/sign-in`);
    const status = await page.evaluate(
      async (body) => (await fetch("/cart", { method: "POST", body: new URLSearchParams(body) })).status,
      { item },
    );
    expect(status).toBe(200);
  }
}

/** Whether each post to these paths came with our cookies, and what it said of where it came from. */
function postsOf(page: Page): { of(path: string): Promise<{ cookies: string[]; site: string }[]> } {
  const posts: Request[] = [];
  page.on("request", (request) => void (request.method() === "POST" && posts.push(request)));
  return {
    of: (path) =>
      Promise.all(
        posts
          .filter((request) => new URL(request.url()).pathname === path)
          .map(async (request) => {
            const { cookie = "", "sec-fetch-site": site = "" } = await request.allHeaders();
            return { site, cookies: cookie.split("; ").map((pair) => pair.split("=")[0] ?? "") };
          }),
      ),
  };
}

describe.skipIf(isChromiumMissing())("the application of docs/callbacks.md, in Chromium", () => {
  test("a form without cookies is posted again with them, and signs in a remembered user", async () => {
    const { person } = await setUp();
    const page = await person.page();
    await person.signIn(page, { remember: true });
    expect(await person.sees(page)).toEqual({ user: "ada", cart: [] });
    const posts = postsOf(page);
    await person.signIn(page, { remember: true });
    expect(await posts.of("/callback")).toEqual([{ site: "cross-site", cookies: [""] }]);
    expect(await posts.of("/signed-in")).toEqual([
      { site: "same-origin", cookies: expect.arrayContaining(["psession", "psession-remember"]) },
    ]);
    await person.restart();
    expect(await person.sees()).toEqual({ user: "ada", cart: [] });
  });

  test("another user signs in: the previous one never comes back, and the carts are not mixed", async () => {
    for (const remember of [false, true]) {
      const { provider, person } = await setUp();
      const first = await person.page();
      await person.signIn(first, { remember: true });
      await person.buys(first, "tea");
      await person.restart();
      provider.user = "bob";
      const second = await person.page();
      expect(await person.sees(second)).toEqual({ user: "ada", cart: ["tea"] });
      await person.signIn(second, { remember });
      await person.buys(second, "ink");
      expect(await person.sees(second)).toEqual({ user: "bob", cart: ["ink"] });
      await person.restart();
      expect(await person.sees()).toEqual(
        remember ? { user: "bob", cart: ["ink"] } : { user: "nobody", cart: [] },
      );
    }
  });

  test("an anonymous visitor's cart comes along", async () => {
    const { person } = await setUp();
    const page = await person.page();
    await person.buys(page, "tea");
    await person.signIn(page);
    expect(await person.sees(page)).toEqual({ user: "ada", cart: ["tea"] });
  });

  test("a sign-in that this browser did not begin is refused, however it is posted", async () => {
    const { provider, site, person } = await setUp();
    const page = await person.page();
    await person.signIn(page, { remember: true });
    await person.buys(page, "tea");
    // Mallory begins one of their own, and keeps the state that they get.
    const begun = await fetch(`${site}/sign-in`, {
      method: "POST",
      body: new URLSearchParams({ remember: "on" }),
      redirect: "manual",
    });
    const theirs = new URL(begun.headers.get("location") ?? "").searchParams.get("state") ?? "";
    const marked = ["psession-hop", "1"] as const;
    for (const [action, extra, status] of [
      ["/callback", [["state", theirs]], 403],
      ["/callback", [], 403],
      ["/callback", [["state", theirs], marked], 400],
      ["/signed-in", [["state", theirs]], 403],
      ["/signed-in", [["state", theirs], marked], 403],
    ] as const) {
      provider.forms.set("/win", {
        action: site + action,
        fields: [["code", provider.codeFor("mallory")], ...extra],
      });
      const last = page.waitForResponse((response) => response.status() === status);
      await page.goto(`${provider.url}/win`).catch(() => {});
      await last;
      expect(await person.sees(page)).toEqual({ user: "ada", cart: ["tea"] });
    }
    await person.restart();
    expect(await person.sees()).toEqual({ user: "ada", cart: ["tea"] });
  });

  test("a state counts once: a page that is posted again signs nobody in", async () => {
    const { provider, person } = await setUp();
    const page = await person.page();
    const states: string[] = [];
    page.on("request", (request) => {
      const state = new URL(request.url()).searchParams.get("state");
      if (state !== null) states.push(state);
    });
    await person.signIn(page);
    const answer = await page.evaluate(
      async (fields) => {
        const response = await fetch("/signed-in", { method: "POST", body: new URLSearchParams(fields) });
        return [response.status, await response.text()];
      },
      { state: states[0] ?? "", code: provider.codeFor("bob") },
    );
    expect(answer).toEqual([403, expect.stringContaining("not begun here")]);
    expect(await person.sees(page)).toMatchObject({ user: "ada" });
  });

  test("without scripts there is a button", async () => {
    const { provider, site, person } = await setUp();
    const page = await person.page({ scripts: false });
    await page.goto(`${site}/sign-in`);
    await page.getByRole("button").click();
    // The provider's page needs scripts in this test; ours does not.
    const state = new URL(page.url()).searchParams.get("state") ?? "";
    const form = new URLSearchParams({ code: provider.codeFor("ada"), state });
    await page.route(`${provider.url}/form`, async (route) => {
      const inputs = [...form].map(
        ([name, value]) => `<input type="hidden" name="${name}" value="${value}">`,
      );
      await route.fulfill({
        contentType: "text/html",
        body: `<form method="post" action="${site}/callback">${inputs.join("")}<button>Go</button></form>`,
      });
    });
    await page.goto(`${provider.url}/form`);
    await page.getByRole("button").click();
    await page.waitForURL(`${site}/callback`);
    const shot = process.env["PSESSION_SCREENSHOT"];
    if (shot !== undefined) await page.screenshot({ path: shot });
    await page.getByRole("button", { name: "Continue" }).click();
    await page.waitForURL(`${site}/`);
    expect(await person.sees(page)).toEqual({ user: "ada", cart: [] });
  });
});
