import assert from "node:assert/strict";
import type { HttpCases, HttpFixture } from "./fixture.ts";
import { json } from "./routes.ts";

const PAGE = { headers: { accept: "text/html,application/xhtml+xml" } };
const SCRIPT = { headers: { accept: "application/json" } };
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** The routes of a sign-in in two steps, and of a browser that is trusted. */
function addSteps({ route }: HttpFixture): void {
  route("/begin", async (request) => {
    const session = await request.session();
    await session.begin("ada", { method: "password", remember: request.query.has("remember") });
    return { status: 303, headers: { location: "/second-step" } };
  });
  route("/second-step", async (request) => {
    const { userId = null, pending, data } = await request.session();
    return json({ userId, pending: pending?.userId ?? null, data });
  });
  route("/complete", async (request) => {
    const session = await request.session();
    await session.complete({ method: "otp" });
    return json(session.claims);
  });
  route("/prove", async (request) => {
    const session = await request.session();
    await session.prove(request.query.get("method") ?? "otp");
    return json({ proofs: session.proofs.map(({ method }) => method), claims: session.claims });
  });
  route("/trust", async (request) => {
    await (await request.session()).trust({ for: "30d" });
    return { status: 204 };
  });
  route("/distrust", async (request) => json(await (await request.session()).distrust()));
  route("/is-trusted", async (request) => json(await (await request.session()).isTrusted("ada")));
}

/** Sign-ins in several steps, and what belongs to them. */
export const signInSteps: HttpCases = {
  "requireProofs sends pages to the proof and refuses scripts until every factor was proved": async (
    fixture,
  ) => {
    addSteps(fixture);
    const ada = fixture.visitor();
    const refused = async (code: string) => {
      const { status, text, headers } = await ada.get("/two-factors", SCRIPT);
      assert.deepEqual([JSON.parse(text).error.code, headers["cache-control"]], [code, "no-store"]);
      return status;
    };
    assert.equal(await refused("login_required"), 401);
    await ada.post("/login");
    await ada.post("/prove?method=password");
    assert.equal(await refused("proofs_required"), 403);
    const page = await ada.get("/two-factors", PAGE);
    assert.deepEqual([page.status, page.headers.location], [303, "/prove"]);
    fixture.wait(MINUTE);
    const proved = JSON.parse((await ada.post("/prove")).text);
    const auth_time = fixture.now() / 1000;
    assert.deepEqual(proved, {
      proofs: ["otp", "password"],
      claims: { amr: ["otp", "pwd", "mfa"], acr: "aal2", auth_time },
    });
    assert.equal((await ada.get("/two-factors", SCRIPT)).status, 200);
  },

  "requirePending lets visitors through whose sign-in has begun, and nobody else": async (fixture) => {
    addSteps(fixture);
    const ada = fixture.visitor();
    const page = await ada.get("/second-step", PAGE);
    assert.deepEqual([page.status, page.headers.location], [303, "/sign-in"]);
    const answered = async (path: string) => {
      const { status, text } = await ada.get(path, SCRIPT);
      return [status, JSON.parse(text).error?.code];
    };
    assert.deepEqual(await answered("/second-step"), [401, "nothing_pending"]);
    await ada.post("/begin");
    assert.deepEqual(await answered("/second-step"), [200, undefined]);
    assert.deepEqual(await answered("/members"), [401, "login_required"]);
    await ada.post("/complete");
    assert.deepEqual(await answered("/second-step"), [403, "nothing_pending"]);
    assert.deepEqual(await answered("/members"), [200, undefined]);
    await ada.post("/begin");
    fixture.wait(5 * MINUTE);
    assert.deepEqual(await answered("/second-step"), [401, "nothing_pending"]);
  },

  "half a sign-in goes across a redirect with what was ticked, and each step has a secret of its own": async (
    fixture,
  ) => {
    addSteps(fixture);
    const ada = await fixture.shopper();
    const before = ada.cookie;
    const begun = await ada.post("/begin?remember");
    assert.deepEqual([begun.status, begun.headers.location], [303, "/second-step"]);
    assert.equal(begun.headers["cache-control"], "no-store");
    const between = ada.cookie;
    assert.deepEqual([ada.jar.size, between === before], [1, false]);
    const half = { userId: null, pending: "ada", data: { items: ["tea"] } };
    assert.deepEqual(await ada.json("/second-step"), half);
    const provedAt = fixture.now();
    fixture.wait(MINUTE);
    const claims = JSON.parse((await ada.post("/complete")).text);
    assert.deepEqual(claims, { amr: ["otp", "pwd", "mfa"], acr: "aal2", auth_time: provedAt / 1000 });
    assert.equal(ada.jar.size, 2, "remembered, as was ticked in the first step");
    assert.notEqual(ada.cookie.split("; ")[0], between);
    for (const cookie of [before, between])
      assert.equal((await fixture.visitor().read({ cookie })).userId, null);
    const { userId, data } = await ada.read();
    assert.deepEqual([userId, data], ["ada", { items: ["tea"] }]);
  },

  "a trusted browser has a cookie that outlives the sign-in, and loses it when that is taken back": async (
    fixture,
  ) => {
    addSteps(fixture);
    const ada = await fixture.member();
    const { setCookie } = await ada.post("/trust");
    assert.deepEqual([ada.jar.has("psession-trust"), setCookie.length], [true, 1]);
    assert.match(String(setCookie[0]), /Max-Age=2592000;.*HttpOnly/);
    await ada.post("/logout");
    ada.restart();
    fixture.wait(DAY);
    assert.equal(await ada.json("/is-trusted"), true);
    assert.equal(await fixture.visitor().json("/is-trusted"), false);
    await ada.post("/login");
    assert.equal((await ada.post("/distrust")).text, "true");
    assert.equal(ada.jar.has("psession-trust"), false);
    assert.equal(await ada.json("/is-trusted"), false);
  },

  "requests that the option session.isPassive means do not put off the idle end, by header, method or whole path":
    {
      isPassive: ({ method, path, header }) =>
        header("X-Poll") === "yes" || (method === "GET" && path === "/mounted/poll?since=7"),
      run: async (fixture) => {
        fixture.route("/mounted/poll", async (request) => json((await request.session()).isSignedIn));
        const ada = await fixture.member();
        const callsOf = async (path: string, sending = {}) => {
          fixture.calls.length = 0;
          assert.equal((await ada.get(path, sending)).status, 200, path);
          return [...fixture.calls];
        };
        fixture.wait(HOUR);
        assert.deepEqual(await callsOf("/read", { headers: { "x-poll": "yes" } }), ["findSession"]);
        assert.deepEqual(await callsOf("/mounted/poll?since=7"), ["findSession"]);
        for (const [path, sending] of [
          ["/mounted/poll?since=8", {}],
          ["/mounted/poll?since=7", { method: "POST" }],
          ["/read", { headers: { "x-poll": "no" } }],
        ] as const) {
          assert.deepEqual(await callsOf(path, sending), ["findSession", "touch"]);
          fixture.wait(MINUTE);
        }
        fixture.wait(HOUR);
        await callsOf("/mounted/poll?since=7");
        fixture.wait(HOUR);
        assert.equal((await ada.get("/mounted/poll?since=7", SCRIPT)).status, 401);
      },
    },

  "GET /session below the devices says who is signed in and until when, and is no use of the session; POST is one":
    async ({ calls, wait, now, visitor, member }) => {
      const nobody = await visitor().get("/devices/session", SCRIPT);
      assert.deepEqual([nobody.status, nobody.headers["cache-control"]], [200, "no-store"]);
      assert.deepEqual(JSON.parse(nobody.text), { level: "anonymous", isPending: false, isActing: false });
      assert.equal((await visitor().get("/devices/session", { ...SCRIPT, method: "POST" })).status, 401);
      const ada = await member();
      const endsAt = { idle: now() + 2 * HOUR, absolute: now() + DAY };
      const asked = async (sending = {}) => {
        calls.length = 0;
        const { status, text, headers } = await ada.get("/devices/session", { ...SCRIPT, ...sending });
        assert.deepEqual([status, headers["cache-control"]], [200, "no-store"]);
        return JSON.parse(text);
      };
      wait(HOUR);
      const who = { level: "login", userId: "ada", isPending: false, isActing: false };
      assert.deepEqual(await asked(), { ...who, endsAt: { ...endsAt, now: now() } });
      assert.deepEqual(calls, ["findSession"]);
      const later = { ...who, endsAt: { ...endsAt, idle: endsAt.idle + HOUR, now: now() } };
      assert.deepEqual(await asked({ method: "POST" }), later);
      assert.deepEqual(calls, ["findSession", "touch"]);
      assert.deepEqual(await asked(), later);
    },
};
