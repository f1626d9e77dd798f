import { createServer } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { Transform } from "node:stream";
import { describe, expect, onTestFinished, test } from "vitest";
import { memoryStore } from "../../../src/index.ts";
import type { SessionOptions } from "../../../src/integrations/express-session/index.ts";
import { closed, listening } from "../../support/http.ts";
import { type Any, type Middleware, NotedStore, ours, SIDES, STRONG, WEAK } from "./sides.ts";
import { warnings } from "./warnings.ts";

const require = createRequire(import.meta.url);
const { Server } = require("socket.io") as Any;
const { io } = require("socket.io-client") as Any;

/** A response of a request that came by no connection, as frameworks make one for sockets and for tests. */
class VirtualResponse extends Transform {
  statusCode = 200;
  readonly headers: Record<string, unknown> = {};
  readonly calls: string[] = [];

  setHeader(name: string, value: unknown) {
    this.headers[name.toLowerCase()] = value;
  }

  getHeader(name: string) {
    return this.headers[name.toLowerCase()];
  }

  writeHead(status: number, headers: Record<string, unknown> = {}) {
    this.calls.push("writeHead");
    this.statusCode = status;
    for (const [name, value] of Object.entries(headers)) this.setHeader(name, value);
    return this;
  }

  /** express-session calls it where the head is to leave. */
  _implicitHeader() {
    this.writeHead(this.statusCode);
  }

  override _transform(chunk: Any, _encoding: Any, done: Any) {
    done(null, chunk);
  }
}

/** The smallest thing that can be answered with. */
function bareResponse() {
  const chunks: string[] = [];
  const { promise, resolve } = Promise.withResolvers<string>();
  const headers: Record<string, unknown> = {};
  return {
    statusCode: 200,
    headers,
    body: promise,
    setHeader: (name: string, value: unknown) => void Object.assign(headers, { [name.toLowerCase()]: value }),
    getHeader: (name: string) => headers[name.toLowerCase()],
    writeHead: (status: number) => status,
    write: (chunk: string) => chunks.push(chunk) > 0,
    end: (chunk = "") => resolve([...chunks, chunk].join("")),
    _implicitHeader() {},
  };
}

async function bodyOf(response: VirtualResponse): Promise<string> {
  let text = "";
  for await (const chunk of response) text += chunk;
  return text;
}

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly setCookie: readonly string[];
  readonly error: Any;
}

type Handler = (request: Any, response: Any) => void;

/** A browser whose requests come by no connection. */
function visitor(middleware: Any) {
  const jar = new Map<string, string>();
  const ask = async (handler: Handler, isBare = false): Promise<Answer> => {
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join("; ");
    const request: Any = { method: "GET", url: "/", headers: jar.size > 0 ? { cookie } : {} };
    const bare = bareResponse();
    const virtual = new VirtualResponse();
    const response: Any = isBare ? bare : virtual;
    const body = isBare ? bare.body : bodyOf(virtual);
    let error: Any;
    middleware(request, response, (given: unknown) => {
      if (given === undefined) return handler(request, response);
      error = given;
      response.end("error");
    });
    const text = await body;
    const setCookie = [response.getHeader("Set-Cookie") ?? []].flat() as string[];
    for (const line of setCookie) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      jar.set(name, value);
    }
    return { status: response.statusCode, text, setCookie, error };
  };
  return { jar, ask };
}

const make = (session: Middleware, options: () => SessionOptions) =>
  session({ secret: WEAK, resave: false, saveUninitialized: false, ...options() });

const write: Handler = (request, response) => {
  request.session.seen = (request.session.seen ?? 0) + 1;
  response.end(String(request.session.seen));
};
const writeByHead: Handler = (request, response) => {
  request.session.seen = (request.session.seen ?? 0) + 1;
  response.writeHead(201, { "x-mine": "1" });
  response.write("seen ");
  response.end(String(request.session.seen));
};

describe("virtual requests, whose responses are not Node's", () => {
  test.each(SIDES)("are answered with a session that is saved: %s", async (_, session, options) => {
    const { ask } = visitor(make(session, options));
    const first = await ask(write);
    expect([first.status, first.text, first.setCookie.length]).toEqual([200, "1", 1]);
    expect((await ask(write)).text).toBe("2");
    const headed = await ask(writeByHead);
    expect([headed.status, headed.text]).toEqual([201, "seen 3"]);
    expect((await ask((request, response) => response.end(String(request.session.seen)))).text).toBe("3");
  });

  describe.each(SIDES.slice(1))("%s", (_, session, options) => {
    test("keep the application's own cookies, and its calls in their order", async () => {
      const { ask } = visitor(make(session, options));
      let seen: string[] = [];
      const answer = await ask((request, response) => {
        seen = response.calls;
        response.setHeader("Set-Cookie", "mine=1");
        writeByHead(request, response);
      });
      expect(answer.setCookie).toEqual(["mine=1", expect.stringContaining("connect.sid=")]);
      expect(seen).toEqual(["writeHead"]);
    });

    test("of the smallest shape are held as well", async () => {
      const { ask } = visitor(make(session, options));
      expect((await ask(write, true)).setCookie).toHaveLength(1);
      expect((await ask(writeByHead, true)).text).toBe("seen 2");
    });

    test("can sign in and out", async () => {
      const { ask } = visitor(make(session, options));
      await ask(write);
      const signedIn = await ask((request, response) => {
        request.session.regenerate(() => {
          request.session.userId = 7;
          request.session.save((error: Any) => response.end(error?.code ?? "in"));
        });
      });
      expect([signedIn.text, signedIn.setCookie.length > 0]).toEqual(["in", true]);
      const who: Handler = (request, response) => response.end(String(request.session.userId));
      expect((await ask(who)).text).toBe("7");
      const planted = await ask((request, response) => {
        request.session.userId = 8;
        response.end("in");
      });
      expect(planted.setCookie.length).toBeGreaterThan(0);
      expect((await ask(who)).text).toBe("8");
      await ask((request, response) => request.session.destroy(() => response.end("out")));
      expect((await ask(who)).text).toBe("undefined");
    });

    test("save what is changed while the body is written", async () => {
      const { ask } = visitor(make(session, options));
      await ask(write);
      await ask((request, response) => {
        response.write("a");
        setImmediate(() => {
          request.session.seen = 40;
          response.end("b");
        });
      });
      expect((await ask(write)).text).toBe("41");
    });
  });

  test("a session that cannot be saved is an error, not the handler's answer", async () => {
    const store = new NotedStore();
    const { ask } = visitor(make(ours, () => ({ store })));
    store.instead.set = (_id, _data, done) => done(new Error("lost"));
    for (const handler of [write, writeByHead]) {
      const { text, error, setCookie } = await ask(handler);
      expect([text, error?.code, setCookie]).toEqual(["error", "store_unavailable", []]);
    }
  });
});

describe("a handshake of engine.io", () => {
  test.each(SIDES.slice(1))("warns where a change will not be saved: %s", async (_, session, options) => {
    const server = createServer();
    await listening(server);
    onTestFinished(() => closed(server));
    const sockets = new Server(server);
    onTestFinished(() => void sockets.close());
    sockets.engine.use(make(session, options));
    sockets.engine.use((request: Any, _response: Any, next: Any) => {
      if (request.headers["x-change"]) request.session.changed = true;
      next();
    });
    const warned = warnings("PSESSION_NOT_SAVED");
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const connect = async (extraHeaders: Record<string, string>) => {
      const socket = io(base, {
        transports: ["websocket"],
        extraHeaders,
        reconnection: false,
        forceNew: true,
      });
      onTestFinished(() => void socket.disconnect());
      await new Promise<void>((resolve, reject) => {
        socket.on("connect", resolve);
        socket.on("connect_error", reject);
      });
    };
    await connect({});
    await connect({ "x-change": "1" });
    expect(await warned).toContain("save()");
  });

  test("an object that is no response is accepted: a change that is not saved emits one warning", async () => {
    for (const options of [{ store: new NotedStore() }, { store: memoryStore(), secret: STRONG }]) {
      const middleware = make(ours, () => options);
      const told: string[] = [];
      const listener = (warning: Any) =>
        void (warning.code === "PSESSION_NOT_SAVED" && told.push(warning.message));
      process.on("warning", listener);
      onTestFinished(() => void process.off("warning", listener));
      const open = (change: (session: Any) => unknown) =>
        new Promise<void>((resolve, reject) => {
          const request: Any = { url: "/", headers: {}, method: "GET", socket: {} };
          middleware(request, {} as Any, (error) => {
            if (error) return reject(error);
            change(request.session);
            setImmediate(() => setImmediate(resolve));
          });
        });
      await open(() => {});
      expect(told).toEqual([]);
      for (let round = 0; round < 2; round++) {
        await open((session) => {
          session.seen = 1;
        });
      }
      expect(told).toHaveLength(1);
    }
  });
});
