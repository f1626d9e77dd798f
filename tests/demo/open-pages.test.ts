import { expect, test, vi } from "vitest";
import { cookieHeader } from "../support/app.ts";
import { type RunningDemo, startDemo } from "../support/demo.ts";
import type { HttpClient } from "../support/http.ts";

const ADA = { email: "ada@example.test", password: "correct horse battery" };
const HTML = { accept: "text/html" };
const JSON_ = { accept: "application/json" };

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** Opens the connection of a page, and resolves once it stands: with what it brings until it ends. */
async function openPage(client: HttpClient): Promise<{ heard: Promise<string> }> {
  const response = await fetch(`${client.base}/session-end`, {
    headers: { accept: "text/event-stream", cookie: cookieHeader(client.jar) ?? "" },
  });
  expect([response.status, response.headers.get("content-type")]).toEqual([
    200,
    expect.stringContaining("text/event-stream"),
  ]);
  expect([response.headers.get("cache-control"), response.headers.getSetCookie()]).toEqual(["no-store", []]);
  const heard = response.text();
  // Where a test fails before, the server is closed, and that is not what it failed of.
  heard.catch(() => {});
  return { heard };
}

/** What the lab's log has, the newest first. */
async function eventTypes(client: HttpClient): Promise<string[]> {
  const { events } = (await client.get("/lab/events", JSON_)).json;
  return events.map(({ type }: { type: string }) => type);
}

const ENDED = "event: ended\ndata:\n\n";

/** Ada on two devices, each with an open page. */
async function onTwoDevices() {
  const demo = await startDemo();
  const [laptop, phone] = [demo.client(), demo.client()];
  await laptop.post("/register", ADA);
  await phone.post("/login", ADA);
  // The lab watches the phone.
  await phone.get("/", HTML);
  return { demo, laptop, phone };
}

const submit = (client: HttpClient, path: string, fields: Record<string, string> = {}) =>
  client.request(path, { method: "POST", headers: HTML, body: new URLSearchParams(fields) });

async function support(demo: RunningDemo): Promise<HttpClient> {
  const client = demo.client();
  await client.post("/register", { email: "support@example.test", password: ADA.password });
  return client;
}

test("an open page hears that its device was signed out on another, by support, or by a new password", async () => {
  const { demo, laptop, phone } = await onTwoDevices();
  const link = async () => {
    await laptop.post("/reset", { email: ADA.email });
    return new URL(/http\S+/.exec(demo.printed.at(-1) ?? "")?.[0] ?? "").searchParams.get("token");
  };
  const helper = await support(demo);
  const { userId } = (await laptop.get("/me")).json;
  const ends: [string, () => Promise<unknown>][] = [
    ["the page of devices", () => submit(laptop, "/devices/revoke-others")],
    ["support", () => submit(helper, "/support/sign-out", { user: String(userId), reason: "Ticket 4711" })],
    ["a new password", async () => demo.client().post("/reset/new", { token: await link(), ...ADA })],
    ["its own browser", () => phone.post("/logout")],
  ];
  for (const [by, end] of ends) {
    await phone.post("/login", ADA);
    if ((await laptop.get("/me")).json.userId === null) await laptop.post("/login", ADA);
    const page = await openPage(phone);
    await end();
    expect([by, await page.heard]).toEqual([by, ENDED]);
    const { level } = (await phone.get("/api/devices/session", JSON_)).json;
    expect([by, level]).toEqual([by, "anonymous"]);
  }
  expect(demo.logged).toEqual([]);
});

test("a page that is open keeps nobody signed in, and hears of the end when the time has come", async () => {
  const { demo, phone } = await onTwoDevices();
  demo.clock.advance(HOUR);
  const page = await openPage(phone);
  demo.clock.advance(HOUR + MINUTE);
  // Connecting once more is no use of the session either.
  expect((await phone.get("/session-end", JSON_)).status).toBe(401);
  expect(await page.heard).toBe(ENDED);
});

test("the page of a user who is only remembered stays one, and hears of the end as well", async () => {
  const demo = await startDemo();
  const [laptop, phone] = [demo.client(), demo.client()];
  await laptop.post("/register", ADA);
  await phone.post("/login", { ...ADA, remember: true });
  phone.restart();
  const page = await openPage(phone);
  // To connect brings nobody back: that would be a use, and would give new cookies.
  expect(await eventTypes(laptop)).not.toContain("restored");
  await laptop.post("/devices/revoke-others");
  expect(await page.heard).toBe(ENDED);
});

test("visitors who are not signed in have no such connection", async () => {
  const demo = await startDemo();
  const { status, json } = await demo.client().get("/session-end", JSON_);
  expect([status, json.error.code]).toEqual([401, "login_required"]);
});

test("the lab counts a browser's open pages, and its log says when one has heard of the end", async () => {
  const { laptop, phone } = await onTwoDevices();
  const open = async () => /, (\d+) pages? open<\/p>/.exec((await phone.get("/lab", HTML)).text)?.[1];
  expect(await open()).toBeUndefined();
  const pages = [await openPage(phone), await openPage(phone)];
  expect(await open()).toBe("2");
  await laptop.post("/devices/revoke-others");
  for (const { heard } of pages) await heard;
  await vi.waitFor(async () => expect(await open()).toBeUndefined());
  expect((await eventTypes(laptop)).slice(0, 3)).toEqual(["pageHeard", "pageHeard", "revoked"]);
});
