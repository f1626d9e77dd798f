import type { Vault } from "../data/vault.ts";
import type { AuditTrail } from "./audit.ts";
import type {
  Change,
  ChangeResult,
  Ended,
  EndSelector,
  LockRequest,
  Naming,
  PruneResult,
  Remembered,
  SessionRow,
  Store,
  StoreAdmin,
  Touch,
  UserEntry,
  UserId,
  UserIdKind,
} from "./store.ts";

/** A store whose session data is encrypted on the way in and decrypted on the way out. */
export class SealedStore implements Store {
  readonly #store: Store;
  readonly #vault: Vault;
  readonly name: string;
  readonly userIds: UserIdKind;

  constructor(store: Store, vault: Vault) {
    this.#store = store;
    this.#vault = vault;
    this.name = store.name;
    this.userIds = store.userIds;
  }

  async findSession(id: string): Promise<SessionRow | undefined> {
    const row = await this.#store.findSession(id);
    return row === undefined ? undefined : this.#opened(row);
  }

  async findRemembered(id: string): Promise<Remembered | undefined> {
    const found = await this.#store.findRemembered(id);
    return found?.session === undefined ? found : { ...found, session: this.#opened(found.session) };
  }

  apply(change: Change): Promise<ChangeResult> {
    const { insert, update } = change;
    return this.#store.apply({
      ...change,
      ...(insert === undefined ? {} : { insert: { ...insert, data: this.#vault.seal(insert.data, insert) } }),
      ...(update?.set.data === undefined ? {} : { update: this.#sealed(update, update.set.data) }),
    });
  }

  touch(touches: readonly Touch[]): Promise<void> {
    return this.#store.touch(touches);
  }

  end(selector: EndSelector): Promise<readonly Ended[]> {
    return this.#store.end(selector);
  }

  nameDevice(naming: Naming): Promise<boolean> {
    return this.#store.nameDevice(naming);
  }

  async list(userId: UserId): Promise<readonly UserEntry[]> {
    return this.#readable(await this.#store.list(userId));
  }

  get migrate(): Store["migrate"] {
    const store = this.#store;
    return store.migrate === undefined ? undefined : () => store.migrate?.() ?? Promise.resolve([]);
  }

  get admin(): StoreAdmin | undefined {
    const { admin } = this.#store;
    if (admin === undefined) return undefined;
    return {
      browse: async (page) => {
        const { entries, next } = await admin.browse(page);
        return { entries: this.#readable(entries), next };
      },
      inspect: () => admin.inspect(),
    };
  }

  /** Nothing of a session's data is in it. */
  get audit(): AuditTrail | undefined {
    return this.#store.audit;
  }

  prune(now: number, limit: number): Promise<PruneResult> {
    return this.#store.prune(now, limit);
  }

  claimPrune(now: number, interval: number): Promise<boolean> {
    return this.#store.claimPrune(now, interval);
  }

  acquireLock(lock: LockRequest): Promise<number | undefined> {
    return this.#store.acquireLock(lock);
  }

  releaseLock(name: string, owner: string): Promise<void> {
    return this.#store.releaseLock(name, owner);
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  /** What does not open stays as it is stored: one damaged row must not hide a user's other devices. */
  #readable(entries: readonly UserEntry[]): UserEntry[] {
    return entries.map((entry) => {
      if (entry.session === undefined) return entry;
      try {
        return { ...entry, session: this.#opened(entry.session) };
      } catch {
        return entry;
      }
    });
  }

  #sealed(update: NonNullable<Change["update"]>, data: string): NonNullable<Change["update"]> {
    const { id, owner } = update;
    return { ...update, set: { ...update.set, data: this.#vault.seal(data, { id, userId: owner }) } };
  }

  /** A copy: callers of one batch share their rows. */
  #opened(row: SessionRow): SessionRow {
    return { ...row, data: this.#vault.open(row.data, row) };
  }
}
