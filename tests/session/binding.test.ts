import { expect, test } from "vitest";
import { isSameNetwork } from "../../src/request/binding.ts";
import { TestBrowser, testApp } from "../support/app.ts";

const FIREFOX = (version: number) =>
  `Mozilla/5.0 (X11; Linux x86_64; rv:${version}.0) Gecko/20100101 Firefox/${version}.0`;
const CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/130.0.0.0 Safari/537.36";

const signedIn = async (session: object, remember = false) => {
  const app = testApp({ session });
  const browser = new TestBrowser(app, FIREFOX(130));
  await browser.visit((visited) => visited.login("ada", { remember }), { address: "192.0.2.7" });
  app.events.length = 0;
  return { app, browser };
};

test("nothing is bound unless options say so", async () => {
  const { app, browser } = await signedIn({});
  const visit = { address: "2001:db8::1", userAgent: CHROME };
  expect((await browser.visit(undefined, visit)).session.userId).toBe("ada");
  expect(app.told()).toEqual([]);
});

test("a session bound to its address is not served elsewhere, and is served again at home", async () => {
  const { app, browser } = await signedIn({ matchAddress: "exact" });
  const { session, setCookie } = await browser.visit(undefined, { address: "192.0.2.8" });
  expect([session.userId, session.outcome, setCookie]).toEqual([undefined, "moved", []]);
  expect(app.events).toMatchObject([
    {
      type: "moved",
      what: "address",
      userId: "ada",
      request: { address: "192.0.2.8" },
      before: { address: "192.0.2.7" },
    },
  ]);
  expect((await browser.visit(undefined, { address: "::ffff:192.0.2.7" })).session.userId).toBe("ada");
});

test("a session bound to its network moves within it", async () => {
  const { browser } = await signedIn({ matchAddress: { v4: 24, v6: 48 } });
  expect((await browser.visit(undefined, { address: "192.0.2.250" })).session.userId).toBe("ada");
  expect((await browser.visit(undefined, { address: "192.0.3.7" })).session.userId).toBeUndefined();
  expect((await browser.visit(undefined, { address: "2001:db8::1" })).session.userId).toBeUndefined();
  expect((await browser.visit(undefined, { address: undefined })).session.userId).toBeUndefined();
});

test.each([
  ["192.0.2.7", "192.0.2.7", true],
  ["192.0.2.7", "192.0.2.8", true],
  ["192.0.2.7", "192.0.10.7", false],
  ["::ffff:192.0.2.7", "192.0.2.9", true],
  ["2001:db8:1::1", "2001:db8:1:ffff::9", true],
  ["2001:db8:1::1", "2001:db8:2::1", false],
  ["192.0.2.7", "not an address", false],
  ["2001:db8::1", "192.0.2.7", false],
])("%s and %s, 24 and 48 bits: %s", (before, now, expected) => {
  expect(isSameNetwork(before, now, { v4: 24, v6: 48 })).toBe(expected);
});

test("bound to the family of its browser, a session survives an update", async () => {
  const { browser } = await signedIn({ bindUserAgent: "family" });
  const seen = async (userAgent: string) =>
    (await browser.visit(undefined, { address: "192.0.2.7", userAgent })).session.userId;
  expect([await seen(FIREFOX(131)), await seen(CHROME), await seen(FIREFOX(140))]).toEqual([
    "ada",
    undefined,
    "ada",
  ]);
});

test("bound to the exact browser, it does not", async () => {
  const { browser } = await signedIn({ bindUserAgent: "exact" });
  expect((await browser.visit(undefined, { userAgent: FIREFOX(131) })).session.userId).toBeUndefined();
});

test("report serves the request, and emits moved once per move", async () => {
  const { app, browser } = await signedIn({
    matchAddress: "exact",
    bindUserAgent: "exact",
    onMismatch: "report",
  });
  const elsewhere = { address: "198.51.100.9" };
  for (let visit = 0; visit < 3; visit++) {
    expect((await browser.visit(undefined, elsewhere)).session.userId).toBe("ada");
  }
  expect(app.told()).toEqual(["moved"]);
  await browser.visit(undefined, { address: "192.0.2.7" });
  expect(app.told()).toEqual(["moved", "moved"]);
  expect(await app.psession.devices("ada")).toMatchObject([{ address: "192.0.2.7" }]);
});

test("where a session is refused, the remember cookie brings its user back, at the level of a cookie", async () => {
  const { browser } = await signedIn({ matchAddress: "exact" }, true);
  const elsewhere = { address: "198.51.100.9" };
  const { session } = await browser.visit(undefined, elsewhere);
  expect([session.userId, session.level]).toEqual(["ada", "remembered"]);
  expect((await browser.visit(undefined, elsewhere)).session.level).toBe("remembered");
});
