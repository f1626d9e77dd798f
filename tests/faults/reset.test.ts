/** Connections are reset in the middle of transactions, and what the visitor cannot know comes out right. */
import { expect, test } from "vitest";
import { HOUR } from "../support/clock.ts";
import { type Proxy as FaultyProxy, startProxy, type Trigger } from "../support/servers/proxy.ts";
import { describeWith } from "../support/servers/reach.ts";
import { DRIVERS, type Driver, type OpenOptions } from "./drivers.ts";
import { allComeBack, audit, browse, loginsOf, type Site, seeded, signIn, startSite } from "./harness.ts";
import type { Visitor } from "./visitor.ts";

interface Scene {
  readonly site: Site;
  readonly proxy: FaultyProxy;
  sql(text: string): Promise<Record<string, unknown>[]>;
}

async function scene(driver: Driver, options: OpenOptions): Promise<Scene> {
  const url = await driver.fresh(driver.shared.url);
  const proxy = await startProxy({ port: Number(new URL(url).port) });
  const site = await startSite((await driver.open(proxy.through(url), options)).store);
  return { site, proxy, sql: (text) => driver.sql(url, text) };
}

/** The `turn`th message that is sent from now on, whatever it is. */
function message(turn: number): Trigger {
  let sent = 0;
  return () => ++sent === turn;
}

const never: Trigger = () => false;

interface Work {
  readonly name: string;
  prepare(visitor: Visitor): Promise<unknown>;
  act(visitor: Visitor): Promise<unknown>;
}

const WORKS: readonly Work[] = [
  {
    name: "a first login",
    prepare: async (visitor) => visitor.jar.clear(),
    act: (visitor) => visitor.login(),
  },
  { name: "a login", prepare: (visitor) => visitor.read(), act: (visitor) => visitor.login() },
  { name: "a restore", prepare: async (visitor) => visitor.restart(), act: (visitor) => visitor.write() },
  { name: "an increment", prepare: (visitor) => visitor.read(), act: (visitor) => visitor.increment() },
  { name: "a logout", prepare: (visitor) => visitor.read(), act: (visitor) => visitor.logout() },
];

const MOST_MESSAGES = 60;

for (const driver of DRIVERS) {
  describeWith(driver.shared, `with ${driver.name}, a connection that is reset`, () => {
    test.for(WORKS)("at any message of $name, before it arrives or before it is answered", async (work) => {
      const { site, proxy, sql } = await scene(driver, { connections: 1 });
      const seen = { resetBefore: 0, resetAfter: 0 };
      let turn = 0;
      for (let hasHappened = true; hasHappened; ) {
        expect(++turn).toBeLessThan(MOST_MESSAGES);
        hasHappened = false;
        for (const fault of ["resetBefore", "resetAfter"] as const) {
          const [visitor, other] = site.visitors(2) as [Visitor, Visitor];
          // Once without a fault, so that the connection has prepared everything and the messages are the same.
          await other.login();
          site.clock.advance(HOUR);
          await work.prepare(other);
          await work.act(other);
          await visitor.login();
          const had = work === WORKS[0] ? 2 : 1;
          site.clock.advance(HOUR);
          await work.prepare(visitor);
          const refused = site.tally.refused;
          const happening = proxy[fault](message(turn)).then(() => {
            hasHappened = true;
          });
          await work.act(visitor);
          // A fault that has not happened by now happens no more.
          void proxy.resetBefore(never);
          await Promise.race([happening, Promise.resolve()]);
          const faults = site.tally.refused - refused;
          expect(faults).toBeLessThan(2);
          seen[fault] += faults;
          await allComeBack(site, [visitor]);
          // A sign-in that was stored but not confirmed replaced the one before it, or leaves one behind.
          expect(await loginsOf(visitor.user, sql)).toBeLessThanOrEqual(had + faults);
        }
      }
      // Rows that are new may be inserted again.
      if (work === WORKS[0]) expect(seen).toEqual({ resetBefore: 0, resetAfter: 0 });
      // Only what may have been stored, although nobody can know, is refused: the last message that changes something.
      expect(seen.resetBefore).toBeLessThanOrEqual(2);
      expect(seen.resetAfter).toBeLessThanOrEqual(2);
      const refusals = `refused ${seen.resetBefore} and ${seen.resetAfter}`;
      site.close(`reset in ${work.name}, ${driver.name}, ${turn - 1} places, ${refusals}`, await audit(sql));
    });

    test("under load, again and again", async () => {
      const { site, proxy, sql } = await scene(driver, { connections: 4, connectTimeout: 300 });
      const visitors = site.visitors(16);
      const { random, seed } = seeded();
      await signIn(visitors);
      site.clock.advance(HOUR);
      for (const visitor of visitors) visitor.restart();
      await browse(visitors, 5, random, async () => {
        const chance = random.next();
        if (chance < 0.1) proxy.reset();
        else if (chance < 0.3) void proxy.resetAfter(random.between(1, 4000));
        else if (chance < 0.5) void proxy.resetAfter(message(random.between(1, 20)));
      });
      void proxy.resetBefore(never);
      await allComeBack(site, visitors);
      site.close(`resets, ${driver.name}, seed ${seed}`, await audit(sql));
    });
  });
}
