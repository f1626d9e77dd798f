import { NO_REALM } from "../protocol/secrets.ts";
import type { AuditEntry, AuditQuery, AuditTrail } from "./audit.ts";
import type {
  Change,
  ChangeResult,
  Ended,
  EndSelector,
  ListedEntry,
  LockRequest,
  Naming,
  Proof,
  Remembered,
  SessionRow,
  Store,
  StoreAdmin,
  UserId,
} from "./store.ts";
import { WrappedStore } from "./wrapped.ts";

/** Entries read at once where those of another realm lie between. */
const AUDIT_CHUNK = 500;

/**
 * A store as one realm sees it: rows whose ids end with another realm's code are not there, and what ends, counts or
 * locks says for which realm. All in one place, so that nothing of the core can forget it.
 */
export class RealmStore extends WrappedStore {
  readonly #realm: string;

  constructor(store: Store, realm: string) {
    super(store);
    this.#realm = realm;
  }

  /** Every request comes by here. An id of a cookie is ours by its MAC, one that an application asks for is not. */
  override findSession(id: string): Promise<SessionRow | undefined> {
    return this.#owns(id) ? super.findSession(id) : NOTHING;
  }

  override findRemembered(id: string): Promise<Remembered | undefined> {
    return this.#owns(id) ? super.findRemembered(id) : NOTHING;
  }

  override apply(change: Change): Promise<ChangeResult> {
    const { caps, proof } = change;
    if (caps === undefined && proof === undefined) return super.apply(change);
    return super.apply({
      ...change,
      ...(caps === undefined ? {} : { caps: caps.map((cap) => ({ ...cap, realm: this.#realm })) }),
      ...(proof === undefined ? {} : { proof: this.#proofOf(proof) }),
    });
  }

  #proofOf({ marks, ofEveryone, provedAt }: Proof): Proof {
    const nameOf = (name: string) => this.#nameOf(name);
    return { marks: marks.map(nameOf), ofEveryone: ofEveryone && nameOf(ofEveryone), provedAt };
  }

  override async end(selector: EndSelector): Promise<readonly Ended[]> {
    const { handle, mark } = selector;
    if (handle !== undefined && !this.#owns(handle)) return [];
    return super.end({
      ...selector,
      realm: this.#realm,
      ...(mark === undefined ? {} : { mark: { ...mark, name: this.#nameOf(mark.name) } }),
    });
  }

  override async nameDevice(naming: Naming): Promise<boolean> {
    return this.#owns(naming.handle) && super.nameDevice(naming);
  }

  override async list(userId: UserId): Promise<readonly ListedEntry[]> {
    return this.#own(await super.list(userId));
  }

  override acquireLock(lock: LockRequest): Promise<number | undefined> {
    return super.acquireLock({ ...lock, name: this.#nameOf(lock.name) });
  }

  override releaseLock(name: string, owner: string): Promise<void> {
    return super.releaseLock(this.#nameOf(name), owner);
  }

  override get admin(): StoreAdmin | undefined {
    const admin = super.admin;
    if (admin === undefined) return undefined;
    return {
      browse: async (page) => {
        const { entries, next } = await admin.browse(page);
        return { entries: this.#own(entries), next };
      },
      inspect: () => admin.inspect(),
    };
  }

  override get audit(): AuditTrail | undefined {
    const trail = super.audit;
    return trail === undefined
      ? undefined
      : {
          append: (entries) => trail.append(entries),
          prune: (before, limit) => trail.prune(before, limit),
          count: (since) => trail.count(since),
          read: (query) => this.#read(trail, query),
        };
  }

  async #read(trail: AuditTrail, query: AuditQuery): Promise<readonly AuditEntry[]> {
    const { limit } = query;
    const own: AuditEntry[] = [];
    let page = await trail.read(query);
    let asked = limit;
    while (true) {
      own.push(...page.filter(({ id }) => this.#owns(id)));
      const before = page.at(-1)?.id;
      if (own.length >= limit || page.length < asked || before === undefined) return own.slice(0, limit);
      asked = Math.max(limit, AUDIT_CHUNK);
      page = await trail.read({ ...query, before, limit: asked });
    }
  }

  #own<Entry extends ListedEntry>(entries: readonly Entry[]): readonly Entry[] {
    return entries.filter(({ session, login }) => this.#owns(login?.id ?? session?.id ?? ""));
  }

  #owns(id: string): boolean {
    return id.endsWith(this.#realm);
  }

  /** Of a lock or a mark. Without a realm it is its own name; no such name begins with four characters and a slash. */
  #nameOf(name: string): string {
    return this.#realm === NO_REALM ? name : `${this.#realm}/${name}`;
  }
}

const NOTHING = Promise.resolve(undefined);
