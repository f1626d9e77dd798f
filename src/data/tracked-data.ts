import { PsessionError } from "../errors.ts";
import type { Codec, DataRecord } from "./codec.ts";
import { forbidden, isAside, refuseTopKey } from "./keys.ts";
import { merge } from "./merge.ts";
import { assertShape } from "./shape.ts";

/**
 * The data of one session within one request: what was loaded, what the handler made of it, and how the
 * difference is put onto a row that another request changed meanwhile. Changes are found by content, so that
 * `session.data.cart.push(x)` needs no setter.
 */
export class TrackedData {
  readonly #codec: Codec;
  readonly #maxBytes: number;
  /** What the store holds; undefined where that is nothing yet. */
  #base: string | undefined;
  #value: DataRecord | undefined;
  #asides: DataRecord = {};

  constructor(codec: Codec, maxBytes: number, base?: string) {
    this.#codec = codec;
    this.#maxBytes = maxBytes;
    this.#base = base;
  }

  get value(): DataRecord {
    return this.#value ?? this.#load();
  }

  /** What is kept beside the data, such as flash and temp values, by reserved key. */
  get asides(): DataRecord {
    if (this.#value === undefined) this.#load();
    return this.#asides;
  }

  /** One of those as the store holds it, without the handler's changes. */
  storedAside(key: string): unknown {
    return split(this.#decodeWhole(this.#stored())).asides[key];
  }

  /** Puts other content into the same object, as handlers may hold a reference to it. What is kept beside it goes. */
  replace(next: DataRecord): void {
    for (const key of Object.keys(next)) refuseTopKey(key);
    this.#put(next, {});
  }

  /** As `replace`; what is kept beside it stays. */
  replaceValue(next: DataRecord): void {
    this.#put(next, this.#asides);
  }

  /** A copy to go back to. */
  snapshot(): Snapshot {
    if (this.#value === undefined) return { base: this.#base, text: undefined };
    this.#assertEncodable();
    return { base: this.#base, text: this.#codec.encode(this.#whole()) };
  }

  restore({ base, text }: Snapshot): void {
    this.#base = base;
    if (text === undefined && this.#value === undefined) return;
    const { value, asides } = split(this.#codec.decode(text ?? this.#stored()));
    this.#put(value, asides);
  }

  /** Forgets everything: what follows belongs to a new session. */
  reset(): void {
    if (this.#value !== undefined) this.#put({}, {});
    this.#base = undefined;
  }

  /** Forgets what was changed: this is what the store holds. */
  load(text: string): void {
    this.#base = text;
    if (this.#value === undefined) return;
    const { value, asides } = split(this.#decodeWhole(text));
    this.#put(value, asides);
  }

  /** The encoded data if it differs from what was loaded. */
  changed(): string | undefined {
    if (this.#value === undefined) return undefined;
    this.#assertEncodable();
    const text = this.#codec.encode(this.#whole());
    if (text === this.#stored()) return undefined;
    for (const key of Object.keys(this.#value)) refuseTopKey(key);
    if (this.#codec.precheck !== undefined) {
      this.#codec.check?.(this.#value);
      this.#codec.check?.(this.#asides);
    }
    const bytes = Buffer.byteLength(text);
    if (bytes > this.#maxBytes) {
      throw new PsessionError(
        "data_too_large",
        `Session data takes ${bytes} bytes; session.maxBytes allows ${this.#maxBytes}.`,
      );
    }
    return text;
  }

  /** Refuses a value where it is set: the save would throw far from the cause. */
  assertStorable(values: DataRecord, place?: string): void {
    const { check = assertShape } = this.#codec;
    check(values, place);
  }

  /** The data as it is now, encoded. */
  encoded(): string {
    return this.changed() ?? this.#stored();
  }

  /** The store now holds `text`, or nothing. */
  committed(text: string | undefined): void {
    this.#base = text;
  }

  /**
   * Puts this request's changed top-level keys onto fresh data, which becomes the new base. Returns the keys that both
   * sides changed differently; this request's values win.
   */
  rebase(fresh: string): string[] {
    if (this.#value === undefined || fresh === this.#base) {
      this.#base = fresh;
      return [];
    }
    this.#assertEncodable();
    const base = this.#decodeWhole(this.#stored());
    const theirs = this.#decodeWhole(fresh);
    const mine = this.#whole();
    const part = (data: DataRecord) => (key: string) => this.#part(data, key);
    const conflicts = merge(
      new Set([...Object.keys(base), ...Object.keys(theirs), ...Object.keys(mine)]),
      { was: part(base), own: part(mine), other: part(theirs) },
      (key) => {
        const ours = isAside(key) ? this.#asides : this.value;
        if (theirs[key] === undefined) delete ours[key];
        else ours[key] = theirs[key];
      },
      // A message that was shown, or a value that had its time, stays removed. What took its place is another.
      isAside,
    );
    this.#base = fresh;
    return conflicts;
  }

  /** Encoding a handler's data must not take for ever, nor keep what could not be read. */
  #assertEncodable(): void {
    if (this.#value === undefined) return;
    const prototype: unknown = Object.getPrototypeOf(this.#value);
    // An assignment to data[key], by a key that a visitor chose.
    if (prototype !== Object.prototype && prototype !== null) throw forbidden("__proto__");
    const { check = assertShape, precheck = check } = this.#codec;
    precheck(this.#value);
    for (const _ in this.#asides) return precheck(this.#asides);
  }

  #part(data: DataRecord, key: string): string | undefined {
    return data[key] === undefined ? undefined : this.#codec.encode({ part: data[key] });
  }

  /** The data of this or another session, without what is kept beside it. */
  decode(text: string): DataRecord {
    return split(this.#decodeWhole(text)).value;
  }

  #load(): DataRecord {
    const { value, asides } = split(this.#base === undefined ? {} : this.#decodeWhole(this.#base));
    this.#value = value;
    this.#asides = asides;
    return value;
  }

  #stored(): string {
    return this.#base ?? this.#codec.encode({});
  }

  /** As one record, for the codec. */
  #whole(): DataRecord {
    const value = this.#value ?? {};
    for (const _ in this.#asides) return { ...value, ...this.#asides };
    return value;
  }

  #put(value: DataRecord, asides: DataRecord): void {
    for (const [target, next] of [
      [this.value, value],
      [this.asides, asides],
    ] as const) {
      // Copied first: a carry function may give back the very object that it got.
      const copy = { ...next };
      for (const key of Object.keys(target)) delete target[key];
      Object.assign(target, copy);
    }
  }

  #decodeWhole(text: string): DataRecord {
    // Before parsing: an oversized row must not cost the memory that parsing it takes.
    if (text.length > this.#maxBytes) {
      throw new PsessionError("data_too_large", "A stored session is larger than session.maxBytes allows.");
    }
    return this.#codec.decode(text);
  }
}

export interface Snapshot {
  /** What the store held. */
  readonly base: string | undefined;
  /** Undefined where the data had not been looked at. */
  readonly text: string | undefined;
}

function split(whole: DataRecord): { readonly value: DataRecord; readonly asides: DataRecord } {
  const asides: DataRecord = {};
  for (const key of Object.keys(whole)) {
    if (!isAside(key)) continue;
    asides[key] = whole[key];
    delete whole[key];
  }
  return { value: whole, asides };
}
