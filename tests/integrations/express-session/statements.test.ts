import { createRequire } from "node:module";
import express5 from "express";
import { describe, expect, test } from "vitest";
import type { SessionOptions } from "../../../src/integrations/express-session/index.ts";
import { HttpClient, serve } from "../../support/http.ts";
import { type Any, type Middleware, NotedStore, original, ours, USUAL } from "./sides.ts";

const require = createRequire(import.meta.url);
const { Passport } = require("passport") as Any;
const { Strategy } = require("passport-local") as Any;

type Deed = keyof typeof DEEDS;
const login = (client: HttpClient) =>
  client.request("/login", {
    method: "POST",
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: "username=ada&password=any",
  });
const DEEDS = {
  "a first sign-in": login,
  "a page that reads": (client: HttpClient) => client.get("/read"),
  "a page that writes": (client: HttpClient) => client.get("/write"),
  "a page that writes and saves": (client: HttpClient) => client.get("/save"),
  "a sign-out": (client: HttpClient) => client.get("/logout"),
  "a page that nobody is signed in at": (client: HttpClient) => client.get("/read"),
  "a sign-in of a visitor": login,
  "a sign-out that keeps the data": (client: HttpClient) => client.get("/forget"),
  "an end": (client: HttpClient) => client.get("/destroy"),
};

/** What each deed asks of the application's own store, in the order in which one browser does them. */
async function statements(session: Middleware, options: SessionOptions = {}): Promise<Record<Deed, string>> {
  const store = new NotedStore();
  const passport = new Passport();
  passport.use(new Strategy((username: string, _: string, done: Any) => done(null, { id: username })));
  passport.serializeUser((user: { id: string }, done: Any) => done(null, user.id));
  passport.deserializeUser((id: string, done: Any) => done(null, { id }));
  const app = express5();
  app.use(session({ ...USUAL, store, ...options }) as Any);
  app.use(express5.urlencoded({ extended: false }), passport.session());
  app.post("/login", passport.authenticate("local", { successRedirect: "/read" }));
  const write = (request: Any) => {
    request.session.seen = (request.session.seen ?? 0) + 1;
  };
  app.get("/read", (request: Any, response) => response.json(request.session.seen ?? null));
  app.get("/write", (request: Any, response) => {
    write(request);
    response.json("ok");
  });
  app.get("/save", (request: Any, response) => {
    write(request);
    request.session.save((error: Any) => response.json(error ?? "ok"));
  });
  app.get("/logout", (request: Any, response, next) => {
    request.logout((error: Any) => (error ? next(error) : response.redirect("/read")));
  });
  app.get("/forget", (request: Any, response) => {
    delete request.session.passport;
    request.session.save((error: Any) => response.json(error ?? "ok"));
  });
  app.get("/destroy", (request: Any, response) => {
    request.session.destroy((error: Any) => response.json(error ?? "ok"));
  });
  const client = new HttpClient(await serve(app as Any));
  const seen = {} as Record<Deed, string>;
  for (const [deed, does] of Object.entries(DEEDS)) {
    const { status } = await does(client);
    expect([200, 302]).toContain(status);
    seen[deed as Deed] = store.taken().join(" ");
  }
  return seen;
}

describe("what passport's flows ask of an own store", () => {
  test("with express-session", async () => {
    expect(await statements(original)).toEqual({
      "a first sign-in": "destroy set set",
      "a page that reads": "get touch",
      "a page that writes": "get set",
      "a page that writes and saves": "get set touch",
      "a sign-out": "get set destroy set",
      "a page that nobody is signed in at": "get touch",
      "a sign-in of a visitor": "get destroy set set",
      "a sign-out that keeps the data": "get set touch",
      "an end": "get destroy",
    } satisfies Record<Deed, string>);
  });

  test("here: no more", async () => {
    expect(await statements(ours)).toEqual({
      "a first sign-in": "set",
      "a page that reads": "get touch",
      "a page that writes": "get set",
      "a page that writes and saves": "get set",
      "a sign-out": "get destroy set",
      "a page that nobody is signed in at": "get touch",
      "a sign-in of a visitor": "get destroy set",
      "a sign-out that keeps the data": "get destroy set",
      "an end": "get destroy",
    } satisfies Record<Deed, string>);
  });

  test("here, where the handler waits for something: one read more, as others may have changed the session", async () => {
    const store = new NotedStore();
    const app = express5();
    app.use(ours({ ...USUAL, store }) as Any);
    app.get("/write", async (request: Any, response) => {
      await new Promise((resolve) => setImmediate(resolve));
      request.session.seen = (request.session.seen ?? 0) + 1;
      response.json("ok");
    });
    const client = new HttpClient(await serve(app as Any));
    await client.get("/write");
    store.taken();
    await client.get("/write");
    expect(store.taken().join(" ")).toBe("get get set");
  });
});

describe("a sign-out that the handler saves", () => {
  const start = async (define: (app: ReturnType<typeof express5>) => void, options: SessionOptions = {}) => {
    const store = new NotedStore();
    const app = express5();
    app.use(ours({ ...USUAL, store, ...options }) as Any);
    app.get("/in", (request: Any, response) => {
      Object.assign(request.session, { userId: 7, cart: ["book"] });
      response.json("ok");
    });
    app.get("/me", ({ session }: Any, response) =>
      response.json([session.userId ?? null, session.cart ?? []]),
    );
    define(app);
    app.use(((error: Any, _: Any, response: Any, _next: Any) =>
      response.status(error.status ?? 500).json({ code: error.code })) as Any);
    return { client: new HttpClient(await serve(app as Any)), store };
  };

  test("has ended the old row when it is saved, and keeps what is left under a new id", async () => {
    const { client, store } = await start((app) => {
      app.get("/out", (request: Any, response) => {
        const { sessionID } = request;
        delete request.session.userId;
        request.session.save(() =>
          response.json([store.rows.has(sessionID), request.sessionID !== sessionID]),
        );
      });
    });
    await client.get("/in");
    expect((await client.get("/out")).json).toEqual([false, true]);
    expect((await client.get("/me")).json).toEqual([null, ["book"]]);
    expect(store.rows.size).toBe(1);
  });

  test("can be saved and read again in that very request", async () => {
    const { client, store } = await start((app) => {
      app.get("/out", async (request: Any, response) => {
        delete request.session.userId;
        await request.session.saveAsync();
        await request.session.reloadAsync();
        request.session.cart.push("pen");
        await request.session.saveAsync();
        response.json([request.session.cart, store.data().map(({ cart }) => cart)]);
      });
    });
    await client.get("/in");
    expect((await client.get("/out")).json).toEqual([["book", "pen"], [["book", "pen"]]]);
    expect((await client.get("/me")).json).toEqual([null, ["book", "pen"]]);
  });

  test("that failed is done again by the response, or is its error", async () => {
    const { client, store } = await start((app) => {
      app.get("/out", (request: Any, response) => {
        store.instead.destroy = (_id: Any, done: Any) => done(new Error("lost"));
        delete request.session.userId;
        request.session.save((error: Any) => {
          if (request.query.heals) delete store.instead.destroy;
          response.json(error?.code ?? "ok");
        });
      });
    });
    await client.get("/in");
    expect((await client.get("/out")).status).toBe(503);
    delete store.instead.destroy;
    expect((await client.get("/me")).json).toEqual([7, ["book"]]);
    expect((await client.get("/out?heals=1")).json).toBe("store_unavailable");
    expect((await client.get("/me")).json).toEqual([null, ["book"]]);
  });

  test("keeps an id that the application gives itself", async () => {
    const { client, store } = await start(
      (app) => {
        app.get("/out", (request: Any, response) => {
          delete request.session.userId;
          request.session.save(() => response.json(store.data().map(({ userId }) => userId ?? null)));
        });
      },
      { genid: () => "fixed" },
    );
    await client.get("/in");
    expect((await client.get("/out")).json).toEqual([null]);
    expect((await client.get("/me")).json).toEqual([null, ["book"]]);
  });
});

describe("a session that was read just now is not read again, unless this process changed it", () => {
  const visited = async (define: (app: ReturnType<typeof express5>, store: NotedStore) => void) => {
    const store = new NotedStore();
    const app = express5();
    app.use(ours({ ...USUAL, store }) as Any);
    app.get("/visit", (request: Any, response) => {
      request.session.seen = (request.session.seen ?? 0) + 1;
      request.session.userId = 7;
      response.json([request.session.seen, request.session.planted ?? null]);
    });
    define(app, store);
    const client = new HttpClient(await serve(app as Any));
    await client.get("/visit");
    return { client, store };
  };

  test("by a call of the store that is not awaited", async () => {
    const { client, store } = await visited((app) => {
      app.get("/end", (request: Any, response) => {
        request.sessionStore.destroy(request.sessionID);
        request.session.seen = 40;
        response.json("ok");
      });
      app.get("/plant", (request: Any, response) => {
        const { sessionID: id, session } = request;
        request.sessionStore.set(id, { ...session, planted: true });
        session.seen = 50;
        response.json("ok");
      });
    });
    await client.get("/plant");
    expect((await client.get("/visit")).json).toEqual([51, true]);
    await client.get("/end");
    expect(store.rows.size).toBe(0);
    expect((await client.get("/visit")).json).toEqual([1, null]);
  });

  test("by another request, between the read and its answer", async () => {
    const { client, store } = await visited((app) => {
      app.get("/other", (request: Any, response) => {
        request.session.planted = "by another";
        response.json("ok");
      });
    });
    const read = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    store.instead.get = (id: string, done: Any) => {
      delete store.instead.get;
      const text = store.rows.get(id) ?? "null";
      read.resolve();
      goOn.promise.then(() => done(null, JSON.parse(text)));
    };
    const slow = client.get("/visit");
    await read.promise;
    await client.get("/other");
    goOn.resolve();
    expect((await slow).json).toEqual([2, null]);
    expect((await client.get("/visit")).json).toEqual([3, "by another"]);
  });
});
