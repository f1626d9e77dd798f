/** A proxy before the database sends everybody to the standby, which becomes the primary, in the middle of everything. */
import { expect, test } from "vitest";
import { HOUR } from "../support/clock.ts";
import { HAPROXY_BINARY, POSTGRES_BINARIES } from "../support/servers/binaries.ts";
import { onPostgres } from "../support/servers/fresh.ts";
import { startHaproxy } from "../support/servers/haproxy.ts";
import { startPostgres } from "../support/servers/postgres.ts";
import { describeWith } from "../support/servers/reach.ts";
import { POSTGRES_DRIVERS } from "./drivers.ts";
import { allComeBack, audit, browse, seeded, signIn, startSite } from "./harness.ts";
import { startStandby } from "./standby.ts";

const VISITORS = 40;
const STEPS = 6;

describeWith([POSTGRES_BINARIES, HAPROXY_BINARY], "a primary that HAProxy switches under load", () => {
  test.for(POSTGRES_DRIVERS)("with $name: no write is lost, and no theft is reported", async (driver) => {
    const primary = await startPostgres({ settings: { wal_level: "replica", max_wal_senders: "4" } });
    const standby = await startStandby(primary);
    // What was confirmed is on both: what an asynchronous standby lacks, no proxy can bring back.
    await primary.query("ALTER SYSTEM SET synchronous_standby_names = '*'");
    await primary.query("SELECT pg_reload_conf()");
    const proxy = await startHaproxy(primary.port, Number(new URL(standby).port));
    const url = new URL(await driver.fresh(primary.url));
    url.port = String(proxy.port);
    const site = await startSite((await driver.open(url.href, { connections: 8, timeout: 1000 })).store);
    const visitors = site.visitors(VISITORS);
    const { random, seed } = seeded();
    await signIn(visitors);

    site.clock.advance(HOUR);
    for (const visitor of visitors) if (random.chance(0.5)) visitor.restart();
    const strike = random.between(VISITORS, VISITORS * 3);
    let switched: Promise<unknown> | undefined;
    await browse(visitors, STEPS, random, async (done) => {
      if (done !== strike) return;
      await primary.kill();
      // The old primary is away and the new one takes no writes yet, which the rest meets.
      switched = proxy.switchOver().then(() => onPostgres(standby, "SELECT pg_promote()"));
    });
    await switched;
    await onPostgres(standby, "ALTER SYSTEM RESET synchronous_standby_names");
    await onPostgres(standby, "SELECT pg_reload_conf()");
    await allComeBack(site, visitors);
    expect(site.tally.refused).toBeGreaterThan(0);
    site.close(`switch, ${driver.name}, seed ${seed}`, await audit((text) => driver.sql(url.href, text)));
  });
});
