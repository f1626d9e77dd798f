import { expect, test } from "vitest";
import { memoryStore, PsessionError } from "../../src/index.ts";
import { type OpenVisit, TestBrowser, type TestSession, testApp } from "../support/app.ts";
import { intercepted } from "../support/stores.ts";

/** A planted anonymous session, the user's private one elsewhere, and a store that fails when it is told to. */
async function setUp(options = {}) {
  const down = { calls: new Set<string>() };
  const store = intercepted(memoryStore(), async (name, call) => {
    if (down.calls.has(name)) throw new PsessionError("store_unavailable", "down");
    return call();
  });
  const app = testApp({ store, ...options });
  const phone = new TestBrowser(app, "Phone");
  await phone.visit(async (session) => {
    await session.login("ada");
    session.set({ address: "Kramgasse 1", cart: ["secret"] });
  });
  const browser = new TestBrowser(app);
  await browser.visit((session) => {
    session.set({ cart: ["tea"], name: "guest" });
    session.temp.set("code", "1", "1m");
    session.flash.set("notice", "Hello.");
  });
  const planted = new TestBrowser(app);
  planted.jar = browser.copyJar();
  return { app, store, browser, planted, down };
}

const PLANTED = { cart: ["tea"], name: "guest" };

const merge = { carry: (present: object, previous: object | undefined) => ({ ...present, ...previous }) };

/** What a handler does whose changes must not outlive a failure. */
const WAYS: Record<string, (session: TestSession) => unknown> = {
  "a sign-in that merges": (session) => session.login("ada", merge),
  "a sign-in that changes what it is given": (session) =>
    session.login("ada", {
      carry: (present, previous) => {
        present.cart?.push(...(previous?.cart ?? []));
        return present;
      },
    }),
  "a sign-in that carries nothing": (session) => session.login("ada", { carry: "none" }),
  "a sign-in that carries some keys": (session) => session.login("ada", { carry: ["name"] }),
  "a sign-in that carries all": (session) => session.login("ada"),
  "a remembered sign-in": (session) => session.login("ada", { ...merge, remember: true }),
  "two sign-ins": async (session) => {
    await session.login("bob", { carry: "none" });
    await session.login("ada", merge);
  },
  "a session begun with nothing, then a sign-in": async (session) => {
    await session.regenerate({ keep: "none" });
    await session.login("ada", merge);
  },
  "a session begun with some keys": (session) => session.regenerate({ keep: ["name"] }),
  "a session begun with nothing": (session) => session.regenerate({ keep: "none" }),
};

const FAILURES: Record<string, (visit: OpenVisit) => Promise<unknown>> = {
  save: ({ session }) => session.save(),
  update: ({ session }) => session.update((data) => Object.assign(data, { count: 1 })),
  "a message": ({ session }) => {
    session.flash.set("own", "Welcome.");
    return session.flash.get("own");
  },
  "the answer": ({ answer }) => answer(),
};

for (const [what, begin] of Object.entries(WAYS)) {
  for (const [how, fail] of Object.entries(FAILURES)) {
    test(`${what}: when ${how} fails, it is taken back whole`, async () => {
      const { browser, planted, down } = await setUp();
      const visit = await browser.open();
      const held = visit.session.data;
      await begin(visit.session);
      visit.session.set("email", "ada@example.com");
      visit.session.temp.set("private", "ada", "1m");
      down.calls.add("apply");
      await expect(fail(visit)).rejects.toMatchObject({ code: "store_unavailable" });
      down.calls.clear();

      expect([visit.session.data, held, visit.session.userId]).toEqual([PLANTED, PLANTED, undefined]);
      expect(visit.session.temp.keys()).toEqual(["code"]);
      // The error page is stored.
      visit.session.set("error", "Try again.");
      await visit.answer();
      const { session } = await planted.visit();
      expect(session.data).toEqual({ ...PLANTED, error: "Try again." });
      expect([session.isSignedIn, session.temp.keys(), session.flash.keys()]).toEqual([
        false,
        ["code"],
        ["notice"],
      ]);
      expect((await browser.visit()).session.data).toEqual({ ...PLANTED, error: "Try again." });
    });
  }
}

test("what the visitor changed before is kept, and stored", async () => {
  const { browser, planted, down } = await setUp();
  const visit = await browser.open();
  visit.session.push("cart", "milk");
  await visit.session.login("ada", merge);
  down.calls.add("apply");
  await expect(visit.session.save()).rejects.toThrow("down");
  down.calls.clear();
  await visit.answer();
  expect((await planted.visit()).session.data).toEqual({ ...PLANTED, cart: ["tea", "milk"] });
});

test("what others stored meanwhile is not undone", async () => {
  const { browser, planted, store, down } = await setUp();
  const visit = await browser.open();
  visit.session.set("mine", 1);
  await visit.session.login("ada", merge);
  await planted.visit((session) => session.set({ theirs: 1, name: "changed" }));
  down.calls.add("findSession");
  await expect(visit.session.save()).rejects.toThrow("down");
  down.calls.clear();
  await visit.answer();
  const row = await store.findSession(visit.session.id);
  expect(JSON.parse(row?.data ?? "")).toMatchObject({ mine: 1, theirs: 1, name: "changed", cart: ["tea"] });
  expect(row?.data).not.toContain("Kramgasse");
});

test("a sign-in that could be tried again in the same request works, whole", async () => {
  const { browser, planted, down } = await setUp();
  await browser.visit(async (session) => {
    await session.login("ada", merge);
    down.calls.add("apply");
    await expect(session.save()).rejects.toThrow("down");
    down.calls.clear();
    await session.login("ada", merge);
    await session.save();
  });
  const { session } = await browser.visit();
  expect(session.userId).toBe("ada");
  expect(session.data).toEqual({ address: "Kramgasse 1", cart: ["secret"], name: "guest" });
  expect((await planted.visit()).session.isSignedIn).toBe(false);
});

test("a sign-in after signing out: the sign-out stays", async () => {
  for (const how of ["save", "the answer"]) {
    const { app, down } = await setUp();
    const browser = new TestBrowser(app);
    await browser.visit(async (session) => {
      await session.login("bob");
      session.set("bobs", 1);
    });
    const visit = await browser.open();
    await visit.session.logout();
    visit.session.set("farewell", "Bye.");
    await visit.session.login("ada", merge);
    down.calls.add("apply");
    await expect(FAILURES[how]?.(visit)).rejects.toThrow("down");
    down.calls.clear();
    expect(visit.session.data).toEqual({ farewell: "Bye." });
    await visit.answer();
    expect(app.told()).toContain("logout");
    const { session } = await browser.visit();
    expect([session.userId, session.data]).toEqual([undefined, { farewell: "Bye." }]);
  }
});

test("a carry that throws, or gives no data, changes nothing", async () => {
  const strange = [
    (present: Record<string, unknown>) => {
      Object.assign(present, { address: "Kramgasse 1", cart: [] });
      throw new Error("merge failed");
    },
    async () => ({ address: "Kramgasse 1" }),
    () => undefined,
    () => null,
    () => ["address"],
    () => "address",
    () => JSON.parse('{"__proto__":{"admin":true},"address":"Kramgasse 1"}'),
  ];
  for (const carry of strange) {
    const { browser, planted } = await setUp();
    await browser.visit(async (session) => {
      await expect(session.login("ada", { carry: carry as never })).rejects.toThrow(
        /merge failed|at once|__proto__/,
      );
      expect([session.data, session.userId]).toEqual([PLANTED, undefined]);
    });
    const { session } = await planted.visit();
    expect([session.data, session.temp.keys(), session.isSignedIn]).toEqual([PLANTED, ["code"], false]);
  }
});

test("a store that cannot be read while signing in changes nothing", async () => {
  const { browser, planted, down } = await setUp();
  down.calls.add("list");
  await browser.visit((session) => expect(session.login("ada", merge)).rejects.toThrow("down"));
  expect((await planted.visit()).session).toMatchObject({ data: PLANTED, isSignedIn: false });
});

test("a sign-in that is refused for want of room changes nothing, nor what was asked for before", async () => {
  const { app, down } = await setUp({ devices: { max: 1, overflow: "refuse" } });
  for (const fails of [false, true]) {
    const browser = new TestBrowser(app);
    await browser.visit((session) => session.set(PLANTED));
    const planted = browser.copyJar();
    const visit = await browser.open();
    await visit.session.regenerate();
    if (fails) down.calls.add("apply");
    const signIn = visit.session.login("ada", merge);
    if (fails) await expect(signIn).rejects.toThrow("down");
    else expect(await signIn).toBe("too_many_devices");
    down.calls.clear();
    await visit.answer();
    expect(browser.copyJar()).not.toEqual(planted);
    expect((await browser.visit()).session).toMatchObject({ data: PLANTED, isSignedIn: false });
  }
});

test("an update whose function throws undoes itself, and leaves the sign-in as it was asked for", async () => {
  const { browser } = await setUp();
  await browser.visit(async (session) => {
    await session.login("ada", merge);
    const update = session.update((data) => {
      data.count = 1;
      throw new Error("not now");
    });
    await expect(update).rejects.toThrow("not now");
  });
  const { session } = await browser.visit();
  expect([session.userId, session.get("address"), session.get("count")]).toEqual([
    "ada",
    "Kramgasse 1",
    undefined,
  ]);
});

test("an answer that can carry no cookie stores nothing of a sign-in", async () => {
  const { browser, planted } = await setUp();
  const visit = await browser.open({ canSetCookies: false });
  await visit.session.login("ada", merge);
  await expect(visit.answer()).rejects.toMatchObject({ code: "headers_already_sent" });
  await visit.answer();
  expect((await planted.visit()).session.data).toEqual(PLANTED);
});

test("where the session was ended meanwhile, nothing of it comes back", async () => {
  const { app, browser, down } = await setUp();
  const visit = await browser.open();
  await visit.session.login("ada", merge);
  await app.psession.revoke(visit.session.id);
  let calls = 0;
  down.calls = { has: (name: string) => name === "apply" && ++calls === 2 } as Set<string>;
  await expect(visit.session.save()).rejects.toThrow("down");
  down.calls = new Set();
  visit.session.set("later", 1);
  await visit.answer();
  expect((await browser.visit()).session).toMatchObject({ data: {}, isSignedIn: false });
});
