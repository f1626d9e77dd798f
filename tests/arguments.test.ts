import { describe, expect, test } from "vitest";
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

test("a handle that no device can have is one that is not there, and costs no call", async () => {
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

test("a life that is asked for is cut to what a session may have, in a store that knows no larger numbers", async () => {
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

test("no duration of an option is so long that a time behind it would be none", () => {
  const session = { idle: "1d", absolute: Number.MAX_SAFE_INTEGER } as const;
  expect(() => testApp({ session })).toThrow("session.absolute must be at most a hundred years");
  testApp({ session: { ...session, absolute: 100 * 365 * 86_400_000 } });
});
