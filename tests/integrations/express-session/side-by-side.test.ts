import { createRequire } from "node:module";
import { describe, expect, test, vi } from "vitest";
import type { SessionOptions } from "../../../src/integrations/express-session/index.ts";
import type { Answer } from "../../support/http.ts";
import {
  type Any,
  type Express,
  type Middleware,
  NotedStore,
  original,
  ours,
  start,
  USUAL,
} from "./sides.ts";

const cookieParser = createRequire(import.meta.url)("cookie-parser") as Any;

interface Script {
  readonly options?: SessionOptions;
  readonly define: (app: Express) => void;
  /** Paths, asked one after the other by one browser; what follows a blank are headers. */
  readonly visits: readonly (string | { path: string; headers: Record<string, string> })[];
  /** The calls of the store may differ: this is what ours makes, per visit. */
  readonly calls?: readonly (readonly string[])[];
}

const count = (app: Express) => {
  app.get("/count", (request: Any, response) => {
    request.session.count = (request.session.count ?? 0) + 1;
    response.json(request.session.count);
  });
  app.get("/look", (request: Any, response) => {
    response.json({ count: request.session.count ?? null });
  });
};

const SECURE = { "x-forwarded-proto": "https" };

const scripts: Record<string, Script> = {
  "a first change sets the cookie, a second one does not": {
    define: count,
    visits: ["/count", "/count", "/look"],
    calls: [["set"], ["get", "set"], ["get", "touch"]],
  },
  "an untouched visitor gets no cookie and no row": { define: count, visits: ["/look", "/look"] },
  "saveUninitialized stores and sends what is empty": {
    options: { saveUninitialized: true },
    define: count,
    visits: ["/look", "/look"],
  },
  "resave writes what was not changed": {
    options: { resave: true },
    define: count,
    visits: ["/count", "/look"],
    calls: [["set"], ["get", "set"]],
  },
  "rolling sends the cookie every time": {
    options: { rolling: true, cookie: { maxAge: 60_000 } },
    define: count,
    visits: ["/look", "/count", "/look"],
  },
  "with maxAge a change sends the cookie again": {
    options: { cookie: { maxAge: 60_000 } },
    define: count,
    visits: ["/count", "/look", "/count"],
    calls: [["set"], ["get", "touch"], ["get", "set"]],
  },
  "the attributes of the cookie": {
    options: {
      name: "sid",
      cookie: {
        path: "/a",
        domain: "localhost",
        httpOnly: false,
        sameSite: "strict",
        priority: "high",
        partitioned: true,
      },
    },
    define: (app) => {
      app.get("/a/b", (request: Any, response) => {
        request.session.x = 1;
        response.send(`${request.sessionID === request.session.id}`);
      });
      app.get("/c", (request: Any, response) => response.send(`${request.session === undefined}`));
    },
    visits: ["/a/b", "/c"],
  },
  "a cookie function is asked for each request": {
    options: { cookie: (request) => ({ path: request.url === "/count" ? "/count" : "/" }) },
    define: count,
    visits: ["/count", "/look"],
  },
  "a secure cookie needs a secure connection": {
    options: { cookie: { secure: true } },
    define: count,
    visits: ["/count", { path: "/count", headers: SECURE }],
  },
  "a secure cookie behind a proxy that is believed": {
    options: { cookie: { secure: true }, proxy: true },
    define: count,
    visits: [
      { path: "/count", headers: SECURE },
      { path: "/count", headers: { "x-forwarded-proto": "https,http" } },
      { path: "/count", headers: { "x-forwarded-proto": "http" } },
    ],
    calls: [["set"], ["get", "set"], ["get", "set"]],
  },
  "secure: auto follows Express's trust": {
    options: { cookie: { secure: "auto", sameSite: "auto" } },
    define: (app) => {
      app.set("trust proxy", true);
      count(app);
    },
    visits: [
      { path: "/count", headers: SECURE },
      { path: "/look", headers: {} },
    ],
  },
  "regenerate with a callback": {
    define: (app) => {
      count(app);
      app.get("/new", (request: Any, response) => {
        const { id } = request.session;
        const result = request.session.regenerate((error: Any) => {
          response.json([error ?? null, request.session.id !== id, request.session.count ?? null]);
        });
        expect(result.id).toBe(id);
      });
    },
    visits: ["/count", "/new", "/look"],
  },
  "regenerate and save, as at a sign-in": {
    define: (app) => {
      count(app);
      app.get("/in", (request: Any, response) => {
        request.session.regenerate(() => {
          request.session.name = "ada";
          request.session.save(() => response.redirect("/me"));
        });
      });
      app.get("/me", (request: Any, response) => response.json(request.session.name ?? null));
    },
    visits: ["/count", "/in", "/me"],
    // The original writes the session a second time when the response ends.
    calls: [["set"], ["get", "destroy", "set"], ["get", "touch"]],
  },
  "destroy with a callback": {
    define: (app) => {
      count(app);
      app.get("/out", (request: Any, response) => {
        request.session.destroy((error: Any) => response.json([error ?? null, request.session ?? null]));
      });
    },
    visits: ["/count", "/out", "/look", "/count"],
    calls: [["set"], ["get", "destroy"], [], ["set"]],
  },
  "req.session = null keeps the row": {
    define: (app) => {
      count(app);
      app.get("/null", (request: Any, response) => {
        request.session = null;
        response.send("gone");
      });
    },
    visits: ["/count", "/null", "/look"],
  },
  "req.session = null with unset destroy": {
    options: { unset: "destroy" },
    define: (app) => {
      count(app);
      app.get("/null", (request: Any, response) => {
        request.session = null;
        response.send("gone");
      });
    },
    visits: ["/count", "/null", "/look"],
    calls: [["set"], ["get", "destroy"], []],
  },
  "reload brings back what is stored": {
    define: (app) => {
      count(app);
      app.get("/reload", (request: Any, response) => {
        request.session.count = 99;
        request.session.reload((error: Any) => response.json([error ?? null, request.session.count]));
      });
    },
    visits: ["/count", "/reload", "/look"],
  },
  "reload and save": {
    define: (app) => {
      count(app);
      app.get("/reload", (request: Any, response) => {
        request.session.reload(() => {
          request.session.count = 7;
          request.session.save(() => response.json(request.session.count));
        });
      });
    },
    visits: ["/count", "/reload", "/look"],
    calls: [["set"], ["get", "get", "get", "set"], ["get", "touch"]],
  },
  "a life of its own": {
    define: (app) => {
      app.get("/long", (request: Any, response) => {
        request.session.cookie.maxAge = 86_400_000;
        request.session.who = "ada";
        response.json(request.session.cookie.originalMaxAge);
      });
      app.get("/look", (request: Any, response) => response.json(request.session.cookie.originalMaxAge));
      app.get("/short", (request: Any, response) => {
        request.session.cookie.expires = false;
        request.session.who = "eve";
        response.json(request.session.cookie.maxAge);
      });
    },
    visits: ["/long", "/look", "/short", "/look"],
    calls: [["set"], ["get", "touch"], ["get", "set"], ["get", "touch"]],
  },
  "what is enumerable": {
    define: (app) => {
      app.get("/keys", (request: Any, response) => {
        request.session.a = 1;
        const names = [];
        for (const name in request.session) names.push(name);
        response.json([
          Object.keys(request.session).sort(),
          names.sort(),
          JSON.parse(JSON.stringify(request.session)),
        ]);
      });
    },
    visits: ["/keys"],
  },
  "methods can be chained": {
    define: (app) => {
      app.get("/chain", (request: Any, response) => {
        request.session.a = 1;
        const { session } = request;
        response.json(session.touch() === session && session.resetMaxAge() === session);
      });
    },
    visits: ["/chain", "/chain"],
  },
  "req.session that exists is left alone": {
    define: (app) => {
      app.use(ours({ secret: "another", name: "other", resave: false, saveUninitialized: true }) as Any);
      count(app);
    },
    visits: ["/count", "/count"],
    calls: [["set"], ["get", "set"]],
  },
  "changes after the head was sent are stored": {
    define: (app) => {
      count(app);
      app.get("/late", (request: Any, response) => {
        request.session.count = 10;
        response.write("one ");
        request.session.count = 20;
        response.end("two");
      });
    },
    visits: ["/late", "/look"],
    calls: [["set"], ["get", "touch"]],
  },
  "a nested change is found": {
    define: (app) => {
      app.get("/push", (request: Any, response) => {
        request.session.deep ??= { list: [] };
        request.session.deep.list.push(1);
        response.json(request.session.deep);
      });
    },
    visits: ["/push", "/push", "/push"],
    calls: [["set"], ["get", "set"], ["get", "set"]],
  },
  "reserved names in a row are dropped": {
    define: (app) => {
      app.get("/reserve", (request: Any, response) => {
        request.session.ok = true;
        request.sessionStore.set(
          request.session.id,
          { cookie: request.session.cookie, save: "no", ok: 1 },
          () => response.send("ok"),
        );
      });
      app.get("/save", (request: Any, response) => response.send(typeof request.session.save));
    },
    visits: ["/reserve", "/save"],
    calls: [
      ["set", "set"],
      ["get", "touch"],
    ],
  },
  "store.load and store.regenerate": {
    define: (app) => {
      count(app);
      app.get("/load", (request: Any, response) => {
        request.sessionStore.load(request.sessionID, (error: Any, found: Any) => {
          response.json([error ?? null, found.count, found.id === request.sessionID]);
        });
      });
      app.get("/regenerate", (request: Any, response) => {
        request.sessionStore.regenerate(request, () => response.json(request.session.count ?? null));
      });
    },
    visits: ["/count", "/load", "/regenerate", "/look"],
  },
  "save prevents the save at the end, reloaded or not": {
    define: (app) => {
      count(app);
      app.get("/saved", (request: Any, response) => {
        request.session.saved = (request.session.saved ?? 0) + 1;
        request.session.save(() => {
          request.session.reload(() => response.json(request.session.saved));
        });
      });
    },
    visits: ["/saved", "/saved"],
    // The original writes once more, or touches, where nothing is left to write.
    calls: [
      ["set", "get"],
      ["get", "set", "get", "touch"],
    ],
  },
  "an expiry in the past, and one that is taken away": {
    options: { cookie: { maxAge: 5000 } },
    define: (app) => {
      app.get("/past", (request: Any, response) => {
        request.session.x = (request.session.x ?? 0) + 1;
        request.session.cookie.expires = new Date(0);
        response.json(request.session.cookie.maxAge < 0);
      });
      app.get("/none", (request: Any, response) => {
        request.session.x = (request.session.x ?? 0) + 1;
        request.session.cookie.expires = null;
        response.json([request.session.cookie.maxAge, request.session.cookie.originalMaxAge]);
      });
      app.get("/maxage", (request: Any, response) => {
        request.session.x = (request.session.x ?? 0) + 1;
        request.session.cookie.maxAge = 3_600_000;
        response.json([request.session.cookie.maxAge, request.session.cookie.originalMaxAge]);
      });
      app.get("/original", (request: Any, response) => response.json(request.session.cookie.originalMaxAge));
    },
    visits: ["/none", "/maxage", "/original", "/past"],
    calls: [["set"], ["get", "set"], ["get", "touch"], ["get", "set"]],
  },
  "an id that is given again and again": {
    options: { genid: () => "%apple" },
    define: (app) => {
      count(app);
      app.get("/new", (request: Any, response) => {
        request.session.regenerate(() => {
          request.session.fresh = 1;
          response.json(request.session.id);
        });
      });
    },
    visits: ["/count", "/new", "/look"],
    calls: [["set"], ["get", "destroy", "set"], ["get", "touch"]],
  },
};

/** Values differ by nature: ids, signatures and moments. */
function shapeOf(line: string): string[] {
  const [pair = "", ...attributes] = line.split("; ");
  const value = decodeURIComponent(pair.slice(pair.indexOf("=") + 1));
  expect(value).toMatch(/^s:([\w-]{32}|%apple)\.[\w+/]{43}$/);
  // Ours says Max-Age besides: a documented difference.
  const named = attributes.filter((attribute) => !attribute.startsWith("Max-Age"));
  return [
    pair.split("=")[0] ?? "",
    ...named.map((attribute) => attribute.replace(/^Expires=.*/, "Expires")).sort(),
  ];
}

const seen = ({ status, text, setCookie, headers }: Answer) => ({
  status,
  text,
  setCookie: setCookie.map(shapeOf),
  location: headers.get("location"),
  type: headers.get("content-type"),
});

async function play(middleware: Middleware, { options = {}, define, visits }: Script) {
  const store = new NotedStore();
  const client = await start(middleware, { ...options, store }, define);
  const answers = [];
  for (const visit of visits) {
    const { path, headers } = typeof visit === "string" ? { path: visit, headers: {} } : visit;
    const answer = await client.get(path, headers);
    const expires = answer.setCookie.map((line) => /Expires=([^;]*)/.exec(line)?.[1]);
    answers.push({ ...seen(answer), expires, calls: store.taken() });
  }
  const rows = store
    .data()
    .map(({ cookie, ...data }) => ({ ...data, cookie: Object.keys(cookie as object).sort() }));
  return { answers, rows };
}

describe("beside express-session", () => {
  vi.useFakeTimers({ toFake: ["Date"], now: Date.UTC(2030, 0, 1) });

  test("any of the secrets verifies a cookie, the first signs", async () => {
    for (const [first, second] of [
      [original, ours],
      [ours, original],
    ] as const) {
      const store = new NotedStore();
      const before = await start(first, { store, secret: "old cat" }, count);
      await before.get("/count");
      const after = await start(second, { store, secret: [Buffer.from("new cat"), "old cat"] }, count);
      after.jar = new Map(before.jar);
      expect((await after.get("/count")).json).toBe(2);
      const only = await start(second, { store, secret: "new cat" }, count);
      await after.get("/count");
      only.jar = new Map(after.jar);
      expect((await only.get("/look")).json).toEqual({ count: null });
    }
  });

  test("without a secret, cookie-parser's is taken; without that too, it is an error", async () => {
    for (const side of [original, ours]) {
      const parsed = ((options: SessionOptions) => {
        const parse = cookieParser("keyboard cat");
        const session = side(options);
        return (request: Any, response: Any, next: Any) =>
          parse(request, response, () => {
            // As where something on the way took the header.
            delete request.headers.cookie;
            session(request, response, next);
          });
      }) as Middleware;
      const store = new NotedStore();
      const client = await start(parsed, { store, secret: undefined }, count);
      await client.get("/count");
      expect((await client.get("/count")).json).toBe(2);
      const without = await start(side, { store, secret: undefined }, count);
      expect((await without.get("/count")).status).toBe(500);
    }
  });

  test("mounted below a path, the cookie's path is the browser's", async () => {
    for (const side of [original, ours]) {
      const client = await start(
        () => (_request: Any, _response: Any, next: Any) => next(),
        {},
        (app) => {
          app.use("/foo", side({ ...USUAL, cookie: { path: "/foo/bar" } }) as Any);
          app.get("/foo/*path", (request: Any, response) => {
            if (request.session) request.session.x = 1;
            response.send("ok");
          });
        },
      );
      expect((await client.get("/foo/bar")).setCookie).toHaveLength(1);
      expect((await client.get("/foo/foo/bar")).setCookie).toEqual([]);
    }
  });

  test.each(Object.entries(scripts))("%s", async (_, script) => {
    const theirs = await play(original, script);
    const here = await play(ours, script);
    for (const [index, calls] of (script.calls ?? []).entries()) {
      expect(here.answers[index]?.calls).toEqual(calls);
      if (theirs.answers[index] && here.answers[index])
        theirs.answers[index].calls = here.answers[index].calls;
    }
    expect(here).toEqual(theirs);
  });
});
