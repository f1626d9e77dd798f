import { describe, expect, test } from "vitest";
import { memoryStore, type PsessionOptions, type Why } from "../../src/index.ts";
import { SESSION, type TestApp, TestBrowser, type TestSession, testApp } from "../support/app.ts";
import { DAY, HOUR, laterClock, MINUTE } from "../support/clock.ts";
import { describeStores } from "../support/session-stores.ts";

interface SignedIn {
  readonly browser: TestBrowser;
  readonly handle: string;
}

async function signIn(
  app: TestApp,
  options: Parameters<TestSession["login"]>[1] = {},
  address = "192.0.2.1",
): Promise<SignedIn> {
  const browser = new TestBrowser(app);
  const { session } = await browser.visit((session) => session.login("ada", options), { address });
  app.clock.advance(1000);
  return { browser, handle: session.handle };
}

const elsewhere = { address: "198.51.100.9" };

/** What is said of one device, which is the same whether it or its user is asked for. */
async function fate({ psession }: TestApp, handle: string, userId = "ada"): Promise<Why | undefined> {
  const ofUser = (await psession.why({ userId })).find((one) => one.handle === handle);
  const [ofDevice, ...others] = await psession.why({ handle });
  expect(others).toEqual([]);
  expect(ofDevice).toEqual(ofUser);
  expect(await psession.why({ handle, userId })).toEqual([ofDevice]);
  return ofUser;
}

describeStores(
  "why a user was signed out",
  (makeStore) => {
    const open = (options: Partial<PsessionOptions> = {}) =>
      testApp({ store: makeStore(), clock: laterClock(), ...options });

    test.each([false, true])(
      "by signing out, there or from another device; remembered: %s",
      async (remember) => {
        const app = open();
        const [out, ended, other] = [
          await signIn(app, { remember }),
          await signIn(app, { remember }),
          await signIn(app, { remember }),
        ];
        const at = app.clock.now();
        await out.browser.visit((session) => session.logout(), { address: "192.0.2.1" });
        expect(await fate(app, out.handle)).toMatchObject({ code: "signed_out", at, address: "192.0.2.1" });
        app.clock.advance(MINUTE);
        await other.browser.visit((session) => session.revoke(ended.handle), elsewhere);
        expect(await fate(app, ended.handle)).toMatchObject({
          code: "ended_by_user",
          at: at + MINUTE,
          address: elsewhere.address,
          isRecorded: true,
        });
        const all = await app.psession.why({ userId: "ada" });
        expect(all.map(({ code }) => code)).toEqual(["signed_in", "ended_by_user", "signed_out"]);
      },
    );

    test("is not said of another user's device, whoever is asked about", async () => {
      const app = open();
      const bob = new TestBrowser(app);
      const { session } = await bob.visit((own) => own.login("bob", { remember: true }));
      await signIn(app);
      const asked = { userId: "ada", handle: session.handle };
      const unknown = [{ code: "unknown", userId: "ada" }];
      expect(await app.psession.why(asked)).toMatchObject(unknown);
      expect(await app.psession.why({ userId: "ada", sessionId: session.id })).toMatchObject(unknown);
      await app.psession.passwordChanged("bob");
      expect(await app.psession.why(asked)).toMatchObject(unknown);
    });

    test("by the application, with its reason", async () => {
      const app = open();
      const [one, two] = [await signIn(app), await signIn(app, { remember: true })];
      await app.psession.revoke(one.handle);
      await app.psession.revokeUser("ada", "left the company");
      expect(await fate(app, one.handle)).toMatchObject({
        code: "revoked",
        reason: undefined,
        address: undefined,
      });
      expect(await fate(app, two.handle)).toMatchObject({
        code: "revoked",
        reason: "left the company",
        text: expect.stringContaining('"left the company"'),
      });
    });

    test("by a changed factor, and the device that is kept is not", async () => {
      const app = open();
      const [kept, gone] = [await signIn(app, { remember: true }), await signIn(app, { remember: true })];
      await kept.browser.visit((session) =>
        app.psession.passwordChanged("ada", { keep: session, factor: "otp" }),
      );
      expect(await fate(app, gone.handle)).toMatchObject({ code: "credential_changed", reason: "otp" });
      expect(await fate(app, kept.handle)).toMatchObject({ code: "signed_in" });
    });

    test("by a theft", async () => {
      const app = open();
      const { browser, handle } = await signIn(app, { remember: true });
      const stolen = browser.copyJar();
      stolen.delete(SESSION);
      for (let visit = 0; visit < 3; visit++) {
        app.clock.advance(10 * MINUTE);
        browser.restart();
        await browser.visit();
        app.clock.advance(10 * MINUTE);
        await browser.visit();
      }
      await new TestBrowser(app).visit(undefined, { jar: stolen, ...elsewhere });
      expect(await fate(app, handle)).toMatchObject({
        code: "theft",
        at: app.clock.now(),
        address: elsewhere.address,
      });
    });

    test("by a limit of devices, and by a tag", async () => {
      const app = open({ devices: { max: 2 } });
      const [first, tv] = [await signIn(app, { remember: true }), await signIn(app, { tag: "tv" })];
      await signIn(app, { tag: "tv" }, elsewhere.address);
      await signIn(app);
      expect(await fate(app, tv.handle)).toMatchObject({ code: "tag", address: elsewhere.address });
      expect(await fate(app, first.handle)).toMatchObject({ code: "limit" });
    });

    test("by idleness, to the time, while there are rows", async () => {
      const app = open({ session: { idle: "1h", absolute: "1d" }, remember: { idle: "2d", absolute: "3d" } });
      const [session, login] = [await signIn(app), await signIn(app, { remember: true })];
      const time = app.clock.now();
      app.clock.advance(DAY);
      expect(await fate(app, session.handle)).toMatchObject({ code: "idle", at: time - 2000 + HOUR });
      expect(await fate(app, login.handle)).toMatchObject({
        code: "signed_in",
        text: expect.stringContaining("remembered"),
      });
      app.clock.advance(2 * DAY);
      expect(await fate(app, login.handle)).toMatchObject({ code: "idle", at: time - 1000 + 2 * DAY });
    });

    test("by the age of a sign-in that was used all the time", async () => {
      const app = open({ session: { idle: "1h", absolute: "2h" } });
      const { browser, handle } = await signIn(app);
      for (let used = 0; used < 5; used++) {
        app.clock.advance(20 * MINUTE);
        await browser.visit();
      }
      app.clock.advance(HOUR);
      expect(await fate(app, handle)).toMatchObject({ code: "lifetime" });
    });

    test("by another sign-in of the same browser, of the same user or another one", async () => {
      const app = open();
      const [again, taken, remembered] = [
        await signIn(app),
        await signIn(app),
        await signIn(app, { remember: true }),
      ];
      await again.browser.visit((session) => session.login("ada", { remember: true }));
      await taken.browser.visit((session) => session.login("bob"));
      await remembered.browser.visit((session) => session.login("bob", { remember: true }));
      const codes = new Map((await app.psession.why({ userId: "ada" })).map((one) => [one.handle, one.code]));
      expect([again, taken, remembered].map(({ handle }) => codes.get(handle))).toEqual([
        "replaced",
        "replaced",
        "replaced",
      ]);
      expect((await app.psession.why({ handle: remembered.handle }))[0]?.code).toBe("replaced");
      expect((await app.psession.why({ handle: taken.handle }))[0], "bob's by now").toMatchObject({
        code: "signed_in",
        userId: "bob",
      });
    });

    test("by the end of everyone's", async () => {
      const app = open();
      const [session, login] = [await signIn(app), await signIn(app, { remember: true })];
      await app.psession.revokeEveryone("leaked key");
      expect(await fate(app, session.handle)).toMatchObject({ code: "revoked_everyone", isRecorded: false });
      expect(await fate(app, login.handle)).toMatchObject({
        code: "revoked_everyone",
        reason: "leaked key",
        isRecorded: true,
      });
    });

    test("is asked by session as well, of whatever device it is", async () => {
      const app = open();
      const { browser, handle } = await signIn(app, { remember: true });
      const { result: sessionId } = await browser.visit((session) => session.id);
      expect(sessionId).not.toBe(handle);
      expect(await app.psession.why({ sessionId })).toMatchObject([
        { handle, code: "signed_in", userId: "ada" },
      ]);
      const { session: anonymous } = await new TestBrowser(app).visit((session) => session.set("name", "x"));
      expect(await app.psession.why({ sessionId: anonymous.id })).toMatchObject([{ code: "not_signed_in" }]);
    });
  },
  { audit: true },
);

describe("what cannot be known", () => {
  const open = (audit: boolean, options: Partial<PsessionOptions> = {}) =>
    testApp({ store: memoryStore({ audit }), ...options });

  test("without an audit trail: ended sessions, and which of the reasons a revocation had", async () => {
    const app = open(false);
    const [session, login, other] = [
      await signIn(app),
      await signIn(app, { remember: true }),
      await signIn(app, { remember: true }),
    ];
    await other.browser.visit((session) => session.revokeOthers());
    expect(await app.psession.why({ handle: login.handle })).toMatchObject([
      {
        code: "revoked",
        text: expect.stringContaining("by the user on another device, or by the application"),
      },
    ]);
    expect(await app.psession.why({ handle: session.handle })).toMatchObject([
      { code: "unknown", text: expect.stringContaining("keeps no audit trail"), isRecorded: false },
    ]);
    expect(await app.psession.why({ userId: "ada" })).toMatchObject([
      { code: "signed_in", handle: other.handle },
      { code: "unknown", handle: undefined, at: undefined, text: expect.stringContaining("audit: true") },
    ]);
  });

  test("what the trail leaves out, and what lies beyond the limit, is said", async () => {
    const app = open(true, { audit: { events: ["login", "revoked"] } });
    for (let count = 0; count < 3; count++) await signIn(app);
    const texts = (await app.psession.why({ userId: "ada", limit: 2 })).map(({ text }) => text);
    expect(texts).toContainEqual(expect.stringContaining("leaves out logout, theft, generationAhead"));
    expect(texts).toContainEqual(expect.stringContaining("the latest 2 entries"));
  });

  test("when a deadline came whose rows are pruned, and that it was one", async () => {
    const app = open(true);
    const handles = [(await signIn(app)).handle, (await signIn(app, { remember: true })).handle];
    app.clock.advance(80 * DAY);
    await app.psession.prune();
    for (const handle of handles)
      expect(await fate(app, handle)).toMatchObject({ code: "deadline", at: undefined, isRecorded: false });
  });

  test("rows that disappear before their time are no deadline", async () => {
    const app = open(true);
    const { handle } = await signIn(app);
    const store = app.psession.core.settings.store;
    await store.prune(app.clock.now() + 100 * DAY, 10);
    expect(await app.psession.why({ handle })).toMatchObject([
      { code: "unknown", text: expect.stringMatching(/before their time/) },
    ]);
  });

  test("a theft that ended all of a user's devices explains those that left nothing", async () => {
    const app = open(true, { remember: { onTheft: "user" } });
    const { browser } = await signIn(app, { remember: true });
    const stolen = browser.copyJar();
    stolen.delete(SESSION);
    for (let visit = 0; visit < 3; visit++) {
      app.clock.advance(10 * MINUTE);
      browser.restart();
      await browser.visit();
      app.clock.advance(10 * MINUTE);
      await browser.visit();
    }
    const other = await signIn(app);
    await new TestBrowser(app).visit(undefined, { jar: stolen });
    expect(await app.psession.why({ handle: other.handle })).toMatchObject([
      { code: "theft", isRecorded: false },
    ]);
  });

  test("neither an administrator who acts as the user nor a trusted browser is one of the user's sign-ins", async () => {
    const app = open(true);
    const { browser, handle } = await signIn(app);
    await browser.visit((session) => session.trust());
    await new TestBrowser(app).visit(async (session) => {
      await session.login("support");
      await session.save();
      await session.impersonate("ada", { reason: "ticket" });
    });
    await new TestBrowser(app).visit((session) => session.begin("ada"));
    expect((await app.psession.why({ userId: "ada" })).map((one) => one.handle)).toEqual([handle]);
    await app.psession.revokeUser("ada");
    const all = await app.psession.why({ userId: "ada" });
    expect(all.map((one) => [one.handle === handle, one.code])).toEqual(
      expect.arrayContaining([[true, "revoked"]]),
    );
    for (const { handle: other, text } of all)
      if (other !== handle) expect(text).toContain("a browser that the user trusted");
  });

  test("what is asked for is checked, all at once", async () => {
    const { psession } = open(true);
    const refused = { code: "invalid_options" };
    for (const query of [
      {},
      { handle: "a", sessionId: "b" },
      { handle: 7 },
      { userid: "ada" },
      null,
      { userId: "ada", limit: 0 },
    ])
      await expect(psession.why(query as never)).rejects.toMatchObject(refused);
    await expect(psession.why({ userId: "" })).rejects.toMatchObject({ code: "invalid_user_id" });
    expect(await psession.why({ handle: "<script>" })).toMatchObject([
      { code: "unknown", handle: "<script>" },
    ]);
    expect(await psession.why({ userId: "nobody" })).toEqual([]);
  });

  test("an id of the wrong type is not a user who never signed in", async () => {
    const app = open(true);
    await new TestBrowser(app).visit((session) => session.login(7));
    await expect(app.psession.why({ userId: "7" })).rejects.toMatchObject({ code: "invalid_user_id" });
  });

  test("no answer holds a secret", async () => {
    const app = open(true);
    const { browser, handle } = await signIn(app, { remember: true });
    const secrets = [...browser.jar.values()].map(({ value }) => value.split(".").at(-2) ?? "");
    await browser.visit((session) => session.logout());
    const said = JSON.stringify([
      await app.psession.why({ userId: "ada" }),
      await app.psession.why({ handle }),
    ]);
    for (const secret of secrets) expect(said).not.toContain(secret);
  });
});
