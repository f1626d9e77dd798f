import { once } from "node:events";
import { createReadStream, writeFileSync } from "node:fs";
import { connect, type IncomingHttpHeaders } from "node:http2";
import { join } from "node:path";
import { Readable } from "node:stream";
import fastify from "fastify";
import { expect, onTestFinished, test, vi } from "vitest";
import { sessions } from "../../../src/integrations/fastify/index.ts";
import { overHttp, testApp } from "../../support/app.ts";
import { HttpClient } from "../../support/http.ts";
import { temporaryFolder } from "../../support/temp.ts";
import { sessionOf, start } from "./start.ts";

const open = { config: { session: true } };

test("whatever a handler answers with, the head has the cookie and the next request has the data", async () => {
  const { client } = await start((app) => {
    app.addHook("preHandler", async (request) => (await request.openSession()).set("name", request.url));
    app.get("/json", async () => ({ a: 1 }));
    app.get("/text", (_request, reply) => void reply.send("text"));
    app.get("/buffer", async () => Buffer.from("buffer"));
    app.get("/nothing", async (_request, reply) => reply.code(204).send());
    app.get("/stream", async (_request, reply) => reply.send(Readable.from(["str", "eam"])));
    app.get("/web", async () => new Blob(["web"]).stream());
    app.get("/response", async () => new Response("response", { headers: { "set-cookie": "own=1" } }));
    app.get("/redirect", async (_request, reply) => reply.redirect("/elsewhere"));
    app.get("/error", async () => {
      throw new Error("broken");
    });
  });
  const cookies: Record<string, string[]> = { "/response": ["psession", "own"] };
  for (const path of ["/json", "/text", "/buffer", "/nothing", "/stream", "/web", "/redirect", "/error"]) {
    cookies[path] = ["psession"];
  }
  for (const [path, names] of Object.entries(cookies)) {
    const visitor = new HttpClient(client.base);
    const answer = await visitor.get(path);
    expect(
      answer.setCookie.map((line) => line.split("=")[0]),
      path,
    ).toEqual(names);
    expect(answer.headers.get("cache-control"), path).toBe("no-store");
    expect((await visitor.get(path)).setCookie.filter((line) => line.startsWith("psession"))).toEqual([]);
  }
  const head = await new HttpClient(client.base).request("/json", { method: "HEAD" });
  expect([head.status, head.text, head.headers.get("content-length"), head.setCookie.length]).toEqual([
    200,
    "",
    "7",
    1,
  ]);
});

test("a Response that asks to be cached is not, where it brings a cookie", async () => {
  const { client } = await start((app) => {
    app.get("/", open, async (request) => {
      sessionOf(request).set("count", 1);
      return new Response("body", { status: 201, headers: { "cache-control": "public, max-age=60" } });
    });
  });
  const answer = await client.get("/");
  expect([answer.status, answer.text, answer.headers.get("cache-control")]).toEqual([
    201,
    "body",
    "no-store",
  ]);
  expect((await client.get("/")).headers.get("cache-control")).toBe("public, max-age=60");
});

test("cookies that were set on the bare response are kept beside psession's", async () => {
  const { client } = await start((app) => {
    app.get("/", open, async (request, reply) => {
      sessionOf(request).set("count", 1);
      reply.raw.setHeader("set-cookie", ["raw=1", "more=2"]);
      return "ok";
    });
  });
  await client.get("/");
  expect([...client.jar.keys()]).toEqual(["raw", "more", "psession"]);
});

test("what other plugins' onSend hooks change is saved, registered before psession's or after, or by the route", async () => {
  const { client, calls } = await start(
    (app) => {
      app.addHook("onSend", async (request) => void (await request.openSession()).push("cart", "after"));
      const onSend = async (request: { session: unknown }) => void sessionOf(request).push("cart", "route");
      app.get("/", { ...open, onSend }, async () => "ok");
      app.get("/cart", { ...open, onSend: [] }, async (request) => sessionOf(request).data.cart);
    },
    {
      before: (app) =>
        void app.addHook(
          "onSend",
          async (request) => void (await request.openSession()).push("cart", "before"),
        ),
    },
  );
  expect((await client.get("/")).setCookie).toHaveLength(1);
  expect(calls).toEqual(["apply"]);
  expect((await client.get("/cart")).json).toEqual(["before", "after", "route"]);
});

test("an onSend hook that fails after psession's leaves the cookie in the error's answer, as the save has happened", async () => {
  const { client } = await start((app) => {
    // Behind `callNotFound` and for routes from before the plugin, ours is not the last hook.
    app.addHook("onSend", async (_request, reply) => {
      if (reply.statusCode === 404) throw Object.assign(new Error("late"), { statusCode: 500 });
    });
    app.setNotFoundHandler(async (request, reply) => {
      (await request.openSession()).set("count", 1);
      return reply.code(404).send("none");
    });
    app.get("/data", open, async (request) => sessionOf(request).data);
  });
  const answer = await client.get("/none");
  expect([answer.status, answer.setCookie.length]).toEqual([500, 1]);
  expect((await client.get("/data")).json).toEqual({ count: 1 });
});

test("a save that fails goes through Fastify's error handling, and nothing of the answer leaves", async () => {
  const handled: unknown[] = [];
  const { client, fail } = await start((app) => {
    app.setErrorHandler(async (error: { code?: string }, _request, reply) => {
      handled.push([error.code, reply.statusCode]);
      return { sorry: error.code };
    });
    app.addHook("onRequest", async (_request, reply) => void reply.header("x-frame-options", "DENY"));
    app.get("/order", open, async (request, reply) => {
      sessionOf(request).push("cart", "gold");
      reply.raw.setHeader("etag", '"raw"');
      return reply
        .code(303)
        .headers({ location: "/orders/1", "set-cookie": "order=1", "cache-control": "public" })
        .type("text/csv")
        .send("ordered");
    });
    app.get("/data", open, async (request) => sessionOf(request).data);
  });
  fail("apply");
  const answer = await client.get("/order");
  expect([answer.status, answer.json, answer.setCookie]).toEqual([503, { sorry: "store_unavailable" }, []]);
  expect(handled).toEqual([["store_unavailable", 503]]);
  const names = ["location", "etag", "cache-control", "x-frame-options", "content-type"];
  expect(names.map((name) => answer.headers.get(name))).toEqual([
    null,
    null,
    "no-store",
    "DENY",
    "application/json; charset=utf-8",
  ]);
  fail("");
  expect((await client.get("/data")).json).toEqual({});
});

test("an error's page whose own save fails is replaced by Fastify's", async () => {
  const { client, fail } = await start((app) => {
    app.setErrorHandler(async (_error, request) => {
      sessionOf(request).push("cart", "seen an error");
      return "page";
    });
    app.get("/", open, async () => {
      throw new Error("broken");
    });
  });
  fail("apply");
  const { status, json } = await client.get("/");
  expect([status, json.code]).toEqual([503, "store_unavailable"]);
});

test("a store that cannot be read is an error that handlers may catch, and its answer is theirs", async () => {
  const { client, fail } = await start((app) => {
    app.post("/login", async (request) => (await request.openSession()).login(7));
    app.get("/", async (request) =>
      request.openSession().then(
        () => "with",
        (error) => `without: ${error.status}`,
      ),
    );
    app.get("/unawaited", async (request) => {
      request.openSession().catch(() => {});
      return "anyway";
    });
  });
  await client.post("/login");
  fail("findSession");
  const answer = await client.get("/");
  expect([answer.status, answer.text, answer.setCookie]).toEqual([200, "without: 503", []]);
  expect((await client.get("/unawaited")).text).toBe("anyway");
});

test("a stream that will not be sent is closed", async () => {
  const path = join(temporaryFolder(), "file");
  writeFileSync(path, "x".repeat(1_000_000));
  const closed = Promise.withResolvers<void>();
  const cancelled = Promise.withResolvers<void>();
  const { client, fail } = await start((app) => {
    app.get("/file", open, async (request, reply) => {
      sessionOf(request).set("count", 1);
      return reply.send(createReadStream(path).on("close", closed.resolve));
    });
    app.get("/web", open, async (request) => {
      sessionOf(request).set("count", 1);
      return new Response(new ReadableStream({ cancel: () => cancelled.resolve() }));
    });
  });
  fail("apply");
  expect((await client.get("/file")).status).toBe(503);
  expect((await client.get("/web")).status).toBe(503);
  await Promise.all([closed.promise, cancelled.promise]);
});

test("what changes in a value that a stream holds is saved when the response has ended", async () => {
  const ended = Promise.withResolvers<void>();
  const { client } = await start((app) => {
    app.addHook("onResponse", async (request) => {
      if (request.url === "/stream") ended.resolve();
    });
    app.get("/add", open, async (request) => sessionOf(request).push("cart", "tea"));
    app.get("/stream", open, async (request, reply) => {
      const { cart = [] } = sessionOf(request).data;
      async function* pieces() {
        yield "one ";
        await new Promise(setImmediate);
        // Nobody hears of this change: the list is held, not the session.
        cart.push("milk");
        yield "two";
      }
      return reply.send(Readable.from(pieces(), { objectMode: false }));
    });
    app.get("/cart", open, async (request) => sessionOf(request).data.cart);
  });
  await client.get("/add");
  expect((await client.get("/stream")).text).toBe("one two");
  await ended.promise;
  expect((await client.get("/cart")).json).toEqual(["tea", "milk"]);
});

test("a hijacked reply waits for the save and carries the cookie, hijacked before opening or after", async () => {
  const { client } = await start((app) => {
    app.get("/after", async (request, reply) => {
      const session = await request.openSession();
      reply.hijack();
      await session.login(7);
      reply.raw.writeHead(200, { "content-type": "text/event-stream", "set-cookie": "own=1" });
      reply.raw.write("data: 1\n\n");
      session.set("name", "late");
      reply.raw.end();
    });
    app.get("/before", async (request, reply) => {
      reply.hijack();
      await (await request.openSession()).login(8);
      reply.raw.end("raw");
    });
    app.get("/me", open, async (request) => ({
      userId: request.session.userId,
      data: sessionOf(request).data,
    }));
  });
  const answer = await client.get("/after");
  expect([answer.text, [...client.jar.keys()]]).toEqual(["data: 1\n\n", ["own", "psession"]]);
  expect((await client.get("/me")).json).toEqual({ userId: 7, data: { name: "late" } });
  expect((await client.get("/before")).text).toBe("raw");
  expect((await client.get("/me")).json.userId).toBe(8);
});

test("over HTTP/2 as over HTTP/1, hijacked or not", async () => {
  const { client } = await start(
    (app) => {
      app.get("/", open, async (request) => sessionOf(request).push("cart", "tea"));
      app.get("/raw", open, async (request, reply) => {
        sessionOf(request).push("cart", "milk");
        reply.hijack();
        reply.raw.end("raw");
      });
      app.get("/cart", open, async (request) => sessionOf(request).data.cart);
    },
    { server: { http2: true } as object },
  );
  const connection = connect(client.base);
  onTestFinished(() => connection.close());
  const get = async (path: string, cookie = "") => {
    const stream = connection.request({ ":path": path, cookie });
    const [headers] = (await once(stream, "response")) as [IncomingHttpHeaders];
    let text = "";
    for await (const chunk of stream.setEncoding("utf8")) text += chunk;
    return { text, setCookie: headers["set-cookie"] ?? [] };
  };
  for (const path of ["/", "/raw"]) {
    const { setCookie } = await get(path);
    expect(setCookie).toHaveLength(1);
    const cookie = setCookie[0]?.split(";")[0];
    expect((await get("/raw", cookie)).text).toBe("raw");
    expect(JSON.parse((await get("/cart", cookie)).text)).toEqual([path === "/" ? "tea" : "milk", "milk"]);
  }
});

test("a hijacked reply whose save fails is the bare status, and nothing of the handler's", async () => {
  const { client, fail } = await start((app) => {
    app.get("/", open, async (request, reply) => {
      sessionOf(request).set("count", 1);
      reply.hijack();
      reply.raw.writeHead(201, { location: "/orders/1" });
      reply.raw.end("ordered");
    });
  });
  fail("apply");
  const answer = await client.get("/");
  expect([answer.status, answer.headers.get("location"), answer.setCookie]).toEqual([503, null, []]);
  expect(answer.text).not.toContain("ordered");
});

test("a bare response without hijack saves an existing session, and warns about a new one", async () => {
  const warnings: unknown[] = [];
  const warned = vi
    .spyOn(process, "emitWarning")
    .mockImplementation((...values) => void warnings.push(values[1]));
  const ended: (() => void)[] = [];
  const { client } = await start((app) => {
    app.addHook("onResponse", async () => void ended.pop()?.());
    app.get("/raw", open, (request, reply) => {
      sessionOf(request).push("cart", "raw");
      reply.raw.end("raw");
    });
    app.get("/add", open, async (request) => sessionOf(request).push("cart", "tea"));
    app.get("/cart", open, async (request) => sessionOf(request).data.cart ?? []);
  });
  const raw = async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    ended.push(resolve);
    await client.get("/raw");
    await promise;
  };
  await raw();
  expect(warnings).toEqual([{ code: "PSESSION_SAVE_AFTER_HEAD" }]);
  await client.get("/add");
  await raw();
  expect((await client.get("/cart")).json).toEqual(["tea", "raw"]);
  warned.mockRestore();
});

test("injected answers have one cookie as text and several as a list, as the framework gives them", async () => {
  const { psession } = testApp(overHttp);
  const app = fastify();
  await app.register(sessions, { psession });
  onTestFinished(() => app.close());
  app.get("/one", { config: { session: true } }, async ({ session }) => {
    session.set("cart", ["tea"]);
    return "one";
  });
  app.get("/two", { config: { session: true } }, async ({ session }, reply) => {
    session.set("cart", ["tea"]);
    return reply.header("set-cookie", "own=1").send("two");
  });
  expect((await app.inject("/one")).headers["set-cookie"]).toMatch(/^psession=/);
  expect((await app.inject("/two")).headers["set-cookie"]).toEqual([
    "own=1",
    expect.stringMatching(/^psession=/),
  ]);
});
