import assert from "node:assert/strict";
import type { HttpCases } from "./fixture.ts";

const PAGE = { headers: { accept: "text/html,application/xhtml+xml" } };
const SCRIPT = { headers: { accept: "application/json" } };
const HOUR = 3_600_000;

/** What stands before handlers. */
export const guards: HttpCases = {
  "requireLogin sends pages to the sign-in and refuses scripts; a signed-in user passes": async ({
    visitor,
    wait,
  }) => {
    const ada = visitor();
    const page = await ada.get("/members", PAGE);
    assert.deepEqual([page.status, page.headers.location, page.text], [303, "/sign-in", ""]);
    const script = await ada.get("/members", SCRIPT);
    assert.equal(script.status, 401);
    assert.match(String(script.headers["content-type"]), /^application\/json/);
    assert.equal(JSON.parse(script.text).error.code, "login_required");
    await ada.post("/login?remember");
    assert.equal((await ada.get("/members", PAGE)).status, 200);
    ada.restart();
    wait(HOUR);
    assert.equal((await ada.get("/members", SCRIPT)).status, 200, "a remembered visitor is signed in");
  },

  "what a guard answers in place of a page is kept by no cache": async ({ visitor, wait }) => {
    const ada = visitor();
    const answered = async (path: string, sending = {}) => {
      const { status, headers } = await ada.get(path, sending);
      return [status, headers["cache-control"], headers["content-type"]?.split(";")[0]];
    };
    const json = "application/json";
    assert.deepEqual((await answered("/members", PAGE)).slice(0, 2), [303, "no-store"]);
    assert.deepEqual(await answered("/members", SCRIPT), [401, "no-store", json]);
    await ada.post("/login");
    wait(HOUR);
    assert.deepEqual(await answered("/fresh", SCRIPT), [403, "no-store", json]);
    const foreign = { method: "POST", headers: { "sec-fetch-site": "cross-site" } };
    assert.deepEqual(await answered("/add", foreign), [403, "no-store", json]);
  },

  "redirectTo gets the whole path and query that were asked for, also by a guard below a mount": async ({
    visitor,
    route,
  }) => {
    const path = "/mounted/deep/page?tab=1&next=%2Fa";
    route("/mounted/deep/page", async (request) => {
      return { body: `${(await request.session()).userId} at ${request.path}` };
    });
    const ada = visitor();
    const { status, headers } = await ada.get(path, PAGE);
    assert.deepEqual([status, headers.location], [303, `/sign-in?next=${encodeURIComponent(path)}`]);
    await ada.post("/login");
    assert.equal((await ada.get(path, PAGE)).text, "ada at /mounted/deep/page", "the mount is whole again");
  },

  "a form that a guard refuses leads back to the page that it was on, as its own path takes no GET": async ({
    visitor,
    url,
  }) => {
    const { host } = new URL(url);
    const next = async (headers: Record<string, string>, method = "POST") => {
      const sent = { method, headers: { ...PAGE.headers, ...headers } };
      const { status, headers: answered } = await visitor().get("/mounted/pay?now", sent);
      assert.equal(status, 303);
      return decodeURIComponent(String(answered.location).replace("/sign-in?next=", ""));
    };
    assert.equal(await next({ referer: `${url}/mounted/form?step=2#pay` }), "/mounted/form?step=2");
    assert.equal(await next({ referer: `https://${host}/mounted/form` }), "/mounted/form");
    assert.equal(await next({ referer: `${url}//evil.example/` }), "/evil.example/");
    for (const referer of ["https://evil.example/mounted/form", "nonsense", "about:blank"]) {
      assert.equal(await next({ referer }), "/", referer);
    }
    assert.equal(await next({}), "/");
    assert.equal(await next({ referer: `${url}/elsewhere` }, "GET"), "/mounted/pay?now");
  },

  "whole addresses as targets, of other sites too, lead back to a path": async ({ visitor, url }) => {
    for (const target of [`${url}/mounted/page?tab=1`, "http://evil.example/mounted/page?tab=1"]) {
      const { status, headers } = await visitor().get(target, PAGE);
      assert.deepEqual(
        [status, headers.location],
        [303, `/sign-in?next=${encodeURIComponent("/mounted/page?tab=1")}`],
      );
    }
  },

  "requireLevel asks remembered visitors for their password": async ({ visitor, wait }) => {
    const ada = visitor();
    assert.equal((await ada.get("/proved", PAGE)).status, 401);
    await ada.post("/login?remember");
    assert.equal((await ada.get("/proved")).status, 200);
    ada.restart();
    wait(HOUR);
    const answer = await ada.get("/proved", SCRIPT);
    assert.deepEqual([answer.status, JSON.parse(answer.text).error.code], [403, "level_required"]);
    assert.equal(ada.jar.size, 2, "the restore is settled with a guard's answer as with any other");
  },

  "requireFresh asks every user whose sign-in was a while ago": async ({ visitor, wait }) => {
    const ada = visitor();
    assert.equal((await ada.get("/fresh", SCRIPT)).status, 401);
    await ada.post("/login");
    assert.equal((await ada.get("/fresh", SCRIPT)).status, 200);
    wait(HOUR);
    const answer = await ada.get("/fresh", SCRIPT);
    assert.deepEqual([answer.status, JSON.parse(answer.text).error.code], [403, "fresh_login_required"]);
  },

  "changes that another site sends are refused before the session is read": async ({
    url,
    calls,
    shopper,
  }) => {
    const ada = await shopper();
    calls.length = 0;
    for (const headers of [
      { "sec-fetch-site": "cross-site" },
      { "sec-fetch-site": "same-site" },
      { origin: "https://evil.example" },
      { origin: "null" },
    ]) {
      const answer = await ada.post("/add?item=spoon", { headers });
      assert.deepEqual([answer.status, JSON.parse(answer.text).error.code], [403, "cross_site"]);
    }
    assert.deepEqual(calls, []);
    for (const headers of [{ "sec-fetch-site": "same-origin" }, { origin: url }, {}]) {
      assert.equal((await ada.post("/add?item=milk", { headers })).status, 200);
    }
    assert.equal((await ada.get("/read", { headers: { "sec-fetch-site": "cross-site" } })).status, 200);
  },

  "another site's form can sign nobody in and nobody out": async ({ visitor, member, url }) => {
    const [ada, victim] = [await member("remember"), visitor()];
    const before = ada.cookie;
    for (const sender of [
      { "sec-fetch-site": "cross-site", origin: "https://evil.example" },
      { origin: "https://evil.example" },
    ]) {
      const headers = { ...sender, "content-type": "application/x-www-form-urlencoded" };
      const out = await ada.post("/logout", { headers });
      assert.deepEqual([out.status, out.setCookie], [403, []]);
      // Login CSRF: the victim would go on under the attacker's account.
      const into = await victim.post("/login?remember", { headers });
      assert.deepEqual([into.status, into.setCookie], [403, []]);
    }
    assert.deepEqual([ada.cookie, (await ada.read()).userId], [before, "ada"]);
    assert.equal((await victim.read()).userId, null);
    const own = { headers: { origin: url, "sec-fetch-site": "same-origin" } };
    assert.equal((await victim.post("/login", own)).status, 303);
    assert.equal((await ada.post("/logout", own)).status, 204);
    assert.deepEqual([(await victim.read()).userId, (await ada.read()).userId], ["ada", null]);
  },
};
