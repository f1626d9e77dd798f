import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { memoryStore } from "../../../src/index.ts";
import type { SessionOptions } from "../../../src/integrations/express-session/index.ts";
import { PromisedStore } from "../../../src/integrations/express-session/own-store/promised-store.ts";
import { type Any, type Express, NotedStore, ours, STRONG, start } from "./sides.ts";
import { warnings } from "./warnings.ts";

const METHODS = ["get", "set", "destroy", "touch"] as const;

const routes = (app: Express) => {
  app.get("/open", (request: Any, response) => {
    request.session.seen = (request.session.seen ?? 0) + 1;
    response.json(request.session.seen);
  });
  app.get("/read", (request: Any, response) => response.json(request.session?.seen ?? null));
  app.get("/end", (request: Any, response) => {
    request.session.destroy((error: Any) => response.json(error?.code ?? null));
  });
};

/** What each of a store's methods costs when it fails: what a visitor sees of it. */
const PAGES = { get: "/read", set: "/open", destroy: "/end", touch: "/read" } as const;
const SEEN = { get: [503, "store_unavailable"], set: [503, "store_unavailable"] } as const;

let rejections: unknown[];
beforeEach(() => {
  rejections = [];
  const listener = (error: unknown) => void rejections.push(error);
  process.on("unhandledRejection", listener);
  onTestFinished(() => void process.off("unhandledRejection", listener));
});
afterEach(async () => {
  await new Promise((resolve) => setImmediate(resolve));
  expect(rejections).toEqual([]);
});

async function seen(method: (typeof METHODS)[number], instead: Any, options: SessionOptions = {}) {
  const store = new NotedStore();
  const client = await start(ours, { store, ...options }, routes);
  await client.get("/open");
  store.instead[method] = instead;
  const { status, json } = await client.get(PAGES[method]);
  return [status, json?.code ?? json];
}

const failures: [string, Any][] = [
  ["rejects", async () => Promise.reject(new Error("connection lost"))],
  ["throws", () => void JSON.parse("no JSON")],
  ["calls back with an error", (...values: Any[]) => values.at(-1)(new Error("connection lost"))],
];

describe.each(METHODS)("a store whose %s", (method) => {
  test.each(failures)("%s", async (_, instead) => {
    const expected = { ...SEEN, destroy: [200, "store_unavailable"], touch: [200, 1] }[method];
    expect(await seen(method, instead)).toEqual(expected);
  });

  test("never answers", async () => {
    const expected = { ...SEEN, destroy: [200, "store_unavailable"], touch: [200, 1] }[method];
    expect(await seen(method, () => {}, { storeTimeout: 20 })).toEqual(expected);
  });
});

test("a store that never answers leaves a request without a session, if the application says so", async () => {
  expect(await seen("get", () => {}, { storeTimeout: 20, whenUnavailable: "withoutSession" })).toEqual([
    200,
    null,
  ]);
});

test("a thenable that is no promise is not awaited, which would run a lazy query", async () => {
  const then = vi.fn();
  const lazy = (_id: string, done: Any) => {
    done(null, undefined);
    return { then };
  };
  expect(await seen("get", lazy)).toEqual([200, null]);
  expect(then).not.toHaveBeenCalled();
});

test("a rejection after the callback emits a warning, and breaks nothing", async () => {
  const warned = warnings("PSESSION_STORE_REJECTED");
  const late = async (_id: string, done: Any) => {
    done(null, undefined);
    throw new Error("too late");
  };
  expect(await seen("get", late)).toEqual([200, null]);
  expect(await warned).toContain("too late");
});

test("sessions of `store.load` use the store as it is: what it rejects is the callback's error", async () => {
  const store = new NotedStore();
  const client = await start(ours, { store }, (app) => {
    routes(app);
    app.get("/load/:how", (request: Any, response) => {
      store.load(request.sessionID, (_error: Any, session: Any) => {
        store.instead.set =
          store.instead.get =
          store.instead.destroy =
            async () => Promise.reject(new Error("lost"));
        session[request.params.how]((error: Any) => {
          store.instead.set = store.instead.get = store.instead.destroy = undefined as Any;
          response.json(error?.message ?? null);
        });
      });
    });
  });
  await client.get("/open");
  store.createSession = ours.Store.prototype.createSession as Any;
  for (const how of ["save", "reload", "destroy"])
    expect((await client.get(`/load/${how}`)).json).toContain("lost");
});

describe("the time limit", () => {
  test("is ten seconds", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    onTestFinished(() => void vi.useRealTimers());
    const silent = { get: () => {}, set: () => {}, destroy: () => {} };
    const store = new PromisedStore(silent, { hashIds: false });
    let outcome: Any;
    store.find("x").catch((error: Any) => {
      outcome = error;
    });
    await vi.advanceTimersByTimeAsync(9_999);
    expect(outcome).toBeUndefined();
    await vi.advanceTimersByTimeAsync(1);
    expect([outcome.code, outcome.status]).toEqual(["store_unavailable", 503]);
    expect(outcome.cause.message).toContain("10000 ms");
  });

  test("can be another one, or none", () => {
    const store = new NotedStore();
    for (const storeTimeout of ["2s", 500, false] as const)
      expect(() => ours({ store, storeTimeout })).not.toThrow();
    for (const storeTimeout of [0, "soon", true, "30d"] as Any[])
      expect(() => ours({ store, storeTimeout })).toThrow("storeTimeout");
    expect(() => ours({ store: memoryStore(), secret: STRONG, storeTimeout: "2s" })).toThrow(
      "storeTimeout has no",
    );
    expect(() =>
      ours({ store: memoryStore(), secret: STRONG, storeTimeout: "2s", migrateFrom: store }),
    ).not.toThrow();
  });
});
