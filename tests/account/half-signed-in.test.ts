import { expect, test } from "vitest";
import { runInRequest } from "../../src/request/context.ts";
import { REMEMBER, SESSION, TestBrowser, type TestSession, testApp } from "../support/app.ts";

const MINUTE = 60_000;

test("after the first factor nobody is signed in, and after the second the user is, as if at once", async () => {
  const app = testApp();
  const ada = new TestBrowser(app);
  await ada.visit((session) => session.set("cart", ["tea"]));
  const start = app.clock.now();
  await ada.visit((session) => session.begin("ada", { method: "password", remember: true }));
  app.clock.advance(MINUTE);
  await ada.visit((session) => {
    expect([session.userId, session.isSignedIn, session.level]).toEqual([undefined, false, "anonymous"]);
    expect(session.pending).toMatchObject({ userId: "ada", until: start + 5 * MINUTE, remember: true });
  });
  await ada.visit((session) => session.complete({ method: "otp" }));
  expect(ada.jar.has(REMEMBER)).toBe(true);
  await ada.visit((session) => {
    expect([session.userId, session.level, session.pending]).toEqual(["ada", "login", undefined]);
    expect(session.authenticatedAt).toBe(start);
    expect(session.proofs.map(({ method }) => method)).toEqual(["otp", "password"]);
    expect(session.data.cart).toEqual(["tea"]);
  });
  expect(app.told()).toEqual(["created", "signInBegun", "login"]);
});

test("the session has another secret after each step, and an earlier one gets nothing", async () => {
  const app = testApp();
  const ada = new TestBrowser(app);
  await ada.visit((session) => session.set("cart", ["tea"]));
  const planted = ada.copyJar();
  await ada.visit((session) => session.begin("ada"));
  const half = ada.copyJar();
  for (const jar of [planted]) {
    const thief = new TestBrowser(app);
    await thief.visit(
      (session) => {
        expect([session.pending, session.get("cart")]).toEqual([undefined, undefined]);
      },
      { jar },
    );
  }
  await ada.visit((session) => session.complete());
  for (const jar of [planted, half]) {
    await new TestBrowser(app).visit(
      async (session) => {
        expect([session.userId, session.pending]).toEqual([undefined, undefined]);
        await expect(session.complete()).rejects.toMatchObject({ code: "nothing_pending", status: 401 });
      },
      { jar },
    );
  }
  expect(new Set([planted, half, ada.jar].map((jar) => jar.get(SESSION)?.value)).size).toBe(3);
});

test("it ends with its time, to the millisecond", async () => {
  const app = testApp();
  const ada = new TestBrowser(app);
  await ada.visit((session) => session.begin("ada", { for: "2m" }));
  app.clock.advance(2 * MINUTE - 1);
  expect((await ada.visit((session) => session.pending?.userId)).result).toBe("ada");
  app.clock.advance(1);
  await ada.visit(async (session) => {
    expect(session.pending).toBeUndefined();
    await expect(session.complete({ method: "otp" })).rejects.toMatchObject({ code: "nothing_pending" });
    expect(session.userId).toBeUndefined();
  });
});

test.each([
  ["a changed password", (app: ReturnType<typeof testApp>) => app.psession.passwordChanged("ada")],
  ["a revoked user", (app: ReturnType<typeof testApp>) => app.psession.revokeUser("ada")],
  ["everyone's end", (app: ReturnType<typeof testApp>) => app.psession.revokeEveryone()],
])("%s ends it: the second factor signs nobody in", async (_, end) => {
  const app = testApp();
  const ada = new TestBrowser(app);
  await ada.visit((session) => session.begin("ada"));
  app.clock.advance(1000);
  const visit = await ada.open();
  await end(app);
  app.clock.advance(1000);
  const failing = async () => {
    await visit.session.complete({ method: "otp" });
    await visit.answer();
  };
  await expect(failing()).rejects.toMatchObject({ status: 401 });
  expect((await ada.visit((session) => session.userId)).result).toBeUndefined();
  await expect(ada.visit((session) => session.complete({ method: "otp" }))).rejects.toMatchObject({
    status: 401,
  });
});

test("another beginning takes its place, of another user as well", async () => {
  const app = testApp();
  const ada = new TestBrowser(app);
  await ada.visit((session) => session.begin("ada", { method: "password" }));
  const slow = await ada.open();
  await ada.visit((session) => session.begin("bob", { method: "link" }));
  await slow.session.complete();
  await expect(slow.answer()).rejects.toMatchObject({ code: "nothing_pending" });
  await ada.visit((session) => session.complete());
  await ada.visit((session) => {
    expect([session.userId, session.proofs.map(({ method }) => method)]).toEqual(["bob", ["link"]]);
  });
});

test("of two second steps at once one signs in, and the other is refused", async () => {
  const app = testApp();
  const ada = new TestBrowser(app);
  await ada.visit((session) => session.begin("ada"));
  const [one, other] = [await ada.open(), await ada.open()];
  await one.session.complete({ method: "otp" });
  await other.session.complete({ method: "otp" });
  await one.answer();
  await expect(other.answer()).rejects.toMatchObject({ code: "nothing_pending", status: 401 });
  expect((await ada.visit((session) => session.userId)).result).toBe("ada");
  expect(await app.psession.devices("ada")).toHaveLength(1);
});

test("a save beside the second step fails neither", async () => {
  const app = testApp();
  const ada = new TestBrowser(app);
  await ada.visit((session) => session.begin("ada"));
  const slow = await ada.open();
  await ada.visit((session) => session.set("cart", ["tea"]));
  await slow.session.complete();
  await slow.answer();
  expect((await ada.visit((session) => [session.userId, session.data.cart])).result).toEqual([
    "ada",
    ["tea"],
  ]);
});

test("whoever was signed in on the session no longer is, and comes back by the cookie if nothing follows", async () => {
  const app = testApp();
  const ada = new TestBrowser(app);
  await ada.visit(async (session) => {
    await session.login("ada", { remember: true });
    session.set("name", "Ada");
  });
  app.clock.advance(10 * MINUTE);
  await ada.visit((session) => session.begin("bob"));
  await ada.visit((session) => {
    expect([session.userId, session.pending?.userId]).toEqual([undefined, "bob"]);
    expect(session.data.name, "another user's data").toBeUndefined();
  });
  app.clock.advance(6 * MINUTE);
  expect((await ada.visit((session) => [session.userId, session.level])).result).toEqual([
    "ada",
    "remembered",
  ]);
  expect(app.told()).not.toContain("theft");
});

test("a remembered visitor who begins again and gives up has the cart that was left, and what came since", async () => {
  const app = testApp();
  const ada = new TestBrowser(app);
  await ada.visit(async (session) => {
    await session.login("ada", { remember: true });
    session.set("cart", ["tea"]);
  });
  app.clock.advance(5 * MINUTE);
  ada.restart();
  await ada.visit();
  app.clock.advance(5 * MINUTE);
  await ada.visit();
  await ada.visit((session) => session.begin("ada"));
  await ada.visit((session) => session.push("cart", "milk"));
  app.clock.advance(6 * MINUTE);
  for (let visit = 0; visit < 2; visit++) {
    const { session } = await ada.visit();
    expect([session.level, session.get("cart")]).toEqual(["remembered", ["tea", "milk"]]);
    ada.restart();
    app.clock.advance(10 * MINUTE);
  }
});

test("who gives up a sign-in as somebody else gets nothing of that one's back", async () => {
  const app = testApp();
  const ada = new TestBrowser(app);
  await ada.visit((session) => session.login("ada", { remember: true }));
  app.clock.advance(5 * MINUTE);
  await ada.visit((session) => session.begin("bob"));
  await ada.visit((session) => session.push("cart", "bob's"));
  app.clock.advance(6 * MINUTE);
  const { session } = await ada.visit();
  expect([session.userId, session.get("cart")]).toEqual(["ada", undefined]);
});

test("a remembered visitor who begins again and completes is signed in, and the old login ends", async () => {
  const app = testApp();
  const ada = new TestBrowser(app);
  await ada.visit((session) => session.login("ada", { remember: true }));
  ada.restart();
  app.clock.advance(60 * MINUTE);
  await ada.visit((session) => session.begin("ada", { method: "password", remember: true }));
  expect((await ada.visit((session) => session.pending?.userId)).result).toBe("ada");
  await ada.visit((session) => session.complete({ method: "otp" }));
  expect(await app.psession.devices("ada")).toHaveLength(1);
  ada.restart();
  app.clock.advance(60 * MINUTE);
  expect((await ada.visit((session) => [session.userId, session.level])).result).toEqual([
    "ada",
    "remembered",
  ]);
  expect(app.told()).not.toContain("theft");
});

test("where the session cannot be used, a new one waits for the second step", async () => {
  const app = testApp();
  const ada = new TestBrowser(app);
  const facts = { crossSite: true, safe: false, jar: new Map() };
  const { setCookie } = await ada.visit((session) => session.begin("ada"), facts);
  expect(setCookie).toHaveLength(1);
  expect((await ada.visit((session) => session.pending?.userId)).result).toBe("ada");
});

test("the tick is kept across the step, with its own life, and the second step may say otherwise", async () => {
  const app = testApp();
  const lived = async (remember: boolean | { for: "7d" }, options = {}) => {
    const ada = new TestBrowser(app);
    await ada.visit((session) => session.begin("ada", { remember }));
    await ada.visit((session) => session.complete(options));
    return (await ada.visit((session) => session.endsAt())).result.remembered;
  };
  const now = app.clock.now();
  expect(await lived({ for: "7d" })).toBe(now + 7 * 24 * 60 * MINUTE);
  expect(await lived(true)).toBe(now + 14 * 24 * 60 * MINUTE);
  expect(await lived(false)).toBeUndefined();
  expect(await lived(true, { remember: false })).toBeUndefined();
});

test("in the request that began it may be completed as well: a browser that is trusted", async () => {
  const app = testApp();
  const ada = new TestBrowser(app);
  await ada.visit(async (session) => {
    await session.begin("ada", { method: "password" });
    await session.complete();
  });
  expect((await ada.visit((session) => session.userId)).result).toBe("ada");
});

test("a sign-in by another proof stands on that alone, whatever had begun before", async () => {
  const app = testApp();
  const ada = new TestBrowser(app);
  await ada.visit((session) => session.begin("ada", { method: "password", remember: true }));
  app.clock.advance(1000);
  await app.psession.passwordChanged("ada");
  app.clock.advance(1000);
  await ada.visit((session) => session.login("ada", { method: "link" }));
  await ada.visit((session) => {
    expect([session.userId, session.pending]).toEqual(["ada", undefined]);
    expect(session.proofs.map(({ method }) => method)).toEqual(["link"]);
  });
  expect(ada.jar.has(REMEMBER)).toBe(false);
});

test("a reset by link asks for the second factor as well, in the request after the change", async () => {
  const app = testApp();
  const ada = new TestBrowser(app);
  const request = {};
  await ada.visit(
    (session) =>
      runInRequest(request, async () => {
        await app.psession.passwordChanged("ada");
        await session.begin("ada", { method: "link" });
      }),
    { request },
  );
  app.clock.advance(1);
  await ada.visit((session) => session.complete({ method: "otp" }));
  expect((await ada.visit((session) => session.userId)).result).toBe("ada");
});

test("a logout gives it up", async () => {
  const app = testApp();
  const ada = new TestBrowser(app);
  await ada.visit((session) => session.begin("ada"));
  await ada.visit((session) => session.logout());
  expect((await ada.visit((session) => session.pending)).result).toBeUndefined();
  expect(ada.jar.has(SESSION)).toBe(false);
});

test.each([0, -1, "2h", "soon", null, {}, Number.NaN])("for: %j is refused", async (time) => {
  await new TestBrowser(testApp()).visit(async (session) => {
    await expect(session.begin("ada", { for: time as number })).rejects.toMatchObject({
      code: "invalid_options",
    });
    expect(session.pending).toBeUndefined();
  });
});

test("user ids of every kind wait as they are", async () => {
  for (const id of [7, "7", "a;b", 'x"y', "ä".repeat(200), "1;2;3;"]) {
    const app = testApp();
    const browser = new TestBrowser(app);
    await browser.visit((session) => session.begin(id));
    await browser.visit((session) => session.complete());
    expect((await browser.visit((session) => session.userId)).result).toBe(id);
  }
});

test("tokens and states for the second step are good there, those from before the first are not", async () => {
  const ada = new TestBrowser(testApp());
  const tokens = (session: TestSession) => ({ token: session.csrfToken(), state: session.newState() });
  const { result: before } = await ada.visit(tokens);
  const { result: between } = await ada.visit(async (session) => {
    await session.begin("ada");
    return tokens(session);
  });
  await ada.visit(async (session) => {
    const good = [session.isCsrfToken(between.token), await session.takeState(between.state)];
    const old = [session.isCsrfToken(before.token), await session.takeState(before.state)];
    expect([good, old]).toEqual([
      [true, true],
      [false, false],
    ]);
    await session.complete();
    expect(session.isCsrfToken(between.token)).toBe(false);
  });
});

test("whoever signs in anew while a second step waits needs none of it: neither its time nor its turn", async () => {
  const app = testApp();
  const ada = new TestBrowser(app);
  await ada.visit((session) => session.begin("ada", { method: "password" }));
  app.clock.advance(1000);
  await app.psession.passwordChanged("ada");
  app.clock.advance(1000);
  await ada.visit((session) => session.login("ada", { method: "passkey" }));
  await ada.visit((session) => {
    expect([session.userId, session.proofs.map(({ method }) => method)]).toEqual(["ada", ["passkey"]]);
  });

  const other = new TestBrowser(app);
  await other.visit((session) => session.begin("ada"));
  const slow = await other.open();
  await other.visit((session) => session.begin("ada"));
  await slow.session.login("ada", { method: "passkey" });
  await slow.answer();
  expect((await other.visit((session) => session.userId)).result).toBe("ada");
});

test("a sign-in that was under way on a planted session does not get what waits on it now", async () => {
  for (const way of ["begin", "login"] as const) {
    const app = testApp();
    const ada = new TestBrowser(app);
    await ada.visit((session) => session.set("cart", ["tea"]));
    const thief = new TestBrowser(app);
    thief.jar = ada.copyJar();
    const slow = await thief.open();
    await ada.visit((session) => session.begin("ada"));
    await ada.visit((session) => session.set("name", "the code of Ada's mail"));
    await slow.session[way]("mallory");
    await slow.answer();
    expect((await thief.visit((session) => session.get("name"))).result).toBeUndefined();
    expect((await ada.visit((session) => session.complete())).result).toBe("signed_in");
  }
});

test.each(["begin", "login"] as const)(
  "what %s does not take over from another user cannot be read again",
  async (how) => {
    const app = testApp();
    const browser = new TestBrowser(app);
    await browser.visit(async (session) => {
      await session.login("ada");
      session.set("cart", ["of Ada"]);
    });
    await browser.visit(async (session) => {
      await session[how]("bob");
      await expect(session.reload()).rejects.toMatchObject({ code: "session_ended", status: 409 });
      expect(session.data).toEqual({});
    });
    if (how === "begin") await browser.visit((session) => session.complete());
    expect((await browser.visit((session) => [session.userId, session.data])).result).toEqual(["bob", {}]);
  },
);
