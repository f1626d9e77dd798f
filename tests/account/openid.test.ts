import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { MINUTE } from "../support/clock.ts";
import { filesOf } from "../support/page.ts";
import { freePort } from "../support/servers/ports.ts";
import { folderForApp, ROOT, startApp } from "../support/shop.ts";
import { CLIENT, example, FOLDER, leadsTo, openShop, problemIn, serving } from "./support-openid.ts";

const NOT_BEGUN = [403, "This sign-in was not begun in this browser, was used already, or took too long."];
const ALREADY = [403, "You are signed in already. That answer was used before, or was not asked for here."];
const TOO_LATE = [403, "That took too long, or was used already."];
const FAILED = [502, "We could not use the answer of Example ID."];

test("docs/account/openid.md shows the files of the example as they are", () => {
  const shown = filesOf(readFileSync(join(ROOT, "docs/account/openid.md"), "utf8"));
  for (const [name, text] of shown) expect(readFileSync(join(FOLDER, name), "utf8"), name).toBe(text);
  expect(shown.map(([name]) => name).sort()).toEqual([
    "account.js",
    "app.js",
    "attempts.js",
    "callback.js",
    "github.js",
    "input.js",
    "logout.js",
    "openid.js",
    "provider-sessions.js",
    "sign-in.js",
    "users.js",
  ]);
});

test("examples/openid/start.js runs as it stands", async () => {
  const port = String(await freePort());
  const shop = await startApp(join(FOLDER, "start.js"), folderForApp(), undefined, {
    env: { PROVIDER_PORT: port },
    hear: () => {},
  });
  const { headers } = await shop.request("/openid/sign-in", { method: "POST" });
  const address = headers.get("location") ?? "";
  expect(new URL(address).port).toBe(port);
  const answer = await fetch(address, { redirect: "manual" });
  expect(answer.headers.get("location")).toContain("/interaction/");
});

describe.each(["query", "form_post"] as const)("a sign-in whose answer comes by %s", (responseMode) => {
  test("brings a new user in, with the cart, the tick and the page that the user wanted", async () => {
    const { person, users } = await openShop({ responseMode });
    const ada = person();
    await ada.post("/cart", { item: "tea" });
    const answer = await ada.signIn({ remember: "on", next: "/account?tab=1" });
    expect(leadsTo(answer)).toEqual([303, "/account?tab=1"]);
    expect([await ada.isWho(), await ada.cart()]).toEqual(["1, login", ["tea"]]);
    expect(users.byId(1).email).toBe("ada@example.com");
    ada.restart();
    expect([await ada.isWho(), await ada.cart()]).toEqual(["1, remembered", ["tea"]]);
  });

  test("is not remembered without the tick", async () => {
    const ada = (await openShop({ responseMode })).person();
    await ada.signIn();
    ada.restart();
    expect(await ada.isWho()).toBe("nobody");
  });

  test("does not count in another browser, which stays as it was", async () => {
    const { person } = await openShop({ responseMode });
    const [ada, eve] = [person(), person()];
    await ada.signIn();
    await ada.post("/cart", { item: "tea" });
    const trap = await eve.visit(await eve.leave("/openid/sign-in"), { account: "bob" });
    const answer = await ada.comeBack(trap);
    expect(problemIn(answer)).toEqual(ALREADY);
    expect([await ada.isWho(), await ada.cart()]).toEqual(["1, login", ["tea"]]);
    const visitor = person();
    expect(problemIn(await visitor.comeBack(trap))).toEqual(NOT_BEGUN);
    expect(await visitor.isWho()).toBe("nobody");
  });

  test("that comes back twice at once counts once", async () => {
    const ada = (await openShop({ responseMode })).person();
    await ada.post("/cart", { item: "tea" });
    const back = await ada.visit(await ada.leave("/openid/sign-in"));
    const both = await Promise.all([ada.comeBack(back), ada.comeBack(back)]);
    expect(both.map(({ status }) => status).sort()).toEqual([303, 403]);
    expect([await ada.isWho(), await ada.cart()]).toEqual(["1, login", ["tea"]]);
    expect((await ada.comeBack(back)).status, "reloaded").toBe(403);
    expect(await ada.isWho()).toBe("1, login");
  });

  test("that the user cancels says so, keeps the cart, and can be begun again", async () => {
    const ada = (await openShop({ responseMode })).person();
    await ada.post("/cart", { item: "tea" });
    const back = await ada.visit(await ada.leave("/openid/sign-in", { next: "/account" }), { cancel: true });
    const answer = await ada.comeBack(back);
    expect(problemIn(answer)).toEqual([403, "You have not signed in with Example ID."]);
    expect(answer.text).toContain('href="/login?next=%2Faccount"');
    expect([await ada.isWho(), await ada.cart()]).toEqual(["nobody", ["tea"]]);
    expect(problemIn(await ada.comeBack(back)), "the state is used up").toEqual(NOT_BEGUN);
    await ada.signIn();
    expect(await ada.cart()).toEqual(["tea"]);
  });

  test("that took too long is refused, and keeps the cart", async () => {
    const { person, clock } = await openShop({ responseMode });
    const ada = person();
    await ada.post("/cart", { item: "tea" });
    const back = await ada.visit(await ada.leave("/openid/sign-in"));
    clock.ahead += 11 * MINUTE;
    expect(problemIn(await ada.comeBack(back))).toEqual(NOT_BEGUN);
    expect([await ada.isWho(), await ada.cart()]).toEqual(["nobody", ["tea"]]);
  });
});

describe("what is sent with the browser", () => {
  test("a challenge for the code, a nonce and a state, another one each time, of which the store has no copy", async () => {
    const { person, database } = await openShop();
    const ada = person();
    const queries = [await ada.leave("/openid/sign-in"), await ada.leave("/openid/sign-in")].map(
      (address) => new URL(address).searchParams,
    );
    for (const query of queries)
      expect(Object.fromEntries(query)).toMatchObject({
        response_type: "code",
        code_challenge_method: "S256",
        code_challenge: expect.stringMatching(/^[\w-]{43}$/),
        nonce: expect.stringMatching(/^[\w-]{43}$/),
        state: expect.stringMatching(/^[\w-]{43}$/),
      });
    for (const name of ["state", "nonce", "code_challenge"])
      expect(queries[0]?.get(name)).not.toBe(queries[1]?.get(name));
    const stored = JSON.stringify(database.prepare("SELECT data FROM psession_sessions").all());
    for (const query of queries) expect(stored).not.toContain(query.get("state"));
  });

  test.each([
    "//evil.example",
    "/\\evil.example",
    "https://evil.example",
    "/\t/evil.example",
    "javascript:1",
  ])("never leads to %j afterwards", async (next) => {
    expect(leadsTo(await (await openShop()).person().signIn({ next }))).toEqual([303, "/"]);
  });
});

describe("several tabs", () => {
  test("each keep what belongs to their own trip", async () => {
    const ada = (await openShop()).person();
    const first = await ada.leave("/openid/sign-in", { next: "/first", remember: "on" });
    const second = await ada.leave("/openid/sign-in", { next: "/second" });
    const cancelled = await ada.comeBack(await ada.visit(second, { cancel: true }));
    expect(cancelled.text).toContain("next=%2Fsecond");
    expect(leadsTo(await ada.comeBack(await ada.visit(first)))).toEqual([303, "/first"]);
    ada.restart();
    expect(await ada.isWho()).toBe("1, remembered");
  });

  test("do not help each other: the code of one does not fit the state of another", async () => {
    const ada = (await openShop()).person();
    const [first, second] = [await ada.leave("/openid/sign-in"), await ada.leave("/openid/sign-in")];
    const { path } = await ada.visit(first);
    const swapped = new URLSearchParams(path.split("?")[1]);
    swapped.set("state", new URL(second).searchParams.get("state") ?? "");
    expect(problemIn(await ada.get(`/openid/callback?${swapped}`))).toEqual(TOO_LATE);
    expect(await ada.isWho()).toBe("nobody");
  });

  test("that sign out, or in, make the other one begin anew", async () => {
    const ada = (await openShop()).person();
    await ada.signIn();
    const back = await ada.visit(await ada.leave("/openid/sign-in"));
    await ada.post("/logout");
    expect(problemIn(await ada.comeBack(back))).toEqual(NOT_BEGUN);
    expect(await ada.isWho()).toBe("nobody");
    const late = await ada.visit(await ada.leave("/openid/sign-in"));
    await ada.signIn();
    expect(problemIn(await ada.comeBack(late))).toEqual(ALREADY);
    expect(await ada.isWho()).toBe("1, login");
  });
});

describe("an answer that does not fit", () => {
  const began = async () => {
    const shop = await openShop();
    const ada = shop.person();
    await ada.post("/cart", { item: "tea" });
    return { ...shop, ada, address: await ada.leave("/openid/sign-in") };
  };

  test("is refused with another nonce, as if an ID token of another sign-in had been put in", async () => {
    const { ada, address } = await began();
    const back = await ada.visit(address, { change: (query) => query.set("nonce", "another") });
    expect(problemIn(await ada.comeBack(back))).toEqual(FAILED);
    expect([await ada.isWho(), await ada.cart()]).toEqual(["nobody", ["tea"]]);
  });

  test("is refused without the challenge, which the provider requires", async () => {
    const { ada, address } = await began();
    const back = await ada.visit(address, { change: (query) => query.delete("code_challenge") });
    expect((await ada.comeBack(back)).status).toBe(502);
    expect(await ada.isWho()).toBe("nobody");
  });

  test("is refused with a code that was used before", async () => {
    const { ada, address, person } = await began();
    const { path } = await ada.visit(address);
    await ada.get(path);
    const eve = person();
    const query = new URLSearchParams(path.split("?")[1]);
    query.set("state", new URL(await eve.leave("/openid/sign-in")).searchParams.get("state") ?? "");
    expect(problemIn(await eve.get(`/openid/callback?${query}`))).toEqual(TOO_LATE);
    expect(await eve.isWho()).toBe("nobody");
  });

  test("is refused from another issuer, with a field twice, or with none", async () => {
    for (const spoil of [
      (query: URLSearchParams) => query.set("iss", "https://evil.example"),
      (query: URLSearchParams) => query.delete("iss"),
      (query: URLSearchParams) => query.append("code", "another"),
      (query: URLSearchParams) => query.delete("code"),
    ]) {
      const { ada, address } = await began();
      const { path } = await ada.visit(address);
      const query = new URLSearchParams(path.split("?")[1]);
      spoil(query);
      expect(problemIn(await ada.get(`/openid/callback?${query}`)), String(query)).toEqual(FAILED);
      expect([await ada.isWho(), await ada.cart()]).toEqual(["nobody", ["tea"]]);
    }
  });

  test("shows nothing that it brings along", async () => {
    const { ada, address, issuer } = await began();
    const state = new URL(address).searchParams.get("state") ?? "";
    const query = new URLSearchParams({
      state,
      iss: issuer,
      error: "server_error",
      error_description: "<b>evil",
    });
    const answer = await ada.get(`/openid/callback?${query}`);
    expect(problemIn(answer)).toEqual(FAILED);
    expect(answer.text).not.toContain("evil");
    for (const path of [
      "/openid/callback",
      "/openid/callback?state=1&state=2",
      "/openid/callback?state[a]=1",
    ])
      expect(problemIn(await ada.get(path)), path).toEqual(NOT_BEGUN);
    expect((await ada.post("/openid/posted", { state: "x" })).status).toBe(403);
    expect((await ada.post("/openid/callback", {})).status).toBe(200);
  });

  test("is not taken by a browser that fetches the page ahead", async () => {
    const { ada, address } = await began();
    const { path } = await ada.visit(address);
    expect((await ada.here.get(path, { "sec-purpose": "prefetch" })).status).toBe(403);
    expect((await ada.here.request(path, { method: "HEAD" })).status).toBe(403);
    expect(leadsTo(await ada.get(path))).toEqual([303, "/"]);
  });
});

test("another site can begin nothing", async () => {
  const { person } = await openShop();
  const ada = person();
  await ada.signIn();
  const foreign = { origin: "https://evil.example", "sec-fetch-site": "cross-site" };
  for (const path of ["sign-in", "confirm", "link", "unlink", "posted"].map((name) => `/openid/${name}`))
    expect((await ada.here.request(path, { method: "POST", headers: foreign })).status, path).toBe(403);
  expect((await ada.here.request("/logout", { method: "POST", headers: foreign })).status).toBe(403);
});

test("while the provider is down a page says so, and the next try asks it again", async () => {
  const { person, there } = await openShop();
  const ada = person();
  await ada.post("/cart", { item: "tea" });
  const { listener } = there;
  there.listener = undefined;
  expect(problemIn(await ada.post("/openid/sign-in"))).toEqual(FAILED);
  expect(await ada.cart()).toEqual(["tea"]);
  there.listener = listener;
  const back = await ada.visit(await ada.leave("/openid/sign-in"));
  there.listener = undefined;
  expect(problemIn(await ada.comeBack(back))).toEqual(FAILED);
  there.listener = listener;
  await ada.signIn();
  expect([await ada.isWho(), await ada.cart()]).toEqual(["1, login", ["tea"]]);
});

describe("GitHub, which is OAuth without OpenID Connect", () => {
  const open = async (user: { id: unknown; emails: object[] }) => {
    const github = await serving();
    const base = `http://127.0.0.1:${github.port}`;
    const codes = new Map<string, string | null>();
    github.listener = (request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? "", base);
      const json = (status: number, value: unknown) =>
        response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
      if (pathname === "/login/oauth/authorize") {
        const code = String(codes.size);
        codes.set(code, searchParams.get("code_challenge"));
        const back = new URLSearchParams({ code, state: searchParams.get("state") ?? "" });
        response.writeHead(302, { location: `${searchParams.get("redirect_uri")}?${back}` }).end();
      } else if (pathname === "/login/oauth/access_token")
        json(200, { access_token: "t", token_type: "bearer" });
      else if (request.headers.authorization !== "Bearer t") json(401, {});
      else json(200, pathname === "/user" ? { id: user.id, login: "ada" } : user.emails);
    };
    const { GithubProvider } = await example("github.js");
    const addresses = { site: base, api: base, plainHttp: true };
    const shop = await openShop({
      provider: (origin) =>
        new GithubProvider({ clientId: CLIENT.id, clientSecret: CLIENT.secret, origin, ...addresses }),
    });
    const ada = shop.person();
    const signIn = async () => {
      const address = new URL((await ada.post("/openid/sign-in")).headers.get("location") ?? "");
      const { headers } = await fetch(address, { redirect: "manual" });
      const back = new URL(headers.get("location") ?? "");
      return ada.get(back.pathname + back.search);
    };
    return { ...shop, ada, signIn, codes, base };
  };
  const emails = [
    { email: "Other@example.com", primary: false, verified: true },
    { email: "Ada@example.com", primary: true, verified: true },
  ];

  test("a user is known by the id, and a sign-in is never fresh", async () => {
    const { ada, signIn, users, codes, base } = await open({ id: 4711, emails });
    expect(leadsTo(await signIn())).toEqual([303, "/"]);
    expect(await ada.isWho()).toBe("1, login");
    expect([...codes.values()]).toEqual([expect.stringMatching(/^[\w-]{43}$/)]);
    expect(users.byId(1).email).toBe("ada@example.com");
    expect(users.byIdentity({ issuer: base, subject: "4711" }).id).toBe(1);
    expect(leadsTo(await ada.get("/billing"))).toEqual([303, "/confirm?next=%2Fbilling"]);
    expect((await ada.get("/confirm?next=/billing")).text).not.toContain("Confirm with Example ID");
    expect(leadsTo(await ada.post("/logout"))).toEqual([303, "/"]);
    expect(leadsTo(await signIn())).toEqual([303, "/"]);
    expect(await ada.isWho()).toBe("1, login");
  });

  test("an account with the same address is not taken over, and a user without an id is none", async () => {
    const taken = await open({ id: 4711, emails });
    taken.users.add({ email: "ada@example.com", password: "secret" });
    expect((await taken.signIn()).status).toBe(409);
    const nobody = await open({ id: undefined, emails });
    expect(problemIn(await nobody.signIn())).toEqual(FAILED);
    expect(await nobody.ada.isWho()).toBe("nobody");
  });
});
