import { sign } from "cookie-signature";
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import {
  createPsession,
  dangerouslyAllowInsecureHttp,
  memoryStore,
  PsessionError,
} from "../../../src/index.ts";
import { exclusive, requireLevel, requireLogin } from "../../../src/integrations/express/index.ts";
import { psessionOf, type SessionOptions } from "../../../src/integrations/express-session/index.ts";
import { DAY, HOUR, MINUTE } from "../../support/clock.ts";
import { HttpClient } from "../../support/http.ts";
import { intercepted } from "../../support/stores.ts";
import { type Any, type Express, NotedStore, original, ours, STRONG, start, WEAK } from "./sides.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["Date"], now: Date.UTC(2030, 0, 1) }));
afterEach(() => void vi.useRealTimers());
const pass = (milliseconds: number) => void vi.setSystemTime(Date.now() + milliseconds);

const same = (client: HttpClient) => {
  const other = new HttpClient(client.base);
  other.jar = new Map(client.jar);
  return other;
};

const routes = (app: Express) => {
  app.get("/visit", (request: Any, response) => {
    request.session.seen = (request.session.seen ?? 0) + 1;
    response.json({ seen: request.session.seen, userId: request.session.userId ?? null });
  });
  app.get("/me", (request: Any, response) => {
    const { userId, level, isSignedIn } = psessionOf(request).session;
    response.json({ userId: userId ?? null, level, isSignedIn, data: request.session });
  });
  app.get("/passport/:user", (request: Any, response) => {
    request.session.regenerate(() => {
      request.session.passport = { user: Number(request.params.user) };
      request.session.save((error: Any) => response.json(error ?? null));
    });
  });
  app.get("/plain/:user", (request: Any, response) => {
    request.session.userId = Number(request.params.user);
    response.send("in");
  });
  app.get("/out", (request: Any, response) => {
    request.session.destroy((error: Any) => response.json(error?.code ?? null));
  });
  app.get("/login/:user", async (request: Any, response) => {
    await request.session.login(Number(request.params.user), { remember: true });
    response.json(request.session.level);
  });
  app.get("/devices", async (request: Any, response) => response.json(await request.session.devices()));
};

const begin = (options: SessionOptions = {}, define = routes) =>
  start(ours, { secret: STRONG, store: memoryStore(), ...options }, define);

describe("a session in a psession store", () => {
  test("is psession's: its cookie, and an id that is no credential", async () => {
    const client = await begin({}, (app) => {
      routes(app);
      app.get("/id", (request: Any, response) => response.json([request.sessionID, request.session.id]));
    });
    const { setCookie } = await client.get("/visit");
    expect(setCookie).toEqual([
      expect.stringMatching(
        /^connect\.sid=[\w-]{22}\.[\w-]{43}\.[\w-]{22}; Path=\/; HttpOnly; SameSite=Lax$/,
      ),
    ]);
    const [id, same] = (await client.get("/id")).json;
    expect(id).toBe(same);
    expect(setCookie[0]).toContain(id);
    expect((await client.get("/visit")).json.seen).toBe(2);
  });

  test("a sign-in with passport is a sign-in of psession, with devices that can be ended", async () => {
    const client = await begin();
    await client.get("/visit");
    const planted = same(client);
    expect((await client.get("/passport/7")).json).toBeNull();
    expect((await client.get("/me")).json).toMatchObject({ userId: 7, level: "login", isSignedIn: true });
    expect((await planted.get("/me")).json.userId).toBeNull();
    const phone = new HttpClient(client.base);
    await phone.get("/passport/7");
    expect((await client.get("/devices")).json).toHaveLength(2);
  });

  test("revoking a user ends what passport began", async () => {
    const store = memoryStore();
    const psession = createPsession({
      store,
      keys: [STRONG],
      prune: false,
      [dangerouslyAllowInsecureHttp]: true,
    });
    const client = await begin({ store: psession, secret: undefined });
    await client.get("/plain/7");
    expect((await client.get("/me")).json).toMatchObject({ userId: 7, data: { userId: 7 } });
    expect(await psession.revokeUser(7)).toBe(1);
    expect((await client.get("/me")).json).toMatchObject({ userId: null, data: {} });
  });

  test("data of the names of psession's methods are data", async () => {
    const client = await begin({}, (app) => {
      app.get("/set", (request: Any, response) => {
        Object.assign(request.session, { level: 3, update: "now", devices: [1], handle: "h" });
        response.json(Object.keys(request.session).sort());
      });
      app.get("/get", (request: Any, response) => response.json(request.session));
    });
    expect((await client.get("/set")).json).toEqual(["cookie", "devices", "handle", "level", "update"]);
    expect((await client.get("/get")).json).toMatchObject({
      level: 3,
      update: "now",
      devices: [1],
      handle: "h",
    });
  });

  test("guards ask psession, whatever visitors put into the data", async () => {
    const client = await begin({}, (app) => {
      routes(app);
      app.get("/set/:key/:value", (request: Any, response) => {
        request.session[request.params.key] = request.params.value;
        response.send("set");
      });
      const answer = (_request: Any, response: Any) => response.send("let in");
      app.get("/guarded/level", requireLevel("login") as Any, answer);
      app.get("/guarded/isSignedIn", requireLogin() as Any, answer);
    });
    for (const [key, value] of [
      ["level", "login"],
      ["isSignedIn", "yes"],
    ]) {
      await client.get(`/set/${key}/${value}`);
      expect((await client.get(`/guarded/${key}`)).status).toBe(401);
    }
    await client.get("/login/7");
    await client.get("/set/level/none");
    expect((await client.get("/guarded/level")).text).toBe("let in");
  });

  test("exclusive brings what others saved into req.session, and data of that name do not disturb it", async () => {
    const client = await begin({}, (app) => {
      const count = async (request: Any, response: Any) => {
        const { seen = 0 } = request.session;
        await new Promise((resolve) => setImmediate(resolve));
        request.session.seen = seen + 1;
        response.json(request.session.seen);
      };
      app.get("/name", (request: Any, response) => {
        request.session.exclusive = "data";
        response.json(request.session);
      });
      app.get("/guarded", exclusive() as Any, count);
      app.get("/called", async (request: Any, response) => {
        await request.session.exclusive({ wait: "1m" });
        await count(request, response);
      });
    });
    const times = (path: string) => Promise.all(Array.from({ length: 5 }, () => client.get(path)));
    await client.get("/called");
    await times("/called");
    expect((await client.get("/called")).json).toBe(7);
    await client.get("/name");
    await times("/guarded");
    expect((await client.get("/guarded")).json).toBe(13);
  });

  test("after a new session began, exclusive brings nothing of the old one", async () => {
    const client = await begin({}, (app) => {
      routes(app);
      app.get("/note", (request: Any, response) => {
        request.session.note = "of the old session";
        response.send("noted");
      });
      app.get("/anew", (request: Any, response) => {
        request.session.regenerate(async () => {
          await same(client).get("/note");
          await request.session.exclusive();
          request.session.theme = "dark";
          response.json(request.session);
        });
      });
    });
    await client.get("/visit");
    const { cookie, ...data } = (await client.get("/anew")).json;
    expect(data).toEqual({ theme: "dark" });
  });

  test("session data does not change psession's own sign-in", async () => {
    const client = await begin();
    await client.get("/visit");
    expect((await client.get("/login/7")).json).toBe("login");
    expect((await client.get("/me")).json).toMatchObject({ userId: 7, level: "login", data: { seen: 1 } });
    await client.get("/visit");
    await client.get("/plain/8");
    expect((await client.get("/me")).json).toMatchObject({ userId: 7, data: { userId: 8 } });
    client.restart();
    pass(HOUR);
    expect((await client.get("/me")).json).toMatchObject({
      userId: 7,
      level: "remembered",
      data: { seen: 2 },
    });
  });

  test("signing out ends the row: by destroy, by regenerate, and by taking the user out of the data", async () => {
    for (const how of ["/out", "/regenerate", "/delete"]) {
      const client = await begin({}, (app) => {
        routes(app);
        app.get("/regenerate", (request: Any, response) => {
          request.session.regenerate((error: Any) => response.json(error ?? null));
        });
        app.get("/delete", (request: Any, response) => {
          delete request.session.passport;
          response.json(null);
        });
      });
      await client.get("/passport/7");
      const captured = same(client);
      expect((await client.get(how)).json).toBeNull();
      expect((await captured.get("/me")).json.userId).toBeNull();
      expect((await client.get("/me")).json.userId).toBeNull();
    }
  });

  test("another user's sign-in takes the session, and the old cookie gets nothing", async () => {
    const client = await begin();
    await client.get("/plain/7");
    const before = same(client);
    await client.get("/plain/8");
    expect((await client.get("/me")).json.userId).toBe(8);
    expect((await before.get("/me")).json.userId).toBeNull();
  });

  test("a request that was sent before regenerate gets nothing, and overwrites nothing", async () => {
    const client = await begin({}, (app) => {
      routes(app);
      app.get("/new", (request: Any, response) => {
        request.session.regenerate(() => {
          request.session.fresh = true;
          response.send("ok");
        });
      });
    });
    await client.get("/visit");
    const early = same(client);
    expect((await client.get("/new")).setCookie).toHaveLength(1);
    const late = await early.get("/visit");
    expect(late.json).toEqual({ seen: 1, userId: null });
    expect(late.setCookie).toEqual([]);
    expect((await client.get("/me")).json.data).toMatchObject({ fresh: true });
  });

  // Whose user is where nobody looks for it: the sign-in is no sign-in here, and regenerate has to do.
  const withAccounts = async () => {
    const arrived = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    const wait = () => {
      arrived.resolve();
      return goOn.promise;
    };
    const client = await begin({}, (app) => {
      routes(app);
      app.get("/account/:name", (request: Any, response) => {
        request.session.regenerate(() => {
          request.session.account = request.params.name;
          request.session.save(() => response.send("in"));
        });
      });
      app.get("/saves", (request: Any, response) => {
        request.session.regenerate(() => {
          request.session.account = "ada";
          request.session.save(() => void wait().then(() => response.send("in")));
        });
      });
      app.get("/updates", async (request: Any, response) => {
        await request.session.regenerateAsync();
        await request.session.update((data: Any) => {
          data.account = "ada";
        });
        await wait();
        response.send("in");
      });
      app.get("/note", (request: Any, response) => {
        request.session.visit = "eve";
        response.send("ok");
      });
      app.get("/slow/:key", async (request: Any, response) => {
        const { key } = request.params;
        if (key !== "visit") await new Promise((resolve) => request.session.regenerate(resolve));
        await wait();
        request.session[key] = "ada";
        response.send("ok");
      });
    });
    await client.get("/visit");
    const visible = async (who: HttpClient) => {
      const { seen, account, userId, visit } = (await who.get("/me")).json.data;
      return { seen, account, userId, visit };
    };
    return { client, planted: same(client), arrived: arrived.promise, goOn: goOn.resolve, visible };
  };

  test("what is saved after regenerate is never stored under a secret that was planted", async () => {
    const { client, planted, arrived, goOn, visible } = await withAccounts();
    const signingIn = client.get("/saves");
    await arrived;
    expect(await visible(planted)).toEqual({});
    goOn();
    expect((await signingIn).setCookie).toHaveLength(1);
    expect(await visible(client)).toEqual({ account: "ada" });
  });

  test("two regenerates of a planted session at the same time share no data", async () => {
    const { client, planted, arrived, goOn, visible } = await withAccounts();
    const signingIn = client.get("/slow/account");
    await arrived;
    await planted.get("/account/eve");
    goOn();
    await signingIn;
    expect(await visible(planted)).toEqual({ account: "eve" });
    expect(await visible(client)).toEqual({ account: "ada" });
  });

  test("update after regenerate stores nothing under a planted secret", async () => {
    const { client, planted, arrived, goOn, visible } = await withAccounts();
    const signingIn = client.get("/updates");
    await arrived;
    expect(await visible(planted)).toEqual({});
    goOn();
    await signingIn;
    expect(await visible(client)).toEqual({ account: "ada" });
  });

  test("what a request in flight writes does not get into a new session", async () => {
    const { client, planted, arrived, goOn, visible } = await withAccounts();
    const writing = planted.get("/slow/visit");
    await arrived;
    await client.get("/account/ada");
    goOn();
    await writing;
    expect(await visible(client)).toEqual({ account: "ada" });
  });

  test.each(["account", "userId"])(
    "writes before the new session is stored do not get into it (%s)",
    async (key) => {
      const { client, planted, arrived, goOn, visible } = await withAccounts();
      const signingIn = client.get(`/slow/${key}`);
      await arrived;
      await planted.get("/note");
      goOn();
      await signingIn;
      expect(await visible(client)).toEqual({ [key]: "ada" });
    },
  );

  test("a sign-in whose save failed is no data under a secret that was planted", async () => {
    const failing = new Set<string>();
    const store = intercepted(memoryStore(), async (name, call) => {
      if (failing.delete(name)) throw new PsessionError("store_unavailable", "down");
      return call();
    });
    const client = await begin({ store }, (app) => {
      routes(app);
      app.get("/in/:user", (request: Any, response) => {
        request.session.userId = Number(request.params.user);
        if (request.session.userId === 7) failing.add("apply");
        request.session.save((error: Any) => response.json(error?.code ?? null));
      });
    });
    await client.get("/visit");
    const planted = same(client);
    expect((await same(client).get("/in/1.5")).json.code).toBe("invalid_user_id");
    expect((await planted.get("/me")).json.data).not.toHaveProperty("userId");
    expect((await client.get("/in/7")).json).toBe("store_unavailable");
    expect((await planted.get("/me")).json.data).not.toHaveProperty("userId");
    expect((await client.get("/me")).json).toMatchObject({ userId: 7, data: { userId: 7 } });
  });

  const MINE = { email: "ada@example.com", orders: [1, 2] };
  const merging = { carry: (present: Any) => ({ ...present, ...MINE }) };
  for (const [what, begins] of [
    ["by what the data say", async (request: Any) => Object.assign(request.session, MINE, { userId: 7 })],
    [
      "by what the data say, begun anew",
      async (request: Any) => {
        await request.session.regenerateAsync();
        Object.assign(request.session, MINE, { userId: 7 });
      },
    ],
    [
      "that nobody signed in to, begun anew",
      async (request: Any) => {
        await request.session.regenerateAsync();
        Object.assign(request.session, MINE);
      },
    ],
    [
      "by psession's method",
      async (request: Any) => {
        await request.session.login(7, merging);
        request.session.profile = "private";
      },
    ],
  ] as [string, (request: Any) => Promise<unknown>][]) {
    for (const how of ["save", "update", "answer"]) {
      test(`a session ${what}: nothing of it is stored under a planted secret where ${how} fails`, async () => {
        let failing = 0;
        const store = intercepted(memoryStore(), async (name, call) => {
          if (name === "apply" && failing > 0 && failing-- > 0)
            throw new PsessionError("store_unavailable", "down");
          return call();
        });
        const client = await begin({ store }, (app) => {
          routes(app);
          app.get("/in", async (request: Any, response) => {
            await begins(request);
            failing = 1;
            if (how === "save") await request.session.saveAsync().catch(() => {});
            if (how === "update")
              await request.session.update((data: Any) => Object.assign(data, { more: 1 })).catch(() => {});
            response.send("in");
          });
          app.use((_error: Any, request: Any, response: Any, _next: Any) => {
            request.session.failed = true;
            response.status(503).send("failed");
          });
        });
        await client.get("/visit");
        const planted = same(client);
        const answer = await client.get("/in");
        expect(answer.status).toBe(how === "answer" ? 503 : 200);
        expect(failing).toBe(0);
        const { data, isSignedIn } = (await planted.get("/me")).json;
        expect(isSignedIn).toBe(false);
        for (const key of ["email", "orders", "profile", "userId", "more"])
          expect(data).not.toHaveProperty(key);
        const mine = (await client.get("/me")).json;
        // All of it, or nothing.
        if (mine.data.email !== undefined) expect(mine.isSignedIn).toBe(!what.startsWith("that nobody"));
      });
    }
  }

  test("what is set while signing out is there on the next page, saved in between or not", async () => {
    const client = await begin({}, (app) => {
      routes(app);
      app.get("/bye", (request: Any, response) => {
        delete request.session.userId;
        request.session.farewell = "bye";
        request.session.save(() => response.send("out"));
      });
    });
    await client.get("/plain/7");
    await client.get("/bye");
    expect((await client.get("/me")).json).toMatchObject({ userId: null, data: { farewell: "bye" } });
  });

  test("a save under way does not bring back what was ended", async () => {
    const arrived = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    const client = await begin({}, (app) => {
      routes(app);
      app.get("/slow", async (request: Any, response) => {
        request.session.slow = true;
        arrived.resolve();
        await goOn.promise;
        request.session.save((error: Any) => response.json(error?.code ?? null));
      });
    });
    await client.get("/passport/7");
    const captured = same(client);
    const slow = same(client).get("/slow");
    await arrived.promise;
    await client.get("/out");
    goOn.resolve();
    expect((await slow).json).toBe("session_ended");
    expect((await captured.get("/me")).json.userId).toBeNull();
  });

  test("values that JSON changes are stored changed, as with express-session, and none is refused", async () => {
    const strange = () => {
      class Money {
        amount = 1;
      }
      return {
        when: new Date(0),
        map: new Map([[1, 2]]),
        none: Number.NaN,
        list: [undefined, () => 1, new Date(1)],
        holes: Object.assign([1], { 2: 3 }),
        money: new Money(),
        bytes: Buffer.from("x"),
        gone: undefined,
        call: () => 1,
        [Symbol("x")]: 1,
      };
    };
    const define = (app: Express) => {
      app.get("/set", (request: Any, response) => {
        Object.assign(request.session, strange());
        response.send("set");
      });
      app.get("/save", (request: Any, response) => {
        Object.assign(request.session, strange(), { saved: true });
        request.session.save((error: Any) => response.json(error ?? null));
      });
      app.get("/get", (request: Any, response) => {
        const { cookie: _cookie, ...data } = request.session;
        response.json(data);
      });
      app.get("/update", async (request: Any, response) => {
        await request.session.update((data: Any) => void Object.assign(data, strange(), { updated: true }));
        response.send("updated");
      });
      app.get("/carry", async (request: Any, response) => {
        await request.session.login(7, { carry: (present: Any) => ({ ...present, ...strange(), in: true }) });
        response.send("in");
      });
    };
    const there = await start(original, { secret: WEAK, resave: false, saveUninitialized: false }, define);
    const here = await begin({ resave: false, saveUninitialized: false }, define);
    for (const path of ["/set", "/save"]) {
      expect((await here.get(path)).text).toBe((await there.get(path)).text);
      expect((await here.get("/get")).json).toEqual((await there.get("/get")).json);
    }
    const before = (await here.get("/get")).json;
    expect((await here.get("/update")).text).toBe("updated");
    expect((await here.get("/get")).json).toEqual({ ...before, updated: true });
    expect((await here.get("/carry")).text).toBe("in");
    expect((await here.get("/get")).json).toEqual({ ...before, updated: true, in: true });
  });

  test("fifty changes at once are all kept", async () => {
    const client = await begin({}, (app) => {
      routes(app);
      app.get("/add/:key", (request: Any, response) => {
        request.session[`k${request.params.key}`] = { list: [request.params.key] };
        response.send("ok");
      });
    });
    await client.get("/visit");
    await Promise.all(Array.from({ length: 50 }, (_, index) => same(client).get(`/add/${index}`)));
    expect(Object.keys((await client.get("/me")).json.data)).toHaveLength(52);
  });

  test("an untouched visitor leaves no row, unless saveUninitialized asks for one", async () => {
    const bare = (app: Express) => void app.get("/", (_request, response) => void response.send("ok"));
    expect((await (await begin({}, bare)).get("/")).setCookie).toEqual([]);
    const client = await begin({ saveUninitialized: true }, bare);
    expect((await client.get("/")).setCookie).toHaveLength(1);
    expect((await client.get("/")).setCookie).toEqual([]);
  });

  test("reload and update see what others stored", async () => {
    const client = await begin({}, (app) => {
      routes(app);
      app.get("/reload", (request: Any, response) => {
        request.session.seen = 100;
        request.session.reload((error: Any) => response.json([error ?? null, request.session.seen]));
      });
      app.get("/update", async (request: Any, response) => {
        const result = await request.session.update((data: Any) => {
          data.seen += 10;
          return data.seen;
        });
        response.json([result, request.session.seen]);
      });
      app.get("/fresh", (request: Any, response) => {
        request.session.reload((error: Any) => response.json(error.code));
      });
    });
    expect((await client.get("/fresh")).json).toBe("session_ended");
    await client.get("/visit");
    expect((await client.get("/reload")).json).toEqual([null, 1]);
    expect((await client.get("/update")).json).toEqual([11, 11]);
    expect((await client.get("/visit")).json.seen).toBe(12);
  });

  test("req.sessionStore reads and ends by row ids", async () => {
    const client = await begin({}, (app) => {
      routes(app);
      app.get("/load", (request: Any, response) => {
        request.sessionStore.load(request.sessionID, (_error: Any, found: Any) => response.json(found));
      });
      app.get("/kill", (request: Any, response) => {
        request.sessionStore.destroy(request.sessionID, () => response.send("ended"));
      });
      app.get("/set", (request: Any, response) => {
        request.sessionStore.set("x", {}, (error: Any) => response.send(error.code));
      });
      app.get("/regenerate", (request: Any, response) => {
        request.sessionStore.regenerate(request, () => response.json(request.session.seen ?? null));
      });
    });
    await client.get("/visit");
    expect((await client.get("/load")).json).toMatchObject({ seen: 1, cookie: { path: "/" } });
    expect((await client.get("/set")).text).toBe("store_conflict");
    expect((await client.get("/regenerate")).json).toBeNull();
    await client.get("/visit");
    await client.get("/kill");
    expect((await client.get("/visit")).json.seen).toBe(1);
  });

  test("req.sessionStore reports a row that cannot be read", async () => {
    const store = intercepted(memoryStore(), async (name, call) => {
      const found = await call();
      return name === "findSession" && found !== undefined && damaged
        ? { ...(found as object), data: "{" }
        : found;
    });
    let damaged = false;
    const client = await begin({ store }, (app) => {
      routes(app);
      app.get("/get", (request: Any, response) => {
        damaged = true;
        request.sessionStore.get(request.sessionID, (error: Any) => {
          damaged = false;
          response.json(error?.code ?? null);
        });
      });
    });
    await client.get("/visit");
    expect((await client.get("/get")).json).toBe("invalid_data");
  });

  test("costs a read for a page that reads, and nothing without a cookie", async () => {
    const calls: string[] = [];
    const store = intercepted(memoryStore(), (name, call) => {
      calls.push(name);
      return call();
    });
    const client = await begin({ store });
    const taken = () => calls.splice(0).filter((name) => !/[pP]rune/.test(name));
    await client.get("/me");
    expect(taken()).toEqual([]);
    await client.get("/visit");
    expect(taken()).toEqual(["apply"]);
    await client.get("/me");
    expect(taken()).toEqual(["findSession"]);
    await client.get("/visit");
    expect(taken()).toEqual(["findSession", "apply"]);
    await client.get("/plain/7");
    expect(taken()).toEqual(["findSession", "apply"]);
  });

  test("a store that is down is an error, or no session; the cookie stays", async () => {
    const broken = () => {
      let isDown = false;
      const store = intercepted(memoryStore(), async (_name, call) => {
        if (isDown) throw new PsessionError("store_unavailable", "down");
        return call();
      });
      return { store, fail: () => (isDown = true) };
    };
    for (const [whenUnavailable, status] of [
      ["refuse", 503],
      ["withoutSession", 200],
    ] as const) {
      const { store, fail } = broken();
      const client = await begin({ store, whenUnavailable }, (app) => {
        app.get("/", (request: Any, response) => {
          if (request.session) request.session.x = 1;
          response.send(request.session === undefined ? "none" : "session");
        });
      });
      expect((await client.get("/")).setCookie).toHaveLength(1);
      fail();
      const answer = await client.get("/");
      expect([answer.status, answer.setCookie]).toEqual([status, []]);
    }
  });
});

describe("the life of a cookie", () => {
  const life = (line: string | undefined) => ({
    maxAge: Number(/Max-Age=(\d+)/.exec(line ?? "")?.[1]),
    expires: Date.parse(/Expires=([^;]+)/.exec(line ?? "")?.[1] ?? ""),
  });

  test("of all sessions: the browser and the row keep it as long", async () => {
    const client = await begin({ cookie: { maxAge: 3 * DAY } });
    const { setCookie } = await client.get("/visit");
    expect(life(setCookie[0])).toEqual({ maxAge: 3 * 86_400, expires: Date.now() + 3 * DAY });
    pass(3 * DAY - MINUTE);
    expect((await client.get("/visit")).json.seen).toBe(2);
    pass(3 * DAY + MINUTE);
    expect((await client.get("/visit")).json.seen).toBe(1);
  });

  test("a change sends the same cookie again, for the whole time; a page that reads does not", async () => {
    const client = await begin({ cookie: { maxAge: 3 * DAY } });
    const [first = ""] = (await client.get("/visit")).setCookie;
    pass(DAY);
    expect((await client.get("/me")).setCookie).toEqual([]);
    const [again = ""] = (await client.get("/visit")).setCookie;
    expect(again.split(";")[0]).toBe(first.split(";")[0]);
    expect(life(again)).toEqual({ maxAge: 3 * 86_400, expires: Date.now() + 3 * DAY });
  });

  test("that is no number counts as none", async () => {
    const client = await begin({}, (app) => {
      routes(app);
      app.get("/odd", (request: Any, response) => {
        request.session.cookie.maxAge = Number.NaN;
        request.session.seen = 1;
        response.send("ok");
      });
    });
    expect((await client.get("/odd")).setCookie).toEqual([expect.not.stringContaining("Max-Age")]);
    pass(2 * DAY);
    expect((await client.get("/me")).json.data).not.toHaveProperty("seen");
  });

  test("rolling sends it with every response", async () => {
    const client = await begin({ rolling: true, cookie: { maxAge: HOUR } });
    await client.get("/visit");
    for (let round = 0; round < 3; round++) {
      pass(HOUR - MINUTE);
      expect(life((await client.get("/me")).setCookie[0]).maxAge).toBe(3600);
    }
    expect((await client.get("/visit")).json.seen).toBe(2);
  });

  test("of one session: thirty days for a visitor who ticked the box", async () => {
    const client = await begin({}, (app) => {
      routes(app);
      app.get("/stay", (request: Any, response) => {
        request.session.cookie.maxAge = 30 * DAY;
        response.send("ok");
      });
      app.get("/go", (request: Any, response) => {
        request.session.cookie.maxAge = null;
        response.send("ok");
      });
      app.get("/left", (request: Any, response) => response.json(request.session.cookie.maxAge));
    });
    expect(life((await client.get("/visit")).setCookie[0]).maxAge).toBeNaN();
    expect(life((await client.get("/stay")).setCookie[0]).maxAge).toBe(30 * 86_400);
    client.restart();
    pass(29 * DAY);
    expect((await client.get("/left")).json).toBe(30 * DAY);
    expect(life((await client.get("/visit")).setCookie[0]).maxAge).toBe(30 * 86_400);
    pass(29 * DAY);
    expect((await client.get("/visit")).json.seen).toBe(3);
    await client.get("/go");
    pass(2 * DAY);
    expect((await client.get("/visit")).json.seen).toBe(1);
  });

  test("a cookie sent again never replaces one that a parallel sign-in brought", async () => {
    const arrived = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    const client = await begin({ rolling: true, cookie: { maxAge: HOUR } }, (app) => {
      routes(app);
      app.get("/slow", async (_request, response) => {
        arrived.resolve();
        await goOn.promise;
        response.send("slow");
      });
    });
    await client.get("/visit");
    const slow = same(client).get("/slow");
    await arrived.promise;
    await client.get("/plain/7");
    goOn.resolve();
    expect((await slow).setCookie).toEqual([]);
    expect((await client.get("/me")).json.userId).toBe(7);
  });
});

describe("moving from another store", () => {
  const former = async () => {
    const store = new NotedStore();
    const before = await start(original, { store, secret: WEAK }, routes0);
    await before.get("/plain/7");
    await before.get("/visit");
    return { store, before };
  };
  const routes0 = (app: Express) => {
    app.get("/visit", (request: Any, response) => {
      request.session.seen = (request.session.seen ?? 0) + 1;
      response.json({ seen: request.session.seen });
    });
    app.get("/plain/:user", (request: Any, response) => {
      request.session.userId = Number(request.params.user);
      response.send("in");
    });
  };
  const move = async (define = routes, more: SessionOptions = {}) => {
    const { store, before } = await former();
    const client = await begin({ secret: [STRONG, WEAK], migrateFrom: store, ...more }, define);
    client.jar = new Map(before.jar);
    store.taken();
    return { store, client };
  };

  test("signs nobody out: the data move with the first request, under the same cookie", async () => {
    const { store, client } = await move();
    const captured = same(client);
    const first = await client.get("/me");
    expect(first.json).toMatchObject({ userId: 7, level: "login", data: { seen: 1, userId: 7 } });
    expect(first.setCookie).toEqual([expect.stringMatching(/^connect\.sid=[\w-]{22}\./)]);
    // Read once more before it is carried over: it may have been ended meanwhile.
    expect(store.taken()).toEqual(["get", "get", "destroy"]);
    expect(store.rows.size).toBe(0);
    expect((await client.get("/visit")).json).toMatchObject({ seen: 2, userId: 7 });
    expect(store.taken()).toEqual([]);
    pass(5 * MINUTE);
    expect((await captured.get("/me")).json.userId).toBeNull();
  });

  test("counts as no fresh sign-in", async () => {
    const { client } = await move((app) => {
      routes(app);
      app.get("/fresh", (request: Any, response) =>
        response.json(request.session.isFresh({ within: "10m" })),
      );
    });
    expect((await client.get("/fresh")).json).toBe(false);
    expect((await client.get("/fresh")).json).toBe(false);
  });

  test("many requests at once with the old cookie end up in one session", async () => {
    const { store, client } = await move((app) => {
      routes(app);
      app.get("/add/:key", (request: Any, response) => {
        request.session[`k${request.params.key}`] = true;
        response.json(request.session.userId);
      });
    });
    const others = Array.from({ length: 20 }, () => same(client));
    const answers = await Promise.all(others.map((other, index) => other.get(`/add/${index}`)));
    expect(new Set(answers.map(({ text }) => text))).toEqual(new Set(["7"]));
    const cookies = new Set(others.map(({ jar }) => jar.get("connect.sid")?.value));
    expect(cookies.size).toBe(1);
    const { json } = await (others[0] as HttpClient).get("/me");
    expect(Object.keys(json.data)).toHaveLength(23);
    expect((await (others[5] as HttpClient).get("/devices")).json).toHaveLength(1);
    expect(store.rows.size).toBe(0);
  });

  test("a save that fails takes the user over with the next one, or not at all", async () => {
    let failing = 0;
    const store = intercepted(memoryStore(), async (name, call) => {
      if (name === "apply" && failing > 0 && failing-- > 0)
        throw new PsessionError("store_unavailable", "down");
      return call();
    });
    const define = (app: Express) => {
      routes(app);
      app.get("/save", (request: Any, response) => {
        failing = 1;
        request.session.save((error: Any) => response.json(error?.code ?? null));
      });
    };
    const { client } = await move(define, { store });
    expect((await client.get("/save")).json).toBe("store_unavailable");
    expect((await client.get("/me")).json).toMatchObject({
      userId: 7,
      isSignedIn: true,
      data: { userId: 7 },
    });
  });

  test("a life of its own comes along", async () => {
    const { store, client } = await move();
    for (const [id, text] of store.rows) {
      const row = JSON.parse(text);
      row.cookie = { ...row.cookie, originalMaxAge: 30 * DAY, expires: new Date(Date.now() + DAY) };
      store.rows.set(id, JSON.stringify(row));
    }
    const [line = ""] = (await client.get("/me")).setCookie;
    expect(line).toContain(`Max-Age=${30 * 86_400}`);
  });

  test("an old cookie without a session is an anonymous visitor", async () => {
    const { store, client } = await move();
    store.rows.clear();
    expect((await client.get("/me")).json).toMatchObject({ userId: null, data: {} });
    expect((await client.get("/visit")).json.seen).toBe(1);
  });

  test("a store that kept hashed ids is left as well, and a hash out of its table is no id", async () => {
    const store = new NotedStore();
    const before = await start(ours, { store, secret: WEAK, hashIds: true }, routes0);
    await before.get("/plain/7");
    const options = { secret: [STRONG, WEAK], migrateFrom: store };
    for (const [hashIds, user] of [
      [false, null],
      [true, 7],
    ] as const) {
      const client = await begin({ ...options, hashIds });
      const [hashed = ""] = store.rows.keys();
      for (const id of [hashed, hashed.toUpperCase()]) {
        const stolen = { cookie: `connect.sid=${encodeURIComponent(`s:${sign(id, WEAK)}`)}` };
        expect((await client.get("/me", stolen)).json.userId).toBeNull();
      }
      client.jar = new Map(before.jar);
      expect((await client.get("/me")).json.userId).toBe(user);
    }
    expect(store.rows.size).toBe(0);
  });

  test.each(["regenerate", "sign out"])(
    "what begins with a %s does not belong to the old cookie",
    async (way) => {
      const { client } = await move((app) => {
        routes(app);
        app.get("/begin", async (request: Any, response) => {
          if (way === "regenerate") await request.session.regenerateAsync();
          else delete request.session.userId;
          request.session.account = "ada";
          response.send("in");
        });
      });
      const planted = same(client);
      await client.get("/begin");
      expect((await client.get("/me")).json.data).toMatchObject({ account: "ada" });
      expect((await planted.get("/me")).json.data).not.toHaveProperty("account");
    },
  );

  test("of two cookies the new one counts, even where the old one was taken over a moment ago", async () => {
    const { client } = await move();
    const tossed = client.jar.get("connect.sid")?.value;
    await client.get("/me");
    const victim = new HttpClient(client.base);
    await victim.get("/plain/8");
    const cookie = `connect.sid=${tossed}; connect.sid=${victim.jar.get("connect.sid")?.value}`;
    expect((await victim.get("/me", { cookie })).json.userId).toBe(8);
  });

  test.each(["connect.sid", "own"])("of two old cookies neither is taken over (%s)", async (session) => {
    const { store, before } = await former();
    const psession = createPsession<object>({
      store: memoryStore(),
      keys: [STRONG],
      cookies: { session },
      [dangerouslyAllowInsecureHttp]: true,
    });
    const client = await begin({ store: psession, secret: [STRONG, WEAK], migrateFrom: store });
    const old = `connect.sid=${before.jar.get("connect.sid")?.value}`;
    expect((await client.get("/me", { cookie: `${old}; connect.sid=x` })).json.userId).toBeNull();
    expect((await client.get("/me", { cookie: old })).json.userId).toBe(7);
  });

  test("a cookie of another path does not pass for one of this, and does not disturb it", async () => {
    const store = memoryStore();
    const before = await begin({ store, cookie: { path: "/me" } });
    await before.get("/plain/7");
    const stale = `connect.sid=${before.jar.get("connect.sid")?.value}`;
    const client = await begin({ store });
    expect((await client.get("/me", { cookie: stale })).json.userId).toBeNull();
    await client.get("/plain/8");
    const own = `connect.sid=${client.jar.get("connect.sid")?.value}`;
    expect((await client.get("/me", { cookie: `${stale}; ${own}` })).json.userId).toBe(8);
  });

  test("the old store being down signs nobody out either", async () => {
    const { store, client } = await move();
    store.instead.get = (_id, done) => done(new Error("down"));
    expect([(await client.get("/visit")).status]).toEqual([503]);
    delete store.instead.get;
    expect((await client.get("/me")).json.userId).toBe(7);
  });

  test("an old row that could not be destroyed signs nobody out, and is taken over again", async () => {
    const { store, client } = await move();
    store.instead.destroy = (_id, done) => done(new Error("down"));
    const failed = await client.get("/me");
    expect([failed.status, failed.setCookie]).toEqual([503, []]);
    expect((await client.get("/me")).json.code).toBe("store_unavailable");
    delete store.instead.destroy;
    pass(HOUR);
    expect((await client.get("/me")).json).toMatchObject({ userId: 7, data: { seen: 1 } });
    expect(store.rows.size).toBe(0);
    expect((await client.get("/visit")).json).toMatchObject({ userId: 7, seen: 2 });
  });

  test("a request under way does not bring back what another one signed out, nor does any kind of sign-out", async () => {
    const arrived = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    const { store, client } = await move((app) => {
      routes(app);
      app.get("/slow", async (request: Any, response) => {
        request.session.slow = true;
        arrived.resolve();
        await goOn.promise;
        response.send("slow");
      });
    });
    const slow = same(client);
    const pending = slow.get("/slow");
    await arrived.promise;
    await same(client).get("/out");
    goOn.resolve();
    await pending;
    expect((await slow.get("/me")).json).toMatchObject({ userId: null, data: {} });
    expect((await client.get("/me")).json.userId).toBeNull();
    expect(store.rows.size).toBe(0);

    for (const how of ["/regenerate", "/delete"]) {
      const other = await move((app) => {
        routes(app);
        app.get("/regenerate", (request: Any, response) => {
          request.session.regenerate(() => response.send("ok"));
        });
        app.get("/delete", (request: Any, response) => {
          delete request.session.userId;
          request.session.save(() => response.send("ok"));
        });
      });
      const captured = same(other.client);
      await other.client.get(how);
      expect((await other.client.get("/me")).json.userId).toBeNull();
      expect((await captured.get("/me")).json.userId).toBeNull();
      expect(other.store.rows.size).toBe(0);
    }
  });

  test("a sign-in or a sign-out in that very request counts", async () => {
    const { client } = await move();
    await client.get("/passport/9");
    expect((await client.get("/me")).json.userId).toBe(9);
    const other = await move();
    const captured = same(other.client);
    await other.client.get("/out");
    expect(other.store.rows.size).toBe(0);
    expect((await captured.get("/me")).json.userId).toBeNull();
  });
});

describe("options", () => {
  const faults = (options: SessionOptions) => {
    try {
      ours({ secret: STRONG, store: memoryStore(), ...options });
      return "";
    } catch (error) {
      return (error as Error).message;
    }
  };

  test("what a psession store cannot do is named at once", () => {
    expect(
      faults({ secret: WEAK, genid: () => "x", hashIds: true })
        .split("\n- ")
        .slice(1),
    ).toEqual([expect.stringContaining("hashIds"), expect.stringContaining("genid")]);
    expect(
      faults({ secret: [WEAK, STRONG], cookie: { httpOnly: false } })
        .split("\n- ")
        .slice(1),
    ).toEqual([expect.stringContaining("at least 32 random bytes"), expect.stringContaining("httpOnly")]);
    expect(faults({ cookie: () => ({}) })).toContain("cookie must be an object");
    expect(faults({ secret: [STRONG, WEAK] })).toBe("");
  });

  test("production wants Secure cookies", () => {
    vi.stubEnv("NODE_ENV", "production");
    onTestFinished(() => void vi.unstubAllEnvs());
    expect(faults({})).toContain('cookie.secure must be true or "auto"');
    expect(faults({ cookie: { secure: "auto" } })).toBe("");
    expect(faults({ cookie: { secure: true } })).toBe("");
  });

  test("what only a psession store can do is refused without one", () => {
    const store = new NotedStore();
    expect(faults({ store, migrateFrom: store, absolute: "1d" }).split("\n- ").slice(1)).toEqual([
      expect.stringContaining("migrateFrom"),
      expect.stringContaining("absolute"),
    ]);
  });

  test("wrong kinds of values are named", () => {
    const wrong = { secret: [], unset: "x", store: {}, genid: 1, touchEvery: "soon", user: 1, cookie: 1 };
    expect(
      faults(wrong as unknown as SessionOptions)
        .split("\n- ")
        .slice(1),
    ).toHaveLength(7);
    expect(faults({ store: new NotedStore(), touchEvery: "1m", cookie: { maxAge: MINUTE } })).toContain(
      "half",
    );
  });
});
