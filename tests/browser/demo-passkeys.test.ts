import { join } from "node:path";
import type { BrowserContext, CDPSession, Page } from "playwright-core";
import { afterEach, describe, expect, test } from "vitest";
import { isChromiumMissing, launch } from "../support/chromium.ts";
import { type RunningDemo, startDemo } from "../support/demo.ts";
import { temporaryFolder } from "../support/temp.ts";

const ADA = { email: "ada@example.test", password: "correct horse battery" };
const MINUTE = 60_000;

const running: BrowserContext[] = [];

afterEach(async () => {
  for (const context of running.splice(0)) await context.close();
});

/** A computer whose lock keeps passkeys, and opens without asking. */
async function computer(): Promise<{ page: Page; devtools: CDPSession; authenticatorId: string }> {
  const context = await launch(join(temporaryFolder(), "profile"));
  running.push(context);
  const page = await context.newPage();
  const devtools = await context.newCDPSession(page);
  await devtools.send("WebAuthn.enable");
  const { authenticatorId } = await devtools.send("WebAuthn.addVirtualAuthenticator", {
    options: {
      protocol: "ctap2",
      transport: "internal",
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  return { page, devtools, authenticatorId };
}

async function register(page: Page, demo: RunningDemo): Promise<void> {
  await page.goto(`${demo.url}/register`);
  await page.getByLabel("Email").fill(ADA.email);
  await page.getByLabel("Password").fill(ADA.password);
  await page.getByRole("button", { name: "Register" }).click();
  await page.getByRole("heading", { name: "Your cart" }).waitFor();
}

async function addPasskey(page: Page, demo: RunningDemo, name: string): Promise<void> {
  await page.goto(`${demo.url}/account`);
  await page.getByRole("link", { name: "Add a passkey" }).click();
  await page.getByLabel("Name").fill(name);
  await page.getByRole("button", { name: "Make a passkey" }).click();
  await page.getByText(`The passkey “${name}” signs you in from now on.`).waitFor();
}

async function signOut(page: Page, demo: RunningDemo): Promise<void> {
  await page.getByRole("button", { name: "Sign out" }).first().click();
  await page.goto(`${demo.url}/login?next=/data`);
}

const me = (page: Page) =>
  page.evaluate(async () => (await fetch("/me", { headers: { accept: "application/json" } })).json());

describe.skipIf(isChromiumMissing())("passkeys in Chromium", () => {
  test("one is made, signs in as two factors, proves again, and signs nobody in when it was removed", async () => {
    const demo = await startDemo();
    const { page, devtools, authenticatorId } = await computer();
    await register(page, demo);
    await addPasskey(page, demo, "Laptop");
    const { credentials } = await devtools.send("WebAuthn.getCredentials", { authenticatorId });
    expect(credentials).toMatchObject([{ isResidentCredential: true, rpId: "localhost" }]);

    await signOut(page, demo);
    expect(await me(page)).toMatchObject({ email: null });
    await page.getByLabel("Remember me").check();
    await page.getByRole("button", { name: "Sign in with a passkey" }).click();
    // No code, no password: the page that needs two factors opens.
    await page.waitForURL("**/data");
    await page.getByRole("heading", { name: "Your data" }).waitFor();
    expect(await me(page)).toMatchObject({ email: ADA.email, level: "login", proofs: ["passkey"] });
    const names = (await page.context().cookies()).map(({ name }) => name);
    expect(names).toContain("psession-remember");

    demo.clock.advance(11 * MINUTE);
    await page.goto(`${demo.url}/data`);
    await page.getByRole("button", { name: "Use a passkey" }).click();
    await page.getByRole("heading", { name: "Your data" }).waitFor();
    demo.clock.advance(11 * MINUTE);
    await page.goto(`${demo.url}/billing`);
    await page.getByRole("button", { name: "Confirm with a passkey" }).click();
    await page.getByRole("heading", { name: "Billing" }).waitFor();

    await page.goto(`${demo.url}/account`);
    await page.getByText(/Made .*, used/).waitFor();
    await page.getByRole("button", { name: "Remove Laptop" }).click();
    await page.getByText("The passkey was removed.").waitFor();
    await signOut(page, demo);
    await page.getByRole("button", { name: "Sign in with a passkey" }).click();
    await page.getByText("That passkey belongs to no account here. Was it removed?").waitFor();
    expect(await me(page)).toMatchObject({ email: null });
    expect(demo.logged).toEqual([]);
  });

  test("a passkey is not asked for a code, and one that asks for no PIN or finger is not taken", async () => {
    const demo = await startDemo();
    const { page, devtools, authenticatorId } = await computer();
    await register(page, demo);
    await addPasskey(page, demo, "Laptop");
    await page.getByRole("button", { name: "Switch codes on" }).click();
    const secret = ((await page.locator(".key").textContent()) ?? "").replaceAll(" ", "");
    const { generate } = await import("otplib");
    const code = await generate({ secret, epoch: Math.floor(demo.clock.now() / 1000) });
    await page.getByLabel("Code", { exact: true }).fill(code);
    await page.getByRole("button", { name: "Switch codes on" }).click();
    await page.getByText("Codes are on.").waitFor();
    await signOut(page, demo);
    await page.getByRole("button", { name: "Sign in with a passkey" }).click();
    await page.waitForURL("**/data");

    await signOut(page, demo);
    await devtools.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified: false });
    await page.getByRole("button", { name: "Sign in with a passkey" }).click();
    await page.getByText("No passkey was used: it was cancelled").waitFor();
    expect(await me(page)).toMatchObject({ email: null });
    expect(demo.logged).toEqual([]);
  });

  test("an answer counts once: sent again, or for another challenge, it signs nobody in", async () => {
    const demo = await startDemo();
    const { page } = await computer();
    await register(page, demo);
    await addPasskey(page, demo, "Laptop");
    await signOut(page, demo);
    const sent = page.waitForRequest((request) => new URL(request.url()).pathname === "/login/passkey");
    await page.getByRole("button", { name: "Sign in with a passkey" }).click();
    const answer = (await sent).postDataJSON();
    await page.waitForURL("**/data");

    const client = demo.client();
    expect((await client.post("/login/passkey", answer)).json.error.code).toBe("no_challenge");
    await client.post("/login/passkey/options");
    const other = await client.post("/login/passkey", answer);
    expect([other.status, other.json.error.code]).toEqual([401, "passkey_not_accepted"]);
    expect((await client.post("/login/passkey", answer)).json.error.code, "used up").toBe("no_challenge");
    expect((await client.get("/me")).json.userId).toBeNull();
    expect(demo.logged).toEqual([]);
  });
});
