import { isHeard, type StoreOperation, storeCalls, traced } from "../tracing.ts";
import type { AuditTrail } from "./audit.ts";
import type {
  Change,
  ChangeResult,
  Ended,
  EndSelector,
  LockRequest,
  Naming,
  PruneResult,
  Remembered,
  SessionRow,
  Store,
  StoreAdmin,
  Touch,
  UserEntry,
  UserId,
  UserIdKind,
} from "./store.ts";

/** Every part of a store, so that none is forgotten here that not all of them have. */
type Whole = { readonly [K in keyof Required<Store>]: Store[K] };

/** A store whose calls are told to whoever listens; where nobody does, they are the store's own. */
export class TracedStore implements Whole {
  readonly #store: Store;
  readonly name: string;
  readonly userIds: UserIdKind;

  constructor(store: Store) {
    this.#store = store;
    this.name = store.name;
    this.userIds = store.userIds;
  }

  /** Every request comes by here: nothing is made that nobody hears of. */
  findSession(id: string): Promise<SessionRow | undefined> {
    if (!isHeard(storeCalls)) return this.#store.findSession(id);
    return this.#call("findSession", () => this.#store.findSession(id));
  }

  findRemembered(id: string): Promise<Remembered | undefined> {
    return this.#call("findRemembered", () => this.#store.findRemembered(id));
  }

  apply(change: Change): Promise<ChangeResult> {
    return this.#call("apply", () => this.#store.apply(change));
  }

  touch(touches: readonly Touch[]): Promise<void> {
    return this.#call("touch", () => this.#store.touch(touches));
  }

  end(selector: EndSelector): Promise<readonly Ended[]> {
    return this.#call("end", () => this.#store.end(selector));
  }

  nameDevice(naming: Naming): Promise<boolean> {
    return this.#call("nameDevice", () => this.#store.nameDevice(naming));
  }

  list(userId: UserId): Promise<readonly UserEntry[]> {
    return this.#call("list", () => this.#store.list(userId));
  }

  prune(now: number, limit: number): Promise<PruneResult> {
    return this.#call("prune", () => this.#store.prune(now, limit));
  }

  claimPrune(now: number, interval: number): Promise<boolean> {
    return this.#call("claimPrune", () => this.#store.claimPrune(now, interval));
  }

  acquireLock(lock: LockRequest): Promise<number | undefined> {
    return this.#call("acquireLock", () => this.#store.acquireLock(lock));
  }

  releaseLock(name: string, owner: string): Promise<void> {
    return this.#call("releaseLock", () => this.#store.releaseLock(name, owner));
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

  get migrate(): Store["migrate"] {
    return this.#store.migrate?.bind(this.#store);
  }

  #call<T>(operation: StoreOperation, call: () => Promise<T>): Promise<T> {
    if (!isHeard(storeCalls)) return call();
    return traced(storeCalls, { store: this.name, operation }, async () => call());
  }
}
