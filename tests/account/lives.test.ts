import { expect, test } from "vitest";
import { TestBrowser, type TestSession, testApp } from "../support/app.ts";
import { DAY, HOUR, MINUTE } from "../support/clock.ts";

const signedIn = async (browser: TestBrowser, options = {}) =>
  (await browser.visit((session) => session.isSignedIn, options)).result;

test("a sign-in may have a shorter idle time, which each use begins anew", async () => {
  const app = testApp();
  const ada = new TestBrowser(app);
  await ada.visit((session) => session.login("ada", { idle: "10m" }));
  for (let use = 0; use < 5; use++) {
    app.clock.advance(10 * MINUTE);
    expect(await signedIn(ada)).toBe(true);
  }
  app.clock.advance(10 * MINUTE + 1);
  expect(await signedIn(ada)).toBe(false);
});

test("a sign-in may end sooner whatever its use, also after a password was confirmed", async () => {
  const app = testApp();
  const ada = new TestBrowser(app);
  await ada.visit((session) => session.login("ada", { absolute: "1h" }));
  app.clock.advance(30 * MINUTE);
  await ada.visit((session) => session.reauthenticate());
  app.clock.advance(HOUR);
  expect(await signedIn(ada)).toBe(true);
  app.clock.advance(1);
  expect(await signedIn(ada)).toBe(false);
});

test("lives end with the sign-in that they were given to", async () => {
  const app = testApp();
  const ada = new TestBrowser(app);
  await ada.visit((session) => session.login("ada", { idle: "10m", absolute: "20m" }));
  await ada.visit((session) => session.login("ada"));
  app.clock.advance(HOUR);
  expect(await signedIn(ada)).toBe(true);
});

test("a remembered login may end sooner, whatever its use", async () => {
  const app = testApp();
  const ada = new TestBrowser(app);
  await ada.visit((session) => session.login("ada", { remember: { for: "7d" } }));
  for (let day = 0; day < 7; day++) {
    ada.restart();
    app.clock.advance(DAY);
    expect(await signedIn(ada)).toBe(true);
  }
  ada.restart();
  app.clock.advance(MINUTE);
  expect(await signedIn(ada)).toBe(false);
  const [line] = (
    await new TestBrowser(app).visit((session) => session.login("bob", { remember: { for: "7d" } }))
  ).setCookie.filter((cookie) => cookie.includes("remember"));
  expect(line).toContain("Max-Age=604800");
});

test.each([
  { idle: "3h" },
  { absolute: "2d" },
  { remember: { for: "31d" } },
  { remember: {} },
  { remember: { for: "7d", more: 1 } },
  { remember: { for: 0 } },
  { remember: null },
  { remember: ["7d"] },
  { idle: 0 },
  { idle: "x" },
  { absolute: Number.POSITIVE_INFINITY },
])("%j is refused: it is longer than the option, or no duration", async (options) => {
  await new TestBrowser(testApp()).visit(async (session) => {
    await expect(session.login("ada", options as never)).rejects.toMatchObject({ code: "invalid_options" });
    expect(session.isSignedIn).toBe(false);
  });
});

test("the limit of devices may depend on the user, and is asked at each sign-in", async () => {
  const asked: unknown[] = [];
  const max = async (userId: string | number) => {
    asked.push(userId);
    return userId === "trial" ? 1 : false;
  };
  const app = testApp({ devices: { max, overflow: "refuse" } });
  const signIn = async (userId: string) =>
    (await new TestBrowser(app).visit((session) => session.login(userId))).result;
  expect([await signIn("trial"), await signIn("trial")]).toEqual(["signed_in", "too_many_devices"]);
  expect([await signIn("ada"), await signIn("ada")]).toEqual(["signed_in", "signed_in"]);
  expect(asked).toEqual(["trial", "trial", "ada", "ada"]);
});

test("evicting by a limit of the user's own ends the device that was not used for longest", async () => {
  const app = testApp({ devices: { max: () => 2 } });
  const browsers = [new TestBrowser(app), new TestBrowser(app), new TestBrowser(app)];
  for (const browser of browsers) {
    await browser.visit((session) => session.login("ada"));
    app.clock.advance(MINUTE);
  }
  expect(await Promise.all(browsers.map((browser) => signedIn(browser)))).toEqual([false, true, true]);
});

test.each([0, -1, 1.5, "2", undefined, Number.NaN])(
  "a limit of %j is an error, and nobody is signed in",
  async (given) => {
    const app = testApp({ devices: { max: () => given as number } });
    await new TestBrowser(app).visit(async (session) => {
      await expect(session.login("ada")).rejects.toMatchObject({ code: "invalid_options" });
      expect(session.isSignedIn).toBe(false);
    });
  },
);

test("a page that polls does not put off the idle end", async () => {
  const app = testApp();
  const ada = new TestBrowser(app);
  await ada.visit((session) => session.login("ada"));
  for (let poll = 0; poll < 12; poll++) {
    app.clock.advance(10 * MINUTE);
    expect(await signedIn(ada, { passive: true })).toBe(true);
  }
  app.clock.advance(1);
  expect(await signedIn(ada, { passive: true })).toBe(false);
});

test("what a passive request changes is saved, and puts off nothing", async () => {
  const app = testApp();
  const ada = new TestBrowser(app);
  await ada.visit((session) => session.login("ada"));
  app.clock.advance(HOUR);
  await ada.visit((session) => {
    session.bePassive();
    session.set("count", 1);
  });
  expect((await ada.visit((session) => session.get("count"), { passive: true })).result).toBe(1);
  app.clock.advance(HOUR + 1);
  expect(await signedIn(ada)).toBe(false);
});

test("a poll brings a remembered user back for itself only; the next page restores the session", async () => {
  const app = testApp();
  const ada = new TestBrowser(app);
  await ada.visit((session) => session.login("ada", { remember: true }));
  ada.restart();
  app.clock.advance(DAY);
  const { setCookie } = await ada.visit((session) => expect(session.level).toBe("remembered"), {
    passive: true,
  });
  expect(setCookie).toEqual([]);
  await ada.visit();
  expect(app.told().filter((type) => type === "restored")).toHaveLength(1);
});

test("a poll that saves keeps a remembered login no longer than one that does not", async () => {
  const app = testApp();
  const ada = new TestBrowser(app);
  await ada.visit((session) => session.login("ada", { remember: true }));
  ada.restart();
  for (let day = 0; day < 14; day++) {
    app.clock.advance(DAY);
    const { result } = await ada.visit(
      (session) => {
        session.set("count", day);
        return session.userId;
      },
      { passive: true },
    );
    expect(result).toBe("ada");
  }
  app.clock.advance(1);
  expect(await signedIn(ada)).toBe(false);
});

test("when a session ends that a cookie is about to bring back lies ahead", async () => {
  const app = testApp();
  const ada = new TestBrowser(app);
  const start = app.clock.now();
  await ada.visit((session) => session.login("ada", { remember: true }));
  ada.restart();
  app.clock.advance(DAY);
  const now = app.clock.now();
  for (const facts of [{ passive: true }, {}]) {
    const { result } = await ada.visit((session) => session.endsAt(), facts);
    expect(result).toEqual({ idle: now + 2 * HOUR, absolute: now + DAY, remembered: start + 14 * DAY, now });
  }
});

test("a poll that saves for a remembered user puts off neither the session's end nor the login's", async () => {
  const app = testApp();
  const ada = new TestBrowser(app);
  await ada.visit((session) => session.login("ada", { remember: true }));
  ada.restart();
  app.clock.advance(DAY);
  const rows = async () => {
    const [entry] = await app.psession.core.settings.store.list("ada");
    const { session, login } = entry ?? {};
    return [session?.lastSeenAt, session?.idleDeadline, login?.lastUsedAt, login?.idleDeadline];
  };
  const before = await rows();
  await ada.visit((session) => session.set("count", 1), { passive: true });
  expect(await rows()).toEqual(before);
  expect((await ada.visit((session) => session.get("count"))).result).toBe(1);
});

test("a remembered login whose time runs out while a handler is busy does not come back", async () => {
  const app = testApp({ remember: { idle: "1d" } });
  const ada = new TestBrowser(app);
  await ada.visit((session) => session.login("ada", { remember: true }));
  ada.restart();
  app.clock.advance(DAY);
  const visit = await ada.open();
  app.clock.advance(1);
  visit.session.set("count", 1);
  expect(await visit.answer()).toEqual([]);
  expect(await app.psession.devices("ada")).toEqual([]);
  expect((await ada.visit((session) => session.userId)).result).toBeUndefined();
});

test.each([
  ["a renewal", (_: ReturnType<typeof testApp>, session: TestSession) => session.renew()],
  [
    "a changed password",
    ({ psession }: ReturnType<typeof testApp>, session: TestSession) =>
      psession.passwordChanged("ada", { keep: session }),
  ],
])("%s in a request that is no use puts off nothing", async (_, renew) => {
  const app = testApp();
  const ada = new TestBrowser(app);
  await ada.visit((session) => session.login("ada", { remember: true }));
  const ends = async () => {
    const { now: _, ...times } = (await ada.visit((session) => session.endsAt(), { passive: true })).result;
    return times;
  };
  const before = await ends();
  app.clock.advance(HOUR);
  await ada.visit(async (session) => void (await renew(app, session)), { passive: true });
  expect(await ends()).toEqual(before);
});

test("when a session ends is known without putting it off, and extended on request", async () => {
  const app = testApp();
  const ada = new TestBrowser(app);
  const start = app.clock.now();
  await ada.visit((session) => session.login("ada", { remember: true }));
  const ends = async () =>
    (
      await ada.visit((session) => {
        session.bePassive();
        return session.endsAt();
      })
    ).result;
  const first = { idle: start + 2 * HOUR, absolute: start + DAY, remembered: start + 14 * DAY };
  expect(await ends()).toEqual({ ...first, now: start });
  app.clock.advance(30_000);
  expect(await ends()).toEqual({ ...first, now: start + 30_000 });
  await ada.visit(async (session) => {
    session.extend();
    expect((await session.endsAt()).idle).toBe(first.idle + 30_000);
  });
  expect(await ends()).toMatchObject({ idle: first.idle + 30_000, absolute: first.absolute });
});

test("an extension that races with a revocation brings nothing back", async () => {
  const app = testApp();
  const ada = new TestBrowser(app);
  await ada.visit((session) => session.login("ada"));
  const visit = await ada.open();
  visit.session.extend();
  await app.psession.revokeUser("ada");
  await visit.answer();
  expect(await signedIn(ada)).toBe(false);
  expect(await app.psession.devices("ada")).toEqual([]);
});

test("who is not signed in has nothing to extend", async () => {
  await new TestBrowser(testApp()).visit(async (session) => {
    expect(() => session.extend()).toThrow(expect.objectContaining({ code: "not_signed_in" }));
    await expect(session.endsAt()).rejects.toMatchObject({ code: "not_signed_in" });
  });
});
