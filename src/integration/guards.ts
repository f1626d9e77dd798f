import * as v from "valibot";
import { type Duration, isDuration } from "../checks/duration.ts";
import { positiveDuration } from "../checks/duration-options.ts";
import { checkedOptions, invalidOptions } from "../checks/faults.ts";
import { PsessionError } from "../errors.ts";
import { allowedOrigins, checkOrigins, isSameOrigin, type OriginOptions } from "../http/origin.ts";
import type { EndedBecause } from "../protocol/ended.ts";
import { assuranceOf, isMethod, methodsOf } from "../protocol/proofs.ts";
import type { Session } from "../session.ts";
import type { Level } from "../stores/store.ts";
import { type LockOptions, resolveLimits } from "../upkeep/locks.ts";
import { type Answer, NOT_KEPT } from "./answer.ts";
import type { ProxyOptions } from "./forwarded.ts";

/** What a guard does with a request that it refuses. */
export interface GuardOptions {
  /**
   * Redirects browsers that ask for a page. A function gets the path and query to come back to: those of the request,
   * or, if its method was not GET or HEAD, of the page it came from (`Referer`, else "/").
   * Default: the status, as for scripts.
   */
  redirectTo?: string | ((path: string, asked: AskedFor) => string) | undefined;
  /**
   * Refuse changes that another site sends in the visitor's name (ASVS 3.5.1), as `originCheck` does before all
   * routes. `false` if the application has that. Default: they are refused.
   */
  origin?: false | OriginOptions | undefined;
}

/** The request of a visitor who is redirected. */
export interface AskedFor {
  readonly method: string | undefined;
  /** Path and query. */
  readonly path: string;
  /** Why the visitor is signed out, where that is known and may be said: the code of `session.endedBecause`. */
  readonly ended: EndedBecause["code"] | undefined;
}

/** Options of `requireFresh`. */
export interface FreshOptions extends GuardOptions {
  /** How recently the user must have proved a credential. */
  within: Duration;
  /** Only a proof by this method counts, such as "otp". Default: any credential. */
  method?: string | undefined;
}

/** Options of `requireProofs`. */
export interface ProofsOptions extends GuardOptions {
  /** How recently each of them must have been proved. Default: at any time since the sign-in. */
  within?: Duration | undefined;
}

/** Options of `requireKeyProof`. */
export interface KeyProofOptions extends GuardOptions {
  /** How recently the browser must have proved its key. */
  within: Duration;
}

/** The methods that must have been proved, each of them; or the assurance level that they must reach (NIST SP 800-63B-4). */
export type RequiredProofs = "aal1" | "aal2" | readonly string[];

/** The facts that an integration gives to a guard about a request. */
export interface GuardedRequest {
  // biome-ignore lint/suspicious/noExplicitAny: a guard asks nothing of the data.
  readonly session: Pick<Session<any>, "isSignedIn" | "level" | "isFresh"> &
    Partial<
      Pick<
        // biome-ignore lint/suspicious/noExplicitAny: as above.
        Session<any>,
        "proofs" | "pending" | "actor" | "endedBecause" | "isKeyProved" | "keyProvedAt"
      >
    > &
    GuardNote;
  readonly header: (name: string) => string | readonly string[] | undefined;
  readonly method: string | undefined;
  /** The request's whole target, with the part that a mount has cut off. */
  readonly path: string;
  /** Scheme and host as the visitor sees them. */
  readonly origin: string;
}

/** What guards say to a session. Objects that only look like one have none of it. */
export interface GuardNote {
  noteGuard?(): void;
  /** Takes the short cookie of a bound session away, so that the browser proves its key before the next request. */
  askForKeyProof?(): void;
}

/** Facts that an application or its framework knows better than the bare request. */
export interface GuardFacts {
  /** Path and query that the visitor asked for, if a mount or rewrite has changed those of the request. */
  readonly path?: string | undefined;
  /** Scheme and host as the visitor's browser sees them, such as "https://example.com". */
  readonly origin?: string | (() => string) | undefined;
}

/** The origin by those facts, if they have one. */
export const knownOrigin = ({ origin }: GuardFacts = {}): string | undefined =>
  typeof origin === "function" ? origin() : origin;

/**
 * If the data are properties of the session, a key named `level` hides psession's, and a visitor may be able to set it.
 * Such an integration keeps the properties that guards must read under this symbol.
 */
export const ofGuards: unique symbol = Symbol("psession.ofGuards");

/** The value under `ofGuards`. */
export type SessionOfGuards = GuardedRequest["session"] & ExclusiveSession;

// biome-ignore lint/suspicious/noExplicitAny: turns have nothing to do with the data.
export type ExclusiveSession = Pick<Session<any>, "exclusive">;

/** Settles when it is the turn of this request; see `Session.exclusive`. */
export type Turn = (session: ExclusiveSession) => Promise<undefined>;

/** The answer of a guard; undefined lets the request through. 307: the same request once more, with its body. */
export type Refusal =
  | { readonly status: 303 | 307; readonly location: string }
  | { readonly status: 401 | 403; readonly body: RefusalBody };

/** The headers of any answer to it: it is for this visitor, and wrong from the next sign-in on. */
export const headersOf = (refusal: Refusal): Readonly<Record<string, string>> =>
  "location" in refusal ? { "Cache-Control": "no-store", Location: refusal.location } : NOT_KEPT;

export const answerTo = (refusal: Refusal): Answer => ({
  status: refusal.status,
  headers: headersOf(refusal),
  body: "location" in refusal ? undefined : refusal.body,
});

export interface RefusalBody {
  readonly error: { readonly code: string; readonly message: string };
}

/** Gives the answer where a request may not go on, undefined where it may. */
export type Guard = (request: GuardedRequest) => Refusal | undefined;

/** For changes that another site sent in a visitor's name. */
export const CROSS_SITE: Refusal & { status: 403 } = {
  status: 403,
  body: { error: { code: "cross_site", message: "This request came from another site." } },
};

const LEVELS = { anonymous: 0, remembered: 1, login: 2, "device-bound": 3 } as const satisfies Record<
  Level,
  number
>;

/** @internal */
export const redirectTarget = v.union(
  [
    v.pipe(v.string(), v.minLength(1)),
    v.custom<(path: string, asked: AskedFor) => string>((value) => typeof value === "function"),
  ],
  "must be a path or a function that gives one",
);
const loginOptions = v.strictObject({
  redirectTo: v.optional(redirectTarget),
  origin: v.optional(
    v.union(
      [v.literal(false), v.strictObject({ allowed: allowedOrigins })],
      'must be false or { allowed } with a list of origins, such as "https://admin.example.com"',
    ),
  ),
});
const method = v.custom<string>(isMethod, 'must be a word such as "password" or "otp"');
const freshOptions = v.strictObject({
  ...loginOptions.entries,
  within: positiveDuration(', such as 600000 or "10m"'),
  method: v.optional(method),
});
const proofsOptions = v.strictObject({
  ...loginOptions.entries,
  within: v.optional(positiveDuration(', such as 600000 or "10m"')),
});

/** Signed-in users, remembered ones included. */
export function loginGuard(options: GuardOptions = {}): Guard {
  const given = checkedOptions("requireLogin", loginOptions, options);
  return guard(({ isSignedIn }) => isSignedIn, PROVE, given);
}

/** At least that level: "login" asks remembered visitors for their password. */
export function levelGuard(level: Level, options: GuardOptions = {}): Guard {
  if (!Object.hasOwn(LEVELS, level)) {
    throw invalidOptions("requireLevel", [`level must be one of ${Object.keys(LEVELS).join(", ")}`]);
  }
  const given = checkedOptions("requireLevel", loginOptions, options);
  return guard((session) => LEVELS[session.level] >= LEVELS[level], PROVE, given);
}

/** Users who proved a credential that recently, which remembered visitors never did. */
export function freshGuard(options: FreshOptions): Guard {
  const { within, method, ...given } = checkedOptions("requireFresh", freshOptions, options);
  return guard((session) => session.isFresh({ within, method }), CONFIRM, given);
}

/** Users who have proved all of these since they signed in. */
export function proofsGuard(required: RequiredProofs, options: ProofsOptions = {}): Guard {
  const { within, ...given } = checkedOptions("requireProofs", proofsOptions, options);
  const isList = Array.isArray(required) && required.length > 0 && required.every(isMethod);
  if (!isList && required !== "aal1" && required !== "aal2")
    throw invalidOptions("requireProofs", [
      'what is required must be "aal1", "aal2" or a list of methods, such as ["password", "otp"]',
    ]);
  return guard(
    (session) => {
      const { proofs = [] } = session;
      const counted =
        within === undefined ? proofs : proofs.filter(({ method }) => session.isFresh({ within, method }));
      const methods = methodsOf(counted);
      return typeof required === "string"
        ? reaches(assuranceOf(counted), required)
        : required.every((one) => methods.includes(one));
    },
    PROVE_MORE,
    given,
  );
}

const reaches = (reached: "aal1" | "aal2" | undefined, required: "aal1" | "aal2"): boolean =>
  reached === "aal2" || reached === required;

/** Visitors whose sign-in has begun and waits for another factor. */
export function pendingGuard(options: GuardOptions = {}): Guard {
  const given = checkedOptions("requirePending", loginOptions, options);
  return guard(({ pending }) => pending !== undefined, BEGIN, given);
}

/** Whoever is there in person: an administrator who acts as the user does not pass. */
export function personGuard(options: GuardOptions = {}): Guard {
  const given = checkedOptions("forbidImpersonation", loginOptions, options);
  return guard(({ actor }) => actor === undefined, IN_PERSON, given);
}

/** Clocks of servers differ by some seconds, and a browser takes some to sign: less would be asked for again and again. */
const LEAST_PROOF_AGE = 15_000;

const keyOptions = v.strictObject({
  ...loginOptions.entries,
  within: v.custom<Duration>(
    (value) => isDuration(value, LEAST_PROOF_AGE),
    'must be a duration of 15 seconds or more, such as 60000 or "1m"',
  ),
});

/**
 * Not for what another site's page embeds: each proof is one of the few that a browser makes in some minutes. Its links lead
 * to a page, which may ask.
 */
export const mayAskForProof = (header: GuardedRequest["header"]): boolean =>
  isOwnRequest(header) ||
  (header("sec-fetch-mode") === "navigate" && header("sec-fetch-dest") === "document");

/** Of a page of this origin, or the visitor's own, as far as the browser says. */
export const isOwnRequest = (header: GuardedRequest["header"]): boolean =>
  ["none", "same-origin"].includes(String(header("sec-fetch-site") ?? "none"));

/**
 * Users whose browser has proved that recently that it holds the key of their session. One that holds it is sent to the same
 * address again, and proves it on the way.
 */
export function keyProofGuard(options: KeyProofOptions): Guard {
  const { within, ...given } = checkedOptions("requireKeyProof", keyOptions, options);
  const refusalOf = guard((session) => session.isKeyProved?.({ within }) === true, PROVE_KEY, given);
  return (request) => {
    const refusal = refusalOf(request);
    if (refusal === undefined || refusal === CROSS_SITE) return refusal;
    const { session: found, path, header } = request;
    const { [ofGuards]: session = found } = found as { [ofGuards]?: typeof found };
    if (session.keyProvedAt === undefined || !mayAskForProof(header)) return refusal;
    session.askForKeyProof?.();
    return { status: 307, location: ownPath(path) };
  };
}

/** The guards of a framework that ask for a session; `More` are options of its own. */
interface Guards<Made, More = unknown> {
  requireLogin(options?: GuardOptions & More): Made;
  requireLevel(level: Level, options?: GuardOptions & More): Made;
  requireFresh(options: FreshOptions & More): Made;
  requireProofs(required: RequiredProofs, options?: ProofsOptions & More): Made;
  requireKeyProof(options: KeyProofOptions & More): Made;
  requirePending(options?: GuardOptions & More): Made;
  forbidImpersonation(options?: GuardOptions & More): Made;
}

/** All of them, from what makes a guard fit for the framework. */
export const guardsBy = <Made>(made: (guard: Guard) => Made): Guards<Made> => ({
  requireLogin: (options) => made(loginGuard(options)),
  requireLevel: (level, options) => made(levelGuard(level, options)),
  requireFresh: (options) => made(freshGuard(options)),
  requireProofs: (required, options) => made(proofsGuard(required, options)),
  requireKeyProof: (options) => made(keyProofGuard(options)),
  requirePending: (options) => made(pendingGuard(options)),
  forbidImpersonation: (options) => made(personGuard(options)),
});

/** The same for frameworks that do not know themselves whether a proxy is trusted. */
export const proxiedGuardsBy = <Made>(
  made: (guard: Guard, trustProxy: boolean | undefined) => Made,
): Guards<Made, ProxyOptions> => ({
  requireLogin: ({ trustProxy, ...options } = {}) => made(loginGuard(options), trustProxy),
  requireLevel: (level, { trustProxy, ...options } = {}) => made(levelGuard(level, options), trustProxy),
  requireFresh: ({ trustProxy, ...options }) => made(freshGuard(options), trustProxy),
  requireProofs: (required, { trustProxy, ...options } = {}) =>
    made(proofsGuard(required, options), trustProxy),
  requireKeyProof: ({ trustProxy, ...options }) => made(keyProofGuard(options), trustProxy),
  requirePending: ({ trustProxy, ...options } = {}) => made(pendingGuard(options), trustProxy),
  forbidImpersonation: ({ trustProxy, ...options } = {}) => made(personGuard(options), trustProxy),
});

/** One request of a session at a time, from here until the response begins. */
export function exclusiveTurn(options: LockOptions = {}): Turn {
  const limits = resolveLimits("exclusive", options);
  return async (found) => {
    const { [ofGuards]: session = found } = found as { [ofGuards]?: ExclusiveSession };
    if (typeof session.exclusive !== "function") throw noSignIn("exclusive() needs the locks");
    await session.exclusive(limits);
    return undefined;
  };
}

/** The session of another library holds data only, and a visitor may be able to set what a guard would read of it. */
const noSignIn = (needs: string): PsessionError =>
  new PsessionError(
    "invalid_options",
    `${needs} of a psession store: psession/express-session has that with no other store.`,
  );

/** Refuses changes that another site sends in the visitor's name, and asks for no session. */
export function originGuard(
  options: OriginOptions,
): (request: Omit<GuardedRequest, "session" | "path">) => Refusal | undefined {
  checkOrigins("originCheck", options);
  return (request) => (isSameOrigin(request, options) ? undefined : CROSS_SITE);
}

const SIGN_IN = { code: "login_required", message: "Please sign in first." } as const;
const PROVE = { code: "level_required", message: "Please enter your password first." } as const;
const PROVE_MORE = { code: "proofs_required", message: "Please prove another factor first." } as const;
const IN_PERSON = { code: "impersonating", message: "Only the user may do this." } as const;
const PROVE_KEY = { code: "key_proof_required", message: "Please sign in again in this browser." } as const;
const BEGIN = { code: "nothing_pending", message: "Please begin to sign in first." } as const;
const CONFIRM = { code: "fresh_login_required", message: "Please confirm your password first." } as const;

function guard(
  holds: (session: GuardedRequest["session"]) => boolean,
  refusal: RefusalBody["error"],
  given: v.InferOutput<typeof loginOptions>,
): Guard {
  const { redirectTo, origin: allowed = {} } = given;
  return ({ session: found, header, method, path, origin }) => {
    if (allowed !== false && !isSameOrigin({ method, header, origin }, allowed as OriginOptions))
      return CROSS_SITE;
    const { [ofGuards]: session = found } = found as { [ofGuards]?: typeof found };
    if (typeof session.isFresh !== "function") throw noSignIn("A guard needs the sign-in");
    if (holds(session)) {
      session.noteGuard?.();
      return undefined;
    }
    if (redirectTo !== undefined && wantsPage(header)) {
      const isPage = method === "GET" || method === "HEAD";
      const asked = { method, path: ownPath(path), ended: session.endedBecause?.code };
      const back = isPage ? asked.path : pageBefore(header("referer"), origin);
      return { status: 303, location: addressBy(redirectTo, back, asked) };
    }
    return session.isSignedIn
      ? { status: 403, body: { error: refusal } }
      : { status: 401, body: { error: refusal === BEGIN ? BEGIN : SIGN_IN } };
  };
}

function addressBy(
  redirectTo: NonNullable<GuardOptions["redirectTo"]>,
  path: string,
  asked: AskedFor,
): string {
  const address = typeof redirectTo === "string" ? redirectTo : redirectTo(path, asked);
  if (typeof address === "string" && address !== "") return encoded(address, UNSENDABLE);
  throw new PsessionError("invalid_options", "redirectTo has to give an address, such as a path, as text.");
}

/** The page that a request came from, by `Referer`, if on this host. Only a proxy may know the scheme, so it is not compared. */
export function pageBefore(referer: unknown, origin: string): string {
  const page = typeof referer === "string" ? URL.parse(referer) : null;
  const isSameHost = page !== null && page.host !== "" && page.host === URL.parse(origin)?.host;
  return isSameHost ? ownPath(page.pathname + page.search) : "/";
}

/** Scheme and authority, in the form that requests to a proxy have (RFC 9112 section 3.2.2). */
const AUTHORITY = /^[a-z][a-z0-9+.-]*:\/\/[^/?#\\]*/i;
/** Characters that a header cannot hold: Node refuses them, and a line break would begin another header. */
const UNSENDABLE = /[^!-~]/gu;
/** A backslash as well, as browsers read it as a slash. */
const UNSAFE_IN_PATH = /[^!-~]|\\/gu;

/**
 * As a place to come back to: a path of this site, whatever the target was. "//evil.example" would be another site
 * (CWE-601), and so would "/\t/evil.example", as browsers drop tabs and line breaks.
 */
export const ownPath = (target: string): string =>
  `/${encoded(target.replace(AUTHORITY, "").replace(/^[/\\\s]+/, ""), UNSAFE_IN_PATH)}`;

const encoded = (text: string, which: RegExp): string =>
  text.toWellFormed().replace(which, (found) => (found === " " ? "%20" : encodeURIComponent(found)));

/** Navigations ask for HTML, and so do scripts that insert pages into pages; requests for data do not. */
function wantsPage(header: GuardedRequest["header"]): boolean {
  return String(header("accept") ?? "").includes("text/html");
}
