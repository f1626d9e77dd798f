import { describe, expect, test, vi } from "vitest";
import {
  type AuditEntry,
  createPsession,
  memoryStore,
  PsessionError,
  type PsessionOptions,
  type Store,
} from "../../src/index.ts";
import { KEY, SESSION, TestBrowser, testApp } from "../support/app.ts";
import { DAY, MINUTE } from "../support/clock.ts";
import { describeStores } from "../support/session-stores.ts";

/** A sink that keeps what it is given, unless it is told to fail. */
function sinkOf() {
  const kept: AuditEntry[] = [];
  const calls: number[] = [];
  const state = { fails: false };
  const append = async (entries: readonly AuditEntry[]) => {
    calls.push(entries.length);
    if (state.fails) throw new PsessionError("store_unavailable", "The log is down.");
    kept.push(...entries);
  };
  return { kept, calls, state, sink: { append } };
}

const events = (entries: readonly AuditEntry[]) => entries.map(({ event }) => event);

describeStores(
  "the audit trail",
  (makeStore) => {
    test("events around an account are there, with user, device, time and address, and no secret", async () => {
      const app = testApp({ store: makeStore(), devices: { detectNew: true } });
      const browser = new TestBrowser(app);
      await browser.visit((session) => session.login("ada", { remember: true }), { address: "192.0.2.8" });
      const stolen = browser.copyJar();
      app.clock.advance(10 * MINUTE);
      browser.restart();
      await browser.visit();
      app.clock.advance(10 * MINUTE);
      await browser.visit((session) => session.reauthenticate());
      const { result: handle } = await browser.visit((session) => session.handle);
      stolen.delete(SESSION);
      await new TestBrowser(app).visit(undefined, { jar: stolen, address: "203.0.113.9" });
      await new TestBrowser(app).visit((session) => session.login("ada"));
      await app.psession.passwordChanged("ada");

      const entries = await app.psession.auditTrail({ userId: "ada" });
      expect(events(entries).toReversed()).toEqual([
        ...["login", "newDevice", "restored", "reauthenticated", "theft"],
        ...["login", "newDevice", "revoked", "credentialChanged"],
      ]);
      expect(entries.find(({ event }) => event === "theft")).toEqual({
        id: expect.any(String),
        at: app.clock.now(),
        event: "theft",
        userId: "ada",
        handle,
        address: "203.0.113.9",
        detail: undefined,
      });
      expect(entries.find(({ event }) => event === "revoked")?.detail).toBe("password_changed");
      for (const { value } of [...stolen.values(), ...browser.jar.values()])
        for (const secret of value
          .split(".")
          .slice(1)
          .filter((part) => part.length > 9))
          expect(JSON.stringify(entries)).not.toContain(secret);
      await app.psession.close();
    });

    test("entries of one user come in pages; others do not see them", async () => {
      const app = testApp({ store: makeStore() });
      for (const user of ["ada", "bob", "ada"]) {
        app.clock.advance(MINUTE);
        await new TestBrowser(app).visit((session) => session.login(user));
      }
      const [latest] = await app.psession.auditTrail({ userId: "ada", limit: 1 });
      expect(latest?.at).toBe(app.clock.now());
      const rest = await app.psession.auditTrail({ userId: "ada", before: latest?.id });
      expect(rest.map(({ at }) => at)).toEqual([app.clock.now() - 2 * MINUTE]);
      expect(await app.psession.auditTrail({ since: app.clock.now() - MINUTE })).toHaveLength(2);
      await app.psession.close();
    });

    test("pages have as many entries as were asked for, of whatever size", async () => {
      const app = testApp({ store: makeStore() });
      for (let times = 0; times < 11; times++) {
        app.clock.advance(MINUTE);
        await new TestBrowser(app).visit((session) => session.login("ada"));
      }
      const all = await app.psession.auditTrail({ userId: "ada" });
      expect(all).toHaveLength(11);
      for (const limit of [1, 2, 3, 5, 8, 9, 11, 12, 10_000]) {
        const read: AuditEntry[] = [];
        for (let before: string | undefined; ; before = read.at(-1)?.id) {
          const page = await app.psession.auditTrail({ userId: "ada", limit, before });
          read.push(...page);
          expect(page.length).toBeLessThanOrEqual(limit);
          if (page.length < limit) break;
        }
        expect(read).toEqual(all);
      }
      await app.psession.close();
    });

    test("a wrong query is refused, with everything that is wrong, before the store is asked", async () => {
      const app = testApp({ store: makeStore() });
      await new TestBrowser(app).visit((session) => session.login("ada"));
      const { read } = app.psession.core.settings.store.audit ?? {};
      expect(read).toBeTypeOf("function");
      const queries: Record<string, readonly unknown[]> = {
        "limit must be a whole number from 1 to 10000": [
          0,
          -1,
          1.5,
          Number.NaN,
          Infinity,
          10_001,
          "5",
          null,
          5n,
        ],
        "since must be a time in epoch milliseconds": [
          Number.NaN,
          Infinity,
          -Infinity,
          "now",
          new Date(),
          1n,
        ],
        "before must be the id of an entry": ["", "a b", "a\0b", "\ud800", "x".repeat(65), 7, {}],
        "userID is no option": ["ada"],
      };
      for (const [fault, values] of Object.entries(queries)) {
        const [field = ""] = fault.split(" ");
        for (const value of values) {
          await expect(app.psession.auditTrail({ [field]: value }), fault).rejects.toMatchObject({
            code: "invalid_options",
            message: expect.stringContaining(fault),
          });
        }
      }
      for (const query of [null, 5, "ada"]) {
        await expect(app.psession.auditTrail(query as never)).rejects.toMatchObject({
          code: "invalid_options",
        });
      }
      const both = app.psession.auditTrail({ limit: 0, since: Number.NaN });
      await expect(both).rejects.toThrow(/limit must.*since must|since must.*limit must/s);
      expect(await app.psession.auditTrail({ since: -1, before: undefined, userId: undefined })).toHaveLength(
        1,
      );
      await app.psession.close();
    });

    test("entries older than audit.keep are pruned", async () => {
      const app = testApp({ store: makeStore(), audit: { keep: "30d" } });
      await new TestBrowser(app).visit((session) => session.login("ada"));
      await app.psession.flush();
      app.clock.advance(30 * DAY);
      expect((await app.psession.prune()).audit).toBe(0);
      app.clock.advance(1);
      expect((await app.psession.prune()).audit).toBe(1);
      expect(app.events.at(-1)).toMatchObject({ type: "pruned", audit: 1 });
      expect(await app.psession.auditTrail()).toEqual([]);
      await app.psession.close();
    });
  },
  { audit: true },
);

describe("an audit sink", () => {
  const appOn = (sink: NonNullable<PsessionOptions["audit"]>["sink"], more: object = {}) =>
    testApp({ audit: { ...(sink === undefined ? {} : { sink }), ...more } });

  test("gets the events in audit.events, those of one moment together", async () => {
    const { sink, kept, calls } = sinkOf();
    const app = appOn(sink, { events: ["login", "created"] });
    await new TestBrowser(app).visit((session) => session.login("ada"));
    await app.psession.flush();
    expect(events(kept)).toEqual(["created", "login"]);
    expect(calls).toEqual([2]);
  });

  test("that fails costs no request, gets everything later, and in order", async () => {
    const { sink, kept, state } = sinkOf();
    const app = appOn(sink);
    state.fails = true;
    const browser = new TestBrowser(app);
    await browser.visit((session) => session.login("ada"));
    await browser.visit((session) => session.logout());
    await app.psession.flush();
    expect(kept).toEqual([]);
    expect(app.told()).toContain("storeUnavailable");
    state.fails = false;
    await browser.visit((session) => session.login("ada"));
    await app.psession.flush();
    expect(events(kept)).toEqual(["login", "logout", "login"]);
  });

  test("that failed is tried again by itself, without holding the process", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { sink, kept, state } = sinkOf();
    const app = appOn(sink);
    state.fails = true;
    await new TestBrowser(app).visit((session) => session.login("ada"));
    await app.psession.flush();
    state.fails = false;
    await vi.runOnlyPendingTimersAsync();
    expect(events(kept)).toEqual(["login"]);
    vi.useRealTimers();
  });

  test("that goes on failing loses the oldest entries, and emits auditLost", async () => {
    const { sink, kept, state } = sinkOf();
    const app = appOn(sink, { events: ["revokedEveryone"] });
    state.fails = true;
    for (let index = 0; index < 10_003; index++) await app.psession.revokeEveryone(String(index));
    const lost = app.events.filter(({ type }) => type === "auditLost");
    expect(lost).toHaveLength(3);
    state.fails = false;
    await app.psession.close();
    expect([kept.length, kept[0]?.detail, kept.at(-1)?.detail]).toEqual([10_000, "3", "10002"]);
  });

  describe("that refuses an entry", () => {
    /** Takes everything but what came from these addresses, and remembers each call. */
    function choosy(...refused: string[]) {
      const { kept, calls, state, sink } = sinkOf();
      const append = (entries: readonly AuditEntry[]) => {
        if (!entries.some(({ address = "" }) => refused.includes(address))) return sink.append(entries);
        calls.push(entries.length);
        throw new RangeError("That is no address.");
      };
      return { kept, calls, state, sink: { append } };
    }
    const BAD = "203.0.113.66";
    const signIns = async (app: ReturnType<typeof testApp>, addresses: readonly string[]) => {
      for (const address of addresses)
        await new TestBrowser(app).visit((session) => session.login("ada"), { address });
    };
    const good = (count: number) => Array.from({ length: count }, (_, at) => `192.0.2.${at}`);
    const lostOf = (app: ReturnType<typeof testApp>) => app.events.filter(({ type }) => type === "auditLost");
    const addresses = (entries: readonly AuditEntry[]) => entries.map(({ address }) => address);

    for (const [where, at] of [
      ["first", 0],
      ["second", 1],
      ["in the middle", 50],
      ["last", 100],
    ] as const) {
      test(`that comes ${where}: it is dropped with auditLost, the others are kept once and in order`, async () => {
        const { sink, kept, calls, state } = choosy(BAD);
        const app = appOn(sink);
        state.fails = true;
        await signIns(app, good(100).toSpliced(at, 0, BAD));
        await app.psession.flush();
        expect(lostOf(app)).toEqual([]);
        calls.length = 0;
        state.fails = false;
        await app.psession.flush();
        expect([...new Set(addresses(kept))]).toEqual(good(100));
        // One more, which says whether anything is taken.
        expect(kept.length).toBeLessThanOrEqual(101);
        expect(lostOf(app)).toEqual([
          { type: "auditLost", at: app.clock.now(), count: 1, error: new RangeError("That is no address.") },
        ]);
        // By halves: not one by one.
        expect(calls.length).toBeLessThan(20);
        await signIns(app, ["192.0.2.200"]);
        await app.psession.flush();
        expect(kept.at(-1)?.address).toBe("192.0.2.200");
      });
    }

    test("by itself waits for proof that others are taken", async () => {
      const { sink, kept } = choosy(BAD);
      const app = appOn(sink);
      await signIns(app, [BAD]);
      await app.psession.flush();
      expect([lostOf(app), app.told().includes("storeUnavailable")]).toEqual([[], true]);
      await signIns(app, good(1));
      await app.psession.flush();
      expect([new Set(addresses(kept)), lostOf(app).length]).toEqual([new Set(good(1)), 1]);
      // From now on one is known that is taken.
      await signIns(app, [BAD]);
      await app.psession.flush();
      await app.psession.flush();
      expect(lostOf(app)).toHaveLength(2);
      expect(new Set(addresses(kept))).toEqual(new Set(good(1)));
    });

    test("of several, all are found", async () => {
      const others = [BAD, "203.0.113.67", "203.0.113.68", "203.0.113.69"];
      const { sink, kept } = choosy(...others);
      const app = appOn(sink);
      await signIns(app, [...others.slice(0, 3), ...good(5), "203.0.113.69"]);
      await app.psession.flush();
      await app.psession.flush();
      expect(new Set(addresses(kept))).toEqual(new Set(good(5)));
      expect(lostOf(app)).toHaveLength(4);
    });

    test("drops nothing where the sink goes down during the search", async () => {
      const { sink, kept, state } = choosy(BAD);
      let left = 4;
      const append = (entries: readonly AuditEntry[]) => {
        state.fails = left-- <= 0;
        return sink.append(entries);
      };
      const app = appOn({ append });
      await signIns(app, [...good(9), BAD]);
      await app.psession.flush();
      expect(lostOf(app)).toEqual([]);
      expect(app.told()).toContain("storeUnavailable");
      left = Number.POSITIVE_INFINITY;
      await app.psession.flush();
      expect(new Set(addresses(kept))).toEqual(new Set(good(9)));
      expect(lostOf(app)).toHaveLength(1);
    });
  });

  test("is required where the store has none, and unknown events are refused", () => {
    const options = (audit: object) => () =>
      createPsession({ store: memoryStore(), keys: [KEY], prune: false, audit });
    expect(options({})).toThrow("audit.sink is needed");
    expect(options({ sink: sinkOf().sink, events: ["typo"] })).toThrow(
      "audit.events.0 is not an auditable event",
    );
    expect(options({ sink: sinkOf().sink, events: ["auditLost"] })).toThrow(
      "audit.events.0 is not an auditable event",
    );
    expect(options({ sink: {} })).toThrow("audit.sink must be an object with append()");
  });

  test("that cannot be read makes auditTrail reject with no_audit_trail", async () => {
    await expect(appOn(sinkOf().sink).psession.auditTrail()).rejects.toMatchObject({
      code: "no_audit_trail",
    });
  });

  test("belongs to the store also where data is encrypted", async () => {
    const store: Store = memoryStore({ audit: true });
    const app = testApp({ store, encryption: { keys: ["Zr4Tn8Xc2Vb6Mq0Wd5Fg9Hj3Kl7Ps1Ya"] } });
    await new TestBrowser(app).visit((session) => session.login("ada"));
    expect(events(await app.psession.auditTrail())).toEqual(["login"]);
  });
});
