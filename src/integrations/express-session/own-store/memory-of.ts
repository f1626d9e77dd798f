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
    entries.delete(key);
    entries.set(key, value);
    const [oldest] = entries.size > this.#max ? entries : [];
    if (oldest !== undefined) entries.delete(oldest[0]);
    return oldest?.[1];
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }
}
