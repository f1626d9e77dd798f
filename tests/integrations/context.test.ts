import { setTimeout as sleep } from "node:timers/promises";
import fastify from "fastify";
import { expect, onTestFinished, test } from "vitest";
import type { RequestFacts } from "../../src/index.ts";
import { sessions } from "../../src/integrations/fastify/index.ts";
import { jarSession, requestSessions, withSession } from "../../src/integrations/fetch/index.ts";
import { openSession } from "../../src/integrations/node/index.ts";
import { currentRequest } from "../../src/request/context.ts";
import { Visitor } from "../../src/testing/http/client.ts";
import { overHttp, testApp } from "../support/app.ts";
import { serve } from "../support/http.ts";

/** A psession, and what stands for the requests that it opened. */
function watched() {
  const { psession } = testApp(overHttp);
  const tokens: object[] = [];
  const begin = psession.exchange.bind(psession);
  psession.exchange = ((facts: RequestFacts, make: never) => {
    const exchange = begin(facts, make);
    tokens.push(exchange.token);
    return exchange;
  }) as typeof psession.exchange;
  return { psession, tokens };
}

test("openSession of node:http: a handler is in its request once it opened a session, and no other is", async () => {
  const { psession, tokens } = watched();
  const seen: Record<string, (object | undefined)[]> = {};
  const url = await serve(async (request, response) => {
    const path = request.url ?? "";
    const where = [currentRequest()];
    seen[path] = where;
    if (path !== "/plain") await openSession(psession, request, response);
    where.push(currentRequest());
    await sleep(1);
    where.push(currentRequest());
    response.end("done");
  });
  const visitor = new Visitor(url);
  await visitor.pipeline(["/1", "/plain", "/2"]);
  // And on a connection that is kept.
  await visitor.get("/3");
  expect(tokens).toHaveLength(3);
  expect(seen).toEqual({
    "/1": [undefined, expect.anything(), expect.anything()],
    "/plain": [undefined, undefined, undefined],
    "/2": [undefined, expect.anything(), expect.anything()],
    "/3": [undefined, expect.anything(), expect.anything()],
  });
  for (const [index, path] of ["/1", "/2", "/3"].entries()) {
    expect(seen[path]?.[1]).toBe(tokens[index]);
    expect(seen[path]?.[2]).toBe(tokens[index]);
  }
  visitor.leave();
});

test("only requests of a server are entered", async () => {
  const { psession } = watched();
  const headers = {};
  const request = { headers, method: "GET", url: "/", httpVersionMajor: 1, socket: {} };
  const response = {
    headersSent: false,
    getHeaders: () => ({}),
    writeHead() {},
    write() {},
    end() {},
    flushHeaders() {},
  };
  await openSession(psession, request as never, response as never);
  expect(currentRequest()).toBeUndefined();
});

test("loaders of React Router are in their request once they have its session", async () => {
  const { psession, tokens } = watched();
  const { getSession } = requestSessions(psession);
  const load = async (request: Request) => {
    await getSession(request);
    await sleep(1);
    return currentRequest();
  };
  const requests = [new Request("https://shop.example/a"), new Request("https://shop.example/b")];
  const seen = await Promise.all(requests.map(load));
  expect(seen).toEqual(requests);
  expect(seen.map((one) => tokens.indexOf(one as object))).toEqual([0, 1]);
});

test("handlers with a jar are in their request once they have its session", async () => {
  const { psession, tokens } = watched();
  const handle = async () => {
    const { getSession } = jarSession(psession, { headers: new Headers() }, { secure: false });
    await getSession();
    await sleep(1);
    return currentRequest();
  };
  const seen = await Promise.all([handle(), handle()]);
  expect(seen).toEqual(tokens);
  expect(seen[0]).not.toBe(seen[1]);
});

test("a handler that calls another one's is in its own again afterwards", async () => {
  const { psession } = watched();
  const inner = withSession(psession, async () => Response.json(currentRequest() === innerRequest));
  const innerRequest = new Request("https://shop.example/inner");
  const outerRequest = new Request("https://shop.example/outer");
  const outer = withSession(psession, async () => {
    const before = currentRequest();
    const answer = await (await inner(innerRequest)).json();
    return Response.json([before === outerRequest, answer, currentRequest() === outerRequest]);
  });
  expect(await (await outer(outerRequest)).json()).toEqual([true, true, true]);
});

test.each(["lazy", "always"] as const)(
  "Fastify, %s: hooks and handlers are in their request, and what they throw at once is answered once",
  async (open) => {
    const { psession } = watched();
    const app = fastify();
    const seen: (object | undefined)[] = [];
    await app.register(sessions, { psession, open });
    for (const name of ["onRequest", "preValidation", "preHandler", "preSerialization"] as const) {
      app.addHook(name, (async () => void seen.push(currentRequest())) as never);
    }
    app.post("/", async (request) => {
      seen.push(currentRequest());
      return { body: request.body };
    });
    app.get("/broken", () => {
      throw new Error("broken");
    });
    const url = await app.listen({ port: 0, host: "127.0.0.1" });
    onTestFinished(() => app.close());
    const visitor = new Visitor(url);
    const headers = { "content-type": "application/json" };
    const { text } = await visitor.post("/", { headers, body: '{"item":"tea"}' });
    expect(JSON.parse(text)).toEqual({ body: { item: "tea" } });
    expect(seen).toHaveLength(5);
    expect(seen[0]).toBeDefined();
    expect(new Set(seen).size).toBe(1);
    expect((await visitor.get("/broken")).status).toBe(500);
    visitor.leave();
  },
);
