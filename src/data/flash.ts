import type { Clock } from "../protocol/clock.ts";
import { newId } from "../protocol/secrets.ts";
import type { DataRecord } from "./codec.ts";
import { ASIDE, assertKey, refuseTopKey, valuesByKey } from "./keys.ts";
import type { TrackedData } from "./tracked-data.ts";

export const FLASH = `${ASIDE}flash:`;

/**
 * How long a request that has read a message may take to answer. If its answer has not begun by then, the
 * message is there for the next one.
 */
export const CLAIM_MS = 15_000;

interface Entry {
  readonly value: unknown;
  /** The request that is showing it. */
  readonly by?: string;
  /** Until when that request may take. */
  readonly until?: number;
}

/** What flash needs of the request that it is used in. */
export interface FlashRequest {
  readonly data: () => TrackedData;
  readonly clock: Clock;
  /** Changes the data and stores the change, as one step that no other request can get between. */
  readonly atomically: <R>(change: () => R) => Promise<R>;
  /** False where nothing can be stored, so no message can be claimed. */
  readonly isStored: () => boolean;
  /** The answer is not shown yet: messages wait for one that is. */
  readonly isAhead: boolean;
}

/**
 * Messages that are shown once: kept until a response that read them has begun, and given to one request only,
 * however many read at the same time.
 */
export class Flash {
  readonly #request: FlashRequest;
  /** What this request shows: by `now`, or because it took it. */
  readonly #shown = new Map<string, unknown>();
  readonly #taken = new Set<string>();
  /** Names the request among all that use this session. */
  readonly #id = newId();

  /** @internal */
  constructor(request: FlashRequest) {
    this.#request = request;
  }

  /** Keeps one message, or several, for the next request that reads them. */
  set(key: string, value: unknown): void;
  set(values: Readonly<Record<string, unknown>>): void;
  set(target: string | Readonly<Record<string, unknown>>, value?: unknown): void {
    const entries = valuesByKey("session.flash.set", target, value);
    // `unmark` makes it a key of the data, so every key must be valid there.
    for (const [key] of entries) refuseTopKey(key);
    this.#request.data().assertStorable(Object.fromEntries(entries), "session.flash");
    for (const [key, item] of entries) {
      this.#entries[FLASH + key] = { value: item } satisfies Entry;
      this.#taken.delete(key);
    }
  }

  /** A message for this response alone. It is not stored. */
  now(key: string, value: unknown): void {
    refuseTopKey(key);
    this.#shown.set(key, value);
  }

  /**
   * Takes a message to show it: no other request gets it. It is deleted when this response begins;
   * if that never happens, the next request can take it again. Undefined where there is none.
   */
  async get(key: string): Promise<unknown> {
    assertKey(key);
    await this.#take([key]);
    return this.#shown.get(key);
  }

  /** Takes all messages, by key. */
  async all(): Promise<Record<string, unknown>> {
    await this.#take(this.keys());
    return Object.fromEntries(this.#shown);
  }

  /** Leaves messages that this request took for the next one as well; all of them, where none is named. */
  keep(...keys: string[]): void {
    for (const key of keys.length === 0 ? [...this.#shown.keys()] : keys) {
      assertKey(key);
      if (this.#shown.has(key)) this.set(key, this.#shown.get(key));
    }
  }

  /** Makes a message of ordinary data. Keys that are not there are skipped. */
  mark(...keys: string[]): void {
    const { value } = this.#request.data();
    for (const key of keys) {
      refuseTopKey(key);
      if (!Object.hasOwn(value, key)) continue;
      this.set(key, value[key]);
      delete value[key];
    }
  }

  /** Makes ordinary data of a message, to stay. */
  unmark(...keys: string[]): void {
    const { value } = this.#request.data();
    for (const key of keys) {
      refuseTopKey(key);
      const entry = this.#entries[FLASH + key] as Entry | undefined;
      if (entry !== undefined) value[key] = entry.value;
      else if (this.#shown.has(key)) value[key] = this.#shown.get(key);
      delete this.#entries[FLASH + key];
      this.#taken.delete(key);
    }
  }

  /** The messages that wait, and those that this request shows. */
  keys(): string[] {
    const waiting = Object.keys(this.#entries)
      .filter((key) => key.startsWith(FLASH) && this.#isFree(this.#entries[key] as Entry))
      .map((key) => key.slice(FLASH.length));
    return [...new Set([...this.#shown.keys(), ...waiting])];
  }

  /**
   * Deletes what was taken, as the response that shows it begins.
   *
   * @internal
   */
  settle(): void {
    const entries = this.#entries;
    for (const key of this.#taken) {
      if ((entries[FLASH + key] as Entry | undefined)?.by === this.#id) delete entries[FLASH + key];
    }
    this.#taken.clear();
  }

  async #take(keys: readonly string[]): Promise<void> {
    const wanted = keys.filter((key) => this.#entries[FLASH + key] !== undefined && !this.#taken.has(key));
    if (wanted.length === 0 || this.#request.isAhead) return;
    const { isStored, atomically } = this.#request;
    const taken = isStored() ? await atomically(() => this.#claim(wanted)) : this.#claim(wanted);
    for (const [key, value] of taken) {
      this.#shown.set(key, value);
      this.#taken.add(key);
    }
  }

  /** Runs again where another request was faster, and may then find nothing left. */
  #claim(keys: readonly string[]): [string, unknown][] {
    const { clock } = this.#request;
    const taken: [string, unknown][] = [];
    for (const key of keys) {
      const entry = this.#entries[FLASH + key] as Entry | undefined;
      if (entry === undefined || !this.#isFree(entry)) continue;
      this.#entries[FLASH + key] = {
        value: entry.value,
        by: this.#id,
        until: clock.now() + CLAIM_MS,
      } satisfies Entry;
      taken.push([key, entry.value]);
    }
    return taken;
  }

  #isFree({ by, until }: Entry): boolean {
    return by === undefined || by === this.#id || (until ?? 0) <= this.#request.clock.now();
  }

  get #entries(): DataRecord {
    return this.#request.data().asides;
  }
}
