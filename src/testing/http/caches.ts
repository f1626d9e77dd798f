import assert from "node:assert/strict";
import type { Answer } from "./client.ts";
import type { HttpCases, HttpFixture } from "./fixture.ts";
import { behindCache } from "./shared-cache.ts";

const MINUTE = { "cache-control": "max-age=60", "content-type": "text/plain" };

/** What an answer says to caches. */
const said = ({ headers }: Answer) => [headers["cache-control"], headers.vary];

/** Cache headers of answers that depend on the visitor. */
export const caches: HttpCases = {
  "a user's page that says it may be kept for a minute reaches nobody else": behindCache(
    async ({ cached, route }) => {
      for (const path of ["/account", "/members"])
        route(path, async (request) => ({ headers: MINUTE, body: `of ${(await request.session()).userId}` }));
      const [ada, bob] = [cached(), cached()];
      await ada.post("/login");
      for (const path of ["/account", "/members"]) assert.equal((await ada.get(path)).text, "of ada");
      assert.equal((await bob.get("/account")).text, "of undefined");
      const refused = await bob.get("/members", { headers: { accept: "text/html" } });
      assert.deepEqual([refused.status, refused.text], [303, ""]);
      assert.equal((await ada.get("/account")).text, "of ada", "and no other page reaches her");
    },
  ),

  "an answer says that it depends on cookies where its session was looked at, and not where it was only opened":
    async ({ visitor, route }) => {
      route("/opened", async (request) => {
        await request.session();
        return { headers: MINUTE, body: "the same for every visitor" };
      });
      const looks = {
        "/user": (session) => session.userId,
        "/level": (session) => session.level,
        "/data": (session) => Object.keys(session.data).length,
        "/alive": (session) => session.isAlive(),
      } satisfies Record<string, (session: Awaited<ReturnType<SiteSession>>) => unknown>;
      for (const [path, look] of Object.entries(looks)) {
        route(path, async (request) => {
          await look(await request.session());
          return { headers: MINUTE, body: "of one visitor" };
        });
      }
      route("/plain", async () => ({ headers: MINUTE, body: "nothing to do with sessions" }));
      const [ada, bob] = [visitor(), visitor()];
      await ada.post("/login");
      for (const path of ["/opened", "/plain"])
        for (const who of [ada, bob]) assert.deepEqual(said(await who.get(path)), ["max-age=60", undefined]);
      for (const path of Object.keys(looks)) {
        assert.deepEqual(said(await bob.get(path)), ["max-age=60", "Cookie"], path);
        assert.deepEqual(said(await ada.get(path)), ["max-age=60, private", "Cookie"], path);
      }
    },

  "an answer is private where its session has a user or was changed, also where it says nothing of caches":
    async ({ visitor, route }) => {
      route("/change", async (request) => {
        (await request.session()).set("count", Number(request.query.get("count")));
        return { headers: { "content-type": "text/plain" }, body: "changed" };
      });
      const [ada, bob] = [visitor(), visitor()];
      assert.deepEqual(said(await bob.get("/read")), [undefined, "Cookie"]);
      assert.deepEqual(said(await bob.get("/change?count=1")), ["no-store", "Cookie"], "it has a cookie");
      assert.deepEqual(said(await bob.get("/change?count=2")), ["private", "Cookie"]);
      assert.deepEqual(said(await bob.get("/read")), [undefined, "Cookie"]);
      await ada.post("/login");
      assert.deepEqual(said(await ada.get("/read")), ["private", "Cookie"]);
    },

  "what a page itself says of caches stays: public, private, no-store, and what it varies by": async ({
    route,
    member,
  }) => {
    route("/says", async (request) => {
      await (await request.session()).isAlive();
      const { query } = request;
      const [control, vary] = [query.get("control"), query.get("vary")];
      const headers = {
        ...(control === null ? {} : { "cache-control": control }),
        ...(vary === null ? {} : { vary }),
      };
      return { headers: { "content-type": "text/plain", ...headers }, body: "of ada" };
    });
    const ada = await member();
    const says = async (saying: Record<string, string>) =>
      said(await ada.get(`/says?${new URLSearchParams(saying)}`));
    for (const control of [
      "public, max-age=60",
      "max-age=60, Public",
      "private, max-age=60",
      "no-store",
      "max-age=60,private",
    ])
      assert.deepEqual(await says({ control }), [control, "Cookie"]);
    for (const control of ["no-cache", "s-maxage=60", 'private="x-note"', 'ext="public, private"'])
      assert.deepEqual(await says({ control }), [`${control}, private`, "Cookie"]);
    for (const [vary, added] of [
      ["Accept-Language", "Accept-Language, Cookie"],
      ["Origin, cookie", "Origin, cookie"],
      ["*", "*"],
      ["X-Cookie", "X-Cookie, Cookie"],
    ] as const)
      assert.deepEqual(await says({ vary }), ["private", added]);
  },

  "no cache keeps an answer behind a guard, unless the answer itself allows it": async ({
    visitor,
    route,
    member,
  }) => {
    for (const path of ["/members", "/proved", "/fresh"]) {
      route(path, async (request) => {
        const control = request.query.get("control");
        const headers = control === null ? {} : { "cache-control": control };
        return { headers: { "content-type": "text/plain", ...headers }, body: "of members" };
      });
    }
    const ada = await member();
    for (const path of ["/members", "/proved", "/fresh"]) {
      const says = async (control: string) =>
        said(await ada.get(`${path}?${new URLSearchParams({ control })}`));
      assert.deepEqual(said(await ada.get(path)), ["no-store", "Cookie"], path);
      assert.deepEqual(await says("max-age=60"), ["no-store", "Cookie"], path);
      for (const control of ["private, max-age=60", "public, max-age=60"])
        assert.deepEqual(await says(control), [control, "Cookie"], path);
    }
    assert.deepEqual(said(await visitor().get("/members")), ["no-store", "Cookie"], "what it answers itself");
  },

  "headers of particular CDNs forbid keeping an answer with a session cookie as well": async ({
    visitor,
    route,
  }) => {
    const own = { "cdn-cache-control": "max-age=60", "surrogate-control": "max-age=60" };
    for (const path of ["/shop", "/about"]) {
      route(path, async (request) => {
        if (path === "/shop") (await request.session()).set("count", 1);
        return { headers: { ...MINUTE, ...own }, body: "tea" };
      });
    }
    const ada = visitor();
    const shop = await ada.get("/shop");
    assert.equal(shop.setCookie.length, 1);
    for (const name of Object.keys(own)) assert.equal(shop.headers[name], "no-store", name);
    const about = await ada.get("/about");
    for (const name of Object.keys(own)) assert.equal(about.headers[name], "max-age=60", name);
  },

  "streams, redirects, 304, answers without a body, HEAD and errors have pages' cache headers": async ({
    route,
    member,
  }) => {
    async function* pieces() {
      yield "one ";
      yield "two";
    }
    const answers = {
      "/stream": { headers: MINUTE, body: pieces },
      "/moved": { status: 301, headers: { ...MINUTE, location: "/read" } },
      "/unchanged": { status: 304, headers: { ...MINUTE, etag: '"v1"' } },
      "/empty": { status: 204, headers: MINUTE },
      "/missing": { status: 404, headers: MINUTE, body: "no such page" },
    };
    for (const [path, { headers, ...answer }] of Object.entries(answers)) {
      route(path, async (request) => {
        await (await request.session()).isAlive();
        const { body } = answer as { body?: unknown };
        return {
          headers: headers as Record<string, string>,
          ...(answer as object),
          ...(typeof body === "function" ? { body: body() } : {}),
        };
      });
    }
    route("/broken", async (request) => {
      throw new Error(`broken for ${(await request.session()).userId}`);
    });
    const ada = await member();
    for (const path of Object.keys(answers))
      for (const method of ["GET", "HEAD"])
        assert.deepEqual(said(await ada.get(path, { method })), ["max-age=60, private", "Cookie"], path);
    const { status, headers } = await ada.get("/broken");
    assert.equal(status, 500);
    assert.match(String(headers["cache-control"]), /private|no-store/);
    assert.equal(headers.vary, "Cookie");
  },
};

type SiteSession = Parameters<Parameters<HttpFixture["route"]>[1]>[0]["session"];
