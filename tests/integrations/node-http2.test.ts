import { once } from "node:events";
import type { ServerResponse } from "node:http";
import {
  type ClientHttp2Session,
  connect,
  createSecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from "node:http2";
import { createServer as createHttpsServer, request as httpsRequest } from "node:https";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import Koa from "koa";
import { describe, expect, onTestFinished, test } from "vitest";
import { memoryStore } from "../../src/index.ts";
import { sessions } from "../../src/integrations/koa/index.ts";
import {
  type NodeRequest,
  type NodeResponse,
  openSession,
  originCheck,
  withSession,
} from "../../src/integrations/node/index.ts";
import { REMEMBER, SESSION, type TestSession, testApp } from "../support/app.ts";
import { selfSigned } from "../support/certificate.ts";
import { intercepted } from "../support/stores.ts";

const { key, cert } = selfSigned();

type Listener = (request: Http2ServerRequest, response: Http2ServerResponse) => void;
interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly setCookie: readonly string[];
  readonly text: string;
}

async function start(
  listener: Listener,
  allowHTTP1 = false,
): Promise<{ url: string; client: ClientHttp2Session }> {
  const server = createSecureServer({ key, cert, allowHTTP1 }, listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const client = connect(url, { ca: cert });
  await once(client, "connect");
  onTestFinished(async () => {
    client.destroy();
    await new Promise<void>((done) => server.close(() => done()));
  });
  return { url, client };
}

async function ask(
  client: ClientHttp2Session,
  path: string,
  headers: OutgoingHttpHeaders = {},
): Promise<Answer> {
  const stream = client.request({ ":path": path, ...headers });
  const [head] = (await once(stream, "response")) as [IncomingHttpHeaders & { ":status"?: number }];
  const body = await text(stream);
  return { status: head[":status"], headers: head, setCookie: head["set-cookie"] ?? [], text: body };
}

const pairOf = (line: string | undefined) => line?.split(";")[0] ?? "";

const shop = async (request: NodeRequest, target: NodeResponse, session: TestSession) => {
  const response = target as ServerResponse;
  if (request.url === "/login") await session.login("ada", { remember: true });
  response.setHeader("Content-Type", "application/json");
  response.end(JSON.stringify({ userId: session.userId ?? null }));
};

describe("HTTP/2", () => {
  test("a server that speaks both gives both the same sessions, with __Host- cookies", async () => {
    const { psession } = testApp();
    const { url, client } = await start(withSession(psession, shop), true);
    const { setCookie } = await ask(client, "/login");
    expect(setCookie.map((line) => line.split("=")[0])).toEqual([SESSION, REMEMBER]);
    const older = httpsRequest(`${url}/`, { ca: cert, headers: { cookie: pairOf(setCookie[0]) } }).end();
    const [response] = await once(older, "response");
    expect([response.httpVersion, await text(response)]).toEqual(["1.1", '{"userId":"ada"}']);
    expect((await psession.devices("ada"))[0]?.address).toContain("127.0.0.1");
  });

  test("cookies in fields of their own are read as one header, and two of one name are refused", async () => {
    const { psession, told } = testApp();
    const { client } = await start(withSession(psession, shop));
    const { setCookie } = await ask(client, "/login");
    const own = pairOf(setCookie[0]);
    const { text: alone } = await ask(client, "/", { cookie: ["a=b", own, "c=d"] });
    expect(alone).toBe('{"userId":"ada"}');
    const { text: twice } = await ask(client, "/", { cookie: [own, own] });
    expect(twice).toBe('{"userId":null}');
    expect(told()).toContain("duplicateCookies");
  });

  test("a head that is written by hand carries the cookies, in every form, without a warning", async () => {
    const warnings: Error[] = [];
    const listen = (warning: Error) => void warnings.push(warning);
    process.on("warning", listen);
    onTestFinished(() => void process.off("warning", listen));
    const { psession } = testApp();
    const seen: unknown[] = [];
    const { client } = await start(
      withSession(psession, (request, response: Http2ServerResponse, session) => {
        session.set("count", 1);
        if (request.url === "/object") response.writeHead(201, { "x-own": "1", "set-cookie": "own=1" });
        if (request.url === "/list") response.writeHead(201, ["x-own", "1", "set-cookie", "own=1"] as never);
        if (request.url === "/flush") {
          response.setHeader("x-own", "1");
          response.appendHeader("set-cookie", "own=1");
          response.statusCode = 201;
          (response as unknown as ServerResponse).flushHeaders();
        }
        seen.push(response.headersSent);
        expect(() => response.setHeader("x-late", "1")).toThrow(/after they are sent/);
        response.end("done");
      }),
    );
    for (const path of ["/object", "/list", "/flush"]) {
      const answer = await ask(client, path);
      expect([answer.status, answer.headers["x-own"], answer.text]).toEqual([201, "1", "done"]);
      expect(answer.setCookie.map((line) => line.split("=")[0])).toEqual(["own", SESSION]);
    }
    expect([seen, warnings]).toEqual([[true, true, true], []]);
  });

  test("a stream arrives whole, through the back pressure of HTTP/2", async () => {
    const { psession } = testApp();
    const { client } = await start(
      withSession(psession, (_request, response: Http2ServerResponse, session) => {
        session.set("count", 1);
        return pipeline(Readable.from(Array.from({ length: 64 }, () => Buffer.alloc(16_384, "x"))), response);
      }),
    );
    const answer = await ask(client, "/");
    expect([answer.text.length, answer.setCookie.length]).toEqual([64 * 16_384, 1]);
  });

  test("an error is answered without a word of the handler's", async () => {
    const { psession } = testApp();
    const { client } = await start(
      withSession(psession, (_request, response: Http2ServerResponse, session) => {
        response.setHeader("location", "/orders/1");
        session.set("count", new Map() as never);
        response.end("ordered");
      }),
    );
    const answer = await ask(client, "/");
    expect([answer.status, answer.headers.location, answer.setCookie]).toEqual([500, undefined, []]);
    expect(answer.text).toBe("Something went wrong.\n");
  });

  test("a stream that is reset before its answer loses nothing that was changed", async () => {
    const handling = Promise.withResolvers<void>();
    const saved = Promise.withResolvers<void>();
    let saves = 0;
    const store = intercepted(memoryStore(), async (name, call) => {
      const result = await call();
      if (name === "apply" && ++saves === 2) saved.resolve();
      return result;
    });
    const app = testApp({ store });
    const { client } = await start(
      withSession(app.psession, async (request, response: Http2ServerResponse, session) => {
        if (request.url === "/slow") {
          handling.resolve();
          await once(response, "close");
          session.set("count", 2);
        } else session.set("name", "ada");
        response.end(JSON.stringify(session.data));
      }),
    );
    const { setCookie } = await ask(client, "/");
    const cookie = pairOf(setCookie[0]);
    const stream = client.request({ ":path": "/slow", cookie });
    stream.on("error", () => {});
    await handling.promise;
    stream.close(8);
    await saved.promise;
    expect(JSON.parse((await ask(client, "/", { cookie })).text).count).toBe(2);
  });

  test("a pushed response has no cookie; the answer that it comes with has", async () => {
    const { psession } = testApp();
    const { client } = await start(
      withSession(psession, async (_request, response: Http2ServerResponse, session) => {
        session.set("count", 1);
        const pushed = await new Promise<Http2ServerResponse>((resolve, reject) => {
          response.createPushResponse({ ":path": "/style.css" }, (error, made) =>
            error === null ? resolve(made) : reject(error),
          );
        });
        pushed.end("body {}");
        response.end("page");
      }),
    );
    const pushes: Promise<[IncomingHttpHeaders, string]>[] = [];
    client.on("stream", (stream) => {
      pushes.push(Promise.all([once(stream, "push").then(([head]) => head), text(stream)]));
    });
    const { setCookie } = await ask(client, "/");
    const [push] = await Promise.all(pushes);
    expect([setCookie.length, push?.[0]["set-cookie"], push?.[1]]).toEqual([1, undefined, "body {}"]);
  });

  test("the origin comes from :authority", async () => {
    const check = originCheck();
    const { url, client } = await start((request, response) => {
      if (check(request, response)) response.end("changed");
    });
    const post = async (origin: string) => (await ask(client, "/", { ":method": "POST", origin })).status;
    expect([await post(url), await post("https://evil.example")]).toEqual([200, 403]);
  });

  test("Koa on HTTP/2 has its sessions", async () => {
    const { psession } = testApp();
    const server = new Koa();
    server.use(sessions(psession));
    server.use(async (ctx) => {
      const session = await ctx.openSession();
      if (ctx.path === "/login") await session.login("ada");
      ctx.body = [session.userId ?? null];
    });
    const { client } = await start(server.callback() as unknown as Listener);
    const { setCookie } = await ask(client, "/login");
    expect((await ask(client, "/", { cookie: pairOf(setCookie[0]) })).text).toBe('["ada"]');
  });
});

test("https comes from the connection, whatever a header says", async () => {
  const { psession } = testApp();
  const server = createHttpsServer({ key, cert }, withSession(psession, shop)).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => new Promise<void>((done) => server.close(() => done())));
  const { port } = server.address() as AddressInfo;
  const headers = { "x-forwarded-proto": "http", connection: "close" };
  const call = httpsRequest({ host: "127.0.0.1", port, path: "/login", ca: cert, headers }).end();
  const [response] = await once(call, "response");
  expect([await text(response), response.headers["set-cookie"]?.length]).toEqual(['{"userId":"ada"}', 2]);
});

test("openSession is the lazy form: a route that does not call it costs no read", async () => {
  const calls: string[] = [];
  const store = intercepted(memoryStore(), (name, call) => {
    calls.push(name);
    return call();
  });
  const { psession } = testApp({ store });
  const { client } = await start(async (request, response) => {
    if (request.url !== "/plain") (await openSession(psession, request, response)).set("count", 1);
    response.end("ok");
  });
  const cookie = pairOf((await ask(client, "/")).setCookie[0]);
  calls.length = 0;
  await ask(client, "/plain", { cookie });
  expect(calls).toEqual([]);
  await ask(client, "/", { cookie });
  expect(calls).toEqual(["findSession"]);
});
