import type { OutgoingHttpHeader, OutgoingHttpHeaders, ServerResponse } from "node:http";
import type { Settlement } from "../../request/exchange.ts";

type Settle = (canSetCookies: boolean) => Settlement | Promise<Settlement>;
type HeadersArgument =
  | OutgoingHttpHeaders
  | readonly (OutgoingHttpHeader | readonly [string, OutgoingHttpHeader])[];

/**
 * Holds a response back until the session is settled: whatever first makes the head leave (`writeHead`,
 * `write`, `end`, `flushHeaders`) waits for the commit, so that a redirect can never outrun the save.
 * `fail` answers in place of the handler where the commit failed.
 */
export function settleBeforeHead(
  response: ServerResponse,
  settle: Settle,
  fail: (error: unknown) => void,
): void {
  const { writeHead, write, end, flushHeaders } = response;
  const waiting: (() => void)[] = [];
  let phase: "open" | "settling" | "settled" | "failed" = "open";
  const isHeadGone = response.headersSent;
  /** What stood before the handler, such as security headers, belongs to an error's answer as well. */
  const headersBefore = response.getHeaders();
  let isEnding = false;
  /** A write was held back, so its caller waits for the event. */
  let owesDrain = false;

  const passes = () => phase === "settled" || phase === "failed";

  const proceed = (settlement: Settlement) => {
    phase = "settled";
    showState(response, undefined);
    const { setCookie, noStore } = settlement;
    if (setCookie.length > 0) response.appendHeader("Set-Cookie", setCookie);
    if (noStore) response.setHeader("Cache-Control", "no-store");
    for (const call of waiting.splice(0)) call();
    if (owesDrain && !isEnding) response.emit("drain");
  };

  const abandon = (error: unknown) => {
    if (isHeadGone) {
      // Nothing can be taken back: the answer goes on, and the fault is told where faults are read.
      warnOfLoss(error);
      return proceed({ setCookie: [], noStore: false });
    }
    phase = "failed";
    showState(response, undefined);
    waiting.length = 0;
    // The handler's answer said that something was done which was not: none of it may leave.
    for (const name of response.getHeaderNames()) response.removeHeader(name);
    for (const [name, value] of Object.entries(headersBefore))
      if (value !== undefined) response.setHeader(name, value);
    response.statusCode = 500;
    response.statusMessage = "";
    fail(error);
  };

  const begin = () => {
    phase = "settling";
    try {
      const settled = settle(!isHeadGone);
      if (!(settled instanceof Promise)) return proceed(settled);
      // Code that runs on sees a response that has begun, as it would without us.
      showState(response, { headersSent: () => true, writableEnded: () => isEnding });
      settled.then(proceed, abandon);
    } catch (error) {
      abandon(error);
    }
  };

  /** Runs `call` once the head may leave: at once, where the store has nothing to do. */
  const whenSettled = (call: () => void): void => {
    if (phase === "open") begin();
    if (phase === "settled") call();
    else if (phase === "settling") waiting.push(call);
  };

  // Others may have patched these methods too, before us or after, so ours stay in place and let calls pass.
  response.writeHead = function (this: ServerResponse, status: number, ...rest: unknown[]): ServerResponse {
    if (passes()) return Reflect.apply(writeHead, response, [status, ...rest]) as ServerResponse;
    if (phase === "settling") throw headersSent();
    const [first, second] = rest;
    const headers = (typeof first === "string" ? second : (first ?? second)) as HeadersArgument | undefined;
    // Headers given to writeHead replace those that were set before, our cookies among them; set, they add up.
    if (headers !== undefined) setHeaders(response, headers);
    response.statusCode = status;
    if (typeof first === "string") response.statusMessage = first;
    whenSettled(() => Reflect.apply(writeHead, response, [status]));
    return response;
  } as ServerResponse["writeHead"];

  response.flushHeaders = () => {
    if (passes()) flushHeaders.call(response);
    else whenSettled(() => flushHeaders.call(response));
  };

  response.write = ((...args: unknown[]): boolean => {
    if (passes()) return Reflect.apply(write, response, args) as boolean;
    let isWritable = false;
    whenSettled(() => {
      isWritable = Reflect.apply(write, response, args) as boolean;
    });
    owesDrain ||= !passes();
    return isWritable;
  }) as ServerResponse["write"];

  response.end = ((...args: unknown[]): ServerResponse => {
    const finish = () => void Reflect.apply(end, response, args);
    const isRepeated = isEnding;
    isEnding = true;
    if (phase === "failed" || (isRepeated && passes())) finish();
    else if (isRepeated) return response;
    else if (phase === "open") whenSettled(finish);
    // The head left, or waits to leave, with what had changed by then.
    else whenSettled(() => settleLate(settle, finish));
    return response;
  }) as ServerResponse["end"];
}

/** Changes made while the body was being written are saved before it ends. */
function settleLate(settle: Settle, finish: () => void): void {
  try {
    const settled = settle(false);
    if (settled instanceof Promise) return void settled.catch(warnOfLoss).finally(finish);
  } catch (error) {
    warnOfLoss(error);
  }
  finish();
}

function warnOfLoss(error: unknown): void {
  const reason = error instanceof Error ? error.message : String(error);
  process.emitWarning(`Changes to a session after its response had begun were not saved: ${reason}`, {
    code: "PSESSION_LATE_SAVE",
  });
}

function showState(
  response: ServerResponse,
  state: Record<"headersSent" | "writableEnded", () => boolean> | undefined,
) {
  for (const name of ["headersSent", "writableEnded"] as const) {
    if (state === undefined) Reflect.deleteProperty(response, name);
    else Object.defineProperty(response, name, { configurable: true, get: state[name] });
  }
}

/** What `writeHead` takes: an object, a flat list of names and values, or a list of pairs. */
function setHeaders(response: ServerResponse, headers: HeadersArgument): void {
  if (!isList(headers)) {
    for (const [name, value] of Object.entries(headers))
      if (value !== undefined) response.setHeader(name, value);
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

function headersSent(): Error {
  const error = new Error("Cannot write headers after they are sent to the client");
  return Object.assign(error, { code: "ERR_HTTP_HEADERS_SENT" });
}
