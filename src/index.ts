export type { Device } from "./account/devices.ts";
export type { Erased, EraseOptions } from "./account/erasure.ts";
export type {
  ExportedEntry,
  ExportedImpersonation,
  ExportedLogin,
  ExportedPending,
  ExportedSession,
  ExportedTrust,
  UserExport,
} from "./account/export.ts";
export type { OwnAuditEntry } from "./account/own-entries.ts";
export type { Why, WhyCode, WhyQuery } from "./account/why.ts";
export type { Duration } from "./checks/duration.ts";
export type { Codec, DataRecord } from "./data/codec.ts";
export type { StateOptions } from "./data/states.ts";
// As a star, or merging declarations into "psession" would not reach it.
export type * from "./data/typing.ts";
export { PsessionError, type PsessionErrorCode } from "./errors.ts";
export type { EventName, PsessionEvent, PsessionEvents, RequestOrigin } from "./events.ts";
export { answerHeaders } from "./http/answer-headers.ts";
export { serializeCookie } from "./http/cookies.ts";
export { type Hop, type HopFields, type HopOptions, isHopped, sameSiteHop } from "./http/hop.ts";
export { isSameOrigin, type OriginOptions } from "./http/origin.ts";
export type { Caching, KeyRegistration, Settlement } from "./http/settlement.ts";
export {
  type DeviceLimit,
  dangerouslyAllowInsecureHttp,
  type PassiveRequest,
  type PassiveRule,
  type PlaceLookup,
  type PresetName,
  type PsessionOptions,
} from "./options/public.ts";
export type { Actor } from "./protocol/actor.ts";
export type { Clock } from "./protocol/clock.ts";
export type { EndedBecause } from "./protocol/ended.ts";
export type { Outcome } from "./protocol/outcome.ts";
export type { Pending } from "./protocol/pending.ts";
export type { AuthenticationClaims, ProvedMethod } from "./protocol/proofs.ts";
export type { Digest } from "./protocol/secrets.ts";
export { createPsession, type Psession } from "./psession.ts";
export { cameAt } from "./request/arrival.ts";
export type { BeginOptions, CompleteOptions } from "./request/begin.ts";
export type { Carry, Keep, PreviousSession } from "./request/carry.ts";
export { runInRequest } from "./request/context.ts";
export type { Exchange } from "./request/exchange.ts";
export { factsOf, isPassive, type RequestFacts, type Transport } from "./request/facts.ts";
export type { ImpersonationOptions } from "./request/impersonation.ts";
export type { Freshness, LoginOptions, LoginResult, ProofOptions } from "./request/intents.ts";
export type { EndsAt } from "./request/lifetime.ts";
export type { TrustOptions } from "./request/trust.ts";
export type { Session } from "./session.ts";
export { sharedPsession } from "./shared-psession.ts";
export type {
  AddressPage,
  AddressResult,
  AuditEntry,
  AuditErasure,
  AuditQuery,
  AuditSink,
  AuditTrail,
} from "./stores/audit.ts";
export { type MemoryStoreOptions, memoryStore } from "./stores/memory/index.ts";
export type * from "./stores/store.ts";
export type {
  BatchFacts,
  ChangeKind,
  CommitContext,
  OpenContext,
  StoreContext,
  StoreOperation,
} from "./telemetry/tracing.ts";
export type { HeldLock, LockOptions } from "./upkeep/locks.ts";
export type { Pruned } from "./upkeep/prune.ts";
