import assert from "node:assert/strict";
import type { Sending } from "./client.ts";
import type { HttpCases } from "./fixture.ts";

const DAY = 86_400_000;
const HOUR = 3_600_000;

/** A prefetch, as browsers mark it, and HEAD: no user asked for these. */
const AHEAD: readonly Sending[] = [
  { headers: { "sec-purpose": "prefetch" } },
  { headers: { "sec-purpose": "prefetch;prerender" } },
  { headers: { purpose: "prefetch" } },
  { method: "HEAD" },
];

/** What visitors do. */
export const visits: HttpCases = {
  "a new visitor who only looks gets no cookie and leaves no row": async ({ visitor, calls }) => {
    const answer = await visitor().get("/read");
    const nobody = { userId: null, level: "anonymous", outcome: "none", data: {} };
    assert.deepEqual(JSON.parse(answer.text), nobody);
    assert.deepEqual(answer.setCookie, []);
    assert.equal(answer.headers["cache-control"], undefined);
    assert.deepEqual(calls, []);
  },

  "what one request writes, the next one reads": async ({ visitor }) => {
    const ada = visitor();
    const first = await ada.get("/add?item=tea");
    assert.equal(first.setCookie.length, 1);
    assert.equal(first.headers["cache-control"], "no-store", "an answer with a cookie is for one visitor");
    assert.deepEqual(await ada.json("/add?item=milk"), ["tea", "milk"]);
    const { setCookie, text } = await ada.get("/read");
    assert.deepEqual([setCookie, JSON.parse(text).data], [[], { items: ["tea", "milk"] }]);
    assert.deepEqual((await visitor().read()).data, {}, "another visitor has nothing");
  },

  "reading costs one read, and changing one write more": async ({ visitor, calls }) => {
    const ada = visitor();
    await ada.get("/add");
    calls.length = 0;
    await ada.get("/read");
    assert.deepEqual(calls, ["findSession"]);
    calls.length = 0;
    await ada.get("/add");
    assert.deepEqual(calls, ["findSession", "apply"]);
  },

  "a page that does not ask for its session costs no read, where the framework lets an integration see that":
    async ({ visitor, calls, isLazy }) => {
      const ada = visitor();
      await ada.get("/add");
      calls.length = 0;
      const answer = await ada.get("/plain");
      assert.equal(answer.text, "nothing to do with sessions");
      assert.deepEqual(calls, isLazy ? [] : ["findSession"]);
    },

  "a sign-in takes the cart along and brings a new secret; the cookie from before is worthless": async ({
    visitor,
    shopper,
  }) => {
    const ada = await shopper();
    const planted = ada.cookie;
    const answer = await ada.post("/login");
    assert.deepEqual([answer.status, answer.headers.location], [303, "/read"]);
    const { outcome, ...seen } = await ada.read();
    assert.deepEqual(seen, { userId: "ada", level: "login", data: { items: ["tea"] } });
    const thief = await visitor().read({ cookie: planted });
    assert.deepEqual([thief.userId, thief.data], [null, {}]);
  },

  "a remembered browser that was closed is back with its cart, and must prove itself for more": async ({
    wait,
    shopper,
  }) => {
    const ada = await shopper();
    await ada.post("/login?remember");
    assert.equal(ada.jar.size, 2);
    ada.restart();
    wait(3 * DAY);
    const { outcome, ...back } = await ada.read();
    assert.deepEqual(back, { userId: "ada", level: "remembered", data: { items: ["tea"] } });
    assert.equal(outcome, "restored");
    assert.equal((await ada.read()).outcome, "live");
  },

  "a client that says it wants a WebSocket gets no token's exchange spared: ordinary pages are answered as ever":
    async ({ returning }) => {
      const ada = await returning();
      const headers = {
        connection: "upgrade",
        upgrade: "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "x3JJHMbDL1EzLkh9GBhXDw==",
      };
      const { setCookie, text } = await ada.get("/read", { headers });
      assert.deepEqual([JSON.parse(text).outcome, setCookie.length], ["restored", 2]);
    },

  "what a browser fetches ahead, and HEAD, do not count as use": async ({ calls, wait, member }) => {
    const ada = await member();
    wait(HOUR);
    calls.length = 0;
    for (const sending of AHEAD) assert.deepEqual((await ada.get("/read", sending)).setCookie, []);
    assert.deepEqual(new Set(calls), new Set(["findSession"]));
    calls.length = 0;
    await ada.get("/read");
    assert.deepEqual(calls, ["findSession", "touch"]);
  },

  "what a browser fetches ahead exchanges no token: it is refused, and the page itself is asked for again":
    async ({ calls, returning }) => {
      const ada = await returning();
      const before = ada.cookie;
      calls.length = 0;
      for (const sending of AHEAD) {
        const { status, setCookie, headers } = await ada.get("/read", sending);
        assert.deepEqual([status, setCookie], [sending.method === "HEAD" ? 200 : 503, []]);
        if (status === 503) assert.equal(headers["cache-control"], "no-store");
      }
      assert.deepEqual(new Set(calls), new Set(["findRemembered"]));
      assert.equal(ada.cookie, before);
      assert.equal((await ada.read()).outcome, "restored");
      assert.equal((await ada.get("/read", AHEAD[0])).status, 200);
    },

  "leaving clears every cookie and ends what they stood for": async ({ visitor, psession, member }) => {
    const ada = await member("remember");
    const captured = ada.cookie;
    const answer = await ada.post("/logout");
    assert.equal(answer.status, 204);
    assert.equal(ada.jar.size, 0);
    const { userId } = await visitor().read({ cookie: captured });
    assert.equal(userId, null);
    assert.deepEqual(await psession.devices("ada"), []);
  },

  "regenerate brings a new secret and keeps the data": async ({ shopper }) => {
    const ada = await shopper();
    const before = ada.cookie;
    assert.deepEqual(await ada.json("/regenerate"), { items: ["tea"] });
    assert.notEqual(ada.cookie, before);
    assert.deepEqual((await ada.read()).data, { items: ["tea"] });
  },

  "twenty requests that write at once all keep what they wrote": async ({ route, shopper }) => {
    const ada = await shopper();
    route("/count", async (request) => {
      const session = await request.session();
      const count = await session.update((data) => {
        data.count = (data.count ?? 0) + 1;
        return data.count;
      });
      return { body: String(count) };
    });
    const keys = Array.from({ length: 20 }, (_, index) => `k${index}`);
    await Promise.all(keys.flatMap((key) => [ada.get(`/set?key=${key}&value=${key}`), ada.get("/count")]));
    const { data } = await ada.read();
    assert.deepEqual(data, {
      items: ["tea"],
      count: 20,
      ...Object.fromEntries(keys.map((key) => [key, key])),
    });
  },

  "twenty requests that bring only the remember cookie are all the user, and make one device": async ({
    visitor,
    psession,
    returning,
  }) => {
    const ada = await returning();
    const { cookie } = ada;
    const answers = await Promise.all(Array.from({ length: 20 }, () => visitor().get("/read", { cookie })));
    assert.deepEqual(new Set(answers.map(({ text }) => JSON.parse(text).userId)), new Set(["ada"]));
    assert.equal((await psession.devices("ada")).length, 1);
  },
};
