import type { Vault } from "../data/vault.ts";
import type { Change, SessionRow, Store, UserEntry } from "./store.ts";
import { wrapped } from "./wrapped.ts";

/** A store whose session data is encrypted on the way in and decrypted on the way out. */
export function sealedStore(store: Store, vault: Vault): Store {
  /** A copy: callers of one batch share their rows. */
  const opened = (row: SessionRow): SessionRow => ({ ...row, data: vault.open(row.data, row) });
  const { admin } = store;
  return wrapped(store, {
    async findSession(id) {
      const row = await store.findSession(id);
      return row && opened(row);
    },
    async findRemembered(id) {
      const found = await store.findRemembered(id);
      return found?.session === undefined ? found : { ...found, session: opened(found.session) };
    },
    // Where it throws, a promise that is rejected is what callers expect.
    apply: async (change) => store.apply(sealed(change, vault)),
    admin: admin && {
      async browse(page) {
        const { entries, next } = await admin.browse(page);
        return { entries: entries.map((entry) => readable(entry, opened)), next };
      },
      inspect: () => admin.inspect(),
    },
  });
}

function sealed<C extends Change>(change: C, vault: Vault): C {
  const insert = "insert" in change ? change.insert : undefined;
  const update = "update" in change ? change.update : undefined;
  if (insert !== undefined)
    return { ...change, insert: { ...insert, data: vault.seal(insert.data, insert) } };
  if (update?.set.data === undefined) return change;
  const data = vault.seal(update.set.data, { id: update.id, userId: update.owner });
  return { ...change, update: { ...update, set: { ...update.set, data } } };
}

/** What does not open stays as it is stored: one damaged row must not hide a user's other devices. */
function readable(entry: UserEntry, opened: (row: SessionRow) => SessionRow): UserEntry {
  if (entry.session === undefined) return entry;
  try {
    return { ...entry, session: opened(entry.session) };
  } catch {
    return entry;
  }
}
