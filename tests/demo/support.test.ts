import { expect, test } from "vitest";
import { startDemo } from "../support/demo.ts";
import type { HttpClient } from "../support/http.ts";

const PASSWORD = "correct horse battery";
const HTML = { accept: "text/html" };
const JSON_ = { accept: "application/json" };

const submit = (client: HttpClient, path: string, fields: Record<string, string> = {}) =>
  client.request(path, { method: "POST", headers: HTML, body: new URLSearchParams(fields) });
const textOf = (page: string): string => page.replaceAll(/<[^>]*>/g, " ").replaceAll(/\s+/g, " ");

async function start() {
  const demo = await startDemo();
  const [ada, support] = [demo.client(), demo.client()];
  await ada.post("/register", { email: "ada@example.test", password: PASSWORD });
  await support.post("/register", { email: "support@example.test", password: PASSWORD });
  const { customers } = (await support.get("/support", JSON_)).json;
  return { demo, ada, support, user: String(customers[0].id) };
}

test("support sees what a customer sees, under a banner, and the customer finds the reason", async () => {
  const { ada, support, user } = await start();
  expect((await submit(support, "/support/act", { user, reason: " " })).status).toBe(400);
  const began = await submit(support, "/support/act", { user, reason: "Ticket 4711" });
  expect([began.status, began.headers.get("location")]).toEqual([303, "/"]);
  const home = textOf((await support.get("/", HTML)).text);
  expect(home).toContain("support@example.test acts as ada@example.test : Ticket 4711 Stop");
  expect((await support.get("/me")).json).toMatchObject({ email: "ada@example.test", proofs: [] });
  expect(textOf((await support.get("/account", HTML)).text)).toContain("Account");
  const account = textOf((await ada.get("/account", HTML)).text);
  expect(account).toMatch(/Support saw this account: support@example.test: Ticket 4711/);
  const stopped = await submit(support, "/support/stop");
  expect([stopped.status, stopped.headers.get("location")]).toEqual([303, "/support"]);
  expect((await support.get("/me")).json).toMatchObject({ email: "support@example.test", actor: null });
});

test("what belongs to the customer alone is refused meanwhile", async () => {
  const { support, user } = await start();
  await submit(support, "/support/act", { user, reason: "Ticket 4711" });
  for (const path of ["/billing", "/billing/card", "/confirm", "/support"]) {
    const { status, headers } = await support.get(path, HTML);
    expect([path, status, headers.get("location")]).toEqual([path, 303, "/support/refused"]);
  }
  expect(textOf((await support.get("/support/refused", HTML)).text)).toContain("Only the user may use that");
  expect((await support.post("/billing/card", { card: "mastercard" })).json.error.code).toBe("impersonating");
  expect((await support.post("/account/otp/new")).status).toBe(403);
  const [device] = (await support.get("/devices", JSON_)).json.devices;
  expect((await support.post(`/devices/${device.handle}/name`, { name: "mine" })).json.error).toMatchObject({
    code: "impersonating",
  });
});

test("only support has the page, and nobody acts as others of support", async () => {
  const { demo, ada, support } = await start();
  expect((await ada.get("/support", HTML)).status).toBe(403);
  expect((await ada.get("/", HTML)).text).not.toContain('href="/support"');
  expect((await support.get("/", HTML)).text).toContain('href="/support"');
  expect((await demo.client().get("/support", HTML)).headers.get("location")).toBe("/login?next=%2Fsupport");
  const me = (await support.get("/me")).json.userId;
  expect((await support.post("/support/act", { user: String(me), reason: "x" })).status).toBe(404);
  expect((await support.post("/support/act", { user: "999", reason: "x" })).status).toBe(404);
});
