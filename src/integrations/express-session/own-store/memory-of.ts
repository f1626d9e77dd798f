/** Remembers the latest so many keys: what a process knows for a while, in bounded space. */
export class MemoryOf<Value> {
  readonly #most: number;
  readonly #entries = new Map<string, Value>();

  constructor(most: number) {
    this.#most = most;
  }

  get(key: string): Value | undefined {
    return this.#entries.get(key);
  }

  /** Gives what had to be forgotten for it. */
  set(key: string, value: Value): Value | undefined {
    const entries = this.#entries;
    if (entries.has(key)) entries.delete(key);
    entries.set(key, value);
    if (entries.size <= this.#most) return undefined;
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
