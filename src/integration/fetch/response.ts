import { answerHeaders } from "../../http/answer-headers.ts";
import type { Settlement } from "../../http/settlement.ts";
import { type Answer, answerToError } from "../answer.ts";
import { answerTo, type Refusal } from "../guards.ts";

/** False for a WebSocket's upgrade, whose response the server sends itself. */
export const canCarryCookies = (response: Response | undefined): boolean =>
  response !== undefined && response.status >= 200;

/**
 * Cookies go onto a new response around the same body: a handler may send one Response object to several visitors,
 * and each would get the cookies of the one before.
 */
export function withSettlement(response: Response, settlement: Settlement): Response {
  const { setCookie } = settlement;
  const headers = answerHeaders(settlement, (name) => response.headers.get(name));
  if (setCookie.length === 0 && setInPlace(response, headers)) return response;
  const settled = new Response(response.body, response);
  for (const line of setCookie) settled.headers.append("Set-Cookie", line);
  for (const [name, value] of headers) settled.headers.set(name, value);
  return settled;
}

/**
 * Headers for caches may stay on a response that is sent again. False if its headers are immutable, as those of
 * redirects and of fetched responses are. A new response would lose @hono/node-server's fast path for plain ones.
 */
export function setInPlace(
  response: Response,
  values: readonly (readonly [name: string, value: string])[],
): boolean {
  try {
    for (const [name, value] of values) response.headers.set(name, value);
    return true;
  } catch (error) {
    if (error instanceof TypeError) return false;
    throw error;
  }
}

/** The source of a body that will not be sent may hold a file or a connection open. */
export function discard(response: Response | undefined): void {
  response?.body?.cancel().catch(() => {});
}

/** The response of a guard that refuses the request. */
export const refused = (refusal: Refusal): Response => responseOf(answerTo(refusal));

/** The bare status: 503 where the store failed. */
export const failed = (error: unknown): Response => responseOf(answerToError(error));

export function responseOf({ status, headers, body }: Answer): Response {
  if (typeof body === "object") return Response.json(body, { status, headers });
  const type = body === undefined ? undefined : { "Content-Type": "text/plain; charset=utf-8" };
  return new Response(body, { status, headers: { ...type, ...headers } });
}
