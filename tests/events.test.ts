import { channel } from "node:diagnostics_channel";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { signInAttempts } from "../src/attempts/index.ts";
import { memoryStore, type PsessionEvent } from "../src/index.ts";
import { OLDER_KEY, REMEMBER, SESSION, TestBrowser, testApp } from "./support/app.ts";
import { bindKey, KeyHolder, proveKey, skipProof } from "./support/bound.ts";
import { DAY, MINUTE } from "./support/clock.ts";
import { failingStore } from "./support/stores.ts";

/** Fields by event, as docs/events.md lists them. */
function documented(): Map<string, string[]> {
  const page = readFileSync(new URL("../docs/events.md", import.meta.url), "utf8");
  const rows = page.matchAll(/^\| `(\w+)` *\|([^|]*)\|/gm);
  return new Map(
    Array.from(rows, ([, name = "", fields = ""]) => [
      name,
      Array.from(fields.matchAll(/`(\w+)`/g), ([, field = ""]) => field).sort(),
    ]),
  );
}

/** Lives in which every event happens that is not a fault of clocks or stores. */
async function everything(): Promise<PsessionEvent[]> {
  const { store, failing } = failingStore();
  const app = testApp({
    store,
    devices: { detectNew: true, max: 3 },
    session: { matchAddress: "exact", onMismatch: "report", rotateEvery: "1h" },
    audit: { sink: { append: async () => {} } },
    deviceBound: {},
  });
  const { psession, clock } = app;
  const browser = new TestBrowser(app);
  await browser.visit((session) => session.set("cart", ["tea"]));
  await browser.visit((session) => session.login("ada", { remember: true }));
  const stolen = browser.copyJar();
  stolen.delete(SESSION);
  clock.advance(10 * MINUTE);
  await browser.visit((session) => session.set("count", 1));
  await browser.visit(undefined, { address: "198.51.100.9" });
  await browser.visit((session) => session.reauthenticate());
  for (let visit = 0; visit < 2; visit++) {
    clock.advance(2 * 60 * MINUTE);
    browser.restart();
    const parallel = browser.copyJar();
    await browser.visit();
    await browser.visit(undefined, { jar: parallel });
    await browser.visit(undefined, { jar: parallel, canSetCookies: false });
    clock.advance(10 * MINUTE);
    const [one, two] = [await browser.open(), await browser.open()];
    one.session.set("count", visit + 10);
    two.session.set("count", visit + 20);
    await one.answer();
    await two.answer();
    clock.advance(61 * MINUTE);
    await browser.visit();
  }
  clock.advance(3 * 60 * MINUTE);
  browser.restart();
  await browser.visit(undefined, { lost: true });
  clock.advance(10 * MINUTE);
  await browser.visit();
  const late = await browser.open();
  await psession.revoke(late.session.handle);
  late.session.set("count", 0);
  await late.answer();
  await new TestBrowser(app).visit(undefined, { jar: stolen });

  const second = new TestBrowser(app);
  await second.visit((session) => session.login("bob", { remember: true }));
  const old = second.copyJar();
  old.delete(SESSION);
  for (let visit = 0; visit < 3; visit++) {
    clock.advance(3 * 60 * MINUTE);
    second.restart();
    await second.visit();
    clock.advance(10 * MINUTE);
    await second.visit();
  }
  clock.advance(3 * 60 * MINUTE);
  second.restart();
  const held = second.copyJar();
  await second.visit(undefined, { canSetCookies: false });
  await second.visit();
  clock.advance(10 * MINUTE);
  await second.visit();
  await second.visit(undefined, { jar: held });
  await second.visit((session) => session.logout(), { jar: new Map(), crossSite: true, safe: false });
  await new TestBrowser(app).visit(undefined, { jar: old });
  await second.visit((session) => session.begin("bob", { method: "password" }));
  await second.visit(async (session) => {
    await session.complete({ method: "otp" });
    await session.trust();
  });
  await second.visit((session) => psession.passwordChanged("bob", { keep: session }));
  // A sign-in of the same millisecond counts as proved before.
  clock.advance(1);
  await second.visit((session) => session.impersonate("ada", { reason: "ticket 4711" }));
  await second.visit((session) => session.stopImpersonating());
  await second.visit((session) => session.logout());
  await psession.eraseUser("bob");
  await psession.revokeEveryone();
  clock.advance(1);
  const third = new TestBrowser(app);
  await third.visit((session) => session.login("eve"));
  clock.advance(2 * DAY);
  await third.visit();
  await psession.prune();
  const name = `${REMEMBER}=x; ${REMEMBER}=y`;
  const exchange = psession.exchange({
    ...{ secure: true, canSetCookies: true, navigation: true, script: false },
    ...{ crossSite: false, safe: true, forwarded: false },
    ...{ cookie: name, address: undefined, userAgent: undefined },
  });
  await exchange.open();
  const unknown = new TestBrowser(testApp({ keys: [OLDER_KEY] }));
  await unknown.visit((session) => session.set("count", 1));
  await new TestBrowser(app).visit(undefined, { jar: unknown.jar });
  await new TestBrowser(app).visit(undefined, { secure: false });
  const holder = new TestBrowser(app);
  const signedIn = await holder.visit((session) => session.login("fay"));
  await proveKey(holder, await bindKey(holder, signedIn.session));
  skipProof(app, "unreachable");
  await proveKey(holder, new KeyHolder());
  const attempts = signInAttempts(psession, { memory: true, account: { free: 1 } });
  const who = { account: "ada@example.com", userId: "ada" };
  for (let attempt = 0; attempt < 2; attempt++)
    await third.visit((session) => attempts.try(session, who, () => false));
  failing.add("findSession");
  await third.visit().catch(() => {});
  return app.events;
}

test("events have the fields that the documentation lists, and no others", async () => {
  const fields = documented();
  const events = await everything();
  for (const { type, at, ...rest } of events) {
    expect(Number.isInteger(at), type).toBe(true);
    expect(Object.keys(rest).sort(), type).toEqual(fields.get(type));
  }
  // What is left out here takes clocks that go wrong, stores that lose writes, or a sink that fails for long.
  const seen = new Set<string>(events.map(({ type }) => type));
  expect([...fields.keys()].filter((name) => !seen.has(name)).sort()).toEqual([
    "auditLost",
    "clockDiffers",
    "clockSkew",
    "forked",
    "generationAhead",
    "previousUnreadable",
  ]);
});

test("events are published on node:diagnostics_channel as well", async () => {
  const heard: unknown[] = [];
  const listen = (event: unknown) => void heard.push(event);
  const logins = channel("psession:login");
  logins.subscribe(listen);
  const app = testApp();
  await new TestBrowser(app).visit((session) => session.login("ada"));
  logins.unsubscribe(listen);
  await new TestBrowser(app).visit((session) => session.login("bob"));
  expect(heard).toEqual([app.events.find(({ type }) => type === "login")]);
});

test("a listener that throws or rejects breaks nothing, and an unknown event name is refused", async () => {
  const app = testApp({ store: memoryStore() });
  const warnings: string[] = [];
  const heard = (warning: Error & { code?: string }) => void warnings.push(warning.code ?? "");
  process.on("warning", heard);
  app.psession.on("login", () => {
    throw new Error("at once");
  });
  app.psession.on("login", async () => {
    throw new Error("later");
  });
  await new TestBrowser(app).visit((session) => session.login("ada"));
  await new Promise((resolve) => setImmediate(resolve));
  process.off("warning", heard);
  expect(warnings.filter((code) => code === "PSESSION_LISTENER")).toHaveLength(2);
  expect(() => app.psession.on("logins" as "login", () => {})).toThrow('there is no event "logins"');
});
