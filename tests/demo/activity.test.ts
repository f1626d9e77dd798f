import { expect, test } from "vitest";
import { type RunningDemo, startDemo } from "../support/demo.ts";
import type { HttpClient } from "../support/http.ts";

const ADA = { email: "ada@example.test", password: "correct horse battery" };
const BOB = { email: "bob@example.test", password: "another horse battery" };
const NEW = "lovelace@example.test";
const HTML = { accept: "text/html" };
const MINUTE = 60_000;

const submit = (client: HttpClient, path: string, fields: Record<string, string> = {}) =>
  client.request(path, { method: "POST", headers: HTML, body: new URLSearchParams(fields) });
const textOf = (page: string): string => page.replaceAll(/<[^>]*>/g, " ").replaceAll(/\s+/g, " ");

/** What the account page says of what has happened, the newest first. */
async function activity({ psession }: RunningDemo, client: HttpClient): Promise<string[]> {
  await psession.flush();
  const page = (await client.get("/account", HTML)).text;
  const trail = /id="trail".*?<\/dl>/s.exec(page)?.[0] ?? "";
  return [...trail.matchAll(/<dd>(.*?)<\/dd>/gs)].map(([, entry = ""]) => entry);
}

test("the account page shows what the demo has noted itself beside what psession has", async () => {
  const demo = await startDemo();
  const [ada, bob] = [demo.client(), demo.client()];
  await ada.post("/register", ADA);
  await bob.post("/register", BOB);
  await demo.client().post("/login", { ...ADA, password: "a wrong guess" });
  demo.clock.advance(MINUTE);
  await submit(ada, "/billing/card", { card: "mastercard" });
  demo.clock.advance(MINUTE);
  await ada.get("/account/export");
  demo.clock.advance(MINUTE);
  const changed = await submit(ada, "/account/email", { email: NEW });
  expect([changed.status, changed.headers.get("location")]).toEqual([303, "/account"]);

  const [newest, ...older] = await activity(demo, ada);
  expect([newest, ...older.slice(0, 2)]).toEqual([
    `Changed the email, which was: ${ADA.email}`,
    "Downloaded all data",
    "Another card pays: Mastercard ending in 4444",
  ]);
  expect(older).toEqual(expect.arrayContaining(["A sign-in that failed: password", "Signed in: password"]));
  // Nobody sees another user's.
  expect((await activity(demo, bob)).join()).not.toMatch(/card|Changed|Downloaded/);
  expect(demo.logged).toEqual([]);
});

test("a changed email is the one to sign in by, and links that were sent to the other do nothing any more", async () => {
  const demo = await startDemo();
  const [ada, bob] = [demo.client(), demo.client()];
  await ada.post("/register", ADA);
  await bob.post("/register", BOB);
  await ada.post("/reset", { email: ADA.email });
  const token = new URL(/http\S+$/.exec(demo.printed.at(-1) ?? "")?.[0] ?? "").searchParams.get("token");

  const taken = await submit(ada, "/account/email", { email: BOB.email });
  expect([taken.status, textOf(taken.text)]).toEqual([409, expect.stringContaining("There is an account")]);
  expect((await ada.post("/account/email", { email: "no email" })).status).toBe(400);
  expect((await ada.post("/account/email", { email: NEW })).status).toBe(200);
  expect(demo.printed.at(-1)).toBe(`Message to ${ADA.email}: The email of your account is ${NEW} now.`);

  expect((await ada.get("/me")).json.email).toBe(NEW);
  expect((await demo.client().post("/reset/new", { token, password: "a stolen mailbox" })).status).toBe(410);
  expect((await demo.client().post("/login", ADA)).status).toBe(401);
  expect((await demo.client().post("/login", { ...ADA, email: NEW })).status).toBe(200);
  await ada.post("/logout");
  expect((await ada.get("/login", HTML)).text).toContain(`value="${NEW}"`);
  expect(demo.logged).toEqual([]);
});

test("a stolen session or support changes no email, and an account that is deleted leaves neither", async () => {
  const demo = await startDemo();
  const [ada, support] = [demo.client(), demo.client()];
  await ada.post("/register", ADA);
  await support.post("/register", { email: "support@example.test", password: ADA.password });
  await submit(support, "/support/act", { user: String((await ada.get("/me")).json.userId), reason: "Why" });
  expect((await support.post("/account/email", { email: NEW })).json.error.code).toBe("impersonating");
  await ada.post("/account/email", { email: NEW });
  demo.clock.advance(11 * MINUTE);
  expect((await ada.post("/account/email", ADA)).json.error.code).toBe("fresh_login_required");
  await ada.post("/confirm", ADA);
  const { userId } = (await ada.get("/me")).json;
  await ada.post("/account/delete");
  await demo.psession.flush();
  expect(await demo.psession.auditTrail({ userId })).toEqual([]);
});
