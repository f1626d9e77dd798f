/**
 * What of psession/next needs no Next. Everything else is tested in the framework itself: `npm run test:frameworks`.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { NO_SETTLEMENT } from "../../src/http/settlement.ts";
import { createPsession, memoryStore } from "../../src/index.ts";
import { sessions } from "../../src/integrations/next/index.ts";
import { withOffer, withOffered } from "../../src/integrations/next/offer.ts";
import { ComponentSession } from "../../src/integrations/next/read-session.ts";
import { readVisit, signVisit, VISIT_HEADER } from "../../src/integrations/next/visit.ts";
import { KeyRing } from "../../src/protocol/secrets.ts";
import { registrationOf } from "../../src/request/bound.ts";
import { Session } from "../../src/session.ts";
import { KEY, TestBrowser, testApp } from "../support/app.ts";
import { bindKey } from "../support/bound.ts";

const ROOT = join(import.meta.dirname, "../..");
const psession = () => createPsession({ store: memoryStore(), keys: [KEY], prune: false });
const keys = new KeyRing([KEY]);
const visit = { arrivedAt: 1_700_000_000_000, method: "GET", path: "/a?b=ü", basePath: "/shop" };
const headersOf = (value: string) => new Headers({ [VISIT_HEADER]: value });

test("what the proxy says of a request is read as it was signed, and with an older key too", () => {
  const signed = signVisit(visit, keys);
  expect(readVisit(headersOf(signed), keys)).toEqual(visit);
  const rotated = new KeyRing(["Nq8Lw3Zt6Vx1Rb9Ks4Yd7Gh2Jf5Mp0Ca", KEY]);
  expect(readVisit(headersOf(signed), rotated)).toEqual(visit);
});

test("a client cannot forge what the proxy says of a request", () => {
  const [text = "", mac = ""] = signVisit(visit, keys).split(".");
  const other = signVisit({ ...visit, path: "//evil.example" }, new KeyRing(["x".repeat(32)]));
  const forged = [
    other,
    text,
    `${text}.`,
    `.${mac}`,
    `${text}.${mac}.`,
    `${text}x.${mac}`,
    `${text}.${keys.sign("session", text)}`,
    "",
  ];
  for (const value of forged) expect(readVisit(headersOf(value), keys)).toBeUndefined();
  expect(readVisit(new Headers(), keys)).toBeUndefined();
});

test("a component's session has each method as one that reads, or as one that throws", () => {
  const content = Object.getPrototypeOf(Session.prototype) as object;
  const methods = [Session.prototype, content].flatMap((prototype) =>
    Object.entries(Object.getOwnPropertyDescriptors(prototype)).flatMap(([name, { value }]) =>
      typeof value === "function" && name !== "constructor" ? [name] : [],
    ),
  );
  const component = ComponentSession.prototype as unknown as Record<string, () => unknown>;
  const reads = methods.filter((name) => {
    // Its guard leads to where that is done.
    if (!Object.hasOwn(component, name) || name === "askForKeyProof") return true;
    expect(() => component[name]?.()).toThrow(`session.${name}() changes the session`);
    return false;
  });
  expect(reads.sort()).toEqual([
    "askForKeyProof",
    "devices",
    "endsAt",
    "get",
    "has",
    "isAlive",
    "isCsrfToken",
    "isFresh",
    "isKeyProved",
    "isTrusted",
    "noteGuard",
    "onEnd",
    "toJSON",
  ]);
});

test("options of sessions and of route are checked when they are given, all at once", () => {
  const make = (options: unknown) => () => sessions(psession(), options as never);
  expect(make({ trustProxy: "yes", adress: 1, address: 7 })).toThrow(/adress is no option/);
  expect(make({ trustProxy: "yes", adress: 1, address: 7 })).toThrow(/trustProxy must be true or false/);
  expect(() => sessions({} as never)).toThrow("must be what createPsession gives");
  const { route, action, requireFresh } = sessions(psession());
  expect(() => route(7 as never)).toThrow("route: work must be a function");
  expect(() => action(7 as never)).toThrow("action: work must be a function");
  const handler = () => new Response();
  expect(() => route(handler, { origin: "no" } as never)).toThrow("origin must be false or { allowed }");
  expect(() => requireFresh({} as never)).toThrow("within");
});

test("the page shows the files of the example as they are", () => {
  const page = readFileSync(join(ROOT, "docs/frameworks/next.md"), "utf8");
  const shown = [...page.matchAll(/\*\*`([^`]+)`\*\*\n\n```tsx?\n([\s\S]*?)```/g)];
  expect(shown.map(([, name]) => name)).toEqual(["lib/sessions.ts", "proxy.ts", "next.config.ts"]);
  for (const [, name = "", text] of shown)
    expect(text).toBe(readFileSync(join(ROOT, "examples/next", name), "utf8"));
});

describe("a key is asked for after an action, which can set cookies only", () => {
  const app = testApp({ deviceBound: {} });
  const { settings } = app.psession.core;
  /** With the answer to her sign-in, as an action gives it. */
  const signIn = async () => {
    const browser = new TestBrowser(app);
    const { session } = await browser.visit((visit) => visit.login("ada"));
    const registration = registrationOf(Session.stateOf(session));
    const [line = ""] = withOffer({ ...NO_SETTLEMENT, registration }, settings);
    return { browser, registration, line, cookie: line.split(";")[0] ?? "" };
  };
  /** With the next answer to this browser. */
  const asked = async (browser: TestBrowser, cookie: string) => {
    const visit = await browser.open();
    return withOffered(NO_SETTLEMENT, cookie, async () => visit.session, settings);
  };

  test("by the next answer, once", async () => {
    const { browser, registration, line, cookie } = await signIn();
    expect(registration).toBeDefined();
    expect(line).toMatch(
      /^__Host-psession-bound-offer=\S+; Max-Age=120; Path=\/; .*HttpOnly; Secure; SameSite=Lax$/,
    );
    expect(await asked(browser, cookie)).toEqual({
      setCookie: [expect.stringMatching(/^__Host-psession-bound-offer=; Max-Age=0; /)],
      noStore: true,
      registration,
    });
    expect(await asked(browser, "a=b")).toEqual(NO_SETTLEMENT);
  });

  test("of the browser that has signed in, and of nobody who shows another one's cookie or text of their own", async () => {
    const { cookie } = await signIn();
    const other = await signIn();
    const forged = '__Host-psession-bound-offer=x"; path="/evil';
    for (const shown of [cookie, forged, "__Host-psession-bound-offer="]) {
      expect((await asked(other.browser, shown)).registration).toBeUndefined();
      expect((await asked(new TestBrowser(app), shown)).registration).toBeUndefined();
    }
  });

  test("for two minutes, and not where the session is bound by then", async () => {
    const late = await signIn();
    app.clock.advance(10 * 60_000);
    expect((await asked(late.browser, late.cookie)).registration).toBeUndefined();
    const { browser, cookie } = await signIn();
    await bindKey(browser, (await browser.visit((visit) => visit.login("ada"))).session);
    expect((await asked(browser, cookie)).registration).toBeUndefined();
  });
});
