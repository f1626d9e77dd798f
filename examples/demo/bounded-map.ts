/** A map that forgets its oldest entry when it is full, so that visitors cannot fill the memory. */
export class BoundedMap<K, V> extends Map<K, V> {
  readonly #limit: number;

  constructor(limit: number) {
    super();
    this.#limit = limit;
  }

  /** Sets an entry and makes it the youngest. */
  override set(key: K, value: V): this {
    this.delete(key);
    for (const oldest of this.keys()) {
      if (this.size < this.#limit) break;
      this.delete(oldest);
    }
    return super.set(key, value);
  }
}
