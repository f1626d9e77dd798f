import { Hono } from "hono";
import { cors } from "hono/cors";
import { describe, expect, test, vi } from "vitest";
import { PsessionError } from "../../src/index.ts";
import { requireLogin, type SessionVariables, sessions } from "../../src/integrations/hono/index.ts";
import { type TestData, testApp } from "../support/app.ts";
import { failingStore } from "../support/stores.ts";

const BASE = "https://example.com";

function setUp() {
  const { store, failing } = failingStore();
  const app = testApp({ store });
  return { app, failing };
}

describe("errors of the store", () => {
  test("are 503 with Hono's own error handler, wherever they come up, and of others it is 500", async () => {
    const { app, failing } = setUp();
    const printed = vi.spyOn(console, "error").mockImplementation(() => {});
    const routes = new Hono()
      .use(sessions(app.psession))
      .get("/save", async (c) => {
        const session = await c.var.session;
        session.set("name", "Ada");
        await session.save();
        return c.text("saved");
      })
      .get("/read", async (c) => c.json((await c.var.session).data))
      .get("/broken", async (c) => {
        await (await c.var.session).destroy();
        return c.json((await c.var.session).data);
      });
    const first = await routes.request(`${BASE}/save`);
    const headers = { cookie: first.headers.getSetCookie()[0]?.split(";")[0] ?? "" };
    failing.add("apply");
    expect((await routes.request(`${BASE}/save`)).status).toBe(503);
    failing.add("findSession");
    expect((await routes.request(`${BASE}/read`, { headers })).status).toBe(503);
    expect(printed).not.toHaveBeenCalled();
    failing.clear();
    expect((await routes.request(`${BASE}/broken`)).status).toBe(500);
    expect(printed).toHaveBeenCalledOnce();
    printed.mockRestore();
  });

  test("reach app.onError with their code, once", async () => {
    const { app, failing } = setUp();
    const codes: unknown[] = [];
    const routes = new Hono().use(sessions(app.psession)).get("/", async (c) => {
      (await c.var.session).set("name", "Ada");
      return c.text("saved");
    });
    routes.onError((error, c) => {
      codes.push(error instanceof PsessionError && error.code);
      return c.text("sorry", 503);
    });
    failing.add("apply");
    const answer = await routes.request(`${BASE}/`);
    expect([answer.status, await answer.text(), codes]).toEqual([503, "sorry", ["store_unavailable"]]);
  });

  test("take back the handler's answer with its headers, but not what CORS needs", async () => {
    const { app, failing } = setUp();
    const routes = new Hono()
      .use(cors({ origin: "https://shop.example", credentials: true }))
      .use(sessions(app.psession))
      .get("/", async (c) => {
        (await c.var.session).set("name", "Ada");
        c.header("x-order", "17");
        c.header("set-cookie", "order=17");
        return c.redirect("/orders/17", 303);
      });
    failing.add("apply");
    const { status, headers } = await routes.request(`${BASE}/`, {
      headers: { origin: "https://shop.example" },
    });
    expect([status, headers.get("location"), headers.get("x-order"), headers.getSetCookie()]).toEqual([
      503,
      null,
      null,
      [],
    ]);
    expect(headers.get("access-control-allow-origin")).toBe("https://shop.example");
  });
});

describe("responses", () => {
  test("are not looked into where there is nothing to set", async () => {
    const { app } = setUp();
    const own = (text: string) => {
      const response = new Response(text);
      for (const name of ["headers", "body"]) {
        Object.defineProperty(response, name, {
          get: () => {
            throw new Error(`${name} was touched`);
          },
        });
      }
      return response;
    };
    const routes = new Hono()
      .use(sessions(app.psession))
      .get("/plain", () => own("plain"))
      .get("/read", async (c) => {
        await c.var.session;
        return own("read");
      });
    expect(await (await routes.request(`${BASE}/plain`)).text()).toBe("plain");
    expect(await (await routes.request(`${BASE}/read`)).text()).toBe("read");
  });

  test("whose headers are immutable get their cookies, and those kept for all visitors keep none", async () => {
    const { app } = setUp();
    const kept = new Response(null, { status: 204 });
    const routes = new Hono()
      .use(sessions(app.psession), async (c, next) => {
        await (await c.var.session).login(7, { remember: true });
        await next();
      })
      .get("/away", () => Response.redirect("https://example.com/", 303))
      .get("/kept", () => kept);
    const away = await routes.request(`${BASE}/away`);
    expect([away.status, away.headers.get("location")]).toEqual([303, "https://example.com/"]);
    expect(away.headers.getSetCookie()).toHaveLength(2);
    expect((await routes.request(`${BASE}/kept`)).headers.getSetCookie()).toHaveLength(2);
    expect(kept.headers.getSetCookie()).toEqual([]);
  });
});

describe("the middleware", () => {
  test("used twice opens one session, and serves routes that are mounted", async () => {
    const { app } = setUp();
    const inner = new Hono<{ Variables: SessionVariables<TestData> }>()
      .use(sessions(app.psession))
      .get("/count", async (c) => {
        const { data } = await c.var.session;
        data.count = (data.count ?? 0) + 1;
        return c.json(data.count);
      });
    const routes = new Hono()
      .use(sessions(app.psession))
      .use(async (c, next) => {
        (await c.var.session).set("count", 41);
        await next();
      })
      .route("/inner", inner);
    expect(await (await routes.request(`${BASE}/inner/count`)).json()).toBe(42);
    expect(app.told().filter((type) => type === "created")).toHaveLength(1);
  });

  test("is missed by guards that stand before it", async () => {
    const printed = vi.spyOn(console, "error").mockImplementation(() => {});
    const routes = new Hono().get("/", requireLogin(), (c) => c.text("in"));
    expect((await routes.request(`${BASE}/`)).status).toBe(500);
    expect(String(printed.mock.calls[0]?.[0])).toContain("put app.use(sessions(psession)) before");
    printed.mockRestore();
  });

  test("names what is wrong with its options", () => {
    const { psession } = setUp().app;
    expect(() => sessions(psession, { trustProxy: 1 } as object)).toThrow("trustProxy must be true or false");
    expect(() => sessions(psession, { onError: () => {} } as object)).toThrow("onError is no option");
  });
});

test("middleware of another psession gives its own sessions to what is behind it, and only there", async () => {
  const [shop, staff] = [setUp().app, testApp({ cookies: { session: "__Host-staff" } })];
  const office = new Hono()
    .use(sessions(staff.psession))
    .use(requireLogin())
    .get("/", (c) => c.text("let in"));
  const routes = new Hono<{ Variables: SessionVariables }>()
    .use(sessions(shop.psession))
    .use(async (c, next) => {
      await next();
      c.header("x-user", String((await c.var.session).userId));
    })
    .get("/login", async (c) => {
      await (await c.var.session).login("ada");
      return c.text("in");
    })
    .route("/office", office);
  const first = await routes.request(`${BASE}/login`);
  const headers = { cookie: first.headers.getSetCookie()[0]?.split(";")[0] ?? "" };
  const refused = await routes.request(`${BASE}/office`, { headers });
  expect([refused.status, refused.headers.get("x-user")]).toEqual([401, "ada"]);
});
