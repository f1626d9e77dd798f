/** Connections that are gone when they are used again after some rest. */
import { beforeAll, expect, test, vi } from "vitest";
import { HOUR } from "../support/clock.ts";
import { MARIADB_BINARIES, POSTGRES_BINARIES } from "../support/servers/binaries.ts";
import { startMariadb } from "../support/servers/mariadb.ts";
import { type OwnDatabaseServer, startPostgres } from "../support/servers/postgres.ts";
import { startProxy } from "../support/servers/proxy.ts";
import { describeWith } from "../support/servers/reach.ts";
import { DRIVERS, type Driver, MYSQL_DRIVERS, POSTGRES_DRIVERS } from "./drivers.ts";
import { allComeBack, audit, signIn, startSite } from "./harness.ts";
import type { Visitor } from "./visitor.ts";

const CONNECTIONS = 4;

/** Numbers of the server's connections, but for the one that asks. */
const CONNECTIONS_OF = {
  postgres:
    "SELECT pid AS id FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
  mysql: "SELECT id FROM information_schema.processlist WHERE id <> connection_id() AND user = 'root'",
} as const;

interface Kind {
  readonly name: string;
  readonly need: typeof POSTGRES_BINARIES;
  readonly drivers: readonly Driver[];
  start(): Promise<OwnDatabaseServer>;
  /** What ends the connections; without it they end by themselves. */
  end(ids: readonly number[], server: OwnDatabaseServer): Promise<unknown>;
}

const kinds: readonly Kind[] = [
  {
    name: "idle_session_timeout",
    need: POSTGRES_BINARIES,
    drivers: POSTGRES_DRIVERS,
    start: () => startPostgres({ settings: { idle_session_timeout: "300ms" } }),
    end: async () => {},
  },
  {
    name: "pg_terminate_backend",
    need: POSTGRES_BINARIES,
    drivers: POSTGRES_DRIVERS,
    start: () => startPostgres(),
    end: (ids, server) => server.query(`SELECT pg_terminate_backend(id) FROM unnest(ARRAY[${ids}]) AS id`),
  },
  {
    name: "wait_timeout",
    need: MARIADB_BINARIES,
    drivers: MYSQL_DRIVERS,
    start: () => startMariadb({ settings: { "wait-timeout": "1" } }),
    end: async () => {},
  },
];

for (const { name, need, drivers, start, end } of kinds) {
  describeWith(need, `connections that the server has ended by ${name}`, () => {
    let server: OwnDatabaseServer;
    beforeAll(async () => {
      server = await start();
    });

    test.for(drivers)("are not noticed by visitors, with $name", async (driver) => {
      const url = await driver.fresh(server.url);
      const site = await startSite((await driver.open(url, { connections: CONNECTIONS })).store);
      const visitors = site.visitors(8);
      const idsNow = async () => {
        const rows = await server.query(CONNECTIONS_OF[driver.dialect]);
        return rows.map((row) => Number(row["id"] ?? row["ID"]));
      };
      await signIn(visitors);
      const firsts: ((visitor: Visitor) => Promise<unknown>)[] = [
        (visitor) => visitor.read(),
        (visitor) => visitor.increment(),
        async (visitor) => {
          // The first that is done is a write, for a browser that has nothing.
          visitor.jar.clear();
          expect((await visitor.login())?.userId).toBe(visitor.user);
        },
      ];
      for (const first of firsts) {
        site.clock.advance(HOUR);
        await Promise.all(visitors.map((visitor) => visitor.read()));
        const used = await idsNow();
        await end(used, server);
        await vi.waitFor(async () => expect((await idsNow()).filter((id) => used.includes(id))).toEqual([]), {
          timeout: 10_000,
        });
        await Promise.all(visitors.map(first));
      }
      expect(site.tally.refused).toBe(0);
      await allComeBack(site, visitors);
      site.close(`${name}, ${driver.name}`, await audit((text) => driver.sql(url, text)));
    });
  });
}

for (const driver of DRIVERS) {
  describeWith(driver.shared, `with ${driver.name}, connections that a firewall has forgotten`, () => {
    test("are used up without a visitor noticing, except for writes whose outcome is unknown", async () => {
      const url = await driver.fresh(driver.shared.url);
      const proxy = await startProxy({ port: Number(new URL(url).port) });
      const site = await startSite(
        (await driver.open(proxy.through(url), { connections: CONNECTIONS })).store,
      );
      const visitors = site.visitors(8);
      await signIn(visitors);
      const safe: ((visitor: Visitor) => Promise<unknown>)[] = [
        (visitor) => visitor.read(),
        async (visitor) => {
          visitor.jar.clear();
          await visitor.login();
        },
      ];
      for (const first of safe) {
        site.clock.advance(HOUR);
        await Promise.all(visitors.map((visitor) => visitor.read()));
        proxy.expire();
        await Promise.all(visitors.map(first));
      }
      // What is reset in the moment in which it connects, postgres.js gets over only after many attempts.
      if (driver.name !== "postgres.js") expect(site.tally.refused).toBe(0);
      proxy.expire();
      await Promise.all(visitors.map((visitor) => visitor.increment()));
      await allComeBack(site, visitors);
      site.close(`forgotten connections, ${driver.name}`, await audit((text) => driver.sql(url, text)));
    });
  });
}
