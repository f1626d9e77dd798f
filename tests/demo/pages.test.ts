import { expect, test } from "vitest";
import { type RunningDemo, startDemo } from "../support/demo.ts";
import type { HttpClient } from "../support/http.ts";

const ADA = { email: "ada@example.test", password: "correct horse battery" };
const BOB = { email: "bob@example.test", password: "another horse battery" };
const JSON_ = { accept: "application/json" };
const HTML = { accept: "text/html" };

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

const submit = (client: HttpClient, path: string, fields: Record<string, string>) =>
  client.request(path, { method: "POST", headers: HTML, body: new URLSearchParams(fields) });

/** What a reader of a page sees, without markup. */
const textOf = (page: string): string => page.replaceAll(/<[^>]*>/g, " ").replaceAll(/\s+/g, " ");

test("the home page says what this is", async () => {
  const demo = await startDemo();
  const { text } = await demo.client().get("/", HTML);
  expect(textOf(text)).toContain("a small app that runs on psession, a session library for Node");
  expect(text).toContain('<a href="/lab">lab</a>');
});

test("billing shows plan, cards and invoices; changing the card needs the password within two minutes", async () => {
  const demo = await startDemo();
  const [ada, bob] = [demo.client(), demo.client()];
  await ada.post("/register", ADA);
  await bob.post("/register", BOB);
  const cardOf = async (client: HttpClient) => (await client.get("/billing", JSON_)).json.card.name;

  const page = textOf((await ada.get("/billing", HTML)).text);
  for (const seen of [
    "Visa ending in 4242 Default",
    "Mastercard ending in 4444",
    "€12.00",
    "Invoices",
    "Paid",
  ]) {
    expect(page).toContain(seen);
  }
  const { invoices } = (await ada.get("/billing", JSON_)).json;
  expect(invoices).toHaveLength(4);
  for (const { number, issuedAt } of invoices) {
    expect(new Date(issuedAt).toISOString()).toBe(`${number}-01T00:00:00.000Z`);
    expect(issuedAt).toBeLessThanOrEqual(demo.clock.now());
  }

  const form = (await ada.get("/billing/card", HTML)).text;
  expect(form).toMatch(/value="visa"[^>]* checked/);
  const changed = await submit(ada, "/billing/card", { card: "mastercard" });
  expect([changed.status, changed.headers.get("location")]).toEqual([303, "/billing"]);
  expect(textOf((await ada.get("/billing", HTML)).text)).toContain(
    "Mastercard ending in 4444 pays from now on",
  );
  expect([await cardOf(ada), await cardOf(bob)]).toEqual([
    "Mastercard ending in 4444",
    "Visa ending in 4242",
  ]);
  expect((await ada.post("/billing/card", { card: "gold" })).status).toBe(400);

  demo.clock.advance(5 * MINUTE);
  expect((await ada.get("/billing", HTML)).status).toBe(200);
  const asked = await ada.get("/billing/card", HTML);
  expect([asked.status, asked.headers.get("location")]).toEqual([303, "/confirm?next=/billing/card"]);
  const late = await ada.post("/billing/card", { card: "visa" });
  expect([late.status, late.json.error.code]).toEqual([403, "fresh_login_required"]);
  expect(await cardOf(ada)).toBe("Mastercard ending in 4444");
  const confirmed = await submit(ada, "/confirm", { password: ADA.password, next: "/billing/card" });
  expect(confirmed.headers.get("location")).toBe("/billing/card");
  expect((await ada.post("/billing/card", { card: "visa" })).status).toBe(200);
  expect(await cardOf(ada)).toBe("Visa ending in 4242");
  expect((await demo.client().post("/billing/card", { card: "visa" })).status).toBe(401);
  expect(demo.logged).toEqual([]);
});

test.each([
  ["/login", "Sign in as somebody else"],
  ["/register", "Register somebody else"],
])("%s names the signed-in user, and has a form for somebody else", async (path, another) => {
  const demo = await startDemo();
  const client = demo.client();
  expect((await client.get(path, HTML)).text).toContain('type="password"');
  await client.post("/register", { ...ADA, remember: true });

  const known = (await client.get(`${path}?next=/devices%3Fa%3D1`, HTML)).text;
  expect(known).toContain(`<strong>${ADA.email}</strong>`);
  expect(known).toContain('<a class="button" href="/devices?a=1">Continue</a>');
  expect(known).not.toContain('type="password"');
  expect((await client.get(`${path}?next=//evil.example`, HTML)).text).not.toContain("evil");

  const link = new RegExp(`href="([^"]*)">${another}<`).exec(known)?.[1]?.replaceAll("&amp;", "&") ?? "";
  const form = (await client.get(link, HTML)).text;
  expect(form).toContain('type="password"');
  expect(form).toMatch(/name="next" value="\/devices\?a=1"/);
  expect(form).toMatch(/name="email"[^>]* value=""/);
  expect(form).toContain(ADA.email);
  // Looking at the form ended nothing; sending it does.
  expect((await client.get("/me")).json.email).toBe(ADA.email);
  if (path === "/login") await demo.client().post("/register", BOB);
  await client.post(path, BOB);
  expect((await client.get("/me")).json.email).toBe(BOB.email);
  expect((await client.get("/devices", JSON_)).json.devices.length).toBeGreaterThan(0);
});

test("the login page knows a visitor restored by a remember cookie", async () => {
  const demo = await startDemo();
  const client = demo.client();
  await client.post("/register", { ...ADA, remember: true });
  demo.clock.advance(30 * MINUTE);
  client.restart();
  const page = (await client.get("/login", HTML)).text;
  expect(textOf(page)).toContain(`You are ${ADA.email} Remembered`);
});

test("times are relative to the demo's clock, with the exact one in the title", async () => {
  const demo = await startDemo();
  const [laptop, phone] = [demo.client(), demo.client()];
  await laptop.post("/register", ADA);
  await phone.post("/login", { ...ADA, remember: true });
  const seen = async (advance: number) => {
    demo.clock.advance(advance);
    const page = (await phone.get("/devices", HTML)).text;
    return /First seen<\/dt><dd><time datetime="([^"]*)" title="([^"]*)">([^<]*)</.exec(page)?.slice(1) ?? [];
  };
  const [iso = "", title, now] = await seen(0);
  expect(now).toBe("just now");
  expect(Date.parse(`${title?.replace(",", "").replace("UTC", "Z")}`)).toBe(
    Math.floor(Date.parse(iso) / 1000) * 1000,
  );
  expect(title).toMatch(/^\d+ [A-Z][a-z]+ \d{4}, \d\d:\d\d:\d\d UTC$/);
  expect((await seen(3 * MINUTE))[2]).toBe("3 minutes ago");
  expect((await seen(57 * MINUTE))[2]).toBe("1 hour ago");
  expect((await seen(10 * DAY))[2]).toBe("10 days ago");
  expect((await seen(0))[0]).toBe(iso);
  expect(textOf((await phone.get("/devices", HTML)).text)).toMatch(/Signed out in \d+ days/);
});

interface Drawn {
  level: string | undefined;
  session: string;
  remember: string;
}

/** What the lab draws of the visitor's browser and of the thief's. */
async function drawn(client: HttpClient): Promise<Drawn[]> {
  const page = (await client.get("/lab", HTML)).text;
  return ["visitor", "thief"].map((id) => {
    const part = new RegExp(`id="${id}" data-live>(.*?)</dl>`, "s").exec(page)?.[1] ?? "";
    const line = (label: string) =>
      textOf(new RegExp(`${label} cookie</dt><dd>(.*?)</dd>`).exec(part)?.[1] ?? "?").trim();
    return {
      level: /class="badge[^"]*">([^<]*)</.exec(part)?.[1],
      session: line("Session"),
      remember: line("Remember"),
    };
  });
}

async function eventTypes(demo: RunningDemo): Promise<string[]> {
  const { events } = (await demo.client().get("/lab/events", JSON_)).json;
  return events.map(({ type }: { type: string }) => type);
}

test("the lab draws both browsers with their levels and cookies, and neither a secret nor a visit comes of it", async () => {
  const demo = await startDemo();
  const client = demo.client();
  const none = { level: "Not seen yet", session: "none", remember: "none" };
  expect(await drawn(client)).toEqual([none, none]);

  await client.post("/register", { ...ADA, remember: true });
  const [own, thief] = await drawn(client);
  expect(own).toEqual({
    level: "Signed in",
    session: expect.stringMatching(/^[0-9a-f]{4}$/),
    remember: expect.stringMatching(/^[0-9a-f]{4} number 0$/),
  });
  expect(thief).toEqual(none);

  await client.post("/lab/thief/copy");
  await client.post("/lab/thief/visit");
  expect((await drawn(client))[1]).toEqual({
    level: "Signed in",
    session: `${own?.session} same as yours`,
    remember: `${own?.remember} same as yours`,
  });

  demo.clock.advance(30 * MINUTE);
  const before = await eventTypes(demo);
  client.restart();
  expect((await drawn(client))[0]?.session).toBe("none");
  expect(await eventTypes(demo)).toEqual(before);
  await client.get("/me");
  const [back, copied] = await drawn(client);
  expect(back?.level).toBe("Remembered");
  expect(back?.remember).toMatch(/^[0-9a-f]{4} number 1$/);
  expect(copied?.session).toBe(`${own?.session} unlike yours`);
  expect(copied?.remember).toBe(`${own?.remember} older than yours`);

  demo.clock.advance(30 * MINUTE);
  await client.get("/me");
  await client.post("/lab/thief/close-browser");
  expect((await drawn(client))[1]).toMatchObject({ level: "Not seen yet", session: "none" });
  await client.post("/lab/thief/visit");
  expect((await drawn(client))[1]?.level).toBe("Not signed in");

  const page = (await client.get("/lab", HTML)).text;
  for (const { value } of client.jar.values()) {
    for (const secret of value
      .split(".")
      .slice(1)
      .filter((part) => part.length > 4)) {
      expect(page).not.toContain(secret);
    }
  }
  expect(demo.logged).toEqual([]);
});

test("a thief who was faster has a newer cookie than its owner, as the lab shows", async () => {
  const demo = await startDemo();
  const client = demo.client();
  await client.post("/register", { ...ADA, remember: true });
  demo.clock.advance(30 * MINUTE);
  await client.get("/me");
  await client.post("/lab/thief/copy");
  await client.post("/lab/thief/close-browser");
  await client.post("/lab/thief/visit");
  expect((await drawn(client))[1]?.remember).toMatch(/ number 1 newer than yours$/);
});

test("the lab says why a browser that comes back at once without its session cookie gets no new token", async () => {
  const demo = await startDemo();
  const client = demo.client();
  await client.post("/register", { ...ADA, remember: true });
  const comeBack = async (after: number) => {
    demo.clock.advance(after);
    client.restart();
    expect((await client.get("/me")).json).toMatchObject({ email: ADA.email, level: "remembered" });
    return (await drawn(client))[0];
  };
  expect(await comeBack(MINUTE)).toMatchObject({
    session: "none",
    remember: expect.stringContaining("number 0"),
  });
  expect(await eventTypes(demo)).toContain("accepted");
  const page = textOf((await client.get("/lab", HTML)).text);
  expect(page).toContain("gets a new token only when two minutes have passed since the last one");
  expect(await comeBack(MINUTE + 1000)).toMatchObject({
    session: expect.stringMatching(/^[0-9a-f]{4}$/),
    remember: expect.stringContaining("number 1"),
  });
});
