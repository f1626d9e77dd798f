import assert from "node:assert/strict";
import { Gate, type HttpCases } from "./fixture.ts";

const HTTPS = { "x-forwarded-proto": "https", "x-forwarded-for": "203.0.113.9" };

/** Connections, proxies, and the server's end. */
export const transport: HttpCases = {
  "pipelined requests are answered in their order, each for its own visitor": async ({ member }) => {
    const ada = await member();
    const text = await ada.pipeline(["/add?item=tea", "/plain", "/read"]);
    const answers = text.split("HTTP/1.1 200").slice(1);
    assert.equal(answers.length, 3);
    assert.ok(answers[0]?.includes("tea"));
    assert.ok(answers[1]?.includes("nothing to do with sessions"));
    assert.ok(answers[2]?.includes('"userId":"ada"'));
  },

  "two visitors on one connection are two visitors": async ({ visitor }) => {
    const browser = visitor();
    await browser.post("/login");
    const nobody = await browser.read({ cookie: "other=1" });
    assert.equal(nobody.userId, null);
    assert.equal((await browser.read()).userId, "ada");
  },

  "behind a proxy that is trusted, https and the visitor's address are what the proxy says": {
    secure: true,
    trustProxy: true,
    run: async ({ visitor, psession }) => {
      const ada = visitor();
      const { setCookie } = await ada.post("/login?remember", { headers: HTTPS });
      assert.equal(setCookie.length, 2);
      for (const line of setCookie) assert.match(line, /^__Host-psession.*; Secure/);
      const { userId } = await ada.read({ headers: HTTPS });
      assert.equal(userId, "ada");
      assert.deepEqual(
        (await psession.devices("ada")).map(({ address }) => address),
        ["203.0.113.9"],
      );
    },
  },

  "a proxy that is not trusted is not believed: no https, no session, no cookie": {
    secure: true,
    run: async ({ visitor }) => {
      const answer = await visitor().get("/read", { headers: HTTPS });
      assert.deepEqual([JSON.parse(answer.text).outcome, answer.setCookie], ["insecure", []]);
      const stored = await visitor().get("/add", { headers: HTTPS });
      assert.deepEqual([stored.status, stored.setCookie], [500, []]);
    },
  },

  "an address has one form, however a proxy writes it": {
    trustProxy: true,
    run: async ({ visitor, exchanges }) => {
      for (const [written, address] of [
        ["203.0.113.7", "203.0.113.7"],
        ["203.0.113.7:50001", "203.0.113.7"],
        ["[2001:db8::1]:443", "2001:db8::1"],
        ["[2001:DB8:0:0:0::1]", "2001:db8::1"],
        ["::ffff:203.0.113.7", "203.0.113.7"],
        ["::FFFF:cb00:7107", "203.0.113.7"],
        [", 203.0.113.7", "203.0.113.7"],
        [" 203.0.113.7 , 10.0.0.1", "203.0.113.7"],
      ] as const) {
        // No answer of a session is needed, and frameworks may refuse what is no address.
        await visitor().get("/read", { headers: { "x-forwarded-for": written } });
        assert.equal(exchanges.at(-1)?.facts.address, address, written);
      }
    },
  },

  "an address is the connection's own where no proxy is trusted": async ({ visitor, psession }) => {
    const ada = visitor();
    await ada.post("/login", { headers: HTTPS });
    assert.deepEqual(
      (await psession.devices("ada")).map(({ address }) => address?.replace("::ffff:", "")),
      ["127.0.0.1"],
    );
  },

  "a hundred requests in flight when the server begins to stop are answered, and saved": async ({
    visitor,
    route,
    psession,
    stop,
    member,
  }) => {
    const handler = new Gate();
    route("/slow", async (request) => {
      const session = await request.session();
      await handler.pass();
      session.set(request.query.get("key") ?? "", true);
      return { body: "done" };
    });
    const ada = await member();
    const keys = Array.from({ length: 100 }, (_, index) => `k${index}`);
    const headers = { connection: "close" };
    const answers = Promise.all(
      keys.map((key) => visitor().get(`/slow?key=${key}`, { cookie: ada.cookie, headers })),
    );
    await handler.reached(keys.length);
    const stopping = stop();
    handler.open();
    for (const { status, text } of await answers) assert.deepEqual([status, text], [200, "done"]);
    await stopping;
    const exchange = psession.exchange({
      cookie: ada.cookie,
      secure: false,
      navigation: false,
      script: false,
      canSetCookies: false,
      crossSite: false,
      safe: true,
      forwarded: false,
      userAgent: undefined,
      address: undefined,
    });
    assert.deepEqual(Object.keys((await exchange.open()).data).sort(), keys.toSorted());
  },
};
