import { channel } from "node:diagnostics_channel";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import type { SessionOptions } from "../../../src/integrations/express-session/index.ts";
import { HttpClient } from "../../support/http.ts";
import { type Any, type Express, type Middleware, NotedStore, original, ours, start, WEAK } from "./sides.ts";
import { warnings } from "./warnings.ts";

/** What two requests do in an order that the test decides. */
function gate() {
  const { promise: arrived, resolve: arrive } = Promise.withResolvers<void>();
  const { promise: opened, resolve: open } = Promise.withResolvers<void>();
  return {
    arrived,
    open,
    pass: () => {
      arrive();
      return opened;
    },
  };
}

const same = (client: HttpClient) => {
  const other = new HttpClient(client.base);
  other.jar = new Map(client.jar);
  return other;
};

const login = (app: Express) => {
  app.get("/login", (request: Any, response) => {
    request.session.userId = 7;
    response.send("in");
  });
  app.get("/logout", (request: Any, response) => {
    delete request.session.userId;
    response.send("out");
  });
  app.get("/visit", (request: Any, response) => {
    request.session.seen = (request.session.seen ?? 0) + 1;
    response.json({ userId: request.session.userId ?? null, seen: request.session.seen });
  });
  app.get("/me", (request: Any, response) => response.json({ userId: request.session.userId ?? null }));
};

describe("an id that was planted before the sign-in", () => {
  const attack = async (middleware: Middleware, options: SessionOptions = {}) => {
    const store = new NotedStore();
    const victim = await start(middleware, { store, ...options }, login);
    await victim.get("/visit");
    const planted = same(victim);
    await victim.get("/login");
    expect((await victim.get("/me")).json).toEqual({ userId: 7 });
    return { seen: (await planted.get("/me")).json.userId, store, victim };
  };

  test("is the user's session with express-session, where the application does not regenerate", async () => {
    expect((await attack(original)).seen).toBe(7);
  });

  test("is worth nothing here: the session moved to a new id, with its data", async () => {
    const { seen, store, victim } = await attack(ours);
    expect(seen).toBeNull();
    expect(store.rows.size).toBe(1);
    expect((await victim.get("/visit")).json).toEqual({ userId: 7, seen: 2 });
  });

  test("the application can say which user is signed in, or that none is", async () => {
    expect(
      (await attack(ours, { user: ({ userId }) => (userId === 7 ? "seven" : undefined) })).seen,
    ).toBeNull();
    expect((await attack(ours, { user: false })).seen).toBe(7);
  });

  test("a sign-out exchanges the id as well", async () => {
    const { victim } = await attack(ours);
    const before = same(victim);
    expect((await victim.get("/logout")).setCookie).toHaveLength(1);
    expect((await before.get("/me")).json).toEqual({ userId: null });
  });

  test("a save before the response exchanges it already", async () => {
    const store = new NotedStore();
    const client = await start(ours, { store }, (app) => {
      login(app);
      app.get("/saved", (request: Any, response) => {
        const { id } = request.session;
        request.session.passport = { user: { id: "ada" } };
        request.session.save((error: Any) => response.json([error ?? null, request.sessionID !== id]));
      });
    });
    await client.get("/visit");
    const answer = await client.get("/saved");
    expect(answer.json).toEqual([null, true]);
    expect(answer.setCookie).toHaveLength(1);
    expect(store.rows.size).toBe(1);
  });

  test("a sign-in that can set no cookie any more is refused", async () => {
    const client = await start(ours, { store: new NotedStore() }, (app) => {
      login(app);
      app.get("/late", async (request: Any, response) => {
        response.write("head ");
        await new Promise((resolve) => setImmediate(resolve));
        await new Promise((resolve) => setImmediate(resolve));
        while (!response.headersSent) await new Promise((resolve) => setImmediate(resolve));
        request.session.userId = 7;
        request.session.save((error: Any) => response.end(error?.code ?? "saved"));
      });
    });
    await client.get("/visit");
    expect((await client.get("/late")).text).toBe("head headers_already_sent");
  });
});

describe("a session that was ended", () => {
  const race = async (middleware: Middleware) => {
    const slow = gate();
    const store = new NotedStore();
    const client = await start(middleware, { store }, (app) => {
      login(app);
      app.get("/slow", async (request: Any, response) => {
        request.session.slow = true;
        await slow.pass();
        response.send("done");
      });
      app.get("/end", (request: Any, response) => {
        request.session.destroy(() => response.send("ended"));
      });
    });
    await client.get("/visit");
    const captured = same(client);
    const pending = same(client).get("/slow");
    await slow.arrived;
    await client.get("/end");
    slow.open();
    const answer = await pending;
    return { answer, store, captured };
  };

  test("comes back with express-session, by a request that was under way", async () => {
    const { store, captured } = await race(original);
    expect(store.rows.size).toBe(1);
    expect((await captured.get("/visit")).json.seen).toBe(2);
  });

  test("stays ended here, and the request is answered", async () => {
    const { answer, store, captured } = await race(ours);
    expect(answer.status).toBe(200);
    expect(answer.setCookie).toEqual([]);
    expect(store.rows.size).toBe(0);
    expect((await captured.get("/visit")).json.seen).toBe(1);
  });

  test("stays ended where a save of another process brings its row back", async () => {
    const store = new NotedStore();
    const client = await start(ours, { store }, (app) => {
      login(app);
      app.get("/end", (request: Any, response) => request.session.destroy(() => response.send("ended")));
    });
    await client.get("/visit");
    const captured = same(client);
    const [row = ["", ""]] = store.rows;
    await client.get("/end");
    store.rows.set(...row);
    expect((await captured.get("/visit")).json.seen).toBe(1);
  });

  test("stays ended where another process ended it, and emits saveDiscarded", async () => {
    const told: Any[] = [];
    const listen = (message: unknown) => void told.push(message);
    channel("psession:saveDiscarded").subscribe(listen);
    onTestFinished(() => void channel("psession:saveDiscarded").unsubscribe(listen));
    const slow = gate();
    const store = new NotedStore();
    const client = await start(ours, { store }, (app) => {
      login(app);
      app.get("/slow", async (request: Any, response) => {
        await slow.pass();
        request.session.slow = true;
        request.session.save((error: Any) => response.json(error?.code ?? null));
      });
    });
    await client.get("/visit");
    const pending = client.get("/slow");
    await slow.arrived;
    // Another process's statement comes in a turn of its own.
    await new Promise((resolve) => setImmediate(resolve));
    const [id = ""] = store.rows.keys();
    store.rows.clear();
    slow.open();
    expect((await pending).json).toBe("session_ended");
    expect(store.rows.size).toBe(0);
    expect(told).toMatchObject([{ type: "saveDiscarded", why: "ended" }]);
    expect(JSON.stringify(told)).not.toContain(id);
  });
});

test("a sign-in on a session that was ended meanwhile gets a new session", async () => {
  const slow = gate();
  const store = new NotedStore();
  const client = await start(ours, { store }, (app) => {
    login(app);
    app.get("/slow-login", async (request: Any, response) => {
      await slow.pass();
      request.session.userId = 7;
      response.send("in");
    });
    app.get("/end", (request: Any, response) => {
      request.session.destroy(() => response.send("ended"));
    });
  });
  await client.get("/visit");
  const captured = same(client);
  const other = same(client);
  const pending = other.get("/slow-login");
  await slow.arrived;
  await client.get("/end");
  slow.open();
  expect((await pending).setCookie).toHaveLength(1);
  expect((await other.get("/me")).json).toEqual({ userId: 7 });
  expect((await captured.get("/me")).json).toEqual({ userId: null });
  expect(store.rows.size).toBe(1);
});

test("rows with keys that no session can have are read, merged and saved without them", async () => {
  const store = new NotedStore();
  const client = await start(ours, { store }, login);
  await client.get("/visit");
  for (const [id, text] of store.rows) {
    store.rows.set(id, text.replace("{", '{"__proto__":{"userId":9},"id":"planted","save":1,"req":2,'));
  }
  expect((await client.get("/visit")).json).toEqual({ userId: null, seen: 2 });
  await client.get("/login");
  expect((await client.get("/visit")).json).toEqual({ userId: 7, seen: 3 });
});

test("a call that the store never answers holds its session up for half a minute, not for good", async () => {
  const store = new NotedStore();
  const client = await start(ours, { store }, login);
  await client.get("/visit");
  const lost = Promise.withResolvers<void>();
  store.instead.set = () => lost.resolve();
  const hanging = client.get("/visit").catch(() => {});
  await lost.promise;
  delete store.instead.set;
  const waits = Promise.withResolvers<() => void>();
  const timers = vi.spyOn(globalThis, "setTimeout").mockImplementation(((call: () => void, after: number) => {
    if (after === 30_000) waits.resolve(call);
    return { unref: () => undefined };
  }) as unknown as typeof setTimeout);
  onTestFinished(() => timers.mockRestore());
  const next = client.get("/visit");
  (await waits.promise)();
  expect((await next).json.seen).toBe(2);
  timers.mockRestore();
  void hanging;
});

test("a session that the store itself made anew is merged and saved as any other", async () => {
  const store = new NotedStore();
  const client = await start(ours, { store }, (app) => {
    login(app);
    app.get("/made", (request: Any, response) => {
      request.sessionStore.get(request.sessionID, (_error: Any, data: Any) => {
        request.sessionStore.createSession(request, data);
        request.session.made = true;
        response.send("ok");
      });
    });
  });
  await client.get("/visit");
  await client.get("/login");
  expect((await client.get("/made")).setCookie).toEqual([]);
  expect(store.data()).toMatchObject([{ seen: 1, userId: 7, made: true }]);
});

describe("two requests that change one session at a time", () => {
  const race = async (middleware: Middleware) => {
    const slow = gate();
    const store = new NotedStore();
    const client = await start(middleware, { store }, (app) => {
      app.get("/add/:key", async (request: Any, response) => {
        request.session[request.params.key] = true;
        if (request.query.wait) await slow.pass();
        response.json(Object.keys(request.session));
      });
    });
    await client.get("/add/first");
    const pending = same(client).get("/add/slow?wait=1");
    await slow.arrived;
    await client.get("/add/fast");
    slow.open();
    await pending;
    return Object.keys(store.data()[0] ?? {}).filter((key) => key !== "cookie");
  };

  test("lose one change with express-session", async () => {
    expect(await race(original)).toEqual(["first", "slow"]);
  });

  test("keep both here", async () => {
    expect((await race(ours)).sort()).toEqual(["fast", "first", "slow"]);
  });

  test("keep all fifty", async () => {
    const store = new NotedStore();
    const client = await start(ours, { store }, (app) => {
      app.get("/add/:key", (request: Any, response) => {
        request.session[`k${request.params.key}`] = { list: [request.params.key] };
        response.send("ok");
      });
    });
    await client.get("/add/0");
    await Promise.all(Array.from({ length: 50 }, (_, index) => same(client).get(`/add/${index + 1}`)));
    expect(Object.keys(store.data()[0] ?? {})).toHaveLength(52);
  });
});

describe("a request that was sent before the new cookie arrived", () => {
  const race = async (middleware: Middleware) => {
    const client = await start(middleware, { store: new NotedStore() }, (app) => {
      login(app);
      app.get("/in", (request: Any, response) => {
        request.session.regenerate(() => {
          request.session.userId = 7;
          response.send("in");
        });
      });
    });
    await client.get("/visit");
    const early = same(client);
    await client.get("/in");
    const late = await early.get("/visit");
    return { late, early, client };
  };

  test("overwrites the new cookie with express-session: the user is signed out", async () => {
    expect((await race(original)).late.setCookie).toHaveLength(1);
  });

  test("gets an empty session that sets no cookie here, for ten seconds", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    onTestFinished(() => void vi.useRealTimers());
    const { late, early, client } = await race(ours);
    expect(late.json).toEqual({ userId: null, seen: 1 });
    expect(late.setCookie).toEqual([]);
    expect((await client.get("/me")).json).toEqual({ userId: 7 });
    vi.setSystemTime(Date.now() + 10_001);
    expect((await early.get("/visit")).setCookie).toHaveLength(1);
  });

  test("can sign in all the same", async () => {
    const { early } = await race(ours);
    expect((await early.get("/login")).setCookie).toHaveLength(1);
    expect((await early.get("/me")).json).toEqual({ userId: 7 });
  });
});

describe("a redirect", () => {
  test("arrives when the save is done, and not where it failed", async () => {
    const store = new NotedStore();
    const client = await start(ours, { store }, (app) => {
      app.get("/go", (request: Any, response) => {
        request.session.x = (request.session.x ?? 0) + 1;
        response.redirect("/there");
      });
    });
    const held = gate();
    store.instead.set = async (id, data, done) => {
      store.rows.set(id, JSON.stringify(data));
      await held.pass();
      done();
    };
    let hasAnswered = false;
    const pending = client.get("/go").finally(() => {
      hasAnswered = true;
    });
    await held.arrived;
    await fetch(`${client.base}/there`);
    expect(hasAnswered).toBe(false);
    held.open();
    expect((await pending).status).toBe(302);

    store.instead.set = (_id, _data, done) => done(new Error("disk full"));
    const failed = await client.get("/go");
    expect(failed.status).toBe(503);
    expect(failed.setCookie).toEqual([]);
    expect(failed.json.code).toBe("store_unavailable");
  });
});

describe("a store that is down", () => {
  const boom = Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });
  const socket = Object.assign(new Error("connect ENOENT /run/pg"), { code: "ENOENT", syscall: "connect" });

  const visitWhileDown = async (middleware: Middleware, error: Error, options: SessionOptions = {}) => {
    const store = new NotedStore();
    const client = await start(middleware, { store, ...options }, (app) => {
      app.get("/", (request: Any, response) => {
        if (request.session) request.session.x = 1;
        response.send(request.session ? "session" : "none");
      });
    });
    await client.get("/");
    store.instead.get = (_id, done) => done(error);
    return client.get("/");
  };

  test("is an error of status 503 that sets no cookie", async () => {
    const answer = await visitWhileDown(ours, boom);
    expect(answer.status).toBe(503);
    expect(answer.json.code).toBe("store_unavailable");
    expect(answer.setCookie).toEqual([]);
  });

  test("is not taken for a session that is missing, where its socket file is", async () => {
    expect((await visitWhileDown(original, socket)).setCookie).toHaveLength(1);
    const answer = await visitWhileDown(ours, socket);
    expect(answer.status).toBe(503);
    expect(answer.setCookie).toEqual([]);
  });

  test("a file that is missing is a session that is missing", async () => {
    const missing = Object.assign(new Error("open"), { code: "ENOENT", syscall: "open" });
    expect((await visitWhileDown(ours, missing)).text).toBe("session");
  });

  test("lets visitors in without a session where the application says so", async () => {
    const answer = await visitWhileDown(ours, boom, { whenUnavailable: "withoutSession" });
    expect([answer.status, answer.text, answer.setCookie]).toEqual([200, "none", []]);
  });

  test("and says that it is disconnected is not ignored", async () => {
    const visit = async (middleware: Middleware, options: SessionOptions = {}) => {
      const store = new NotedStore();
      const client = await start(middleware, { store, ...options }, (app) => {
        app.get("/", (request: Any, response) => response.send(request.session ? "session" : "none"));
      });
      store.emit("disconnect");
      const down = await client.get("/");
      store.emit("connect");
      expect((await client.get("/")).text).toBe("session");
      return [down.status, down.text.startsWith("{") ? down.json.code : down.text];
    };
    expect(await visit(original)).toEqual([200, "none"]);
    expect(await visit(ours)).toEqual([503, "store_unavailable"]);
    expect(await visit(ours, { whenUnavailable: "withoutSession" })).toEqual([200, "none"]);
  });

  test("a touch that fails does not fail the page, and emits one warning", async () => {
    const warned = warnings("PSESSION_TOUCH");
    const store = new NotedStore();
    const client = await start(ours, { store }, login);
    await client.get("/visit");
    store.instead.touch = (_id, _data, done) => done(boom);
    expect((await client.get("/me")).status).toBe(200);
    expect((await client.get("/me")).status).toBe(200);
    expect(await warned).toContain("ECONNREFUSED");
  });
});

test("a secure cookie over plain http emits one warning", async () => {
  const warned = warnings("PSESSION_INSECURE_TRANSPORT");
  const client = await start(ours, { store: new NotedStore(), cookie: { secure: true } }, login);
  expect((await client.get("/visit")).setCookie).toEqual([]);
  expect(await warned).toContain("trust proxy");
});

describe("statements per request", () => {
  const counted = async (middleware: Middleware, options: SessionOptions = {}) => {
    const store = new NotedStore();
    const client = await start(middleware, { store, ...options }, login);
    const calls = async (path: string) => {
      await client.get(path);
      return store.taken();
    };
    const first = await calls("/visit");
    const signIn = await calls("/login");
    return {
      first,
      signIn,
      read: await calls("/me"),
      again: await calls("/me"),
      write: await calls("/visit"),
    };
  };

  test("a page that only reads costs what it did, and one read where touches are throttled", async () => {
    const theirs = await counted(original);
    expect(theirs.read).toEqual(["get", "touch"]);
    const here = await counted(ours);
    expect(here.read).toEqual(["get", "touch"]);
    expect(here.write).toEqual(["get", "set"]);
    expect(here.signIn).toEqual(["get", "set", "destroy"]);
    const throttled = await counted(ours, { touchEvery: "1m" });
    expect(throttled.read).toEqual(["get"]);
    expect(throttled.again).toEqual(["get"]);
  });

  test("a throttled session is touched again when the time has come", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    onTestFinished(() => void vi.useRealTimers());
    const store = new NotedStore();
    const client = await start(ours, { store, touchEvery: "1m" }, login);
    await client.get("/visit");
    vi.setSystemTime(Date.now() + 60_000);
    store.taken();
    await client.get("/me");
    await client.get("/me");
    expect(store.taken()).toEqual(["get", "touch", "get"]);
  });

  test("a forged cookie never reaches the store", async () => {
    const store = new NotedStore();
    const client = await start(ours, { store }, login);
    await client.get("/me", { cookie: "connect.sid=s%3Aforged.signature" });
    await client.get("/me", { cookie: "connect.sid=plain" });
    expect(store.taken()).toEqual([]);
  });
});

describe("hashed ids", () => {
  const options = (store: NotedStore): SessionOptions => ({ store, hashIds: true });

  test("are all that the store sees", async () => {
    const store = new NotedStore();
    const client = await start(ours, options(store), (app) => {
      login(app);
      app.get("/id", (request: Any, response) => response.send(request.sessionID));
      app.get("/end", (request: Any, response) => request.session.destroy(() => response.send("ended")));
    });
    await client.get("/visit");
    const id = (await client.get("/id")).text;
    expect([...store.rows.keys()]).toEqual([expect.stringMatching(/^sha256-[0-9a-f]{64}$/)]);
    expect(JSON.stringify([...store.rows])).not.toContain(id);
    expect((await client.get("/visit")).json.seen).toBe(2);
    await client.get("/end");
    expect(store.rows.size).toBe(0);
  });

  test("rows under raw ids are moved when they are first used, also by many at once", async () => {
    const store = new NotedStore();
    const before = await start(original, { store }, login);
    await before.get("/visit");
    const client = await start(ours, options(store), login);
    client.jar = new Map(before.jar);
    const answers = await Promise.all(Array.from({ length: 10 }, () => same(client).get("/me")));
    expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(200));
    expect([...store.rows.keys()]).toEqual([expect.stringMatching(/^sha256-/)]);
    expect((await client.get("/visit")).json.seen).toBe(2);
  });

  test("a hash from a leaked table is no id, even where the secret leaked with it", async () => {
    const { sign } = await import("cookie-signature");
    const store = new NotedStore();
    const client = await start(ours, options(store), login);
    await client.get("/visit");
    const [leaked = ""] = store.rows.keys();
    const cookie = `connect.sid=${encodeURIComponent(`s:${sign(leaked, WEAK)}`)}`;
    expect((await client.get("/visit", { cookie })).json.seen).toBe(1);
  });
});
