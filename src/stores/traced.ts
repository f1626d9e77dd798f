import { isHeard, type StoreOperation, storeCalls, traced } from "../telemetry/tracing.ts";
import type { Change, EndSelector, LockRequest, Naming, SessionRow, Touch, UserId } from "./store.ts";
import { WrappedStore } from "./wrapped.ts";

/** Publishes each store call on a diagnostics channel; without a subscriber, calls go straight to the store. */
export class TracedStore extends WrappedStore {
  /** Every request comes by here: nothing is made that nobody hears of. */
  override findSession(id: string): Promise<SessionRow | undefined> {
    if (!isHeard(storeCalls)) return super.findSession(id);
    return this.#call("findSession", () => super.findSession(id));
  }

  override findRemembered(id: string) {
    return this.#call("findRemembered", () => super.findRemembered(id));
  }

  override apply(change: Change) {
    return this.#call("apply", () => super.apply(change));
  }

  override touch(touches: readonly Touch[]) {
    return this.#call("touch", () => super.touch(touches));
  }

  override end(selector: EndSelector) {
    return this.#call("end", () => super.end(selector));
  }

  override nameDevice(naming: Naming) {
    return this.#call("nameDevice", () => super.nameDevice(naming));
  }

  override list(userId: UserId) {
    return this.#call("list", () => super.list(userId));
  }

  override prune(now: number, limit: number) {
    return this.#call("prune", () => super.prune(now, limit));
  }

  override claimPrune(now: number, interval: number) {
    return this.#call("claimPrune", () => super.claimPrune(now, interval));
  }

  override acquireLock(lock: LockRequest) {
    return this.#call("acquireLock", () => super.acquireLock(lock));
  }

  override releaseLock(name: string, owner: string) {
    return this.#call("releaseLock", () => super.releaseLock(name, owner));
  }

  #call<T>(operation: StoreOperation, call: () => Promise<T>): Promise<T> {
    if (!isHeard(storeCalls)) return call();
    return traced(storeCalls, { store: this.name, operation }, async () => call());
  }
}
