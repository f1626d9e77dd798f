import type { Vault } from "../data/vault.ts";
import type { Change, ChangeResult, Remembered, SessionRow, Store, StoreAdmin, UserEntry } from "./store.ts";
import { WrappedStore } from "./wrapped.ts";

/** A store whose session data is encrypted on the way in and decrypted on the way out. */
export class SealedStore extends WrappedStore {
  readonly #vault: Vault;

  constructor(store: Store, vault: Vault) {
    super(store);
    this.#vault = vault;
  }

  override async findSession(id: string): Promise<SessionRow | undefined> {
    const row = await super.findSession(id);
    return row === undefined ? undefined : this.#opened(row);
  }

  override async findRemembered(id: string): Promise<Remembered | undefined> {
    const found = await super.findRemembered(id);
    return found?.session === undefined ? found : { ...found, session: this.#opened(found.session) };
  }

  override apply(change: Change): Promise<ChangeResult> {
    const { insert, update } = change;
    return super.apply({
      ...change,
      ...(insert === undefined ? {} : { insert: { ...insert, data: this.#vault.seal(insert.data, insert) } }),
      ...(update?.set.data === undefined ? {} : { update: this.#sealed(update, update.set.data) }),
    });
  }

  override get admin(): StoreAdmin | undefined {
    const admin = super.admin;
    if (admin === undefined) return undefined;
    return {
      browse: async (page) => {
        const { entries, next } = await admin.browse(page);
        return { entries: this.#readable(entries), next };
      },
      inspect: () => admin.inspect(),
    };
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
