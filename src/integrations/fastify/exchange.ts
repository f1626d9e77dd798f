import type { FastifyReply, FastifyRequest } from "fastify";
import { headersOfError, statusOf } from "../../errors.ts";
import { answerHeaders } from "../../http/answer-headers.ts";
import { isSecureScheme } from "../../http/scheme.ts";
import type { Settlement } from "../../http/settlement.ts";
import { arrivedAt, momentOf } from "../../integration/node/arrivals.ts";
import { settleBeforeHead } from "../../integration/node/held-response.ts";
import { answerError } from "../../integration/node/send.ts";
import type { Psession } from "../../psession.ts";
import type { Exchange, MakeSession } from "../../request/exchange.ts";
import { factsOf, isPassive } from "../../request/facts.ts";
import type { Moment } from "../../request/moment.ts";
import { warnOfSaveAfterHead } from "../../telemetry/warnings.ts";
import { originOf } from "./origin.ts";
import type { FastifySession } from "./session.ts";

/** Shared by all requests of one registration of the plugin. */
export interface Integration<Data extends object> {
  readonly psession: Psession<Data>;
  readonly make: MakeSession<FastifySession<Data>>;
}

/** Headers that describe the failed answer, so they must not leave with the error's. */
const DESCRIBES_ANSWER =
  /^(content-(?!security)|(transfer-encoding|trailer|etag|last-modified|location|refresh|set-cookie|cache-control|expires)$)/;

/** One request and its reply. Reads nothing until the session is opened. */
export class FastifyExchange<Data extends object> {
  readonly #integration: Integration<Data>;
  readonly #request: FastifyRequest;
  readonly #reply: FastifyReply;
  /** When the request arrived; if Node does not publish that, now rather than when its session is opened. */
  readonly moment: Moment;
  #exchange: Exchange<FastifySession<Data>> | undefined;
  #opening: Promise<FastifySession<Data>> | undefined;
  /** Set once the session is open. */
  session: FastifySession<Data> | undefined;
  isEnded = false;
  #hasFailed = false;

  constructor(integration: Integration<Data>, request: FastifyRequest, reply: FastifyReply) {
    this.#integration = integration;
    this.#request = request;
    this.#reply = reply;
    this.moment = momentOf(request.raw);
  }

  open(): Promise<FastifySession<Data>> {
    this.#opening ??= this.#open();
    return this.#opening;
  }

  /** Null was assigned to the session: it takes effect at once, and is stored with the response. */
  end(): void {
    this.isEnded = true;
    // A second time it would reject, unhandled.
    this.session?.destroy().catch(() => {});
  }

  /** The handler, a hook or a guard asked for the session. */
  get isBegun(): boolean {
    return this.#opening !== undefined;
  }

  /** Saves before the head leaves. Gives a promise only if there is something to wait for. */
  settle(payload: unknown): unknown {
    if (this.#opening === undefined || this.#hasFailed) return payload;
    if (this.session === undefined) return this.#settleOpening(payload);
    try {
      const settled = this.#commit(!this.#reply.raw.headersSent);
      if (!(settled instanceof Promise)) return this.#carry(settled, payload);
      return settled.then(
        (settlement) => this.#carry(settlement, payload),
        (error: unknown) => this.#fail(error, payload),
      );
    } catch (error) {
      return this.#fail(error, payload);
    }
  }

  /** Saves what changed since the head left. */
  settleAfterHead(): Promise<unknown> | undefined {
    if (this.session === undefined || this.#hasFailed) return undefined;
    try {
      const settled = this.#exchange?.commit({ canSetCookies: false });
      return settled instanceof Promise ? settled.catch(warnOfSaveAfterHead) : undefined;
    } catch (error) {
      warnOfSaveAfterHead(error);
      return undefined;
    }
  }

  async #open(): Promise<FastifySession<Data>> {
    const request = this.#request;
    const { raw, headers, method, protocol, ip } = request;
    // A WebSocket library writes the head of an upgrade itself.
    const isUpgrade = "upgrade" in raw && raw.upgrade === true;
    const facts = factsOf((name) => headers[name], {
      method,
      secure: isSecureScheme(protocol),
      origin: () => originOf(request),
      // If Fastify trusts the peer, it knows further addresses; to list them takes longer.
      trustsProxy: () => ip !== raw.socket.remoteAddress || (request.ips?.length ?? 0) > 1,
      address: ip,
      canSetCookies: !isUpgrade && !this.#reply.raw.headersSent,
      request: this.moment,
      arrivedAt: arrivedAt(this.#integration.psession, raw),
      passive: isPassive(
        this.#integration.psession.core.settings,
        (name) => headers[name],
        method,
        () => request.originalUrl,
      ),
    });
    const exchange = this.#integration.psession.exchange(facts, this.#integration.make);
    const session = await exchange.open();
    // There is no response to wait for: changes are saved as they are made.
    if (isUpgrade) await exchange.commit({ canSetCookies: false, savesAfterHead: true });
    this.#exchange = exchange;
    this.session = session;
    this.#awaitHijack();
    return session;
  }

  /** The handler did not wait for its session, so a failure to open it does not concern the answer. */
  async #settleOpening(payload: unknown): Promise<unknown> {
    try {
      await this.#opening;
    } catch {
      return payload;
    }
    return this.settle(payload);
  }

  #commit(canSetCookies: boolean): Settlement | Promise<Settlement> {
    const { session } = this;
    const exchange = this.#exchange as Exchange<FastifySession<Data>>;
    const options = { canSetCookies, savesAfterHead: true };
    const following = session?.followIdentity();
    return following === undefined
      ? exchange.commit(options)
      : following.then(() => exchange.commit(options));
  }

  #carry(settlement: Settlement, payload: unknown): unknown {
    const reply = this.#reply;
    const { setCookie } = settlement;
    if (setCookie.length > 0) {
      // Fastify's head would replace cookies of the bare response.
      const before = reply.raw.getHeader("set-cookie");
      if (before !== undefined && reply.getHeader("set-cookie") === before)
        reply.header("set-cookie", before);
      // Line by line: a single cookie stays text, as tests that inject requests expect.
      for (const line of setCookie) reply.header("set-cookie", line);
    }
    // Headers of a Response payload are set later, over these.
    const own = payload instanceof Response ? payload.headers : undefined;
    const headers = answerHeaders(settlement, (name) => own?.get(name) ?? reply.getHeader(name));
    for (const [name, value] of headers) reply.header(name, value);
    const isReplaced = headers.some(([name]) => own?.has(name) === true);
    return isReplaced && payload instanceof Response && !payload.bodyUsed
      ? withHeaders(payload, headers)
      : payload;
  }

  /** The answer reports something as done that was not: none of it may leave. */
  #fail(error: unknown, payload: unknown): never {
    const reply = this.#reply;
    this.#hasFailed = true;
    abandon(payload);
    for (const name of Object.keys(reply.getHeaders())) {
      if (DESCRIBES_ANSWER.test(name)) reply.removeHeader(name);
    }
    reply.code(statusOf(error)).headers(headersOfError(error));
    throw error;
  }

  /** Fastify calls no hooks for a hijacked reply, so the bare response is held until the session is saved. */
  #awaitHijack(): void {
    const reply = this.#reply;
    if (reply.raw.headersSent) return;
    if (reply.sent) return this.hold();
    const waiting = (reply as Hijackable)[WAITING];
    if (waiting !== undefined) return void waiting.exchanges.unshift(this);
    (reply as Hijackable)[WAITING] = { hijack: reply.hijack, exchanges: [this] };
    reply.hijack = holdAndHijack;
  }

  hold(): void {
    const { raw } = this.#reply;
    settleBeforeHead(
      raw,
      (canSetCookies) => this.#commit(canSetCookies),
      (error) => {
        this.#hasFailed = true;
        answerError(raw, error);
      },
    );
  }
}

const WAITING = Symbol("psession.waiting");

interface Hijackable {
  /** The reply's own `hijack`, and the exchanges that wait for its call, the innermost first. */
  [WAITING]?: { readonly hijack: FastifyReply["hijack"]; readonly exchanges: { hold(): void }[] };
}

/** One function for all replies, as responses have them (`node/held-response.ts`). */
function holdAndHijack(this: FastifyReply & Hijackable): FastifyReply {
  const waiting = this[WAITING];
  for (const exchange of waiting?.exchanges ?? []) exchange.hold();
  return waiting?.hijack.call(this) ?? this;
}

function withHeaders(payload: Response, changed: ReturnType<typeof answerHeaders>): Response {
  const { status, statusText, body } = payload;
  const headers = new Headers(payload.headers);
  for (const [name, value] of changed) headers.set(name, value);
  return new Response(body, { status, statusText, headers });
}

/** Releases files and connections behind a body that will not be sent. */
function abandon(payload: unknown): void {
  const body = payload instanceof Response ? payload.body : payload;
  if (body instanceof ReadableStream) body.cancel().catch(() => {});
  else if (isStream(body)) body.destroy();
}

const isStream = (body: unknown): body is { destroy(): void } =>
  typeof body === "object" && body !== null && "destroy" in body && typeof body.destroy === "function";
