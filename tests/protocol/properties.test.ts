import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { memoryStore, type Store } from "../../src/index.ts";
import { sqliteStore } from "../../src/stores/sqlite/index.ts";
import {
  type Jar,
  type OpenVisit,
  REMEMBER,
  receive,
  SESSION,
  type TestApp,
  TestBrowser,
  testApp,
} from "../support/app.ts";
import { HOUR, MINUTE, SECOND, TestClock } from "../support/clock.ts";

/**
 * Random lives over the public API, with the real windows: what the exploration proves for a few requests and
 * small times must hold for months, for many tabs, and for servers whose clocks differ.
 */

const stores: Record<string, () => Store> = {
  memory: memoryStore,
  sqlite: () => sqliteStore({ path: ":memory:" }),
};

/** A clock that is ahead of another one by a fixed amount. */
class AheadClock extends TestClock {
  readonly #base: TestClock;
  readonly #ahead: number;

  constructor(base: TestClock, ahead: number) {
    super();
    this.#base = base;
    this.#ahead = ahead;
  }

  override now(): number {
    return this.#base.now() + this.#ahead;
  }
}

const pause = fc.oneof(
  fc.integer({ min: 0, max: 15 }).map((seconds) => seconds * SECOND),
  fc.integer({ min: 0, max: 300 }).map((seconds) => seconds * SECOND),
  fc.integer({ min: 1, max: 48 }).map((hours) => hours * HOUR),
);

/** One return of a browser: after how long, how closed, how many tabs, which answers are lost, in which order. */
const visit = fc.record({
  pause,
  isClosed: fc.boolean(),
  tabs: fc.integer({ min: 1, max: 6 }),
  lost: fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }),
  servers: fc.array(fc.integer({ min: 0, max: 1 }), { minLength: 6, maxLength: 6 }),
  order: fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 6, maxLength: 6 }),
  /** Handlers that go on while the next visits happen. */
  slow: fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }),
  writes: fc.boolean(),
});

type Visit = typeof visit extends fc.Arbitrary<infer T> ? T : never;

class Life {
  readonly clock = new TestClock();
  readonly servers: readonly TestApp[];
  readonly browser: TestBrowser;
  readonly #slow: { visit: OpenVisit; openedAt: number }[] = [];
  readonly #written = new Set<string>();
  #writes = 0;

  constructor(store: Store, ahead: number) {
    const shared = { store, session: { idle: "2h" }, remember: { idle: "300d", absolute: "399d" } } as const;
    this.servers = [
      testApp({ ...shared, clock: this.clock }),
      testApp({ ...shared, clock: new AheadClock(this.clock, ahead) }),
    ];
    this.browser = new TestBrowser(this.server(0));
  }

  server(index: number): TestApp {
    return this.servers[index] ?? (this.servers[0] as TestApp);
  }

  async signIn(): Promise<void> {
    await this.browser.visit((session) => session.login("ada", { remember: true }));
  }

  async live({ pause, isClosed, tabs, lost, servers, order, slow, writes }: Visit): Promise<void> {
    this.clock.advance(pause);
    if (isClosed) this.browser.restart();
    const jar = this.browser.copyJar();
    const opened: { visit: OpenVisit; isLost: boolean; isSlow: boolean; rank: number }[] = [];
    for (let tab = 0; tab < tabs; tab++) {
      const visit = await new TestBrowser(this.server(servers[tab] ?? 0)).open({ jar });
      expect(visit.session.userId).toBe("ada");
      if (writes) this.#write(visit);
      opened.push({ visit, isLost: lost[tab] ?? false, isSlow: slow[tab] ?? false, rank: order[tab] ?? 0 });
    }
    opened.sort((a, b) => a.rank - b.rank);
    for (const { visit, isLost, isSlow } of opened) {
      if (isSlow) this.#slow.push({ visit, openedAt: this.clock.now() });
      else await this.#answer(visit, isLost);
    }
    // Half of the handlers that were slow so far end now; their browsers may have been closed meanwhile.
    for (const { visit } of this.#slow.splice(0, Math.ceil(this.#slow.length / 2))) {
      await this.#answer(visit, isClosed);
    }
  }

  /** Everything ends; the browser comes back once more, now and an hour later. */
  async end(): Promise<void> {
    for (const { visit } of this.#slow.splice(0)) await this.#answer(visit, false);
    for (const wait of [0, HOUR]) {
      this.clock.advance(wait);
      if (wait > 0) this.browser.restart();
      const { session } = await this.browser.visit();
      expect(session.userId).toBe("ada");
      expect([...this.#written].filter((key) => !(key in session.data))).toEqual([]);
    }
    const told = this.servers.flatMap((server) => server.told());
    expect(told).not.toContain("theft");
    expect(told).not.toContain("clockSkew");
    expect(await this.server(0).psession.devices("ada")).toHaveLength(1);
  }

  #write(visit: OpenVisit): void {
    const key = `write${this.#writes++ % 40}`;
    visit.session.set(key, 1);
    this.#written.add(key);
  }

  async #answer(visit: OpenVisit, isLost: boolean): Promise<void> {
    const cookies = await visit.answer({ lost: true });
    if (!isLost) for (const line of cookies) receive(this.browser.jar, line);
  }
}

describe.each(Object.entries(stores))("random lives on %s", (_, makeStore) => {
  test("no alarm, no user signed out, no write lost: parallel tabs, lost answers, slow handlers, differing clocks", async () => {
    const life = fc.record({
      ahead: fc.integer({ min: 0, max: 5 }),
      visits: fc.array(visit, { maxLength: 25 }),
    });
    await fc.assert(
      fc.asyncProperty(life, async ({ ahead, visits }) => {
        const life = new Life(makeStore(), ahead * SECOND);
        await life.signIn();
        for (const each of visits) await life.live(each);
        await life.end();
      }),
      { numRuns: 150 },
    );
  });

  test("a year of returns: hundreds of restores, one login", async () => {
    const hours = fc.array(fc.integer({ min: 3, max: 40 }), { minLength: 300, maxLength: 400 });
    await fc.assert(
      fc.asyncProperty(hours, async (pauses) => {
        const life = new Life(makeStore(), 0);
        await life.signIn();
        for (const hours of pauses.slice(0, 380)) {
          life.clock.advance(hours * HOUR * 0.5);
          life.browser.restart();
          const { session } = await life.browser.visit();
          expect(session).toMatchObject({ userId: "ada", level: "remembered" });
        }
        expect(
          life
            .server(0)
            .told()
            .filter((type) => type === "restored").length,
        ).toBeGreaterThanOrEqual(300);
        await life.end();
      }),
      { numRuns: 3 },
    );
  });

  test("whatever is in flight, what was ended stays ended", async () => {
    const ways = ["logout", "revoke", "revokeUser", "passwordChanged", "theft"] as const;
    const handlers = ["read", "write", "update", "reauthenticate", "regenerate", "renew", "save"] as const;
    const race = fc.record({
      way: fc.constantFrom(...ways),
      isClosed: fc.boolean(),
      inFlight: fc.array(fc.constantFrom(...handlers), { minLength: 1, maxLength: 4 }),
      wait: pause,
    });
    await fc.assert(
      fc.asyncProperty(race, async ({ way, isClosed, inFlight, wait }) => {
        const app = testApp({ store: makeStore() });
        const [browser, phone] = [new TestBrowser(app), new TestBrowser(app)];
        await phone.visit((session) => session.login("ada"));
        await browser.visit((session) => session.login("ada", { remember: true }));
        const first = browser.copyJar();
        app.clock.advance(5 * MINUTE);
        await browser.visit();
        await phone.visit();
        if (isClosed) browser.restart();
        const open = await Promise.all(
          inFlight.map(async (handler) => ({ handler, visit: await browser.open() })),
        );
        for (const { handler, visit } of open)
          if (handler !== "update" && handler !== "save") await handle(visit, handler);
        const { handle: device } = browser.jar.size > 0 ? (await browser.open()).session : { handle: "" };
        await end(app, { way, browser, phone, device, first });
        for (const { handler, visit } of open) {
          if (handler === "update" || handler === "save") await handle(visit, handler).catch(expectEnded);
          // A password that was confirmed before the mark raises nothing.
          const lines = await visit.answer({ lost: true }).catch((error: { code?: string }) => {
            if (error.code !== "proof_outdated") throw error;
            return [];
          });
          for (const line of lines) receive(browser.jar, line);
        }
        app.clock.advance(Math.min(wait, HOUR));
        for (const jar of [
          browser.copyJar(),
          only(browser.jar, SESSION),
          only(browser.jar, REMEMBER),
          first,
        ]) {
          expect((await new TestBrowser(app).visit(undefined, { jar })).session.userId).toBeUndefined();
        }
        const remembered = (await app.psession.devices("ada")).filter(({ isRemembered }) => isRemembered);
        expect(remembered).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });

  test("a thief who visits at random is noticed, or loses the session at the victim's next visit", async () => {
    const steps = fc.array(fc.record({ who: fc.constantFrom("victim", "thief"), old: fc.nat({ max: 5 }) }), {
      minLength: 4,
      maxLength: 16,
    });
    await fc.assert(
      fc.asyncProperty(steps, async (visits) => {
        const app = testApp({ store: makeStore() });
        const [victim, thief] = [new TestBrowser(app), new TestBrowser(app, "Thief/1.0")];
        await victim.visit((session) => session.login("ada", { remember: true }));
        const stolen = [victim.copyJar()];
        let isThiefIn = false;
        for (const { who, old } of visits) {
          app.clock.advance(3 * MINUTE);
          if (who === "victim") {
            victim.restart();
            await victim.visit();
            const session = only(thief.jar, SESSION);
            if (isThiefIn && !app.told().includes("theft")) {
              const { session: left } = await new TestBrowser(app).visit(undefined, { jar: session });
              expect(left.userId).toBeUndefined();
            }
            isThiefIn = false;
          } else {
            const loot = stolen[old % stolen.length] ?? new Map();
            thief.jar = new Map(only(loot, REMEMBER));
            const { setCookie } = await thief.visit();
            if (setCookie.length === 2) {
              isThiefIn = true;
              stolen.push(thief.copyJar());
            }
          }
        }
        const { session: last } = await victim.visit();
        if (!app.told().includes("theft")) expect(last.userId).toBe("ada");
      }),
      { numRuns: 200 },
    );
  });
});

interface Ending {
  readonly way: "logout" | "revoke" | "revokeUser" | "passwordChanged" | "theft";
  readonly browser: TestBrowser;
  readonly phone: TestBrowser;
  readonly device: string;
  readonly first: Jar;
}

async function end(app: TestApp, { way, browser, phone, device, first }: Ending): Promise<void> {
  if (way === "logout")
    await browser.visit((session) => session.logout(), { jar: browser.copyJar(), lost: true });
  if (way === "revoke") expect(await app.psession.revoke(device)).toBe(true);
  if (way === "revokeUser") await app.psession.revokeUser("ada");
  if (way === "passwordChanged") await phone.visit((keep) => app.psession.passwordChanged("ada", { keep }));
  if (way === "theft") {
    // The browser moves on, so that the copy of its first cookies is old.
    const moving = new TestBrowser(app);
    moving.jar = new Map(only(browser.jar, REMEMBER));
    for (let visit = 0; visit < 2; visit++) {
      await moving.visit();
      app.clock.advance(3 * MINUTE);
    }
    await moving.visit();
    const thief = await new TestBrowser(app, "Thief/1.0").visit(undefined, { jar: only(first, REMEMBER) });
    expect(thief.session.outcome).toBe("theft");
  }
}

async function handle({ session }: OpenVisit, handler: string): Promise<void> {
  if (handler === "write") session.set("name", "late");
  if (handler === "update") {
    await session.update((data) => {
      data.count = (data.count ?? 0) + 1;
    });
  }
  if (handler === "save") {
    session.set("name", "late");
    await session.save();
  }
  if (handler === "reauthenticate") await session.reauthenticate();
  if (handler === "regenerate") await session.regenerate();
  if (handler === "renew") await session.renew();
}

function expectEnded(error: unknown): void {
  expect(error).toMatchObject({ code: "session_ended" });
}

const only = (jar: Jar, name: string): Jar => new Map([...jar].filter(([each]) => each === name));
