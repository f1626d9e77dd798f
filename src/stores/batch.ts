/**
 * Reads the values of some keys at once. Keys without a value are left out of the answer. `since` is when the
 * first of the callers began to wait (`performance.now()`): what may take so long counts from there.
 */
export type Load<Key extends string, Value> = (
  keys: readonly Key[],
  since: number,
) => Promise<ReadonlyMap<Key, Value>>;

export interface BatchOptions {
  /** The most keys of one load. Default: 256. */
  readonly most?: number | undefined;
  /** The most loads under way at once; more calls wait and go together. Default: 2. */
  readonly inFlight?: number | undefined;
  /** Whether a failure concerns every key alike, so that asking for each alone is of no use. */
  readonly isOutage?: ((error: unknown) => boolean) | undefined;
}

/** Calls that share one load. */
interface Round<Key extends string, Value> {
  readonly keys: Set<Key>;
  readonly since: number;
  /** Settles when `values`, or why there are none, is known. Never rejects: each caller throws for itself. */
  readonly loaded: Promise<void>;
  readonly settle: () => void;
  values: ReadonlyMap<Key, Value>;
  failures: ReadonlyMap<Key, unknown> | undefined;
}

/**
 * Collects the reads of one tick, or of one turn of the event loop where several come at a time, and sends them as
 * one load, each key once. A caller joins only a load that was not sent yet: joining one under way could read past a
 * logout that was answered meanwhile. Callers of the same key get the same value, so what can be changed in place is
 * for them to decode.
 */
export class Batch<Key extends string, Value> {
  readonly #load: Load<Key, Value>;
  readonly #most: number;
  readonly #inFlight: number;
  readonly #isOutage: (error: unknown) => boolean;
  /** Takes more keys. */
  #open: Round<Key, Value> | undefined;
  /** Full, or collected while too many loads were under way: the oldest first. */
  readonly #waiting: Round<Key, Value>[] = [];
  #running = 0;
  #isScheduled = false;
  /** How many keys the last load had: with one, further callers are unlikely. */
  #lastSize = 1;
  readonly #flush = () => {
    this.#isScheduled = false;
    this.#sendWaiting();
  };

  constructor(
    load: Load<Key, Value>,
    { most = 256, inFlight = 2, isOutage = isUnavailable }: BatchOptions = {},
  ) {
    this.#load = load;
    this.#most = most;
    this.#inFlight = inFlight;
    this.#isOutage = isOutage;
  }

  /** The value of `key`, or undefined where there is none; throws what its load threw. */
  async get(key: Key): Promise<Value | undefined> {
    const round = this.#open ?? this.#begin();
    round.keys.add(key);
    if (round.keys.size >= this.#most) this.#open = undefined;
    await round.loaded;
    if (round.failures?.has(key)) throw round.failures.get(key);
    return round.values.get(key);
  }

  #begin(): Round<Key, Value> {
    const { promise: loaded, resolve: settle } = withResolver();
    const since = performance.now();
    const round = { keys: new Set<Key>(), since, loaded, settle, values: NOTHING, failures: undefined };
    this.#open = round;
    this.#waiting.push(round);
    // Where loads are under way, the next one to end sends what was collected.
    if (!this.#isScheduled && this.#running < this.#inFlight) {
      this.#isScheduled = true;
      // A lone caller does not wait for others: a turn of the event loop is a tenth of what a read takes.
      if (this.#running === 0 && this.#lastSize === 1) queueMicrotask(this.#flush);
      else setImmediate(this.#flush);
    }
    return round;
  }

  #sendWaiting(): void {
    while (this.#running < this.#inFlight) {
      const round = this.#waiting.shift();
      if (round === undefined) return;
      if (this.#open === round) this.#open = undefined;
      this.#running++;
      void this.#run(round);
    }
  }

  async #run(round: Round<Key, Value>): Promise<void> {
    const keys = [...round.keys];
    this.#lastSize = keys.length;
    try {
      round.values = await this.#load(keys, round.since);
    } catch (error) {
      if (keys.length === 1 || this.#isOutage(error))
        round.failures = new Map(keys.map((key) => [key, error]));
      else await this.#runAlone(round, keys);
    }
    this.#running--;
    round.settle();
    this.#sendWaiting();
  }

  /** One key that the store cannot read must not fail the others: asks for each by itself. */
  async #runAlone(round: Round<Key, Value>, keys: readonly Key[]): Promise<void> {
    const values = new Map<Key, Value>();
    const failures = new Map<Key, unknown>();
    for (const key of keys) {
      try {
        const value = (await this.#load([key], round.since)).get(key);
        if (value !== undefined) values.set(key, value);
      } catch (error) {
        failures.set(key, error);
      }
    }
    round.values = values;
    round.failures = failures;
  }
}

const NOTHING: ReadonlyMap<never, never> = new Map<never, never>();

/** The store is down for every key alike: asking again for each would only add load. */
const isUnavailable = (error: unknown): boolean =>
  typeof error === "object" && error !== null && "code" in error && error.code === "store_unavailable";

/** `Promise.withResolvers` has one more function to make, which is never called here. */
function withResolver(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => {};
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
