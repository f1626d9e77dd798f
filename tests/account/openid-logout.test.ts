import { createSecretKey } from "node:crypto";
import { generateKeyPair } from "jose";
import { describe, expect, test } from "vitest";
import { CLIENT, example, leadsTo, openShop, PASSWORD, problemIn, type Shop } from "./support-openid.ts";

const SHOP = "shop@example.com";
const SIGNED_OUT_THERE = [403, "You have signed out at Example ID meanwhile."];

/** A user of the provider with two browsers, each with a session there, and one that was signed in by a password. */
async function threeDevices() {
  const shop = await openShop();
  shop.users.add({ email: SHOP, password: PASSWORD });
  const [laptop, phone, desk, bob] = [shop.person(), shop.person(), shop.person(), shop.person()];
  await desk.signInByPassword();
  await desk.travel("/openid/link");
  await laptop.signIn({ remember: "on" });
  await phone.signIn({ remember: "on" });
  await bob.signIn({}, { account: "bob" });
  const who = async () => Promise.all([laptop, phone, desk, bob].map((person) => person.isWho()));
  expect(await who()).toEqual(["1, login", "1, login", "1, login", "2, login"]);
  return { ...shop, laptop, phone, desk, bob, who };
}

const rows = ({ database }: Pick<Shop, "database">) =>
  database.prepare("SELECT count(*) AS n FROM provider_sessions").get()?.["n"];

describe("a sign-out here", () => {
  test("goes on to the provider with the ID token that stayed on the server, and comes back", async () => {
    const { person, origin, issuer, database } = await openShop();
    const ada = person();
    await ada.signIn({ remember: "on" });
    const { headers } = await ada.post("/logout");
    const address = new URL(headers.get("location") ?? "");
    expect(address.origin + address.pathname).toBe(`${issuer}/session/end`);
    expect(Object.fromEntries(address.searchParams)).toMatchObject({
      client_id: CLIENT.id,
      id_token_hint: expect.stringMatching(/^ey[\w-]+\.[\w-]+\.[\w-]+$/),
      post_logout_redirect_uri: `${origin}/`,
    });
    expect([await ada.isWho(), rows({ database })], "signed out here, whatever follows").toEqual([
      "nobody",
      0,
    ]);
    expect(await ada.signOutThere(address.href)).toBe(`${origin}/`);
    expect((await ada.visit(await ada.leave("/openid/sign-in"))).wasAsked).toBe(true);
  });

  test("ends here if the provider is down, or did not sign the user in", async () => {
    const { person, users, there } = await openShop();
    users.add({ email: SHOP, password: PASSWORD });
    const user = person();
    await user.signInByPassword();
    expect(leadsTo(await user.post("/logout"))).toEqual([303, "/"]);
    // A sign-in by password in the same browser takes the place of one by the provider.
    await user.signIn();
    await user.signInByPassword();
    expect(leadsTo(await user.post("/logout"))).toEqual([303, "/"]);
    await user.signIn();
    there.listener = undefined;
    expect((await user.post("/logout")).status).toBe(303);
    expect(await user.isWho()).toBe("nobody");
  });
});

test("a sign-out here that cannot be stored is no sign-out, and the provider's still ends the device", async () => {
  const { person, database } = await openShop();
  const ada = person();
  await ada.signIn();
  for (const change of ["UPDATE", "DELETE"])
    database.exec(`CREATE TRIGGER no_${change} BEFORE ${change} ON psession_sessions
      BEGIN SELECT RAISE(ABORT, 'read only'); END`);
  expect((await ada.post("/logout")).status).toBeGreaterThanOrEqual(500);
  for (const change of ["UPDATE", "DELETE"]) database.exec(`DROP TRIGGER no_${change}`);
  expect(await ada.isWho()).toBe("1, login");
  await ada.signOutThere();
  expect(await ada.isWho()).toBe("nobody");
});

describe("a sign-out at the provider", () => {
  test("ends the devices of that session there, remembered ones too, and no other", async () => {
    const { laptop, who, psession } = await threeDevices();
    const ended: string[] = [];
    psession.on("revoked", ({ reason }: { reason: string }) => void ended.push(reason));
    await laptop.signOutThere();
    expect(await who()).toEqual(["nobody", "1, login", "1, login", "2, login"]);
    laptop.restart();
    expect(await laptop.isWho()).toBe("nobody");
    expect(ended).toEqual(["provider_logout"]);
  });

  test("does not end a sign-in by password that took the place of the provider's in the same browser", async () => {
    const { laptop, who } = await threeDevices();
    await laptop.signInByPassword(SHOP, { remember: "on" });
    await laptop.signOutThere();
    expect((await who())[0]).toBe("1, login");
    laptop.restart();
    expect(await laptop.isWho()).toBe("1, remembered");
  });

  test("ends a device that was confirmed there since", async () => {
    const { laptop, phone, who } = await threeDevices();
    expect((await laptop.travel("/openid/confirm")).status).toBe(303);
    await laptop.signOutThere();
    await phone.signOutThere();
    expect(await who()).toEqual(["nobody", "nobody", "1, login", "2, login"]);
  });

  test("ends a device that was confirmed in another session there, with that one", async () => {
    const { laptop, who } = await threeDevices();
    laptop.forgetProvider();
    expect((await laptop.travel("/openid/confirm")).status).toBe(303);
    expect((await who())[0]).toBe("1, login");
    await laptop.signOutThere();
    expect(await who()).toEqual(["nobody", "1, login", "1, login", "2, login"]);
  });

  test("without a session ends all of the user's devices that it had signed in by then", async () => {
    const { who, phone, laptop, logoutToken, logOut } = await threeDevices();
    const now = Math.floor(Date.now() / 1000);
    expect(await logOut(await logoutToken({ sub: "ada", iat: now - 60 }))).toBe(200);
    expect(await who(), "signed in since").toEqual(["1, login", "1, login", "1, login", "2, login"]);
    expect(await logOut(await logoutToken({ sub: "ada" }))).toBe(200);
    expect(await who()).toEqual(["nobody", "nobody", "1, login", "2, login"]);
    for (const device of [laptop, phone]) {
      device.restart();
      expect(await device.isWho()).toBe("nobody");
    }
  });

  test("of another user's session ends nothing", async () => {
    const { who, sidOf, logoutToken, logOut } = await threeDevices();
    expect(await logOut(await logoutToken({ sid: sidOf(2), sub: "ada" }))).toBe(200);
    expect(await logOut(await logoutToken({ sid: "unknown" }))).toBe(200);
    expect(await who()).toEqual(["1, login", "1, login", "1, login", "2, login"]);
    expect(await logOut(await logoutToken({ sid: sidOf(2) }))).toBe(200);
    expect((await who())[3]).toBe("nobody");
  });

  test("is refused unless its token is what the specification says, and then ends nothing", async () => {
    const { who, sidOf, logoutToken, logOut, database } = await threeDevices();
    const sid = sidOf(2);
    const now = Math.floor(Date.now() / 1000);
    const { privateKey: anotherKey } = await generateKeyPair("RS256");
    const idToken = String(
      database.prepare("SELECT id_token FROM provider_sessions WHERE user_id = 2").get()?.["id_token"],
    );
    const unsigned = (await logoutToken({ sid })).split(".")[1];
    const none = Buffer.from(JSON.stringify({ alg: "none", typ: "logout+jwt" })).toString("base64url");
    const wrong: Record<string, string> = {
      "an ID token": idToken,
      "an ID token that is called one": await logoutToken({ sid, nonce: "n" }),
      "another issuer": await logoutToken({ sid, iss: "https://evil.example" }),
      "another client": await logoutToken({ sid, aud: "another" }),
      "no event": await logoutToken({ sid, events: {} }),
      "events that are a list": await logoutToken({ sid, events: [] }),
      "an event that is text": await logoutToken({
        sid,
        events: { "http://schemas.openid.net/event/backchannel-logout": "" },
      }),
      "neither session nor user": await logoutToken({}),
      "an empty session": await logoutToken({ sid: "" }),
      "a session that is a number": await logoutToken({ sid: 1 }),
      "no jti": await logoutToken({ sid, jti: undefined }),
      "no time": await logoutToken({ sid, iat: undefined }),
      "no end": await logoutToken({ sid, exp: undefined }),
      "a time long ago": await logoutToken({ sid, iat: now - 600 }),
      "a time to come": await logoutToken({ sid, iat: now + 600 }),
      "an end that has come": await logoutToken({ sid, exp: now - 60 }),
      "another type": await logoutToken({ sid }, { header: { typ: "JWT" } }),
      "no type": await logoutToken({ sid }, { header: { typ: undefined } }),
      "another key": await logoutToken({ sid }, { key: anotherKey }),
      "the client's secret as a key": await logoutToken(
        { sid },
        { header: { alg: "HS256" }, key: new Uint8Array(createSecretKey(CLIENT.secret, "utf8").export()) },
      ),
      "no signature": `${none}.${unsigned}.`,
      nothing: "",
      "no token": "a.b.c",
    };
    for (const [what, token] of Object.entries(wrong))
      expect([what, await logOut(token)]).toEqual([what, 400]);
    expect(await who()).toEqual(["1, login", "1, login", "1, login", "2, login"]);
    expect(await logOut(await logoutToken({ sid })), "nothing is wrong with the others").toBe(200);
    expect((await who())[3]).toBe("nobody");
  });

  test("counts once: a token that comes again is refused, and ends no later sign-in", async () => {
    const { who, phone, logoutToken, logOut, database } = await threeDevices();
    // By seconds: as if they had signed in a while ago, and the token had been on its way.
    database.exec("UPDATE provider_sessions SET established_at = established_at - 60");
    const token = await logoutToken({ sub: "ada", iat: Math.floor(Date.now() / 1000) - 30 });
    expect(await logOut(token)).toBe(200);
    expect(await who()).toEqual(["nobody", "nobody", "1, login", "2, login"]);
    await phone.signIn({}, { change: (query) => query.set("prompt", "login") });
    expect(await logOut(token)).toBe(400);
    expect((await who())[1]).toBe("1, login");
  });

  test("that failed half-way is done when the provider repeats it", async () => {
    const { who, sidOf, logoutToken, logOut, database } = await threeDevices();
    const token = await logoutToken({ sid: sidOf(2) });
    database.exec("ALTER TABLE psession_sessions RENAME TO away");
    expect(await logOut(token)).toBe(500);
    database.exec("ALTER TABLE away RENAME TO psession_sessions");
    expect((await who())[3]).toBe("2, login");
    expect(await logOut(token)).toBe(200);
    expect((await who())[3]).toBe("nobody");
  });

  test("is not answered as done while the provider's keys cannot be fetched", async () => {
    const shop = await openShop();
    const ada = shop.person();
    await ada.signIn();
    const token = await shop.logoutToken({ sid: shop.sidOf(1) });
    const { listener } = shop.there;
    shop.there.listener = undefined;
    expect(await shop.logOut(token)).toBe(500);
    expect(await ada.isWho()).toBe("1, login");
    shop.there.listener = listener;
    expect(await shop.logOut(token)).toBe(200);
    expect(await ada.isWho()).toBe("nobody");
  });
});

describe("a sign-out at the provider that races with a sign-in", () => {
  /** A browser that is on its way back from a session at the provider that it has had for a while. */
  const onItsWay = async () => {
    const shop = await openShop();
    const ada = shop.person();
    await ada.signIn();
    const sid = shop.sidOf(1);
    await ada.post("/logout");
    await ada.post("/cart", { item: "tea" });
    const back = await ada.visit(await ada.leave("/openid/sign-in", { remember: "on" }));
    expect(back.wasAsked).toBe(false);
    return { ...shop, ada, back, sid };
  };

  test.each(["session", "user"])(
    "is not lost if it comes first: the %s that has ended signs nobody in",
    async (what) => {
      const { ada, back, sid, logoutToken, logOut } = await onItsWay();
      expect(await logOut(await logoutToken(what === "session" ? { sid } : { sub: "ada" }))).toBe(200);
      expect(problemIn(await ada.comeBack(back))).toEqual(SIGNED_OUT_THERE);
      expect([await ada.isWho(), await ada.cart()]).toEqual(["nobody", ["tea"]]);
      ada.restart();
      expect(await ada.isWho()).toBe("nobody");
    },
  );

  test("wins, however the two are timed", async () => {
    for (let round = 0; round < 8; round++) {
      const { ada, back, sid, logoutToken, logOut, psession } = await onItsWay();
      const token = await logoutToken({ sid });
      const ways = [() => ada.comeBack(back), () => logOut(token)];
      if (round % 2 === 1) ways.reverse();
      await Promise.all(ways.map((way) => way()));
      expect(await ada.isWho()).toBe("nobody");
      ada.restart();
      expect([await ada.isWho(), await psession.devices(1)]).toEqual(["nobody", []]);
    }
  });

  test("wins between the stored sign-in and the note of where it came from", async () => {
    const { database, psession } = await openShop();
    const { ProviderSessions } = await example("provider-sessions.js");
    const sessions = new ProviderSessions({ database, psession, now: Date.now });
    const identity = { issuer: "i", subject: "ada", sid: "s", establishedAt: 1, idToken: null };
    const calls: string[] = [];
    const session = {
      handle: "h",
      login: async () => void calls.push("login"),
      save: async () => {
        calls.push("save");
        expect(await sessions.end({ issuer: "i", jti: "j", sid: "s", subject: null, at: 1 })).toBe(true);
      },
      logout: async () => void calls.push("logout"),
    };
    expect(await sessions.signIn(session, 1, {}, identity)).toBe(false);
    expect(calls).toEqual(["login", "save", "logout"]);
  });

  test("leaves nobody signed in if the note of where the sign-in came from cannot be stored", async () => {
    const { ada, back, database, psession } = await onItsWay();
    database.exec(`CREATE TRIGGER full BEFORE INSERT ON provider_sessions
      BEGIN SELECT RAISE(ABORT, 'no room'); END`);
    expect((await ada.comeBack(back)).status).toBe(500);
    expect(await ada.isWho()).toBe("nobody");
    ada.restart();
    expect([await ada.isWho(), await psession.devices(1)]).toEqual(["nobody", []]);
  });
});

test("what is noted of a device goes with it, at the user's next sign-in by the provider", async () => {
  const { person, psession, database } = await openShop();
  const [laptop, phone] = [person(), person()];
  await laptop.signIn();
  await phone.signIn();
  await psession.revokeUser(1);
  const tablet = person();
  await tablet.signIn();
  expect([await tablet.isWho(), rows({ database })]).toEqual(["1, login", 1]);
});
