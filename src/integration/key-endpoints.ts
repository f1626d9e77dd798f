import { createHash } from "node:crypto";
import { candidatesIn, cookieValues } from "../http/cookies.ts";
import type { Settings } from "../options/settings.ts";
import { readBoundCookie } from "../protocol/bound.ts";
import type { Outcome } from "../protocol/outcome.ts";
import type { Psession } from "../psession.ts";
import { type BindResult, refresh, register } from "../request/bind.ts";
import { Session } from "../session.ts";
import { type Answer, NOT_KEPT } from "./answer.ts";
import { answerTo as answerToRefusal, CROSS_SITE, isOwnRequest, mayAskForProof, ownPath } from "./guards.ts";
import { Html, html } from "./html.ts";

/** A request, as the endpoints of device-bound sessions look at it. */
export interface KeyRequest {
  readonly method: string | undefined;
  /** Path and query, with the part that a mount has cut off. */
  readonly path: () => string;
  readonly header: (name: string) => string | readonly string[] | undefined;
  /** Scheme and host as the visitor's browser sees them. Asked only where it counts. */
  readonly origin: () => string;
  // biome-ignore lint/suspicious/noExplicitAny: keys have nothing to do with the data.
  readonly session: () => PromiseLike<Session<any>>;
}

/**
 * What device-bound sessions (option `deviceBound`) need of every integration, before its handlers: the two endpoints where
 * browsers register and prove their keys, and what answers a bound session's cookie without its proof. Gives the answer;
 * undefined, at once for nearly all requests, where the request goes on.
 */
export const keyEndpoints =
  // biome-ignore lint/suspicious/noExplicitAny: as above.
    (psession: Psession<any>) =>
    (request: KeyRequest): Promise<Answer | undefined> | undefined => {
      const { started } = psession;
      if (started !== undefined && started.settings.deviceBound === undefined) return undefined;
      const cookie = textOf(request.header("cookie"));
      // Nothing is read of options that come late: an application that is being built has no cookies.
      if (cookie === undefined && request.method !== "POST") return undefined;
      const { settings, events } = psession.core;
      const { deviceBound } = settings;
      if (deviceBound === undefined) return undefined;
      const [path = "", query = ""] = request.path().split(/[?#]/, 2);
      const name = path.startsWith(`${deviceBound.path}/`) ? path.slice(deviceBound.path.length + 1) : "";
      const endpoint = ENDPOINTS.get(name);
      if (endpoint !== undefined) return endpoint(settings, request, query);
      const skipped = skippedIn(request.header("secure-session-skipped"));
      if (skipped !== undefined)
        events.emit("boundSkipped", {
          at: settings.clock.now(),
          bindingId: undefined,
          handle: undefined,
          userId: undefined,
          reason: skipped,
          request: { address: undefined, userAgent: textOf(request.header("user-agent"))?.slice(0, 512) },
        });
      return mayBeUnproved(settings, cookie) ? refusal(request, settings) : undefined;
    };

type Endpoint = (settings: Settings, request: KeyRequest, query: string) => Promise<Answer>;

/** For that method only. */
const by =
  (method: "GET" | "POST", endpoint: Endpoint): Endpoint =>
  async (settings, request, query) => {
    const asked = request.method === "HEAD" ? "GET" : request.method;
    return asked === method
      ? endpoint(settings, request, query)
      : { status: 405, headers: { ...NOT_KEPT, Allow: method } };
  };

/** Below `deviceBound.path`. */
const ENDPOINTS: ReadonlyMap<string, Endpoint> = new Map([
  ["register", by("POST", (settings, request) => answered(settings, request, "register"))],
  ["refresh", by("POST", (settings, request) => answered(settings, request, "refresh"))],
  ["prove", by("GET", (settings, request, query) => proving(settings, request, query))],
  ["again", by("GET", (settings, request, query) => leadingBack(settings, request, query))],
]);

/** A long cookie, and no proof of any key that still counts: only then is the session looked at for this. */
function mayBeUnproved({ cookies, keys, clock }: Settings, cookie: string | undefined): boolean {
  const hasLong = [cookies.session, cookies.remember].some(
    ({ name }) => cookieValues(cookie, name).length > 0,
  );
  if (!hasLong) return false;
  const proofs = candidatesIn(cookie, cookies.bound.name) ?? [];
  const now = clock.now();
  return !proofs.some((value) => now <= (readBoundCookie(value, keys)?.until ?? 0));
}

/**
 * A page that another site or the address bar leads to is asked for again by a page of this site, as browsers prove no key
 * for another site's sake; and so is one that came with a proof that counts no more, which this answer takes away. Of this
 * site's own requests, scripts are told why they got nothing. All else goes on as nobody's, or a browser that has lost its
 * key could not sign in again.
 */
async function refusal(
  { method, path, header, session }: KeyRequest,
  { cookies, deviceBound }: Settings,
): Promise<Answer | undefined> {
  if (method !== "GET" && method !== "HEAD") return undefined;
  const { name: cookie } = cookies.bound;
  const mode = textOf(header("sec-fetch-mode"));
  const target = textOf(header("sec-fetch-dest"));
  const isPage = mode === "navigate" && target === "document";
  // Its own page, without the cookie: the browser had nothing to prove it with.
  const isOwn = textOf(header("sec-fetch-site")) === "same-origin";
  if (isPage && isOwn && cookieValues(textOf(header("cookie")), cookie).length === 0) return undefined;
  if (!isPage && target !== "empty") return undefined;
  if ((await outcomeOf(session)) !== "unproved") return undefined;
  return isPage ? again(`${deviceBound?.path}/again`, ownPath(path())) : KEY_PROOF_REQUIRED;
}

/** Without looking at the session, as its handler may not: the answer depends on no cookie then. */
async function outcomeOf(session: KeyRequest["session"]): Promise<Outcome | undefined> {
  try {
    return Session.stateOf(await session()).outcome;
  } catch {
    // Where the store is down, a page that needs no session is shown, and others say so.
    return undefined;
  }
}

const KEY_PROOF_REQUIRED: Answer = {
  status: 401,
  headers: NOT_KEPT,
  body: {
    error: {
      code: "key_proof_required",
      message:
        "This session is bound to a browser, which has not proved that it is the one. Please sign in again.",
    },
  },
};

const IN_A_WINDOW = "Please open this page in a window of its own.";

/*
 * To the same address by way of this site: a reload would be the other site's request once more, and an address with a part
 * after "#" would only scroll. A window without an origin, as another site's sandbox opens it, is another site's for ever.
 * Where scripts are forbidden, also by a policy that a proxy adds, the page goes there by itself a moment later.
 */
const SCRIPT = `if (self.origin === "null") addEventListener("DOMContentLoaded", () => {
  document.body.textContent = ${JSON.stringify(IN_A_WINDOW)};
});
else {
  const { pathname, search, hash } = location;
  location.replace(document.documentElement.dataset.way + encodeURIComponent(pathname + search) + hash);
}`;
const POLICY = `default-src 'none'; script-src 'sha256-${createHash("sha256").update(SCRIPT).digest("base64")}'; base-uri 'none'`;

const PAGE_HEADERS = {
  "Content-Type": "text/html; charset=utf-8",
  "Cache-Control": "no-store",
  "Content-Security-Policy": POLICY,
  "X-Content-Type-Options": "nosniff",
};

const again = (endpoint: string, path: string): Answer => ({
  status: 401,
  headers: PAGE_HEADERS,
  body: html`<!doctype html>
<html lang="en" data-way="${endpoint}?to=">
<head>
<meta charset="utf-8">
<title>One moment</title>
<script>${new Html(SCRIPT)}</script>
<meta http-equiv="refresh" content="1; url=${endpoint}?to=${encodeURIComponent(path)}">
</head>
<body></body>
</html>
`.text,
});

const ALONE: Answer = {
  status: 401,
  headers: NOT_KEPT,
  body: IN_A_WINDOW,
};

/** Back to the page, which the browser proves its key for: this request is the site's own. */
async function leadingBack(
  settings: Settings,
  { header, session }: KeyRequest,
  query: string,
): Promise<Answer> {
  // From a window without an origin, whose next request would be another site's as well.
  if (!isOwnRequest(header)) return ALONE;
  const shown = cookieValues(textOf(header("cookie")), settings.cookies.bound.name).length > 0;
  // A cookie of that name that psession cannot take away, such as one of a wider domain: it would go on for ever.
  if (shown && (await outcomeOf(session)) === "unproved") return KEY_PROOF_REQUIRED;
  return toPageIn(settings, query);
}

/** To a page of this site that is none of these endpoints. */
function toPageIn({ deviceBound }: Settings, query: string): Answer {
  const to = ownPath(new URLSearchParams(query).get("to") ?? "");
  const location = to.startsWith(`${deviceBound?.path}/`) ? "/" : to;
  return { status: 307, headers: { "Cache-Control": "no-store", Location: location } };
}

async function answered(
  settings: Settings,
  { header, origin, session }: KeyRequest,
  which: "register" | "refresh",
): Promise<Answer> {
  const opened = Session.stateOf((await session()) as Session<object>);
  const proofs = await import("../http/key-proofs.ts");
  const given = header("secure-session-response");
  const proof = proofs.proofIn(given);
  const result =
    which === "register"
      ? await register(opened, proof, proofs)
      : // What came is no proof, and must not pass for a request that has none.
        await refresh(
          opened,
          idIn(header("sec-secure-session-id")),
          given === undefined ? undefined : (proof ?? ""),
          proofs,
        );
  return answerTo(settings, result, origin);
}

/** Where a page that can set no cookie sends its visitor, to have the key proved on the way back to it. */
async function proving(settings: Settings, { header, session }: KeyRequest, query: string): Promise<Answer> {
  if (!mayAskForProof(header)) return answerToRefusal(CROSS_SITE);
  const found = await session();
  if (found.keyProvedAt !== undefined) found.askForKeyProof();
  return toPageIn(settings, query);
}

/** RFC 9651: a string, or as some write it, bare. */
function idIn(value: string | readonly string[] | undefined): string | undefined {
  const [, quoted, bare] = /^\s*(?:"([\w-]{1,64})"|([\w-]{1,64}))\s*$/.exec(textOf(value) ?? "") ?? [];
  return quoted ?? bare;
}

/** One word, as it goes into counters: `unreachable`, `quota_exceeded` and so on. */
function skippedIn(value: string | readonly string[] | undefined): string | undefined {
  const text = textOf(value);
  if (text === undefined) return undefined;
  return /^\s*([a-z_]{1,40})/.exec(text)?.[1] ?? "other";
}

function answerTo({ cookies, deviceBound }: Settings, result: BindResult, origin: () => string): Answer {
  switch (result.kind) {
    case "bound": {
      const challenge = result.challenge === undefined ? {} : challengeFor(result.challenge, result.id);
      return {
        status: 200,
        headers: { ...NOT_KEPT, ...challenge },
        body: {
          session_identifier: result.id,
          refresh_url: `${deviceBound?.path}/refresh`,
          scope: { origin: origin(), include_site: false, scope_specification: [] },
          credentials: [
            { type: "cookie", name: cookies.bound.name, attributes: attributesOf(cookies.bound) },
          ],
        },
      };
    }
    // 401 or 404 would end the browser's session.
    case "challenged":
      return { status: 403, headers: { ...NOT_KEPT, ...challengeFor(result.challenge, result.id) } };
    case "refused":
      return { status: 403, headers: NOT_KEPT };
    // To browsers every other status is final.
    case "later":
      return { status: 503, headers: { ...NOT_KEPT, "Retry-After": "5" } };
    case "over":
      return { status: 200, headers: NOT_KEPT, body: { session_identifier: result.id, continue: false } };
  }
}

const challengeFor = (challenge: string, id: string) => ({
  "Secure-Session-Challenge": `"${challenge}";id="${id}"`,
});

const SAME_SITE = { lax: "Lax", strict: "Strict", none: "None" } as const;

/** As `serializeCookie` writes them, without the time: browsers compare both. */
const attributesOf = ({ path, secure, sameSite }: Settings["cookies"]["bound"]): string =>
  `Path=${path}; HttpOnly${secure ? "; Secure" : ""}; SameSite=${SAME_SITE[sameSite]}`;

const textOf = (value: string | readonly string[] | undefined): string | undefined =>
  typeof value === "object" ? value.join("; ") : value;
