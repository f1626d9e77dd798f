import { expect, test } from "vitest";
import {
  type Jar,
  REMEMBER,
  SESSION,
  type TestApp,
  TestBrowser,
  type TestSession,
  testApp,
} from "../support/app.ts";
import { HOUR, laterClock, MINUTE, SECOND } from "../support/clock.ts";
import { describeStores } from "../support/session-stores.ts";

/*
 * docs/protocol.md, section 4: what a session secret in each state may still do. Each cell is tried by whoever kept a copy
 * of the cookie, and by a request that was opened while the secret was current.
 */

const REPLACED: Record<string, (session: TestSession, app: TestApp) => unknown> = {
  "rotated away": (session) => session.regenerate(),
  "replaced by a renewal": (session) => session.renew(),
  "replaced by a changed password": (session, app) => app.psession.passwordChanged("ada", { keep: session }),
  "replaced by a confirmed password": (session) => session.reauthenticate(),
  "replaced by a sign-in": (session) => session.login("ada"),
  "ended by a logout": (session) => session.logout(),
};

interface Rights {
  readonly read: boolean;
  readonly save: boolean;
  readonly renew: boolean;
  readonly leave: boolean;
}

const NOTHING: Rights = { read: false, save: false, renew: false, leave: false };
const LEAVE: Rights = { ...NOTHING, leave: true };
const SERVED: Rights = { read: true, save: true, renew: false, leave: true };

/** Within GRACE of the exchange, later, and of a request that was opened before it. */
const RIGHTS: Record<string, readonly [Rights, Rights, Rights]> = {
  "rotated away": [SERVED, NOTHING, { ...SERVED, renew: false }],
  "replaced by a renewal": [LEAVE, NOTHING, LEAVE],
  "replaced by a changed password": [LEAVE, NOTHING, LEAVE],
  "replaced by a confirmed password": [LEAVE, NOTHING, LEAVE],
  "replaced by a sign-in": [NOTHING, NOTHING, NOTHING],
  "ended by a logout": [NOTHING, NOTHING, NOTHING],
};

type Moment = "within GRACE" | "later" | "in flight";
const MOMENTS: readonly Moment[] = ["within GRACE", "later", "in flight"];

describeStores("a session secret on", (makeStore) => {
  const setUp = async () => {
    const app = testApp({ store: makeStore(), clock: laterClock() });
    const browser = new TestBrowser(app);
    await browser.visit((session) => session.login("ada"));
    app.clock.advance(MINUTE);
    return { app, browser };
  };

  for (const [state, rights] of Object.entries(RIGHTS)) {
    for (const [index, moment] of MOMENTS.entries()) {
      const { read, save, renew, leave } = rights[index] as Rights;

      /** Somebody who acts with the old secret, and the browser that has the new one. */
      const replaced = async () => {
        const { app, browser } = await setUp();
        const old = browser.copyJar();
        const holder = new TestBrowser(app);
        holder.jar = new Map(old);
        const early = moment === "in flight" ? await holder.open() : undefined;
        app.clock.advance(SECOND);
        await browser.visit((session) => REPLACED[state]?.(session, app));
        app.clock.advance(moment === "later" ? 2 * MINUTE : 10 * SECOND);
        const act = async (handler: (session: TestSession) => unknown) => {
          const visit = early ?? (await holder.open({ jar: old }));
          await handler(visit.session);
          return { setCookie: await visit.answer(), session: visit.session };
        };
        const isIn = async (jar: Jar) =>
          (await new TestBrowser(app).visit(undefined, { jar })).session.userId === "ada";
        return { app, browser, holder, act, isIn };
      };

      test(`${state}, ${moment}: ${read ? "reads" : "does not read"}, ${save ? "saves" : "saves nothing"}`, async () => {
        const { browser, act } = await replaced();
        const { session } = await act((session) => {
          if (moment !== "in flight") expect(session.isSignedIn).toBe(read);
          session.data.name = "old";
        });
        expect(session.isSignedIn).toBe(read);
        const { session: there } = await browser.visit();
        expect(there.data.name).toBe(save ? "old" : undefined);
        expect(there.isSignedIn).toBe(state !== "ended by a logout");
      });

      test(`${state}, ${moment}: ${renew ? "renews" : "renews nothing"}`, async () => {
        const { browser, holder, act, isIn } = await replaced();
        const { setCookie } = await act(async (session) => {
          if (session.isSignedIn) await session.renew();
        });
        expect(setCookie.length > 0).toBe(renew);
        expect(await isIn(browser.jar)).toBe(state !== "ended by a logout");
        expect(await isIn(holder.jar)).toBe(moment !== "later" && read);
      });

      test(`${state}, ${moment}: signs in anew`, async () => {
        const { app, holder, act, isIn } = await replaced();
        await act((session) => session.login("ada", { provedAt: app.clock.now() }));
        expect(await isIn(holder.jar)).toBe(true);
      });

      test(`${state}, ${moment}: ${leave ? "leaves" : "ends nothing"}`, async () => {
        const { app, browser, act, isIn } = await replaced();
        const { setCookie } = await act((session) => session.logout());
        expect(setCookie.map((line) => line.split("=")[0])).toEqual([SESSION, REMEMBER]);
        const isGone = leave || state === "ended by a logout";
        expect(await isIn(browser.jar)).toBe(!isGone);
        if (state !== "ended by a logout") expect(app.told().includes("logoutUnmatched")).toBe(!leave);
      });
    }
  }

  test("a secret from before a sign-in never ends what signed in, as an attacker may have planted it", async () => {
    const app = testApp({ store: makeStore() });
    const browser = new TestBrowser(app);
    await browser.visit((session) => session.set("cart", ["tea"]));
    const planted = browser.copyJar();
    await browser.visit((session) => session.login("ada"));
    await new TestBrowser(app).visit((session) => session.logout(), { jar: planted });
    expect((await browser.visit()).session.userId).toBe("ada");
  });

  test("a renewal in flight whose secret a confirmed password replaced does not take the session back", async () => {
    const { app, browser } = await setUp();
    const thief = new TestBrowser(app);
    thief.jar = browser.copyJar();
    const renewing = await thief.open();
    await renewing.session.renew();
    await browser.visit((session) => session.reauthenticate());
    expect(await renewing.answer()).toEqual([]);
    expect((await browser.visit()).session).toMatchObject({ userId: "ada", level: "login", outcome: "live" });
    expect((await thief.visit()).session.isSignedIn).toBe(false);
  });

  test("a second click on 'change password' is dropped, and ends nothing that the first one kept", async () => {
    for (const remember of [true, false]) {
      const { app, browser } = await setUp();
      await browser.visit((session) => session.login("ada", { remember }));
      const clicks = [await browser.open(), await browser.open()];
      for (const { session } of clicks) await app.psession.passwordChanged("ada", { keep: session });
      const answers = [];
      for (const click of clicks) answers.push(await click.answer());
      expect(answers.map((lines) => lines.length > 0)).toEqual([true, false]);
      expect((await browser.visit()).session).toMatchObject({ userId: "ada", outcome: "live" });
      const third = await browser.open();
      const fourth = await browser.open();
      await app.psession.passwordChanged("ada", { keep: third.session });
      await third.answer();
      await app.psession.passwordChanged("ada", { keep: fourth.session });
      expect(await fourth.answer()).toEqual([]);
      expect((await browser.visit()).session.userId).toBe("ada");
      browser.restart();
      app.clock.advance(HOUR);
      expect((await browser.visit()).session.isSignedIn).toBe(remember);
    }
  });

  test("a store that cannot be asked makes a logout an error, and clears nothing", async () => {
    const { app, browser } = await setUp();
    const visit = await browser.open();
    await visit.session.logout();
    const store = app.psession.core.settings.store as unknown as { apply: unknown };
    const { apply } = store;
    store.apply = () => Promise.reject(new Error("down"));
    await expect(visit.answer()).rejects.toThrow("down");
    store.apply = apply;
    expect((await browser.visit()).session.userId).toBe("ada");
  });
});
