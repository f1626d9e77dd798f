export class Batch<Key extends string, Value> {
  readonly #load: (keys: readonly Key[]) => Promise<ReadonlyMap<Key, Value>>;
  #waiting = new Map<Key, { resolve: (v: Value | undefined) => void; reject: (e: unknown) => void }[]>();
  constructor(load: (keys: readonly Key[]) => Promise<ReadonlyMap<Key, Value>>) {
    this.#load = load;
  }
  get(key: Key): Promise<Value | undefined> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.size === 0) setImmediate(() => this.#flush());
      const list = this.#waiting.get(key);
      if (list) list.push({ resolve, reject });
      else this.#waiting.set(key, [{ resolve, reject }]);
    });
  }
  #flush() {
    const w = this.#waiting;
    this.#waiting = new Map();
    this.#load([...w.keys()]).then(
      (m) => {
        for (const [k, l] of w) for (const c of l) c.resolve(m.get(k));
      },
      (e) => {
        for (const l of w.values()) for (const c of l) c.reject(e);
      },
    );
  }
}
