import { join } from "node:path";
import express, { type Express } from "express";
import type { BrowserContext, Page } from "playwright-core";
import { rolldown } from "rolldown";
import { afterEach, describe, expect, test } from "vitest";
import { devices, sessions } from "../../src/integrations/express/index.ts";
import { overHttp, testApp } from "../support/app.ts";
import { isChromiumMissing, launch } from "../support/chromium.ts";
import { HOUR, MINUTE } from "../support/clock.ts";
import { serve } from "../support/http.ts";
import { ROOT, startExample } from "../support/shop.ts";
import { temporaryFolder } from "../support/temp.ts";

const AT = "/account/devices/session";

const running: BrowserContext[] = [];

afterEach(async () => {
  for (const context of running.splice(0)) await context.close();
});

/** A page that shows what it knows, by a part of psession as browsers load it: without a bundler. */
const PLAIN = `<!doctype html><title>plain</title><pre></pre><script type="module">
import { watchSession } from "/dist/client.mjs";
globalThis.watch = watchSession("${AT}");
globalThis.stop = watch.subscribe((state) => { document.querySelector("pre").textContent = JSON.stringify(state); });
</script>`;

const REACT = `
import { createElement as h, StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { useSession } from "psession/react";
function Who() {
  const { status, userId, profile, canExtend, extend } = useSession("${AT}");
  return h("p", null, status + " " + (userId ?? "-") + " " + (profile?.name ?? "-"),
    canExtend && h("button", { onClick: extend }, "Stay signed in"));
}
createRoot(document.getElementById("root")).render(h(StrictMode, null, h(Who), h(Who)));
`;

let bundle: Promise<string> | undefined;

async function bundled(): Promise<string> {
  const build = await rolldown({
    input: "page",
    platform: "browser",
    cwd: ROOT,
    transform: { define: { "process.env.NODE_ENV": '"production"' } },
    plugins: [
      {
        name: "page",
        resolveId: (id) => (id === "page" ? join(ROOT, "page.js") : undefined),
        load: (id) => (id === join(ROOT, "page.js") ? REACT : undefined),
      },
    ],
  });
  const { output } = await build.generate({ format: "es" });
  await build.close();
  return output[0].code;
}

async function open() {
  const app = testApp({ ...overHttp, session: { idle: "1h", absolute: "8h" } });
  const asked: string[] = [];
  let isDown = false;
  const site: Express = express();
  site.use("/dist", express.static(join(ROOT, "dist"), { index: false }));
  site.get("/plain", (_request, response) => void response.type("html").send(PLAIN));
  site.get("/react", (_request, response) => {
    response
      .type("html")
      .send('<!doctype html><div id="root"></div><script type="module" src="/react.js"></script>');
  });
  site.get("/react.js", async (_request, response) => {
    bundle ??= bundled();
    response.type("js").send(await bundle);
  });
  site.use((request, response, next) => {
    if (request.path === AT) asked.push(request.method);
    if (isDown) response.status(503).end();
    else next();
  });
  site.use(sessions(app.psession));
  site.get("/login", async ({ session }, response) => {
    await session.login("ada", { method: "password" });
    response.send("signed in");
  });
  site.get("/logout", async ({ session }, response) => {
    await session.logout();
    response.send("signed out");
  });
  site.use("/account/devices", devices({ describe: ({ userId }) => ({ name: `Ms ${userId}` }) }));
  const base = await serve(site);
  const context = await launch(join(temporaryFolder(), "profile"));
  running.push(context);
  const tab = async (path: string) => {
    const page = await context.newPage();
    // Its timers do not run by themselves.
    await page.clock.install();
    await page.goto(base + path);
    return page;
  };
  const visit = async (path: string) => void (await (await context.newPage()).goto(base + path));
  const setDown = (is: boolean) => {
    isDown = is;
  };
  return { app, asked, tab, visit, setDown };
}

const shows = (page: Page, part: string) => page.locator("pre", { hasText: part }).waitFor();
const stateIn = async (page: Page) => JSON.parse((await page.locator("pre").textContent()) ?? "");
/** Until the answers to what it has asked are there. */
const call = (page: Page, method: "refresh" | "extend" | "stop") =>
  page.evaluate(async (name) => {
    const { watch, stop } = globalThis as never as {
      watch: Record<string, () => Promise<void>>;
      stop(): void;
    };
    await (name === "stop" ? stop() : watch[name]?.());
  }, method);

describe.skipIf(isChromiumMissing())("a page that watches its session in Chromium", () => {
  test("knows who is signed in and until when, and no question is a use of the session", async () => {
    const { app, tab, visit, asked } = await open();
    const page = await tab("/plain");
    await shows(page, '"signedOut"');
    await visit("/login");
    await call(page, "refresh");
    const { endsAt, ...state } = await stateIn(page);
    expect(state).toEqual({
      status: "signedIn",
      level: "login",
      userId: "ada",
      isPending: false,
      isActing: false,
      canExtend: true,
      profile: { name: "Ms ada" },
      isReachable: true,
    });
    const now = () => page.evaluate(() => Date.now());
    expect(Math.abs(endsAt - (await now()) - HOUR)).toBeLessThan(10_000);
    app.clock.advance(59 * MINUTE);
    await call(page, "refresh");
    expect(Math.abs((await stateIn(page)).endsAt - (await now()) - MINUTE)).toBeLessThan(10_000);
    await call(page, "extend");
    expect(Math.abs((await stateIn(page)).endsAt - (await now()) - HOUR)).toBeLessThan(10_000);
    expect(asked).toEqual(["GET", "GET", "GET", "POST"]);
    app.clock.advance(61 * MINUTE);
    await call(page, "extend");
    expect(await stateIn(page)).toMatchObject({ status: "signedOut", level: "anonymous" });
  });

  test("asks again each minute, and when the session should be over; hidden, or when nothing listens, it does not", async () => {
    const { app, tab, visit, asked } = await open();
    await visit("/login");
    const page = await tab("/plain");
    await shows(page, '"signedIn"');
    const questionAfter = async (milliseconds: number) => {
      const answered = page.waitForResponse((response) => response.url().endsWith(AT));
      await page.clock.runFor(milliseconds);
      await answered;
    };
    await questionAfter(MINUTE);
    app.clock.advance(59 * MINUTE + 50_000);
    await questionAfter(MINUTE);
    app.clock.advance(11_000);
    // Long before the next minute.
    await questionAfter(11_500);
    await shows(page, '"signedOut"');
    expect(asked).toHaveLength(4);

    const see = (visibilityState: string) =>
      page.evaluate((value) => {
        const { document } = globalThis as never as { document: EventTarget };
        Object.defineProperty(document, "visibilityState", { value, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
      }, visibilityState);
    await see("hidden");
    await page.clock.runFor(HOUR);
    expect(asked).toHaveLength(4);
    const answered = page.waitForResponse((response) => response.url().endsWith(AT));
    await see("visible");
    await answered;
    await call(page, "stop");
    await page.clock.runFor(HOUR);
    expect(asked).toHaveLength(5);
  });

  test("hears from another tab that somebody has signed in or out", async () => {
    const { tab, visit } = await open();
    const [one, other] = [await tab("/plain"), await tab("/plain")];
    await shows(one, '"signedOut"');
    await shows(other, '"signedOut"');
    await visit("/login");
    await call(one, "refresh");
    await shows(other, '"signedIn"');
    await visit("/logout");
    await call(other, "refresh");
    await shows(one, '"signedOut"');
  });

  test("keeps what it knows while the server does not answer, and says so", async () => {
    const { tab, visit, setDown } = await open();
    await visit("/login");
    const page = await tab("/plain");
    await shows(page, '"signedIn"');
    setDown(true);
    await call(page, "refresh");
    expect(await stateIn(page)).toMatchObject({ status: "signedIn", userId: "ada", isReachable: false });
    setDown(false);
    await page.clock.runFor(MINUTE);
    await shows(page, '"isReachable":true');
  });

  test("is one for all components of React, and its button extends", async () => {
    const { app, tab, visit, asked } = await open();
    await visit("/login");
    const page = await tab("/react");
    await expect
      .poll(() => page.locator("p").allTextContents())
      .toEqual(Array(2).fill("signedIn ada Ms adaStay signed in"));
    // StrictMode mounts twice.
    expect(asked.length).toBeLessThanOrEqual(2);
    app.clock.advance(50 * MINUTE);
    const answered = page.waitForResponse((response) => response.request().method() === "POST");
    await page.getByRole("button").first().click();
    expect((await answered).status()).toBe(200);
  });

  test("the application of docs/frameworks/pages.md shows who is signed in, and until when", async () => {
    const { base } = await startExample("docs/frameworks/pages.md");
    const context = await launch(join(temporaryFolder(), "profile"));
    running.push(context);
    const page = await context.newPage();
    await page.goto(base);
    await page.getByText("signedOut").waitFor();
    await page.getByRole("button", { name: "Sign in as Ada" }).click();
    await page.getByText(/^Ada, until /).waitFor();
    const answered = page.waitForResponse((response) => response.request().method() === "POST");
    await page.getByRole("button", { name: "Stay signed in" }).click();
    expect((await answered).status()).toBe(200);
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByText("signedOut").waitFor();
  });
});
