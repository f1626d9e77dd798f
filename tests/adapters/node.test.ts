import { once } from "node:events";
import { createServer, request as httpRequest } from "node:http";
import { connect } from "node:net";
import { describe, expect, test } from "vitest";
import { openSession, withSession } from "../../src/adapters/node/index.ts";
import { memoryStore, PsessionError } from "../../src/index.ts";
import { overHttp, REMEMBER, SESSION, testApp } from "../support/app.ts";
import { HttpClient, serve } from "../support/http.ts";
import { intercepted } from "../support/stores.ts";

describe("withSession", () => {
  const start = async (options = {}) => {
    const app = testApp({ ...overHttp, ...options });
    const base = await serve(
      withSession(app.psession, async (request, response, session) => {
        if (request.url === "/login") await session.login("ada", { remember: true });
        if (request.url === "/throw") throw new Error("secret detail");
        if (request.url === "/add") session.push("cart", "tea");
        response.setHeader("Content-Type", "application/json");
        response.end(
          JSON.stringify({ userId: session.userId ?? null, outcome: session.outcome, data: session.data }),
        );
      }),
    );
    return { app, base, client: new HttpClient(base) };
  };

  test("tells the whole story over plain node:http", async () => {
    const { client } = await start();
    expect((await client.get("/")).setCookie).toEqual([]);
    await client.get("/add");
    await client.get("/login");
    client.restart();
    const back = await client.get("/");
    expect(back.json).toEqual({ userId: "ada", outcome: "accepted", data: { cart: ["tea"] } });
  });

  test("an error of the handler says nothing about itself", async () => {
    const { client } = await start();
    const answer = await client.get("/throw");
    expect([answer.status, answer.text]).toEqual([500, "Something went wrong.\n"]);
  });

  test("a store that is down answers 503", async () => {
    const store = intercepted(memoryStore(), async () => {
      throw new PsessionError("store_unavailable", "down");
    });
    const { client } = await start({ store });
    const answer = await client.get("/login");
    expect([answer.status, answer.setCookie]).toEqual([503, []]);
  });

  test("hostile cookies make an anonymous visitor, and cost no read", async () => {
    const { base, client, app } = await start();
    await client.get("/login");
    const session = client.jar.get("psession")?.value ?? "";
    const remember = client.jar.get("psession-remember")?.value ?? "";
    const outcome = async (cookie: string) => {
      const answer = await new HttpClient(base).get("/", { cookie });
      expect(answer.json.userId, cookie.slice(0, 60)).toBeNull();
      return [answer.json.outcome, answer.setCookie.length];
    };
    expect(await outcome("psession=abc")).toEqual(["malformed", 0]);
    expect(await outcome(`psession=${session.slice(0, -1)}`)).toEqual(["malformed", 0]);
    expect(await outcome(`psession=${remember}`)).toEqual(["malformed", 0]);
    expect(await outcome(`psession[]=${session}`)).toEqual(["none", 0]);
    expect(await outcome(`psession-remember=${remember.replace(".0.", ".1.")}`)).toEqual(["malformed", 0]);
    expect(await outcome(`psession=${session}; psession=${session}`)).toEqual(["duplicate", 1]);
    expect(await outcome(`psession-remember=${remember}; psession-remember=x`)).toEqual(["duplicate", 1]);
    expect(
      await outcome(Array.from({ length: 400 }, (_, i) => `c${i}=${"v".repeat(20)}`).join("; ")),
    ).toEqual(["none", 0]);
    expect(await outcome(`psession=${"x".repeat(12_000)}`)).toEqual(["malformed", 0]);
    expect(app.told()).not.toContain("theft");
  });

  test("a header of more than Node takes is refused by Node, and the next request is served", async () => {
    const { client } = await start();
    expect((await client.get("/", { cookie: `psession=${"x".repeat(20_000)}` })).status).toBe(431);
    expect((await client.get("/")).status).toBe(200);
  });

  test("several Cookie headers are read as one", async () => {
    const { client, base } = await start();
    await client.get("/login");
    const cookie = ["a=b", `psession=${client.jar.get("psession")?.value}`];
    const url = new URL(base);
    const call = httpRequest({ host: url.hostname, port: url.port, path: "/", headers: { cookie } });
    call.end();
    const [response] = await once(call, "response");
    let text = "";
    for await (const chunk of response) text += chunk;
    expect(JSON.parse(text).userId).toBe("ada");
  });

  test("pipelined requests are answered in their order, each with its own cookies", async () => {
    const { base } = await start();
    const socket = connect(Number(new URL(base).port), "127.0.0.1");
    const head = "Host: a\r\n";
    socket.write(`GET /add HTTP/1.1\r\n${head}\r\nGET /login HTTP/1.1\r\n${head}Connection: close\r\n\r\n`);
    let text = "";
    for await (const chunk of socket) text += chunk;
    const answers = text.split("HTTP/1.1 200").slice(1);
    expect(answers.map((answer) => answer.match(/Set-Cookie/gi)?.length)).toEqual([1, 2]);
    expect(answers[0]).toContain("tea");
    expect(answers[1]).toContain("ada");
  });
});

test("a response whose head has left can still save, but signs nobody in", async () => {
  const app = testApp(overHttp);
  const outcomes: unknown[] = [];
  const server = createServer(async (request, response) => {
    response.writeHead(200);
    response.write("early ");
    const session = await openSession(app.psession, request, response);
    if (request.url === "/login") {
      await session.login("ada");
      outcomes.push(await session.save().catch((error: PsessionError) => error.code));
    } else session.set("count", 1);
    response.end("late");
  });
  const base = await serve((request, response) => void server.emit("request", request, response));
  const client = new HttpClient(base);
  expect((await client.get("/login")).text).toBe("early late");
  expect(outcomes).toEqual(["headers_already_sent"]);
  expect(app.told()).toEqual([]);
});

test("behind a trusted proxy the forwarded scheme and address count, else they do not", async () => {
  for (const [trustProxy, names] of [
    [true, [SESSION, REMEMBER]],
    [false, []],
  ] as const) {
    const app = testApp();
    const base = await serve(
      withSession(
        app.psession,
        async (_request, response, session) => {
          if (session.outcome !== "insecure") await session.login("ada", { remember: true });
          response.end();
        },
        { trustProxy },
      ),
    );
    const headers = { "x-forwarded-proto": "https", "x-forwarded-for": "198.51.100.3, 10.0.0.1" };
    const answer = await new HttpClient(base).get("/", headers);
    expect(answer.setCookie.map((line) => line.split("=")[0])).toEqual(names);
    const [device] = await app.psession.devices("ada");
    expect(device?.address).toBe(trustProxy ? "198.51.100.3" : undefined);
  }
});
