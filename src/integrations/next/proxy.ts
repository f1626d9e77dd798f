import { parseSetCookie } from "cookie";
import { PsessionError } from "../../errors.ts";
import { answerHeaders } from "../../http/answer-headers.ts";
import { NO_SETTLEMENT, type Settlement } from "../../http/settlement.ts";
import { pathOf, visibleOrigin } from "../../integration/fetch/facts.ts";
import { LazyExchange } from "../../integration/fetch/lazy-exchange.ts";
import { failed, responseOf, withSettlement } from "../../integration/fetch/response.ts";
import { keyEndpoints } from "../../integration/key-endpoints.ts";
import type { Settings } from "../../options/settings.ts";
import type { Psession } from "../../psession.ts";
import { runInRequest } from "../../request/context.ts";
import { withOffered } from "./offer.ts";
import type { NextOptions } from "./options.ts";
import { factsOfNext, signVisit, VISIT_HEADER } from "./visit.ts";

/** Next's request knows its path below `basePath`, which `redirect()` adds again. */
type ProxiedRequest = Request & {
  readonly nextUrl?: { readonly basePath?: string; readonly pathname: string; readonly search: string };
};

const PREFETCH = /^\s*prefetch\b/i;

/** What runs before pages are rendered: only here can a request for a page get new cookies. */
export async function runProxy<Data extends object>(
  psession: Psession<Data>,
  request: ProxiedRequest,
  options: NextOptions,
): Promise<Response> {
  const { NextResponse } = await import("next/server");
  const { settings } = psession.core;
  const headers = new Headers(request.headers);
  // What a client sends of this name is worth nothing, and components see no more of it.
  headers.delete(VISIT_HEADER);
  if (isAhead(headers)) return NextResponse.next({ request: { headers } });

  const { nextUrl = undefined, method } = request;
  const visit = {
    method,
    path: nextUrl === undefined ? pathOf(request) : nextUrl.pathname + nextUrl.search,
    basePath: nextUrl?.basePath ?? "",
    arrivedAt: settings.clock.now(),
  };
  const originHere = () => visibleOrigin(request, options.trustProxy ?? false);
  const exchange = new LazyExchange(psession, () =>
    factsOfNext(settings, { ...visit, headers, token: request, hasPassed: false }, options),
  );
  const answering = keyEndpoints(psession)({
    method,
    path: () => visit.basePath + visit.path,
    header: (name) => headers.get(name) ?? undefined,
    origin: originHere,
    session: exchange.getSession,
  });
  let answer: Awaited<typeof answering>;
  try {
    answer = await answering;
  } catch (error) {
    return failed(error);
  }
  if (answer !== undefined) {
    const response = responseOf(answer);
    // Next takes whole addresses from its proxy only.
    const location = response.headers.get("location");
    if (location !== null) response.headers.set("location", new URL(location, originHere()).href);
    return withSettlement(response, await exchange.settle(() => true));
  }
  const settlement = await settled(request, exchange as unknown as LazyExchange<never>, settings);
  const cookie = cookieAfter(headers.get("cookie"), settlement.setCookie);
  if (cookie === "") headers.delete("cookie");
  else headers.set("cookie", cookie);
  headers.set(VISIT_HEADER, signVisit(visit, settings.keys));
  const response = NextResponse.next({ request: { headers } });
  for (const line of settlement.setCookie) response.headers.append("Set-Cookie", line);
  for (const [name, value] of answerHeaders(settlement, (name) => response.headers.get(name)))
    response.headers.set(name, value);
  return response;
}

/** Where the store fails, pages that need no session are shown all the same, and the others report it. */
async function settled(
  request: Request,
  exchange: LazyExchange<never>,
  settings: Settings,
): Promise<Settlement> {
  try {
    await runInRequest(request, exchange.getSession);
    const settlement = await exchange.settle(() => true);
    return await withOffered(settlement, request.headers.get("cookie"), exchange.getSession, settings);
  } catch (error) {
    if (error instanceof PsessionError && error.status !== 500) return NO_SETTLEMENT;
    throw error;
  }
}

/**
 * What is fetched before anybody asks for it gets no new secrets, and no session is used by that. Next hides its own
 * header from the proxy unless it is configured otherwise, so `config.matcher` has to leave those out.
 */
const isAhead = (headers: Headers): boolean =>
  headers.has("next-router-prefetch") ||
  PREFETCH.test(headers.get("sec-purpose") ?? headers.get("purpose") ?? "");

/** The Cookie header that the browser will send once it has these lines. Pairs that are not ours stay as they came. */
function cookieAfter(cookie: string | null, lines: readonly string[]): string {
  if (lines.length === 0) return cookie ?? "";
  const set = new Map<string, string>();
  for (const line of lines) {
    const { name, value = "", maxAge } = parseSetCookie(line, { decode: (text) => text });
    set.set(name, maxAge === 0 ? "" : value);
  }
  const kept = (cookie ?? "").split(";").filter((pair) => {
    const [name = ""] = pair.split("=");
    return pair.trim() !== "" && !set.has(name.trim());
  });
  const added = [...set].filter(([, value]) => value !== "").map(([name, value]) => `${name}=${value}`);
  return [...kept.map((pair) => pair.trim()), ...added].join("; ");
}
