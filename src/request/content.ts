import { refuseAssignments } from "../checks/assignments.ts";
import type { DataRecord } from "../data/codec.ts";
import type { Flash } from "../data/flash.ts";
import { assertKey, refuseTopKey, valuesByKey } from "../data/keys.ts";
import { getPath, pullPath, pushPath, removePath, setPath } from "../data/paths.ts";
import type { TempData } from "../data/temp.ts";
import { flashOf, tempOf } from "./asides.ts";
import { reload, save, update } from "./save.ts";
import type { RequestState, Writing } from "./state.ts";
import { usable, use } from "./use.ts";

/** What a session holds, and when it is stored. */
export abstract class SessionContent<Data extends object> {
  readonly #state: Writing<"destroyed">;

  /** @internal */
  constructor(state: RequestState) {
    this.#state = state;
  }

  /** The data. Change it in place, however deep: differences are found when the response begins. */
  get data(): Partial<Data> {
    return use(this.#state).value as Partial<Data>;
  }

  /** Messages that are shown once, such as "Saved." after a redirect. */
  get flash(): Flash {
    return flashOf(this.#state);
  }

  /** Values with a lifetime of their own, such as a code that was sent. */
  get temp(): TempData {
    return tempOf(this.#state);
  }

  /** One value by key or dot path ("address.city"); undefined where there is none. */
  get<K extends keyof Data & string>(key: K): Data[K] | undefined;
  get(path: string): unknown;
  get(path: string): unknown {
    return getPath(this.#record, path);
  }

  /** Sets one value by key or dot path, making the objects on the way, or several values at once. */
  set<K extends keyof Data & string>(key: K, value: Data[K]): void;
  set(path: string, value: unknown): void;
  set(values: Partial<Data>): void;
  set(target: string | Partial<Data>, value?: unknown): void {
    const entries = valuesByKey("session.set", target, value);
    use(this.#state).assertStorable(Object.fromEntries(entries));
    for (const [path, item] of entries) setPath(this.#record, path, item);
  }

  has(path: string): boolean {
    return getPath(this.#record, path) !== undefined;
  }

  /** Adds to the end of a list, which is made where it is missing. */
  push(path: string, ...items: unknown[]): void {
    assertKey(path);
    use(this.#state).assertStorable({ [path]: items });
    pushPath(this.#record, path, items);
  }

  /** Takes a value out: gives it, and removes it. */
  pull<K extends keyof Data & string>(key: K): Data[K] | undefined;
  pull(path: string): unknown;
  pull(path: string): unknown {
    return pullPath(this.#record, path);
  }

  remove(...paths: string[]): void {
    for (const path of paths) removePath(this.#record, path);
  }

  /**
   * Replaces the data, as `ctx.session = {…}` of Koa does; the user stays signed in. After the session was destroyed,
   * the data is that of a new one. @internal
   */
  replaceData(values: DataRecord): void {
    const { data } = this.#state;
    data.assertStorable(values);
    for (const key of Object.keys(values)) refuseTopKey(key);
    this.#state.destroyed = false;
    use(this.#state).replaceValue(values);
  }

  /**
   * Reads, changes and writes the data as one atomic step. `change` is run again where another request was
   * faster, so it must do nothing else, and return at once. The change is stored when
   * this returns; if it throws, nothing was changed (`session_ended` where the session has ended).
   */
  async update<R>(change: (data: Partial<Data>) => R): Promise<R> {
    return update(usable(this.#state), change);
  }

  /**
   * Stores data, sign-in or logout now instead of when the response begins, and throws here if that fails:
   * then a sign-in is taken back. Secrets are still exchanged with the response, which carries them.
   */
  async save(): Promise<void> {
    await save(usable(this.#state));
  }

  /**
   * Reads the data again, as it is stored now, and forgets unsaved changes: all data, where nothing was stored yet.
   * Throws `session_ended` where the session has ended.
   */
  async reload(): Promise<void> {
    await reload(usable(this.#state));
  }

  get #record(): DataRecord {
    return this.data as DataRecord;
  }
}

refuseAssignments(SessionContent.prototype);
