/** A server that takes no writes: a replica, or a primary that was told so. */
import { beforeAll, expect, test, vi } from "vitest";
import { HOUR } from "../support/clock.ts";
import { MARIADB_BINARIES, POSTGRES_BINARIES } from "../support/servers/binaries.ts";
import { startMariadb } from "../support/servers/mariadb.ts";
import { type OwnDatabaseServer, startPostgres } from "../support/servers/postgres.ts";
import { describeWith } from "../support/servers/reach.ts";
import { type Driver, MYSQL_DRIVERS, POSTGRES_DRIVERS } from "./drivers.ts";
import { allComeBack, audit, type Site, signIn, startSite } from "./harness.ts";
import { startStandby } from "./standby.ts";
import type { Visitor } from "./visitor.ts";

/** Pages are read, and everything else is refused, with a reason that helps. */
async function takesNoWrites(site: Site, visitors: readonly Visitor[]): Promise<void> {
  const before = site.tally.refused;
  const read = await Promise.all(visitors.map((visitor) => visitor.read()));
  expect(read.map((page) => page?.userId)).toEqual(visitors.map(({ user }) => user));
  expect(site.tally.refused).toBe(before);
  const [stranger] = site.visitors(1) as [Visitor];
  const refused = await Promise.all([
    ...visitors.map((visitor) => visitor.write()),
    ...visitors.map((visitor) => visitor.increment()),
    ...visitors.map((visitor) => visitor.logout()),
    stranger.login(),
  ]);
  expect(refused.filter((page) => page !== undefined)).toEqual([]);
  expect(site.tally.withCookies).toBe(0);
  for (const fault of site.faults) {
    expect(fault).toMatchObject({
      code: "store_unavailable",
      message: expect.stringContaining("sessions need the primary, never a replica"),
    });
  }
  // Who was refused a logout is still signed in.
  for (const visitor of visitors) visitor.isUnsure = false;
}

describeWith(POSTGRES_BINARIES, "PostgreSQL that takes no writes", () => {
  let server: OwnDatabaseServer;
  beforeAll(async () => {
    server = await startPostgres({ settings: { wal_level: "replica", max_wal_senders: "4" } });
  });

  test.for(POSTGRES_DRIVERS)("by default_transaction_read_only, with $name", async (driver) => {
    const url = await driver.fresh(server.url);
    const site = await startSite((await driver.open(url)).store);
    const visitors = site.visitors(8);
    await signIn(visitors);
    site.clock.advance(HOUR);
    await set(server, "on");
    await takesNoWrites(site, visitors);
    await set(server, "off");
    await allComeBack(site, visitors);
    site.close(`read-only, ${driver.name}`, await audit((text) => driver.sql(url, text)));
  });

  test.for(POSTGRES_DRIVERS)("as a hot standby, until it is promoted, with $name", async (driver) => {
    const url = await driver.fresh(server.url);
    const primary = await startSite((await driver.open(url)).store);
    const visitors = primary.visitors(8);
    await signIn(visitors);
    const address = new URL(url);
    address.port = new URL(await startStandby(server)).port;
    const site = await startSite((await driver.open(address.href)).store);
    const moved = site.visitors(8);
    for (const [index, visitor] of moved.entries()) visitor.jar = new Map(visitors[index]?.jar);
    await takesNoWrites(site, moved);
    await driver.sql(address.href, "SELECT pg_promote()");
    await allComeBack(site, moved);
    site.close(`standby, ${driver.name}`, await audit((text) => driver.sql(address.href, text)));
  });
});

/** Those who are connected follow within a moment. */
async function set(server: OwnDatabaseServer, value: "on" | "off"): Promise<void> {
  await server.query(`ALTER SYSTEM SET default_transaction_read_only = ${value}`);
  await server.query("SELECT pg_reload_conf()");
  await vi.waitFor(async () => {
    expect(await server.query("SHOW default_transaction_read_only")).toEqual([
      { default_transaction_read_only: value },
    ]);
  });
}

describeWith(MARIADB_BINARIES, "MariaDB that takes no writes", () => {
  let server: OwnDatabaseServer;
  beforeAll(async () => {
    server = await startMariadb();
    await server.query("CREATE USER app");
    await server.query("GRANT ALL ON *.* TO app");
    await server.query("REVOKE READ ONLY ADMIN ON *.* FROM app");
  });

  test.for(MYSQL_DRIVERS)("by read_only, with $name", async (driver: Driver) => {
    const url = await driver.fresh(server.url);
    const site = await startSite((await driver.open(url.replace("root@", "app@"))).store);
    const visitors = site.visitors(8);
    await signIn(visitors);
    site.clock.advance(HOUR);
    await server.query("SET GLOBAL read_only = ON");
    await takesNoWrites(site, visitors);
    await server.query("SET GLOBAL read_only = OFF");
    await allComeBack(site, visitors);
    site.close(`read-only, ${driver.name}`, await audit((text) => driver.sql(url, text)));
  });
});
