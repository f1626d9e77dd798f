import express from "express";
import { Hono } from "hono";
import { expect, test } from "vitest";
import { type GuardedRequest, type GuardOptions, loginGuard } from "../../src/integration/guards.ts";
import * as inExpress from "../../src/integrations/express/index.ts";
import * as inHono from "../../src/integrations/hono/index.ts";
import { overHttp, testApp } from "../support/app.ts";
import { HttpClient, serve } from "../support/http.ts";

const asked = (headers: Record<string, string>, method = "POST"): GuardedRequest => ({
  session: { isSignedIn: true, level: "login", isFresh: () => true },
  header: (name) => headers[name],
  method,
  path: "/account?tab=1",
  origin: "https://example.com",
});

test("a guard refuses a change that another site sends, signed in or not", () => {
  const guard = loginGuard();
  expect(guard(asked({ "sec-fetch-site": "cross-site" }))).toMatchObject({ status: 403 });
  expect(guard(asked({ origin: "https://evil.example" }))).toMatchObject({ status: 403 });
  expect(guard(asked({ origin: "https://example.com" }))).toBeUndefined();
  expect(guard(asked({ "sec-fetch-site": "cross-site" }, "GET"))).toBeUndefined();
});

test("origins can be allowed, and the check left to earlier middleware", () => {
  const foreign = asked({ origin: "https://admin.example.com", "sec-fetch-site": "same-site" });
  expect(loginGuard({ origin: { allowed: ["https://admin.example.com"] } })(foreign)).toBeUndefined();
  expect(loginGuard({ origin: false })(foreign)).toBeUndefined();
});

test("redirectTo gets the requested path, and decides where a redirect goes", () => {
  const nobody = {
    ...asked({ accept: "text/html" }, "GET"),
    session: { ...asked({}).session, isSignedIn: false },
  };
  const redirectTo = (path: string) => `/sign-in?next=${encodeURIComponent(path)}`;
  expect(loginGuard({ redirectTo })(nobody)).toEqual({
    status: 303,
    location: "/sign-in?next=%2Faccount%3Ftab%3D1",
  });
});

test("options of guards are checked, all at once", () => {
  const wrong = { redirectTo: 5, origin: true, other: 1 } as unknown as GuardOptions;
  expect(() => loginGuard(wrong)).toThrow(/redirectTo must be.*\n.*origin must be.*\n.*other is no option/s);
});

test("in Express and in Hono a guard alone keeps other sites out", async () => {
  const app = testApp(overHttp);
  const inside = express();
  inside.use(inExpress.sessions(app.psession));
  inside.post("/login", async ({ session }, response) => {
    await session.login("ada");
    response.end();
  });
  inside.post("/change", inExpress.requireLogin(), (_, response) => void response.end("changed"));
  const client = new HttpClient(await serve(inside));
  await client.post("/login");
  expect((await client.post("/change", {}, { origin: "https://evil.example" })).json.error.code).toBe(
    "cross_site",
  );
  expect((await client.post("/change", {}, { origin: client.base })).text).toBe("changed");

  const cookie = [...client.jar].map(([name, { value }]) => `${name}=${value}`).join("; ");
  const hono = new Hono()
    .use(inHono.sessions(app.psession))
    .post("/change", inHono.requireLogin(), (c) => c.text("changed"));
  const change = async (origin: string) => {
    const response = await hono.request("http://shop.example/change", {
      method: "POST",
      headers: { cookie, origin },
    });
    return response.status;
  };
  expect([await change("https://evil.example"), await change("http://shop.example")]).toEqual([403, 200]);
});

test("the path that redirectTo gets never leads to another site", () => {
  const guard = loginGuard({ redirectTo: (path) => path });
  const session = { isSignedIn: false, level: "anonymous", isFresh: () => false } as const;
  const location = (path: string) => guard({ ...asked({ accept: "text/html" }, "GET"), session, path });
  for (const [asked, given] of [
    ["/account?tab=1", "/account?tab=1"],
    ["//evil.example/a", "/evil.example/a"],
    ["///evil.example", "/evil.example"],
    ["/\\evil.example", "/evil.example"],
    ["\\\\evil.example", "/evil.example"],
    ["http://evil.example/", "/"],
    ["HTTP://ada@evil.example:8080/a?tab=1", "/a?tab=1"],
    ["http://evil.example//evil.example/", "/evil.example/"],
    ["http:///evil.example/", "/evil.example/"],
    ["http://evil.example\\@evil.example", "/@evil.example"],
    ["http://evil.example?tab=1", "/?tab=1"],
    ["javascript:alert(1)", "/javascript:alert(1)"],
    ["/\t/evil.example", "/evil.example"],
    ["\n//evil.example", "/evil.example"],
    ["/\u0000/evil.example", "/%00/evil.example"],
    ["/a\r\nSet-Cookie: a=b", "/a%0D%0ASet-Cookie:%20a=b"],
    ["/a\\..\\b", "/a%5C..%5Cb"],
    ["/caf\u00e9?q=\ud800", "/caf%C3%A9?q=%EF%BF%BD"],
    ["*", "/*"],
    ["", "/"],
  ] as const) {
    expect(location(asked), asked).toEqual({ status: 303, location: given });
    expect(new URL(given, "https://shop.example").origin, asked).toBe("https://shop.example");
  }
});

test("an address that a header cannot hold is written as browsers write it, and never throws", () => {
  const session = { isSignedIn: false, level: "anonymous", isFresh: () => false } as const;
  const answer = (redirectTo: GuardOptions["redirectTo"] & {}) =>
    loginGuard({ redirectTo })({ ...asked({ accept: "text/html" }, "GET"), session });
  expect(answer("/вход?a=%20")).toEqual({ status: 303, location: "/%D0%B2%D1%85%D0%BE%D0%B4?a=%20" });
  expect(answer(() => "/in\r\nSet-Cookie: a=b")).toEqual({
    status: 303,
    location: "/in%0D%0ASet-Cookie:%20a=b",
  });
  for (const nothing of [undefined, "", 7]) {
    expect(() => answer(() => nothing as never)).toThrow(/redirectTo has to give an address/);
  }
});
