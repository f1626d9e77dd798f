/** What depends on the browser itself, in Firefox: forms of other sites, kept pages, tabs that are not seen, open connections. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import express from "express";
import { afterAll, describe, expect, onTestFinished, test } from "vitest";
import { Browsers, type Tab } from "../../scripts/frameworks/browsers.ts";
import { devices, sessions } from "../../src/integrations/express/index.ts";
import { openShop } from "../account/support-openid.ts";
import { overHttp, testApp } from "../support/app.ts";
import { startDemo } from "../support/demo.ts";
import { serveDevicesSite } from "../support/devices-site.ts";
import { firefoxPath, isFirefoxMissing } from "../support/firefox.ts";
import { serve } from "../support/http.ts";
import { folderForApp, ROOT, startApp, startExample } from "../support/shop.ts";
import { Provider } from "./support-provider.ts";

const firefox = new Browsers({ name: "Firefox", path: firefoxPath ?? "" }, "");

afterAll(() => firefox.close());

/** Tabs of somebody whom nobody has seen before. */
async function stranger(base: string): Promise<() => Promise<Tab>> {
  const visit = await firefox.stranger(base);
  onTestFinished(() => visit.close());
  return () => visit.tab();
}

const says = (tab: Tab, text: string) =>
  tab.until(`document.body?.innerText.includes(${JSON.stringify(text)})`);

/** The application of docs/callbacks.md at localhost, and a provider at 127.0.0.1: two sites. */
async function shopWithProvider() {
  const provider = await new Provider().start();
  const [, code = ""] =
    /```js\n([\s\S]*?)```/.exec(readFileSync(join(ROOT, "docs/callbacks.md"), "utf8")) ?? [];
  const folder = folderForApp();
  writeFileSync(join(folder, "app.mjs"), code);
  const env = { PROVIDER: provider.url };
  const { base } = await startApp(join(folder, "app.mjs"), folder, undefined, { env });
  const site = base.replace("127.0.0.1", "localhost");
  const tab = await (await stranger(site))();
  const signIn = async () => {
    await tab.goto("/sign-in");
    await tab.tick("remember");
    await tab.press("Sign in");
    await tab.until(`location.href === "${site}/"`);
  };
  const buy = async (item: string) => {
    await tab.goto("/sign-in");
    await tab.fetch("/cart", { item });
  };
  const sees = async (): Promise<unknown> => {
    await tab.goto("/sign-in");
    return JSON.parse(await tab.fetch("/"));
  };
  return { provider, site, tab, signIn, buy, sees };
}

describe.skipIf(isFirefoxMissing())("in Firefox", { timeout: 120_000 }, () => {
  test("a provider's form without cookies is posted again with them, and another user's replaces the first", async () => {
    const { provider, signIn, buy, sees } = await shopWithProvider();
    await buy("tea");
    await signIn();
    expect(await sees()).toEqual({ user: "ada", cart: ["tea"] });
    await signIn();
    expect(await sees()).toEqual({ user: "ada", cart: ["tea"] });
    provider.user = "bob";
    await signIn();
    expect(await sees()).toEqual({ user: "bob", cart: [] });
  });

  test("a form of another site signs nobody in as its author", async () => {
    const { provider, site, tab, signIn, buy, sees } = await shopWithProvider();
    await signIn();
    await buy("tea");
    const begun = await fetch(`${site}/sign-in`, {
      method: "POST",
      body: new URLSearchParams({ remember: "on" }),
      redirect: "manual",
    });
    const state = new URL(begun.headers.get("location") ?? "").searchParams.get("state") ?? "";
    const marked = ["psession-hop", "1"] as const;
    for (const [action, fields, answer] of [
      ["/callback", [["state", state]], "not begun here"],
      ["/callback", [["state", state], marked], "has been posted again already"],
      ["/signed-in", [["state", state]], "cross_site"],
    ] as const) {
      provider.forms.set("/win", {
        action: site + action,
        fields: [["code", provider.codeFor("mallory")], ...fields],
      });
      await tab.goto("/sign-in");
      await tab.leaveFor(`${provider.url}/win`);
      await says(tab, answer);
      expect(await sees()).toEqual({ user: "ada", cart: ["tea"] });
    }
  });

  test.each(["query", "form_post"] as const)(
    "OpenID Connect signs in and out, by %s",
    async (responseMode) => {
      const { origin } = await openShop({ responseMode, host: "localhost" });
      const tab = await (await stranger(origin))();
      await tab.goto("/login");
      await tab.press("Sign in with Example ID");
      await tab.press("Sign in");
      await says(tab, "Signed in as user 1");
      await tab.press("Sign out");
      await tab.press("Yes");
      await tab.until(`location.origin === "${origin}"`);
      await tab.goto("/");
      expect(await tab.text("body")).not.toContain("Signed in as");
    },
  );

  test("the back button after a sign-out does not show the page of devices again", async () => {
    const base = await serveDevicesSite();
    const tab = await (await stranger(base))();
    await tab.goto("/login");
    await tab.press("Sign out everywhere, including here");
    await tab.heading("home");
    await tab.back();
    await tab.heading("please sign in");
  });

  test("a tab that was behind another one asks who is signed in when it is seen again", async () => {
    const { psession } = testApp(overHttp);
    const site = express();
    site.use("/dist", express.static(join(ROOT, "dist"), { index: false }));
    site.get("/plain", (_request, response) => {
      response.type("html").send(`<!doctype html><h1></h1><script type="module">
import { watchSession } from "/dist/client.mjs";
watchSession("/devices/session").subscribe(({ status }) => { document.querySelector("h1").textContent = status; });
</script>`);
    });
    site.use(sessions(psession));
    site.get("/login", async ({ session }, response) => {
      await session.login("ada", { method: "password" });
      response.send("<h1>signed in</h1>");
    });
    site.get("/logout", async ({ session }, response) => {
      await session.logout();
      response.send("<h1>signed out</h1>");
    });
    site.use("/devices", devices());
    const open = await stranger(await serve(site));
    const [behind, front] = [await open(), await open()];
    await behind.goto("/plain");
    await behind.heading("signedOut");
    for (const [path, status] of [
      ["/login", "signedIn"],
      ["/logout", "signedOut"],
    ] as const) {
      // Chromium without a window takes every tab for one that is seen; Firefox does not.
      await front.show();
      await behind.until("document.hidden");
      await front.goto(path);
      await behind.show();
      await behind.heading(status);
    }
  });

  test("the application of docs/frameworks/pages.md says who is signed in, and its button extends that", async () => {
    const { base } = await startExample("docs/frameworks/pages.md");
    const tab = await (await stranger(base))();
    await tab.goto("/");
    await says(tab, "signedOut");
    await tab.press("Sign in as Ada");
    await says(tab, "Ada, until ");
    await tab.press("Stay signed in");
    await tab.press("Sign out");
    await says(tab, "signedOut");
  });

  test("an open page of the demo says at once that it was signed out elsewhere, and the sign-in page why", async () => {
    const demo = await startDemo();
    const ada = { email: "ada@example.test", password: "correct horse battery" };
    const phone = demo.client();
    await phone.post("/register", ada);
    const tab = await (await stranger(demo.url))();
    await tab.goto("/login?next=/devices");
    for (const [name, value] of Object.entries(ada)) await tab.type(name, value);
    await tab.tick("remember");
    await tab.press("Sign in");
    await tab.heading("Devices");
    await tab.until(`performance.getEntriesByName(location.origin + "/api/devices/session").length > 0`);
    await phone.post("/devices/revoke-others");
    await says(tab, "You are signed out.");
    await tab.click("[data-sign-in]");
    await says(tab, "You were signed out from elsewhere");
    expect(demo.logged).toEqual([]);
  });
});
