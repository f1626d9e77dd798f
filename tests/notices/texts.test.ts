import { describe, expect, test } from "vitest";
import {
  credentialChangedNotice,
  endedText,
  impersonationNotice,
  newDeviceNotice,
  type Texts,
  theftNotice,
} from "../../src/account/notices.ts";
import { english, german } from "../../src/account/texts/index.ts";

const FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0";
const AT = Date.UTC(2030, 0, 1, 12);
const request = { address: "192.0.2.7", userAgent: FIREFOX };
const device = { at: AT, sessionId: "s", userId: "ada", handle: "h", request };
const EVENTS = {
  theft: {
    ...device,
    type: "theft",
    by: "token",
    generation: 2,
    presentedGeneration: 1,
    lastUsed: { at: AT, address: undefined, userAgent: "Evil/1.0" },
    endedLogins: 1,
  },
  newDevice: { ...device, type: "newDevice", remembered: false },
  changed: { ...device, type: "credentialChanged", factor: "password", ended: 1 },
  acting: {
    ...device,
    type: "impersonationBegan",
    actorId: 7,
    reason: "secret suspicion",
    until: AT + 60_000,
  },
} as const;

const noticesIn = (texts: Texts | undefined, ended = 1) => {
  const options = { site: "Acme", texts, place: "Lisbon" };
  return [
    theftNotice(EVENTS.theft, options),
    newDeviceNotice(EVENTS.newDevice, options),
    credentialChangedNotice({ ...EVENTS.changed, ended }, options),
    impersonationNotice(EVENTS.acting, options),
  ];
};

describe("texts", () => {
  test.each([
    ["English", english],
    ["German", german],
  ])("%s: every notice is filled in to the last brace", (_, texts) => {
    for (const { subject, text } of noticesIn(texts)) {
      expect(subject).toMatch(/^Acme: /);
      expect(subject + text).not.toMatch(/[{}]|undefined/);
    }
  });

  test("German has its own words, dates and plural forms", () => {
    const [theft, newDevice, one] = noticesIn(german);
    expect(theft?.text).toContain(
      "von: Firefox auf Linux, 192.0.2.7 (Lisbon)\n  zuvor benutzt: 1. Januar 2030 um 12:00 (UTC)",
    );
    expect(theft?.text).toContain("von: unbekannter Browser, unbekannte Adresse");
    expect(newDevice?.subject).toBe("Acme: Neue Anmeldung bei Ihrem Konto");
    expect(one?.subject).toBe("Acme: Passwort geändert");
    expect(one?.text).toContain("Ein anderes Gerät wurde abgemeldet.");
    expect(noticesIn(german, 1234)[2]?.text).toContain("1.234 andere Geräte wurden abgemeldet.");
    expect(noticesIn(german, 0)[2]?.text).toContain("Auf keinem anderen Gerät");
  });

  test("the locale decides about dates, the table about words", () => {
    const options = { site: "Acme", locale: "en-US", timeZone: "America/New_York" };
    expect(newDeviceNotice(EVENTS.newDevice, options).text).toMatch(
      /when: January 1, 2030 at 7:00.AM \(America\/New_York\)/,
    );
  });

  test("languages with more plural forms have all of them", () => {
    const forms = {
      one: "{count} urządzenie",
      few: "{count} urządzenia",
      many: "{count} urządzeń",
      other: "{count} urządzenia",
    };
    const polish: Texts = {
      ...english,
      locale: "pl",
      credentialChanged: { ...english.credentialChanged, ended: forms },
      devices: { ...english.devices, done: { ...english.devices.done, othersEnded: forms } },
    };
    expect(
      [1, 3, 5].map((count) => noticesIn(polish, count)[2]?.text.split("changed. ")[1]?.split("\n")[0]),
    ).toEqual(["1 urządzenie", "3 urządzenia", "5 urządzeń"]);
    expect(() => noticesIn({ ...english, locale: "pl" })).toThrow(
      /texts\.credentialChanged\.ended\.few is missing: the language has that plural form/,
    );
  });

  test("everything wrong with a translation is named at once", () => {
    const { advice, ...theft } = english.theft;
    const wrong = {
      ...english,
      locale: "tlh-nowhere",
      moment: "{time}",
      browserOn: "{browser} on {os}",
      theft: { ...theft, subject: "a\nb {site}", sbject: "x" },
      newDevice: "text",
      credentialChanged: { ...english.credentialChanged, ended: { one: "x", other: "{number}", dual: "x" } },
      factors: { password: "" },
      methods: undefined,
      more: {},
    };
    const faults = [
      "texts.locale must be a locale that this Node knows",
      "texts.moment lacks {timeZone}",
      "texts.browserOn lacks {system}, and has {os}, which is not filled in there",
      "texts.theft.subject must be one line",
      "texts.theft.sbject is no text of psession's",
      "texts.theft.advice is missing",
      "texts.newDevice must be an object of texts",
      "texts.credentialChanged.ended.other lacks {count}, and has {number}",
      "texts.credentialChanged.ended.dual must be one of zero, one, two",
      "texts.factors.password must be text",
      "texts.methods must be an object of texts",
      "texts.more is no text of psession's",
    ];
    let message = "";
    try {
      noticesIn(wrong as never);
    } catch (error) {
      message = (error as Error).message;
    }
    for (const fault of faults) expect(message).toContain(`- ${fault}`);
    for (const texts of [null, "de", [], () => german])
      expect(() => noticesIn(texts as never)).toThrow(/texts must be a table of texts/);
  });

  test("what is filled in is not filled in again", () => {
    const { subject } = newDeviceNotice(EVENTS.newDevice, { site: "{moment} & {constructor}" });
    expect(subject).toBe("{moment} & {constructor}: new sign-in to your account");
  });

  test("an application adds names for its own factors", () => {
    const texts = { ...german, factors: { ...german.factors, key: "Sicherheitsschlüssel" } };
    const of = (factor: string) =>
      credentialChangedNotice({ ...EVENTS.changed, factor }, { site: "Acme", texts }).subject;
    expect([of("key"), of("otp"), of("badge"), of("a\nb"), of("constructor")]).toEqual([
      "Acme: Sicherheitsschlüssel geändert",
      "Acme: Authenticator-App geändert",
      "Acme: badge geändert",
      "Acme: Anmeldeverfahren geändert",
      "Acme: constructor geändert",
    ]);
  });

  test("the notice of an impersonation names neither the administrator nor the reason", () => {
    const { text } = impersonationNotice(EVENTS.acting, { site: "Acme" });
    expect(text).toContain("until, at the latest: 1 January 2030 at 12:01 (UTC)");
    expect(text).not.toMatch(/secret suspicion|192\.0\.2\.7|\b7\b/);
  });

  test("the sentence for a signed-out visitor comes from a code, and from nothing else", () => {
    expect(endedText("idle")).toBe("You were signed out as you had been away for a while.");
    expect(endedText("limit", { texts: german })).toMatch(/^Sie wurden hier abgemeldet/);
    for (const code of [undefined, "theft", "constructor", ["idle"], 7, "<b>"])
      expect(endedText(code)).toBeUndefined();
  });
});
