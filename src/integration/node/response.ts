import type { OutgoingHttpHeader, OutgoingHttpHeaders, ServerResponse } from "node:http";
import type { Http2ServerResponse } from "node:http2";
import { headersOfError, statusOf } from "../../errors.ts";
import { cacheHeaders } from "../../http/caching.ts";
import { NO_SETTLEMENT, type Settlement } from "../../http/settlement.ts";
import { warn, warnOfSaveAfterHead } from "../../telemetry/warnings.ts";

/** HTTP/2's has the same methods, through Node's compatibility API. */
export type NodeResponse = ServerResponse | Http2ServerResponse;

type Settle = (canSetCookies: boolean) => Settlement | Promise<Settlement>;
type HeadersArgument =
  | OutgoingHttpHeaders
  | readonly (OutgoingHttpHeader | readonly [string, OutgoingHttpHeader])[];
type Method = (...values: unknown[]) => unknown;

const HEADER_METHODS = ["setHeader", "appendHeader", "removeHeader", "setHeaders"] as const;

/**
 * Holds a response back until the session is settled: what first makes the head leave (`write`, `end`,
 * `flushHeaders`) waits for the commit, so that a redirect can never outrun the save. `fail` answers in place
 * of the handler where the commit failed. To the handler everything looks as it would without us: what Node
 * refuses after the head is refused, and errors of wrong use are thrown where they are made.
 */
export function settleBeforeHead(
  response: NodeResponse,
  settle: Settle,
  fail: (error: unknown) => void,
): void {
  HeldResponse.hold(response as ServerResponse, settle, fail);
}

/** HTTP/2 has no status messages, and Node warns whoever reads or sets one there. */
export const hasStatusMessage = (response: NodeResponse): response is ServerResponse =>
  !("createPushResponse" in response);

/** The status as it was set, to be put back when the head leaves. */
const statusOfHead = (response: ServerResponse): { statusCode: number; statusMessage?: string } => ({
  statusCode: response.statusCode,
  ...(hasStatusMessage(response) ? { statusMessage: response.statusMessage } : {}),
});

type Phase =
  /** Nothing that makes a head has been called. */
  | "open"
  /** `writeHead` was called: the head is fixed, but leaves only with the first byte of the body. */
  | "headed"
  /** The commit is under way; calls wait. */
  | "settling"
  /** Calls pass. */
  | "settled"
  /** The commit failed and somebody else answers; calls pass until that answer has ended. */
  | "failed"
  /** The commit failed while the handler was still writing; we have answered, and calls lead nowhere. */
  | "silenced";

/** Where a response has what holds it back. */
const HELD = Symbol("psession.held");

/** Who has fixed its head; undefined while it is free. */
const FIXER = Symbol("psession.fixer");

interface Held {
  [HELD]?: HeldResponse;
  [FIXER]?: HeldResponse | undefined;
}

/** What middleware puts on a response, such as compression: `flush` for what it packs, and an `on` of its own. */
interface Patched {
  readonly flush: Method | undefined;
  readonly on: Method | undefined;
}

type Passing = Pick<ServerResponse, "writeHead" | "write" | "end" | "flushHeaders"> & Patched;

/** Of Node's own responses: truthy once there is a head, and true once `end` was called. Middleware reads both. */
interface Inner {
  _header?: unknown;
  finished?: boolean;
}

class HeldResponse {
  readonly #response: ServerResponse;
  readonly #settle: Settle;
  readonly #fail: (error: unknown) => void;
  readonly #original: Passing;
  /** What stood before the handler, such as security headers, belongs to an error's answer as well. */
  readonly #headersBefore: OutgoingHttpHeaders;
  readonly #isHeadGone: boolean;
  #waiting: (() => void)[] | undefined;
  #patchedByOthers: Map<string, PropertyDescriptor> | undefined;
  #phase: Phase = "open";
  #isEnding = false;
  #hasEnded = false;
  /** It says that it is finished, which it will be. */
  #isFinished = false;
  /** What was called after `end`, while that still waits. */
  #afterEnd: (() => void)[] | undefined;
  /** As it was when it was decided on. */
  #head: ReturnType<typeof statusOfHead> | undefined;
  /** `writeHead` was called, and has to be when the head leaves: a body that follows is then sent in chunks. */
  #hasWrittenHead = false;
  /** Bytes that wait. */
  #length = 0;
  /** A write was answered with false, so its caller waits for the event. */
  #owesDrain = false;
  /** Who waits for it, by an `on` of middleware before us, which may have brought them elsewhere. */
  #drains: Set<Method> | undefined;

  private constructor(
    response: ServerResponse,
    settle: Settle,
    fail: (error: unknown) => void,
    original: Passing,
  ) {
    this.#response = response;
    this.#settle = settle;
    this.#fail = fail;
    this.#original = original;
    this.#headersBefore = headersIn(response);
    this.#isHeadGone = Boolean(response.headersSent);
  }

  /**
   * Others may patch the same methods, before us or after: ours stay in place, and let calls pass in the end.
   * All responses get the same four functions. With functions of its own that refer to it, a response stays in memory
   * after its request, until V8 has moved it to the old generation: that costs more than all the rest here.
   */
  static hold(response: ServerResponse & Held, settle: Settle, fail: (error: unknown) => void): void {
    const outer = response[HELD];
    const { writeHead, write, end, flushHeaders } = outer?.asOriginal() ?? response;
    const { flush, on } = outer?.asOriginal() ?? patchesOf(response);
    const original = { writeHead, write, end, flushHeaders, flush, on };
    response[HELD] = new HeldResponse(response, settle, fail, original);
    Object.assign(response, HOLDING);
    if (flush !== undefined) Object.assign(response, HOLDING_FLUSH);
    if (on !== undefined) Object.assign(response, HOLDING_ON);
  }

  /** For a second session of the same response, which is settled before the first. */
  asOriginal(): Passing {
    const { flush, on } = this.#original;
    return {
      flush: flush && ((...values) => this.flush(values)),
      on: on && ((...values) => this.on(values)),
      writeHead: ((...values: unknown[]) => this.writeHead(values)) as ServerResponse["writeHead"],
      write: ((...values: unknown[]) => this.write(values)) as ServerResponse["write"],
      end: ((...values: unknown[]) => this.end(values)) as ServerResponse["end"],
      flushHeaders: () => this.flushHeaders(),
    };
  }

  writeHead([status, ...rest]: unknown[]): ServerResponse {
    const response = this.#response;
    if (this.#passes()) return this.#call("writeHead", [status, ...rest]) as ServerResponse;
    if (this.#phase === "silenced") return response;
    if (this.#phase !== "open") throw headersSent("write");
    // An upgrade's, which engine.io makes, is told of its head without a status.
    const isWhole = this.#original.flushHeaders !== undefined;
    if (isWhole || status !== undefined) assertStatus(status, undefined);
    const [first, second] = rest;
    const headers = (typeof first === "string" ? second : (first ?? second)) as HeadersArgument | undefined;
    // Headers given to writeHead replace those that were set before, our cookies among them; set, they add up.
    if (headers !== undefined) setHeaders(response, headers);
    if (status !== undefined) response.statusCode = status as number;
    if (typeof first === "string") response.statusMessage = first;
    // In HTTP/2 it would send the head, ahead of a body that may be at hand.
    this.#hasWrittenHead = hasStatusMessage(response);
    this.#fixHead();
    return response;
  }

  flushHeaders(): void {
    const response = this.#response;
    if (this.#phase === "silenced") return;
    // As Node does it, so that middleware behind us which waits for the head sees it before the body.
    if (this.#phase === "open" && !this.#isHeadGone) response.writeHead(response.statusCode);
    this.#whenSettled(() => this.#call("flushHeaders", []));
  }

  write(values: unknown[]): boolean {
    if (this.#phase === "silenced" || this.#isOver()) return this.#swallow(values, true);
    if (this.#isEnding && !this.#hasEnded) return this.#laterThanEnd("write", values, false);
    if (this.#passes()) return this.#call("write", values) as boolean;
    assertChunk(values[0], false);
    this.#assertHead();
    let isFree = true;
    this.#whenSettled(() => {
      isFree = this.#call("write", values) as boolean;
      this.#owesDrain &&= isFree;
    });
    if (this.#phase !== "settling") return isFree;
    // As Node answers: false would make a writer wait for an event that some middleware expects from elsewhere.
    this.#length += lengthOf(values);
    isFree = this.#length < (this.#response.writableHighWaterMark ?? Number.POSITIVE_INFINITY);
    this.#owesDrain ||= !isFree;
    return isFree;
  }

  /** Of middleware that packs: what was written before must have come to it. */
  flush(values: readonly unknown[]): unknown {
    if (this.#phase !== "settling") return this.#call("flush", values);
    return this.#later(() => void this.#call("flush", values));
  }

  on(values: readonly unknown[]): unknown {
    const [event, listener] = values;
    if (event === "drain" && !this.#passes() && typeof listener === "function") {
      this.#drains ??= new Set();
      this.#drains.add(listener as Method);
    }
    return this.#call("on", values);
  }

  end(values: unknown[]): ServerResponse {
    const response = this.#response;
    if (this.#phase === "silenced" || this.#isOver()) return this.#swallow(values, response);
    const finish = () => {
      this.#hasEnded = true;
      this.#call("end", values);
      for (const call of this.#afterEnd ?? []) call();
    };
    if (this.#phase === "failed" || this.#hasEnded) {
      finish();
      return response;
    }
    if (this.#isEnding) {
      return isChunk(values[0])
        ? this.#swallow(values, response)
        : this.#laterThanEnd("end", values, response);
    }
    assertChunk(values[0], true);
    this.#assertHead();
    const isFirst = this.#phase === "open" || this.#phase === "headed";
    this.#isEnding = true;
    // Where the head left, or waits to leave, later changes are saved before the body ends.
    this.#whenSettled(isFirst ? finish : () => this.#settleAfterHead(finish));
    const inner: Inner & Held = response;
    // HTTP/2 tells it by itself.
    if (inner[FIXER] === this && Object.hasOwn(inner, "finished")) {
      inner.finished = true;
      this.#isFinished = true;
    }
    return response;
  }

  /** Runs `call` once the head may leave: at once, where the store has nothing to do. */
  #whenSettled(call: () => void): void {
    if (this.#phase === "open" || this.#phase === "headed") this.#begin();
    if (this.#passes()) call();
    else if (this.#phase === "settling") this.#later(call);
  }

  #laterThanEnd<T>(name: "write" | "end", values: readonly unknown[], result: T): T {
    this.#afterEnd ??= [];
    this.#afterEnd.push(() => void this.#call(name, values));
    return result;
  }

  #later(call: () => void): void {
    this.#waiting ??= [];
    this.#waiting.push(call);
  }

  #begin(): void {
    let settled: Settlement | Promise<Settlement>;
    try {
      settled = this.#settle(!this.#isHeadGone);
    } catch (error) {
      // Told later, as by a store that answers: the handler that is running ends first.
      settled = Promise.reject(error);
    }
    if (!(settled instanceof Promise)) return this.#proceed(settled);
    this.#fixHead();
    this.#phase = "settling";
    settled.then(
      (settlement) => this.#resume(() => this.#proceed(settlement)),
      (error: unknown) => this.#resume(() => this.#abandon(error)),
    );
  }

  #proceed(settlement: Settlement): void {
    const response = this.#response;
    this.#freeHead();
    this.#phase = "settled";
    if (this.#head !== undefined) Object.assign(response, this.#head);
    const { setCookie } = settlement;
    if (setCookie.length > 0) addCookies(response, setCookie);
    const headers = cacheHeaders(settlement, (name) => response.getHeader(name));
    if (headers.length > 0) {
      const set = behindOurs(response, "setHeader");
      for (const [name, value] of headers) Reflect.apply(set, response, [name, value]);
    }
    if (this.#hasWrittenHead && !this.#isHeadGone) this.#call("writeHead", [response.statusCode]);
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting !== undefined) for (const call of waiting) call();
    if (this.#owesDrain && !this.#isEnding) this.#drain();
    this.#drains = undefined;
  }

  /** Where the last of what waited was taken for full, Node tells by itself when there is room. */
  #drain(): void {
    const response = this.#response;
    this.#owesDrain = false;
    if (typeof response.emit !== "function") return;
    const here = new Set(response.rawListeners("drain"));
    for (const listener of this.#drains ?? []) if (!here.has(listener)) Reflect.apply(listener, response, []);
    response.emit("drain");
  }

  /** The handler's answer said that something was done which was not: none of it may leave. */
  #abandon(error: unknown): void {
    const response = this.#response;
    if (this.#isHeadGone) {
      // Nothing can be taken back: the answer goes on, and the fault is told where faults are read.
      warnOfSaveAfterHead(error);
      return this.#proceed(NO_SETTLEMENT);
    }
    this.#waiting = undefined;
    this.#freeHead();
    for (const name of Object.keys(headersIn(response))) response.removeHeader?.(name);
    setHeaders(response, this.#headersBefore);
    // Of error pages that nobody else gives any.
    setHeaders(response, headersOfError(error));
    if (hasStatusMessage(response)) response.statusMessage = "";
    if (this.#isEnding) {
      response.statusCode = 500;
      this.#phase = "failed";
      return this.#fail(error);
    }
    // The handler goes on writing. An error page of the framework's would be mixed with what it writes.
    warnOfSaveAfterHead(error);
    response.statusCode = statusOf(error);
    this.#phase = "settled";
    this.#call("end", []);
    this.#phase = "silenced";
    this.#drain();
  }

  /** Nobody waits for what happens here: a throw must not become an unhandled rejection. */
  #resume(step: () => void): void {
    try {
      step();
    } catch (error) {
      const response = this.#response;
      if (typeof response.destroy !== "function") {
        warnOfSaveAfterHead(error);
        return void this.#call("end", []);
      }
      response.destroy(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #settleAfterHead(finish: () => void): void {
    try {
      const settled = this.#settle(false);
      if (settled instanceof Promise) {
        settled.catch(warnOfSaveAfterHead).then(() => this.#resume(finish));
        return;
      }
    } catch (error) {
      warnOfSaveAfterHead(error);
    }
    finish();
  }

  #assertHead(): void {
    const isToCome = this.#phase === "open" || this.#phase === "headed";
    if (!isToCome || this.#isHeadGone) return;
    const response = this.#response;
    assertStatus(response.statusCode, hasStatusMessage(response) ? response.statusMessage : undefined);
  }

  /** From here on the head looks sent: Node would refuse to change it, and so do we. */
  #fixHead(): void {
    const response: ServerResponse & Held = this.#response;
    if (this.#phase !== "open") return;
    this.#phase = "headed";
    if (this.#isHeadGone) return;
    this.#head = statusOfHead(response);
    for (const name of FIXED) {
      if (!Object.hasOwn(response, name)) continue;
      const own = Object.getOwnPropertyDescriptor(response, name) as PropertyDescriptor;
      const isOurs =
        own.get === undefined ? own.value === FIXED_METHODS[name] : own.get === FIXED_FLAGS[name]?.get;
      if (isOurs) continue;
      this.#patchedByOthers ??= new Map();
      this.#patchedByOthers.set(name, own);
    }
    response[FIXER] = this;
    Object.assign(response, methodsFor(response));
    // One by one: all at once takes V8 twice as long.
    for (const [name, flag] of FLAGS) Object.defineProperty(response, name, flag);
    const inner = response as Inner;
    if (inner._header === null) inner._header = HEAD_TO_COME;
  }

  get response(): ServerResponse {
    return this.#response;
  }

  get isEnding(): boolean {
    return this.#isEnding;
  }

  get length(): number {
    return this.#length;
  }

  get owesDrain(): boolean {
    return this.#owesDrain;
  }

  #freeHead(): void {
    const response: ServerResponse & Held = this.#response;
    if (response[FIXER] !== this) return;
    response[FIXER] = undefined;
    const inner = response as Inner;
    if (inner._header === HEAD_TO_COME) inner._header = null;
    if (this.#isFinished) inner.finished = false;
    for (const [name, own] of this.#patchedByOthers ?? []) Object.defineProperty(response, name, own);
    this.#patchedByOthers = undefined;
  }

  #passes(): boolean {
    return this.#phase === "settled" || this.#phase === "failed";
  }

  /** Somebody else's answer has ended; what the old handler still says must not break it. */
  #isOver(): boolean {
    return this.#phase === "failed" && this.#response.writableEnded;
  }

  #swallow<T>(values: readonly unknown[], result: T): T {
    const callback = values.findLast((value) => typeof value === "function") as Method | undefined;
    const error = Object.assign(new Error("The response has ended already"), {
      code: "ERR_STREAM_ALREADY_FINISHED",
    });
    if (callback !== undefined) process.nextTick(callback, error);
    return result;
  }

  #call(name: keyof Passing, values: readonly unknown[]): unknown {
    const method = this.#original[name] as Method | undefined;
    // What only looks like a response may have no `flushHeaders`.
    return method === undefined ? undefined : Reflect.apply(method, this.#response, values);
  }
}

const heldBy = (response: Held): HeldResponse => response[HELD] as HeldResponse;

/** What somebody has put on this response; the methods of Node's own are left alone. */
const patchesOf = (response: ServerResponse & { readonly flush?: unknown }): Patched => ({
  flush:
    Object.hasOwn(response, "flush") && typeof response.flush === "function"
      ? (response.flush as Method)
      : undefined,
  on: Object.hasOwn(response, "on") ? (response.on as Method) : undefined,
});

/** What stands in place of a response's own methods. */
const HOLDING = {
  writeHead(this: Held, ...values: unknown[]) {
    return heldBy(this).writeHead(values);
  },
  write(this: Held, ...values: unknown[]) {
    return heldBy(this).write(values);
  },
  end(this: Held, ...values: unknown[]) {
    return heldBy(this).end(values);
  },
  flushHeaders(this: Held) {
    heldBy(this).flushHeaders();
  },
};

const HOLDING_FLUSH = {
  flush(this: Held, ...values: unknown[]) {
    return heldBy(this).flush(values);
  },
};

const HOLDING_ON = {
  on(this: Held, ...values: unknown[]) {
    return heldBy(this).on(values);
  },
};

/** In place of a head that has been decided on: middleware, and Node itself, look here for whether there is one. */
const HEAD_TO_COME = "HTTP/1.1 head to come\r\n\r\n";

/**
 * A head that is fixed, though it has not left. The same for all responses, as `HOLDING` is. They stay when the head is
 * free again, and let pass: an object that loses properties becomes a slow one.
 */
const refusing = (name: (typeof HEADER_METHODS)[number]) =>
  function (this: Held, ...values: unknown[]): unknown {
    const fixer = this[FIXER];
    if (fixer === undefined) return Reflect.apply(passing(this, name) as Method, this, values);
    // A handler that answers twice: its first answer stands, as it does where nothing holds it back.
    if (fixer.isEnding) return void warnOfSecondAnswer();
    throw headersSent(name === "removeHeader" ? "remove" : "set");
  };

/** What stands behind ours. `on` may be an object that somebody derived from the response. */
const passing = (on: Held, name: keyof ServerResponse): unknown =>
  Reflect.get(Object.getPrototypeOf(heldBy(on).response), name, on);

/** The method of a response whose head is free: ours would only look, and pass. */
function behindOurs(response: ServerResponse, name: "setHeader" | "appendHeader"): Method {
  const method = response[name] as Method;
  return method === FIXED_METHODS[name] ? (passing(response as Held, name) as Method) : method;
}

const FIXED_METHODS: Readonly<Record<string, Method>> = Object.fromEntries(
  HEADER_METHODS.map((name) => [name, refusing(name)]),
);

const FIXED_FLAGS: Readonly<Record<string, PropertyDescriptor>> = {
  headersSent: flag("headersSent", () => true),
  writableEnded: flag("writableEnded", ({ isEnding }) => isEnding),
  writableFinished: flag("writableFinished", () => false),
  writableLength: flag("writableLength", ({ length }) => length),
  writableNeedDrain: flag("writableNeedDrain", ({ owesDrain }) => owesDrain),
};

const FLAGS = Object.entries(FIXED_FLAGS);

/** No more than it has: a method that was not there would lead nowhere. */
const methodsFor = (response: object): Readonly<Record<string, Method>> =>
  HEADER_METHODS.every((name) => name in response)
    ? FIXED_METHODS
    : Object.fromEntries(Object.entries(FIXED_METHODS).filter(([name]) => name in response));

const FIXED: readonly string[] = [...HEADER_METHODS, ...Object.keys(FIXED_FLAGS)];

function flag(
  name: keyof ServerResponse,
  whenFixed: (fixer: HeldResponse) => boolean | number,
): PropertyDescriptor & ThisType<Held> {
  return {
    configurable: true,
    get() {
      const fixer = this[FIXER];
      return fixer === undefined ? passing(this, name) : whenFixed(fixer);
    },
  };
}

/** What only looks like a response, as virtual requests have it, may have no list of its headers. */
export function headersIn(response: Partial<ServerResponse>): OutgoingHttpHeaders {
  if (response.getHeaders !== undefined) return response.getHeaders();
  const names = response.getHeaderNames?.() ?? [];
  return Object.fromEntries(names.map((name) => [name, response.getHeader?.(name)]));
}

/** Where there is no way to add to a list, it is set anew. */
function addCookies(response: ServerResponse, lines: readonly string[]): void {
  if (typeof response.appendHeader === "function")
    return void Reflect.apply(behindOurs(response, "appendHeader"), response, ["Set-Cookie", lines]);
  const before = response.getHeader("Set-Cookie") ?? [];
  response.setHeader("Set-Cookie", [before, lines].flat().map(String));
}

function warnOfSecondAnswer(): void {
  warn(
    "PSESSION_SECOND_ANSWER",
    "A handler changed the headers of a response that it had ended already; they stay as they were.",
  );
}

/** What `writeHead` takes: an object, a flat list of names and values, or a list of pairs. */
function setHeaders(response: ServerResponse, headers: HeadersArgument): void {
  if (!isList(headers)) {
    for (const [name, value] of Object.entries(headers)) {
      if (value !== undefined) response.setHeader(name, value);
    }
    return;
  }
  const seen = new Set<string>();
  for (const [name, value] of pairsOf(headers)) {
    if (seen.has(name.toLowerCase())) response.appendHeader(name, value);
    else response.setHeader(name, value);
    seen.add(name.toLowerCase());
  }
}

function isList(headers: HeadersArgument): headers is Exclude<HeadersArgument, OutgoingHttpHeaders> {
  return Array.isArray(headers);
}

function pairsOf(headers: readonly unknown[]): [string, string | string[]][] {
  if (headers.every((item) => Array.isArray(item))) {
    return headers.map((pair: unknown[]) => [String(pair[0]), pair[1] as string | string[]]);
  }
  const pairs: [string, string | string[]][] = [];
  for (let index = 0; index + 1 < headers.length; index += 2) {
    pairs.push([String(headers[index]), headers[index + 1] as string | string[]]);
  }
  return pairs;
}

const isChunk = (chunk: unknown): boolean => typeof chunk === "string" || chunk instanceof Uint8Array;

function lengthOf([chunk, encoding]: readonly unknown[]): number {
  if (typeof chunk !== "string") return (chunk as Uint8Array).byteLength;
  return Buffer.byteLength(chunk, typeof encoding === "string" ? (encoding as BufferEncoding) : "utf8");
}

/** Node's own refusals, made while the caller still runs rather than when its call is carried out. */
function assertChunk(chunk: unknown, isOptional: boolean): void {
  const isMissing = chunk === undefined || chunk === null || typeof chunk === "function";
  if (typeof chunk === "string" || chunk instanceof Uint8Array || (isOptional && isMissing)) return;
  const error = new TypeError(
    'The "chunk" argument must be of type string or an instance of Buffer or Uint8Array.',
  );
  throw Object.assign(error, { code: "ERR_INVALID_ARG_TYPE" });
}

function assertStatus(statusCode: unknown, statusMessage: unknown): void {
  if (!Number.isInteger(statusCode) || (statusCode as number) < 100 || (statusCode as number) > 999) {
    throw Object.assign(new RangeError(`Invalid status code: ${statusCode}`), {
      code: "ERR_HTTP_INVALID_STATUS_CODE",
    });
  }
  if (typeof statusMessage === "string" && /[^\t\x20-\x7e\x80-\xff]/.test(statusMessage)) {
    throw Object.assign(new TypeError("Invalid character in statusMessage"), { code: "ERR_INVALID_CHAR" });
  }
}

function headersSent(what: string): Error {
  const error = new Error(`Cannot ${what} headers after they are sent to the client`);
  return Object.assign(error, { code: "ERR_HTTP_HEADERS_SENT" });
}
