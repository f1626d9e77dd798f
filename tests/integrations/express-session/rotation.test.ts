import { describe, expect, test } from "vitest";
import { memoryStore } from "../../../src/index.ts";
import { psessionOf } from "../../../src/integrations/express-session/index.ts";
import { sqliteStore } from "../../../src/stores/sqlite/index.ts";
import { DAY } from "../../support/clock.ts";
import { HttpClient } from "../../support/http.ts";
import {
  type Any,
  type Express,
  type Middleware,
  NotedStore,
  original,
  ours,
  STRONG,
  start,
} from "./sides.ts";
import { warnings } from "./warnings.ts";

const OTHER = "Jq7Lw3Nc9Vx2Bz5Ks8Hd1Gf4Rt6Yp0Mu";

const routes = (app: Express) => {
  app.get("/visit", (request: Any, response) => {
    request.session.seen = (request.session.seen ?? 0) + 1;
    response.json(request.session.seen);
  });
};

const sentBy = (client: HttpClient) => client.jar.get("connect.sid")?.value ?? "";

describe("a list of secrets that is changed in place", () => {
  const BOTH: [string, Middleware][] = [
    ["express-session", original],
    ["ours", ours],
  ];
  test.each(BOTH)("signs with what stands first, and knows what stands there: %s", async (_, middleware) => {
    const secret = ["old"];
    const store = new NotedStore();
    const client = await start(middleware, { store, secret, rolling: true }, routes);
    await client.get("/visit");
    const before = sentBy(client);
    secret.unshift("new");
    expect((await client.get("/visit")).json).toBe(2);
    expect(sentBy(client)).not.toBe(before);
    secret.pop();
    expect((await client.get("/visit")).json).toBe(3);
    const stale = new HttpClient(client.base);
    stale.jar.set("connect.sid", { value: before, isTransient: true });
    expect((await stale.get("/visit")).json).toBe(1);
    secret[0] = "newer";
    expect((await client.get("/visit")).json).toBe(1);
  });

  test("is followed on a psession store", async () => {
    const secret = [STRONG];
    const client = await start(ours, { store: memoryStore(), secret, rolling: true }, routes);
    await client.get("/visit");
    const before = sentBy(client);
    secret.unshift(OTHER);
    expect((await client.get("/visit")).json).toBe(2);
    expect(sentBy(client)).not.toBe(before);
    secret.pop();
    expect((await client.get("/visit")).json).toBe(3);
    const stale = new HttpClient(client.base);
    stale.jar.set("connect.sid", { value: before, isTransient: true });
    expect((await stale.get("/visit")).json).toBe(1);
  });

  test("keeps its keys on a psession store where what comes first is weak, and warns", async () => {
    const secret = [STRONG];
    const client = await start(ours, { store: memoryStore(), secret }, routes);
    await client.get("/visit");
    const warned = warnings("PSESSION_WEAK_SECRET");
    secret.unshift("keyboard cat");
    expect((await client.get("/visit")).json).toBe(2);
    expect(await warned).toContain("at least 32 random bytes");
    secret.length = 0;
    expect((await client.get("/visit")).json).toBe(3);
  });
});

describe("a cookie whose value came in quotes", () => {
  const quoted = async (middleware: Middleware, secret: string, store: () => Any, quote = '"') => {
    const client = await start(middleware, { store: store(), secret }, routes);
    await client.get("/visit");
    const cookie = `other=1; connect.sid=${quote}${sentBy(client)}${quote}`;
    return (await new HttpClient(client.base).request("/visit", { headers: { cookie } })).json;
  };

  test.each([
    ["express-session", original],
    ["ours", ours],
  ] as [string, Middleware][])("is read: %s", async (_, middleware) => {
    expect(await quoted(middleware, "old", () => new NotedStore())).toBe(2);
    expect(await quoted(middleware, "old", () => new NotedStore(), '""')).toBe(1);
    expect(await quoted(middleware, "old", () => new NotedStore(), "")).toBe(2);
  });

  test("is not one of psession's", async () => {
    expect(await quoted(ours, STRONG, () => memoryStore())).toBe(1);
  });

  test("a half-quoted one is ignored, and a lone quote breaks nothing", async () => {
    const client = await start(ours, { store: new NotedStore(), secret: "old" }, routes);
    for (const value of ['"', '""', '"s:x', "%", '"%zz"']) {
      const answer = await client.request("/visit", { headers: { cookie: `connect.sid=${value}` } });
      expect([answer.status, answer.json]).toEqual([200, 1]);
    }
  });
});

test("a cookie for ever ends with `absolute`, and keeps none of its user's devices from being ended", async () => {
  const store = sqliteStore({ path: ":memory:" });
  const client = await start(ours, { store, secret: STRONG, absolute: "30d" }, (app) => {
    app.get("/in", (request: Any, response) => {
      request.session.userId = "ada";
      request.session.cookie.maxAge = Number.MAX_SAFE_INTEGER;
      response.send("in");
    });
    app.get("/me", (request: Any, response) => response.json(request.session.userId ?? null));
    app.get("/devices", async (request: Any, response) => {
      const devices = await request.session.devices();
      response.json(devices.map(({ expiresAt, firstSeenAt }: Any) => expiresAt - firstSeenAt));
    });
    app.get("/changed", async (request: Any, response) => {
      const { psession, session } = psessionOf(request);
      response.json(await psession.passwordChanged("ada", { keep: session }));
    });
  });
  await client.get("/in");
  const phone = new HttpClient(client.base);
  await phone.get("/in");
  expect((await client.get("/devices")).json).toEqual([30 * DAY, 30 * DAY]);
  expect((await client.get("/changed")).json).toBe(1);
  expect((await phone.get("/me")).json).toBeNull();
  expect((await client.get("/me")).json).toBe("ada");
});
