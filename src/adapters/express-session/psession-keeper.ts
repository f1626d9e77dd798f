import type { ServerResponse } from "node:http";
import { readSessionCookie, type SessionCookie } from "../../http/cookies.ts";
import type { Psession } from "../../psession.ts";
import { factsOf, type RequestFacts } from "../../request/facts.ts";
import { digest, ID_LENGTH } from "../../secrets.ts";
import { AppStore } from "./app-store.ts";
import { Cookie } from "./cookie.ts";
import type { Keeper } from "./keeper.ts";
import type { SessionOptions, Settings } from "./options.ts";
import { PsessionFacade } from "./psession-facade.ts";
import { psessionOf } from "./psession-options.ts";
import { PsessionVisit, type Takeover } from "./psession-visit.ts";
import { isSecure, type SessionRequest } from "./request.ts";
import { presentedId } from "./signature.ts";

/** Keeps sessions in a psession store: hashed, merged, and with psession's sign-in beside the data. */
export class PsessionKeeper implements Keeper {
  readonly settings: Settings;
  readonly psession: Psession<object>;
  readonly sessionStore: PsessionFacade;
  /** The store from which sessions are taken over. */
  readonly former: AppStore | undefined;

  constructor(settings: Settings, given: SessionOptions) {
    this.settings = settings;
    this.psession = psessionOf(settings, given);
    this.sessionStore = new PsessionFacade(this.psession, (request) => this.newCookie(request));
    if (settings.migrateFrom !== undefined) this.former = new AppStore(settings.migrateFrom, settings);
  }

  assertReady(): void {}

  async open(request: SessionRequest, response: ServerResponse | undefined): Promise<PsessionVisit> {
    const facts = this.#factsOf(request, response);
    const formerId = this.#formerId(request);
    const successor = formerId === undefined ? undefined : this.#successorOf(formerId);
    const open = async () => {
      const exchange = this.psession.exchange({ ...facts, successor });
      return { exchange, core: await exchange.open() };
    };
    let opened = await open();
    let former: Record<string, unknown> | undefined;
    if (formerId !== undefined && opened.core.isNew && opened.core.outcome === "none") {
      former = await this.former?.find(formerId);
      // A parallel request may have taken it over just now.
      if (former === undefined) opened = await open();
    }
    const isTaken = former !== undefined || !opened.core.isNew;
    const takeover =
      formerId === undefined || successor === undefined || !isTaken
        ? undefined
        : { id: formerId, successorId: successor.id, data: former };
    return new PsessionVisit(this, request, opened.exchange, opened.core, takeover, facts.canSetCookies);
  }

  newCookie(request: object): Cookie {
    const { session } = this.psession.core.settings.cookies;
    const { name: _name, ...attributes } = session;
    const options = this.settings.cookie(request as SessionRequest);
    return new Cookie({ ...options, ...attributes });
  }

  /** Nobody ended the old session while the handler ran: it is still there, or another request took it over. */
  async isStillThere({ id, successorId }: Takeover): Promise<boolean> {
    if ((await this.former?.find(id)) !== undefined) return true;
    return (await this.psession.core.settings.store.findSession(successorId)) !== undefined;
  }

  #factsOf(request: SessionRequest, response: ServerResponse | undefined): RequestFacts {
    return factsOf((name) => request.headers[name], {
      method: request.method,
      secure: isSecure(request, this.settings.proxy),
      address: request.ip ?? request.socket?.remoteAddress,
      canSetCookies: response !== undefined && !response.headersSent,
    });
  }

  /** Of a request that has no session cookie of psession's yet. */
  #formerId(request: SessionRequest): string | undefined {
    if (this.former === undefined) return undefined;
    const { cookies, keys } = this.psession.core.settings;
    const own = readSessionCookie(request.headers.cookie, cookies.session.name, keys);
    // Of two cookies one may have been tossed in by a subdomain: neither counts, of whatever kind.
    const isRefused = own.kind === "valid" || own.kind === "duplicate";
    return isRefused ? undefined : presentedId(request, this.settings.name, this.settings.secrets);
  }

  /** Derived, so that all who present the old cookie at once arrive at one session; useless without the key. */
  #successorOf(formerId: string): SessionCookie | undefined {
    const { keys } = this.psession.core.settings;
    const presented = Buffer.from(digest(Buffer.from(formerId, "utf8")));
    const derive = (id: string) =>
      keys.derive("session", presented, { id, generation: 0, salt: Buffer.alloc(0) });
    const id = derive("express-session/id")?.toString("base64url").slice(0, ID_LENGTH);
    const secret = derive("express-session/secret");
    return id === undefined || secret === undefined ? undefined : { id, secret };
  }
}
