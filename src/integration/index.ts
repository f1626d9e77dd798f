/*
 * Parts for integrations. docs/frameworks/your-own.md builds one from beginning to end; the HTTP contract of
 * psession/testing/contracts tests it like the others.
 */
export { assertPsession } from "../checks/given.ts";
export { headersOfError, statusOf } from "../errors.ts";
export { cacheHeaders } from "../http/caching.ts";
export { serializeCookie } from "../http/cookies.ts";
export { isSameOrigin, type OriginOptions } from "../http/origin.ts";
export type { Caching, Settlement } from "../http/settlement.ts";
export { cameAt } from "../request/arrival.ts";
export { runInRequest } from "../request/context.ts";
export type { Exchange } from "../request/exchange.ts";
export { factsOf, isPassive, type RequestFacts, type Transport } from "../request/facts.ts";
export {
  BodyTooLarge,
  belowMount,
  type DevicesAnswer,
  type DevicesEndpoint,
  type DevicesOptions,
  type DevicesRequest,
  devicesEndpoint,
  LONGEST_BODY,
} from "./device-endpoints.ts";
export { fetchFacts, headerOf, pathOf } from "./fetch/facts.ts";
export { LazyExchange } from "./fetch/lazy-exchange.ts";
export { failed, refused, withSettlement } from "./fetch/response.ts";
export {
  CROSS_SITE,
  exclusiveTurn,
  type FreshOptions,
  freshGuard,
  type Guard,
  type GuardedRequest,
  type GuardOptions,
  headersOf,
  levelGuard,
  loginGuard,
  type ProofsOptions,
  pendingGuard,
  personGuard,
  proofsGuard,
  type Refusal,
  type RequiredProofs,
  type Turn,
} from "./guards.ts";
export { noSession } from "./no-session.ts";
export { runInNodeRequest } from "./node/arrivals.ts";
export { answersDevices } from "./node/device-endpoints.ts";
export { type NodeOptions, nodeFacts, visibleOrigin } from "./node/facts.ts";
export type { NodeRequest } from "./node/messages.ts";
export { type OpenOptions, openHeld } from "./node/open.ts";
export { answerError, answerRefusal } from "./node/send.ts";
