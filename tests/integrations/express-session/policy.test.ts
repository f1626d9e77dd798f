import { createServer } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import express from "express";
import { describe, expect, onTestFinished, test } from "vitest";
import { memoryStore } from "../../../src/index.ts";
import type { SessionOptions } from "../../../src/integrations/express-session/index.ts";
import { closed, HttpClient, listening, serve } from "../../support/http.ts";
import { type Any, type Middleware, NotedStore, original, ours, STRONG, WEAK } from "./sides.ts";

const cookieParser = createRequire(import.meta.url)("cookie-parser");

/** Without a framework: what is given to `next` after the head has left is seen as well. */
async function start(
  session: Middleware,
  options: SessionOptions,
  respond: (request: Any, response: Any) => void,
) {
  const late: string[] = [];
  const middleware = session({ secret: WEAK, resave: true, saveUninitialized: true, ...options });
  const server = createServer((request, response) => {
    middleware(request as Any, response, (error: Any) => {
      if (error === undefined) return respond(request, response);
      if (response.headersSent) return void late.push(error.message);
      response.statusCode = error.status ?? 500;
      response.end(error.message);
    });
  });
  await listening(server);
  onTestFinished(() => closed(server));
  const client = new HttpClient(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const get = async (path: string) => {
    const { status, text } = await client.get(path);
    return [status, text];
  };
  return { get, late };
}

const fails = (...values: Any[]) => values.at(-1)(new Error("boom!"));
const hit = (request: Any, response: Any) => {
  if (request.session !== undefined) request.session.hit = request.url;
  response.end("ok");
};

/** One of each of the differences that docs/express-session.md lists: what each of the two answers. */
const CASES: Record<string, (session: Middleware) => Promise<unknown>> = {
  "a read that fails": async (session) => {
    const store = new NotedStore();
    const { get } = await start(session, { store }, hit);
    await get("/");
    store.instead.get = fails;
    return get("/");
  },
  "a write that fails": async (session) => {
    const store = new NotedStore();
    store.instead.set = fails;
    const { get, late } = await start(session, { store }, hit);
    return [await get("/"), late];
  },
  "a touch that fails": async (session) => {
    const store = new NotedStore();
    const { get, late } = await start(session, { store, resave: false }, (request, response) => {
      request.session.hit = true;
      response.end("ok");
    });
    await get("/");
    store.instead.touch = fails;
    return [await get("/"), late];
  },
  "an end by req.session = null that fails": async (session) => {
    const store = new NotedStore();
    store.instead.destroy = fails;
    const { get, late } = await start(session, { store, unset: "destroy" }, (request, response) => {
      request.session = null;
      response.end("ok");
    });
    return [await get("/"), late];
  },
  "a store that is disconnected": async (session) => {
    const store = new NotedStore();
    const { get } = await start(session, { store }, hit);
    store.emit("disconnect");
    return get("/");
  },
  "a store that is back": async (session) => {
    const store = new NotedStore();
    const { get } = await start(session, { store }, hit);
    store.emit("disconnect");
    const [during] = await get("/");
    store.emit("connect");
    return [during, await get("/")];
  },
  "the same, without sessions": async (session) => {
    const store = new NotedStore();
    const { get } = await start(session, { store, whenUnavailable: "withoutSession" }, hit);
    store.emit("disconnect");
    return get("/");
  },
  "a row without a cookie": async (session) => {
    const store = new NotedStore();
    const { get } = await start(session, { store }, hit);
    await get("/");
    for (const id of store.rows.keys()) store.rows.set(id, '{"foo":"bar"}');
    return (await get("/"))[0];
  },
  "a reload of what is gone": async (session) => {
    const store = new NotedStore();
    const { get } = await start(session, { store, saveUninitialized: false }, (request, response) => {
      request.session.reload((error: Any) => response.end(error.message));
    });
    return get("/");
  },
  "an expiry that is no date": async (session) => {
    try {
      const cookie = { expires: new Date(Number.NaN) };
      const { get, late } = await start(session, { store: new NotedStore(), cookie }, hit);
      return [await get("/"), late];
    } catch (error) {
      return (error as Error).message.split("\n")[1];
    }
  },
  "an empty list of secrets": async (session) => {
    try {
      return session({ secret: [], resave: true, saveUninitialized: true });
    } catch (error) {
      return (error as Error).message.split("\n").at(-1);
    }
  },
  "a second answer": async (session) => {
    let threw: string | undefined;
    const { get } = await start(session, { store: new NotedStore() }, (_request, response) => {
      response.end("first");
      try {
        response.setHeader("Content-Length", "3");
        response.end("two");
      } catch (error) {
        threw = (error as { code?: string }).code;
      }
    });
    return [await get("/"), threw];
  },
};

const outcomes = async (session: Middleware) => {
  const seen: Record<string, unknown> = {};
  for (const [name, ask] of Object.entries(CASES)) seen[name] = await ask(session);
  return seen;
};

const unreadable = "The session store could not be read; the cause says why.";
const unwritten = "The session store could not be written; the cause says why.";

describe("where express-session's own tests want something else", () => {
  test("express-session", async () => {
    expect(await outcomes(original)).toEqual({
      "a read that fails": [500, "boom!"],
      "a write that fails": [[200, "ok"], ["boom!"]],
      "a touch that fails": [[200, "ok"], ["boom!"]],
      "an end by req.session = null that fails": [[200, "ok"], ["boom!"]],
      "a store that is disconnected": [200, "ok"],
      "a store that is back": [200, [200, "ok"]],
      "the same, without sessions": [200, "ok"],
      "a row without a cookie": 500,
      "a reload of what is gone": [200, "failed to load session"],
      "an expiry that is no date": [[200, "ok"], ["option expires is invalid"]],
      "an empty list of secrets": "secret option array must contain one or more strings",
      "a second answer": [[200, "first"], "ERR_HTTP_HEADERS_SENT"],
    });
  });

  test("psession", async () => {
    expect(await outcomes(ours)).toEqual({
      "a read that fails": [503, unreadable],
      "a write that fails": [[503, unwritten], []],
      "a touch that fails": [[200, "ok"], []],
      "an end by req.session = null that fails": [[503, unwritten], []],
      "a store that is disconnected": [503, expect.stringContaining("disconnected")],
      "a store that is back": [503, [200, "ok"]],
      "the same, without sessions": [200, "ok"],
      "a row without a cookie": 200,
      "a reload of what is gone": [200, "Failed to load the session: it is not stored any more."],
      "an expiry that is no date": "- cookie.expires must be a Date, or null",
      "an empty list of secrets": expect.stringMatching(/^- secret must/),
      "a second answer": [[200, "first"], undefined],
    });
  });
});

describe("where they want something else on a psession store", () => {
  const behind = async (session: Middleware, options: SessionOptions, before: (request: Any) => void) => {
    const app = express();
    app.use(cookieParser(STRONG));
    app.use(((request: Any, _response: Any, next: Any) => {
      before(request);
      next();
    }) as Any);
    app.use(session({ resave: false, saveUninitialized: false, secret: STRONG, ...options }) as Any);
    app.get("/", (request: Any, response) => {
      if (request.query.id) request.sessionID = () => {};
      request.session.seen = (request.session.seen ?? 0) + 1;
      response.json(request.session.seen);
    });
    return new HttpClient(await serve(app as Any));
  };
  const SIDES: [string, Middleware, () => SessionOptions][] = [
    ["express-session", original, () => ({ store: new NotedStore() })],
    ["on its store", ours, () => ({ store: new NotedStore() })],
    ["on a psession store", ours, () => ({ store: memoryStore() })],
  ];

  test("cookies are read from the Cookie header, whatever cookie-parser has left", async () => {
    const seen: Record<string, unknown> = {};
    for (const [name, session, options] of SIDES) {
      const client = await behind(session, options(), (request) => {
        delete request.headers.cookie;
      });
      seen[name] = [(await client.get("/")).json, (await client.get("/")).json];
    }
    expect(seen).toEqual({
      "express-session": [1, 2],
      "on its store": [1, 2],
      "on a psession store": [1, 1],
    });
  });

  test("an id that a handler assigns has no effect", async () => {
    const seen: Record<string, unknown> = {};
    for (const [name, session, options] of SIDES) {
      const client = await behind(session, options(), () => {});
      const { setCookie } = await client.get("/?id=bogus");
      seen[name] = [setCookie.length, (await client.get("/")).json];
    }
    expect(seen).toEqual({
      "express-session": [0, 1],
      "on its store": [0, 1],
      "on a psession store": [1, 2],
    });
  });

  test("the secret of cookie-parser is not taken", async () => {
    for (const [name, session, options] of SIDES) {
      const start = () => behind(session, { ...options(), secret: undefined }, () => {});
      if (name === "on a psession store")
        await expect(start()).rejects.toThrow("- secret must have at least");
      else expect((await (await start()).get("/")).json).toBe(1);
    }
  });
});
