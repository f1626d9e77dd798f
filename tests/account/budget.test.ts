import { expect, test } from "vitest";
import { SESSION, TestBrowser, type TestSession, testApp, type VisitOptions } from "../support/app.ts";
import { DAY, HOUR, MINUTE } from "../support/clock.ts";
import { describeStores } from "../support/session-stores.ts";
import { counted } from "../support/stores.ts";

/** What sign-ins in steps, trust and lives cost, in calls of the store. Exact: a call more is a regression. */
describeStores("calls of the store around a sign-in", (makeStore) => {
  const setUp = async ({ remember = false, trust = false } = {}) => {
    const { store, calls } = counted(makeStore());
    const app = testApp({ store });
    const browser = new TestBrowser(app);
    const during = async (work: () => unknown) => {
      calls.length = 0;
      await work();
      return [...calls];
    };
    const cost = (visit?: Parameters<TestBrowser["visit"]>[0], options: VisitOptions = {}) =>
      during(() => browser.visit(visit, options));
    await browser.visit(async (session) => {
      await session.login("ada", { method: "password", remember });
      if (trust) await session.trust();
    });
    return { app, browser, cost, during };
  };

  test("a request that uses none of it costs what it did, trusted or not", async () => {
    const { cost, app, browser } = await setUp({ remember: true, trust: true });
    expect(await cost()).toEqual(["findSession"]);
    expect(await cost((session) => session.set("count", 1))).toEqual(["findSession", "apply"]);
    app.clock.advance(MINUTE);
    expect(await cost()).toEqual(["findSession", "touch"]);
    app.clock.advance(HOUR);
    browser.restart();
    expect(await cost()).toEqual(["findRemembered", "apply"]);
    expect(await cost((session) => session.login("ada", { remember: true }))).toEqual([
      ...["findSession", "apply"],
      // The trust belongs to the device of this sign-in now.
      ...["findSession", "apply"],
    ]);
    expect(await cost((session) => session.logout())).toEqual(["findSession", "apply"]);
    expect(await cost(), "a trust cookie alone is not looked at").toEqual([]);
  });

  test("proofs, claims, pending and their guards: the read of the session", async () => {
    const { cost } = await setUp();
    const asked = await cost((session) => [
      session.proofs,
      session.claims,
      session.pending,
      session.isFresh({ within: "5m", method: "password" }),
    ]);
    expect(asked).toEqual(["findSession"]);
  });

  test("each step of a sign-in: at most one read, one transaction", async () => {
    const { cost, browser } = await setUp();
    expect(await cost((session) => session.begin("ada", { remember: true }))).toEqual([
      "findSession",
      "apply",
    ]);
    expect(await cost((session) => session.pending)).toEqual(["findSession"]);
    expect(await cost((session) => session.complete({ method: "otp" }))).toEqual(["findSession", "apply"]);
    browser.jar.clear();
    expect(await cost((session) => session.begin("ada"))).toEqual(["apply"]);
    const both = async (session: TestSession) => {
      await session.begin("ada");
      await session.complete();
    };
    browser.jar.clear();
    expect(await cost(both), "both in one request").toEqual(["apply"]);
  });

  test("another factor: a read and a transaction, one read more with a remembered login", async () => {
    const { cost } = await setUp();
    expect(await cost((session) => session.prove("otp"))).toEqual(["findSession", "apply"]);
    const remembered = await setUp({ remember: true });
    expect(await remembered.cost((session) => session.prove("otp"))).toEqual([
      "findSession",
      "findRemembered",
      "apply",
    ]);
  });

  test("whether a browser is trusted: one read where it sends the cookie, none elsewhere", async () => {
    const { cost, browser } = await setUp();
    const asks = (session: TestSession) => session.isTrusted("ada");
    expect(await cost(asks)).toEqual(["findSession"]);
    expect(await cost((session) => session.trust())).toEqual(["findSession", "apply", "findSession"]);
    expect(await cost(asks)).toEqual(["findSession", "findSession"]);
    const twice = async (session: TestSession) => [await asks(session), await asks(session)];
    expect(await cost(twice), "asked twice, read once").toEqual(["findSession", "findSession"]);
    const trust = [...browser.jar].filter(([name]) => name.endsWith("-trust"));
    const forged = new Map(
      trust.map(([name, { value }]) => [name, { value: `${value.slice(0, -2)}AA`, isTransient: true }]),
    );
    expect(await cost(asks, { jar: forged })).toEqual([]);
  });

  test("trusting again and no more: the read of the record, and a transaction", async () => {
    const { cost } = await setUp({ trust: true });
    expect(await cost((session) => session.trust())).toEqual([
      ...["findSession", "findSession", "apply", "findSession"],
    ]);
    expect(await cost((session) => session.distrust())).toEqual(["findSession", "findSession", "apply"]);
    expect(await cost((session) => session.distrust())).toEqual(["findSession"]);
  });

  test("when the session ends: nothing more, one read more with a remembered login", async () => {
    const { cost } = await setUp();
    expect(await cost((session) => session.endsAt())).toEqual(["findSession"]);
    const remembered = await setUp({ remember: true });
    expect(await remembered.cost((session) => session.endsAt())).toEqual(["findSession", "findRemembered"]);
  });

  test("a passive read writes nothing, and an extension a touch", async () => {
    const { app, cost, browser } = await setUp({ remember: true });
    app.clock.advance(HOUR);
    expect(await cost((session) => session.bePassive())).toEqual(["findSession"]);
    expect(await cost(undefined, { passive: true })).toEqual(["findSession"]);
    expect(await cost((session) => session.extend())).toEqual(["findSession", "touch"]);
    expect(await cost((session) => session.extend()), "recorded in any case").toEqual([
      "findSession",
      "touch",
    ]);
    app.clock.advance(DAY);
    browser.restart();
    expect(await cost(undefined, { passive: true }), "and restores nothing").toEqual(["findRemembered"]);
  });

  test("lives and limits of one's own cost a sign-in nothing", async () => {
    const { cost } = await setUp();
    const lives = { idle: "15m", absolute: "1h", remember: { for: "7d" } } as const;
    expect(await cost((session) => session.login("ada", lives))).toEqual(["findSession", "apply"]);
  });

  test("one device ended: a transaction and a list, one transaction more where it is trusted", async () => {
    const { app, cost, during } = await setUp({ trust: true });
    const handleOf = async (visit: Parameters<TestBrowser["visit"]>[0] = () => {}) => {
      const { session } = await new TestBrowser(app).visit(async (session) => {
        await session.login("ada", { remember: true });
        await visit(session);
      });
      return session.handle;
    };
    const plain = await handleOf();
    expect(await cost((session) => session.revoke(plain))).toEqual(["findSession", "apply", "list"]);
    const trusted = await handleOf((session) => session.trust());
    expect(await cost((session) => session.revoke(trusted))).toEqual([
      "findSession",
      "apply",
      "list",
      "apply",
    ]);
    const again = await handleOf((session) => session.trust());
    expect(await during(() => app.psession.revoke(again))).toEqual(["apply", "list", "apply"]);
  });

  test("all ended: a transaction; a browser that stays trusted adds its record's exchange", async () => {
    const plain = await setUp({ remember: true });
    expect(await plain.cost((session) => session.revokeOthers())).toEqual(["findSession", "apply"]);
    const { app, cost, during } = await setUp({ remember: true, trust: true });
    const exchange = ["findSession", "apply", "findSession", "apply", "findSession"];
    expect(await cost((session) => session.revokeOthers())).toEqual(["findSession", ...exchange]);
    const renewal = ["findRemembered", "apply"];
    const changed = (factor: string) =>
      cost((session) => app.psession.passwordChanged("ada", { keep: session, factor }));
    expect(await changed("password")).toEqual(["findSession", ...exchange, ...renewal]);
    expect(await changed("otp"), "trust ends").toEqual(["findSession", "apply", ...renewal]);
    expect(await during(() => app.psession.passwordChanged("ada"))).toEqual(["apply"]);
    expect(await during(() => app.psession.revokeUser("ada"))).toEqual(["apply"]);
  });

  test.each([
    [false, ["findRemembered", "list", "apply", "list"]],
    [true, ["findRemembered", "list", "apply", "apply", "list"]],
  ])(
    "a theft, of a user with a trusted browser or not (%s): two lists, and an end for each record",
    async (trust, calls) => {
      const { app, browser, during } = await setUp({ remember: true, trust });
      const stolen = browser.copyJar();
      for (let turn = 0; turn < 2; turn++) {
        browser.restart();
        app.clock.advance(3 * HOUR);
        await browser.visit();
      }
      app.clock.advance(HOUR);
      stolen.delete(SESSION);
      expect(await during(() => new TestBrowser(app).visit(undefined, { jar: stolen }))).toEqual(calls);
      expect(app.told()).toContain("theft");
    },
  );
});
