/**
 * The HTTP contract against a production build of Next, which this process serves: each case has a psession of its own,
 * with a clock of its own.
 */
import { createServer, ServerResponse } from "node:http";
import next from "next";
import { devices, devicesPage } from "psession/fetch";
import { keyEndpoints } from "psession/integration";
import { sessions } from "psession/next";
import { httpContract } from "psession/testing/contracts";
import { printResults } from "./cases.mjs";

/** "proxied": psession's proxy runs before the route handlers. Otherwise these are on their own. */
const isBehindProxy = process.argv.includes("proxied");

const contract = new Map();
globalThis.contract = contract;

// Next prints what handlers throw, which here is meant.
console.error = () => {};

const app = next({ dev: false, dir: import.meta.dirname });
await app.prepare();
const answer = app.getRequestHandler();
// The contract speaks plain http, which psession refuses in production. Next has read it by now.
process.env.NODE_ENV = "test";
let served = 0;

async function serve({ psession, site, trustProxy, before }) {
  const { proxy, route, ...guards } = sessions(psession, { trustProxy });
  const byPath = {
    "/members": [guards.requireLogin({ redirectTo: "/sign-in" })],
    "/bound": [guards.requireLevel("device-bound")],
    "/proved-now": [guards.requireKeyProof({ within: "1m" })],
    "/proved": [guards.requireLevel("login")],
    "/fresh": [guards.requireFresh({ within: "10m" })],
    "/two-factors": [guards.requireProofs(["password", "otp"], { redirectTo: "/prove" })],
    "/second-step": [guards.requirePending({ redirectTo: "/sign-in" })],
    "/turns": [(session) => session.exclusive()],
    "/now": [(session) => session.exclusive({ wait: 0 })],
    "/members-turns": [guards.requireLogin(), (session) => session.exclusive()],
  };
  const mounted = guards.requireLogin({ redirectTo: (path) => `/sign-in?next=${encodeURIComponent(path)}` });
  const endpoints = devices({ path: "/devices", trustProxy });
  const page = devicesPage({
    path: "/devices-page",
    trustProxy,
    redirectTo: (path) => `/sign-in?next=${encodeURIComponent(path)}`,
    fresh: { within: "10m", redirectTo: (path) => `/confirm?next=${encodeURIComponent(path)}` },
  });
  const keys = keyEndpoints(psession);
  const handle = route(async (request, session) => {
    const { pathname, search, searchParams } = new URL(request.url);
    // Where there is no proxy that does it.
    const answered = isBehindProxy ? undefined : await keys(keyRequest(request, session, pathname + search));
    if (answered !== undefined) return jsonOf(answered);
    for (const guard of byPath[pathname] ?? []) await guard(session);
    const own = async () => session;
    const found = (await endpoints(request, own)) ?? (await page(request, own));
    if (found !== undefined) return found;
    if (pathname.startsWith("/mounted/")) await mounted();
    const { method } = request;
    const body = () => request.json();
    return responseOf(
      await site({ method, path: pathname, query: searchParams, session: () => session, body }),
    );
  });

  const id = String(++served);
  contract.set(id, {
    handle,
    async proxy(request) {
      await before?.({ path: new URL(request.url).pathname });
      return isBehindProxy ? proxy(request) : undefined;
    },
  });
  const server = createServer((incoming, outgoing) => {
    incoming.headers["x-contract"] = id;
    withoutNextsVary(outgoing);
    void answer(incoming, outgoing);
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    close: () => new Promise((done) => server.close(() => done())),
  };
}

const OF_NEXT = /^(?:rsc|next-[a-z-]+|accept-encoding)$/i;

/** Next adds names of its own, which say nothing of psession's. */
function withoutNextsVary(outgoing) {
  outgoing.writeHead = (...values) => {
    const names = [outgoing.getHeader("Vary") ?? []].flat().join(",").split(/,\s*/);
    const others = names.filter((name) => name !== "" && !OF_NEXT.test(name));
    if (others.length > 0) outgoing.setHeader("Vary", others.join(", "));
    else outgoing.removeHeader("Vary");
    return ServerResponse.prototype.writeHead.apply(outgoing, values);
  };
}

const keyRequest = (request, session, path) => ({
  method: request.method,
  path: () => path,
  header: (name) => request.headers.get(name) ?? undefined,
  origin: () => `https://${request.headers.get("x-forwarded-host")}`,
  session: async () => session,
});

const jsonOf = ({ status, headers, body }) =>
  typeof body === "object"
    ? Response.json(body, { status, headers })
    : new Response(body ?? null, { status, headers });

function responseOf({ status = 200, headers = {}, setCookie = [], body }) {
  const streamed = typeof body === "object" ? ReadableStream.from(encoded(body)) : (body ?? null);
  const response = new Response(streamed, { status, headers });
  for (const line of setCookie) response.headers.append("Set-Cookie", line);
  return response;
}

async function* encoded(pieces) {
  const encoder = new TextEncoder();
  for await (const piece of pieces) yield encoder.encode(piece);
}

await printResults(httpContract({ serve, isLazy: false, seesHeads: false }));
process.exit(0);
