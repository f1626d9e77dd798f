import { randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import { factsOf, memoryStore } from "../../src/index.ts";
import { newId } from "../../src/protocol/secrets.ts";
import type { SessionLife } from "../../src/request/state.ts";
import { KEY, SESSION, type TestApp, TestBrowser, type TestSession, testApp } from "../support/app.ts";
import { DAY, HOUR, MINUTE } from "../support/clock.ts";
import { counted } from "../support/stores.ts";

/** One request of a framework whose sessions have lives of their own. */
async function visit(
  app: TestApp,
  browser: TestBrowser,
  life: SessionLife,
  handler: (session: TestSession) => unknown = () => {},
) {
  const cookie = browser.jar.get(SESSION)?.value;
  const facts = factsOf((name) => (name === "cookie" && cookie ? `${SESSION}=${cookie}` : undefined), {
    method: "GET",
    secure: true,
    address: undefined,
    arrivedAt: app.clock.now(),
  });
  // As the integration does whose sessions have lives of their own.
  app.psession.core.settings.session.livesVary = true;
  const exchange = app.psession.exchange(facts);
  const session = await exchange.open();
  await handler(session);
  exchange.live(life);
  const { setCookie } = await exchange.commit();
  const value = /=([^;]*)/.exec(setCookie[0] ?? "")?.[1];
  if (value) browser.jar.set(SESSION, { value, isTransient: false });
  return { session, setCookie };
}

const month = { idle: 30 * DAY, maxAge: 30 * DAY, resend: false };
const long = { session: { absolute: 365 * DAY } } as const;

describe("a session with a life of its own", () => {
  test("lives as long as its cookie, whatever session.idle says", async () => {
    const app = testApp(long);
    const browser = new TestBrowser(app);
    const { setCookie } = await visit(app, browser, month, (session) => session.set("count", 1));
    expect(setCookie[0]).toContain(`Max-Age=${30 * 86_400}`);
    expect(setCookie[0]).toContain(`Expires=${new Date(app.clock.now() + 30 * DAY).toUTCString()}`);
    app.clock.advance(29 * DAY);
    expect((await visit(app, browser, month)).session.data.count).toBe(1);
    app.clock.advance(29 * DAY);
    expect((await visit(app, browser, month)).session.data.count).toBe(1);
    app.clock.advance(31 * DAY);
    expect((await visit(app, browser, month)).session.data.count).toBeUndefined();
  });

  test("is not pruned before it ends", async () => {
    const app = testApp(long);
    const browser = new TestBrowser(app);
    await visit(app, browser, month, (session) => session.set("count", 1));
    app.clock.advance(29 * DAY);
    expect((await app.psession.prune()).sessions).toBe(0);
    app.clock.advance(2 * DAY);
    expect((await app.psession.prune()).sessions).toBe(1);
  });

  test("that is short is touched often enough", async () => {
    const app = testApp();
    const browser = new TestBrowser(app);
    const short = { idle: MINUTE, maxAge: MINUTE, resend: false };
    await visit(app, browser, short, (session) => session.set("count", 1));
    for (let round = 0; round < 5; round++) {
      app.clock.advance(50_000);
      expect((await visit(app, browser, short)).session.data.count).toBe(1);
    }
  });

  test("is never longer than the browser keeps cookies", async () => {
    const app = testApp({ session: { absolute: 1000 * DAY } });
    const ages = { idle: 900 * DAY, maxAge: 900 * DAY, resend: false };
    const { setCookie } = await visit(app, new TestBrowser(app), ages, (session) => session.set("count", 1));
    expect(setCookie[0]).toContain("Max-Age=34560000");
  });
});

describe("a cookie that is sent again", () => {
  test("is the same one, with its time begun anew", async () => {
    const app = testApp(long);
    const browser = new TestBrowser(app);
    await visit(app, browser, month, (session) => session.set("count", 1));
    const before = browser.jar.get(SESSION)?.value;
    app.clock.advance(DAY);
    const { setCookie } = await visit(app, browser, { ...month, resend: true });
    expect(setCookie[0]).toContain(`${SESSION}=${before}; Max-Age=${30 * 86_400}`);
  });

  test("is not sent where a parallel request exchanged the secret, nor in place of a new one", async () => {
    const app = testApp(long);
    const browser = new TestBrowser(app);
    await visit(app, browser, month, (session) => session.set("count", 1));
    const other = new TestBrowser(app);
    other.jar = browser.copyJar();
    const { setCookie } = await visit(app, browser, { ...month, resend: true }, async () => {
      await visit(app, other, month, (session) => session.login(7));
    });
    expect(setCookie).toEqual([]);
    const renewed = await visit(app, other, { ...month, resend: true }, async (session) => {
      await session.login(8);
      await session.save();
    });
    expect(renewed.setCookie.filter((line) => line.startsWith(`${SESSION}=`))).toHaveLength(1);
    expect((await visit(app, other, month)).session.userId).toBe(8);
  });
});

describe("a session of another library that is taken over", () => {
  const successor = () => ({ id: newId(), secret: randomBytes(32) });

  test("is one session for all requests that bring its cookie at once", async () => {
    const app = testApp();
    const facts = { successor: successor() };
    const browsers = Array.from({ length: 5 }, () => new TestBrowser(app));
    const visits = await Promise.all(browsers.map((browser) => browser.open(facts)));
    for (const [index, { session }] of visits.entries()) {
      session.data.name = "ada";
      session.data[`k${index}`] = true;
      session.takeOver(7);
    }
    for (const open of visits) await open.answer();
    expect(app.told().filter((type) => type === "created")).toHaveLength(1);
    expect(await app.psession.devices(7)).toHaveLength(1);
    const { session } = await (browsers[0] as TestBrowser).open();
    expect(session.userId).toBe(7);
    expect(session.isFresh({ within: "1d" })).toBe(false);
    expect(Object.keys(session.data).sort()).toEqual(["k0", "k1", "k2", "k3", "k4", "name"]);
  });

  test("cannot be reached by the old cookie after a while, nor beside a cookie of psession", async () => {
    const app = testApp();
    const facts = { successor: successor() };
    const take = (session: TestSession) => {
      session.data.name = "ada";
      session.takeOver(7);
    };
    await new TestBrowser(app).visit(take, facts);
    const quick = await new TestBrowser(app).open(facts);
    expect(quick.session.userId).toBe(7);
    const own = new TestBrowser(app);
    await own.visit(({ data }) => {
      data.name = "eve";
    });
    expect((await own.open(facts)).session.userId).toBeUndefined();
    app.clock.advance(HOUR);
    expect((await new TestBrowser(app).open(facts)).session.userId).toBeUndefined();
  });

  test("gets a secret that cannot be derived when a user signs in with it", async () => {
    const app = testApp();
    const facts = { successor: successor() };
    const browser = new TestBrowser(app);
    await browser.visit(async (session) => {
      session.takeOver(7);
      await session.login(7);
    }, facts);
    expect((await new TestBrowser(app).open(facts)).session.userId).toBeUndefined();
    expect((await browser.open()).session.userId).toBe(7);
  });
});

describe("reading again", () => {
  test("gives what others stored, and forgets what was not saved", async () => {
    const app = testApp({ keys: [KEY] });
    const browser = new TestBrowser(app);
    await browser.visit(({ data }) => {
      data.count = 1;
    });
    const { session, answer } = await browser.open();
    const { data } = session;
    data.name = "forgotten";
    await browser.visit(({ data }) => {
      data.count = 2;
    });
    await session.reload();
    expect(session.data).toEqual({ count: 2 });
    expect(data).toBe(session.data);
    session.data.count = 3;
    await answer();
    expect((await browser.open()).session.data).toEqual({ count: 3 });
  });

  test("says where there is nothing any more", async () => {
    const app = testApp();
    const browser = new TestBrowser(app);
    await browser.visit((session) => session.login(7));
    const { session } = await browser.open();
    await app.psession.revokeUser(7);
    await expect(session.reload()).rejects.toMatchObject({ code: "session_ended" });
    app.clock.advance(1);
    await browser.visit((session) => session.login(7));
    await browser.visit(async (session) => {
      await session.logout();
      await expect(session.reload()).rejects.toMatchObject({ code: "session_ended" });
    });
  });

  test("where nothing was stored yet, forgets what was set, without a read", async () => {
    const { store, calls } = counted(memoryStore());
    const browser = new TestBrowser(testApp({ store }));
    const { session, answer } = await browser.open();
    const { data } = session;
    session.set("name", "forgotten");
    session.flash.set("note", "forgotten");
    await session.reload();
    expect([session.data === data, data, await session.flash.get("note")]).toEqual([true, {}, undefined]);
    expect([await answer(), calls]).toEqual([[], []]);
    await browser.visit(async (session) => {
      session.set("name", "forgotten");
      await session.reload();
      session.set("count", 1);
    });
    expect((await browser.open()).session.data).toEqual({ count: 1 });
  });
});
