import { expect, test } from "vitest";
import { claimsOf } from "../../src/protocol/proofs.ts";
import { TestBrowser, testApp } from "../support/app.ts";

const MINUTE = 60_000;

test("a sign-in says how it was proved, and a second factor is listed beside it", async () => {
  const app = testApp();
  const ada = new TestBrowser(app);
  const start = app.clock.now();
  await ada.visit((session) => session.login("ada", { method: "password" }));
  app.clock.advance(2 * MINUTE);
  await ada.visit((session) => session.prove("otp"));
  await ada.visit((session) => {
    expect(session.proofs).toEqual([
      { method: "otp", at: start + 2 * MINUTE },
      { method: "password", at: start },
    ]);
    expect(session.claims).toEqual({
      amr: ["otp", "pwd", "mfa"],
      acr: "aal2",
      auth_time: Math.floor((start + 2 * MINUTE) / 1000),
    });
    expect(session.isFresh({ within: MINUTE, method: "otp" })).toBe(true);
    expect(session.isFresh({ within: MINUTE, method: "password" })).toBe(false);
    expect(session.isFresh({ within: "3m", method: "password" })).toBe(true);
    expect(session.isFresh({ within: "3m", method: "passkey" })).toBe(false);
  });
  expect(app.events.filter(({ type }) => type === "login" || type === "reauthenticated")).toMatchObject([
    { type: "login", methods: ["password"] },
    { type: "reauthenticated", methods: ["otp"] },
  ]);
});

test("two factors proved in the request that signs in are both listed", async () => {
  const app = testApp();
  const ada = new TestBrowser(app);
  await ada.visit(async (session) => {
    await session.login("ada", { method: "password" });
    await session.prove("otp");
    expect(session.proofs.map(({ method }) => method).sort()).toEqual(["otp", "password"]);
  });
  expect((await ada.visit((session) => session.claims.acr)).result).toBe("aal2");
});

test("a sign-in by a provider's session is as fresh as the credential that the user proved there", async () => {
  const app = testApp();
  const ada = new TestBrowser(app);
  const now = app.clock.now();
  const authenticatedAt = now - 8 * 60 * MINUTE;
  await ada.visit((session) => session.login("ada", { method: "openid", remember: true, authenticatedAt }));
  await ada.visit(async (session) => {
    expect(session).toMatchObject({ level: "login", authenticatedAt });
    expect(session.proofs).toEqual([{ method: "openid", at: authenticatedAt }]);
    expect(session.claims).toMatchObject({ amr: ["openid"], auth_time: Math.floor(authenticatedAt / 1000) });
    expect(session.isFresh({ within: "1h" })).toBe(false);
    expect(session.isFresh({ within: "1h", method: "openid" })).toBe(false);
    expect(session.isFresh({ within: "9h", method: "openid" })).toBe(true);
    await expect(session.trust()).rejects.toMatchObject({ code: "proof_outdated" });
    await session.prove("password");
  });
  await ada.visit((session) => expect(session.isFresh({ within: MINUTE })).toBe(true));
});

test("where nobody knows when a credential was proved, the sign-in is not fresh, until one is", async () => {
  const app = testApp();
  const ada = new TestBrowser(app);
  await ada.visit((session) => session.login("ada", { method: "oauth", authenticatedAt: 0 }));
  await ada.visit((session) => {
    expect(session.proofs).toEqual([{ method: "oauth", at: 0 }]);
    expect(session.isFresh({ within: "365d" })).toBe(false);
  });
  await ada.visit(async (session) => {
    await session.login("ada", { method: "oauth", authenticatedAt: 0 });
    await session.prove("otp");
    expect(session.isFresh({ within: 1 })).toBe(true);
  });
  expect((await ada.visit((session) => session.isFresh({ within: 1 }))).result).toBe(true);
});

test("a provider whose clock is ahead makes no sign-in fresher than the check of its answer", async () => {
  const app = testApp();
  const ada = new TestBrowser(app);
  const provedAt = app.clock.now() - MINUTE;
  const authenticatedAt = app.clock.now() + 60 * MINUTE;
  await ada.visit((session) => session.login("ada", { method: "openid", provedAt, authenticatedAt }));
  await ada.visit((session) => {
    expect(session.authenticatedAt).toBe(provedAt);
    expect(session.proofs).toEqual([{ method: "openid", at: provedAt }]);
  });
});

test("an earlier authentication does not carry a sign-in past a changed password", async () => {
  const app = testApp();
  const ada = new TestBrowser(app);
  const provedAt = app.clock.now();
  app.clock.advance(1000);
  await app.psession.passwordChanged("ada");
  const late = ada.visit((session) => session.login("ada", { provedAt, authenticatedAt: 0 }));
  await expect(late).rejects.toMatchObject({ code: "proof_outdated" });
});

test.each([-1, Number.NaN, 1.5, Number.POSITIVE_INFINITY, "1", null, new Date(0)])(
  "%j is no time of an authentication",
  async (authenticatedAt) => {
    await new TestBrowser(testApp()).visit(async (session) => {
      const given = { authenticatedAt } as { authenticatedAt: number };
      await expect(session.login("ada", given)).rejects.toMatchObject({ code: "invalid_options" });
      expect(session.isSignedIn).toBe(false);
    });
  },
);

test("the second step of a sign-in has a proof of its own, and takes no earlier authentication", async () => {
  const ada = new TestBrowser(testApp());
  await ada.visit((session) => session.begin("ada", { method: "openid" }));
  await ada.visit(async (session) => {
    const given = { method: "otp", authenticatedAt: 0 } as { method: string };
    await expect(session.complete(given)).rejects.toMatchObject({ code: "invalid_options" });
    await session.complete({ method: "otp" });
  });
  expect((await ada.visit((session) => session.isFresh({ within: 1 }))).result).toBe(true);
});

test("a method proved again counts from then, and a sign-in begins with its own proof only", async () => {
  const app = testApp();
  const ada = new TestBrowser(app);
  await ada.visit((session) => session.login("ada", { method: "password" }));
  await ada.visit((session) => session.prove("otp"));
  app.clock.advance(MINUTE);
  await ada.visit((session) => session.prove("password"));
  expect((await ada.visit((session) => session.proofs)).result.map(({ method }) => method)).toEqual([
    "password",
    "otp",
  ]);
  await ada.visit((session) => session.login("ada", { method: "link" }));
  expect((await ada.visit((session) => session.proofs)).result.map(({ method }) => method)).toEqual(["link"]);
  await ada.visit((session) => session.login("ada"));
  expect((await ada.visit((session) => session.proofs)).result).toEqual([]);
});

test("a restore proves nothing, and what was proved before it does not come back with the next proof", async () => {
  const app = testApp();
  const ada = new TestBrowser(app);
  await ada.visit((session) => session.login("ada", { remember: true, method: "password" }));
  await ada.visit((session) => session.prove("otp"));
  ada.restart();
  app.clock.advance(24 * 60 * MINUTE);
  await ada.visit((session) => {
    expect(session.level).toBe("remembered");
    expect(session.proofs).toEqual([]);
    expect(session.claims).toMatchObject({ amr: [], acr: undefined });
  });
  await ada.visit((session) => session.prove("password"));
  expect((await ada.visit((session) => session.proofs)).result.map(({ method }) => method)).toEqual([
    "password",
  ]);
});

test("a renewal keeps what was proved", async () => {
  const app = testApp();
  const ada = new TestBrowser(app);
  await ada.visit((session) => session.login("ada", { remember: true, method: "passkey" }));
  app.clock.advance(10 * MINUTE);
  await ada.visit((session) => session.renew());
  expect((await ada.visit((session) => session.claims.acr)).result).toBe("aal2");
});

test("assurance by NIST: two factors of different kinds, or a passkey; a link in a mail is one at most", () => {
  const acr = (...methods: string[]) =>
    claimsOf(
      methods.map((method) => ({ method, at: 1000 })),
      1000,
    ).acr;
  expect(acr()).toBeUndefined();
  expect(acr("password")).toBe("aal1");
  expect(acr("password", "pin")).toBe("aal1");
  expect(acr("password", "link")).toBe("aal1");
  expect(acr("otp", "sms")).toBe("aal1");
  expect(acr("otp", "password")).toBe("aal2");
  expect(acr("passkey")).toBe("aal2");
  expect(acr("oauth:google")).toBe("aal1");
  expect(claimsOf([{ method: "constructor", at: 1 }], 1).amr).toEqual(["constructor"]);
});

test.each(["", " ", "x".repeat(33), "a b", "a@b", "-a", "naïve", "a\n", 5, null, {}])(
  "%j is no method, wherever it is given",
  async (method) => {
    const app = testApp();
    const given = { method } as { method: string };
    await new TestBrowser(app).visit(async (session) => {
      const refused = { code: "invalid_options" };
      await expect(session.login("ada", given)).rejects.toMatchObject(refused);
      await expect(session.begin("ada", given)).rejects.toMatchObject(refused);
      await session.login("ada");
      await expect(session.prove(given.method)).rejects.toMatchObject(refused);
      await expect(session.reauthenticate(given)).rejects.toMatchObject(refused);
      expect(() => session.isFresh({ within: 1, ...given })).toThrow(expect.objectContaining(refused));
    });
  },
);

test("at most eight methods are kept, the newest", async () => {
  const app = testApp();
  const ada = new TestBrowser(app);
  await ada.visit((session) => session.login("ada", { method: "m0" }));
  for (let count = 1; count < 10; count++) {
    app.clock.advance(1000);
    await ada.visit((session) => session.prove(`m${count}`));
  }
  const { result } = await ada.visit((session) => session.proofs);
  expect(result.map(({ method }) => method)).toEqual(["m9", "m8", "m7", "m6", "m5", "m4", "m3", "m2"]);
});
