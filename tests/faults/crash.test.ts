/** The server is killed in the middle of everything, and comes back on what it had stored. */
import { beforeAll, expect, test } from "vitest";
import { HOUR } from "../support/clock.ts";
import { MARIADB_BINARIES, POSTGRES_BINARIES } from "../support/servers/binaries.ts";
import { startMariadb } from "../support/servers/mariadb.ts";
import { type OwnDatabaseServer, startPostgres } from "../support/servers/postgres.ts";
import { describeWith } from "../support/servers/reach.ts";
import { MYSQL_DRIVERS, POSTGRES_DRIVERS } from "./drivers.ts";
import { allComeBack, audit, browse, seeded, signIn, startSite } from "./harness.ts";

const VISITORS = 40;
const STEPS = 6;

const kinds = [
  { need: POSTGRES_BINARIES, drivers: POSTGRES_DRIVERS, start: () => startPostgres() },
  { need: MARIADB_BINARIES, drivers: MYSQL_DRIVERS, start: () => startMariadb() },
];

for (const { need, drivers, start } of kinds) {
  describeWith(need, `a crash under load, with ${drivers.map(({ name }) => name).join(" and ")}`, () => {
    let server: OwnDatabaseServer;
    beforeAll(async () => {
      server = await start();
    });

    test.for(drivers)("$name loses nothing", async (driver) => {
      const url = await driver.fresh(server.url);
      const site = await startSite((await driver.open(url, { connections: 8, timeout: 1000 })).store);
      const visitors = site.visitors(VISITORS);
      const { random, seed } = seeded();
      await signIn(visitors);

      site.clock.advance(HOUR);
      for (const visitor of visitors) if (random.chance(0.5)) visitor.restart();
      const strike = random.between(VISITORS, VISITORS * 3);
      let killed: Promise<void> | undefined;
      let restarted: Promise<void> | undefined;
      await browse(visitors, STEPS, random, async (done) => {
        if (done === strike) killed = server.kill();
        // The rest meets a server that is away, and then one that comes back.
        if (done === strike + VISITORS) restarted = killed?.then(() => server.start());
      });
      await restarted;
      await allComeBack(site, visitors);
      expect(site.tally.refused).toBeGreaterThan(0);
      site.close(`crash, ${driver.name}, seed ${seed}`, await audit((text) => driver.sql(url, text)));
    });
  });
}
