import { describe, expect, test, vi } from "vitest";
import { memoryStore, type PsessionOptions } from "../../src/index.ts";
import { KeyRing, newId, newSecret } from "../../src/protocol/secrets.ts";
import { OLDER_KEY, REMEMBER, SESSION, TestBrowser, testApp } from "../support/app.ts";
import { DAY, HOUR } from "../support/clock.ts";

type Cookies = NonNullable<PsessionOptions["cookies"]>;

const NAMES: Cookies = { session: "sid", remember: "rid", device: "did" };
const DEVICE = "did";

/** Instances on one store and one clock, with the same keys, whose cookies differ. */
function instances(...cookies: Cookies[]) {
  const store = memoryStore();
  const { clock } = testApp();
  const devices = { detectNew: true };
  return cookies.map((one) => testApp({ store, clock, devices, cookies: { ...NAMES, ...one } }));
}

const valueIn = (browser: TestBrowser, name: string): string => browser.jar.get(name)?.value ?? "";

/** A request whose Cookie header is exactly this. */
const visit = (app: ReturnType<typeof testApp>, cookie: string) =>
  new TestBrowser(app).visit(({ userId, outcome }) => ({ userId, outcome }), { cookie });

async function signedIn(app: ReturnType<typeof testApp>, user = "ada") {
  const browser = new TestBrowser(app);
  await browser.visit((session) => session.login(user, { remember: true }));
  return browser;
}

const EMBEDDED: Cookies = { sameSite: "none", partitioned: true };

describe("a cookie set with other attributes is ignored", () => {
  test.each([
    ["name", { session: "other", remember: "another" }, ["other", "another"]],
    ["Domain", { domain: "example.com" }, ["sid", "rid"]],
    ["Path", { path: "/shop" }, ["sid", "rid"]],
    ["Partitioned", EMBEDDED, ["sid", "rid"]],
  ])("%s", async (_, changed, [session, remember]) => {
    const [before, after] = instances({}, changed);
    if (before === undefined || after === undefined) throw new Error("two instances");
    const browser = await signedIn(before);
    for (const [name, own] of [
      [session, "sid"],
      [remember, "rid"],
    ] as const) {
      const { result, setCookie } = await visit(after, `${name}=${valueIn(browser, own)}`);
      expect(result).toEqual({ userId: undefined, outcome: "malformed" });
      expect(setCookie).toEqual([]);
    }
  });

  test("a Domain in capitals is the same Domain", async () => {
    const [before, after] = instances({ domain: "Example.com" }, { domain: "example.COM" });
    if (before === undefined || after === undefined) throw new Error("two instances");
    const browser = await signedIn(before);
    expect((await visit(after, `sid=${valueIn(browser, "sid")}`)).result.userId).toBe("ada");
  });

  test("the mark of a known browser", async () => {
    const [before, after] = instances({}, { domain: "example.com" });
    if (before === undefined || after === undefined) throw new Error("two instances");
    const browser = await signedIn(before);
    const cookie = `${DEVICE}=${valueIn(browser, DEVICE)}`;
    await new TestBrowser(after).visit((session) => session.login("ada"), { cookie });
    expect(after.told()).toContain("newDevice");
    await new TestBrowser(before).visit((session) => session.login("ada"), { cookie });
    expect(before.told().filter((type) => type === "newDevice")).toHaveLength(1);
  });
});

describe("of several cookies of one name", () => {
  test("the one with a valid MAC counts, wherever it stands, and none is cleared", async () => {
    const [before, after] = instances({ domain: "example.com" }, {});
    if (before === undefined || after === undefined) throw new Error("two instances");
    const [stale, browser] = [await signedIn(before, "bob"), await signedIn(after)];
    for (const [name, rest] of [
      ["sid", "live"],
      ["rid", "accepted"],
    ] as const) {
      const pairs = [`${name}=${valueIn(stale, name)}`, `${name}=${valueIn(browser, name)}`, `${name}=x`];
      for (const header of [pairs, pairs.toReversed()]) {
        const { result, setCookie } = await visit(after, header.join("; "));
        expect(result).toEqual({ userId: "ada", outcome: rest });
        expect(setCookie).toEqual([]);
      }
    }
    expect(after.told()).not.toContain("duplicateCookies");
  });

  test("a live session that an attacker tossed in does not win over an expired one, and neither is cleared", async () => {
    const app = testApp();
    const victim = await signedIn(app);
    app.clock.advance(3 * HOUR);
    const attacker = await signedIn(app, "mallory");
    for (const name of [SESSION, REMEMBER]) {
      const header = `${name}=${valueIn(attacker, name)}; ${name}=${valueIn(victim, name)}`;
      const { result, setCookie } = await visit(app, header);
      expect(result).toEqual({ userId: undefined, outcome: "duplicate" });
      expect(setCookie).toEqual([]);
      expect(app.events.at(-1)).toMatchObject({ type: "duplicateCookies", name });
    }
    app.clock.advance(DAY);
    expect((await victim.visit((session) => session.userId)).result).toBe("ada");
  });

  test("none with a valid MAC: as no cookie, and one that a newer key may have signed is not cleared", async () => {
    const browser = await signedIn(testApp({ keys: [OLDER_KEY] }));
    for (const name of [SESSION, REMEMBER]) {
      const seen = async (other: string) => {
        const { result, setCookie } = await visit(testApp(), `${name}=x; ${name}=${other}`);
        expect(result).toEqual({ userId: undefined, outcome: "duplicate" });
        return setCookie;
      };
      expect(await seen(valueIn(browser, name))).toEqual([]);
      expect(await seen("")).toEqual([expect.stringContaining(`${name}=; Max-Age=0`)]);
    }
  });

  test("more than a browser comes to have cost no MAC at all", async () => {
    const app = testApp();
    const browser = await signedIn(app);
    const verify = vi.spyOn(KeyRing.prototype, "verify");
    const forged = () => `${SESSION}=${newId()}.${newSecret().toString("base64url")}.${newId()}`;
    const header = (count: number) =>
      [...Array.from({ length: count }, forged), `${SESSION}=${valueIn(browser, SESSION)}`].join("; ");
    expect((await visit(app, header(7))).result.userId).toBe("ada");
    expect(verify.mock.calls.length).toBeLessThanOrEqual(8);
    verify.mockClear();
    expect((await visit(app, header(150))).result).toEqual({ userId: undefined, outcome: "duplicate" });
    expect(verify).not.toHaveBeenCalled();
    verify.mockRestore();
  });

  test("the browser is known by the one that has a mark of the user", async () => {
    const [before, after] = instances({ domain: "example.com" }, {});
    if (before === undefined || after === undefined) throw new Error("two instances");
    const [stale, browser] = [await signedIn(before), await signedIn(after)];
    const pairs = [stale, browser].map((one) => `${DEVICE}=${valueIn(one, DEVICE)}`);
    const news = () => after.told().filter((type) => type === "newDevice").length;
    const signIn = (cookie: string[]) =>
      new TestBrowser(after).visit((session) => session.login("ada"), { cookie: cookie.join("; ") });
    const { setCookie } = await signIn(pairs);
    expect(news()).toBe(1);
    expect(setCookie.join()).toContain(valueIn(browser, DEVICE));
    await signIn(pairs.toReversed());
    expect(news()).toBe(1);
    const second = await signedIn(after);
    await signIn([...pairs, `${DEVICE}=${valueIn(second, DEVICE)}`]);
    expect(news()).toBe(3);
    await signIn([...Array.from({ length: 200 }, () => pairs[0] ?? ""), ...pairs]);
    expect(news()).toBe(4);
  });
});
