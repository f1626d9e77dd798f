import { EventEmitter, once } from "node:events";
import { createServer, request as httpRequest, type IncomingMessage, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { Server as SocketServer } from "socket.io";
import { io as socketClient } from "socket.io-client";
import { describe, expect, onTestFinished, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { memoryStore, type PsessionOptions } from "../../src/index.ts";
import { openUpgrade, refuseUpgrade, type Upgrade, withSession } from "../../src/integrations/node/index.ts";
import { overHttp, type TestData, testApp } from "../support/app.ts";
import { HOUR, MINUTE } from "../support/clock.ts";
import { closed, HttpClient, listening } from "../support/http.ts";
import { failingStore, intercepted } from "../support/stores.ts";

type TestUpgrade = Upgrade<TestData>;

/** An application over http whose sockets are opened as the documentation says. */
async function start(options: Partial<PsessionOptions> = {}, upgradeOptions = {}) {
  const { store, calls, failing } = failingStore();
  const app = testApp({ ...overHttp, store, ...options });
  const server = createServer(
    withSession(app.psession, async (request, response, session) => {
      if (request.url === "/login") await session.login("ada", { remember: true });
      if (request.url === "/login-as-bob") await session.login("bob");
      if (request.url === "/logout") await session.logout();
      if (request.url === "/regenerate") await session.regenerate();
      if (request.url === "/add") session.push("cart", "tea");
      response.end(JSON.stringify({ userId: session.userId ?? null, data: session.data }));
    }),
  );
  const sockets = new WebSocketServer({ noServer: true });
  const opened = new EventEmitter<{ upgrade: [TestUpgrade] }>();
  server.on("upgrade", async (request, socket, head) => {
    try {
      const upgrade = await openUpgrade(app.psession, request, upgradeOptions);
      sockets.handleUpgrade(request, socket, head, (ws) => {
        opened.emit("upgrade", upgrade);
        upgrade.onEnd(() => ws.close(4401, "session ended"));
        ws.on("message", async (message) => {
          const cart = await upgrade.session.update((data) => {
            data.cart = [...(data.cart ?? []), String(message)];
            return data.cart;
          });
          ws.send(JSON.stringify(cart));
        });
      });
    } catch (error) {
      refuseUpgrade(socket, error);
    }
  });
  const base = await listen(server);
  onTestFinished(() => void sockets.close());
  const client = new HttpClient(base);
  const open = async (headers: Record<string, string> = {}) => {
    const { ws, answer } = handshake(base, { cookie: cookieOf(client), ...headers });
    onTestFinished(() => ws.terminate());
    const upgraded = once(opened, "upgrade") as Promise<[TestUpgrade]>;
    const status = await answer;
    return status === 101 ? { status, ws, upgrade: (await upgraded)[0] } : { status, ws, upgrade: undefined };
  };
  const openAlive = async () => {
    const { ws, upgrade } = await open();
    if (upgrade === undefined) throw new Error("the upgrade was refused");
    return { ws, upgrade };
  };
  return { app, base, calls, failing, client, open, openAlive };
}

async function listen(server: Server): Promise<string> {
  await listening(server);
  onTestFinished(() => closed(server));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const cookieOf = (client: HttpClient) =>
  Array.from(client.jar, ([name, { value }]) => `${name}=${value}`).join("; ");

function handshake(base: string, headers: Record<string, string>) {
  const ws = new WebSocket(base.replace("http", "ws"), { headers });
  const answer = new Promise<number>((resolve, reject) => {
    ws.on("open", () => resolve(101));
    ws.on("unexpected-response", (_request, response: IncomingMessage) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    ws.on("error", reject);
  });
  return { ws, answer };
}

describe("openUpgrade, with ws", () => {
  test("knows the visitor, by one read and another for onEnd, and sets no cookie", async () => {
    const { client, calls, openAlive } = await start();
    await client.get("/login");
    calls.length = 0;
    const { ws, upgrade } = await openAlive();
    expect([upgrade.session.userId, upgrade.session.level]).toEqual(["ada", "login"]);
    expect(calls).toEqual(["findSession", "findSession"]);
    expect(await upgrade.isAlive()).toBe(true);
    expect(ws.readyState).toBe(WebSocket.OPEN);
  });

  test("what a socket changes is stored, and merged with what requests change meanwhile", async () => {
    const { client, openAlive } = await start();
    await client.get("/add");
    const { ws } = await openAlive();
    await client.get("/add");
    ws.send("milk");
    const [reply] = await once(ws, "message");
    expect(JSON.parse(String(reply))).toEqual(["tea", "tea", "milk"]);
    expect((await client.get("/")).json.data.cart).toEqual(["tea", "tea", "milk"]);
  });

  test("a browser with only a remember cookie is known, and its token is left as it is", async () => {
    const { app, client, openAlive } = await start();
    await client.get("/login");
    client.restart();
    app.clock.advance(HOUR);
    const { ws, upgrade } = await openAlive();
    expect([upgrade.session.userId, upgrade.session.level]).toEqual(["ada", "remembered"]);
    expect(await upgrade.isAlive()).toBe(true);
    ws.send("milk");
    await once(ws, "message");
    expect((await client.get("/")).json).toEqual({ userId: "ada", data: { cart: ["milk"] } });
    expect(app.told()).toContain("restored");
    expect(app.told()).not.toContain("theft");
    expect(await upgrade.isAlive()).toBe(true);
  });

  test("save refuses what needs a cookie", async () => {
    const { app, openAlive } = await start();
    const { upgrade } = await openAlive();
    upgrade.session.set("count", 1);
    await expect(upgrade.session.save()).rejects.toMatchObject({ code: "headers_already_sent" });
    await upgrade.session.login("ada");
    await expect(upgrade.session.save()).rejects.toMatchObject({ code: "headers_already_sent" });
    expect(await upgrade.isAlive()).toBe(false);
    expect(app.told()).toEqual([]);
  });

  test("a page of another site is refused before the session is read", async () => {
    const { base, client, calls, open } = await start();
    await client.get("/login");
    calls.length = 0;
    for (const headers of [
      { origin: "https://evil.example" },
      { origin: "null" },
      { origin: base.replace("http", "https") },
      { origin: base, "sec-fetch-site": "cross-site" },
    ]) {
      expect((await open(headers)).status).toBe(403);
    }
    expect(calls).toEqual([]);
    expect((await open({ origin: base })).status).toBe(101);
    expect((await open({ origin: base, "sec-fetch-site": "same-origin" })).status).toBe(101);
  });

  test("further origins are allowed by name, and a trusted proxy names the application's own", async () => {
    const { open } = await start({}, { allowed: ["https://app.example"], trustProxy: true });
    expect((await open({ origin: "https://app.example" })).status).toBe(101);
    const headers = { "x-forwarded-proto": "https", "x-forwarded-host": "shop.example" };
    expect((await open({ ...headers, origin: "https://shop.example" })).status).toBe(101);
    expect((await open({ origin: "https://shop.example" })).status).toBe(403);
  });

  test("a store that is down is 503, and the next try is served", async () => {
    const { client, failing, open } = await start();
    await client.get("/login");
    failing.add("findSession");
    expect((await open()).status).toBe(503);
    failing.clear();
    expect((await open()).status).toBe(101);
  });

  test("a client that hangs up while its session is read breaks nothing", async () => {
    const reading = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<void>();
    let isHeld = false;
    const store = intercepted(memoryStore(), async (name, call) => {
      if (isHeld && name === "findSession") {
        reading.resolve();
        await gate.promise;
      }
      return call();
    });
    const { base, client, open } = await start({ store });
    await client.get("/login");
    isHeld = true;
    const call = httpRequest(base, {
      headers: {
        cookie: cookieOf(client),
        connection: "upgrade",
        upgrade: "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "x3JJHMbDL1EzLkh9GBhXDw==",
      },
    });
    call.on("error", () => {});
    call.end();
    await reading.promise;
    call.socket?.resetAndDestroy();
    isHeld = false;
    gate.resolve();
    expect((await open()).status).toBe(101);
  });
});

describe("a socket that outlives its session", () => {
  const closedWith = async (ws: WebSocket) => ((await once(ws, "close")) as [number])[0];

  test("gets onEnd when this process ends the session: a logout, a revocation, another user", async () => {
    const { app, client, openAlive } = await start();
    for (const end of [
      () => client.get("/logout"),
      () => app.psession.revokeUser("ada"),
      () => app.psession.passwordChanged("ada"),
      () => client.get("/login-as-bob"),
    ]) {
      app.clock.advance(1);
      await client.get("/login");
      const { ws, upgrade } = await openAlive();
      const closing = closedWith(ws);
      await end();
      expect(await closing).toBe(4401);
      expect(await upgrade.isAlive()).toBe(false);
      upgrade.session.set("name", "late");
      await expect(upgrade.session.save()).rejects.toMatchObject({ code: "session_ended" });
    }
  });

  test("goes on where another device ends, or the secret is exchanged", async () => {
    const { app, base, client, openAlive } = await start();
    await client.get("/login");
    const { ws, upgrade } = await openAlive();
    const other = new HttpClient(base);
    await other.get("/login");
    await other.get("/logout");
    await client.get("/regenerate");
    expect(app.told()).toContain("rotated");
    expect(await upgrade.isAlive()).toBe(true);
    ws.send("milk");
    expect(JSON.parse(String((await once(ws, "message"))[0]))).toEqual(["milk"]);
  });

  test("finds out by asking where another process ended it", async () => {
    const store = memoryStore();
    const { client, openAlive } = await start({ store });
    const elsewhere = testApp({ ...overHttp, store });
    await client.get("/login");
    const { ws, upgrade } = await openAlive();
    await elsewhere.psession.revokeUser("ada");
    expect(ws.readyState).toBe(WebSocket.OPEN);
    expect(await upgrade.isAlive()).toBe(false);
  });

  test("finds out by asking where a deadline passed", async () => {
    const { app, client, openAlive } = await start({ session: { idle: "30m" } });
    await client.get("/login");
    const { upgrade } = await openAlive();
    app.clock.advance(29 * MINUTE);
    expect(await upgrade.isAlive()).toBe(true);
    app.clock.advance(2 * MINUTE);
    expect(await upgrade.isAlive()).toBe(false);
  });

  test("an upgrade is a visit: it keeps the session from going idle", async () => {
    const { app, client, openAlive } = await start({ session: { idle: "30m" } });
    await client.get("/login");
    app.clock.advance(20 * MINUTE);
    await openAlive();
    app.clock.advance(20 * MINUTE);
    client.jar.delete("psession-remember");
    expect((await client.get("/")).json.userId).toBe("ada");
  });

  test("does not go on unasked where the store cannot say", async () => {
    const { app, client, failing, openAlive } = await start();
    await client.get("/login");
    const { ws } = await openAlive();
    const closing = closedWith(ws);
    failing.add("findSession");
    await app.psession.revokeUser("ada");
    expect(await closing).toBe(4401);
  });

  test("gets onEnd once, and never after it unsubscribed", async () => {
    const { app, client, openAlive } = await start();
    await client.get("/login");
    const { upgrade } = await openAlive();
    const told: string[] = [];
    const first = new Promise<void>((resolve) => {
      upgrade.onEnd(() => {
        told.push("told");
        resolve();
      });
    });
    upgrade.onEnd(() => told.push("stopped"))();
    await app.psession.revokeUser("ada");
    await first;
    await client.get("/login");
    await client.get("/logout");
    expect(told).toEqual(["told"]);
  });
});

describe("openUpgrade, with socket.io", () => {
  const startSocketIo = async (transports: string[]) => {
    const { psession } = testApp(overHttp);
    const server = createServer(
      withSession(psession, async (request, response, session) => {
        if (request.url === "/login") await session.login("ada");
        if (request.url === "/logout") await session.logout();
        response.end(JSON.stringify(session.data));
      }),
    );
    const io = new SocketServer(server);
    io.use(async (socket, next) => {
      try {
        const upgrade = await openUpgrade(psession, socket.request);
        if (!upgrade.session.isSignedIn) return next(new Error("sign in first"));
        socket.data.session = upgrade.session;
        const stop = upgrade.onEnd(() => socket.disconnect(true));
        socket.on("disconnect", stop);
        next();
      } catch (error) {
        next(error as Error);
      }
    });
    io.on("connection", (socket) => {
      socket.on("add", async (item: string, reply: (cart: string[]) => void) => {
        const { session } = socket.data as { session: TestUpgrade["session"] };
        session.push("cart", item);
        await session.save();
        reply(session.data.cart ?? []);
      });
    });
    const base = await listen(server);
    const client = new HttpClient(base);
    const open = (headers: Record<string, string> = {}) => {
      const socket = socketClient(base, {
        transports,
        forceNew: true,
        reconnection: false,
        extraHeaders: { cookie: cookieOf(client), ...headers },
      });
      onTestFinished(() => void socket.close());
      return socket;
    };
    onTestFinished(() => void io.close());
    return { client, open };
  };

  test.each([[["websocket"]], [["polling"]], [["polling", "websocket"]]])("over %s", async (transports) => {
    const { client, open } = await startSocketIo(transports);
    const stranger = open();
    const [refused] = await new Promise<[Error]>((resolve) =>
      stranger.on("connect_error", (error) => resolve([error])),
    );
    expect(refused.message).toBe("sign in first");
    await client.get("/login");
    const foreign = open({ origin: "https://evil.example" });
    const [crossSite] = await new Promise<[Error]>((resolve) =>
      foreign.on("connect_error", (error) => resolve([error])),
    );
    expect(crossSite.message).toContain("another site");
    const socket = open();
    await new Promise<void>((done) => socket.on("connect", done));
    expect(await socket.emitWithAck("add", "tea")).toEqual(["tea"]);
    expect((await client.get("/")).json).toEqual({ cart: ["tea"] });
    const gone = new Promise<string>((resolve) => socket.on("disconnect", resolve));
    await client.get("/logout");
    expect(await gone).toMatch(/io server disconnect|transport/);
  });
});

test("a refusal is a whole answer, and says no more than its status", async () => {
  const server = createServer();
  server.on("upgrade", (_request, socket) => refuseUpgrade(socket, new Error("secret detail")));
  const base = await listen(server);
  const socket = connect(Number(new URL(base).port), "127.0.0.1");
  socket.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
  let text = "";
  for await (const chunk of socket.setEncoding("utf8")) text += chunk;
  expect(text).toBe(
    "HTTP/1.1 500 Internal Server Error\r\nConnection: close\r\nContent-Length: 0\r\nCache-Control: no-store\r\n\r\n",
  );
});
