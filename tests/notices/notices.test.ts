import { expect, test } from "vitest";
import { credentialChangedNotice, newDeviceNotice, theftNotice } from "../../src/account/notices.ts";
import type { PsessionEvent } from "../../src/index.ts";
import { REMEMBER, TestBrowser, testApp } from "../support/app.ts";
import { MINUTE } from "../support/clock.ts";

const FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0";
const CHROME =
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0 Safari/537.36";
const OPTIONS = { site: "Acme Shop", link: "https://shop.example/devices" };

/** Events of a sign-in whose cookie was stolen and used, and of a changed password. */
async function story(thief = CHROME) {
  const app = testApp({ devices: { detectNew: true } });
  const browser = new TestBrowser(app, FIREFOX);
  await browser.visit((session) => session.login("ada", { remember: true }));
  const stolen = browser.copyJar();
  for (const name of stolen.keys()) if (name !== REMEMBER) stolen.delete(name);
  for (let visit = 0; visit < 3; visit++) {
    app.clock.advance(10 * MINUTE);
    browser.restart();
    await browser.visit();
    app.clock.advance(10 * MINUTE);
    await browser.visit();
  }
  await new TestBrowser(app, thief).visit(undefined, { jar: stolen, address: "203.0.113.9" });
  await browser.visit((session) => session.login("ada"));
  await browser.visit((session) => app.psession.passwordChanged("ada", { keep: session }));
  const find = <K extends PsessionEvent["type"]>(type: K) =>
    app.events.find((event) => event.type === type) as Extract<PsessionEvent, { type: K }>;
  return { theft: find("theft"), newDevice: find("newDevice"), changed: find("credentialChanged") };
}

test("the notice of a theft has both browsers, what was done, and what to do", async () => {
  const { theft } = await story();
  const { subject, text } = theftNotice(theft, { ...OPTIONS, place: "Lisbon, Portugal", timeZone: "UTC" });
  expect(subject).toBe("Acme Shop: somebody else used your sign-in");
  expect(text).toContain("from: Chrome on Windows, 203.0.113.9 (Lisbon, Portugal)");
  expect(text).toContain("from: Firefox on Linux, 192.0.2.7\n");
  expect(text).toContain("Both were signed out");
  expect(text.endsWith("\n\nhttps://shop.example/devices\n")).toBe(true);
});

test("the notice of a new device has time and origin, in the user's time zone", async () => {
  const { newDevice } = await story();
  const at = Date.parse("2026-11-24T23:30:00Z");
  const { subject, text } = newDeviceNotice({ ...newDevice, at }, { site: "Acme", timeZone: "Asia/Tokyo" });
  expect(subject).toBe("Acme: new sign-in to your account");
  expect(text).toContain("when: 25 November 2026 at 08:30 (Asia/Tokyo)\n  from: Firefox on Linux, 192.0.2.7");
});

test("the notice of a changed password says how many devices it ended", async () => {
  const { changed } = await story();
  const { subject, text } = credentialChangedNotice(changed, OPTIONS);
  expect(subject).toBe("Acme Shop: your password was changed");
  expect(text).toContain("No other device was signed in.");
  expect(text).toContain("from: Firefox on Linux");
  expect(credentialChangedNotice({ ...changed, ended: 1, request: undefined }, OPTIONS).text).toContain(
    "One other device was signed out.",
  );
  expect(credentialChangedNotice({ ...changed, ended: 2 }, OPTIONS).text).toContain("2 other devices");
});

test("nothing that a thief chose gets into a user's mail: no text as a browser, nothing but an address", async () => {
  const lure = "Call +1 555 0100 or see https://evil.example/ now/1.0 \r\nBcc: all@example.com ";
  const { theft } = await story(lure);
  const { text } = theftNotice({ ...theft, request: { ...theft.request, address: "evil.example" } }, OPTIONS);
  expect(text).toContain("from: an unknown browser, an unknown address");
  expect(text).not.toMatch(/evil|Bcc/);
});

test.each([
  ["acme-shop.security-check.com/1.0 (X11; Linux x86_64)", "Linux"],
  ["acme-shop.security-check.com/1.0 ", "an unknown browser"],
  ["Your Bank/1.0 (Windows NT 10.0)", "Windows"],
  ["", "an unknown browser"],
])("a user agent of %j is in a mail as %s: known names only", async (thief, label) => {
  const { theft } = await story(thief);
  expect(theftNotice(theft, OPTIONS).text).toContain(`from: ${label}, 203.0.113.9\n`);
});

test("options are checked, and everything wrong is named at once", async () => {
  const { theft } = await story();
  const wrong = { site: "a\r\nBcc: x", link: "devices", place: "", timeZone: "Mars" };
  expect(() => theftNotice(theft, wrong)).toThrow(
    /site must be one line\n.*link must be an address.*\n.*place must not be empty\n.*timeZone must be a time zone/,
  );
});
