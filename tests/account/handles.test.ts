import { expect, test } from "vitest";
import { TestBrowser, testApp } from "../support/app.ts";
import { DAY, HOUR, MINUTE } from "../support/clock.ts";

async function remembered() {
  const app = testApp();
  const ada = new TestBrowser(app);
  await ada.visit((session) => session.login("ada", { remember: true }));
  const { result: handle } = await ada.visit(async (session) => {
    await session.nameDevice(session.handle, "Kitchen");
    return session.handle;
  });
  app.clock.advance(10 * MINUTE);
  await ada.visit();
  return { app, ada, handle, firstSeenAt: (await app.psession.devices("ada"))[0]?.firstSeenAt };
}

type Remembered = Awaited<ReturnType<typeof remembered>>;

const renewals = [
  ["a renewal", ({ ada }: Remembered) => ada.visit((session) => session.renew())],
  [
    "a changed password",
    ({ app, ada }: Remembered) =>
      ada.visit(async (session) => void (await app.psession.passwordChanged("ada", { keep: session }))),
  ],
] as const;

test.each(renewals)("after %s a device has the handle, name and first use that it had", async (_, renew) => {
  const given = await remembered();
  const { app, ada, handle, firstSeenAt } = given;
  for (let times = 0; times < 3; times++) {
    await renew(given);
    app.clock.advance(HOUR);
    await ada.visit((session) => expect(session.handle).toBe(handle));
    const devices = (await ada.visit((session) => session.devices())).result;
    expect(devices).toMatchObject([
      { handle, name: "Kitchen", firstSeenAt, current: true, isRemembered: true },
    ]);
  }
  ada.restart();
  app.clock.advance(DAY);
  await ada.visit((session) => expect([session.userId, session.handle]).toEqual(["ada", handle]));
  expect(app.events.findLast(({ type }) => type === "restored")).toMatchObject({ handle });
});

test.each(renewals)("after %s the device is named and ended by that handle", async (_, renew) => {
  const given = await remembered();
  const { app, ada, handle } = given;
  await renew(given);
  app.clock.advance(MINUTE);
  const phone = new TestBrowser(app);
  await phone.visit((session) => session.login("ada"));
  await phone.visit(async (session) => {
    expect(await session.nameDevice(handle, "Bath")).toBe(true);
  });
  expect((await app.psession.devices("ada")).map(({ name }) => name)).toContain("Bath");
  app.events.length = 0;
  await phone.visit(async (session) => {
    expect(await session.revoke(handle)).toBe(true);
    expect(app.events).toMatchObject([{ type: "revoked", handle }]);
    expect(await session.revoke(handle)).toBe(false);
  });
  expect((await ada.visit((session) => session.userId)).result).toBeUndefined();
  expect(await app.psession.devices("ada")).toHaveLength(1);
});

test("the support ends a renewed device by its handle, and another user cannot", async () => {
  const { app, ada, handle } = await remembered();
  await ada.visit((session) => session.renew());
  const bob = new TestBrowser(app);
  await bob.visit((session) => session.login("bob"));
  await bob.visit(async (session) => {
    expect(await session.revoke(handle)).toBe(false);
    expect(await session.nameDevice(handle, "Bob's")).toBe(false);
  });
  expect((await ada.visit((session) => session.userId)).result).toBe("ada");
  expect(await app.psession.revoke(handle)).toBe(true);
  expect((await ada.visit((session) => session.userId)).result).toBeUndefined();
});

test.each(renewals)("days after %s the support still ends the device by that handle", async (_, renew) => {
  const given = await remembered();
  const { app, ada, handle } = given;
  for (let times = 0; times < 2; times++) {
    await renew(given);
    for (let day = 0; day < 3; day++) {
      app.clock.advance(DAY);
      await ada.visit();
      await ada.visit();
      await app.psession.prune();
    }
  }
  expect(await app.psession.revoke(handle)).toBe(true);
  expect((await ada.visit((session) => session.userId)).result).toBeUndefined();
});

test("a browser that lost the answer of a renewal accuses nobody", async () => {
  const { app, ada } = await remembered();
  await ada.visit((session) => session.renew(), { lost: true });
  app.clock.advance(DAY);
  ada.restart();
  await ada.visit();
  expect(app.told()).not.toContain("theft");
});

test("the next sign-in of another user on this browser has a handle of its own", async () => {
  const { ada, handle } = await remembered();
  await ada.visit((session) => session.renew());
  await ada.visit((session) => session.login("bob", { remember: true }));
  await ada.visit((session) => expect(session.handle).not.toBe(handle));
});
