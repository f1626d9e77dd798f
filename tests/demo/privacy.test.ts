import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { type RunningDemo, startDemo } from "../support/demo.ts";
import type { HttpClient } from "../support/http.ts";

const ADA = { email: "ada@example.test", password: "correct horse battery" };
const HTML = { accept: "text/html" };
const JSON_ = { accept: "application/json" };
const MINUTE = 60_000;

const submit = (client: HttpClient, path: string, fields: Record<string, string> = {}) =>
  client.request(path, { method: "POST", headers: HTML, body: new URLSearchParams(fields) });
const textOf = (page: string): string => page.replaceAll(/<[^>]*>/g, " ").replaceAll(/\s+/g, " ");

/** Everything in the demo's database, as text. */
function database({ dir }: RunningDemo): string {
  const db = new DatabaseSync(`${dir}/demo.sqlite`, { readOnly: true });
  const tables = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
  const rows = tables.map(({ name }) => db.prepare(`SELECT * FROM "${name}"`).all());
  db.close();
  return JSON.stringify(rows);
}

test("users download what is kept about them, without secrets", async () => {
  const demo = await startDemo();
  const ada = demo.client();
  await ada.post("/register", ADA);
  await ada.post("/cart", { item: "Lamp" });
  const file = await ada.get("/account/export", HTML);
  expect(file.headers.get("content-disposition")).toBe("attachment; filename=my-data.json");
  expect(file.json).toMatchObject({
    account: { email: ADA.email, hasCodes: false, passkeys: [], card: "Visa ending in 4242" },
    signIns: { version: 1, sessions: [{ level: "login", proofs: [{ method: "password" }] }] },
  });
  expect(file.text).not.toMatch(/argon2|passwordHash|secret/i);
  demo.clock.advance(11 * MINUTE);
  const asked = await ada.get("/account/export", HTML);
  expect([asked.status, asked.headers.get("location")]).toEqual([303, "/confirm?next=%2Faccount%2Fexport"]);
});

test("an account is deleted on all devices, with nothing left of its user", async () => {
  const demo = await startDemo();
  const [ada, phone, bob] = [demo.client(), demo.client(), demo.client()];
  await ada.post("/register", { ...ADA, remember: "on" });
  await phone.post("/login", { ...ADA, remember: "on" });
  await bob.post("/register", { email: "bob@example.test", password: ADA.password });
  await demo.client().post("/login", { ...ADA, password: "a wrong guess" });
  const { userId } = (await ada.get("/me")).json;

  expect(textOf((await ada.get("/account/delete", HTML)).text)).toContain(
    `Your account ${ADA.email} goes for good`,
  );
  const deleted = await submit(ada, "/account/delete");
  expect([deleted.status, deleted.headers.get("location")]).toEqual([303, "/"]);
  expect(textOf((await ada.get("/", HTML)).text)).toContain("Your account is deleted");
  for (const client of [ada, phone])
    expect((await client.get("/me")).json).toMatchObject({ userId: null, level: "anonymous" });
  expect((await bob.get("/me")).json).toMatchObject({ email: "bob@example.test" });
  expect((await phone.post("/login", ADA)).json.error.code).toBe("wrong_credentials");
  expect(database(demo)).not.toContain(ADA.email);

  await phone.post("/register", ADA);
  const again = (await phone.get("/me")).json;
  expect(again.email).toBe(ADA.email);
  expect(again.userId).toBeGreaterThan(userId);
  expect(demo.logged).toEqual([]);
});

test("a stolen, borrowed or watched session deletes no account", async () => {
  const demo = await startDemo();
  const [ada, support] = [demo.client(), demo.client()];
  await ada.post("/register", ADA);
  await support.post("/register", { email: "support@example.test", password: ADA.password });
  expect((await demo.client().post("/account/delete")).status).toBe(401);
  await submit(support, "/support/act", {
    user: String((await ada.get("/me")).json.userId),
    reason: "Ticket 4711",
  });
  for (const path of ["/account/delete", "/account/export"]) {
    const { status, headers } = await support.get(path, HTML);
    expect([status, headers.get("location")]).toEqual([303, "/support/refused"]);
  }
  expect((await support.post("/account/delete")).json.error.code).toBe("impersonating");
  demo.clock.advance(11 * MINUTE);
  expect((await ada.post("/account/delete")).json.error.code).toBe("fresh_login_required");
  expect((await ada.get("/me", JSON_)).json.email).toBe(ADA.email);
});

test("the page of devices that comes with psession is in the demo's frame, and signs another device out", async () => {
  const demo = await startDemo();
  const [ada, phone] = [demo.client(), demo.client()];
  await ada.post("/register", ADA);
  await phone.post("/login", ADA);
  const page = (await ada.get("/account/devices", HTML)).text;
  expect(page.match(/<h1/g)).toHaveLength(1);
  expect(page).toContain('class="brand"');
  expect((await demo.client().get("/account/devices", HTML)).headers.get("location")).toBe(
    "/login?next=%2Faccount%2Fdevices",
  );
  // The phone was used last, and so comes first.
  const forms = [...page.matchAll(/<form[^>]*>(.*?)<\/form>/gs)].map(([, form = ""]) => form);
  const other = forms.find((form) => form.includes('value="end"')) ?? "";
  const fields = [...other.matchAll(/<(?:input|button)[^>]*name="(\w+)"[^>]*value="([^"]*)"/g)];
  const form = Object.fromEntries(fields.map(([, name = "", value = ""]) => [name, value]));
  const sent = await submit(ada, "/account/devices", form);
  expect(sent.status).toBe(303);
  expect(textOf((await ada.get("/account/devices", HTML)).text)).not.toContain("Sign out all other");
  expect((await phone.get("/me")).json.userId).toBeNull();
  expect((await ada.get("/me")).json.email).toBe(ADA.email);
  expect(demo.logged).toEqual([]);
});
