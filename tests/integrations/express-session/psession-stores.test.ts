import { expect, test } from "vitest";
import { psessionOf, type SessionOptions } from "../../../src/integrations/express-session/index.ts";
import { HttpClient } from "../../support/http.ts";
import { describeStores } from "../../support/session-stores.ts";
import { type Any, type Express, NotedStore, original, ours, STRONG, start, WEAK } from "./sides.ts";

const routes = (app: Express) => {
  app.get("/visit", (request: Any, response) => {
    request.session.seen = (request.session.seen ?? 0) + 1;
    response.json({ seen: request.session.seen, user: request.session.userId ?? null });
  });
  app.get("/add/:key", (request: Any, response) => {
    request.session[request.params.key] = true;
    response.json(request.session.userId ?? null);
  });
  app.get("/login", (request: Any, response) => {
    request.session.userId = "ada";
    request.session.save((error: Any) => response.json(error ?? null));
  });
  app.get("/out", (request: Any, response) => {
    request.session.destroy((error: Any) => response.json(error ?? null));
  });
};
const moreRoutes = (app: Express) => {
  routes(app);
  app.get("/devices", async (request: Any, response) => {
    response.json((await psessionOf(request).session.devices()).length);
  });
};

const same = (client: HttpClient) => {
  const other = new HttpClient(client.base);
  other.jar = new Map(client.jar);
  return other;
};

describeStores("the drop-in on", (makeStore) => {
  const begin = (options: SessionOptions = {}) =>
    start(ours, { secret: [STRONG, WEAK], store: makeStore(), ...options }, moreRoutes);

  test("keeps data, signs in and out, and has devices", async () => {
    const client = await begin({ rolling: true, cookie: { maxAge: 60_000 } });
    await client.get("/visit");
    const planted = same(client);
    expect((await client.get("/login")).json).toBeNull();
    expect((await planted.get("/visit")).json.user).toBeNull();
    const again = await client.get("/visit");
    expect(again.json).toEqual({ seen: 2, user: "ada" });
    expect(again.setCookie[0]).toContain("Max-Age=60");
    expect((await client.get("/devices")).json).toBe(1);
    await Promise.all(Array.from({ length: 8 }, (_, index) => same(client).get(`/add/k${index}`)));
    const captured = same(client);
    expect((await client.get("/out")).json).toBeNull();
    expect((await captured.get("/visit")).json).toEqual({ seen: 1, user: null });
  });

  test("takes sessions over, from many requests at once and in two processes", async () => {
    const former = new NotedStore();
    const before = await start(original, { store: former, secret: WEAK }, routes);
    await before.get("/visit");
    await before.get("/login");
    // Two services over one store, as two processes have.
    const store = makeStore();
    const both = { store, migrateFrom: former };
    const servers = [await begin(both), await begin(both)];
    const browsers = Array.from({ length: 8 }, (_, index) => {
      const browser = new HttpClient((servers[index % 2] as HttpClient).base);
      browser.jar = new Map(before.jar);
      return browser;
    });
    const answers = await Promise.all(browsers.map((browser, index) => browser.get(`/add/k${index}`)));
    expect(answers.map(({ text }) => text)).toEqual(Array(8).fill('"ada"'));
    expect(new Set(browsers.map(({ jar }) => jar.get("connect.sid")?.value)).size).toBe(1);
    expect((await (browsers[3] as HttpClient).get("/devices")).json).toBe(1);
    expect((await (browsers[4] as HttpClient).get("/visit")).json).toEqual({ seen: 2, user: "ada" });
    expect(former.rows.size).toBe(0);
  });
});
