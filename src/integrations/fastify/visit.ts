import type { FastifyReply, FastifyRequest } from "fastify";
import { headersOfError, statusOf } from "../../errors.ts";
import { cacheHeaders } from "../../http/caching.ts";
import { isSecureScheme } from "../../http/scheme.ts";
import type { Settlement } from "../../http/settlement.ts";
import { arrivedAt, momentOf } from "../../integration/node/arrivals.ts";
import { answerError } from "../../integration/node/error.ts";
import { settleBeforeHead } from "../../integration/node/response.ts";
import type { Psession } from "../../psession.ts";
import type { Exchange, MakeSession } from "../../request/exchange.ts";
import { factsOf } from "../../request/facts.ts";
import type { Moment } from "../../request/moment.ts";
import { warnOfSaveAfterHead } from "../../telemetry/warnings.ts";
import { originOf } from "./origin.ts";
import type { FastifySession } from "./session.ts";

/** What one registration of the plugin gives its requests. */
export interface Integration<Data extends object> {
  readonly psession: Psession<Data>;
  readonly make: MakeSession<FastifySession<Data>>;
}

/** Says something of the answer that will not be given, so it must not leave with the error's. */
const OF_THE_ANSWER =
  /^(content-(?!security)|(transfer-encoding|trailer|etag|last-modified|location|refresh|set-cookie|cache-control|expires)$)/;

/** One request and its reply. Costs nothing but itself until the session is asked for. */
export class Visit<Data extends object> {
  readonly #integration: Integration<Data>;
  readonly #request: FastifyRequest;
  readonly #reply: FastifyReply;
  /** Where Node does not tell, it came now rather than when its session is asked for. */
  readonly moment: Moment;
  #exchange: Exchange<FastifySession<Data>> | undefined;
  #opening: Promise<FastifySession<Data>> | undefined;
  /** There once the session is open. */
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

  /** Null in place of the session: it takes effect at once, and is stored with the response as everything is. */
  end(): void {
    this.isEnded = true;
    // What was destroyed before stays so: refused, it would be a rejection that nobody handles.
    this.session?.destroy().catch(() => {});
  }

  /** Somebody asked for the session. */
  get isBegun(): boolean {
    return this.#opening !== undefined;
  }

  /** Saves before the head leaves. Answers at once, without a promise, where nothing is to be awaited. */
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
    // Answered by others, with a head of their own, as WebSockets are.
    const isUpgrade = "upgrade" in raw && raw.upgrade === true;
    const facts = factsOf((name) => headers[name], {
      method,
      secure: isSecureScheme(protocol),
      origin: () => originOf(request),
      // Where Fastify believes whoever holds the connection, it knows further addresses; to list them takes longer.
      trustsProxy: () => ip !== raw.socket.remoteAddress || (request.ips?.length ?? 0) > 1,
      address: ip,
      canSetCookies: !isUpgrade && !this.#reply.raw.headersSent,
      request: this.moment,
      arrivedAt: arrivedAt(this.#integration.psession, raw),
    });
    const exchange = this.#integration.psession.exchange(facts, this.#integration.make);
    const session = await exchange.open();
    // There will be no response to wait for: changes are saved as they are made.
    if (isUpgrade) await exchange.commit({ canSetCookies: false, savesAfterHead: true });
    this.#exchange = exchange;
    this.session = session;
    this.#awaitHijack();
    return session;
  }

  /** Nobody waited for the session; what the store said is not this answer's matter. */
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
      // Fastify's head would replace cookies that were set on the bare response.
      const before = reply.raw.getHeader("set-cookie");
      if (before !== undefined && reply.getHeader("set-cookie") === before)
        reply.header("set-cookie", before);
      // One is text, as Fastify has it: tests that inject requests would find a list.
      for (const line of setCookie) reply.header("set-cookie", line);
    }
    // Headers of a Response payload come after ours.
    const own = payload instanceof Response ? payload.headers : undefined;
    const headers = cacheHeaders(settlement, (name) => own?.get(name) ?? reply.getHeader(name));
    for (const [name, value] of headers) reply.header(name, value);
    const isReplaced = headers.some(([name]) => own?.has(name) === true);
    return isReplaced && payload instanceof Response && !payload.bodyUsed
      ? withHeaders(payload, headers)
      : payload;
  }

  /** The answer said that something was done which was not: none of it may leave. */
  #fail(error: unknown, payload: unknown): never {
    const reply = this.#reply;
    this.#hasFailed = true;
    abandon(payload);
    for (const name of Object.keys(reply.getHeaders())) {
      if (OF_THE_ANSWER.test(name)) reply.removeHeader(name);
    }
    reply.code(statusOf(error)).headers(headersOfError(error));
    throw error;
  }

  /** Fastify's hooks see nothing of a hijacked reply, so the bare response is held until the session is saved. */
  #awaitHijack(): void {
    const reply = this.#reply;
    if (reply.raw.headersSent) return;
    if (reply.sent) return this.hold();
    const waiting = (reply as Hijackable)[WAITING];
    if (waiting !== undefined) return void waiting.visits.unshift(this);
    (reply as Hijackable)[WAITING] = { hijack: reply.hijack, visits: [this] };
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
  /** What the reply had before, and whose sessions wait for a hijack, the innermost first. */
  [WAITING]?: { readonly hijack: FastifyReply["hijack"]; readonly visits: { hold(): void }[] };
}

/** One function for all replies, as responses have them (`node/response.ts`). */
function holdAndHijack(this: FastifyReply & Hijackable): FastifyReply {
  const waiting = this[WAITING];
  for (const visit of waiting?.visits ?? []) visit.hold();
  return waiting?.hijack.call(this) ?? this;
}

function withHeaders(payload: Response, changed: ReturnType<typeof cacheHeaders>): Response {
  const { status, statusText, body } = payload;
  const headers = new Headers(payload.headers);
  for (const [name, value] of changed) headers.set(name, value);
  return new Response(body, { status, statusText, headers });
}

/** Lets go of files and connections behind a body that nobody will read. */
function abandon(payload: unknown): void {
  const body = payload instanceof Response ? payload.body : payload;
  if (body instanceof ReadableStream) body.cancel().catch(() => {});
  else if (isStream(body)) body.destroy();
}

const isStream = (body: unknown): body is { destroy(): void } =>
  typeof body === "object" && body !== null && "destroy" in body && typeof body.destroy === "function";
