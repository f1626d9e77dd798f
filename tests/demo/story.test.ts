import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startDemo } from "../support/demo.ts";
import { HttpClient } from "../support/http.ts";

const ADA = { email: "ada@example.test", password: "correct horse battery" };
const JSON_ = { accept: "application/json" };
const HTML = { accept: "text/html" };

test("the whole story by JSON: register, cart, close the browser, come back, thief, step-up, devices, logout", async () => {
  const demo = await startDemo();
  const client = demo.client();
  expect((await client.get("/me")).json).toMatchObject({
    userId: null,
    email: null,
    level: "anonymous",
    isPersistent: false,
  });
  expect(client.jar.size).toBe(0);
  await client.post("/cart", { item: "tea" });
  expect((await client.post("/register", { ...ADA, remember: true })).status).toBeLessThan(300);
  expect((await client.get("/me")).json).toMatchObject({ email: ADA.email, level: "login", cart: ["tea"] });

  const lab = (seconds: number) => client.post("/lab/advance", { seconds });
  await lab(1800);
  await client.get("/me");
  client.restart();
  const back = (await client.get("/me")).json;
  expect(back).toMatchObject({ email: ADA.email, level: "remembered", isPersistent: true, cart: ["tea"] });

  const billing = await client.get("/billing", JSON_);
  expect([billing.status, billing.json.error.code]).toEqual([403, "fresh_login_required"]);
  expect((await client.post("/confirm", { password: "wrong" })).status).toBe(401);
  expect((await client.post("/confirm", { password: ADA.password })).status).toBe(200);
  expect((await client.get("/billing", JSON_)).status).toBe(200);
  expect((await client.get("/me")).json.level).toBe("login");

  const phone = demo.client();
  await phone.post(
    "/login",
    { ...ADA, remember: "on" },
    { "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0" },
  );
  const devices = (await client.get("/devices", JSON_)).json.devices;
  expect(
    devices.map((device: { label: string; current: boolean }) => [device.label, device.current]),
  ).toEqual(
    expect.arrayContaining([
      ["Firefox on Linux", false],
      [expect.any(String), true],
    ]),
  );
  const handle = devices.find((device: { current: boolean }) => !device.current).handle;
  expect((await client.post(`/devices/${handle}/revoke`)).status).toBe(200);
  expect((await client.post(`/devices/${handle}/revoke`)).status).toBe(404);
  expect((await phone.get("/me")).json.userId).toBeNull();
  await phone.post("/login", ADA);
  await client.post("/devices/revoke-others");
  expect((await phone.get("/me")).json.userId).toBeNull();
  await phone.post("/login", ADA);
  expect(
    (await client.post("/password", { current: ADA.password, next: "another long secret" })).status,
  ).toBe(200);
  expect((await phone.get("/me")).json.userId).toBeNull();
  expect((await client.get("/me")).json.email).toBe(ADA.email);
  expect((await phone.post("/login", ADA)).status).toBe(401);

  const thief = demo.client();
  thief.jar = new Map(client.jar);
  thief.restart();
  for (let visit = 0; visit < 2; visit++) {
    client.restart();
    await lab(1800);
    await client.get("/me");
  }
  await lab(1800);
  await client.get("/me");
  expect((await thief.get("/me")).json.userId).toBeNull();
  expect((await client.get("/me")).json.userId).toBeNull();
  expect(
    (await client.get("/lab/events", JSON_)).json.events.map(({ type }: { type: string }) => type),
  ).toContain("theft");

  await client.post("/login", { email: ADA.email, password: "another long secret" });
  await client.post("/logout");
  expect((await client.get("/me")).json.userId).toBeNull();
  await lab(31 * 86_400);
  expect(demo.logged).toEqual([]);
});

test("devices have names, places and times; one, the others or all of them are signed out", async () => {
  const demo = await startDemo();
  const [laptop, phone, tablet] = [demo.client(), demo.client(), demo.client()];
  await laptop.post("/register", { ...ADA, remember: true });
  await laptop.post("/lab/advance", { seconds: 600 });
  for (const client of [phone, tablet]) await client.post("/login", ADA);
  const list = async () => (await laptop.get("/devices", JSON_)).json.devices;
  const handleOf = async (client: HttpClient) => (await client.get("/me")).json.handle;
  await laptop.get("/me");
  const mine = (await list()).find(({ current }: { current: boolean }) => current);
  expect(mine).toMatchObject({ level: "login", isRemembered: true, place: "Lisbon, Portugal (made up)" });
  expect(mine.lastSeenAt - mine.firstSeenAt).toBeGreaterThanOrEqual(600_000);

  const named = await laptop.request(`/devices/${mine.handle}/name`, {
    method: "POST",
    headers: HTML,
    body: new URLSearchParams({ name: "Kitchen <b>" }),
  });
  expect([named.status, named.headers.get("location")]).toEqual([303, "/devices"]);
  const page = (await laptop.get("/devices", HTML)).text;
  for (const seen of ["Kitchen &lt;b&gt;", "This device", "First seen", "Last seen", "Lisbon"]) {
    expect(page).toContain(seen);
  }
  expect(page).not.toContain("<b>");
  expect((await laptop.post(`/devices/${await handleOf(phone)}/name`, { name: "Phone" })).status).toBe(200);
  expect((await list()).map(({ name }: { name?: string }) => name ?? null).sort()).toEqual([
    "Kitchen <b>",
    "Phone",
    null,
  ]);
  // The same by the endpoints that psession brings along, on which another user has no say.
  const api = (await phone.get("/api/devices")).json.devices;
  expect(api.find(({ current }: { current: boolean }) => current).name).toBe("Phone");
  const bob = demo.client();
  await bob.post("/register", { email: "bob@example.test", password: ADA.password });
  expect((await bob.post(`/devices/${mine.handle}/name`, { name: "Bob's" })).status).toBe(404);
  expect((await bob.request(`/api/devices/${mine.handle}`, { method: "DELETE" })).status).toBe(404);

  await laptop.request(`/api/devices/${await handleOf(phone)}`, { method: "DELETE" });
  expect((await phone.get("/me")).json.userId).toBeNull();
  const everywhere = await laptop.post("/devices/revoke-all");
  expect([everywhere.status, everywhere.json]).toEqual([200, { ended: 2 }]);
  for (const client of [laptop, tablet]) expect((await client.get("/me")).json.userId).toBeNull();
  expect((await bob.get("/me")).json.userId).not.toBeNull();
  expect(demo.logged).toEqual([]);
});

test("a sign-in merges the cart of an anonymous visitor into the user's, and nobody gets another user's", async () => {
  const demo = await startDemo();
  const [laptop, phone] = [demo.client(), demo.client()];
  const fill = async (client: HttpClient, ...items: string[]) => {
    for (const item of items) await client.post("/cart", { item });
  };
  const cart = async (client: HttpClient) => (await client.get("/me")).json.cart;
  await fill(laptop, "tea", "bread");
  await laptop.post("/register", ADA);
  await fill(phone, "milk", "tea");
  await phone.post("/login", ADA);
  expect(await cart(phone)).toEqual(["bread", "milk", "tea"]);
  expect(await cart(laptop)).toEqual(["tea", "bread"]);
  await phone.post("/login", ADA);
  expect(await cart(phone)).toEqual(["bread", "milk", "tea"]);
  await phone.post("/register", { email: "bob@example.test", password: ADA.password });
  expect(await cart(phone)).toEqual([]);
});

test("fifty parallel requests with the remember cookie alone, over HTTP on SQLite", async () => {
  const demo = await startDemo();
  const client = demo.client();
  await client.post("/register", { ...ADA, remember: "on" });
  await client.post("/lab/advance", { seconds: 3600 });
  client.restart();
  const jar = new Map(client.jar);
  const answers = await Promise.all(Array.from({ length: 50 }, () => client.request("/me", { jar })));
  expect(answers.map(({ json }) => json.email)).toEqual(Array.from({ length: 50 }, () => ADA.email));
  const events = (await client.get("/lab/events", JSON_)).json.events as { type: string }[];
  expect(events.filter(({ type }) => type === "restored")).toHaveLength(1);
  expect((await client.get("/devices", JSON_)).json.devices).toHaveLength(1);
  client.restart();
  await client.post("/lab/advance", { seconds: 3600 });
  expect((await client.get("/me")).json.email).toBe(ADA.email);
});

test("forms work as JSON does: pages, redirects, the email and the choice kept for the next visit", async () => {
  const { client: open } = await startDemo();
  const client = open();
  const form = (path: string, fields: Record<string, string>) =>
    client.request(path, { method: "POST", headers: HTML, body: new URLSearchParams(fields) });
  const registered = await form("/register", { ...ADA, remember: "on" });
  expect([registered.status, registered.headers.get("location")]).toEqual([303, "/"]);
  await form("/cart", { item: "<script>alert(1)</script>" });
  const home = await client.get("/", HTML);
  expect(home.text).toContain("&lt;script&gt;");
  expect(home.text).not.toContain("<script>alert");
  expect(home.headers.get("content-security-policy")).toContain("default-src");
  await form("/logout", {});
  const login = await client.get("/login", HTML);
  expect(login.text).toContain(ADA.email);
  expect(login.text).toMatch(/<input[^>]*name="remember"[^>]*checked/);
  expect((await client.get("/billing", HTML)).headers.get("location")).toMatch(/^\/login/);
  const elsewhere = await form("/login?next=//evil.example", ADA);
  expect(elsewhere.headers.get("location")).not.toContain("evil");
});

test("wrong input gets a sentence, never a stack", async () => {
  const demo = await startDemo();
  const client = demo.client();
  await client.post("/register", ADA);
  const cases: [string, unknown, number][] = [
    ["/register", ADA, 409],
    ["/register", { email: "no email", password: "long enough password" }, 400],
    ["/register", { email: "new@example.test", password: "short" }, 400],
    ["/register", {}, 400],
    ["/login", { email: ["a"], password: { b: 1 } }, 400],
    ["/login", { email: ADA.email, password: "wrong password" }, 401],
    ["/login", { email: "nobody@example.test", password: "wrong password" }, 401],
    ["/cart", { item: "" }, 400],
    ["/cart", { item: "x".repeat(81) }, 400],
    ["/cart", { item: ["a", "b"] }, 400],
    ["/password", { current: "wrong", next: "long enough password" }, 401],
    ["/devices/nonsense/revoke", {}, 404],
    ["/devices/nonsense/name", { name: "Kitchen" }, 404],
    ["/devices/nonsense/name", {}, 400],
    ["/devices/nonsense/name", { name: "x".repeat(101) }, 400],
    ["/devices/nonsense/name", { name: "two\nlines" }, 400],
    ["/lab/advance", { seconds: -1 }, 400],
    ["/lab/advance", { seconds: "soon" }, 400],
    ["/lab/advance", { seconds: 1e12 }, 400],
    ["/nothing/here", {}, 404],
  ];
  for (const [path, body, status] of cases) {
    const answer = await client.post(path, body);
    expect([path, answer.status]).toEqual([path, status]);
    expect(answer.json.error).toMatchObject({
      code: expect.any(String),
      message: expect.stringMatching(/^[A-Z].*[.!]$/),
    });
    expect(answer.text).not.toMatch(/node_modules|at .*:\d+:\d+/);
  }
  const raw = { "content-type": "application/json", ...JSON_ };
  expect((await client.request("/login", { method: "POST", headers: raw, body: "{" })).status).toBe(400);
  expect(
    (
      await client.request("/login", {
        method: "POST",
        headers: raw,
        body: JSON.stringify("x".repeat(50_000)),
      })
    ).status,
  ).toBe(413);
  expect(
    (
      await client.request("/cart", {
        method: "POST",
        headers: raw,
        body: '{"item":"a","__proto__":{"x":1}}',
      })
    ).status,
  ).toBeLessThan(500);
  expect((await client.post("/login", ADA, { origin: "https://evil.example" })).status).toBe(403);
  expect((await client.post("/logout", {}, { "sec-fetch-site": "cross-site" })).status).toBe(403);
  expect(demo.logged).toEqual([]);
});

test("guessing passwords is slowed, for known and unknown emails alike", async () => {
  const { client: open } = await startDemo();
  const client = open();
  await client.post("/register", ADA);
  const statuses = async (email: string) => {
    const found: number[] = [];
    for (let attempt = 0; attempt < 7; attempt++) {
      found.push((await open().post("/login", { email, password: "wrong password" })).status);
    }
    return found;
  };
  const known = await statuses(ADA.email);
  expect(known).toEqual([401, 401, 401, 401, 401, 429, 429]);
  expect(await statuses("nobody@example.test")).toEqual(known);
  const locked = await open().post("/login", ADA);
  expect(locked.status).toBe(429);
  expect(Number(locked.headers.get("retry-after"))).toBeGreaterThan(0);
  await client.post("/logout");
  expect((await client.post("/login", ADA)).status, "on the browser that she registered on").toBe(200);
  await client.post("/lab/advance", { seconds: 3600 });
  expect((await open().post("/login", ADA)).status).toBe(200);
});

test("the demo keeps its database and its key in its folder, and goes on with them", async () => {
  const first = await startDemo();
  const client = first.client();
  await client.post("/register", { ...ADA, remember: true });
  expect(existsSync(join(first.dir, "demo.sqlite"))).toBe(true);
  expect(statSync(join(first.dir, "key")).mode & 0o777).toBe(0o600);
  const second = await startDemo(first.dir);
  const later = new HttpClient(second.url.replace("localhost", "127.0.0.1"));
  later.jar = client.jar;
  expect((await later.get("/me")).json.email).toBe(ADA.email);
  const database = readFileSync(join(first.dir, "demo.sqlite"));
  expect(database.includes(ADA.password)).toBe(false);
});
