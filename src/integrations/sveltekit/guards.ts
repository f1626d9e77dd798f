import * as v from "valibot";
import { checkedOptions } from "../../checks/faults.ts";
import type { SessionData } from "../../data/typing.ts";
import { asked, pathOf } from "../../integration/fetch/facts.ts";
import {
  exclusiveTurn,
  type FreshOptions,
  type Guard,
  type GuardOptions,
  guardsBy,
  type KeyProofOptions,
  type ProofsOptions,
  pageBefore,
  type RefusalBody,
  type RequiredProofs,
} from "../../integration/guards.ts";
import type { Session } from "../../session.ts";
import type { Level } from "../../stores/store.ts";
import type { LockOptions } from "../../upkeep/locks.ts";
import type { KitEvent } from "./event.ts";
import { sessionOf } from "./exchange.ts";

/** The functions of @sveltejs/kit that throw. `error` gets `{ code }` as a third argument as well. */
export interface KitThrows {
  error(status: number, message: string): never;
  redirect(status: 303 | 307, location: string): never;
}

/** `await guard(event)` gives the session, or throws SvelteKit's redirect or error. */
export type KitGuard = (
  event: Pick<KitEvent, "request" | "locals" | "isDataRequest" | "isRemoteRequest">,
) => Promise<Session>;

/** The guards, for loads, actions, endpoints, remote functions and handles. */
export interface KitGuards {
  /** Lets signed-in users through, remembered ones included. Others get the redirect, or 401. */
  requireLogin(options?: GuardOptions): KitGuard;
  /** Lets visitors of at least that level through. Others: the redirect, or 403 (401 where nobody is signed in). */
  requireLevel(level: Level, options?: GuardOptions): KitGuard;
  /** Lets users through who proved a credential that recently. Others: the redirect, or 403 (or 401). */
  requireFresh(options: FreshOptions): KitGuard;
  /**
   * Lets users through who have proved all of these methods since they signed in, or reach that assurance level;
   * `within`: that recently. Others: the redirect, or 403 (401 where nobody is signed in).
   */
  requireProofs(required: RequiredProofs, options?: ProofsOptions): KitGuard;
  /**
   * Lets users through whose browser has proved that recently that it holds the key of their session (option
   * `deviceBound`). One that holds it proves it on the way, by a redirect to the same address (307). Others: the redirect,
   * or 403 (or 401).
   */
  requireKeyProof(options: KeyProofOptions): KitGuard;
  /** Lets visitors through whose sign-in has begun (`session.begin`), for the page of the second factor. Others: the redirect, or 401. */
  requirePending(options?: GuardOptions): KitGuard;
  /** Lets nobody through who acts as another user (`session.impersonate`). Others: the redirect, or 403. */
  forbidImpersonation(options?: GuardOptions): KitGuard;
  /**
   * Lets one request of a session through at a time: waits until the responses of earlier requests have left. Throws
   * `lock_timeout` (503) after waiting too long, `session_ended` (401) if the visitor was signed out meanwhile.
   */
  exclusive(options?: LockOptions): KitGuard;
}

const aFunction = v.custom<never>((value) => typeof value === "function", "must be SvelteKit's function");
const THROWS = v.strictObject({ error: aFunction, redirect: aFunction });

/**
 * The guards, which throw by the two functions of @sveltejs/kit: `guards({ error, redirect })`. They have to be the
 * application's own: a production build contains its copy of SvelteKit, which does not recognise what the copy in
 * node_modules throws.
 */
export function guards(throws: KitThrows): KitGuards {
  const { error, redirect } = checkedOptions("guards", THROWS, throws) as KitThrows;
  const made =
    (guard: Guard): KitGuard =>
    async (event) => {
      const session = await sessionOf(event);
      const refusal = guard({ session, ...askedOf(event) });
      if (refusal === undefined) return session;
      // The answer is SvelteKit's, and no cache may keep it: it is wrong from the next sign-in on.
      session.noteGuard();
      return "location" in refusal
        ? redirect(refusal.status, refusal.location)
        : withCode(error, refusal.status, refusal.body.error);
    };
  return {
    ...guardsBy(made),
    exclusive: (options = {}) => {
      const turn = exclusiveTurn(options);
      return async (event) => {
        const session = (await sessionOf(event)) as Session<SessionData>;
        await turn(session);
        return session;
      };
    },
  };
}

/** SvelteKit's type allows the third argument only where `App.Error` declares a `code`; its function takes it always. */
function withCode(error: KitThrows["error"], status: number, { code, message }: RefusalBody["error"]): never {
  return (error as (status: number, message: string, more: { code: string }) => never)(status, message, {
    code,
  });
}

function askedOf(event: Parameters<KitGuard>[0]) {
  const { request } = event;
  const { header, method, origin } = asked(request);
  const isRemote = event.isRemoteRequest === true;
  // SvelteKit's scripts ask for JSON, and follow a redirect as the browser does for a page.
  const isPage = event.isDataRequest || isRemote || header("x-sveltekit-action") === "true";
  return {
    method,
    origin,
    header: isPage ? (name: string) => (name === "accept" ? "text/html" : header(name)) : header,
    path: isRemote ? pageBefore(header("referer"), origin) : pathOfPage(event),
  };
}

const DATA = /(?:\/__data\.json|\.html__data\.json)$/;
const INTERNAL = ["x-sveltekit-invalidated", "x-sveltekit-trailing-slash"];

/** Path and query of the page: those of the request for its data have more, and `event.url` cannot be read in queries. */
function pathOfPage({ request, isDataRequest }: Pick<KitEvent, "request" | "isDataRequest">): string {
  if (!isDataRequest) return pathOf(request);
  const url = new URL(request.url);
  url.pathname = url.pathname.replace(DATA, (found) => (found.startsWith(".html") ? ".html" : "")) || "/";
  for (const name of INTERNAL) url.searchParams.delete(name);
  return url.pathname + url.search;
}
