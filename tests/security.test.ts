import { describe, expect, test } from "vitest";
import { sessionCookieValue } from "../src/http/cookies.ts";
import { withSession } from "../src/integrations/node/index.ts";
import { newId, newSecret } from "../src/protocol/secrets.ts";
import { overHttp, REMEMBER, SESSION, TestBrowser, testApp } from "./support/app.ts";
import { DAY, HOUR } from "./support/clock.ts";
import { HttpClient, serve } from "./support/http.ts";

/** Promises of docs/security-checklist.md that no other test is about. */

test("cookies say nothing: no user, no time, no level", async () => {
  const app = testApp();
  const user = "distinctive-user-4711";
  const values: string[] = [];
  for (let visit = 0; visit < 2; visit++) {
    const browser = new TestBrowser(app);
    await browser.visit((session) => session.login(user, { remember: true }));
    for (const { value } of browser.jar.values()) values.push(value);
  }
  for (const value of values) {
    const decoded = value.split(".").map((part) => Buffer.from(part, "base64url").toString("latin1"));
    for (const text of [value, ...decoded]) {
      expect(text).not.toContain(user);
      expect(text).not.toContain("login");
      expect(text).not.toContain(String(app.clock.now()).slice(0, 6));
    }
  }
  expect(new Set(values).size).toBe(4);
});

test("an id that was never stored is not adopted, even under a valid MAC", async () => {
  const app = testApp();
  const browser = new TestBrowser(app);
  const planted = { id: newId(), secret: newSecret() };
  const value = sessionCookieValue(planted, app.psession.core.settings.keys);
  browser.jar = new Map([[SESSION, { value, isTransient: true }]]);
  const { session, setCookie } = await browser.visit((session) => session.set("count", 1));
  expect(session.id).not.toBe(planted.id);
  expect(setCookie).toHaveLength(1);
  expect(browser.jar.get(SESSION)?.value).not.toContain(planted.secret.toString("base64url"));
});

test("a session travels in its cookie only: not in the address, a header or a body", async () => {
  const app = testApp(overHttp);
  const base = await serve(
    withSession(app.psession, async (request, response, session) => {
      if (request.url === "/login") await session.login("ada");
      response.end(String(session.userId));
    }),
  );
  const client = new HttpClient(base);
  await client.get("/login");
  const value = client.jar.get("psession")?.value ?? "";
  const thief = new HttpClient(base);
  expect((await thief.get(`/?psession=${value}`)).text).toBe("undefined");
  expect((await thief.get(`/;psession=${value}`)).text).toBe("undefined");
  const headers = { authorization: `Bearer ${value}`, "x-session": value, "set-cookie": `psession=${value}` };
  expect((await thief.get("/", headers)).text).toBe("undefined");
  expect((await thief.post("/", { psession: value })).text).toBe("undefined");
  expect((await thief.get("/", { cookie: `psession=${value}` })).text).toBe("ada");
});

test("lists of devices hold nothing that works as a cookie", async () => {
  const app = testApp();
  const browser = new TestBrowser(app);
  await browser.visit((session) => session.login("ada", { remember: true }));
  const listed = JSON.stringify(await app.psession.devices("ada"));
  for (const { value } of browser.jar.values()) {
    // The id is the handle, which is safe to show; what follows it is not.
    for (const part of value
      .split(".")
      .slice(1)
      .filter((part) => part.length > 8))
      expect(listed).not.toContain(part);
  }
});

test.each([
  [[], "anonymous"],
  [[REMEMBER], "remembered"],
  [[SESSION], "login"],
  [[SESSION, REMEMBER], "login"],
])("a cookie jar that lost all but %j is worth %s, and no more", async (kept: string[], level) => {
  const app = testApp();
  const browser = new TestBrowser(app);
  await browser.visit((session) => session.login("ada", { remember: true }));
  app.clock.advance(HOUR);
  browser.jar = new Map([...browser.jar].filter(([name]) => kept.includes(name)));
  expect((await browser.visit()).session.level).toBe(level);
});

describe("cookies that are unknown, expired or revoked", () => {
  test("are treated as if no cookie was sent", async () => {
    const app = testApp(overHttp);
    const base = await serve(
      withSession(app.psession, async (request, response, session) => {
        if (request.url === "/login") await session.login("ada", { remember: true });
        response.end(`user ${session.userId}`);
      }),
    );
    const signedIn = async () => {
      const client = new HttpClient(base);
      await client.get("/login");
      return [...client.jar].map(([name, { value }]) => `${name}=${value}`);
    };
    const expired = await signedIn();
    app.clock.advance(40 * DAY);
    const revoked = await signedIn();
    await app.psession.revokeUser("ada");
    const unknown = `psession=${sessionCookieValue({ id: newId(), secret: newSecret() }, app.psession.core.settings.keys)}`;
    const seen = async (cookie?: string) => {
      const { status, text, headers } = await new HttpClient(base).get(
        "/",
        cookie === undefined ? {} : { cookie },
      );
      const { date, ...rest } = Object.fromEntries(headers);
      return { status, text, rest };
    };
    const nobody = await seen();
    expect(nobody.text).toBe("user undefined");
    for (const cookie of [unknown, expired.join("; "), revoked.join("; "), ...expired, ...revoked]) {
      expect(await seen(cookie)).toEqual(nobody);
    }
  });
});

test("data that looks like an identity is data", async () => {
  const app = testApp();
  const browser = new TestBrowser(app);
  await browser.visit((session) =>
    session.set({ userId: "admin", level: "login", authenticatedAt: app.clock.now(), isSignedIn: true }),
  );
  const { session } = await browser.visit();
  expect([session.userId, session.level, session.isSignedIn, session.authenticatedAt]).toEqual([
    undefined,
    "anonymous",
    false,
    undefined,
  ]);
  expect(session.isFresh({ within: "1d" })).toBe(false);
});
