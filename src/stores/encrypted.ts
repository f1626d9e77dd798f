import type { Encryption } from "../data/encryption.ts";
import type { Change, SessionRow, Store, UserEntry } from "./store.ts";
import { wrapped } from "./wrapped.ts";

/** A store whose session data is encrypted on the way in and decrypted on the way out. */
export function encryptedStore(store: Store, encryption: Encryption): Store {
  /** A copy: callers of one batch share their rows. */
  const decrypted = (row: SessionRow): SessionRow => ({ ...row, data: encryption.decrypt(row.data, row) });
  const { admin } = store;
  return wrapped(store, {
    async findSession(id) {
      const row = await store.findSession(id);
      return row && decrypted(row);
    },
    async findRemembered(id) {
      const found = await store.findRemembered(id);
      return found?.session === undefined ? found : { ...found, session: decrypted(found.session) };
    },
    async rowsOf(userId) {
      const { sessions, logins } = await store.rowsOf(userId);
      return { sessions: sessions.map((row) => legible(row, decrypted)), logins };
    },
    // Where it throws, a promise that is rejected is what callers expect.
    apply: async (change) => store.apply(encrypted(change, encryption)),
    admin: admin && {
      async browse(page) {
        const { entries, next } = await admin.browse(page);
        return { entries: entries.map((entry) => readable(entry, decrypted)), next };
      },
      inspect: () => admin.inspect(),
    },
  });
}

function encrypted<C extends Change>(change: C, encryption: Encryption): C {
  const insert = "insert" in change ? change.insert : undefined;
  const update = "update" in change ? change.update : undefined;
  if (insert !== undefined)
    return { ...change, insert: { ...insert, data: encryption.encrypt(insert.data, insert) } };
  if (update?.set.data === undefined) return change;
  const data = encryption.encrypt(update.set.data, { id: update.id, userId: update.owner });
  return { ...change, update: { ...update, set: { ...update.set, data } } };
}

/** Data that cannot be decrypted stays as it is stored: one damaged row must not hide a user's other devices. */
function readable(entry: UserEntry, decrypted: (row: SessionRow) => SessionRow): UserEntry {
  if (entry.session === undefined) return entry;
  return { ...entry, session: legible(entry.session, decrypted) };
}

function legible(row: SessionRow, decrypted: (row: SessionRow) => SessionRow): SessionRow {
  try {
    return decrypted(row);
  } catch {
    return row;
  }
}
