import { expect, test } from "vitest";
import { startDemo } from "../support/demo.ts";

const ADA = { email: "ada@example.test", password: "correct horse battery" };
const HTML = { accept: "text/html" };
const MINUTE = 60_000;

/* What a passkey does is seen in tests/browser/demo-passkeys.test.ts. */

test("a passkey is made by users who proved who they are, and nobody else", async () => {
  const demo = await startDemo();
  const ada = demo.client();
  expect((await demo.client().post("/account/passkeys/options")).status).toBe(401);
  await ada.post("/register", ADA);
  const options = (await ada.post("/account/passkeys/options")).json;
  expect(options).toMatchObject({
    rp: { id: "localhost" },
    user: { name: ADA.email },
    authenticatorSelection: { residentKey: "required", userVerification: "required" },
  });
  demo.clock.advance(11 * MINUTE);
  const late = await ada.post("/account/passkeys/options");
  expect([late.status, late.json.error.code]).toEqual([403, "fresh_login_required"]);
  const asked = await ada.get("/account/passkeys/new", HTML);
  expect(asked.headers.get("location")).toBe("/confirm?next=%2Faccount%2Fpasskeys%2Fnew");
});

test("a challenge is another one each time, for one purpose, and used up by a wrong answer", async () => {
  const demo = await startDemo();
  const ada = demo.client();
  await ada.post("/register", ADA);
  const ask = async (path: string) => (await ada.post(`${path}/options`)).json.challenge;
  expect(await ask("/account/passkeys")).not.toBe(await ask("/account/passkeys"));
  const wrong = { name: "Phone", response: { id: "x", rawId: "x", type: "public-key", response: {} } };
  const codeOf = async (path: string, body: unknown) => (await ada.post(path, body)).json.error.code;
  expect(await codeOf("/login/passkey", wrong), "one for another purpose").toBe("no_challenge");
  expect(await codeOf("/account/passkeys", wrong)).toBe("passkey_not_accepted");
  expect(await codeOf("/account/passkeys", wrong)).toBe("no_challenge");
  await ask("/account/passkeys");
  demo.clock.advance(5 * MINUTE);
  expect(await codeOf("/account/passkeys", wrong)).toBe("no_challenge");
  await ask("/login/passkey");
  expect(await codeOf("/login/passkey", wrong)).toBe("unknown_passkey");
  await ask("/login/passkey");
  const atOnce = await Promise.all(Array.from({ length: 4 }, () => codeOf("/login/passkey", wrong)));
  expect(atOnce.filter((code) => code !== "no_challenge")).toEqual(["unknown_passkey"]);
  expect(await codeOf("/prove/passkey/options", {})).toBe("no_passkeys");
  expect(demo.logged).toEqual([]);
});

test("wrong input about passkeys gets a sentence", async () => {
  const demo = await startDemo();
  const ada = demo.client();
  await ada.post("/register", ADA);
  const cases: [string, unknown, number][] = [
    ["/account/passkeys", {}, 400],
    ["/account/passkeys", { name: " ", response: {} }, 400],
    ["/account/passkeys", { name: "x".repeat(51), response: {} }, 400],
    ["/account/passkeys", { name: "Phone" }, 400],
    ["/account/passkeys", { name: "Phone", response: null }, 400],
    ["/account/passkeys", { name: "Phone", response: {} }, 401],
    ["/account/passkeys/nonsense/remove", {}, 404],
    ["/login/passkey", { response: "text" }, 400],
    ["/login/passkey", { remember: "perhaps", response: {} }, 400],
    ["/login/passkey", { response: { id: { a: 1 } } }, 401],
    ["/prove/passkey", { response: {} }, 409],
  ];
  for (const [path, body, status] of cases) {
    if (path !== "/prove/passkey") await ada.post(`${path.replace(/\/nonsense.*/, "")}/options`);
    const answer = await ada.post(path, body);
    expect([path, body, answer.status]).toEqual([path, body, status]);
    expect(answer.json.error.message).toMatch(/^[A-Z].*[.?]$/);
  }
  expect(demo.logged).toEqual([]);
});

test("the script of passkeys and what it loads are served, and pages allow no other", async () => {
  const demo = await startDemo();
  const client = demo.client();
  const login = await client.get("/login", HTML);
  expect(login.text).toContain("/assets/passkeys.js");
  expect(login.headers.get("content-security-policy")).toContain("script-src 'self'");
  for (const path of ["/assets/passkeys.js", "/assets/webauthn/index.js"]) {
    const { status, headers } = await client.get(path);
    expect([path, status, headers.get("content-type")]).toEqual([
      path,
      200,
      expect.stringContaining("javascript"),
    ]);
  }
});
