import { once } from "node:events";
import { createServer, request as httpRequest, type ServerResponse } from "node:http";
import { connect } from "node:net";
import { setFlagsFromString } from "node:v8";
import { describe, expect, onTestFinished, test } from "vitest";
import { memoryStore, PsessionError } from "../../src/index.ts";
import { openSession, withSession } from "../../src/integrations/node/index.ts";
import { overHttp, REMEMBER, SESSION, type TestSession, testApp } from "../support/app.ts";
import { HOUR, MINUTE } from "../support/clock.ts";
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

  test("keeps a cart through a sign-in and a restore over plain node:http", async () => {
    const { client } = await start();
    expect((await client.get("/")).setCookie).toEqual([]);
    await client.get("/add");
    await client.get("/login");
    client.restart();
    const back = await client.get("/");
    expect(back.json).toEqual({ userId: "ada", outcome: "accepted", data: { cart: ["tea"] } });
  });

  test("an error of the handler reveals nothing to the visitor", async () => {
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
    expect(await outcome(`psession=${session}; psession=${session}`)).toEqual(["duplicate", 0]);
    expect(await outcome("psession-remember=y; psession-remember=x")).toEqual(["duplicate", 1]);
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

describe("what handlers do wrong", () => {
  const answers = async (handle: (response: ServerResponse, session: TestSession) => unknown) => {
    const warnings: string[] = [];
    const listen = (warning: Error & { code?: string }) => warnings.push(warning.code ?? "");
    process.on("warning", listen);
    onTestFinished(() => void process.off("warning", listen));
    const app = testApp(overHttp);
    const base = await serve(
      withSession(app.psession, async (request, response, session) => {
        if (request.url === "/data") return response.end(JSON.stringify(session.data));
        session.set("count", 1);
        return handle(response, session);
      }),
    );
    const client = new HttpClient(base);
    const answer = await client.get("/");
    const { text: data } = await client.get("/data");
    return { answer, data, warnings };
  };

  test("a status, a message or a chunk that Node refuses is refused where it is given", async () => {
    const wrong: ((response: ServerResponse) => unknown)[] = [
      (response) => {
        response.statusCode = 1000;
        response.end();
      },
      (response) => {
        response.statusMessage = "a\nb";
        response.end();
      },
      (response) => response.end(42 as never),
      (response) => response.write({} as never),
      (response) => response.writeHead(200, { "x\n": "1" }),
    ];
    for (const handle of wrong) {
      const { answer, data } = await answers(handle);
      expect([answer.status, answer.text]).toEqual([500, "Something went wrong.\n"]);
      expect(data).toBe('{"count":1}');
    }
  });

  test("of two answers the first one stands, whole", async () => {
    const { answer, warnings } = await answers((response) => {
      response.setHeader("content-length", 5);
      response.end("hello");
      response.statusCode = 404;
      response.setHeader("content-length", 27);
      response.end("a much longer second answer");
    });
    expect([answer.status, answer.text, answer.setCookie.length]).toEqual([200, "hello", 1]);
    expect(warnings).toContain("PSESSION_SECOND_ANSWER");
  });

  test("headers that come after the head are refused, as Node refuses them", async () => {
    const { answer } = await answers((response) => {
      response.writeHead(201);
      expect(response.headersSent).toBe(true);
      expect(() => response.setHeader("x-late", "1")).toThrow(
        expect.objectContaining({ code: "ERR_HTTP_HEADERS_SENT" }),
      );
      expect(() => response.writeHead(200)).toThrow(
        expect.objectContaining({ code: "ERR_HTTP_HEADERS_SENT" }),
      );
      response.write("begun ");
      expect(() => response.removeHeader("date")).toThrow(
        expect.objectContaining({ code: "ERR_HTTP_HEADERS_SENT" }),
      );
      response.end("done");
    });
    expect([answer.status, answer.text, answer.headers.get("x-late")]).toEqual([201, "begun done", null]);
  });

  test("an error after the answer leaves the answer as it is", async () => {
    const { answer, warnings } = await answers((response) => {
      response.end("fine");
      throw new Error("late");
    });
    expect([answer.status, answer.text]).toEqual([200, "fine"]);
    expect(warnings).toContain("PSESSION_HANDLER");
  });

  test("an error page is not cut to the length of the answer that it replaces", async () => {
    const { answer } = await answers((response) => {
      response.setHeader("content-length", 500);
      response.setHeader("content-encoding", "gzip");
      throw new Error("broken");
    });
    expect([answer.status, answer.text]).toEqual([500, "Something went wrong.\n"]);
  });

  test("a save that fails while the handler goes on writing ends the answer, and nothing of the handler's leaves", async () => {
    const { answer, warnings } = await answers(async (response, session) => {
      Object.assign(session.data, { bad: new Map() });
      response.writeHead(200);
      response.write("secret ");
      await new Promise(setImmediate);
      response.write("more ");
      await new Promise(setImmediate);
      response.end("end");
    });
    expect([answer.status, answer.text]).toEqual([500, ""]);
    expect(warnings).toContain("PSESSION_SAVE_AFTER_HEAD");
  });

  test("data that grows too large is an error page, not the end of the process", async () => {
    const { answer, data } = await answers((response, session) => {
      session.set("name", "x".repeat(100_000));
      response.writeHead(200);
      response.end("saved");
    });
    expect([answer.status, data]).toEqual([500, "{}"]);
  });

  test("callbacks of write and end are called, also where they come twice", async () => {
    const called: string[] = [];
    await answers((response) => {
      response.write("a", () => called.push("write"));
      response.end("b", () => called.push("end"));
      response.end(() => called.push("again"));
    });
    expect(called.sort()).toEqual(["again", "end", "write"]);
  });
});

test("writeHead alone sends nothing: the secret is exchanged when the head leaves", async () => {
  const app = testApp(overHttp);
  const browser = { jar: new Map() as HttpClient["jar"] };
  let release = () => {};
  const slow = new Promise<void>((resolve) => {
    release = resolve;
  });
  const base = await serve(
    withSession(app.psession, async (request, response, session) => {
      if (request.url === "/login") await session.login("ada", { remember: true });
      response.writeHead(200);
      if (request.url === "/slow") await slow;
      response.end(session.level);
    }),
  );
  const client = new HttpClient(base);
  await client.get("/login");
  client.restart();
  app.clock.advance(HOUR);
  browser.jar = new Map(client.jar);
  const first = client.request("/slow", { jar: browser.jar });
  await new Promise((resolve) => setImmediate(resolve));
  app.clock.advance(2 * MINUTE);
  expect((await client.request("/", { jar: browser.jar })).text).toBe("remembered");
  release();
  await first;
  app.clock.advance(HOUR);
  client.restart();
  expect((await client.get("/")).text).toBe("remembered");
  expect(app.told()).not.toContain("theft");
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

describe("a response that is held back", () => {
  const HELD = ["writeHead", "write", "end", "flushHeaders"] as const;
  const FIXED = ["headersSent", "writableEnded", "setHeader", "appendHeader", "setHeaders", "removeHeader"];

  test("has no function of its own: one that refers to it would keep its request for V8's next collection", async () => {
    const { psession } = testApp({ ...overHttp });
    const seen: PropertyDescriptorMap[] = [];
    const base = await serve(async (request, response) => {
      const session = await openSession(psession, request, response);
      session.set("count", 1);
      response.end("done");
      // While the save is under way the head is fixed.
      seen.push(Object.getOwnPropertyDescriptors(response) as unknown as PropertyDescriptorMap);
    });
    const client = new HttpClient(base);
    await client.get("/");
    await new HttpClient(base).get("/");
    const [first, second] = seen;
    for (const name of [...HELD, ...FIXED]) {
      const [one, other] = [first?.[name], second?.[name]];
      expect(one, name).toBeDefined();
      expect([one?.value, one?.get], name).toEqual([other?.value, other?.get]);
      expect(Object.is(one?.value ?? one?.get, other?.value ?? other?.get), name).toBe(true);
    }
  });

  test("keeps its shape when the head is free again, and what is derived from it finds Node's methods behind psession's", async () => {
    setFlagsFromString("--allow-natives-syntax");
    const isFast = new Function("object", "return %HasFastProperties(object)") as (object: object) => boolean;
    const { psession } = testApp({ ...overHttp });
    const base = await serve(async (request, response) => {
      const session = await openSession(psession, request, response);
      session.set("count", 1);
      await new Promise((resolve) => response.write("begun", resolve));
      const keepsShape = isFast(response);
      const derived = Object.create(response) as typeof response;
      const refused = {
        code: "ERR_HTTP_HEADERS_SENT",
        message: expect.stringContaining("set headers after"),
      };
      expect(() => derived.setHeader("x-late", "1")).toThrow(expect.objectContaining(refused));
      const seen = [response, derived].map((one) => [one.headersSent, one.writableEnded, one.getHeader("x")]);
      response.end(JSON.stringify([keepsShape, ...seen]));
    });
    const { text } = await new HttpClient(base).get("/");
    expect(text).toBe(`begun${JSON.stringify([true, [true, false, null], [true, false, null]])}`);
  });

  test("carries the cookies of two sessions, and of each once", async () => {
    const one = testApp({ ...overHttp });
    const other = testApp({ ...overHttp, cookies: { session: "second", remember: "second-remember" } });
    const base = await serve(async (request, response) => {
      (await openSession(one.psession, request, response)).set("count", 1);
      (await openSession(other.psession, request, response)).set("count", 2);
      response.writeHead(201, { "X-Kind": "two" });
      response.write("a");
      response.end("b");
    });
    const answer = await new HttpClient(base).get("/");
    expect([answer.status, answer.text]).toEqual([201, "ab"]);
    expect(answer.setCookie.map((line) => line.split("=")[0]).sort()).toEqual(["psession", "second"]);
  });
});
