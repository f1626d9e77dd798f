import type { OutgoingHttpHeaders, ServerResponse } from "node:http";
import { headersOfError, statusOf } from "../../errors.ts";
import { answerHeaders } from "../../http/answer-headers.ts";
import { NO_SETTLEMENT, type Settlement } from "../../http/settlement.ts";
import { warnOfSaveAfterHead } from "../../telemetry/warnings.ts";
import { directly, FixableResponse, HOLDER, type Method } from "./fixable-response.ts";
import type { NodeResponse } from "./messages.ts";
import {
  assertChunk,
  assertStatus,
  type HeadersArgument,
  hasStatusMessage,
  headersIn,
  headersSent,
  isChunk,
  lengthOf,
  setHeaders,
} from "./rules.ts";

type Settle = (canSetCookies: boolean) => Settlement | Promise<Settlement>;

/**
 * Holds a response back until the session is settled: what first makes the head leave (`write`, `end`,
 * `flushHeaders`) waits for the commit, so that a redirect can never outrun the save. `fail` answers in place
 * of the handler when the commit failed. To the handler everything looks as it does in a response that nothing
 * holds back: what Node refuses after the head is refused, and errors of wrong use are thrown where they are made.
 */
export function settleBeforeHead(target: NodeResponse, settle: Settle, fail: (error: unknown) => void): void {
  const response = target as ServerResponse & Held;
  const outer = response[HOLDER]?.asOriginal();
  const { writeHead, write, end, flushHeaders } = outer ?? (response as unknown as Passing);
  const { flush, on } = outer ?? patchesOf(response);
  const original = { writeHead, write, end, flushHeaders, flush, on };
  response[HOLDER] = new HeldResponse(response, settle, fail, original);
  Object.assign(response, HOLDING);
  if (flush !== undefined) Object.assign(response, HOLDING_FLUSH);
  if (on !== undefined) Object.assign(response, HOLDING_ON);
}

type Phase =
  /** Nothing that makes a head has been called. */
  | "open"
  /** `writeHead` was called: the head is fixed, but leaves only with the first byte of the body. */
  | "headed"
  /** The commit is under way; calls wait. */
  | "settling"
  /** Calls pass. */
  | "settled"
  /** The commit failed and `fail` answers; calls pass until that answer has ended. */
  | "failed"
  /** The commit failed while the handler was still writing; the answer is complete, and further calls are ignored. */
  | "silenced";

/** What middleware puts on a response, such as compression: `flush` for what it packs, and an `on` of its own. */
type Patched = Readonly<Record<"flush" | "on", Method | undefined>>;

type Passing = Patched & Readonly<Record<"writeHead" | "write" | "end" | "flushHeaders", Method>>;

class HeldResponse extends FixableResponse {
  readonly #settle: Settle;
  readonly #fail: (error: unknown) => void;
  readonly #original: Passing;
  /** Those set before the handler ran, such as security headers, belong to an error's answer as well. */
  readonly #headersBefore: OutgoingHttpHeaders;
  readonly #isHeadGone: boolean;
  #waiting: (() => void)[] | undefined;
  #phase: Phase = "open";
  #hasEnded = false;
  /** Calls made after `end`, while that still waits. */
  #afterEnd: (() => void)[] | undefined;
  /** `writeHead` was called, and has to be when the head leaves: a body that follows is then sent in chunks. */
  #hasWrittenHead = false;
  /** Listeners for "drain": an `on` that middleware put on the response may have added them elsewhere. */
  #drains: Set<Method> | undefined;

  constructor(response: ServerResponse, settle: Settle, fail: (error: unknown) => void, original: Passing) {
    super(response);
    this.#settle = settle;
    this.#fail = fail;
    this.#original = original;
    this.#headersBefore = headersIn(response);
    this.#isHeadGone = Boolean(response.headersSent);
  }

  /** For a second session of the same response, which is settled before the first. */
  asOriginal(): Passing {
    const { flush, on } = this.#original;
    return {
      flush: flush && ((...values) => this.flush(values)),
      on: on && ((...values) => this.on(values)),
      writeHead: (...values) => this.writeHead(values),
      write: (...values) => this.write(values),
      end: (...values) => this.end(values),
      flushHeaders: () => this.flushHeaders(),
    };
  }

  writeHead([status, ...rest]: unknown[]): ServerResponse {
    const response = this.response;
    if (this.#passes()) return this.#call("writeHead", [status, ...rest]) as ServerResponse;
    if (this.#phase === "silenced") return response;
    if (this.#phase !== "open") throw headersSent("write");
    // engine.io makes a response for an upgrade, and calls its `writeHead` without a status.
    const isWhole = this.#original.flushHeaders !== undefined;
    if (isWhole || status !== undefined) assertStatus(status, undefined);
    const [first, second] = rest;
    const headers = (typeof first === "string" ? second : (first ?? second)) as HeadersArgument | undefined;
    // Headers given to writeHead replace those that were set before, session cookies too; set one by one, they add up.
    if (headers !== undefined) setHeaders(response, headers);
    if (status !== undefined) response.statusCode = status as number;
    if (typeof first === "string") response.statusMessage = first;
    // In HTTP/2 it would send the head, ahead of a body that may be at hand.
    this.#hasWrittenHead = hasStatusMessage(response);
    this.#fixHead();
    return response;
  }

  flushHeaders(): void {
    const response = this.response;
    if (this.#phase === "silenced") return;
    // As Node does it, so that later middleware that waits for the head sees it before the body.
    if (this.#phase === "open" && !this.#isHeadGone) response.writeHead(response.statusCode);
    this.#whenSettled(() => this.#call("flushHeaders", []));
  }

  write(values: unknown[]): boolean {
    if (this.#phase === "silenced" || this.#isOver()) return this.#swallow(values, true);
    if (this.isEnding && !this.#hasEnded) return this.#laterThanEnd("write", values, false);
    if (this.#passes()) return this.#call("write", values) as boolean;
    assertChunk(values[0], false);
    this.#assertHead();
    let isFree = true;
    this.#whenSettled(() => {
      isFree = this.#call("write", values) as boolean;
      this.owesDrain &&= isFree;
    });
    if (this.#phase !== "settling") return isFree;
    // As Node answers. After a false, the writer waits for "drain", which some middleware expects from its own stream.
    this.length += lengthOf(values);
    isFree = this.length < (this.response.writableHighWaterMark ?? Number.POSITIVE_INFINITY);
    this.owesDrain ||= !isFree;
    return isFree;
  }

  /** Of middleware that compresses: it must get earlier writes first. */
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
    const response = this.response;
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
    if (this.isEnding) {
      return isChunk(values[0])
        ? this.#swallow(values, response)
        : this.#laterThanEnd("end", values, response);
    }
    assertChunk(values[0], true);
    this.#assertHead();
    const isFirst = this.#phase === "open" || this.#phase === "headed";
    this.isEnding = true;
    // If the head has left, or waits to leave, changes made since are saved before the body ends.
    this.#whenSettled(isFirst ? finish : () => this.#settleAfterHead(finish));
    this.markFinished();
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
      // Handled later, as when a store rejects: the handler that is running ends first.
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
    const response = this.response;
    this.free();
    this.#phase = "settled";
    const { setCookie } = settlement;
    if (setCookie.length > 0) addCookies(response, setCookie);
    const headers = answerHeaders(settlement, (name) => response.getHeader(name));
    if (headers.length > 0) {
      const set = directly(response, "setHeader");
      for (const [name, value] of headers) Reflect.apply(set, response, [name, value]);
    }
    if (this.#hasWrittenHead && !this.#isHeadGone) this.#call("writeHead", [response.statusCode]);
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting !== undefined) for (const call of waiting) call();
    if (this.owesDrain && !this.isEnding) this.#drain();
    this.#drains = undefined;
  }

  /** Not needed where Node answered the last delayed write with false: it emits "drain" itself when there is room. */
  #drain(): void {
    const response = this.response;
    this.owesDrain = false;
    if (typeof response.emit !== "function") return;
    const onResponse = new Set(response.rawListeners("drain"));
    for (const listener of this.#drains ?? [])
      if (!onResponse.has(listener)) Reflect.apply(listener, response, []);
    response.emit("drain");
  }

  /** The handler's answer reports something as done that was not: none of it may leave. */
  #abandon(error: unknown): void {
    const response = this.response;
    if (this.#isHeadGone) {
      // Nothing can be taken back: the answer goes on, and the error is logged.
      warnOfSaveAfterHead(error);
      return this.#proceed(NO_SETTLEMENT);
    }
    this.#waiting = undefined;
    this.free();
    for (const name of Object.keys(headersIn(response))) response.removeHeader?.(name);
    setHeaders(response, this.#headersBefore);
    // For error pages that come without headers of their own.
    setHeaders(response, headersOfError(error));
    if (hasStatusMessage(response)) response.statusMessage = "";
    if (this.isEnding) {
      response.statusCode = 500;
      this.#phase = "failed";
      return this.#fail(error);
    }
    // The handler goes on writing. A framework's error page would be mixed with what it writes.
    warnOfSaveAfterHead(error);
    response.statusCode = statusOf(error);
    this.#phase = "settled";
    this.#call("end", []);
    this.#phase = "silenced";
    this.#drain();
  }

  /** No caller waits for this step: a throw must not become an unhandled rejection. */
  #resume(step: () => void): void {
    try {
      step();
    } catch (error) {
      const response = this.response;
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
    const response = this.response;
    assertStatus(response.statusCode, hasStatusMessage(response) ? response.statusMessage : undefined);
  }

  #fixHead(): void {
    if (this.#phase !== "open") return;
    this.#phase = "headed";
    if (!this.#isHeadGone) this.fix();
  }

  #passes(): boolean {
    return this.#phase === "settled" || this.#phase === "failed";
  }

  /** The error's answer has ended; what the old handler still writes must not break it. */
  #isOver(): boolean {
    return this.#phase === "failed" && this.response.writableEnded;
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
    // A virtual request's response may have no `flushHeaders`.
    return method === undefined ? undefined : Reflect.apply(method, this.response, values);
  }
}

interface Held {
  [HOLDER]?: HeldResponse;
}

const heldBy = (response: Held): HeldResponse => response[HOLDER] as HeldResponse;

/** What middleware has put on this response; the prototype's methods are left alone. */
const patchesOf = (response: ServerResponse & { readonly flush?: unknown }): Patched => ({
  flush:
    Object.hasOwn(response, "flush") && typeof response.flush === "function"
      ? (response.flush as Method)
      : undefined,
  on: Object.hasOwn(response, "on") ? (response.on as Method) : undefined,
});

/**
 * These take the place of a response's own methods. Other middleware may patch the same methods, earlier or later: these
 * stay in place, and in the end let calls pass. All responses get the same four functions. With functions of its own that
 * refer to it, a response stays in memory after its request, until V8 has moved it to the old generation: that costs more
 * than all the rest here.
 */
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

/** Where there is no way to add to a list, it is set anew. */
function addCookies(response: ServerResponse, lines: readonly string[]): void {
  if (typeof response.appendHeader === "function")
    return void Reflect.apply(directly(response, "appendHeader"), response, ["Set-Cookie", lines]);
  const before = response.getHeader("Set-Cookie") ?? [];
  response.setHeader("Set-Cookie", [before, lines].flat().map(String));
}
