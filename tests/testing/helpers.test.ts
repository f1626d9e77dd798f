import { execFileSync } from "node:child_process";
import { join } from "node:path";
import express from "express";
import { expect, test, vi } from "vitest";
import {
  createPsession,
  dangerouslyAllowInsecureHttp,
  memoryStore,
  type Psession,
  type PsessionEvent,
  type PsessionOptions,
} from "../../src/index.ts";
import { requireFresh, sessions } from "../../src/integrations/express/index.ts";
import expressSession from "../../src/integrations/express-session/index.ts";
import { sqliteStore } from "../../src/stores/sqlite/index.ts";
import { type TestBrowser, testBrowser, testClock, testPsession } from "../../src/testing/index.ts";
import { type SignedInOptions, signedIn } from "../../src/testing/signed-in.ts";
import { KEY, OLDER_KEY, type TestData } from "../support/app.ts";
import { serve } from "../support/http.ts";
import { ROOT } from "../support/shop.ts";
import { temporaryFolder } from "../support/temp.ts";

/** What an application says of its visitor. */
async function site(psession: Psession<TestData>) {
  const app = express();
  app.set("trust proxy", "loopback");
  app.use(sessions(psession));
  app.get("/fresh", requireFresh({ within: "10m" }), (_request, response) => void response.send("yes"));
  app.post("/password", async (request, response) => {
    const session = request.session as unknown as { userId: number };
    response.json(await psession.passwordChanged(session.userId));
  });
  app.get("/", (request, response) => {
    const { userId, level, data } = request.session as unknown as {
      userId: number;
      level: string;
      data: object;
    };
    response.json({ userId, level, data });
  });
  const base = await serve(app);
  const ask = async (browser: TestBrowser, path = "/", method = "GET") => {
    const headers = { cookie: browser.cookie, "x-forwarded-proto": "https" };
    return browser.receive(await fetch(base + path, { method, headers }));
  };
  return { ask, who: async (browser: TestBrowser) => (await ask(browser)).json() };
}

const SECURE = { keys: [KEY], prune: false } as const;
const instances: Record<string, () => PsessionOptions> = {
  "in memory, with __Host- cookies": () => ({ ...SECURE, store: memoryStore() }),
  "on SQLite": () => ({ ...SECURE, store: sqliteStore({ path: join(temporaryFolder(), "s.sqlite") }) }),
  "of a realm, with cookies of its own": () => ({
    ...SECURE,
    store: memoryStore(),
    realm: "staff",
    cookies: { session: "__Host-staff", remember: "__Host-staff-remember" },
  }),
  "of one domain": () => ({ ...SECURE, store: memoryStore(), cookies: { domain: "example.com" } }),
  "with encrypted data": () => ({ ...SECURE, store: memoryStore(), encryption: { keys: [OLDER_KEY] } }),
  "over plain http": () => ({ ...SECURE, store: memoryStore(), [dangerouslyAllowInsecureHttp]: true }),
  "bound to browser and address": () => ({
    ...SECURE,
    store: memoryStore(),
    session: { bindUserAgent: "exact", matchAddress: "exact" },
  }),
};

test.each(Object.entries(instances))("signs in on a psession %s", async (_name, options) => {
  const psession = createPsession<TestData>(options());
  const { who } = await site(psession);
  const given: SignedInOptions<TestData> = { data: { cart: ["tea"] }, userAgent: "node" };
  const ada = await signedIn(psession, 7, given);
  expect(await who(ada)).toEqual({ userId: 7, level: "login", data: { cart: ["tea"] } });
  // The header is as good as it was.
  expect(await who(ada)).toMatchObject({ userId: 7 });
  const bob = await signedIn(psession, 8, { userAgent: "node" });
  expect(await who(bob)).toEqual({ userId: 8, level: "login", data: {} });
  expect(await who(testBrowser())).toMatchObject({ level: "anonymous" });
  await psession.close();
});

test("a remembered user comes back days later, with a new token and the data, and is not fresh", async () => {
  const { psession, clock } = testPsession<TestData>();
  const { ask, who } = await site(psession);
  const ada = await signedIn(psession, 7, { remember: true, data: { cart: ["tea"] } });
  const bob = await signedIn(psession, 8);
  expect((await ask(ada, "/fresh")).status).toBe(200);
  const before = ada.cookie;
  for (const browser of [ada, bob]) browser.restart();
  clock.advance("3d");
  expect(bob.cookie).toBe("");
  expect(await who(ada)).toEqual({ userId: 7, level: "remembered", data: { cart: ["tea"] } });
  expect((await ask(ada, "/fresh")).status).toBe(403);
  expect(before).not.toContain(ada.cookie.split("; ").find((pair) => pair.includes("remember")));
  clock.advance("31d");
  expect(ada.cookie).not.toContain(psession.cookieNames.remember);
});

test('the level "remembered" is that of a browser that has come back, with a header that can be sent again', async () => {
  const { psession, clock } = testPsession<TestData>();
  const { ask, who } = await site(psession);
  const ada = await signedIn(psession, 7, { level: "remembered", data: { cart: ["tea"] } });
  for (let visit = 0; visit < 3; visit++) {
    expect(await who(ada)).toEqual({ userId: 7, level: "remembered", data: { cart: ["tea"] } });
    clock.advance("1h");
  }
  expect((await ask(ada, "/fresh")).status).toBe(403);
});

test("is a sign-in as any other: events, devices, and what ends it", async () => {
  const events: PsessionEvent[] = [];
  const { psession } = testPsession<TestData>({ devices: { detectNew: true } });
  psession.on("*", (event) => void events.push(event));
  const { who } = await site(psession);
  const firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
  const tv = await signedIn(psession, 7, { tag: "tv", userAgent: firefox, address: "192.0.2.9" });
  expect(events.map(({ type }) => type)).toEqual(["login", "newDevice", "created"].sort(byOrderOf(events)));
  expect(await psession.devices(7)).toMatchObject([
    { tag: "tv", label: "Firefox on Linux", address: "192.0.2.9", isRemembered: false },
  ]);
  expect(tv.cookie).toContain(psession.cookieNames.device);
  await psession.revokeUser(7);
  expect(await who(tv)).toMatchObject({ level: "anonymous" });
});

/** The order among them is nothing that is promised here. */
const byOrderOf = (events: readonly PsessionEvent[]) => (a: string, b: string) =>
  events.findIndex(({ type }) => type === a) - events.findIndex(({ type }) => type === b);

test("an application with psession/express-session is signed in too", async () => {
  const { psession } = testPsession();
  const app = express();
  app.use(expressSession({ store: psession as never, resave: false, saveUninitialized: false } as never));
  app.get("/", (request, response) => {
    const { userId, level, cart } = request.session as unknown as Record<string, unknown>;
    response.json({ userId, level, cart });
  });
  const base = await serve(app);
  const ada = await signedIn(psession as Psession<Record<string, unknown>>, 7, { data: { cart: ["tea"] } });
  const headers = { cookie: ada.cookie };
  expect(await (await fetch(base, { headers })).json()).toEqual({ userId: 7, level: "login", cart: ["tea"] });
});

test("a sign-in that follows a changed password counts, as time passes between the two", async () => {
  const { psession } = testPsession<TestData>();
  const { ask, who } = await site(psession);
  const ada = await signedIn(psession, 7);
  await ask(ada, "/password", "POST");
  expect(await who(ada)).toMatchObject({ level: "anonymous" });
  expect(await who(await signedIn(psession, 7))).toMatchObject({ userId: 7 });
});

test("what signedIn cannot do is an error that says what to write", async () => {
  const { psession } = testPsession<TestData>();
  const wrong = (options: object) => signedIn(psession, 7, options);
  await expect(signedIn(testPsession() as never, 7)).rejects.toThrow("testPsession as `{ psession }`");
  await expect(signedIn(undefined as never, 7)).rejects.toMatchObject({ code: "invalid_options" });
  await expect(signedIn(psession, {} as never)).rejects.toMatchObject({ code: "invalid_user_id" });
  await expect(wrong({ remembered: true })).rejects.toThrow("remembered is no option");
  const all = { remember: "on", level: "admin", address: 7, userAgent: 8 };
  for (const fault of ["remember must be", "level must be", "address must be", "userAgent must be"])
    await expect(wrong(all)).rejects.toThrow(fault);
  await expect(wrong({ level: "remembered", remember: false })).rejects.toThrow("leave remember out");
  for (const data of ["tea", null, Promise.resolve({ cart: [] })])
    await expect(wrong({ data })).rejects.toThrow("data must be an object");
  await expect(wrong({ data: { at: new Date() } })).rejects.toMatchObject({ code: "invalid_data" });
  await expect(wrong({ data: ["tea"] })).rejects.toMatchObject({ code: "invalid_data" });
  const { psession: strict } = testPsession({ remember: { enabled: false } });
  await expect(signedIn(strict, 7, { remember: true })).rejects.toThrow("remember.enabled");
  await expect(signedIn(strict, 7, { level: "remembered" })).rejects.toThrow("remember.enabled");
  const { psession: one } = testPsession({ devices: { max: 1, overflow: "refuse" } });
  await signedIn(one, 7);
  await expect(signedIn(one, 7)).rejects.toMatchObject({ code: "too_many_devices" });
  expect(await psession.devices(7)).toEqual([]);
});

test("a test clock stands still until it is moved, except to keep readings apart", () => {
  const clock = testClock(new Date("2030-01-01T00:00:00Z"));
  const begin = clock.now();
  expect(begin).toBe(Date.UTC(2030, 0, 1));
  expect(clock.now()).toBeGreaterThan(begin);
  clock.advance("3d");
  clock.advance(1000);
  expect(Math.round((clock.now() - begin) / 1000)).toBe(3 * 86_400 + 1);
  expect(Math.abs(testClock().now() - Date.now())).toBeLessThan(60_000);
  for (const by of [-1, "-1d", "soon", Number.NaN, undefined, 8.64e15])
    expect(() => clock.advance(by as never)).toThrow("A clock does not go back");
  for (const start of ["2030-01-01", new Date("soon"), Number.NaN, 1e300, null])
    expect(() => testClock(start as never)).toThrow("testClock: start must be");
});

test("a test browser keeps cookies as browsers do, from the responses of any client", () => {
  const clock = testClock();
  const browser = testBrowser({ clock });
  const fetched = { headers: new Headers([["set-cookie", "a=%31; Path=/; Max-Age=60"]]) };
  expect(browser.receive(fetched)).toBe(fetched);
  browser.receive({
    headers: { "set-cookie": ["b=2; HttpOnly", "c=3; Expires=Thu, 01 Jan 2099 00:00:00 GMT"] },
  });
  browser.receive({ headers: { "set-cookie": "d=4" } });
  browser.receive({ headers: {} });
  expect(browser.cookie).toBe("a=%31; b=2; c=3; d=4");
  browser.receive({ headers: { "set-cookie": ["d=; Max-Age=0", "b=5"] } });
  expect(browser.cookie).toBe("a=%31; b=5; c=3");
  browser.restart();
  expect(browser.cookie).toBe("a=%31; c=3");
  clock.advance("1m");
  expect(browser.cookie).toBe("c=3");
  const sent = Promise.resolve({ headers: {} });
  for (const response of [sent, Object.assign(sent, { headers: {} }), undefined, { status: 200 }, "a=1"])
    expect(() => browser.receive(response as never)).toThrow("await it first");
  expect(() => testBrowser({ now: 1 } as never)).toThrow("now is no option");
  expect(() => testBrowser({ clock: new Date() as never })).toThrow("clock must be an object with now()");
});

test("testPsession takes the options of createPsession, and leaves no timer behind", () => {
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
  const before = timers();
  const clock = testClock();
  const store = memoryStore();
  const found = testPsession({ clock, store, realm: "staff", cookies: { session: "sid" } });
  expect(found.clock).toBe(clock);
  expect(found.psession.cookieNames).toMatchObject({ session: "sid", remember: "psession-remember" });
  expect(timers()).toBe(before);
  expect(() => testPsession({ sesion: {} } as never)).toThrow("sesion is no option");
});

test("its key is public, so production refuses it", () => {
  vi.stubEnv("NODE_ENV", "production");
  try {
    const given = { [dangerouslyAllowInsecureHttp]: undefined };
    expect(() => testPsession(given as never)).toThrow("refused in production");
  } finally {
    vi.unstubAllEnvs();
  }
});

test("psession/testing loads psession and nothing for contracts or test runners", () => {
  const script = `
    import { registerHooks } from "node:module";
    const urls = [];
    registerHooks({ load: (url, context, next) => { urls.push(url); return next(url, context); } });
    await import("psession");
    const core = urls.splice(0);
    await import("psession/testing");
    console.log(JSON.stringify({ core, own: urls }));`;
  const output = execFileSync(process.execPath, ["--input-type=module", "-e", script], {
    cwd: ROOT,
    encoding: "utf8",
  });
  const { core, own } = JSON.parse(output) as { core: string[]; own: string[] };
  expect(core.length).toBeGreaterThan(0);
  expect(own.length).toBeLessThan(10);
  expect(own.filter((url) => /contract|vitest|jest|mocha|supertest|node:(?:test|assert)/.test(url))).toEqual(
    [],
  );
});
