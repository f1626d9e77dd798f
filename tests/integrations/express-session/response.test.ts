import { once } from "node:events";
import { createServer, request as httpRequest } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { describe, expect, onTestFinished, test } from "vitest";
import { memoryStore } from "../../../src/index.ts";
import type { SessionOptions } from "../../../src/integrations/express-session/index.ts";
import { type Any, type Express, NotedStore, ours, STRONG, start } from "./sides.ts";

const require = createRequire(import.meta.url);
const compression = require("compression") as () => Any;

const BACKENDS: [string, () => SessionOptions][] = [
  ["on the application's store", () => ({ store: new NotedStore() })],
  ["on a psession store", () => ({ store: memoryStore(), secret: STRONG })],
];

/** Routes that write their heads and bodies in every way there is. */
const routes = (app: Express) => {
  const change = (request: Any) => {
    request.session.n = (request.session.n ?? 0) + 1;
    return request.session.n;
  };
  app.get("/n", (request: Any, response) => response.json(request.session.n ?? null));
  app.get("/object", (request: Any, response) => {
    change(request);
    response.writeHead(201, { "Set-Cookie": ["a=1", "b=2"], "X-One": "1" }).end("object");
  });
  app.get("/list", (request: Any, response) => {
    change(request);
    response.writeHead(200, ["Set-Cookie", "a=1", "Set-Cookie", "b=2", "X-One", "1"]).end("list");
  });
  app.get("/pairs", (request: Any, response) => {
    change(request);
    response.writeHead(200, "Fine", [
      ["Set-Cookie", "a=1"],
      ["Set-Cookie", "b=2"],
      ["X-One", "1"],
    ] as Any);
    response.end("pairs");
  });
  app.get("/existing", (request: Any, response) => {
    change(request);
    response.cookie("a", "1").cookie("b", "2").set("X-One", "1").send("existing");
  });
  app.get("/length", (request: Any, response) => {
    change(request);
    response.setHeader("Content-Length", 6);
    response.write("abc");
    response.end("def");
  });
  app.get("/stream", (request: Any, response) => {
    change(request);
    Readable.from(["one ", "two ", "three"]).pipe(response);
  });
  app.get("/large", (request: Any, response) => {
    change(request);
    response.type("text").send("x".repeat(100_000));
  });
  app.get("/not-modified", (request: Any, response) => {
    change(request);
    response.status(304).end();
  });
  app.get("/empty", (request: Any, response) => {
    change(request);
    response.status(204).end();
  });
  app.get("/null", (request: Any, response) => {
    change(request);
    (response as Any).end(null);
  });
  app.get("/twice", (request: Any, response) => {
    change(request);
    response.end("first");
    response.end("second");
  });
  app.get("/flush", (request: Any, response) => {
    change(request);
    response.flushHeaders();
    response.end("flushed");
  });
  app.get("/late", async (request: Any, response) => {
    change(request);
    response.write("one ");
    while (response.headersSent === false || (response as Any)._header === null)
      await new Promise((resolve) => setImmediate(resolve));
    change(request);
    response.end("two");
  });
};

describe.each(BACKENDS)("a response %s", (_, options) => {
  const begin = (before: (app: Express) => void = () => {}, more: SessionOptions = {}) =>
    start(ours, { ...options(), ...more }, (app) => {
      before(app);
      routes(app);
    });
  const ownCookies = (lines: readonly string[]) => lines.filter((line) => line.startsWith("connect.sid="));

  test.each(["object", "list", "pairs", "existing"])(
    "has the session cookie after others: %s",
    async (path) => {
      const client = await begin();
      const answer = await client.get(`/${path}`);
      expect(answer.text).toBe(path);
      expect(answer.headers.get("x-one")).toBe("1");
      expect(answer.setCookie.map((line) => line.split("=")[0])).toEqual(["a", "b", "connect.sid"]);
      expect((await client.get("/n")).json).toBe(1);
    },
  );

  test.each([
    ["length", "abcdef"],
    ["stream", "one two three"],
    ["large", "x".repeat(100_000)],
    ["null", ""],
    ["twice", "first"],
    ["flush", "flushed"],
    ["not-modified", ""],
    ["empty", ""],
  ])("arrives whole: %s", async (path, text) => {
    const client = await begin();
    const answer = await client.get(`/${path}`);
    expect(answer.text).toBe(text);
    expect(ownCookies(answer.setCookie)).toHaveLength(1);
    if (path === "length") expect(answer.headers.get("content-length")).toBe("6");
    if (path === "large") expect(answer.headers.get("content-length")).toBe("100000");
    expect((await client.get("/n")).json).toBe(1);
  });

  test("to HEAD has the cookie and no body", async () => {
    const client = await begin();
    const answer = await client.request("/large", { method: "HEAD" });
    expect([answer.text, ownCookies(answer.setCookie).length]).toEqual(["", 1]);
    expect((await client.get("/n")).json).toBe(1);
  });

  test("keeps what is changed after its head has left", async () => {
    const client = await begin();
    expect((await client.get("/late")).text).toBe("one two");
    expect((await client.get("/n")).json).toBe(2);
  });

  test("says Expires as well as Max-Age", async () => {
    const client = await begin(() => {}, { cookie: { maxAge: 60_000 } });
    const [line = ""] = (await client.get("/existing")).setCookie.slice(-1);
    expect(line).toContain("Max-Age=60");
    const expires = Date.parse(/Expires=([^;]+)/.exec(line)?.[1] ?? "");
    expect(Math.abs(expires - Date.now() - 60_000)).toBeLessThan(5000);
  });

  test("that sets the session cookie is not cached, unless the application says otherwise", async () => {
    expect((await (await begin()).get("/existing")).headers.get("cache-control")).toBe("no-store");
    const other = await begin(() => {}, { noStore: false });
    expect((await other.get("/existing")).headers.get("cache-control")).toBe("private");
    const silent = await begin(() => {}, { noStore: false, caching: "off" });
    const { headers } = await silent.get("/existing");
    expect([headers.get("cache-control"), headers.get("vary")]).toEqual([null, null]);
  });

  test.each(["before", "after"])("is compressed by middleware %s psession's", async (where) => {
    const packed = (app: Express) => void app.use(compression());
    const app = await begin(where === "after" ? packed : undefined);
    const client =
      where === "after"
        ? app
        : await start(
            ((given: SessionOptions) => {
              const pack = compression();
              const session = ours(given);
              return (request: Any, response: Any, next: Any) =>
                pack(request, response, () => session(request, response, next));
            }) as typeof ours,
            options(),
            routes,
          );
    for (const path of ["/large", "/stream"]) {
      const answer = await client.get(path, { "accept-encoding": "gzip" });
      expect(answer.text).toBe(path === "/large" ? "x".repeat(100_000) : "one two three");
      if (path === "/large") expect(answer.headers.get("content-encoding")).toBe("gzip");
    }
    expect((await client.get("/n")).json).toBe(2);
  });

  test.each(["before", "after"])("has its methods patched by middleware %s psession's", async (where) => {
    const seen: string[] = [];
    const patch = (_request: Any, response: Any, next: Any) => {
      const { write, end } = response;
      response.write = (chunk: Any, ...rest: Any[]) => {
        seen.push("write");
        return Reflect.apply(write, response, [chunk, ...rest]);
      };
      response.end = (chunk: Any, ...rest: Any[]) => {
        seen.push("end");
        return Reflect.apply(end, response, [chunk, ...rest]);
      };
      next();
    };
    const client =
      where === "after"
        ? await begin((app) => void app.use(patch))
        : await start(
            ((given: SessionOptions) => {
              const session = ours(given);
              return (request: Any, response: Any, next: Any) =>
                patch(request, response, () => session(request, response, next));
            }) as typeof ours,
            options(),
            routes,
          );
    expect((await client.get("/length")).text).toBe("abcdef");
    expect(seen).toEqual(["write", "end"]);
    expect((await client.get("/n")).json).toBe(1);
  });

  test("of bare node:http is held as well", async () => {
    const middleware = ours({ secret: STRONG, resave: false, saveUninitialized: false, ...options() });
    const server = createServer((request: Any, response) => {
      middleware(request, response, () => {
        request.session.n = 1;
        response.end("bare");
      });
    }).listen(0, "127.0.0.1");
    onTestFinished(() => void server.close());
    await once(server, "listening");
    const call = httpRequest({ port: (server.address() as AddressInfo).port, agent: false }).end();
    const [answer] = (await once(call, "response")) as [Any];
    expect(ownCookies(answer.headers["set-cookie"])).toHaveLength(1);
    answer.resume();
    await once(answer, "end");
  });
});
