import { expect, test } from "vitest";
import { runInRequest } from "../../src/request/context.ts";
import { Session } from "../../src/session.ts";
import { TestBrowser, testApp } from "../support/app.ts";
import { HOUR, MINUTE, SECOND } from "../support/clock.ts";
import { describeStores } from "../support/session-stores.ts";

describeStores("what was proved before a mark, on", (makeStore) => {
  const setUp = async () => {
    const app = testApp({ store: makeStore() });
    const browser = new TestBrowser(app);
    return { app, browser };
  };

  const MARKS = {
    passwordChanged: (app) => app.psession.passwordChanged("ada"),
    revokeUser: (app) => app.psession.revokeUser("ada", "disabled"),
    revokeEveryone: (app) => app.psession.revokeEveryone(),
  } satisfies Record<string, (app: ReturnType<typeof testApp>) => Promise<unknown>>;

  for (const [name, mark] of Object.entries(MARKS)) {
    for (const remember of [true, false]) {
      test(`signs nobody in after ${name}, ${remember ? "with" : "without"} the tick, by the response or by save()`, async () => {
        const { app } = await setUp();
        for (const saves of [true, false]) {
          const browser = new TestBrowser(app);
          app.clock.advance(SECOND);
          await app.psession.revokeUser("ada");
          app.clock.advance(SECOND);
          const slow = await browser.open();
          app.clock.advance(SECOND);
          await mark(app);
          app.clock.advance(SECOND);
          await slow.session.login("ada", { remember });
          const answering = saves ? slow.session.save() : slow.answer();
          await expect(answering).rejects.toMatchObject({ code: "proof_outdated", status: 401 });
          expect(browser.jar.size).toBe(0);
          expect(await app.psession.devices("ada")).toEqual([]);
          await browser.visit((session) => session.login("ada", { remember }));
          expect((await browser.visit()).session.userId).toBe("ada");
        }
      });
    }
  }

  test("in the very millisecond of the mark is outdated, and a millisecond later is not", async () => {
    const { app, browser } = await setUp();
    await app.psession.revokeUser("ada");
    await expect(browser.visit((session) => session.login("ada"))).rejects.toMatchObject({
      code: "proof_outdated",
    });
    app.clock.advance(1);
    await browser.visit((session) => session.login("ada"));
    expect((await browser.visit()).session.userId).toBe("ada");
  });

  test("raises no level either: a confirmed password that was changed meanwhile", async () => {
    const { app, browser } = await setUp();
    await browser.visit((session) => session.login("ada", { remember: true }));
    app.clock.advance(HOUR);
    browser.restart();
    const confirming = await browser.open();
    app.clock.advance(SECOND);
    const keeper = new TestBrowser(app);
    await keeper.visit((session) => session.login("ada"));
    await keeper.visit((keep) => app.psession.passwordChanged("ada", { keep }));
    await confirming.session.reauthenticate();
    await expect(confirming.answer()).rejects.toMatchObject({ code: "proof_outdated" });
    expect((await browser.visit()).session.isSignedIn).toBe(false);
    expect((await keeper.visit()).session.userId).toBe("ada");
  });

  test("is what the request itself proved: a reset by link changes the password, and signs in", async () => {
    const { app } = await setUp();
    for (const ends of ["passwordChanged", "revokeUser"] as const) {
      const browser = new TestBrowser(app);
      app.clock.advance(SECOND);
      const reset = await browser.open();
      app.clock.advance(SECOND);
      await runInRequest(Session.stateOf(reset.session).request, async () => {
        await app.psession[ends]("ada");
        await reset.session.login("ada", { remember: true });
        await reset.answer();
      });
      expect((await browser.visit()).session.userId).toBe("ada");
      const other = await new TestBrowser(app).open();
      app.clock.advance(SECOND);
      await runInRequest(Session.stateOf(other.session).request, () => app.psession[ends]("bob"));
      app.clock.advance(SECOND);
      const late = await browser.open();
      await app.psession.revokeUser("bob");
      await late.session.login("bob");
      await expect(late.answer()).rejects.toMatchObject({ code: "proof_outdated" });
    }
  });

  test("leaves the session alone that is kept, with a confirmed password in either order", async () => {
    const { app } = await setUp();
    for (const order of ["before", "after", "never"]) {
      const browser = new TestBrowser(app);
      app.clock.advance(MINUTE);
      await browser.visit((session) => session.login("ada", { remember: true }));
      app.clock.advance(MINUTE);
      await browser.visit(async (keep) => {
        if (order === "before") await keep.reauthenticate();
        await app.psession.passwordChanged("ada", { keep });
        if (order === "after") await keep.reauthenticate();
      });
      expect((await browser.visit()).session).toMatchObject({ userId: "ada", level: "login" });
    }
  });

  test("is not marked by the end of one device, of the others, or by a theft", async () => {
    const { app, browser } = await setUp();
    await browser.visit((session) => session.login("ada"));
    const slow = [await new TestBrowser(app).open(), await new TestBrowser(app).open()];
    app.clock.advance(SECOND);
    await browser.visit((session) => session.revokeOthers());
    await slow[0]?.session.login("ada");
    await slow[0]?.answer();
    const [device] = await app.psession.devices("ada");
    await app.psession.revoke(device?.handle ?? "");
    await slow[1]?.session.login("ada");
    expect(await slow[1]?.answer()).not.toEqual([]);
  });

  test("does not matter to other users, who sign in", async () => {
    const { app, browser } = await setUp();
    const slow = await browser.open();
    app.clock.advance(SECOND);
    await app.psession.revokeUser("ada");
    await slow.session.login("bob");
    await slow.answer();
    expect((await browser.visit()).session.userId).toBe("bob");
  });

  test("counts for an hour, mark or no mark", async () => {
    const { app, browser } = await setUp();
    const slow = await browser.open();
    app.clock.advance(HOUR + 1);
    await slow.session.login("ada", { provedAt: app.clock.now() - HOUR });
    expect(await slow.answer()).not.toEqual([]);
    const slower = await browser.open();
    await slower.session.login("ada", { provedAt: app.clock.now() - HOUR - 1 });
    await expect(slower.answer()).rejects.toMatchObject({ code: "proof_outdated" });
  });

  test("has a valid time, and is required where the time of the request is unknown", async () => {
    const { app, browser } = await setUp();
    const { session } = await browser.open();
    for (const provedAt of [Number.NaN, Number.POSITIVE_INFINITY, "now", null, app.clock.now() + MINUTE])
      await expect(session.login("ada", { provedAt: provedAt as number })).rejects.toMatchObject({
        code: "invalid_options",
        message: expect.stringContaining("provedAt"),
      });
    const { session: unknown } = await browser.open({ arrivedAt: undefined });
    await expect(unknown.login("ada")).rejects.toMatchObject({
      code: "invalid_options",
      message: expect.stringContaining("provedAt"),
    });
    expect(await unknown.login("ada", { provedAt: app.clock.now() })).toBe("signed_in");
  });
});
