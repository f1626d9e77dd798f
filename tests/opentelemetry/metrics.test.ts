import { hasSubscribers, tracingChannel } from "node:diagnostics_channel";
import { metrics } from "@opentelemetry/api";
import pg from "pg";
import { describe, expect, onTestFinished, test } from "vitest";
import { dangerouslyAllowInsecureHttp, memoryStore, type PsessionOptions } from "../../src/index.ts";
import { withSession } from "../../src/integrations/node/index.ts";
import { postgresStore } from "../../src/stores/postgres/index.ts";
import { COUNTERS } from "../../src/telemetry/opentelemetry/definitions.ts";
import { type InstrumentOptions, instrument } from "../../src/telemetry/opentelemetry/index.ts";
import { overHttp, TestBrowser, testApp } from "../support/app.ts";
import { bindKey, KeyHolder, proveKey, skipProof } from "../support/bound.ts";
import { DAY, HOUR, MINUTE, TestClock } from "../support/clock.ts";
import { HttpClient, serve } from "../support/http.ts";
import { freshSchema } from "../support/servers/fresh.ts";
import { describeWith, POSTGRES } from "../support/servers/reach.ts";
import { failingStore, intercepted } from "../support/stores.ts";
import { countedIn, type Scraped, startMetrics } from "./provider.ts";

function instrumented(options: InstrumentOptions): () => void {
  const end = instrument(options);
  onTestFinished(end);
  return end;
}

/** An application on node:http and a browser of its own, counted by the real SDK. */
async function start(options: Partial<PsessionOptions> = {}) {
  const { meterProvider, scrape } = await startMetrics();
  instrumented({ meterProvider });
  const app = testApp({ ...overHttp, ...options });
  const base = await serve(
    withSession(app.psession, async (request, response, session) => {
      if (request.url === "/login") await session.login("ada", { remember: true });
      if (request.url === "/add") session.push("cart", "tea");
      response.end(session.outcome);
    }),
  );
  return { app, base, browser: new HttpClient(base), scrape };
}

/** Sums over attributes, by the metric's name. */
function groupedByMetric(counted: Record<string, number>): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const [series, value] of Object.entries(counted)) {
    const name = /^psession_(\w+)_total/.exec(series)?.[1]?.replace("_", ".") ?? series;
    sums[name] = (sums[name] ?? 0) + value;
  }
  return sums;
}

const navigation = { "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" };

describe("what Prometheus scrapes", () => {
  test("counts sign-ins, restores, thefts and what was pruned", async () => {
    const { app, base, browser, scrape } = await start();
    const visit = async (path: string) => (await browser.get(path, navigation)).text;
    expect(await visit("/")).toBe("none");
    expect(await visit("/login")).toBe("none");
    expect(await visit("/add")).toBe("live");
    browser.restart();
    app.clock.advance(HOUR);
    const stolen = browser.jar;
    browser.jar = new Map(stolen);
    expect(await visit("/")).toBe("restored");
    app.clock.advance(3 * MINUTE);
    expect(await visit("/")).toBe("live");
    const thief = new HttpClient(base);
    thief.jar = stolen;
    expect((await thief.get("/", navigation)).text).toBe("theft");
    expect(await visit("/")).toBe("revoked");
    app.clock.advance(40 * DAY);
    expect(await app.psession.prune()).toMatchObject({ sessions: 0, logins: 1 });

    expect(countedIn(await scrape())).toEqual({
      'psession_opens_total{psession_outcome="none"}': 2,
      'psession_opens_total{psession_outcome="live"}': 2,
      'psession_opens_total{psession_outcome="restored"}': 1,
      'psession_opens_total{psession_outcome="theft"}': 1,
      'psession_opens_total{psession_outcome="revoked"}': 1,
      'psession_logins_total{psession_remembered="true"}': 1,
      psession_restores_total: 1,
      psession_thefts_total: 1,
      'psession_pruned_rows_total{psession_row_kind="login"}': 1,
    });
  });

  test("counts lost responses, parallel requests and exchanged secrets", async () => {
    const { app, scrape } = await start({ session: { rotateEvery: "10m" } });
    const browser = new TestBrowser(app);
    await browser.visit((session) => session.login("ada", { remember: true }));
    browser.restart();
    app.clock.advance(HOUR);
    const jar = browser.copyJar();
    const [first, second] = [await browser.open({ jar }), await browser.open({ jar })];
    await first.answer({ lost: true });
    await second.answer({ lost: true });
    app.clock.advance(3 * MINUTE);
    await browser.visit();
    app.clock.advance(11 * MINUTE);
    await browser.visit(undefined, { navigation: true });
    expect(countedIn(await scrape())).toEqual({
      'psession_opens_total{psession_outcome="none"}': 1,
      'psession_opens_total{psession_outcome="restored"}': 2,
      'psession_opens_total{psession_outcome="recovered"}': 1,
      'psession_opens_total{psession_outcome="live"}': 1,
      'psession_logins_total{psession_remembered="true"}': 1,
      psession_restores_total: 1,
      psession_convergences_total: 1,
      psession_recoveries_total: 1,
      psession_rotations_total: 1,
      psession_merge_retries_total: 1,
    });
  });

  test("counts saves that met others, and saves that came too late", async () => {
    const { app, scrape } = await start();
    const browser = new TestBrowser(app);
    await browser.visit((session) => session.set("count", 0));
    const [first, second, third] = [await browser.open(), await browser.open(), await browser.open()];
    first.session.set("count", 1);
    await first.answer();
    second.session.set("name", "second");
    await second.answer();
    third.session.set("count", 3);
    await third.answer();
    const late = await browser.open();
    late.session.set("count", 4);
    await browser.visit((session) => session.destroy());
    await late.answer();
    const { opens, ...counted } = groupedByMetric(countedIn(await scrape()));
    expect(opens).toBe(6);
    expect(counted).toEqual({ "merge.retries": 2, "merge.conflicts": 1, "discarded.saves": 1 });
  });

  test("counts ended devices by reason; all reasons that applications name are one", async () => {
    const { app, scrape } = await start({ devices: { max: 1 } });
    const signIn = (userId: string) => {
      app.clock.advance(1);
      return new TestBrowser(app).visit((session) => session.login(userId, { remember: false }));
    };
    await signIn("ada");
    await signIn("ada");
    await app.psession.passwordChanged("ada");
    for (const reason of [undefined, "left the company", "another of many texts"]) {
      await signIn("bob");
      await app.psession.revokeUser("bob", reason);
    }
    for (const user of ["cleo", "dan", "eve"]) await signIn(user);
    await app.psession.revokeEveryone("the key has leaked");
    const revocations = Object.entries(countedIn(await scrape())).filter(([series]) =>
      series.startsWith("psession_revocations"),
    );
    expect(Object.fromEntries(revocations)).toEqual({
      'psession_revocations_total{psession_reason="cap"}': 1,
      'psession_revocations_total{psession_reason="password_changed"}': 1,
      'psession_revocations_total{psession_reason="revoked"}': 1,
      'psession_revocations_total{psession_reason="other"}': 5,
    });
  });

  test("counts sessions that are bound to a key, its proofs, and what came without one", async () => {
    const { app, scrape } = await start({ [dangerouslyAllowInsecureHttp]: false, deviceBound: {} });
    const browser = new TestBrowser(app);
    const { session } = await browser.visit((session) => session.login("ada"));
    const keys = await bindKey(browser, session);
    app.clock.advance(2 * MINUTE);
    for (let time = 0; time < 3; time++) await proveKey(browser, keys);
    const thief = new TestBrowser(app);
    thief.jar = browser.copyJar();
    thief.jar.delete("__Host-psession-bound");
    expect((await thief.visit()).session.outcome).toBe("unproved");
    const refused = 'psession_bound_refusals_total{psession_bound_why="unproved"}';
    expect(countedIn(await scrape())[refused]).toBe(1);
    await proveKey(browser, new KeyHolder());
    const reasons = ["unreachable", "unreachable", "server_error", "a text of the client's own"];
    for (const reason of reasons) skipProof(app, reason);

    const bound = Object.entries(countedIn(await scrape())).filter(([series]) => series.includes("_bound_"));
    expect(Object.fromEntries(bound)).toEqual({
      psession_bound_registrations_total: 1,
      psession_bound_refreshes_total: 3,
      [refused]: 1,
      'psession_bound_refusals_total{psession_bound_why="signature"}': 1,
      'psession_bound_skips_total{psession_bound_skipped="unreachable"}': 2,
      'psession_bound_skips_total{psession_bound_skipped="server_error"}': 1,
      'psession_bound_skips_total{psession_bound_skipped="other"}': 1,
    });
  });

  test("counts what a store lost, and rows of a clock that is ahead", async () => {
    const stored = memoryStore();
    const { app, scrape } = await start({ store: stored });
    const browser = new TestBrowser(app);
    const { session } = await browser.visit((session) => session.login("ada", { remember: true }));
    const backup = await stored.findRemembered(session.handle);
    browser.restart();
    app.clock.advance(HOUR);
    await browser.visit();
    const store = intercepted(stored, async (name, call) => (name === "findRemembered" ? backup : call()));
    const visitor = new TestBrowser(testApp({ ...overHttp, store, clock: app.clock }));
    visitor.jar = browser.copyJar();
    visitor.restart();
    app.clock.advance(HOUR);
    expect((await visitor.visit()).session.outcome).toBe("ahead");

    const behind = new TestClock();
    const slow = new TestBrowser(testApp({ ...overHttp, store: stored, clock: behind }));
    slow.jar = browser.copyJar();
    expect((await slow.visit()).session.outcome).toBe("skew");
    expect(countedIn(await scrape())).toMatchObject({
      psession_store_losses_total: 1,
      psession_clock_skews_total: 1,
    });
  });

  test("counts entries of the audit trail that are too old, and those that it did not take", async () => {
    const { app, scrape } = await start({ store: memoryStore({ audit: true }) });
    await new TestBrowser(app).visit((session) => session.login("ada"));
    await app.psession.flush();
    app.clock.advance(91 * DAY);
    await app.psession.prune();
    const append = async () => {
      throw new Error("The sink is down.");
    };
    const deaf = testApp({ audit: { sink: { append }, events: ["revokedEveryone"] } });
    for (let index = 0; index < 10_002; index++) await deaf.psession.revokeEveryone();
    expect(countedIn(await scrape())).toMatchObject({
      'psession_pruned_rows_total{psession_row_kind="session"}': 1,
      'psession_pruned_rows_total{psession_row_kind="audit"}': 1,
      psession_audit_losses_total: 2,
    });
    await deaf.psession.close();
  });

  test("counts and times calls of the store, and those that fail by their error", async () => {
    const { store, failing } = failingStore();
    const { app, scrape } = await start({ store });
    const browser = new TestBrowser(app);
    await browser.visit((session) => session.login("ada"));
    await browser.visit();
    failing.add("findSession");
    await expect(browser.visit()).rejects.toMatchObject({ code: "store_unavailable" });
    failing.clear();
    const broken = intercepted(store, async () => {
      throw new TypeError("a store of somebody else's, with a fault");
    });
    await expect(testApp({ store: broken }).psession.devices("ada")).rejects.toThrow("with a fault");

    const scraped = await scrape();
    expect(countedIn(scraped)).toEqual({
      'psession_opens_total{psession_outcome="none"}': 1,
      'psession_opens_total{psession_outcome="live"}': 1,
      'psession_opens_total{error_type="store_unavailable"}': 1,
      'psession_logins_total{psession_remembered="false"}': 1,
      psession_store_errors_total: 2,
    });
    const counts = [...scraped.values].filter(([series]) => series.includes("duration_count"));
    const call = (facts: string) =>
      `psession_store_operation_duration_count{psession_store_name="memory",${facts}}`;
    expect(Object.fromEntries(counts)).toEqual({
      [call('psession_store_operation="apply",psession_store_change="signIn"')]: 1,
      [call('psession_store_operation="findSession"')]: 1,
      [call('psession_store_operation="findSession",error_type="store_unavailable"')]: 1,
      [call('psession_store_operation="list",error_type="_OTHER"')]: 1,
    });
    expect(scraped.text).toContain("# UNIT psession_store_operation_duration s");
    const durations = [...scraped.values].filter(([series]) => series.includes("duration_sum"));
    expect(durations.every(([, seconds]) => seconds > 0 && seconds < 5)).toBe(true);
  });

  test("has counters without attributes at zero before anything happens, so that the first one is an increase", async () => {
    const { scrape } = await start();
    const { values } = await scrape();
    expect(values.get("psession_thefts_total")).toBe(0);
    expect([...values].filter(([, value]) => value !== 0)).toEqual([]);
    expect(values.size).toBe(
      Object.values(COUNTERS).filter(({ attributes }) => attributes.length === 0).length,
    );
  });
});

describeWith(POSTGRES, "what Prometheus scrapes of batches", () => {
  test("is how many sessions were read together", async () => {
    const { url } = await freshSchema();
    const pool = new pg.Pool({ connectionString: url });
    onTestFinished(() => pool.end());
    const { app, scrape } = await start({ store: postgresStore({ pool }) });
    const browsers = Array.from({ length: 12 }, () => new TestBrowser(app));
    for (const browser of browsers) await browser.visit((session) => session.set("count", 1));
    await Promise.all(browsers.map((browser) => browser.visit()));
    const { values } = await scrape();
    const reads = 'psession_store_name="postgres",psession_store_operation="findSession"';
    expect(values.get(`psession_batch_size_count{${reads}}`)).toBe(1);
    expect(values.get(`psession_batch_size_sum{${reads}}`)).toBe(12);
    expect(values.get(`psession_batch_size_bucket{${reads},le="8"}`)).toBe(0);
    expect(values.get(`psession_batch_size_bucket{${reads},le="16"}`)).toBe(1);
  });
});

describe("instrument", () => {
  const loginsIn = async (scrape: () => Promise<Scraped>) =>
    groupedByMetric(countedIn(await scrape()))["logins"];
  const signIn = () => new TestBrowser(testApp()).visit((session) => session.login("ada"));

  test("twice with one provider counts once, until both have ended", async () => {
    const { meterProvider, scrape } = await startMetrics();
    const [first, second] = [instrumented({ meterProvider }), instrumented({ meterProvider })];
    await signIn();
    expect(await loginsIn(scrape)).toBe(1);
    first();
    first();
    await signIn();
    expect(await loginsIn(scrape)).toBe(2);
    second();
    await signIn();
    expect(await loginsIn(scrape)).toBe(2);
    instrumented({ meterProvider });
    await signIn();
    expect(await loginsIn(scrape)).toBe(3);
  });

  test("with two providers counts into each, whichever psession of the process it is", async () => {
    const [one, other] = [await startMetrics(), await startMetrics()];
    instrumented({ meterProvider: one.meterProvider });
    await signIn();
    instrumented({ meterProvider: other.meterProvider });
    await signIn();
    expect([await loginsIn(one.scrape), await loginsIn(other.scrape)]).toEqual([2, 1]);
  });

  test("without a provider takes the global one, and leaves no subscriber at its end", async () => {
    const { meterProvider, scrape } = await startMetrics();
    metrics.setGlobalMeterProvider(meterProvider);
    onTestFinished(() => metrics.disable());
    const end = instrumented({});
    expect(tracingChannel("psession.open").start.hasSubscribers).toBe(true);
    await signIn();
    expect(await loginsIn(scrape)).toBe(1);
    end();
    for (const name of [
      "psession:login",
      "psession:pruned",
      "psession:batch",
      "tracing:psession.open:start",
      "tracing:psession.store:asyncEnd",
      "tracing:psession.commit:start",
    ])
      expect([name, hasSubscribers(name)]).toEqual([name, false]);
  });

  test("names everything that is wrong with its options", () => {
    const wrong = { meterProvider: {}, tracerProvider: 1, prefix: "x" } as unknown as InstrumentOptions;
    expect(() => instrument(wrong)).toThrow(
      /instrument cannot start:\n- meterProvider must be a MeterProvider\n- tracerProvider must be a TracerProvider\n- prefix is no option/,
    );
  });
});
