import { ServerResponse } from "node:http";
import { createRequire } from "node:module";
import fastifyCookie from "@fastify/cookie";
import type { FastifyInstance, FastifyPluginCallback, FastifyRequest } from "fastify";
import { describe, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { memoryStore } from "../../../src/index.ts";
import { cookieHeader } from "../../support/app.ts";
import { HOUR } from "../../support/clock.ts";
import type { HttpClient } from "../../support/http.ts";
import { sessionOf, start } from "./start.ts";

// Its types claim `request.session` for themselves, so they cannot be in one program with ours.
const fastifySession = createRequire(import.meta.url)("@fastify/session") as FastifyPluginCallback<{
  secret: string;
  cookie: object;
  saveUninitialized: boolean;
}>;

/** What `@fastify/session` and we are both called with. */
interface Common {
  get(key: string): unknown;
  set(key: string, value: unknown): void;
  touch(): void;
  isModified(): boolean;
  isSaved(): boolean;
  regenerate(keys?: string[] | Callback, callback?: Callback): Promise<void> | undefined;
  reload(callback?: Callback): Promise<void> | undefined;
  save(callback?: Callback): Promise<void> | undefined;
  destroy(callback?: Callback): Promise<void> | undefined;
}
type Callback = (error?: unknown) => void;

const common = (request: FastifyRequest) => request.session as unknown as Common;
const called = (call: (done: Callback) => unknown) =>
  new Promise<void>((resolve, reject) => {
    call((error) => (error ? reject(error) : resolve()));
  });

const peers: [string, (define: (app: FastifyInstance) => void) => Promise<HttpClient>][] = [
  ["psession", async (define) => (await start(define, { plugin: { open: "always" } })).client],
  [
    "@fastify/session",
    async (define) => {
      const withPeer = async (app: FastifyInstance) => {
        await app.register(fastifyCookie);
        const secret = "a secret of at least thirty-two characters";
        await app.register(fastifySession, { secret, cookie: { secure: false }, saveUninitialized: false });
        define(app);
      };
      return (await start(withPeer, { bare: true })).client;
    },
  ],
];

describe.each(peers)("called in one way, %s", (_, serve) => {
  const paths = (app: FastifyInstance) => {
    app.get("/set", async (request) => {
      common(request).set("name", "ada");
      common(request).set("count", 1);
      return common(request).get("name");
    });
    app.get("/get", async (request) => [
      common(request).get("name") ?? null,
      common(request).get("count") ?? null,
    ]);
  };

  test("keeps what is set, and says whether there is something to save", async () => {
    const client = await serve((app) => {
      paths(app);
      app.get("/states", async (request) => {
        const session = common(request);
        const states = [session.isModified()];
        session.set("name", "bob");
        states.push(session.isModified());
        await session.save();
        states.push(session.isModified(), session.isSaved());
        session.touch();
        return states;
      });
    });
    expect((await client.get("/set")).text).toBe("ada");
    expect((await client.get("/get")).json).toEqual(["ada", 1]);
    expect((await client.get("/states")).json).toEqual([false, true, false, true]);
    expect((await client.get("/get")).json).toEqual(["bob", 1]);
  });

  test("regenerates with nothing, or with the keys that are named; the old cookie is worthless at once", async () => {
    const client = await serve((app) => {
      paths(app);
      app.get("/empty", async (request) => common(request).regenerate());
      app.get("/keep", async (request) => common(request).regenerate(["name", "missing"]));
      app.get("/callback", (request, reply) => {
        common(request).regenerate((error) => reply.send(String(error)));
      });
      app.get("/keys-and-callback", (request, reply) => {
        common(request).regenerate(["count"], (error) => reply.send(String(error)));
      });
    });
    const expected = {
      "/empty": [null, null],
      "/keep": ["ada", null],
      "/callback": [null, null],
      "/keys-and-callback": [null, 1],
    };
    for (const [path, data] of Object.entries(expected)) {
      await client.get("/set");
      const old = new Map(client.jar);
      const { text, status } = await client.get(path);
      expect(status, path).toBe(200);
      if (path.includes("callback")) expect(text).toMatch(/^(undefined|null)$/);
      expect((await client.get("/get")).json, path).toEqual(data);
      expect((await client.request("/get", { jar: old })).json, path).toEqual([null, null]);
    }
  });

  test("reloads what is stored, and destroys it, with promises and callbacks", async () => {
    const client = await serve((app) => {
      paths(app);
      app.get("/reload", async (request) => {
        const names = [];
        common(request).set("name", "unsaved");
        await common(request).reload();
        names.push(common(request).get("name"));
        common(request).set("name", "unsaved");
        await called((done) => common(request).reload(done));
        names.push(common(request).get("name"));
        return names;
      });
      app.get("/save", async (request) => {
        common(request).set("name", "saved");
        await called((done) => common(request).save(done));
        return "saved";
      });
      app.get("/destroy", async (request) => {
        await common(request).destroy();
        return "gone";
      });
      app.get("/destroy-and-call", (request, reply) => {
        common(request).destroy((error) => reply.send(String(error)));
      });
    });
    await client.get("/set");
    expect((await client.get("/reload")).json).toEqual(["ada", "ada"]);
    expect((await client.get("/get")).json).toEqual(["ada", 1]);
    await client.get("/save");
    expect((await client.get("/get")).json).toEqual(["saved", 1]);
    for (const path of ["/destroy", "/destroy-and-call"]) {
      await client.get("/set");
      const old = new Map(client.jar);
      expect((await client.get(path)).status).toBe(200);
      expect((await client.request("/get", { jar: old })).json).toEqual([null, null]);
    }
  });
});

/** The first message of a WebSocket that the visitor opens. */
function heard(client: HttpClient, path: string): Promise<string> {
  const cookie = cookieHeader(client.jar) ?? "";
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(client.base.replace("http", "ws") + path, { headers: { cookie } });
    socket.on("error", reject).on("message", (text) => {
      socket.close();
      resolve(String(text));
    });
  });
}

const open = { plugin: { open: "always" } } as const;

test("psession's own regenerate keeps everything that is not left out", async () => {
  const { client } = await start((app) => {
    app.get("/set", async (request) => sessionOf(request).set({ name: "ada", count: 1 }));
    app.get("/all", async (request) => sessionOf(request).regenerate({ keep: "all" }));
    app.get("/one", async (request) => sessionOf(request).regenerate({ keep: ["count"] }));
    app.get("/data", async (request) => sessionOf(request).data);
  }, open);
  await client.get("/set");
  expect((await client.get("/all")).setCookie).toHaveLength(1);
  expect((await client.get("/data")).json).toEqual({ name: "ada", count: 1 });
  await client.get("/one");
  expect((await client.get("/data")).json).toEqual({ count: 1 });
});

test("a sign-in by psession survives a regenerate, and old copies of its cookies do not", async () => {
  const { client, psession } = await start((app) => {
    app.post("/login", async (request) => {
      sessionOf(request).set("name", "ada");
      await sessionOf(request).login(7, { remember: true });
    });
    app.get("/anew", async (request) => sessionOf(request).regenerate());
    app.get("/me", async (request) => [request.session.userId ?? null, sessionOf(request).data]);
  }, open);
  await client.post("/login");
  const old = new Map(client.jar);
  await client.get("/anew");
  expect((await client.get("/me")).json).toEqual([7, {}]);
  expect((await client.request("/me", { jar: old })).json[0]).toBeNull();
  expect(await psession.devices(7)).toHaveLength(1);
});

test("an application's own property is refused rather than lost", async () => {
  const { client } = await start((app) => {
    app.get("/", async (request) => Object.assign(request.session, { user: 1 }));
    app.get("/null", async (request) => Object.assign(request, { session: null }));
  }, open);
  expect((await client.get("/")).json.message).toMatch(/data goes into session\.data/);
  expect((await client.get("/null")).status).toBe(500);
});

test("attributes of cookies are refused per request, with the way that there is", async () => {
  const { client } = await start((app) => {
    app.get("/", async (request) => request.session.options({ maxAge: 1000, path: "/x" }));
    app.get("/other", async (request) => request.session.options({ userInfo: "ada" }));
  }, open);
  const { status, json } = await client.get("/");
  expect([status, json.code]).toEqual([500, "invalid_options"]);
  expect(json.message).toMatch(/maxAge, path .* remember: true/);
  expect((await client.get("/other")).status).toBe(200);
});

test("a reload of a session that was ended meanwhile says so", async () => {
  const store = memoryStore();
  const { client } = await start(
    (app, { psession }) => {
      app.post("/login", async (request) => request.session.login(7));
      app.get("/reload", async (request) => {
        await psession.revokeUser(7);
        await request.session.reload();
      });
    },
    { ...open, psession: { store } },
  );
  await client.post("/login");
  const { status, json } = await client.get("/reload");
  expect([status, json.code]).toEqual([409, "session_ended"]);
});

test("a WebSocket reads its session from the Cookie header or the cookie's value; changes are saved", async () => {
  const server = new WebSocketServer({ noServer: true });
  const { app, client, clock } = await start((app) => {
    app.post("/login", async (request) => sessionOf(request).login(7, { remember: true }));
    app.get("/data", async (request) => sessionOf(request).data);
  }, open);
  app.server.on("upgrade", async (request, socket, head) => {
    const { cookie = "" } = request.headers;
    const value = /psession=([^;]+)/.exec(cookie)?.[1] ?? "";
    await app.decryptSession(request.url === "/value" ? value : cookie, request);
    const { session } = request as unknown as FastifyRequest;
    server.handleUpgrade(request, socket, head, (connection) => {
      sessionOf({ session }).push("cart", request.url);
      connection.send(`${session.userId} ${session.level}`);
    });
  });
  await client.post("/login");
  expect(await heard(client, "/header")).toBe("7 login");
  expect(await heard(client, "/value")).toBe("7 login");
  expect((await client.get("/data")).json).toEqual({ cart: ["/header", "/value"] });
  client.restart();
  clock.advance(HOUR);
  expect(await heard(client, "/header")).toBe("7 remembered");
  expect((await client.get("/data")).setCookie).toHaveLength(2);
  server.close();
});

test("an upgrade that Fastify routes has its session, which is saved as it changes and rotates no cookie", async () => {
  const sockets = new WebSocketServer({ noServer: true });
  const { client, clock } = await start((app) => {
    app.post("/login", async (request) => sessionOf(request).login(7, { remember: true }));
    app.get("/data", async (request) => sessionOf(request).data);
    // What a plugin for WebSockets does: the reply is hijacked, and the connection goes to the handler.
    app.get("/chat", async (request, reply) => {
      reply.hijack();
      sockets.handleUpgrade(request.raw, request.raw.socket, Buffer.alloc(0), (connection) => {
        sessionOf(request).push("cart", "said");
        connection.send(`${request.session.userId} ${request.session.level}`);
      });
    });
    app.server.on("upgrade", (raw) => app.routing(raw, new ServerResponse(raw)));
  }, open);
  await client.post("/login");
  client.restart();
  clock.advance(HOUR);
  expect(await heard(client, "/chat")).toBe("7 remembered");
  const back = await client.get("/data");
  expect([back.setCookie.length, back.json]).toEqual([2, { cart: ["said"] }]);
  sockets.close();
});

test("decryptSession takes a callback as well, and knows no user by a forged cookie", async () => {
  const { app } = await start(() => {});
  const request: { session?: { isSignedIn: boolean } } = {};
  await called((done) => app.decryptSession("made.up", request, done));
  expect(request.session?.isSignedIn).toBe(false);
});
