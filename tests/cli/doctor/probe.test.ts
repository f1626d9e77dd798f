import { createServer as createHttp, type IncomingHttpHeaders, request } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { heldFindings } from "../../../src/cli/doctor/held.ts";
import { memoryStore } from "../../../src/index.ts";
import { resolveOptions } from "../../../src/options/resolve.ts";
import { KEY } from "../../support/app.ts";
import { closed, listening } from "../../support/http.ts";
import { freePort } from "../../support/servers/ports.ts";
import { application, overwriting, proxy } from "./deployed.ts";
import { examined } from "./examined.ts";

const codes = (found: ReadonlyMap<string, unknown>) => [...found.keys()];

test("a trusted proxy that overwrites visitors' headers has no finding", async () => {
  const { findings } = await examined();
  const { url, env } = await proxy(await application({ trust: true }), { headers: overwriting });
  expect(codes(await findings(["--url", url], env))).toEqual([]);
});

test("proxy_untrusted", async () => {
  const { findings, configure } = await examined();
  const { url, env } = await proxy(await application(), { headers: overwriting });
  const found = await findings(["--url", url], env);
  expect(codes(found)).toEqual(["proxy_untrusted"]);
  expect(found.get("proxy_untrusted")?.remedy).toContain("app.set('trust proxy', 1)");
  // As well where the configuration names the page.
  configure({ deployment: `{ url: "${url}" }` });
  expect(codes(await findings([], env))).toEqual(["proxy_untrusted"]);
});

test("a page that asks for no session looks the same, and the remedy says so", async () => {
  const { findings } = await examined();
  const { url, env } = await proxy(await application({ trust: true }), { headers: overwriting });
  const found = await findings(["--url", `${url}health`], env);
  expect(found.get("proxy_untrusted")?.remedy).toContain("the page asks for no session");
});

test("proxy_trusted_blindly: nothing is in front", async () => {
  const { findings } = await examined();
  const found = await findings(["--url", await application({ trust: true })]);
  expect(codes(found)).toEqual(["proxy_trusted_blindly"]);
});

test("proxy_trusted_blindly: the proxy passes on visitors' headers", async () => {
  const { findings } = await examined();
  const adding = (given: IncomingHttpHeaders) => ({ "x-forwarded-proto": "https", ...given });
  const { url, env } = await proxy(await application({ trust: true }), { headers: adding });
  expect(codes(await findings(["--url", url], env))).toEqual(["proxy_trusted_blindly"]);
});

interface Buffering {
  readonly url: string;
  /** Settles when it has the head of a request. */
  readonly hasHead: Promise<void>;
}

/** Keeps a request until its body is complete, as nginx does by default. */
async function buffering(target: string, say: () => IncomingHttpHeaders = () => ({})): Promise<Buffering> {
  const head = Promise.withResolvers<void>();
  const server = createHttp((incoming, outgoing) => {
    const headers = { ...overwriting(incoming.headers), ...say() };
    const parts: Buffer[] = [];
    head.resolve();
    incoming.on("data", (part: Buffer) => parts.push(part));
    incoming.on("end", () => {
      const passed = request(target + incoming.url, { headers }, (response) => {
        outgoing.writeHead(response.statusCode ?? 502, response.headers);
        response.pipe(outgoing);
      });
      passed.end(Buffer.concat(parts));
    });
  });
  await listening(server);
  onTestFinished(() => closed(server));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, hasHead: head.promise };
}

/** What is found where the wait for the rest of the body moves the application's clock. */
async function heldAt(open: (target: string, now: () => number) => Promise<Buffering>, options = {}) {
  const clock = { time: Date.now(), now: () => clock.time };
  const given = { store: memoryStore(), keys: [KEY], prune: false, ...options } as const;
  const { url, hasHead } = await open(await application({ trust: true, clock, ...given }), clock.now);
  const found = await heldFindings(
    url,
    resolveOptions(given),
    "__Host-psession=a; __Host-psession=b",
    async (time) => {
      await hasHead;
      clock.time += time;
    },
  );
  return found.map(({ code }) => code);
}

test("requests_held: a proxy that buffers bodies, and sends no X-Request-Start", async () => {
  expect(await heldAt((target) => buffering(target))).toEqual(["requests_held"]);
  const passing = async (target: string) => ({
    url: (await proxy(target, { isHttps: false, headers: overwriting })).url,
    // It is given all the time that it wants.
    hasHead: new Promise<void>(() => {}),
  });
  expect(await heldAt(passing)).toEqual([]);
  const saying = (target: string, now: () => number) =>
    buffering(target, () => ({ "x-request-start": `t=${(now() / 1000).toFixed(3)}` }));
  expect(await heldAt(saying, TIMED)).toEqual([]);
  expect(await heldAt(saying), "a header that no option names").toEqual(["requests_held"]);
});

/** What nginx writes, in place of whatever the visitor sent. */
const timing = (given: IncomingHttpHeaders) => ({
  ...overwriting(given),
  "x-request-start": `t=${(Date.now() / 1000).toFixed(3)}`,
});
const TIMED = { proxy: { requestStart: "x-request-start" } };

test("request_start_believed: the proxy passes on a visitor's X-Request-Start", async () => {
  const { findings, configure } = await examined();
  configure({ options: `proxy: { requestStart: "x-request-start" }` });
  const behind = await application({ trust: true, ...TIMED });
  const passing = await proxy(behind, { headers: overwriting });
  const found = await findings(["--url", passing.url], passing.env);
  expect(codes(found)).toEqual(["request_start_believed"]);
  expect(found.get("request_start_believed")?.message).toContain("x-request-start");
  const overwritten = await proxy(behind, { headers: timing });
  expect(codes(await findings(["--url", overwritten.url], overwritten.env))).toEqual([]);
});

test("request_start_not_seen: a page that asks for no session cannot tell", async () => {
  const { findings, configure } = await examined();
  configure({ options: `proxy: { requestStart: "x-request-start" }` });
  const { url, env } = await proxy(await application({ trust: true, ...TIMED }), { headers: timing });
  const found = await findings(["--url", `${url}health`], env);
  expect(codes(found)).toEqual(["proxy_untrusted", "request_start_not_seen"]);
  expect(found.get("request_start_not_seen")?.severity).toBe("note");
});

test("session_not_seen: plain http, and no trusted proxy says https", async () => {
  const { findings } = await examined();
  const found = await findings(["--url", await application()]);
  expect(found.get("session_not_seen")?.severity).toBe("note");
  expect(codes(found)).toEqual(["session_not_seen"]);
});

test("http_taken_for_https", async () => {
  const { findings } = await examined();
  const { url } = await proxy(await application({ trust: true }), { isHttps: false, headers: overwriting });
  expect(codes(await findings(["--url", url]))).toEqual(["http_taken_for_https"]);
});

test("cookie_changed", async () => {
  const { findings } = await examined();
  const rewriting = (given: IncomingHttpHeaders) => ({
    ...given,
    "set-cookie": given["set-cookie"]?.map((line) => `${line.replace("; HttpOnly", "")}; Domain=example.com`),
  });
  const behind = await application({ trust: true });
  const { url, env } = await proxy(behind, { headers: overwriting, answer: rewriting });
  const found = await findings(["--url", url], env);
  expect(codes(found)).toEqual(["cookie_changed"]);
  expect(found.get("cookie_changed")?.message).toContain("lacks httponly, has domain=example.com");
});

test("cache_allowed", async () => {
  const { findings } = await examined();
  const removing = ({ "cache-control": _, ...given }: IncomingHttpHeaders) => given;
  const behind = await application({ trust: true });
  const { url, env } = await proxy(behind, { headers: overwriting, answer: removing });
  expect(codes(await findings(["--url", url], env))).toEqual(["cache_allowed"]);
});

test("url_unreachable, url_failing and url_is_http", async () => {
  const { findings, configure, doctor } = await examined();
  expect(codes(await findings(["--url", `http://127.0.0.1:${await freePort()}/`]))).toEqual([
    "url_unreachable",
  ]);
  const url = await application();
  expect(codes(await findings(["--url", `${url}/broken`]))).toEqual(["url_failing"]);
  expect(await doctor(["--url", "example"])).toMatchObject({ code: 2 });
  configure({ deployment: "{ production: true }" });
  expect(codes(await findings(["--url", url], { NODE_ENV: "production" }))).toContain("url_is_http");
});

test("proxy_not_seen: trustProxy is set, and no address is given", async () => {
  const { findings, configure } = await examined();
  configure({ deployment: "{ trustProxy: true }" });
  expect((await findings()).get("proxy_not_seen")?.severity).toBe("note");
});
