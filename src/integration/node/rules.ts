import type { OutgoingHttpHeader, OutgoingHttpHeaders, ServerResponse } from "node:http";
import type { NodeResponse } from "./messages.ts";

/** What `writeHead` takes for headers: an object, a flat list of names and values, or a list of pairs. */
export type HeadersArgument =
  | OutgoingHttpHeaders
  | readonly (OutgoingHttpHeader | readonly [string, OutgoingHttpHeader])[];

/** HTTP/2 has no status messages: Node prints a warning when one is read or set there. */
export const hasStatusMessage = (response: NodeResponse): response is ServerResponse =>
  !("createPushResponse" in response);

/** Virtual requests bring an object like a response, which may have no `getHeaders`. */
export function headersIn(response: Partial<ServerResponse>): OutgoingHttpHeaders {
  if (response.getHeaders !== undefined) return response.getHeaders();
  const names = response.getHeaderNames?.() ?? [];
  return Object.fromEntries(names.map((name) => [name, response.getHeader?.(name)]));
}

export function setHeaders(response: ServerResponse, headers: HeadersArgument): void {
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

export const isChunk = (chunk: unknown): boolean => typeof chunk === "string" || chunk instanceof Uint8Array;

export function lengthOf([chunk, encoding]: readonly unknown[]): number {
  if (typeof chunk !== "string") return (chunk as Uint8Array).byteLength;
  return Buffer.byteLength(chunk, typeof encoding === "string" ? (encoding as BufferEncoding) : "utf8");
}

/** Node's own error, thrown while the caller still runs rather than when its delayed call is carried out. */
export function assertChunk(chunk: unknown, isOptional: boolean): void {
  const isMissing = chunk === undefined || chunk === null || typeof chunk === "function";
  if (isChunk(chunk) || (isOptional && isMissing)) return;
  const error = new TypeError(
    'The "chunk" argument must be of type string or an instance of Buffer or Uint8Array.',
  );
  throw Object.assign(error, { code: "ERR_INVALID_ARG_TYPE" });
}

export function assertStatus(statusCode: unknown, statusMessage: unknown): void {
  if (!Number.isInteger(statusCode) || (statusCode as number) < 100 || (statusCode as number) > 999) {
    throw Object.assign(new RangeError(`Invalid status code: ${statusCode}`), {
      code: "ERR_HTTP_INVALID_STATUS_CODE",
    });
  }
  if (typeof statusMessage === "string" && /[^\t\x20-\x7e\x80-\xff]/.test(statusMessage)) {
    throw Object.assign(new TypeError("Invalid character in statusMessage"), { code: "ERR_INVALID_CHAR" });
  }
}

export function headersSent(what: string): Error {
  const error = new Error(`Cannot ${what} headers after they are sent to the client`);
  return Object.assign(error, { code: "ERR_HTTP_HEADERS_SENT" });
}
