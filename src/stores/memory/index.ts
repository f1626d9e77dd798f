import * as v from "valibot";
import { checkedOptions } from "../../checks/faults.ts";
import type { Database } from "../kit/database.ts";
import { KeyValueStore } from "../kit/index.ts";
import type { Range, Transaction } from "../kit/transaction.ts";
import type { Store } from "../store.ts";

/** Options of `memoryStore`. */
export interface MemoryStoreOptions {
  /** Keep an audit trail, which `createPsession` then writes to. Default: false. */
  audit?: boolean | undefined;
}

const optionsSchema = v.strictObject({ audit: v.optional(v.boolean("must be true or false"), false) });

/**
 * Sessions in this process's memory: for tests and for trying things out. They end with the process, and a
 * second process does not see them.
 */
export function memoryStore(options: MemoryStoreOptions = {}): Store {
  const { audit } = checkedOptions("memoryStore", optionsSchema, options);
  return new KeyValueStore(new Memory(audit), { encode: (value) => value, decode: (value) => value });
}

/** Values by key; rows never change in place, so they are kept as they are. Nothing comes between in one turn. */
class Memory implements Database<unknown>, Transaction<unknown> {
  readonly name = "memory";
  readonly version = `memory of Node ${process.version}`;
  readonly audit: boolean;
  /** By what ranges begin with. */
  readonly #folders = new Map<string, Map<string, unknown>>();

  constructor(audit: boolean) {
    this.audit = audit;
  }

  transaction<T>(work: (transaction: Transaction<unknown>) => T): T {
    return work(this);
  }

  get(key: string): unknown {
    return this.#folders.get(folderOf(key))?.get(key);
  }

  put(key: string, value: unknown): void {
    const name = folderOf(key);
    let folder = this.#folders.get(name);
    if (folder === undefined) {
      folder = new Map();
      this.#folders.set(name, folder);
    }
    folder.set(key, value);
  }

  delete(key: string): void {
    const name = folderOf(key);
    const folder = this.#folders.get(name);
    folder?.delete(key);
    if (folder?.size === 0) this.#folders.delete(name);
  }

  range({ prefix, after = "", before, isReverse = false, limit }: Range): [string, unknown][] {
    const folder = this.#folders.get(prefix) ?? [];
    const found = [...folder].filter(([key]) => key > after && (before === undefined || key < before));
    found.sort(([a], [b]) => (a < b ? -1 : 1));
    if (isReverse) found.reverse();
    return found.slice(0, limit);
  }
}

/** Keys begin with the letter of what they are for; those of users and of garbage have a second part. */
const folderOf = (key: string): string =>
  key.slice(0, key.indexOf("/", "uwtbg".includes(key.charAt(0)) ? 2 : 0) + 1);
