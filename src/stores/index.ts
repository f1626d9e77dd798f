/**
 * For stores of one's own: the interface, what its conditions say of rows that were read, and the checks that all stores
 * share. `storeContract` of `psession/testing/contracts` holds a store to the interface.
 */

export { assertUserId } from "../checks/user-id.ts";
export { type Digest, sameDigest, shardKeyOf } from "../protocol/secrets.ts";
export type {
  AddressPage,
  AddressResult,
  AuditEntry,
  AuditErasure,
  AuditQuery,
  AuditTrail,
} from "./audit.ts";
export { type Performers, performed } from "./changes.ts";
export {
  deadlineOf,
  excessOf,
  isMeant,
  isSpared,
  lastUse,
  type Spared,
  sparedBy,
  targetOf,
} from "./devices.ts";
export { endsDevice, endsLogin, endsSession } from "./endings.ts";
export { erasedEntry, erasureName, erasuresOf, namesUser, unerased } from "./erasure.ts";
export {
  type ConditionalDatabase,
  type KeyValueDatabase,
  optimistic,
  type Range,
  storeOver,
  type Transaction,
} from "./kit/index.ts";
export { isHeld, type Lock, lastTaken } from "./locks.ts";
export type * from "./store.ts";
export { PRUNE_LOCK } from "./store.ts";
