import { randomUUID } from "node:crypto";
import type { Events } from "../events.ts";
import type { Settings } from "../options/settings.ts";
import type { AuditSink } from "../stores/audit.ts";
import { PRUNE_LOCK, type PruneResult, type Store } from "../stores/store.ts";
import type { ClockWatch } from "./clock-watch.ts";

const HOUR = 3_600_000;

interface Core {
  readonly settings: Settings;
  readonly events: Events;
  readonly clocks: ClockWatch;
}

/** How many rows went: of sessions, remembered logins, and the audit trail. */
export interface Pruned extends PruneResult {
  readonly audit: number;
  /** Addresses that were forgotten, by the option `privacy.keepAddresses`. */
  readonly addresses: number;
}

/**
 * Deletes rows past their deadline, from time to time and in chunks, so that nothing waits for it. Processes
 * that share a store take turns: one of them per interval. The timer never holds the process open. By a clock that is
 * wrong nothing is deleted: what is gone does not come back when the clock does.
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
      if (!(await this.#core.clocks.compare())) return undefined;
      if (!(await claimPrune(store, clock.now(), prune.every))) return undefined;
      return await this.prune(await this.#claimAddresses());
    } catch (error) {
      this.#core.events.emit("storeUnavailable", { at: clock.now(), error });
      return undefined;
    }
  }

  /** On demand. Claimed as well: other processes need not prune right after, and `doctor` sees that pruning happens. */
  async pruneNow(): Promise<Pruned> {
    const { store, clock, prune } = this.#core.settings;
    if (!(await this.#core.clocks.compare())) return NOTHING_PRUNED;
    await notePrune(store, clock.now(), prune?.every);
    return this.prune();
  }

  async prune(forgetsAddresses = true): Promise<Pruned> {
    const { settings, events } = this.#core;
    const now = settings.clock.now();
    const chunk = settings.prune?.chunk ?? 1000;
    const keepAddresses = forgetsAddresses ? settings.privacy.keepAddresses : undefined;
    let pruned = NOTHING_PRUNED;
    for await (const deleted of pruneInChunks({ ...settings, keepAddresses }, now, chunk)) {
      pruned = plus(pruned, deleted);
      if (this.#isStopped) break;
    }
    if (Object.values(pruned).some((count) => count > 0)) events.emit("pruned", { at: now, ...pruned });
    return pruned;
  }

  /** It reads through all that there is, so one process does it, and rarely. */
  async #claimAddresses(): Promise<boolean> {
    const { store, clock, privacy } = this.#core.settings;
    if (privacy.keepAddresses === undefined) return false;
    const now = clock.now();
    const lock = {
      name: "psession/addresses",
      owner: randomUUID(),
      now,
      until: now + HOUR,
      longest: 2 * HOUR,
    };
    return store.locks === undefined || (await store.locks.acquire(lock)) !== undefined;
  }
}

/**
 * True for exactly one caller per interval, across all processes that share the store. A claim dated more than an interval
 * ahead (a clock that was wrong) does not block. Without locks each process prunes.
 */
export const claimPrune = (store: Store, now: number, interval: number): Promise<boolean> =>
  takeTurn(store, now, interval, 2 * interval);

/** Takes the turn from any holder: the timers of other processes wait an interval from here, and `doctor` sees it. */
export async function notePrune(store: Store, now: number, interval = HOUR): Promise<void> {
  await takeTurn(store, now, interval, 0);
}

async function takeTurn({ locks }: Store, now: number, interval: number, longest: number): Promise<boolean> {
  const lock = { name: PRUNE_LOCK, owner: randomUUID(), now, until: now + interval, longest };
  return locks === undefined || (await locks.acquire(lock)) !== undefined;
}

interface Places {
  readonly store: Store;
  readonly realm: string;
  /** In milliseconds; undefined where no address is to be forgotten. */
  readonly keepAddresses: number | undefined;
  /** Where audit entries are, and how long they are kept, in milliseconds. */
  readonly audit: { readonly sink: AuditSink; readonly keep: number } | undefined;
}

/** Deletes rows and audit entries past their time, and reports every chunk. */
export async function* pruneInChunks(
  { store, audit, realm, keepAddresses }: Places,
  now: number,
  chunk: number,
): AsyncGenerator<Pruned> {
  yield* untilFewer(chunk, async () => ({ ...NOTHING_PRUNED, ...(await store.prune(now, chunk)) }));
  if (audit !== undefined) {
    const { sink, keep } = audit;
    yield* untilFewer(chunk, async () => ({
      ...NOTHING_PRUNED,
      audit: (await sink.prune?.(now - keep, chunk)) ?? 0,
    }));
  }
  if (keepAddresses === undefined) return;
  for (const keeper of [store, audit?.sink]) {
    let after: string | undefined;
    do {
      const page = { before: now - keepAddresses, realm, after, limit: chunk };
      const forgotten = await keeper?.forgetAddresses?.(page);
      yield { ...NOTHING_PRUNED, addresses: forgotten?.count ?? 0 };
      after = forgotten?.next;
      await new Promise((resolve) => setImmediate(resolve));
    } while (after !== undefined);
  }
}

async function* untilFewer(chunk: number, prune: () => Promise<Pruned>): AsyncGenerator<Pruned> {
  while (true) {
    const deleted = await prune();
    yield deleted;
    if (Object.values(deleted).every((count) => count < chunk)) return;
    // Lets waiting requests through between two chunks.
    await new Promise((resolve) => setImmediate(resolve));
  }
}

export const NOTHING_PRUNED: Pruned = { sessions: 0, logins: 0, audit: 0, addresses: 0 };

export const plus = (a: Pruned, b: Pruned): Pruned => ({
  sessions: a.sessions + b.sessions,
  logins: a.logins + b.logins,
  audit: a.audit + b.audit,
  addresses: a.addresses + b.addresses,
});
