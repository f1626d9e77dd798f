/** Chromium and Firefox by one interface, so that a story is written once. Both are driven by puppeteer-core. */
import { rmSync } from "node:fs";
import { isBrowserMissing } from "../../tests/support/browser-path.ts";
import { chromiumPath } from "../../tests/support/chromium.ts";
import {
  firefoxPath,
  type PuppeteerBrowser,
  type PuppeteerPage,
  puppeteer,
} from "../../tests/support/firefox.ts";
import { temporaryFolder } from "../consumer.ts";

/** A browser of this machine. */
export interface BrowserKind {
  readonly name: "Chromium" | "Firefox";
  readonly path: string;
}

/** Those that are there; a line names each that is not, and in CI that is a failure instead. */
export function browsersHere(wanted: readonly BrowserKind["name"][]): readonly BrowserKind[] {
  const paths = { Chromium: chromiumPath, Firefox: firefoxPath };
  return wanted.flatMap((name) => {
    const path = paths[name];
    return isBrowserMissing(name, path) || path === undefined ? [] : [{ name, path }];
  });
}

/** One browser that is open, as one visitor uses it. */
export interface Visit {
  tab(): Promise<Tab>;
  /** As its user would. What its profile keeps is on the disk then. */
  close(): Promise<void>;
}

/** Opens browsers of a kind for the stories of a site. */
export class Browsers {
  readonly kind: BrowserKind;
  readonly #base: string;
  #shared: Promise<PuppeteerBrowser> | undefined;
  #profile: string | undefined;

  /** `base`: where the application is, such as https://127.0.0.1:4000/shop. */
  constructor(kind: BrowserKind, base: string) {
    this.kind = kind;
    this.#base = base;
  }

  /** A visitor that nobody has seen before, with cookies of its own. */
  async stranger(base = this.#base): Promise<Visit> {
    this.#profile ??= temporaryFolder("profile");
    this.#shared ??= this.#launch(this.#profile);
    const context = await (await this.#shared).createBrowserContext();
    return this.#visit(context, base);
  }

  /** On a profile, which is what the browser remembers when it is closed. */
  async onProfile(profile: string): Promise<Visit> {
    return this.#visit(await this.#launch(profile), this.#base);
  }

  /**
   * One of Chromium that binds sessions to its keys, which are of software. `pin`: of the proxy's public key, as it binds
   * nothing where it trusts every certificate.
   */
  async binding(pin: string): Promise<Visit> {
    const browser = await this.#launch(temporaryFolder("profile"), [
      `--ignore-certificate-errors-spki-list=${pin}`,
      "--enable-features=DeviceBoundSessions:RefreshQuota/false,EnableBoundSessionCredentialsSoftwareKeysForManualTesting",
    ]);
    return this.#visit(browser, this.#base.replace("127.0.0.1", "localhost"));
  }

  async close(): Promise<void> {
    const shared = this.#shared;
    this.#shared = undefined;
    await (await shared)?.close();
    // Not only when the process ends: that of a test is killed.
    if (this.#profile !== undefined) rmSync(this.#profile, { recursive: true, force: true });
    this.#profile = undefined;
  }

  async #launch(profile: string, flags: readonly string[] = []): Promise<PuppeteerBrowser> {
    const { name, path } = this.kind;
    return (await puppeteer()).launch({
      browser: name === "Firefox" ? "firefox" : "chrome",
      executablePath: path,
      userDataDir: profile,
      headless: true,
      acceptInsecureCerts: flags.length === 0,
      // JSON as text, and not in a viewer with words of its own.
      extraPrefsFirefox: { "devtools.jsonview.enabled": false },
      args: name === "Firefox" ? [] : ["--no-sandbox", "--disable-gpu", "--disable-quic", ...flags],
    });
  }

  #visit(pages: Pick<PuppeteerBrowser, "newPage" | "close">, base: string): Visit {
    return {
      tab: async () => new Tab(await pages.newPage(), base),
      close: () => pages.close(),
    };
  }
}

/** A tab, and what a person does in it. Everything waits for the page to be ready for it. */
export class Tab {
  readonly #page: PuppeteerPage;
  readonly #base: string;

  constructor(page: PuppeteerPage, base: string) {
    this.#page = page;
    this.#base = base;
    page.setDefaultTimeout(20_000);
  }

  /** Within the application. The whole address where it has been left. */
  get path(): string {
    const address = this.#page.url();
    return address.startsWith(`${this.#base}/`) ? address.slice(this.#base.length) : address;
  }

  async goto(path: string): Promise<void> {
    await this.#page.goto(this.#base + path);
  }

  /** By a script of the page, to another site; does not wait for it. */
  async leaveFor(address: string): Promise<void> {
    await this.#page.evaluate(`setTimeout(() => location.assign(${JSON.stringify(address)}))`);
  }

  async reload(): Promise<void> {
    await this.#page.reload();
  }

  /** Reloads it until the expression is true in the page. */
  async reloadUntil(expression: string): Promise<void> {
    for (let round = 0; round < 50; round++) {
      await this.reload();
      if (await this.#page.evaluate(expression)) return;
    }
    throw new Error(`After 50 reloads, ${this.path} still has not ${expression}.`);
  }

  /** The back button. Pages that the browser has kept are shown without a request. */
  async back(): Promise<void> {
    await this.#page.evaluate("setTimeout(() => history.back())");
  }

  /** Puts it before the other tabs. */
  async show(): Promise<void> {
    await this.#page.bringToFront();
  }

  /** As if the user came back from another tab: what watches the session asks anew. */
  async lookAgain(): Promise<void> {
    await this.#page.evaluate("document.dispatchEvent(new Event('visibilitychange'))");
  }

  /** Types into the field of that name, in place of what it has. */
  async type(name: string, text: string): Promise<void> {
    const field = await this.#find(`input[name="${name}"]`);
    await field.click({ count: 3 });
    await field.type(text);
  }

  async tick(name: string): Promise<void> {
    await (await this.#find(`input[name="${name}"]`)).click();
  }

  async press(button: string): Promise<void> {
    await (await this.#find(`::-p-xpath(//button[normalize-space()="${button}"])`)).click();
  }

  /** By a script of the page: its whole answer as text. With fields it is a POST. */
  async fetch(path: string, fields?: Readonly<Record<string, string>>): Promise<string> {
    const body = fields && new URLSearchParams(fields).toString();
    const type = "application/x-www-form-urlencoded";
    const options = {
      method: body === undefined ? "GET" : "POST",
      body,
      headers: body && { "content-type": type },
    };
    return String(
      await this.#page.evaluate(
        `fetch(${JSON.stringify(path)}, ${JSON.stringify(options)}).then((answer) => answer.text())`,
      ),
    );
  }

  async click(selector: string): Promise<void> {
    await (await this.#find(selector)).click();
  }

  /** Until this is the page's heading. */
  async heading(text: string): Promise<void> {
    await this.until(`document.querySelector("h1")?.textContent === ${JSON.stringify(text)}`);
  }

  /** Until the expression is true in the page. */
  async until(expression: string): Promise<void> {
    try {
      await this.#page.waitForFunction(expression);
    } catch (cause) {
      const shown = await this.#page.evaluate("document.body.innerText").catch(() => "nothing");
      throw new Error(`${this.path} never had ${expression}. It shows:\n${String(shown)}`, { cause });
    }
  }

  /** Of the first element; undefined if there is none. */
  async text(selector: string): Promise<string | undefined> {
    const found = await this.#page.evaluate(
      `document.querySelector(${JSON.stringify(selector)})?.textContent`,
    );
    return found as string | undefined;
  }

  async count(selector: string): Promise<number> {
    return Number(await this.#page.evaluate(`document.querySelectorAll(${JSON.stringify(selector)}).length`));
  }

  /** Chromium draws no tab that is behind another one, and then nothing can be clicked there. */
  async #find(selector: string) {
    await this.show();
    const found = await this.#page.waitForSelector(selector, { visible: true });
    if (found === null) throw new Error(`${this.path} has no ${selector}.`);
    return found;
  }
}
