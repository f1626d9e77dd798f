import { describe, expect, test } from "vitest";
import { factsOf } from "../../src/index.ts";
import { TestBrowser, testApp } from "../support/app.ts";
import { DAY, HOUR, MINUTE } from "../support/clock.ts";

const aheadIn = (headers: Record<string, string>, method = "GET") =>
  factsOf((name) => headers[name], { method, secure: true, address: undefined }).ahead;

test("a safe request is a prefetch if the browser says so; HEAD always is", () => {
  for (const purpose of ["prefetch", "prefetch;prerender", "prefetch;anonymous-client-ip", " Prefetch"])
    expect(aheadIn({ "sec-purpose": purpose })).toBe("prefetch");
  expect(aheadIn({ purpose: "prefetch" })).toBe("prefetch");
  for (const purpose of ["", "prefetched", "no-prefetch"])
    expect(aheadIn({ "sec-purpose": purpose })).toBeUndefined();
  expect(aheadIn({ "sec-purpose": "prefetch" }, "POST")).toBeUndefined();
  expect(aheadIn({}, "HEAD")).toBe("head");
});

describe.each(["prefetch", "head"] as const)("a request that is %s", (ahead) => {
  const setUp = async (options = {}) => {
    const app = testApp(options);
    const browser = new TestBrowser(app);
    await browser.visit((session) => session.login("ada", { remember: true }));
    return { app, browser };
  };

  test("takes no message: the next one that is seen shows it, once", async () => {
    const { browser } = await setUp();
    await browser.visit((session) => session.flash.set("notice", "Saved."));
    const notice = (options = {}) => browser.visit((session) => session.flash.get("notice"), options);
    expect((await notice({ ahead })).result).toBeUndefined();
    const all = await browser.visit((session) => session.flash.all(), { ahead });
    expect(all.result).toEqual({});
    expect((await notice()).result).toBe("Saved.");
    expect((await notice()).result).toBeUndefined();
  });

  test("has messages of its own all the same", async () => {
    const { browser } = await setUp();
    const own = await browser.visit(
      (session) => {
        session.flash.now("notice", "Hello.");
        return session.flash.all();
      },
      { ahead },
    );
    expect(own.result).toEqual({ notice: "Hello." });
  });

  test("uses up no state of a sign-in elsewhere", async () => {
    const { browser } = await setUp();
    const { result: state } = await browser.visit((session) => session.newState());
    const take = (options = {}) => browser.visit((session) => session.takeState(state), options);
    expect((await take({ ahead })).result).toBe(false);
    expect((await take()).result).toBe(true);
  });

  test("does not keep a session from ending", async () => {
    const { app, browser } = await setUp({ remember: { enabled: false } });
    app.clock.advance(HOUR);
    expect((await browser.visit(undefined, { ahead })).session.isSignedIn).toBe(true);
    app.clock.advance(HOUR + MINUTE);
    expect((await browser.visit()).session.isSignedIn).toBe(false);
  });

  test("exchanges no secret whose time has come, and the next one does", async () => {
    const { app, browser } = await setUp({ session: { rotateEvery: "10m" } });
    app.clock.advance(HOUR);
    const rotates = async (options = {}) => (await browser.visit(undefined, options)).setCookie.length > 0;
    expect(await rotates({ ahead })).toBe(false);
    expect(await rotates()).toBe(true);
  });

  test("stores what its handler changes, as any other", async () => {
    const { browser } = await setUp();
    await browser.visit((session) => session.set("cart", ["tea"]), { ahead });
    expect((await browser.visit()).session.data.cart).toEqual(["tea"]);
  });
});

test("a prefetch with a remember cookie alone is refused, unless nothing had to be exchanged", async () => {
  const app = testApp({ whenUnavailable: "anonymous" });
  const browser = new TestBrowser(app);
  await browser.visit((session) => session.login("ada", { remember: true }));
  browser.restart();
  app.clock.advance(DAY);
  await expect(browser.visit(undefined, { ahead: "prefetch" })).rejects.toMatchObject({
    code: "fetched_ahead",
    status: 503,
  });
  const { session, setCookie } = await browser.visit(undefined, { ahead: "head" });
  expect([session.userId, session.outcome, setCookie]).toEqual(["ada", "accepted", []]);
  expect((await browser.visit()).session.outcome).toBe("restored");
});

test("a prefetch with a stolen token that was replaced is a theft as well", async () => {
  const app = testApp();
  const browser = new TestBrowser(app);
  await browser.visit((session) => session.login("ada", { remember: true }));
  browser.restart();
  const stolen = browser.copyJar();
  for (let count = 0; count < 2; count++) {
    app.clock.advance(DAY);
    browser.restart();
    await browser.visit();
  }
  await browser.visit();
  const { session } = await browser.visit(undefined, { ahead: "prefetch", jar: stolen });
  expect([session.userId, session.outcome]).toEqual([undefined, "theft"]);
});
