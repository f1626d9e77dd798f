/** Remembers the latest keys, up to a limit. */
export class MemoryOf<Value> {
  readonly #max: number;
  readonly #entries = new Map<string, Value>();

  constructor(max: number) {
    this.#max = max;
  }

  get(key: string): Value | undefined {
    return this.#entries.get(key);
  }

  /** Gives the value that it evicted. */
  set(key: string, value: Value): Value | undefined {
    const entries = this.#entries;
    if (entries.has(key)) entries.delete(key);
    entries.set(key, value);
    if (entries.size <= this.#max) return undefined;
    for (const [oldest, forgotten] of entries) {
      entries.delete(oldest);
      return forgotten;
    }
    return undefined;
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }
}
