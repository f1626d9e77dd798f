import { PsessionError, reasonOf } from "../../../errors.ts";
import { warn } from "../../../telemetry/warnings.ts";
import { ask, call } from "../call.ts";
import type { CallbackStore } from "../callback-store.ts";
import { hashedId, looksHashed } from "../ids.ts";
import { MemoryOf } from "./memory-of.ts";

/** Limit of each memory of ids: about a megabyte. */
const REMEMBERED_IDS = 10_000;
/** How long a change waits for the one before it, in milliseconds: a store may never answer a call. */
const LONGEST_TURN = 30_000;

type Stored = Record<string, unknown>;

/**
 * The application's own store, with promises, one change at a time per session, and without sessions that this process
 * has ended.
 */
export class PromisedStore {
  readonly #store: CallbackStore;
  readonly #hashes: boolean;
  readonly #limit: number | false | undefined;
  readonly #ended = new MemoryOf<true>(REMEMBERED_IDS);
  readonly #queues = new Map<string, Promise<unknown>>();
  /** The number of the last change of a session, by its name in the store. */
  readonly #changes = new MemoryOf<number>(REMEMBERED_IDS);
  #changed = 0;
  /** The last change whose session is forgotten. */
  #forgotten = 0;
  readonly canTouch: boolean;
  #isTouchFailing = false;
  isConnected = true;

  /** `storeTimeout` is in milliseconds. */
  constructor(
    store: CallbackStore,
    { hashIds, storeTimeout }: { readonly hashIds: boolean; readonly storeTimeout?: number | false },
  ) {
    this.#store = store;
    this.#limit = storeTimeout;
    this.#hashes = hashIds;
    this.canTouch = typeof store.touch === "function";
    store.on?.("disconnect", () => {
      this.isConnected = false;
    });
    store.on?.("connect", () => {
      this.isConnected = true;
    });
  }

  /** Undefined if there is no such session; throws if the store failed. */
  find(id: string): Promise<Stored | undefined> {
    if (this.#hashes) return this.#findHashed(id);
    // A hash out of a leaked table is never accepted as an id.
    return this.#ended.get(id) || looksHashed(id) ? Promise.resolve(undefined) : this.#get(id);
  }

  async #findHashed(id: string): Promise<Stored | undefined> {
    if (this.#ended.get(id)) return undefined;
    const found = await this.#get(hashedId(id));
    if (found !== undefined || looksHashed(id) || (await this.#get(id)) === undefined) return found;
    return this.inTurn(id, () => this.#move(id));
  }

  /** Runs `work` when all other changes of this session are done. Other processes are not waited for. */
  inTurn<T>(id: string, work: () => Promise<T>): Promise<T> {
    const before = this.#queues.get(id);
    // Later in any case, so that changes right after the answer began are stored by the same call.
    const mine = before === undefined ? Promise.resolve().then(work) : patience(before).then(work);
    const leave = () => {
      if (this.#queues.get(id) === settled) this.#queues.delete(id);
    };
    const settled: Promise<void> = mine.then(leave, leave);
    this.#queues.set(id, settled);
    return mine;
  }

  /** Notes all changes of this process: applications call their store as well, and wait for it or not. */
  watch(): void {
    const store = this.#store as unknown as Record<string, unknown>;
    const note = (name: unknown) => this.#note(name);
    for (const method of ["set", "destroy", "clear"]) {
      const original = store[method];
      if (typeof original !== "function") continue;
      store[method] = function (this: unknown, ...values: unknown[]): unknown {
        note(method === "clear" ? undefined : values[0]);
        return Reflect.apply(original, this, values);
      };
    }
  }

  #note(name: unknown): void {
    this.#changed++;
    const forgotten = typeof name === "string" ? this.#changes.set(name, this.#changed) : this.#changed;
    if (forgotten !== undefined) this.#forgotten = forgotten;
  }

  /** For `isUnchanged`, which looks for later changes. */
  get mark(): number {
    return this.#changed;
  }

  isUnchanged(id: string, mark: number): boolean {
    return this.#forgotten <= mark && (this.#changes.get(this.#nameOf(id)) ?? 0) <= mark;
  }

  hasEnded(id: string): boolean {
    return this.#ended.get(id) === true;
  }

  /** For a new session: its id may be that of an ended one. */
  insert(id: string, session: object): Promise<void> {
    this.#ended.delete(id);
    return this.write(id, session);
  }

  write(id: string, session: object): Promise<void> {
    return this.#write((done) => this.#store.set(this.#nameOf(id), session, done));
  }

  async destroy(id: string): Promise<void> {
    this.#ended.set(id, true);
    try {
      await this.#write((done) => this.#store.destroy(this.#nameOf(id), done));
    } catch (error) {
      // The caller gets the error, so the session must live on.
      this.#ended.delete(id);
      throw error;
    }
  }

  /** That a session was used is worth a write, but not an error page where the write fails. */
  async touch(id: string, session: object): Promise<void> {
    if (this.#ended.get(id)) return;
    try {
      await this.#write((done) => this.#store.touch?.(this.#nameOf(id), session, done));
      this.#isTouchFailing = false;
    } catch (error) {
      if (this.#isTouchFailing) return;
      this.#isTouchFailing = true;
      const reason = reasonOf(error instanceof Error ? error.cause : error);
      warn("PSESSION_TOUCH", `Sessions cannot be marked as used; they may end early: ${reason}`);
    }
  }

  #nameOf(id: string): string {
    return this.#hashes ? hashedId(id) : id;
  }

  #get(name: string): Promise<Stored | undefined> {
    return ask<Stored | undefined>(
      (done) =>
        this.#store.get(name, (error: unknown, session: unknown) => {
          if (isMissing(error)) done();
          else done(error, session ? (session as Stored) : undefined);
        }),
      this.#limit,
      (cause) => unavailable("be read", cause),
    );
  }

  /** Moves a row under a raw id, from before ids were hashed. Another request may have moved or ended it meanwhile. */
  async #move(id: string): Promise<Stored | undefined> {
    const moved = await this.#get(hashedId(id));
    if (moved !== undefined) return moved;
    const found = await this.#get(id);
    if (found === undefined || this.#ended.get(id)) return undefined;
    await this.write(id, found);
    await this.#write((done) => this.#store.destroy(id, done));
    return found;
  }

  #write(work: (done: (error?: unknown) => void) => unknown): Promise<void> {
    return call(work, this.#limit, (cause) => unavailable("be written", cause));
  }
}

const patience = (before: Promise<unknown>): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, LONGEST_TURN).unref();
    before.then(() => {
      clearTimeout(timer);
      resolve();
    });
  });

export const unavailable = (what: string, cause?: unknown): PsessionError =>
  new PsessionError("store_unavailable", `The session store could not ${what}; the cause says why.`, {
    cause,
  });

/** Stores in files give ENOENT for a missing session; for a database's socket file it is an outage. */
function isMissing(error: unknown): boolean {
  const { code, syscall } = (error ?? {}) as { code?: unknown; syscall?: unknown };
  return code === "ENOENT" && syscall !== "connect";
}
