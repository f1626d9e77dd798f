import type { Duration } from "../checks/duration.ts";
import { parseDuration } from "../checks/duration.ts";
import { PsessionError } from "../errors.ts";
import type { Clock } from "../protocol/clock.ts";
import type { DataRecord } from "./codec.ts";
import { ASIDE, assertKey, refuseTopKey, valuesByKey } from "./keys.ts";
import type { TrackedData } from "./tracked-data.ts";

export const TEMP = `${ASIDE}temp:`;

interface Entry {
  readonly value: unknown;
  /** Epoch milliseconds; from then on the entry is not there. */
  readonly until: number;
}

/** Values with a lifetime of their own, kept beside the data. After its time a value is not there, to the millisecond. */
export class TempData {
  readonly #open: () => TrackedData;
  readonly #clock: Clock;

  /** @internal */
  constructor(open: () => TrackedData, clock: Clock) {
    this.#open = open;
    this.#clock = clock;
  }

  /** Keeps one value, or several, for `lifetime` from now. Setting a value anew gives it a new lifetime. */
  set(key: string, value: unknown, lifetime: Duration): void;
  set(values: Readonly<Record<string, unknown>>, lifetime: Duration): void;
  set(target: string | Readonly<Record<string, unknown>>, value: unknown, lifetime?: Duration): void {
    const isOne = typeof target === "string";
    const until = this.#until((isOne ? lifetime : value) as Duration);
    const entries = valuesByKey("session.temp.set", target, value);
    this.#assertStorable(entries);
    this.#dropExpired();
    for (const [key, item] of entries) {
      this.#entries[TEMP + key] = { value: item, until } satisfies Entry;
    }
  }

  get(key: string): unknown {
    return this.#entry(key)?.value;
  }

  has(key: string): boolean {
    return this.#entry(key) !== undefined;
  }

  /** When the value will be gone, in epoch milliseconds; undefined where there is none. */
  expiresAt(key: string): number | undefined {
    return this.#entry(key)?.until;
  }

  remove(...keys: string[]): void {
    for (const key of keys) {
      assertKey(key);
      delete this.#entries[TEMP + key];
    }
  }

  /** Gives ordinary data a lifetime: it moves out of `session.data`. Keys that are not there are skipped. */
  mark(keys: string | readonly string[], lifetime: Duration): void {
    const { value } = this.#open();
    for (const key of [keys].flat()) {
      refuseTopKey(key);
      if (!Object.hasOwn(value, key)) continue;
      this.set(key, value[key], lifetime);
      delete value[key];
    }
  }

  /** Makes ordinary data of it, to stay. */
  unmark(...keys: string[]): void {
    const { value } = this.#open();
    for (const key of keys) {
      refuseTopKey(key);
      const entry = this.#entry(key);
      if (entry !== undefined) value[key] = entry.value;
      this.remove(key);
    }
  }

  keys(): string[] {
    return Object.keys(this.#entries)
      .filter((key) => key.startsWith(TEMP))
      .map((key) => key.slice(TEMP.length))
      .filter((key) => this.has(key));
  }

  get #entries(): DataRecord {
    return this.#open().asides;
  }

  #entry(key: string): Entry | undefined {
    assertKey(key);
    const entry = this.#entries[TEMP + key] as Entry | undefined;
    return entry !== undefined && this.#clock.now() < entry.until ? entry : undefined;
  }

  /** `mark` and `unmark` move values from and to the data, so every key must be valid there. */
  #assertStorable(entries: readonly (readonly [string, unknown])[]): void {
    for (const [key] of entries) refuseTopKey(key);
    this.#open().assertStorable(Object.fromEntries(entries), "session.temp");
  }

  #until(lifetime: Duration): number {
    const time = parseDuration(lifetime);
    if (time !== undefined && time > 0) return this.#clock.now() + time;
    throw new PsessionError("invalid_options", 'temp: a lifetime must be a positive duration, such as "5m".');
  }

  /** Runs where a value is set, so that expired ones do not make the session grow. */
  #dropExpired(): void {
    const entries = this.#entries;
    for (const [key, entry] of Object.entries(entries)) {
      if (key.startsWith(TEMP) && (entry as Entry).until <= this.#clock.now()) delete entries[key];
    }
  }
}
