/** The policy `whenUnavailable: "anonymous"`: visitors go on as nobody, and nothing that must be stored is lost. */
import { expect, test } from "vitest";
import { HOUR } from "../support/clock.ts";
import { startProxy } from "../support/servers/proxy.ts";
import { describeWith } from "../support/servers/reach.ts";
import { DRIVERS } from "./drivers.ts";
import { allComeBack, audit, recovered, signIn, startSite } from "./harness.ts";

for (const driver of DRIVERS) {
  describeWith(driver.shared, `visitors during an outage, with ${driver.name}`, () => {
    test("see pages while the database is down, and are signed in again when it is back", async () => {
      const url = await driver.fresh(driver.shared.url);
      const proxy = await startProxy({ port: Number(new URL(url).port) });
      const options = { connections: 4, timeout: 1000, connectTimeout: 300 };
      const { store } = await driver.open(proxy.through(url), options);
      const site = await startSite(store, { whenUnavailable: "anonymous" });
      const visitors = site.visitors(15);
      await signIn(visitors);
      site.clock.advance(HOUR);
      for (const visitor of visitors.slice(8)) visitor.restart();
      const before = site.tally.refused;
      const jars = visitors.map((visitor) => new Map(visitor.jar));

      // What is reset in the moment in which it connects, postgres.js gets over only after many attempts.
      if (driver.name === "postgres.js") proxy.stall();
      else {
        proxy.refuse();
        proxy.reset();
      }
      await Promise.all(visitors.map((visitor) => visitor.read()));
      expect(site.tally).toMatchObject({ anonymous: 15, refused: before });
      await Promise.all(visitors.map((visitor) => visitor.write()));
      await Promise.all(visitors.map((visitor) => visitor.increment()));
      expect(site.tally).toMatchObject({ anonymous: 15, refused: before + 30, withCookies: 0 });
      expect(visitors.map(({ jar }) => jar)).toEqual(jars);

      proxy.resume();
      await recovered(visitors);
      await allComeBack(site, visitors);
      site.close(`as nobody, ${driver.name}`, await audit((text) => driver.sql(url, text)));
    });
  });
}
