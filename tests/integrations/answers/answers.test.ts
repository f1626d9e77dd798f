import { Agent, type IncomingMessage, type ServerResponse } from "node:http";
import { createRequire } from "node:module";
import { isDeepStrictEqual } from "node:util";
import express5 from "express";
// @ts-expect-error: Express 4 is here under another name, without types of its own.
import express4 from "express4";
import fastify from "fastify";
import Koa from "koa";
import { describe, expect, onTestFinished, test } from "vitest";
import { memoryStore } from "../../../src/index.ts";
import * as inExpress from "../../../src/integrations/express/index.ts";
import dropIn from "../../../src/integrations/express-session/index.ts";
import * as inFastify from "../../../src/integrations/fastify/index.ts";
import * as inKoa from "../../../src/integrations/koa/index.ts";
import { intercepted } from "../../../src/testing/intercepted.ts";
import { overHttp, type TestApp, testApp } from "../../support/app.ts";
import { MINUTE } from "../../support/clock.ts";
import { serve } from "../../support/http.ts";
import { type Any, type Express, NotedStore, original, STRONG, USUAL } from "../express-session/sides.ts";
import { ask, type Heard } from "./ask.ts";
import { KNOWN } from "./express-session.ts";
import { EXPRESS_WAYS, FLUSHED, type Note, WAYS, type Way } from "./ways.ts";

const require = createRequire(import.meta.url);
const compression = require("compression") as () => Any;

type Middleware = (request: Any, response: Any, next: (error?: unknown) => void) => void;
type Packing = "absent" | "before" | "after";
type Use = "nothing" | "touch" | "change";

/** Every call of the store takes a few turns, so that responses are held for a while. */
const slowly = () =>
  intercepted(memoryStore(), async (_, call) => {
    for (let count = 0; count < 5; count++) await new Promise((resolve) => setImmediate(resolve));
    return call();
  });

interface Site {
  readonly base: string;
  /** What handlers noted, by request. */
  readonly notes: Map<string, unknown[]>;
  later(): void;
}

interface Setup {
  readonly packing: Packing;
  readonly use: Use;
  readonly ways: Record<string, Way>;
}

const touchSession: Record<Use, (session: Any) => void> = {
  nothing: () => {},
  touch: (session) => void session?.id,
  change: (session) => {
    if (session === undefined) return;
    if (typeof session.set === "function") session.set("count", (session.data.count ?? 0) + 1);
    else session.count = (session.count ?? 0) + 1;
  },
};

/** Runs the way that the request names, and notes what it sees. */
function answering({ ways, use }: Setup, notes: Site["notes"]) {
  return (request: IncomingMessage, response: ServerResponse, session: Any): unknown => {
    const name = String(request.headers["x-way"] ?? "");
    const seen: unknown[] = [];
    notes.set(name, seen);
    const note: Note = (what, value) => void seen.push(value === undefined ? what : [what, value]);
    if (request.headers["x-begin"] !== undefined) touchSession.change(session);
    else touchSession[use](session);
    return (ways[name] as Way).answer(response, note, request, () => touchSession[use](session));
  };
}

/** For the way that is a proxy. */
const UPSTREAM: Middleware = (request, response, next) => {
  if (request.url !== "/upstream") return next();
  response.writeHead(203, { "Content-Type": "text/plain", "X-Up": "1", "Cache-Control": "no-transform" });
  response.write("from ");
  setImmediate(() => response.end("upstream"));
};

const EXPRESS_SIDES: Record<string, (app: TestApp) => Middleware> = {
  "the drop-in on a store of its own": () =>
    dropIn({ ...USUAL, store: new NotedStore(), name: "sid" }) as unknown as Middleware,
  "the drop-in on a psession store": () =>
    dropIn({
      ...USUAL,
      store: slowly(),
      secret: STRONG,
      name: "sid",
      touchEvery: 1,
    }) as unknown as Middleware,
  "psession/express": ({ psession }) => inExpress.sessions(psession) as unknown as Middleware,
};
const PLAIN: Middleware = (_request, _response, next) => next();

async function onExpress(
  make: () => Express,
  side: (app: TestApp) => Middleware,
  setup: Setup,
): Promise<Site> {
  const tested = testApp({ ...overHttp, store: slowly() });
  const notes: Site["notes"] = new Map();
  const answer = answering(setup, notes);
  const app = make();
  app.set("env", "test");
  app.use(UPSTREAM as Any);
  if (setup.packing === "before") app.use(compression());
  app.use(side(tested) as Any);
  if (setup.packing === "after") app.use(compression());
  app.use(((request: Any, response: Any, next: (error: unknown) => void) => {
    Promise.resolve()
      .then(() => answer(request, response, request.session))
      .catch(next);
  }) as Any);
  return { base: await serve(app as Any), notes, later: () => tested.clock.advance(2 * MINUTE) };
}

async function onKoa(hasSession: boolean, setup: Setup): Promise<Site> {
  const tested = testApp({ ...overHttp, store: slowly() });
  const notes: Site["notes"] = new Map();
  const answer = answering(setup, notes);
  const app = new Koa();
  app.silent = true;
  const raw = (middleware: Middleware) =>
    app.use((ctx, next) =>
      new Promise<void>((resolve) => {
        middleware(ctx.req, ctx.res, () => resolve());
      }).then(next),
    );
  if (setup.packing === "before") raw(compression());
  if (hasSession) app.use(inKoa.sessions(tested.psession, { open: "always" }));
  if (setup.packing === "after") raw(compression());
  app.use(async (ctx) => {
    ctx.respond = false;
    ctx.res.statusCode = 200;
    await answer(ctx.req, ctx.res, hasSession ? ctx["session"] : undefined);
  });
  const koa = app.callback();
  const listener: Middleware = (request, response) =>
    UPSTREAM(request, response, () => koa(request, response));
  return { base: await serve(listener as Any), notes, later: () => tested.clock.advance(2 * MINUTE) };
}

async function onFastify(hasSession: boolean, setup: Setup): Promise<Site> {
  const tested = testApp({ ...overHttp, store: slowly() });
  const notes: Site["notes"] = new Map();
  const answer = answering(setup, notes);
  const app = fastify();
  const raw = (middleware: Middleware) =>
    app.addHook("onRequest", (request, reply, done) => middleware(request.raw, reply.raw, () => done()));
  raw(UPSTREAM);
  if (setup.packing === "before") raw(compression());
  if (hasSession)
    await app.register(inFastify.sessions, { psession: tested.psession as Any, open: "always" });
  if (setup.packing === "after") raw(compression());
  app.all("/*", async (request, reply) => {
    reply.hijack();
    await answer(request.raw, reply.raw, hasSession ? (request as Any).session : undefined);
  });
  onTestFinished(() => app.close());
  const base = await app.listen({ port: 0, host: "127.0.0.1" });
  return { base, notes, later: () => tested.clock.advance(2 * MINUTE) };
}

type Answers = Readonly<Record<string, unknown>>;

/** All answers of a site, each as the client heard it and as the handler saw it. */
const answersOf = async (site: Site, setup: Setup): Promise<Answers> => (await heardOf(site, setup)).answers;

/** Besides, how many cookies each answer set: those differ by design from what a page without sessions has. */
async function heardOf(
  site: Site,
  { ways, packing }: Setup,
): Promise<{ answers: Answers; cookies: Readonly<Record<string, number>> }> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  onTestFinished(() => agent.destroy());
  const begun = await ask(site.base, "/", {
    headers: { "x-way": Object.keys(ways)[0], "x-begin": "1" },
    agent,
  });
  const cookie = begun.setCookie.map((line) => line.split(";", 1)[0]).join("; ");
  const answers: Record<string, unknown> = {};
  const cookies: Record<string, number> = {};
  for (const [name, { method, headers, isCut, isForPlain }] of Object.entries(ways)) {
    if (isForPlain === true && packing !== "absent") continue;
    site.later();
    const sent = { ...headers, "x-way": name, ...(cookie === "" ? {} : { cookie }) };
    const asked = ask(site.base, "/", { ...(method === undefined ? {} : { method }), headers: sent, agent });
    const heard = await asked.catch((error: Error) => ({ body: error.message }) as unknown as Heard);
    const { setCookie = [], ...answer } = heard as Heard & { setCookie?: readonly string[] };
    cookies[name] = setCookie.length;
    // What happens on the server once the client has its answer.
    for (let count = 0; count < 5; count++) await new Promise((resolve) => setImmediate(resolve));
    const isBroken = answer.status === undefined || answer.body === "cut off";
    answers[name] = isCut === true ? { isBroken } : { ...answer, seen: site.notes.get(name) };
  }
  return { answers, cookies };
}

/** Only what differs, or a failure would be pages long. */
const differing = (these: Answers, those: Answers): Answers =>
  Object.fromEntries(
    Object.entries(these).filter(([name, answer]) => !isDeepStrictEqual(answer, those[name])),
  );

const PACKINGS: Packing[] = ["absent", "before", "after"];
const USES: Use[] = ["nothing", "touch", "change"];
const CASES = PACKINGS.flatMap((packing) => USES.map((use) => ({ packing, use })));

const EXPRESS_SESSION = () =>
  original({ ...USUAL, store: new NotedStore(), name: "sid" }) as unknown as Middleware;

describe.each<[string, () => Express]>([
  ["Express 5", express5],
  ["Express 4", express4 as () => Express],
])("answers in %s are what they are without sessions", (_, make) => {
  const ways = { ...WAYS, ...EXPRESS_WAYS };
  const plain: Partial<Record<Packing, Answers>> = {};
  const theirs: Record<string, ReturnType<typeof heardOf>> = {};
  const plainly = async (setup: Setup): Promise<Answers> => {
    plain[setup.packing] ??= await answersOf(await onExpress(make, () => PLAIN, setup), setup);
    return plain[setup.packing] as Answers;
  };
  const withExpressSession = async (setup: Setup) => {
    const name = `${setup.packing} ${setup.use}`;
    theirs[name] ??= heardOf(await onExpress(make, EXPRESS_SESSION, setup), setup);
    return theirs[name] as ReturnType<typeof heardOf>;
  };

  for (const [name, side] of Object.entries(EXPRESS_SIDES)) {
    test.each(CASES)(`${name}, compression $packing, $use is stored`, async ({ packing, use }) => {
      const setup = { packing, use, ways };
      const without = await plainly(setup);
      const ours = await heardOf(await onExpress(make, side, setup), setup);
      expect(differing(ours.answers, without)).toEqual(differing(without, ours.answers));
      if (side === EXPRESS_SIDES["psession/express"]) return;
      expect(ours.cookies).toEqual((await withExpressSession(setup)).cookies);
    });
  }

  test.each(CASES)(
    "but with express-session itself, compression $packing, $use is stored: where it is known to differ",
    async ({ packing, use }) => {
      const setup = { packing, use, ways };
      const without = await plainly(setup);
      const { answers } = await withExpressSession(setup);
      const known = Object.entries(KNOWN[packing]).map(([way, change]) => [way, change(without[way] as Any)]);
      expect(differing(answers, without)).toEqual(Object.fromEntries(known));
    },
  );
});

describe.each([
  ["Koa", onKoa],
  ["Fastify", onFastify],
])("answers past %s are what they are without sessions", (_, start) => {
  const plain: Partial<Record<Packing, Answers>> = {};
  test.each(CASES)("their answers, compression $packing, $use is stored", async ({ packing, use }) => {
    const setup = { packing, use, ways: WAYS };
    plain[packing] ??= await answersOf(await start(false, setup), setup);
    const ours = await answersOf(await start(true, setup), setup);
    expect(differing(ours, plain[packing])).toEqual(differing(plain[packing], ours));
  });
});

describe("what is flushed by hand leaves at once, also where something packs it", () => {
  const ways = { flushed: FLUSHED };
  test.each(CASES.filter(({ packing }) => packing !== "absent"))(
    "one line, compression $packing, $use is stored",
    async ({ packing, use }) => {
      const setup = { packing, use, ways };
      for (const side of Object.values(EXPRESS_SIDES)) {
        const { base } = await onExpress(express5, side, setup);
        const stopping = new AbortController();
        const headers = { "x-way": "flushed", "accept-encoding": "gzip" };
        const response = await fetch(base, { headers, signal: stopping.signal });
        const { value } = (await response.body?.getReader().read()) ?? {};
        expect(Buffer.from(value ?? []).toString()).toBe("data: one\n\n");
        stopping.abort();
      }
    },
  );
});

test("a writer that waits is called wherever middleware has brought its listener", async () => {
  const heeding = WAYS["one large write, and more after drain"] as Way;
  const setup = { packing: "absent", use: "change", ways: { heeding } } as const;
  /** Takes what is written and who listens to a buffer of its own, which is never full. */
  const buffering: Middleware = (_request, response, next) => {
    const { on, write } = response;
    const listeners: unknown[] = [];
    response.on = (event: string, listener: unknown) =>
      event === "drain" ? listeners.push(listener) && response : on.call(response, event, listener);
    response.write = (...values: unknown[]) => {
      write.apply(response, values);
      return true;
    };
    next();
  };
  for (const side of Object.values(EXPRESS_SIDES)) {
    const behind = (app: TestApp): Middleware => {
      const ours = side(app);
      return (request, response, next) => buffering(request, response, () => ours(request, response, next));
    };
    const answers = await answersOf(await onExpress(express5, behind, setup), setup);
    expect(answers["heeding"]).toMatchObject({ status: 200, seen: [["free", false]] });
  }
});
