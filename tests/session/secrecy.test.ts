import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { inspect } from "node:util";
import { expect, test, vi } from "vitest";
import { sqliteStore } from "../../src/stores/sqlite/index.ts";
import { type Jar, KEY, REMEMBER, SESSION, TestBrowser, testApp } from "../support/app.ts";
import { HOUR } from "../support/clock.ts";
import { temporaryFolder } from "../support/temp.ts";

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
  await store.close();
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
