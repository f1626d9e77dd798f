import { describe, expect, test, vi } from "vitest";
import type { PsessionOptions, Store } from "../../src/index.ts";
import type { Cap, ChangeParts } from "../../src/stores/store.ts";
import { sessionRow } from "../../src/testing/rows.ts";
import { REMEMBER, TestBrowser, type TestSession, testApp } from "../support/app.ts";
import { HOUR, MINUTE, SECOND } from "../support/clock.ts";
import { CROWD } from "../support/crowd.ts";
import { describeStores } from "../support/session-stores.ts";

const signIn = (session: TestSession) => session.login("ada", { remember: true });
const signInAs = (tag: string) => (session: TestSession) => session.login("ada", { remember: true, tag });

function setUp(makeStore: () => Store, options: Partial<PsessionOptions> = {}) {
  const app = testApp({ store: makeStore(), ...options });
  const browser = () => new TestBrowser(app);
  const devices = () => app.psession.devices("ada");
  return { app, browser, devices };
}

describeStores("names of devices", (makeStore) => {
  test("a name stays through saves, restores and another sign-in of its browser", async () => {
    const { app, browser, devices } = setUp(makeStore);
    const one = browser();
    await one.visit(signIn);
    const named = await one.visit((session) => session.nameDevice(session.handle, "  Kitchen "));
    expect(named.result).toBe(true);
    expect((await devices())[0]?.name).toBe("Kitchen");
    await one.visit((session) => session.set("count", 1));
    one.restart();
    app.clock.advance(10 * MINUTE);
    expect((await one.visit((session) => session.devices())).result[0]?.name).toBe("Kitchen");
    app.clock.advance(MINUTE);
    await one.visit(signIn);
    expect((await devices()).map(({ name }) => name)).toEqual(["Kitchen"]);
    await one.visit((session) => session.renew());
    one.restart();
    app.clock.advance(MINUTE);
    await one.visit();
    expect((await devices()).map(({ name }) => name)).toEqual(["Kitchen"]);
    await one.visit((session) => session.nameDevice(session.handle, ""));
    expect((await devices())[0]?.name).toBeUndefined();
  });

  test("a name belongs to its user: others can neither give it nor keep it", async () => {
    const { browser, devices } = setUp(makeStore);
    const one = browser();
    await one.visit(signIn);
    const handle = (await devices())[0]?.handle ?? "";
    const other = browser();
    await other.visit((session) => session.login("bob"));
    expect((await other.visit((session) => session.nameDevice(handle, "mine"))).result).toBe(false);
    await one.visit((session) => session.nameDevice(handle, "Kitchen"));
    await one.visit((session) => session.login("bob"));
    expect((await one.visit((session) => session.devices())).result.map(({ name }) => name)).toEqual([
      undefined,
      undefined,
    ]);
  });

  test("another device is named while it saves, and both are kept", async () => {
    const { browser, devices } = setUp(makeStore);
    const [one, two] = [browser(), browser()];
    await one.visit(signIn);
    await two.visit(signIn);
    const visit = await two.open();
    visit.session.set("count", 1);
    await one.visit((session) => session.nameDevice(visit.session.handle, "Sofa"));
    await visit.answer();
    expect(new Set((await devices()).map(({ name }) => name))).toEqual(new Set(["Sofa", undefined]));
    expect((await two.visit((session) => session.get("count"))).result).toBe(1);
  });
});

describeStores("tags of devices", (makeStore) => {
  test("a sign-in under a tag ends the user's other device of that tag, and emits revoked", async () => {
    const { app, browser, devices } = setUp(makeStore);
    const [tv, phone, newTv] = [browser(), browser(), browser()];
    await tv.visit(signInAs("tv"));
    await phone.visit(signInAs("phone"));
    const ended = (await devices()).find(({ tag }) => tag === "tv")?.handle;
    await newTv.visit(signInAs("tv"));
    expect((await devices()).map(({ tag }) => tag).sort()).toEqual(["phone", "tv"]);
    expect((await tv.visit()).session.isSignedIn).toBe(false);
    expect((await phone.visit()).session.isSignedIn).toBe(true);
    const told = app.events.filter(({ type }) => type === "revoked");
    expect(told).toMatchObject([{ handle: ended, userId: "ada", reason: "tag" }]);
    // The same browser again is one device still, and no news.
    await newTv.visit(signInAs("tv"));
    await newTv.visit((session) => session.renew());
    expect((await devices()).map(({ tag }) => tag).sort()).toEqual(["phone", "tv"]);
    expect(app.told().filter((type) => type === "revoked")).toHaveLength(1);
  });

  test("of two parallel sign-ins under one tag one device stays", async () => {
    const { browser, devices } = setUp(makeStore);
    await Promise.all(Array.from({ length: 4 }, () => browser().visit(signInAs("tv"))));
    expect(await devices()).toHaveLength(1);
  });
});

describeStores("the devices of a user whom no option limits", (makeStore) => {
  /** The store, with the caps of each change noted. */
  const noting = (store: Store) => {
    const caps: (readonly Cap[])[] = [];
    const calls: string[] = [];
    const noted = new Proxy(store, {
      get(target, name) {
        const found = Reflect.get(target, name, target);
        if (typeof found !== "function") return found;
        return (...args: unknown[]) => {
          calls.push(String(name));
          if (name === "apply") caps.push((args[0] as ChangeParts).caps ?? []);
          return found.apply(target, args);
        };
      },
    });
    return { noted, caps, calls };
  };
  const filled = async (devices: PsessionOptions["devices"] = {}) => {
    const { noted, caps, calls } = noting(makeStore());
    const { app, browser } = setUp(() => noted, { devices });
    const old = app.clock.now() - HOUR;
    const rows = Array.from({ length: 1005 }, (_, index) =>
      sessionRow({ userId: "ada", level: "login", lastSeenAt: old + index }),
    );
    for (let at = 0; at < rows.length; at += 67)
      await Promise.all(rows.slice(at, at + 67).map((insert) => noted.apply({ kind: "signIn", insert })));
    caps.length = calls.length = 0;
    const count = async () => (await noted.list("ada")).length;
    const signInTimes = async (times: number) => {
      for (let time = 0; time < times; time++) await browser().visit((session) => session.login("ada"));
    };
    return { app, rows, caps, calls, count, signInTimes, store: noted };
  };

  test("63 sign-ins cost what they did, and the next ends what is beyond a thousand, the longest unused first", {
    ...CROWD,
    timeout: 120_000,
  }, async () => {
    const { app, rows, caps, calls, count, signInTimes } = await filled();
    await signInTimes(63);
    expect(calls.filter((name) => name !== "clock")).toEqual(Array(63).fill("apply"));
    expect(caps.flat()).toEqual([]);
    expect(await count()).toBe(1005 + 63);
    await signInTimes(1);
    expect(caps.at(-1)).toMatchObject([{ userId: "ada", max: 1000, overflow: "evictOldest", reason: "cap" }]);
    expect(await count()).toBe(1000);
    const told = app.events.flatMap((event) => (event.type === "revoked" ? event : []));
    expect(told).toHaveLength(69);
    expect(told.every(({ reason, userId }) => reason === "cap" && userId === "ada")).toBe(true);
    expect(new Set(told.map(({ handle }) => handle))).toEqual(new Set(rows.slice(0, 69).map(({ id }) => id)));
    await signInTimes(63);
    expect(caps.flat()).toHaveLength(1);
    expect(await count()).toBe(1063);
  });

  test("max: false never counts devices, and a configured number holds for each sign-in", {
    ...CROWD,
    timeout: 120_000,
  }, async () => {
    const free = await filled({ max: false });
    await free.signInTimes(65);
    expect(free.caps.flat()).toEqual([]);
    expect(await free.count()).toBe(1005 + 65);
    const exact = setUp(() => free.store, { devices: { max: 1000 } });
    await exact.browser().visit((session) => session.login("ada"));
    expect(await exact.devices()).toHaveLength(1000);
  });
});

describeStores("the device limit of a user", (makeStore) => {
  test(
    "a hundred parallel sign-ins leave as many devices as are allowed, and emit revoked for each other",
    CROWD,
    async () => {
      const { app, browser, devices } = setUp(makeStore, { devices: { max: 3 } });
      await Promise.all(Array.from({ length: 100 }, () => browser().visit(signIn)));
      expect(await devices()).toHaveLength(3);
      const told = app.events.filter((event) => event.type === "revoked");
      expect(told).toHaveLength(97);
      expect(told.every(({ reason }) => reason === "cap")).toBe(true);
    },
  );

  test("of a hundred parallel sign-ins exactly as many are let in as are allowed", CROWD, async () => {
    const { browser, devices } = setUp(makeStore, { devices: { max: 3, overflow: "refuse" } });
    const visits = await Promise.all(
      Array.from({ length: 100 }, async () => {
        const one = browser();
        return { one, ...(await one.visit(signIn)) };
      }),
    );
    expect(visits.filter(({ result }) => result === "signed_in")).toHaveLength(3);
    expect(await devices()).toHaveLength(3);
    for (const { one, result, session } of visits) {
      expect(session.isSignedIn).toBe(result === "signed_in");
      expect(one.jar.has(REMEMBER)).toBe(result === "signed_in");
    }
  });

  test("a sign-in that is refused changes nothing of the session, and one that makes room succeeds", async () => {
    const { browser, devices } = setUp(makeStore, { devices: { max: 1, overflow: "refuse" } });
    const [one, two] = [browser(), browser()];
    await one.visit(signIn);
    await two.visit((session) => session.set("cart", ["ink"]));
    const refused = await two.visit(async (session) => {
      const result = await session.login("ada", { carry: "none" });
      session.set("name", "later");
      return result;
    });
    expect(refused.result).toBe("too_many_devices");
    expect(refused.session.isSignedIn).toBe(false);
    const { result } = await two.visit((session) => ({ ...session.data }));
    expect(result).toEqual({ cart: ["ink"], name: "later" });
    // The same browser again is the same device.
    expect((await one.visit(signIn)).result).toBe("signed_in");
    await one.visit((session) => session.logout());
    expect((await two.visit(signIn)).result).toBe("signed_in");
    expect(await devices()).toHaveLength(1);
  });

  test("all users' devices end at once, with one event", async () => {
    const { app, browser, devices } = setUp(makeStore);
    const [one, two, three] = [browser(), browser(), browser()];
    await one.visit(signIn);
    await two.visit((session) => session.login("bob"));
    await three.visit((session) => session.set("count", 1));
    const visit = await one.open();
    visit.session.set("count", 2);
    expect(await app.psession.revokeEveryone("key_leaked")).toBe(3);
    await visit.answer();
    expect(await devices()).toEqual([]);
    one.restart();
    expect((await one.visit()).session.isSignedIn).toBe(false);
    expect((await two.visit()).session.isSignedIn).toBe(false);
    expect(app.events.find(({ type }) => type === "revokedEveryone")).toMatchObject({
      count: 3,
      reason: "key_leaked",
    });
    expect(app.told()).not.toContain("revoked");
  });
});

describe("what a list of devices says", () => {
  test("when a device was first seen stays, whatever it does since", async () => {
    const app = testApp();
    const one = new TestBrowser(app);
    const start = app.clock.now();
    await one.visit(signIn);
    app.clock.advance(10 * MINUTE);
    one.restart();
    await one.visit();
    const [device] = await app.psession.devices("ada");
    expect([device?.firstSeenAt, device?.lastSeenAt]).toEqual([start, start + 10 * MINUTE]);
  });

  test("names are checked", async () => {
    const app = testApp();
    const one = new TestBrowser(app);
    await one.visit(signIn);
    const naming = (name: unknown) =>
      one.visit((session) => session.nameDevice(session.handle, name as string));
    for (const name of ["a\nb", "a\u2028b", "\ud800", "x".repeat(101), 7, null]) {
      await expect(naming(name)).rejects.toMatchObject({ code: "invalid_name", status: 400 });
    }
    expect((await naming("🛋".repeat(100))).result).toBe(true);
    expect((await naming(undefined)).result).toBe(true);
    expect((await one.visit((session) => session.nameDevice("nobody's", "x"))).result).toBe(false);
    for (const tag of ["", "x".repeat(51), "a\u0000", 7]) {
      const attempt = one.visit((session) => session.login("ada", { tag: tag as string }));
      await expect(attempt).rejects.toMatchObject({ code: "invalid_options" });
    }
  });

  test("places are looked up once per address, and a lookup that fails costs only its place", async () => {
    const asked: string[] = [];
    const place = (address: string) => {
      asked.push(address);
      if (address === "192.0.2.2") throw new Error("no database");
      if (address === "192.0.2.3") return Promise.reject(new Error("no network"));
      return address === "192.0.2.1" ? "Lisbon, Portugal" : undefined;
    };
    const app = testApp({ devices: { place } });
    for (const address of ["192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"]) {
      await new TestBrowser(app).visit(signIn, { address });
      app.clock.advance(SECOND);
    }
    const devices = await app.psession.devices("ada");
    expect(devices.map((device) => device.place).sort()).toEqual([
      "Lisbon, Portugal",
      "Lisbon, Portugal",
      undefined,
      undefined,
      undefined,
    ]);
    expect(asked).toHaveLength(4);
  });

  test("a lookup that never answers does not hold up the list", async () => {
    const place = (address: string) => (address === "192.0.2.1" ? "Lisbon" : new Promise<string>(() => {}));
    const app = testApp({ devices: { place } });
    for (const address of ["192.0.2.1", "192.0.2.2"]) await new TestBrowser(app).visit(signIn, { address });
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      const listing = app.psession.devices("ada");
      await vi.advanceTimersByTimeAsync(1000);
      expect((await listing).map((device) => device.place).sort()).toEqual(["Lisbon", undefined]);
    } finally {
      vi.useRealTimers();
    }
  });

  test("options are checked", () => {
    const bad = { max: 0, overflow: "drop", place: "here", more: 1 } as never;
    expect(() => testApp({ devices: bad })).toThrow(/devices\.max.*devices\.overflow.*devices\.place/s);
  });
});
