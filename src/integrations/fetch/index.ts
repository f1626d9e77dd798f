import { assertPsession } from "../../checks/given.ts";
import type { SessionData } from "../../data/typing.ts";
import { PsessionError, reasonOf } from "../../errors.ts";
import { fetchFacts } from "../../integration/fetch/facts.ts";
import { answersKeys } from "../../integration/fetch/keys.ts";
import { type GetSession, incomingIn, LazyExchange } from "../../integration/fetch/lazy-exchange.ts";
import { checkOptions, type FetchOptions } from "../../integration/fetch/options.ts";
import { canCarryCookies, discard, failed, withSettlement } from "../../integration/fetch/response.ts";
import { watchUpgrade } from "../../integration/fetch/upgrade.ts";
import type { Psession } from "../../psession.ts";
import { runInRequest } from "../../request/context.ts";
import { warn } from "../../telemetry/warnings.ts";

export type {
  DevicesPage,
  DevicesPageOptions,
  DevicesPageVisit,
} from "../../integration/devices-page/endpoint.ts";
export { devices, type FetchDevicesOptions } from "../../integration/fetch/device-endpoints.ts";
export { devicesPage, type FetchDevicesPageOptions } from "../../integration/fetch/devices-page.ts";
export type { FetchOptions } from "../../integration/fetch/options.ts";
export type { ProxyOptions } from "../../integration/forwarded.ts";
export type {
  AskedFor,
  FreshOptions,
  GuardFacts,
  GuardOptions,
  ProofsOptions,
  RequiredProofs,
} from "../../integration/guards.ts";
export type { LockOptions } from "../../upkeep/locks.ts";
export {
  exclusive,
  type FetchGuard,
  forbidImpersonation,
  originCheck,
  requireFresh,
  requireKeyProof,
  requireLevel,
  requireLogin,
  requirePending,
  requireProofs,
} from "./guards.ts";
export {
  type AnswerHeaders,
  type CookieAttributes,
  type CookieJar,
  type JarFacts,
  type JarSession,
  jarSession,
} from "./jar.ts";
export { type RequestSessions, requestSessions } from "./request-sessions.ts";
export type { GetSession };

/** `context`: the other arguments that the server passes to handlers. A response may be thrown as well. */
export type FetchHandler<
  Data extends object,
  Context extends readonly unknown[],
  Answer extends Response | undefined,
> = (request: Request, getSession: GetSession<Data>, ...context: Context) => Answer | Promise<Answer>;

/** How a handler gets its session, and what answers where that fails. */
export interface WithSessionOptions<Context extends readonly unknown[]> extends FetchOptions<Context> {
  /**
   * Answers if the handler threw, or its session could not be saved. If it throws itself, the server gets the error,
   * and nothing is saved. Default: the bare status, 503 if the store failed, and a process warning for errors of the
   * handler.
   */
  onError?:
    | ((error: unknown, request: Request, ...context: Context) => Response | Promise<Response>)
    | undefined;
}

/**
 * A handler of requests that has sessions: `Deno.serve(withSession(psession, async (request, getSession) => …))`.
 * A response leaves only when its session is saved. A handler whose server took over the request may return undefined.
 */
export function withSession<
  Data extends object = SessionData,
  Context extends readonly unknown[] = [],
  Answer extends Response | undefined = Response,
>(
  psession: Psession<Data>,
  handler: FetchHandler<Data, Context, Answer>,
  options: WithSessionOptions<Context> = {},
): (request: Request, ...context: Context) => Promise<Response | Extract<Answer, undefined>> {
  type Answered = Response | Extract<Answer, undefined>;
  assertPsession("withSession", psession);
  checkOptions("withSession", options, ["trustProxy", "address", "onError"]);
  const { trustProxy = false, address, onError = answerBarely } = options;

  const answers = answersKeys(psession, trustProxy);

  return async (request, ...context) => {
    const exchange = new LazyExchange(
      psession,
      (arrivedAt) =>
        fetchFacts(psession.core.settings, request, trustProxy, {
          arrivedAt,
          address: () => address?.(request, ...context),
        }),
      incomingIn(context[0]),
    );
    const isTakenOver = watchUpgrade(request, context[0]);
    const fail = (error: unknown) => onError(error, request, ...context);
    let response: Response | undefined;
    try {
      const answering = answers(request, exchange.getSession);
      response =
        (answering && (await answering)) ??
        (await runInRequest(request, () => handler(request, exchange.getSession, ...context)));
    } catch (thrown) {
      response = thrown instanceof Response ? thrown : await fail(thrown);
    }
    try {
      const settlement = await exchange.settle(() => canCarryCookies(response) && !isTakenOver());
      return (response === undefined ? response : withSettlement(response, settlement)) as Answered;
    } catch (error) {
      discard(response);
      return fail(error);
    }
  };
}

function answerBarely(error: unknown): Response {
  // A status other than 500 needs no repair, or an event reports it. Other errors would be lost without a warning.
  if (!(error instanceof PsessionError && error.status !== 500)) {
    warn("PSESSION_HANDLER", `A handler failed: ${reasonOf(error)}`);
  }
  return failed(error);
}
