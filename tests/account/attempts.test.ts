import { RateLimiterMemory } from "rate-limiter-flexible";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type AttemptLimiter, type SignInAttemptsOptions, signInAttempts } from "../../src/attempts/index.ts";
import {
  createPsession,
  memoryStore,
  type Psession,
  type PsessionOptions,
  type RequestFacts,
} from "../../src/index.ts";
import { KEY, TestBrowser, testApp, type VisitOptions } from "../support/app.ts";
import { DAY, HOUR, MINUTE, SECOND } from "../support/clock.ts";

const START = Date.UTC(2030, 0, 1);
/** rate-limiter-flexible goes by the clock of the machine. */
beforeEach(() => void vi.useFakeTimers({ toFake: ["Date"], now: START }));
afterEach(() => vi.useRealTimers());

const pass = (milliseconds: number): void => void vi.setSystemTime(Date.now() + milliseconds);

const ADA = { account: "ada@example.com", userId: "ada" };
const NOBODY = { account: "nobody@example.com", userId: undefined };

/** A limiter in memory that notes what it is called for. */
class NotingLimiter implements AttemptLimiter {
  readonly calls: string[] = [];
  readonly keys = new Set<string>();
  readonly #limiter = new RateLimiterMemory({ points: 1, duration: 1, keyPrefix: "" });

  get(key: string) {
    return this.#noted("get", key, this.#limiter.get(key));
  }

  penalty(key: string, points: number, options: { customDuration: number }) {
    return this.#noted("penalty", key, this.#limiter.penalty(key, points, options));
  }

  reward(key: string, points: number, options: { customDuration: number }) {
    return this.#noted("reward", key, this.#limiter.reward(key, points, options));
  }

  delete(key: string) {
    return this.#noted("delete", key, this.#limiter.delete(key));
  }

  #noted<R>(method: string, key: string, result: Promise<R>): Promise<R> {
    this.keys.add(key);
    this.calls.push(`${method} ${key[0]}`);
    return result;
  }
}

interface Setting extends Partial<SignInAttemptsOptions> {
  readonly psession?: Partial<PsessionOptions>;
}

function setUp({ psession: options = {}, ...given }: Setting = {}) {
  const limiter = new NotingLimiter();
  const app = testApp({ devices: { detectNew: true }, ...options });
  const attempts = signInAttempts(app.psession, { limiter, ...given });
  /** Tries to sign in as an application does. */
  const signIn = (
    who: typeof ADA | typeof NOBODY,
    isRight: boolean,
    options: VisitOptions = {},
    by = stranger(),
  ) =>
    by
      .visit(async (session) => {
        const attempt = await attempts.try(session, who, () => (isRight ? who.userId : undefined));
        if (attempt.value !== undefined) await session.login(attempt.value);
        return attempt;
      }, options)
      .then(({ result }) => result);
  const stranger = () => new TestBrowser(app);
  /** The outcomes of so many wrong passwords in turn. */
  const guess = async (times: number, options?: VisitOptions, by?: TestBrowser, who: typeof ADA = ADA) => {
    const outcomes: string[] = [];
    for (let turn = 0; turn < times; turn++) outcomes.push((await signIn(who, false, options, by)).outcome);
    return outcomes;
  };
  const events = (type: string) => app.events.filter((event) => event.type === type);
  return { app, attempts, limiter, signIn, stranger, guess, events };
}

const failed = (times: number) => Array(times).fill("failed");

describe("guesses at one account", () => {
  test("after five wrong passwords each further one waits, twice as long as the one before, up to the longest", async () => {
    const { signIn, guess } = setUp();
    expect(await guess(5)).toEqual(failed(5));
    const waits: number[] = [];
    for (let turn = 0; turn < 7; turn++) {
      const { outcome, retryAfter = 0 } = await signIn(ADA, false);
      expect(outcome).toBe("throttled");
      waits.push(retryAfter);
      pass(retryAfter * SECOND);
      expect((await signIn(ADA, false)).outcome).toBe("failed");
    }
    expect(waits.map((wait) => wait / 60)).toEqual([1, 2, 4, 8, 15, 15, 15]);
  });

  test("the right password waits as well, and is looked at after the wait", async () => {
    const { signIn, guess } = setUp();
    await guess(5);
    expect(await signIn(ADA, true)).toEqual({ outcome: "throttled", retryAfter: 60 });
    pass(MINUTE);
    expect(await signIn(ADA, true)).toEqual({ outcome: "passed", value: "ada" });
  });

  test("knocking at the gate does not make it stay closed, and costs no write", async () => {
    const { signIn, guess, limiter } = setUp();
    await guess(5);
    limiter.calls.length = 0;
    expect(new Set(await guess(50))).toEqual(new Set(["throttled"]));
    expect(new Set(limiter.calls)).toEqual(new Set(["get g"]));
    pass(MINUTE);
    expect((await signIn(ADA, true)).outcome).toBe("passed");
  });

  test("guesses that come all at once are counted one by one", async () => {
    const { attempts, stranger } = setUp();
    let verified = 0;
    const attempt = () =>
      stranger().visit((session) =>
        attempts.try(session, ADA, async () => {
          verified++;
          await new Promise(setImmediate);
          return false;
        }),
      );
    await Promise.all(Array.from({ length: 60 }, attempt));
    expect(verified).toBe(5);
    pass(15 * MINUTE);
    await Promise.all(Array.from({ length: 60 }, attempt));
    expect(verified).toBe(6);
  });

  test("a sign-in begins the count anew, and failures are forgotten after a day", async () => {
    const { signIn, guess } = setUp();
    await guess(4);
    expect((await signIn(ADA, true)).outcome).toBe("passed");
    expect(await guess(5)).toEqual(failed(5));
    expect((await signIn(ADA, false)).outcome).toBe("throttled");
    pass(DAY);
    expect(await guess(5)).toEqual(failed(5));
  });

  test("a verification that throws counts as a failure", async () => {
    const { attempts, stranger, signIn } = setUp();
    for (let turn = 0; turn < 5; turn++) {
      const attempt = stranger().visit((session) =>
        attempts.try(session, ADA, () => {
          throw new Error("wrong password");
        }),
      );
      await expect(attempt).rejects.toThrow("wrong password");
    }
    expect((await signIn(ADA, true)).outcome).toBe("throttled");
  });

  test.each([undefined, null, false])("%s says that the credential was wrong", async (value) => {
    const { attempts, stranger } = setUp();
    const { result } = await stranger().visit((session) => attempts.try(session, ADA, () => value));
    expect(result.outcome).toBe("failed");
  });

  test.each([0, "", true, {}])("%j says that it was right", async (value) => {
    const { attempts, stranger } = setUp();
    const { result } = await stranger().visit((session) => attempts.try(session, ADA, async () => value));
    expect(result).toEqual({ outcome: "passed", value });
  });

  test("all spellings that a database may take for one share its attempts", async () => {
    const { signIn } = setUp();
    const spellings = [
      "ada@example.com",
      "ADA@Example.COM",
      " ada@example.com ",
      "àdä@example.com",
      "ada@example.com\u200b",
    ];
    for (const account of spellings) await signIn({ account, userId: "ada" }, false);
    expect((await signIn(ADA, true)).outcome).toBe("throttled");
    expect((await signIn({ account: "ida@example.com", userId: "ida" }, true)).outcome).toBe("passed");
  });

  test("two realms do not count each other's", async () => {
    const limiter = new NotingLimiter();
    const [staff, members] = ["staff", "members"].map((realm) => setUp({ limiter, psession: { realm } }));
    await staff?.guess(5);
    expect((await staff?.signIn(ADA, true))?.outcome).toBe("throttled");
    expect((await members?.signIn(ADA, true))?.outcome).toBe("passed");
  });
});

describe("which accounts exist", () => {
  test("cannot be seen: answers and work are the same for those that do not", async () => {
    const runs = [ADA, NOBODY].map(async (who) => {
      const { signIn, limiter, app } = setUp();
      const answers: unknown[] = [];
      const other = new TestBrowser(app);
      await signIn({ account: "eve@example.com", userId: "eve" }, true, {}, other);
      limiter.calls.length = 0;
      for (let turn = 0; turn < 12; turn++) {
        answers.push(await signIn(who, false, {}, turn % 2 === 0 ? other : undefined));
        pass(30 * SECOND);
      }
      return { answers, calls: limiter.calls };
    });
    const [known, unknown] = await Promise.all(runs);
    expect(unknown).toEqual(known);
    expect(JSON.stringify(known?.answers)).toContain("throttled");
  });
});

describe("a browser on which the user has signed in before", () => {
  const withKnown = async (given: Setting = {}) => {
    const set = setUp(given);
    const own = set.stranger();
    await set.signIn(ADA, true, {}, own);
    return { ...set, own };
  };

  test("is not locked out by guesses from elsewhere, at its account or from its address", async () => {
    const { own, guess, signIn } = await withKnown({ address: { free: 8 } });
    await guess(5);
    for (const account of ["a", "b", "c", "d"]) await signIn({ account, userId: "x" }, false);
    expect((await signIn(NOBODY, false)).outcome).toBe("throttled");
    expect((await signIn(ADA, true)).outcome).toBe("throttled");
    expect((await signIn(ADA, true, {}, own)).outcome).toBe("passed");
  });

  test("is slowed by its own failures, so that a thief of its cookies is", async () => {
    const { own, guess, signIn } = await withKnown();
    const thief = { jar: own.copyJar() };
    expect(await guess(11, thief)).toEqual([...failed(10), "throttled"]);
    expect((await signIn(ADA, true, {}, own)).outcome, "the same browser").toBe("throttled");
    expect((await signIn(ADA, true)).outcome, "another one").toBe("passed");
  });

  test("does not forgive what others failed at", async () => {
    const { own, guess, signIn } = await withKnown();
    await guess(5);
    expect((await signIn(ADA, true, {}, own)).outcome).toBe("passed");
    expect((await signIn(ADA, false)).outcome).toBe("throttled");
  });

  test("is known for that user only", async () => {
    const { own, signIn } = await withKnown();
    const eve = { account: "eve@example.com", userId: "eve" };
    for (let turn = 0; turn < 5; turn++) await signIn(eve, false, {}, own);
    expect((await signIn(eve, true, {}, own)).outcome).toBe("throttled");
  });

  test("is known after a sign-out and months, and not by another psession's keys", async () => {
    const { own, guess, signIn, app } = await withKnown();
    await own.visit((session) => session.logout());
    own.restart();
    app.clock.advance(100 * DAY);
    await guess(5);
    expect((await signIn(ADA, true, {}, own)).outcome).toBe("passed");
    const { signIn: signInThere } = setUp({ psession: { keys: ["another key of thirty-two or more"] } });
    const there = { jar: own.copyJar() };
    for (let turn = 0; turn < 5; turn++) await signInThere(ADA, false, there);
    expect((await signInThere(ADA, true, there)).outcome).toBe("throttled");
  });

  test("is one of all where knownBrowsers is false", async () => {
    const { own, guess, signIn } = await withKnown({
      knownBrowsers: false,
      psession: { devices: { detectNew: false } },
    });
    await guess(5);
    expect((await signIn(ADA, true, {}, own)).outcome).toBe("throttled");
  });
});

describe("guesses from one address", () => {
  const spray = async (set: ReturnType<typeof setUp>, times: number, address: string) => {
    const outcomes: string[] = [];
    for (let turn = 0; turn < times; turn++) {
      const who = { account: `${address} ${turn}`, userId: undefined };
      outcomes.push((await set.signIn(who, false, { address })).outcome);
    }
    return outcomes;
  };

  test("are slowed after fifty, whatever accounts they are for", async () => {
    const set = setUp();
    expect(await spray(set, 52, "192.0.2.1")).toEqual([...failed(50), "throttled", "throttled"]);
    expect(set.events("signInThrottled").at(-1)).toMatchObject({ by: "address", retryAfter: 60 });
    expect((await set.signIn(ADA, true, { address: "192.0.2.1" })).outcome).toBe("throttled");
    expect((await set.signIn(ADA, true, { address: "192.0.2.2" })).outcome).toBe("passed");
  });

  test("are not forgiven by a sign-in to the attacker's own account", async () => {
    const set = setUp({ address: { free: 10 }, knownBrowsers: false });
    const eve = { account: "eve@example.com", userId: "eve" };
    const address = "192.0.2.1";
    let guesses = 0;
    for (let turn = 0; turn < 30; turn++) {
      await set.signIn(eve, true, { address });
      const who = { account: `account ${turn}`, userId: undefined };
      if ((await set.signIn(who, false, { address })).outcome === "failed") guesses++;
    }
    expect(guesses).toBe(10);
  });

  test("do not begin anew by sign-ins that take until the count ends", async () => {
    const set = setUp({
      address: { free: 3, wait: "1s", longest: "1s", forget: "1s" },
      knownBrowsers: false,
    });
    const address = "192.0.2.1";
    const now = vi.spyOn(performance, "now");
    const slow = Array.from({ length: 2 }, (_, turn) =>
      set.stranger().visit(
        (session) =>
          set.attempts.try(session, { account: `own ${turn}`, userId: `own ${turn}` }, async () => {
            await new Promise(setImmediate);
            pass(2 * SECOND);
            now.mockImplementation(() => 1e12);
            return true;
          }),
        { address },
      ),
    );
    await Promise.all(slow);
    now.mockRestore();
    expect(await spray(set, 4, address)).toEqual([...failed(3), "throttled"]);
  });

  test("do not pass a gate that a slow sign-in would open after others had closed it", async () => {
    const set = setUp({ address: { free: 1 }, knownBrowsers: false });
    const address = "192.0.2.1";
    const now = vi.spyOn(performance, "now");
    await set.stranger().visit(
      (session) =>
        set.attempts.try(session, { account: "own", userId: "own" }, async () => {
          pass(61 * SECOND);
          now.mockImplementation(() => 1e12);
          expect(await spray(set, 1, address)).toEqual(["failed"]);
          return true;
        }),
      { address },
    );
    now.mockRestore();
    expect(await spray(set, 1, address)).toEqual(["throttled"]);
  });

  test("do not count sign-ins: an office may be as busy as it likes", async () => {
    const set = setUp();
    for (let turn = 0; turn < 120; turn++) {
      const who = { account: `user${turn}@example.com`, userId: `user${turn}` };
      expect((await set.signIn(who, true)).outcome).toBe("passed");
    }
  });

  test.each([
    ["2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true],
    ["2001:db8:1:2::1", "2001:db8:1:3::1", false],
    ["2001:db8::1", "2001:db8:0:0:5::1", true],
    ["::1", "::2", true],
    ["fe80::1%eth0", "fe80::2%eth1", true],
    ["192.0.2.1", "192.0.2.2", false],
    ["::ffff:192.0.2.1", "192.0.2.1", true],
  ])("%s and %s are one visitor: %s", async (first, second, isOne) => {
    const set = setUp({ address: { free: 1 } });
    await spray(set, 1, first);
    expect(await spray(set, 1, second)).toEqual([isOne ? "throttled" : "failed"]);
  });

  test.each([
    [{ address: undefined }, "without an address"],
    [{ address: "10.0.0.5", forwarded: true }, "of a proxy that is not trusted"],
  ] as [Partial<RequestFacts>, string][])("%j are not counted together", async (facts) => {
    const set = setUp({ address: { free: 1 } });
    const warnings: string[] = [];
    const hear = ({ code }: Error & { code?: string }) => void warnings.push(String(code));
    process.on("warning", hear);
    expect((await set.signIn(NOBODY, false, facts)).outcome).toBe("failed");
    expect((await set.signIn(ADA, false, facts)).outcome).toBe("failed");
    await new Promise(setImmediate);
    process.off("warning", hear);
    // Once per process.
    expect(warnings.filter((code) => code !== "PSESSION_ATTEMPTS_ADDRESS")).toEqual([]);
  });

  test("are not looked at with address: false", async () => {
    const set = setUp({ address: false });
    expect(new Set(await spray(set, 60, "192.0.2.1"))).toEqual(new Set(["failed"]));
  });
});

describe("codes of a second factor", () => {
  const begun = async (browser: TestBrowser) => {
    await browser.visit((session) => session.begin("ada", { method: "password" }));
    return browser;
  };
  const tryCode = async (set: ReturnType<typeof setUp>, browser: TestBrowser, isRight: boolean) =>
    (
      await browser.visit(async (session) => {
        const attempt = await set.attempts.tryCode(session, () => isRight);
        if (attempt.value === true) await session.complete({ method: "otp" });
        return attempt;
      })
    ).result;

  test("are counted for each user, on a known browser too, and another beginning does not reset them", async () => {
    const set = setUp();
    const own = set.stranger();
    await set.signIn(ADA, true, {}, own);
    for (let turn = 0; turn < 5; turn++)
      expect((await tryCode(set, await begun(set.stranger()), false)).outcome).toBe("failed");
    for (const browser of [set.stranger(), own])
      expect(await tryCode(set, await begun(browser), true)).toEqual({
        outcome: "throttled",
        retryAfter: 60,
      });
    pass(MINUTE);
    expect((await tryCode(set, await begun(own), true)).outcome).toBe("passed");
    expect(set.events("signInFailed")).toHaveLength(5);
    expect(set.events("signInFailed")[0]).toMatchObject({ what: "code", userId: "ada", known: false });
  });

  test("wait up to an hour", async () => {
    const set = setUp();
    const browser = await begun(set.stranger());
    for (let turn = 0; turn < 12; turn++) {
      await tryCode(set, browser, false);
      pass(HOUR);
      await begun(browser);
    }
    await tryCode(set, browser, false);
    expect(await tryCode(set, browser, true)).toMatchObject({ outcome: "throttled", retryAfter: 3600 });
  });

  test("do not count against passwords, nor those against codes", async () => {
    const set = setUp();
    const browser = await begun(set.stranger());
    for (let turn = 0; turn < 6; turn++) await tryCode(set, browser, false);
    expect((await set.signIn(ADA, true)).outcome).toBe("passed");
    await set.guess(6);
    pass(MINUTE);
    expect((await tryCode(set, await begun(set.stranger()), true)).outcome).toBe("passed");
  });

  test("are counted for a signed-in user who proves another factor", async () => {
    const set = setUp();
    const own = set.stranger();
    await set.signIn(ADA, true, {}, own);
    for (let turn = 0; turn < 5; turn++)
      await own.visit((session) => set.attempts.tryCode(session, () => false));
    const { result } = await own.visit((session) => set.attempts.tryCode(session, () => true));
    expect(result.outcome).toBe("throttled");
  });

  test('7 and "7" are two users', async () => {
    const set = setUp({ code: { free: 1 } });
    const codeOf = async (userId: string | number) => {
      const browser = set.stranger();
      await browser.visit((session) => session.begin(userId));
      return (await tryCode(set, browser, false)).outcome;
    };
    expect([await codeOf(7), await codeOf("7"), await codeOf(7)]).toEqual(["failed", "failed", "throttled"]);
  });

  test("belong to nobody where no sign-in has begun", async () => {
    const set = setUp();
    await expect(tryCode(set, set.stranger(), true)).rejects.toMatchObject({
      code: "nothing_pending",
      status: 401,
    });
  });
});

describe("another site's page", () => {
  const CROSS = { crossSite: true, safe: false };

  test("uses up none of a browser's attempts", async () => {
    const { signIn, limiter } = setUp();
    for (let turn = 0; turn < 6; turn++)
      await expect(signIn(ADA, false, CROSS)).rejects.toMatchObject({ code: "cross_site", status: 403 });
    expect(limiter.calls).toEqual([]);
    expect((await signIn(ADA, true)).outcome).toBe("passed");
  });

  test("may send sign-ins where that is meant, and links in mails always", async () => {
    const { signIn } = setUp({ crossSite: "allow" });
    expect((await signIn(ADA, false, CROSS)).outcome).toBe("failed");
    const { signIn: byLink } = setUp();
    expect((await byLink(ADA, true, { crossSite: true, safe: true, navigation: true })).outcome).toBe(
      "passed",
    );
  });
});

describe("while the counters cannot be reached", () => {
  class Down extends NotingLimiter {
    error: Error | undefined = new Error("connect ECONNREFUSED 127.0.0.1:6379");

    override get(key: string) {
      return this.error === undefined ? super.get(key) : Promise.reject(this.error);
    }

    override delete(key: string) {
      return this.error === undefined ? super.delete(key) : Promise.reject(this.error);
    }
  }

  test("attempts are counted in memory, and the outage is reported", async () => {
    const limiter = new Down();
    const { guess, signIn, events } = setUp({ limiter });
    expect(await guess(6)).toEqual([...failed(5), "throttled"]);
    expect(events("storeUnavailable")).toHaveLength(6);
    expect(events("storeUnavailable")[0]).toMatchObject({
      error: { code: "store_unavailable", message: expect.stringContaining("ECONNREFUSED") },
    });
    limiter.error = undefined;
    expect(await guess(5)).toEqual(failed(5));
    expect((await signIn(ADA, true)).outcome).toBe("throttled");
  });

  test("nobody signs in where that is wanted, and nothing is verified", async () => {
    const { attempts, stranger } = setUp({ limiter: new Down(), whenDown: "refuse" });
    let verified = 0;
    const attempt = stranger().visit((session) => attempts.try(session, ADA, () => ++verified));
    await expect(attempt).rejects.toMatchObject({ code: "store_unavailable", status: 503 });
    expect(verified).toBe(0);
  });

  test("a sign-in that was right goes on, though its count cannot be taken back", async () => {
    const limiter = new Down();
    limiter.error = undefined;
    const { attempts, stranger, events } = setUp({ limiter });
    const { result } = await stranger().visit((session) =>
      attempts.try(session, ADA, () => {
        limiter.error = new Error("connect ECONNREFUSED 127.0.0.1:6379");
        return "ada";
      }),
    );
    expect(result).toEqual({ outcome: "passed", value: "ada" });
    expect(events("storeUnavailable")).toHaveLength(1);
    await expect(attempts.reset(ADA)).rejects.toMatchObject({ code: "store_unavailable" });
  });

  test("a client that holds commands back is not waited for", async () => {
    const limiter = new NotingLimiter();
    limiter.get = () => new Promise(() => {});
    const { signIn, events } = setUp({ limiter, timeout: 5 });
    expect((await signIn(ADA, true)).outcome).toBe("passed");
    expect(events("storeUnavailable")[0]).toMatchObject({
      error: { message: "The counters of sign-in attempts did not answer within 5 ms." },
    });
  });

  test.each([
    [{ consumedPoints: undefined, msBeforeNext: 5 }],
    [{ consumedPoints: 1, msBeforeNext: undefined }],
    [undefined],
  ])("an answer without numbers is none: %j", async (answer) => {
    const limiter = new NotingLimiter();
    limiter.penalty = () => Promise.resolve(answer as never);
    const { guess, events } = setUp({ limiter });
    expect(await guess(6)).toEqual([...failed(5), "throttled"]);
    expect(events("storeUnavailable")[0]).toMatchObject({ error: { code: "store_misread" } });
  });

  test.each([
    ["a deadlock in MySQL", { errno: 1213 }],
    ["a table that another process makes in MySQL", { errno: 1050 }],
    ["a deadlock in PostgreSQL", { code: "40P01" }],
    // The three ways in which PostgreSQL answers a second CREATE TABLE IF NOT EXISTS, by where it meets the first.
    ["a table that another process makes in PostgreSQL: its row", { code: "23505" }],
    ["a table that another process makes in PostgreSQL: its type", { code: "42710" }],
    ["a table that another process makes in PostgreSQL: its name", { code: "42P07" }],
    ["a lock of SQLite", { code: "SQLITE_BUSY_SNAPSHOT" }],
  ])("attempts that got into each other's way are counted again, not elsewhere: %s", async (_, facts) => {
    const limiter = new NotingLimiter();
    const { penalty } = limiter;
    let conflicts = 0;
    limiter.penalty = (...given) =>
      conflicts++ % 2 === 0
        ? Promise.reject(Object.assign(new Error("in the way"), facts))
        : penalty.apply(limiter, given);
    const { guess, events } = setUp({ limiter });
    expect(await guess(6)).toEqual([...failed(5), "throttled"]);
    expect(events("storeUnavailable")).toEqual([]);
  });
});

describe("what is kept and reported", () => {
  test("the counters hold no account, no address and no user", async () => {
    const { guess, signIn, limiter, app, stranger } = setUp();
    const own = stranger();
    await signIn(ADA, true, {}, own);
    await guess(6);
    await guess(1, {}, own);
    for (const key of limiter.keys) expect(key).toMatch(/^[fgo][\w-]{22}$/);
    const nonce = /psession-device=([^.]+)/.exec(own.jar.get("__Host-psession-device")?.value ?? "")?.[1];
    for (const secret of ["ada", "192.0.2", nonce ?? "device"])
      expect([...limiter.keys].join()).not.toContain(secret);
    expect(JSON.stringify(app.events)).not.toContain("ada@example.com");
  });

  test("failures are events and in the user's trail, attempts that are slowed are events only", async () => {
    const { guess, signIn, app, events, stranger } = setUp({
      psession: { store: memoryStore({ audit: true }) },
    });
    const own = stranger();
    await signIn(ADA, true, {}, own);
    await guess(1, {}, own);
    await guess(7, { address: "198.51.100.7" });
    await signIn(NOBODY, false);
    expect(events("signInFailed")).toHaveLength(7);
    expect(events("signInFailed")[0]).toEqual({
      type: "signInFailed",
      at: app.clock.now(),
      userId: "ada",
      what: "password",
      known: true,
      request: { address: "192.0.2.7", userAgent: "TestBrowser/1.0" },
    });
    expect(events("signInThrottled")).toHaveLength(2);
    expect(events("signInThrottled")[0]).toEqual({
      type: "signInThrottled",
      at: app.clock.now(),
      userId: "ada",
      what: "password",
      by: "account",
      retryAfter: 60,
      request: { address: "198.51.100.7", userAgent: "TestBrowser/1.0" },
    });
    const trail = await app.psession.auditTrail({ userId: "ada" });
    const entries = trail.filter(({ event }) => event.startsWith("signIn"));
    expect(entries.map(({ event, address, detail }) => [event, address, detail])).toEqual([
      ...Array(5).fill(["signInFailed", "198.51.100.7", "password"]),
      ["signInFailed", "192.0.2.7", "password, known browser"],
    ]);
  });

  test("reset forgets the failures of an account and of its codes", async () => {
    const { guess, signIn, attempts } = setUp();
    await guess(6);
    await attempts.reset(ADA);
    expect(await guess(5)).toEqual(failed(5));
    await attempts.reset({ ...ADA, userId: undefined });
    expect((await signIn(ADA, true)).outcome).toBe("passed");
  });
});

describe("what is given", () => {
  const psession = (devices = { detectNew: true }) =>
    createPsession({ store: memoryStore(), keys: [KEY], prune: false, devices });

  test("everything wrong with the options is named at once", () => {
    const options = {
      postgres: {},
      mysql: "mysql://root@localhost",
      redis: {},
      sqlite: {},
      limiter: { consume() {} },
      memory: false,
      name: "drop table",
      createTable: "no",
      account: { free: 0, wait: "0s", tries: 5 },
      address: { free: 1.5, forget: "25d", block: true },
      code: 5,
      knownBrowsers: "yes",
      crossSite: true,
      whenDown: "open",
      timeout: 0,
      points: 5,
    };
    let message = "";
    try {
      signInAttempts(psession(), options as never);
    } catch (error) {
      message = (error as Error).message;
    }
    const places = [
      ...["postgres", "mysql", "redis", "sqlite", "limiter", "memory", "name", "createTable"],
      ...["account.free", "account.wait", "account.tries", "address.free", "address.forget", "address.block"],
      ...["code", "knownBrowsers", "crossSite", "whenDown", "timeout", "points"],
    ];
    for (const place of places) expect(message).toContain(`\n- ${place} `);
    expect(message).toContain("give one of postgres, mysql, redis, sqlite, limiter, memory");
  });

  test.each([
    [{}, "give one of"],
    [{ memory: true, limiter: null }, "limiter must be a limiter of rate-limiter-flexible"],
    [
      { memory: true, account: { wait: "2m", longest: "1m" } },
      "account.wait must not be longer than account.longest",
    ],
    [{ memory: true, code: { forget: "1m" } }, "code.longest must not be longer than code.forget"],
    [undefined, "options is missing"],
  ])("%j is refused: %s", (options, message) => {
    expect(() => signInAttempts(psession(), options as never)).toThrow(message);
  });

  test("known browsers need devices.detectNew, now or when psession's options come", async () => {
    const needed = /knownBrowsers needs psession's option devices.detectNew: true/;
    expect(() => signInAttempts(psession({ detectNew: false }), { memory: true })).toThrow(needed);
    signInAttempts(psession({ detectNew: false }), { memory: true, knownBrowsers: false });
    const later = createPsession<object>(() => ({ store: memoryStore(), keys: [KEY], prune: false }));
    const attempts = signInAttempts(later, { memory: true });
    const exchange = later.exchange({ ...FACTS });
    const session = await exchange.open();
    for (let turn = 0; turn < 2; turn++)
      await expect(attempts.try(session, ADA, () => true)).rejects.toThrow(needed);
  });

  test("something else than a psession is refused", () => {
    expect(() => signInAttempts({} as Psession, { memory: true })).toThrow(
      "psession must be what createPsession gives",
    );
  });

  test.each([
    [{ account: "a" }, "userId is missing"],
    [{ account: "a", userId: undefined, address: "1.2.3.4" }, "address is no option"],
    ["ada", "options must be an object"],
    [undefined, "options must be an object"],
  ])("who is %j: refused", async (who, message) => {
    const { attempts, stranger } = setUp();
    const attempt = stranger().visit((session) => attempts.try(session, who as never, () => true));
    await expect(attempt).rejects.toThrow(message);
  });

  test.each([
    ["missing", undefined],
    ["empty", ""],
    ["a number", 5],
    ["a list", ["a"]],
    ["too long", "x".repeat(321)],
  ])("an account that is %s is the client's mistake", async (_, account) => {
    const { attempts, stranger, limiter: noting } = setUp();
    const who = { account: account as string, userId: undefined };
    const attempt = stranger().visit((session) => attempts.try(session, who, () => true));
    await expect(attempt).rejects.toMatchObject({ code: "invalid_options", status: 400 });
    expect(noting.calls).toEqual([]);
  });

  test("a session of another psession, a wrong user id and no function are refused", async () => {
    const { attempts, stranger } = setUp();
    const other = setUp();
    const attempt = (run: Parameters<TestBrowser["visit"]>[0], by = stranger()) => by.visit(run);
    await expect(
      attempt((session) => attempts.try(session, ADA, () => true), other.stranger()),
    ).rejects.toThrow("try: session must be a session of the psession");
    await expect(attempt(() => attempts.tryCode({} as never, () => true))).rejects.toThrow(
      "tryCode: session",
    );
    await expect(
      attempt((session) => attempts.try(session, { ...ADA, userId: 1.5 as never }, () => true)),
    ).rejects.toMatchObject({ code: "invalid_user_id" });
    await expect(attempt((session) => attempts.try(session, ADA, "x" as never))).rejects.toThrow(
      "try: verify must be a function",
    );
  });
});

describe("accounts that are spelt alike", () => {
  const PAIRS = [
    ["ross", "ros"],
    ["ada@example.com", "\u00e0da@example.com"],
    ["ada b", "adab"],
    ["ma\u00df", "mass"],
  ] as const;
  test.each(PAIRS)(
    "%s is guessed at no faster by whoever signs in as %s meanwhile",
    async (account, alike) => {
      const { guess, signIn } = setUp({ address: false });
      const victim = { account, userId: "victim" };
      let verified = 0;
      for (let round = 0; round < 20; round++) {
        verified += (await guess(4, {}, undefined, victim)).filter((outcome) => outcome === "failed").length;
        await signIn({ account: alike, userId: "attacker" }, true);
      }
      expect(verified).toBeLessThan(6);
    },
  );

  test("share no failures once one of them has signed in: what was counted for it is taken back", async () => {
    const { guess, signIn } = setUp({ address: false });
    const [ross, ros] = [
      { account: "ross", userId: "ross" },
      { account: "ros", userId: "ros" },
    ];
    await guess(2, {}, undefined, ross);
    await guess(1, {}, undefined, ros);
    expect((await signIn(ross, true)).outcome).toBe("passed");
    expect(await guess(5, {}, undefined, ros)).toEqual([
      ...Array.from({ length: 4 }, () => "failed"),
      "throttled",
    ]);
  });
});

const FACTS: RequestFacts = {
  cookie: undefined,
  secure: true,
  navigation: false,
  script: false,
  canSetCookies: true,
  crossSite: false,
  safe: false,
  forwarded: false,
  userAgent: undefined,
  address: undefined,
};
