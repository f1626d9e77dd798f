import type { Core } from "./request/state.ts";
import type { AuditSink } from "./stores/audit.ts";
import type { PruneResult, Store } from "./stores/store.ts";

/** How many rows went: of sessions, remembered logins, and the audit trail. */
export interface Pruned extends PruneResult {
  readonly audit: number;
}

/**
 * Deletes rows past their deadline, from time to time and in chunks, so that nothing waits for it. Processes
 * that share a store take turns: one of them per interval. The timer never holds the process open.
 */
export class Pruner {
  readonly #core: Core;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<unknown> | undefined;
  #isStopped = false;

  constructor(core: Core) {
    this.#core = core;
  }

  start(): void {
    const { prune } = this.#core.settings;
    if (prune === undefined || this.#isStopped) return;
    // Jittered, so that processes that were started together do not come together.
    const delay = prune.every * (0.5 + Math.random() / 2);
    this.#timer = setTimeout(() => {
      this.#running = this.turn().finally(() => this.start());
    }, delay);
    this.#timer.unref();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  /** One turn of the timer: prunes unless another process did so within the interval. */
  async turn(): Promise<Pruned | undefined> {
    const { store, clock, prune } = this.#core.settings;
    if (prune === undefined) return undefined;
    try {
      if (!(await store.claimPrune(clock.now(), prune.every))) return undefined;
      return await this.prune();
    } catch (error) {
      this.#core.events.emit("storeUnavailable", { at: clock.now(), error });
      return undefined;
    }
  }

  /** On demand. Claimed as well: other processes need not come right after, and `doctor` sees that somebody prunes. */
  async pruneNow(): Promise<Pruned> {
    const { store, clock } = this.#core.settings;
    await store.claimPrune(clock.now(), 1);
    return this.prune();
  }

  async prune(): Promise<Pruned> {
    const { store, clock, audit: trail } = this.#core.settings;
    const chunk = this.#core.settings.prune?.chunk ?? 1000;
    const now = clock.now();
    let sessions = 0;
    let logins = 0;
    let audit = 0;
    for await (const deleted of pruneInChunks(store, now, chunk)) {
      sessions += deleted.sessions;
      logins += deleted.logins;
      if (this.#isStopped) break;
    }
    if (trail !== undefined && !this.#isStopped) {
      for await (const deleted of pruneAudit(trail.sink, now - trail.keep, chunk)) {
        audit += deleted;
        if (this.#isStopped) break;
      }
    }
    const pruned = { sessions, logins, audit };
    if (sessions + logins + audit > 0) this.#core.events.emit("pruned", { at: now, ...pruned });
    return pruned;
  }
}

/** Deletes rows past their deadline, and tells of every chunk. */
export async function* pruneInChunks(store: Store, now: number, chunk: number): AsyncGenerator<PruneResult> {
  while (true) {
    const deleted = await store.prune(now, chunk);
    yield deleted;
    if (deleted.sessions < chunk && deleted.logins < chunk) return;
    // Lets waiting requests through between two chunks.
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Deletes audit entries of before that moment, and tells of every chunk. */
export async function* pruneAudit(sink: AuditSink, before: number, chunk: number): AsyncGenerator<number> {
  while (true) {
    const deleted = (await sink.prune?.(before, chunk)) ?? 0;
    yield deleted;
    if (deleted < chunk) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
}
