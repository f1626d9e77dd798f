import { expect, test } from "vitest";
import { startDemo } from "../support/demo.ts";
import type { HttpClient } from "../support/http.ts";

const ADA = { email: "ada@example.test", password: "correct horse battery", remember: true };
const NEW = "a brand new password";
const HTML = { accept: "text/html" };

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const ELSEWHERE =
  "You were signed out from elsewhere: by yourself on another device, or to protect your account.";
const AWAY = "You were signed out as you had been away for a while.";
const LONG_AGO = "You were signed out as your last sign-in was a while ago.";

const NOTE = /<p class="note" role="status">([^<]*)<\/p>/;

/** What a page says of why its visitor is signed out. */
async function saidBy(client: HttpClient, path: string): Promise<string | undefined> {
  return NOTE.exec((await client.get(path, HTML)).text)?.[1];
}

/** The same of the sign-in page that a page for users leads to, and where it leads after that. */
async function saidAfter(client: HttpClient, path: string) {
  const { status, headers } = await client.get(path, HTML);
  expect(status).toBe(303);
  const address = headers.get("location") ?? "";
  const page = (await client.get(address, HTML)).text;
  return { said: NOTE.exec(page)?.[1], next: /name="next" value="([^"]*)"/.exec(page)?.[1] };
}

async function onTwoDevices() {
  const demo = await startDemo();
  const [laptop, phone] = [demo.client(), demo.client()];
  await laptop.post("/register", ADA);
  await phone.post("/login", ADA);
  return { demo, laptop, phone };
}

test("the sign-in page says that the sign-in was ended from elsewhere, and comes back to the page that was asked for", async () => {
  const { demo, laptop, phone } = await onTwoDevices();
  for (const path of [
    "/billing",
    "/account",
    "/devices",
    "/account/devices",
    "/password",
    "/account/delete",
  ]) {
    await laptop.post("/devices/revoke-others");
    expect(await saidAfter(phone, path)).toEqual({ said: ELSEWHERE, next: path });
    await phone.post("/login", ADA);
  }
  // Whoever goes there at once reads it as well, and so does whoever begins at the home page.
  for (const path of ["/login", "/"]) {
    await laptop.post("/devices/revoke-others");
    expect([path, await saidBy(phone, path)]).toEqual([path, ELSEWHERE]);
    await phone.post("/login", ADA);
    expect([path, await saidBy(phone, path)]).toEqual([path, undefined]);
  }
  expect(demo.logged).toEqual([]);
});

test("a changed password, a link for a new one and support read like any end from elsewhere", async () => {
  const { demo, laptop, phone } = await onTwoDevices();
  await laptop.post("/password", { current: ADA.password, next: NEW });
  expect(await saidBy(phone, "/login")).toBe(ELSEWHERE);

  await phone.post("/login", { ...ADA, password: NEW });
  await laptop.post("/reset", { email: ADA.email });
  const token = /token=(\S+)/.exec(demo.printed.at(-1) ?? "")?.[1];
  await laptop.post("/reset/new", { token, password: ADA.password });
  expect(await saidBy(phone, "/login")).toBe(ELSEWHERE);

  await phone.post("/login", ADA);
  const support = demo.client();
  await support.post("/register", { ...ADA, email: "support@example.test" });
  const { userId } = (await phone.get("/me")).json;
  await support.post("/support/sign-out", { user: userId, reason: "Ticket 4711" });
  expect(await saidAfter(phone, "/account")).toEqual({ said: ELSEWHERE, next: "/account" });
});

test("time that was too long is named", async () => {
  const { demo, laptop, phone } = await onTwoDevices();
  const cafe = demo.client();
  await cafe.post("/login", { ...ADA, remember: false });
  demo.clock.advance(2 * HOUR + MINUTE);
  expect(await saidAfter(cafe, "/account")).toEqual({ said: AWAY, next: "/account" });
  expect(await saidBy(laptop, "/login")).toBeUndefined();
  demo.clock.advance(31 * DAY);
  expect([await saidBy(laptop, "/login"), await saidBy(phone, "/")]).toEqual([AWAY, AWAY]);

  await cafe.post("/login", { ...ADA, remember: false });
  for (let hour = 0; hour < 24; hour++) {
    expect((await cafe.get("/me")).json.email).toBe(ADA.email);
    demo.clock.advance(HOUR);
  }
  expect(await saidBy(cafe, "/login")).toBe(LONG_AGO);
});

test("of a theft the page says no more than that the sign-in was ended, to an old copy nothing, and the mailbox all", async () => {
  const demo = await startDemo();
  const ada = demo.client();
  await ada.post("/register", ADA);
  const thief = demo.client();
  thief.jar = new Map(ada.jar);
  thief.restart();
  demo.clock.advance(30 * MINUTE);
  ada.restart();
  await ada.get("/me");
  // By coming once more the browser shows that it has the next cookie.
  demo.clock.advance(30 * MINUTE);
  await ada.get("/me");
  expect(await saidBy(thief, "/")).toBeUndefined();
  const [notice = ""] = demo.printed.slice(-1);
  expect(notice).toContain(`Message to ${ADA.email}: Two browsers used the same sign-in`);
  const page = (await ada.get("/", HTML)).text;
  expect([NOTE.exec(page)?.[1], page.match(/class="note/g)]).toEqual([ELSEWHERE, ['class="note']]);
  expect(demo.logged).toEqual([]);
});

test("nothing is said to strangers, after a sign-out of one's own, or for an address that somebody made up", async () => {
  const { demo, phone } = await onTwoDevices();
  await phone.post("/logout");
  for (const client of [phone, demo.client()]) {
    expect((await saidAfter(client, "/account")).said).toBeUndefined();
    for (const path of [
      "/login",
      "/",
      "/login?ended=theft",
      "/login?ended=%3Cscript%3E",
      "/login?ended=ended&ended=idle",
    ])
      expect([path, await saidBy(client, path)]).toEqual([path, undefined]);
  }
  // A wrong password is what the page is about then.
  const again = await phone.request("/login?ended=idle", {
    method: "POST",
    headers: HTML,
    body: new URLSearchParams({ email: ADA.email, password: "wrong" }),
  });
  expect([again.status, NOTE.test(again.text)]).toEqual([401, false]);
});
