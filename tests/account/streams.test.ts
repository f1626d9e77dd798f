import { setTimeout as wait } from "node:timers/promises";
import { expect, test } from "vitest";
import { TestBrowser, testApp } from "../support/app.ts";

/* Answers that last, such as server-sent events: `onEnd` tells them that what they were opened for is over. */

const WHY = { reason: "ticket 4711" };

/** A stream in the session that the browser has now; says whether it was told. */
async function stream(browser: TestBrowser) {
  const visit = await browser.open();
  let isOver = false;
  visit.session.onEnd(() => {
    isOver = true;
  });
  await visit.answer();
  return async () => {
    await wait(10);
    return isOver;
  };
}

test.each<[string, (app: ReturnType<typeof testApp>, admin: TestBrowser) => unknown]>([
  ["the administrator stops", (_, admin) => admin.visit((session) => session.stopImpersonating())],
  ["the administrator signs out", (_, admin) => admin.visit((session) => session.logout())],
  ["the administrator is revoked", (app) => app.psession.revokeUser("admin")],
  ["the customer is revoked", (app) => app.psession.revokeUser("ada")],
])("a stream that was opened while acting as a customer is over when %s", async (_, end) => {
  const app = testApp();
  const admin = new TestBrowser(app);
  await admin.visit((session) => session.login("admin"));
  await admin.visit((session) => session.impersonate("ada", WHY));
  const isOver = await stream(admin);
  await admin.visit();
  expect(await isOver()).toBe(false);
  await end(app, admin);
  expect(await isOver()).toBe(true);
});

test("the administrator's own stream goes on meanwhile, and afterwards", async () => {
  const app = testApp();
  const admin = new TestBrowser(app);
  await admin.visit((session) => session.login("admin"));
  const isOver = await stream(admin);
  await admin.visit((session) => session.impersonate("ada", WHY));
  await admin.visit((session) => session.stopImpersonating());
  expect(await isOver()).toBe(false);
});

test("a stream of a user is over when another sign-in begins on the session, and no other device's is", async () => {
  const app = testApp();
  const [ada, phone] = [new TestBrowser(app), new TestBrowser(app)];
  await ada.visit((session) => session.login("ada"));
  await phone.visit((session) => session.login("ada"));
  const [isOver, isOverThere] = [await stream(ada), await stream(phone)];
  await ada.visit((session) => session.begin("ada"));
  expect([await isOver(), await isOverThere()]).toEqual([true, false]);
});
