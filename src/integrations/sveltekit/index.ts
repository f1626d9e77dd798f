import { assertPsession } from "../../checks/given.ts";
import type { SessionData } from "../../data/typing.ts";
import { PsessionError } from "../../errors.ts";
import type { OriginOptions } from "../../http/origin.ts";
import { answerToError } from "../../integration/answer.ts";
import {
  devices as devicesByRequest,
  type FetchDevicesOptions,
} from "../../integration/fetch/device-endpoints.ts";
import {
  devicesPage as devicesPageByRequest,
  type FetchDevicesPageOptions,
} from "../../integration/fetch/devices-page.ts";
import { asked } from "../../integration/fetch/facts.ts";
import { answersKeys } from "../../integration/fetch/keys.ts";
import { checkOptions } from "../../integration/fetch/options.ts";
import { discard, refused, withSettlement } from "../../integration/fetch/response.ts";
import { originGuard } from "../../integration/guards.ts";
import type { Psession } from "../../psession.ts";
import { currentRequest, runInRequest } from "../../request/context.ts";
import type { KitHandle } from "./event.ts";
import { KitExchange, sessionOf } from "./exchange.ts";

export type {
  DevicesPage,
  DevicesPageOptions,
  DevicesPageVisit,
} from "../../integration/devices-page/endpoint.ts";
export type { GetSession } from "../../integration/fetch/lazy-exchange.ts";
export type {
  AskedFor,
  FreshOptions,
  GuardOptions,
  ProofsOptions,
  RequiredProofs,
} from "../../integration/guards.ts";
export type { LockOptions } from "../../upkeep/locks.ts";
export type { KitCookie, KitEvent, KitHandle, SessionLocals } from "./event.ts";
export { guards, type KitGuard, type KitGuards, type KitThrows } from "./guards.ts";

/**
 * A `handle` for src/hooks.server.ts, alone or in `sequence`: gives loads, actions, endpoints and remote functions
 * `await event.locals.getSession()`. A response leaves only when its session is saved, whatever was thrown.
 */
export function sessions<Data extends object = SessionData>(psession: Psession<Data>): KitHandle {
  assertPsession("sessions", psession);
  const byRequest = new WeakMap<object, KitExchange<Data>>();
  // SvelteKit knows scheme and host as the browser sees them.
  const answers = answersKeys(psession, false);

  return async ({ event, resolve }) => {
    const outer = event.isSubRequest ? byRequest.get(currentRequest() ?? event) : undefined;
    const exchange = new KitExchange(psession, event, outer);
    Object.assign(event.locals, { getSession: exchange.getSession });
    // Handles behind this one may replace the request, but not the locals. What a page calls on its own server stays
    // part of the page's request.
    const token = outer?.token ?? event.locals;
    if (outer === undefined) byRequest.set(token, exchange);
    let response: Response;
    try {
      const answering = outer === undefined ? answers(event.request, exchange.getSession) : undefined;
      response = (answering && (await answering)) ?? (await runInRequest(token, () => resolve(event)));
    } catch (thrown) {
      await exchange.settleInJar();
      throw thrown;
    }
    try {
      return withSettlement(response, await exchange.settle());
    } catch (error) {
      discard(response);
      throw error;
    }
  };
}

/** Refuses changes that another site sends in a visitor's name, with 403. Put it before everything else. */
export function originCheck(options: OriginOptions = {}): KitHandle {
  checkOptions("originCheck", options, ["allowed"]);
  const guard = originGuard(options);
  return async ({ event, resolve }) => {
    const refusal = guard(asked(event.request));
    return refusal === undefined ? resolve(event) : refused(refusal);
  };
}

/**
 * For `handleError` of src/hooks.server.ts: a PsessionError keeps its status (503 if the store is down) and headers,
 * where SvelteKit would answer 500. Undefined for other errors and for faults, which are yours to report.
 */
export function errorAnswer({ error, event }: { error: unknown; event: object }): KitError | undefined {
  if (!(error instanceof PsessionError) || error.status === 500) return undefined;
  const { setHeaders } = event as { setHeaders(headers: Record<string, string>): void };
  for (const [name, value] of Object.entries(answerToError(error).headers ?? {})) {
    try {
      setHeaders({ [name]: value });
    } catch {
      // Set by a load already, or the response was made: SvelteKit takes a header once, and this hook must not throw.
    }
  }
  return { status: error.status, message: error.status === 503 ? "Please try again." : error.message };
}

/** What `handleError` gives SvelteKit. */
export interface KitError {
  status: number;
  message: string;
}

/** The user's devices as JSON endpoints (docs/devices.md), behind `sessions`: `sequence(sessions(psession), devices({ path }))`. */
export function devices(options: Omit<FetchDevicesOptions, "trustProxy">): KitHandle {
  const answerFor = devicesByRequest(options);
  return async ({ event, resolve }) =>
    (await answerFor(event.request, () => sessionOf(event))) ?? resolve(event);
}

/** The user's devices as a page (docs/account/devices-page.md), behind `sessions`, as `devices`. */
export function devicesPage(options: Omit<FetchDevicesPageOptions, "trustProxy">): KitHandle {
  const answerFor = devicesPageByRequest(options);
  return async ({ event, resolve }) =>
    (await answerFor(event.request, () => sessionOf(event))) ?? resolve(event);
}
