/** Others are in the way: deadlocks, locks, serialization failures. */
import { type Connection, createConnection } from "mysql2/promise";
import pg from "pg";
import { beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { HOUR } from "../support/clock.ts";
import { MARIADB_BINARIES } from "../support/servers/binaries.ts";
import { startMariadb } from "../support/servers/mariadb.ts";
import { describeWith, POSTGRES } from "../support/servers/reach.ts";
import { type Driver, MYSQL_DRIVERS, POSTGRES_DRIVERS } from "./drivers.ts";
import { allComeBack, audit, browse, recovered, seeded, signIn, startSite } from "./harness.ts";
import type { Visitor } from "./visitor.ts";

type Sql = (text: string) => Promise<unknown>;

interface Kind {
  readonly need: Parameters<typeof describeWith>[0];
  readonly drivers: readonly Driver[];
  server(): Promise<string>;
  /** Settings of psession's connections. */
  patient(url: string): string;
  impatient(url: string): string;
  serializable(url: string): Promise<string>;
  /** Somebody else's connection, of whom a deadlock will not make the victim. */
  other(url: string): Promise<Sql>;
  readonly waiting: string;
  /** Makes every change of a session fail as one that cannot be serialized. */
  readonly sabotage: readonly string[];
  readonly undo: string;
}

const withOptions = (url: string, more: string): string => {
  const address = new URL(url);
  const options = `${address.searchParams.get("options") ?? ""} ${more}`.trim();
  address.searchParams.set("options", options);
  address.search = address.search.replaceAll("+", "%20");
  return address.href;
};

const postgres: Kind = {
  need: POSTGRES,
  drivers: POSTGRES_DRIVERS,
  server: async () => POSTGRES.url,
  patient: (url) => withOptions(url, "-c deadlock_timeout=800ms"),
  impatient: (url) => withOptions(url, "-c lock_timeout=50ms"),
  serializable: async (url) => withOptions(url, "-c default_transaction_isolation=serializable"),
  other: async (url) => {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    onTestFinished(() => client.end());
    await client.query("SET deadlock_timeout = '30s'");
    return (text) => client.query(text);
  },
  waiting:
    "SELECT 1 FROM pg_locks WHERE NOT granted AND pid IN (SELECT pid FROM pg_locks WHERE relation = 'psession_sessions'::regclass)",
  sabotage: [
    "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '40001'; END $$",
    "CREATE TRIGGER fail BEFORE UPDATE ON psession_sessions FOR EACH ROW EXECUTE FUNCTION fail()",
  ],
  undo: "DROP TRIGGER fail ON psession_sessions",
};

let mariadbUrl = "";

const mysql: Kind = {
  need: MARIADB_BINARIES,
  drivers: MYSQL_DRIVERS,
  server: async () => {
    mariadbUrl = (await startMariadb({ settings: { "innodb-lock-wait-timeout": "1" } })).url;
    return mariadbUrl;
  },
  patient: (url) => url,
  impatient: (url) => url,
  serializable: async (url) => {
    const connection = await createConnection(mariadbUrl);
    await connection.query("SET GLOBAL tx_isolation = 'SERIALIZABLE'");
    onTestFinished(async () => {
      await connection.query("SET GLOBAL tx_isolation = 'REPEATABLE-READ'");
      await connection.end();
    });
    return url;
  },
  other: async (url) => {
    const connection: Connection = await createConnection(url);
    onTestFinished(() => connection.end());
    await connection.query("SET SESSION innodb_lock_wait_timeout = 50");
    await connection.query("CREATE TABLE ballast (n INT PRIMARY KEY)");
    return async (text) => {
      await connection.query(text);
      // The victim of a deadlock is who has done least.
      if (text === "BEGIN") {
        await connection.query(
          `INSERT INTO ballast VALUES ${Array.from({ length: 200 }, (_, n) => `(${n})`)}`,
        );
      }
    };
  },
  waiting: "SELECT 1 FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'",
  sabotage: [
    "CREATE TRIGGER fail BEFORE UPDATE ON psession_sessions FOR EACH ROW SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213",
  ],
  undo: "DROP TRIGGER fail",
};

for (const kind of [postgres, mysql]) {
  describeWith(kind.need, `contention, with ${kind.drivers.map(({ name }) => name).join(" and ")}`, () => {
    let server: string;
    beforeAll(async () => {
      server = await kind.server();
    });

    test.for(kind.drivers)("$name: the victim of a deadlock tries again", async (driver) => {
      const url = await driver.fresh(server);
      const site = await startSite((await driver.open(kind.patient(url))).store);
      const [visitor] = site.visitors(1) as [Visitor];
      await visitor.login();
      const other = await kind.other(url);
      await other("BEGIN");
      await other("SELECT * FROM psession_sessions FOR UPDATE");
      // Takes the login, and waits for the session.
      const logout = visitor.logout();
      // InnoDB shows what is new to those who ask less than ten times a second.
      await vi.waitFor(async () => expect(await driver.sql(url, kind.waiting)).not.toEqual([]), {
        timeout: 10_000,
        interval: 150,
      });
      await other("SELECT * FROM psession_logins FOR UPDATE");
      await other("COMMIT");
      expect(await logout).toMatchObject({ userId: null });
      expect(site.tally.refused).toBe(0);
      await allComeBack(site, [visitor]);
      site.close(`deadlock, ${driver.name}`, await audit((text) => driver.sql(url, text)));
    });

    test.for(kind.drivers)("$name: a locked row is waited for until the timeout", async (driver) => {
      const url = await driver.fresh(server);
      const site = await startSite((await driver.open(kind.impatient(url), { timeout: 1500 })).store);
      const visitors = site.visitors(3);
      await signIn(visitors);
      const other = await kind.other(url);
      await other("BEGIN");
      await other("SELECT * FROM psession_sessions FOR UPDATE");
      const pages = await Promise.all(visitors.map((visitor) => visitor.increment()));
      expect(pages).toEqual([undefined, undefined, undefined]);
      for (const fault of site.faults) expect(fault).toMatchObject({ code: "store_unavailable" });
      await other("ROLLBACK");
      await allComeBack(site, visitors);
      site.close(`held rows, ${driver.name}`, await audit((text) => driver.sql(url, text)));
    });

    test.for(kind.drivers)("$name: a transaction that can never be serialized ends", async (driver) => {
      const url = await driver.fresh(server);
      const site = await startSite((await driver.open(url, { timeout: 500 })).store);
      const visitors = site.visitors(3);
      await signIn(visitors);
      for (const text of kind.sabotage) await driver.sql(url, text);
      const pages = await Promise.all(visitors.map((visitor) => visitor.increment()));
      expect(pages).toEqual([undefined, undefined, undefined]);
      await driver.sql(url, kind.undo);
      await recovered(visitors);
      await allComeBack(site, visitors);
      site.close(`never serialized, ${driver.name}`, await audit((text) => driver.sql(url, text)));
    });

    test.for(kind.drivers)("$name: a server that serializes by default breaks nothing", async (driver) => {
      const url = await driver.fresh(server);
      const site = await startSite(
        (await driver.open(await kind.serializable(url), { connections: 8 })).store,
      );
      const visitors = site.visitors(15);
      const { random, seed } = seeded();
      await signIn(visitors);
      site.clock.advance(HOUR);
      for (const visitor of visitors) visitor.restart();
      await Promise.all(
        visitors.flatMap((visitor) => [visitor.increment(), visitor.increment(), visitor.write()]),
      );
      await browse(visitors, 5, random);
      expect(site.tally.refused).toBe(0);
      await allComeBack(site, visitors);
      site.close(`serializable, ${driver.name}, seed ${seed}`, await audit((text) => driver.sql(url, text)));
    });
  });
}
