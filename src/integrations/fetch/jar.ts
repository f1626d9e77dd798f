import type { SessionData } from "../../data/typing.ts";
import { answerHeaders } from "../../http/answer-headers.ts";
import { type CookieAttributes, fillJar } from "../../integration/fetch/fill-jar.ts";
import { type GetSession, LazyExchange } from "../../integration/fetch/lazy-exchange.ts";
import type { Psession } from "../../psession.ts";
import { cameAt } from "../../request/arrival.ts";
import { enterRequest } from "../../request/context.ts";
import { factsOf, isPassive } from "../../request/facts.ts";

export type { CookieAttributes };

/** The cookies of a request and of its response, in frameworks that hand out no response. */
export interface CookieJar {
  /** The request's headers. Cookies are read from there, as jars hide a second one of the same name. */
  headers: { get(name: string): string | null | undefined };
  /** Leave it out if no cookies can be set: then the session does nothing that needs one. */
  set?: ((name: string, value: string, attributes: CookieAttributes) => unknown) | undefined;
}

/** What a cookie jar does not say of its request. */
export interface JarFacts {
  /** The browser spoke https, to the server or to a proxy that you trust. */
  secure: boolean;
  method?: string | undefined;
  /** Path and query, such as "/poll?since=7", for the option `session.isPassive`. */
  path?: string | undefined;
  address?: string | undefined;
  /** Scheme and host as the visitor's browser sees them, such as "https://example.com", to detect other sites. */
  origin?: string | undefined;
  /** Forwarding headers are trusted, and `address` comes from them. */
  trustsProxy?: boolean | undefined;
  /** When the request came, in epoch milliseconds, where you know. */
  arrivedAt?: number | undefined;
}

/** The methods used on the headers of a response. */
export interface AnswerHeaders {
  get(name: string): string | null | undefined;
  set(name: string, value: string): void;
}

/** A session whose cookies go through a jar; see `jarSession`. */
export interface JarSession<Data extends object> {
  readonly getSession: GetSession<Data>;
  /**
   * Saves, and puts the cookies into the jar: call it before the response begins. `answer`: the response's headers, to
   * which those for caches are added.
   */
  commit(answer?: AnswerHeaders): Promise<{
    /** The answer must have `Cache-Control: no-store`. It has if `answer` was given. */
    noStore: boolean;
  }>;
}

/** A session whose cookies go through a jar. */
export function jarSession<Data extends object = SessionData>(
  psession: Psession<Data>,
  jar: CookieJar,
  known: JarFacts,
): JarSession<Data> {
  const header = (name: string) => jar.headers.get(name) ?? undefined;
  const request = {};
  const canSetCookies = jar.set !== undefined;
  const exchange = new LazyExchange(psession, () =>
    factsOf(header, {
      method: undefined,
      address: undefined,
      ...known,
      arrivedAt: cameAt(psession.core.settings, header, known.arrivedAt),
      passive: isPassive(psession.core.settings, header, known.method, () => known.path ?? ""),
      request,
      canSetCookies,
    }),
  );
  return {
    getSession: () => {
      // There is no middleware to do it: what this handler does from now on belongs to its request.
      enterRequest(request);
      return exchange.getSession();
    },
    commit: async (answer) => {
      const settlement = await exchange.settle(() => canSetCookies);
      const { noStore, caching } = settlement;
      if (jar.set !== undefined) await fillJar(settlement.setCookie, jar.set);
      const headers = answer === undefined ? [] : answerHeaders(settlement, (name) => answer.get(name));
      for (const [name, value] of headers) answer?.set(name, value);
      // Without its headers it is unknown what the answer says, and no cache may give one visitor's page to another.
      const isOwn = caching === "private" || caching === "guarded";
      return { noStore: noStore || (answer === undefined && isOwn) };
    },
  };
}
