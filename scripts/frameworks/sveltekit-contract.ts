/** The HTTP contract against the application of sveltekit-contract, built for production in the working directory. */
import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { createPsession, dangerouslyAllowInsecureHttp, memoryStore } from "../../src/index.ts";
import { forwarded } from "../../src/integration/forwarded.ts";
import {
  devices,
  devicesPage,
  errorAnswer,
  guards,
  type KitEvent,
  type KitHandle,
  type KitThrows,
  originCheck,
  type SessionLocals,
  sessions,
} from "../../src/integrations/sveltekit/index.ts";
import {
  type ContractData,
  type HttpIntegration,
  httpContract,
  type Site,
  type SiteRequest,
} from "../../src/testing/contracts.ts";
import { responseOf } from "../../tests/integrations/contract/fetch.ts";
import { guardsByPath, mountedGuard, PAGE_OPTIONS } from "../../tests/integrations/contract/guards.ts";
import { type Answer, HttpClient } from "../../tests/support/http.ts";
import { printResults } from "./cases.mjs";

interface Setup {
  handle(input: Parameters<KitHandle>[0], throws: KitThrows): Promise<Response>;
  /** Of the sources, as the service is: the package has a PsessionError of its own. */
  readonly errorAnswer: typeof errorAnswer;
}
/** Read by src/hooks.server.js of the application, which is built once and serves on many ports. */
const setups = new Map<number, Setup>();
Object.assign(globalThis, { [Symbol.for("psession.contract")]: setups });

/** adapter-node reads these once; here each server says anew whether it trusts a proxy. */
const SEEN = {
  PROTOCOL_HEADER: "x-seen-protocol",
  HOST_HEADER: "x-seen-host",
  ADDRESS_HEADER: "x-seen-address",
};
function seen({ headers, socket }: IncomingMessage, trustProxy: boolean): void {
  const first = (name: "for" | "host" | "proto") => forwarded((header) => headers[header], name, trustProxy);
  headers["x-seen-protocol"] = first("proto") ?? "http";
  headers["x-seen-host"] = first("host") ?? headers.host;
  headers["x-seen-address"] = first("for") ?? socket.remoteAddress;
}

type Locals = SessionLocals<ContractData> & { answer(): Promise<Response> };

async function sveltekitIntegration(built: string): Promise<HttpIntegration> {
  Object.assign(process.env, SEEN);
  const { handler } = (await import(pathToFileURL(join(built, "handler.js")).href)) as {
    handler: RequestListener;
  };
  return {
    isLazy: true,
    seesHeads: true,
    async serve({ psession, site, trustProxy, before }) {
      const origin = originCheck();
      const own = sessions(psession);
      const endpoints = devices({ path: "/devices" });
      const page = devicesPage({ path: "/devices-page", ...PAGE_OPTIONS });
      let byPath: ReturnType<typeof guardsFor> | undefined;

      const answer = async (event: KitEvent) => {
        const { request, locals } = event;
        const url = new URL(request.url);
        const { pathname: path, searchParams: query } = url;
        const { getSession } = locals as Locals;
        for (const guard of byPath?.(path) ?? []) await guard(event);
        const asked: SiteRequest = {
          method: request.method,
          path,
          query,
          session: getSession,
          body: () => request.json(),
        };
        return responseOf(await site(asked));
      };
      const inner: KitHandle = async ({ event, resolve }) => {
        Object.assign(event.locals, { answer: () => answer(event) });
        return resolve(event);
      };
      const thrower: KitHandle = async ({ event, resolve }) => {
        const { pathname } = new URL(event.request.url);
        if (pathname === "/thrown-late") await resolve(event);
        if (!pathname.startsWith("/thrown")) return resolve(event);
        const session = await (event.locals as Locals).getSession();
        await session.login("ada", { remember: true });
        throw { "/thrown": "redirect", "/thrown-late": "redirect" }[pathname];
      };
      const setup: Setup = {
        errorAnswer,
        handle: (input, throws) => {
          byPath ??= guardsFor(throws);
          const thrown: KitHandle = async (given) => {
            try {
              return await thrower(given);
            } catch (error) {
              return error === "redirect" ? throws.redirect(303, "/read") : Promise.reject(error);
            }
          };
          const slow: KitHandle = async ({ event, resolve }) => {
            await before?.({ path: new URL(event.request.url).pathname });
            return resolve(event);
          };
          return inTurn([origin, slow, own, endpoints, page, thrown, inner])(input);
        },
      };
      const server = createServer((request, response) => {
        seen(request, trustProxy);
        handler(request, response);
      });
      await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
      const { port } = server.address() as AddressInfo;
      setups.set(port, setup);
      return {
        url: `http://127.0.0.1:${port}`,
        close: () => new Promise((done) => server.close(() => done())),
      };
    },
  };
}

function guardsFor(throws: KitThrows) {
  const made = guards(throws);
  const byPath = guardsByPath(made);
  const mounted = [mountedGuard(made)];
  return (path: string) => byPath[path] ?? (path.startsWith("/mounted/") ? mounted : []);
}

/** What `sequence` of SvelteKit does, which needs its request. */
const inTurn = ([first, ...others]: readonly KitHandle[]): KitHandle =>
  first === undefined
    ? async ({ event, resolve }) => resolve(event)
    : ({ event, resolve }) =>
        first({ event, resolve: (passed) => inTurn(others)({ event: passed, resolve }) });

/** Serves a site of SvelteKit's own kinds of handlers, to one visitor. */
async function visiting(
  integration: HttpIntegration,
  work: (client: HttpClient) => Promise<void>,
): Promise<void> {
  const psession = createPsession<ContractData>({
    store: memoryStore(),
    keys: ["contract-q7Zr2Xw9Lk4Vt8Bn3Yc6Hd1F"],
    [dangerouslyAllowInsecureHttp]: true,
  });
  const read: Site = async ({ session }) => {
    const { userId = null, data } = await session();
    return { body: JSON.stringify({ userId, data }) };
  };
  const served = await integration.serve({ psession, site: read, trustProxy: false, before: undefined });
  try {
    await work(new HttpClient(served.url));
  } finally {
    await psession.close();
    await Promise.race([served.close(), new Promise(setImmediate)]);
  }
}

const namesIn = ({ setCookie }: Answer) => setCookie.map((line) => line.split("=")[0]).sort();
const form = { method: "POST", headers: { accept: "text/html" }, body: new URLSearchParams() };
/** The data of a page as SvelteKit's own scripts ask for it: which user its load found. */
const loaded = (client: HttpClient, how: string) => client.get(`/pages/calls/__data.json?how=${how}`);

/** What SvelteKit has and other frameworks do not. */
const BEHAVIOURS: Readonly<Record<string, (integration: HttpIntegration) => Promise<void>>> = {
  "a load that calls its own endpoint shares its session: a sign-in there counts here, with one set of cookies":
    (integration) =>
      visiting(integration, async (client) => {
        const answer = await loaded(client, "sign-in");
        assert.match(answer.text, /"ada"/);
        assert.deepEqual(namesIn(answer), ["psession", "psession-remember"]);
        const now = (await client.get("/read")).json;
        assert.deepEqual([now.userId, now.data.count], ["ada", 1]);
        client.restart();
        const back = await loaded(client, "nothing");
        assert.match(back.text, /"ada"/);
        assert.equal(new Set(namesIn(back)).size, namesIn(back).length);
      }),
  "two calls at once to its own endpoints lose nothing": (integration) =>
    visiting(integration, async (client) => {
      assert.deepEqual(namesIn(await loaded(client, "twice")), ["psession"]);
      assert.deepEqual((await client.get("/read")).json.data.items.sort(), ["ink", "tea"]);
    }),
  "a call without cookies sees no session of the visitor, and sets no cookie": (integration) =>
    visiting(integration, async (client) => {
      await loaded(client, "sign-in");
      const answer = await loaded(client, "omit");
      assert.deepEqual(answer.setCookie, []);
      const [, node] = answer.json.nodes as [unknown, { data: unknown[] }];
      assert.deepEqual(JSON.stringify(node.data).match(/"ada"/g)?.length, 1, "of the page's own session");
    }),
  "redirect(), error() and fail() in loads and actions keep what was changed before": (integration) =>
    visiting(integration, async (client) => {
      const kept = async (answer: Answer, status: number, count: number) => {
        assert.equal(answer.status, status);
        assert.equal((await client.get("/read")).json.data.count, count);
      };
      await kept(await client.get("/pages/redirects", { accept: "text/html" }), 303, 2);
      await kept(await client.get("/pages/errors", { accept: "text/html" }), 418, 3);
      await kept(await client.request("/pages/form?/fails", form), 400, 4);
      await kept(await client.request("/pages/form?/errors", form), 418, 5);
      await kept(await client.request("/pages/form?/redirects", form), 303, 6);
    }),
  "a redirect that a later handle throws carries the cookies, before its response was made and after": (
    integration,
  ) =>
    visiting(integration, async (client) => {
      for (const path of ["/thrown", "/thrown-late"]) {
        client.jar.clear();
        const answer = await client.get(path);
        assert.deepEqual([answer.status, answer.headers.get("location")], [303, "/read"]);
        assert.deepEqual(namesIn(answer), ["psession", "psession-remember"]);
        assert.equal((await client.get("/read")).json.userId, "ada");
      }
    }),
};

const integration = await sveltekitIntegration(join(process.cwd(), "build"));
// The contract speaks plain http, which psession refuses in production. SvelteKit has read it by now.
process.env["NODE_ENV"] = "test";
const own = Object.entries(BEHAVIOURS).map(([name, behaves]) => ({ name, run: () => behaves(integration) }));
await printResults([...httpContract(integration), ...own]);
process.exit(0);
