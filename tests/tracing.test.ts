import { AsyncLocalStorage } from "node:async_hooks";
import { channel, type TracingChannel, tracingChannel } from "node:diagnostics_channel";
import { inspect } from "node:util";
import { describe, expect, onTestFinished, test } from "vitest";
import { memoryStore } from "../src/index.ts";
import { sqliteStore } from "../src/stores/sqlite/index.ts";
import { tracedStore } from "../src/stores/traced.ts";
import { sessionRow } from "../src/testing/rows.ts";
import { KEY, TestBrowser, testApp } from "./support/app.ts";
import { HOUR, MINUTE } from "./support/clock.ts";
import { describeStores } from "./support/session-stores.ts";
import { counted, failingStore, intercepted } from "./support/stores.ts";

const STEPS = ["start", "end", "asyncStart", "asyncEnd", "error"] as const;

interface Heard {
  readonly step: string;
  /** As it was at that step: the object goes on to be filled in. */
  readonly facts: Readonly<Record<string, unknown>>;
  readonly context: object;
}

/** What is told on these tracing channels until the test ends. */
function listen(...names: string[]): Heard[] {
  const heard: Heard[] = [];
  for (const name of names) {
    const tracing = tracingChannel(name) as TracingChannel<unknown, object>;
    for (const step of STEPS) {
      const listener = (context: unknown) =>
        void heard.push({
          step: `${name}:${step}`,
          facts: { ...(context as object) },
          context: context as object,
        });
      tracing[step].subscribe(listener);
      onTestFinished(() => void tracing[step].unsubscribe(listener));
    }
  }
  return heard;
}

function listenTo(name: string): unknown[] {
  const heard: unknown[] = [];
  const listener = (message: unknown) => void heard.push(message);
  channel(name).subscribe(listener);
  onTestFinished(() => void channel(name).unsubscribe(listener));
  return heard;
}

const stepsOf = (heard: readonly Heard[]) => heard.map(({ step }) => step);

describe("a request", () => {
  test("is traced from open to commit, with the outcome of its cookies", async () => {
    const heard = listen("psession.open", "psession.commit");
    const browser = new TestBrowser(testApp());
    await browser.visit((session) => session.login("ada"));
    expect(stepsOf(heard)).toEqual([
      "psession.open:start",
      "psession.open:end",
      "psession.open:asyncStart",
      "psession.open:asyncEnd",
      "psession.commit:start",
      "psession.commit:end",
      "psession.commit:asyncStart",
      "psession.commit:asyncEnd",
    ]);
    expect(heard[0]?.facts).toEqual({ store: "memory", outcome: undefined });
    expect(heard[3]?.facts).toEqual({ store: "memory", outcome: "none" });
    expect(heard[4]?.facts).toEqual({ store: "memory", outcome: "none" });
    expect(new Set(heard.slice(0, 4).map(({ context }) => context)).size).toBe(1);
    heard.length = 0;
    await browser.visit();
    expect(heard.find(({ step }) => step === "psession.open:asyncEnd")?.facts).toEqual({
      store: "memory",
      outcome: "live",
    });
  });

  test("whose commit has nothing to do is committed at once", async () => {
    const heard = listen("psession.commit");
    await new TestBrowser(testApp()).visit();
    expect(stepsOf(heard)).toEqual(["psession.commit:start", "psession.commit:end"]);
  });

  test("that fails is traced with its error, which its handler still gets", async () => {
    const heard = listen("psession.open", "psession.commit", "psession.store");
    const { store, failing } = failingStore();
    const browser = new TestBrowser(testApp({ store }));
    await browser.visit((session) => session.set("count", 1));
    for (const [call, trace] of [
      ["findSession", "psession.open"],
      ["apply", "psession.commit"],
    ] as const) {
      failing.add(call);
      heard.length = 0;
      const visit = browser.visit((session) => session.set("count", 2));
      const thrown: unknown = await visit.catch((error: unknown) => error);
      failing.clear();
      expect(thrown).toMatchObject({ code: "store_unavailable" });
      for (const name of [trace, "psession.store"]) {
        const told = heard.filter(({ step }) => step.startsWith(`${name}:`)).slice(-5);
        expect(stepsOf(told)).toEqual(
          ["start", "end", "error", "asyncStart", "asyncEnd"].map((step) => `${name}:${step}`),
        );
        expect(told[2]?.facts["error"]).toBe(thrown);
      }
    }
  });

  test("can be given a context by a subscriber, down to its store calls", async () => {
    const place = new AsyncLocalStorage<string>();
    const { start } = tracingChannel("psession.open") as TracingChannel<string, object>;
    start.bindStore(place, () => "this request");
    onTestFinished(() => void start.unbindStore(place));
    const seen: unknown[] = [];
    const store = intercepted(memoryStore(), (name, call) => {
      seen.push([name, place.getStore()]);
      return call();
    });
    const browser = new TestBrowser(testApp({ store }));
    await browser.visit((session) => session.set("count", 1));
    await browser.visit();
    expect(seen).toEqual([
      ["apply", undefined],
      ["findSession", "this request"],
    ]);
  });
});

describe("calls of the store", () => {
  test("are traced by name, all that the store gets and no other", async () => {
    const heard = listen("psession.store");
    const { store, calls } = counted(memoryStore());
    const app = testApp({ store });
    const browser = new TestBrowser(app);
    await browser.visit((session) => session.login("ada", { remember: true }));
    app.clock.advance(2 * MINUTE + 1);
    await browser.visit(async (session) => {
      await session.exclusive();
      await session.nameDevice(session.handle, "laptop");
    });
    browser.restart();
    app.clock.advance(HOUR);
    await browser.visit();
    await app.psession.devices("ada");
    await app.psession.revokeUser("ada");
    await app.psession.prune();
    const told = heard.filter(({ step }) => step === "psession.store:asyncEnd");
    expect(told.map(({ facts }) => facts["operation"])).toEqual(calls);
    expect(new Set(calls)).toEqual(
      new Set([
        ...["findSession", "findRemembered", "apply", "touch", "list"],
        ...["prune", "acquireLock", "releaseLock"],
      ]),
    );
    expect(new Set(told.map(({ facts }) => facts["store"]))).toEqual(new Set(["memory"]));
  });

  test("are the store's own without a subscriber, or after the last one left", () => {
    const answer = Promise.resolve(undefined);
    const store = tracedStore(intercepted(memoryStore(), () => answer));
    const { end } = tracingChannel("psession.store");
    const listener = () => {};
    const isItsOwn = () => store.findSession("id") === answer && store.list("ada") === (answer as unknown);
    expect(isItsOwn()).toBe(true);
    end.subscribe(listener);
    expect(isItsOwn()).toBe(false);
    end.unsubscribe(listener);
    expect(isItsOwn()).toBe(true);
  });

  test("for administration are there where the store has them", async () => {
    const { admin, migrate } = tracedStore(memoryStore());
    expect(admin).toBeDefined();
    expect(migrate).toBeUndefined();
    const sqlite = sqliteStore({ path: ":memory:" });
    onTestFinished(() => sqlite.close?.());
    expect(await tracedStore(sqlite).migrate?.()).toEqual([]);
    const bare = new Proxy(sqlite, {
      get: (store, name) => (name === "admin" ? undefined : Reflect.get(store, name)),
    });
    expect(tracedStore(bare).admin).toBeUndefined();
  });
});

test("no traced value works as a cookie, names a user or a session, or holds data", async () => {
  const heard = listen("psession.open", "psession.commit", "psession.store");
  const batches = listenTo("psession:batch");
  const app = testApp();
  const browser = new TestBrowser(app);
  const cookies: string[] = [];
  const ids: string[] = [];
  for (let round = 0; round < 3; round++) {
    const { session, setCookie } = await browser.visit(async (session) => {
      if (round === 0) await session.login("ada", { remember: true });
      session.set("cart", [`tea ${round}`]);
    });
    ids.push(session.handle);
    cookies.push(...setCookie.map((line) => line.split(";")[0] ?? ""));
    browser.restart();
    app.clock.advance(HOUR);
  }
  const told = inspect([heard, batches], { depth: 9, showHidden: true });
  expect(heard.length).toBeGreaterThan(20);
  const secrets = cookies
    .flatMap((cookie) => cookie.split(/[=.]/).slice(1))
    .filter((part) => part.length > 8);
  expect(secrets.length).toBeGreaterThan(8);
  for (const text of [...secrets, ...ids, "ada", "tea", "TestBrowser", "192.0.2.7", KEY]) {
    expect(told).not.toContain(text);
  }
});

describeStores("batches of", (makeStore) => {
  test("one call for many requests is published with its size", async () => {
    const store = makeStore();
    await store.list("ada");
    const batches = listenTo("psession:batch");
    const rows = Array.from({ length: 20 }, () => sessionRow());
    const { lastSeenAt, idleDeadline, pruneAfter } = sessionRow();
    const use = { lastSeenAt, idleDeadline, pruneAfter, remembered: undefined };
    await Promise.all(rows.map(({ id }) => store.findSession(id)));
    await Promise.all(rows.map(({ id }) => store.touch([{ sessionId: id, ...use }])));
    const isBatching = ["postgres", "mysql", "redis"].includes(store.name);
    const told = ["findSession", "touch"].map((operation) => ({ store: store.name, operation, size: 20 }));
    expect(batches).toEqual(isBatching ? told : []);
  });
});
