import { describe, expect, test } from "vitest";
import { DAY, MINUTE } from "../support/clock.ts";
import { leadsTo, openShop, PASSWORD, problemIn, type Shop } from "./support-openid.ts";

const SHOP = "shop@example.com";
const OTHER_ACCOUNT = [
  403,
  "You are signed in at Example ID with an account that does not belong to yours here.",
];
const LINKED_ELSEWHERE = [
  403,
  "That account of Example ID belongs to another account here, or yours has another one.",
];

/** A user with a password, signed in by it, and an account at the provider. */
async function withPassword(options?: Parameters<typeof openShop>[0]) {
  const shop = await openShop(options);
  const { id } = shop.users.add({ email: SHOP, password: PASSWORD });
  const user = shop.person();
  await user.signInByPassword();
  return { ...shop, id: id as number, user };
}

const linked = async (options?: Parameters<typeof openShop>[0]) => {
  const given = await withPassword(options);
  expect(leadsTo(await given.user.travel("/openid/link"))).toEqual([303, "/account"]);
  return given;
};

const identities = ({ database }: Pick<Shop, "database">) =>
  database.prepare("SELECT subject, user_id FROM identities ORDER BY subject").all();

describe("a first sign-in by the provider", () => {
  test("does not take over an account that has the same address, and says what to do", async () => {
    const { person, users, database } = await openShop();
    users.add({ email: "ada@example.com", password: PASSWORD });
    const thief = person();
    await thief.post("/cart", { item: "tea" });
    const answer = await thief.travel("/openid/sign-in", { next: "/account" });
    expect([answer.status, answer.text.includes("Sign in to it with its password")]).toEqual([409, true]);
    expect([await thief.isWho(), await thief.cart()]).toEqual(["nobody", ["tea"]]);
    expect(identities({ database })).toEqual([]);
  });

  test("does not keep an address that the provider has not verified, nor say whether somebody has it", async () => {
    const { person, users } = await openShop();
    users.add({ email: SHOP, password: PASSWORD });
    const eve = person();
    await eve.signIn({}, { account: "eve" });
    expect(await eve.isWho()).toBe("2, login");
    expect(users.byId(2).email).toBeNull();
  });

  test("makes one account, though two browsers come back at once", async () => {
    const { person, database } = await openShop();
    const both = [person(), person()];
    const backs = await Promise.all(
      both.map(async (browser) => browser.visit(await browser.leave("/openid/sign-in"))),
    );
    const answers = await Promise.all(
      both.map((browser, index) => browser.comeBack(backs[index] ?? never())),
    );
    expect(answers.map(({ status }) => status)).toEqual([303, 303]);
    expect(database.prepare("SELECT count(*) AS n FROM users").get()?.["n"]).toBe(1);
  });
});

describe("connecting the provider to an account", () => {
  test("lets the user sign in by it, and sends a mail", async () => {
    const { person, id, user, mails } = await linked();
    expect(mails).toEqual([{ to: SHOP, text: expect.stringContaining("sign in with Example ID") }]);
    const phone = person();
    await phone.signIn();
    expect([await phone.isWho(), await user.isWho()]).toEqual([`${id}, login`, `${id}, login`]);
  });

  test("asks for the password first, if that was a while ago or the user was remembered", async () => {
    const { user, clock } = await withPassword();
    clock.ahead += 11 * MINUTE;
    expect(leadsTo(await user.post("/openid/link"))[1]).toMatch(/^\/confirm\?next=/);
    await user.signInByPassword(SHOP, { remember: "on" });
    user.restart();
    expect(leadsTo(await user.post("/openid/link"))[1]).toMatch(/^\/confirm\?next=/);
  });

  test("does not succeed in a session that was restored during the trip", async () => {
    const { user, database } = await withPassword();
    await user.signInByPassword(SHOP, { remember: "on" });
    const back = await user.visit(await user.leave("/openid/link"));
    user.restart();
    expect(await user.isWho()).toBe("1, remembered");
    expect((await user.comeBack(back)).status).toBe(403);
    expect(identities({ database })).toEqual([]);
  });

  test("does not succeed after a sign-out or as another user", async () => {
    const { user, users, database } = await withPassword();
    const back = await user.visit(await user.leave("/openid/link"));
    await user.post("/logout");
    expect((await user.comeBack(back)).status).toBe(403);
    await user.signInByPassword();
    const late = await user.visit(await user.leave("/openid/link"));
    users.add({ email: "second@example.com", password: PASSWORD });
    await user.signInByPassword("second@example.com");
    expect((await user.comeBack(late)).status).toBe(403);
    expect(identities({ database })).toEqual([]);
  });

  test("does not take the provider's account from another user, nor add a second one", async () => {
    const { person, users, user, database } = await linked();
    users.add({ email: "second@example.com", password: PASSWORD });
    const second = person();
    await second.signInByPassword("second@example.com");
    expect(problemIn(await second.travel("/openid/link"))).toEqual(LINKED_ELSEWHERE);
    const another = await user.travel("/openid/link", {}, { account: "bob", change: askAgain });
    expect(problemIn(another)).toEqual(LINKED_ELSEWHERE);
    expect(identities({ database })).toEqual([{ subject: "ada", user_id: 1 }]);
  });

  test("does not let the answer of a sign-in connect anything, nor the other way round", async () => {
    const { person, users, database } = await withPassword();
    const visitor = person();
    await visitor.signIn({}, { account: "bob" });
    users.add({ email: "second@example.com", password: PASSWORD });
    expect(identities({ database })).toEqual([{ subject: "bob", user_id: 2 }]);
    const second = person();
    await second.signInByPassword("second@example.com");
    const back = await second.visit(await second.leave("/openid/link"), { account: "ada" });
    await second.comeBack(back);
    expect(identities({ database })).toContainEqual({ subject: "ada", user_id: 3 });
    expect(await second.isWho()).toBe("3, login");
  });
});

describe("disconnecting the provider", () => {
  test("is a changed factor: other devices end, a mail is sent, and the provider brings nobody in", async () => {
    const { person, user, mails, database } = await linked();
    const phone = person();
    await phone.signIn({ remember: "on" });
    expect(leadsTo(await user.post("/openid/unlink"))).toEqual([303, "/account"]);
    expect([await user.isWho(), await phone.isWho()]).toEqual(["1, login", "nobody"]);
    phone.restart();
    expect(await phone.isWho()).toBe("nobody");
    expect(mails.at(-1)).toEqual({ to: SHOP, text: "Changed: sign-in with Example ID." });
    expect(database.prepare("SELECT * FROM provider_sessions").all()).toEqual([]);
    // Known by nothing any more: a user of their own.
    await phone.signIn();
    expect(await phone.isWho()).toBe("2, login");
  });

  test("refuses a sign-in that had begun before, even if the provider is connected again meanwhile", async () => {
    const { person, user } = await linked();
    const phone = person();
    const back = await phone.visit(await phone.leave("/openid/sign-in"));
    await user.post("/openid/unlink");
    await user.travel("/openid/link");
    const answer = await phone.comeBack(back);
    expect(problemIn(answer)).toEqual([401, "Your account was changed meanwhile. Please sign in again."]);
    expect(await phone.isWho()).toBe("nobody");
    await phone.signIn();
    expect(await phone.isWho()).toBe("1, login");
  });

  test("is refused if there is no other way to sign in, and asks for a confirmation", async () => {
    const { person, database, clock } = await openShop();
    const ada = person();
    await ada.signIn();
    expect((await ada.post("/openid/unlink")).status).toBe(409);
    expect(identities({ database })).toHaveLength(1);
    clock.ahead += 11 * MINUTE;
    expect(leadsTo(await ada.post("/openid/unlink"))[1]).toMatch(/^\/confirm\?next=/);
  });
});

describe("confirming by the provider", () => {
  test("makes a remembered user fresh: the provider asks, though the user is signed in there", async () => {
    const { person, clock } = await openShop({ ahead: -DAY });
    const ada = person();
    await ada.signIn({ remember: "on" });
    ada.restart();
    clock.ahead = 0;
    expect(leadsTo(await ada.get("/billing"))).toEqual([303, "/confirm?next=%2Fbilling"]);
    expect((await ada.get("/confirm?next=/billing")).text).toContain("Confirm with Example ID");
    const back = await ada.visit(await ada.leave("/openid/confirm", { next: "/billing" }));
    expect(back.wasAsked).toBe(true);
    expect(leadsTo(await ada.comeBack(back))).toEqual([303, "/billing"]);
    expect((await ada.get("/billing")).text).toBe("your cards");
    expect(await ada.isWho()).toBe("1, login");
  });

  test("fails if the provider asked nothing, as when the browser takes that wish out of the address", async () => {
    const { person, clock } = await openShop();
    const ada = person();
    await ada.signIn();
    clock.ahead += 11 * MINUTE;
    const address = await ada.leave("/openid/confirm", { next: "/billing" });
    const back = await ada.visit(address, { change: withoutWishes });
    expect(back.wasAsked).toBe(false);
    expect(problemIn(await ada.comeBack(back))).toEqual([
      403,
      "Example ID has not asked you to sign in again.",
    ]);
    expect((await ada.get("/billing")).status).toBe(303);
  });

  test("fails with another account of the provider, and the user stays who it was", async () => {
    const { user, database } = await linked();
    const answer = await user.travel("/openid/confirm", {}, { account: "bob" });
    expect(problemIn(answer)).toEqual(OTHER_ACCOUNT);
    expect([await user.isWho(), identities({ database }).length]).toEqual(["1, login", 1]);
  });

  test("with another account ends the session that the first one had begun: the provider signs that one out", async () => {
    const { person } = await openShop();
    const ada = person();
    await ada.signIn();
    const back = await ada.visit(await ada.leave("/openid/confirm"), { account: "bob" });
    expect(await ada.isWho()).toBe("nobody");
    expect((await ada.comeBack(back)).status).toBe(403);
    expect(await ada.isWho()).toBe("nobody");
  });

  test("in two tabs succeeds in both, each with its own page", async () => {
    const { person } = await openShop();
    const ada = person();
    await ada.signIn();
    const addresses = [
      await ada.leave("/openid/confirm", { next: "/one" }),
      await ada.leave("/openid/confirm", { next: "/two" }),
    ];
    const ends: unknown[] = [];
    for (const address of addresses) ends.push(leadsTo(await ada.comeBack(await ada.visit(address)))[1]);
    expect(ends).toEqual(["/one", "/two"]);
  });

  test("with two factors counts only if the answer says that they were checked", async () => {
    const { person } = await openShop();
    const ada = person();
    await ada.signIn();
    const strong = { strong: "on", next: "/payout" };
    expect(leadsTo(await ada.get("/payout"))).toEqual([303, "/confirm?strong=on&next=%2Fpayout"]);
    const weak = [403, "Example ID has not checked two factors."];
    expect(problemIn(await ada.travel("/openid/confirm", strong))).toEqual(weak);
    const change = (query: URLSearchParams) => query.delete("acr_values");
    expect(problemIn(await ada.travel("/openid/confirm", strong, { change }))).toEqual(weak);
    // Confirmed with a code, but not for this page.
    expect((await ada.travel("/openid/confirm", { next: "/" })).status).toBe(303);
    expect((await ada.get("/payout")).status).toBe(303);
    expect(leadsTo(await ada.travel("/openid/confirm", strong, { code: true }))).toEqual([303, "/payout"]);
    expect((await ada.get("/payout")).text).toBe("a payout");
  });
});

test("a user whom the provider still knows from earlier is signed in, and is not fresh", async () => {
  const { person, clock } = await openShop();
  const ada = person();
  await ada.signIn();
  expect((await ada.get("/billing")).text).toBe("your cards");
  await ada.post("/logout");
  clock.ahead += 15 * MINUTE;
  const back = await ada.visit(await ada.leave("/openid/sign-in"));
  expect(back.wasAsked).toBe(false);
  await ada.comeBack(back);
  expect(await ada.isWho()).toBe("1, login");
  expect(leadsTo(await ada.get("/billing"))).toEqual([303, "/confirm?next=%2Fbilling"]);
});

const askAgain = (query: URLSearchParams) => query.set("prompt", "login");

function withoutWishes(query: URLSearchParams): void {
  query.delete("prompt");
  query.delete("max_age");
}

function never(): never {
  throw new Error("there is one answer for each browser");
}
