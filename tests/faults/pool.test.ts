/** Pools that are too small, or that somebody else holds. */
import { expect, test } from "vitest";
import type { Store } from "../../src/index.ts";
import { rememberedRow, sessionRow } from "../../src/testing/rows.ts";
import { HOUR } from "../support/clock.ts";
import { describeWith } from "../support/servers/reach.ts";
import { DRIVERS } from "./drivers.ts";
import { allComeBack, audit, recovered, signIn, startSite } from "./harness.ts";
import type { Visitor } from "./visitor.ts";

for (const driver of DRIVERS) {
  describeWith(driver.shared, `with ${driver.name}, a pool`, () => {
    test("held by other work is waited for until the timeout, and then serves again", async () => {
      const url = await driver.fresh(driver.shared.url);
      const { store, hold } = await driver.open(url, { connections: 3, timeout: 300 });
      const site = await startSite(store);
      const visitors = site.visitors(12);
      await signIn(visitors);
      const before = site.tally.refused;
      const held = await Promise.all([hold(), hold(), hold()]);
      const pages = await Promise.all(
        visitors.flatMap((visitor) => [visitor.read(), visitor.write(), visitor.increment()]),
      );
      expect(pages.filter((page) => page !== undefined)).toEqual([]);
      expect(site.tally).toMatchObject({ refused: before + 36, withCookies: 0 });
      for (const fault of site.faults)
        expect(fault).toMatchObject({ code: "store_unavailable", status: 503 });
      await Promise.all(held.map((release) => release()));
      await recovered(visitors);
      await allComeBack(site, visitors);
      site.close(`pool held, ${driver.name}`, await audit((text) => driver.sql(url, text)));
    });

    test.for([1, 2])("of %i serves all requests: none waits for a second connection", async (connections) => {
      const url = await driver.fresh(driver.shared.url);
      const { store } = await driver.open(url, { connections });
      const site = await startSite(store);
      const visitors = site.visitors(connections === 1 ? 50 : 20);
      await signIn(visitors);
      site.clock.advance(HOUR);
      for (const visitor of visitors) visitor.restart();
      await Promise.all(
        visitors.flatMap((visitor) => [visitor.read(), visitor.write(), visitor.increment()]),
      );
      await Promise.all(visitors.map(async (visitor) => void (await visitor.logout())));
      await signIn(visitors);
      await Promise.all(Array.from({ length: 50 }, () => signInWithCap(store)));
      expect((await store.list(CAPPED)).length).toBe(3);
      await allComeBack(site, visitors);
      expect(site.tally.refused).toBe(0);
      site.close(`pool of ${connections}, ${driver.name}`, await audit((text) => driver.sql(url, text)));
    });

    test("of one that reads, writes and restores for one user at once does not wait for itself", async () => {
      const url = await driver.fresh(driver.shared.url);
      const site = await startSite((await driver.open(url, { connections: 1 })).store);
      const [visitor] = site.visitors(1) as [Visitor];
      await visitor.login();
      site.clock.advance(HOUR);
      visitor.restart();
      await Promise.all(Array.from({ length: 30 }, () => visitor.increment()));
      await allComeBack(site, [visitor]);
      expect(site.tally.refused).toBe(0);
      site.close(`pool of one, one visitor, ${driver.name}`, await audit((text) => driver.sql(url, text)));
    });
  });
}

const CAPPED = 999;

/** A sign-in of a user who may have three devices. */
function signInWithCap(store: Store): Promise<unknown> {
  const login = rememberedRow({ userId: CAPPED });
  return store.apply({
    kind: "signIn",
    remember: login,
    insert: sessionRow({ userId: CAPPED, level: "login", rememberedId: login.id }),
    caps: [
      {
        userId: CAPPED,
        max: 3,
        overflow: "evictOldest",
        reason: "revoked",
        at: login.createdAt,
        pruneAfter: login.pruneAfter,
      },
    ],
  });
}
