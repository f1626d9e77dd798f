/** The network stands still: nothing is refused and nothing answers, until somebody's patience ends. */
import { expect, test, vi } from "vitest";
import { HOUR } from "../support/clock.ts";
import { startProxy } from "../support/servers/proxy.ts";
import { describeWith } from "../support/servers/reach.ts";
import { DRIVERS } from "./drivers.ts";
import { allComeBack, audit, recovered, signIn, startSite } from "./harness.ts";

for (const driver of DRIVERS) {
  describeWith(driver.shared, `with ${driver.name}, a network that stalls`, () => {
    test("is a 503 after the timeout, and everything goes on when it does", async () => {
      const url = await driver.fresh(driver.shared.url);
      const proxy = await startProxy({ port: Number(new URL(url).port) });
      const options = { connections: 2, timeout: 200, connectTimeout: 300 };
      const site = await startSite((await driver.open(proxy.through(url), options)).store);
      const visitors = site.visitors(20);
      await signIn(visitors);
      site.clock.advance(HOUR);
      for (const visitor of visitors.slice(10)) visitor.restart();

      // Some are caught in the middle of their work.
      const caught = visitors.map((visitor) => visitor.increment());
      proxy.stall();
      await Promise.all(caught);
      for (let turn = 0; turn < 2; turn++) {
        const pages = await Promise.all(
          visitors.map((visitor) => (turn === 1 ? visitor.logout() : visitor.write())),
        );
        expect(pages.filter((page) => page !== undefined)).toEqual([]);
      }
      expect(site.tally.withCookies).toBe(0);
      proxy.resume();
      await recovered(visitors);
      await allComeBack(site, visitors);
      site.close(`stall, ${driver.name}`, await audit((text) => driver.sql(url, text)));
    });

    test("for ever drops the open connections and opens new ones", async () => {
      const url = await driver.fresh(driver.shared.url);
      const proxy = await startProxy({ port: Number(new URL(url).port) });
      const options = { connections: 2, timeout: 200, connectTimeout: 300 };
      const site = await startSite((await driver.open(proxy.through(url), options)).store);
      const visitors = site.visitors(10);
      await signIn(visitors);
      for (let turn = 0; turn < 2; turn++) {
        site.clock.advance(HOUR);
        proxy.freeze();
        await Promise.all(visitors.map((visitor) => (turn === 1 ? visitor.login() : visitor.increment())));
        // postgres.js lets nobody close a connection: it is the system that has to give up. Here the test does.
        if (driver.name === "postgres.js") proxy.reset();
        await recovered(visitors);
      }
      expect(site.tally.refused).toBeGreaterThan(0);
      await allComeBack(site, visitors);
      site.close(`frozen connections, ${driver.name}`, await audit((text) => driver.sql(url, text)));
    });

    test("leaves nothing open in the database once it is over", async () => {
      const url = await driver.fresh(driver.shared.url);
      const proxy = await startProxy({ port: Number(new URL(url).port) });
      const site = await startSite(
        (await driver.open(proxy.through(url), { connections: 2, timeout: 200, connectTimeout: 300 })).store,
      );
      const visitors = site.visitors(6);
      await signIn(visitors);
      const caught = visitors.map((visitor) => visitor.login());
      proxy.stall();
      await Promise.all(caught);
      proxy.resume();
      await recovered(visitors);
      // Whatever was abandoned holds no lock: the rows can be had at once.
      await vi.waitFor(() => driver.sql(url, "DELETE FROM psession_sessions"), { timeout: 10_000 });
      site.close(`stalled logins, ${driver.name}`);
    });
  });
}
