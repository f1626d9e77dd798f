import { readFileSync } from "node:fs";
import { join } from "node:path";
import { generate } from "otplib";
import { expect, test } from "vitest";
import { type RunningDemo, startDemo } from "../support/demo.ts";
import type { HttpClient } from "../support/http.ts";

const ADA = { email: "ada@example.test", password: "correct horse battery" };
const BOB = { email: "bob@example.test", password: "another horse battery" };
const NEW = "a brand new password";
const HTML = { accept: "text/html" };

const MINUTE = 60_000;

const submit = (client: HttpClient, path: string, fields: Record<string, string> = {}) =>
  client.request(path, { method: "POST", headers: HTML, body: new URLSearchParams(fields) });

/** The token of the latest link that was printed. */
function tokenOf({ printed, url }: RunningDemo): string {
  const link = new URL(/http:\S+$/.exec(printed.at(-1) ?? "")?.[0] ?? "");
  expect([link.origin, link.pathname]).toEqual([url, "/reset/new"]);
  return link.searchParams.get("token") ?? "";
}

test("a link sets a new password, ends everything else and signs in by link", async () => {
  const demo = await startDemo();
  const [laptop, phone] = [demo.client(), demo.client()];
  await laptop.post("/register", { ...ADA, remember: true });
  await phone.post("/cart", { item: "tea" });
  expect((await phone.get("/login", HTML)).text).toContain('href="/reset"');
  const asked = await submit(phone, "/reset", { email: " ADA@example.test" });
  expect([asked.status, asked.headers.get("location")]).toEqual([303, "/reset"]);
  expect((await phone.get("/reset", HTML)).text).toContain("If ada@example.test has an account");

  const token = tokenOf(demo);
  const page = (await phone.get(`/reset/new?token=${token}`, HTML)).text;
  expect(page).toContain(ADA.email);
  const short = await submit(phone, "/reset/new", { token, password: "short" });
  expect([short.status, short.text.includes(token)]).toEqual([400, true]);
  const done = await submit(phone, "/reset/new", { token, password: NEW });
  expect([done.status, done.headers.get("location")]).toEqual([303, "/"]);
  expect((await phone.get("/me")).json).toMatchObject({
    email: ADA.email,
    level: "login",
    proofs: ["link"],
    cart: ["tea"],
  });
  expect((await laptop.get("/me")).json.userId).toBeNull();
  expect((await laptop.post("/login", ADA)).status).toBe(401);
  expect((await laptop.post("/login", { ...ADA, password: NEW })).status).toBe(200);

  const again = await phone.post("/reset/new", { token, password: "yet another password" });
  expect([again.status, again.json.error.code]).toEqual([410, "link_unusable"]);
  expect((await phone.get(`/reset/new?token=${token}`, HTML)).text).toContain("This link was used already");
  expect(demo.logged).toEqual([]);
});

test("a link lives for 15 minutes, works once for many at once, and the next one replaces it", async () => {
  const demo = await startDemo();
  const ada = demo.client();
  await ada.post("/register", ADA);
  const ask = async () => {
    await ada.post("/reset", { email: ADA.email });
    return tokenOf(demo);
  };
  const first = await ask();
  expect(await ask(), "one a minute").toBe(first);
  demo.clock.advance(MINUTE);
  const second = await ask();
  expect(second).not.toBe(first);
  expect((await ada.get(`/reset/new?token=${first}`)).status).toBe(410);
  demo.clock.advance(15 * MINUTE);
  expect((await ada.post("/reset/new", { token: second, password: NEW })).status).toBe(410);

  const third = await ask();
  const clients = Array.from({ length: 4 }, () => demo.client());
  const answers = await Promise.all(
    clients.map((client) => client.post("/reset/new", { token: third, password: NEW })),
  );
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 410, 410, 410]);
  for (const token of ["", "x", "x".repeat(101)]) {
    expect((await ada.post("/reset/new", { token, password: NEW })).status).toBeGreaterThanOrEqual(400);
  }
  expect((await ada.get("/reset/new?token[]=a")).status).toBe(410);
  expect(demo.logged).toEqual([]);
});

test("asking says nothing of which accounts exist, and a link leads to this site whatever the request says", async () => {
  const demo = await startDemo();
  const client = demo.client();
  await client.post("/register", ADA);
  await client.post("/logout");
  const answers = await Promise.all(
    [ADA.email, "nobody@example.test"].map((email) => client.post("/reset", { email })),
  );
  const [known, unknown] = answers.map(({ status, text }) => [status, text.replaceAll(/\w+@/g, "…@")]);
  expect(known).toEqual(unknown);
  expect(demo.printed).toHaveLength(1);
  expect((await client.post("/reset", { email: "no email" })).status).toBe(400);
  demo.clock.advance(MINUTE);
  await client.post("/reset", { email: ADA.email }, { "x-forwarded-host": "evil.example" });
  expect(tokenOf(demo)).not.toBe("");
});

test("a link is no second factor: where codes are on one is asked for, on a trusted browser too", async () => {
  const demo = await startDemo();
  const ada = demo.client();
  await ada.post("/register", ADA);
  const { secret } = (await ada.post("/account/otp/new")).json;
  const nextCode = () => {
    demo.clock.advance(30_000);
    return generate({ secret, epoch: Math.floor(demo.clock.now() / 1000) });
  };
  await ada.post("/account/otp", { code: await nextCode() });
  await ada.post("/logout");
  await ada.post("/login", ADA);
  await ada.post("/login/code", { code: await nextCode(), trust: true });

  await ada.post("/reset", { email: ADA.email });
  const done = await submit(ada, "/reset/new", { token: tokenOf(demo), password: NEW });
  expect(done.headers.get("location")).toBe("/login/code?next=%2F");
  expect((await ada.get("/me")).json.userId).toBeNull();
  expect((await submit(ada, "/login/code", { code: await nextCode() })).status).toBe(303);
  expect((await ada.get("/me")).json).toMatchObject({ email: ADA.email, proofs: ["otp", "link"] });
  // Two methods, and one factor: the link proves none of its own.
  expect((await ada.get("/data")).json.error.code).toBe("proofs_required");
  await ada.post("/prove/password", { password: NEW });
  expect((await ada.get("/data")).status).toBe(200);
  expect(demo.logged).toEqual([]);
});

test("a link opened where somebody else is signed in signs them out, and shows nothing of theirs", async () => {
  const demo = await startDemo();
  const [ada, bob] = [demo.client(), demo.client()];
  await ada.post("/register", ADA);
  await bob.post("/register", { ...BOB, remember: true });
  await bob.post("/cart", { item: "bread" });
  await bob.post("/reset", { email: ADA.email });
  await bob.post("/reset/new", { token: tokenOf(demo), password: NEW });
  expect((await bob.get("/me")).json).toMatchObject({ email: ADA.email, cart: [] });
  expect((await ada.get("/me")).json.userId).toBeNull();
});

test("the link is shown in the lab and printed, and is nowhere else; the database has only its hash", async () => {
  const demo = await startDemo();
  const ada = demo.client();
  await ada.post("/register", ADA);
  await ada.post("/reset", { email: ADA.email });
  const token = tokenOf(demo);
  expect((await ada.get("/lab", HTML)).text).toContain(`/reset/new?token=${token}`);
  expect(demo.printed).toHaveLength(1);
  for (const path of ["/lab/events", "/reset", "/account"]) {
    expect((await ada.get(path, HTML)).text).not.toContain(token);
  }
  expect(readFileSync(join(demo.dir, "demo.sqlite")).includes(token)).toBe(false);
  expect(demo.logged).toEqual([]);
});
