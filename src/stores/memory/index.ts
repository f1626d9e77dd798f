import * as v from "valibot";
import { checkedOptions } from "../../checks/faults.ts";
import { assertUserId } from "../../checks/user-id.ts";
import { systemClock } from "../../protocol/clock.ts";
import { sameDigest } from "../../protocol/secrets.ts";
import type { AuditTrail } from "../audit.ts";
import { cutPage, past } from "../browse.ts";
import { excessOf, isMeant, isSpared, listed, sparedBy, targetOf } from "../devices.ts";
import { endsDevice } from "../endings.ts";
import type {
  Change,
  ChangeResult,
  Ended,
  EndSelector,
  ListedEntry,
  ListedSession,
  LockRequest,
  Lost,
  Mark,
  Naming,
  Proof,
  PruneResult,
  Remembered,
  RememberedRow,
  RememberedUse,
  SessionRow,
  Store,
  StoreAdmin,
  Touch,
  UserEntry,
  UserId,
} from "../store.ts";
import { MemoryTrail } from "./trail.ts";

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
  return new MemoryStore(audit ? new MemoryTrail() : undefined);
}

class MemoryStore implements Store {
  readonly name = "memory";
  readonly userIds = "any";
  readonly audit: AuditTrail | undefined;
  #sessions = new Map<string, SessionRow>();
  #logins = new Map<string, RememberedRow>();
  /** Login id to session id: a login has one session row. */
  #sessionOfLogin = new Map<string, string>();
  readonly #locks = new Map<string, { owner: string; until: number; fence: number }>();
  readonly #marks = new Map<string, Mark>();
  #prunedAt: number | undefined;

  constructor(audit: AuditTrail | undefined) {
    this.audit = audit;
  }

  async findSession(id: string): Promise<SessionRow | undefined> {
    return this.#sessions.get(id);
  }

  async findRemembered(id: string): Promise<Remembered | undefined> {
    const login = this.#logins.get(id);
    return login === undefined ? undefined : { login, session: this.#sessionOf(id) };
  }

  async apply(change: Change): Promise<ChangeResult> {
    for (const userId of usersOf(change)) assertUserId(userId, this.userIds);
    const lost = this.#check(change);
    if (lost !== undefined) return { done: false, lost };
    const { rotate, stray, remember, insert, update, use, end, caps = [] } = change;
    const undo = caps.some(({ overflow }) => overflow === "refuse") ? this.#undo() : undefined;
    if (rotate !== undefined) {
      this.#changeLogin(rotate.id, (login) => ({
        ...login,
        ...rotate.set,
        generation: rotate.generation + 1,
        confirmedAt: undefined,
      }));
    }
    if (stray !== undefined) this.#changeLogin(stray.id, (row) => ({ ...row, strays: row.strays + 1 }));
    if (remember !== undefined) this.#logins.set(remember.id, remember);
    if (insert !== undefined) this.#putSession(insert);
    if (update !== undefined) {
      this.#changeSession(update.id, (row) => ({
        ...row,
        ...update.set,
        version: update.version + 1,
      }));
    }
    if (use !== undefined) this.#use(use);
    const spared = sparedBy(change);
    const ended = (end ?? []).flatMap((ending) =>
      this.#end(
        this.#entries().filter((entry) => !isSpared(entry, spared) && endsDevice(ending, entry)),
        ending,
      ),
    );
    const [first] = caps;
    const devices = first === undefined ? [] : this.#ofUser(first.userId);
    for (const { cap, excess } of excessOf(devices, caps, spared)) {
      if (cap.overflow === "refuse" && excess.length > 0) {
        undo?.();
        return { done: false, lost: "full" };
      }
      ended.push(...this.#end(excess, cap));
    }
    return { done: true, ended };
  }

  async touch(touches: readonly Touch[]): Promise<void> {
    for (const { sessionId, lastSeenAt, idleDeadline, pruneAfter, remembered } of touches) {
      this.#changeSession(sessionId, (row) => ({
        ...row,
        lastSeenAt,
        idleDeadline: idleDeadline ?? row.idleDeadline,
        pruneAfter: Math.max(row.pruneAfter, pruneAfter),
      }));
      if (remembered !== undefined) this.#use(remembered);
    }
  }

  async end(selector: EndSelector): Promise<readonly Ended[]> {
    if (targetOf(selector) === "nothing") return [];
    if (selector.userId !== undefined) assertUserId(selector.userId, this.userIds);
    if (selector.mark !== undefined) this.#mark(selector.mark);
    const matches = this.#entries().filter((entry) => isMeant(entry, selector));
    return this.#end(matches, selector);
  }

  async nameDevice({ handle, userId, name }: Naming): Promise<boolean> {
    assertUserId(userId, this.userIds);
    const found = this.#ofUser(userId).find(
      ({ session, login }) => session?.id === handle || login?.id === handle,
    );
    if (found?.login !== undefined) this.#changeLogin(found.login.id, (row) => ({ ...row, name }));
    if (found?.session !== undefined) this.#changeSession(found.session.id, (row) => ({ ...row, name }));
    return found !== undefined;
  }

  async list(userId: UserId): Promise<readonly ListedEntry[]> {
    assertUserId(userId, this.userIds);
    return this.#ofUser(userId).map(listed);
  }

  async prune(now: number, limit: number): Promise<PruneResult> {
    const deadSessions = [...this.#sessions.values()].filter((row) => row.pruneAfter < now).slice(0, limit);
    const deadLogins = [...this.#logins.values()].filter((row) => row.pruneAfter < now).slice(0, limit);
    for (const row of deadSessions) this.#dropSession(row);
    for (const row of deadLogins) this.#logins.delete(row.id);
    for (const [name, lock] of this.#locks) if (lock.until < now) this.#locks.delete(name);
    for (const [name, mark] of this.#marks) if (mark.until < now) this.#marks.delete(name);
    return { sessions: deadSessions.length, logins: deadLogins.length };
  }

  async claimPrune(now: number, interval: number): Promise<boolean> {
    const last = this.#prunedAt;
    if (last !== undefined && now - last < interval && last <= now + interval) return false;
    this.#prunedAt = now;
    return true;
  }

  async acquireLock({ name, owner, now, until }: LockRequest): Promise<number | undefined> {
    const held = this.#locks.get(name);
    if (held !== undefined && held.owner !== "" && held.until > now) return undefined;
    const fence = Math.max((held?.fence ?? 0) + 1, now);
    this.#locks.set(name, { owner, until, fence });
    return fence;
  }

  async releaseLock(name: string, owner: string): Promise<void> {
    const held = this.#locks.get(name);
    if (held?.owner === owner) this.#locks.set(name, { ...held, owner: "" });
  }

  readonly admin: StoreAdmin = {
    browse: async ({ after, limit }) => {
      const rest = this.#entries().filter(
        ({ session, login }) => after === undefined || (session?.id ?? login?.id ?? "") > past(after),
      );
      return cutPage(rest, limit, undefined);
    },
    inspect: async () => ({
      now: systemClock.now(),
      version: `memory of Node ${process.version}`,
      tables: [
        { name: "sessions", rows: this.#sessions.size, bytes: undefined },
        { name: "logins", rows: this.#logins.size, bytes: undefined },
      ],
      prunedAt: this.#prunedAt,
      faults: [],
    }),
  };

  async close(): Promise<void> {}

  /** Rows never change in place, so that the maps are all there is to bring back. */
  #undo(): () => void {
    const sessions = new Map(this.#sessions);
    const logins = new Map(this.#logins);
    const sessionOfLogin = new Map(this.#sessionOfLogin);
    return () => {
      this.#sessions = sessions;
      this.#logins = logins;
      this.#sessionOfLogin = sessionOfLogin;
    };
  }

  #ofUser(userId: UserId): UserEntry[] {
    return this.#entries().filter(({ session, login }) => (session?.userId ?? login?.userId) === userId);
  }

  /** The first condition of a change that does not hold. */
  #check({ proof, rotate, hold, stray, remember, insert, update }: Change): Lost | undefined {
    if (proof !== undefined && this.#isOutdated(proof)) return "outdated";
    for (const guard of [rotate, hold]) {
      if (guard === undefined) continue;
      const login = this.#logins.get(guard.id);
      if (login === undefined || login.revokedAt !== undefined || login.generation !== guard.generation)
        return "rotation";
    }
    if (stray !== undefined) {
      const login = this.#logins.get(stray.id);
      const counts = login?.revokedAt === undefined && login?.generation === stray.generation;
      if (!counts || login.strays >= stray.max) return "strayed";
    }
    if (remember !== undefined && this.#logins.has(remember.id)) return "exists";
    if (insert !== undefined) {
      const hasLoginsSession =
        insert.rememberedId !== undefined && this.#sessionOfLogin.has(insert.rememberedId);
      if (this.#sessions.has(insert.id) || hasLoginsSession) return "exists";
    }
    if (update !== undefined) {
      const row = this.#sessions.get(update.id);
      if (row === undefined) return "missing";
      if (row.version !== update.version) return "stale";
      const rememberedId = update.set.rememberedId;
      const owner = rememberedId === undefined ? undefined : this.#sessionOfLogin.get(rememberedId);
      if (owner !== undefined && owner !== update.id) return "exists";
    }
    return undefined;
  }

  /** Live logins with their sessions, and sessions without a login. */
  #entries(): UserEntry[] {
    const entries: UserEntry[] = [];
    for (const session of this.#sessions.values()) {
      const login = session.rememberedId === undefined ? undefined : this.#logins.get(session.rememberedId);
      entries.push({ session, login: login?.revokedAt === undefined ? login : undefined });
    }
    for (const login of this.#logins.values()) {
      if (login.revokedAt === undefined && !this.#sessionOfLogin.has(login.id))
        entries.push({ session: undefined, login });
    }
    return entries;
  }

  #end(
    entries: readonly ListedEntry[],
    { reason, at, pruneAfter }: Pick<EndSelector, "reason" | "at" | "pruneAfter">,
  ): Ended[] {
    return entries.map(({ session, login }) => {
      if (session !== undefined) this.#dropSession(session);
      if (login !== undefined) {
        this.#changeLogin(login.id, (row) => ({
          ...row,
          generation: row.generation + 1,
          revokedAt: at,
          revokedReason: reason,
          pruneAfter,
        }));
      }
      return {
        sessionId: session?.id,
        rememberedId: login?.id,
        userId: session?.userId ?? login?.userId,
        reason,
      };
    });
  }

  #use({ id, lastUsedAt, idleDeadline, pruneAfter, confirm }: RememberedUse): void {
    const login = this.#logins.get(id);
    if (login === undefined || login.revokedAt !== undefined) return;
    const confirms =
      confirm !== undefined &&
      login.confirmedAt === undefined &&
      login.generation === confirm.generation &&
      sameDigest(login.token, confirm.token);
    this.#logins.set(id, {
      ...login,
      lastUsedAt,
      idleDeadline,
      pruneAfter,
      confirmedAt: confirms ? confirm.at : login.confirmedAt,
    });
    const session = this.#sessionOf(id);
    if (confirms && session !== undefined)
      this.#sessions.set(session.id, { ...session, confirmFrom: undefined });
  }

  #isOutdated({ marks, provedAt }: Proof): boolean {
    return marks.some((name) => (this.#marks.get(name)?.at ?? Number.NEGATIVE_INFINITY) >= provedAt);
  }

  #mark(mark: Mark): void {
    const { name } = mark;
    const { at, until } = this.#marks.get(name) ?? mark;
    this.#marks.set(name, { name, at: Math.max(at, mark.at), until: Math.max(until, mark.until) });
  }

  #sessionOf(loginId: string): SessionRow | undefined {
    const id = this.#sessionOfLogin.get(loginId);
    return id === undefined ? undefined : this.#sessions.get(id);
  }

  #putSession(row: SessionRow): void {
    const before = this.#sessions.get(row.id);
    if (before?.rememberedId !== undefined) this.#sessionOfLogin.delete(before.rememberedId);
    this.#sessions.set(row.id, row);
    if (row.rememberedId !== undefined) this.#sessionOfLogin.set(row.rememberedId, row.id);
  }

  #dropSession(row: ListedSession): void {
    this.#sessions.delete(row.id);
    if (row.rememberedId !== undefined) this.#sessionOfLogin.delete(row.rememberedId);
  }

  #changeSession(id: string, change: (row: SessionRow) => SessionRow): void {
    const row = this.#sessions.get(id);
    if (row !== undefined) this.#putSession(change(row));
  }

  #changeLogin(id: string, change: (row: RememberedRow) => RememberedRow): void {
    const row = this.#logins.get(id);
    if (row !== undefined) this.#logins.set(id, change(row));
  }
}

/** Whose rows a change writes or counts. */
const usersOf = ({ remember, insert, update, caps = [] }: Change): UserId[] =>
  [remember?.userId, insert?.userId, update?.set.userId, ...caps.map(({ userId }) => userId)].filter(
    (userId) => userId !== undefined,
  );
