import { cacheHeaders } from "../../http/caching.ts";
import type { Settlement } from "../../http/settlement.ts";
import { type Answer, answerToError } from "../answer.ts";
import { answerTo, type Refusal } from "../guards.ts";

/** False for the answer to a WebSocket's upgrade, which only the server that made it can send. */
export const canCarryCookies = (response: Response | undefined): boolean =>
  response !== undefined && response.status >= 200;

/**
 * With cookies, another response around the same body: one that a handler keeps to answer with again would carry a
 * visitor's cookies to the next.
 */
export function withSettlement(response: Response, settlement: Settlement): Response {
  const { setCookie } = settlement;
  const headers = cacheHeaders(settlement, (name) => response.headers.get(name));
  if (setCookie.length === 0 && setInPlace(response, headers)) return response;
  const settled = new Response(response.body, response);
  for (const line of setCookie) settled.headers.append("Set-Cookie", line);
  for (const [name, value] of headers) settled.headers.set(name, value);
  return settled;
}

/**
 * What caches are told may stay on a response that is sent again. False where its headers are immutable, as those of
 * redirects and of fetched responses are. Another response would cost @hono/node-server's short cut for plain ones.
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

/** What made the body may hold a file or a connection open, and nobody will read it. */
export function discard(response: Response | undefined): void {
  response?.body?.cancel().catch(() => {});
}

export const refused = (refusal: Refusal): Response => responseOf(answerTo(refusal));

/** The bare status: 503 where the store failed. */
export const failed = (error: unknown): Response => responseOf(answerToError(error));

export function responseOf({ status, headers, body }: Answer): Response {
  if (typeof body === "object") return Response.json(body, { status, headers });
  const type = body === undefined ? undefined : { "Content-Type": "text/plain; charset=utf-8" };
  return new Response(body, { status, headers: { ...type, ...headers } });
}
