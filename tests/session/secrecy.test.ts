import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { inspect } from "node:util";
import { afterEach, expect, onTestFinished, test, vi } from "vitest";
import { sqliteStore } from "../../src/stores/sqlite/index.ts";
import {
  type Jar,
  KEY,
  REMEMBER,
  SESSION,
  TestBrowser,
  type TestSession,
  testApp,
  type VisitOptions,
} from "../support/app.ts";
import { HOUR } from "../support/clock.ts";
import { failingStore } from "../support/stores.ts";
import { temporaryFolder } from "../support/temp.ts";

const ENCRYPTION_KEY = "Vt7Hq2Zx9Mb4Kd8Ws3Yf6Lc1Np5Rj0Ga";

afterEach(() => void vi.restoreAllMocks());

test("neither the database, nor the events, nor any output holds a value that works as a cookie", async () => {
  const path = join(temporaryFolder(), "sessions.sqlite");
  const output: string[] = [];
  for (const name of ["log", "info", "warn", "error", "debug"] as const) {
    vi.spyOn(console, name).mockImplementation(
      (...values) => void output.push(inspect(values, { depth: 9 })),
    );
  }
  const store = sqliteStore({ path });
  const app = testApp({ store });
  const browser = new TestBrowser(app);
  const cookies: string[] = [];
  const look = async (...visit: Parameters<TestBrowser["visit"]>) => {
    const { session, setCookie } = await browser.visit(...visit);
    for (const value of [session, app.psession, { session }, [app.events]]) {
      output.push(inspect(value, { depth: 12, showHidden: true }), JSON.stringify(value));
    }
    for (const line of setCookie) cookies.push(line.split(";")[0] ?? "");
  };
  await look((session) => session.set("cart", ["tea"]));
  await look((session) => session.login("ada", { remember: true }));
  const stolen = browser.copyJar();
  for (let round = 0; round < 3; round++) {
    app.clock.advance(HOUR);
    browser.restart();
    await look();
    await look((session) => session.reauthenticate());
    await look((session) => session.devices());
  }
  stolen.delete(SESSION);
  const files = [path, `${path}-wal`].map((file) => readFileSync(file));
  const dump = dumpOf(path);

  const secrets = cookies
    .filter((cookie) => !cookie.endsWith("="))
    .flatMap((cookie) => cookie.split(/[=.]/).slice(-2));
  expect(secrets.length).toBeGreaterThan(10);
  for (const secret of secrets) {
    const raw = Buffer.from(secret, "base64url");
    for (const form of [secret, raw.toString("hex"), raw.toString("base64")]) {
      expect(output.join("\n").includes(form)).toBe(false);
      expect(dump.text.includes(form)).toBe(false);
    }
    expect(files.some((file) => file.includes(raw))).toBe(false);
  }
  expect(output.join("\n")).not.toContain(KEY);

  // Whoever has the dump presents every value in it, in every place of a cookie. No key, no MAC, no way in.
  const sample = browser.copyJar();
  for (const [name, parts] of [
    [SESSION, 2],
    [REMEMBER, 3],
  ] as const) {
    const shape = (sample.get(name)?.value ?? "").split(".");
    for (const value of dump.values) {
      for (const text of [value, Buffer.from(value, "hex").toString("base64url")]) {
        for (let part = 0; part <= parts; part++) {
          const forged = shape.map((own, index) => (index === part ? text : own)).join(".");
          if (forged === shape.join(".")) continue;
          const jar: Jar = new Map([[name, { value: forged, isTransient: true }]]);
          expect((await browser.visit(undefined, { jar })).session.userId).toBeUndefined();
        }
      }
    }
  }
  await store.close?.();
});

test("failures are reported without secrets or data: in events, errors, warnings and logs", async () => {
  const log: string[] = [];
  const note = (value: unknown) => {
    log.push(inspect(value, { depth: 12, showHidden: true }), String(value));
    try {
      log.push(JSON.stringify(value));
    } catch {
      // What cannot be written as JSON cannot leak that way.
    }
    if (value instanceof Error) log.push(value.stack ?? "", inspect(value.cause, { depth: 12 }));
  };
  for (const name of ["log", "info", "warn", "error", "debug"] as const)
    vi.spyOn(console, name).mockImplementation((...values) => note(values));
  process.on("warning", note);
  onTestFinished(() => void process.off("warning", note));

  const { store, failing } = failingStore();
  const encryption = { keys: [ENCRYPTION_KEY] };
  const app = testApp({ store, encryption, session: { matchAddress: "exact", maxBytes: 2000 } });
  app.psession.on("*", note);
  app.psession.on("theft", () => {
    throw new Error("the listener failed");
  });
  const secrets = new Set<string>([KEY, ENCRYPTION_KEY, "4000 0000 0000 0002"]);
  const browser = new TestBrowser(app);
  const attempt = async (handler: (session: TestSession) => unknown, visit: VisitOptions = {}) => {
    try {
      const { session, setCookie } = await browser.visit(handler, visit);
      note(session);
      for (const line of setCookie)
        for (const part of line.split(";")[0]?.split(/[=.]/).slice(2) ?? [])
          if (part.length > 20) secrets.add(part);
    } catch (error) {
      note(error);
    }
  };
  const nothing = () => {};

  await attempt(async (session) => {
    session.set("card", "4000 0000 0000 0002");
    secrets.add(session.csrfToken());
    await session.login("ada", { remember: true });
  });
  const stolen = browser.copyJar();
  stolen.delete(SESSION);
  const [session, remember] = [SESSION, REMEMBER].map((name) => browser.jar.get(name)?.value ?? "");
  for (const cookie of [
    `${SESSION}=${session}; ${SESSION}=${session}`,
    `${REMEMBER}=${remember}x`,
    `${SESSION}=${session?.slice(1)}`,
  ])
    await attempt(nothing, { cookie, lost: true });
  await attempt(nothing, { address: "203.0.113.9", lost: true });
  await attempt((visitor) => visitor.set("name", "x"), { secure: false, lost: true });
  await attempt((visitor) => visitor.set("card", "4000 0000 0000 0002 ".repeat(200)));
  await attempt((visitor) => visitor.set("card", { number: "4000 0000 0000 0002", bad: Symbol("x") }));
  await attempt((visitor) => visitor.login(`ada\n4000 0000 0000 0002`));
  const holder = await browser.open();
  await holder.session.exclusive();
  await attempt((visitor) => visitor.exclusive({ wait: 0 }));
  await holder.answer();
  for (const method of ["findSession", "apply", "touch"]) {
    failing.add(method);
    await attempt((visitor) => visitor.set("count", log.length));
    failing.clear();
  }
  const late = await browser.open();
  await app.psession.revokeUser("ada");
  late.session.push("cart", "4000 0000 0000 0002");
  await late.session.save().catch(note);
  app.clock.advance(1);
  await attempt((visitor) => visitor.login("ada", { remember: true }));
  const old = browser.copyJar();
  old.delete(SESSION);
  for (let visit = 0; visit < 3; visit++) {
    app.clock.advance(HOUR);
    browser.restart();
    await attempt(nothing);
  }
  for (const jar of [old, stolen]) await attempt(nothing, { jar, lost: true, userAgent: "Thief/1.0" });
  const unreadable = testApp({ store, clock: app.clock, session: { maxBytes: 10 } });
  await attempt((visitor) => visitor.login("ada"));
  await new TestBrowser(unreadable).visit(({ data }) => data, { jar: browser.copyJar() }).catch(note);
  for (const keys of [[KEY.slice(1)], [KEY, KEY.slice(2)], [{ secret: KEY }]]) {
    try {
      testApp({ keys: keys as string[], encryption: { keys: [ENCRYPTION_KEY, ENCRYPTION_KEY.slice(1)] } });
    } catch (error) {
      note(error);
    }
  }
  note(app.psession);
  note(app.psession.core.settings);
  await new Promise((resolve) => setImmediate(resolve));

  expect(app.told()).toEqual(
    expect.arrayContaining(["theft", "duplicateCookies", "moved", "insecureTransport", "storeUnavailable"]),
  );
  const text = log.join("\n");
  for (const code of ["lock_timeout", "data_too_large", "invalid_data", "invalid_user_id", "session_ended"])
    expect(text.includes(code), code).toBe(true);
  expect(secrets.size).toBeGreaterThan(12);
  for (const secret of secrets) {
    const raw = Buffer.from(secret, "base64url");
    for (const form of [secret, secret.slice(1), raw.toString("hex"), raw.toString("base64")])
      expect(text.includes(form), `${secret} as ${form}`).toBe(false);
  }
});

function dumpOf(path: string): { text: string; values: string[] } {
  const database = new DatabaseSync(path, { readOnly: true });
  const values = ["psession_sessions", "psession_logins", "psession_meta"]
    .flatMap((table) => database.prepare(`SELECT * FROM ${table}`).all())
    .flatMap((row) => Object.values(row))
    .map((value) => (value instanceof Uint8Array ? Buffer.from(value).toString("hex") : String(value)));
  database.close();
  return { text: values.join("\n"), values: [...new Set(values)] };
}
