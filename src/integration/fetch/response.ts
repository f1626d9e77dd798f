import { apologyFor, PsessionError } from "../../errors.ts";
import { cacheHeaders } from "../../http/caching.ts";
import type { Settlement } from "../../http/settlement.ts";
import { headersOf, type Refusal } from "../guards.ts";

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

/** The response of a guard that lets nobody through. */
export function refused(refusal: Refusal): Response {
  const { status } = refusal;
  const headers = headersOf(refusal);
  return "location" in refusal
    ? new Response(null, { status, headers })
    : Response.json(refusal.body, { status, headers });
}

/** The bare status: 503 where the store failed. */
export function failed(error: unknown): Response {
  const { status, headers } = error instanceof PsessionError ? error : { status: 500, headers: {} };
  return new Response(apologyFor(status), {
    status,
    headers: { "Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store", ...headers },
  });
}
