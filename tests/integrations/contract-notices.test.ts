import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test, vi } from "vitest";
import { answerHeaders, type Session, type Settlement } from "../../src/index.ts";
import { arrivedAt, nodeFacts } from "../../src/integrations/node/index.ts";
import type { PassiveRule } from "../../src/options/public.ts";
import type { RequestFacts } from "../../src/request/facts.ts";
import { Session as CoreSession } from "../../src/session.ts";
import {
  type ContractData,
  type HttpIntegration,
  httpContract,
  type IntegrationSetup,
  type SiteAnswer,
} from "../../src/testing/contracts.ts";
import { nodeIntegration } from "./contract/node.ts";

/** What somebody's first attempt at an integration looks like: no held responses, one rule of its own per flaw. */
interface Flaws {
  readonly answersBeforeSaving?: boolean;
  readonly replacesCookies?: boolean;
  readonly forgetsNoStore?: boolean;
  readonly forgetsCaching?: boolean;
  readonly keepsSessionPerConnection?: boolean;
  readonly answersWhereSavingFailed?: boolean;
  readonly savesNothingOnErrors?: boolean;
  readonly stopsRudely?: boolean;
  readonly knowsNoArrival?: boolean;
}

const naive = (flaws: Flaws): HttpIntegration => ({
  isLazy: true,
  seesHeads: false,
  async serve({ psession, site, trustProxy }: IntegrationSetup) {
    const sessions = new WeakMap<object, Promise<Session<ContractData>>>();
    const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
      const known = flaws.knowsNoArrival === true ? {} : { arrivedAt: arrivedAt(psession, request) };
      const exchange = psession.exchange(nodeFacts(request, trustProxy, known));
      const { pathname, searchParams } = new URL(request.url ?? "/", "http://any");
      const open = () => {
        if (flaws.keepsSessionPerConnection !== true) return exchange.open();
        const known = sessions.get(request.socket) ?? exchange.open();
        sessions.set(request.socket, known);
        return known;
      };
      const { method = "GET" } = request;
      const visit = {
        method,
        path: pathname,
        query: searchParams,
        session: open,
        body: async () => undefined,
      };
      const given: SiteAnswer = await site(visit).catch((error) => {
        if (flaws.savesNothingOnErrors === true) throw error;
        return { status: error.status ?? 500 };
      });
      if (flaws.answersBeforeSaving === true) response.writeHead(given.status ?? 200, given.headers).end();
      const settlement: Settlement = await (async () => exchange.commit())().catch((error: unknown) => {
        if (flaws.answersWhereSavingFailed !== true) throw error;
        return { setCookie: [], noStore: false };
      });
      if (response.headersSent) return;
      response.statusCode = given.status ?? 200;
      const own = given.setCookie ?? [];
      const cookies =
        flaws.replacesCookies === true ? settlement.setCookie : [...own, ...settlement.setCookie];
      if (cookies.length > 0) response.setHeader("Set-Cookie", cookies);
      for (const [name, value] of Object.entries(given.headers ?? {})) response.setHeader(name, value);
      const noStore = settlement.noStore && flaws.forgetsNoStore !== true;
      const caching = flaws.forgetsCaching === true ? undefined : settlement.caching;
      for (const [name, value] of answerHeaders({ noStore, caching }, (name) => response.getHeader(name)))
        response.setHeader(name, value);
      response.end(typeof given.body === "string" ? given.body : undefined);
    };
    const server = createServer((request, response) => {
      answer(request, response).catch((error) => {
        response.statusCode = error.status ?? 500;
        response.end();
      });
    });
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    return {
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      close: () => {
        if (flaws.stopsRudely === true) server.closeAllConnections();
        return new Promise((done) => server.close(() => done()));
      },
    };
  },
});

const careless = (change: (setup: IntegrationSetup) => IntegrationSetup): HttpIntegration => ({
  isLazy: false,
  seesHeads: true,
  serve: (setup) => nodeIntegration.serve(change(setup)),
});

test.each<[HttpIntegration, string]>([
  [naive({ answersBeforeSaving: true }), "a redirect does not outrun the save"],
  [naive({ replacesCookies: true }), "cookies that the application sets are kept beside psession's"],
  [
    naive({ forgetsNoStore: true }),
    "a shared cache keeps no answer with a session cookie, whatever the page says of itself",
  ],
  [
    naive({ forgetsCaching: true }),
    "a user's page that says it may be kept for a minute reaches nobody else",
  ],
  [
    naive({ forgetsCaching: true }),
    "an answer is private where its session has a user or was changed, also where it says nothing of caches",
  ],
  [naive({}), "no cache keeps an answer behind a guard, unless the answer itself allows it"],
  [naive({}), "another site's form can sign nobody in and nobody out"],
  [naive({ keepsSessionPerConnection: true }), "two visitors on one connection are two visitors"],
  [
    naive({ answersWhereSavingFailed: true }),
    "an answer whose save failed does not leave: 503, none of its words, and no session cookie",
  ],
  [
    naive({ savesNothingOnErrors: true }),
    "what a handler changed before it failed is saved with the error's page",
  ],
  [
    naive({ stopsRudely: true }),
    "a hundred requests in flight when the server begins to stop are answered, and saved",
  ],
  [naive({}), "what is changed while the body streams is not lost, even where the handler does not save"],
  [naive({}), "requireLogin sends pages to the sign-in and refuses scripts; a signed-in user passes"],
  [naive({}), "changes that another site sends are refused before the session is read"],
  [
    naive({}),
    "nine requests at once to an exclusive route that reads and then writes are counted one by one",
  ],
  [
    naive({ knowsNoArrival: true }),
    "a request arrived when it came, not when its handler asked for the session",
  ],
  [
    { ...naive({ knowsNoArrival: true }), seesHeads: true },
    "a request that waited before the sessions arrived when its head did, where the server says when that was",
  ],
  [
    careless((setup) => ({ ...setup, trustProxy: true })),
    "a proxy that is not trusted is not believed: no https, no session, no cookie",
  ],
  [
    careless((setup) => ({ ...setup, trustProxy: false })),
    "behind a proxy that is trusted, https and the visitor's address are what the proxy says",
  ],
  [
    { ...nodeIntegration, isLazy: true },
    "a page that does not ask for its session costs no read, where the framework lets an integration see that",
  ],
])("the contract notices, case %#", async (integration, name) => {
  const noticing = httpContract(integration).find((story) => story.name === name);
  expect(noticing, name).toBeDefined();
  await expect(noticing?.run()).rejects.toThrow();
});

/** An integration whose exchanges are changed on their way. */
const exchanging = (
  change: (facts: RequestFacts) => RequestFacts,
  settle: (settlement: Settlement) => Settlement = (settlement) => settlement,
): HttpIntegration =>
  careless((setup) => {
    const begin = setup.psession.exchange.bind(setup.psession);
    setup.psession.exchange = ((facts: RequestFacts, make: never) => {
      const exchange = begin(change(facts), make);
      const commit = exchange.commit.bind(exchange);
      exchange.commit = async (...values) => settle(await commit(...values));
      return exchange;
    }) as typeof setup.psession.exchange;
    return setup;
  });

/** An integration that gives the option `session.isPassive` another path. */
const misleading = (change: (path: string) => string): HttpIntegration =>
  careless((setup) => {
    const { session } = setup.psession.core.settings as { session: { isPassive?: PassiveRule } };
    const { isPassive } = session;
    if (isPassive !== undefined)
      session.isPassive = (request) => isPassive({ ...request, path: change(request.path) });
    return setup;
  });

const PASSIVE =
  "requests that the option session.isPassive means do not put off the idle end, by header, method or whole path";

test.each<[string, HttpIntegration, string]>([
  [
    "the option session.isPassive is ignored",
    exchanging((facts) => ({ ...facts, passive: undefined })),
    PASSIVE,
  ],
  ["every request is passive", exchanging((facts) => ({ ...facts, passive: true })), PASSIVE],
  ["a mount cuts its path", misleading((path) => path.replace("/mounted", "")), PASSIVE],
  ["its path has no query", misleading((path) => path.replace(/\?.*/, "")), PASSIVE],
  [
    "the trust cookie is not sent",
    exchanging(
      (facts) => facts,
      (settlement) => ({
        ...settlement,
        setCookie: settlement.setCookie.filter((line) => !line.includes("-trust=")),
      }),
    ),
    "a trusted browser has a cookie that outlives the sign-in, and loses it when that is taken back",
  ],
])("the contract notices where %s", async (_, integration, name) => {
  const noticing = httpContract(integration).find((story) => story.name === name);
  await expect(noticing?.run()).rejects.toThrow();
});

const PENDING = "requirePending lets visitors through whose sign-in has begun, and nobody else";
const END =
  "GET /session below the devices says who is signed in and until when, and is no use of the session; POST is one";
const somebody = { userId: "ada", until: 0, provedAt: 0, proofs: [], remember: false };
const all = [
  { method: "otp", at: 0 },
  { method: "password", at: 0 },
];
const ends = { idle: 0, absolute: 0, remembered: undefined, now: 0 };

test.each<[string, () => unknown, string]>([
  [
    "requirePending lets anybody through",
    () => vi.spyOn(CoreSession.prototype, "pending", "get").mockReturnValue(somebody),
    PENDING,
  ],
  [
    "requirePending lets nobody through",
    () => vi.spyOn(CoreSession.prototype, "pending", "get").mockReturnValue(undefined),
    PENDING,
  ],
  [
    "half a sign-in is a whole one",
    () =>
      vi.spyOn(CoreSession.prototype, "isSignedIn", "get").mockImplementation(function (this: unknown) {
        const { userId, pending } = this as CoreSession;
        return (userId ?? pending) !== undefined;
      }),
    PENDING,
  ],
  [
    "requireProofs asks for one factor only",
    () => vi.spyOn(CoreSession.prototype, "proofs", "get").mockReturnValue(all),
    "requireProofs sends pages to the proof and refuses scripts until every factor was proved",
  ],
  ["GET /session is a use", () => vi.spyOn(CoreSession.prototype, "bePassive").mockReturnValue(), END],
  ["POST /session is none", () => vi.spyOn(CoreSession.prototype, "extend").mockReturnValue(), END],
  ["its times are wrong", () => vi.spyOn(CoreSession.prototype, "endsAt").mockResolvedValue(ends), END],
])("the contract notices where %s", async (_, breakIt, name) => {
  const noticing = httpContract(nodeIntegration).find((story) => story.name === name);
  breakIt();
  onTestFinished(() => void vi.restoreAllMocks());
  await expect(noticing?.run()).rejects.toThrow();
});

const PAGE_OF_USER =
  "the page of devices is for its user, in HTML that no cache keeps, and sends others to the sign-in";
const FORMS = "forms of the page of devices name one, end one, end the others, and end all";
const FRESH = "the page of devices ends no other device without a fresh proof, and comes back from it";
const FOREIGN = "the page of devices changes nothing for a form of another site, or that it does not know";
const ESCAPED = "what browsers and users write is text on the page of devices";
const HERE = "signing out here on the page of devices ends this browser's session and clears its cookies";

test.each<[string, () => unknown, string]>([
  [
    "anybody sees the page",
    () => vi.spyOn(CoreSession.prototype, "isSignedIn", "get").mockReturnValue(true),
    PAGE_OF_USER,
  ],
  ["a form ends nothing", () => vi.spyOn(CoreSession.prototype, "revokeOthers").mockResolvedValue(2), FORMS],
  [
    "a form names nothing",
    () => vi.spyOn(CoreSession.prototype, "nameDevice").mockResolvedValue(true),
    FORMS,
  ],
  ["everything is fresh", () => vi.spyOn(CoreSession.prototype, "isFresh").mockReturnValue(true), FRESH],
  [
    "every name is a name",
    () => vi.spyOn(CoreSession.prototype, "nameDevice").mockResolvedValue(true),
    FOREIGN,
  ],
  [
    "nothing is escaped",
    () => vi.spyOn(String.prototype, "replace").mockImplementation(unescaped as never),
    ESCAPED,
  ],
  [
    "signing out here keeps the session",
    () => vi.spyOn(CoreSession.prototype, "logout").mockResolvedValue(),
    HERE,
  ],
])("the contract notices on the page of devices where %s", async (_, breakIt, name) => {
  const noticing = httpContract(nodeIntegration).find((story) => story.name === name);
  expect(noticing, name).toBeDefined();
  breakIt();
  onTestFinished(() => void vi.restoreAllMocks());
  await expect(noticing?.run()).rejects.toThrow();
});

const replace = String.prototype.replace;

/** As it is, but for markup. */
function unescaped(this: string, pattern: RegExp, value: never): string {
  return String(pattern) === "/[&<>\"']/g" ? String(this) : replace.call(this, pattern, value);
}

test("and it passes what that attempt does right", async () => {
  const right = [
    "what one request writes, the next one reads",
    "a redirect does not outrun the save",
    "cookies that the application sets are kept beside psession's",
    "a shared cache keeps no answer with a session cookie, whatever the page says of itself",
    "an answer is private where its session has a user or was changed, also where it says nothing of caches",
    "two visitors on one connection are two visitors",
    "what a handler changed before it failed is saved with the error's page",
    "a hundred requests in flight when the server begins to stop are answered, and saved",
  ];
  for (const { name, run } of httpContract(naive({}))) if (right.includes(name)) await run();
});
