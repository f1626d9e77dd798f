import type { ServerResponse } from "node:http";
import { cookieValues, readSessionCookie, type SessionCookie } from "../../../http/cookies.ts";
import { originAt } from "../../../http/scheme.ts";
import type { Settlement } from "../../../http/settlement.ts";
import { trustsProxy, visibleHost } from "../../../integration/express/proxy.ts";
import { arrivedAt, momentOf } from "../../../integration/node/arrivals.ts";
import { bytesOf, copyOf } from "../../../protocol/bytes.ts";
import { digest, idFrom } from "../../../protocol/secrets.ts";
import { Psession } from "../../../psession.ts";
import { factsOf, isPassive, type RequestFacts } from "../../../request/facts.ts";
import { Cookie, type CookieOptions } from "../cookie.ts";
import type { SessionOptions, Settings } from "../options.ts";
import { PromisedStore } from "../own-store/promised-store.ts";
import { isSecure, type SessionRequest } from "../request.ts";
import { isSameList, presentedIn, type Secret } from "../signature.ts";
import { PsessionFacade } from "./facade.ts";
import { exchangeKeys, lineFor, psessionOf } from "./options.ts";

/** A session of the former store that this request presents; without data if it was taken over already. */
export interface Takeover {
  readonly id: string;
  /** The id that its row has, or will have. */
  readonly successorId: string;
  readonly data: Record<string, unknown> | undefined;
}

/** Shared by all requests with sessions in a psession store. */
export class PsessionContext {
  readonly settings: Settings;
  readonly psession: Psession<object>;
  readonly sessionStore: PsessionFacade;
  /** The store from which sessions are taken over. */
  readonly former: PromisedStore | undefined;
  /** An eavesdropper can read a cookie sent over plain http: in production, "auto" does not permit that. */
  readonly #isStrict = process.env["NODE_ENV"] === "production";
  /** A copy, to notice changes of the list. */
  #secrets: readonly Secret[];

  constructor(settings: Settings, given: SessionOptions) {
    this.settings = settings;
    this.#secrets = [...settings.secrets];
    this.psession = psessionOf(settings, given);
    // Each session's cookie may have a life of its own, by `req.session.cookie.maxAge`.
    this.psession.whenStarted(({ settings }) => {
      settings.session.livesVary = true;
    });
    this.sessionStore = new PsessionFacade(this.psession, (request) => this.newCookie(request));
    if (settings.migrateFrom !== undefined) this.former = new PromisedStore(settings.migrateFrom, settings);
  }

  /** Applies changes that the application made to its list of secrets. */
  assertReady(): void {
    const { secrets, store } = this.settings;
    if (store instanceof Psession || isSameList(this.#secrets, secrets)) return;
    this.#secrets = [...secrets];
    exchangeKeys(this.psession, secrets);
  }

  get caching(): "protect" | "off" {
    return this.psession.core.settings.caching;
  }

  newCookie(request: object): Cookie {
    const { session } = this.psession.core.settings.cookies;
    const { name: _name, ...attributes } = session;
    const options = this.#optionsFor(request as SessionRequest);
    if (this.#followsConnection(options)) {
      const secure = isSecure(request as SessionRequest, this.settings.proxy);
      if (options.secure === "auto") Object.assign(attributes, { secure });
      if (options.sameSite === "auto") Object.assign(attributes, { sameSite: secure ? "none" : "lax" });
    }
    return new Cookie({ ...options, ...attributes });
  }

  /** With "auto", a request's cookies follow its connection. */
  dress(request: SessionRequest, settlement: Settlement): Settlement {
    if (settlement.setCookie.length === 0) return settlement;
    const options = this.#optionsFor(request);
    if (!this.#followsConnection(options)) return settlement;
    const secure = isSecure(request, this.settings.proxy);
    return { ...settlement, setCookie: settlement.setCookie.map((line) => lineFor(line, options, secure)) };
  }

  /** A whole psession has its own options for that. */
  #followsConnection({ secure, sameSite }: CookieOptions): boolean {
    return !(this.settings.store instanceof Psession) && (secure === "auto" || sameSite === "auto");
  }

  #optionsFor(request: SessionRequest): CookieOptions {
    const options = this.settings.cookie(request);
    return this.#isStrict && options.secure === "auto" ? { ...options, secure: true } : options;
  }

  /** Whether the old session was not ended while the handler ran: it is stored, or another request took it over. */
  async isStillThere({ id, successorId }: Takeover): Promise<boolean> {
    if ((await this.former?.find(id)) !== undefined) return true;
    return (await this.psession.core.settings.store.findSession(successorId)) !== undefined;
  }

  originOf(request: SessionRequest): string {
    return originAt(isSecure(request, this.settings.proxy), visibleHost(request));
  }

  factsOf(request: SessionRequest, response: ServerResponse | undefined): RequestFacts {
    const secure = isSecure(request, this.settings.proxy);
    return factsOf((name) => request.headers[name], {
      method: request.method,
      secure,
      origin: () => this.originOf(request),
      // The option `proxy` concerns https alone, not addresses.
      trustsProxy: () => trustsProxy(request),
      address: request.ip ?? request.socket?.remoteAddress,
      canSetCookies: response !== undefined && !response.headersSent,
      request: momentOf(request),
      arrivedAt: arrivedAt(this.psession, request),
      passive: isPassive(
        this.psession.core.settings,
        (name) => request.headers[name],
        request.method,
        () => request.originalUrl ?? request.url ?? "/",
      ),
    });
  }

  /** The former store's id, if the request has no psession cookie yet. */
  formerId(request: SessionRequest): string | undefined {
    if (this.former === undefined) return undefined;
    const { cookies, keys } = this.psession.core.settings;
    const { name, secrets } = this.settings;
    const { cookie } = request.headers;
    const own = readSessionCookie(cookie, cookies.session.name, keys);
    // Of two old cookies, a subdomain may have set one: their signatures do not say which.
    const isRefused =
      own.kind === "valid" || own.kind === "duplicate" || cookieValues(cookie, name).length > 1;
    return isRefused ? undefined : presentedIn(request, name, secrets)?.id;
  }

  /** Derived, so that parallel requests with the old cookie get one session; the key makes it unguessable. */
  successorOf(formerId: string): SessionCookie | undefined {
    const { keys, realm } = this.psession.core.settings;
    const presented = copyOf(digest(bytesOf(formerId)));
    const derive = (id: string) =>
      keys.derive("session", presented, { id, generation: 0, salt: Buffer.alloc(0) });
    const id = derive(`express-session/id/${realm}`);
    const secret = derive(`express-session/secret/${realm}`);
    return id === undefined || secret === undefined ? undefined : { id: idFrom(id, realm), secret };
  }
}
