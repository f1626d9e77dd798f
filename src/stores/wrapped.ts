import type { AuditTrail } from "./audit.ts";
import type {
  Change,
  ChangeResult,
  Ended,
  EndSelector,
  ListedEntry,
  LockRequest,
  Naming,
  PruneResult,
  Remembered,
  SessionRow,
  Store,
  StoreAdmin,
  Touch,
  UserId,
  UserIdKind,
} from "./store.ts";

/** Every part of a store, so that none is forgotten here that not all of them have. */
type Whole = { readonly [K in keyof Required<Store>]: Store[K] };

/** Stands before a store and hands everything on: what does something to a store's calls overrides those. */
export abstract class WrappedStore implements Whole {
  readonly #store: Store;
  readonly name: string;
  readonly userIds: UserIdKind;

  constructor(store: Store) {
    this.#store = store;
    this.name = store.name;
    this.userIds = store.userIds;
  }

  findSession(id: string): Promise<SessionRow | undefined> {
    return this.#store.findSession(id);
  }

  findRemembered(id: string): Promise<Remembered | undefined> {
    return this.#store.findRemembered(id);
  }

  apply(change: Change): Promise<ChangeResult> {
    return this.#store.apply(change);
  }

  touch(touches: readonly Touch[]): Promise<void> {
    return this.#store.touch(touches);
  }

  end(selector: EndSelector): Promise<readonly Ended[]> {
    return this.#store.end(selector);
  }

  nameDevice(naming: Naming): Promise<boolean> {
    return this.#store.nameDevice(naming);
  }

  list(userId: UserId): Promise<readonly ListedEntry[]> {
    return this.#store.list(userId);
  }

  prune(now: number, limit: number): Promise<PruneResult> {
    return this.#store.prune(now, limit);
  }

  claimPrune(now: number, interval: number): Promise<boolean> {
    return this.#store.claimPrune(now, interval);
  }

  acquireLock(lock: LockRequest): Promise<number | undefined> {
    return this.#store.acquireLock(lock);
  }

  releaseLock(name: string, owner: string): Promise<void> {
    return this.#store.releaseLock(name, owner);
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  get audit(): AuditTrail | undefined {
    return this.#store.audit;
  }

  get admin(): StoreAdmin | undefined {
    return this.#store.admin;
  }

  get clock(): Store["clock"] {
    return this.#store.clock?.bind(this.#store);
  }

  get migrate(): Store["migrate"] {
    return this.#store.migrate?.bind(this.#store);
  }
}
