import { join } from "node:path";
import type { BrowserContext, Page } from "playwright-core";
import { afterEach, describe, expect, test } from "vitest";
import { isChromiumMissing, launch } from "../support/chromium.ts";
import { type RunningDemo, startDemo } from "../support/demo.ts";
import { temporaryFolder } from "../support/temp.ts";

const ADA = { email: "ada@example.test", password: "correct horse battery" };

const running: BrowserContext[] = [];

afterEach(async () => {
  for (const context of running.splice(0)) await context.close();
});

/** A person at one computer: a profile folder, and the browser that runs on it. */
class Person {
  readonly demo: RunningDemo;
  readonly profile = join(temporaryFolder(), "profile");
  #context: BrowserContext | undefined;

  readonly #options: { scripts?: boolean };

  constructor(demo: RunningDemo, options: { scripts?: boolean } = {}) {
    this.demo = demo;
    this.#options = options;
  }

  async context(): Promise<BrowserContext> {
    if (this.#context === undefined) {
      this.#context = await launch(this.profile, this.#options);
      running.push(this.#context);
    }
    return this.#context;
  }

  async tab(path: string): Promise<Page> {
    const page = await (await this.context()).newPage();
    await page.goto(this.demo.url + path);
    return page;
  }

  /** Closes every window; the next tab opens the browser again, on the same profile. */
  async closeBrowser(): Promise<void> {
    const context = await this.context();
    running.splice(running.indexOf(context), 1);
    this.#context = undefined;
    await context.close();
  }

  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever came.
  async me(): Promise<any> {
    const page = await this.tab("/me");
    const text = await page.locator("body").textContent();
    await page.close();
    return JSON.parse(text ?? "");
  }

  async submit(path: string, fields: Record<string, string>, remember = false): Promise<Page> {
    const page = await this.tab(path);
    const form = page.locator("main form").filter({ has: page.locator("input[type=password]") });
    for (const [name, value] of Object.entries(fields)) await form.locator(`[name=${name}]`).fill(value);
    if (remember) await form.locator("[name=remember]").check();
    await Promise.all([page.waitForURL((url) => url.pathname !== path), form.locator("button").click()]);
    return page;
  }
}

describe.skipIf(isChromiumMissing())("in Chromium", () => {
  const events = async (demo: RunningDemo) => {
    const { events } = (await demo.client().get("/lab/events", { accept: "application/json" })).json;
    return (events as { type: string }[]).map(({ type }) => type);
  };

  test("without the tick, closing the browser signs out; with it the user and the cart come back", async () => {
    const demo = await startDemo();
    const ada = new Person(demo);
    await ada.submit("/register", ADA);
    expect(await ada.me()).toMatchObject({ email: ADA.email, level: "login" });
    await ada.closeBrowser();
    expect(await ada.me()).toMatchObject({ email: null });

    const login = await ada.tab("/login");
    expect(await login.locator("[name=email]").inputValue()).toBe(ADA.email);
    const home = await ada.submit("/login", ADA, true);
    await home.locator("[name=item]").fill("green tea");
    await home.locator("form[action='/cart'] button").click();
    await home.getByText("green tea").first().waitFor();
    await ada.closeBrowser();
    demo.clock.advance(30 * 60_000);
    expect(await ada.me()).toMatchObject({
      email: ADA.email,
      level: "remembered",
      isPersistent: true,
      cart: ["green tea"],
    });
    await ada.closeBrowser();
    demo.clock.advance(24 * 3_600_000);
    expect(await ada.me()).toMatchObject({ email: ADA.email, cart: ["green tea"] });
    demo.clock.advance(31 * 24 * 3_600_000);
    expect(await ada.me()).toMatchObject({ email: null });
    expect(demo.logged).toEqual([]);
  });

  test("ten tabs restored at once are all signed in, by one rotation", async () => {
    const demo = await startDemo();
    const ada = new Person(demo);
    await ada.submit("/register", ADA, true);
    await ada.closeBrowser();
    demo.clock.advance(3_600_000);
    const context = await ada.context();
    const pages = await Promise.all(Array.from({ length: 10 }, () => context.newPage()));
    await Promise.all(pages.map((page) => page.goto(`${demo.url}/me`)));
    for (const page of pages)
      expect(JSON.parse((await page.locator("body").textContent()) ?? "").email).toBe(ADA.email);
    const told = await events(demo);
    expect(told.filter((type) => type === "restored")).toHaveLength(1);
    expect(told).not.toContain("theft");
    await ada.closeBrowser();
    demo.clock.advance(3_600_000);
    expect(await ada.me()).toMatchObject({ email: ADA.email });
  });

  test("copied cookies do not sign a thief in, and end the victim's session with theft", async () => {
    const demo = await startDemo();
    const ada = new Person(demo);
    await ada.submit("/register", ADA, true);
    const stolen = (await (await ada.context()).cookies()).filter(({ expires }) => expires > 0);
    await ada.closeBrowser();
    demo.clock.advance(3_600_000);
    await ada.me();
    demo.clock.advance(600_000);
    await ada.me();
    const thief = new Person(demo);
    await (await thief.context()).addCookies(stolen);
    expect(await thief.me()).toMatchObject({ email: null });
    expect(await events(demo)).toContain("theft");
    expect(await ada.me()).toMatchObject({ email: null });
  });

  test("a user ends one device from another", async () => {
    const demo = await startDemo();
    const [laptop, phone] = [new Person(demo), new Person(demo)];
    await laptop.submit("/register", ADA, true);
    await phone.submit("/login", ADA, true);
    const devices = await phone.tab("/devices");
    expect(await devices.getByText(/Chrom\w+ on Linux/i).count()).toBeGreaterThanOrEqual(2);
    await devices.locator("form[action*='revoke-others'] button").click();
    await devices.waitForLoadState();
    expect(await laptop.me()).toMatchObject({ email: null });
    expect(await phone.me()).toMatchObject({ email: ADA.email });
  });

  test("two carts become one at a sign-in; a device gets a name, and all of them are signed out", async () => {
    const demo = await startDemo();
    const [laptop, phone] = [new Person(demo), new Person(demo)];
    const add = async (person: Person, item: string) => {
      const home = await person.tab("/");
      await home.locator("[name=item]").fill(item);
      await home.getByRole("button", { name: "Add", exact: true }).click();
      await home.getByText(item).first().waitFor();
    };
    await laptop.submit("/register", ADA, true);
    await add(laptop, "green tea");
    await add(phone, "oat milk");
    await phone.submit("/login", ADA, true);
    expect((await phone.me()).cart).toEqual(["green tea", "oat milk"]);

    const devices = await phone.tab("/devices");
    const mine = devices.locator(".device", { hasText: "This device" });
    await mine.getByLabel("Name").fill("Kitchen");
    await mine.getByRole("button", { name: "Save" }).click();
    await devices.getByRole("heading", { name: "Kitchen" }).waitFor();
    expect(await mine.getByRole("heading").textContent()).toContain("Kitchen");
    expect(await devices.locator("dd", { hasText: "Lisbon, Portugal (made up)" }).count()).toBe(2);
    await devices.getByRole("button", { name: "Sign out everywhere" }).click();
    await devices.getByText("You are signed out everywhere. Devices: 2.").waitFor();
    for (const person of [laptop, phone]) expect(await person.me()).toMatchObject({ email: null });
    expect(demo.logged).toEqual([]);
  });

  test("billing asks a remembered visitor for the password, and lets a fresh login in", async () => {
    const demo = await startDemo();
    const ada = new Person(demo);
    await ada.submit("/register", ADA, true);
    expect(new URL((await ada.tab("/billing")).url()).pathname).toBe("/billing");
    await ada.closeBrowser();
    demo.clock.advance(3_600_000);
    const confirm = await ada.tab("/billing");
    expect(new URL(confirm.url()).pathname).toBe("/confirm");
    await confirm.locator("[name=password]").fill(ADA.password);
    await confirm.locator("main form button").first().click();
    await confirm.waitForURL("**/billing");
    expect(await ada.me()).toMatchObject({ level: "login", isPersistent: false });
  });

  test("the lab shows the story: the browser closed, ten tabs, the thief, the events", async () => {
    const demo = await startDemo();
    const ada = new Person(demo);
    await ada.submit("/register", ADA, true);
    const lab = await ada.tab("/lab");
    await lab.getByRole("button", { name: "Jump 30 minutes ahead" }).click();
    await lab.getByText("The clock was moved ahead.").waitFor();
    const [own, thief] = [lab.locator("#visitor"), lab.locator("#thief")];
    await own.getByText("Signed in").waitFor();
    await lab.getByRole("button", { name: "Close browser", exact: true }).click();
    await lab.getByText("Your browser was closed").waitFor();
    await own.getByText("Not seen yet").waitFor();
    await lab.getByRole("button", { name: "Copy cookies" }).click();
    await lab.getByText(/The thief copied/).waitFor();
    await thief.getByText("same as yours").waitFor();
    await lab.getByRole("button", { name: "Open ten tabs" }).click();
    await lab.locator("[data-tab-list] li").nth(9).waitFor();
    expect(await lab.locator("[data-tab-list]").textContent()).toContain("remembered");
    await lab.locator(".event.restored").first().waitFor();
    await own.getByText("Remembered").waitFor();
    await thief.getByText("older than yours").waitFor();
    // What is new came to the top, and nothing came twice.
    const ids = await lab.locator(".event").evaluateAll((items) => items.map((item) => item.dataset["id"]));
    expect(new Set(ids).size).toBe(ids.length);
    expect(await lab.locator(".event").first().getAttribute("class")).not.toContain("login");
    await lab.getByRole("button", { name: "Jump 1 day ahead" }).click();
    await lab.locator(".event.login time", { hasText: "1 day ago" }).waitFor();
    expect(await lab.getByText("A real app has no such page").count()).toBe(1);
  });

  test("without a script the lab's buttons work and a page that is loaded again shows what came of it", async () => {
    const demo = await startDemo();
    const ada = new Person(demo, { scripts: false });
    await ada.submit("/register", ADA, true);
    const lab = await ada.tab("/lab");
    await lab.getByRole("button", { name: "Jump 30 minutes ahead" }).click();
    await lab.getByText("The clock was moved ahead.").waitFor();
    await lab.getByRole("button", { name: "Copy cookies" }).click();
    await lab.getByText(/The thief copied/).waitFor();
    await lab.getByRole("button", { name: "Thief visits" }).click();
    await lab.getByText(`The thief is signed in as ${ADA.email}`).waitFor();
    expect(await lab.locator("#thief").textContent()).toContain("same as yours");
    await lab.getByRole("button", { name: "Close browser", exact: true }).click();
    await lab.getByText("Your browser was closed").waitFor();
    expect(await lab.locator("#visitor").textContent()).toContain("Not seen yet");
    expect(await lab.getByRole("button", { name: "Open ten tabs" }).count()).toBe(0);
    await lab.reload();
    expect(await lab.getByText("Your browser was closed").count()).toBe(0);
    expect(demo.logged).toEqual([]);
  });

  test("on a phone the two browsers are side by side, and buttons and events in sight at once", async () => {
    const demo = await startDemo();
    const ada = new Person(demo);
    await ada.submit("/register", ADA, true);
    const lab = await ada.tab("/lab");
    await lab.setViewportSize({ width: 390, height: 844 });
    await lab.getByRole("button", { name: "Copy cookies" }).click();
    await lab.locator("#thief").getByText("same as yours").first().waitFor();
    await lab.locator("#bench").evaluate((bench) => bench.scrollIntoView());
    const box = async (selector: string) => {
      const found = await lab.locator(selector).boundingBox();
      if (found === null) throw new Error(`${selector} is not drawn.`);
      return found;
    };
    const [own, thief, events] = [
      await box(".browser:not(.thief)"),
      await box(".thief"),
      await box("#events"),
    ];
    expect(thief.y).toBe(own.y);
    expect(thief.x).toBeGreaterThanOrEqual(own.x + own.width);
    expect(thief.x + thief.width).toBeLessThanOrEqual(390);
    expect(events.y + events.height).toBeLessThanOrEqual(844);
    for (const name of ["Jump 31 days ahead", "Close browser", "Thief closes browser"]) {
      const button = await lab.getByRole("button", { name, exact: true }).boundingBox();
      expect([name, button === null ? -1 : Math.sign(button.y)]).toEqual([name, 1]);
      expect((button?.y ?? 0) + (button?.height ?? 0)).toBeLessThanOrEqual(events.y);
      expect(button?.height).toBeGreaterThanOrEqual(44);
    }
    // Whatever has the focus is not under the events that stay in sight.
    for (const story of await lab.locator("summary").all()) {
      await story.focus();
      const { y = 0, height = 0 } = (await story.boundingBox()) ?? {};
      expect(y + height).toBeLessThanOrEqual((await box(".log")).y);
    }
  });

  test("no page is wider than a phone, with the longest of names", async () => {
    const demo = await startDemo();
    const long = { email: `${"a".repeat(240)}@example.test`, password: ADA.password };
    const ada = new Person(demo);
    await ada.submit("/register", long, true);
    const page = await ada.tab("/");
    await page.locator("[name=item]").fill("x".repeat(80));
    await page.getByRole("button", { name: "Add", exact: true }).click();
    await page.getByText("x".repeat(80)).first().waitFor();
    const paths = ["/", "/login", "/login?another", "/register?another", "/devices", "/password", "/confirm"];
    // With the longest of names in the record as well.
    await page.goto(`${demo.url}/account/email`);
    await page.getByLabel("New email").fill(`${"b".repeat(240)}@example.test`);
    await page.getByRole("button", { name: "Change email" }).click();
    await page.getByText("Your email is").waitFor();
    const account = ["/account", "/account/email", "/account/passkeys/new", "/prove", "/reset"];
    for (const path of [...paths, ...account, "/billing", "/billing/card", "/lab", "/nothing/here"]) {
      await page.goto(demo.url + path);
      for (const width of [390, 320]) {
        await page.setViewportSize({ width, height: 844 });
        const wide = await page.locator("html").evaluate((html) => html.scrollWidth);
        expect([path, wide]).toEqual([path, width]);
        const ends = await page
          .locator("main :is(a, button, input)")
          .evaluateAll((parts) => parts.map((part) => part.getBoundingClientRect().right));
        expect([path, ...ends.filter((end) => end > width)]).toEqual([path]);
      }
    }
  });

  test("a signed-in user may continue or sign in as somebody else", async () => {
    const demo = await startDemo();
    await demo.client().post("/register", { email: "bob@example.test", password: ADA.password });
    const ada = new Person(demo);
    await ada.submit("/register", ADA, true);
    const page = await ada.tab("/login?next=/devices");
    await page.getByRole("link", { name: "Continue" }).click();
    await page.waitForURL("**/devices");
    await page.goto(`${demo.url}/login?next=/devices`);
    await page.getByRole("link", { name: "Sign in as somebody else" }).click();
    await page.getByLabel("Email").fill("bob@example.test");
    await page.getByLabel("Password").fill(ADA.password);
    await page.locator("main form button").click();
    await page.waitForURL("**/devices");
    expect(await ada.me()).toMatchObject({ email: "bob@example.test" });
  });

  test("a new card is accepted after the password was confirmed", async () => {
    const demo = await startDemo();
    const ada = new Person(demo);
    await ada.submit("/register", ADA);
    demo.clock.advance(5 * 60_000);
    const page = await ada.tab("/billing");
    await page.getByRole("link", { name: "Pay with another card" }).click();
    await page.getByLabel("Password").fill(ADA.password);
    await page.getByRole("button", { name: "Confirm" }).click();
    await page.getByLabel("Mastercard ending in 4444").check();
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText("Your Mastercard ending in 4444 pays from now on.").waitFor();
    expect(await page.locator("li", { hasText: "Default" }).textContent()).toContain("4444");
  });
});
