import { expect, onTestFinished, test } from "vitest";
import { memoryStore } from "../../../src/index.ts";
import session from "../../../src/integrations/express-session/index.ts";
import { type Any, NotedStore, STRONG, USUAL } from "./sides.ts";

const BACKENDS: [string, () => object][] = [
  ["a store of its own", () => ({ store: new NotedStore() })],
  ["a psession store", () => ({ store: memoryStore(), secret: STRONG })],
];

/** A response as virtual requests have it: no event emitter, and only the methods that middleware cannot do without. */
function virtual() {
  const headers: Record<string, unknown> = {};
  const ended = Promise.withResolvers<void>();
  const body: string[] = [];
  const response = {
    statusCode: 200,
    headersSent: false,
    setHeader: (name: string, value: unknown) => {
      headers[name.toLowerCase()] = value;
    },
    getHeader: (name: string) => headers[name.toLowerCase()],
    writeHead: (status: number) => {
      response.statusCode = status;
      return response;
    },
    write: (chunk: string) => body.push(chunk) > 0,
    end: (chunk?: string) => {
      if (chunk !== undefined) body.push(chunk);
      ended.resolve();
    },
  };
  return { response, headers, body, ended: ended.promise };
}

test.each(BACKENDS)("a virtual request's session is saved, and its cookie set, on %s", async (_, store) => {
  const middleware: Any = session({ ...USUAL, ...store() } as never);
  const visit = async (cookie: string, answer: (response: Any) => void) => {
    const seen = virtual();
    seen.response.setHeader("Set-Cookie", "own=1");
    const request: Any = { headers: { cookie }, url: "/", method: "GET", socket: {} };
    await new Promise<void>((resolve, reject) => {
      middleware(request, seen.response, (error?: Error) => (error ? reject(error) : resolve()));
    });
    request.session.count = (request.session.count ?? 0) + 1;
    answer(seen.response);
    await seen.ended;
    return { ...seen, count: request.session.count };
  };
  const first = await visit("", (response) => response.end("whole"));
  const lines = first.headers["set-cookie"] as string[];
  expect([first.body, lines.length, lines[0]]).toEqual([["whole"], 2, "own=1"]);
  const second = await visit(String(lines[1]).split(";")[0] ?? "", (response) => {
    response.writeHead(201);
    response.write("in ");
    response.end("parts");
  });
  expect([second.count, second.body, second.response.statusCode]).toEqual([2, ["in ", "parts"], 201]);
});

test("an incomplete response emits a warning, and what is no response does not", async () => {
  const warnings: Error[] = [];
  const listen = (warning: Error & { code?: string }) => {
    if (warning.code === "PSESSION_NOT_HELD") warnings.push(warning);
  };
  process.on("warning", listen);
  onTestFinished(() => void process.off("warning", listen));
  const middleware: Any = session({ ...USUAL, store: new NotedStore() } as never);
  for (const response of [{}, { end: () => {} }, { setHeader: () => {}, end: () => {} }]) {
    const request: Any = { headers: {}, url: "/", method: "GET", socket: {} };
    await new Promise<void>((resolve) => middleware(request, response, () => resolve()));
    expect(request.session).toBeDefined();
  }
  await new Promise((resolve) => setImmediate(resolve));
  expect(warnings).toHaveLength(1);
});
