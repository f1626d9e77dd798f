import { describe, expect, test } from "vitest";
import { devalueCodec } from "../../src/data/devalue.ts";
import {
  type AuditEntry,
  createPsession,
  memoryStore,
  type PsessionOptions,
  type Store,
  type UserId,
} from "../../src/index.ts";
import { coreOf } from "../../src/psession.ts";
import { runInRequest } from "../../src/request/context.ts";
import { KEY, OLDER_KEY, TestBrowser, type TestSession, testApp } from "../support/app.ts";
import { bindKey, proveKey } from "../support/bound.ts";
import { DAY, HOUR, MINUTE, SECOND, TestClock } from "../support/clock.ts";
import { intercepted } from "../support/stores.ts";

const trailed = (options: Partial<PsessionOptions> = {}) =>
  testApp({ store: memoryStore({ audit: true }), ...options });

const storeOf = (app: ReturnType<typeof testApp>): Store => coreOf(app.psession).settings.store;

async function rowsOf(app: ReturnType<typeof testApp>, userId: UserId): Promise<number> {
  const { sessions, logins } = await storeOf(app).rowsOf(userId);
  return sessions.length + logins.length;
}

/** Everything that may be kept of ada: a named device, an ended one, trust, a sign-in that waits, and acting as bob. */
async function livedIn(app: ReturnType<typeof testApp>) {
  const [phone, laptop, old, half] = Array.from({ length: 4 }, () => new TestBrowser(app));
  if (!phone || !laptop || !old || !half) throw new Error("four browsers");
  await old.visit((session) => session.login("ada", { remember: true, tag: "tablet" }));
  await old.visit((session) => session.logout());
  await phone.visit(async (session) => {
    await session.login("ada", { remember: true, method: "password", tag: "phone" });
    session.set("cart", ["apple"]);
    session.flash.set("info", "hello");
    session.temp.set("code", 7, "1h");
    session.csrfToken();
    session.newState();
  });
  await phone.visit((session) => session.nameDevice(session.handle, "Ada's phone"));
  await phone.visit((session) => session.trust({ for: "30d" }));
  await half.visit((session) => session.begin("ada", { method: "password" }));
  await laptop.visit((session) => session.login("ada"));
  await laptop.visit((session) => session.impersonate("bob", { reason: "ticket 7" }));
  const bob = new TestBrowser(app);
  await bob.visit((session) => session.login("bob"));
  await bob.visit((session) => session.impersonate("ada", { reason: "ticket 8" }));
  return { phone, laptop, half, bob };
}

describe("a user who is erased", () => {
  test("is signed in nowhere, is named by no row and no entry, and nobody else is touched", async () => {
    const app = trailed();
    const { phone, laptop, half, bob } = await livedIn(app);
    expect(await rowsOf(app, "ada")).toBe(8);
    const erased = await app.psession.eraseUser("ada");
    expect(erased).toEqual({ sessions: 6, logins: 2, audit: expect.any(Number) });
    expect(erased.audit).toBeGreaterThan(5);
    expect(await rowsOf(app, "ada")).toBe(0);
    expect(await app.psession.devices("ada")).toEqual([]);
    for (const browser of [phone, laptop, half])
      expect((await browser.visit(({ userId, pending }) => [userId, pending])).result).toEqual([
        undefined,
        undefined,
      ]);
    expect((await bob.visit(({ userId, actor }) => [userId, actor])).result).toEqual(["bob", undefined]);
    const entries = await app.psession.auditTrail();
    expect(JSON.stringify(entries)).not.toMatch(/ada|phone/i);
    expect(
      entries.find(({ userId, event }) => userId === "bob" && event === "impersonationBegan"),
    ).toMatchObject({
      actorId: undefined,
      detail: expect.stringMatching(/^by [\w-]{22}: ticket 7$/),
    });
    expect(await app.psession.eraseUser("ada")).toEqual({ sessions: 0, logins: 0, audit: 0 });
  });

  test("is told of by one event and one entry, without the id", async () => {
    const app = trailed();
    await new TestBrowser(app).visit((session) => session.login("ada", { remember: true }));
    await app.psession.flush();
    app.events.length = 0;
    await app.psession.eraseUser("ada");
    const at = app.clock.now();
    expect(app.events).toEqual([
      { type: "userErased", at, sessions: 1, logins: 1, audit: 1, pseudonym: undefined },
    ]);
    expect(await app.psession.auditTrail()).toEqual([
      {
        ...{ id: expect.any(String), at, event: "userErased", userId: undefined, actorId: undefined },
        ...{ handle: undefined, address: undefined, detail: "delete" },
      },
    ]);
  });

  test("leaves entries under a pseudonym, where these are wanted: together, with event and time", async () => {
    const app = trailed();
    const browser = new TestBrowser(app);
    await browser.visit((session) => session.login("ada", { remember: true }));
    app.clock.advance(MINUTE);
    await browser.visit((session) => session.logout());
    app.clock.advance(MINUTE);
    expect(await app.psession.eraseUser("ada", { audit: "pseudonym" })).toMatchObject({ audit: 2 });
    const entries = await app.psession.auditTrail();
    const handles = new Set(entries.map(({ handle }) => handle));
    expect(handles.size).toBe(1);
    expect([...handles][0]).toMatch(/^[\w-]{22}$/);
    const rest = { userId: undefined, actorId: undefined, address: undefined };
    expect(entries).toMatchObject([
      { event: "userErased", detail: "pseudonym", ...rest },
      { event: "logout", at: app.clock.now() - MINUTE, detail: undefined, ...rest },
      { event: "login", at: app.clock.now() - 2 * MINUTE, detail: undefined, ...rest },
    ]);
  });

  test("leaves no key of a browser behind, and other users keep theirs", async () => {
    const app = trailed({ deviceBound: {} });
    const boundIn = async (userId: UserId, remember: boolean) => {
      const browser = new TestBrowser(app);
      const { session } = await browser.visit((session) => session.login(userId, { remember }));
      return { browser, keys: await bindKey(browser, session) };
    };
    await boundIn("ada", false);
    // Signed out: only what is left of the login leads to the key.
    const left = await boundIn("ada", true);
    await left.browser.visit((session) => session.logout());
    const bob = await boundIn("bob", true);
    const levels = async () => {
      const { entries } = (await storeOf(app).admin?.browse({ limit: 100 })) ?? { entries: [] };
      return entries.map(({ session }) => session?.level).sort();
    };
    expect(await app.psession.eraseUser("ada")).toMatchObject({ sessions: 1, logins: 1 });
    expect(await levels()).toEqual(["binding", "login"]);
    expect((await bob.browser.visit(({ userId }) => userId)).result).toBe("bob");
    expect(await proveKey(bob.browser, bob.keys)).toMatchObject({ kind: "bound" });
  });

  test("is erased in one realm, while another user of that id goes on in another", async () => {
    const store = memoryStore({ audit: true });
    const [staff, customers] = ["staff", "customers"].map((realm) => testApp({ store, realm }));
    if (!staff || !customers) throw new Error("two realms");
    const [employee, customer] = [new TestBrowser(staff), new TestBrowser(customers)];
    for (const browser of [employee, customer]) await browser.visit((session) => session.login(7));
    expect(await customers.psession.eraseUser(7)).toEqual({ sessions: 1, logins: 0, audit: 1 });
    expect((await employee.visit(({ userId }) => userId)).result).toBe(7);
    expect((await customer.visit(({ userId }) => userId)).result).toBeUndefined();
    expect(await staff.psession.auditTrail({ userId: 7 })).toHaveLength(1);
  });

  test("ends on connections that stay open", async () => {
    const app = testApp();
    const browser = new TestBrowser(app);
    await browser.visit((session) => session.login("ada"));
    const ended = Promise.withResolvers<void>();
    await browser.visit((session) => void session.onEnd(() => ended.resolve()));
    await app.psession.eraseUser("ada");
    await ended.promise;
  });

  test("is another one than the id that was given as the wrong type", async () => {
    const app = testApp();
    await new TestBrowser(app).visit((session) => session.begin(7));
    await expect(app.psession.eraseUser("7")).rejects.toMatchObject({ code: "invalid_user_id" });
    await expect(app.psession.exportUser("7")).rejects.toMatchObject({ code: "invalid_user_id" });
    expect(await app.psession.eraseUser(7)).toMatchObject({ sessions: 1 });
  });

  test("is not erased by wrong options, nor by who acts as another user", async () => {
    const app = testApp();
    for (const [options, message] of [
      [{ audit: "keep" }, /audit must be "delete" or "pseudonym"/],
      [{ trail: "delete" }, /trail/],
    ] as const)
      await expect(app.psession.eraseUser("ada", options as object)).rejects.toThrow(message);
    await expect(app.psession.eraseUser(undefined as never)).rejects.toMatchObject({
      code: "invalid_user_id",
    });
    const admin = new TestBrowser(app);
    await admin.visit((session) => session.login("admin"));
    await admin.visit((session) => session.impersonate("ada", { reason: "x" }));
    const request = {};
    const { answer } = await admin.open({ request });
    await expect(runInRequest(request, () => app.psession.eraseUser("ada"))).rejects.toMatchObject({
      code: "impersonating",
    });
    await answer();
    expect(await rowsOf(app, "ada")).toBe(1);
  });
});

describe("what was on its way when a user was erased", () => {
  const everything: Record<string, (session: TestSession) => unknown> = {
    "a sign-in": (session) => session.login("ada", { remember: true }),
    "a sign-in that begins": (session) => session.begin("ada"),
  };
  test.each(Object.entries(everything))("%s whose password was checked before is refused", async (_, act) => {
    const app = trailed();
    const visit = await new TestBrowser(app).open();
    await act(visit.session);
    await app.psession.eraseUser("ada");
    await expect(visit.answer()).rejects.toMatchObject({ code: "proof_outdated" });
    expect(await rowsOf(app, "ada")).toBe(0);
    expect(await app.psession.auditTrail({ userId: "ada" })).toEqual([]);
  });

  test("an administrator who was erased acts as nobody, and no trust is given", async () => {
    const app = trailed();
    const browser = new TestBrowser(app);
    await browser.visit((session) => session.login("ada"));
    app.clock.advance(MINUTE);
    const [acting, trusting] = [await browser.open(), await browser.open()];
    await app.psession.eraseUser("ada");
    app.clock.advance(10 * SECOND);
    await expect(acting.session.impersonate("bob", { reason: "x" })).rejects.toMatchObject({
      code: "proof_outdated",
    });
    await expect(trusting.session.trust()).rejects.toMatchObject({ code: "proof_outdated" });
    expect([await rowsOf(app, "ada"), await rowsOf(app, "bob")]).toEqual([0, 0]);
  });

  test("a save, a name and a restore store nothing, under no id", async () => {
    const app = trailed();
    const [saving, restoring] = [new TestBrowser(app), new TestBrowser(app)];
    for (const browser of [saving, restoring])
      await browser.visit((session) => session.login("ada", { remember: true }));
    app.clock.advance(3 * HOUR);
    restoring.restart();
    await saving.visit((session) => session.reauthenticate());
    const visits = [await saving.open(), await saving.open(), await restoring.open()];
    for (const { session } of visits) session.set("name", "Ada Lovelace");
    await app.psession.eraseUser("ada");
    await visits[1]?.session.nameDevice(visits[1].session.handle, "Ada's").catch(() => {});
    for (const visit of visits) await visit.answer();
    expect(await rowsOf(app, "ada")).toBe(0);
    const { entries } = (await storeOf(app).admin?.browse({ limit: 100 })) ?? { entries: [] };
    expect(JSON.stringify(entries)).not.toContain("Lovelace");
    app.clock.advance(MINUTE);
    await app.psession.flush();
    expect(await app.psession.auditTrail({ userId: "ada" })).toEqual([]);
  });

  test("the request that erases its own user signs out, and keeps nothing", async () => {
    const app = trailed();
    const browser = new TestBrowser(app);
    await browser.visit((session) => session.login("ada", { remember: true }));
    await browser.visit(async (session) => {
      session.set("name", "Ada Lovelace");
      await app.psession.eraseUser("ada");
      await session.logout();
    });
    expect(browser.jar.size).toBe(0);
    expect(await rowsOf(app, "ada")).toBe(0);
    expect(JSON.stringify(await app.psession.auditTrail())).not.toContain("ada");
  });

  test("a sign-out, an end of acting as another user, and of trust note nothing where nothing was left to end", async () => {
    const app = trailed();
    const acts: Record<string, (session: TestSession) => unknown> = {
      leaving: (session) => session.logout(),
      stopping: (session) => session.stopImpersonating(),
      distrusting: (session) => session.distrust(),
    };
    const browsers = Object.fromEntries(Object.keys(acts).map((name) => [name, new TestBrowser(app)]));
    for (const browser of Object.values(browsers))
      await browser.visit((session) => session.login("ada", { remember: true }));
    await browsers.stopping?.visit((session) => session.impersonate("bob", { reason: "ticket 7" }));
    await browsers.distrusting?.visit((session) => session.trust());
    // It comes back by its remember cookie.
    browsers.leaving?.restart();
    const visits = await Promise.all(
      Object.entries(browsers).map(async ([name, browser]) => [name, await browser.open()] as const),
    );
    for (const [name, { session }] of visits) if (name === "distrusting") await session.isTrusted();
    await app.psession.eraseUser("ada");
    app.clock.advance(MINUTE);
    for (const [name, { session, answer }] of visits) {
      await acts[name]?.(session);
      await answer();
    }
    const entries = await app.psession.auditTrail();
    expect(JSON.stringify(entries)).not.toContain("ada");
    expect(entries.map(({ event }) => event)).toEqual(["userErased", "impersonationBegan"]);
    expect(app.told()).toContain("logoutUnmatched");
  });

  test("an audit entry that waits, in this process or in another, does not come back", async () => {
    const trail = memoryStore({ audit: true });
    const gate = Promise.withResolvers<void>();
    const slow = intercepted(trail, (_, call) => call());
    const audit = trail.audit;
    if (audit === undefined) throw new Error("no trail");
    const held = {
      ...audit,
      append: (entries: readonly AuditEntry[]) => gate.promise.then(() => audit.append(entries)),
    };
    const clock = new TestClock();
    const here = testApp({ store: trail, clock });
    // Its clock is three seconds ahead.
    const ahead = { now: () => clock.now() + 3 * SECOND };
    const there = testApp({ store: slow, clock: ahead as TestClock, audit: { sink: held } });
    await new TestBrowser(there).visit((session) => session.login("ada"));
    await new TestBrowser(here).visit((session) => session.login("ada"));
    expect(await here.psession.eraseUser("ada")).toMatchObject({ sessions: 2, audit: 1 });
    gate.resolve();
    await there.psession.flush();
    expect((await here.psession.auditTrail()).map(({ event, userId }) => [event, userId])).toEqual([
      ["userErased", undefined],
    ]);
    // Whoever signs in with that id later is a user like any other.
    clock.advance(MINUTE);
    await new TestBrowser(here).visit((session) => session.login("ada"));
    expect(await here.psession.auditTrail({ userId: "ada" })).toHaveLength(1);
  });
});

describe("a sink of the application's own", () => {
  test("is told whom to erase, after what was on its way, and gets nothing of the user afterwards", async () => {
    const kept: AuditEntry[] = [];
    const [isAppending, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const erasures: unknown[] = [];
    const sink = {
      append: async (entries: readonly AuditEntry[]) => {
        if (entries.some(({ event }) => event === "seen")) {
          isAppending.resolve();
          await gate.promise;
        }
        kept.push(...entries);
      },
      erase: async (erasure: { userId: UserId; entries: string; pseudonym: string }) => {
        erasures.push({ ...erasure, had: kept.map(({ event }) => event) });
        return 1;
      },
    };
    const store = intercepted(memoryStore(), async (_, call, [change]) => {
      if ((change as { kind?: string }).kind !== "erase") return call();
      // A request under way: one entry is being sent, and another one waits behind it.
      app.psession.audit.add({ event: "seen", userId: "ada" });
      await isAppending.promise;
      app.psession.audit.add({ event: "seen too", userId: "ada" });
      const result = await call();
      // Once what waits has been looked at.
      setImmediate(() => gate.resolve());
      return result;
    });
    const app = testApp({ store, audit: { sink } });
    await new TestBrowser(app).visit((session) => session.login("ada"));
    expect(await app.psession.eraseUser("ada", { audit: "pseudonym" })).toMatchObject({
      sessions: 1,
      audit: 1,
    });
    // What waited was dropped.
    expect(erasures).toMatchObject([
      { userId: "ada", entries: "pseudonym", pseudonym: expect.any(String), had: ["login", "seen"] },
    ]);
    await app.psession.flush();
    expect(kept.map(({ event, userId }) => [event, userId])).toEqual([
      ["login", "ada"],
      ["seen", "ada"],
      ["userErased", undefined],
    ]);
  });

  test("that cannot erase is said to have kept its entries", async () => {
    const app = testApp({ audit: { sink: { append: async () => {} } } });
    await new TestBrowser(app).visit((session) => session.login("ada"));
    expect(await app.psession.eraseUser("ada")).toEqual({ sessions: 1, logins: 0, audit: undefined });
  });
});

describe("what a user is given of themselves", () => {
  test("is everything that is kept, as JSON has it, and no secret", async () => {
    const app = trailed({ encryption: { keys: [OLDER_KEY] } });
    const { phone } = await livedIn(app);
    const exported = await app.psession.exportUser("ada");
    expect(exported).toMatchObject({
      version: 1,
      exportedAt: new Date(app.clock.now()).toISOString(),
      userId: "ada",
      trustedBrowsers: [{ until: new Date(app.clock.now() + 30 * DAY).toISOString() }],
      pendingSignIns: [{ proofs: [{ method: "password" }], address: "192.0.2.7" }],
      impersonations: expect.arrayContaining([
        expect.objectContaining({ userId: "bob", actorId: "ada", reason: "ticket 7" }),
        expect.objectContaining({ userId: "ada", actorId: "bob", reason: "ticket 8" }),
      ]),
    });
    expect(exported.sessions).toHaveLength(2);
    expect(exported.sessions.find(({ tag }) => tag === "phone")).toMatchObject({
      name: "Ada's phone",
      level: "login",
      userAgent: "TestBrowser/1.0",
      address: "192.0.2.7",
      proofs: [{ method: "password", at: new Date(app.clock.now()).toISOString() }],
      data: { cart: ["apple"] },
      messages: { info: "hello" },
      temporary: { code: 7 },
    });
    expect(exported.rememberedLogins.map(({ tag, endedBecause }) => [tag, endedBecause]).sort()).toEqual([
      ["phone", undefined],
      ["tablet", "logout"],
    ]);
    expect(exported.audit?.map(({ event }) => event)).toEqual(
      expect.arrayContaining(["login", "logout", "trusted"]),
    );
    const text = JSON.stringify(exported);
    expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(exported)));
    const { sessions, logins } = await storeOf(app).rowsOf("ada");
    const digests = [...sessions, ...logins].flatMap((row) =>
      Object.values(row).filter((value) => value instanceof Uint8Array),
    );
    expect(digests.length).toBeGreaterThan(5);
    for (const digest of digests)
      for (const form of ["hex", "base64", "base64url"] as const)
        expect(text).not.toContain(Buffer.from(digest).toString(form));
    for (const { value } of phone.jar.values())
      for (const part of decodeURIComponent(value).split("."))
        if (part.length > 22) expect(text).not.toContain(part);
    expect(text).not.toMatch(/psession:|csrf|"state/);
  });

  test("says of a session since when it is bound to a key of its browser, and has nothing of the key", async () => {
    const app = trailed({ deviceBound: {} });
    const since = new Date(app.clock.now()).toISOString();
    const browser = new TestBrowser(app);
    const { session } = await browser.visit((session) => session.login("ada"));
    await bindKey(browser, session);
    app.clock.advance(MINUTE);
    await new TestBrowser(app).visit((session) => session.login("ada"));
    const exported = await app.psession.exportUser("ada");
    expect(exported.sessions.map(({ boundAt }) => boundAt).sort()).toEqual([since, undefined]);
    expect(JSON.stringify(exported)).not.toMatch(/jwk|challenge/);
  });

  test("has all pages of the audit trail, and values that JSON does not have", async () => {
    const devalue = await import("devalue");
    const app = trailed({ session: { codec: devalueCodec(devalue) } });
    const browser = new TestBrowser(app);
    await browser.visit(async (session) => {
      await session.login("ada");
      Object.assign(session.data, {
        big: 7n,
        when: new Date(0),
        map: new Map([["a", 1]]),
        set: new Set([1]),
      });
    });
    for (let index = 0; index < 1200; index++) app.psession.audit.add({ event: "seen", userId: "ada" });
    const { audit, sessions } = await app.psession.exportUser("ada");
    expect(audit).toHaveLength(1201);
    expect(sessions[0]?.data).toEqual({
      big: "7",
      when: "1970-01-01T00:00:00.000Z",
      map: [["a", 1]],
      set: [1],
    });
  });

  test("has an undefined trail where there is none, and no data where it cannot be read", async () => {
    const store = memoryStore();
    const options = { store, clock: new TestClock() };
    const app = testApp({ ...options, encryption: { keys: [OLDER_KEY] } });
    await new TestBrowser(app).visit(async (session) => {
      await session.login("ada");
      session.set("name", "x");
    });
    const other = testApp({ ...options, encryption: { keys: [`${OLDER_KEY}another`] } });
    const exported = await other.psession.exportUser("ada");
    expect([exported.audit, exported.sessions[0]?.data]).toEqual([undefined, undefined]);
  });
});

describe("addresses", () => {
  const from = { address: "203.0.113.77" };
  const signIns = async (options: Partial<PsessionOptions>, address: string) => {
    const app = trailed(options);
    const browser = new TestBrowser(app);
    await browser.visit((session) => session.login("ada", { remember: true }), { address });
    app.psession.audit.add({ event: "seen", userId: "ada", address });
    const { sessions } = await storeOf(app).rowsOf("ada");
    const entries = await app.psession.auditTrail();
    return [...sessions, ...entries].map((one) => one.address);
  };

  test.each([
    ["full", "203.0.113.77", "203.0.113.77"],
    ["network", "203.0.113.77", "203.0.113.0"],
    ["network", "::ffff:203.0.113.77", "203.0.113.0"],
    ["network", "2001:db8:abcd:12:34::5", "2001:db8:abcd::"],
    ["network", "2001:db8::5", "2001:db8::"],
    ["network", "fe80::1%eth0", "fe80::"],
    ["network", "::1", "::"],
    ["network", "unknown", undefined],
    ["none", "203.0.113.77", undefined],
  ] as const)("%s keeps of %s: %s, in sessions and in entries", async (addresses, given, kept) => {
    const found = await signIns({ privacy: { addresses } }, given);
    expect(new Set(found)).toEqual(new Set([kept]));
    expect(found).toHaveLength(3);
  });

  test("that are cut are cut after a restore, in sessions of trust and of who acts, and in lists", async () => {
    const app = trailed({ privacy: { addresses: "network" } });
    const browser = new TestBrowser(app);
    await browser.visit((session) => session.login("ada", { remember: true }), from);
    await browser.visit((session) => session.trust(), from);
    await browser.visit((session) => session.impersonate("bob", { reason: "x" }), from);
    browser.restart();
    app.clock.advance(3 * HOUR);
    await browser.visit((session) => session.set("count", 1), from);
    const rows = [...(await storeOf(app).rowsOf("ada")).sessions];
    expect(rows).toHaveLength(3);
    expect(new Set(rows.map(({ address }) => address))).toEqual(new Set(["203.0.113.0"]));
    expect((await app.psession.devices("ada"))[0]?.address).toBe("203.0.113.0");
    expect(JSON.stringify(await app.psession.auditTrail())).not.toContain("113.77");
  });

  test("that were not kept match nothing, so options that compare them are refused", () => {
    const refusal = (privacy: PsessionOptions["privacy"], session: PsessionOptions["session"]) => {
      try {
        createPsession({ store: memoryStore(), keys: [KEY], privacy, session });
      } catch (error) {
        return String(error);
      }
      return "taken";
    };
    expect(refusal({ addresses: "none" }, { matchAddress: { v4: 24, v6: 48 } })).toMatch(
      /matchAddress needs addresses/,
    );
    expect(refusal({ addresses: "network" }, { matchAddress: "exact" })).toMatch(
      /at most \{ v4: 24, v6: 48 \}/,
    );
    expect(refusal({ addresses: "network" }, { matchAddress: { v4: 24, v6: 56 } })).toMatch(/at most/);
    expect(refusal({ addresses: "network" }, { matchAddress: { v4: 24, v6: 48 } })).toBe("taken");
    expect(refusal({ keepAddresses: "1h" }, { matchAddress: "exact" })).toMatch(
      /not be shorter than session.idle/,
    );
    expect(refusal({ keepAddresses: "2h" }, { matchAddress: "exact" })).toBe("taken");
    expect(refusal({ keepAddresses: "soon" as never, addresses: "some" as never }, {})).toMatch(
      /privacy.addresses must be "full", "network" or "none".*privacy.keepAddresses/s,
    );
    const { forgetAddresses: _, ...bare } = { ...memoryStore() };
    const store = Object.assign(Object.create(memoryStore()), bare, { forgetAddresses: undefined });
    expect(() => createPsession({ store, keys: [KEY], privacy: { keepAddresses: "1d" } })).toThrow(
      /needs a store/,
    );
    const sink = { append: async () => {} };
    expect(() =>
      createPsession({
        store: memoryStore(),
        keys: [KEY],
        audit: { sink },
        privacy: { keepAddresses: "1d" },
      }),
    ).toThrow(/needs an audit.sink/);
  });

  test("of networks still tell another network from the session's", async () => {
    const app = testApp({ privacy: { addresses: "network" }, session: { matchAddress: { v4: 24, v6: 48 } } });
    const browser = new TestBrowser(app);
    await browser.visit((session) => session.login("ada"), from);
    const who = async (address: string) => (await browser.visit(({ userId }) => userId, { address })).result;
    expect(await who("203.0.113.5")).toBe("ada");
    expect(await who("203.0.114.77")).toBeUndefined();
    expect(app.events.find(({ type }) => type === "moved")).toMatchObject({
      before: { address: "203.0.113.0" },
    });
  });

  test("that move where moves are reported are reported once", async () => {
    const session = { matchAddress: { v4: 24, v6: 48 }, onMismatch: "report" } as const;
    const app = testApp({ privacy: { addresses: "network" }, session });
    const browser = new TestBrowser(app);
    await browser.visit((one) => one.login("ada"), from);
    for (const _ of [1, 2, 3]) await browser.visit(({ userId }) => userId, { address: "198.51.100.9" });
    expect(app.told().filter((type) => type === "moved")).toHaveLength(1);
  });

  test.each([
    ["full", "stray"],
    ["network", "theft"],
    ["none", "theft"],
  ] as const)("kept as %s, a token that came late is a %s", async (addresses, told) => {
    const app = testApp({ privacy: { addresses } });
    const browser = new TestBrowser(app);
    await browser.visit((session) => session.login("ada", { remember: true }), from);
    app.clock.advance(3 * HOUR);
    browser.restart();
    const late = browser.copyJar();
    await browser.visit(undefined, from);
    app.clock.advance(3 * MINUTE);
    await browser.visit(undefined, from);
    app.clock.advance(3 * MINUTE);
    await new TestBrowser(app).visit(undefined, { jar: late, ...from });
    expect(app.told().filter((type) => type === "stray" || type === "theft")).toEqual([told]);
  });

  test("are forgotten a while after the last use, and after an entry was made, and nothing else is", async () => {
    const app = trailed({ privacy: { keepAddresses: "7d" }, session: { idle: "30d", absolute: "90d" } });
    const [left, used] = [new TestBrowser(app), new TestBrowser(app)];
    for (const browser of [left, used])
      await browser.visit((session) => session.login("ada", { remember: true }), from);
    app.clock.advance(7 * DAY);
    await used.visit((session) => session.set("count", 1), from);
    app.clock.advance(1);
    expect(await app.psession.prune()).toEqual({ sessions: 0, logins: 0, audit: 0, addresses: 3 });
    expect(app.events.at(-1)).toMatchObject({ type: "pruned", addresses: 3 });
    const devices = await app.psession.devices("ada");
    expect(devices.map(({ address, userAgent }) => [address, userAgent])).toEqual([
      [from.address, "TestBrowser/1.0"],
      [undefined, "TestBrowser/1.0"],
    ]);
    expect((await left.visit(({ userId }) => userId)).result).toBe("ada");
    expect((await app.psession.auditTrail()).map(({ address, event }) => [address, event])).toEqual([
      [undefined, "login"],
      [undefined, "login"],
    ]);
    expect(await app.psession.prune()).toMatchObject({ addresses: 0 });
  });
});

test.each(["delete", "pseudonym"] as const)(
  "an erasure finds what the trail says of a sign-in that waited for its second step (%s)",
  async (audit) => {
    const app = trailed({ session: { matchAddress: "exact", onMismatch: "report" } });
    const half = new TestBrowser(app);
    await half.visit((session) => session.begin("ada", { method: "password" }), { address: "203.0.113.99" });
    await half.visit((session) => void session.set("cart", ["tea"]), { address: "203.0.113.98" });
    await half.visit((session) => session.logout(), { address: "203.0.113.99" });
    await app.psession.flush();
    expect((await app.psession.auditTrail({ userId: "ada" })).map(({ event }) => event)).toEqual(
      expect.arrayContaining(["signInBegun", "moved", "logout"]),
    );
    await app.psession.eraseUser("ada", { audit });
    expect(JSON.stringify(await app.psession.auditTrail({}))).not.toContain("203.0.113");
  },
);
