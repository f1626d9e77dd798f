import { describe, expect, test } from "vitest";
import { DAY, HOUR, MINUTE, SECOND } from "../support/clock.ts";
import { type BrowserKind, chromium, firefox } from "./support-browsers.ts";
import { Person } from "./support-person.ts";
import {
  LOST,
  REQUESTS_AT_ONCE,
  REQUESTS_OF_A_PAGE,
  type Site,
  startLossyProxy,
  startSite,
} from "./support-site.ts";

/** Longer than SETTLE: a later visit counts as one that comes after everything has arrived. */
const SETTLED = 10 * MINUTE;

const TABS = Array.from({ length: 12 }, (_, index) => `/tab/${index + 1}`);

const count = (site: Site, type: string) => site.app.told().filter((told) => told === type).length;

/** Ada has signed in with remember-me, closed the browser, and an hour has passed. */
const rememberedIn = async (kind: BrowserKind, site: Site, base?: string) => {
  const ada = new Person(site, base, kind);
  await ada.signIn();
  await ada.closeBrowser();
  site.app.clock.advance(HOUR);
  return ada;
};

/** How every story of an honest browser ends: signed in, later on and after a restart, and nobody alarmed. */
const expectToStaySignedIn = async (site: Site, ada: Person) => {
  site.app.clock.advance(HOUR);
  expect(await ada.visit()).toBe("ada");
  await ada.closeBrowser();
  site.app.clock.advance(HOUR);
  expect(await ada.visit()).toBe("ada");
  expect(site.app.told()).not.toContain("theft");
};

/** What Chromium alone does by itself. */
describe.skipIf(chromium.isMissing())("habits of Chromium", { timeout: 180_000 }, () => {
  describe("twelve tabs that Chromium restores by itself", () => {
    // Chromium gives restored tabs their session cookies back.
    test.each([
      { name: "with the cookie of a session that has ended", away: 3 * HOUR, isLost: false, rotations: 1 },
      { name: "with no session cookie", away: HOUR, isLost: true, rotations: 1 },
      { name: "with the cookie of a live session", away: HOUR, isLost: false, rotations: 0 },
    ])("are all signed in, by one rotation at most: $name", async ({ away, isLost, rotations }) => {
      const site = await startSite();
      const ada = new Person(site);
      await ada.signIn();
      await Promise.all(TABS.map((path) => ada.open(path)));
      if (isLost) await (await ada.browser()).forget?.("psession");
      await ada.closeBrowser();
      site.app.clock.advance(away);
      site.answers.length = 0;
      site.gather(REQUESTS_AT_ONCE);

      await ada.browser({ restore: true });
      await site.until(() => TABS.every((path) => site.answersOf(path).length >= REQUESTS_OF_A_PAGE));
      expect(await ada.loadedTabs()).toHaveLength(TABS.length);
      for (const path of TABS) expect(site.userOf(path)).toBe("ada");
      const documents = site.answers.filter(({ destination }) => destination === "document");
      expect(documents.length).toBeGreaterThanOrEqual(TABS.length);
      expect(count(site, "restored")).toBe(rotations);
      // All that were there with the one that rotated got the same successor; so did those that still waited
      // for a connection, as Chromium had given them their cookies before.
      expect(count(site, "converged")).toBeGreaterThanOrEqual(rotations * (REQUESTS_AT_ONCE - 1));
      await expectToStaySignedIn(site, ada);
    });
  });

  test("a request whose response is lost is repeated", async () => {
    const site = await startSite();
    const proxy = await startLossyProxy(site.url);
    const ada = await rememberedIn(chromium, site, proxy.url);
    const tab = await ada.emptyTab();
    // The connection that this page leaves open is why Chromium takes the loss for a stale connection.
    await tab.goto(ada.address("/plain"));
    proxy.toLose = 1;
    await tab.goto(ada.address(LOST));
    await ada.loadedTabs();
    expect(proxy.lost).toBe(1);
    expect(site.answersOf(LOST)).toHaveLength(REQUESTS_OF_A_PAGE + 1);
    expect(site.userOf(LOST)).toBe("ada");
    expect(site.app.told().slice(-2)).toEqual(["restored", "converged"]);
    await expectToStaySignedIn(site, ada);
  });
});

describe.each([chromium, firefox])("the protocol, in $name", (kind) => {
  const remembered = (site: Site, base?: string) => rememberedIn(kind, site, base);
  /** What differs by times alone is tried at its ends in Firefox, which takes longer to start. */
  const some = <Case>(cases: readonly Case[]): Case[] =>
    cases.filter((_, at) => kind === chromium || at === 0 || (cases.length > 2 && at === cases.length - 1));

  describe.skipIf(kind.isMissing())("stories", { timeout: 180_000 }, () => {
    test("twelve tabs that are opened at once after the browser was closed", async () => {
      const site = await startSite();
      const ada = await remembered(site);
      await ada.browser();
      site.gather(REQUESTS_AT_ONCE);
      await Promise.all(TABS.map((path) => ada.open(path)));
      for (const path of TABS) expect(site.userOf(path)).toBe("ada");
      expect(count(site, "restored")).toBe(1);
      expect(count(site, "converged")).toBeGreaterThanOrEqual(REQUESTS_AT_ONCE - 1);
      await expectToStaySignedIn(site, ada);
    });

    test.each(some([10, 2]))("a page whose request takes %i minutes while others go on", async (minutes) => {
      const site = await startSite();
      const ada = await remembered(site);
      const slow = site.hold("/slow");
      const tab = await ada.emptyTab();
      const loading = tab.goto(ada.address("/slow"));
      await slow.arrived;

      await (await ada.open("/add/tea")).close();
      expect(count(site, "restored")).toBe(1);
      for (let passed = 0; passed < minutes; passed += minutes / 4) {
        site.app.clock.advance((minutes / 4) * MINUTE);
        expect(await ada.visit()).toBe("ada");
      }
      slow.release();
      await loading;
      await ada.loadedTabs();
      expect(site.userOf("/slow")).toBe("ada");
      expect(await ada.visit()).toBe("ada");
      expect(site.latestData).toEqual({ cart: ["tea"], name: "written by /slow" });
      expect(count(site, "restored")).toBe(1);
      await expectToStaySignedIn(site, ada);
      expect(site.latestData).toEqual({ cart: ["tea"], name: "written by /slow" });
    });

    describe("the response of the restoring request is lost", () => {
      test.each(
        some([
          { name: "at once", later: 0, told: "converged" },
          { name: "after half a minute", later: 30 * SECOND, told: "accepted" },
          { name: "after five minutes", later: 5 * MINUTE, told: "recovered" },
          { name: "after a day", later: DAY, told: "recovered" },
        ]),
      )("and the browser comes again $name", async ({ later, told }) => {
        const site = await startSite();
        const proxy = await startLossyProxy(site.url);
        const ada = await remembered(site, proxy.url);
        // Browsers repeat a request by themselves where its connection was open before, so all answers are lost.
        proxy.toLose = Number.POSITIVE_INFINITY;
        const tab = await ada.emptyTab();
        await expect(tab.goto(ada.address(LOST))).rejects.toThrow(kind.noResponse);
        await tab.close();
        proxy.toLose = 0;
        expect(proxy.lost).toBe(site.answersOf(LOST).length);
        expect(count(site, "restored")).toBe(1);

        site.app.clock.advance(later);
        const before = count(site, told);
        expect(await ada.visit()).toBe("ada");
        expect(count(site, told)).toBeGreaterThan(before);
        await expectToStaySignedIn(site, ada);
      });
    });

    describe("a thief starts a copy of the profile folder", () => {
      const robbery = async () => {
        const site = await startSite();
        const victim = await remembered(site);
        return { site, victim, thief: victim.robbed() };
      };

      const expectAllEnded = async (site: Site) => {
        expect(count(site, "theft")).toBe(1);
        expect(await site.app.psession.devices("ada")).toEqual([]);
      };

      test("after the victim's visits: shut out, and the victim's session is ended", async () => {
        const { site, victim, thief } = await robbery();
        expect(await victim.visit()).toBe("ada");
        site.app.clock.advance(SETTLED);
        expect(await victim.visit()).toBe("ada");
        expect(count(site, "confirmed")).toBe(1);
        site.app.clock.advance(SETTLED);
        expect(await thief.visit()).toBe("nobody");
        await expectAllEnded(site);
        site.app.clock.advance(SETTLED);
        expect(await victim.visit()).toBe("nobody");
        expect(await thief.visit()).toBe("nobody");
        await expectAllEnded(site);
      });

      test("before the victim: the victim's visit ends the thief's session, and the thief's next one alarms", async () => {
        const { site, victim, thief } = await robbery();
        expect(await thief.visit()).toBe("ada");
        site.app.clock.advance(SETTLED);
        expect(await victim.visit()).toBe("ada");
        expect(count(site, "recovered")).toBe(1);
        expect(site.app.told()).not.toContain("theft");
        site.app.clock.advance(SETTLED);
        expect(await thief.visit()).toBe("nobody");
        await expectAllEnded(site);
        site.app.clock.advance(SETTLED);
        expect(await victim.visit()).toBe("nobody");
        expect(await thief.visit()).toBe("nobody");
        await expectAllEnded(site);
      });

      test("twice before the victim: the victim's visit alarms", async () => {
        const { site, victim, thief } = await robbery();
        expect(await thief.visit()).toBe("ada");
        site.app.clock.advance(SETTLED);
        expect(await thief.visit()).toBe("ada");
        expect(count(site, "confirmed")).toBe(1);
        site.app.clock.advance(SETTLED);
        expect(await victim.visit()).toBe("nobody");
        await expectAllEnded(site);
        site.app.clock.advance(SETTLED);
        expect(await thief.visit()).toBe("nobody");
      });
    });

    describe("the browser is killed right after a restore", () => {
      test.each(
        some([
          { name: "right away", later: 0 },
          { name: "an hour later", later: HOUR },
        ]),
      )("and started again $name", async ({ later }) => {
        const site = await startSite();
        const ada = await remembered(site);
        expect(await ada.visit()).toBe("ada");
        expect(count(site, "restored")).toBe(1);
        await ada.killBrowser();
        site.app.clock.advance(later);
        expect(await ada.visit()).toBe("ada");
        // Whether the successor had reached the disk is the browser's secret; signed in it is either way.
        await expectToStaySignedIn(site, ada);
      });
    });
  });
});
