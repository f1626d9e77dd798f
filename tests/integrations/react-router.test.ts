import { createContext, data, redirect } from "react-router";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Session } from "../../src/index.ts";
import { type GetSession, requestSessions, withSession } from "../../src/integrations/fetch/index.ts";
import { overHttp, type TestData, testApp } from "../support/app.ts";
import { HttpClient } from "../support/http.ts";
import { reactRouter, type TestRoute } from "../support/react-router.ts";
import { failingStore } from "../support/stores.ts";
import { onNode } from "./contract/served-by-hono.ts";

function setUp() {
  const { store, calls, failing } = failingStore();
  const { psession } = testApp({ store, ...overHttp });
  const start = async (routes: Record<string, TestRoute>) => {
    const handler = reactRouter(routes);
    const { url, close } = await onNode.serve((request) => handler(request));
    onTestFinished(close);
    return new HttpClient(url);
  };
  return { psession, calls, failing, start };
}

const seen = (session: Session<TestData>) => ({
  userId: session.userId ?? null,
  cart: session.data.cart ?? [],
});
const form = { method: "POST", body: new URLSearchParams({ any: "thing" }) };

describe("sessions by request", () => {
  const site = () => {
    const { psession, ...parts } = setUp();
    const { getSession, commitSession, destroySession } = requestSessions(psession);
    const look = async ({ request }: { request: Request }) => seen(await getSession(request));
    const routes: Record<string, TestRoute> = {
      root: { path: "", loader: look },
      layout: { parent: "root", path: "shop", loader: look },
      page: { parent: "layout", path: "cart", loader: look },
      add: {
        parent: "root",
        path: "add",
        loader: async ({ request }) => {
          const session = await getSession(request);
          session.push("cart", "tea");
          return data(seen(session), { headers: await commitSession(session, { "x-own": "1" }) });
        },
      },
      login: {
        parent: "root",
        path: "login",
        action: async ({ request }) => {
          const session = await getSession(request);
          await session.login(7, { remember: true });
          return redirect("/shop/cart", { status: 303, headers: await commitSession(session) });
        },
      },
      logout: {
        parent: "root",
        path: "logout",
        action: async ({ request }) => {
          return redirect("/", { headers: await destroySession(await getSession(request)) });
        },
      },
    };
    return { ...parts, psession, routes };
  };

  test("are opened once, however many loaders ask at the same time", async () => {
    const { start, routes, calls } = site();
    const client = await start(routes);
    await client.request("/login", form);
    calls.length = 0;
    const ada = { userId: 7, cart: [] };
    expect((await client.get("/shop/cart")).json).toEqual({ root: ada, layout: ada, page: ada });
    expect(calls).toEqual(["findSession"]);
    calls.length = 0;
    expect((await client.get("/shop/cart.data")).status).toBe(200);
    expect(calls).toEqual(["findSession"]);
  });

  test("send both cookies with the redirect of an action, to documents and to scripts", async () => {
    const { start, routes } = site();
    const client = await start(routes);
    const document = await client.request("/login", form);
    expect([document.status, document.setCookie.length]).toEqual([303, 2]);
    const script = await client.request("/login.data", form);
    expect([script.status, script.setCookie.length]).toEqual([202, 2]);
    expect((await client.get("/shop/cart")).json.page.userId).toBe(7);
  });

  test("send their cookie with a loader's data, beside the loader's own headers", async () => {
    const { start, routes } = site();
    const client = await start(routes);
    const answer = await client.get("/add");
    expect(answer.json.add).toEqual({ userId: null, cart: ["tea"] });
    expect(answer.setCookie).toHaveLength(1);
    expect((await client.get("/add")).json.add.cart).toEqual(["tea", "tea"]);
  });

  test("are ended by destroySession, with their remembered login", async () => {
    const { start, routes, psession } = site();
    const client = await start(routes);
    await client.request("/login", form);
    expect(client.jar.size).toBe(2);
    await client.request("/logout", form);
    expect(client.jar.size).toBe(0);
    expect(await psession.devices(7)).toEqual([]);
  });

  test("refuse to be written where one line belongs", async () => {
    const { psession } = setUp();
    const { getSession, commitSession } = requestSessions(psession);
    const session = await getSession(new Request("http://localhost/"));
    session.set("name", "Ada");
    const headers = await commitSession(session, [["x-own", "1"]]);
    expect([headers.get("x-own"), headers.get("cache-control")]).toEqual(["1", "no-store"]);
    expect(() => redirect("/", { headers: { "Set-Cookie": headers as unknown as string } })).toThrow(
      "write { headers: await commitSession(session) }",
    );
  });

  test("are committed only by the object that opened them", async () => {
    const { psession } = setUp();
    const session = await requestSessions(psession).getSession(new Request("http://localhost/"));
    await expect(requestSessions(psession).commitSession(session)).rejects.toThrow("its own getSession");
  });
});

describe("sessions by middleware", () => {
  const site = () => {
    const { psession, ...parts } = setUp();
    const sessionContext = createContext<GetSession<TestData>>();
    const look: TestRoute["loader"] = async ({ context }) => seen(await context.get(sessionContext)());
    const routes: Record<string, TestRoute> = {
      root: {
        path: "",
        loader: look,
        middleware: [
          ({ request, context }, next) =>
            withSession(psession, (_request, getSession) => {
              context.set(sessionContext, getSession);
              return next();
            })(request),
        ],
      },
      page: {
        parent: "root",
        path: "cart",
        loader: look,
        action: async ({ context }) => {
          const session = await context.get(sessionContext)();
          session.push("cart", "tea");
          await session.login(7, { remember: true });
          return null;
        },
      },
      plain: { parent: "root", path: "plain", loader: () => "nothing to do with sessions" },
      broken: {
        parent: "root",
        path: "broken",
        loader: async ({ context }) => {
          (await context.get(sessionContext)()).push("cart", "milk");
          throw new Error("broken");
        },
      },
    };
    return { ...parts, routes };
  };

  test("let the loaders that follow an action see what it did, and send its cookies", async () => {
    const { start, routes } = site();
    const client = await start(routes);
    const answer = await client.request("/cart", form);
    const ada = { userId: 7, cart: ["tea"] };
    expect(answer.json).toEqual({ root: ada, page: ada });
    expect(answer.setCookie).toHaveLength(2);
    expect((await client.get("/cart")).json.page).toEqual(ada);
  });

  test("read once for all loaders, and never where no loader asks", async () => {
    const { start, routes, calls } = site();
    const client = await start({ ...routes, root: { ...routes["root"], path: "", loader: () => null } });
    await client.request("/cart", form);
    calls.length = 0;
    await client.get("/plain");
    expect(calls).toEqual([]);
    await client.get("/cart");
    expect(calls).toEqual(["findSession"]);
  });

  test("save what a loader changed before it failed, with the error's page", async () => {
    const { start, routes } = site();
    const client = await start(routes);
    const answer = await client.get("/broken");
    expect([answer.status, answer.setCookie.length]).toEqual([500, 1]);
    expect((await client.get("/cart")).json.page.cart).toEqual(["milk"]);
  });

  test("answer 503 in place of a page that could not be saved", async () => {
    const { start, routes, failing } = site();
    const client = await start(routes);
    failing.add("apply");
    const answer = await client.request("/cart", form);
    expect([answer.status, answer.setCookie, answer.text.includes("tea")]).toEqual([503, [], false]);
  });
});
