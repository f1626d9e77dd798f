import { describe, expect, test } from "vitest";
import { memoryStore, PsessionError } from "../../src/index.ts";
import { type FetchHandler, originCheck, withSession } from "../../src/integrations/fetch/index.ts";
import { type TestApp, type TestData, testApp } from "../support/app.ts";
import { DAY } from "../support/clock.ts";
import { intercepted } from "../support/stores.ts";

type Handler = FetchHandler<TestData, [], Response>;

const request = (path = "/", headers: Record<string, string> = {}) =>
  new Request(`https://example.com${path}`, { headers });

const changing = (answer: () => Response): Handler => {
  return async (_request, getSession) => {
    (await getSession()).set("name", "Ada");
    return answer();
  };
};

const answerTo = (handler: Handler, app = testApp()) => withSession(app.psession, handler)(request());

function failing(method: string): TestApp {
  const store = intercepted(memoryStore(), async (name, call) => {
    if (name === method) throw new PsessionError("store_unavailable", "The store is down.");
    return call();
  });
  return testApp({ store });
}

describe("responses", () => {
  test("a redirect, whose headers are immutable, gets its cookie", async () => {
    const answer = await answerTo(changing(() => Response.redirect("https://example.com/next", 303)));
    expect([answer.status, answer.headers.get("location")]).toEqual([303, "https://example.com/next"]);
    expect(answer.headers.getSetCookie()).toHaveLength(1);
    expect(answer.headers.get("cache-control")).toBe("no-store");
  });

  test("status, its text, headers, other cookies and the streamed body stay as they were", async () => {
    const body = new Response("streamed").body;
    const headers = new Headers({ "x-one": "1" });
    headers.append("set-cookie", "one=1; Path=/");
    headers.append("set-cookie", "two=2; Path=/");
    const answer = await answerTo(
      changing(() => new Response(body, { status: 201, statusText: "Made", headers })),
    );
    expect([answer.status, answer.statusText, answer.headers.get("x-one")]).toEqual([201, "Made", "1"]);
    expect(answer.headers.getSetCookie().map((line) => line.split("=")[0])).toEqual([
      "one",
      "two",
      "__Host-psession",
    ]);
    expect(answer.body).toBe(body);
    expect(await answer.text()).toBe("streamed");
  });

  test("one that the handler keeps for all visitors gets no visitor's cookie", async () => {
    const done = new Response(null, { status: 204 });
    const handler = withSession(
      testApp().psession,
      changing(() => done),
    );
    expect((await handler(request())).headers.getSetCookie()).toHaveLength(1);
    expect((await handler(request())).headers.getSetCookie()).toHaveLength(1);
    expect(done.headers.getSetCookie()).toEqual([]);
  });

  test("where nothing is to be set, the handler's own response leaves, untouched", async () => {
    const own = new Response("own");
    for (const name of ["headers", "body"]) {
      Object.defineProperty(own, name, {
        get: () => {
          throw new Error(`${name} was touched`);
        },
      });
    }
    expect(await answerTo(() => own)).toBe(own);
    const opening: Handler = async (_request, getSession) => {
      await getSession();
      return own;
    };
    expect(await answerTo(opening)).toBe(own);
  });

  test("undefined, the answer of servers that took the request over, is passed on", async () => {
    const { psession } = testApp();
    const handler = withSession(psession, async (_request, getSession) => {
      await getSession();
      return undefined;
    });
    expect(await handler(request())).toBeUndefined();
  });

  describe("the answer to a WebSocket's upgrade brings no cookie, so no secret is changed", () => {
    const remembered = async () => {
      const app = testApp();
      const first = await withSession(app.psession, async (_request, getSession) => {
        await (await getSession()).login(7, { remember: true });
        return new Response();
      })(request());
      const [, remember = ""] = first.headers.getSetCookie().map((line) => line.split(";")[0]);
      app.clock.advance(DAY);
      return { app, asked: request("/", { upgrade: "websocket", cookie: remember }) };
    };

    /** As Deno and Cloudflare make them: nothing can be put on it, and nothing may be made of it. */
    const switching = () => {
      const answer = new Response();
      const refuse = () => {
        throw new TypeError("immutable");
      };
      Object.defineProperties(answer, {
        status: { value: 101 },
        headers: { get: refuse },
        body: { get: refuse },
      });
      return answer;
    };

    test.each([
      ["undefined, of a server that took the request over", undefined],
      ["101", switching()],
    ])("%s", async (_, own) => {
      const { app, asked } = await remembered();
      const answer = await withSession<TestData, [], Response | undefined>(
        app.psession,
        async (_request, getSession) => {
          expect((await getSession()).userId).toBe(7);
          return own;
        },
      )(asked);
      expect(answer).toBe(own);
      expect(app.told()).toContain("accepted");
      expect(app.told()).not.toContain("restored");
    });

    test("Bun's own word counts, where a Response stands for an upgrade", async () => {
      for (const isUpgraded of [true, false]) {
        const { app, asked } = await remembered();
        let address: { address: string } | null = { address: "192.0.2.7" };
        const server = { requestIP: () => address };
        const handler = withSession(app.psession, async (_request, getSession, _server: typeof server) => {
          await getSession();
          if (isUpgraded) address = null;
          return new Response(null);
        });
        const answer = await handler(asked, server);
        expect(answer.headers.getSetCookie()).toHaveLength(isUpgraded ? 0 : 2);
        expect(app.told()).toContain(isUpgraded ? "accepted" : "restored");
      }
    });

    test("so does Node's, where something else sends the head; not where the answer's headers go along", async () => {
      for (const [environment, isSent] of [
        [{ incoming: { upgrade: true } }, false],
        [{ incoming: { upgrade: true }, wss: {} }, true],
        [{ incoming: { upgrade: false } }, true],
      ] as const) {
        const { app, asked } = await remembered();
        const handler = withSession(app.psession, async (_request, getSession, _environment: object) => {
          await getSession();
          return new Response(null);
        });
        const answer = await handler(asked, environment);
        expect(answer.headers.getSetCookie()).toHaveLength(isSent ? 2 : 0);
      }
    });
  });
});

test("a body that asks for its session only while it streams can read and change it", async () => {
  let applied = Promise.withResolvers<void>();
  const store = intercepted(memoryStore(), async (name, call) => {
    const result = await call();
    if (name === "apply") applied.resolve();
    return result;
  });
  const app = testApp({ store });
  const first = await answerTo(
    changing(() => new Response()),
    app,
  );
  const cookie = first.headers.getSetCookie()[0]?.split(";")[0] ?? "";
  applied = Promise.withResolvers();
  const answer = await withSession(app.psession, (_request, getSession) => {
    const pull = async (controller: ReadableStreamDefaultController) => {
      const session = await getSession();
      session.set("name", `${session.data.name} and Grace`);
      controller.close();
    };
    return new Response(new ReadableStream({ pull }, { highWaterMark: 0 }));
  })(request("/", { cookie }));
  expect([await answer.text(), answer.headers.getSetCookie()]).toEqual(["", []]);
  await applied.promise;
  const read = withSession(app.psession, async (_request, getSession) => {
    return Response.json((await getSession()).data.name);
  });
  expect(await (await read(request("/", { cookie }))).json()).toBe("Ada and Grace");
});

describe("errors", () => {
  test("a response that is thrown is the answer", async () => {
    const answer = await answerTo(
      changing(() => {
        throw new Response("no such page", { status: 404 });
      }),
    );
    expect([answer.status, await answer.text()]).toEqual([404, "no such page"]);
    expect(answer.headers.getSetCookie()).toHaveLength(1);
  });

  test("onError answers in the handler's place, and what was changed before is saved with it", async () => {
    const seen: unknown[] = [];
    const answer = await withSession(
      testApp().psession,
      changing(() => {
        throw new Error("broken");
      }),
      {
        onError: (error, { url }) => {
          seen.push((error as Error).message, url);
          return new Response("sorry", { status: 500 });
        },
      },
    )(request("/page"));
    expect(seen).toEqual(["broken", "https://example.com/page"]);
    expect([await answer.text(), answer.headers.getSetCookie().length]).toEqual(["sorry", 1]);
  });

  test("an error that onError throws goes to the server, and nothing is saved", async () => {
    const app = testApp();
    const handler = withSession(
      app.psession,
      changing(() => {
        throw new Error("broken");
      }),
      {
        onError: (error) => {
          throw error;
        },
      },
    );
    await expect(handler(request())).rejects.toThrow("broken");
    expect(app.told()).toEqual([]);
  });

  test("an answer that could not be saved is 503 without the handler's content, whose body is cancelled", async () => {
    let isLetGo = false;
    const body = new ReadableStream({
      cancel: () => {
        isLetGo = true;
      },
    });
    const headers = { location: "/orders/1", "set-cookie": "order=1" };
    const answer = await answerTo(
      changing(() => new Response(body, { status: 201, headers })),
      failing("apply"),
    );
    expect([answer.status, answer.headers.get("location"), answer.headers.getSetCookie()]).toEqual([
      503,
      null,
      [],
    ]);
    expect(isLetGo).toBe(true);
  });

  test("a handler that can do without its session may answer where the store is down", async () => {
    const app = failing("findSession");
    const first = await withSession(
      app.psession,
      changing(() => new Response()),
    )(request());
    const cookie = first.headers.getSetCookie()[0]?.split(";")[0] ?? "";
    const handler = withSession(app.psession, async (_request, getSession) => {
      const session = await getSession().catch(() => undefined);
      return Response.json(session === undefined ? "nobody today" : "somebody");
    });
    const answer = await handler(request("/", { cookie }));
    expect([answer.status, await answer.json(), answer.headers.getSetCookie()]).toEqual([
      200,
      "nobody today",
      [],
    ]);
  });
});

describe("options", () => {
  test("what is wrong with them is named at once", () => {
    const { psession } = testApp();
    const options = { trustProxy: "yes", adress: () => "127.0.0.1", onError: true } as object;
    const start = () => withSession(psession, () => new Response(), options);
    for (const fault of [
      "trustProxy must be true or false",
      "onError must be a function",
      "adress is no option",
    ]) {
      expect(start).toThrow(fault);
    }
    expect(() => originCheck({ allowed: "https://example.com" } as object)).toThrow(
      "- allowed must be a list of origins",
    );
    expect(() => withSession(psession, () => new Response(), { allowed: [] } as object)).toThrow(
      "- allowed is no option",
    );
  });

  test("what the server hands over reaches the handler and the address", async () => {
    const app = testApp();
    const handler = withSession(
      app.psession,
      async (_request, getSession, info: { from: string }) => {
        await (await getSession()).login(7);
        return Response.json(info);
      },
      { address: (_request, { from }) => from },
    );
    const answer = await handler(request(), { from: "192.0.2.1" });
    expect(await answer.json()).toEqual({ from: "192.0.2.1" });
    expect((await app.psession.devices(7)).map(({ address }) => address)).toEqual(["192.0.2.1"]);
  });

  test("the origin that a trusted proxy names is the one that may send changes", () => {
    const asked = (headers: Record<string, string>) =>
      new Request("http://10.0.0.1:3000/", { method: "POST", headers });
    const proxied = {
      origin: "https://shop.example",
      "x-forwarded-proto": "https",
      "x-forwarded-host": "shop.example",
    };
    expect(originCheck({ trustProxy: true })(asked(proxied))).toBeUndefined();
    expect(originCheck()(asked(proxied))?.status).toBe(403);
    expect(originCheck({ allowed: ["https://shop.example"] })(asked(proxied))).toBeUndefined();
  });
});
