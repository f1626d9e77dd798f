import { expect, test } from "vitest";
import { startDemo } from "../support/demo.ts";
import type { HttpClient } from "../support/http.ts";

const ADA = { email: "ada@example.test", password: "correct horse battery" };
const JSON_ = { accept: "application/json" };
const HTML = { accept: "text/html" };

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** How long the session goes on, as the banner works it out. */
async function left(client: HttpClient, method = "GET"): Promise<{ status: number; idle: number }> {
  const { status, json } = await client.request("/api/devices/session", { method, headers: JSON_ });
  return { status, idle: json.endsAt?.idle - json.endsAt?.now };
}

test("asking when a session ends does not put that off, and the button does", async () => {
  const demo = await startDemo();
  const ada = demo.client();
  await ada.post("/register", ADA);
  expect(Math.round((await left(ada)).idle / MINUTE)).toBe(120);
  for (let asked = 0; asked < 11; asked++) {
    demo.clock.advance(10 * MINUTE);
    await left(ada);
  }
  expect(Math.round((await left(ada)).idle / MINUTE)).toBe(10);
  expect(Math.round((await left(ada, "POST")).idle / MINUTE)).toBe(120);
  demo.clock.advance(HOUR);
  expect(Math.round((await left(ada)).idle / MINUTE)).toBe(60);
  demo.clock.advance(HOUR);
  demo.clock.advance(MINUTE);
  expect((await ada.get("/api/devices/session", JSON_)).json.level).toBe("anonymous");
  expect(demo.logged).toEqual([]);
});

test("asking brings no remembered user back; the next page does", async () => {
  const demo = await startDemo();
  const ada = demo.client();
  await ada.post("/register", { ...ADA, remember: true });
  ada.restart();
  demo.clock.advance(HOUR);
  const asked = await ada.get("/api/devices/session", JSON_);
  expect([asked.status, asked.setCookie]).toEqual([200, []]);
  expect(asked.json.endsAt.remembered).toBeGreaterThan(demo.clock.now() + 24 * HOUR);
  const restored = async () => {
    const { events } = (await ada.get("/lab/events", JSON_)).json;
    return events.filter(({ type }: { type: string }) => type === "restored").length;
  };
  expect(await restored()).toBe(0);
  await ada.get("/me");
  expect(await restored()).toBe(1);
});

test("pages have the banner where somebody is signed in, and only there", async () => {
  const demo = await startDemo();
  const ada = demo.client();
  expect((await ada.get("/", HTML)).text).not.toContain("session-end.js");
  await ada.post("/register", ADA);
  for (const path of ["/", "/account", "/billing", "/nothing/here"]) {
    expect((await ada.get(path, HTML)).text).toContain('src="/assets/session-end.js"');
  }
  // The lab opens no session.
  expect((await ada.get("/lab", HTML)).text).not.toContain("session-end.js");
});
