import { expect, test } from "vitest";
import { memoryStore } from "../../src/index.ts";
import { TestBrowser, testApp } from "../support/app.ts";
import { MINUTE } from "../support/clock.ts";
import { counted } from "../support/stores.ts";

/** What the calls around a sign-in cost, as the pages of docs/account say. Exact: a call more is a regression. */
function setUp() {
  const { store, calls } = counted(memoryStore());
  const app = testApp({ store });
  const browser = new TestBrowser(app);
  const cost = async (...visit: Parameters<TestBrowser["visit"]>) => {
    calls.length = 0;
    await browser.visit(...visit);
    return [...calls];
  };
  return { app, browser, cost };
}

test("a sign-in in two steps: two writes and one read, and guards read nothing more", async () => {
  const { cost } = setUp();
  expect(await cost((session) => session.begin("ada", { method: "password" }))).toEqual(["apply"]);
  expect(await cost((session) => session.pending)).toEqual(["findSession"]);
  expect(await cost((session) => session.complete({ method: "otp" }))).toEqual(["findSession", "apply"]);
  expect(await cost((session) => [session.proofs, session.claims])).toEqual(["findSession"]);
  expect(await cost((session) => session.begin("ada"))).toEqual(["findSession", "apply"]);
});

test("a proof: one write, and one read of the remembered login where there is one", async () => {
  const { cost } = setUp();
  await cost((session) => session.login("ada"));
  expect(await cost((session) => session.prove("otp"))).toEqual(["findSession", "apply"]);
  await cost((session) => session.login("ada", { remember: true }));
  expect(await cost((session) => session.prove("otp"))).toEqual(["findSession", "findRemembered", "apply"]);
});

test("trust: a read only where the browser sends its cookie, and a write to give or end it", async () => {
  const { cost } = setUp();
  await cost((session) => session.login("ada"));
  expect(await cost((session) => session.isTrusted())).toEqual(["findSession"]);
  expect(await cost((session) => session.trust())).toEqual(["findSession", "apply"]);
  expect(await cost((session) => session.isTrusted())).toEqual(["findSession", "findSession"]);
  expect(await cost((session) => session.trust())).toEqual(["findSession", "findSession", "apply"]);
  expect(await cost((session) => session.revokeOthers())).toEqual([
    ...["findSession", "findSession", "apply"],
    ...["findSession", "apply"],
  ]);
  expect(await cost((session) => session.distrust())).toEqual(["findSession", "findSession", "apply"]);
  expect(await cost((session) => session.revokeOthers())).toEqual(["findSession", "apply"]);
});

test.each([
  ["a device", {}, ["apply", "list"]],
  ["one that is trusted", { isTrusted: true }, ["apply", "list", "apply"]],
  [
    "one that is trusted and was renewed",
    { isTrusted: true, isRenewed: true },
    ["apply", "list", "apply", "list", "apply"],
  ],
] as const)("ending %s", async (_, { isTrusted = false, isRenewed = false }: Ended, calls) => {
  const { app, browser, cost } = setUp();
  await browser.visit((session) => session.login("ada"));
  const phone = new TestBrowser(app);
  await phone.visit(async (session) => {
    await session.login("ada", { remember: true });
    if (isTrusted) await session.trust();
  });
  const { result: handle } = await phone.visit((session) => session.handle);
  if (isRenewed) await phone.visit((session) => session.renew());
  expect(await cost((session) => session.revoke(handle))).toEqual(["findSession", ...calls]);
  expect((await phone.visit((session) => session.userId)).result).toBeUndefined();
});

interface Ended {
  readonly isTrusted?: boolean;
  readonly isRenewed?: boolean;
}

test("when a session ends, and extending it", async () => {
  const { app, cost } = setUp();
  await cost((session) => session.login("ada"));
  expect(await cost((session) => session.endsAt())).toEqual(["findSession"]);
  expect(await cost((session) => session.extend())).toEqual(["findSession", "touch"]);
  app.clock.advance(5 * MINUTE);
  expect(await cost(() => {}, { passive: true })).toEqual(["findSession"]);
  await cost((session) => session.login("ada", { remember: true }));
  expect(await cost((session) => session.endsAt())).toEqual(["findSession", "findRemembered"]);
});
