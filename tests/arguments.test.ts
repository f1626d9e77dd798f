import { describe, expect, onTestFinished, test, vi } from "vitest";
import { factsOf, memoryStore } from "../src/index.ts";
import { sqliteStore } from "../src/stores/sqlite/index.ts";
import { intercepted } from "../src/testing/intercepted.ts";
import { type TestApp, TestBrowser, type TestSession, testApp } from "./support/app.ts";

/** Text that one driver cuts, another replaces, and a third refuses. */
const UNFIT = ["a\0b", "a\ud800", "\udc00a", "a\nb", "a\u0085b"];
const NO_TEXT = [null, 7, { handle: "x" }, ["x"]];

interface Call {
  readonly make: (psession: TestApp["psession"], session: TestSession, given: never) => unknown;
  readonly code?: string;
  /** These mean a default, or none. */
  readonly allowed?: readonly unknown[];
  readonly longest?: number;
}

const CALLS: Record<string, Call> = {
  "psession.lock": { make: (psession, _, name) => psession.lock(name), longest: 128 },
  "psession.devices": {
    make: (psession, _, id) => psession.devices(id),
    code: "invalid_user_id",
    longest: 255,
  },
  "psession.revoke": { make: (psession, _, handle) => psession.revoke(handle) },
  "psession.revoke, its reason": {
    make: (psession, session, reason) => psession.revoke(session.handle, reason),
    allowed: [undefined],
    longest: 255,
  },
  "psession.revokeUser": {
    make: (psession, _, id) => psession.revokeUser(id),
    code: "invalid_user_id",
    longest: 255,
  },
  "psession.revokeUser, its reason": {
    make: (psession, _, reason) => psession.revokeUser("ada", reason),
    allowed: [undefined],
    longest: 255,
  },
  "psession.revokeEveryone, its reason": {
    make: (psession, _, reason) => psession.revokeEveryone(reason),
    allowed: [undefined],
    longest: 255,
  },
  "psession.passwordChanged": {
    make: (psession, _, id) => psession.passwordChanged(id),
    code: "invalid_user_id",
    longest: 255,
  },
  "psession.passwordChanged, its factor": {
    make: (psession, _, factor) => psession.passwordChanged("ada", { factor }),
    allowed: [undefined],
    longest: 255,
  },
  "psession.auditTrail": {
    make: (psession, _, userId) => psession.auditTrail({ userId }),
    code: "invalid_user_id",
    allowed: [undefined],
    longest: 255,
  },
  "psession.why": { make: (psession, _, handle) => psession.why({ handle }), longest: 255 },
  "session.login": { make: (_, session, id) => session.login(id), code: "invalid_user_id", longest: 255 },
  "session.login, its tag": {
    make: (_, session, tag) => session.login("ada", { tag }),
    allowed: [undefined],
    longest: 50,
  },
  "session.revoke": { make: (_, session, handle) => session.revoke(handle) },
  "session.nameDevice": { make: (_, session, handle) => session.nameDevice(handle, "TV") },
  "session.nameDevice, its name": {
    make: (_, session, name) => session.nameDevice(session.handle, name),
    code: "invalid_name",
    allowed: [undefined, ""],
    longest: 100,
  },
};

describe.each(Object.entries(CALLS))("%s", (_, { make, code = "invalid_options", allowed = [], longest }) => {
  const isNumberFine = code === "invalid_user_id";
  const given = [...UNFIT, ...NO_TEXT, undefined, ""].filter(
    (value) => !allowed.includes(value) && !(isNumberFine && value === 7),
  );
  if (longest !== undefined) given.push("x".repeat(longest + 1));

  test.each(given)("refuses %j before the store is asked", async (value) => {
    const asked: string[] = [];
    const store = intercepted(memoryStore({ audit: true }), (name, call) => {
      asked.push(name);
      return call();
    });
    const app = testApp({ store });
    const { psession } = app;
    const browser = new TestBrowser(app);
    await browser.visit((session) => session.login("ada"));
    await browser.visit(async (session) => {
      asked.length = 0;
      await expect((async () => make(psession, session, value as never))()).rejects.toMatchObject({ code });
      expect(asked).toEqual([]);
    });
    expect(await psession.devices("ada")).toHaveLength(1);
  });
});

test("an impossible handle counts as not found, and costs no store call", async () => {
  const asked: string[] = [];
  const store = intercepted(memoryStore(), (name, call) => {
    asked.push(name);
    return call();
  });
  const app = testApp({ store });
  const browser = new TestBrowser(app);
  await browser.visit((session) => session.login("ada"));
  await browser.visit(async (session) => {
    asked.length = 0;
    const { handle } = session;
    for (const given of ["x", `${handle} `, ` ${handle}`, `${handle.slice(0, -1)}\u00e9`, "..", "%00"]) {
      expect(await session.revoke(given)).toBe(false);
      expect(await session.nameDevice(given, "TV")).toBe(false);
      expect(await app.psession.revoke(given)).toBe(false);
    }
    expect(asked).toEqual([]);
  });
  expect(await app.psession.devices("ada")).toHaveLength(1);
});

test("a requested lifetime is cut to what a session may have, in a store that has no larger numbers", async () => {
  const store = sqliteStore({ path: ":memory:" });
  const { psession, clock } = testApp({ store });
  const facts = factsOf(() => undefined, { method: "GET", secure: true, address: "192.0.2.7" });
  const exchange = psession.exchange({ ...facts, arrivedAt: clock.now() });
  const session = await exchange.open();
  await session.login("ada");
  exchange.live({ idle: Number.MAX_SAFE_INTEGER, maxAge: Number.MAX_SAFE_INTEGER, resend: true });
  await exchange.commit();
  const row = await store.findSession(session.id);
  expect(row?.idleDeadline).toBe(row?.absoluteDeadline);
  expect(await psession.revokeUser("ada")).toBe(1);
});

test("no option takes a duration that leads past the last valid date", () => {
  const session = { idle: "1d", absolute: Number.MAX_SAFE_INTEGER } as const;
  expect(() => testApp({ session })).toThrow("session.absolute must be at most a hundred years");
  testApp({ session: { ...session, absolute: 100 * 365 * 86_400_000 } });
});

/** Promises of other libraries are not of Node's class. */
// biome-ignore lint/suspicious/noThenProperty: being awaited is what it is for.
const FOREIGN = { then: (done: (value: number) => void) => done(1) };

/** A call that is wrong, and what says so; the signed-in user keeps both devices. */
const WRONG: Readonly<Record<string, readonly [(app: TestApp, session: TestSession) => unknown, string]>> = {
  "passwordChanged: no options": [
    ({ psession }) => psession.passwordChanged("ada", null as never),
    "invalid_options",
  ],
  "passwordChanged: the session itself": [
    ({ psession }, keep) => psession.passwordChanged("ada", keep as never),
    "invalid_options",
  ],
  "passwordChanged: a Map": [
    ({ psession }) => psession.passwordChanged("ada", new Map() as never),
    "invalid_options",
  ],
  "passwordChanged: a promise": [
    ({ psession }) => psession.passwordChanged("ada", Promise.resolve({}) as never),
    "invalid_options",
  ],
  "passwordChanged: misspelt": [
    ({ psession }, keep) => psession.passwordChanged("ada", { keeps: keep } as never),
    "invalid_options",
  ],
  "passwordChanged: what looks like a session": [
    ({ psession }, { id, handle, userId }) =>
      psession.passwordChanged("ada", { keep: { id, handle, userId, anchor: id } as never }),
    "invalid_options",
  ],
  "passwordChanged: null for a session": [
    ({ psession }) => psession.passwordChanged("ada", { keep: null as never }),
    "invalid_options",
  ],
  "revokeOthers: no session": [
    ({ psession }) => psession.revokeOthers(undefined as never),
    "invalid_options",
  ],
  "revokeOthers: what looks like one": [
    ({ psession }) => psession.revokeOthers({ userId: "ada" } as never),
    "invalid_options",
  ],
  "devices: null for a session": [
    ({ psession }) => psession.devices("ada", null as never),
    "invalid_options",
  ],
  "on: no listener": [({ psession }) => psession.on("login", undefined as never), "invalid_options"],
  "on: a bigint": [({ psession }) => psession.on(7n as never, () => {}), "invalid_options"],
  "on: what cannot be written": [
    ({ psession }) => psession.on({ toJSON: () => fail() } as never, () => {}),
    "invalid_options",
  ],
  "login: no options": [(_, session) => session.login("ada", null as never), "invalid_options"],
  "login: misspelt": [(_, session) => session.login("ada", { carries: "none" } as never), "invalid_options"],
  ...Object.fromEntries(
    ["on", "off", "true", "", 1, null, ["on"]].map((remember) => [
      `login: remember is ${JSON.stringify(remember)}`,
      [
        (_: unknown, session: TestSession) => session.login("ada", { remember: remember as never }),
        "invalid_options",
      ],
    ]),
  ),
  "login: a tick": [(_, session) => session.login("ada", true as never), "invalid_options"],
  "login: remember by another name": [
    (_, session) => session.login("ada", { rememberMe: true } as never),
    "invalid_options",
  ],
  "login: carry is another word": [
    (_, session) => session.login("ada", { carry: "some" as never }),
    "invalid_options",
  ],
  "login: carry is a Set": [
    (_, session) => session.login("ada", { carry: new Set(["cart"]) as never }),
    "invalid_options",
  ],
  "login: carry names no text": [
    (_, session) => session.login("ada", { carry: [Symbol("cart")] as never }),
    "invalid_options",
  ],
  "login: carry gives a Map": [
    (_, session) => session.login("ada", { carry: () => new Map([["cart", ["tea"]]]) as never }),
    "invalid_data",
  ],
  "login: carry rejects": [
    (_, session) => session.login("ada", { carry: (async () => fail()) as never }),
    "invalid_data",
  ],
  "login: previous is none": [
    (_, session) => session.login("ada", { previous: { data: 7 } as never }),
    "invalid_options",
  ],
  "reauthenticate: a time": [(_, session) => session.reauthenticate(Date.now() as never), "invalid_options"],
  "reauthenticate: misspelt": [
    (_, session) => session.reauthenticate({ provenAt: 1 } as never),
    "invalid_options",
  ],
  "regenerate: no options": [(_, session) => session.regenerate(null as never), "invalid_options"],
  "regenerate: another word": [
    (_, session) => session.regenerate({ keep: "some" as never }),
    "invalid_options",
  ],
  "regenerate: null": [(_, session) => session.regenerate({ keep: null as never }), "invalid_options"],
  "isFresh: nothing": [(_, session) => session.isFresh(undefined as never), "invalid_options"],
  "onEnd: no listener": [(_, session) => session.onEnd({} as never), "invalid_options"],
  "update: no function": [(_, session) => session.update({ count: 1 } as never), "invalid_options"],
  "update: rejects": [(_, session) => session.update(async () => fail()), "invalid_data"],
  "update: a promise of another library": [(_, session) => session.update(() => FOREIGN), "invalid_data"],
  "set: nothing": [(_, session) => session.set(null as never), "invalid_data"],
  "set: a number": [(_, session) => session.set(7 as never), "invalid_data"],
  "set: a Map": [(_, session) => session.set(new Map([["count", 1]]) as never), "invalid_data"],
  "set: a Date": [(_, session) => session.set(new Date() as never), "invalid_data"],
  "set: a promise": [(_, session) => session.set(Promise.resolve({ count: 1 }) as never), "invalid_data"],
  "get: a number": [(_, session) => session.get(7 as never), "invalid_data"],
  "has: nothing": [(_, session) => session.has(undefined as never), "invalid_data"],
  "push: what has no text": [
    (_, session) => session.push({ toString: () => fail() } as never, 1),
    "invalid_data",
  ],
  "pull: a list": [(_, session) => session.pull(["cart"] as never), "invalid_data"],
  "remove: null": [(_, session) => session.remove(null as never), "invalid_data"],
  "flash.set: a list": [(_, session) => session.flash.set(["saved"] as never), "invalid_data"],
  "flash.now: nothing": [(_, session) => session.flash.now(undefined as never, "x"), "invalid_data"],
  "flash.get: a symbol": [(_, session) => session.flash.get(Symbol("x") as never), "invalid_data"],
  "flash.keep: a number": [(_, session) => session.flash.keep(7 as never), "invalid_data"],
  "flash.mark: null": [(_, session) => session.flash.mark(null as never), "invalid_data"],
  "temp.set: a Map": [(_, session) => session.temp.set(new Map() as never, "5m"), "invalid_data"],
  "temp.get: an object": [(_, session) => session.temp.get(Object.create(null) as never), "invalid_data"],
  "temp.remove: a list": [(_, session) => session.temp.remove(["otp"] as never), "invalid_data"],
  "temp.mark: a number": [(_, session) => session.temp.mark(7 as never, "5m"), "invalid_data"],
};

test.each(Object.entries(WRONG))(
  "%s: an error that says so, and nothing is done",
  async (_, [make, code]) => {
    const app = testApp({ store: memoryStore() });
    const browser = new TestBrowser(app);
    await new TestBrowser(app).visit((session) => session.login("ada"));
    await browser.visit(async (session) => {
      await session.login("ada");
      session.set("cart", ["tea"]);
    });
    const unhandled = vi.fn();
    process.on("unhandledRejection", unhandled);
    onTestFinished(() => void process.off("unhandledRejection", unhandled));
    await browser.visit(async (session) => {
      await expect((async () => make(app, session))()).rejects.toMatchObject({ name: "PsessionError", code });
    });
    await new Promise((done) => setImmediate(done));
    expect(unhandled).not.toHaveBeenCalled();
    expect(await app.psession.devices("ada")).toHaveLength(2);
    const { session } = await browser.visit();
    expect([session.userId, session.data]).toEqual(["ada", { cart: ["tea"] }]);
  },
);

test("passwordChanged does not keep a session of another psession", async () => {
  const [customers, staff] = [testApp(), testApp()];
  const browser = new TestBrowser(customers);
  await new TestBrowser(staff).visit((session) => session.login("ada"));
  await browser.visit(async (session) => {
    await session.login("ada");
    const changed = staff.psession.passwordChanged("ada", { keep: session });
    await expect(changed).rejects.toMatchObject({ code: "invalid_options" });
  });
  expect(await staff.psession.devices("ada")).toHaveLength(1);
});

test("a message about a path repeats no more than its beginning", async () => {
  await new TestBrowser(testApp()).visit((session) => {
    for (const path of [`${"x".repeat(1e6)}.`, `cart.${"x".repeat(1e6)}`]) {
      session.set("cart", ["tea"]);
      let message = "";
      try {
        session.set(path, 1);
      } catch (error) {
        ({ message } = error as Error);
      }
      expect(message.length).toBeGreaterThan(0);
      expect(message.length).toBeLessThan(300);
    }
    session.remove("cart");
  });
});

function fail(): never {
  throw new Error("nobody may call this");
}
