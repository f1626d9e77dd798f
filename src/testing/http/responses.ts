import assert from "node:assert/strict";
import { Gate, type HttpCases } from "./fixture.ts";
import type { Site, SiteAnswer } from "./integration.ts";
import { behindCache } from "./shared-cache.ts";

/** A handler that changes the session, and answers this. */
const counting =
  (answer: SiteAnswer): Site =>
  async (request) => {
    (await request.session()).set("count", 1);
    return answer;
  };

/** What becomes of the response. */
export const responses: HttpCases = {
  "a redirect does not outrun the save": async ({ hold, shopper }) => {
    const ada = await shopper();
    const gate = hold("apply");
    let isAnswered = false;
    const going = ada.get("/add-and-go?item=milk").finally(() => {
      isAnswered = true;
    });
    await gate.reached();
    // Another request is served in full while this one waits for its save: an answer would have come by now.
    await ada.get("/plain");
    assert.equal(isAnswered, false);
    gate.open();
    const answer = await going;
    assert.deepEqual([answer.status, answer.headers.location], [303, "/read"]);
    assert.deepEqual((await ada.read()).data, { items: ["tea", "milk"] });
  },

  "cookies that the application sets are kept beside psession's": async ({ visitor, route }) => {
    route("/both", counting({ setCookie: ["one=1; Path=/", "two=2; Path=/"], body: "ok" }));
    const ada = visitor();
    const { setCookie } = await ada.get("/both");
    assert.equal(setCookie.length, 3);
    assert.deepEqual([...ada.jar.keys()], ["one", "two", "psession"]);
    assert.equal((await ada.read()).data.count, 1);
  },

  "a shared cache keeps no answer with a session cookie, whatever the page says of itself": behindCache(
    async ({ cached, hits, route }) => {
      const headers = { "cache-control": "public, max-age=600" };
      route("/shop", counting({ headers: { ...headers, "content-type": "text/plain" }, body: "tea" }));
      route("/about", async () => ({ headers, body: "about us" }));
      const [ada, bob] = [cached(), cached()];
      const first = await ada.get("/shop");
      assert.equal(first.headers["cache-control"], "no-store");
      assert.equal((await bob.get("/shop")).setCookie.length, 1);
      assert.notEqual(ada.cookie, bob.cookie);
      assert.deepEqual(hits, []);
      for (const visitor of [ada, bob]) assert.equal((await visitor.get("/about")).text, "about us");
      assert.deepEqual(hits, ["GET /about"], "it would have kept the page, had it been allowed to");
    },
  ),

  "a body of known length arrives whole, with that length": async ({ visitor, route }) => {
    const body = "çà et là ".repeat(5000);
    const length = String(Buffer.byteLength(body));
    const headers = { "content-type": "text/plain; charset=utf-8", "content-length": length };
    route("/long", counting({ headers, body }));
    const answer = await visitor().get("/long");
    assert.equal(answer.text, body);
    assert.equal(answer.headers["content-length"], length);
    assert.equal(answer.setCookie.length, 1);
  },

  "a body that streams is not held up, its head has the cookie, and what it saves is kept": async ({
    visitor,
    route,
  }) => {
    const gate = new Gate();
    route("/stream", async (request) => {
      const session = await request.session();
      session.set("count", 1);
      async function* pieces() {
        yield "one ";
        await gate.pass();
        session.set("count", 2);
        await session.save();
        yield "two";
      }
      return { headers: { "content-type": "text/plain" }, body: pieces() };
    });
    const ada = visitor();
    const response = await ada.start("/stream");
    assert.equal(response.headers["set-cookie"]?.length, 1);
    const pieces = response.setEncoding("utf8")[Symbol.asyncIterator]();
    assert.equal((await pieces.next()).value, "one ");
    assert.equal((await ada.read()).data.count, 1);
    gate.open();
    assert.equal((await pieces.next()).value, "two");
    assert.equal((await pieces.next()).done, true);
    assert.equal((await ada.read()).data.count, 2);
  },

  "what is changed while the body streams is not lost, even where the handler does not save": async ({
    route,
    shopper,
  }) => {
    route("/stream", async (request) => {
      const session = await request.session();
      async function* pieces() {
        yield "one ";
        session.push("items", "milk");
        yield "two";
      }
      return { headers: { "content-type": "text/plain" }, body: pieces() };
    });
    const ada = await shopper();
    assert.equal((await ada.get("/stream")).text, "one two");
    await eventually(async () => {
      assert.deepEqual((await ada.read()).data, { items: ["tea", "milk"] });
    });
  },

  "HEAD gets the head that GET would get, and no body": async ({ visitor }) => {
    const ada = visitor();
    const head = await ada.get("/add?item=tea", { method: "HEAD" });
    assert.deepEqual([head.status, head.text, head.setCookie.length], [200, "", 1]);
    assert.deepEqual((await ada.read()).data, { items: ["tea"] });
  },

  "304 has no body, keeps its validator, and the session is saved": async ({ visitor, route }) => {
    route("/unchanged", counting({ status: 304, headers: { etag: '"v1"' } }));
    const ada = visitor();
    await ada.get("/add");
    const answer = await ada.get("/unchanged", { headers: { "if-none-match": '"v1"' } });
    assert.deepEqual([answer.status, answer.text, answer.headers.etag], [304, "", '"v1"']);
    assert.equal((await ada.read()).data.count, 1);
  },

  "an answer without a body carries its cookie": async ({ visitor, route }) => {
    route("/empty", counting({ status: 204 }));
    const answer = await visitor().get("/empty");
    assert.deepEqual([answer.status, answer.text, answer.setCookie.length], [204, "", 1]);
  },
};

/** For what happens right after an answer: asks again until it has, each time by a request. */
async function eventually(check: () => Promise<void>): Promise<void> {
  for (let attempt = 1; attempt < 200; attempt++) {
    try {
      return await check();
    } catch {
      // Not yet.
    }
  }
  await check();
}
