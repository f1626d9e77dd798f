/** Each option by itself, away from its default: what it changes for visitors, beside what they get without it. */
import * as devalue from "devalue";
import { afterEach, describe, expect, test, vi } from "vitest";
import { devalueCodec } from "../src/data/devalue.ts";
import { type AuditEntry, factsOf, memoryStore, PsessionError, type PsessionOptions } from "../src/index.ts";
import { withSession } from "../src/integrations/fetch/index.ts";
import { optionDefaults } from "../src/options/schema.ts";
import { cameAt } from "../src/request/arrival.ts";
import { registrationOf } from "../src/request/bound.ts";
import { Session } from "../src/session.ts";
import { wrapped } from "../src/stores/wrapped.ts";
import { cookieHeader, KEY, OLDER_KEY, REMEMBER, SESSION, TestBrowser, testApp } from "./support/app.ts";
import { bindKey } from "./support/bound.ts";
import { DAY, HOUR, MINUTE, SECOND } from "./support/clock.ts";
import { counted, intercepted } from "./support/stores.ts";

type Options = Partial<PsessionOptions>;

const FIREFOX = (version: number) =>
  `Mozilla/5.0 (X11; Linux x86_64; rv:${version}.0) Gecko/20100101 Firefox/${version}.0`;
const ENCRYPTION_KEY = "Vt7Hq2Zx9Mb4Kd8Ws3Yf6Lc1Np5Rj0Ga";

/** A user who signed in, and what the test looks at. */
async function signedIn(options: Options, { remember = false, userAgent = FIREFOX(130) } = {}) {
  const { store, calls } = counted(options.store ?? memoryStore());
  const app = testApp({ ...options, store });
  const browser = new TestBrowser(app, userAgent);
  const { setCookie, session } = await browser.visit((session) => session.login("ada", { remember }));
  return { app, browser, calls, setCookie, session };
}

/** Whether the user is still there after waits, with a visit after each. */
async function staysIn(options: Options, waits: readonly number[], { remember = false } = {}) {
  const { app, browser } = await signedIn(options, { remember });
  let isIn = true;
  for (const wait of waits) {
    if (remember) browser.restart();
    app.clock.advance(wait);
    isIn = (await browser.visit()).session.isSignedIn;
  }
  return isIn;
}

/** Of a session that was made at one address or by one browser: who it is for, elsewhere. */
async function seenElsewhere(session: object, elsewhere: { address?: string; userAgent?: string }) {
  const { browser } = await signedIn({ session });
  return (await browser.visit(undefined, elsewhere)).session.userId;
}

const cookiesOf = async (options: Options) => (await signedIn(options, { remember: true })).setCookie;
const names = (lines: readonly string[]) => lines.map((line) => line.split("=")[0]);

/** Devices that are left after three sign-ins, and how the last one went. */
async function threeSignIns(devices: object) {
  const app = testApp({ devices });
  const browsers = Array.from({ length: 3 }, () => new TestBrowser(app));
  const results: unknown[] = [];
  for (const browser of browsers) {
    results.push((await browser.visit((session) => session.login("ada"))).result);
    app.clock.advance(SECOND);
  }
  return { left: (await app.psession.devices("ada")).length, last: results.at(-1) };
}

async function audited(audit: object, wait = 0) {
  const store = memoryStore({ audit: true });
  const { app, browser } = await signedIn({ store, audit });
  await browser.visit((session) => session.logout());
  await app.psession.flush();
  app.clock.advance(wait);
  await app.psession.prune();
  return (await app.psession.auditTrail()).map(({ event }) => event).toReversed();
}

const EFFECTS: Record<string, () => Promise<void>> = {
  store: async () => {
    const store = memoryStore();
    const { app, browser } = await signedIn({ store });
    const same = testApp({ store, clock: app.clock });
    const other = testApp({ clock: app.clock });
    const seen = (on: typeof app) => new TestBrowser(on).visit(undefined, { jar: browser.copyJar() });
    expect((await seen(same)).session.userId).toBe("ada");
    expect((await seen(other)).session.userId).toBeUndefined();
  },
  keys: async () => {
    const { app, browser } = await signedIn({ keys: [OLDER_KEY] });
    const { store } = app.psession.core.settings;
    const seen = async (keys: string[]) => {
      const other = new TestBrowser(testApp({ store, keys, clock: app.clock }));
      return (await other.visit(undefined, { jar: browser.copyJar() })).session.userId;
    };
    expect([await seen([KEY]), await seen([KEY, OLDER_KEY])]).toEqual([undefined, "ada"]);
  },
  realm: async () => {
    const store = memoryStore();
    const { app, browser } = await signedIn({ store, realm: "staff" });
    const seen = async (realm: string) => {
      const other = testApp({ store, realm, clock: app.clock });
      const { session } = await new TestBrowser(other).visit(undefined, { jar: browser.copyJar() });
      return [session.userId, (await other.psession.devices("ada")).length];
    };
    expect([await seen("customers"), await seen("staff")]).toEqual([
      [undefined, 0],
      ["ada", 1],
    ]);
  },
  preset: async () => {
    expect(await staysIn({ preset: "aal3" }, [15 * MINUTE])).toBe(true);
    expect(await staysIn({ preset: "aal3" }, [15 * MINUTE + 1])).toBe(false);
    const day = Array.from({ length: 60 }, () => 12 * MINUTE);
    expect(await staysIn({ preset: "aal3" }, day)).toBe(true);
    expect(await staysIn({ preset: "aal3" }, [...day, 12 * MINUTE])).toBe(false);
    expect(await staysIn({}, [...day, 12 * MINUTE])).toBe(true);
  },
  "session.idle": async () => {
    expect(await staysIn({ session: { idle: "30m" } }, [30 * MINUTE])).toBe(true);
    expect(await staysIn({ session: { idle: "30m" } }, [30 * MINUTE + 1])).toBe(false);
    expect(await staysIn({}, [30 * MINUTE + 1])).toBe(true);
  },
  "session.absolute": async () => {
    const hours = Array.from({ length: 3 }, () => HOUR);
    expect(await staysIn({ session: { absolute: "3h" } }, hours)).toBe(true);
    expect(await staysIn({ session: { absolute: "3h" } }, [...hours, 1])).toBe(false);
    expect(await staysIn({}, [...hours, 1])).toBe(true);
  },
  "session.touchEvery": async () => {
    const touches = async (session: object) => {
      const { app, browser, calls } = await signedIn({ session });
      for (let visit = 0; visit < 6; visit++) {
        app.clock.advance(20 * SECOND);
        await browser.visit();
      }
      return calls.filter((name) => name === "touch").length;
    };
    expect([await touches({ touchEvery: "20s" }), await touches({})]).toEqual([6, 2]);
  },
  "session.rotateEvery": async () => {
    const renewed = async (session: object) => {
      const { app, browser } = await signedIn({ session });
      app.clock.advance(10 * MINUTE);
      return names((await browser.visit()).setCookie);
    };
    expect([await renewed({ rotateEvery: "10m" }), await renewed({})]).toEqual([[SESSION], []]);
  },
  "session.maxBytes": async () => {
    const save = (session: object) =>
      new TestBrowser(testApp({ session })).visit((visited) => visited.set("name", "x".repeat(100)));
    await expect(save({ maxBytes: 100 })).rejects.toMatchObject({ code: "data_too_large" });
    await save({});
  },
  "session.matchAddress.v4": async () => {
    const matchAddress = { v4: 24, v6: 48 };
    expect(await seenElsewhere({ matchAddress }, { address: "192.0.2.250" })).toBe("ada");
    expect(await seenElsewhere({ matchAddress }, { address: "192.0.3.7" })).toBeUndefined();
    expect(await seenElsewhere({}, { address: "192.0.3.7" })).toBe("ada");
  },
  "session.matchAddress.v6": async () => {
    const seen = async (session: object) => {
      const { browser } = await signedIn({ session });
      const at = (address: string) => browser.visit((visited) => visited.login("ada"), { address });
      await at("2001:db8:1:2::1");
      return (await browser.visit(undefined, { address: "2001:db8:1:3::1" })).session.userId;
    };
    expect(await seen({ matchAddress: { v4: 8, v6: 64 } })).toBeUndefined();
    expect(await seen({ matchAddress: { v4: 8, v6: 48 } })).toBe("ada");
  },
  "session.bindUserAgent": async () => {
    const update = { userAgent: FIREFOX(131) };
    expect(await seenElsewhere({ bindUserAgent: "exact" }, update)).toBeUndefined();
    expect(await seenElsewhere({ bindUserAgent: "family" }, update)).toBe("ada");
    expect(await seenElsewhere({ bindUserAgent: "family" }, { userAgent: "curl/8" })).toBeUndefined();
    expect(await seenElsewhere({}, { userAgent: "curl/8" })).toBe("ada");
  },
  "session.onMismatch": async () => {
    const moved = { address: "198.51.100.9" };
    expect(await seenElsewhere({ matchAddress: "exact", onMismatch: "report" }, moved)).toBe("ada");
    expect(await seenElsewhere({ matchAddress: "exact" }, moved)).toBeUndefined();
  },
  "session.isPassive": async () => {
    const lastSeen = async (session: object) => {
      const { psession, clock } = testApp({ session });
      const page = withSession(psession, async (request, getSession) => {
        const found = await getSession();
        if (request.url.endsWith("/sign-in")) await found.login("ada");
        return new Response(String(found.isSignedIn));
      });
      const answer = await page(new Request("https://example.com/sign-in"));
      const jar = answer.headers.getSetCookie().map((line) => line.split(";")[0]);
      const start = clock.now();
      clock.advance(HOUR);
      const headers = { cookie: jar.join("; ") };
      expect(await (await page(new Request("https://example.com/poll?since=1", { headers }))).text()).toBe(
        "true",
      );
      return ((await psession.devices("ada"))[0]?.lastSeenAt ?? 0) - start;
    };
    const isPassive = ({ path }: { path: string }) => path.startsWith("/poll?");
    expect([await lastSeen({ isPassive }), await lastSeen({})]).toEqual([0, HOUR]);
  },
  "session.codec": async () => {
    const since = new Map([["tea", new Date(0)]]);
    const keep = async (session: object) => {
      const { browser } = await signedIn({ session });
      await browser.visit((visited) => visited.set("since", since));
      return (await browser.visit()).session.data["since"];
    };
    expect(await keep({ codec: devalueCodec(devalue) })).toEqual(since);
    await expect(keep({})).rejects.toMatchObject({ code: "invalid_data" });
  },
  "remember.enabled": async () => {
    const lines = await cookiesOf({ remember: { enabled: false } });
    expect(names(lines.filter((line) => !line.includes("Max-Age=0")))).toEqual([SESSION]);
    expect(names(await cookiesOf({}))).toEqual([SESSION, REMEMBER]);
  },
  "remember.idle": async () => {
    const remember = { idle: "2d" } as const;
    expect(await staysIn({ remember }, [2 * DAY], { remember: true })).toBe(true);
    expect(await staysIn({ remember }, [2 * DAY + 1], { remember: true })).toBe(false);
    expect(await staysIn({}, [2 * DAY + 1], { remember: true })).toBe(true);
  },
  "remember.absolute": async () => {
    const remember = { idle: "2d", absolute: "3d" } as const;
    expect(await staysIn({ remember }, [DAY, 2 * DAY], { remember: true })).toBe(true);
    expect(await staysIn({ remember }, [DAY, 2 * DAY, 1], { remember: true })).toBe(false);
    expect(await staysIn({}, [DAY, 2 * DAY, 1], { remember: true })).toBe(true);
    const [, line = ""] = await cookiesOf({ remember });
    expect(line).toContain("Max-Age=259200;");
  },
  "remember.onTheft": async () => {
    const othersLeft = async (remember: object) => {
      const { app, browser } = await signedIn({ remember }, { remember: true });
      await new TestBrowser(app).visit((session) => session.login("ada"));
      const stolen = browser.copyJar();
      stolen.delete(SESSION);
      for (let visit = 0; visit < 3; visit++) {
        browser.restart();
        app.clock.advance(20 * MINUTE);
        await browser.visit();
      }
      await new TestBrowser(app).visit(undefined, { jar: stolen });
      expect(app.told()).toContain("theft");
      return (await app.psession.devices("ada")).length;
    };
    expect([await othersLeft({ onTheft: "user" }), await othersLeft({})]).toEqual([0, 1]);
  },
  "remember.tombstone": async () => {
    const outcome = async (remember: object) => {
      const { app, browser } = await signedIn({ remember }, { remember: true });
      await app.psession.revokeUser("ada");
      app.clock.advance(4 * HOUR);
      await app.psession.prune();
      browser.restart();
      return (await browser.visit()).session.outcome;
    };
    expect([await outcome({ tombstone: "2h" }), await outcome({})]).toEqual(["unknown", "revoked"]);
  },
  "cookies.session": async () => {
    const { browser, setCookie } = await signedIn({ cookies: { session: "__Host-sid" } });
    expect(names(setCookie)).toEqual(["__Host-sid", REMEMBER]);
    expect((await browser.visit()).session.userId).toBe("ada");
    const cleared = names((await browser.visit((session) => session.logout())).setCookie);
    expect(cleared).toEqual(["__Host-sid", REMEMBER]);
    expect(browser.jar.size).toBe(0);
  },
  "cookies.remember": async () => {
    const { browser, setCookie } = await signedIn(
      { cookies: { remember: "__Host-rid" } },
      { remember: true },
    );
    expect(names(setCookie)).toEqual([SESSION, "__Host-rid"]);
    browser.restart();
    expect((await browser.visit()).session.outcome).toBe("accepted");
    await browser.visit((session) => session.logout());
    expect(browser.jar.has("__Host-rid")).toBe(false);
  },
  "cookies.device": async () => {
    const devices = { detectNew: true };
    const lines = await cookiesOf({ devices, cookies: { device: "__Host-did" } });
    expect(names(lines)).toContain("__Host-did");
    expect(names(await cookiesOf({ devices }))).toContain("__Host-psession-device");
  },
  "cookies.trust": async () => {
    const trusting = async (cookies: object) => {
      const { browser } = await signedIn({ cookies });
      return names((await browser.visit((session) => session.trust())).setCookie);
    };
    expect(await trusting({ trust: "__Host-tid" })).toEqual(["__Host-tid"]);
    expect(await trusting({})).toEqual(["__Host-psession-trust"]);
  },
  "cookies.acting": async () => {
    const impersonating = async (cookies: object) => {
      const { browser } = await signedIn({ cookies });
      const acting = await browser.visit((session) => session.impersonate("eve", { reason: "ticket" }));
      return names(acting.setCookie);
    };
    expect(await impersonating({ acting: "__Host-aid" })).toEqual(["__Host-aid"]);
    expect(await impersonating({})).toEqual(["__Host-psession-acting"]);
  },
  "cookies.bound": async () => {
    const binding = async (cookies: object) => {
      const { browser, session } = await signedIn({ cookies, deviceBound: {} });
      await bindKey(browser, session);
      return [...browser.jar.keys()].filter((name) => name.endsWith("bound") || name.endsWith("bid"));
    };
    expect(await binding({ bound: "__Host-bid" })).toEqual(["__Host-bid"]);
    expect(await binding({})).toEqual(["__Host-psession-bound"]);
  },
  "deviceBound.path": async () => {
    const asked = async (deviceBound: object | undefined) => {
      const { session } = await signedIn(deviceBound === undefined ? {} : { deviceBound });
      return registrationOf(Session.stateOf(session as never))?.path;
    };
    expect(await asked({ path: "/keys" })).toBe("/keys/register");
    expect(await asked({})).toBe("/device-bound/register");
    expect(await asked(undefined)).toBeUndefined();
  },
  "deviceBound.lifetime": async () => {
    const levelAfter = async (deviceBound: object, wait: number) => {
      const { app, browser, session } = await signedIn({ deviceBound });
      await bindKey(browser, session);
      await browser.visit();
      app.clock.advance(wait);
      return (await browser.visit()).session.level;
    };
    expect(await levelAfter({ lifetime: "20m" }, 19 * MINUTE)).toBe("device-bound");
    expect(await levelAfter({}, 9 * MINUTE)).toBe("device-bound");
    expect(await levelAfter({}, 11 * MINUTE)).toBe("anonymous");
  },
  "cookies.sameSite": async () => {
    for (const line of await cookiesOf({ cookies: { sameSite: "strict" } }))
      expect(line).toMatch(/; SameSite=Strict$/);
    for (const line of await cookiesOf({})) expect(line).toMatch(/; SameSite=Lax$/);
  },
  "cookies.path": async () => {
    const lines = await cookiesOf({ cookies: { path: "/shop" } });
    expect(names(lines)).toEqual(["__Secure-psession", "__Secure-psession-remember"]);
    for (const line of lines) expect(line).toContain("; Path=/shop;");
    for (const line of await cookiesOf({})) expect(line).toContain("; Path=/;");
  },
  "cookies.domain": async () => {
    const lines = await cookiesOf({ cookies: { domain: "shop.example" } });
    expect(names(lines)).toEqual(["__Secure-psession", "__Secure-psession-remember"]);
    for (const line of lines) expect(line).toContain("; Domain=shop.example;");
    for (const line of await cookiesOf({})) expect(line).not.toContain("Domain");
  },
  "cookies.partitioned": async () => {
    for (const line of await cookiesOf({ cookies: { sameSite: "none", partitioned: true } }))
      expect(line).toMatch(/; Secure; Partitioned; SameSite=None$|; Secure; SameSite=None; Partitioned$/);
    for (const line of await cookiesOf({})) expect(line).not.toContain("Partitioned");
  },
  "cookies.noStore": async () => {
    const isNoStore = async (cookies: object) => {
      const facts = factsOf(() => undefined, { method: "GET", secure: true, address: undefined });
      const exchange = testApp({ cookies }).psession.exchange(facts);
      (await exchange.open()).set("count", 1);
      return (await exchange.commit()).noStore;
    };
    expect([await isNoStore({ noStore: false }), await isNoStore({})]).toEqual([false, true]);
  },
  "devices.max": async () => {
    expect([(await threeSignIns({ max: 2 })).left, (await threeSignIns({})).left]).toEqual([2, 3]);
  },
  "devices.overflow": async () => {
    const refused = { left: 2, last: "too_many_devices" };
    expect(await threeSignIns({ max: 2, overflow: "refuse" })).toEqual(refused);
    expect(await threeSignIns({ max: 2 })).toEqual({ left: 2, last: "signed_in" });
  },
  "devices.place": async () => {
    const placeIn = async (devices: object) => {
      const { app } = await signedIn({ devices });
      return (await app.psession.devices("ada"))[0]?.place;
    };
    expect(await placeIn({ place: (address: string) => `near ${address}` })).toBe("near 192.0.2.7");
    expect(await placeIn({})).toBeUndefined();
  },
  "devices.detectNew": async () => {
    expect((await signedIn({ devices: { detectNew: true } })).app.told()).toContain("newDevice");
    expect((await signedIn({})).app.told()).not.toContain("newDevice");
  },
  "privacy.addresses": async () => {
    const kept = async (options: Options) => {
      const { app } = await signedIn(options);
      return (await app.psession.devices("ada"))[0]?.address;
    };
    expect(await kept({ privacy: { addresses: "network" } })).toBe("192.0.2.0");
    expect(await kept({ privacy: { addresses: "none" } })).toBeUndefined();
    expect(await kept({})).toBe("192.0.2.7");
  },
  "privacy.keepAddresses": async () => {
    const kept = async (options: Options) => {
      const { app } = await signedIn(options, { remember: true });
      app.clock.advance(3 * DAY);
      await app.psession.prune();
      return (await app.psession.devices("ada"))[0]?.address;
    };
    expect(await kept({ privacy: { keepAddresses: "2d" } })).toBeUndefined();
    expect(await kept({})).toBe("192.0.2.7");
  },
  "audit.sink": async () => {
    const kept: AuditEntry[] = [];
    const append = async (entries: readonly AuditEntry[]) => void kept.push(...entries);
    const { app } = await signedIn({ audit: { sink: { append } } });
    await app.psession.flush();
    expect(kept.map(({ event }) => event)).toEqual(["login"]);
  },
  "audit.events": async () => {
    expect(await audited({ events: ["logout"] })).toEqual(["logout"]);
    expect(await audited({})).toEqual(["login", "logout"]);
  },
  "audit.keep": async () => {
    expect(await audited({ keep: "2d" }, 3 * DAY)).toEqual([]);
    expect(await audited({}, 3 * DAY)).toEqual(["login", "logout"]);
  },
  "encryption.keys": async () => {
    const stored = async (options: Options) => {
      const store = memoryStore();
      const { session } = await new TestBrowser(testApp({ store, ...options })).visit((visited) =>
        visited.set("name", "a secret"),
      );
      return (await store.findSession(session.id))?.data;
    };
    expect(await stored({ encryption: { keys: [ENCRYPTION_KEY] } })).toMatch(/^enc1\./);
    expect(await stored({})).toBe('{"name":"a secret"}');
  },
  "encryption.acceptPlainText": async () => {
    const read = async (encryption: object) => {
      const store = memoryStore();
      const { app, browser } = await signedIn({ store });
      await browser.visit((session) => session.set("name", "Ada"));
      const encrypted = testApp({
        store,
        clock: app.clock,
        encryption: { keys: [ENCRYPTION_KEY], ...encryption },
      });
      return (await new TestBrowser(encrypted).visit(undefined, { jar: browser.copyJar() })).session.data;
    };
    expect(await read({ acceptPlainText: true })).toEqual({ name: "Ada" });
    await expect(read({})).rejects.toMatchObject({ code: "data_unreadable" });
  },
  "onEnd.channel": async () => {
    const published = async (onEnd: object) => {
      const texts: string[] = [];
      const publish = async (text: string) => void texts.push(text);
      const channel = { publish, subscribe: async () => async () => {} };
      const { app } = await signedIn({ store: wrapped(memoryStore(), { channel }), onEnd });
      await app.psession.revokeUser("ada");
      await app.psession.flush();
      return texts.length;
    };
    expect(await published({})).toBe(1);
    expect(await published({ channel: false })).toBe(0);
  },
  "onEnd.poll": async () => {
    const reads = async (onEnd: object, wait: number) => {
      vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
      const { app, browser, calls } = await signedIn({ onEnd });
      const { session } = await browser.open();
      session.onEnd(() => {});
      await new Promise((resolve) => setImmediate(resolve));
      calls.length = 0;
      await vi.advanceTimersByTimeAsync(wait);
      await app.psession.close();
      vi.useRealTimers();
      return calls.filter((name) => name === "findSession").length;
    };
    expect(await reads({}, 4999)).toBe(0);
    expect(await reads({}, 5000)).toBe(1);
    expect(await reads({ poll: "1s" }, 5000)).toBe(5);
  },
  "prune.every": async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    // Between half of it and all of it: processes that were started together do not come together.
    const pruned = async (prune: object, wait: number) => {
      const { app, calls } = await signedIn({ prune });
      await vi.advanceTimersByTimeAsync(wait);
      await app.psession.close();
      return calls.includes("acquireLock");
    };
    expect(await pruned({ every: "2h" }, HOUR - 1)).toBe(false);
    expect(await pruned({ every: "2h" }, 2 * HOUR)).toBe(true);
    expect(await pruned({}, 15 * MINUTE)).toBe(true);
  },
  "prune.chunk": async () => {
    const statements = async (prune: object) => {
      const { app, browser, calls } = await signedIn({ prune });
      for (let visit = 0; visit < 4; visit++) {
        browser.jar.clear();
        await browser.visit((session) => session.set("count", visit));
      }
      app.clock.advance(2 * DAY);
      expect((await app.psession.prune()).sessions).toBe(5);
      await app.psession.close();
      return calls.filter((name) => name === "prune").length;
    };
    expect([await statements({ chunk: 2 }), await statements({})]).toEqual([3, 1]);
  },
  "proxy.requestStart": async () => {
    const arrived = async (options: Options) => {
      const { clock, psession } = testApp(options);
      const start = String(clock.now() - MINUTE);
      const header = (name: string) => (name === "x-start" ? start : undefined);
      return clock.now() - cameAt(psession.core.settings, header, clock.now());
    };
    expect(await arrived({ proxy: { requestStart: "X-Start" } })).toBe(MINUTE);
    expect(await arrived({})).toBe(0);
  },
  whenUnavailable: async () => {
    const visitIn = async (options: Options) => {
      let isDown = false;
      const store = intercepted(memoryStore(), async (_, call) => {
        if (isDown) throw new PsessionError("store_unavailable", "down");
        return call();
      });
      const { browser } = await signedIn({ ...options, store });
      isDown = true;
      return (await browser.visit()).session.outcome;
    };
    expect(await visitIn({ whenUnavailable: "anonymous" })).toBe("unavailable");
    await expect(visitIn({})).rejects.toMatchObject({ status: 503 });
  },
  caching: async () => {
    const toldOf = async (options: Options) => {
      const { app, browser } = await signedIn(options);
      const cookie = cookieHeader(browser.jar);
      const header = (name: string) => (name === "cookie" ? cookie : undefined);
      const facts = factsOf(header, { method: "GET", secure: true, address: undefined });
      const exchange = app.psession.exchange(facts);
      expect((await exchange.open()).isSignedIn).toBe(true);
      return (await exchange.commit()).caching;
    };
    expect([await toldOf({ caching: "off" }), await toldOf({})]).toEqual([undefined, "private"]);
  },
  clock: async () => {
    const now = Date.UTC(2001, 1, 3);
    const clock = { now: () => now };
    const { session } = await new TestBrowser(testApp({ clock: clock as never })).visit((visited) =>
      visited.login("ada"),
    );
    expect(session.authenticatedAt).toBe(now);
  },
};

afterEach(() => void vi.useRealTimers());

describe("in effect:", () => {
  test.each(Object.entries(EFFECTS))("%s", (_, effect) => effect());
});

test("no option is left out", () => {
  expect(Object.keys(EFFECTS).sort()).toEqual([...optionDefaults().keys()].sort());
});

test("a cookie with another name is ignored", async () => {
  const { browser, app } = await signedIn({ cookies: { session: "__Host-sid" } });
  const renamed = new Map([[SESSION, browser.jar.get("__Host-sid") ?? { value: "", isTransient: true }]]);
  expect(cookieHeader(renamed)).toContain(SESSION);
  expect((await new TestBrowser(app).visit(undefined, { jar: renamed })).session.outcome).toBe("none");
});
