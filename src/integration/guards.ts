import * as v from "valibot";
import type { Duration } from "../checks/duration.ts";
import { positiveDuration } from "../checks/duration-options.ts";
import { checkedOptions, invalidOptions } from "../checks/faults.ts";
import { PsessionError } from "../errors.ts";
import { allowedOrigins, isSameOrigin, type OriginOptions } from "../http/origin.ts";
import type { Session } from "../session.ts";
import type { Level } from "../stores/store.ts";
import { type LockOptions, resolveLimits } from "../upkeep/locks.ts";

/** What a guard does with whom it does not let through. */
export interface GuardOptions {
  /**
   * Where browsers are sent that ask for a page; a function gets the path and query to come back to: those that were
   * asked for, or the page that they were on (`Referer`, else "/") where the method was not GET or HEAD.
   * Default: they get the status, as scripts do.
   */
  redirectTo?: string | ((path: string, asked: AskedFor) => string) | undefined;
  /**
   * Refuse changes that another site sends in the visitor's name (ASVS 3.5.1), as `originCheck` does before all
   * routes. `false` where that stands before. Default: they are refused.
   */
  origin?: false | OriginOptions | undefined;
}

/** What a visitor asked for who is sent elsewhere. */
export interface AskedFor {
  readonly method: string | undefined;
  /** Path and query. */
  readonly path: string;
}

/** Options of `requireFresh`. */
export interface FreshOptions extends GuardOptions {
  /** How long ago a credential may have been proved. */
  within: Duration;
}

/** What an integration has to find out about a request that stands before a guard. */
export interface GuardedRequest {
  // biome-ignore lint/suspicious/noExplicitAny: a guard asks nothing of the data.
  readonly session: Pick<Session<any>, "isSignedIn" | "level" | "isFresh"> & GuardNote;
  readonly header: (name: string) => string | readonly string[] | undefined;
  readonly method: string | undefined;
  /** The request's target as asked for, with what a mount has cut off. */
  readonly path: string;
  /** Scheme and host as the visitor sees them. */
  readonly origin: string;
}

/** To be told where a guard lets a request through. What only looks like a session has none. */
export interface GuardNote {
  noteGuard?(): void;
}

/** What an application or its framework knows better than the bare request does. */
export interface GuardFacts {
  /** Path and query as the visitor asked for them, where something has cut or rewritten those of the request. */
  readonly path?: string | undefined;
  /** Scheme and host as the visitor's browser sees them, such as "https://example.com". */
  readonly origin?: string | (() => string) | undefined;
}

/**
 * Where the data are properties of the session, one named `level` hides psession's, and a visitor may choose it: such
 * an integration says here what guards have to ask.
 */
export const ofGuards: unique symbol = Symbol("psession.ofGuards");

/** What an integration that uses `ofGuards` gives there. */
export type SessionOfGuards = GuardedRequest["session"] & ExclusiveSession;

// biome-ignore lint/suspicious/noExplicitAny: turns have nothing to do with the data.
export type ExclusiveSession = Pick<Session<any>, "exclusive">;

/** Settles when it is the turn of this request; see `Session.exclusive`. */
export type Turn = (session: ExclusiveSession) => Promise<void>;

/** What an integration answers; undefined lets the request through. */
export type Refusal =
  | { readonly status: 303; readonly location: string }
  | { readonly status: 401 | 403; readonly body: RefusalBody };

/** What everybody's answer of a refusal has: it is this visitor's, and at the next sign-in no longer true. */
export const headersOf = (refusal: Refusal): Readonly<Record<string, string>> =>
  "location" in refusal ? { "Cache-Control": "no-store", Location: refusal.location } : NOT_KEPT;

const NOT_KEPT = { "Cache-Control": "no-store" } as const;

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

const LEVELS = { anonymous: 0, remembered: 1, login: 2 } as const satisfies Record<Level, number>;

const redirectTo = v.optional(
  v.union(
    [
      v.pipe(v.string(), v.minLength(1)),
      v.custom<(path: string, asked: AskedFor) => string>((value) => typeof value === "function"),
    ],
    "must be a path or a function that gives one",
  ),
);
const origin = v.optional(
  v.union(
    [v.literal(false), v.strictObject({ allowed: allowedOrigins })],
    'must be false or { allowed } with a list of origins, such as "https://admin.example.com"',
  ),
);
const loginOptions = v.strictObject({ redirectTo, origin });
const freshOptions = v.strictObject({
  redirectTo,
  origin,
  within: positiveDuration(', such as 600000 or "10m"'),
});

/** Signed in, remembered ones included. */
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

/** A credential was proved that recently, which a remembered visitor never did. */
export function freshGuard(options: FreshOptions): Guard {
  const { within, ...given } = checkedOptions("requireFresh", freshOptions, options);
  return guard((session) => session.isFresh({ within }), CONFIRM, given);
}

/** One request of a session at a time, from here until the response begins. */
export function exclusiveTurn(options: LockOptions = {}): Turn {
  const limits = resolveLimits("exclusive", options);
  return async (found) => {
    const { [ofGuards]: session = found } = found as { [ofGuards]?: ExclusiveSession };
    if (typeof session.exclusive === "function") return session.exclusive(limits);
    throw new PsessionError(
      "invalid_options",
      "exclusive() needs the locks of a psession store: with another store behind psession/express-session there are none.",
    );
  };
}

const SIGN_IN = { code: "login_required", message: "Please sign in first." } as const;
const PROVE = { code: "level_required", message: "Please enter your password first." } as const;
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
    if (holds(session)) {
      session.noteGuard?.();
      return undefined;
    }
    if (redirectTo !== undefined && wantsPage(header)) {
      const isPage = method === "GET" || method === "HEAD";
      const asked = { method, path: own(path) };
      const back = isPage ? asked.path : pageBefore(header("referer"), origin);
      return { status: 303, location: addressBy(redirectTo, back, asked) };
    }
    return session.isSignedIn
      ? { status: 403, body: { error: refusal } }
      : { status: 401, body: { error: SIGN_IN } };
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

/** Where a form stands, by what the browser says of pages of this host; their scheme may be known to a proxy only. */
function pageBefore(referer: unknown, origin: string): string {
  const page = typeof referer === "string" ? URL.parse(referer) : null;
  const isOurs = page !== null && page.host !== "" && page.host === URL.parse(origin)?.host;
  return isOurs ? own(page.pathname + page.search) : "/";
}

/** Scheme and authority, in the form that requests to a proxy have (RFC 9112 section 3.2.2). */
const AUTHORITY = /^[a-z][a-z0-9+.-]*:\/\/[^/?#\\]*/i;
/** What a header cannot hold: Node refuses it, and a line break would begin another header. */
const UNSENDABLE = /[^!-~]/gu;
/** A backslash as well, which browsers take for a slash. */
const UNSAFE_IN_PATH = /[^!-~]|\\/gu;

/**
 * As a place to come back to: a path of this site, whatever the target was. "//evil.example" would be another site
 * (CWE-601), and so would "/\t/evil.example", as browsers drop tabs and line breaks.
 */
const own = (target: string): string =>
  `/${encoded(target.replace(AUTHORITY, "").replace(/^[/\\\s]+/, ""), UNSAFE_IN_PATH)}`;

const encoded = (text: string, which: RegExp): string =>
  text.toWellFormed().replace(which, (found) => (found === " " ? "%20" : encodeURIComponent(found)));

/** Navigations ask for HTML, and so do scripts that put pages into pages; those for data do not. */
function wantsPage(header: GuardedRequest["header"]): boolean {
  return String(header("accept") ?? "").includes("text/html");
}
