import { AsyncLocalStorage } from "node:async_hooks";
import { assertFunction, assertPsession } from "../../checks/given.ts";
import type { SessionData } from "../../data/typing.ts";
import { PsessionError, type PsessionErrorCode } from "../../errors.ts";
import { isSameOrigin } from "../../http/origin.ts";
import { pathOf } from "../../integration/fetch/facts.ts";
import { fillJar } from "../../integration/fetch/fill-jar.ts";
import { LazyExchange } from "../../integration/fetch/lazy-exchange.ts";
import {
  canCarryCookies,
  discard,
  failed,
  refused,
  withSettlement,
} from "../../integration/fetch/response.ts";
import {
  CROSS_SITE,
  type FreshOptions,
  type GuardOptions,
  guardsBy,
  type KeyProofOptions,
  type ProofsOptions,
  type Refusal,
  type RequiredProofs,
} from "../../integration/guards.ts";
import type { Psession } from "../../psession.ts";
import { enterRequest, runInRequest } from "../../request/context.ts";
import { Session } from "../../session.ts";
import type { Level } from "../../stores/store.ts";
import { withOffer } from "./offer.ts";
import { checkedNextOptions, checkedRouteOptions, type NextOptions, type RouteOptions } from "./options.ts";
import { runProxy } from "./proxy.ts";
import { ComponentSession, type ReadSession } from "./read-session.ts";
import { factsOfNext, originOfNext, readVisit, type SeenRequest } from "./visit.ts";

export type { OriginOptions } from "../../http/origin.ts";
export type { ProxyOptions } from "../../integration/forwarded.ts";
export type {
  AskedFor,
  FreshOptions,
  GuardOptions,
  KeyProofOptions,
  ProofsOptions,
  RequiredProofs,
} from "../../integration/guards.ts";
export type { NextOptions, RouteOptions } from "./options.ts";
export type { DeepReadonly, ReadSession } from "./read-session.ts";

/**
 * Lets a request go on, with its session, or ends it: by the redirect, by `unauthorized()` or `forbidden()`, and in a
 * route handler by the status and JSON. Await it first in a page, an action or a route handler.
 */
export type NextGuard<Data extends object = SessionData> = () => Promise<ReadSession<Data>>;

/** What an application takes from `sessions`, once, in a module of its own. */
export interface NextSessions<Data extends object> {
  /**
   * For `proxy.ts`, or `middleware.ts` of Next 15.5 with the Node runtime. It brings remembered visitors back before their
   * page is rendered, and hands the new cookies to the browser and to the components of the same request.
   */
  proxy(request: Request): Promise<Response>;
  /**
   * The session in a server component, the same one throughout a request. What changes it throws `read_only`. In an action
   * or a route handler: the session that those get, to be read.
   */
  getSession(): Promise<ReadSession<Data>>;
  /**
   * A server action that has the session as its first argument. What it changed is saved, and its cookies are set, also
   * where it throws, as `redirect()` and `notFound()` do.
   */
  action<Given extends unknown[], Result>(
    work: (session: Session<Data>, ...given: Given) => Result | Promise<Result>,
  ): (...given: Given) => Promise<Result>;
  /** A route handler that has the session as its second argument; otherwise as `action`. Responses may be thrown too. */
  route<R extends Request = Request, Context = unknown>(
    work: (request: R, session: Session<Data>, context: Context) => Response | Promise<Response>,
    options?: RouteOptions,
  ): (request: R, context: Context) => Promise<Response>;
  /** Lets signed-in users through, remembered ones included. */
  requireLogin(options?: GuardOptions): NextGuard<Data>;
  /** Lets visitors of at least that level through. */
  requireLevel(level: Level, options?: GuardOptions): NextGuard<Data>;
  /** Lets users through who proved a credential that recently. */
  requireFresh(options: FreshOptions): NextGuard<Data>;
  /** Lets users through who have proved all of these methods since they signed in, or reach that assurance level. */
  requireProofs(required: RequiredProofs, options?: ProofsOptions): NextGuard<Data>;
  /**
   * Lets users through whose browser has proved that recently that it holds the key of their session (option
   * `deviceBound`). One that holds it proves it on the way back to the page; a route handler is asked again, with its body.
   * After an action its page comes anew, and the form is to be sent again.
   */
  requireKeyProof(options: KeyProofOptions): NextGuard<Data>;
  /** Lets visitors through whose sign-in has begun, for the page of the second factor. */
  requirePending(options?: GuardOptions): NextGuard<Data>;
  /** Lets nobody through who acts as another user. */
  forbidImpersonation(options?: GuardOptions): NextGuard<Data>;
}

/** An action or a route handler that is running. */
interface Running {
  readonly psession: unknown;
  readonly seen: SeenRequest;
  readonly session: unknown;
  readonly isRoute: boolean;
}

/** What a request has opened, by what `headers()` gives: one object for as long as a request lasts. */
interface Opened {
  /** Of the action that ran in this request: what is rendered after it shows what it did. */
  written?: LazyExchange<object>;
  read?: Promise<Session<object>>;
}

const running = new AsyncLocalStorage<Running>();
const requests = new WeakMap<object, WeakMap<object, Opened>>();

/** Everything that an application of Next's App Router needs, for one psession. */
export function sessions<Data extends object = SessionData>(
  psession: Psession<Data>,
  given: NextOptions = {},
): NextSessions<Data> {
  assertPsession("sessions", psession);
  const options = checkedNextOptions(given);

  const openedIn = (headers: Headers): Opened => {
    const ours: WeakMap<object, Opened> = requests.get(psession) ?? new WeakMap();
    requests.set(psession, ours);
    const opened = ours.get(headers) ?? {};
    ours.set(headers, opened);
    return opened;
  };

  const current = () => {
    const found = running.getStore();
    return found?.psession === psession ? found : undefined;
  };

  const seenBy = (headers: Headers, method: string, path: string, token: object = headers): SeenRequest => {
    const { clock, keys } = psession.core.settings;
    const visit = readVisit(headers, keys);
    const seen = visit ?? { arrivedAt: clock.now(), method, path, basePath: "" };
    return { ...seen, headers, token, hasPassed: visit !== undefined };
  };

  const read = async (headers: Headers): Promise<Session<Data>> => {
    const { settings } = psession.core;
    const facts = factsOfNext(settings, seenBy(headers, "GET", "/"), options);
    // Without the proxy this is a prefetch, which shows nobody anything yet: messages wait.
    const isAhead = readVisit(headers, settings.keys) === undefined;
    const exchange = psession.exchange(
      { ...facts, canSetCookies: false, ahead: isAhead ? "prefetch" : facts.ahead },
      (state) => new ComponentSession<Data>(state, settleLater),
    );
    let isSettling = false;
    const settleLater = () => {
      if (isSettling) return;
      isSettling = true;
      // A message is deleted when it was shown, and components do not see when that is.
      void import("next/server").then(({ after }) =>
        after(async () => void (await exchange.commit({ canSetCookies: false, savesAfterHead: true }))),
      );
    };
    return exchange.open();
  };

  const getSession = async (): Promise<ReadSession<Data>> => {
    const inside = current();
    if (inside !== undefined) return inside.session as ReadSession<Data>;
    const { headers } = await import("next/headers");
    const head = await headers();
    const opened = openedIn(head);
    opened.read ??=
      opened.written === undefined
        ? (read(head) as Promise<Session<object>>)
        : opened.written
            .getSession()
            .then((session) => new ComponentSession<object>(Session.stateOf(session), () => {}));
    enterRequest(head);
    return (await opened.read) as unknown as ReadSession<Data>;
  };

  /** Runs `work` with a session that may be changed; `settle` saves and says what the answer needs. */
  const opening = async (seen: SeenRequest, isRoute: boolean) => {
    const { settings } = psession.core;
    const exchange = new LazyExchange(psession, () => factsOfNext(settings, seen, options));
    openedIn(seen.headers).written = exchange as unknown as LazyExchange<object>;
    return {
      run: <R>(work: (session: Session<Data>) => R | Promise<R>): Promise<R> =>
        runInRequest(seen.token, async () => {
          const session = await exchange.getSession();
          return running.run({ psession, seen, session, isRoute }, () => work(session));
        }),
      settle: (canSetCookies: boolean) => exchange.settle(() => canSetCookies),
    };
  };

  const action: NextSessions<Data>["action"] = (work) => {
    assertFunction("action: work", work);
    return async (...values) => {
      const inside = current();
      // One action that calls another: the outer one saves.
      if (inside !== undefined) return work(inside.session as Session<Data>, ...values);
      const { headers } = await import("next/headers");
      const head = await headers();
      const { run, settle } = await opening(seenBy(head, "POST", "/"), false);
      try {
        return await run((session) => work(session, ...values));
      } finally {
        // Where this fails, it takes the place of a redirect: nobody is to be told that it was saved.
        await intoJar(withOffer(await settle(true), psession.core.settings));
      }
    };
  };

  const route: NextSessions<Data>["route"] = (work, ofRoute = {}) => {
    assertFunction("route: work", work);
    const { origin: allowed = {} } = checkedRouteOptions(ofRoute);
    return async (request, context) => {
      const { headers } = await import("next/headers");
      const head = await headers();
      const seen = seenBy(head, request.method, pathOf(request), request);
      const asked = { method: request.method, header: headerOf(head), origin: originOf(head) };
      if (allowed !== false && !isSameOrigin(asked, allowed)) return refused(CROSS_SITE);
      const { run, settle } = await opening(seen, true);
      let response: Response | undefined;
      let thrown: unknown;
      try {
        response = await run((session) => work(request, session, context));
      } catch (error) {
        if (error instanceof Response) response = error;
        else thrown = error;
      }
      // Next answers other errors without the cookies of its jar, so nothing may happen that needs one, such as a sign-in.
      if (response === undefined && !(await isOfNext(thrown))) {
        if (!(thrown instanceof PsessionError && thrown.status !== 500)) {
          await settle(false).catch(() => {});
          throw thrown;
        }
        response = failed(thrown);
      }
      try {
        const settlement = await settle(response === undefined || canCarryCookies(response));
        if (response !== undefined) return withSettlement(response, settlement);
        await intoJar(withOffer(settlement, psession.core.settings));
      } catch (error) {
        discard(response);
        return failed(error);
      }
      throw thrown;
    };
  };

  /** Where the proxy takes the short cookie away, which a page cannot. Next puts `basePath` before it. */
  const proveAt = (basePath: string, path: string): string => {
    const endpoints = psession.core.settings.deviceBound?.path ?? "";
    const here = endpoints.startsWith(`${basePath}/`) ? endpoints.slice(basePath.length) : endpoints;
    return `${here}/prove?${new URLSearchParams({ to: basePath + path })}`;
  };

  const originOf = (headers: Headers) => originOfNext(headers, options.trustProxy);

  const guards = guardsBy<NextGuard<Data>>((guard) => async () => {
    const session = await getSession();
    const inside = current();
    const { headers } = await import("next/headers");
    const head = inside?.seen.headers ?? (await headers());
    const { method, path, basePath } = inside?.seen ?? seenBy(head, "GET", "/");
    // Next's router asks for the data of a page, and takes a redirect as an answer.
    const header = inside?.isRoute === true ? headerOf(head) : forPages(head);
    const refusal = guard({ session: session as never, header, method, path, origin: originOf(head) });
    if (refusal === undefined) return session;
    if (inside?.isRoute === true) throw refused(below(basePath, refusal));
    const isAskedForKey = inside === undefined && refusal.status === 307;
    return refuse(
      isAskedForKey ? { ...refusal, location: proveAt(basePath, refusal.location) } : refusal,
      options,
    );
  });

  return {
    proxy: (request) => runProxy(psession, request, options),
    getSession,
    action,
    route,
    ...guards,
  };
}

/** Next puts `basePath` before the paths of `redirect()`, but not before those in responses of handlers. */
const below = (basePath: string, refusal: Refusal): Refusal =>
  "location" in refusal && /^\/(?!\/)/.test(refusal.location)
    ? { ...refusal, location: basePath + refusal.location }
    : refusal;

const headerOf = (headers: Headers) => (name: string) => headers.get(name) ?? undefined;

const forPages = (headers: Headers) => (name: string) =>
  name === "accept" ? "text/html" : (headers.get(name) ?? undefined);

/** Next puts what its jar has onto whatever answer follows, redirects and error pages included. */
async function intoJar(lines: readonly string[]): Promise<void> {
  if (lines.length === 0) return;
  const { cookies } = await import("next/headers");
  const jar = await cookies();
  await fillJar(lines, (name, value, attributes) => jar.set(name, value, attributes));
}

const CODES: Readonly<Record<string, PsessionErrorCode>> = {
  cross_site: "cross_site",
  impersonating: "impersonating",
  nothing_pending: "nothing_pending",
  login_required: "not_signed_in",
};

/** What `redirect()`, `notFound()` and the like throw. */
async function isOfNext(thrown: unknown): Promise<boolean> {
  const { unstable_rethrow: rethrowOwn } = await import("next/navigation");
  try {
    rethrowOwn(thrown);
    return false;
  } catch {
    return true;
  }
}

/** Ends a page or an action. */
async function refuse(refusal: Refusal, { unauthorized, forbidden }: NextOptions): Promise<never> {
  if ("location" in refusal) {
    const { redirect } = await import("next/navigation");
    return redirect(refusal.location);
  }
  const { status, body } = refusal;
  if (status === 401) unauthorized?.();
  else forbidden?.();
  const { code, message } = body.error;
  throw new PsessionError(CODES[code] ?? "proof_outdated", message, { status });
}
