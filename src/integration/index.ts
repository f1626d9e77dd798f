/*
 * Parts for integrations. docs/frameworks/your-own.md builds one from beginning to end; the HTTP contract of
 * psession/testing/contracts tests it like the others.
 */
export { assertPsession } from "../checks/given.ts";
export { headersOfError, statusOf } from "../errors.ts";
export { answerHeaders } from "../http/answer-headers.ts";
export { serializeCookie } from "../http/cookies.ts";
export { isSameOrigin, type OriginOptions } from "../http/origin.ts";
export type { Caching, KeyRegistration, Settlement } from "../http/settlement.ts";
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
  isMount,
  LONGEST_BODY,
} from "./device-endpoints.ts";
export {
  type DevicesPage,
  type DevicesPageAnswer,
  type DevicesPageEndpoint,
  type DevicesPageOptions,
  type DevicesPageRequest,
  type DevicesPageVisit,
  devicesPageEndpoint,
} from "./devices-page/endpoint.ts";
export { type FormFields, parseForm, readForm } from "./devices-page/form.ts";
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
  type KeyProofOptions,
  keyProofGuard,
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
export { type KeyRequest, keyEndpoints } from "./key-endpoints.ts";
export { noSession } from "./no-session.ts";
export { runInNodeRequest } from "./node/arrivals.ts";
export { answersDevices } from "./node/device-endpoints.ts";
export { answersDevicesPage } from "./node/devices-page.ts";
export { type NodeOptions, nodeFacts, visibleOrigin } from "./node/facts.ts";
export { answersKeys } from "./node/keys.ts";
export type { NodeRequest } from "./node/messages.ts";
export { type OpenOptions, openHeld } from "./node/open.ts";
export { answerError, answerRefusal } from "./node/send.ts";
export { type Describe, extendedState, type VisitorState, visitorState } from "./session-state.ts";
