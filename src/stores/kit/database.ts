import type { UserIdKind } from "../store.ts";
import type { Awaitable, Transaction } from "./transaction.ts";

/** A database that keeps values by key, in the order of keys. */
export interface Database<Value> {
  /** For messages, such as "lmdb". */
  readonly name: string;
  /**
   * Runs `work` alone: nothing that it has read changes before its writes are there, and either all of them are or none.
   * The database may run it again after a conflict. Throws what the database throws.
   */
  transaction<T>(
    work: (transaction: Transaction<Value>) => Awaitable<T>,
  ): Awaitable<T> | PromiseLike<Awaitable<T>>;
  /** The same for what only reads, at one moment. Default: `transaction`. */
  read?<T>(work: (transaction: Transaction<Value>) => Awaitable<T>): Awaitable<T> | PromiseLike<Awaitable<T>>;
  /** The ids that are taken (`any` by default). */
  readonly userIds?: UserIdKind | undefined;
  /** Keep an audit trail. Default: false. */
  readonly audit?: boolean | undefined;
  /** As it calls itself, for `psession doctor`. */
  readonly version?: string | undefined;
  close?(): unknown;
}

/** One that keeps text. */
export type KeyValueDatabase = Database<string>;
