import { generate } from "otplib";
import { expect, test } from "vitest";
import { type RunningDemo, startDemo } from "../support/demo.ts";
import { attributeOf } from "../support/html.ts";
import type { HttpClient } from "../support/http.ts";

const ADA = { email: "ada@example.test", password: "correct horse battery" };
const JSON_ = { accept: "application/json" };
const HTML = { accept: "text/html" };

const SECOND = 1000;
const STEP = 30 * SECOND;
const MINUTE = 60 * SECOND;
const DAY = 24 * 60 * MINUTE;

const submit = (client: HttpClient, path: string, fields: Record<string, string> = {}) =>
  client.request(path, { method: "POST", headers: HTML, body: new URLSearchParams(fields) });
const locationOf = async (answer: ReturnType<typeof submit>) => (await answer).headers.get("location");
const textOf = (page: string): string => page.replaceAll(/<[^>]*>/g, " ").replaceAll(/\s+/g, " ");
const proofsOf = async (client: HttpClient) => (await client.get("/me")).json.proofs;

/** An authenticator app, which waits for a code that was not used before. */
function authenticator(demo: RunningDemo, secret: string) {
  return () => {
    demo.clock.advance(STEP);
    return generate({ secret, epoch: Math.floor(demo.clock.now() / SECOND) });
  };
}

/** Ada's account with codes switched on, in her first browser. */
async function withCodes(client: HttpClient, demo: RunningDemo) {
  await client.post("/register", ADA);
  const { secret } = (await client.post("/account/otp/new")).json;
  const nextCode = authenticator(demo, secret);
  const on = await client.post("/account/otp", { code: await nextCode() });
  expect(on.status).toBe(200);
  return { secret, nextCode };
}

test("codes are switched on by a first code, which ends all other devices", async () => {
  const demo = await startDemo();
  const [ada, phone] = [demo.client(), demo.client()];
  await ada.post("/register", ADA);
  await phone.post("/login", ADA);
  expect(textOf((await ada.get("/account", HTML)).text)).toContain("Codes Off");
  expect(await locationOf(submit(ada, "/account/otp/new"))).toBe("/account/otp");

  const page = (await ada.get("/account/otp", HTML)).text;
  const link = /<a href="otpauth:[^"]*">/.exec(page)?.[0] ?? "";
  const address = new URL(attributeOf(link, "href") ?? "");
  const secret = address.searchParams.get("secret") ?? "";
  expect(secret).toMatch(/^[A-Z2-7]{32}$/);
  expect(decodeURIComponent(address.pathname)).toBe(`/psession demo:${ADA.email}`);
  expect(textOf(page).replaceAll(" ", "")).toContain(secret);

  const wrong = await submit(ada, "/account/otp", { code: "000000" });
  expect([wrong.status, wrong.text.includes("That code is wrong")]).toEqual([401, true]);
  expect(wrong.text, "the same key again").toContain(secret);
  expect((await submit(ada, "/account/otp", { code: "12345" })).text).toContain("A code has six digits");
  const code = await authenticator(demo, secret)();
  const on = submit(ada, "/account/otp", { code: `${code.slice(0, 3)} ${code.slice(3)}` });
  expect(await locationOf(on)).toBe("/account");
  const account = textOf((await ada.get("/account", HTML)).text);
  expect(account).toContain("Codes are on. All other devices were signed out.");
  expect(account).toContain("Two factors");
  expect((await phone.get("/me")).json.userId).toBeNull();
  expect(await proofsOf(ada)).toEqual(["otp", "password"]);
  expect((await ada.post("/account/otp/new")).status).toBe(409);
  expect(demo.logged).toEqual([]);
});

test("a sign-in asks for a code after the password; until then nobody is signed in and no cart is shown", async () => {
  const demo = await startDemo();
  const [ada, phone] = [demo.client(), demo.client()];
  const { nextCode } = await withCodes(ada, demo);
  await ada.post("/cart", { item: "tea" });
  await phone.post("/cart", { item: "milk" });

  const begun = submit(phone, "/login", { ...ADA, remember: "on", next: "/devices" });
  expect(await locationOf(begun)).toBe("/login/code?next=%2Fdevices");
  expect((await phone.get("/me")).json).toMatchObject({ userId: null, level: "anonymous", cart: ["milk"] });
  expect((await phone.get("/devices", HTML)).headers.get("location")).toMatch(/^\/login/);
  const page = (await phone.get("/login/code?next=%2Fdevices", HTML)).text;
  expect(page).toContain(ADA.email);
  expect(page).toContain("Do not ask for a code on this browser for 30 days");

  const code = await nextCode();
  expect(await locationOf(submit(phone, "/login/code", { code, next: "/devices" }))).toBe("/devices");
  expect((await phone.get("/me")).json).toMatchObject({
    email: ADA.email,
    level: "login",
    cart: ["tea", "milk"],
    proofs: ["otp", "password"],
  });
  phone.restart();
  demo.clock.advance(30 * MINUTE);
  expect((await phone.get("/me")).json).toMatchObject({ email: ADA.email, level: "remembered" });

  const tablet = demo.client();
  const json = await tablet.post("/login", ADA);
  expect(json.json.pending.until).toBeGreaterThan(demo.clock.now() + 4 * MINUTE);
  expect((await tablet.post("/login/code", { code })).status, "used before").toBe(401);
  expect((await tablet.post("/login/code", { code: await nextCode() })).json.email).toBe(ADA.email);
  expect(demo.logged).toEqual([]);
});

test("the second step ends after five minutes, and needs a first one", async () => {
  const demo = await startDemo();
  const [ada, phone] = [demo.client(), demo.client()];
  const { nextCode } = await withCodes(ada, demo);
  expect((await phone.post("/login/code", { code: "123456" })).json.error.code).toBe("nothing_pending");
  await phone.post("/login", ADA);
  demo.clock.advance(5 * MINUTE);
  expect(await locationOf(submit(phone, "/login/code", { code: await nextCode() }))).toBe("/login?late");
  expect(textOf((await phone.get("/login?late", HTML)).text)).toContain("That took too long");
  expect((await phone.get("/me")).json.userId).toBeNull();

  await phone.post("/login", ADA);
  demo.clock.advance(SECOND);
  await ada.post("/password", { current: ADA.password, next: "another long secret" });
  demo.clock.advance(SECOND);
  const outdated = await phone.post("/login/code", { code: await nextCode() });
  expect(outdated.status, "the password was changed meanwhile").toBe(401);
  expect((await phone.get("/me")).json.userId).toBeNull();
  expect(demo.logged).toEqual([]);
});

test("a code counts once, however many requests bring it, and guesses are limited", async () => {
  const demo = await startDemo();
  const ada = demo.client();
  const { nextCode } = await withCodes(ada, demo);
  const clients = Array.from({ length: 5 }, () => demo.client());
  for (const client of clients) await client.post("/login", ADA);
  const code = await nextCode();
  const answers = await Promise.all(clients.map((client) => client.post("/login/code", { code })));
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);

  const guess = async () => {
    const client = demo.client();
    await client.post("/login", ADA);
    return (await client.post("/login/code", { code: "000000" })).status;
  };
  const statuses: number[] = [];
  for (let attempt = 0; attempt < 7; attempt++) statuses.push(await guess());
  expect(statuses.at(-1)).toBe(429);
  const client = demo.client();
  await client.post("/login", ADA);
  const locked = await submit(client, "/login/code", { code: await nextCode() });
  expect([locked.status, locked.text.includes("Too many wrong codes in a row")]).toEqual([429, true]);
  demo.clock.advance(15 * MINUTE);
  await client.post("/login", ADA);
  expect((await client.post("/login/code", { code: await nextCode() })).status).toBe(200);
});

test("on a browser that the user trusts no code is asked for, for 30 days or until that ends", async () => {
  const demo = await startDemo();
  const [ada, bob] = [demo.client(), demo.client()];
  const { nextCode } = await withCodes(ada, demo);
  await ada.post("/logout");
  await ada.post("/login", ADA);
  await ada.post("/login/code", { code: await nextCode(), trust: true });
  const devices = (await ada.get("/devices", JSON_)).json.devices;
  expect(devices).toHaveLength(1);
  const until = devices[0].trustedUntil;
  expect(Math.round((until - demo.clock.now()) / DAY)).toBe(30);
  expect(textOf((await ada.get("/devices", HTML)).text)).toMatch(/Trusted until \d+ \w+ \d{4}/);

  await ada.post("/logout");
  demo.clock.advance(DAY);
  expect((await ada.post("/login", ADA)).json).toMatchObject({ email: ADA.email, proofs: ["password"] });
  expect((await bob.post("/login", ADA)).json.pending, "elsewhere").toBeDefined();
  expect((await ada.get("/account", JSON_)).json.isTrusted).toBe(true);
  const again = (await ada.get("/devices", JSON_)).json.devices as { trustedUntil?: number }[];
  expect(again.filter(({ trustedUntil }) => trustedUntil === until)).toHaveLength(1);

  expect(textOf((await ada.get("/account", HTML)).text)).toContain("No code is asked for here");
  expect(await locationOf(submit(ada, "/devices/distrust"))).toBe("/account");
  await ada.post("/logout");
  expect((await ada.post("/login", ADA)).json.pending).toBeDefined();
  await ada.post("/login/code", { code: await nextCode(), trust: true });
  expect((await ada.post("/devices/revoke-all")).json).toEqual({ ended: 1 });
  expect((await ada.post("/login", ADA)).json.pending, "signed out everywhere").toBeDefined();
  await ada.post("/login/code", { code: await nextCode(), trust: true });
  await ada.post("/logout");
  demo.clock.advance(30 * DAY + SECOND);
  expect((await ada.post("/login", ADA)).json.pending).toBeDefined();
  expect(demo.logged).toEqual([]);
});

test("codes are switched off by two fresh factors only, also on a trusted browser; other devices end", async () => {
  const demo = await startDemo();
  const [ada, phone] = [demo.client(), demo.client()];
  const { nextCode } = await withCodes(ada, demo);
  await phone.post("/login", ADA);
  await phone.post("/login/code", { code: await nextCode(), trust: true });
  await phone.post("/logout");
  await phone.post("/login", ADA);
  const refused = await phone.post("/account/otp/off");
  expect([refused.status, refused.json.error.code]).toEqual([403, "proofs_required"]);
  const asked = submit(phone, "/account/otp/off");
  expect(await locationOf(asked)).toBe("/prove?next=%2F");
  const page = (await phone.get("/prove?next=/account", HTML)).text;
  expect(page).toContain('action="/prove/code"');
  expect(page, "the password is fresh").not.toContain('action="/prove/password"');
  expect((await submit(phone, "/prove/code", { code: "000000", next: "/account" })).status).toBe(401);
  const proved = submit(phone, "/prove/code", { code: await nextCode(), next: "/account" });
  expect(await locationOf(proved)).toBe("/account");
  expect((await phone.post("/account/otp/off")).json).toEqual({ hasCodes: false });
  expect((await ada.get("/me")).json.userId).toBeNull();
  expect((await ada.post("/login", ADA)).json.email).toBe(ADA.email);
  expect(
    (await phone.get("/devices", JSON_)).json.devices.some(
      ({ trustedUntil }: { trustedUntil?: number }) => trustedUntil,
    ),
  ).toBe(false);
  expect((await phone.post("/prove/code", { code: "123456" })).json.error.code).toBe("no_codes");
});

test("the page of one's data opens for two factors within ten minutes, and asks for whatever is missing", async () => {
  const demo = await startDemo();
  const ada = demo.client();
  expect((await ada.get("/data", HTML)).headers.get("location")).toBe("/login?next=%2Fdata");
  await ada.post("/register", ADA);
  expect((await ada.get("/data", HTML)).headers.get("location")).toBe("/prove?next=%2Fdata");
  expect(textOf((await ada.get("/prove", HTML)).text)).toContain("You have one factor only");
  const { secret } = (await ada.post("/account/otp/new")).json;
  const nextCode = authenticator(demo, secret);
  await ada.post("/account/otp", { code: await nextCode() });
  expect(textOf((await ada.get("/data", HTML)).text)).toContain(`Email ${ADA.email}`);

  demo.clock.advance(10 * MINUTE);
  expect((await ada.get("/data", JSON_)).json.error.code).toBe("proofs_required");
  const both = (await ada.get("/prove?next=/data", HTML)).text;
  for (const action of ["/prove/password", "/prove/code"]) expect(both).toContain(`action="${action}"`);
  await submit(ada, "/prove/password", { password: ADA.password, next: "/data" });
  expect((await ada.get("/data", HTML)).headers.get("location")).toBe("/prove?next=%2Fdata");
  const left = (await ada.get("/prove?next=/data", HTML)).text;
  expect(left).not.toContain('action="/prove/password"');
  const done = submit(ada, "/prove/code", { code: await nextCode(), next: "/data" });
  expect(await locationOf(done)).toBe("/data");
  expect((await ada.get("/data", JSON_)).json).toMatchObject({ email: ADA.email, hasCodes: true });
});

test("no secret of the codes is in the log, in events or on pages after they are on", async () => {
  const demo = await startDemo();
  const ada = demo.client();
  const { secret } = await withCodes(ada, demo);
  for (const path of ["/account", "/data", "/devices", "/lab", "/lab/events"]) {
    expect((await ada.get(path, HTML)).text).not.toContain(secret);
  }
  expect((await ada.get("/account/otp", HTML)).status).toBe(409);
  expect(demo.logged).toEqual([]);
});
