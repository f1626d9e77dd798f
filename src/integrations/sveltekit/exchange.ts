import { parseCookie, parseSetCookie } from "cookie";
import type { SessionData } from "../../data/typing.ts";
import { PsessionError } from "../../errors.ts";
import type { Settlement } from "../../http/settlement.ts";
import { fetchFacts } from "../../integration/fetch/facts.ts";
import { type GetSession, LazyExchange } from "../../integration/fetch/lazy-exchange.ts";
import { noSession } from "../../integration/no-session.ts";
import type { Psession } from "../../psession.ts";
import type { Session } from "../../session.ts";
import type { KitCookie, KitEvent, SessionLocals } from "./event.ts";

const asTheyAre = (value: string): string => value;

/**
 * The session of one event. What a load calls with SvelteKit's `fetch` on its own server is an event as well, inside the
 * page's: it shares the page's session. With one of its own, SvelteKit would put that one's cookies onto the page's
 * response, beside those that the page's session sets.
 */
export class KitExchange<Data extends object> {
  /** By which `runInRequest` knows the request. */
  readonly token: object;
  readonly #psession: Psession<Data>;
  readonly #event: KitEvent;
  readonly #outer: KitExchange<Data> | undefined;
  readonly #own: LazyExchange<Data>;
  /** Kept, as SvelteKit replaces it once it has made a response. */
  readonly #setCookie: KitEvent["cookies"]["set"];

  constructor(psession: Psession<Data>, event: KitEvent, outer: KitExchange<Data> | undefined) {
    this.token = outer?.token ?? event.locals;
    this.#psession = psession;
    this.#event = event;
    this.#outer = outer;
    this.#setCookie = event.cookies.set;
    const incoming = incomingOf(event.platform);
    const facts = (arrivedAt: number) => {
      const address = event.getClientAddress();
      const found = fetchFacts(psession.core.settings, event.request, false, {
        arrivedAt,
        token: this.token,
        address: () => address,
      });
      // SvelteKit's adapter knows whether a proxy is trusted, and then gives another address than the connection's.
      const peer = incoming?.socket?.remoteAddress;
      const forwarded = found.forwarded && (peer === undefined || peer === address);
      return { ...found, forwarded, canSetCookies: this.#canSetCookies };
    };
    this.#own = new LazyExchange(psession, facts, incoming);
  }

  /** A request inside another one has no browser that would take its cookies. */
  get #canSetCookies(): boolean {
    return !this.#event.isSubRequest;
  }

  /** Bound, as handlers get the function alone. */
  readonly getSession: GetSession<Data> = async () => {
    assertNotPrerendered(this.#event);
    const outer = this.#outer;
    return outer !== undefined && this.#hasVisitorOf(outer) ? outer.getSession() : this.#own.getSession();
  };

  settle(): Promise<Settlement> {
    return this.#own.settle(() => this.#canSetCookies);
  }

  /**
   * For what a handle behind this one has thrown: SvelteKit makes a response of it, out of reach, and gives it the
   * cookies of its jar if it is a redirect. Other errors lose them, as a response does that never arrives.
   */
  async settleInJar(): Promise<void> {
    const { setCookie } = await this.settle();
    for (const line of setCookie) {
      const { name, value = "", ...attributes } = parseSetCookie(line, { decode: asTheyAre });
      // What the line does not say, SvelteKit would add.
      const plain = { path: "/", httpOnly: false, secure: false, encode: asTheyAre };
      this.#setCookie(name, value, { ...plain, ...attributes } as KitCookie);
    }
  }

  /** False if the application has called itself without the visitor's cookies, or with another visitor's. */
  #hasVisitorOf(outer: KitExchange<Data>): boolean {
    if (this.#event.request.credentials === "omit") return false;
    const [own, outers] = [this.#event, outer.#event].map(({ request }) =>
      parseCookie(request.headers.get("cookie") ?? "", { decode: asTheyAre }),
    );
    return Object.values(this.#psession.cookieNames).every((name) => own?.[name] === outers?.[name]);
  }
}

/** The session that `sessions` gives the handlers of an event. Throws `no_session` where it did not run. */
export function sessionOf(event: Pick<KitEvent, "locals">): Promise<Session<SessionData>> {
  const { getSession } = event.locals as Partial<SessionLocals>;
  if (getSession === undefined) throw noSession("put sessions(psession) into handle of src/hooks.server.ts");
  return getSession();
}

/** Node's own request, which adapter-node gives as the platform. */
const incomingOf = (platform: unknown): NodePeer | undefined =>
  typeof platform === "object" && platform !== null && "req" in platform
    ? (platform.req as NodePeer)
    : undefined;

interface NodePeer {
  readonly socket?: { readonly remoteAddress?: string };
}

/**
 * A prerendered page has no visitor, and its build no keys. SvelteKit does not say that it prerenders, but refuses
 * to give an address then; asked first, it keeps psession from opening anything in a build.
 */
function assertNotPrerendered(event: KitEvent): void {
  try {
    event.getClientAddress();
  } catch (cause) {
    throw new PsessionError(
      "no_session",
      "This request has no session, as SvelteKit gives no address of a client. A page that is prerendered must not ask " +
        "for the session: export const prerender = false. Elsewhere the error of SvelteKit's adapter (cause) says what is missing.",
      { cause },
    );
  }
}
