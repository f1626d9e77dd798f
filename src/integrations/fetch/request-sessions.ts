import { assertPsession } from "../../checks/given.ts";
import type { SessionData } from "../../data/typing.ts";
import { answerHeaders } from "../../http/answer-headers.ts";
import { fetchFacts } from "../../integration/fetch/facts.ts";
import { incomingIn, LazyExchange } from "../../integration/fetch/lazy-exchange.ts";
import { checkOptions, type FetchOptions } from "../../integration/fetch/options.ts";
import type { Psession } from "../../psession.ts";
import { enterRequest } from "../../request/context.ts";
import type { Session } from "../../session.ts";

/** What `new Headers` takes. */
type HeadersSource = ConstructorParameters<typeof Headers>[0];

/** Sessions by their request, for loaders and actions that get no response. */
export interface RequestSessions<Data extends object, Context extends readonly unknown[]> {
  /** Opens the session once per request, however many loaders ask. */
  getSession(request: Request, ...context: Context): Promise<Session<Data>>;
  /**
   * Saves, and gives the headers that the answer needs, added to `headers`. Headers rather than text, as
   * there may be two cookies: `redirect("/", { headers: await commitSession(session) })`.
   */
  commitSession(session: Session<Data>, headers?: HeadersSource): Promise<Headers>;
  /** Logs out, which ends the remembered login as well, and gives the headers that clear the cookies. */
  destroySession(session: Session<Data>, headers?: HeadersSource): Promise<Headers>;
}

/** The three functions that loaders and actions of React Router and Remix expect of sessions. */
export function requestSessions<Data extends object = SessionData, Context extends readonly unknown[] = []>(
  psession: Psession<Data>,
  options: FetchOptions<Context> = {},
): RequestSessions<Data, Context> {
  assertPsession("requestSessions", psession);
  checkOptions("requestSessions", options, ["trustProxy", "address"]);
  const { trustProxy = false, address } = options;
  const byRequest = new WeakMap<Request, LazyExchange<Data>>();
  const bySession = new WeakMap<Session<Data>, LazyExchange<Data>>();

  const exchangeOf = (request: Request, context: Context): LazyExchange<Data> => {
    const known = byRequest.get(request);
    if (known !== undefined) return known;
    const facts = (arrivedAt: number) =>
      fetchFacts(psession.core.settings, request, trustProxy, {
        arrivedAt,
        address: () => address?.(request, ...context),
      });
    const exchange = new LazyExchange(psession, facts, incomingIn(context[0]));
    byRequest.set(request, exchange);
    return exchange;
  };

  const commitSession = async (session: Session<Data>, headers?: HeadersSource): Promise<Headers> => {
    const exchange = bySession.get(session);
    if (exchange === undefined)
      throw new Error("commitSession takes a session that its own getSession gave.");
    const settlement = await exchange.settle(() => true);
    const all = headersAlone(headers);
    for (const line of settlement.setCookie) all.append("Set-Cookie", line);
    for (const [name, value] of answerHeaders(settlement, (name) => all.get(name))) all.set(name, value);
    return all;
  };

  return {
    getSession: async (request, ...context) => {
      const exchange = exchangeOf(request, context);
      // There is no middleware to do it: what this loader does from now on belongs to its request.
      enterRequest(request);
      const session = await exchange.getSession();
      bySession.set(session, exchange);
      return session;
    },
    commitSession,
    destroySession: async (session, headers) => {
      await session.logout();
      return commitSession(session, headers);
    },
  };
}

/**
 * Headers used as text would become one unreadable cookie, and sign every visitor out. Not a class: to extend Headers,
 * Node would have to load all of fetch when the program starts.
 */
const headersAlone = (source: HeadersSource): Headers =>
  Object.defineProperty(new Headers(source), Symbol.toPrimitive, { value: refuseText });

function refuseText(): never {
  throw new TypeError(
    "commitSession gives headers, not one line: write { headers: await commitSession(session) }.",
  );
}
