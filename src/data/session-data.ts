import { PsessionError } from "../errors.ts";
import { assertStorable, type Codec, type DataRecord, refuseKey } from "./codec.ts";

export const EMPTY_DATA = "{}";

/**
 * The data of one session within one request: what was loaded, what the handler made of it, and how the
 * difference is put onto a row that somebody else changed meanwhile. Changes are found by content, so that
 * `session.data.cart.push(x)` needs no setter.
 */
export class SessionData {
  readonly #codec: Codec;
  readonly #maxBytes: number;
  #base: string;
  #value: DataRecord | undefined;

  constructor(codec: Codec, maxBytes: number, base = EMPTY_DATA) {
    this.#codec = codec;
    this.#maxBytes = maxBytes;
    this.#base = base;
  }

  get value(): DataRecord {
    this.#value ??= this.decode(this.#base);
    return this.#value;
  }

  /** Puts other content into the same object, as handlers may hold a reference to it. */
  replace(next: DataRecord): void {
    const value = this.value;
    const entries = Object.entries(next);
    for (const [key] of entries) refuseKey(key);
    for (const key of Object.keys(value)) delete value[key];
    for (const [key, item] of entries) value[key] = item;
  }

  /** Forgets everything: what follows belongs to a new session. */
  reset(): void {
    if (this.#value !== undefined) this.replace({});
    this.#base = EMPTY_DATA;
  }

  /** Forgets what was changed: this is what the store holds. */
  load(text: string): void {
    this.#base = text;
    if (this.#value !== undefined) this.replace(this.decode(text));
  }

  /** The encoded data if it differs from what was loaded. */
  changed(): string | undefined {
    if (this.#value === undefined) return undefined;
    const text = this.#codec.encode(this.#value);
    if (text === this.#base) return undefined;
    assertStorable(this.#value);
    const bytes = Buffer.byteLength(text);
    if (bytes > this.#maxBytes) {
      throw new PsessionError(
        "data_too_large",
        `Session data takes ${bytes} bytes; session.maxBytes allows ${this.#maxBytes}.`,
      );
    }
    return text;
  }

  /** The data as it is now, encoded. */
  encoded(): string {
    return this.changed() ?? this.#base;
  }

  /** The store now holds `text`. */
  committed(text: string): void {
    this.#base = text;
  }

  /**
   * Puts our changed top-level keys onto fresh data, and our object on that basis. Returns the keys that both
   * sides changed differently; ours win.
   */
  rebase(fresh: string): string[] {
    if (this.#value === undefined || fresh === this.#base) {
      this.#base = fresh;
      return [];
    }
    const base = this.decode(this.#base);
    const theirs = this.decode(fresh);
    const ours = this.#value;
    const conflicts: string[] = [];
    for (const key of new Set([...Object.keys(base), ...Object.keys(theirs), ...Object.keys(ours)])) {
      const was = this.#part(base, key);
      const mine = this.#part(ours, key);
      const other = this.#part(theirs, key);
      if (mine === was) {
        if (other === undefined) delete ours[key];
        else ours[key] = theirs[key];
      } else if (other !== was && other !== mine) {
        conflicts.push(key);
      }
    }
    this.#base = fresh;
    return conflicts;
  }

  #part(data: DataRecord, key: string): string | undefined {
    return data[key] === undefined ? undefined : this.#codec.encode({ part: data[key] });
  }

  /** Data of this or another session. */
  decode(text: string): DataRecord {
    // Before parsing: an oversized row must not cost the memory that parsing it takes.
    if (text.length > this.#maxBytes) {
      throw new PsessionError("data_too_large", "A stored session is larger than session.maxBytes allows.");
    }
    return this.#codec.decode(text);
  }
}
