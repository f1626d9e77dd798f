import { PsessionError } from "../errors.ts";
import type { LockRequest, Store, StoreLocks } from "./store.ts";

/** A lock as it is kept. Without an owner it was given back; its fence stays. */
export interface Lock {
  readonly owner: string;
  readonly until: number;
  readonly fence: number;
}

/** Whether another owner's lock keeps a request from taking it. */
export const isHeld = ({ owner, until }: Lock, { now, longest }: LockRequest): boolean =>
  owner !== "" && until > now && (longest === undefined || until <= now + longest);

/** When a lock was last taken; a fence may run ahead where a clock once did. */
export const lastTaken = (lock: Lock | undefined): number | undefined =>
  lock && Math.min(lock.fence, lock.until);

/** Throws `no_locks` where a store has none. */
export function locksOf({ name, locks }: Store): StoreLocks {
  if (locks !== undefined) return locks;
  throw new PsessionError("no_locks", `The ${name} store keeps no locks, which this asks for.`);
}
