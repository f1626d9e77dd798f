/** Sessions that are bound to a key, where cookies of several kinds meet in one browser, or in a thief's. */
import { describe, expect, test } from "vitest";
import * as proofs from "../../src/http/key-proofs.ts";
import { newChallenge, readRecord } from "../../src/protocol/bound.ts";
import { refresh, register } from "../../src/request/bind.ts";
import { registrationOf } from "../../src/request/bound.ts";
import { Session } from "../../src/session.ts";
import { REMEMBER, SESSION, TestBrowser, type TestSession, testApp } from "../support/app.ts";
import { bindKey, KeyHolder, proveKey } from "../support/bound.ts";
import { DAY, MINUTE, SECOND } from "../support/clock.ts";

const BOUND = "__Host-psession-bound";
type App = ReturnType<typeof testApp>;

/** Ada, signed in and bound; `isRemembered`: also by a remember cookie. */
async function boundAda(app: App, isRemembered = true) {
  const browser = new TestBrowser(app);
  const { session } = await browser.visit((visit) => visit.login("ada", { remember: isRemembered }));
  const keys = await bindKey(browser, session);
  app.clock.advance(2 * MINUTE);
  return { browser, keys };
}

const userOf = async (browser: TestBrowser) => (await browser.visit((visit) => visit.userId)).result;

const askForRefresh = async (browser: TestBrowser, id?: string, proof?: string) =>
  (await browser.visit((visit) => refresh(Session.stateOf(visit), id, proof, proofs))).result;

const idOf = async (browser: TestBrowser): Promise<string> => {
  const { id = "" } = (await askForRefresh(browser)) as { id?: string };
  return id;
};

/** With some of her cookies, and what it has itself. */
async function thiefOf(app: App, browser: TestBrowser, names: readonly string[], own?: TestBrowser) {
  const thief = own ?? new TestBrowser(app);
  for (const name of names) {
    const cookie = browser.jar.get(name);
    if (cookie !== undefined) thief.jar.set(name, cookie);
  }
  return thief;
}

describe("a copied cookie without its proof signs nobody out", () => {
  const beside: Record<string, (thief: TestBrowser) => Promise<unknown>> = {
    "no session": async () => {},
    "an anonymous session": (thief) =>
      thief.visit((visit) => {
        visit.data.count = 1;
      }),
    "a session of one's own": (thief) => thief.visit((visit) => visit.login("mallory")),
    "a sign-in that was begun": (thief) => thief.visit((visit) => visit.begin("mallory")),
  };
  const acts: Record<string, (session: TestSession) => unknown> = {
    "signing out": (session) => session.logout(),
    "signing in": (session) => session.login("mallory"),
    "completing a sign-in": (session) =>
      session.pending === undefined ? session.login("mallory") : session.complete(),
  };
  for (const [beneath, prepare] of Object.entries(beside))
    for (const [what, act] of Object.entries(acts))
      test(`${what}, beside ${beneath}`, async () => {
        const app = testApp({ deviceBound: {} });
        const { browser } = await boundAda(app);
        const own = new TestBrowser(app);
        await prepare(own);
        const thief = await thiefOf(app, browser, [REMEMBER], own);
        await thief.visit((visit) => act(visit));
        expect(await userOf(browser)).toBe("ada");
        expect(await app.psession.devices("ada")).toHaveLength(1);
      });

  test("and is reported, beside an anonymous session as well", async () => {
    const app = testApp({ deviceBound: {} });
    const { browser } = await boundAda(app);
    const own = new TestBrowser(app);
    await beside["an anonymous session"]?.(own);
    for (const thief of [new TestBrowser(app), own]) {
      await thiefOf(app, browser, [REMEMBER], thief);
      app.events.length = 0;
      await thief.visit();
      const told = app.events.filter(({ type }) => type === "boundRefused");
      expect(told).toMatchObject([{ why: "unproved", userId: "ada", bindingId: expect.any(String) }]);
    }
  });

  test("also where a confirmed password has just replaced its secret", async () => {
    const app = testApp({ deviceBound: {} });
    const { browser } = await boundAda(app);
    const thief = await thiefOf(app, browser, [SESSION]);
    await browser.visit((visit) => visit.reauthenticate());
    app.clock.advance(20 * SECOND);
    await thief.visit((visit) => visit.logout());
    expect(await userOf(browser)).toBe("ada");
  });

  test("and with the proof of a session of one's own it is no other", async () => {
    const app = testApp({ deviceBound: {} });
    const { browser } = await boundAda(app);
    const mallory = new TestBrowser(app);
    const { session } = await mallory.visit((visit) => visit.login("mallory"));
    await bindKey(mallory, session);
    const thief = await thiefOf(app, browser, [REMEMBER], mallory);
    await thief.visit((visit) => visit.logout());
    expect(await userOf(browser)).toBe("ada");
  });
});

describe("a browser proves its key", () => {
  test("beside an anonymous session that a login page has begun", async () => {
    const app = testApp({ deviceBound: {} });
    const { browser, keys } = await boundAda(app);
    const id = await idOf(browser);
    app.clock.advance(3 * DAY);
    browser.restart();
    browser.jar.delete(BOUND);
    await browser.visit((visit) => {
      visit.startAnew();
      visit.data.count = 1;
    });
    expect(browser.jar.has(SESSION)).toBe(true);
    expect(await askForRefresh(browser, id)).toMatchObject({ kind: "challenged", id });
    expect(await proveKey(browser, keys)).toMatchObject({ kind: "bound", id });
    expect(await userOf(browser)).toBe("ada");
  });

  test("beside an older cookie of its session, which a crash has left", async () => {
    const app = testApp({ deviceBound: {} });
    const { browser, keys } = await boundAda(app);
    const id = await idOf(browser);
    const old = browser.jar.get(SESSION);
    await browser.visit((visit) => visit.reauthenticate());
    if (old !== undefined) browser.jar.set(SESSION, old);
    browser.jar.delete(BOUND);
    app.clock.advance(45 * MINUTE);
    expect(await askForRefresh(browser, id)).toMatchObject({ kind: "challenged", id });
    expect(await proveKey(browser, keys)).toMatchObject({ kind: "bound", id });
    expect(await userOf(browser)).toBe("ada");
  });

  test("while a sign-in that was begun waits for its second step, and is back after giving that up", async () => {
    const app = testApp({ deviceBound: {} });
    const { browser, keys } = await boundAda(app);
    await browser.visit((visit) => visit.begin("ada"));
    app.clock.advance(2 * MINUTE);
    expect(await proveKey(browser, keys)).toMatchObject({ kind: "bound" });
    app.clock.advance(6 * MINUTE);
    expect(await userOf(browser)).toBe("ada");
  });

  test("while an administrator acts as another user", async () => {
    const app = testApp({ deviceBound: {} });
    const { browser, keys } = await boundAda(app, false);
    const id = await idOf(browser);
    await browser.visit((visit) => visit.impersonate("bob", { reason: "asked for help" }));
    expect(await askForRefresh(browser, id)).toMatchObject({ kind: "challenged", id });
    app.clock.advance(9 * MINUTE);
    expect(await proveKey(browser, keys)).toMatchObject({ kind: "bound", id });
    app.clock.advance(9 * MINUTE);
    expect(await userOf(browser)).toBe("bob");
    await browser.visit((visit) => visit.stopImpersonating());
    expect(await userOf(browser)).toBe("ada");
  });

  test("once: sent again, the same proof counts from when it first did", async () => {
    const app = testApp({ deviceBound: {} });
    const { browser, keys } = await boundAda(app, false);
    const { challenge = "" } = (await askForRefresh(browser)) as { challenge?: string };
    const proof = keys.proof(challenge, {}, false);
    expect(await askForRefresh(browser, undefined, proof)).toMatchObject({ kind: "bound" });
    const thief = await thiefOf(app, browser, [SESSION]);
    app.clock.advance(4 * MINUTE);
    // A lost answer: what the browser gets is as old as its proof.
    expect(await askForRefresh(thief, undefined, proof)).toMatchObject({ kind: "bound" });
    const isNew = await thief.visit((visit) => visit.isKeyProved({ within: "1m" }));
    expect(isNew.result).toBe(false);
    app.clock.advance(7 * MINUTE);
    expect(await userOf(thief)).toBeUndefined();
    expect(await askForRefresh(thief, undefined, proof)).toMatchObject({ kind: "challenged" });
  });

  test("without its id, another key's proof ends nothing: it may be the browser's own, of an earlier sign-in", async () => {
    const app = testApp({ deviceBound: {} });
    const { browser } = await boundAda(app);
    const forged = () => new KeyHolder().proof(newChallenge(), {}, false);
    await askForRefresh(browser, undefined, forged());
    expect(await userOf(browser)).toBe("ada");
    await askForRefresh(browser, await idOf(browser), forged());
    expect(await userOf(browser)).toBeUndefined();
  });
});

test("a sign-in that is begun on a bound session before its first refresh leaves nothing to the remember cookie alone", async () => {
  const app = testApp({ deviceBound: {} });
  const { browser, keys } = await boundAda(app);
  const thief = await thiefOf(app, browser, [REMEMBER]);
  await browser.visit((visit) => visit.begin("ada"));
  expect(await userOf(thief)).toBeUndefined();
  app.clock.advance(6 * MINUTE);
  expect(await userOf(thief)).toBeUndefined();
  browser.jar.delete(BOUND);
  expect(await proveKey(browser, keys)).toMatchObject({ kind: "bound" });
  expect(await userOf(browser)).toBe("ada");
});

describe("who signs in without the key that was lost", () => {
  test("has no other device by that", async () => {
    for (const isRemembered of [true, false]) {
      const app = testApp({ deviceBound: {}, devices: { max: 1, overflow: "refuse" } });
      const { browser } = await boundAda(app, isRemembered);
      browser.jar.delete(BOUND);
      app.clock.advance(11 * MINUTE);
      await browser.visit((visit) => visit.login("ada", { remember: isRemembered }));
      expect(await userOf(browser)).toBe("ada");
      expect(await app.psession.devices("ada")).toHaveLength(1);
    }
  });

  test("may keep something for the sign-in by startAnew, as without it nothing is stored", async () => {
    const app = testApp({ deviceBound: {} });
    const { browser } = await boundAda(app, false);
    browser.jar.delete(BOUND);
    const keep = (session: TestSession) => {
      session.data.count = 1;
      return session.save();
    };
    await expect(browser.visit(keep)).rejects.toMatchObject({ code: "session_withheld" });
    await browser.visit((visit) => {
      visit.startAnew();
      return keep(visit);
    });
    expect((await browser.visit((visit) => visit.data.count)).result).toBe(1);
  });
});

describe("a registration", () => {
  const asked = (session: TestSession) => registrationOf(Session.stateOf(session))?.challenge ?? "";

  test("that broke off between its two writes leaves the login open to the next", async () => {
    const app = testApp({ deviceBound: {} });
    const browser = new TestBrowser(app);
    const { session } = await browser.visit((visit) => visit.login("ada", { remember: true }));
    const { store } = app.psession.core.settings;
    const { apply } = store;
    store.apply = async (change) => {
      if (change.kind === "save") throw new Error("the server was killed");
      return apply.call(store, change);
    };
    const lost = new KeyHolder();
    const registering = browser.visit((visit) =>
      register(Session.stateOf(visit), lost.proof(asked(session), {}, true), proofs),
    );
    await expect(registering).rejects.toThrow("killed");
    store.apply = apply;
    await bindKey(browser, session);
    expect((await browser.visit((visit) => visit.level)).result).toBe("device-bound");
  });

  test("counts beside another one of the same browser for one key: the one that the record has", async () => {
    const app = testApp({ deviceBound: {} });
    const browser = new TestBrowser(app);
    const { session } = await browser.visit((visit) => visit.login("ada", { remember: true }));
    const keys = [new KeyHolder(), new KeyHolder()];
    const visits = await Promise.all(keys.map(() => browser.open()));
    const results = await Promise.all(
      visits.map((visit, at) =>
        register(Session.stateOf(visit.session), keys[at]?.proof(asked(session), {}, true), proofs),
      ),
    );
    const kinds = results.map(({ kind }) => kind);
    expect([...kinds].sort()).toEqual(["bound", "refused"]);
    for (const visit of visits) await visit.answer();
    await browser.visit();
    app.clock.advance(2 * MINUTE);
    const winner = keys[kinds.indexOf("bound")] as KeyHolder;
    expect(await proveKey(browser, winner)).toMatchObject({ kind: "bound" });
    const row = await app.psession.core.settings.store.findSession(await idOf(browser));
    expect(readRecord(row?.data ?? "").jwk).toMatchObject(winner.jwk);
  });
});

test("whatever a browser does with its short cookie for the first time, its session counts with the key from then on", async () => {
  const acts: Record<string, (session: TestSession) => unknown> = {
    reading: () => {},
    renewing: (session) => session.renew(),
    regenerating: (session) => session.regenerate(),
    "confirming a password": (session) => session.reauthenticate(),
    "beginning a sign-in": (session) => session.begin("ada"),
    polling: (session) => session.bePassive(),
    updating: (session) =>
      session.update((data) => {
        data.count = 1;
      }),
  };
  const served: string[] = [];
  for (const [name, act] of Object.entries(acts)) {
    const app = testApp({ deviceBound: {} });
    const browser = new TestBrowser(app);
    const { session } = await browser.visit((visit) => visit.login("ada", { remember: true }));
    const { challenge = "" } = registrationOf(Session.stateOf(session)) ?? {};
    const proof = new KeyHolder().proof(challenge, {}, true);
    await browser.visit((visit) => register(Session.stateOf(visit), proof, proofs));
    await browser.visit((visit) => act(visit));
    app.clock.advance(6 * MINUTE);
    for (const cookie of [SESSION, REMEMBER]) {
      const thief = await thiefOf(app, browser, [cookie]);
      if ((await userOf(thief)) !== undefined) served.push(`${name}: ${cookie}`);
    }
  }
  expect(served).toEqual([]);
});
