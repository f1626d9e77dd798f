import { Transform } from "node:stream";
import { describe, expect, test } from "vitest";
import type { Session } from "../../src/index.ts";
import { sessions } from "../../src/integrations/express/index.ts";
import { openSession, withSession } from "../../src/integrations/node/index.ts";
import { overHttp, type TestData, testApp } from "../support/app.ts";
import { failingStore } from "../support/stores.ts";
import type { Any } from "./express-session/sides.ts";

type Handler = (session: Session<TestData>, response: Any) => unknown;
type App = ReturnType<typeof testApp>;

/** What runs a handler with its session, given only a request and a response of some shape. */
const SIDES: Record<string, (app: App) => (request: Any, response: Any, handler: Handler) => unknown> = {
  "psession/express":
    ({ psession }) =>
    (request, response, handler) =>
      sessions(psession)(request, response, (error) => {
        if (error === undefined) handler(request.session, response);
        else response.end((error as { code?: string }).code ?? String(error));
      }),
  "psession/node, openSession":
    ({ psession }) =>
    (request, response, handler) =>
      openSession(psession, request, response).then((session) => handler(session, response)),
  "psession/node, withSession":
    ({ psession }) =>
    (request, response, handler) =>
      withSession(psession, (_, held: Any, session) => handler(session, held))(request, response),
};

/** A response that came by no connection, with a stream's methods and headers of its own. */
class VirtualResponse extends Transform {
  statusCode = 200;
  readonly headers: Record<string, unknown> = {};
  setHeader(name: string, value: unknown) {
    this.headers[name.toLowerCase()] = value;
  }
  getHeader(name: string) {
    return this.headers[name.toLowerCase()];
  }
  writeHead(status: number, headers: Record<string, unknown> = {}) {
    this.statusCode = status;
    for (const [name, value] of Object.entries(headers)) this.setHeader(name, value);
    return this;
  }
  override _transform(chunk: Any, _encoding: Any, done: Any) {
    done(null, chunk);
  }
}

/** The smallest thing that can be answered with; `more` are methods that some have besides. */
function bare(more: (headers: Record<string, unknown>) => object = () => ({})) {
  const chunks: string[] = [];
  const { promise, resolve } = Promise.withResolvers<string>();
  const headers: Record<string, unknown> = {};
  const response = {
    statusCode: 200,
    headers,
    body: promise,
    setHeader: (name: string, value: unknown) => void Object.assign(headers, { [name.toLowerCase()]: value }),
    getHeader: (name: string) => headers[name.toLowerCase()],
    writeHead: (status: number) => {
      response.statusCode = status;
      return response;
    },
    write: (chunk: string) => chunks.push(chunk) > 0,
    end: (chunk = "") => resolve([...chunks, chunk].join("")),
    ...more(headers),
  };
  return response;
}

const SHAPES: Record<string, () => Any> = {
  "a stream": () => {
    const response = new VirtualResponse();
    const body = (async () => {
      let text = "";
      for await (const chunk of response) text += chunk;
      return text;
    })();
    return Object.assign(response, { body });
  },
  "the smallest": () => bare(),
  "one that lists its headers": () =>
    bare((headers) => ({
      getHeaders: () => ({ ...headers }),
      getHeaderNames: () => Object.keys(headers),
      hasHeader: (name: string) => name.toLowerCase() in headers,
      removeHeader: (name: string) => Reflect.deleteProperty(headers, name.toLowerCase()),
    })),
  "one that only names its headers": () =>
    bare((headers) => ({
      getHeaderNames: () => Object.keys(headers),
      removeHeader: (name: string) => Reflect.deleteProperty(headers, name.toLowerCase()),
    })),
  "one that has flushed nothing yet": () => bare(() => ({ headersSent: false, flushHeaders: () => {} })),
};

function visitor(side: (request: Any, response: Any, handler: Handler) => unknown, shape: () => Any) {
  const jar = new Map<string, string>();
  return async (handler: Handler, request: object = {}) => {
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join("; ");
    const response = shape();
    const headers = jar.size > 0 ? { cookie } : {};
    side({ method: "GET", url: "/", headers, ...request }, response, handler);
    const text: string = await response.body;
    const setCookie = [response.getHeader("Set-Cookie") ?? []].flat() as string[];
    for (const line of setCookie) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      jar.set(name, value);
    }
    return { status: response.statusCode, text, headers: response.headers, setCookie };
  };
}

const count: Handler = (session, response) => {
  session.set("count", (session.data.count ?? 0) + 1);
  response.end(String(session.data.count));
};
const show: Handler = (session, response) => response.end(String(session.data.count));

const cases = Object.entries(SIDES).flatMap(([name, side]) =>
  Object.entries(SHAPES).map(([shape, make]) => ({ name, side, shape, make })),
);

describe("responses that are not Node's", () => {
  test.each(cases)("$name holds $shape until its session is saved", async ({ side, make }) => {
    const ask = visitor(side(testApp(overHttp)), make);
    const first = await ask(count);
    expect([first.status, first.text, first.setCookie.length]).toEqual([200, "1", 1]);
    expect(first.headers).toMatchObject({ vary: "Cookie", "cache-control": "no-store" });
    const headed = await ask((session, response) => {
      response.setHeader("X-Mine", "1");
      session.set("count", 7);
      response.writeHead(201);
      response.write("in ");
      response.end("parts");
    });
    expect([headed.status, headed.text, headed.headers["x-mine"]]).toEqual([201, "in parts", "1"]);
    expect((await ask(show)).text).toBe("7");
  });

  test.each(cases)("$name: $shape has the application's own cookies as well", async ({ side, make }) => {
    const ask = visitor(side(testApp(overHttp)), make);
    const { setCookie } = await ask((session, response) => {
      response.setHeader("Set-Cookie", "mine=1");
      count(session, response);
    });
    expect(setCookie).toEqual(["mine=1", expect.stringContaining("psession=")]);
  });

  test.each(cases)("$name: signs in and out by $shape", async ({ side, make }) => {
    const { psession } = testApp(overHttp);
    const ask = visitor(side({ psession } as App), make);
    await ask(async (session, response) => {
      await session.login(7, { remember: true });
      response.end();
    });
    const who: Handler = (session, response) => response.end(String(session.userId));
    expect([(await ask(who)).text, (await psession.devices(7)).length]).toEqual(["7", 1]);
    await ask(async (session, response) => {
      await session.logout();
      response.end();
    });
    expect([(await ask(who)).text, (await psession.devices(7)).length]).toEqual(["undefined", 0]);
  });

  test.each(cases)(
    "$name: where it cannot be saved, nothing of the answer leaves by $shape",
    async (given) => {
      const { store, failing } = failingStore();
      const ask = visitor(given.side(testApp({ ...overHttp, store })), given.make);
      await ask(count);
      failing.add("apply");
      const { text, setCookie, headers, status } = await ask((session, response) => {
        response.setHeader("X-Mine", "secret");
        session.set("count", 9);
        response.end("done");
      });
      expect(text).not.toContain("done");
      expect(setCookie).toEqual([]);
      if (given.name !== "psession/express") expect(status).toBe(503);
      // What it has no way to take back stays.
      expect("x-mine" in headers).toBe(
        !given.shape.startsWith("one that lists") && !given.shape.startsWith("one that only"),
      );
      failing.clear();
      expect((await ask(show)).text).toBe("1");
    },
  );
});

describe("an object that is no response, or that answers a handshake", () => {
  const handshake = () => bare(() => ({ removeHeader: () => {} }));
  const given = Object.entries(SIDES).flatMap(([name, side]) => [
    { name, what: "{}", side, response: () => ({}) as Any, request: {} },
    { name, what: "an upgrade", side, response: handshake, request: { upgrade: true } },
  ]);

  test.each(given)("$name, $what: reads the session, and saves changes as they are made", async (one) => {
    const { psession } = testApp(overHttp);
    const side = one.side({ psession } as App);
    const ask = visitor(side, () => bare());
    const { setCookie } = await ask(count);
    const headers = { cookie: setCookie[0]?.split(";")[0] ?? "" };
    const request = () => ({ method: "GET", url: "/", headers, ...one.request });
    const open = (handler: Handler) =>
      new Promise<unknown>((resolve) => {
        side(request(), one.response(), (session, response) => resolve(handler(session, response)));
      });
    const signedIn = await open(async (session) => {
      session.set("count", (session.data.count ?? 0) + 1);
      await session.save();
      await session.login(7);
      return session.save().catch((error: Error & { code?: string }) => error.code);
    });
    expect(signedIn).toBe("headers_already_sent");
    await open((session) => session.set("count", (session.data.count ?? 0) + 1));
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect((await ask(show)).text).toBe("3");
  });
});
