import assert from "node:assert/strict";
import type { Sending } from "./client.ts";
import type { HttpCases, HttpFixture } from "./fixture.ts";

const SHOP = {
  "x-forwarded-proto": "https",
  "x-forwarded-host": "shop.example",
  "x-forwarded-for": "203.0.113.9",
};

/** What the integration found out of a request with these headers. */
async function factsOf({ visitor, exchanges }: HttpFixture, headers: NonNullable<Sending["headers"]>) {
  assert.equal((await visitor().get("/read", { headers })).status, 200);
  const facts = exchanges.at(-1)?.facts;
  assert.ok(facts !== undefined);
  return facts;
}

/** Which site sent a request, and which headers proxies added. */
export const senders: HttpCases = {
  "a request of another site is known by Sec-Fetch-Site, or else by its Origin": async (fixture) => {
    const sent = async (headers: NonNullable<Sending["headers"]>) =>
      (await factsOf(fixture, headers)).crossSite;
    assert.equal(await sent({}), false);
    assert.equal(await sent({ "sec-fetch-site": "cross-site" }), true);
    assert.equal(await sent({ "sec-fetch-site": "same-origin", origin: "https://evil.example" }), false);
    assert.equal(await sent({ origin: "https://evil.example" }), true);
    assert.equal(await sent({ origin: "null" }), true);
    assert.equal(await sent({ origin: fixture.url }), false);
    assert.equal(await sent({ origin: fixture.url.replace("http:", "https:") }), true);
    assert.equal(await sent({ ...SHOP, origin: "https://shop.example" }), true, "that proxy is not trusted");
  },

  "behind a proxy that is trusted, a request of the same site has the origin that the proxy says": {
    secure: true,
    trustProxy: true,
    run: async (fixture) => {
      const sent = async (origin: string) => (await factsOf(fixture, { ...SHOP, origin })).crossSite;
      assert.equal(await sent("https://shop.example"), false);
      assert.equal(await sent("http://shop.example"), true);
      assert.equal(await sent(fixture.url), true);
    },
  },

  "facts are values: by a function that reads headers, a request would stay in memory with them": async (
    fixture,
  ) => {
    const facts = await factsOf(fixture, SHOP);
    const functions = Object.entries(facts).filter(([, value]) => typeof value === "function");
    assert.deepEqual(functions, []);
  },

  "forwarding headers that the options do not trust are noticed": async (fixture) => {
    assert.equal((await factsOf(fixture, {})).forwarded, false);
    for (const headers of [SHOP, { forwarded: "for=203.0.113.9" }, { "x-real-ip": "203.0.113.9" }]) {
      assert.equal((await factsOf(fixture, headers as Record<string, string>)).forwarded, true);
    }
  },

  "forwarding headers of a proxy that is trusted are none of those": {
    secure: true,
    trustProxy: true,
    run: async (fixture) => {
      assert.equal((await factsOf(fixture, SHOP)).forwarded, false);
    },
  },

  "schemes ignore case, and wss is as secure as https": {
    secure: true,
    trustProxy: true,
    run: async ({ visitor, url }) => {
      const { host } = new URL(url);
      for (const proto of ["HTTPS", "wss", "WSS"]) {
        const headers = { "x-forwarded-proto": proto, origin: `https://${host}` };
        const { status, setCookie } = await visitor().post("/login?remember", { headers });
        assert.deepEqual([status, setCookie.length], [303, 2], proto);
      }
      for (const proto of ["HTTP", "ws", "httpsx"]) {
        const answer = await visitor().get("/read", { headers: { "x-forwarded-proto": proto } });
        assert.equal(JSON.parse(answer.text).outcome, "insecure", proto);
      }
    },
  },
};
