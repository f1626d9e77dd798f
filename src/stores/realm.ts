import { NO_REALM } from "../protocol/secrets.ts";
import type { AuditEntry, AuditQuery, AuditTrail } from "./audit.ts";
import { type Change, type ListedEntry, PRUNE_LOCK, type Proof, type Store } from "./store.ts";
import { wrapped } from "./wrapped.ts";

/** Entries read at once where those of another realm lie between. */
const AUDIT_CHUNK = 500;

/**
 * A store as one realm sees it: rows whose ids end with another realm's code are not there, and what ends, counts or
 * locks names its realm. All in one place, so that no caller can forget it.
 */
export function realmStore(store: Store, realm: string): Store {
  const owns = (id: string): boolean => id.endsWith(realm);
  /** Of a lock or a mark. Without a realm it is its own name; no such name begins with four characters and a slash. */
  const nameOf = (name: string): string =>
    realm === NO_REALM || name === PRUNE_LOCK ? name : `${realm}/${name}`;
  const own = <Entry extends ListedEntry>(entries: readonly Entry[]): readonly Entry[] =>
    entries.filter(({ session, login }) => owns(login?.id ?? session?.id ?? ""));
  const proofOf = ({ marks, ofEveryone, provedAt }: Proof): Proof => ({
    marks: marks.map(nameOf),
    ofEveryone: ofEveryone && nameOf(ofEveryone),
    provedAt,
  });

  /** Undefined where it names a device of another realm. */
  function within(change: Change): Change | undefined {
    switch (change.kind) {
      case "name":
        return owns(change.handle) ? change : undefined;
      case "revoke": {
        const { handle, mark } = change;
        if (handle !== undefined && !owns(handle)) return undefined;
        return { ...change, realm, ...(mark && { mark: { ...mark, name: nameOf(mark.name) } }) };
      }
      case "erase":
        return { ...change, realm, mark: { ...change.mark, name: nameOf(change.mark.name) } };
      case "signIn": {
        const { caps, proof } = change;
        return {
          ...change,
          ...(caps && { caps: caps.map((cap) => ({ ...cap, realm })) }),
          ...(proof && { proof: proofOf(proof) }),
        };
      }
      default:
        return "proof" in change && change.proof !== undefined
          ? { ...change, proof: proofOf(change.proof) }
          : change;
    }
  }

  const { locks, admin, audit } = store;
  return wrapped(store, {
    // Every request runs this. The MAC proves the realm of a cookie's id, not of an id that an application passes.
    findSession: (id) => (owns(id) ? store.findSession(id) : NOTHING),
    findRemembered: (id) => (owns(id) ? store.findRemembered(id) : NOTHING),
    list: async (userId) => own(await store.list(userId)),
    async rowsOf(userId) {
      const { sessions, logins } = await store.rowsOf(userId);
      return { sessions: sessions.filter(({ id }) => owns(id)), logins: logins.filter(({ id }) => owns(id)) };
    },
    apply(change) {
      const own = within(change);
      if (own !== undefined) return store.apply(own);
      return Promise.resolve(
        change.kind === "name" ? { done: false, conflict: "missing" } : { done: true, ended: [] },
      );
    },
    locks: locks && {
      acquire: (lock) => locks.acquire({ ...lock, name: nameOf(lock.name) }),
      release: (name, owner) => locks.release(nameOf(name), owner),
    },
    admin: admin && {
      async browse(page) {
        const { entries, next } = await admin.browse(page);
        return { entries: own(entries), next };
      },
      inspect: () => admin.inspect(),
    },
    audit: audit && {
      append: (entries) => audit.append(entries),
      erase: (erasure) => audit.erase({ ...erasure, realm }),
      prune: (before, limit) => audit.prune(before, limit),
      count: (since) => audit.count(since),
      read: (query) => readOwn(audit, query, owns),
      ...(audit.forgetAddresses && {
        forgetAddresses: (page) => audit.forgetAddresses?.({ ...page, realm }) ?? NOTHING_FORGOTTEN,
      }),
    },
  });
}

async function readOwn(
  trail: AuditTrail,
  query: AuditQuery,
  owns: (id: string) => boolean,
): Promise<readonly AuditEntry[]> {
  const { limit } = query;
  const own: AuditEntry[] = [];
  let page = await trail.read(query);
  let asked = limit;
  while (true) {
    own.push(...page.filter(({ id }) => owns(id)));
    const before = page.at(-1)?.id;
    if (own.length >= limit || page.length < asked || before === undefined) return own.slice(0, limit);
    asked = Math.max(limit, AUDIT_CHUNK);
    page = await trail.read({ ...query, before, limit: asked });
  }
}

const NOTHING_FORGOTTEN = Promise.resolve({ count: 0, next: undefined });
const NOTHING = Promise.resolve(undefined);
