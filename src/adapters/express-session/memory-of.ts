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
    this.#entries.delete(key);
    this.#entries.set(key, value);
    if (this.#entries.size <= this.#most) return undefined;
    const [[oldest, forgotten] = []] = this.#entries;
    if (oldest !== undefined) this.#entries.delete(oldest);
    return forgotten;
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }
}
